"""The tables of a pack as files, and its charts: what a program that reads them finds."""

from __future__ import annotations

import csv
import hashlib
import io
import json
import re
from datetime import date, datetime
from pathlib import Path
from typing import Any

import openpyxl
import polars as pl
import pytest

from ccg_pipeline.publication import charts, exports, workbook
from ccg_pipeline.publication.cells import guarded
from ccg_pipeline.publication.tables import HIDDEN, Column, Scope, Table

SCOPE = Scope("06N", "NHS <b>Herts</b> & Valleys", "ccg", date(2019, 5, 1), ("06N",), datetime(2019, 7, 11, 9, 30))
COLUMNS = [
    Column("indicator_id", "varchar", "id of the indicator"),
    Column("note", "varchar", "remark"),
    Column("period_end", "date", "last day of the period"),
    Column("valid_to", "date", "last day on which it holds", "z"),
    Column("numerator", "double", "the part (count)"),
    Column("denominator", "double", "everyone counted (count)"),
    Column("value", "double", "unrounded value"),
    Column("unit", "varchar", "percent or count"),
    Column("standard", "decimal(9,3)", "the threshold"),
    Column("is_met", "boolean", "whether it is met"),
    Column("is_provisional", "boolean", "whether it may change"),
    Column("extract_ids", "varchar[]", "the extracts"),
]
HOSTILE = ("=1+1", "+44 20", "-5 as text", "@SUM(A1)", "\t=1", "＝1")  # noqa: RUF001 (the wide sign is the point)


def row(**cells: Any) -> dict[str, Any]:
    filled: dict[str, Any] = {
        "indicator_id": "RTT",
        "note": None,
        "period_end": date(2019, 5, 31),
        "valid_to": None,
        "numerator": 9196,
        "denominator": 10000,
        "value": 91.96,
        "unit": "percent",
        "standard": 92,
        "is_met": False,
        "is_provisional": False,
        "extract_ids": ["ab", "cd"],
    }
    return filled | cells


ROWS = [
    row(is_provisional=True),
    row(numerator=5, denominator=None, value=5, unit="count", standard=0),
    row(numerator=-12.5, denominator=None, value=-12.5, unit="gbp_thousands", standard=None, is_met=None),
    row(numerator=None, denominator=None, value=None, is_met=None, note="suppressed"),
    row(numerator=HIDDEN, denominator=HIDDEN, value=HIDDEN, is_met=HIDDEN),
    *(row(note=text) for text in HOSTILE),
]
TABLE = Table("rpt_one", "One table", "one", "One row a figure.", COLUMNS, ROWS)
EMPTY = Table("rpt_two", "Another, without rows", "two", "One row nothing.", COLUMNS, [])


@pytest.fixture(scope="module")
def book() -> openpyxl.Workbook:
    return openpyxl.load_workbook(io.BytesIO(workbook.build([TABLE, EMPTY], SCOPE)))


def read_back(book: openpyxl.Workbook, sheet: str) -> list[dict[str, Any]]:
    (table,) = book[sheet].tables.values()
    headings, *rows = [[cell.value for cell in line] for line in book[sheet][table.ref]]
    return [dict(zip(headings, line, strict=True)) for line in rows]


def test_the_workbook_has_cover_contents_notes_and_a_named_table_a_sheet(book: openpyxl.Workbook) -> None:
    assert book.sheetnames == ["Cover", "Contents", "Notes", "one", "two"]
    for sheet in book.worksheets:
        assert not sheet.merged_cells.ranges
        assert sheet["A1"].value
        assert len(sheet.tables) == (0 if sheet.title == "Cover" else 1)
    listed = read_back(book, "Contents")
    assert [line["Sheet"] for line in listed] == ["Notes", "one", "two"]
    assert book["Contents"]["A5"].hyperlink.location == "'one'!A1"
    assert {line["Note"] for line in read_back(book, "Notes")} >= {"[x]", "[z]", "[p]", "[r]", "[c]"}


def test_numbers_are_numbers_dates_are_dates_and_what_is_missing_has_its_shorthand(book: openpyxl.Workbook) -> None:
    percent, count, money, missing, hidden, *_ = read_back(book, "one")
    assert (percent["Value"], percent["Numerator"], percent["Met"]) == (91.96, 9196, False)
    assert percent["Period end"] == datetime(2019, 5, 31)
    assert percent["Valid to"] == "[z]"
    assert percent["Shorthand"] == "[p]"
    assert (count["Value"], count["Denominator"], count["Standard"]) == (5, "[z]", 0)
    assert (money["Value"], money["Standard"], money["Met"]) == (-12.5, "[z]", "[z]")
    assert (missing["Value"], missing["Denominator"], missing["Met"]) == ("[x]", "[x]", "[x]")
    assert (hidden["Value"], hidden["Numerator"]) == ("[c]", "[c]")
    value = book["one"]["G5"]
    assert (value.value, value.number_format) == (91.96, "0.0")
    assert book["one"]["E5"].number_format == "#,##0"


def test_no_cell_begins_with_a_sign_of_a_formula(book: openpyxl.Workbook) -> None:
    texts = [cell.value for sheet in book.worksheets for line in sheet.iter_rows() for cell in line]
    begins = [text for text in texts if isinstance(text, str) and text[:1] in "=+-@\t＝" and text]  # noqa: RUF001
    assert begins == []
    assert all(cell.data_type != "f" for sheet in book.worksheets for line in sheet.iter_rows() for cell in line)
    assert [line["Note"] for line in read_back(book, "one")[5:]] == [f" {text}" for text in HOSTILE]


def test_the_same_tables_give_the_same_bytes() -> None:
    first, second = (
        {**exports.build([TABLE, EMPTY], SCOPE, []), "book.xlsx": workbook.build([TABLE, EMPTY], SCOPE)}
        for _ in range(2)
    )
    assert len(first) == 7
    assert first == second


def test_csv_keeps_figures_and_guards_text() -> None:
    lines = list(csv.DictReader(io.StringIO(exports.as_csv(TABLE).decode())))
    assert lines[0]["value"] == "91.96"
    assert (lines[0]["period_end"], lines[0]["is_met"], lines[0]["extract_ids"]) == ("2019-05-31", "false", "ab cd")
    assert lines[2]["value"] == "-12.5"
    assert lines[3]["value"] == ""
    assert [line["note"] for line in lines[5:]] == [f" {text}" for text in HOSTILE]
    assert (guarded("=", is_strict=False), guarded("=A1", is_strict=False), guarded("=")) == ("=", " =A1", " =")


def test_parquet_has_the_types_and_descriptions(tmp_path: Path) -> None:
    path = tmp_path / "one.parquet"
    path.write_bytes(exports.as_parquet(TABLE))
    frame = pl.read_parquet(path)
    assert frame.schema["period_end"] == pl.Date
    assert frame.schema["value"] == pl.Float64
    assert frame["value"].to_list()[:5] == [91.96, 5, -12.5, None, None]
    assert frame["note"].to_list()[5:] == list(HOSTILE)


def test_the_data_package_describes_every_file() -> None:
    sources = [{"dataset": "ae", "file_name": "ae/May.csv", "extract_id": "ab" * 32}]
    files = exports.build([TABLE, EMPTY], SCOPE, sources)
    package = json.loads(files["datapackage.json"].decode())
    assert re.fullmatch(r"[a-z0-9._-]+", package["name"])
    assert package["licenses"][0]["name"] == "OGL-UK-3.0"
    assert package["sources"] == [{"title": "ae: ae/May.csv", "path": "ae/May.csv", "hash": "sha256:" + "ab" * 32}]
    assert [resource["name"] for resource in package["resources"]] == ["one", "two"]
    for resource in package["resources"]:
        content = files[resource["path"]]
        assert resource["hash"] == f"sha256:{hashlib.sha256(content).hexdigest()}"
        header = content.decode().splitlines()[0].split(",")
        assert [field["name"] for field in resource["schema"]["fields"]] == header
        assert all(field["description"] for field in resource["schema"]["fields"])
    dictionary = list(csv.DictReader(io.StringIO(files["data_dictionary.csv"].decode())))
    assert len(dictionary) == 2 * len(COLUMNS)
    assert dictionary[3] == {
        "table": "one",
        "table_title": "One table",
        "column": "valid_to",
        "heading": "Valid to",
        "type": "date",
        "description": "last day on which it holds",
        "when_empty": "not applicable",
    }


def point(label: str, value: float | None, **cells: Any) -> dict[str, Any]:
    filled = {
        "mean": 84.0,
        "lower_limit": 80.0,
        "upper_limit": 88.0,
        "target": 85.0,
        "plan": None,
        "baseline_number": 1,
        "variation": charts.COMMON,
        "is_provisional": False,
    }
    return {"label": label, "value": value, **filled, **cells}


def test_a_chart_is_one_described_picture_of_its_points_alone() -> None:
    points = [point("Jan 19", 83), point("Feb 19", None), point("Mar 19", 89.5, variation=charts.IMPROVEMENT)]
    picture = charts.draw(points, "chart-1", "A <b> title", "Words & words")
    assert picture == charts.draw(points, "chart-1", "A <b> title", "Words & words")
    assert 'role="img" aria-labelledby="chart-1-title chart-1-desc"' in picture
    assert '<title id="chart-1-title">A &lt;b&gt; title</title>' in picture
    assert '<desc id="chart-1-desc">Words &amp; words</desc>' in picture
    assert re.findall(r'id="([^"]+)"', picture) == ["chart-1-title", "chart-1-desc"]
    assert set(re.findall(r"https?://[^\"' ]+", picture)) == {"http://www.w3.org/2000/svg"}
    # A point for each value, in the colour and outline of its variation; none for the month without one.
    outlines = [charts.MARKS[mark][2] for mark in (charts.COMMON, charts.IMPROVEMENT)]
    drawn = re.findall(
        r'<path [^>]*stroke-width="1.5"[^>]*opacity="1"[^>]*>|<path [^>]*fill="#[0-9a-f]{6}"[^>]*>', picture
    )
    assert [sum(f'stroke="{outline}"' in mark for mark in drawn) for outline in outlines] == [1, 1]


def test_every_mark_of_a_chart_has_a_shape_of_its_own() -> None:
    assert len({shape for shape, _, _ in charts.MARKS.values()}) == len(charts.MARKS)
    assert len({charts.key(mark) for mark in (*charts.MARKS, "value", "mean", "limit", "target", "plan")}) == 9
