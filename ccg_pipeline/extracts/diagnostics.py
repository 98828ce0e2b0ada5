"""Diagnostic waiting times and activity (DM01): full extract and workbooks of NHS England.

Full extract: one row a provider, commissioner and test, with the test TOTAL (sort order 16). Workbooks: providers or
commissioners, on one sheet all tests together, on another by test; each opens with a Total row without code. Patients
are counted by week waited, 14 bands of which the last is open: six of them are under six weeks. The share that
workbooks print is the other one, over six weeks, and is not loaded.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

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
    have_all,
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
    non_submitters,
    prove_last_line,
    read_delimited,
    read_table,
    stated_day,
)

name = "diagnostics"

TESTS = 15
TOTAL = 16  # the number of the test that is the total of the others
_SIX_WEEKS = 6

BANDS = pick(columns_of(name, "weeks"), *(f"band_{w}" for w in range(14)))
_COUNTS = pick(
    columns_of(name, "counts"), "waiting_list", "waiting_list_activity", "planned_activity", "unscheduled_activity"
)
_PROOFS = columns_of(name, "sums")  # sums of the above that are printed too: compared, not loaded
_FULL = (*columns_of(name, "full_extract"), *BANDS, *_COUNTS, named(_PROOFS, "total_activity"))
_BY_TEST = pick(columns_of(name, "workbook_tests"), "test_number", "test_name")
_NEEDED_FULL = [*pick(_FULL, "test_number", "provider_code"), _COUNTS[0]]
_NEEDED = [_COUNTS[0], BANDS[-1]]


@dataclass(frozen=True)
class _View:
    """Whose figures a workbook holds, and the headings of its organisations."""

    name: str
    columns: tuple[Column, ...]

    @property
    def code(self) -> Column:
        return named(self.columns, f"{self.name}_code")

    @property
    def org_name(self) -> Column:
        return named(self.columns, f"{self.name}_name")


_VIEWS = {view: _View(view, columns_of(name, f"workbook_{view}s")) for view in ("provider", "commissioner")}

schema: Schema = {
    "source_sheet": pl.String,
    "source_row": pl.Int64,
    "period_start": pl.Date,
    "provider_code": pl.String,
    "provider_name": pl.String,
    "provider_parent_code": pl.String,
    "commissioner_code": pl.String,
    "commissioner_name": pl.String,
    "commissioner_parent_code": pl.String,
    "test_number": pl.Int64,
    "test_name": pl.String,
    "is_total": pl.Boolean,
    "is_england": pl.Boolean,
    "week_bands": pl.List(pl.Int64),
    **{c.name: pl.Int64 for c in _COUNTS},
}
descriptions = described(
    (*_FULL, *(c for view in _VIEWS.values() for c in view.columns)),
    is_england="whether the row is England, the Total row of a workbook",
    week_bands="patients by week waited, 14 elements, the last from week 13 on (count)",
)
layouts = (
    PublishedLayout("dm01_full_extract", "a csv with the tests' sort order, provider and commissioner", _FULL),
    *(
        PublishedLayout(
            f"dm01_{view.name}_workbook",
            f"a workbook titled Diagnostics on the basis of {view.name}s, with weeks waited",
            (
                *view.columns,
                *(replace(c, required=False) for c in _BY_TEST),  # on one of the two sheets
                *BANDS,
                *_COUNTS,
                *_PROOFS,
            ),
            is_workbook=True,
        )
        for view in _VIEWS.values()
    ),
)


def recognise(source: Source) -> float:
    """Full extract: by the tests' sort order. Workbook: by its title and the weeks waited."""
    if source.is_text:
        if source.header_line(_NEEDED_FULL) is not None:
            return 1.0
        return 0.6 if source.header_line([named(_FULL, "test_name")]) is not None else 0.0
    titled = [s for s in source.sheet_names if "diagnostics" in normalise(beside(source, s, "Title:"))]
    if not titled:
        return 0.0
    tables = _tables(source)
    return 1.0 if tables and _view(source, next(iter(tables))) else 0.6


def read(source: Source) -> Extract:
    """One month; weeks proved to add to the waiting list, tests to their total, organisations to England."""
    return _read_workbook(source) if source.is_workbook else _read_full(source)


def _read_full(source: Source) -> Extract:
    header = source.header_line(_NEEDED_FULL)
    assert header is not None
    prove_last_line(source)
    frame = typed(read_delimited(source, header, _FULL), _FULL, "the file")
    month = one_month(frame["period"].unique().to_list(), "column 'Period'")
    key = ["provider_code", "commissioner_code"]
    for column in _FULL:
        if column.name in key:
            are_codes(frame, column, "the file")
    no_blanks(frame, [c for c in _FULL if c.name in ("provider_name", "test_number", "test_name")], "the file")
    frame = _proved(frame.with_columns(is_england=pl.lit(False)), key, "the file")
    parents_to_the_end(frame, "the file")
    rows = frame.with_columns(pl.lit(None, pl.String).alias("source_sheet"), pl.lit(month).alias("period_start"))
    return Extract(
        dataset=name,
        layout="dm01_full_extract",
        rows=rows.select(pl.col(c).cast(t) for c, t in schema.items()),
        coverage=tuple(Coverage(view, "all", month) for view in ("commissioner", "provider")),
    )


def _read_workbook(source: Source) -> Extract:
    tables = _tables(source)
    first = next(iter(tables))
    view = _VIEWS[str(_view(source, first))]
    months = {s: parse_month(beside(source, s, "Period:")) for s in tables}
    if None in months.values() or len(set(months.values())) != 1:
        raise ExtractError(
            "the cells beside 'Period:' give "
            + ", ".join(f"{s}: {m}" for s, m in months.items())
            + "; expected the same month on each sheet."
        )
    month = next(m for m in months.values() if m)
    frames = {is_by_test: _read_sheet(source, sheet, view, is_by_test) for sheet, is_by_test in sorted(tables.items())}
    if len(frames) != len(tables):
        raise ExtractError(
            f"the sheets {', '.join(tables)} have the same kind of table, expected one of all tests and one by test."
        )
    rows = _one_table(frames, view)
    published, revised = (stated_day(source, first, label) for label in ("Published:", "Revised:"))
    rows = rows.with_columns(
        pl.lit(month).alias("period_start"),
        *(pl.lit(None, pl.String).alias(c) for c in schema if c not in rows.columns and c != "period_start"),
    )
    return Extract(
        dataset=name,
        layout=f"dm01_{view.name}_workbook",
        rows=rows.select(pl.col(c).cast(t) for c, t in schema.items()),
        coverage=(Coverage(view.name, "all", month),),
        edition="revised" if revised else "unknown",
        published_on=revised or published,
        caveats=non_submitters(source),
    )


def _tables(source: Source) -> dict[str, bool]:
    """The sheets with waiting lists by organisation, and whether they are by test."""
    found = {}
    for sheet in source.sheet_names:
        cells = source.sheet(sheet)
        if (header := find_header(cells, _NEEDED)) is None:
            continue
        if any(have_all(cells[header], [view.code]) for view in _VIEWS.values()):
            found[sheet] = have_all(cells[header], _BY_TEST[:1])
    return found


def _view(source: Source, sheet: str) -> str | None:
    basis = normalise(beside(source, sheet, "Basis:"))
    return next((view for view in _VIEWS if basis.startswith(view)), None)


def _read_sheet(source: Source, sheet: str, view: _View, is_by_test: bool) -> pl.DataFrame:
    """The rows of one sheet with its Total row as England, each proved."""
    where = f"sheet {sheet!r}"
    columns = (*view.columns, *(_BY_TEST if is_by_test else ()), *BANDS, *_COUNTS, *_PROOFS)
    frame = read_table(source, sheet, _NEEDED, columns)
    code, org_name = pl.col(view.code.name), pl.col(view.org_name.name)
    # A footnote has text in one cell and no counts.
    counts = [c.name for c in (*BANDS, *_COUNTS)]
    frame = frame.filter(code.is_not_null() | pl.any_horizontal(pl.col(c).is_not_null() for c in counts))
    frame = typed(frame, columns, where)
    is_england = (code.is_null() & org_name.str.to_lowercase().is_in(["total", "england"])).fill_null(False)
    frame = frame.with_columns(is_england.alias("is_england"))
    if nameless := frame.filter(code.is_null() & ~pl.col("is_england"))["source_row"].to_list():
        raise ExtractError(f"{where} row {nameless[0]}: counts without a {view.name} code, expected one in every row.")
    if (totals := frame.filter("is_england").height) != 1:
        raise ExtractError(f"{where}: {totals} rows named Total, expected one: it may be cut off. Fetch it again.")
    if is_by_test:
        frame = frame.with_columns(
            pl.when("is_england").then(TOTAL).otherwise(pl.col("test_number")).alias("test_number"),
            pl.when("is_england").then(pl.lit("Total")).otherwise(pl.col("test_name")).alias("test_name"),
        )
    else:
        frame = frame.with_columns(test_number=pl.lit(TOTAL, pl.Int64), test_name=pl.lit("Total"))
    no_blanks(frame, (view.org_name, *_BY_TEST), where)
    frame = _proved(frame, [view.code.name], where)
    organisations = frame.filter(~pl.col("is_england") & pl.col("is_total"))
    adds_up(organisations, frame.filter("is_england"), [], _PROVED, where, "the row Total")
    return frame


def _one_table(frames: dict[bool, pl.DataFrame], view: _View) -> pl.DataFrame:
    """Tests of the one sheet, and of the other England and the organisations that have no test.

    Where both sheets give an organisation, they must agree.
    """
    if len(frames) == 1:
        return next(iter(frames.values()))
    all_tests, by_test = frames[False], frames[True]
    totals = by_test.filter("is_total")
    sheet = all_tests["source_sheet"][0]
    known = all_tests.filter(pl.col(view.code.name).is_in(totals[view.code.name].to_list()) | pl.col("is_england"))
    adds_up(totals, known, [view.code.name], _PROVED, f"sheet {sheet!r}", view.name)
    busy = all_tests.join(known, on=view.code.name, how="anti", nulls_equal=True).filter(
        pl.any_horizontal(pl.col(c.name) > 0 for c in _COUNTS)
    )
    if busy.height:
        raise ExtractError(
            f"sheet {sheet!r} row {busy['source_row'][0]}: {busy[view.code.name][0]} has counts and is not on sheet "
            f"{by_test['source_sheet'][0]!r}. The file contradicts itself: fetch it again or ask the publisher."
        )
    others = all_tests.filter(pl.col("is_england")).vstack(
        all_tests.join(known, on=view.code.name, how="anti", nulls_equal=True)
    )
    return pl.concat([others, by_test.filter(~pl.col("is_england"))], how="diagonal")


_PROVED = (Column("in_bands", ("weeks waited",)), *_COUNTS)


def _proved(frame: pl.DataFrame, key: Sequence[str], where: str) -> pl.DataFrame:
    """Rows with their bands as one list: each adds up in itself, and tests add to the total of their organisation."""
    bands = [b.name for b in BANDS]
    no_blanks(frame, (*BANDS, *_COUNTS), where, "a count")
    frame = frame.with_columns(
        pl.concat_list(bands).alias("week_bands"),
        pl.sum_horizontal(bands).alias("in_bands"),
        pl.sum_horizontal(bands[_SIX_WEEKS:]).alias("in_bands_over_6_weeks"),
        pl.sum_horizontal(c.name for c in _COUNTS[1:]).alias("in_activity"),
        (pl.col("test_number") == TOTAL).alias("is_total"),
    )
    rules = [(pl.col("waiting_list") != pl.col("in_bands"), "the weeks do not add to the waiting list", "in_bands")]
    for printed, found, meaning in (
        ("total_activity", "in_activity", "the activities do not add to the total activity"),
        ("over_6_weeks", "in_bands_over_6_weeks", "the weeks from the sixth do not add to the printed 6+ weeks"),
        ("over_13_weeks", "band_13", "the last weeks are not the printed 13+ weeks"),
    ):
        if printed in frame.columns:
            rules.append((pl.col(printed).ne_missing(pl.col(found)), meaning, printed))
    if "share_over_6_weeks" in frame.columns:
        share = pl.col("in_bands_over_6_weeks") / pl.col("waiting_list")
        another = (pl.col("waiting_list") > 0) & ((pl.col("share_over_6_weeks") - share).abs() > 0.0051)
        rules.append((another, "the printed share over 6 weeks is another", "share_over_6_weeks"))
    for broken, meaning, printed in rules:
        off = frame.filter(broken)
        if off.height:
            first = off.row(0, named=True)
            raise ExtractError(
                f"{where} row {first['source_row']} ({' / '.join(str(first[k]) for k in key)}, {first['test_name']}): "
                f"{meaning} (weeks add to {first['in_bands']}, over six {first['in_bands_over_6_weeks']}; waiting list "
                f"{first['waiting_list']}, {printed} {first[printed]}; {off.height} such rows). Fetch the file "
                "again or ask the publisher."
            )
    frame = frame.drop(bands)
    _known_tests(frame, where)
    no_repeats(frame, [*key, "test_number"], where)
    organisations = frame.filter(~pl.col("is_england"))
    totals, tests = organisations.filter("is_total"), organisations.filter(~pl.col("is_total"))
    if tests.height:
        alone = tests.select(key).unique(maintain_order=True).join(totals.select(key), on=list(key), how="anti")
        if alone.height:
            raise ExtractError(
                f"{where}: no row of the test TOTAL for {' / '.join(map(str, alone.row(0)))}"
                f"{f' and {alone.height - 1} others' if alone.height > 1 else ''}. The file may be cut off: fetch it "
                "again."
            )
        adds_up(tests, totals, key, _PROVED, where, "the test TOTAL")
    return frame


def _known_tests(frame: pl.DataFrame, where: str) -> None:
    """Tests are known by their number; a name belongs to one number, and TOTAL to 16."""
    names: dict[str, int] = {}
    numbers: dict[int, str] = {}
    for row in frame.unique(["test_number", "test_name"], maintain_order=True).iter_rows(named=True):
        number, text = row["test_number"], normalise(row["test_name"])
        if not 1 <= number <= TOTAL or (number == TOTAL) != (text == "total"):
            raise UnknownLayoutError(
                f"{where} row {row['source_row']}: test {row['test_name']!r} with number {number}, expected 1 to "
                f"{TESTS}, or TOTAL with {TOTAL}. A new test is added in ccg_pipeline/extracts/diagnostics.py."
            )
        if names.setdefault(text, number) != number or numbers.setdefault(number, text) != text:
            raise ExtractError(
                f"{where} row {row['source_row']}: test {row['test_name']!r} has number {number} here, elsewhere "
                f"{names[text]} is {text!r} and {number} is {numbers[number]!r}. Fetch the file again."
            )
