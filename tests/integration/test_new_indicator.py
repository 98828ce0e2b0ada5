"""A new local indicator is one row of the catalogue and one returned file; a later return replaces an earlier one."""

from __future__ import annotations

import csv
import shutil
from datetime import datetime
from pathlib import Path

import pytest
from board_paper import HEADINGS
from conftest import land, opened
from dbt_builds import build_marts

from ccg_pipeline import cli, warehouse
from ccg_pipeline.landing.loading import standing_in_quarantine
from ccg_pipeline.settings import PROJECT_ROOT, Settings


class WithCatalogue(Settings):
    """An installation with a catalogue of its own below its home."""

    @property
    def dbt_project(self) -> Path:
        return self.home / "dbt_project"


@pytest.fixture
def settings(tmp_path: Path) -> WithCatalogue:
    (tmp_path / "raw").mkdir()
    shutil.copytree(PROJECT_ROOT / "dbt_project", tmp_path / "home" / "dbt_project")
    return WithCatalogue(tmp_path / "raw", tmp_path / "home")


def a_return(settings: Settings, name: str, **cells: str) -> None:
    usual = {
        "indicator_id": "HH9",
        "provider_code": "RY4",
        "org_code": "RY4",
        "period": "2019-05",
        "value": "91.96",
        "status": "final",
    }
    with open(settings.raw / name, "w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, HEADINGS)
        writer.writeheader()
        writer.writerow(usual | cells)


def add_to_catalogue(settings: Settings, **cells: str) -> None:
    path = settings.seeds / "indicators.csv"
    with open(path, encoding="utf-8", newline="") as file:
        headings = next(csv.reader(file))
    with open(path, "a", encoding="utf-8", newline="") as file:
        csv.DictWriter(file, headings, lineterminator="\n").writerow(dict.fromkeys(headings, "") | cells)


def quarantine(settings: Settings) -> list[tuple[str, str]]:
    with opened(settings.warehouse) as con:
        return standing_in_quarantine(con)


def test_a_new_indicator_is_one_row_and_one_file(settings: WithCatalogue, capsys: pytest.CaptureFixture[str]) -> None:
    a_return(settings, "may.csv")
    land(settings, datetime(2019, 9, 1))
    [(name, reason)] = quarantine(settings)
    assert name == "may.csv"
    assert reason.startswith("row 2: 'HH9' of RY4 is not in the catalogue") and "indicators.csv" in reason

    add_to_catalogue(
        settings,
        indicator_id="HH_NINE",
        indicator_name="Home visits on the day asked for",
        indicator_group="Community",
        indicator_set="community",
        dataset="local_returns",
        unit="percent",
        direction="higher",
        is_stock="false",
        numerator_description="visits on the day asked for",
        denominator_description="visits asked for",
        source="a contract",
        standard="92",
        comparator=">=",
        owner="Community team",
        review_date="2020-04-01",
        provider_code="RY4",
        local_code="HH9",
    )
    land(settings, datetime(2019, 9, 2))
    assert quarantine(settings) == []
    # The same figure again on a later night, under its id and with its parts: it counts in place of the first.
    a_return(settings, "again.csv", indicator_id="HH_NINE", provider_code="", numerator="919", denominator="1000")
    a_return(settings, "june.csv", period="2019-06", value="92.00", status="provisional")
    land(settings, datetime(2019, 9, 3))
    build_marts(settings, "+fct_breaches", "+dim_indicator_sets", "+extracts")
    warehouse.publish(settings.warehouse, settings.published)

    with opened(settings.published) as con:
        assert con.execute(
            "SELECT period_start::VARCHAR, source, numerator, denominator, value, standard::DOUBLE, is_met, "
            "excess_breaches, periods_in_breach, is_provisional, caveat "
            "FROM marts.fct_standard_comparisons WHERE indicator_id = 'HH_NINE' ORDER BY 1"
        ).fetchall() == [
            (
                *("2019-05-01", "reported", 919.0, 1000.0, 91.9, 92.0, False, 1.0, 1, False),
                "the return also states 91.96, which its numerator and denominator do not give",
            ),
            ("2019-06-01", "reported", None, None, 92.0, 92.0, True, None, 0, True, None),
        ]
        assert con.execute(
            "SELECT period_start::VARCHAR, org_name, severity FROM marts.fct_breaches WHERE indicator_id = 'HH_NINE'"
        ).fetchall() == [("2019-05-01", "Hertfordshire Community NHS Trust", "minor")]
        assert con.execute(
            "SELECT owner, review_date::VARCHAR, is_derived FROM marts.dim_indicators WHERE indicator_id = 'HH_NINE'"
        ).fetchall() == [("Community team", "2020-04-01", False)]
        assert con.execute("SELECT file_name, status FROM marts.extracts ORDER BY 1").fetchall() == [
            ("again.csv", "loaded"),
            ("june.csv", "loaded"),
            ("may.csv", "superseded"),
        ]
    capsys.readouterr()
    asked = ["indicators", "--home", str(settings.home), "--set", "community", "--period", "2019-05"]
    assert cli.run(asked) == 0
    [line] = capsys.readouterr().out.splitlines()[1:]
    assert line.split()[:7] == ["HH_NINE", "RY4", "2019-05", "91.9", "%", "919", "/"]
    assert ">= 92" in line and "not met, 1 in excess" in line and "reported" in line


def test_one_figure_from_two_files_of_a_night_is_not_decided(settings: WithCatalogue) -> None:
    a_return(settings, "a.csv", indicator_id="AE_4HR", provider_code="", org_code="RWG", value="80")
    a_return(settings, "b.csv", indicator_id="ae_4hr", provider_code="", org_code="RWG", value="81")
    a_return(settings, "c.csv", indicator_id="AE_4HR", provider_code="", org_code="RWG", period="2019-05 YTD")
    land(settings)
    assert [name for name, reason in quarantine(settings) if "arrived together" in reason] == ["a.csv", "b.csv"]
