"""Beds open overnight (KH03) by quarter: the provider workbook of NHS England and a table derived from it.

Average daily beds, available and occupied, by sector. In the workbook the sectors repeat under group headings
(Available, Occupied, % Occupied). The derived table, one row a trust and quarter from 2018-19, calls England `NAN`; its
`all` columns are no total of beds and are not loaded: general and acute beds are in the `ga` columns.
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
    PublishedLayout,
    Schema,
    are_codes,
    described,
    goes_to_the_end,
    no_blanks,
    no_repeats,
    normalise,
    typed,
)
from ccg_pipeline.extracts.headings import columns_of, named, pick
from ccg_pipeline.extracts.periods import last_day, parse_month, parse_quarter
from ccg_pipeline.extracts.source import Source
from ccg_pipeline.extracts.spreadsheet import (
    beside,
    find_header,
    prove_last_line,
    read_delimited,
    read_table,
    stated_day,
)

name = "beds"

_WORKBOOK = columns_of(name, "workbook")
_DERIVED = columns_of(name, "derived")
_SECTORS = ("general_acute", "learning_disabilities", "maternity", "mental_illness")
_BEDS = tuple(named(_WORKBOOK, f"{kind}_{sector}_beds") for kind in ("available", "occupied") for sector in _SECTORS)
_TOTALS = pick(_WORKBOOK, "available_beds", "occupied_beds")
_ENGLAND_DERIVED = "NAN"
_ROUNDING = 0.00001  # beds are printed to nine decimals or more

schema: Schema = {
    "source_sheet": pl.String,
    "source_row": pl.Int64,
    "period_start": pl.Date,
    "is_england": pl.Boolean,
    "org_code": pl.String,
    "org_name": pl.String,
    **{c.name: pl.Float64 for c in _BEDS},
}
descriptions = described(
    _WORKBOOK,
    period_start="first day of the quarter",
    is_england="whether the row is England",
)
layouts = (
    PublishedLayout(
        "kh03_provider_workbook",
        "a workbook with providers beside sectors, under the groups Available, Occupied and % Occupied",
        _WORKBOOK,
        is_workbook=True,
        grouped=True,
    ),
    PublishedLayout(
        "kh03_derived_trust_quarters", "a csv with org_code, period and occupied general and acute beds", _DERIVED
    ),
)


def recognise(source: Source) -> float:
    """Derived table: by its columns. Workbook: by providers beside sectors, and the return's name."""
    if source.is_text:
        return 1.0 if source.header_line(_NEEDED_DERIVED) is not None else 0.0
    if _sheet(source):
        return 1.0
    lines = (normalise(beside(source, s, label)) for s in source.sheet_names for label in ("Source:", "Summary:"))
    return 0.6 if any("kh03" in line for line in lines) else 0.0


def read(source: Source) -> Extract:
    """A quarter of providers, or many; providers proved to add to England."""
    return _read_derived(source) if source.is_text else _read_workbook(source, str(_sheet(source)))


_NEEDED = (
    *pick(_WORKBOOK, "org_code", "period_end"),
    # In the header row itself the sectors stand without their groups.
    *(Column(c.name, tuple(h.split(": ")[-1] for h in c.headings)) for c in _BEDS),
)
_NEEDED_DERIVED = pick(_DERIVED, "org_code", "period", "occupied_general_acute_beds")


def _sheet(source: Source) -> str | None:
    return next((s for s in source.sheet_names if find_header(source.sheet(s), _NEEDED) is not None), None)


def _read_workbook(source: Source, sheet: str) -> Extract:
    where = f"sheet {sheet!r}"
    frame = read_table(source, sheet, _NEEDED, _WORKBOOK, grouped=True)
    beds = [c.name for c in (*_BEDS, *_TOTALS)]
    frame = typed(frame.filter(pl.any_horizontal(pl.col(c).is_not_null() for c in beds)), _WORKBOOK, where)
    quarter = parse_quarter(beside(source, sheet, "Period:"))
    ends = {parse_month(f"{end} {year}") for end, year in frame.select("period_end", "financial_year").unique().rows()}
    if quarter is None or ends != {last_day(quarter, 3).replace(day=1)}:
        raise ExtractError(
            f"{where}: the period {beside(source, sheet, 'Period:')!r} and the columns 'Year' and 'Period End' "
            f"({', '.join(sorted(str(e) for e in ends))}) do not name one quarter."
        )
    frame = frame.with_columns(
        pl.lit(quarter).alias("period_start"),
        (pl.col("org_code").is_null() & (pl.col("org_name").str.to_lowercase() == "england"))
        .fill_null(False)
        .alias("is_england"),
    )
    for kind in ("available", "occupied"):
        sectors = pl.sum_horizontal(f"{kind}_{sector}_beds" for sector in _SECTORS)
        off = frame.filter((sectors - pl.col(f"{kind}_beds")).abs().fill_null(1) > _ROUNDING)
        if off.height:
            raise ExtractError(
                f"{where} row {off['source_row'][0]}: the sectors do not add to the total of {kind} beds "
                f"({off[f'{kind}_beds'][0]}). The file contradicts itself: fetch it again or ask the publisher."
            )
    rows = _proved(frame, _BEDS, [*_SECTORS], where)
    published, revised = (stated_day(source, sheet, label) for label in ("Published:", "Revised:"))
    return Extract(
        dataset=name,
        layout="kh03_provider_workbook",
        rows=rows,
        coverage=(Coverage("provider", "all", quarter, months=3),),
        edition="revised" if revised else "unknown",
        published_on=revised or published,
        caveats=_estimated(source),
    )


def _read_derived(source: Source) -> Extract:
    header = source.header_line(_NEEDED_DERIVED)
    assert header is not None
    prove_last_line(source)
    frame = typed(read_delimited(source, header, _DERIVED), _DERIVED, "the file")
    quarters: dict[str, date | None] = {}
    for period, year, number, row in frame.select("period", "financial_year", "fy_quarter", "source_row").rows():
        if period not in quarters:
            quarters[period] = parse_quarter(period)
        if quarters[period] is None or parse_quarter(f"{year} {number}") != quarters[period]:
            raise ExtractError(f"row {row}: {period!r}, {year!r} and {number!r} do not name one quarter.")
    frame = frame.with_columns(
        pl.col("period").replace_strict(quarters, return_dtype=pl.Date).alias("period_start"),
        (pl.col("org_code") == _ENGLAND_DERIVED).fill_null(False).alias("is_england"),
    ).with_columns(pl.when("is_england").then(None).otherwise(pl.col("org_code")).alias("org_code"))
    goes_to_the_end(frame, "period_start", _DERIVED[3], "the file")
    rows = _proved(frame, [c for c in _DERIVED if c.kind == "decimal"], ["general_acute"], "the file")
    return Extract(
        dataset=name,
        layout="kh03_derived_trust_quarters",
        rows=rows,
        coverage=tuple(Coverage("derived", "all", q, months=3) for q in sorted(rows["period_start"].unique())),
        caveats=("beds from a second-hand table derived from KH03",),
    )


def _proved(frame: pl.DataFrame, beds: Sequence[Column], shares: Sequence[str], where: str) -> pl.DataFrame:
    """Whole rows, each provider once a quarter, occupied as the printed share says, providers adding to England."""
    no_blanks(frame, (named(_WORKBOOK, "org_name"), *beds), where, "beds")
    for column in beds:
        if (bad := frame.filter(pl.col(column.name) < 0)).height:
            raise ExtractError(
                f"{where} row {bad['source_row'][0]}, column {column.headings[0]!r}: found {bad[column.name][0]}, "
                "expected beds, not negative. Ask the publisher."
            )
    are_codes(frame.filter(~pl.col("is_england")), named(_WORKBOOK, "org_code"), where)
    no_repeats(frame, ["period_start", "is_england", "org_code"], where)
    for sector in shares:
        available, occupied = pl.col(f"available_{sector}_beds"), pl.col(f"occupied_{sector}_beds")
        share = pl.col(f"share_{sector}").cast(pl.Float64, strict=False)
        off = frame.filter((available > 0) & ((occupied / available - share).abs().fill_null(1) > 0.00051))
        if off.height:
            first = off.row(0, named=True)
            raise ExtractError(
                f"{where} row {first['source_row']}: {first[f'occupied_{sector}_beds']} occupied of "
                f"{first[f'available_{sector}_beds']} beds is not the printed share {first[f'share_{sector}']}. The "
                "file contradicts itself: fetch it again or ask the publisher."
            )
    names = [c.name for c in beds]
    england = frame.filter("is_england").select("period_start", "source_row", *names)
    summed = frame.filter(~pl.col("is_england")).group_by("period_start").agg(pl.col(names).sum())
    joined = summed.join(england, on="period_start", how="left", suffix="_of_england").sort("period_start")
    for column in beds:
        of_england = pl.col(f"{column.name}_of_england")
        off = joined.filter((pl.col(column.name) - of_england).abs().fill_null(1) > _ROUNDING)
        if off.height:
            first = off.row(0, named=True)
            raise ExtractError(
                f"{where}, quarter from {first['period_start']:%B %Y}: England gives "
                f"{first[f'{column.name}_of_england']} for {column.headings[0]!r}, its providers add to "
                f"{first[column.name]:.3f}. The file may be cut off: fetch it again or ask the publisher."
            )
    return frame.select((pl.col(c) if c in frame.columns else pl.lit(None).alias(c)).cast(t) for c, t in schema.items())


def _estimated(source: Source) -> tuple[str, ...]:
    """The trusts that the Data Quality sheet lists as estimated on their behalf."""
    codes: list[str] = []
    for sheet in source.sheet_names:
        if normalise(sheet) == "data quality":
            is_listed = False
            for row in source.sheet(sheet):
                cells = [c for c in row if c]
                is_listed = is_listed or any("estimate" in c for c in cells)
                if is_listed and len(cells) == 2 and len(cells[0]) == 3 and cells[0].isupper():
                    codes.append(cells[0])
    return (f"beds estimated for {', '.join(codes)} (named on the Data Quality sheet)",) if codes else ()
