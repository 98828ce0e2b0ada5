"""Figures of the board paper that come by return: the paper's own verdicts, and what stands beside derived figures."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import duckdb
import pytest
from conftest import opened

from ccg_pipeline.settings import Settings


@pytest.fixture
def con(sample_home: Path) -> Iterator[duckdb.DuckDBPyConnection]:
    with opened(Settings(sample_home, sample_home).published) as con:
        yield con


@pytest.mark.parametrize(
    ("org_code", "judged", "not_met"),
    [
        ("HUCOOH", 4, ["HUC_OOH6_URGENT_VISIT_2H", "HUC_OOH7_ROUTINE_VISIT_6H", "HUC_OOH8_URGENT_BASE_2H"]),
        ("COMMUNITAS", 8, ["ENT28_TRIAGE", "ENT29_ONWARD_ERS", "ENT51_DNA"]),
        ("CONNECT", 7, ["MSK3_URGENT_2W", "MSK4_ROUTINE_4W", "MSK6_CANCELLED_14D"]),
        (
            "MILLBROOK",
            12,
            [
                *("WCS11_FIRST_TIME_FIX", "WCS3_LOW_NEED_1W", "WCS4_MEDIUM_NEED_6W", "WCS5_HIGH_NEED_8W"),
                *("WCS6_SPECIALIST_NEED_15W", "WCS9_REPAIR_3D"),
            ],
        ),
    ],
)
def test_local_standards_of_may_2019(
    con: duckdb.DuckDBPyConnection, org_code: str, judged: int, not_met: list[str]
) -> None:
    rows = con.execute(
        "SELECT indicator_id, is_met FROM marts.fct_standard_comparisons "
        "WHERE org_code = ? AND period_end = DATE '2019-05-31' AND is_met IS NOT NULL ORDER BY 1",
        [org_code],
    ).fetchall()
    assert len(rows) == judged
    assert [indicator_id for indicator_id, is_met in rows if not is_met] == not_met
    breaches = con.execute(
        "SELECT indicator_id, excess_breaches FROM marts.fct_breaches "
        "WHERE org_code = ? AND period_end = DATE '2019-05-31' ORDER BY 1",
        [org_code],
    ).fetchall()
    assert breaches == [(indicator_id, None) for indicator_id in not_met]


def test_long_stays_are_at_or_below_trajectory_in_15_of_19_weeks(con: duckdb.DuckDBPyConnection) -> None:
    rows = con.execute(
        "SELECT period_end::VARCHAR, planned_value, actual_value, variance, is_on_plan "
        "FROM marts.fct_trajectory_comparisons WHERE indicator_id = 'LONG_STAY_21D' AND period_type = 'week' ORDER BY 1"
    ).fetchall()
    assert len(rows) == 19
    assert [row for row in rows if not row[4]] == [
        ("2019-04-07", 86.0, 87.0, 1.0, False),
        ("2019-04-28", 85.0, 93.0, 8.0, False),
        ("2019-06-02", 83.0, 92.0, 9.0, False),
        ("2019-08-04", 79.0, 82.0, 3.0, False),
    ]
    assert ("2019-06-30", 81.0, 81.0, 0.0, True) in rows


def test_targets_of_returns_are_plans(con: duckdb.DuckDBPyConnection) -> None:
    rows = con.execute(
        "SELECT indicator_id, period_type, period_start::VARCHAR, planned_value, actual_value, is_on_plan "
        "FROM marts.fct_trajectory_comparisons WHERE plan = 'as returned' AND profile = 'stated' "
        "AND (org_code = 'E10000015' OR indicator_id = 'MH01_IAPT_ACCESS') ORDER BY 1, 3"
    ).fetchall()
    assert rows == [
        ("BCF_CARE_HOMES_100K", "financial_year", "2016-04-01", 610.0, 538.0, True),
        ("BCF_CARE_HOMES_100K", "quarter", "2019-01-01", 505.0, 550.0, False),
        ("BCF_NONELECTIVE_ADMISSIONS", "financial_year", "2016-04-01", 26879.0, 26900.0, False),
        ("BCF_NONELECTIVE_ADMISSIONS", "quarter", "2019-01-01", 28746.0, 29855.0, False),
        ("BCF_REABLEMENT_91D", "financial_year", "2016-04-01", 87.0, 85.0, False),
        ("BCF_REABLEMENT_91D", "quarter", "2019-01-01", 86.0, 84.0, False),
        ("DTOC_RATE_100K", "financial_year", "2016-04-01", 713.0, 1569.0, False),
        ("DTOC_RATE_100K", "quarter", "2019-01-01", 856.0, 858.0, False),
        ("MH01_IAPT_ACCESS", "month", "2019-05-01", 1060.0, 1200.0, True),
    ]


def test_what_is_reported_beside_what_is_derived(con: duckdb.DuckDBPyConnection) -> None:
    assert con.execute(
        "SELECT source, is_preferred, value FROM marts.fct_indicator_values WHERE indicator_id = 'DTOC_DAYS' "
        "AND org_code = 'RWG' AND period_type = 'month' AND period_start = DATE '2019-04-01' ORDER BY 1"
    ).fetchall() == [("derived", True, 676.0), ("reported", False, 628.0)]
    assert con.execute(
        "SELECT indicator_id, derived_indicator_id, org_code, period_start::VARCHAR, derived_value, reported_value, "
        "difference FROM marts.fct_reported_differences WHERE derived_indicator_id = 'DTOC_DAYS'"
    ).fetchall() == [("DTOC_DAYS", "DTOC_DAYS", "RWG", "2019-04-01", 676.0, 628.0, -48.0)]


def test_what_is_reported_without_a_figure_says_why(con: duckdb.DuckDBPyConnection) -> None:
    rows = con.execute(
        "SELECT indicator_id, period_start::VARCHAR, value, caveat FROM marts.fct_indicator_values "
        "WHERE source = 'reported' AND value IS NULL ORDER BY 1, 2"
    ).fetchall()
    assert rows == [
        ("CAMHS4_TARGETED_28D", "2018-04-01", None, "no activity"),
        ("HUC_111H_AE", "2019-05-01", None, "no value: 406.0 is reported, which is no percentage"),
        ("WCS7_COLLECTION_5D", "2018-03-01", None, "not available"),
    ]


def test_every_kind_of_period_and_level_is_there(con: duckdb.DuckDBPyConnection) -> None:
    kinds = con.execute(
        "SELECT DISTINCT period_type, org_level FROM marts.fct_indicator_values WHERE source = 'reported' ORDER BY ALL"
    ).fetchall()
    assert kinds == [
        ("financial_year", "hwb"),
        ("month", "ccg"),
        ("month", "provider"),
        ("month", "service"),
        ("quarter", "hwb"),
        ("week", "provider"),
        ("ytd", "provider"),
    ]
