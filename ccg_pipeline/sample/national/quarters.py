"""What is published by quarter: beds open overnight (KH03) and cancelled operations (QMCO), workbooks by provider.

A made-up provider counts as an independent one, as its code does not begin as those of NHS trusts: of cancelled
operations England has all in the row with the independent sector and none in the row without.
"""

from __future__ import annotations

import calendar
from collections.abc import Sequence
from datetime import date
from pathlib import Path

import numpy as np
import xlsxwriter

from ccg_pipeline.months import months_later
from ccg_pipeline.sample.files import FIXED_TIMESTAMP
from ccg_pipeline.sample.national.country import REGIONS, Country, growth
from ccg_pipeline.sample.national.tables import year_text

Cells = Sequence[Sequence[str | float | None]]

# Beds in all of England, and the part of them that is occupied.
_SECTORS = {
    "General & Acute": (102_000, 0.91),
    "Learning Disabilities": (800, 0.68),
    "Maternity": (7_600, 0.59),
    "Mental Illness": (18_000, 0.9),
}
_CANCELLED, _NOT_TREATED = 20_000, 0.2  # in a quarter in all of England, and the part not treated within 28 days


def write_beds(folder: Path, country: Country, month: date) -> list[Path]:
    """KH03 of the quarter that ends with a month; none where no quarter does."""
    if month.month % 3:
        return []
    path = folder / f"Beds-Open-Overnight-Web_File-{_quarter(month)}-{year_text(month)}.xlsx"
    front = {
        "Title:": "Average daily number of available and occupied beds open overnight by sector",
        "Summary:": "KH03, made up",
        "Period:": _three_months(month),
        "Source:": "KH03",
        "Basis:": "Provider",
        "Status:": "Public",
    }
    groups = ["Available", *[None] * 5, "Occupied", *[None] * 5, "% Occupied"]
    sectors = ["Total ", *_SECTORS]
    headings = ["Year", "Period End", "Region Code", "Org Code", "Org Name", *sectors, None, *sectors, None, *sectors]
    _write(
        path, {"NHS Trust by Sector": [*_front(front), [*[None] * 5, *groups], headings, *_bed_rows(country, month)]}
    )
    return [path]


def _bed_rows(country: Country, month: date) -> Cells:
    """England, a blank row, and every trust with any bed: beds available, occupied, and the share."""
    rng = country.draws(month, 8)
    shares = country.provider_sizes[: country.trusts]
    shares = shares / shares.sum()
    days = sum(calendar.monthrange(d.year, d.month)[1] for d in (months_later(month, -back) for back in range(3)))
    available, occupied = [], []
    # Most trusts have few sectors or one, and the largest has them all.
    has = country.usual(8).random((len(_SECTORS), country.trusts)) < np.array([[0.85], [0.4], [0.4], [0.4]])
    has[:, shares.argmax()] = True
    for has_sector, (beds, part) in zip(has, _SECTORS.values(), strict=True):
        usual = beds * min(1.0, country.providers / 500) * shares * has_sector / (shares * has_sector).sum()
        bed_days = rng.poisson(usual * days)
        available.append(bed_days)
        occupied.append(rng.binomial(bed_days, part))
    of_trusts = np.stack([np.stack(available, axis=1), np.stack(occupied, axis=1)])
    year, end = year_text(month), f"{month:%B}"
    rows: list[Sequence[str | float | None]] = [
        [year, end, None, None, "England", *_beds(of_trusts.sum(axis=1), days)],
        [],
    ]
    for number, (code, name) in enumerate(zip(country.provider_codes, country.provider_names, strict=True)):
        if number < country.trusts and of_trusts[0, number].sum():
            region = country.regions_of_providers[number]
            rows.append([year, end, region, code, name, *_beds(of_trusts[:, number], days)])
    return rows


def _beds(bed_days: np.ndarray, days: int) -> list[str | float | None]:
    """The three groups of cells of a row: each with its total before its sectors."""
    available, occupied = ([float(row.sum()), *map(float, row)] for row in bed_days)
    shares = [round(o / a, 9) if a else "-" for a, o in zip(available, occupied, strict=True)]
    return [*(a / days for a in available), None, *(o / days for o in occupied), None, *shares]


def write_cancelled_operations(folder: Path, country: Country, month: date) -> list[Path]:
    """QMCO of the quarter that ends with a month; none where no quarter does."""
    if month.month % 3:
        return []
    path = folder / f"{_quarter(month)}-{year_text(month)}-Cancelled-Operations.xlsx"
    rng = country.draws(month, 9)
    shares = country.provider_sizes[: country.trusts]
    scale = min(1.0, country.providers / 500) * growth(month)
    cancelled = rng.poisson(_CANCELLED * scale * shares / shares.sum())
    not_treated = rng.binomial(cancelled, _NOT_TREATED)
    front = {
        "Title:": "Cancelled Operations (elective only)",
        "Summary:": "QMCO, made up",
        "Period:": f"Quarter {_quarter(month)[1]}, {year_text(month)} ({_three_months(month)})",
        "Source:": "QMCO",
        "Basis:": "Provider",
        "Status:": "Public",
    }
    headings = [
        "Region Code",
        "Region Name",
        "Organisation Code",
        "Organisation Name",
        "Number of last minute elective operations cancelled for non clinical reasons",
        "Number of patients not treated within 28 days of last minute elective cancellation",
    ]
    rows: list[Sequence[str | float | None]] = [
        ["-", "-", "-", "England (Excluding Independent Sector)", 0, 0],
        ["-", "-", "-", "England (Including Independent Sector)", int(cancelled.sum()), int(not_treated.sum())],
        [],
    ]
    identity = zip(country.regions_of_providers, country.provider_codes, country.provider_names, strict=True)
    for (region, code, name), *counts in zip(identity, cancelled.tolist(), not_treated.tolist(), strict=False):
        rows.append([region, REGIONS[region].upper(), code, name, *counts])
    _write(path, {"Provider": [*_front(front), headings, *rows]})
    return [path]


def _quarter(month: date) -> str:
    """The quarter of the financial year that ends with a month."""
    return f"Q{(month.month // 3 + 2) % 4 + 1}"


def _three_months(month: date) -> str:
    return f"{months_later(month, -2):%B} to {month:%B %Y}"


def _front(lines: dict[str, str]) -> Cells:
    return [*([label, text] for label, text in lines.items()), [], ["Provider Level Data"]]


def _write(path: Path, sheets: dict[str, Cells]) -> None:
    book = xlsxwriter.Workbook(str(path), {"in_memory": True})
    book.set_properties({"created": FIXED_TIMESTAMP})
    for name, rows in sheets.items():
        page = book.add_worksheet(name)
        for number, row in enumerate(rows):
            page.write_row(number, 0, row)
    book.close()
