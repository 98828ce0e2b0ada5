"""Local returns: figures that no extract carries, in the one tidy layout of the returns template (csv or xlsx).

One row is an indicator of an organisation in a period: its count, part and whole or printed value, or the reason why
there is none. A code is an indicator of the catalogue, or a provider's own, which is unique only within that provider;
what a code means is looked up at landing, where the catalogue is. A period may be under way (a forecast for the year is
returned before it ends); one that has not begun is refused there, as for every dataset.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal

import polars as pl

from ccg_pipeline.extracts.contract import (
    Column,
    Coverage,
    Extract,
    ExtractError,
    PublishedLayout,
    Schema,
    described,
    no_repeats,
    normalise,
    typed,
)
from ccg_pipeline.extracts.periods import last_day, month_end, parse_day, parse_month
from ccg_pipeline.extracts.source import Source
from ccg_pipeline.extracts.spreadsheet import find_header, prove_last_line, read_delimited, read_table

name = "local_returns"

COLUMNS = (
    Column("indicator_code", ("indicator_id", "indicator id")),
    Column("provider_code", ("provider_code", "provider code"), required=False),
    Column("org_code", ("org_code", "org code")),
    Column("org_level", ("org_level", "org level"), required=False),
    Column("period", ("period",)),
    Column("numerator", ("numerator",), "decimal", required=False),
    Column("denominator", ("denominator",), "decimal", required=False),
    Column("value", ("value",), "decimal", required=False),
    Column("unit", ("unit",), required=False),
    Column("target", ("target",), "decimal", required=False),
    Column("status", ("status",)),
    Column("note", ("note",), required=False),
)
STATUSES = {  # and whether a figure goes with it
    "final": True,
    "provisional": True,
    "not available": False,
    "no activity": False,
    "not applicable": False,
    "not received": False,
}
LEVELS = (
    "national region stp icb ccg sub_icb pct commissioning_hub provider service locality practice local_authority hwb"
).split()
UNITS = (
    *("percent", "count", "days", "minutes", "seconds", "years", "ratio", "rate_per_100000"),
    *("gbp_thousands", "gbp_millions"),
)
MAY_BE_NEGATIVE = ("gbp_thousands", "gbp_millions")
NEVER_READ = "(this sheet is never read)"  # closes the first cell of every sheet of the template but the one to fill
_NEEDED = ("indicator_id", "org_code", "period")
_NUMBERS = tuple(c for c in COLUMNS if c.kind == "decimal")
_MOST = 1e11  # beyond any count of the NHS, and within what a decimal of the warehouse holds
_WITH_COMMAS = r"^-?\d{1,3}(?:,\d{3})+(?:\.\d+)?$"

schema: Schema = {
    "source_sheet": pl.String,
    "source_row": pl.Int64,
    "period_start": pl.Date,
    "period_end": pl.Date,
    "period_type": pl.String,
    "period": pl.String,
    "slice": pl.String,
    "indicator_id": pl.String,
    "indicator_code": pl.String,
    "provider_code": pl.String,
    "org_code": pl.String,
    "org_level": pl.String,
    "numerator": pl.Float64,
    "denominator": pl.Float64,
    "value": pl.Float64,
    "value_decimals": pl.Int64,
    "unit": pl.String,
    "target": pl.Float64,
    "status": pl.String,
    "note": pl.String,
}

descriptions = described(
    COLUMNS,
    period_start="first day of the period",
    period_end="last day of the period",
    period_type="month, quarter, financial_year, calendar_year, week or ytd",
    period="the period, in the one way in which we write it",
    slice="indicator, level, organisation and period: what a later return replaces",
    indicator_id="indicator of the catalogue that the code was found to be",
    indicator_code="published as 'indicator_id': an indicator of the catalogue, or a provider's own code",
    value_decimals="decimals with which the value is written",
)
layouts = (
    PublishedLayout(
        "returns_template",
        "a table with indicator_id, org_code and period, as the returns template has them",
        COLUMNS,
        None,
    ),
)


@dataclass(frozen=True)
class Period:
    """A period of a return: ``label`` is the one way in which we write it."""

    kind: str
    start: date
    end: date
    label: str


def recognise(source: Source) -> float:
    """By an indicator beside an organisation and a period; less sure where only two of the three stand together."""
    if source.is_text:
        rows = [{normalise(c) for c in row} for row in source.first_lines]
    else:
        rows = [{normalise(c) for c in row} for s in _sheets(source) for row in source.sheet(s, 25)[:25]]
    known = [sum(n in row or n.replace("_", " ") in row for n in _NEEDED) for row in rows if _has(row, "indicator_id")]
    return 1.0 if 3 in known else 0.6 if 2 in known else 0.0


def read(source: Source) -> Extract:
    """The rows of the return as stated; `indicator_id` is empty until the catalogue is asked.

    Raises `ExtractError` for a heading that the layout does not have, a period or status that is none, a figure beside
    a status that excludes one, neither figure nor reason, a key that stands twice, and a last line without its end.
    """
    if source.is_text:
        prove_last_line(source)
        header = next(
            number for number, row in enumerate(source.first_lines) if all(_has(row, heading) for heading in _NEEDED)
        )
        prove_last_line(source)
        frame = read_delimited(source, header, COLUMNS).with_columns(pl.lit(None, pl.String).alias("source_sheet"))
        rows = _checked(frame, "the file")
    else:
        rows = pl.concat([_checked(_table(source, sheet), f"sheet {sheet!r}") for sheet in _sheets(source)])
    no_repeats(rows, ["slice"], "the return")
    return Extract(dataset=name, layout="returns_template", rows=rows, coverage=coverage_of(rows))


def coverage_of(rows: pl.DataFrame) -> tuple[Coverage, ...]:
    """A slice for every row: a later return replaces the one figure that it gives anew, and nothing beside it."""
    return tuple(
        Coverage("reported", part, start, last=end)
        for part, start, end in rows.select("slice", "period_start", "period_end").rows()
    )


def slice_of(indicator: pl.Expr) -> pl.Expr:
    """The name of a row's slice: indicator, level, organisation and period."""
    return pl.concat_str(indicator, "org_level", "org_code", "period", separator="/", ignore_nulls=True)


def _has(row: list[str] | set[str], heading: str) -> bool:
    cells = {normalise(c) for c in row}
    return heading in cells or heading.replace("_", " ") in cells


def _sheets(source: Source) -> list[str]:
    """The sheets to read: all that hold anything, but for those of the template that say they are never read."""
    found = []
    for sheet in source.sheet_names:
        cells = source.sheet(sheet, 25)
        first = next((c for row in cells for c in row if c), None)
        if first is not None and not first.endswith(NEVER_READ):
            found.append(sheet)
    return found


def _table(source: Source, sheet: str) -> pl.DataFrame:
    cells = source.sheet(sheet)
    for needed in (_NEEDED, [n.replace("_", " ") for n in _NEEDED]):
        if find_header(cells, needed) is not None:
            return read_table(source, sheet, needed, COLUMNS)
    raise ExtractError(
        f"sheet {sheet!r}: no row of headings with {', '.join(map(repr, _NEEDED))}. Use the template (ccg template), "
        "or take the sheet out of the return."
    )


def _checked(frame: pl.DataFrame, where: str) -> pl.DataFrame:
    """Rows typed and proved one by one; the columns of `schema`."""
    frame = frame.with_columns(pl.lit(None, pl.String).alias(c.name) for c in COLUMNS if c.name not in frame.columns)
    for column in (COLUMNS[0], COLUMNS[2], COLUMNS[4], COLUMNS[10]):
        if (blank := frame.filter(pl.col(column.name).is_null())).height:
            raise _fault(blank, where, column, "nothing", "one in every row")
    frame = frame.with_columns(
        pl.col("status").str.to_lowercase().str.replace_all(r"[\s_]+", " "),
        pl.col("org_level").str.to_lowercase(),
        pl.col("unit").str.to_lowercase().replace({"%": "percent", "rate per 100,000": "rate_per_100000"}),
        pl.col("org_code").str.to_uppercase(),
        pl.col("provider_code").str.to_uppercase(),
        *(
            pl.when(pl.col(c.name).str.contains(_WITH_COMMAS))
            .then(pl.col(c.name).str.replace_all(",", "", literal=True))
            .otherwise(pl.col(c.name))
            .alias(c.name)
            for c in _NUMBERS
        ),
    )
    frame = frame.with_columns(pl.Series("value_decimals", [_decimals(v) for v in frame["value"]], pl.Int64))
    for column, allowed in ((COLUMNS[10], tuple(STATUSES)), (COLUMNS[3], tuple(LEVELS)), (COLUMNS[8], UNITS)):
        off = frame.filter(pl.col(column.name).is_not_null() & ~pl.col(column.name).is_in(allowed))
        if off.height:
            raise _fault(off, where, column, repr(off[column.name][0]), f"one of {', '.join(allowed)}")
    frame = typed(frame, _NUMBERS, where)
    _figures(frame, where)
    periods = {}
    for text, row in frame.select("period", "source_row").rows():
        if text not in periods:
            try:
                periods[text] = read_period(text)
            except ExtractError as error:
                raise ExtractError(f"{where} row {row}, column 'period': {error}") from None
    frame = frame.with_columns(
        pl.Series(attribute, [getattr(periods[text], field) for text in frame["period"]], kind)
        for attribute, field, kind in (
            ("period_start", "start", pl.Date),
            ("period_end", "end", pl.Date),
            ("period_type", "kind", pl.String),
            ("label", "label", pl.String),
        )
    ).with_columns(pl.col("label").alias("period"))
    stated = pl.concat_str("provider_code", "indicator_code", separator=":", ignore_nulls=True)
    frame = frame.with_columns(slice_of(stated).alias("slice"), pl.lit(None, pl.String).alias("indicator_id"))
    return frame.select(pl.col(c).cast(t) for c, t in schema.items())


def _figures(frame: pl.DataFrame, where: str) -> None:
    """Figure and status belong together, counts are not negative, and nobody makes no percentage."""
    has_figure = pl.col("value").is_not_null() | pl.col("numerator").is_not_null()
    with_figure = pl.col("status").is_in([s for s, figure in STATUSES.items() if figure])
    figure = (pl.col("value").is_not_null()) | (pl.col("numerator").fill_null(0) != 0)
    figure |= pl.col("denominator").fill_null(0) != 0
    figure |= ~(pl.col("status") == "no activity") & (
        pl.col("numerator").is_not_null() | pl.col("denominator").is_not_null()
    )
    stated = ", ".join(f"'{s}'" for s, figure in STATUSES.items() if not figure)
    for bad, column, found, expected in (
        (~with_figure & figure, COLUMNS[10], "a figure beside {status!r}", "no figure, or 'final' or 'provisional'"),
        (with_figure & ~has_figure, COLUMNS[7], "no figure beside {status!r}", f"one, or why there is none ({stated})"),
        *((pl.col(c.name).abs() > _MOST, c, f"{{{c.name}}}", f"no figure beyond {_MOST:,.0f}") for c in _NUMBERS),
        (pl.col("numerator") < 0, COLUMNS[5], "{numerator}", "no negative figure"),
        (pl.col("denominator") < 0, COLUMNS[6], "{denominator}", "no negative figure"),
        (
            (pl.col("value") < 0) & pl.col("unit").is_not_null() & ~pl.col("unit").is_in(MAY_BE_NEGATIVE),
            COLUMNS[7],
            "{value} {unit}",
            "no negative figure",
        ),
        (
            pl.col("denominator").is_not_null() & pl.col("numerator").is_null() & with_figure,
            COLUMNS[5],
            "no numerator beside the denominator {denominator}",
            "both or neither",
        ),
        (
            with_figure & (pl.col("denominator") == 0),
            COLUMNS[6],
            "a denominator of 0",
            "the status 'no activity' where there was nobody to count",
        ),
    ):
        if (off := frame.filter(bad)).height:
            raise _fault(off, where, column, found.format(**off.row(0, named=True)), expected)


def _fault(rows: pl.DataFrame, where: str, column: Column, found: str, expected: str) -> ExtractError:
    more = f" ({rows.height} such rows)" if rows.height > 1 else ""
    return ExtractError(
        f"{where} row {rows['source_row'][0]}, column {column.headings[0]!r}: found {found}, expected {expected}{more}"
        ". Correct the return and drop it again."
    )


def _decimals(text: str | None) -> int | None:
    """The decimals that a figure is written with: what it was rounded to."""
    try:
        exponent = Decimal(text or "").as_tuple().exponent
    except ArithmeticError:
        return None  # blank, or no number, which `typed` says
    return max(0, -exponent) if isinstance(exponent, int) else None


_FINANCIAL_YEAR = r"(20\d\d)\s*[/-]\s*((?:20)?\d\d)"
_EXPECTED = (
    "a month (2019-05), quarter (2019/20-Q1), financial year (2019/20), calendar year (CY 2019), week ending "
    "(w/e 2019-04-07) or year to date (2019-05 YTD)"
)


def read_period(text: str) -> Period:
    """The period that a cell names. Raises `ExtractError` where it names none, or could name two.

    ``2010-11`` is November or the financial year: where the two look alike the month must be written out.
    """
    text = re.sub(r"\s+", " ", text).strip()
    if quarter := re.fullmatch(rf"{_FINANCIAL_YEAR}[\s-]*Q([1-4])", text, re.IGNORECASE):
        return _quarter(int(quarter[1]), quarter[2], int(quarter[3]), text)
    if quarter := re.fullmatch(rf"Q([1-4])[\s,-]*{_FINANCIAL_YEAR}", text, re.IGNORECASE):
        return _quarter(int(quarter[2]), quarter[3], int(quarter[1]), text)
    if week := re.fullmatch(r"(?:w/e|week ending) ?(.+)", text, re.IGNORECASE):
        if (end := parse_day(week[1])) is None:
            raise ExtractError(f"found {text!r}, expected the last day of a week, such as w/e 2019-04-07.")
        return Period("week", end - timedelta(days=6), end, f"w/e {end}")
    if calendar := re.fullmatch(r"(?:CY|calendar year) ?(20\d\d)", text, re.IGNORECASE):
        year_start = date(int(calendar[1]), 1, 1)
        return Period("calendar_year", year_start, last_day(year_start, 12), f"CY {year_start.year}")
    month_text, to_date = re.subn(r" ?YTD$", "", text, flags=re.IGNORECASE)
    month = None if re.fullmatch(r"\d{5}(\.0+)?", month_text) else parse_month(month_text)
    # Excel too makes November 2010 of a year typed as 2010/11.
    if month and month.month == month.year % 100 + 1 and not re.search(r"[a-z]\s+20\d\d$", month_text, re.IGNORECASE):
        raise ExtractError(
            f"found {text!r}, which is a month or a financial year. Write {month.year}/{month.month:02} for the year "
            f"(in a cell that is text), {month:%B %Y} for the month."
        )
    if year := re.fullmatch(_FINANCIAL_YEAR, month_text):
        start = _april(int(year[1]), year[2])
        if start is not None and to_date:
            raise ExtractError(f"found {text!r}, expected the last month of the year to date, such as 2019-05 YTD.")
        if start is not None:
            return Period("financial_year", start, last_day(start, 12), f"{start.year}/{(start.year + 1) % 100:02}")
    if (day := parse_day(month_text)) is not None and day.day != 1:
        raise ExtractError(f"found the day {text!r}, expected {_EXPECTED}.")
    if month is None:
        raise ExtractError(f"found {text!r}, expected {_EXPECTED}.")
    if to_date:
        return Period("ytd", date(month.year - (month.month < 4), 4, 1), month_end(month), f"{month:%Y-%m} YTD")
    return Period("month", month, month_end(month), f"{month:%Y-%m}")


def _quarter(first: int, second: str, number: int, text: str) -> Period:
    if _april(first, second) is None:
        raise ExtractError(f"found {text!r}: {first}/{second} is no financial year, expected {_EXPECTED}.")
    start = date(first + (number == 4), (4, 7, 10, 1)[number - 1], 1)
    return Period("quarter", start, last_day(start, 3), f"{first}/{(first + 1) % 100:02}-Q{number}")


def _april(first: int, second: str) -> date | None:
    """The first day of the financial year; None where the second year does not follow the first."""
    return date(first, 4, 1) if int(second) % 100 == (first + 1) % 100 else None
