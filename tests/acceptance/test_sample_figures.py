"""On the bundled sample: the figures of the published papers, their standards and verdicts."""

from __future__ import annotations

import csv
import filecmp
from collections.abc import Callable
from pathlib import Path

import pytest
from conftest import opened

from ccg_pipeline import cli
from ccg_pipeline import sample as sample_package
from ccg_pipeline.publication.indicators import shown
from ccg_pipeline.settings import PROJECT_ROOT, Settings

FIGURES = Path(sample_package.__file__).parent / "figures"


def test_the_landing_folder_ships_with_the_sample(sample_raw: Path) -> None:
    written = sorted(p.relative_to(sample_raw) for p in sample_raw.rglob("*") if p.is_file())
    for path in written:
        assert filecmp.cmp(PROJECT_ROOT / "raw" / path, sample_raw / path, shallow=False), f"{path}: run ccg sample"


@pytest.mark.parametrize(
    ("indicator_id", "org_code", "printed", "standard", "is_met"),
    [
        ("RTT_INCOMPLETE_18W", "06N", "85.9 %", 92, False),
        ("RTT_52W", "06N", "5", 0, False),
        ("CANCER_2WW", "06N", "93.2 %", 93, True),
        ("CANCER_62D_GP", "06N", "82.3 %", 85, False),
        ("CANCER_62D_UPGRADE", "06N", "72.7 %", None, None),
        ("AE_4HR", "RWG", "79.9 %", 95, False),
        ("DTOC_DAYS", "RWG", "767", None, None),
        ("AE_4HR", "RC9", "no value", 95, None),
    ],
)
def test_headline_figures_of_may_2019(
    one_value: Callable[..., dict], indicator_id: str, org_code: str, printed: str, standard: int | None, is_met: bool
) -> None:
    row = one_value(indicator_id, org_code, "2019-05")
    assert shown(row["value"], row["numerator"], row["denominator"], row["unit"]) == printed
    assert row["standard"] == standard
    assert row["is_met"] is is_met
    if printed == "no value":
        assert row["caveat"].startswith("not reported: a field-test site")


def test_the_command_prints_them(sample_home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.run(["indicators", "--home", str(sample_home), "--org", "06N", "--period", "2019-05"]) == 0
    lines = {line.split()[0]: line for line in capsys.readouterr().out.splitlines()}
    assert "85.9 %" in lines["RTT_INCOMPLETE_18W"] and "not met" in lines["RTT_INCOMPLETE_18W"]
    assert "93.2 %" in lines["CANCER_2WW"] and " met" in lines["CANCER_2WW"]
    assert "no standard" in lines["CANCER_62D_UPGRADE"]


@pytest.mark.parametrize("dataset", ["ae", "cancer", "dtoc", "rtt"])
def test_every_printed_figure_comes_out(sample_home: Path, dataset: str) -> None:
    """What the sample was written from is what the warehouse says, to the digit the source prints."""
    with open(FIGURES / f"{dataset}.csv", encoding="utf-8", newline="") as file:
        figures = list(csv.DictReader(file))
    with opened(Settings(sample_home, sample_home).published) as con:
        found = {
            (row[0], row[1], row[2]): row[3:]
            for row in con.execute(
                "SELECT indicator_id, org_code, strftime(period_start, '%Y-%m'), numerator, denominator, value, unit "
                "FROM marts.fct_indicator_values WHERE period_type = 'month' AND source = 'derived'"
            ).fetchall()
        }
    checked = 0
    for figure in figures:
        key = (figure["indicator_id"], figure["org_code"], figure["period"])
        # The paper prints the Herts Valleys part of the community trust (RY4); the extract has all of it.
        if dataset == "dtoc" and figure["org_code"] == "RY4":
            continue
        if not figure.get("numerator") and not figure.get("value"):
            assert key not in found or found[key][2] is None, key
            continue
        numerator, denominator, value, unit = found[key]
        if figure.get("numerator"):
            assert numerator == float(figure["numerator"]), key
        if figure.get("denominator"):
            assert denominator == float(figure["denominator"]), key
        if figure.get("value"):
            printed = shown(value, numerator, denominator, unit).removesuffix(" %").replace(",", "")
            assert float(printed) == float(figure["value"]), key
        checked += 1
    assert checked > 0.8 * len([f for f in figures if f["org_code"] != "RY4"])


def test_ae_standard_of_april_2019_as_a_breach(sample_home: Path) -> None:
    with opened(Settings(sample_home, sample_home).published) as con:
        rows = con.execute(
            "SELECT breaches, denominator, allowed_breaches, excess_breaches, severity FROM marts.fct_breaches "
            "WHERE indicator_id = 'AE_4HR' AND org_code = 'RWG' AND period_start = DATE '2019-04-01'"
        ).fetchall()
    assert rows == [(2464.0, 13127.0, 656.0, 1808.0, "critical")]


def test_field_test_sites_are_left_out_of_both_counts_of_england(sample_home: Path) -> None:
    with opened(Settings(sample_home, sample_home).published) as con:
        numerator, denominator, caveat = con.execute(
            "SELECT numerator, denominator, caveat FROM marts.fct_indicator_values WHERE indicator_id = 'AE_4HR' "
            "AND org_code = 'ENG' AND period_type = 'month' AND period_start = DATE '2019-05-01'"
        ).fetchall()[0]
        providers = con.execute(
            "SELECT sum(numerator), sum(denominator) FROM marts.fct_indicator_values WHERE indicator_id = 'AE_4HR' "
            "AND org_level = 'provider' AND period_type = 'month' AND period_start = DATE '2019-05-01'"
        ).fetchall()[0]
        attendances = con.execute(
            "SELECT numerator FROM marts.fct_indicator_values WHERE indicator_id = 'ACT_AE_ATTENDANCES' "
            "AND org_code = 'ENG' AND period_type = 'month' AND period_start = DATE '2019-05-01'"
        ).fetchall()[0][0]
    assert (numerator, denominator) == providers
    assert denominator < attendances
    assert caveat == "leaves out the field-test sites that report no four-hour figure: RC9, RGT"


def test_stp_is_the_sum_of_its_members(sample_home: Path) -> None:
    with opened(Settings(sample_home, sample_home).published) as con:
        unequal = con.execute(
            """
            WITH members AS (
                SELECT indicator_id, period_start, sum(numerator) AS n, sum(denominator) AS d
                FROM marts.fct_indicator_values
                WHERE org_code IN ('06K', '06N', '07H') AND period_type = 'month' GROUP BY ALL
            )
            SELECT * FROM members JOIN marts.fct_indicator_values v USING (indicator_id, period_start)
            WHERE v.org_code = 'QM7' AND v.period_type = 'month' AND v.numerator IS NOT NULL
                AND (v.numerator IS DISTINCT FROM n OR v.denominator IS DISTINCT FROM d)
            """
        ).fetchall()
        months = con.execute(
            "SELECT count(*) FILTER (WHERE numerator IS NOT NULL), "
            "list(DISTINCT caveat) FILTER (WHERE numerator IS NULL), "
            "list(DISTINCT indicator_id) FILTER (WHERE numerator IS NULL) "
            "FROM marts.fct_indicator_values WHERE org_code = 'QM7' AND period_type = 'month'"
        ).fetchall()[0]
    assert unequal == []
    # In the sample only Herts Valleys has completed pathways: two of three members are missing, so there is no sum.
    assert months[0] == 15 * 14
    assert months[1] == ["no sum: no figures for 06K, 07H"]
    assert sorted(months[2]) == ["RTT_ADMITTED_18W", "RTT_NONADMITTED_18W"]


def test_year_to_date_adds_flows_and_takes_the_latest_stock(one_value: Callable[..., dict]) -> None:
    april, may = (one_value("CANCER_2WW", "06N", m) for m in ("2019-04", "2019-05"))
    so_far = one_value("CANCER_2WW", "06N", "2019-05", "ytd")
    assert so_far["numerator"] == april["numerator"] + may["numerator"]
    assert so_far["denominator"] == april["denominator"] + may["denominator"]
    waiting = one_value("RTT_INCOMPLETE_18W", "06N", "2019-05", "ytd")
    assert waiting["denominator"] == one_value("RTT_INCOMPLETE_18W", "06N", "2019-05")["denominator"]


def test_a_year_to_date_with_a_month_missing_has_no_value(one_value: Callable[..., dict]) -> None:
    """The sample begins in March 2018: eleven months of 2017/18 are not there."""
    so_far = one_value("CANCER_2WW", "06N", "2018-03", "ytd")
    assert so_far["value"] is None
    assert so_far["caveat"].startswith("no year to date: no figures for April 2017")


def test_patients_from_outside_england_count_for_the_provider_alone(sample_home: Path) -> None:
    with opened(Settings(sample_home, sample_home).published) as con:
        provider, england, outside = (
            con.execute(
                "SELECT sum(pathways) FROM raw.rtt WHERE part = 'part_2' AND is_total AND period_start = '2019-05-01' "
                + condition
            ).fetchall()[0][0]
            for condition in (
                "AND provider_code = 'RWG'",
                "AND commissioner_code <> 'NONC'",
                "AND commissioner_code = 'NONC'",
            )
        )
        published = dict(
            con.execute(
                "SELECT org_code, denominator FROM marts.fct_indicator_values WHERE period_type = 'month' "
                "AND indicator_id = 'RTT_INCOMPLETE_18W' AND period_start = '2019-05-01' AND org_code IN ('RWG', 'ENG')"
            ).fetchall()
        )
    assert outside > 0
    assert published == {"RWG": provider, "ENG": england}


def test_suppressed_is_no_value_with_the_reason(sample_home: Path) -> None:
    with opened(Settings(sample_home, sample_home).published) as con:
        rows = con.execute(
            "SELECT value, caveat FROM marts.fct_indicator_values WHERE caveat LIKE 'suppressed%' "
            "AND period_type = 'month'"
        ).fetchall()
    assert rows
    assert all(row == (None, "suppressed by the publisher: a small number") for row in rows)
