"""A&E attendances and emergency admissions: the monthly provider CSV of NHS England.

One row a provider and a month, then the file's own total. Layouts: to March 2020 (``Number of ...``), April to
July 2020 (shorter headings), from August 2020 (attendances by booked appointment come in the middle).
"""

from __future__ import annotations

from dataclasses import replace

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
    no_blanks,
    no_repeats,
    one_month,
    typed,
)
from ccg_pipeline.extracts.headings import columns_of, named, pick
from ccg_pipeline.extracts.source import Source
from ccg_pipeline.extracts.spreadsheet import read_delimited

name = "ae"

_IDENTITY = columns_of(name, "organisations")
_MEASURES = columns_of(name, "attendances")
_BOOKED = columns_of(name, "booked")
_PERIOD, _ORG_CODE, _ORG_NAME = pick(_IDENTITY, "period", "org_code", "org_name")
COLUMNS = (*_IDENTITY, *_MEASURES, *_BOOKED)

schema: Schema = {
    "source_sheet": pl.String,
    "source_row": pl.Int64,
    "period_start": pl.Date,
    "org_code": pl.String,
    "org_name": pl.String,
    "parent_org_name": pl.String,
    "is_total": pl.Boolean,
    **{c.name: pl.Int64 for c in (*_MEASURES, *_BOOKED)},
}
descriptions = described(COLUMNS)


def _layout(name: str, months: str, first: str = "", last: str = "") -> PublishedLayout:
    """The layout of some months: the headings that the map gives for them, all of them required."""
    columns = columns_of("ae", "organisations", "attendances", "booked", first=first, last=last)
    return PublishedLayout(
        name,
        f"a csv with Period, Org Code and type 1 attendances by provider, {months}",
        tuple(replace(c, required=True) for c in columns),
    )


layouts = (
    _layout("ae_to_2020_03", "to March 2020, headings with 'Number of'", last="2020-03"),
    _layout("ae_2020_04_to_2020_07", "April to July 2020, without booked appointments", "2020-04", "2020-07"),
    _layout("ae_from_2020_08", "from August 2020, with booked appointments", "2020-08"),
)


def recognise(source: Source) -> float:
    """By the columns of type 1 attendances beside an organisation code."""
    if source.header_line([_PERIOD, _ORG_CODE, named(_MEASURES, "attendances_type1")]) is not None:
        return 1.0
    return 0.6 if source.header_line([c for c in _IDENTITY if c.required]) is not None else 0.0


def read(source: Source) -> Extract:
    """One month of providers and the total row; every count proved to add to the total."""
    header = source.header_line([_PERIOD, _ORG_CODE])
    assert header is not None
    frame = read_delimited(source, header, COLUMNS)
    measures = [c for c in (*_MEASURES, *_BOOKED) if c.name in frame.columns]
    booked = [c for c in measures if c in _BOOKED]
    if booked and len(booked) != len(_BOOKED):
        missing = [c.headings[0] for c in _BOOKED if c not in booked]
        raise ExtractError(f"row {header + 1}: booked appointments are there without {', '.join(map(repr, missing))}.")
    frame = typed(frame, COLUMNS, "the file")
    # A footnote has text in one cell and no counts.
    frame = frame.filter(
        pl.col("org_code").is_not_null() | pl.any_horizontal(pl.col(c.name).is_not_null() for c in measures)
    )
    # Older total rows have no codes; later ones say TOTAL, or Total, in every identifying column.
    is_total = (
        pl.col("org_name").str.to_lowercase().eq("total")
        & (pl.col("org_code").is_null() | pl.col("org_code").str.to_lowercase().eq("total"))
    ).fill_null(False)
    frame = frame.with_columns(is_total.alias("is_total"))
    totals, providers = frame.filter("is_total"), frame.filter(~pl.col("is_total"))
    if totals.height != 1:
        raise ExtractError(
            f"the file has {totals.height} rows named TOTAL, expected one: it may be cut off. Fetch it again."
        )
    are_codes(providers, _ORG_CODE, "the file")
    no_blanks(providers, (_PERIOD, _ORG_CODE, _ORG_NAME, *measures), "the file")
    no_repeats(providers, ["org_code"], "the file")
    adds_up(providers, totals, [], measures, "the file", "the row TOTAL")
    month = one_month(providers["period"].to_list(), "column 'Period'")
    for kind in ("type1", "type2", "other"):
        _not_above(providers, f"over_4hrs_{kind}", f"attendances_{kind}")
        if booked:
            _not_above(providers, f"over_4hrs_booked_{kind}", f"attendances_booked_{kind}")
    layout = "ae_from_2020_08" if booked else "ae_to_2020_03" if _is_early(source, header) else "ae_2020_04_to_2020_07"
    rows = frame.with_columns(
        pl.lit(None, pl.String).alias("source_sheet"),
        pl.lit(month).alias("period_start"),
        *(pl.lit(None, pl.Int64).alias(c.name) for c in _BOOKED if c.name not in frame.columns),
    ).select(pl.col(c).cast(t) for c, t in schema.items())
    return Extract(name, layout, rows, (Coverage("provider", "all", month),))


def _is_early(source: Source, header: int) -> bool:
    return any(h.strip().lower().startswith("number of") for h in source.first_lines[header])


def _not_above(providers: pl.DataFrame, part: str, whole: str) -> None:
    above = providers.filter(pl.col(part) > pl.col(whole))
    if above.height:
        first = above.row(0, named=True)
        raise ExtractError(
            f"row {first['source_row']} ({first['org_code']}): {first[part]} attendances over four hours "
            f"({part}) of {first[whole]} ({whole}); a part cannot exceed its whole. Ask the publisher."
        )
