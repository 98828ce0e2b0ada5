"""Monthly hospital activity (MAR): whole tables as workbook and text, and the excerpt on one line."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable
from datetime import date
from functools import partial
from pathlib import Path

import polars as pl
import pytest
from layouts import SHARED, Row, needs_shared, read_as, refusal_as, write_xlsx

from ccg_pipeline.extracts.contract import Coverage
from ccg_pipeline.extracts.mar import MEASURES

read = partial(read_as, "mar")
refusal = partial(refusal_as, "mar")

HEADINGS = ["Year", "Period", "Region Code", "Region Name", "Org Code", "Org Name", *(c.headings[0] for c in MEASURES)]
HERTS_VALLEYS = [100, 400, 500, 10, 20, 30, 0, 1200, 1500, 1400, 1300, 1250, 1100, 2100]
WEST_ESSEX = [20, 80, 100, 5, 5, 10, 3, 300, 400, 390, 350, 340, 290, 610]
REFERRALS = 6 + 10  # where GP referrals made in general and acute specialties stand in a row


def table(change: Callable[[list[Row]], None] = lambda rows: None, basis: str = "Commissioner") -> list[Row]:
    england = [a + b for a, b in zip(HERTS_VALLEYS, WEST_ESSEX, strict=True)]
    rows: list[Row] = [
        ["Title:", "Monthly Hospital Activity"],
        ["Summary:", "Monthly activity data relating to elective and non-elective inpatient admissions"],
        [],
        ["Period:", "May 2020"],
        ["Basis:", basis],
        ["Published:", "9th July 2020"],
        ["Revised:", "-"],
        [],
        ["Commissioner Level Data"],
        list(HEADINGS),
        ["2020-21", "May", None, None, None, "England", *england],
        [],
        ["2020-21", "May", "Y61", "EAST OF ENGLAND", "06N", "NHS HERTS VALLEYS CCG", *HERTS_VALLEYS],
        ["2020-21", "May", "Y61", "EAST OF ENGLAND", "07H", "NHS WEST ESSEX CCG", *WEST_ESSEX],
        [],
        ["Note: Excludes non-English commissioned activity."],
    ]
    change(rows)
    return rows


def as_text(cell: object) -> str:
    """Counts as the published text writes them."""
    if cell == 0:
        return " \t-   "
    return f" \t{cell:,} " if isinstance(cell, int) else "" if cell is None else str(cell)


def write_text(path: Path, rows: list[Row], one_line: bool = False) -> Path:
    width = max(map(len, rows))
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerows(["", *(as_text(c) for c in (*row, *[None] * (width - len(row)))), ""] for row in rows)
    content = text.getvalue().strip("\n")
    path.write_text(content.replace("\n", "  ") if one_line else content, encoding="utf-8")
    return path


@pytest.mark.parametrize("layout", ["workbook", "text"])
def test_whole_table(tmp_path: Path, layout: str) -> None:
    if layout == "workbook":
        extract = read(write_xlsx(tmp_path / "1.xlsx", {"Commissioner": [[], *([None, *row] for row in table())]}))
    else:
        extract = read(write_text(tmp_path / "1.csv", table()))
    assert extract.layout == "mar_commissioner_table"
    assert extract.coverage == (Coverage("commissioner", "all", date(2020, 5, 1)),)
    assert (extract.edition, extract.published_on, extract.caveats) == ("unknown", date(2020, 7, 9), ())
    columns = [
        "is_england",
        "org_code",
        "gp_referrals_made",
        "gp_referrals_made_all_specialties",
        "elective_admissions",
    ]
    assert extract.rows.select(columns).rows() == [
        (True, None, 1650, 1900, 600),
        (False, "06N", 1300, 1500, 500),
        (False, "07H", 350, 400, 100),
    ]
    assert extract.rows["treatment_centre_admissions"].to_list() == [3, 0, 3]


def test_table_by_provider(tmp_path: Path) -> None:
    def trusts(rows: list[Row]) -> None:
        rows[12][4], rows[13][4] = "RWG", "RQW"

    extract = read(write_text(tmp_path / "1.csv", table(trusts, basis="Provider")))
    assert extract.layout == "mar_provider_table"
    assert extract.coverage == (Coverage("provider", "all", date(2020, 5, 1)),)


def test_excerpt_without_line_breaks_is_partial_and_says_so(tmp_path: Path) -> None:
    def most_rows_lost(rows: list[Row]) -> None:
        del rows[12]

    extract = read(write_text(tmp_path / "1.txt", table(most_rows_lost), one_line=True))
    assert extract.layout == "mar_commissioner_excerpt_partial"
    assert extract.coverage == (Coverage("commissioner", "excerpt", date(2020, 5, 1)),)
    assert extract.caveats == (
        "partial: an excerpt at second hand, with 1 of the commissioners; not held against England",
    )
    assert extract.rows.select("org_code", "gp_referrals_made").rows() == [(None, 1650), ("07H", 350)]
    assert extract.rows["source_row"].to_list() == [11, 13]
    assert "England gives 120 for 'Elective G&A Ordinary Admissions (FFCEs)', its rows add to 20" in refusal(
        write_text(tmp_path / "2.csv", table(most_rows_lost))
    )


def put(row: int, column: int, cell: str | int | None) -> Callable[[list[Row]], None]:
    """A change of one cell, both counted from 0."""

    def change(rows: list[Row]) -> None:
        rows[row][column] = cell

    return change


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (put(12, REFERRALS, 1301), "England gives 1650 for 'GP Referrals Made (G&A)', its rows add to 1651"),
        (put(12, 6, 101), "row 13: 'Elective G&A Total Admissions (FFCEs)' gives 500, its parts are 101 and 400"),
        (put(12, REFERRALS, None), "row 13, column 'GP Referrals Made (G&A)': blank"),
        (put(12, REFERRALS, "many"), "row 13, column 'GP Referrals Made (G&A)': found 'many'"),
        (put(12, 4, "6N"), "expected an organisation code"),
        (put(12, 4, "07H"), "the same 07H stands more than once"),
        (put(12, 1, "June"), "'June' of '2020-21' is not the month of 'Period:' 'May 2020'"),
        (put(9, REFERRALS - 1, "GP Referrals Lost"), "unknown heading 'GP Referrals Lost'"),
        (put(10, 5, "Britain"), "0 rows of England"),
        (put(4, 1, "Region"), "'Basis:' 'Region', expected Commissioner or Provider"),
        (put(6, 1, "soon"), "Revised: 'soon' is no day"),
    ],
)
def test_tables_that_contradict_themselves(tmp_path: Path, change: Callable[[list[Row]], None], words: str) -> None:
    assert words in refusal(write_text(tmp_path / "1.csv", table(change)))


def test_excerpt_cannot_be_more_than_england(tmp_path: Path) -> None:
    path = write_text(tmp_path / "1.txt", table(put(12, REFERRALS, 1301)), one_line=True)
    assert "England gives 1650 for 'GP Referrals Made (G&A)', some of its rows add to 1651" in refusal(path)
    cut_off = tmp_path / "2.txt"
    cut_off.write_bytes(write_text(path, table(), one_line=True).read_bytes()[:-200])
    assert "row 14" in refusal(cut_off)


@needs_shared
def test_published_excerpt() -> None:
    extract = read(Path(SHARED, "data", "activity", "MAR-commissioner-May-2020-excerpt.txt"))
    assert extract.layout == "mar_commissioner_excerpt_partial"
    assert extract.rows.height == 35
    columns = ["gp_referrals_made", "gp_referrals_made_all_specialties", "treatment_centre_admissions"]
    assert extract.rows.filter("is_england").select(columns).row(0) == (111307, 119045, 426)
    assert extract.rows.filter(pl.col("org_code") == "15C").select(columns).row(0) == (4067, 4126, 0)
