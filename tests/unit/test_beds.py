"""Beds (KH03): provider workbook and derived table, written here and as published."""

import csv
from datetime import date
from functools import partial
from pathlib import Path

import polars as pl
import pytest
import xlsxwriter
from layouts import SHARED, Row, needs_shared, read_as, refusal_as

from ccg_pipeline.extracts.contract import Coverage

SECTORS = ["Total ", "General & Acute", "Learning Disabilities", "Maternity", "Mental Illness"]


read = partial(read_as, "beds")
refusal = partial(refusal_as, "beds")


def counts(acute: float, occupied: float, maternity: float = 0) -> Row:
    available, used = [acute + maternity, acute, 0, maternity, 0], [occupied + maternity, occupied, 0, maternity, 0]
    shares: Row = [u / a if a else "-" for u, a in zip(used, available, strict=True)]
    return [*available, None, *used, None, *shares]


def workbook(path: Path, england: Row | None = None, period: str = "July to September 2024") -> Path:
    england = england or counts(150, 120.5, 10)
    england[5] = 0  # as published: a zero in the spacer between two groups
    rows: list[Row] = [
        [],
        [None, "Title:", "Average daily number of available and occupied beds open overnight by sector"],
        [None, "Period:", period],
        [None, "Source:", "NHS England: SDCS data collection - KH03"],
        [None, "Published:", "21st November 2024"],
        *[[] for _ in range(7)],
        [None] * 6 + ["Available", *[None] * 5, "Occupied", *[None] * 5, "% Occupied"],
        [None, "Year", "Period End", "Region Code", "Org Code", "Org Name", *SECTORS, None, *SECTORS, None, *SECTORS],
        [None, "2024-25", "September", None, None, "England", *england],
        [],
        [None, "2024-25", "September", "Y61", "RWG", "WEST HERTS", *counts(100, 90.5, 10)],
        [None, "2024-25", "September", "Y61", "RC9", "BEDFORDSHIRE", *counts(50, 30)],
    ]
    quality: list[Row] = [
        ["Data Quality KH03"],
        ["The following trusts did not submit and an estimate was submitted on their behalf:"],
        ["R1K", "LONDON NORTH WEST UNIVERSITY HEALTHCARE NHS TRUST"],
    ]
    with xlsxwriter.Workbook(path) as book:
        for name, content in (("Data Quality", quality), ("NHS Trust by Sector", rows)):
            sheet = book.add_worksheet(name)
            for r, row in enumerate(content):
                for c, cell in enumerate(row):
                    if cell is not None:
                        sheet.write(r, c, cell)
    return path


def test_provider_workbook(tmp_path: Path) -> None:
    extract = read(workbook(tmp_path / "b.xlsx"))
    assert extract.coverage == (Coverage("provider", "all", date(2024, 7, 1), 3),)
    assert extract.published_on == date(2024, 11, 21)
    assert extract.caveats == ("beds estimated for R1K (named on the Data Quality sheet)",)
    columns = ["is_england", "org_code", "available_general_acute_beds", "occupied_general_acute_beds"]
    assert extract.rows.select(columns).rows() == [
        (True, None, 150, 120.5),
        (False, "RWG", 100, 90.5),
        (False, "RC9", 50, 30),
    ]


def test_workbooks_that_contradict_themselves(tmp_path: Path) -> None:
    other = counts(150, 121.5, 10)
    assert "its providers add to 120.500" in refusal(workbook(tmp_path / "a.xlsx", other))
    total = counts(150, 120.5, 10)
    total[0] = 161
    assert "the sectors do not add to the total of available beds" in refusal(workbook(tmp_path / "b.xlsx", total))
    assert "do not name one quarter" in refusal(workbook(tmp_path / "c.xlsx", period="April to June 2024"))


HEADINGS = (
    "org_code,period,org_name,financial_year,fy_quarter,kh03_avail_all_avg_beds,kh03_occ_all_avg_beds,"
    "kh03_avail_ga_avg_beds,kh03_occ_ga_avg_beds,kh03_occ_ga_rate,kh03_avail_mat_avg_beds,kh03_occ_mat_avg_beds"
).split(",")


def derived(path: Path, england: float = 120.5, quarter: str = "Q1") -> Path:
    rows: list[Row] = [
        ["NAN", "2019-20 Q1", "England", "2019-20", "Q1", 9, 8, 150, england, england / 150, 10, 10],
        ["RWG", "2019-20 Q1", "WEST HERTS", "2019-20", quarter, 8.1, 6.9, 100, 90.5, 0.905, 10, 10],
        ["RC9", "2019-20 Q1", "BEDFORDSHIRE", "2019-20", "Q1", 1, 1, 50, 30, 0.6, 0, 0],
    ]
    with open(path, "w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows([HEADINGS, *rows])
    return path


def test_derived_table_takes_general_and_acute_beds(tmp_path: Path) -> None:
    extract = read(derived(tmp_path / "b.csv"))
    assert extract.coverage == (Coverage("derived", "all", date(2019, 4, 1), 3),)
    assert extract.period_end == date(2019, 6, 30)
    assert extract.rows.select("is_england", "org_code", "occupied_general_acute_beds").rows() == [
        (True, None, 120.5),
        (False, "RWG", 90.5),
        (False, "RC9", 30),
    ]


def test_derived_tables_that_contradict_themselves(tmp_path: Path) -> None:
    assert "England gives 121.0" in refusal(derived(tmp_path / "a.csv", england=121))
    assert "row 3: '2019-20 Q1', '2019-20' and 'Q2' do not name one quarter" in refusal(
        derived(tmp_path / "b.csv", quarter="Q2")
    )


@needs_shared
def test_published_files_agree() -> None:
    folder = Path(SHARED, "data", "beds")
    workbook, table = read(next(folder.glob("*.xlsx"))), read(next(folder.glob("*.csv")))
    assert (workbook.rows.height, table.rows.height, len(table.coverage)) == (188, 5464, 28)
    assert workbook.rows.filter("is_england")["occupied_general_acute_beds"][0] == pytest.approx(93664.402173913)
    same = table.rows.filter(pl.col("period_start") == date(2024, 7, 1)).join(
        workbook.rows, on=["is_england", "org_code"], nulls_equal=True
    )
    beds_of_both = same.select("occupied_general_acute_beds", "occupied_general_acute_beds_right").rows()
    assert len(beds_of_both) == 188
    assert all(one == pytest.approx(other, abs=1e-6) for one, other in beds_of_both)
    west_herts = table.rows.filter((pl.col("org_code") == "RWG") & (pl.col("period_start") == date(2019, 4, 1)))
    assert west_herts["occupied_general_acute_beds"][0] == pytest.approx(600.5824, abs=1e-4)
