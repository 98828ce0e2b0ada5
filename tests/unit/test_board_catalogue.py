"""The catalogue behind board assurance, sanctions and the annual assessment: the papers, and rules for every row."""

from __future__ import annotations

import csv
from datetime import date
from decimal import Decimal
from itertools import pairwise
from pathlib import Path

from layouts import SHARED, needs_shared

from ccg_pipeline.settings import PROJECT_ROOT

SEEDS = PROJECT_ROOT / "dbt_project" / "seeds"
REFERENCE = SHARED / "reference"


def rows_of(path: Path) -> list[dict[str, str]]:
    with open(path, encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


@needs_shared
def test_every_risk_of_the_paper_is_held_as_printed() -> None:
    held = {row["risk_ref"]: row for row in rows_of(SEEDS / "risk_scores.csv") if row["quarter_start"] == "2019-07-01"}
    printed = rows_of(REFERENCE / "baf_risks.csv")
    assert len(held) == len(printed) == 18
    for row in printed:
        risk = held[row["risk_ref"]]
        for column in ("risk", "source_lines", "inherent_score", "current_score", "movement", "target_score"):
            assert risk[column] == row[column], (row["risk_ref"], column)
        assert risk["forecast_score"] == row["forecast_end_2019_20"], row["risk_ref"]
        assert (risk["target_date"][:7], risk["assurance_date"]) == (row["target_date"], row["assurance_date"])
        assert risk["note"] == row["note"]


@needs_shared
def test_every_sanction_of_the_papers_is_held() -> None:
    held = {(row["indicator_id"], row["valid_from"][:7]): row for row in rows_of(SEEDS / "sanctions.csv")}
    printed = rows_of(REFERENCE / "sanctions.csv")
    assert len(held) == len(printed)
    for row in printed:
        sanction = held[row["indicator_id"], row["valid_from"]]
        assert (sanction["basis"], sanction["amount_gbp"]) == (row["basis"], row["amount_gbp"])
        assert sanction["valid_to"][:7] == row["valid_to"]


def test_scores_are_those_of_a_five_by_five_matrix_and_quarters_begin_a_quarter() -> None:
    for row in rows_of(SEEDS / "risk_scores.csv"):
        start = date.fromisoformat(row["quarter_start"])
        assert start.day == 1 and start.month in (1, 4, 7, 10), row
        scores = [int(row[c]) for c in ("inherent_score", "current_score", "target_score", "forecast_score") if row[c]]
        assert all(1 <= score <= 25 for score in scores), row
        assert int(row["inherent_score"]) >= int(row["current_score"]) >= 1


def test_each_risk_is_linked_by_an_indicator_or_a_set_of_the_catalogue() -> None:
    indicators = {row["indicator_id"] for row in rows_of(SEEDS / "indicators.csv")}
    sets = {row["set_id"] for row in rows_of(SEEDS / "indicator_sets.csv")}
    risks = {(row["org_code"], row["risk_ref"]) for row in rows_of(SEEDS / "risk_scores.csv")}
    links = rows_of(SEEDS / "risk_indicators.csv")
    for link in links:
        assert (link["org_code"], link["risk_ref"]) in risks
        assert bool(link["indicator_set"]) is not bool(link["indicator_id"]), link
        assert link["indicator_set"] in sets or link["indicator_id"] in indicators, link
    by_risk = {link["risk_ref"]: link["indicator_set"] for link in links if link["indicator_set"]}
    assert by_risk["2.1"] == "constitution" and by_risk["3.2b"] == "primary_care" and by_risk["4.3"] == "finance"


def test_weights_of_the_assessment_are_the_whole_and_its_bands_have_no_gap() -> None:
    components = rows_of(SEEDS / "iaf_components.csv")
    assert sum(Decimal(row["weight_pct"]) for row in components) == 100
    bands = rows_of(SEEDS / "iaf_bands.csv")
    for scheme in ("z_score", "category"):
        rows = sorted(
            (row for row in bands if row["scheme"] == scheme), key=lambda row: Decimal(row["above"] or "-Infinity")
        )
        assert rows[0]["above"] == "" and rows[-1]["up_to"] == ""
        assert all(lower["up_to"] == upper["above"] != "" for lower, upper in pairwise(rows))
    assert [row["score"] for row in bands if row["scheme"] == "leadership"] == ["0", "0.67", "1.33", "2"]
    # What the source does not state says so, and what may replace it.
    assert all(row["note"] for row in bands if row["is_stated"] == "false")
    assert {row["is_stated"] for row in bands if row["scheme"] == "z_score"} == {"false"}


def test_each_component_of_the_assessment_has_an_indicator_in_every_year() -> None:
    members = rows_of(SEEDS / "iaf_indicators.csv")
    for component in rows_of(SEEDS / "iaf_components.csv"):
        first = min(row["valid_from"] for row in members if row["component"] == component["component"])
        assert first <= component["valid_from"]
