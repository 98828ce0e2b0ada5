"""The catalogue of sets and of domains of outcomes: every row that ships has its place, and says what puts it there."""

from __future__ import annotations

import csv

import pytest

from ccg_pipeline.settings import PROJECT_ROOT

SEEDS = PROJECT_ROOT / "dbt_project" / "seeds"
DOMAINS = {"1", "2", "3", "4", "5"}


def rows_of(name: str) -> list[dict[str, str]]:
    with open(SEEDS / f"{name}.csv", encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


@pytest.fixture(scope="module")
def catalogue() -> list[dict[str, str]]:
    return rows_of("indicators")


def test_every_indicator_belongs_to_the_constitution_or_to_a_domain(catalogue: list[dict[str, str]]) -> None:
    for row in catalogue:
        assert row["outcomes_domain"] in DOMAINS | {"constitution", "resources", "to_be_agreed"}, row["indicator_id"]
        assert (row["outcomes_domain"] == "constitution") is (row["indicator_set"] == "constitution"), row
        # Money is no outcome; and what is not said yet has no unit either.
        if row["unit"].startswith("gbp"):
            assert row["outcomes_domain"] == "resources", row["indicator_id"]
        assert (row["outcomes_domain"] == "to_be_agreed") is (row["unit"] == ""), row["indicator_id"]


def test_every_indicator_and_standard_says_where_it_is_from(catalogue: list[dict[str, str]]) -> None:
    for row in [*catalogue, *rows_of("standards"), *rows_of("indicator_set_members")]:
        assert row["source"], row
    for row in catalogue:
        assert bool(row["judged_at"]) is bool(row["judged_at_source"]), row["indicator_id"]


def test_every_set_of_the_catalogue_has_a_name(catalogue: list[dict[str, str]]) -> None:
    named = {row["set_id"] for row in rows_of("indicator_sets")}
    assert {row["indicator_set"] for row in catalogue} <= named


def test_standards_that_the_papers_agree_for_one_trust_stand_beside_the_national_ones() -> None:
    """WHHT: 90 % of pathways within 18 weeks in 2019/20. HCT: 5 % of bed days lost to delays; another has 3.5 %."""
    own = {
        (row["indicator_id"], row["scope"]): (row["standard"], row["valid_from"], row["valid_to"])
        for row in rows_of("standards")
        if row["scope"] != "national"
    }
    national = {row["indicator_id"]: row["standard"] for row in rows_of("standards") if row["scope"] == "national"}
    assert own == {
        ("RTT_INCOMPLETE_18W", "RWG"): ("90", "2019-04-01", "2020-03-31"),
        ("DTOC_RATE_REPORTED", "RY4"): ("5", "2017-04-01", ""),
    }
    assert [national[indicator_id] for indicator_id, _ in own] == ["92", "3.5"]
