"""The one-standard CSVs by provider of 2015-17: title, period and notes, then tables for each care setting.

The title names the standard. Three tables follow (ADMITTED, NON-ADMITTED, ALL CARE), each with ALL ENGLISH PROVIDERS;
the third is the figure and the first two are proved to add to it.
"""

from __future__ import annotations

import csv
import io

import polars as pl

from ccg_pipeline.extracts.cancer import shape
from ccg_pipeline.extracts.cancer.tables import (
    VIEWS,
    is_heading_row,
    organisation_heading,
    published,
    read_month,
    read_tables,
)
from ccg_pipeline.extracts.contract import Extract, ExtractError, UnknownLayoutError, normalise
from ccg_pipeline.extracts.source import Source

_MOST_LINES = 100_000  # the published ones have about 500
_SUBSEQUENT = "31-DAY WAIT FOR SECOND OR SUBSEQUENT TREATMENT: "
TITLES = {
    normalise(title): standard
    for title, standard in {
        "ALL CANCERS TWO WEEK WAIT": "two_week_wait",
        "TWO WEEK WAIT-EXHIBITED BREAST SYMPTOMS WHERE CANCER NOT INITIALLY SUSPECTED": "two_week_wait_breast",
        "TWO WEEK WAIT-EXHIBITED BREAST SYMPTOMS (CANCER NOT INITIALLY SUSPECTED)": "two_week_wait_breast",
        "31-DAY (DIAGNOSIS TO TREATMENT) WAIT FOR FIRST TREATMENT: ALL CANCERS": "31_day_first",
        f"{_SUBSEQUENT}SURGERY": "31_day_sub_surgery",
        f"{_SUBSEQUENT}ANTI CANCER DRUG TREATMENTS": "31_day_sub_drug",
        f"{_SUBSEQUENT}RADIOTHERAPY TREATMENTS": "31_day_sub_radiotherapy",
        "62-DAY (URGENT GP REFERRAL TO TREATMENT) WAIT FOR FIRST TREATMENT: ALL CANCERS": "62_day_gp",
        "62-DAY WAIT FOR FIRST TREATMENT FROM SCREENING SERVICE REFERRAL: ALL CANCERS": "62_day_screening",
        "62-DAY WAIT FOR FIRST TREATMENT FROM CONSULTANT UPGRADE: ALL CANCERS": "62_day_upgrade",
    }.items()
}
layouts = (
    published(
        "cancer_provider_csv_2015_to_2017",
        "a csv with the title of one standard above its tables, by provider",
        "provider",
    ),
)


def recognise(source: Source) -> float:
    """By the heading row of a table below a title line."""
    lines = source.first_lines
    if not any(is_heading_row(row) for row in lines[1:]):
        return 0.0
    return 1.0 if normalise(organisation_heading(lines)) in VIEWS else 0.6


def read(source: Source) -> Extract:
    """One standard and one month."""
    if source.content.count(b"\n") > _MOST_LINES:
        raise ExtractError(f"the file has over {_MOST_LINES:,} lines, expected some hundreds. Fetch it again.")
    try:
        cells = list(csv.reader(io.StringIO(source.content.decode("utf-8"), newline="")))
    except csv.Error as error:
        raise ExtractError(f"the file cannot be read as csv ({error}). Fetch it again.") from None
    width = len(next(row for row in cells if is_heading_row(row)))
    for number, row in enumerate(cells, 1):
        if row and len(row) != width:
            raise ExtractError(
                f"row {number} has {len(row)} cells, the header has {width}: the file is damaged or cut off. Fetch it "
                "again."
            )
    rows: list[list[str | None]] = [[c.strip() or None for c in row] or [None] * width for row in cells]
    title = normalise(next((row[0] for row in rows if row[0]), None))
    standard = TITLES.get(title)
    if standard is None:
        raise UnknownLayoutError(
            f"row 1: the standard {title.upper()!r} is not known; known are {'; '.join(t.upper() for t in TITLES)}. A "
            "new standard is added in ccg_pipeline/extracts/cancer/standard_csvs.py."
        )
    months = read_month(rows)
    if len(months) != 1:
        raise ExtractError(f"the lines above the table name {len(months) or 'no'} months, expected one.")
    frame = read_tables(rows, standard, "the file")
    if not frame.filter(pl.col("is_counted") & pl.col("is_total")).height:
        raise ExtractError("no row ALL ENGLISH PROVIDERS ends the table, expected one: the file is cut off.")
    return shape.extract(
        frame.with_columns(pl.lit(months[0]).alias("period_start")), f"cancer_{frame['view'][0]}_csv_2015_to_2017"
    )
