"""Returns come out in the views of board assurance, the annual assessment, primary care and sanctions."""

from __future__ import annotations

import csv
import shutil
from pathlib import Path
from typing import Any

import pytest
from board_paper import HEADINGS
from conftest import land, opened
from dbt_builds import build_marts

from ccg_pipeline.settings import PROJECT_ROOT, Settings

VIEWS = ("board_assurance", "board_assurance_evidence", "improvement_assessment", "primary_care", "sanctions")
# indicator, organisation, level, period, numerator, denominator, value
RETURNED = [
    ("PC_GP_SURVEY_OVERALL", "E82901", "practice", "2018/19", 80, 100, ""),
    ("PC_GP_SURVEY_OVERALL", "E82902", "practice", "2018/19", 180, 200, ""),
    ("PC_GP_SURVEY_OVERALL", "E82903", "practice", "2018/19", 60, 100, ""),
    ("PC_GP_SURVEY_OVERALL", "E82904", "practice", "2018/19", "", "", 71),
    ("IAF_LEADERSHIP_RATING", "06N", "ccg", "2018/19", "", "", 0),
    ("IAF_FINANCE_RATING", "06N", "ccg", "2018/19", "", "", 0),
    ("AE_4HR", "RWG", "provider", "2014-06", 9856, 12320, ""),
    ("AE_4HR", "RWG", "provider", "2015-06", 9856, 12320, ""),
    ("AE_4HR", "RWG", "provider", "2019-05", 80, 100, ""),
    ("RTT_52W", "RWG", "provider", "2015-03", "", "", 3),
    ("RTT_52W", "06N", "ccg", "2015-03", "", "", 3),
    ("RTT_52W", "06N", "ccg", "2019-06", "", "", 0),
    ("RTT_52W", "06N", "ccg", "2019-05", "", "", 2),
]


class WithCatalogue(Settings):
    """An installation with a catalogue of its own below its home."""

    @property
    def dbt_project(self) -> Path:
        return self.home / "dbt_project"


@pytest.fixture(scope="module")
def views(tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[dict[str, Any]]]:
    """The rows of the views, from returns alone and a catalogue with four practices."""
    folder = tmp_path_factory.mktemp("board")
    settings = WithCatalogue(folder / "raw", folder / "home")
    settings.raw.mkdir()
    shutil.copytree(PROJECT_ROOT / "dbt_project", settings.dbt_project)
    with open(settings.seeds / "practice_localities.csv", "a", encoding="utf-8", newline="") as file:
        for practice in ("E82901", "E82902", "E82903", "E82904"):
            file.write(f"{practice},A practice,WATFORD,Watford,06N,2013-04-01,,made up\n")
    with open(settings.raw / "returns.csv", "w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, HEADINGS, restval="")
        writer.writeheader()
        for indicator_id, org_code, org_level, period, numerator, denominator, value in RETURNED:
            figures = {"numerator": numerator, "denominator": denominator, "value": value, "status": "final"}
            where = {"indicator_id": indicator_id, "org_code": org_code, "org_level": org_level, "period": period}
            writer.writerow(where | figures)
    land(settings)
    build_marts(settings, *(f"+rpt_{view}" for view in VIEWS))
    with opened(settings.warehouse) as con:
        tables = {}
        for view in VIEWS:
            cursor = con.execute(f"SELECT * FROM marts.rpt_{view} ORDER BY ALL")
            names = [column[0] for column in cursor.description]
            tables[view] = [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]
    return tables


def test_practices_lie_in_the_funnel_of_their_ccg(views: dict[str, list[dict[str, Any]]]) -> None:
    """320 of 400 is 80 %. Of 100 a standard error is 4 points, of 200 2.83: 90 % is 3.54 above, 60 % is 5 below."""
    practices = {row["org_code"]: row for row in views["primary_care"]}
    assert {code: (row["place_in_funnel"], row["outlier_meaning"]) for code, row in practices.items()} == {
        "E82901": ("within limits", None),
        "E82902": ("above outer limit", "better"),
        "E82903": ("below outer limit", "concern"),
        "E82904": (None, None),
    }
    assert practices["E82903"]["ccg_mean_pct"] == 80 and practices["E82903"]["variation_points"] == -20
    assert practices["E82904"]["caveat"] == "no limits: only a percentage is returned, without its parts"


def test_red_for_leadership_and_finance_is_inadequate_without_other_figures(
    views: dict[str, list[dict[str, Any]]],
) -> None:
    [row] = [row for row in views["improvement_assessment"] if row["financial_year_start"].year == 2018]
    assert (row["org_code"], row["category"], row["overall_score"]) == ("06N", "Inadequate", None)
    assert (row["leadership_rating"], row["finance_rating"]) == ("Red", "Red")
    assert "Performance and outcomes: no score" in row["caveat"]


def test_only_providers_are_charged_at_the_rate_and_floor_of_the_month(
    views: dict[str, list[dict[str, Any]]],
) -> None:
    """12,320 x 5 % = 616 allowed; 2,464 late; at 92 % floor(985.6) = 985, at 85 % 1,848; 369 x 200 and 1,232 x 120."""
    charged = {
        (row["indicator_id"], row["org_code"], f"{row['period_start']:%Y-%m}"): row["sanction_gbp"]
        for row in views["sanctions"]
    }
    assert charged == {
        ("AE_4HR", "RWG", "2014-06"): 73_800,
        ("AE_4HR", "RWG", "2015-06"): 147_840,
        ("RTT_52W", "RWG", "2015-03"): 15_000,
    }


def test_a_risk_shows_the_latest_breaches_behind_it(views: dict[str, list[dict[str, Any]]]) -> None:
    """By 3 September 2019: of RTT_52W June, in which there was none, and no longer May; of A&E May at the trust."""
    risks = {row["risk_ref"]: row for row in views["board_assurance"]}
    assert len(risks) == 18
    pledges = risks["2.1"]
    assert (pledges["standards_judged"], pledges["standards_in_breach"]) == (2, 1)
    assert (pledges["breaches_behind"], pledges["worst_severity"]) == ("AE_4HR RWG 2019-05", "critical")
    assert risks["2.6"]["caveat"].endswith("no indicator is linked to it")
    behind = [row for row in views["board_assurance_evidence"] if row["risk_ref"] == "2.1"]
    assert [(row["indicator_id"], row["value"], row["required_value"]) for row in behind] == [("AE_4HR", 80, 95)]
