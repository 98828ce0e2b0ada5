"""Standards suites: one a standard, generated from the catalogue, so that no threshold is written twice.

``python -m ccg_pipeline.checks.standards`` writes ``expectations/standards``; a test proves that what stands there is
what the catalogue says.
"""

from __future__ import annotations

import csv
from collections import defaultdict
from pathlib import Path
from typing import Any

from ccg_pipeline.checks.running import Suite
from ccg_pipeline.settings import Settings

_BOUNDS = {
    ">=": lambda standard: {"min_value": standard},
    "<=": lambda standard: {"max_value": standard},
    "=": lambda standard: {"min_value": standard, "max_value": standard},
    ">": lambda standard: {"min_value": standard, "strict_min": True},
    "<": lambda standard: {"max_value": standard, "strict_max": True},
}
_WORDS = {">=": "at least", "<=": "at most", "=": "exactly", ">": "above", "<": "below"}


def build_suites(seeds: Path) -> list[Suite]:
    """A suite for each ``standard_id`` of the catalogue, with an expectation for each time it had a threshold.

    Each runs over the months of `fct_standard_comparisons` that have a value, and holds in the months when its
    threshold was in force, for the organisations in its scope.
    """
    with open(seeds / "standards.csv", encoding="utf-8", newline="") as file:
        standards = list(csv.DictReader(file))
    with open(seeds / "indicators.csv", encoding="utf-8", newline="") as file:
        names = {row["indicator_id"]: row["indicator_name"] for row in csv.DictReader(file)}
    by_id: dict[str, list[dict[str, str]]] = defaultdict(list)
    for standard in standards:
        by_id[standard["standard_id"]].append(standard)
    return [
        Suite(
            name=standard_id,
            meta={
                "table": "marts.fct_standard_comparisons",
                "indicator_id": rows[0]["indicator_id"],
                "scope": rows[0]["scope"],
                "description": names[rows[0]["indicator_id"]],
                "query": (
                    "select org_code, org_level, strftime(period_start, '%Y-%m-%d') as period, value "
                    "from marts.fct_standard_comparisons "
                    f"where indicator_id = '{rows[0]['indicator_id']}' and period_type <> 'ytd' "
                    "and is_preferred and value is not null "
                    "order by period desc, org_code, org_level"
                ),
                "key": ["org_code", "org_level", "period"],
            },
            expectations=[_expectation(row, standards) for row in rows],
        )
        for standard_id, rows in by_id.items()
    ]


def _expectation(row: dict[str, str], standards: list[dict[str, str]]) -> dict[str, Any]:
    conditions = _dates(row)
    if row["scope"] == "national":
        # An organisation with a standard of its own is judged by that one, for as long as it is in force.
        own = [s for s in standards if s["indicator_id"] == row["indicator_id"] and s["scope"] != "national"]
        conditions += [f'not (org_code == "{s["scope"]}" and {" and ".join(_dates(s))})' for s in own]
    else:
        conditions.append(f'org_code == "{row["scope"]}"')
    threshold = float(row["standard"])
    return {
        "type": "expect_column_values_to_be_between",
        "kwargs": {
            "column": "value",
            **_BOUNDS[row["comparator"]](int(threshold) if threshold.is_integer() else threshold),
            "row_condition": " and ".join(conditions),
            "condition_parser": "pandas",
        },
        "severity": "warning",
        "meta": {"meaning": f"{_WORDS[row['comparator']]} {row['standard']}", "source": row["source"]},
    }


def _dates(row: dict[str, str]) -> list[str]:
    """The conditions for a month in which a standard is in force."""
    until = [f'period <= "{row["valid_to"]}"'] if row["valid_to"] else []
    return [f'period >= "{row["valid_from"]}"', *until]


def main() -> None:
    settings = Settings.from_environment()
    folder = settings.expectations / "standards"
    for path in folder.glob("*.json"):
        path.unlink()
    for suite in build_suites(settings.seeds):
        (folder / f"{suite.name}.json").write_text(suite.as_json(), encoding="utf-8")


if __name__ == "__main__":
    main()
