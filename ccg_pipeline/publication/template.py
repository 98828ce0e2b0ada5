"""The returns template that ``ccg template`` writes: a workbook to fill in, with what may stand in it, or a csv.

Drop-downs and lists come from the catalogue; headings, statuses and levels from the reader, so that what the template
offers is what is read. Only the sheet to fill in is ever read back.
"""

from __future__ import annotations

import csv
from collections.abc import Sequence
from pathlib import Path

import xlsxwriter

from ccg_pipeline.extracts.local_returns import COLUMNS, LEVELS, MAY_BE_NEGATIVE, NEVER_READ, STATUSES, UNITS

HEADINGS = tuple(column.headings[0] for column in COLUMNS)
SHEET = "Returns"
_ROWS = 5000  # with drop-downs; rows below are read all the same
_TEXT = ("indicator_id", "provider_code", "org_code", "org_level", "period", "unit", "status", "note")
_MEANING = {
    "indicator_id": "id of the indicator (sheet Indicators), or a provider's own code with provider_code beside it",
    "provider_code": "whose own code it is; blank for an id of the catalogue",
    "org_code": "code of the organisation or service the figure is of (sheet Organisations, or its ODS code)",
    "org_level": f"only for an organisation that is not on the sheet Organisations: {', '.join(LEVELS)}",
    "period": "2019-05, 2019/20-Q1, 2019/20, CY 2019, w/e 2019-04-07, or 2019-05 YTD for April to May",
    "numerator": "the count, or the part of the denominator that met the condition",
    "denominator": "everyone counted; the value is then worked out from the two, and not from its rounded print",
    "value": "where that is all there is: percentages as 75.2, not 0.752",
    "unit": f"only to say it beside the figure; it must be the indicator's: {', '.join(UNITS)}",
    "target": "the plan or target printed beside the value, if there is one",
    "status": f"in every row: {', '.join(STATUSES)}",
    "note": "anything a reader of the figure must know",
}
_RULES = (
    "One row is one indicator of one organisation in one period. Fill in the sheet Returns, save, and put the file "
    "anywhere in the landing folder.",
    "A row has a figure (numerator, value or both) and the status final or provisional; or no figure, and the status "
    "that says why there is none. Absent is never 0.",
    f"No figure is negative but money ({', '.join(MAY_BE_NEGATIVE)}).",
    "A later return replaces the figures that it gives again, and nothing else. Two files of the same night must not "
    "give the same figure.",
    "The year to date is written with its last month (2019-05 YTD). 2010-11 could be a month or a year: write 2010/11 "
    "for the year, November 2010 for the month.",
    "Keep the headings as they are; columns that are not needed may be taken out, in any order. ccg check FILE says "
    "whether the file would load.",
    "A new local indicator is a row in dbt_project/seeds/indicators.csv: name, definition, unit, direction, standard, "
    "source, owner, review date.",
)
EXAMPLES: tuple[dict[str, str | float], ...] = (
    {"indicator_id": "MH03_IAPT_6W", "org_code": "06N", "period": "2019-05", "value": 90.6, "status": "final"},
    {
        "indicator_id": "LQR4",
        "provider_code": "RYC",
        "org_code": "EEAST_NEPTS",
        "period": "2019-05",
        "numerator": 412,
        "denominator": 530,
        "status": "provisional",
        "note": "a local code, unique only within its provider",
    },
    {
        "indicator_id": "BCF_NONELECTIVE_ADMISSIONS",
        "org_code": "E10000015",
        "period": "2018/19-Q4",
        "value": 29855,
        "target": 28746,
        "status": "final",
    },
    {"indicator_id": "LONG_STAY_21D", "org_code": "RWG", "period": "w/e 2019-04-07", "value": 87, "status": "final"},
    {"indicator_id": "AE_4HR", "org_code": "RWG", "period": "2019-05 YTD", "value": 80.5, "status": "final"},
    {
        "indicator_id": "MH05_DEMENTIA_DIAGNOSIS",
        "org_code": "E82001",
        "org_level": "practice",
        "period": "2018/19",
        "status": "not received",
    },
    {"indicator_id": "CAMHS4", "provider_code": "06N", "org_code": "06N", "period": "2018-04", "status": "no activity"},
)


def write_template(path: Path, seeds: Path) -> None:
    """Write the template: csv (headings alone) where the name ends so, else xlsx.

    Raises `FileExistsError` where there is a file, which may have been filled in; `OSError` where it cannot be written.
    """
    with open(path, "x", encoding="utf-8", newline="") as file:
        if path.suffix.lower() == ".csv":
            csv.writer(file, lineterminator="\n").writerow(HEADINGS)
            return
    try:
        with xlsxwriter.Workbook(path) as book:
            _fill(book, seeds)
    except xlsxwriter.exceptions.FileCreateError as error:
        raise OSError(str(error)) from None


def _fill(book: xlsxwriter.Workbook, seeds: Path) -> None:
    indicators = _seed(seeds / "indicators.csv", "indicator_id indicator_name unit direction provider_code local_code")
    organisations = _seed(seeds / "organisations.csv", "org_code org_level org_name valid_from valid_to")
    bold, wrapped = book.add_format({"bold": True}), book.add_format({"text_wrap": True, "valign": "top"})
    text = book.add_format({"num_format": "@"})  # or Excel makes a date of 2019-05
    returns = book.add_worksheet(SHEET)
    for column, heading in enumerate(HEADINGS):
        returns.write_string(0, column, heading, bold)
        returns.set_column(column, column, 30 if heading in ("indicator_id", "note") else 15)
        if heading in _TEXT:
            returns.set_column(column, column, 30 if heading in ("indicator_id", "note") else 15, text)
        returns.data_validation(1, column, _ROWS, column, _validation(heading, len(indicators), len(organisations)))
    returns.freeze_panes(1, 0)

    instructions = book.add_worksheet("Instructions")
    instructions.set_column(0, 0, 18)
    instructions.set_column(1, 1, 110, wrapped)
    instructions.write_string(0, 0, f"How to fill in a return {NEVER_READ}", bold)
    lines = [("", rule) for rule in _RULES] + [("", "")] + [(heading, _MEANING[heading]) for heading in HEADINGS]
    for number, (heading, meaning) in enumerate(lines, 1):
        instructions.write_string(number, 0, heading, bold)
        instructions.write_string(number, 1, meaning, wrapped)

    _list(book, "Examples", HEADINGS, [[row.get(h, "") for h in HEADINGS] for row in EXAMPLES])
    _list(book, "Indicators", ("indicator_id", "name", "unit", "better", "provider_code", "local code"), indicators)
    _list(book, "Organisations", ("org_code", "org_level", "name", "from", "until"), organisations)
    returns.activate()


def _validation(heading: str, indicators: int, organisations: int) -> dict[str, object]:
    """What Excel offers and says in a column. Only what is never otherwise is enforced there; the reader proves all."""
    said: dict[str, object] = {"input_title": heading, "input_message": _MEANING[heading][:255], "ignore_blank": True}
    if heading == "indicator_id":
        return said | {"validate": "list", "source": f"=Indicators!$A$3:$A${indicators + 2}", "show_error": False}
    if heading == "org_code":
        return said | {"validate": "list", "source": f"=Organisations!$A$3:$A${organisations + 2}", "show_error": False}
    if heading == "org_level":
        return said | {"validate": "list", "source": LEVELS}
    if heading == "unit":
        return said | {"validate": "list", "source": list(UNITS)}
    if heading == "status":
        return said | {"validate": "list", "source": list(STATUSES)}
    if heading in ("numerator", "denominator"):
        return said | {"validate": "decimal", "criteria": ">=", "value": 0}
    return said | {"validate": "any"}


def _list(book: xlsxwriter.Workbook, name: str, headings: Sequence[str], rows: Sequence[Sequence[str | float]]) -> None:
    bold = book.add_format({"bold": True})
    sheet = book.add_worksheet(name)
    sheet.write_string(0, 0, f"{name} {NEVER_READ}", bold)
    for column, heading in enumerate(headings):
        sheet.write_string(1, column, heading, bold)
        sheet.set_column(column, column, 60 if heading == "name" else 22)
    for number, row in enumerate(rows, 2):
        for column, cell in enumerate(row):
            if isinstance(cell, str):
                sheet.write_string(number, column, cell)
            else:
                sheet.write_number(number, column, cell)
    sheet.freeze_panes(2, 0)


def _seed(path: Path, columns: str) -> list[list[str]]:
    with open(path, encoding="utf-8", newline="") as file:
        return [[row[column] for column in columns.split()] for row in csv.DictReader(file)]
