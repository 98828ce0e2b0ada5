"""The workbook of a pack, laid out as the Government Analysis Function asks of accessible spreadsheets.

A cover, a table of contents, notes, then one named table a sheet from column A on; no merged cells, no blank rows, no
meaning by colour. Numbers are numbers and dates are dates; where there is no figure stands the official shorthand.
"""

from __future__ import annotations

import io
import re
from collections.abc import Sequence
from datetime import date, datetime
from typing import Any

from ccg_pipeline.publication.cells import guarded
from ccg_pipeline.publication.tables import HIDDEN, Column, Row, Scope, Table

NOT_AVAILABLE, NOT_APPLICABLE, PROVISIONAL, REVISED = "[x]", "[z]", "[p]", "[r]"
SHORTHAND = {
    NOT_AVAILABLE: "not available: there is no figure; the column Caveat of the row says why, where the table has one",
    NOT_APPLICABLE: "not applicable: no figure can be, such as a standard where none is in force",
    PROVISIONAL: "provisional: the publisher, or who returned it, says that the figure may change",
    REVISED: "revised: a later edition changed the figure",
    HIDDEN: "confidential: hidden for publication, because the figure or one it would give away is a small number",
}
_NOTES_HEADING = "Shorthand"
_WIDEST = 60
_HEADER_ROW = 3

# Counts and places in an order, whatever the unit of the row is.
_COUNTS = re.compile(
    r"(numerator|denominator|breaches|count|rows|points|number|order|periods\w*|months\w*|days|size|bytes)$"
)
_PARTS_OF_COUNTS = re.compile(r"denominator$")
_JUDGED_BY = re.compile(r"standard|target|comparator|breach|is_met|planned|plan\b|sanction")


def build(tables: Sequence[Table], scope: Scope) -> bytes:
    """The workbook. The same tables and scope give the same bytes."""
    import xlsxwriter

    out = io.BytesIO()
    options = {"in_memory": True, "strings_to_formulas": False, "strings_to_urls": False, "strings_to_numbers": False}
    with xlsxwriter.Workbook(out, options) as book:
        title = f"Performance pack: {scope.org_name} ({scope.org_code}), {scope.period:%B %Y}"
        book.set_properties({"title": title, "created": scope.received_at, "author": "", "company": ""})
        formats = _Formats(book)
        _cover(book, formats, scope, title)
        _contents(book, formats, tables)
        _notes(book, formats, tables)
        for table in tables:
            if table.is_in_workbook:
                _sheet(book, formats, table)
    return out.getvalue()


class _Formats:
    """The formats of the workbook; number formats are made when they are first asked for."""

    def __init__(self, book: Any) -> None:
        self._book = book
        self._numbers: dict[str, Any] = {}
        self.title = book.add_format({"bold": True, "font_size": 16})
        self.bold = book.add_format({"bold": True})
        self.wrapped = book.add_format({"text_wrap": True, "valign": "top"})
        self.header = book.add_format({"bold": True, "text_wrap": True, "valign": "top"})
        self.right = book.add_format({"align": "right"})
        self.link = book.add_format({"font_color": "#005eb8", "underline": 1})

    def number(self, pattern: str) -> Any:
        if pattern not in self._numbers:
            self._numbers[pattern] = self._book.add_format({"num_format": pattern})
        return self._numbers[pattern]


def _cover(book: Any, formats: _Formats, scope: Scope, title: str) -> None:
    sheet = book.add_worksheet("Cover")
    lines = [
        f"Figures of {scope.org_name}, its system and those that serve it, up to {scope.period:%B %Y}.",
        f"Rests on files received up to {scope.received_at:%-d %B %Y %H:%M} (UTC).",
    ]
    lines += scope.notices
    if scope.as_known_at:
        lines.append(f"As it could be said on {scope.as_known_at:%-d %B %Y}: later editions are left out.")
    if scope.is_public:
        lines.append("For publication: small numbers, and figures that would give them away, are hidden.")
    lines += [
        "Figures marked provisional or revised are explained on the sheet Notes, with all other shorthand.",
        "Percentages are unrounded in the cells, shown with one decimal, and compared with a standard unrounded.",
        "The published extracts are those of NHS England and NHS Digital, used under the Open Government Licence v3.0.",
        "The sheet Contents lists the tables; the data dictionary beside this workbook describes every column.",
    ]
    sheet.write_string(0, 0, guarded(title), formats.title)
    for number, line in enumerate(lines, 1):
        sheet.write_string(number, 0, guarded(line), formats.wrapped)
    sheet.set_column(0, 0, 100)


def _contents(book: Any, formats: _Formats, tables: Sequence[Table]) -> None:
    sheet = book.add_worksheet("Contents")
    sheet.write_string(0, 0, "Contents", formats.title)
    sheet.write_string(
        1, 0, "This sheet has one table: the sheets of the workbook, and the longer tables in files beside it."
    )
    listed = [("Notes", "Shorthand and other notes", "", "")]
    listed += [
        (
            table.sheet if table.is_in_workbook else f"csv/{table.sheet}.csv",
            table.title,
            f"{len(table.rows)}",
            table.description,
        )
        for table in tables
    ]
    _table(sheet, 2, "contents", ["Sheet", "Title", "Rows", "What one row is"], len(listed), formats)
    for number, (name, title, rows, description) in enumerate(listed, 3):
        if name.endswith(".csv"):
            sheet.write_string(number, 0, name, formats.wrapped)
        else:
            sheet.write_url(number, 0, f"internal:'{name}'!A1", formats.link, name)
        sheet.write_string(number, 1, guarded(title), formats.wrapped)
        if rows:
            sheet.write_number(number, 2, int(rows), formats.number("#,##0"))
        else:
            sheet.write_string(number, 2, NOT_APPLICABLE, formats.right)
        sheet.write_string(number, 3, guarded(description), formats.wrapped)
    sheet.set_column(0, 0, 24)
    sheet.set_column(1, 1, 44)
    sheet.set_column(2, 2, 10)
    sheet.set_column(3, 3, 90)


def _notes(book: Any, formats: _Formats, tables: Sequence[Table]) -> None:
    sheet = book.add_worksheet("Notes")
    sheet.write_string(0, 0, "Notes", formats.title)
    sheet.write_string(
        1, 0, "This sheet has one table: the shorthand of the workbook and what else a reader must know."
    )
    notes = [*SHORTHAND.items()]
    notes += [
        ("blank cell", "a cell of text without text has nothing to say; figures are never left blank"),
        (
            "space before a sign",
            "text that begins with a sign of a formula (equals, plus, minus, at) has a space before it, so that no "
            "program computes it",
        ),
        ("percent", "percentages run from 0 to 100; the column Unit says in which unit a figure is"),
    ]
    _table(sheet, 2, "notes", ["Note", "Meaning"], len(notes), formats)
    for number, (note, meaning) in enumerate(notes, 3):
        sheet.write_string(number, 0, note, formats.wrapped)
        sheet.write_string(number, 1, meaning, formats.wrapped)
    sheet.set_column(0, 0, 24)
    sheet.set_column(1, 1, 110)


def _sheet(book: Any, formats: _Formats, table: Table) -> None:
    sheet = book.add_worksheet(table.sheet)
    sheet.write_string(0, 0, guarded(table.title), formats.title)
    sheet.write_string(1, 0, guarded(table.description))
    has_notes = any(_notes_of(row) for row in table.rows)
    said = "This sheet has one table. Shorthand is explained on the sheet Notes."
    sheet.write_string(
        2, 0, said if table.rows else "This sheet has one table, without rows: there is nothing to show."
    )
    headings = [*_headings(table.columns), *([_NOTES_HEADING] if has_notes else [])]
    _table(sheet, _HEADER_ROW, re.sub(r"\W", "_", table.sheet), headings, len(table.rows), formats)
    widths = [min(max(len(word) for word in heading.split()) + 4, _WIDEST) for heading in headings]
    for number, row in enumerate(table.rows, _HEADER_ROW + 1):
        for place, column in enumerate(table.columns):
            length = _write(sheet, formats, number, place, column, row)
            widths[place] = max(widths[place], min(length + 2, _WIDEST))
        if has_notes:
            sheet.write_string(number, len(headings) - 1, _notes_of(row))
    for place, width in enumerate(widths):
        sheet.set_column(place, place, width)
    sheet.freeze_panes(_HEADER_ROW + 1, 0)


def _table(sheet: Any, first_row: int, name: str, headings: Sequence[str], row_count: int, formats: _Formats) -> None:
    """A named table; without rows it has one blank row, as Excel itself does it."""
    sheet.add_table(
        first_row,
        0,
        first_row + max(row_count, 1),
        len(headings) - 1,
        {
            "name": f"tbl_{name}",
            "style": "Table Style Light 1",
            "banded_rows": False,
            "autofilter": False,
            "columns": [{"header": heading, "header_format": formats.header} for heading in headings],
        },
    )


def _headings(columns: Sequence[Column]) -> list[str]:
    """Headings for people; the name of the column where two would be the same."""
    titles = [column.title for column in columns]
    folded = [title.casefold() for title in titles]
    return [
        title if folded.count(title.casefold()) == 1 else column.name
        for title, column in zip(titles, columns, strict=True)
    ]


def _write(sheet: Any, formats: _Formats, number: int, place: int, column: Column, row: Row) -> int:
    """Write one cell; returns about how many characters it shows."""
    cell = row[column.name]
    if cell is None:
        mark = shorthand(column, row)
        if mark:
            sheet.write_string(number, place, mark, formats.right)
        return len(mark)
    if isinstance(cell, bool):
        sheet.write_boolean(number, place, cell)
        return 5
    if isinstance(cell, int | float):
        sheet.write_number(number, place, cell, formats.number(_pattern(column, row, cell)))
        return len(f"{cell:,.1f}")
    if isinstance(cell, datetime):
        sheet.write_datetime(number, place, cell, formats.number("yyyy-mm-dd hh:mm"))
        return 16
    if isinstance(cell, date):
        sheet.write_datetime(number, place, cell, formats.number("yyyy-mm-dd"))
        return 10
    text = guarded(" ".join(str(part) for part in cell) if isinstance(cell, list) else cell)
    sheet.write_string(number, place, text)
    return len(text)


def shorthand(column: Column, row: Row) -> str:
    """What stands in a cell without figure; nothing in a cell of text.

    The column says, else the row: there is no denominator of a count, and nothing to judge by where no standard or plan
    is in force; every other figure that is missing is not available.
    """
    if column.kind in ("text", "list"):
        return ""
    if column.null_shorthand:
        return f"[{column.null_shorthand}]"
    is_of_parts = row.get("unit") in ("percent", "ratio") or str(row.get("unit")).startswith("rate")
    if _PARTS_OF_COUNTS.search(column.name) and not is_of_parts:
        return NOT_APPLICABLE
    if _JUDGED_BY.search(column.name) and "standard" in row and row["standard"] is None:
        return NOT_APPLICABLE
    if _JUDGED_BY.search(column.name) and "target" in row and row["target"] is None:
        return NOT_APPLICABLE
    return NOT_AVAILABLE


def _notes_of(row: Row) -> str:
    """The shorthand that goes with figures, not in their place."""
    marks = [PROVISIONAL] if row.get("is_provisional") is True else []
    marks += [REVISED] if row.get("edition") == "revised" else []
    return " ".join(marks)


def _pattern(column: Column, row: Row, cell: float) -> str:
    """The number format: percentages with one decimal, ratios with two, counts with none unless they have one."""
    if _COUNTS.search(column.name):
        return "#,##0" if float(cell).is_integer() else "#,##0.0"
    if row.get("unit") == "percent":
        return "0.0"
    if row.get("unit") == "ratio":
        return "0.00"
    return "#,##0" if float(cell).is_integer() else "#,##0.0"
