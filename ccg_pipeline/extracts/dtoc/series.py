"""England's monthly series: the three breakdowns of the workbooks, one row a month, and all of them crossed.

The sheets of type of care and responsible organisation have beds beside the days. The fourth has its headings over
three rows (setting, reason, who is responsible). Every month is in each sheet with the same total.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import date

import polars as pl

from ccg_pipeline.extracts.contract import (
    Column,
    Coverage,
    Extract,
    ExtractError,
    UnknownLayoutError,
    match_headings,
    no_repeats,
    normalise,
    typed,
)
from ccg_pipeline.extracts.dtoc.shape import REASONS, SETTINGS, beds_agree, in_schema, name, whole
from ccg_pipeline.extracts.dtoc.workbooks import (
    BEDS_ROUNDING,
    BREAKDOWNS,
    RESPONSIBLE,
    as_rows,
    breakdown_of,
    published,
    table_of,
    titled,
)
from ccg_pipeline.extracts.periods import months_between, parse_month
from ccg_pipeline.extracts.source import Source
from ccg_pipeline.extracts.spreadsheet import beside, find_header, stated_day

_KEYS = (Column("financial_year", ("Year",)), Column("month", ("Period", "Period Name")))
layouts = (
    published(
        "dtoc_england_series", "a workbook titled Delayed Transfers with months beside the breakdowns", _KEYS, True
    ),
)
_MONTH = ("Year", "Period")
_MONTH_OF_DETAIL = ("Year", "Period Name")


def recognise(source: Source) -> float:
    """By a title of delayed transfers, and months beside one of the three breakdowns."""
    return 1.0 if any(breakdown_of(source.sheet(s), _MONTH) for s in titled(source)) else 0.0


def read(source: Source) -> Extract:
    """Every month of England, the sheets proved against one another."""
    frames: dict[str, pl.DataFrame] = {}
    for sheet in source.sheet_names:
        cells = source.sheet(sheet)
        breakdown = breakdown_of(cells, _MONTH)
        if breakdown is not None:
            kind, frame = breakdown.name, table_of(source, sheet, breakdown, _KEYS)
        elif find_header(cells, _MONTH_OF_DETAIL) is not None:
            kind, frame = "setting_and_reason", _detail(source, sheet)
        elif not any(c for row in cells for c in row):
            continue
        else:
            raise UnknownLayoutError(
                f"sheet {sheet!r} is none that this layout knows (months by type of care, responsible organisation or "
                "reason, or by all of them). Check that the file is as published; a new layout is added in "
                "ccg_pipeline/extracts/dtoc/series.py."
            )
        if kind in frames:
            raise ExtractError(f"sheet {sheet!r} holds the same table as another, by {kind}; expected one.")
        frames[kind] = _months(source, sheet, frame)
    missing = [b.name for b in BREAKDOWNS if b.name not in frames]
    if missing:
        raise ExtractError(f"no sheet by {' or by '.join(missing)} among {', '.join(source.sheet_names)}.")
    _same_totals(frames)
    for breakdown in BREAKDOWNS:
        frame = frames[breakdown.name]
        beds = [c for c in breakdown.beds if c.name in frame.columns]
        pairs = list(zip(breakdown.columns, beds, strict=False))
        beds_agree(frame, pairs, BEDS_ROUNDING, f"sheet {frame['source_sheet'][0]!r}")
    rows = [as_rows(frames[b.name], b) for b in BREAKDOWNS]
    if "setting_and_reason" in frames:
        rows.append(_crossed(frames))
    responsible = frames[RESPONSIBLE.name]
    sheet = responsible["source_sheet"][0]
    published, revised = (stated_day(source, sheet, label) for label in ("Published:", "Revised:"))
    return Extract(
        dataset=name,
        layout="dtoc_england_series",
        rows=pl.concat(rows),
        coverage=tuple(Coverage("england", "all", month) for month in responsible["period_start"]),
        edition="revised" if revised else "unknown",
        published_on=revised or published,
    )


def _months(source: Source, sheet: str, frame: pl.DataFrame) -> pl.DataFrame:
    """Each row's month; no month between the first and the last that the sheet's `Period:` names is missing."""
    where = f"sheet {sheet!r}"
    months: list[date] = []
    for row, year, month in frame.select("source_row", "financial_year", "month").rows():
        read_as = parse_month(f"{month} {year}")
        if read_as is None:
            raise ExtractError(f"{where} row {row}: no month can be read from {month!r} of {year!r}.")
        months.append(read_as)
    frame = frame.with_columns(pl.Series("period_start", months))
    no_repeats(frame, ["period_start"], where)
    period = beside(source, sheet, "Period:")
    ends = [parse_month(part) for part in re.split(r"\s+(?:-|\u2013|to)\s+", period or "")]
    if len(ends) != 2 or ends[0] is None or ends[1] is None:
        raise ExtractError(f"{where}: 'Period:' {period!r}, expected two months such as 'August 2010 - February 2020'.")
    expected = list(months_between(ends[0], ends[1]))
    stray = sorted(set(expected) ^ set(months))
    if stray:
        stands = "is missing" if stray[0] in expected else "stands among the rows"
        raise ExtractError(
            f"{where}: {stray[0]:%B %Y} {stands}, 'Period:' says {period!r} ({len(months)} months, expected "
            f"{len(expected)}). The file may be cut off: fetch it again."
        )
    return frame.with_columns(pl.lit("england").alias("view"), pl.lit(True).alias("is_england"))


_WHO = {"NHS": "nhs_days", "Social Care": "social_care_days", "Both": "both_days"}
_DETAIL = tuple(
    Column(
        f"{setting}/{code}/{days}",
        tuple(f"{setting}: {heading}: {who}" for heading in headings),
        "count",
        required=code != "O_OTHER" or setting == "Non-Acute",
    )
    for setting in SETTINGS
    for code, headings in REASONS.items()
    for who, days in _WHO.items()
)
_DETAIL_TOTAL = Column("total_days", ("Total",), "count")


def _detail(source: Source, sheet: str) -> pl.DataFrame:
    """The table of the fourth sheet, to its notes: one column a setting, reason and responsible organisation."""
    where = f"sheet {sheet!r}"
    cells = source.sheet(sheet)
    header = find_header(cells, _MONTH_OF_DETAIL)
    assert header is not None
    if header < 2:
        raise ExtractError(
            f"{where} row {header + 1}: expected settings and reasons in the two rows above the headings."
        )
    headings = _over_three_rows(*cells[header - 2 : header + 1])
    columns = (*_KEYS, *_DETAIL, _DETAIL_TOTAL)
    positions = match_headings(headings, columns, f"{where} rows {header - 1} to {header + 1}")
    body = [(number, row) for number, row in enumerate(cells[header + 1 :], header + 2) if any(row)]
    notes = [number for number, row in body if normalise(row[0]).startswith("note")]
    body = [(number, row) for number, row in body if not notes or number < notes[0]]
    unnamed = [i for i in range(len(headings)) if i not in positions.values()]
    for number, row in body:
        for i in unnamed:
            if row[i] is not None:
                raise ExtractError(f"{where} row {number}: column {i + 1} holds {row[i]!r} and has no heading.")
    if not body:
        raise ExtractError(f"{where}: headings in row {header + 1} and no row follows.")
    frame = pl.DataFrame(
        {
            "source_sheet": [sheet] * len(body),
            "source_row": [number for number, _ in body],
            **{n: [row[i] for _, row in body] for n, i in positions.items()},
        },
        schema={
            "source_sheet": pl.String,
            "source_row": pl.Int64,
            **dict.fromkeys(positions, pl.String),
        },
    )
    frame = typed(frame, columns, where)
    days = [c for c in (*_DETAIL, _DETAIL_TOTAL) if c.name in frame.columns]
    whole(frame, days, where)
    off = frame.filter(pl.sum_horizontal(c.name for c in days[:-1]) != pl.col("total_days"))
    if off.height:
        first = off.row(0, named=True)
        raise ExtractError(
            f"{where} row {first['source_row']}: Total gives {first['total_days']}, its parts add to "
            f"{sum(first[c.name] for c in days[:-1])}. The file contradicts itself: fetch it again or ask the "
            "publisher."
        )
    return frame


def _over_three_rows(
    settings: Sequence[str | None], reasons: Sequence[str | None], headings: Sequence[str | None]
) -> list[str | None]:
    """Each heading with its setting and reason, which stand over the first of their columns."""
    named: list[str | None] = []
    setting = reason = None
    for above, between, heading in zip(settings, reasons, headings, strict=True):
        if above:
            setting, reason = above, None
        reason = between or reason
        parts = [part for part in (setting, reason, heading) if part]
        named.append(": ".join(parts) if heading or above else None)
    return named


def _same_totals(frames: dict[str, pl.DataFrame]) -> None:
    """A month has the same days in every sheet, whatever they are broken down by."""
    reference = frames[RESPONSIBLE.name]
    for frame in frames.values():
        joined = reference.join(frame, on="period_start", suffix="_there")
        off = joined.filter(pl.col("total_days") != pl.col("total_days_there"))
        if off.height:
            row = off.row(0, named=True)
            raise ExtractError(
                f"{row['period_start']:%B %Y}: {row['total_days']} days in sheet {row['source_sheet']!r} (row "
                f"{row['source_row']}) and {row['total_days_there']} in sheet {row['source_sheet_there']!r} (row "
                f"{row['source_row_there']}). The file contradicts itself: fetch it again or ask the publisher."
            )


def _crossed(frames: dict[str, pl.DataFrame]) -> pl.DataFrame:
    """The fourth sheet as rows of setting and reason, proved to add to each of the other three."""
    table = frames["setting_and_reason"]
    long = []
    for setting in SETTINGS:
        for code in REASONS:
            cells = {days: f"{setting}/{code}/{days}" for days in _WHO.values()}
            present = {days: cell for days, cell in cells.items() if cell in table.columns}
            if present:
                long.append(
                    table.select(
                        *("source_sheet", "source_row", "period_start", "view", "is_england"),
                        pl.lit("setting_and_reason").alias("breakdown"),
                        pl.lit(setting).alias("setting"),
                        pl.lit(code).alias("reason_for_delay"),
                        *(pl.col(cell).alias(days) for days, cell in present.items()),
                    )
                )
    rows = pl.concat(long, how="diagonal").with_columns(pl.sum_horizontal(_WHO.values()).alias("days"))
    sums = {
        "responsible": rows.group_by("period_start").agg(pl.col(list(_WHO.values())).sum()),
        "setting": rows.pivot("setting", index="period_start", values="days", aggregate_function="sum"),
        "reason": rows.pivot("reason_for_delay", index="period_start", values="days", aggregate_function="sum"),
    }
    for breakdown in BREAKDOWNS:
        stated = frames[breakdown.name].join(sums[breakdown.name], on="period_start", suffix="_of_parts")
        for part in breakdown.parts:
            of_parts = pl.col(f"{part.name}_of_parts" if f"{part.name}_of_parts" in stated.columns else part.name)
            off = stated.filter(pl.col(part.name).fill_null(0) != of_parts.fill_null(0))
            if off.height:
                row = off.row(0, named=True)
                raise ExtractError(
                    f"sheet {row['source_sheet']!r} row {row['source_row']}: {row[part.name]} for "
                    f"{part.headings[0]!r}, the rows of sheet {table['source_sheet'][0]!r} add to "
                    f"{row[f'{part.name}_of_parts']}. The file contradicts itself: fetch it again or ask the publisher."
                )
    return in_schema(rows.drop("days"))
