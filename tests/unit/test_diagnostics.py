"""Diagnostic waits (DM01): workbooks and full extracts written here, and the published workbooks."""

import csv
from collections.abc import Callable
from datetime import date
from functools import partial
from pathlib import Path

import polars as pl
import pytest
from layouts import SHARED, Cell, Row, needs_shared, read_as, refusal_as, write_xls

from ccg_pipeline.extracts.contract import Coverage

read = partial(read_as, "diagnostics")
refusal = partial(refusal_as, "diagnostics")


def bands(under_6: int, over_6: int, over_13: int = 0) -> list[int]:
    return [under_6, *[0] * 5, over_6, *[0] * 6, over_13]


def add(*rows: list[int]) -> list[int]:
    return [sum(cells) for cells in zip(*rows, strict=True)]


# ---------------------------------------------------------------- workbooks

TESTS = {1: "Magnetic Resonance Imaging", 3: "Non-obstetric Ultrasound", 16: "Total"}
PROVIDERS = {
    "RWG": {1: bands(90, 9, 1), 3: bands(50, 0)},
    "NKO": {3: bands(10, 0)},
}
IDLE = "R1H"  # stands on the sheet of all tests alone, with zeros


def counts(weeks: list[int]) -> Row:
    over = sum(weeks[6:])
    return [sum(weeks), over, weeks[13], over / sum(weeks) if sum(weeks) else 0, *weeks, None, 5, 6, 7, None]


def workbook(
    change: Callable[[dict[str, list[Row]]], None] | None = None, basis: str = "Provider"
) -> dict[str, list[Row]]:
    front: list[Row] = [
        [],
        [None, "Title:", "Monthly Diagnostics"],
        [None, "Summary:", "Waiting times and activity for Diagnostic tests and procedures"],
        [],
        [None, "Period:", "March 2025"],
        [None, "Source:", "DM01, collected via SDCS"],
        [None, "Basis:", basis],
        [None, "Published:", "15th May 2025"],
        [None, "Revised:", None],
        *[[] for _ in range(3)],
        [None, f"{basis} level data", *[None] * 10, "Number of Patients Waiting at Month End"],
    ]
    weeks = ["0 <01 weeks", *(f"{w:02d} <{w + 1:02d} weeks" for w in range(1, 13)), "13+ weeks"]
    numbers = [
        "Total Waiting List",
        "Number waiting 6+ Weeks",
        "Number waiting 13+ Weeks",
        "Percentage waiting 6+ weeks",
        *weeks,
        None,
        "Planned tests / procedures",
        "Unscheduled tests / procedures",
        "Waiting list tests / procedures (excluding planned)",
        None,
    ]
    names: Row = [None, "Regional Team Code", "Regional Team Name", f"{basis} Code", f"{basis} Name"]
    totals = {code: add(*tests.values()) for code, tests in PROVIDERS.items()}
    england = counts(add(*totals.values()))
    england[-4:-1] = [10, 12, 14]
    all_tests: list[Row] = [*front, [*names, *numbers], [None, None, None, None, "Total", *england], []]
    by_test: list[Row] = [
        *front,
        [*names, "Diagnostic ID", "Diagnostic Test Name", *numbers],
        [None, None, None, None, "Total", None, None, *england],
        [],
    ]
    for code, tests in PROVIDERS.items():
        org: Row = [None, "Y61", "East", code, f"TRUST {code}"]
        all_tests.append([*org, *counts(totals[code])])
        for number, waits in tests.items():
            row = counts(waits)
            row[-4:-1] = [5, 6, 7] if number == max(tests) else [0, 0, 0]
            by_test.append([*org, number, TESTS[number], *row])
        by_test.append([*org, 16, "Total", *counts(totals[code])])
    idle: Row = [*counts(bands(0, 0))]
    idle[-4:-1] = [0, 0, 0]
    all_tests.append([None, "Y61", "East", IDLE, "IDLE TRUST", *idle])
    notes: list[Row] = [
        [None, "Notes"],
        [None, "The following organisation did not submit Diagnostics (DM01) data this month:"],
        [None, "Code", "Name"],
        [None, "RC9", "Bedfordshire Hospitals NHS Foundation Trust"],
    ]
    sheets = {basis: all_tests, f"{basis} by Test": by_test, "Guidance & Definitions": [["text"]], "Notes": notes}
    if change:
        change(sheets)
    return sheets


def test_provider_workbook(tmp_path: Path) -> None:
    extract = read(write_xls(tmp_path / "d.xls", workbook()))
    assert extract.layout == "dm01_provider_workbook"
    assert extract.coverage == (Coverage("provider", "all", date(2025, 3, 1)),)
    assert extract.published_on == date(2025, 5, 15)
    assert extract.caveats == ("published without all or part of the data of RC9 (named on the Notes sheet)",)
    totals = extract.rows.filter("is_total").sort("provider_code", nulls_last=True)
    assert totals.select("provider_code", "is_england", "waiting_list").rows() == [
        ("NKO", False, 10),
        ("R1H", False, 0),
        ("RWG", False, 150),
        (None, True, 160),
    ]
    rwg = totals.filter(pl.col("provider_code") == "RWG").row(0, named=True)
    assert (rwg["week_bands"], rwg["source_sheet"]) == (bands(140, 9, 1), "Provider by Test")
    assert (rwg["planned_activity"], rwg["unscheduled_activity"], rwg["waiting_list_activity"]) == (5, 6, 7)
    assert extract.rows.filter(~pl.col("is_total")).height == 3


def test_commissioner_workbook(tmp_path: Path) -> None:
    extract = read(write_xls(tmp_path / "d.xls", workbook(basis="Commissioner")))
    assert extract.coverage == (Coverage("commissioner", "all", date(2025, 3, 1)),)
    assert extract.rows["provider_code"].is_null().all()
    assert set(extract.rows["commissioner_code"].drop_nulls()) == {"RWG", "NKO", "R1H"}


def test_workbook_of_one_sheet(tmp_path: Path) -> None:
    extract = read(write_xls(tmp_path / "d.xls", workbook(lambda sheets: sheets.__delitem__("Provider by Test"))))
    assert extract.rows.filter(~pl.col("is_england"))["waiting_list"].to_list() == [150, 10, 0]


def changed(sheet: str, row: int, column: int, value: Cell) -> Callable[[dict[str, list[Row]]], None]:
    def change(sheets: dict[str, list[Row]]) -> None:
        sheets[sheet][row] = [*sheets[sheet][row]]
        sheets[sheet][row][column] = value

    return change


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (changed("Provider", 16, 9, 141), "sheet 'Provider' row 17 (RWG, Total): the weeks do not add"),
        (changed("Provider", 16, 6, 11), "6+ weeks"),
        (changed("Provider", 16, 8, 0.5), "the printed share over 6 weeks is another"),
        (changed("Provider", 14, 24, 11), "sheet 'Provider' row 15: the row Total gives 11 for 'Planned Activity'"),
        (changed("Provider", 14, 4, None), "counts without a provider code"),
        (changed("Provider by Test", 17, 5, 17), "test 'Non-obstetric Ultrasound' with number 17"),
        (changed("Provider by Test", 17, 5, 1), "test 'Non-obstetric Ultrasound' has number 1 here"),
        (changed("Provider by Test", 16, 26, 2), "the test TOTAL of RWG"),
        (changed("Provider by Test", 4, 2, "April 2025"), "expected the same month on each sheet"),
        (changed("Provider", 13, 9, "0 to 1 weeks"), "unknown heading '0 to 1 weeks'"),
    ],
)
def test_workbooks_that_contradict_themselves(
    tmp_path: Path, change: Callable[[dict[str, list[Row]]], None], words: str
) -> None:
    assert words in refusal(write_xls(tmp_path / "d.xls", workbook(change)))


def test_a_provider_missing_by_test_is_refused(tmp_path: Path) -> None:
    def change(sheets: dict[str, list[Row]]) -> None:
        sheets["Provider by Test"] = [row for row in sheets["Provider by Test"] if len(row) < 4 or row[3] != "NKO"]

    assert "the row Total gives" in refusal(write_xls(tmp_path / "d.xls", workbook(change)))


# ---------------------------------------------------------------- full extract

HEADINGS = [
    "Period",
    "Provider Parent Org Code",
    "Provider Parent Name",
    "Provider Org Code",
    "Provider Org Name",
    "Commissioner Parent Org Code",
    "Commissioner Parent Name",
    "Commissioner Org Code",
    "Commissioner Org Name",
    "Diagnostic Tests Sort Order",
    "Diagnostic Tests",
    "00 < 01 Week",
    *(f"{w:02d} < {w + 1:02d} Weeks" for w in range(1, 13)),
    "13+ Weeks",
    "Total WL",
    "Waiting List Activity",
    "Planned Activity",
    "Unscheduled Activity",
    "Total Activity",
]


def full_rows() -> list[Row]:
    rows: list[Row] = []
    for commissioner, tests in (
        ("06N", {(1, "MRI"): bands(90, 9, 1), (2, "CT"): bands(20, 0)}),
        ("NONC", {(1, "MRI"): bands(2, 1)}),
    ):
        total = add(*tests.values())
        activity = [3 * len(tests), 2 * len(tests), len(tests)]
        for (number, test), waits in {**tests, (16, "TOTAL"): total}.items():
            done = activity if number == 16 else [3, 2, 1]
            org: Row = ["DM01-MAY-2019", "Y61", "EAST", "RWG", "WEST HERTS", "QM7", "HWE", commissioner, "NAME"]
            rows.append([*org, number, test, *waits, sum(waits), *done, sum(done)])
    return rows


def write_csv(path: Path, rows: list[Row], headings: list[str] = HEADINGS) -> Path:
    with open(path, "w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows([headings, *rows])
    return path


def test_full_extract(tmp_path: Path) -> None:
    assert len(HEADINGS) == 30
    extract = read(write_csv(tmp_path / "d.csv", full_rows()))
    assert extract.layout == "dm01_full_extract"
    month = date(2019, 5, 1)
    assert extract.coverage == (Coverage("commissioner", "all", month), Coverage("provider", "all", month))
    totals = extract.rows.filter("is_total").select("provider_code", "commissioner_code", "waiting_list", "source_row")
    assert totals.rows() == [("RWG", "06N", 120, 4), ("RWG", "NONC", 3, 6)]


@pytest.mark.parametrize(
    ("row", "column", "value", "words"),
    [
        (0, 25, 101, "the weeks do not add to the waiting list"),
        (0, 29, 7, "the activities do not add"),
        (2, 9, 15, "test 'TOTAL' with number 15"),
        (0, 11, "*", "found '*', expected a whole number"),
        (0, 11, None, "blank, expected a count in every row"),
        (0, 7, None, "column 'Commissioner Org Code': found None"),
        (4, 0, "DM01-JUNE-2019", "several months"),
    ],
)
def test_full_extracts_that_contradict_themselves(
    tmp_path: Path, row: int, column: int, value: Cell, words: str
) -> None:
    rows = full_rows()
    rows[row][column] = value
    assert words in refusal(write_csv(tmp_path / "d.csv", rows))


def test_full_extract_cut_off_between_rows(tmp_path: Path) -> None:
    assert "no row of the test TOTAL for RWG / NONC" in refusal(write_csv(tmp_path / "d.csv", full_rows()[:-1]))


def test_full_extract_with_a_test_twice(tmp_path: Path) -> None:
    rows = full_rows()
    assert "stands more than once" in refusal(write_csv(tmp_path / "d.csv", [*rows, rows[0]]))


# ---------------------------------------------------------------- the published files


@needs_shared
@pytest.mark.parametrize(
    ("name", "month", "edition", "providers", "waiting", "over_6"),
    [
        ("*March-2025*", date(2025, 3, 1), "unknown", 446, 1703242, 312744),
        ("*September-2024*", date(2024, 9, 1), "revised", 445, 1587330, 359933),
    ],
)
def test_published_workbooks(name: str, month: date, edition: str, providers: int, waiting: int, over_6: int) -> None:
    extract = read(next(Path(SHARED, "data", "diagnostics").glob(name)))
    assert (extract.period_start, extract.edition) == (month, edition)
    totals = extract.rows.filter("is_total")
    england = totals.filter("is_england").row(0, named=True)
    assert (england["waiting_list"], sum(england["week_bands"][6:])) == (waiting, over_6)
    organisations = totals.filter(~pl.col("is_england"))
    assert (organisations.height, organisations["waiting_list"].sum()) == (providers, waiting)
    assert organisations["week_bands"].list.slice(6).list.sum().sum() == over_6
