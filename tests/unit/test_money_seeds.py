"""The rules of money as data: shares of CCGs in counties, and what the commissioning framework pays for."""

from __future__ import annotations

import csv
from collections import Counter, defaultdict
from decimal import Decimal
from pathlib import Path

from layouts import SHARED, needs_shared

from ccg_pipeline.settings import Settings

SEEDS = Settings.from_environment().seeds
COMPONENTS, CRITERIA = SEEDS / "framework_components.csv", SEEDS / "framework_criteria.csv"
MAPPING = SHARED / "reference" / "ccg_hwb_mapping.csv"
FRAMEWORK = SHARED / "reference" / "commissioning_framework.csv"


def rows_of(path: Path) -> list[dict[str, str]]:
    with open(path, encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def test_shares_of_a_ccg_add_to_100_as_far_as_they_are_rounded() -> None:
    """Each share is stated to 0.1 %, so that n of them may be 0.05 x n off; the worst is a third of a tenth a share."""
    shares = defaultdict(list)
    for row in rows_of(SEEDS / "ccg_hwb_shares.csv"):
        shares[row["ccg_code"]].append(Decimal(row["pct_ccg_in_hwb"]))
    off = {ccg: abs(sum(parts) - 100) / len(parts) for ccg, parts in shares.items()}
    assert len(off) == 191
    assert Decimal("0.033") < max(off.values()) < Decimal("0.034") < Decimal("0.05")


def test_negligible_ccgs_hold_as_little_of_a_county_as_the_rule_says() -> None:
    """Under 0.5 % each, and together at most 1.6 % of a county (Wiltshire); 0.5 % of Hertfordshire."""
    (rule,) = rows_of(SEEDS / "county_figures.csv")
    limit = Decimal(rule["negligible_below_pct"])
    together: Counter[str] = Counter()
    for row in rows_of(SEEDS / "ccg_hwb_shares.csv"):
        share = Decimal(row["pct_hwb_in_ccg"])
        together[row["hwb_name"]] += share if share < limit else 0
    assert together.most_common(1) == [("Wiltshire", Decimal("1.6"))]
    assert together["Hertfordshire"] == Decimal("0.5")
    assert "1.6 %" in rule["reason"] and "Wiltshire" in rule["reason"] and "Hertfordshire 0.5 %" in rule["reason"]


@needs_shared
def test_every_share_of_the_mapping_is_in_the_catalogue_under_its_line() -> None:
    held = {int(row["source_line"]): row for row in rows_of(SEEDS / "ccg_hwb_shares.csv")}
    printed = rows_of(MAPPING)
    assert len(printed) == len(held) == 870
    for line, row in enumerate(printed, start=2):
        assert {column: held[line][column] for column in row} == row, line


def test_the_framework_pays_in_full_what_it_says() -> None:
    """2014/15: 1.50 + 1.00 + 2.00 = 4.50. 2015/16: 1.00 + 1.00 + six times 0.50 = 5.00 a registered patient."""
    paid: dict[str, Decimal] = defaultdict(Decimal)
    for row in rows_of(COMPONENTS):
        paid[row["financial_year_start"]] += Decimal(row["payment_gbp_per_patient"])
    assert paid == {"2014-04-01": Decimal("4.50"), "2015-04-01": Decimal("5.00")}


def test_every_component_has_criteria_and_every_criterion_its_component() -> None:
    components = {(row["financial_year_start"], row["component_id"]) for row in rows_of(COMPONENTS)}
    assert {(row["financial_year_start"], row["component_id"]) for row in rows_of(CRITERIA)} == components
    yes_no = {row["threshold"] for row in rows_of(CRITERIA) if row["is_yes_no"] == "true"}
    assert yes_no == {"1"}


@needs_shared
def test_components_and_thresholds_are_those_of_the_framework() -> None:
    """Every line of the framework that pays or has a threshold; what it words as yes is 1."""
    printed = dict(enumerate(rows_of(FRAMEWORK), start=2))
    for component in rows_of(COMPONENTS):
        line = printed[int(component["source_line"])]
        assert component["payment_gbp_per_patient"] == line["payment_gbp_per_registered_patient"]
        assert (component["objective"], component["component"]) == (line["objective"], line["component"])
        assert component["financial_year_start"][:4] == line["year"][:4]
    criteria = defaultdict(list)
    for criterion in rows_of(CRITERIA):
        criteria[int(criterion["source_line"])].append(criterion)
        assert criterion["financial_year_start"][:4] == printed[int(criterion["source_line"])]["year"][:4]
    for number, line in printed.items():
        found = criteria.pop(number, [])
        if line["threshold"] == "yes":
            assert found and {row["threshold"] for row in found} == {"1"}, number
        elif line["threshold"]:
            assert [row["threshold"] for row in found if row["is_yes_no"] == "false"].count(line["threshold"]) == 1, (
                number
            )
            assert {row["org_level"] for row in found} == {line["level"]}, number
        else:
            # The total, the heading of the five criteria, and the terms of reference, which name no measure.
            assert line["objective"] in ("Total", "3 Outcomes", "1 Engagement"), number
    assert not criteria
