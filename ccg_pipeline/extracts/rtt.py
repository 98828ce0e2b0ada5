"""Referral to treatment waiting times (RTT): full extracts and workbooks of NHS England.

Full extract: one row a provider, commissioner, RTT part and treatment function, with a column a week waited;
53 bands to March 2021, 105 after; to September 2017 under two lines of preamble and with other names for period
and part. Workbooks: one part (incomplete, admitted or non-admitted pathways) by commissioner (PCT, CCG, sub-ICB
location) or by provider, and treatment function. All bands are kept, as one list a row, so that medians,
percentiles and any week's count can be derived without reading the file again.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

import polars as pl

from ccg_pipeline.extracts.contract import (
    Column,
    Coverage,
    Extract,
    ExtractError,
    PublishedLayout,
    Schema,
    UnknownLayoutError,
    adds_up,
    are_codes,
    described,
    no_blanks,
    no_repeats,
    normalise,
    one_month,
    parents_to_the_end,
    typed,
)
from ccg_pipeline.extracts.headings import columns_of, named, pick
from ccg_pipeline.extracts.periods import parse_month
from ccg_pipeline.extracts.source import Source
from ccg_pipeline.extracts.spreadsheet import (
    beside,
    find_header,
    in_words,
    non_submitters,
    prove_last_line,
    read_delimited,
    read_table,
    stated_day,
)

name = "rtt"

_PARTS = {
    "part_1a": ("Part_1A", "completed pathways for admitted patients"),
    "part_1b": ("Part_1B", "completed pathways for non-admitted patients"),
    "part_2": ("Part_2", "incomplete pathways"),
    "part_2a": ("Part_2A", "incomplete pathways with dta"),
    "part_3": ("Part_3", "new rtt periods - all patients"),
}
_BAND_COUNTS = (53, 105)

schema: Schema = {
    "source_sheet": pl.String,
    "source_row": pl.Int64,
    "period_start": pl.Date,
    "part": pl.String,
    "provider_code": pl.String,
    "provider_name": pl.String,
    "provider_parent_code": pl.String,
    "commissioner_code": pl.String,
    "commissioner_name": pl.String,
    "commissioner_parent_code": pl.String,
    "treatment_function_code": pl.String,
    "treatment_function_name": pl.String,
    "is_total": pl.Boolean,
    "week_bands": pl.List(pl.Int64),
    "pathways_with_known_start": pl.Int64,
    "pathways_with_unknown_start": pl.Int64,
    "pathways": pl.Int64,
}

_FULL_ORGANISATIONS = columns_of(name, "full_organisations")
_FULL_TOTALS = pick(
    columns_of(name, "full_totals"), "pathways_with_known_start", "pathways_with_unknown_start", "pathways"
)


def _full(group: str, told_by: str) -> tuple[tuple[Column, ...], tuple[Column, ...]]:
    """The columns of a full extract beside its bands, and those in whose headings the layout is known."""
    columns = (*columns_of(name, group), *_FULL_ORGANISATIONS)
    return columns, pick(columns, told_by, "period", "provider_code", "commissioner_code")


# In this order: July 2016 has the code under `Treatment Function Name` and the name under another heading.
_FULL_LAYOUTS = {
    "rtt_full": _full("full", "part"),
    "rtt_full_2016_07": _full("full_2016_07", "treatment_function_name"),
    "rtt_full_to_2017_09": _full("full_to_2017_09", "part"),
}
_PART_COLUMNS = ("part", "part_type", "part_description")

# What a workbook says it counts, and the same for its sheets of pathways with a decision to admit.
_WORKBOOK_PARTS = {
    "incomplete pathways": "part_2",
    "completed admitted pathways": "part_1a",
    "completed non-admitted pathways": "part_1b",
    "incomplete pathways with a decision to admit": "part_2a",
    "incomplete pathways with dta": "part_2a",
}
_DTA = re.compile(r"\bwith (?:a )?(?:dta|decision to admit)\b")
# To 2010 the front lines are sentences: `May 2010 Commissioner returns - RTT times for incomplete pathways`.
_TITLE_TO_2010 = re.compile(
    r"^(?P<period>[a-z]+ 20\d\d) (?P<view>commissioner|provider) returns - rtt times for (?P<part>[^(]+?)\.?$",
    re.IGNORECASE,
)


@dataclass(frozen=True)
class _View:
    """Whose figures a workbook holds: the headings of its organisations, and what its sheets are called."""

    name: str
    columns: tuple[Column, ...]

    @property
    def parent(self) -> Column:
        return named(self.columns, f"{self.name}_parent_code")

    @property
    def code(self) -> Column:
        return named(self.columns, f"{self.name}_code")


_VIEWS = {view: _View(view, columns_of(name, f"workbook_{view}s")) for view in ("commissioner", "provider")}
_PARENT_NAMES = columns_of(name, "workbook_parents")  # not loaded
_TREATMENT_FUNCTION = columns_of(name, "workbook_functions")
_WORKBOOK_TOTALS = columns_of(name, "workbook_totals")
_WORKBOOK_DERIVED = columns_of(name, "workbook_derived")  # printed from the bands, `-` under 50 pathways: not loaded


def recognise(source: Source) -> float:
    """Full extract: by RTT part beside commissioner. Workbook: by its title and treatment functions."""
    if source.is_text:
        if _full_layout(source) is not None:
            return 1.0
        codes = named(_FULL_LAYOUTS["rtt_full"][0], "treatment_function_code")
        return 0.6 if source.header_line([codes]) is not None else 0.0
    national = _national(source)
    if national is None:
        return 0.0
    lines = " ".join(normalise(c) for row in source.sheet(national)[:14] for c in row if c and len(c) < 200)
    if "referral to treatment (rtt)" not in lines:
        return 0.0
    return 1.0 if _view(source, national) else 0.6


def read(source: Source) -> Extract:
    """One month; every band proved to add to its row's total and to the total of treatment functions."""
    return _read_workbook(source) if source.is_workbook else _read_full(source)


def _full_layout(source: Source) -> tuple[int, str, tuple[Column, ...]] | None:
    """Header line, name and columns of the full extract's layout; None where none fits."""
    for layout, (columns, told_by) in _FULL_LAYOUTS.items():
        header = source.header_line(told_by)
        if header is not None:
            return header, layout, columns
    return None


def _read_full(source: Source) -> Extract:
    known = _full_layout(source)
    assert known is not None
    header, layout, identity = known
    headings = source.first_lines[header]
    bands = _full_bands(headings, f"row {header + 1}")
    columns = (*identity, *bands, *_FULL_TOTALS)
    prove_last_line(source)
    counts = [c for c in columns if c.kind == "count"]
    frame = read_delimited(source, header, columns, counts_as_numbers=True)
    # Whole numbers were read as such; `typed` finds the cell where one is not, or is negative.
    if frame[counts[0].name].dtype == pl.String or any((frame[c.name] < 0).any() for c in counts):
        frame = typed(frame.with_columns(pl.col(c.name).cast(pl.String) for c in counts), counts, "the file")
    frame = typed(frame, identity, "the file")
    month = _full_month(frame)
    frame = _known_parts(frame).with_columns(pl.col("treatment_function_code").str.ends_with("999").alias("is_total"))
    frame = _with_bands(frame, [c.name for c in bands])
    _full_totals(frame)
    key = ["provider_code", "commissioner_code", "part"]
    for column in identity:
        if column.name in ("provider_code", "commissioner_code"):
            are_codes(frame, column, "the file")
    named = ("provider_name", "part", "treatment_function_code", "treatment_function_name")
    no_blanks(frame, [c for c in identity if c.name in named], "the file")
    no_repeats(frame, [*key, "treatment_function_code"], "the file")
    _functions_add_up(frame, key, "the file", bands)
    parents_to_the_end(frame, "the file")
    rows = frame.with_columns(
        pl.lit(None, pl.String).alias("source_sheet"), pl.lit(month).alias("period_start")
    ).select(pl.col(c).cast(t) for c, t in schema.items())
    parts = sorted(rows["part"].unique())
    return Extract(
        name,
        f"{layout}_{len(bands)}_bands",
        rows,
        tuple(Coverage(view, part, month) for view in ("commissioner", "provider") for part in parts),
    )


def _full_month(frame: pl.DataFrame) -> date:
    """The month of `Period`, or of `Period Name` in the financial year of `Year` (``APRIL``, ``2016-17``)."""
    if "financial_year" not in frame.columns:
        return one_month(frame["period"].unique().to_list(), "column 'Period'")
    cells = frame.select("period", "financial_year").unique().rows()
    return one_month(
        [period if parse_month(period) else f"{period} {year}" for period, year in cells],
        "columns 'Year' and 'Period Name'",
    )


def _full_bands(headings: Sequence[str], where: str) -> tuple[Column, ...]:
    """The week columns, which must run from week 0 without a gap and end open."""
    count = sum(bool(re.match(r"gt \d+ ", normalise(h))) for h in headings)
    if count not in _BAND_COUNTS:
        raise UnknownLayoutError(
            f"{where}: {count} columns of weeks waited, expected {' or '.join(map(str, _BAND_COUNTS))}. "
            "A new layout is added in ccg_pipeline/extracts/rtt.py."
        )
    weeks = [int(m[1]) for h in headings if (m := re.match(r"gt (\d+) ", normalise(h)))]
    if weeks not in (sorted(weeks), sorted(weeks, reverse=True)):
        raise ExtractError(f"{where}: the columns of weeks waited are out of order: two may have changed places.")
    return _full_band_columns(count)


def _full_band_columns(count: int) -> tuple[Column, ...]:
    closed = [f"Gt {w:02d} To {w + 1:02d} Weeks SUM 1" for w in range(count - 1)]
    return tuple(Column(f"band_{w}", (h,), "count") for w, h in enumerate([*closed, f"Gt {count - 1} Weeks SUM 1"]))


def _with_bands(frame: pl.DataFrame, names: Sequence[str]) -> pl.DataFrame:
    """The band columns also as one list, null where a row has no band at all, and as their sum."""
    return frame.with_columns(
        pl.when(pl.any_horizontal(pl.col(n).is_not_null() for n in names))
        .then(pl.concat_arr(names).arr.to_list())  # concat_list of a hundred columns takes seconds
        .alias("week_bands"),
        pl.sum_horizontal(names).alias("in_bands"),
    )


def _known_parts(frame: pl.DataFrame) -> pl.DataFrame:
    """``part`` in our words. Whichever column holds the code, and whichever the description, they must agree."""
    meanings = {normalise(text): part for part, (code, text) in _PARTS.items()} | {part: part for part in _PARTS}
    columns = [c for c in _PART_COLUMNS if c in frame.columns]
    known: dict[tuple[str | None, ...], str] = {}
    for row in frame.unique(columns, maintain_order=True).iter_rows(named=True):
        found = {meanings.get(normalise(row[c])) for c in columns}
        if len(found) != 1 or None in found:
            raise UnknownLayoutError(
                f"row {row['source_row']}: RTT part {' / '.join(repr(row[c]) for c in columns)}, "
                f"expected one of {', '.join(f'{code} {text!r}' for code, text in _PARTS.values())}."
            )
        known[tuple(row[c] for c in columns)] = str(found.pop())
    by_cells = pl.DataFrame(list(known), schema={c: pl.String for c in columns}, orient="row").with_columns(
        pl.Series("known_part", list(known.values()))
    )
    # Joined apart from the bands: a join copies all that it is given.
    looked_up = frame.select(columns).join(by_cells, on=columns, how="left", nulls_equal=True, maintain_order="left")
    return frame.with_columns(looked_up["known_part"].alias("part"))


def _full_totals(frame: pl.DataFrame) -> None:
    """Total and Total All against the bands, by what each part prints."""
    completed = pl.col("part").is_in(["part_1a", "part_1b"])
    new_periods = pl.col("part") == "part_3"
    known, unknown, everyone = (pl.col(c.name) for c in _FULL_TOTALS)
    rules = (
        (everyone.is_null(), "'Total All' is blank"),
        (new_periods & pl.col("week_bands").is_not_null(), "Part_3 counts new periods and has weeks waited"),
        (~new_periods & (pl.col("week_bands").is_null() & (everyone > 0)), "a count without weeks waited"),
        (completed & known.ne_missing(pl.col("in_bands")), "'Total' is not the sum of the weeks"),
        (
            completed & everyone.ne_missing(pl.col("in_bands") + unknown.fill_null(0)),
            "'Total All' is not the sum of the weeks and the unknown clock starts",
        ),
        (
            ~completed & ~new_periods & everyone.ne_missing(pl.col("in_bands")),
            "'Total All' is not the sum of the weeks",
        ),
    )
    for broken, meaning in rules:
        off = frame.filter(broken)
        if off.height:
            first = off.row(0, named=True)
            raise ExtractError(
                f"row {first['source_row']} ({first['provider_code']} / {first['commissioner_code']} / {first['part']} "
                f"/ {first['treatment_function_code']}): {meaning}: weeks add to {first['in_bands']}, Total "
                f"{first['pathways_with_known_start']}, unknown {first['pathways_with_unknown_start']}, Total All "
                f"{first['pathways']} ({off.height} such rows). Fetch the file again or ask the publisher."
            )


def _functions_add_up(frame: pl.DataFrame, key: Sequence[str], where: str, bands: Sequence[Column]) -> None:
    """The total row of each group (``C_999``) is there once and is the sum of its treatment functions, week by week.

    A table that has no total at all, or nothing but totals, proves nothing and counts either all the same; one in which
    some groups have a total and some have none was cut off.
    """
    totals = frame.filter("is_total")
    if totals.height in (0, frame.height):
        return
    alone = frame.select(key).unique(maintain_order=True).join(totals.select(key), on=list(key), how="anti")
    if alone.height:
        raise ExtractError(
            f"{where}: no total row (treatment function 999) for {' / '.join(map(str, alone.row(0)))}"
            f"{f' and {alone.height - 1} others' if alone.height > 1 else ''}. The file may be cut off: fetch it again."
        )
    measures = [Column("pathways", ("Total All",)), *bands]
    parts = frame.select(*key, "is_total", *(m.name for m in measures if m.name in frame.columns))
    adds_up(parts.filter(~pl.col("is_total")), totals, key, measures, where, "the total of treatment functions")


@dataclass(frozen=True)
class _Front:
    """What a sheet's front lines say: the part counted, the month, and whether in lines as to 2010."""

    part: str
    month: date
    to_2010: bool


def _read_workbook(source: Source) -> Extract:
    national = _national(source)
    assert national is not None
    view = _VIEWS[str(_view(source, national))]
    front = _front(source, national)
    sheets = _organisation_sheets(source, view)
    if not sheets:
        raise UnknownLayoutError(
            f"no sheet has {view.name} codes with treatment functions and weeks, expected one "
            f"(sheets: {', '.join(source.sheet_names)}; codes are headed {', '.join(view.code.headings)})."
        )
    frames: dict[str, list[pl.DataFrame]] = {}
    bands: Sequence[Column] = ()
    for sheet in sheets:
        part = "part_2a" if _DTA.search(normalise(sheet)) else front.part
        said = _front(source, sheet, part)
        if said.month != front.month or said.part not in (part, front.part):
            raise ExtractError(
                f"sheet {sheet!r} says {said.part} of {said.month:%B %Y}, sheet {national!r} {front.part} of "
                f"{front.month:%B %Y}; expected the same on each sheet. Fetch the file again."
            )
        bands = _workbook_bands(source, sheet, _NEEDED)
        columns = (*view.columns, *_PARENT_NAMES, *_workbook_columns(bands))
        frames.setdefault(part, []).append(
            _workbook_rows(source, sheet, [*_NEEDED, view.code], columns, bands, part, view.code.name)
        )
    caveats = list(non_submitters(source))
    by_part = {}
    for part, tables in frames.items():
        if view.name == "commissioner" and len(tables) > 1:
            raise ExtractError(
                f"{len(tables)} sheets have commissioner codes with treatment functions and weeks, expected one "
                f"(sheets: {', '.join(source.sheet_names)})."
            )
        key = [view.code.name, "treatment_function_code"]
        for table in tables:
            where = f"sheet {table['source_sheet'][0]!r}"
            no_repeats(table, key, where)
            _functions_add_up(table, key[:1], where, bands)
        rows = pl.concat(tables, how="diagonal")
        # An organisation may stand on two sheets (all providers, independent ones again), with the same figures.
        rows = rows.unique([c for c in rows.columns if not c.startswith("source_")], keep="first", maintain_order=True)
        no_repeats(rows, key, f"sheets {', '.join(repr(t['source_sheet'][0]) for t in tables)}")
        caveats += _england_agrees(source, national, part, front, rows, view)
        by_part[part] = rows.with_columns(pl.lit(part).alias("part"))
    rows = pl.concat(by_part.values(), how="diagonal")
    published, revised = (stated_day(source, national, label) for label in ("Published:", "Revised:"))
    rows = rows.with_columns(
        pl.lit(front.month).alias("period_start"),
        *(pl.lit(None, pl.String).alias(c) for c in schema if c not in rows.columns and c != "period_start"),
    )
    rows = rows.with_columns(pl.col(view.parent.name).replace({"-": None})).select(
        pl.col(c).cast(t) for c, t in schema.items()
    )
    kind = "pct" if front.to_2010 and view.name == "commissioner" else view.name
    return Extract(
        dataset=name,
        layout=f"rtt_{kind}_workbook_{len(bands)}_bands",
        rows=rows,
        coverage=tuple(Coverage(view.name, part, front.month) for part in sorted(frames)),
        edition="revised" if revised else "unknown",
        published_on=revised or published,
        caveats=tuple(caveats),
    )


def _national(source: Source) -> str | None:
    return next((s for s in source.sheet_names if normalise(s) == "national"), None)


def _view(source: Source, national: str) -> str | None:
    """``commissioner`` or ``provider``: the workbook's basis."""
    if old := _title_to_2010(source, national):
        return old["view"].lower()
    basis = normalise(beside(source, national, "Basis:"))
    return next((view for view in _VIEWS if basis.startswith(view)), None)


def _title_to_2010(source: Source, sheet: str) -> re.Match[str] | None:
    return next(
        (found for row in source.sheet(sheet)[:6] if row and row[0] and (found := _TITLE_TO_2010.match(row[0]))), None
    )


def _front(source: Source, sheet: str, part: str | None = None) -> _Front:
    """The front lines of a sheet; ``part`` stands in where they have no summary."""
    old = _title_to_2010(source, sheet)
    summary = old["part"] if old else beside(source, sheet, "Summary:")
    if summary is not None or part is None:
        text = normalise(summary).rstrip(".")
        part = next(
            (p for words, p in _WORKBOOK_PARTS.items() if text == words or text.endswith(f"for {words}")),
            None,
        )
    if part is None:
        raise ExtractError(f"sheet {sheet!r}: the summary {summary!r} is not of {', '.join(_WORKBOOK_PARTS)}.")
    period = old["period"] if old else beside(source, sheet, "Period:")
    month = parse_month(period)
    if month is None:
        raise ExtractError(f"sheet {sheet!r}: no month can be read from the period {period!r}.")
    return _Front(part, month, old is not None)


_NEEDED = (named(_TREATMENT_FUNCTION, "treatment_function_code"), ">0-1")


def _organisation_sheets(source: Source, view: _View) -> list[str]:
    """The sheets with organisations of the view, treatment functions and weeks."""
    return [s for s in source.sheet_names if find_header(source.sheet(s), [view.code, *_NEEDED]) is not None]


def _england_agrees(
    source: Source, national: str, part: str, front: _Front, rows: pl.DataFrame, view: _View
) -> list[str]:
    """The proof against the National sheet (of the part); caveats where a difference is to be expected."""
    sheet: str | None = national
    if part == "part_2a" and front.part != "part_2a":
        sheet = next((s for s in source.sheet_names if re.match(r"national\b.*\bdta\b", normalise(s))), None)
        if sheet is None:
            return []
    assert sheet is not None
    bands = _workbook_bands(source, sheet, _NEEDED)
    england = _workbook_rows(source, sheet, _NEEDED, _workbook_columns(bands), bands, part)
    no_repeats(england, ["treatment_function_code"], f"sheet {sheet!r}")
    named = england.with_columns(pl.lit("England").alias("england"))
    _functions_add_up(named, ["england"], f"sheet {sheet!r}", bands)
    if not rows["is_total"].any():
        england = england.filter(~pl.col("is_total"))
    measures = [Column("pathways", ("total number",)), *bands]
    if view.name == "provider" and (extra := _outside_england(rows, england)):
        return [f"providers add to {extra:,} pathways more than England: patients commissioned from outside England"]
    adds_up(rows, england, ["treatment_function_code"], measures, f"sheet {sheet!r}", "England")
    return []


_MOST_OUTSIDE = 0.02  # the commissioner NONC has about one in two hundred pathways


def _outside_england(rows: pl.DataFrame, england: pl.DataFrame) -> int:
    """Pathways that providers have beyond England's, where no treatment function has fewer; else 0."""
    joined = (
        rows.group_by("treatment_function_code")
        .agg(pl.col("pathways").sum())
        .join(england.select("treatment_function_code", "is_total", england="pathways"), on="treatment_function_code")
        .with_columns((pl.col("pathways") - pl.col("england")).alias("extra"))
    )
    if joined.height != england.height or (joined["extra"] < 0).any():
        return 0
    parts = joined.filter(~pl.col("is_total"))
    extra = int(parts["extra"].sum())
    return extra if extra <= _MOST_OUTSIDE * int(parts["england"].sum()) else 0


def _workbook_columns(bands: Sequence[Column]) -> tuple[Column, ...]:
    return (*_TREATMENT_FUNCTION, *bands, *_WORKBOOK_TOTALS, *_WORKBOOK_DERIVED)


def _workbook_bands(source: Source, sheet: str, needed: Sequence[str | Column]) -> tuple[Column, ...]:
    cells = source.sheet(sheet)
    headings = [normalise(c) for c in cells[find_header(cells, needed) or 0]]
    count = sum(bool(re.fullmatch(r">\d+-\d+", h)) for h in headings) + 1
    if count not in _BAND_COUNTS:
        raise UnknownLayoutError(
            f"sheet {sheet!r}: {count} columns of weeks waited, expected {' or '.join(map(str, _BAND_COUNTS))}."
        )
    return _workbook_band_columns(count)


def _workbook_band_columns(count: int) -> tuple[Column, ...]:
    closed = [f">{w}-{w + 1}" for w in range(count - 1)]
    return tuple(Column(f"band_{w}", (h,), "count") for w, h in enumerate([*closed, f"{count - 1} plus"]))


def _workbook_rows(
    source: Source,
    sheet: str,
    needed: Sequence[str | Column],
    columns: Sequence[Column],
    bands: Sequence[Column],
    part: str,
    code: str | None = None,
) -> pl.DataFrame:
    """The rows of one sheet, each proved: bands add to the total, the first 18 to the printed count within.

    ``code`` is the column of organisation codes, which must not be blank; None for the National sheet.
    """
    where = f"sheet {sheet!r}"
    frame = typed(read_table(source, sheet, needed, columns), columns, where)
    # A footnote has text and no treatment function.
    frame = frame.filter(pl.col("treatment_function_code").is_not_null())
    if code:
        are_codes(frame, next(c for c in columns if c.name == code), where)
        named = (code.replace("_code", "_name"), "treatment_function_name")
        no_blanks(frame, [c for c in columns if c.name in named], where)
    for column in ("pathways_with_known_start", "pathways_with_unknown_start"):
        if column not in frame.columns:
            frame = frame.with_columns(pl.lit(None, pl.Int64).alias(column))
    within = pl.sum_horizontal(b.name for b in bands[:18]).alias("in_first_18")
    frame = _with_bands(frame.with_columns(within), [b.name for b in bands]).with_columns(
        pl.col("treatment_function_code").str.ends_with("999").alias("is_total")
    )
    everyone, unknown = pl.col("pathways"), pl.col("pathways_with_unknown_start").fill_null(0)
    rules = [
        (
            everyone.ne_missing(pl.col("in_bands") + unknown),
            "the weeks do not add to the total number of pathways",
        )
    ]
    if part in ("part_1a", "part_1b") and frame["pathways_with_known_start"].is_not_null().any():
        rules.append(
            (
                pl.col("pathways_with_known_start").ne_missing(pl.col("in_bands")),
                "the weeks do not add to the pathways with a known clock start",
            )
        )
    if "within_18_weeks" in frame.columns:
        rules.append(
            (
                pl.col("within_18_weeks").ne_missing(pl.col("in_first_18")),
                "the first 18 weeks do not add to the printed total within 18 weeks",
            )
        )
    for week in (52, 65, 78):
        printed = f"total_{week}_plus"
        if printed in frame.columns:
            over = pl.sum_horizontal(b.name for b in bands[week:])
            rules.append((pl.col(printed).ne_missing(over), f"weeks over {week} do not add to the printed total"))
    for broken, meaning in rules:
        off = frame.filter(broken)
        if off.height:
            first = off.row(0, named=True)
            raise ExtractError(
                f"{where} row {first['source_row']} ({first['treatment_function_code']}): {meaning} (weeks "
                f"{first['in_bands']}, of which in 18 {first['in_first_18']}; printed {first['pathways']} and "
                f"{first.get('within_18_weeks')}). Fetch the file again or ask the publisher."
            )
    return frame


descriptions = described(
    (*_FULL_LAYOUTS["rtt_full"][0], *_FULL_TOTALS),
    part="part_1a (admitted), part_1b (non-admitted), part_2 (incomplete), part_2a (decision to admit) or part_3 (new)",
    is_total="whether the row is the total of the treatment functions (C_999 and the like)",
    week_bands="pathways by week waited, 53 or 105 elements, the last open (count); null where a row has no weeks",
)
layouts = (
    *(
        PublishedLayout(
            f"{layout}_{count}_bands",
            f"a csv with {in_words(told_by)} and {count} columns of weeks waited",
            (*columns, *_full_band_columns(count), *_FULL_TOTALS),
        )
        for layout, (columns, told_by) in _FULL_LAYOUTS.items()
        for count in _BAND_COUNTS
        if count == _BAND_COUNTS[0] or layout == "rtt_full"
    ),
    *(
        PublishedLayout(
            f"rtt_{kind}_workbook_{count}_bands",
            f"a workbook with a sheet National, on the basis of {view}s, with {count} columns of weeks waited",
            (*_VIEWS[view].columns, *_PARENT_NAMES, *_workbook_columns(_workbook_band_columns(count))),
            is_workbook=True,
        )
        for kind, view, counts in (
            ("pct", "commissioner", _BAND_COUNTS[:1]),
            ("commissioner", "commissioner", _BAND_COUNTS),
            ("provider", "provider", _BAND_COUNTS),
        )
        for count in counts
    ),
)
