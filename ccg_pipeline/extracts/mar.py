"""Monthly hospital activity (MAR) of NHS England, to May 2020: admissions, referrals and first attendances.

One table a file, by commissioner or by provider, below England's own row; as a workbook or as text, with thousands
commas and `-` for zero. One copy in circulation is an excerpt that lost its line breaks and most of its rows: known by
the one line it is, its rows are not held against England, and it says so. Counts are of general and acute specialties
(G&A) unless the heading says all. Admissions are here finished first consultant episodes (FFCE); the indicators of
admissions and attendances are those of HES MAR (`activity`), not these.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from datetime import date

import polars as pl

from ccg_pipeline.extracts.contract import (
    Coverage,
    Extract,
    ExtractError,
    PublishedLayout,
    Schema,
    adds_up,
    are_codes,
    described,
    have_all,
    match_headings,
    no_repeats,
    normalise,
    typed,
)
from ccg_pipeline.extracts.headings import columns_of, named, pick
from ccg_pipeline.extracts.periods import parse_day, parse_month
from ccg_pipeline.extracts.source import Source
from ccg_pipeline.extracts.spreadsheet import find_header

name = "mar"

_IDENTITY = columns_of(name, "organisations")
MEASURES = columns_of(name, "measures")
_ORG_CODE = named(_IDENTITY, "org_code")
_TOTALS = (
    ("elective_admissions", ("elective_ordinary_admissions", "elective_daycase_admissions")),
    ("planned_admissions", ("planned_ordinary_admissions", "planned_daycase_admissions")),
)
_BASES = {"commissioner": "commissioner", "provider": "provider"}
# What became of line breaks in the excerpt: the comma that ends a line, two spaces, the comma that begins the next.
_LOST_BREAK, _BREAK = ",  ,", ",\n,"

schema: Schema = {
    "source_sheet": pl.String,
    "source_row": pl.Int64,
    "period_start": pl.Date,
    "view": pl.String,
    "is_england": pl.Boolean,
    "is_excerpt": pl.Boolean,
    "org_code": pl.String,
    "org_name": pl.String,
    "region_code": pl.String,
    "region_name": pl.String,
    **{c.name: pl.Int64 for c in MEASURES},
}

descriptions = described(
    (*_IDENTITY, *MEASURES),
    view="whose figures: commissioner or provider",
    is_england="whether the row is England's own",
    is_excerpt="whether the row is from an excerpt that has part of the organisations",
)
layouts = tuple(
    PublishedLayout(
        f"mar_{view}_{kind}",
        f"a table titled Monthly Hospital Activity on the basis of {view}s, {words}",
        (*_IDENTITY, *MEASURES),
        is_workbook,
    )
    for view in _BASES.values()
    for kind, words, is_workbook in (
        ("table", "as a workbook or text", None),
        ("excerpt_partial", "as one line of text, without most of its rows", False),
    )
)

Cells = Sequence[Sequence[str | None]]
_NEEDED = (named(_IDENTITY, "financial_year"), *pick(MEASURES, "elective_admissions", "gp_referrals_made"))


def recognise(source: Source) -> float:
    """By admissions beside referrals; less surely by the title."""
    for _, cells in _tables(source):
        if find_header(cells, _NEEDED) is not None:
            return 1.0
        if normalise(_beside(cells, "Title:")) == "monthly hospital activity":
            return 0.6
    return 0.0


def read(source: Source) -> Extract:
    """A month of commissioners or providers. Those of a whole table are proved to add to England."""
    sheet, cells = next((s, c) for s, c in _tables(source) if find_header(c, _NEEDED) is not None)
    where = f"sheet {sheet!r}" if sheet else "the file"
    is_excerpt = sheet is None and _is_one_line(source)
    header = find_header(cells, _NEEDED)
    assert header is not None
    frame = _figures(cells, header, where)
    for column in MEASURES:
        blank = frame.filter(pl.col(column.name).is_null())
        if blank.height:
            raise ExtractError(
                f"{where} row {blank['source_row'][0]}, column {column.headings[0]!r}: blank, expected a number or "
                "'-'. The file may be cut off: fetch it again."
            )
    month, view = _month(cells, frame, where), _BASES.get(normalise(_beside(cells, "Basis:")))
    if view is None:
        raise ExtractError(f"{where}: 'Basis:' {_beside(cells, 'Basis:')!r}, expected Commissioner or Provider.")
    frame = frame.with_columns(
        (pl.col("org_code").is_null() & (pl.col("org_name").str.to_lowercase() == "england"))
        .fill_null(False)
        .alias("is_england")
    )
    england, organisations = frame.filter("is_england"), frame.filter(~pl.col("is_england"))
    if england.height != 1 or not organisations.height:
        raise ExtractError(
            f"{where}: {england.height} rows of England and {organisations.height} of organisations, expected one and "
            "some. The file may be cut off: fetch it again."
        )
    are_codes(organisations, _ORG_CODE, where)
    no_repeats(organisations, ["org_code"], where)
    _parts_add_up(frame, where)
    if is_excerpt:
        _within_england(organisations, england, where)
    else:
        adds_up(organisations, england, [], MEASURES, where, "England")
    rows = frame.with_columns(
        pl.lit(sheet, pl.String).alias("source_sheet"),
        pl.lit(month).alias("period_start"),
        pl.lit(view).alias("view"),
        pl.lit(is_excerpt).alias("is_excerpt"),
        *(pl.lit(None, pl.String).alias(c.name) for c in _IDENTITY if c.name not in frame.columns),
    ).select(pl.col(c).cast(t) for c, t in schema.items())
    published, revised = _day(cells, "Published:", where), _day(cells, "Revised:", where)
    return Extract(
        dataset=name,
        layout=f"mar_{view}_{'excerpt_partial' if is_excerpt else 'table'}",
        rows=rows,
        coverage=(Coverage(view, "excerpt" if is_excerpt else "all", month),),
        edition="revised" if revised else "unknown",
        published_on=revised or published,
        caveats=(
            f"partial: an excerpt at second hand, with {organisations.height} of the {view}s; not held against England",
        )
        if is_excerpt
        else (),
    )


def _is_one_line(source: Source) -> bool:
    return b"\n" not in source.content.strip() and _LOST_BREAK.encode() in source.content


def _tables(source: Source) -> list[tuple[str | None, Cells]]:
    """The sheets of a workbook, or a text's own cells under no name; [] where it is nothing of either."""
    if source.is_workbook:
        return [(sheet, source.sheet(sheet)) for sheet in source.sheet_names]
    if not any(have_all(row, [column]) for row in source.first_lines for column in _NEEDED) and not any(
        "monthly hospital activity" in map(normalise, row) for row in source.first_lines
    ):
        return []
    text = source.content.decode("utf-8")
    if _is_one_line(source):
        text = text.replace(_LOST_BREAK, _BREAK)
    try:
        rows = [[c.strip() or None for c in row] for row in csv.reader(io.StringIO(text), strict=True)]
    except csv.Error as error:
        raise ExtractError(f"the file cannot be read as csv ({error}). Fetch it again.") from None
    width = max(map(len, rows), default=0)
    return [(None, [[*row, *[None] * (width - len(row))] for row in rows])]


def _figures(cells: Cells, header: int, where: str) -> pl.DataFrame:
    """The rows below the headings, to the note below them; counts as numbers, `-` as zero."""
    columns = (*_IDENTITY, *MEASURES)
    positions = match_headings(cells[header], columns, f"{where} row {header + 1}")
    body: list[tuple[int, Sequence[str | None]]] = []
    for number, row in enumerate(cells[header + 1 :], header + 2):
        found = [c for c in row if c]
        if len(found) == 1 and (body or normalise(found[0]).startswith("note")):
            if not normalise(found[0]).startswith("note"):
                raise ExtractError(
                    f"{where} row {number}: {found[0]!r} and no figures, expected a whole row or a note."
                )
            continue
        stray = [i for i, c in enumerate(row) if c and i not in positions.values()]
        if stray:
            raise ExtractError(
                f"{where} row {number}: column {stray[0] + 1} holds {row[stray[0]]!r} and has no heading."
            )
        if found:
            body.append((number, row))
    if not body:
        raise ExtractError(f"{where}: headings in row {header + 1} and no row follows.")
    data: dict[str, list[object]] = {n: [row[i] for _, row in body] for n, i in positions.items()}
    data["source_row"] = [number for number, _ in body]
    frame = pl.DataFrame(data, schema={n: (pl.Int64 if n == "source_row" else pl.String) for n in data})
    counts = [c.name for c in MEASURES]
    zeros = (pl.when(pl.col(c) == "-").then(pl.lit("0")).otherwise(pl.col(c)).alias(c) for c in counts)
    return typed(frame.with_columns(zeros), columns, where)


def _beside(cells: Cells, label: str) -> str | None:
    for row in cells[:20]:
        found = [c for c in row if c]
        if len(found) > 1 and normalise(found[0]) == normalise(label):
            return found[1]
    return None


def _day(cells: Cells, label: str, where: str) -> date | None:
    text = _beside(cells, label)
    day = parse_day(text)
    if day is None and normalise(text) not in ("", "-", "n/a"):
        raise ExtractError(f"{where}: {label} {text!r} is no day such as '9th July 2015'. Correct the copy.")
    return day


def _month(cells: Cells, frame: pl.DataFrame, where: str) -> date:
    """The month of every row, which is the one that the front lines name."""
    stated = parse_month(_beside(cells, "Period:"))
    for row, year, month in frame.select("source_row", "financial_year", "month").rows():
        if stated is None or parse_month(f"{month} {year}") != stated:
            raise ExtractError(
                f"{where} row {row}: {month!r} of {year!r} is not the month of 'Period:' "
                f"{_beside(cells, 'Period:')!r}. Drop one published file a month."
            )
    assert stated is not None
    return stated


def _parts_add_up(frame: pl.DataFrame, where: str) -> None:
    headings = {c.name: c.headings[0] for c in MEASURES}
    for total, parts in _TOTALS:
        off = frame.filter(pl.sum_horizontal(parts) != pl.col(total))
        if off.height:
            first = off.row(0, named=True)
            raise ExtractError(
                f"{where} row {first['source_row']}: {headings[total]!r} gives {first[total]}, its parts are "
                f"{' and '.join(str(first[p]) for p in parts)}. The file contradicts itself: fetch it again or ask the "
                "publisher."
            )


def _within_england(organisations: pl.DataFrame, england: pl.DataFrame, where: str) -> None:
    """Even part of the rows cannot add to more than England."""
    for column in MEASURES:
        whole, summed = england[column.name][0], organisations[column.name].sum()
        if summed > whole:
            raise ExtractError(
                f"{where} row {england['source_row'][0]}: England gives {whole} for {column.headings[0]!r}, some of "
                f"its rows add to {summed}. The file contradicts itself: fetch it again or ask the publisher."
            )
