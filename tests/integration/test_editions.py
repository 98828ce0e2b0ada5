"""Two editions of one month: which counts, what could be said before the second, and what the second changed."""

from __future__ import annotations

import json
import shutil
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path

import pytest
from conftest import NIGHT, land, opened
from dbt_builds import build_marts
from layouts import Cell, Row, Sheets, write_xlsx

from ccg_pipeline import cli, warehouse
from ccg_pipeline.assets.resources import Installation
from ccg_pipeline.settings import Settings

FIRST_PUBLISHED, REVISED = "14th February 2019", "11th July 2019"
BETWEEN = datetime(2019, 5, 1)


def incomplete_pathways(revised: str, within: int, over_18: int, over_52: int) -> Sheets:
    """RTT incomplete pathways of December 2018 at RWG, one treatment function, as the provider workbook has them."""
    bands = [within, *[0] * 17, over_18, *[0] * 33, over_52]
    total = within + over_18 + over_52
    front: list[Row] = [
        [],
        [None, "Title:", "Referral to Treatment (RTT) Waiting Times"],
        [None, "Summary:", "Monthly Referral to Treatment (RTT) waiting times for incomplete pathways."],
        [],
        [None, "Period:", "December 2018"],
        [None, "Basis:", "Provider"],
        [None, "Published:", FIRST_PUBLISHED],
        [None, "Revised:", revised],
        *[[] for _ in range(5)],
    ]
    headings: Row = ["Treatment Function Code", "Treatment Function", *[f">{w}-{w + 1}" for w in range(52)], "52 plus"]
    headings += ["Total number of incomplete pathways", "Total within 18 weeks", "% within 18 weeks"]

    def rows(*org: Cell) -> list[Row]:
        return [
            [None, *org, code, name, *bands, total, within, within / total]
            for code, name in (("C_100", "General Surgery"), ("C_999", "Total"))
        ]

    return {
        "National": [*front, [None, *headings], *rows()],
        "Provider": [
            *front,
            [None, "Region Code", "Provider Code", "Provider Name", *headings],
            *rows("Y56", "RWG", "West Hertfordshire Hospitals NHS Trust"),
        ],
    }


@pytest.fixture
def editions(tmp_path: Path) -> dict[str, Path]:
    """The first edition meets the standard of 92 % and has nobody over 52 weeks; the revised one has neither."""
    return {
        "first": write_xlsx(tmp_path / "first.xlsx", incomplete_pathways("-", 92, 8, 0)),
        "revised": write_xlsx(tmp_path / "revised.xlsx", incomplete_pathways(REVISED, 91, 7, 2)),
    }


def arrive(home: Settings, files: list[Path], nights: list[int]) -> None:
    for path, night in zip(files, nights, strict=True):
        home.raw.mkdir(parents=True, exist_ok=True)
        shutil.copy2(path, home.raw / f"{night} {path.name}")
        land(home, NIGHT + timedelta(days=night))


def counts(settings: Settings) -> dict[str, tuple]:
    with opened(settings.warehouse) as con:
        rows = con.execute(
            "SELECT indicator_id, numerator, denominator FROM marts.fct_indicator_values "
            "WHERE org_code = 'RWG' AND period_type = 'month'"
        ).fetchall()
    return {indicator: (numerator, denominator) for indicator, numerator, denominator in rows}


@pytest.mark.parametrize(
    ("order", "nights"),
    [(("first", "revised"), [0, 1]), (("revised", "first"), [0, 1]), (("first", "revised"), [0, 0])],
)
def test_the_current_view_and_the_one_before_do_not_depend_on_the_order_of_arrival(
    editions: dict[str, Path], tmp_path: Path, order: tuple[str, str], nights: list[int]
) -> None:
    home = Settings(tmp_path / "raw", tmp_path / "home")
    arrive(home, [editions[name] for name in order], nights)
    build_marts(home, "+fct_indicator_values", "+fct_restatements")
    assert counts(home) == {"RTT_INCOMPLETE_18W": (91, 100), "RTT_52W": (2, None)}
    with opened(home.warehouse) as con:
        restatements = con.execute(
            "SELECT indicator_id, org_code, period_start, period_end, restated_at, restatement, previous_value, value, "
            "value_change, previous_edition, edition, was_met, is_met, breach_change "
            "FROM marts.fct_restatements ORDER BY indicator_id"
        ).fetchall()
    rwg = ("RWG", date(2018, 12, 1), date(2018, 12, 31), datetime(2019, 7, 11), "changed")
    editions_and_breach = ("unknown", "revised", True, False, "appeared")
    assert restatements == [
        ("RTT_52W", *rwg, 0, 2, 2, *editions_and_breach),
        ("RTT_INCOMPLETE_18W", *rwg, 92, 91, -1, *editions_and_breach),
    ]


def test_as_known_at_through_the_command(
    editions: dict[str, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    # The tests of the models, which run here as at night, are proved by the nights of the sample.
    monkeypatch.setattr(
        Installation,
        "dbt_build",
        property(lambda self: ["build", "--exclude-resource-type", "test", "unit_test", *self.settings.dbt_arguments]),
    )
    settings = Settings(tmp_path / "raw", tmp_path / "home")
    arrive(settings, list(editions.values()), [0, 1])
    asked = ("fct_standard_comparisons", "fct_restatements", "fct_corrections", "fct_data_queries", "rpt_trajectories")
    asked += ("extracts", "dim_datasets", "dim_indicator_sets", "int_rtt__indicator_rows")
    build_marts(settings, *(f"+{model}" for model in asked))
    warehouse.publish(settings.warehouse, settings.published)
    select = ["indicators", "--home", str(settings.home), "--org", "RWG", "--indicator", "RTT_INCOMPLETE_18W"]
    select += ["--format", "json"]
    assert cli.run([*select, "--as-known-at", f"{BETWEEN:%Y-%m-%d}"]) == 0
    shown = capsys.readouterr()
    assert [row["numerator"] for row in json.loads(shown.out)] == [92]
    then = settings.rebuilt_as_known_at(datetime.combine(BETWEEN, time.max)).published
    assert f"-> {then}" in shown.err and "as known at 2019-05-01" in shown.err
    assert list(settings.scratch.glob("as-known-at*.duckdb*")) == []
    with opened(then) as con:
        assert con.execute("SELECT file_name, status FROM marts.extracts").fetchall() == [("0 first.xlsx", "loaded")]
        assert con.execute("SELECT count(*) FROM marts.fct_restatements").fetchall() == [(0,)]

    built = then.stat().st_mtime_ns
    assert cli.run([*select, "--as-known-at", f"{BETWEEN:%Y-%m-%d}"]) == 0
    assert [row["numerator"] for row in json.loads(capsys.readouterr().out)] == [92]
    assert then.stat().st_mtime_ns == built
    assert cli.run(select) == 0
    assert [row["numerator"] for row in json.loads(capsys.readouterr().out)] == [91]

    why = ["explain", "RTT_INCOMPLETE_18W", "RWG", "2018-12", "--home", str(settings.home), "--format", "json"]
    assert cli.run(why) == 0
    (now,) = json.loads(capsys.readouterr().out)["values"]
    assert [(row["files"], row["numerator"], row["known_to"]) for row in now["history"]] == [
        (["0 first.xlsx"], 92, "2019-07-11 00:00:00"),
        (["1 revised.xlsx"], 91, None),
    ]
    assert [(row["previous_numerator"], row["breach_change"]) for row in now["restatements"]] == [(92, "appeared")]
    assert cli.run([*why, "--as-known-at", f"{BETWEEN:%Y-%m-%d}"]) == 0
    (past,) = json.loads(capsys.readouterr().out)["values"]
    assert [(row["files"], row["numerator"], row["known_to"]) for row in past["history"]] == [
        (["0 first.xlsx"], 92, None)
    ]
    assert past["rows"]["adds_up"] and past["rows"]["numerator"] == 92 and past["restatements"] == []


def test_a_moment_of_which_nothing_is_known(
    editions: dict[str, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    settings = Settings(tmp_path / "raw", tmp_path / "home")
    arrive(settings, list(editions.values()), [0, 0])
    build_marts(settings, "stg_landing__extracts")
    warehouse.publish(settings.warehouse, settings.published)
    select = ["indicators", "--home", str(settings.home), "--as-known-at"]
    assert cli.run([*select, "2019-01-31"]) == 2
    assert "nothing could be said on 2019-01-31: the first extract loaded was published or received on 2019-02-14" in (
        capsys.readouterr().err
    )
    with warehouse.sole_writer(settings.rebuilt_as_known_at(datetime.combine(BETWEEN, time.max)).warehouse):
        assert cli.run([*select, f"{BETWEEN:%Y-%m-%d}"]) == 1
    assert "stopped: another run" in capsys.readouterr().err
    tomorrow = datetime.now(UTC).date() + timedelta(days=1)
    with pytest.raises(SystemExit) as stopped:
        cli.run([*select, f"{tomorrow}"])
    assert stopped.value.code == 2
    assert "has not been yet" in capsys.readouterr().err
