"""The standards suites are the catalogue's, word for word."""

import csv

import pandas as pd

from ccg_pipeline.checks.running import Suite, load_suites
from ccg_pipeline.checks.standards import build_suites
from ccg_pipeline.settings import Settings

SETTINGS = Settings.from_environment()


def test_suites_on_disk_are_those_of_the_catalogue() -> None:
    on_disk = {suite.name: suite.as_json() for suite in load_suites(SETTINGS.expectations / "standards")}
    assert on_disk == {suite.name: suite.as_json() for suite in build_suites(SETTINGS.seeds)}


def test_every_standard_of_the_catalogue_has_its_expectation() -> None:
    with open(SETTINGS.seeds / "standards.csv", encoding="utf-8", newline="") as file:
        standards = list(csv.DictReader(file))
    suites = {suite.name: suite for suite in build_suites(SETTINGS.seeds)}
    assert sum(len(s.expectations) for s in suites.values()) == len(standards)
    for row in standards:
        bounds = [
            {k: v for k, v in e["kwargs"].items() if k in ("min_value", "max_value")}
            for e in suites[row["standard_id"]].expectations
            if row["valid_from"] in e["kwargs"]["row_condition"]
        ]
        threshold = float(row["standard"])
        expected = {
            ">=": {"min_value": threshold},
            "<=": {"max_value": threshold},
            "=": {"min_value": threshold, "max_value": threshold},
            "<": {"max_value": threshold},
        }[row["comparator"]]
        assert expected in bounds


def test_a_consultant_upgrade_has_no_standard_to_breach() -> None:
    assert "CANCER_62D_UPGRADE" not in {suite.name for suite in build_suites(SETTINGS.seeds)}


def test_an_organisation_is_left_out_of_the_national_standard_while_it_has_one_of_its_own() -> None:
    """RWG agreed 90 for 2019/20 and is judged by 92 before and after; another trust always is."""
    suites: dict[str, Suite] = {suite.name: suite for suite in build_suites(SETTINGS.seeds)}
    months = pd.DataFrame(
        [(org, month) for org in ("RWG", "RWH") for month in ("2019-03-01", "2019-04-01", "2020-03-01", "2020-04-01")],
        columns=["org_code", "period"],
    )
    judged = {
        name: [tuple(row) for row in months.query(suites[name].expectations[0]["kwargs"]["row_condition"]).values]
        for name in ("RTT_INCOMPLETE_18W", "RTT_INCOMPLETE_18W-RWG")
    }
    assert judged == {
        "RTT_INCOMPLETE_18W": [
            *(("RWG", "2019-03-01"), ("RWG", "2020-04-01")),
            *(("RWH", month) for month in ("2019-03-01", "2019-04-01", "2020-03-01", "2020-04-01")),
        ],
        "RTT_INCOMPLETE_18W-RWG": [("RWG", "2019-04-01"), ("RWG", "2020-03-01")],
    }
    assert 'org_code == "RY4"' in suites["DTOC_RATE_REPORTED-RY4"].expectations[0]["kwargs"]["row_condition"]
