"""On the real published files (../shared): check values, the board paper, and what a rename changes."""

from __future__ import annotations

import csv
from decimal import ROUND_HALF_UP, Decimal
from pathlib import Path

import check_values
from check_values import counts
from conftest import land, mart_rows, opened
from dbt_builds import build_marts
from layouts import renamed

from ccg_pipeline.settings import Settings

CANCER_REFS = {
    "CA01": "CANCER_2WW",
    "CA02": "CANCER_2WW_BREAST",
    "CA03": "CANCER_31D_FIRST",
    "CA04": "CANCER_31D_SUB_SURGERY",
    "CA05": "CANCER_31D_SUB_DRUG",
    "CA06": "CANCER_31D_SUB_RT",
    "CA07": "CANCER_62D_GP",
    "CA09": "CANCER_62D_SCREENING",
    "CA10": "CANCER_62D_UPGRADE",
}
# Printed in September 2019 and since revised by the publisher: (printed, as the files have it now).
REVISED_SINCE_THE_BOARD_PAPER = {
    ("CANCER_31D_FIRST", "2018-04"): ("96.2", "96.5"),
    ("CANCER_31D_FIRST", "2018-05"): ("97.0", "96.9"),
    ("CANCER_31D_FIRST", "2018-06"): ("96.0", "95.8"),
    ("CANCER_31D_FIRST", "2018-07"): ("96.8", "96.6"),
    ("CANCER_31D_FIRST", "2018-08"): ("93.9", "93.7"),
    ("CANCER_31D_FIRST", "2018-09"): ("97.0", "97.2"),
    ("CANCER_31D_SUB_SURGERY", "2018-06"): ("85.7", "84.6"),
    ("CANCER_31D_SUB_SURGERY", "2018-07"): ("97.0", "96.9"),
    ("CANCER_31D_SUB_DRUG", "2018-05"): ("98.9", "99.0"),
    ("CANCER_31D_SUB_DRUG", "2018-08"): ("99.0", "100.0"),
    ("CANCER_31D_SUB_RT", "2018-04"): ("93.1", "94.1"),
    ("CANCER_31D_SUB_RT", "2018-08"): ("93.3", "93.2"),
    ("CANCER_31D_SUB_RT", "2018-09"): ("98.7", "98.6"),
}


def test_every_check_value_is_there_with_its_numerator_and_denominator(shared: Path, shared_home: Path) -> None:
    assert check_values.off(shared, Settings(shared_home, shared_home).published) == []


def test_the_board_paper_agrees_but_for_what_was_revised_since(shared: Path, shared_home: Path) -> None:
    with open(shared / "reference" / "board_paper_2019" / "cancer_hvccg.csv", encoding="utf-8", newline="") as file:
        printed = list(csv.DictReader(file))
    differing = {}
    with opened(Settings(shared_home, shared_home).published) as con:
        for row in printed:
            key = (CANCER_REFS[row["indicator_ref"]], row["period"])
            ((numerator, denominator, *_),) = counts(con, key[0], "06N", key[1])
            value = (Decimal(numerator) * 100 / Decimal(denominator)).quantize(Decimal("0.1"), ROUND_HALF_UP)
            if value != Decimal(row["value"]):
                differing[key] = (str(Decimal(row["value"]).quantize(Decimal("0.1"))), str(value))
    assert len(printed) == 135
    assert differing == REVISED_SINCE_THE_BOARD_PAPER


def test_delays_by_rate_and_by_local_authority(shared_home: Path) -> None:
    """West Hertfordshire, May 2019: 767 days over 31 x 600.58 general and acute beds, never the `all` columns (6.9)."""
    with opened(Settings(shared_home, shared_home).published) as con:
        ((days, bed_days, rate, caveat),) = counts(con, "DTOC_RATE", "RWG", "2019-05")
        assert (days, round(bed_days, 2), round(rate, 2)) == (767, 18618.05, 4.12)
        assert caveat == "beds from a second-hand table derived from KH03"
        judged = con.execute(
            "SELECT indicator_id, standard, is_met, len(extract_ids) FROM marts.fct_standard_comparisons "
            "WHERE org_code = 'RWG' AND period_type = 'month' AND period_start = DATE '2019-05-01' "
            "AND indicator_id IN ('DTOC_RATE', 'DTOC_DAYS') ORDER BY 1"
        ).fetchall()
        assert judged == [("DTOC_DAYS", None, None, 1), ("DTOC_RATE", Decimal("3.5"), False, 2)]
        by_who = ("DTOC_DAYS", "DTOC_DAYS_NHS", "DTOC_DAYS_SOCIAL", "DTOC_DAYS_BOTH")
        assert [counts(con, one, "606", "2019-05")[0][0] for one in by_who] == [3092, 2422, 385, 285]
        ((england, _, _, differs),) = counts(con, "DTOC_DAYS", "ENG", "2019-05")
        assert england == 139179
        assert differs == (
            "May 2019: England is 139415 by the workbook by local authority; "
            "May 2019: England is 139415 by the providers together"
        )
        ((_, _, none, why),) = counts(con, "DTOC_RATE", "RY4", "2019-05")
        assert none is None and why.startswith("no rate: KH03 of the quarter from April 2019 does not have")


def test_every_file_is_loaded(shared: Path, shared_home: Path) -> None:
    data_files = [p for p in (shared / "data").rglob("*") if p.is_file() and p.suffix != ".md"]
    with opened(Settings(shared_home, shared_home).published) as con:
        names = [name for (name,) in con.execute("SELECT file_name FROM marts.extracts").fetchall()]
        assert sorted(int(name.split(".")[0]) for name in names) == list(range(1, len(data_files) + 1))
        statuses = con.execute("SELECT status, reason FROM marts.extracts").fetchall()
    assert len(statuses) == len(data_files)
    assert [(status, reason) for status, reason in statuses if status != "loaded"] == []


def test_names_mean_nothing(sample_raw: Path, sample_home: Path, tmp_path: Path) -> None:
    """Every file of the sample renamed to 1.csv, 2.xlsx ...: the marts are the same but for names and times of receipt.

    What the published files give is proved above on renamed ones.
    """
    settings = Settings(renamed(sample_raw, tmp_path / "raw"), tmp_path / "home")
    published = Settings(sample_home, sample_home).published
    with opened(published) as con:  # a plan that states no day is of the day of receipt
        ((received_at,),) = con.execute("SELECT min(received_at) FROM raw.extracts").fetchall()
    land(settings, received_at)
    marts = (
        "dim_indicators",
        "dim_organisations",
        "dim_standards",
        "fct_indicator_values",
        "fct_standard_comparisons",
        "fct_trajectory_comparisons",
        "fct_breaches",
        "fct_data_queries",
    )
    build_marts(settings, "+extracts", *(f"+{mart}" for mart in marts))
    for mart in marts:
        assert mart_rows(settings.warehouse, mart) == mart_rows(published, mart), mart
    leave_out = ("file_name", "received_at")
    found = mart_rows(settings.warehouse, "extracts", leave_out)
    assert len(found) == 64 and found == mart_rows(published, "extracts", leave_out)
