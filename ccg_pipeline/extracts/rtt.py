"""Referral to treatment waiting times (RTT): full extract and commissioner workbooks of NHS England.

Full extract: one row a provider, commissioner, RTT part and treatment function, with a column a week waited;
53 bands to March 2021, 105 after. Commissioner workbooks, December 2014 to May 2015: one part (incomplete,
admitted or non-admitted pathways) by CCG and treatment function, 53 bands. All bands are kept, as one list a
row, so that medians, percentiles and any week's count can be derived without reading the file again.
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
    Schema,
    adds_up,
    no_repeats,
    normalise,
    one_month,
    typed,
)
from ccg_pipeline.extracts.periods import parse_day, parse_month
from ccg_pipeline.extracts.source import Source
from ccg_pipeline.extracts.spreadsheet import find_header, read_delimited, read_table

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

_FULL_IDENTITY = (
    Column("period", ("Period",)),
    Column("provider_parent_code", ("Provider Parent Org Code",)),
    Column("provider_parent_name", ("Provider Parent Name",)),
    Column("provider_code", ("Provider Org Code",)),
    Column("provider_name", ("Provider Org Name",)),
    Column("commissioner_parent_code", ("Commissioner Parent Org Code",)),
    Column("commissioner_parent_name", ("Commissioner Parent Name",)),
    Column("commissioner_code", ("Commissioner Org Code",)),
    Column("commissioner_name", ("Commissioner Org Name",)),
    Column("part", ("RTT Part Type",)),
    Column("part_description", ("RTT Part Description",)),
    Column("treatment_function_code", ("Treatment Function Code",)),
    Column("treatment_function_name", ("Treatment Function Name",)),
)
_FULL_TOTALS = (
    Column("pathways_with_known_start", ("Total",), "count"),
    Column("pathways_with_unknown_start", ("Patients with unknown clock start date",), "count"),
    Column("pathways", ("Total All",), "count"),
)

_WORKBOOK_PARTS = {
    "incomplete pathways": "part_2",
    "completed admitted pathways": "part_1a",
    "completed non-admitted pathways": "part_1b",
}
_WORKBOOK_IDENTITY = (
    Column("commissioner_parent_code", ("Area Team Code", "Region Code")),
    Column("commissioner_code", ("CCG Code", "Org Code", "Commissioner Code")),
    Column("commissioner_name", ("CCG Name", "Org Name", "Commissioner Name")),
)
_TREATMENT_FUNCTION = (
    Column("treatment_function_code", ("Treatment Function Code",)),
    Column("treatment_function_name", ("Treatment Function",)),
)
_WORKBOOK_TOTALS = (
    Column(
        "pathways",
        ("Total number of incomplete pathways", "Total number of completed pathways (all)"),
        "count",
    ),
    Column(
        "pathways_with_known_start",
        ("Total number of completed pathways (with a known clock start)",),
        "count",
        required=False,
    ),
    Column("pathways_with_unknown_start", ("Patients with unknown clock start date",), "count", required=False),
    Column(
        "within_18_weeks",
        ("Total within 18 weeks", "Total (with a known clock start) within 18 weeks"),
        "count",
        required=False,
    ),
)
_WORKBOOK_DERIVED = (  # printed from the bands, `-` under 50 pathways: not loaded
    Column("share_within_18_weeks", ("% within 18 weeks",), required=False),
    Column("median_weeks", ("Average (median) waiting time (in weeks)",), required=False),
    Column("percentile_92_weeks", ("92nd percentile waiting time (in weeks)",), required=False),
    Column("percentile_95_weeks", ("95th percentile waiting time (in weeks)",), required=False),
    Column("total_52_plus", ("Total 52 plus weeks",), required=False),
    Column("total_65_plus", ("Total 65 plus weeks",), required=False),
    Column("total_78_plus", ("Total 78 plus weeks",), required=False),
)
_TRUST_CODE = re.compile(r"\bR[A-Z0-9]{2}\b")


def recognise(source: Source) -> float:
    """Full extract: by RTT part beside commissioner. Workbook: by its title and treatment functions."""
    if source.header_line(["RTT Part Type", "Provider Org Code", "Commissioner Org Code"]) is not None:
        return 1.0
    if source.is_text:
        return 0.6 if source.header_line(["Treatment Function Code"]) is not None else 0.0
    titles = [s for s in source.sheet_names if normalise(s) == "national"]
    if not titles or "referral to treatment (rtt)" not in normalise(_label(source, titles[0], "Title:")):
        return 0.0
    return 1.0 if normalise(_label(source, titles[0], "Basis:")) == "commissioner" else 0.6


def read(source: Source) -> Extract:
    """One month; every band proved to add to its row's total and to the total of treatment functions."""
    return _read_workbook(source) if source.is_workbook else _read_full(source)


def _read_full(source: Source) -> Extract:
    header = source.header_line(["RTT Part Type", "Provider Org Code", "Commissioner Org Code"])
    assert header is not None
    headings = source.first_lines[header]
    bands = _full_bands(headings, f"row {header + 1}")
    columns = (*_FULL_IDENTITY, *bands, *_FULL_TOTALS)
    counts = [c for c in columns if c.kind == "count"]
    frame = read_delimited(source, header, columns, counts_as_numbers=True)
    # Whole numbers were read as such; `typed` finds the cell where one is not, or is negative.
    if frame[counts[0].name].dtype == pl.String or any((frame[c.name] < 0).any() for c in counts):
        frame = typed(frame.with_columns(pl.col(c.name).cast(pl.String) for c in counts), counts, "the file")
    frame = typed(frame, _FULL_IDENTITY, "the file")
    month = one_month(frame["period"].unique().to_list(), "column 'Period'")
    frame = _known_parts(frame).with_columns(pl.col("treatment_function_code").str.ends_with("999").alias("is_total"))
    frame = _with_bands(frame, [c.name for c in bands])
    _full_totals(frame)
    key = ["provider_code", "commissioner_code", "part"]
    _whole(frame, [c for c in _FULL_IDENTITY if c.name in (*key, "treatment_function_code")])
    no_repeats(frame, [*key, "treatment_function_code"], "the file")
    _functions_add_up(frame, key, "the file")
    rows = frame.with_columns(
        pl.lit(None, pl.String).alias("source_sheet"), pl.lit(month).alias("period_start")
    ).select(pl.col(c).cast(t) for c, t in schema.items())
    parts = sorted(rows["part"].unique())
    return Extract(
        name,
        f"rtt_full_{len(bands)}_bands",
        rows,
        tuple(Coverage(view, part, month) for view in ("commissioner", "provider") for part in parts),
    )


def _full_bands(headings: Sequence[str], where: str) -> tuple[Column, ...]:
    """The week columns, which must run from week 0 without a gap and end open."""
    count = sum(bool(re.match(r"gt \d+ ", normalise(h))) for h in headings)
    if count not in _BAND_COUNTS:
        raise ExtractError(
            f"{where}: {count} columns of weeks waited, expected {' or '.join(map(str, _BAND_COUNTS))}. "
            "A new layout is added in ccg_pipeline/extracts/rtt.py."
        )
    closed = [f"Gt {w:02d} To {w + 1:02d} Weeks SUM 1" for w in range(count - 1)]
    return tuple(Column(f"band_{w}", (h,), "count") for w, h in enumerate([*closed, f"Gt {count - 1} Weeks SUM 1"]))


def _with_bands(frame: pl.DataFrame, names: Sequence[str]) -> pl.DataFrame:
    """The band columns as one list, null where a row has no band at all."""
    return frame.with_columns(
        pl.when(pl.any_horizontal(pl.col(n).is_not_null() for n in names))
        .then(pl.concat_arr(names).arr.to_list())  # concat_list of a hundred columns takes seconds
        .alias("week_bands"),
        pl.sum_horizontal(names).alias("in_bands"),
    ).drop(names)


def _known_parts(frame: pl.DataFrame) -> pl.DataFrame:
    for row in frame.unique(["part", "part_description"], maintain_order=True).iter_rows(named=True):
        known = _PARTS.get(normalise(row["part"]))
        if known is None or normalise(row["part_description"]) != known[1]:
            raise ExtractError(
                f"row {row['source_row']}: RTT part {row['part']!r} with description {row['part_description']!r}, "
                f"expected one of {', '.join(f'{code} {text!r}' for code, text in _PARTS.values())}."
            )
    return frame.with_columns(pl.col("part").str.to_lowercase())


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


def _whole(frame: pl.DataFrame, columns: Sequence[Column]) -> None:
    for column in columns:
        blank = frame.filter(pl.col(column.name).is_null())
        if blank.height:
            raise ExtractError(f"row {blank['source_row'][0]}, column {column.headings[0]!r}: blank, expected a code.")


def _functions_add_up(frame: pl.DataFrame, key: Sequence[str], where: str) -> None:
    """The total row of each group (``C_999``) is there once and is the sum of its treatment functions."""
    totals = frame.filter("is_total")
    alone = frame.select(key).unique().join(totals.select(key), on=list(key), how="anti")
    if alone.height:
        raise ExtractError(
            f"{where}: no total row (treatment function 999) for {' / '.join(map(str, alone.row(0)))}"
            f"{f' and {alone.height - 1} others' if alone.height > 1 else ''}. The file may be cut off: fetch it again."
        )
    measures = [Column("in_bands", ("weeks waited",)), Column("pathways", ("Total All",))]
    adds_up(frame.filter(~pl.col("is_total")), totals, key, measures, where, "the total of treatment functions")


def _read_workbook(source: Source) -> Extract:
    national = next(s for s in source.sheet_names if normalise(s) == "national")
    summary = normalise(_label(source, national, "Summary:"))
    part = next((p for text, p in _WORKBOOK_PARTS.items() if summary.rstrip(".").endswith(f"for {text}")), None)
    if part is None:
        raise ExtractError(
            f"sheet {national!r}: the summary {_label(source, national, 'Summary:')!r} is not of "
            f"{', '.join(_WORKBOOK_PARTS)}."
        )
    needed = ["Treatment Function Code", ">0-1"]
    tables = {
        s: next(
            (h for h in _WORKBOOK_IDENTITY[1].headings if find_header(source.sheet(s), [h, *needed]) is not None),
            None,
        )
        for s in source.sheet_names
    }
    sheets = [s for s, code in tables.items() if code]
    if len(sheets) != 1:
        raise ExtractError(
            f"{len(sheets)} sheets have commissioner codes with treatment functions and weeks, expected one "
            f"(sheets: {', '.join(source.sheet_names)})."
        )
    month = _workbook_month(source, [national, sheets[0]])
    bands = _workbook_bands(source, sheets[0], needed)
    common = (*_TREATMENT_FUNCTION, *bands, *_WORKBOOK_TOTALS, *_WORKBOOK_DERIVED)
    rows = _workbook_rows(
        source, sheets[0], [*needed, str(tables[sheets[0]])], (*_WORKBOOK_IDENTITY, *common), bands, part
    )
    england = _workbook_rows(source, national, needed, common, bands, part)
    where = f"sheet {sheets[0]!r}"
    key = ["commissioner_code"]
    no_repeats(rows, [*key, "treatment_function_code"], where)
    _functions_add_up(rows, key, where)
    measures = [Column("in_bands", ("weeks waited",)), Column("pathways", ("total number",))]
    adds_up(rows, england, ["treatment_function_code"], measures, f"sheet {national!r}", "England")
    published, revised = (parse_day(_label(source, national, label)) for label in ("Published:", "Revised:"))
    rows = rows.with_columns(
        pl.lit(month).alias("period_start"),
        pl.lit(part).alias("part"),
        *(pl.lit(None, pl.String).alias(c) for c in ("provider_code", "provider_name", "provider_parent_code")),
        pl.col("commissioner_parent_code").replace({"-": None}),
    ).select(pl.col(c).cast(t) for c, t in schema.items())
    return Extract(
        dataset=name,
        layout=f"rtt_commissioner_workbook_{len(bands)}_bands",
        rows=rows,
        coverage=(Coverage("commissioner", part, month),),
        edition="revised" if revised else "unknown",
        published_on=revised or published,
        caveats=_non_submitters(source),
    )


def _workbook_bands(source: Source, sheet: str, needed: Sequence[str]) -> tuple[Column, ...]:
    cells = source.sheet(sheet)
    headings = [normalise(c) for c in cells[find_header(cells, needed) or 0]]
    count = sum(bool(re.fullmatch(r">\d+-\d+", h)) for h in headings) + 1
    if count not in _BAND_COUNTS:
        raise ExtractError(
            f"sheet {sheet!r}: {count} columns of weeks waited, expected {' or '.join(map(str, _BAND_COUNTS))}."
        )
    closed = [f">{w}-{w + 1}" for w in range(count - 1)]
    return tuple(Column(f"band_{w}", (h,), "count") for w, h in enumerate([*closed, f"{count - 1} plus"]))


def _workbook_rows(
    source: Source,
    sheet: str,
    needed: Sequence[str],
    columns: Sequence[Column],
    bands: Sequence[Column],
    part: str,
) -> pl.DataFrame:
    """The rows of one sheet, each proved: bands add to the total, the first 18 to the printed count within."""
    where = f"sheet {sheet!r}"
    frame = typed(read_table(source, sheet, needed, columns), columns, where)
    # A footnote has text and no treatment function.
    frame = frame.filter(pl.col("treatment_function_code").is_not_null())
    if "commissioner_code" in frame.columns and (blank := frame.filter(pl.col("commissioner_code").is_null())).height:
        raise ExtractError(f"{where} row {blank['source_row'][0]}: no commissioner code, expected one in every row.")
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
    if part != "part_2":
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


def _workbook_month(source: Source, sheets: Sequence[str]) -> date:
    months = {s: parse_month(_label(source, s, "Period:")) for s in sheets}
    if None in months.values() or len(set(months.values())) != 1:
        raise ExtractError(
            "the cells beside 'Period:' give "
            + ", ".join(f"{s}: {m}" for s, m in months.items())
            + "; expected the same month on each sheet."
        )
    return next(m for m in months.values() if m)


def _label(source: Source, sheet: str, label: str) -> str | None:
    """The text of the cell beside a label such as ``Period:``."""
    for row in source.sheet(sheet)[:14]:
        cells = [c for c in row if c]
        if len(cells) > 1 and normalise(cells[0]) == normalise(label):
            return cells[1]
    return None


def _non_submitters(source: Source) -> tuple[str, ...]:
    """The trusts that the Notes sheet names, in free text, as not having submitted all of their data."""
    codes: list[str] = []
    for sheet in source.sheet_names:
        if normalise(sheet) == "notes":
            for row in source.sheet(sheet):
                for cell in row:
                    if cell and re.search(r"did not (submit|include)", cell, re.IGNORECASE):
                        codes += [c for c in _TRUST_CODE.findall(cell) if c not in codes and c != "RTT"]
    if not codes:
        return ()
    return (f"published without all or part of the data of {', '.join(codes)} (named on the Notes sheet)",)
