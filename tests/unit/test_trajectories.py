"""Plans as data: every row of the plan's tables is in the catalogue, under its line, and its own arithmetic holds."""

from __future__ import annotations

import csv
from decimal import ROUND_HALF_UP, Decimal
from pathlib import Path
from types import SimpleNamespace

import duckdb
import jinja2
import pytest
from layouts import SHARED, needs_shared

from ccg_pipeline.settings import Settings

SEEDS = Settings.from_environment().seeds
PLAN = SHARED / "reference" / "trajectories_enh_plan.csv"
QIPP = SHARED / "reference" / "qipp_enh_2014_15.csv"
# The plan's words for what the catalogue counts.
UNITS = {"bed_days": "days", "spells": "count", "places": "count"}
AREAS = {
    "06K": ("06K", "ccg"),
    "Hertfordshire": ("E10000015", "hwb"),
    "England": ("ENG", "national"),
    "UK": ("K02000001", "national"),
    "Welwyn Hatfield": ("E07000241", "local_authority"),
    "Broxbourne": ("E07000095", "local_authority"),
    "East Hertfordshire": ("E07000242", "local_authority"),
    "Stevenage": ("E07000243", "local_authority"),
    "North Hertfordshire": ("E07000099", "local_authority"),
}


def rows_of(path: Path) -> list[dict[str, str]]:
    with open(path, encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


@pytest.fixture(scope="module")
def trajectories() -> list[dict[str, str]]:
    return rows_of(SEEDS / "trajectories.csv")


def planned(trajectories: list[dict[str, str]], indicator_id: str) -> dict[int, Decimal]:
    """The values of an indicator with one row a year, by the year in which the period begins."""
    rows = [row for row in trajectories if row["indicator_id"] == indicator_id]
    by_year = {int(row["period_start"][:4]): Decimal(row["planned_value"]) for row in rows}
    assert len(by_year) == len(rows) > 0
    return by_year


@needs_shared
def test_every_row_of_the_plan_is_in_the_catalogue_under_its_line(trajectories: list[dict[str, str]]) -> None:
    by_line = {int(row["source_line"]): row for row in trajectories if row["plan_id"] == "ENH_OP_2014_16"}
    assert len(by_line) == sum(row["plan_id"] == "ENH_OP_2014_16" for row in trajectories)
    printed = rows_of(PLAN)
    measures: dict[str, str] = {}
    assert sorted(by_line) == list(range(2, len(printed) + 2))
    for line, row in enumerate(printed, start=2):
        held = by_line[line]
        year = int(row["period"][:4])
        period = {
            "financial_year": (f"{year}-04-01", f"{year + 1}-03-31"),
            "calendar_year": (f"{year}-01-01", f"{year}-12-31"),
        }[row["period_type"]]
        assert Decimal(held["planned_value"]) == Decimal(row["value"]), line
        assert (held["period_start"], held["period_end"]) == period, line
        assert (held["org_code"], held["org_level"]) == AREAS[row["org"]], line
        assert held["unit"] == UNITS.get(row["unit"], row["unit"]), line
        for column in ("plan", "breakdown", "period_type", "kind", "note"):
            assert held[column] == row[column], (line, column)
        assert measures.setdefault(row["measure"], held["indicator_id"]) == held["indicator_id"], line
    # Each measure of the plan is one indicator, and no two are the same.
    assert len(set(measures.values())) == len(measures) == 33


def test_bed_days_with_a_long_term_condition_are_the_share_of_all_bed_days(
    trajectories: list[dict[str, str]],
) -> None:
    every, share, derived = (
        planned(trajectories, f"LA2_{name}") for name in ("BED_DAYS", "LTC_BED_DAYS_SHARE", "LTC_BED_DAYS")
    )
    assert derived == {
        year: (every[year] * share[year] / 100).quantize(Decimal(1), ROUND_HALF_UP) for year in range(2012, 2019)
    }


def test_growth_of_attendances_is_what_the_plan_states(trajectories: list[dict[str, str]]) -> None:
    values = planned(trajectories, "ACT_AE_ATTENDANCES_CCG")
    assert (values[2013], values[2014]) == (184380, 185928)
    stated = {
        int(row["period_start"][:4]): Decimal(row["note"].removeprefix("growth ").removesuffix("%"))
        for row in trajectories
        if row["indicator_id"] == "ACT_AE_ATTENDANCES_CCG" and row["note"]
    }
    assert stated == {
        year: (100 * (values[year] / values[year - 1] - 1)).quantize(Decimal("0.1"), ROUND_HALF_UP)
        for year in range(2014, 2019)
    }


def test_plans_of_a_year_that_add_up_say_how_they_are_spread_and_no_others(
    trajectories: list[dict[str, str]],
) -> None:
    stocks = {row["indicator_id"] for row in rows_of(SEEDS / "indicators.csv") if row["is_stock"] == "true"}
    for row in trajectories:
        spread = (
            row["kind"] in ("plan", "ceiling", "projection")
            and row["period_type"] == "financial_year"
            and row["unit"] in ("count", "days", "gbp_thousands", "gbp_millions")
            and row["indicator_id"] not in stocks
        )
        assert bool(row["profile"]) is spread, row


def test_every_indicator_of_the_plan_has_a_set_and_every_ambition_a_row(trajectories: list[dict[str, str]]) -> None:
    catalogue = {row["indicator_id"]: row for row in rows_of(SEEDS / "indicators.csv")}
    assert {catalogue[row["indicator_id"]]["indicator_set"] for row in trajectories} == {
        "activity",
        "local_ambitions",
        "outcomes",
    }
    groups = {row["indicator_group"] for row in catalogue.values() if row["indicator_set"] == "local_ambitions"}
    assert groups == {f"Local ambition {number}" for number in range(1, 10)}
    areas = {(row["org_code"], row["org_level"]) for row in rows_of(SEEDS / "organisations.csv")}
    assert {(row["org_code"], row["org_level"]) for row in trajectories} - areas == {AREAS["UK"]}


def data_test(name: str, model: str) -> str:
    """The query of a generic data test of the dbt project on a table, as dbt renders it."""
    folder = Settings.from_environment().dbt_project
    text = (folder / "tests" / "generic" / f"{name}.sql").read_text("utf-8")
    environment = jinja2.Environment()
    macros = environment.from_string((folder / "macros" / "additive.sql").read_text("utf-8")).module
    body = text.split("%}", 1)[1].rsplit("{% endtest %}", 1)[0]

    class Relation(SimpleNamespace):
        def __str__(self) -> str:
            return str(self.identifier)

    return environment.from_string(body).render(
        model=Relation(identifier=model), ref=str, is_additive=macros.is_additive
    )


def test_a_profile_on_anything_but_the_flow_of_a_year_is_refused() -> None:
    with duckdb.connect() as con:
        con.execute(
            "CREATE TABLE indicators AS SELECT * FROM (VALUES ('FLOW', 'days', false), ('SHARE', 'percent', false), "
            "('RATE', 'rate_per_100000', false), ('STOCK', 'count', true)) AS c (indicator_id, unit, is_stock)"
        )
        con.execute(
            "CREATE TABLE trajectories AS SELECT * FROM (VALUES ('FLOW', 'financial_year', 'even'), "
            "('FLOW', 'month', 'even'), ('SHARE', 'financial_year', 'even'), ('SHARE', 'financial_year', NULL), "
            "('RATE', 'financial_year', 'by_days'), ('STOCK', 'financial_year', 'last_year'), "
            "('STOCK', 'financial_year', NULL)) AS c (indicator_id, period_type, profile)"
        )
        found = con.execute(data_test("only_flows_have_a_profile", "trajectories")).fetchall()
    assert sorted(row[:3] for row in found) == [
        ("FLOW", "month", "even"),
        ("RATE", "financial_year", "by_days"),
        ("SHARE", "financial_year", "even"),
        ("STOCK", "financial_year", "last_year"),
    ]


def test_versions_without_an_order_stop_the_build_in_words() -> None:
    query = data_test("says_which_version_is_later", "plans")
    with duckdb.connect() as con:
        con.execute(
            "CREATE TABLE plans AS SELECT 'P' AS plan_id, 'A' AS indicator_id, '06K' AS org_code, "
            "date '2014-04-01' AS period_start, unnest(['final', 'draft']) AS plan_version, "
            "unnest([date '2014-03-01', NULL]) AS agreed_on, true AS is_current_version"
        )
        assert con.execute(query).fetchall() == []
        con.execute("UPDATE plans SET is_current_version = NULL")
        with pytest.raises(duckdb.Error) as error:
            con.execute(query)
    assert (
        "plan P, A of 06K, period from 2014-04-01: nothing says which version is the later: draft (no date), final "
        "(agreed on 2014-03-01). Give each its own day in agreed_on of seeds/plan_versions.csv"
    ) in str(error.value)


@needs_shared
def test_every_cell_of_the_savings_plan_is_in_the_catalogue() -> None:
    held = {
        (int(row["source_line"]), row["provider"]): row
        for row in rows_of(SEEDS / "qipp.csv")
        if row["plan_id"] == "ENH_QIPP_2014_15"
    }
    cells = 0
    for line, row in enumerate(rows_of(QIPP), start=2):
        for heading, printed in list(row.items())[2:]:
            cell = held[line, "TOTAL" if heading == "total_gbp_thousands" else heading]
            assert (cell["point_of_delivery"], cell["scheme"]) == (row["point_of_delivery"], row["scheme"])
            assert cell["planned_gbp_thousands"] == printed, (line, heading)
            is_total = heading == "total_gbp_thousands" or row["point_of_delivery"] == "TOTAL"
            assert cell["is_stated_total"] == str(is_total).lower()
            cells += 1
    assert cells == len(held) == 12 * 11
