"""For tests of layouts: where the published files are, files written cell by cell, and how a reader takes them."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest
import xlsxwriter
import xlwt

from ccg_pipeline import extracts
from ccg_pipeline.extracts.contract import Extract, ExtractError
from ccg_pipeline.extracts.source import Source
from ccg_pipeline.settings import PROJECT_ROOT

SHARED = Path(os.environ.get("CCG_SHARED") or PROJECT_ROOT.parent / "shared")
needs_shared = pytest.mark.skipif(not (SHARED / "data").is_dir(), reason=f"the published files ({SHARED}) are not here")

Cell = str | int | float | None
Row = list[Cell]
Sheets = dict[str, list[Row]]


def renamed(data: Path, to: Path) -> Path:
    """The files of a folder in one folder, called by numbers in the reverse of the order of their names."""
    to.mkdir()
    paths = sorted(p for p in data.rglob("*") if p.is_file() and p.suffix != ".md")
    for number, path in enumerate(reversed(paths), 1):
        try:
            os.link(path, to / f"{number}{path.suffix}")
        except OSError:
            shutil.copy2(path, to / f"{number}{path.suffix}")
    return to


def read_as(dataset: str, path: Path) -> Extract:
    """The file, which must be recognised as the dataset."""
    source = Source(path, path.name)
    recognised = extracts.recognise(source)
    assert recognised.name == dataset
    return recognised.read(source)


def refusal_as(dataset: str, path: Path) -> str:
    """The words in which the reader of the dataset refuses the file."""
    with pytest.raises(ExtractError) as error:
        read_as(dataset, path)
    return str(error.value)


def write_xlsx(path: Path, sheets: Sheets) -> Path:
    with xlsxwriter.Workbook(path) as book:
        for name, rows in sheets.items():
            _fill(book.add_worksheet(name), rows)
    return path


def write_xls(path: Path, sheets: Sheets) -> Path:
    book = xlwt.Workbook()
    for name, rows in sheets.items():
        _fill(book.add_sheet(name), rows)
    book.save(str(path))
    return path


def _fill(sheet: xlsxwriter.worksheet.Worksheet | xlwt.Worksheet, rows: list[Row]) -> None:
    for r, row in enumerate(rows):
        for c, cell in enumerate(row):
            if cell is not None:
                sheet.write(r, c, cell)
