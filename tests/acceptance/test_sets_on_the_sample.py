"""The sets on the sample: every line of a plan and every indicator in its place, and what the papers print."""

from __future__ import annotations

import csv
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import duckdb
import pytest
from conftest import opened

from ccg_pipeline import cli
from ccg_pipeline.settings import PROJECT_ROOT, Settings

SEEDS = PROJECT_ROOT / "dbt_project" / "seeds"


@pytest.fixture
def con(sample_home: Path) -> Iterator[duckdb.DuckDBPyConnection]:
    with opened(Settings(sample_home, sample_home).published) as con:
        yield con


def rows_of(name: str) -> list[dict[str, str]]:
    with open(SEEDS / f"{name}.csv", encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def test_every_line_of_the_plan_is_among_the_local_ambitions(con: duckdb.DuckDBPyConnection) -> None:
    planned = rows_of("trajectories")
    lines = Counter(
        (plan_id, int(line))
        for plan_id, source_lines in con.execute(
            "SELECT plan_id, source_lines FROM marts.rpt_local_ambitions WHERE plan_id IS NOT NULL"
        ).fetchall()
        for line in source_lines.split(", ")
    )
    of_ambitions = {row["indicator_id"] for row in rows_of("indicators") if row["indicator_set"] == "local_ambitions"}
    plans = {row["plan_id"] for row in planned if row["indicator_id"] in of_ambitions}
    assert lines == Counter((r["plan_id"], int(r["source_line"])) for r in planned if r["plan_id"] in plans)
    numbers = con.execute("SELECT DISTINCT ambition_number FROM marts.rpt_local_ambitions ORDER BY 1").fetchall()
    assert [number for (number,) in numbers] == [*range(1, 10), None]


def test_bed_days_of_long_term_conditions_are_those_of_total_and_share(con: duckdb.DuckDBPyConnection) -> None:
    """2014/15: 69 % of 352,765 = 243,407.85; every year of the plan rounds to what it prints."""
    rows = con.execute(
        "SELECT period_label, coalesce(ambition_value, stated_value), recomputed_difference "
        "FROM marts.rpt_local_ambitions WHERE indicator_id = 'LA2_LTC_BED_DAYS' ORDER BY period_start"
    ).fetchall()
    assert len(rows) == 7 and {difference for *_, difference in rows} == {0.0}
    assert ("2014/15", 243408.0, 0.0) in rows


def test_an_ambition_stands_beside_what_is_expected_without_it(con: duckdb.DuckDBPyConnection) -> None:
    assert con.execute(
        "SELECT no_ambition_value, ambition_value, ambition_less_no_ambition, verdict, source_lines "
        "FROM marts.rpt_local_ambitions "
        "WHERE indicator_id = 'LA4_SPELLS_OVER_75_EMERGENCY' AND period_label = '2018/19'"
    ).fetchall() == [(17384.0, 15294.0, -2090.0, "awaiting a return", "44, 56")]


@pytest.mark.parametrize(
    ("service", "judged", "not_met"), [("Out of hours", 4, 3), ("ENT", 8, 3), ("MSK", 7, 3), ("Wheelchairs", 12, 6)]
)
def test_local_standards_of_may_2019_by_service(
    con: duckdb.DuckDBPyConnection, service: str, judged: int, not_met: int
) -> None:
    verdicts = Counter(
        verdict
        for (verdict,) in con.execute(
            "SELECT verdict FROM marts.rpt_local_standards WHERE service = ? AND period_label = 'May 2019'", [service]
        ).fetchall()
    )
    assert (verdicts["met"] + verdicts["not met"], verdicts["not met"]) == (judged, not_met)


def test_the_stp_stands_beside_its_members_over_15_months(con: duckdb.DuckDBPyConnection) -> None:
    assert con.execute(
        "SELECT count(DISTINCT period_start), min(period_label) FILTER (WHERE months_before_latest = 14) "
        "FROM marts.rpt_stp_overview WHERE system_code = 'QM7' AND is_in_last_15_months"
    ).fetchall() == [(15, "March 2018")]
    whole, *members = con.execute(
        "SELECT org_code, numerator, denominator, standard, is_met FROM marts.rpt_stp_overview "
        "WHERE system_code = 'QM7' AND indicator_id = 'CANCER_62D_GP' AND period_label = 'May 2019' "
        "ORDER BY is_system DESC, org_code"
    ).fetchall()
    assert whole[0] == "QM7" and [member[0] for member in members] == ["06K", "06N", "07H"]
    assert whole[1:3] == (sum(member[1] for member in members), sum(member[2] for member in members))
    assert whole[3:] == (85, False)


def test_every_indicator_of_a_domain_is_among_the_outcomes(con: duckdb.DuckDBPyConnection) -> None:
    shown = dict(
        con.execute("SELECT indicator_id, any_value(outcomes_domain) FROM marts.rpt_outcomes GROUP BY 1").fetchall()
    )
    assert shown == {
        row["indicator_id"]: row["outcomes_domain"]
        for row in rows_of("indicators")
        if row["outcomes_domain"] in {"1", "2", "3", "4", "5"}
    }
    assert con.execute(
        "SELECT value, standard, verdict FROM marts.rpt_outcomes "
        "WHERE indicator_id = 'MH02_IAPT_RECOVERY' AND period_label = 'May 2019'"
    ).fetchall() == [(50.4, 50, "standard met")]
    # The plan: 75.8 % in 2012/13, to be 80 % in 2018/19; and at most 97 infections.
    assert con.execute(
        "SELECT indicator_id, period_label, stated_value, planned_value, plan_kind FROM marts.rpt_outcomes "
        "WHERE indicator_id IN ('LA2_LTC_CONFIDENT', 'CDIFF_CASES') ORDER BY 1 DESC, 2"
    ).fetchall() == [
        ("LA2_LTC_CONFIDENT", "2012/13", 75.8, None, None),
        ("LA2_LTC_CONFIDENT", "2018/19", None, 80.0, "plan"),
        ("CDIFF_CASES", "2014/15", None, 97.0, "ceiling"),
    ]


def test_a_standard_agreed_for_one_trust_holds_for_it_alone_and_in_its_year(con: duckdb.DuckDBPyConnection) -> None:
    """WHHT has 90 % for 2019/20 beside the national 92 %; nobody else of the sample has one of its own."""
    assert con.execute(
        "SELECT DISTINCT indicator_id, org_code, standard, other_standard FROM marts.fct_standard_comparisons "
        "WHERE other_standard IS NOT NULL"
    ).fetchall() == [("RTT_INCOMPLETE_18W", "RWG", 90, 92)]
    assert con.execute(
        "SELECT standard, min(period_start)::VARCHAR, max(period_start)::VARCHAR FROM marts.fct_standard_comparisons "
        "WHERE indicator_id = 'RTT_INCOMPLETE_18W' AND org_code = 'RWG' AND period_type = 'month' GROUP BY 1 ORDER BY 1"
    ).fetchall() == [(90, "2019-04-01", "2019-05-01"), (92, "2018-03-01", "2019-03-01")]
    assert con.execute(
        "SELECT DISTINCT standard FROM marts.fct_standard_comparisons "
        "WHERE indicator_id = 'RTT_INCOMPLETE_18W' AND org_code <> 'RWG'"
    ).fetchall() == [(92,)]


def test_a_set_is_asked_for_by_its_name(sample_home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    base = ["indicators", "--home", str(sample_home), "--period", "2019-05", "--set"]
    assert cli.run([*base, "STP_overview", "--org", "QM7"]) == 0
    shown = {line.split()[0] for line in capsys.readouterr().out.splitlines()[1:]}
    assert {"RTT_52W", "CANCER_62D_GP"} <= shown and "AE_4HR" not in shown
    assert cli.run([*base, "local_standards", "--org", "06N"]) == 0
    assert "CAMHS1_CRISIS_4H" in capsys.readouterr().out
    assert cli.run([*base, "no_such_set"]) == 2
    said = capsys.readouterr().err
    assert "bcf" in said and "constitution" in said and "stp_overview" in said
