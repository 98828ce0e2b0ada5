"""Cancelled elective operations (QMCO) of NHS England, by quarter: provider workbook and time series of England.

Operations cancelled at the last minute for other than clinical reasons, and the patients among them who were not
treated within 28 days. The provider workbook opens with two England rows, without and with the independent sector; the
time series, and England in every publication, is without.
"""

from __future__ import annotations

from datetime import date

import polars as pl

from ccg_pipeline.extracts.contract import (
    Column,
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
    normalise,
    typed,
)
from ccg_pipeline.extracts.headings import columns_of, named, pick
from ccg_pipeline.extracts.periods import parse_quarter
from ccg_pipeline.extracts.source import Source
from ccg_pipeline.extracts.spreadsheet import beside, find_header, non_submitters, read_table, stated_day

name = "cancelled_operations"

_COUNTS = pick(columns_of(name, "counts"), "cancelled_operations", "not_treated_within_28_days")
_PROVIDERS = (*columns_of(name, "providers"), *_COUNTS)
_SERIES = (*columns_of(name, "england_series"), *_COUNTS)
_ORG_CODE, _QUARTER = named(_PROVIDERS, "org_code"), named(_SERIES, "quarter")
_ENGLAND = {
    "england (excluding independent sector)": "england",
    "england (including independent sector)": "england_with_independent_sector",
}
_REVISED_SHARES = [date(2012, 7, 1)]  # quarters whose published share is of a count that was revised since
_INDEPENDENT = r"^[^RT5]"  # NHS trusts are R.. and T.., the primary care trusts of to 2013 5..

schema: Schema = {
    "source_sheet": pl.String,
    "source_row": pl.Int64,
    "period_start": pl.Date,
    "breakdown": pl.String,
    "org_code": pl.String,
    "org_name": pl.String,
    "region_code": pl.String,
    **{c.name: pl.Int64 for c in _COUNTS},
}
descriptions = described(
    _PROVIDERS,
    period_start="first day of the quarter",
    breakdown="provider, england (without the independent sector) or england_with_independent_sector",
)
layouts = (
    PublishedLayout(
        "qmco_provider_workbook",
        "a workbook titled Cancelled Operations with providers and the two counts",
        _PROVIDERS,
        is_workbook=True,
    ),
    PublishedLayout(
        "qmco_england_series",
        "a workbook titled Cancelled Operations with quarters and the two counts",
        _SERIES,
        is_workbook=True,
    ),
)


def recognise(source: Source) -> float:
    """By the title of a sheet, and the two counts."""
    titled = [s for s in source.sheet_names if "cancelled operations" in normalise(beside(source, s, "Title:"))]
    if not titled:
        return 0.0
    return 1.0 if _sheet(source, _ORG_CODE) or _sheet(source, _QUARTER) else 0.6


def read(source: Source) -> Extract:
    """A quarter of providers with England, or England's quarters."""
    sheet = _sheet(source, _ORG_CODE)
    return _read_providers(source, sheet) if sheet else _read_series(source, str(_sheet(source, _QUARTER)))


def _sheet(source: Source, column: Column) -> str | None:
    """The first sheet with both counts and the column."""
    return next((s for s in source.sheet_names if find_header(source.sheet(s), [column, *_COUNTS]) is not None), None)


def _read_providers(source: Source, sheet: str) -> Extract:
    where = f"sheet {sheet!r}"
    quarter = _quarter(source, sheet)
    frame = typed(read_table(source, sheet, [_ORG_CODE, *_COUNTS], _PROVIDERS), _PROVIDERS, where)
    frame = frame.filter(pl.any_horizontal(pl.col(c.name).is_not_null() for c in _COUNTS)).with_columns(
        pl.col("org_code").replace({"-": None})
    )
    frame = frame.with_columns(
        pl.when(pl.col("org_code").is_null())
        .then(pl.col("org_name").map_elements(lambda n: _ENGLAND.get(normalise(n)), return_dtype=pl.String))
        .otherwise(pl.lit("provider"))
        .alias("breakdown")
    )
    if nameless := frame.filter(pl.col("breakdown").is_null())["source_row"].to_list():
        raise ExtractError(
            f"{where} row {nameless[0]}: counts without an organisation code, expected one in every row but England's."
        )
    _counted(frame, where)
    providers = frame.filter(pl.col("breakdown") == "provider")
    are_codes(providers, _ORG_CODE, where)
    no_repeats(providers, ["org_code"], where)
    for breakdown, parts in (
        ("england_with_independent_sector", providers),
        ("england", providers.filter(~pl.col("org_code").str.contains(_INDEPENDENT))),
    ):
        england = frame.filter(pl.col("breakdown") == breakdown)
        if england.height != 1:
            raise ExtractError(f"{where}: {england.height} rows of {breakdown}, expected one. Fetch the file again.")
        adds_up(parts, england, [], _COUNTS, where, f"the row {england['org_name'][0]}")
    rows = frame.with_columns(pl.lit(quarter).alias("period_start"))
    published, revised = (stated_day(source, sheet, label) for label in ("Published:", "Revised:"))
    return Extract(
        dataset=name,
        layout="qmco_provider_workbook",
        rows=rows.select(
            (pl.col(c) if c in rows.columns else pl.lit(None).alias(c)).cast(t) for c, t in schema.items()
        ),
        coverage=tuple(Coverage(view, "all", quarter, months=3) for view in ("provider", "england")),
        edition="revised" if revised else "unknown",
        published_on=revised or published,
        caveats=non_submitters(source),
    )


def _quarter(source: Source, sheet: str) -> date:
    period = beside(source, sheet, "Period:")
    quarter = parse_quarter(period)
    if quarter is None:
        raise ExtractError(f"sheet {sheet!r}: no quarter can be read from the period {period!r}.")
    return quarter


def _counted(frame: pl.DataFrame, where: str) -> None:
    no_blanks(frame, _COUNTS, where, "a count")
    above = frame.filter(pl.col("not_treated_within_28_days") > pl.col("cancelled_operations"))
    if above.height:
        first = above.row(0, named=True)
        raise ExtractError(
            f"{where} row {first['source_row']}: {first['not_treated_within_28_days']} patients not treated within 28 "
            f"days of {first['cancelled_operations']} cancelled operations; a part cannot exceed its whole. Ask the "
            "publisher."
        )


def _read_series(source: Source, sheet: str) -> Extract:
    where = f"sheet {sheet!r}"
    frame = read_table(source, sheet, [_QUARTER, *_COUNTS], _SERIES)
    frame = typed(frame.filter(pl.col("quarter").is_not_null()), _SERIES, where).with_columns(
        pl.col("financial_year").forward_fill()
    )
    _counted(frame, where)
    quarters = [
        parse_quarter(f"Q{quarter} {year}") for quarter, year in frame.select("quarter", "financial_year").rows()
    ]
    if None in quarters:
        first = frame.row(quarters.index(None), named=True)
        raise ExtractError(
            f"{where} row {first['source_row']}: no quarter can be read from {first['financial_year']!r} and "
            f"{first['quarter']!r}."
        )
    frame = frame.with_columns(pl.Series("period_start", quarters, pl.Date))
    no_repeats(frame, ["period_start"], where)
    # The shares prove the counts, to the last patient.
    tolerance = pl.when(pl.col("period_start").is_in(_REVISED_SHARES)).then(0.0005).otherwise(0.000001)
    for share, part, whole in (
        ("share_cancelled", "cancelled_operations", "elective_admissions"),
        ("share_not_treated", "not_treated_within_28_days", "cancelled_operations"),
    ):
        off = frame.filter(((pl.col(part) / pl.col(whole)) - pl.col(share)).abs().fill_null(1) > tolerance)
        if off.height:
            first = off.row(0, named=True)
            raise ExtractError(
                f"{where} row {first['source_row']}: {first[part]} of {first[whole]} is not the printed share "
                f"{first[share]}. The file contradicts itself: fetch it again or ask the publisher."
            )
    gaps = frame.sort("period_start").filter(
        pl.col("period_start") != pl.col("period_start").shift(1).dt.offset_by("3mo")
    )
    if gaps.height:
        raise ExtractError(
            f"{where} row {gaps['source_row'][0]}: the quarters before it are missing. Fetch the file again."
        )
    stated, last = parse_quarter(beside(source, sheet, "Period:")), frame.sort("period_start").row(-1, named=True)
    if stated and stated != last["period_start"]:
        raise ExtractError(
            f"{where} row {last['source_row']}: the series ends with Q{last['quarter']} {last['financial_year']}, and "
            f"the period is {beside(source, sheet, 'Period:')!r}. The file may be cut off: fetch it again."
        )
    rows = frame.with_columns(
        pl.lit("england").alias("breakdown"), pl.lit("England (Excluding Independent Sector)").alias("org_name")
    )
    return Extract(
        dataset=name,
        layout="qmco_england_series",
        rows=rows.select(
            (pl.col(c) if c in rows.columns else pl.lit(None).alias(c)).cast(t) for c, t in schema.items()
        ),
        coverage=tuple(Coverage("england", "all", quarter, months=3) for quarter in rows["period_start"]),
        published_on=stated_day(source, sheet, "Published:"),
    )
