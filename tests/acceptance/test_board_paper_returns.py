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
    assert con.execute(
        "SELECT count(*), count(*) FILTER (WHERE value <= target) FROM intermediate.int_reported_values "
        "WHERE indicator_id = 'LONG_STAY_21D' AND period_type = 'week'"
    ).fetchall() == [(19, 15)]


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
