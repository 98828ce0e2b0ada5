"""``ccg sample --national``, of a small country: what it writes loads, and gives the figures it was made with."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import polars as pl
import pytest
from conftest import NIGHT, opened
from dbt_builds import build_marts

from ccg_pipeline import cli, extracts
from ccg_pipeline.checks import suites
from ccg_pipeline.checks.asset_checks import quality_suites
from ccg_pipeline.landing import loading
from ccg_pipeline.sample import national
from ccg_pipeline.settings import Settings

LAST = date(2022, 7, 1)
SMALL = national.Country(seed=7, providers=12, commissioners=9, parents=4)
MONTHS = (date(2022, 6, 1), LAST)  # of CCGs, and of sub-ICB locations
TOTAL = pl.col("Treatment Function Code") == "C_999"


@pytest.fixture(scope="module")
def settings(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    """Two months, received and loaded. Shared by tests: only read it."""
    folder = tmp_path_factory.mktemp("national")
    settings = Settings(folder / "raw", folder / "home")
    assert len(list(national.write_national(settings.raw, 2, LAST, SMALL))) == 4
    loading.receive(settings, NIGHT, lambda _: None)
    for dataset in ("rtt", "ae"):
        assert loading.load(settings, dataset, lambda _: None).quarantined == 0
    return settings


def test_the_figures_are_those_that_were_written(settings: Settings) -> None:
    """Counted here from the bands as they are headed, over treatment functions and not their total."""
    build_marts(settings, "+int_rtt__indicator_counts")
    weeks = [f"Gt {week:02} To {week + 1:02} Weeks SUM 1" for week in range(104)] + ["Gt 104 Weeks SUM 1"]
    with opened(settings.warehouse) as con:
        found = {
            tuple(row[:4]): row[4:]
            for row in con.execute(
                "SELECT period_start, org_level, org_code, measure, numerator, denominator "
                "FROM intermediate.int_rtt__indicator_counts"
            ).fetchall()
        }
    compared = 0
    for month, level in zip(MONTHS, ("ccg", "sub_icb"), strict=True):
        waiting = national.rtt_month(SMALL, month).filter(~TOTAL, pl.col("RTT Part Type") == "Part_2")
        of_england = waiting.filter(pl.col("Commissioner Org Code") != "NONC")
        assert of_england.height < waiting.height
        groups = [((level, code), rows) for (code,), rows in of_england.group_by("Commissioner Org Code")]
        groups += [(("provider", code), rows) for (code,), rows in waiting.group_by("Provider Org Code")]
        groups.append((("national", "ENG"), of_england))
        for (org_level, code), rows in groups:
            sums = rows.select(pl.col(weeks).sum()).row(0)
            key = (month, org_level, code)
            assert found[*key, "incomplete_within_18_weeks"] == (sum(sums[:18]), sum(sums)), key
            assert found[*key, "incomplete_over_52_weeks"] == (sum(sums[52:]), None), key
            compared += 1
    assert compared > 40


def test_every_check_of_the_rows_holds_together_and_in_parts(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    suite = quality_suites(settings)["rtt"]
    whole = suites.evaluate(settings, suite)
    monkeypatch.setattr(suites, "_ROWS_AT_ONCE", 1)
    in_parts = suites.evaluate(settings, suite)
    assert in_parts == whole
    assert all(result.success for result in whole) and whole[0].evaluated > 100


def test_what_does_not_hold_in_one_part_does_not_hold(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    suite = quality_suites(settings)["rtt"]
    second = "(SELECT max(extract_id) FROM raw.extracts WHERE dataset = 'rtt')"
    spoilt = suite.meta["query"].replace(
        "treatment_function_code, pathways,",
        f"treatment_function_code, CASE WHEN extract_id = {second} THEN -1 ELSE pathways END AS pathways,",
    )
    assert spoilt != suite.meta["query"]
    broken = suites.Suite(suite.name, {**suite.meta, "query": spoilt}, suite.expectations)
    whole = suites.evaluate(settings, broken)
    monkeypatch.setattr(suites, "_ROWS_AT_ONCE", 1)
    in_parts = suites.evaluate(settings, broken)
    failed = [result for result in in_parts if not result.success]
    assert failed and suites.failed(settings, in_parts)

    def told(results: list) -> list:
        return [(r.meaning, r.success, r.evaluated, r.unexpected, len(r.unexpected_keys)) for r in results]

    assert told(in_parts) == told(whole)


@pytest.mark.parametrize(
    ("month", "layout", "ae_layout"),
    [
        (date(2019, 12, 1), "rtt_full_53_bands", "ae_to_2020_03"),
        (date(2020, 5, 1), "rtt_full_53_bands", "ae_2020_04_to_2020_07"),
        (date(2021, 4, 1), "rtt_full_105_bands", "ae_from_2020_08"),
    ],
)
def test_each_month_has_the_layout_of_its_time(tmp_path: Path, month: date, layout: str, ae_layout: str) -> None:
    rtt, ae = national.write_national(tmp_path, 1, month, SMALL, is_zipped=False)
    assert extracts.read(extracts.Source(rtt, "rtt")).layout == layout
    assert extracts.read(extracts.Source(ae, "ae")).layout == ae_layout


def test_the_same_seed_gives_the_same_months_whatever_others_are_written(tmp_path: Path) -> None:
    def written(folder: str, months: int, seed: int) -> dict[str, bytes]:
        country = national.Country(seed, 4, 4, 2)
        return {p.name: p.read_bytes() for p in national.write_national(tmp_path / folder, months, LAST, country)}

    one, three, other = written("one", 1, 1), written("three", 3, 1), written("other", 1, 2)
    assert len(three) == 6
    assert one == {name: three[name] for name in one}
    assert one.keys() == other.keys() and one != other


def test_a_month_that_is_not_over_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for wrong in (["--last", "2099-01"], ["--months", "0"], ["--months", "121"], ["--seed", "-1"]):
        assert cli.run(["sample", str(tmp_path / "new"), "--national", *wrong]) == 2
        assert wrong[0] in capsys.readouterr().err
    assert not (tmp_path / "new").exists()
