"""The money of the plan by return: Better Care Fund, savings and the commissioning framework, from files to views.

One home is built for all of them, with a catalogue of its own that says which practice is in which locality.
"""

from __future__ import annotations

import csv
import shutil
from collections.abc import Callable, Iterator
from datetime import date, datetime
from decimal import Decimal
from pathlib import Path

import duckdb
import pytest
from board_paper import HEADINGS, write_returns
from conftest import land, opened
from dbt_builds import build_marts
from layouts import SHARED, needs_shared

from ccg_pipeline.publication.explain import Asked, explain, render
from ccg_pipeline.settings import PROJECT_ROOT, Settings

Row = dict[str, str]
COUNTY = "E10000015"
ADMISSIONS = "BCF_NONELECTIVE_ADMISSIONS"


class WithCatalogue(Settings):
    """An installation with a catalogue of its own below its home."""

    @property
    def dbt_project(self) -> Path:
        return self.home / "dbt_project"


def seed(settings: Settings, name: str) -> list[Row]:
    with open(settings.seeds / name, encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def a_row(indicator_id: str, org_code: str, period: str, value: object, **cells: str) -> Row:
    figure = {"value": str(value), "status": "final"} if value is not None else {"status": "not received"}
    return {"indicator_id": indicator_id, "org_code": org_code, "period": period} | figure | cells


def better_care_fund() -> Iterator[Row]:
    """Calendar 2015. January to March from four CCGs, and returned; then as returned; October to December not yet.

    The county in the first quarter: 14,000 x 97.0 % + 12,000 x 98.0 % + 20,000 x 2.1 % + 5,000 x 2.2 % = 13,580 +
    11,760 + 420 + 110 = 25,870. In the second one 06H is not received, so that there is none.
    """
    for ccg, figure in (("06K", 14000), ("06N", 12000), ("06H", 20000), ("08G", 5000)):
        yield a_row(ADMISSIONS, ccg, "2014/15-Q4", figure, org_level="ccg")
        yield a_row(ADMISSIONS, ccg, "2015/16-Q1", None if ccg == "06H" else figure, org_level="ccg")
    for period, figure in (("2014/15-Q4", 25900), ("2015/16-Q1", 26870), ("2015/16-Q2", 27370), ("2015/16-Q3", None)):
        yield a_row(ADMISSIONS, COUNTY, period, figure, target="26370")
        yield a_row("BCF_P4P_BASELINE_ADMISSIONS", COUNTY, period, 26870)
    yield a_row("BCF_P4P_POT", COUNTY, "2015/16", 2000)
    # 41 of 50 people, and 120 people of 80,000.
    parts = {"numerator": "41", "denominator": "50", "target": "80"}
    yield a_row("BCF_REABLEMENT_91D", COUNTY, "2014/15-Q4", "", **parts)
    parts = {"numerator": "120", "denominator": "80000", "target": "150"}
    yield a_row("BCF_CARE_HOMES_100K", COUNTY, "2014/15-Q4", "", **parts)


def savings(settings: Settings) -> Iterator[Row]:
    """Every cell with a plan as planned, but for A&E of ENHT: 272 in place of 372."""
    for cell in seed(settings, "qipp.csv"):
        if cell["is_stated_total"] == "false" and cell["planned_gbp_thousands"] not in ("", "0"):
            is_short = (cell["point_of_delivery"], cell["provider"]) == ("A&E", "ENHT")
            saved = 272 if is_short else cell["planned_gbp_thousands"]
            yield a_row(cell["indicator_id"], cell["org_code"], "2014/15", saved, org_level="provider")


def framework(settings: Settings) -> Iterator[Row]:
    """E82001 meets all of both years, just; E82002 falls short of one criterion of 2014/15 and then returns nothing."""
    lists = (("E82001", "2014/15", 10000), ("E82002", "2014/15", 5000), ("E82001", "2015/16", 8001))
    for practice, year, patients in lists:
        yield a_row("CF_LIST_SIZE", practice, year, patients, org_level="practice")
        for criterion in seed(settings, "framework_criteria.csv"):
            if criterion["financial_year_start"][:4] != year[:4]:
                continue
            at = criterion["org_level"]
            if at == "locality" and practice != "E82001":
                continue
            value = (
                "39.9" if (practice, criterion["criterion_id"]) == ("E82002", "copd_plans") else criterion["threshold"]
            )
            quarters = {"year": [""], "by_quarter": ["-Q2"], "each_quarter": ["-Q1", "-Q2", "-Q3", "-Q4"]}
            for quarter in quarters[criterion["measured"]]:
                code = practice if at == "practice" else "LOC1"
                yield a_row(criterion["indicator_id"], code, year + quarter, value, org_level=at)


@pytest.fixture(scope="module")
def home(once: Callable[[str, Callable[[Path], None]], Path]) -> Settings:
    """Home with all that is returned here, and the board paper's tables where they are at hand."""

    def fill(folder: Path) -> None:
        settings = WithCatalogue(folder / "raw", folder)
        shutil.copytree(PROJECT_ROOT / "dbt_project", settings.dbt_project)
        with open(settings.seeds / "practice_localities.csv", "a", encoding="utf-8") as file:
            file.write("E82001,A practice,LOC1,A locality,06K,,,agreed\nE82002,Another,LOC1,A locality,06K,,,agreed\n")
        settings.raw.mkdir()
        with open(settings.raw / "returns.csv", "w", encoding="utf-8", newline="") as file:
            writer = csv.DictWriter(file, HEADINGS)
            writer.writeheader()
            writer.writerows([*better_care_fund(), *savings(settings), *framework(settings)])
        if (SHARED / "data").is_dir():
            write_returns(SHARED / "reference" / "board_paper_2019", settings.raw, ["bcf", "finance"])
        land(settings, datetime(2019, 9, 1))
        build_marts(
            settings,
            *("+rpt_better_care_fund", "+rpt_better_care_fund_payment", "+rpt_qipp", "+rpt_commissioning_framework"),
            *("+fct_standard_comparisons", "+fct_restatements", "+fct_corrections", "+extracts"),
            *("int_local_returns__indicator_rows", "+rpt_trajectories"),
        )

    folder = once("money_home", fill)
    return WithCatalogue(folder / "raw", folder)


@pytest.fixture
def con(home: Settings) -> Iterator[duckdb.DuckDBPyConnection]:
    with opened(home.warehouse) as con:
        yield con


def test_a_county_is_worked_out_from_its_ccgs_and_set_beside_what_it_returns(con: duckdb.DuckDBPyConnection) -> None:
    rows = con.execute(
        "SELECT period_start::VARCHAR, source, is_preferred, value, caveat FROM marts.fct_indicator_values "
        "WHERE indicator_id = ? AND org_code = ? AND period_type = 'quarter' AND year(period_start) = 2015 "
        "ORDER BY 1, 2",
        [ADMISSIONS, COUNTY],
    ).fetchall()
    assert [row[:4] for row in rows] == [
        ("2015-01-01", "derived", True, 25870.0),
        ("2015-01-01", "reported", False, 25900.0),
        ("2015-04-01", "derived", False, None),
        ("2015-04-01", "reported", True, 26870.0),
        ("2015-07-01", "reported", True, 27370.0),
        ("2015-10-01", "reported", True, None),
    ]
    # 46.5 + 50.7 + 1.6 + 0.6 of the 99.9 % of its shares; 51,000 x 0.05 % = 25.5.
    assert rows[0][4].startswith(
        f"worked out from {ADMISSIONS} of 06H, 06K, 06N, 08G, each by its share in the county: 99.5 %"
    )
    assert "uncertain by at most 26; without 06F, 06P, 07H, 07M, 07X, 08E, 14Y" in rows[0][4]
    assert rows[2][4] == f"no value for the county: no {ADMISSIONS} of the whole quarter for 06H; 06H: not received"
    assert con.execute(
        "SELECT derived_value, reported_value, difference FROM marts.fct_reported_differences WHERE indicator_id = ?",
        [ADMISSIONS],
    ).fetchall() == [(25870.0, 25900.0, 30.0)]
    # Counties of which a CCG reports and another does not: named, and without a value.
    assert con.execute(
        "SELECT org_name, value, caveat FROM marts.fct_indicator_values JOIN marts.dim_organisations "
        "USING (org_code, org_level) WHERE org_code = 'E10000003' AND period_start = DATE '2015-01-01'"
    ).fetchall() == [
        ("Cambridgeshire", None, f"no value for the county: no {ADMISSIONS} of the whole quarter for 06F, 07K")
    ]


def test_explain_shows_the_sum_of_a_county(home: Settings, tmp_path: Path) -> None:
    copy = shutil.copy(home.warehouse, tmp_path / "ccg.duckdb")
    with duckdb.connect(copy) as con:
        # Questions are built from all that there is, and this sum is none of them.
        con.execute(
            "CREATE TABLE marts.fct_data_queries (query_id VARCHAR, severity VARCHAR, finding VARCHAR, is_value_wrong "
            "BOOLEAN, dataset VARCHAR, indicator_id VARCHAR, org_code VARCHAR, org_level VARCHAR, period_start DATE, "
            "period_end DATE, question VARCHAR, evidence VARCHAR)"
        )
        facts = explain(con, Asked(ADMISSIONS, COUNTY, date(2015, 1, 1)))
    derived, reported = facts["values"]
    assert (derived["source"], derived["rows"], derived["parts"]) == ("derived", None, None)
    arithmetic = "14,000 of 06K x 97.0 % + 12,000 of 06N x 98.0 % + 20,000 of 06H x 2.1 % + 5,000 of 08G x 2.2 %"
    assert derived["worked_out"] == arithmetic
    assert [extract["file_name"] for extract in derived["extracts"]] == ["returns.csv"]
    assert (reported["worked_out"], reported["rows"]["count"]) == (None, 1)
    assert f"  worked out    {arithmetic}"[:80] in render(facts, "text")


def test_the_fund_against_its_plan(con: duckdb.DuckDBPyConnection) -> None:
    """Admissions 25,870 of 26,370 planned: on plan. 41 of 50 = 82 %; 120 of 80,000 = 150 per 100,000, as planned."""
    assert con.execute(
        "SELECT indicator_id, planned_value, numerator, denominator, actual_value, verdict, reported_value "
        "FROM marts.rpt_better_care_fund WHERE org_code = ? AND period_label = '2014/15 Q4' ORDER BY 1",
        [COUNTY],
    ).fetchall() == [
        ("BCF_CARE_HOMES_100K", 150.0, 120.0, 80000.0, 150.0, "on plan", None),
        (ADMISSIONS, 26370.0, 25870.0, None, 25870.0, "on plan", 25900.0),
        ("BCF_REABLEMENT_91D", 80.0, 41.0, 50.0, 82.0, "on plan", None),
    ]


def test_the_fund_pays_for_the_fall_to_date(con: duckdb.DuckDBPyConnection) -> None:
    """Planned 26,870 - 26,370 = 500 a quarter, 2,000 in all, for GBP 2,000,000.

    Falls 1,000, 0 and -500: to date 1,000, 1,000 and 500, of which at most 500, 1,000 and 1,500 count: 25, 50 and 25 %.
    """
    assert con.execute(
        "SELECT period_label, achieved_reduction_to_date, share_earned_to_date_pct, share_paid_to_date_pct, "
        "payment_gbp, paid_to_date_gbp FROM marts.rpt_better_care_fund_payment ORDER BY quarter_number"
    ).fetchall() == [
        ("2014/15 Q4", 1000, 25.0, 25.0, 500000, 500000),
        ("2015/16 Q1", 1000, 50.0, 50.0, 500000, 1000000),
        ("2015/16 Q2", 500, 25.0, 50.0, 0, 1000000),
        ("2015/16 Q3", None, None, None, None, None),
    ]


def test_savings_by_both_ways(con: duckdb.DuckDBPyConnection) -> None:
    """10,889 planned and 100 short: 10,789, 99.08 %. The line of A&E: 470 of 570. ENHT: 6,845 of 6,945."""
    rows = con.execute(
        "SELECT row_kind, point_of_delivery, provider, planned_gbp_thousands, actual_gbp_thousands, "
        "round(achieved_pct, 2), verdict FROM marts.rpt_qipp WHERE plan_id = 'ENH_QIPP_2014_15' AND row_kind <> 'cell' "
        "AND actual_gbp_thousands <> planned_gbp_thousands ORDER BY ALL"
    ).fetchall()
    short = Decimal(100)
    assert rows == [
        ("point of delivery", "A&E", "TOTAL", 570, 570 - short, 82.46, "adverse"),
        ("point of delivery and scheme", "A&E", "TOTAL", 570, 570 - short, 82.46, "adverse"),
        ("provider", "TOTAL", "ENHT", 6945, 6945 - short, 98.56, "adverse"),
        ("scheme", "TOTAL", "TOTAL", 570, 570 - short, 82.46, "adverse"),
        ("total", "TOTAL", "TOTAL", 10889, 10889 - short, 99.08, "adverse"),
    ]
    assert con.execute(
        "SELECT count(*), count(*) FILTER (WHERE actual_gbp_thousands = planned_gbp_thousands AND is_on_plan) "
        "FROM marts.rpt_qipp WHERE row_kind = 'cell' AND cells_expected = 1 AND plan_id = 'ENH_QIPP_2014_15'"
    ).fetchall() == [(82, 81)]


def test_what_practices_and_their_locality_are_paid(con: duckdb.DuckDBPyConnection) -> None:
    """2014/15: 10,000 x 4.50 = 45,000.00; 5,000 x (1.50 + 1.00) = 12,500.00, as one of five criteria fails; in all
    57,500.00. 2015/16: 8,001 x 5.00 = 40,005.00; of the other practice nothing is known but that its locality is in
    balance, which pays it 1.00 a patient of a list that is not returned.
    """
    assert con.execute(
        "SELECT period_label, row_kind, practice_code, payment_gbp_per_patient, payment_gbp, payable_for_certain_gbp, "
        "practices_undetermined FROM marts.rpt_commissioning_framework "
        "WHERE row_kind IN ('practice', 'locality') ORDER BY ALL"
    ).fetchall() == [
        ("2014/15", "locality", None, None, Decimal("57500.00"), Decimal("57500.00"), 0),
        ("2014/15", "practice", "E82001", Decimal("4.50"), Decimal("45000.00"), Decimal("45000.00"), None),
        ("2014/15", "practice", "E82002", Decimal("4.50"), Decimal("12500.00"), Decimal("12500.00"), None),
        ("2015/16", "locality", None, None, None, Decimal("40005.00"), 1),
        ("2015/16", "practice", "E82001", Decimal("5.00"), Decimal("40005.00"), Decimal("40005.00"), None),
        ("2015/16", "practice", "E82002", Decimal("5.00"), None, Decimal("0.00"), None),
    ]
    assert con.execute(
        "SELECT criterion_id, found, is_met FROM marts.rpt_commissioning_framework "
        "WHERE practice_code = 'E82002' AND period_label = '2014/15' AND row_kind = 'criterion' AND NOT is_met"
    ).fetchall() == [("copd_plans", "39.9 %", False)]


@needs_shared
def test_the_fund_of_the_board_paper_is_as_printed(con: duckdb.DuckDBPyConnection) -> None:
    with open(SHARED / "reference" / "board_paper_2019" / "bcf.csv", encoding="utf-8", newline="") as file:
        printed = {
            (line["indicator"][:12], line["period"].replace("-FY", "").replace("-", " ")): (
                Decimal(line["target"]),
                Decimal(line["value"]),
            )
            for line in csv.DictReader(file)
        }
    names = {
        ADMISSIONS: "Non-elective",
        "BCF_CARE_HOMES_100K": "Long-term su",
        "BCF_REABLEMENT_91D": "Proportion o",
        "DTOC_RATE_100K": "Delayed tran",
    }
    rows = con.execute(
        "SELECT indicator_id, period_label, planned_value, actual_value FROM marts.rpt_better_care_fund "
        "WHERE org_code = ? AND basis = 'as stated' AND period_start >= DATE '2016-04-01'",
        [COUNTY],
    ).fetchall()
    assert {(names[i], label): (Decimal(plan), Decimal(actual)) for i, label, plan, actual in rows} == printed
    # By hand: 27,438 + 27,784 + 28,335 + 28,746 = 112,303 planned; 29,206 + 28,658 + 31,127 + 29,855 = 118,846.
    assert con.execute(
        "SELECT planned_value, actual_value, variance, verdict FROM marts.rpt_better_care_fund "
        "WHERE period_label = '2018/19' AND basis = 'sum of its quarters'"
    ).fetchall() == [(112303.0, 118846.0, 6543.0, "not on plan")]


@needs_shared
def test_the_savings_of_the_board_paper_are_as_printed(con: duckdb.DuckDBPyConnection) -> None:
    """3,968 of 4,173 and 14,642 of 15,396: 95.1 % both, short of plan; printed as 95.1."""
    assert con.execute(
        "SELECT period_label, planned_gbp_thousands, actual_gbp_thousands, variance_gbp_thousands, "
        "round(achieved_pct, 1), reported_achieved_pct, verdict, actual_kind FROM marts.rpt_qipp "
        "WHERE row_kind = 'overall, as returned' ORDER BY 1"
    ).fetchall() == [
        ("2019/20", 15396, 14642, -754, 95.1, 95.1, "adverse", "forecast or provisional"),
        ("April to July 2019", 4173, 3968, -205, 95.1, 95.1, "adverse", "actual"),
    ]
