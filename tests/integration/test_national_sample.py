"""``ccg sample --national``, of a small country: what it writes loads, and gives the figures it was made with.

RTT and A&E are loaded through the landing; the other datasets are read, month by month of their layouts, and one month
of them is carried to the counts of indicators.
"""

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
from ccg_pipeline.months import months_later
from ccg_pipeline.sample import national
from ccg_pipeline.sample.national import dtoc, rtt
from ccg_pipeline.settings import Settings

LAST = date(2022, 7, 1)
SMALL = national.Country(seed=7, providers=12, commissioners=9, parents=4)
MONTHS = (date(2022, 6, 1), LAST)  # of CCGs, and of sub-ICB locations
QUARTERLY = ("beds", "cancelled_operations")
ENDED = date(2019, 12, 1)  # of delayed transfers, MAR and workbooks of cancer waits
TOTAL = pl.col("Treatment Function Code") == "C_999"


@pytest.fixture(scope="module")
def settings(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    """Two months of all datasets, and one of those that had ended by then, received and loaded. Shared by tests: only
    read it."""
    folder = tmp_path_factory.mktemp("national")
    settings = Settings(folder / "raw", folder / "home")
    now = list(national.write_national(settings.raw, 2, LAST, SMALL))
    assert len(now) == 4 * 2 + 2 + 1 + 2, "rtt, ae, cancer and diagnostics; beds and cancelled operations; HES; lookups"
    then = list(national.write_national(settings.raw, 1, ENDED, SMALL, datasets=("beds", "cancer", "dtoc", "mar")))
    assert len(then) == 4
    loading.receive(settings, NIGHT, lambda _: None)
    for dataset in national.DATASETS:
        assert loading.load(settings, dataset, lambda _: None).quarantined == 0
    return settings


@pytest.fixture(scope="module")
def counted(settings: Settings) -> Settings:
    """With the counts of indicators. Shared by tests: only read it."""
    build_marts(settings, "+int_dataset_counts")
    return settings


def test_the_figures_are_those_that_were_written(counted: Settings) -> None:
    """Counted here from the bands as they are headed, over treatment functions and not their total."""
    weeks = [f"Gt {week:02} To {week + 1:02} Weeks SUM 1" for week in range(104)] + ["Gt 104 Weeks SUM 1"]
    with opened(counted.warehouse) as con:
        found = {
            tuple(row[:4]): row[4:]
            for row in con.execute(
                "SELECT period_start, org_level, org_code, measure, numerator, denominator "
                "FROM intermediate.int_rtt__indicator_counts"
            ).fetchall()
        }
    compared = 0
    for month, level in zip(MONTHS, ("ccg", "sub_icb"), strict=True):
        waiting = rtt.rtt_month(SMALL, month).filter(~TOTAL, pl.col("RTT Part Type") == "Part_2")
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


def test_every_dataset_has_figures_of_each_level_that_it_knows(counted: Settings) -> None:
    with opened(counted.warehouse) as con:
        found = con.execute(
            "SELECT dataset, org_level, count(DISTINCT org_code) FROM intermediate.int_dataset_counts "
            "WHERE numerator > 0 GROUP BY ALL ORDER BY ALL"
        ).fetchall()
        figures = dict(
            con.execute(
                "SELECT indicator_id, sum(numerator) FROM intermediate.int_dataset_counts WHERE dataset = 'dtoc' "
                "AND org_level = 'provider' GROUP BY indicator_id"
            ).fetchall()
        )
        systems = con.execute("SELECT count(DISTINCT parent_code) FROM raw.organisations WHERE kind = 'membership'")
        assert systems.fetchall() == [(SMALL.parents,)]
    levels = {dataset: {level for d, level, _ in found if d == dataset} for dataset, _, _ in found}
    assert levels == {
        "activity": {"ccg", "national", "provider", "sub_icb"},
        "ae": {"national", "provider"},
        "cancelled_operations": {"provider"},
        "cancer": {"ccg", "national", "provider"},
        "diagnostics": {"ccg", "national", "provider", "sub_icb"},
        "dtoc": {"national", "provider"},
        "mar": {"ccg", "national"},
        "rtt": {"ccg", "national", "provider", "sub_icb"},
    }
    days = dtoc.dtoc_month(SMALL, ENDED)
    assert figures["DTOC_DAYS"] == sum(days[heading].sum() for heading in ("NHS", "Social Care", "Both B"))
    assert figures["DTOC_RATE"] > 0


@pytest.mark.parametrize(
    ("month", "layouts"),
    [
        (
            date(2016, 3, 1),
            "ae_to_2020_03, cancer_commissioner_2016_01_to_2020_03, dm01_full_extract, dtoc_provider_extract, "
            "kh03_provider_workbook, mar_commissioner_table, qmco_provider_workbook, rtt_full_53_bands",
        ),
        (
            date(2020, 2, 1),
            "ae_to_2020_03, cancer_commissioner_2016_01_to_2020_03, dm01_full_extract, dtoc_provider_extract, "
            "hes_mar_csv, mar_commissioner_table, ons_ccg_to_stp, rtt_full_53_bands",
        ),
        (
            date(2020, 5, 1),
            "ae_2020_04_to_2020_07, cancer_flat_provider_2020_04_to_2023_09, dm01_full_extract, hes_mar_csv, "
            "mar_commissioner_table, ons_ccg_to_stp, rtt_full_53_bands",
        ),
        (
            date(2021, 4, 1),
            "ae_from_2020_08, cancer_flat_provider_2020_04_to_2023_09, dm01_full_extract, hes_mar_csv, "
            "ons_ccg_to_stp, rtt_full_105_bands",
        ),
        (
            date(2023, 9, 1),
            "ae_from_2020_08, cancer_flat_provider_2020_04_to_2023_09, cancer_flat_sub_icb_from_2023_04, "
            "dm01_full_extract, hes_mar_csv, kh03_provider_workbook, ons_sub_icb_to_icb, qmco_provider_workbook, "
            "rtt_full_105_bands",
        ),
        (
            date(2025, 1, 1),
            "ae_from_2020_08, cancer_flat_provider_from_2023_10, cancer_flat_sub_icb_from_2023_04, dm01_full_extract, "
            "hes_mar_csv, ons_sub_icb_to_icb, rtt_full_105_bands",
        ),
    ],
)
def test_each_month_has_the_layouts_of_its_time(tmp_path: Path, month: date, layouts: str) -> None:
    written = national.write_national(tmp_path, 1, month, SMALL, is_zipped=False)
    read = [(path, extracts.read(extracts.Source(path, path.parent.name))) for path in written]
    assert sorted(extract.layout for _, extract in read) == layouts.split(", ")
    for path, extract in read:
        assert extract.dataset == path.parent.name
        if extract.dataset not in ("organisations", "activity"):
            starts = {coverage.period_start for coverage in extract.coverage}
            assert starts == {months_later(month, -2) if extract.dataset in QUARTERLY else month}


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


def test_the_same_seed_gives_the_same_months_whatever_others_are_written(tmp_path: Path) -> None:
    def written(folder: str, months: int, seed: int) -> dict[str, bytes]:
        country = national.Country(seed, 4, 4, 2)
        return {p.name: p.read_bytes() for p in national.write_national(tmp_path / folder, months, LAST, country)}

    one, three, other = written("one", 1, 1), written("three", 3, 1), written("other", 1, 2)
    assert len(three) == 4 * 3 + 2 + 1 + 2
    assert one == {name: three[name] for name in one}
    # Who belongs to whom is the same for every seed.
    assert [name for name in one if one[name] == other[name]] == ["sub-icb-to-icb-2022.csv"]


def test_a_month_that_is_not_over_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for wrong in (["--last", "2099-01"], ["--months", "0"], ["--months", "121"], ["--seed", "-1"]):
        assert cli.run(["sample", str(tmp_path / "new"), "--national", *wrong]) == 2
        assert wrong[0] in capsys.readouterr().err
    assert not (tmp_path / "new").exists()
