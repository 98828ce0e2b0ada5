"""Cancer waiting times: the monthly commissioner workbook of NHS England, January 2016 to November 2021.

One sheet a standard, one row a CCG; a CCG with no patients is absent from a sheet. To March 2020 an ENGLAND row
follows the CCGs; from April 2020 an UNKNOWN row stands among them and there is no England row.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date

import polars as pl

from ccg_pipeline.extracts.contract import (
    Column,
    Coverage,
    Extract,
    ExtractError,
    Schema,
    adds_up,
    no_repeats,
    normalise,
    typed,
)
from ccg_pipeline.extracts.periods import parse_month
from ccg_pipeline.extracts.source import Source
from ccg_pipeline.extracts.spreadsheet import read_table

name = "cancer"

# Sheet name -> the standard it reports, in our words.
_SHEETS = {
    normalise(sheet): standard
    for sheet, standard in (
        ("TWO WEEK WAIT-ALL CANCER", "two_week_wait"),
        ("TWO WEEK WAIT-BREAST SYMPTOMS", "two_week_wait_breast"),
        ("62-DAY (ALL CANCER)", "62_day_gp"),
        ("62-DAY (SCREENING)", "62_day_screening"),
        ("62-DAY (CONSULTANT UPGRADE)", "62_day_upgrade"),
        ("31-DAY FIRST TREAT (ALL CANCER)", "31_day_first"),
        ("31-DAY SUB TREAT (SURGERY)", "31_day_sub_surgery"),
        ("31-DAY SUB TREAT (DRUGS)", "31_day_sub_drug"),
        ("31-DAY SUB TREAT (RADIOTHERAPY)", "31_day_sub_radiotherapy"),
        ("28-DAY FDS (ALL ROUTES)", "28_day_diagnosis"),
    )
}
_IN_EVERY_WORKBOOK = [s for s in _SHEETS.values() if s != "28_day_diagnosis"]
_FRONT_PAGE = "frontpage"

_COUNTS = (
    Column("patients", ("TOTAL", "TOTAL TREATED", "TOTAL SEEN", "TOTAL TOLD"), "count"),
    Column("patients_within", tuple(f"WITHIN {d} DAYS" for d in (14, 28, 31, 62)), "count"),
    Column("patients_after", tuple(f"AFTER {d} DAYS" for d in (14, 28, 31, 62)), "count"),
)
_SHARE = Column(
    "share_within",
    tuple(f"{verb} WITHIN {d} DAYS" for verb in ("SEEN", "TREATED", "TOLD") for d in (14, 28, 31, 62)),
    "decimal",
)
COLUMNS = (
    Column("ons_code", ("CCG - ONS AREA ID (1)", "CCG - ONS AREA ID"), required=False),
    Column("org_code", ("CCG CODE",)),
    Column("org_name", ("CLINICAL COMMISSIONING GROUP (CCG)",)),
    Column("care_setting", ("CARE SETTING",), required=False),
    Column(
        "category",
        (
            "CANCER TYPE",
            "SUSPECTED TYPE OF CANCER",
            "REFERRAL REASON",
            "REFERRAL ROUTE",
            "TREATMENT TYPE",
            "TREATMENT TYPE (4)",
        ),
    ),
    *_COUNTS,
    _SHARE,
)

schema: Schema = {
    "source_sheet": pl.String,
    "source_row": pl.Int64,
    "period_start": pl.Date,
    "standard": pl.String,
    "org_code": pl.String,
    "org_name": pl.String,
    "is_total": pl.Boolean,
    "care_setting": pl.String,
    "category": pl.String,
    "patients": pl.Int64,
    "patients_within": pl.Int64,
    "patients_after": pl.Int64,
    "share_within": pl.Float64,
}


def recognise(source: Source) -> float:
    """By the sheets of the standards, and CCG columns on one of them."""
    sheets = [s for s in source.sheet_names if normalise(s) in _SHEETS]
    if not sheets:
        return 0.0
    headings = {normalise(c) for row in source.sheet(sheets[0])[:15] for c in row}
    by_ccg = {"ccg code", "clinical commissioning group (ccg)"} <= headings
    return 1.0 if by_ccg and len(sheets) >= 2 else 0.6


def read(source: Source) -> Extract:
    """One month of all standards by CCG; rows proved to add to the ENGLAND row where there is one."""
    by_standard: dict[str, str] = {}
    for sheet in source.sheet_names:
        standard = _SHEETS.get(normalise(sheet))
        if standard:
            by_standard[standard] = sheet
        elif normalise(sheet) != _FRONT_PAGE and source.sheet(sheet):
            raise ExtractError(
                f"sheet {sheet!r} is not known; known sheets are {', '.join(s.upper() for s in _SHEETS)}. "
                "A new sheet is added in ccg_pipeline/extracts/cancer.py."
            )
    if missing := [s for s in _IN_EVERY_WORKBOOK if s not in by_standard]:
        raise ExtractError(
            f"the workbook lacks the sheets of {', '.join(missing)}: fetch it again, with all its sheets."
        )
    months = {sheet: _month(source, sheet) for sheet in by_standard.values()}
    front = [s for s in source.sheet_names if normalise(s) == _FRONT_PAGE]
    months |= {s: m for s in front if (m := _month(source, s, required=False))}
    if len(set(months.values())) != 1:
        raise ExtractError(
            "the sheets name different months: "
            + ", ".join(f"{s} {m:%B %Y}" for s, m in months.items() if m)
            + ". A workbook holds one month: fetch it again."
        )
    month = next(m for m in months.values() if m)
    frames, has_england = [], set()
    for standard, sheet in by_standard.items():
        frame = _read_sheet(source, sheet, standard)
        has_england.add(bool(frame["is_total"].any()))
        frames.append(frame)
    if len(has_england) > 1:
        raise ExtractError("some sheets have an ENGLAND row and some have none, expected all or none.")
    rows = pl.concat(frames).with_columns(pl.lit(month).alias("period_start"))
    return Extract(
        dataset=name,
        layout="cancer_commissioner_2016_01_to_2020_03"
        if has_england == {True}
        else "cancer_commissioner_2020_04_to_2021_11",
        rows=rows.select(pl.col(c).cast(t) for c, t in schema.items()),
        coverage=tuple(Coverage("commissioner", s, month) for s in by_standard),
        edition=_edition(source, front),
    )


def _read_sheet(source: Source, sheet: str, standard: str) -> pl.DataFrame:
    where = f"sheet {sheet!r}"
    days = 14 if standard.startswith("two_week") else int(standard[:2])
    frame = read_table(source, sheet, ["CCG CODE", f"WITHIN {days} DAYS"], COLUMNS)
    # Footnotes under the table have text in one cell and no counts.
    frame = frame.filter(~(pl.col("org_code").is_null() & pl.all_horizontal(pl.col(c.name).is_null() for c in _COUNTS)))
    frame = typed(frame, COLUMNS, where)
    frame = frame.with_columns(
        pl.lit(standard).alias("standard"),
        (pl.col("org_code").is_null() & (pl.col("org_name").str.to_uppercase() == "ENGLAND"))
        .fill_null(False)
        .alias("is_total"),
    )
    nameless = frame.filter(pl.col("org_code").is_null() & ~pl.col("is_total"))
    if nameless.height:
        raise ExtractError(
            f"{where} row {nameless['source_row'][0]}: counts for {nameless['org_name'][0]!r} without a CCG code, "
            "expected a code in every row but ENGLAND."
        )
    for column in _COUNTS:
        absent = frame.filter(pl.col(column.name).is_null())
        if absent.height:
            raise ExtractError(
                f"{where} row {absent['source_row'][0]}: no count in {column.headings[0]!r}, expected one in every row."
            )
    # The share is printed to nine decimals; the tolerance is for copies rounded to a whole per cent.
    share = pl.col("patients_within") / pl.col("patients")
    rules = (
        (pl.col("patients") != pl.col("patients_within") + pl.col("patients_after"), "within and after do not add"),
        ((pl.col("patients") > 0) & ((pl.col("share_within") - share).abs() > 0.0051), "the printed share is another"),
    )
    for broken, meaning in rules:
        off = frame.filter(broken)
        if off.height:
            first = off.row(0, named=True)
            raise ExtractError(
                f"{where} row {first['source_row']} ({first['org_code'] or 'ENGLAND'}): {meaning}: "
                f"{first['patients_within']} within and {first['patients_after']} after of {first['patients']}, share "
                f"{first['share_within']}. Fetch the file again or ask the publisher."
            )
    no_repeats(frame, ["org_code", "org_name"], where)
    england = frame.filter("is_total")
    if england.height:
        adds_up(frame.filter(~pl.col("is_total")), england, [], _COUNTS, where, "the row ENGLAND")
    if "care_setting" not in frame.columns:
        frame = frame.with_columns(pl.lit(None, pl.String).alias("care_setting"))
    return frame.select(c for c in schema if c != "period_start")


def _month(source: Source, sheet: str, required: bool = True) -> date | None:
    """The month that the lines above a table name; a date, a text or an Excel serial."""
    lines: Sequence[str] = [row[0] for row in source.sheet(sheet)[:12] if row and row[0] and len(row[0]) < 60]
    months = {m for line in lines if (m := parse_month(line))}
    if len(months) == 1:
        return months.pop()
    if required or months:
        raise ExtractError(
            f"sheet {sheet!r}: the lines above the table name {len(months) or 'no'} months, expected one."
        )
    return None


def _edition(source: Source, front: Sequence[str]) -> str:
    for sheet in front:
        for row in source.sheet(sheet)[:12]:
            text = normalise(row[0]) if row else ""
            if text.startswith("status:"):
                return next((e for e in ("provisional", "revised", "final") if e in text), "unknown")
    return "unknown"
