"""The monthly workbooks: a front page, one sheet a standard, one row an organisation.

By CCG to June 2022, by ICB after; a CCG with no patients is absent from a sheet. To March 2020 an ENGLAND row
follows the CCGs; from April 2020 an UNKNOWN row stands among them and there is no England row; from October 2023 the
nine standards are three, each in tables of the whole and its parts, and ALL ENGLISH COMMISSIONERS follows.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date

import polars as pl

from ccg_pipeline.extracts.cancer import shape
from ccg_pipeline.extracts.cancer.standards import prove_title
from ccg_pipeline.extracts.cancer.tables import (
    VIEWS,
    Cells,
    is_heading_row,
    organisation_heading,
    published,
    read_month,
    read_tables,
)
from ccg_pipeline.extracts.contract import Extract, ExtractError, UnknownLayoutError, nearest_text, normalise
from ccg_pipeline.extracts.source import Source


@dataclass(frozen=True)
class Layout:
    """A set of sheets: the standard that each reports, in our words, and what is known and not read.

    ``optional`` are standards that a month may lack. ``names`` are those of the layout by the view of its tables and
    whether they state England.
    """

    sheets: Mapping[str, str]
    names: Mapping[tuple[str, bool], str]
    optional: frozenset[str] = frozenset()
    skipped: tuple[str, ...] = ()

    def standard_of(self, sheet: str) -> str | None:
        return {normalise(s): standard for s, standard in self.sheets.items()}.get(normalise(sheet))


LAYOUTS = (
    Layout(
        sheets={
            "TWO WEEK WAIT-ALL CANCER": "two_week_wait",
            "TWO WEEK WAIT-BREAST SYMPTOMS": "two_week_wait_breast",
            "62-DAY (ALL CANCER)": "62_day_gp",
            "62-DAY (SCREENING)": "62_day_screening",
            "62-DAY (CONSULTANT UPGRADE)": "62_day_upgrade",
            "31-DAY FIRST TREAT (ALL CANCER)": "31_day_first",
            "31-DAY SUB TREAT (SURGERY)": "31_day_sub_surgery",
            "31-DAY SUB TREAT (DRUGS)": "31_day_sub_drug",
            "31-DAY SUB TREAT (RADIOTHERAPY)": "31_day_sub_radiotherapy",
            "28-DAY FDS (ALL ROUTES)": "28_day_diagnosis",
        },
        optional=frozenset({"28_day_diagnosis"}),
        names={
            ("commissioner", True): "cancer_commissioner_2016_01_to_2020_03",
            ("commissioner", False): "cancer_commissioner_2020_04_to_2021_11",
            ("icb", False): "cancer_icb_2022_07_to_2023_09",
            ("icb", True): "cancer_icb_2022_07_to_2023_09",
            ("provider", True): "cancer_provider_workbook_to_2023_09",
            ("provider", False): "cancer_provider_workbook_to_2023_09",
        },
    ),
    Layout(
        sheets={
            "28-DAY FDS (ALL ROUTES)": "28_day_diagnosis",
            "31-DAY (ALL CANCER)": "31_day_combined",
            "62-DAY (ALL CANCER)": "62_day_combined",
        },
        names={
            ("icb", True): "cancer_icb_from_2023_10",
            ("provider", True): "cancer_provider_workbook_from_2023_10",
        },
        # Breakdowns of the three, and the two-week waits of old, now without a standard.
        skipped=(
            "28-DAY FDS (BY ROUTE)",
            "31-DAY (BY CANCER)",
            "31-DAY (BY TREATMENT MODALITY)",
            "62-DAY (BY CANCER)",
            "62-DAY (BY TREATMENT MODALITY)",
            "USC referral to FOA",
            "UBS referral to FHA",
        ),
    ),
)
layouts = tuple(
    {
        name: published(
            name,
            f"a workbook with a sheet a standard, {len(layout.sheets)} at most, by {view}",
            view,
            is_workbook=True,
            sheets=tuple(s for s, standard in layout.sheets.items() if standard not in layout.optional),
            optional_sheets=tuple(s for s, standard in layout.sheets.items() if standard in layout.optional),
            other_sheets=(*layout.skipped, "Frontpage", "Notes"),
        )
        for layout in LAYOUTS
        for (view, _), name in layout.names.items()
    }.values()
)
_FRONT_PAGE = "frontpage"
# Sheets of text that may stand beside; none of them holds a table.
_NOTES = shape.headings("Note", "Notes", "Footnotes", "Guidance", "Contents", "Index", "Read me", "Information")
# The workbooks by CCG: England's row to this month, then an UNKNOWN row, the last, at least on these sheets.
_ENGLAND_TO = date(2020, 3, 1)
_CCGS_TO = date(2022, 6, 1)
_UNKNOWN_ON = ("two_week_wait", "62_day_gp", "31_day_first")
_IS_CCG = r"\bccg$"


def _layout(source: Source) -> Layout | None:
    """The layout that knows most of the workbook's sheets, by at least one standard; None where none does."""
    found = {normalise(s) for s in source.sheet_names}
    scores = {
        i: len(found & shape.headings(*layout.sheets, *layout.skipped))
        for i, layout in enumerate(LAYOUTS)
        if any(layout.standard_of(s) for s in found)
    }
    return LAYOUTS[max(scores, key=lambda i: scores[i])] if scores else None


def recognise(source: Source) -> float:
    """By the sheets of the standards, and what one of them calls its organisations."""
    layout = _layout(source)
    if layout is None:
        return 0.0
    sheets = [s for s in source.sheet_names if layout.standard_of(s)]
    name_heading = organisation_heading(source.sheet(sheets[0])[:15])
    return 1.0 if normalise(name_heading) in VIEWS and len(sheets) >= 2 else 0.6


def read(source: Source) -> Extract:
    """One month of all standards; rows proved to add to England's where the file states it."""
    layout = _layout(source)
    if layout is None:
        raise ExtractError("no sheet of a cancer standard is in the workbook. Fetch it again.")
    known = [_FRONT_PAGE, *map(normalise, layout.skipped)]
    by_standard: dict[str, str] = {}
    for sheet in source.sheet_names:
        standard = layout.standard_of(sheet)
        if standard:
            by_standard[standard] = sheet
        elif normalise(sheet) in _NOTES:
            _prove_notes(source.sheet(sheet), sheet)
        elif normalise(sheet) not in known and source.sheet(sheet):
            raise UnknownLayoutError(
                f"sheet {sheet!r} is not known{nearest_text(sheet, (*layout.sheets, *layout.skipped))}. "
                "A new sheet is added in ccg_pipeline/extracts/cancer/workbooks.py."
            )
    if missing := [s for s in layout.sheets.values() if s not in by_standard and s not in layout.optional]:
        raise UnknownLayoutError(
            f"the workbook lacks the sheets of {', '.join(missing)}: fetch it again, with all its sheets."
        )
    front = [s for s in source.sheet_names if normalise(s) == _FRONT_PAGE]
    month = _one_month(source, list(by_standard.values()), front)
    frames = []
    for standard, sheet in by_standard.items():
        where = f"sheet {sheet!r}"
        prove_title(_title(source.sheet(sheet)), standard, where)
        frame = read_tables(source.sheet(sheet), standard, where)
        frames.append(frame.with_columns(pl.lit(sheet).alias("source_sheet"), pl.lit(month).alias("period_start")))
    views = {f["view"][0] for f in frames}
    has_england = {bool(f["is_total"].any()) for f in frames}
    if len(views) > 1:
        raise ExtractError(f"the sheets are of {' and '.join(sorted(views))}, expected one of them in a workbook.")
    if views == {"commissioner"}:
        _prove_ccgs(dict(zip(by_standard, frames, strict=True)), month)
    if len(has_england) > 1:
        raise ExtractError("some sheets have a row for England and some have none, expected all or none.")
    variant = (views.pop(), has_england.pop())
    if variant not in layout.names:
        raise UnknownLayoutError(
            f"a workbook by {variant[0]} {'with' if variant[1] else 'without'} rows for England is not known in this "
            "set of sheets. Check that it is as published; a new layout is added in "
            "ccg_pipeline/extracts/cancer/workbooks.py."
        )
    return shape.extract(pl.concat(frames, how="diagonal"), layout.names[variant], _edition(source, front))


def _title(cells: Cells) -> str | None:
    """The first text of a sheet, down to its table."""
    for row in cells:
        if is_heading_row(row):
            break
        if text := next((c for c in row if c), None):
            return text
    return None


def _prove_notes(cells: Cells, sheet: str) -> None:
    """Raises `ExtractError` where a sheet of text holds a table."""
    if any(is_heading_row(row) for row in cells):
        raise ExtractError(
            f"sheet {sheet!r} holds a table of organisations, expected text only: a sheet of a standard may have been "
            "renamed. Fetch the file again."
        )


def _prove_ccgs(frames: Mapping[str, pl.DataFrame], month: date) -> None:
    """The last row of each sheet is what its month has, and no CCG is missing where all stand.

    A CCG with no patients is absent from a sheet; none is without two-week waits in any published month.
    """
    if month > _CCGS_TO:
        raise ExtractError(
            f"a workbook of {month:%B %Y} by CCG: the last month by CCG is {_CCGS_TO:%B %Y}. Check the month above the "
            "tables."
        )
    for standard, frame in frames.items():
        where = f"sheet {frame['source_sheet'][0]!r}"
        has_england, has_unknown = frame["is_total"].any(), "UNKNOWN" in frame["org_code"]
        if month <= _ENGLAND_TO and not has_england:
            raise ExtractError(
                f"{where}: no row ENGLAND below the CCGs, expected one to {_ENGLAND_TO:%B %Y}: rows may be cut off. "
                "Fetch the file again."
            )
        if month <= _ENGLAND_TO and has_unknown:
            raise ExtractError(
                f"{where}: a row UNKNOWN in {month:%B %Y}, expected none to {_ENGLAND_TO:%B %Y}. Check the month above "
                "the table."
            )
        if month > _ENGLAND_TO and has_england:
            raise ExtractError(
                f"{where}: a row ENGLAND in {month:%B %Y}, expected none after {_ENGLAND_TO:%B %Y}. Check the month "
                "above the table."
            )
        if month > _ENGLAND_TO and standard in _UNKNOWN_ON and not has_unknown:
            raise ExtractError(
                f"{where}: no row UNKNOWN below the CCGs, expected one after {_ENGLAND_TO:%B %Y}: rows may be cut off. "
                "Fetch the file again."
            )
    every = frames["two_week_wait"]
    for frame in frames.values():
        ccgs = frame.filter(pl.col("org_name").str.to_lowercase().str.contains(_IS_CCG))
        absent = ccgs.join(every, on="org_code", how="anti").sort("source_row")
        if absent.height:
            first = absent.row(0, named=True)
            raise ExtractError(
                f"sheet {every['source_sheet'][0]!r}: no row of {first['org_code']} {first['org_name']}, which stands "
                f"on sheet {first['source_sheet']!r} row {first['source_row']}: rows may be cut off. Fetch the file "
                "again."
            )


def _one_month(source: Source, sheets: Sequence[str], front: Sequence[str]) -> date:
    months: dict[str, date] = {}
    for sheet in (*sheets, *front):
        named = read_month(source.sheet(sheet))
        if len(named) == 1:
            months[sheet] = named[0]
        elif named or sheet not in front:
            raise ExtractError(
                f"sheet {sheet!r}: the lines above the table name {len(named) or 'no'} months, expected one."
            )
    if len(set(months.values())) != 1:
        raise ExtractError(
            "the sheets name different months: "
            + ", ".join(f"{s} {m:%B %Y}" for s, m in months.items())
            + ". A workbook holds one month: fetch it again."
        )
    return next(iter(months.values()))


def _edition(source: Source, front: Sequence[str]) -> str:
    for sheet in front:
        for row in source.sheet(sheet)[:12]:
            text = normalise(row[0]) if row else ""
            if text.startswith("status:"):
                return next((e for e in ("provisional", "revised", "final") if e in text), "unknown")
    return "unknown"
