"""Cancer waiting times, monthly commissioner workbooks: a front page and one sheet a standard.

Every count of the three commissioners is a published one. The row of the national commissioning hub (13Q) is
illustrative, and ENGLAND is the sum of the sample's own rows.
"""

from collections.abc import Callable
from datetime import date, datetime
from pathlib import Path
from typing import Any

import xlsxwriter

from ccg_pipeline.sample.figures import REORGANISATION, SAMPLE_MONTHS, Figures, read_table
from ccg_pipeline.sample.files import FIXED_TIMESTAMP

# Months whose edition is final: their front page carries no status line, and its text still says provisional.
FINAL_MONTHS = frozenset({date(2018, 3, 1)})
# The status line stands one row higher in these.
HIGH_STATUS_MONTHS = frozenset({date(2018, 6, 1), date(2018, 7, 1)})

# Mostly the period is a date cell. In these months it is text: on every sheet, or on all but the front page.
TEXT_PERIODS = {date(2019, 1, 1): "January 2019 Provisional"}
TEXT_SHEET_PERIODS = {date(2018, 3, 1): "PERIOD: March 2018"}

BASIS = "BASIS: COMMISSIONER BASED (ENGLAND ONLY, EXCLUDING PATIENTS FROM UNKNOWN COMMISSIONERS)"
DEFINITIONS_TO_2018_03 = "DEFINITIONS: DSCN 20/2008"
DEFINITIONS_FROM_2018_04 = "DEFINITIONS: DCB0147 Amd 89/2016"

# ONS area code, commissioner code and name, patients in total and within the standard.
CountRow = tuple[str, str, str, int, int]

FIRST_DATA_ROW = 9  # as a spreadsheet counts, like every row number here


def write(folder: Path) -> list[Path]:
    """Write one workbook a month. Counts are patients; the last column is a fraction, 0-1, shown as per cent."""
    figures = Figures("cancer")

    def written(period: date) -> Path:
        edition = "FINAL" if period in FINAL_MONTHS else "PROVISIONAL"
        return write_workbook(folder, period, edition, lambda sheet: _commissioners(sheet, period, figures))

    return [written(period) for period in SAMPLE_MONTHS]


def write_workbook(
    folder: Path, period: date, edition: str, rows_of: Callable[[dict[str, str]], list[CountRow]]
) -> Path:
    """Write the workbook of a month, with the rows of commissioners that ``rows_of`` has for a row of
    ``cancer_sheets.csv``: ONS area code, code, name, patients in total and within the standard."""
    month = f"{period:%B-%Y}".upper()
    path = folder / f"{month}-CANCER-WAITING-TIMES-COMMISSIONER-WORKBOOK-{edition}.xlsx"
    book = xlsxwriter.Workbook(str(path), {"in_memory": True})
    book.set_properties({"created": FIXED_TIMESTAMP})
    _write_front_page(book, period, edition)
    for sheet in read_table("cancer_sheets"):
        _write_sheet(book, sheet, period, rows_of(sheet))
    book.close()
    return path


def _write_front_page(book: Any, period: date, edition: str) -> None:
    page = book.add_worksheet("FRONTPAGE")
    if edition != "FINAL":
        row = 5 if period in HIGH_STATUS_MONTHS else 6
        page.write_string(f"A{row}", "Status: Provisional Official Statistics")
    page.write_string("A8", "Waiting Times for Suspected and Diagnosed Cancer Patients: Commissioner Based")
    _write_period(page, "A9", period, TEXT_PERIODS.get(period), book.add_format({"num_format": "mmmm yyyy"}))
    page.write_string(
        "A10",
        "This monthly report presents the provisional official statistics for the monitoring of waiting times "
        "in England.",
    )


def _write_period(page: Any, cell: str, period: date, text: str | None, date_format: Any) -> None:
    if text is not None:
        page.write_string(cell, text)
    else:
        page.write_datetime(cell, datetime(period.year, period.month, 1), date_format)


def _write_sheet(book: Any, sheet: dict[str, str], period: date, rows: list[CountRow]) -> None:
    page = book.add_worksheet(sheet["sheet"])
    percentage = book.add_format({"num_format": "0.00%"})
    has_care_setting = bool(sheet["care_setting_heading"])
    labels = ["ALL CARE", sheet["type_name"]] if has_care_setting else [sheet["type_name"]]
    total_column = 3 + len(labels)

    page.write_string("A1", sheet["title"])
    _write_period(
        page,
        "A2",
        period,
        TEXT_PERIODS.get(period) or TEXT_SHEET_PERIODS.get(period),
        book.add_format({"num_format": "mmm-yy"}),
    )
    page.write_string("A3", BASIS)
    page.write_string("A4", DEFINITIONS_FROM_2018_04 if period >= date(2018, 4, 1) else DEFINITIONS_TO_2018_03)
    if sheet["note"]:
        page.write_string("A5", sheet["note"])
    if sheet["all_care_row"]:
        page.write_string(f"A{sheet['all_care_row']}", "ALL CARE")
    page.write_string(6, total_column, sheet["patients_heading"])
    page.write_string(6, total_column + 3, "PERCENTAGE ")
    headings = [
        "CCG - ONS AREA ID (1)",
        "CCG CODE",
        "CLINICAL COMMISSIONING GROUP (CCG)",
        *([sheet["care_setting_heading"]] if has_care_setting else []),
        sheet["type_heading"],
        sheet["total_heading"],
        f"WITHIN {sheet['days']} DAYS",
        f"AFTER {sheet['days']} DAYS",
        f"{sheet['verb']} WITHIN {sheet['days']} DAYS",
    ]
    page.write_row(7, 0, headings)

    total_letter, within_letter = "ABCDEFGHI"[total_column], "ABCDEFGHI"[total_column + 1]
    row_number = FIRST_DATA_ROW
    england_total = england_within = 0
    for area, code, name, total, within in rows:
        page.write_row(row_number - 1, 0, [area, code, name, *labels, total, within])
        # The published workbooks calculate these two in each row, and not in ENGLAND's.
        total_cell, within_cell = f"{total_letter}{row_number}", f"{within_letter}{row_number}"
        page.write_formula(row_number - 1, total_column + 2, f"={total_cell}-{within_cell}", None, total - within)
        page.write_formula(row_number - 1, total_column + 3, f"={within_cell}/{total_cell}", percentage, within / total)
        england_total += total
        england_within += within
        row_number += 1
    after = england_total - england_within
    page.write_row(row_number, 2, ["ENGLAND", *labels, england_total, england_within, after])
    page.write_number(row_number, total_column + 3, england_within / england_total, percentage)


def _commissioners(sheet: dict[str, str], period: date, figures: Figures) -> list[CountRow]:
    """ONS area code, commissioner code and name, patients in total and within the standard.

    A commissioner without patients is absent, as in the published workbooks.
    """
    rows = []
    if sheet["hub_total"]:
        name = "NATIONAL COMMISSIONING HUB 1"
        rows.append(("N/A", "13Q", name, int(sheet["hub_total"]), int(sheet["hub_within"])))
    for area in read_table("commissioner_areas"):
        figure = figures.get(sheet["indicator_id"], area["org_code"], period)
        if figure is None or not figure.denominator or figure.numerator is None:
            continue
        name = area["name"] if period >= REORGANISATION else area["name"].upper()
        rows.append((area["ons_area_code"], area["org_code"], name, figure.denominator, figure.numerator))
    return rows
