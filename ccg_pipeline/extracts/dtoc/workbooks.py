"""The monthly workbooks by local authority (2011 to 2020), and by provider in the same shape.

One sheet each for type of care, responsible organisation and reason, told apart by their headings: organisations with a
total, below England's own row. From April 2017 two groups repeat the headings of the first two sheets, days and then
`DTOC Beds` (`Average Number of People Delayed per Day` from May 2019). A fourth sheet has England by setting, reason
and who is responsible. All of them are the same days, so each is proved against the others, without tolerance.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date

import polars as pl

from ccg_pipeline.extracts.contract import (
    Column,
    Coverage,
    Extract,
    ExtractError,
    PublishedLayout,
    UnknownLayoutError,
    adds_up,
    are_codes,
    no_repeats,
    normalise,
    typed,
)
from ccg_pipeline.extracts.dtoc.shape import REASON_COLUMNS, REASONS, SETTINGS, WHO, beds_agree, in_schema, name, whole
from ccg_pipeline.extracts.headings import columns_of, pick
from ccg_pipeline.extracts.periods import parse_month
from ccg_pipeline.extracts.source import Source
from ccg_pipeline.extracts.spreadsheet import beside, find_header, read_table, stated_day

_DAYS_GROUP = ("Delayed Days", "Number of Delayed Days during the reporting period")
_BEDS_GROUP = ("DTOC Beds", "Average Number of People Delayed per Day")
# Beds are printed to nine decimals.
BEDS_ROUNDING = 1e-9


def days_column(name: str, *headings: str) -> Column:
    """Days under a heading that stands alone, or in the group of days."""
    return Column(name, (*headings, *(f"{g}: {h}" for g in _DAYS_GROUP for h in headings)), "count")


def beds_column(name: str, heading: str) -> Column:
    return Column(name, tuple(f"{g}: {heading}" for g in _BEDS_GROUP), "decimal", required=False)


@dataclass(frozen=True)
class Breakdown:
    """A table that breaks the same days down: ``columns`` in pairs of days and, where it has them, beds."""

    name: str
    columns: tuple[Column, ...]
    beds: tuple[Column, ...] = ()

    @property
    def parts(self) -> tuple[Column, ...]:
        return self.columns[:-1]

    @property
    def total(self) -> Column:
        return self.columns[-1]


_TOTAL = days_column("total_days", "Total")
_TOTAL_BEDS = beds_column("total_beds", "Total")
_WHO_HEADINGS = dict(zip(WHO, ("NHS", "Social Care", "Both"), strict=True))
RESPONSIBLE = Breakdown(
    "responsible",
    (*(days_column(f"{who}_days", h) for who, h in _WHO_HEADINGS.items()), _TOTAL),
    (*(beds_column(f"{who}_beds", h) for who, h in _WHO_HEADINGS.items()), _TOTAL_BEDS),
)
SETTING = Breakdown(
    "setting",
    (*(days_column(s, s) for s in SETTINGS), _TOTAL),
    (*(beds_column(f"{s} beds", s) for s in SETTINGS), _TOTAL_BEDS),
)
# Other is a reason from April 2017 only.
REASON = Breakdown(
    "reason",
    (*REASON_COLUMNS, _TOTAL),
)
BREAKDOWNS = (RESPONSIBLE, SETTING, REASON)

_PLACE = columns_of(name, "workbook_organisations")
_ORGANISATION = pick(_PLACE, "org_code", "org_name")
_CODE_COLUMN = _ORGANISATION[0]
_CROSSED = columns_of(name, "workbook_england")
_SETTING_AND_REASON = pick(_CROSSED, "setting", "reason")
_ENGLAND_TABLE = (
    *_SETTING_AND_REASON,
    *(replace(c, suppressible=True) for c in pick(_CROSSED, *(f"{who}_days" for who in WHO))),
)


def published(name: str, told_by: str, keys: Sequence[Column], has_beds: bool) -> PublishedLayout:
    """A layout of the three breakdowns, each on its sheet; that by responsible organisation tells it from others."""
    own = {c.name for c in (*RESPONSIBLE.columns, *keys)}
    others = [c for c in (*SETTING.columns, *SETTING.beds, *REASON.columns, *_SETTING_AND_REASON) if c.name not in own]
    beds = {c.name: replace(c, required=True) for c in RESPONSIBLE.beds} if has_beds else {}
    optional = (replace(c, required=False) for c in others if c.name not in beds)
    return PublishedLayout(
        name,
        told_by,
        (*keys, *RESPONSIBLE.columns, *beds.values(), *optional),
        is_workbook=True,
        grouped=has_beds,
    )


layouts = tuple(
    published(
        f"dtoc_{view}_workbook{'_with_beds' if has_beds else ''}",
        f"a workbook titled Delayed Transfers on the basis of {view.replace('_', ' ')}, days "
        f"{'beside beds' if has_beds else 'alone'}",
        _PLACE,
        has_beds,
    )
    for view in ("local_authority", "provider")
    for has_beds in (False, True)
)
_BASES = {"local authority": "local_authority", "provider": "provider"}
_LOCAL_AUTHORITY_CODE = r"^[0-9]{2}[0-9A-Z]{1,2}$"


def titled(source: Source) -> list[str]:
    """The sheets whose title is of delayed transfers."""
    return [s for s in source.sheet_names if normalise(beside(source, s, "Title:")).startswith("delayed transfer")]


def needed(breakdown: Breakdown) -> list[str]:
    """The headings by which a sheet is known to have the breakdown."""
    if breakdown is REASON:
        return []
    return [c.headings[0] for c in breakdown.columns]


def breakdown_of(cells: Sequence[Sequence[str | None]], beside_it: Sequence[str | Column]) -> Breakdown | None:
    """What a sheet breaks days down by, from its headings; None where it is no such table."""
    for breakdown in (RESPONSIBLE, SETTING):
        if find_header(cells, [*beside_it, *needed(breakdown)]) is not None:
            return breakdown
    header = find_header(cells, [*beside_it, "Total"])
    if header is not None and any(re.match(r"\s*[a-z]{1,3}\)", normalise(c)) for c in cells[header]):
        return REASON
    return None


def table_of(source: Source, sheet: str, breakdown: Breakdown, keys: tuple[Column, ...]) -> pl.DataFrame:
    """The rows of a breakdown's table, to its notes: each whole, its parts proved to add to its total."""
    where = f"sheet {sheet!r}"
    cells = source.sheet(sheet)
    wanted: list[str | Column] = [*(c for c in keys if c.required), "Total"]
    header = find_header(cells, wanted)
    assert header is not None
    groups = {normalise(g) for g in (*_DAYS_GROUP, *_BEDS_GROUP)}
    grouped = header > 0 and any(normalise(c) in groups for c in cells[header - 1])
    frame = read_table(source, sheet, wanted, (*keys, *breakdown.columns, *breakdown.beds), grouped=grouped)
    frame = _without_dashes(_to_the_notes(frame, where), breakdown)
    frame = typed(frame, (*breakdown.columns, *breakdown.beds), where)
    has_days = [c for c in breakdown.columns if c.name in frame.columns]
    has_beds = [c for c in breakdown.beds if c.name in frame.columns]
    if has_beds and len(has_beds) < len(breakdown.beds):
        absent = next(c for c in breakdown.beds if c not in has_beds)
        raise ExtractError(f"{where}: heading {absent.headings[0]!r} missing beside the other beds.")
    not_reported = pl.all_horizontal(pl.col(c.name).is_null() for c in has_days[:-1]) & (pl.col("total_days") == 0)
    whole(frame.filter(~not_reported), [*has_days, *has_beds], where)
    whole(frame, has_days[-1:], where)
    absent_days = [c.name for c in breakdown.columns if c not in has_days]
    frame = frame.with_columns(pl.lit(None, pl.Int64).alias(c) for c in absent_days)
    _parts_add_up(frame, breakdown, where)
    return frame


def _without_dashes(frame: pl.DataFrame, breakdown: Breakdown) -> pl.DataFrame:
    """An organisation that nobody reported for has `-` in every part beside a total of 0: absent, and no zero.

    A dash among figures stays, for `typed` to refuse.
    """
    days, beds = (
        [c.name for c in columns if c.name in frame.columns] for columns in (breakdown.columns, breakdown.beds)
    )
    is_dashed = pl.all_horizontal(pl.col(c) == "-" for c in days[:-1]).fill_null(False) & (pl.col(days[-1]) == "0")
    emptied = [*days[:-1], *beds]
    return frame.with_columns(pl.when(is_dashed).then(None).otherwise(pl.col(c)).alias(c) for c in emptied)


def _to_the_notes(frame: pl.DataFrame, where: str) -> pl.DataFrame:
    """The rows above the first that is a note, which has nothing but its first cell; below it are notes only."""
    others = [c for c in frame.columns if c not in ("source_sheet", "source_row", frame.columns[2])]
    is_note = pl.all_horizontal(pl.col(c).is_null() for c in others)
    notes = frame.filter(is_note)
    if not notes.height:
        return frame
    first = notes["source_row"][0]
    if not normalise(notes.row(0, named=True)[frame.columns[2]]).startswith("note"):
        raise ExtractError(
            f"{where} row {first}: {notes.row(0)[2]!r} and no figures, expected a whole row or 'Notes:'."
        )
    below = frame.filter((pl.col("source_row") > first) & ~is_note)
    if below.height:
        raise ExtractError(f"{where} row {below['source_row'][0]}: figures below the notes of row {first}.")
    return frame.filter(pl.col("source_row") < first)


def _parts_add_up(frame: pl.DataFrame, breakdown: Breakdown, where: str) -> None:
    total = pl.col(breakdown.total.name)
    off = frame.filter(pl.sum_horizontal(c.name for c in breakdown.parts) != total)
    if off.height:
        first = off.row(0, named=True)
        parts = sum(first[c.name] or 0 for c in breakdown.parts)
        raise ExtractError(
            f"{where} row {first['source_row']}: Total gives {first[breakdown.total.name]}, its parts by "
            f"{breakdown.name} add to {parts}. The file contradicts itself: fetch it again or ask the publisher."
        )


def as_rows(frame: pl.DataFrame, breakdown: Breakdown) -> pl.DataFrame:
    """A table's rows as `shape.schema` has them: settings and reasons from columns to rows of total days."""
    frame = frame.with_columns(pl.lit(breakdown.name).alias("breakdown"))
    if breakdown is RESPONSIBLE:
        return in_schema(frame)
    label = "setting" if breakdown is SETTING else "reason_for_delay"
    long = []
    for part in breakdown.parts:
        beds = f"{part.name} beds"
        rows = frame.filter(pl.col(part.name).is_not_null()).with_columns(
            pl.lit(part.name).alias(label),
            pl.col(part.name).alias("total_days"),
            (pl.col(beds) if beds in frame.columns else pl.lit(None, pl.Float64)).alias("total_beds"),
        )
        long.append(in_schema(rows))
    return pl.concat(long)


def recognise(source: Source) -> float:
    """By a title of delayed transfers, and organisations beside one of the three breakdowns."""
    sheets = titled(source)
    if any(breakdown_of(source.sheet(s), _ORGANISATION) for s in sheets):
        return 1.0
    return 0.6 if sheets else 0.0


def read(source: Source) -> Extract:
    """One month: the three breakdowns by organisation and England's own table, proved against one another."""
    tables: dict[str, str] = {}
    for sheet in source.sheet_names:
        cells = source.sheet(sheet)
        breakdown = breakdown_of(cells, _ORGANISATION)
        if breakdown is not None:
            kind = breakdown.name
        elif find_header(cells, _SETTING_AND_REASON) is not None:
            kind = "england"
        elif normalise(sheet) in ("data quality", "notes") or not any(c for row in cells for c in row):
            continue
        else:
            raise UnknownLayoutError(
                f"sheet {sheet!r} is none that this layout knows (organisations by type of care, responsible "
                "organisation or reason; England; Data Quality; Notes). Check that the file is as published; a new "
                "layout is added in ccg_pipeline/extracts/dtoc/workbooks.py."
            )
        if kind in tables:
            raise ExtractError(f"sheets {tables[kind]!r} and {sheet!r} hold the same table, by {kind}; expected one.")
        tables[kind] = sheet
    missing = [b.name for b in BREAKDOWNS if b.name not in tables]
    if missing:
        raise UnknownLayoutError(
            f"no sheet by {' or by '.join(missing)} among {', '.join(source.sheet_names)}; expected one by each of "
            "responsible organisation, setting and reason. Fetch the file again."
        )
    sheets = list(tables.values())
    period, basis = _same(source, sheets, "Period:"), _same(source, sheets, "Basis:")
    month, view = parse_month(period), _BASES.get(normalise(basis))
    if month is None:
        raise ExtractError(f"sheet {sheets[0]!r}: no month can be read from 'Period:' {period!r}.")
    if view is None:
        raise ExtractError(f"sheet {sheets[0]!r}: 'Basis:' {basis!r}, expected Local Authority or Provider.")
    frames = {b.name: _organisations(source, tables[b.name], b, view, month) for b in BREAKDOWNS}
    _same_organisations(frames, tables)
    rows = [as_rows(_with_names(frames[b.name], view), b) for b in BREAKDOWNS]
    if "england" in tables:
        rows.append(_england(source, tables["england"], frames, tables, view, month))
    published, revised = (_latest_day(source, sheets, label) for label in ("Published:", "Revised:"))
    has_beds = RESPONSIBLE.beds[0].name in frames[RESPONSIBLE.name].columns
    return Extract(
        dataset=name,
        layout=f"dtoc_{view}_workbook{'_with_beds' if has_beds else ''}",
        rows=pl.concat(rows),
        coverage=(Coverage(view, "all", month),),
        edition="revised" if revised else "unknown",
        published_on=revised or published,
        caveats=_said_of_the_data(source),
    )


def _same(source: Source, sheets: list[str], label: str) -> str | None:
    """What all sheets say beside a label of their front lines."""
    texts = {normalise(beside(source, s, label)): (s, beside(source, s, label)) for s in sheets}
    if len(texts) > 1:
        said = "; ".join(f"{s!r}: {text!r}" for s, text in texts.values())
        raise ExtractError(f"the sheets do not agree on {label!r} ({said}). Correct the copy or fetch the file again.")
    return next(iter(texts.values()))[1]


def _latest_day(source: Source, sheets: list[str], label: str) -> date | None:
    """The latest day that a sheet states beside the label: sheets are revised one by one."""
    days = [day for day in (stated_day(source, s, label) for s in sheets) if day]
    return max(days, default=None)


def _organisations(source: Source, sheet: str, breakdown: Breakdown, view: str, month: date) -> pl.DataFrame:
    """A sheet's rows, organisations proved to add to England's; ``org_code`` is null for England."""
    where = f"sheet {sheet!r}"
    frame = _blank_dashes(table_of(source, sheet, breakdown, _PLACE)).with_columns(
        pl.lit(month).alias("period_start"), pl.lit(view).alias("view")
    )
    frame = frame.with_columns(
        (pl.col("org_code").is_null() & (pl.col("org_name").str.to_lowercase() == "england"))
        .fill_null(False)
        .alias("is_england")
    )
    england, organisations = frame.filter("is_england"), frame.filter(~pl.col("is_england"))
    if england.height != 1 or not organisations.height:
        raise ExtractError(
            f"{where}: {england.height} rows of England and {organisations.height} of organisations, expected one and "
            "some. Fetch the file again."
        )
    if view == "provider":
        are_codes(organisations, _CODE_COLUMN, where)
    else:
        _are_local_authority_codes(organisations, where)
    no_repeats(organisations, ["org_code"], where)
    adds_up(organisations, england, [], breakdown.columns, where, "England")
    if _TOTAL_BEDS.name in frame.columns:
        reported = frame.filter(pl.col(_TOTAL_BEDS.name).is_not_null())
        beds_agree(reported, list(zip(breakdown.columns, breakdown.beds, strict=True)), BEDS_ROUNDING, where)
    return frame


def _are_local_authority_codes(organisations: pl.DataFrame, where: str) -> None:
    code = pl.col("org_code")
    odd = organisations.filter(code.is_null() | ~code.str.contains(_LOCAL_AUTHORITY_CODE))
    if odd.height:
        raise ExtractError(
            f"{where} row {odd['source_row'][0]}, column {_CODE_COLUMN.headings[0]!r}: found {odd['org_code'][0]!r}, "
            "expected the code of a local authority, such as 606 or 00EQ. A spreadsheet may have changed it: fetch the "
            "file again."
        )


def _blank_dashes(frame: pl.DataFrame) -> pl.DataFrame:
    """A dash where a region or code does not apply (England, residents of other countries) is none."""
    columns = [c.name for c in _PLACE if c.name in frame.columns]
    return frame.with_columns(pl.when(pl.col(c) == "-").then(None).otherwise(pl.col(c)).alias(c) for c in columns)


def _same_organisations(frames: dict[str, pl.DataFrame], tables: dict[str, str]) -> None:
    """The three sheets have the same organisations, under one name each, with the same total."""
    identity = ("is_england", "org_code", "org_name", "source_row", "total_days")
    reference = frames[RESPONSIBLE.name].select(identity)
    for breakdown in (SETTING, REASON):
        other = frames[breakdown.name].select(identity)
        joined = reference.join(other, on=["is_england", "org_code"], how="full", nulls_equal=True, suffix="_there")
        names = [pl.col(c).str.to_lowercase() for c in ("org_name", "org_name_there")]
        same = (pl.col("total_days") == pl.col("total_days_there")) & names[0].eq_missing(names[1])
        off = joined.filter(~same.fill_null(False))
        if off.height:
            row = off.sort("source_row", "source_row_there", nulls_last=True).row(0, named=True)
            raise ExtractError(
                f"{row['org_code'] or row['org_code_there'] or 'England'}: "
                f"{_in_words(row['org_name'], row['total_days'])} in sheet {tables[RESPONSIBLE.name]!r} (row "
                f"{row['source_row']}) and {_in_words(row['org_name_there'], row['total_days_there'])} in sheet "
                f"{tables[breakdown.name]!r} (row {row['source_row_there']}); expected one name with the same days in "
                "both. The file contradicts itself: fetch it again or ask the publisher."
            )


def _in_words(name_there: str | None, days: int | None) -> str:
    return "no row" if days is None else f"{name_there} with {days} days"


def _with_names(frame: pl.DataFrame, view: str) -> pl.DataFrame:
    """Code and name of the organisation in the columns of its kind."""
    return frame.with_columns(
        pl.col("org_code").alias(f"{view}_code"),
        pl.when("is_england").then(None).otherwise(pl.col("org_name")).alias(f"{view}_name"),
    )


def _england(
    source: Source,
    sheet: str,
    frames: dict[str, pl.DataFrame],
    tables: dict[str, str],
    view: str,
    month: date,
) -> pl.DataFrame:
    """England by setting, reason and who is responsible, proved against England's rows of the other sheets.

    `NA` stands where nobody of that column can be responsible for the reason.
    """
    where = f"sheet {sheet!r}"
    frame = typed(read_table(source, sheet, _SETTING_AND_REASON, _ENGLAND_TABLE), _ENGLAND_TABLE, where, "NA")
    codes = {normalise(h): code for code, headings in REASONS.items() for h in headings}
    frame = frame.with_columns(
        pl.col("setting").forward_fill().str.to_titlecase(),
        pl.col("reason").map_elements(lambda h: codes.get(normalise(h)), return_dtype=pl.String).alias("code"),
    ).rename({"suppressed_measures": "not_applicable_measures"})
    unknown = frame.filter(
        ~pl.col("setting").is_in(SETTINGS) | (pl.col("code").is_null() & (pl.col("reason") != "-").fill_null(True))
    )
    if unknown.height:
        first = unknown.row(0, named=True)
        raise UnknownLayoutError(
            f"{where} row {first['source_row']}: {first['setting']!r} with {first['reason']!r} is no setting and "
            "reason that this layout knows. A new reason is added in ccg_pipeline/extracts/headings/dtoc.csv."
        )
    days = _ENGLAND_TABLE[2:]
    for column in days:
        blank = frame.filter(
            pl.col(column.name).is_null() & ~pl.col("not_applicable_measures").list.contains(column.name)
        )
        if blank.height:
            raise ExtractError(
                f"{where} row {blank['source_row'][0]}, column {column.headings[0]!r}: blank, expected days."
            )
    no_repeats(frame, ["setting", "reason"], where)
    totals, detail = frame.filter(pl.col("code").is_null()), frame.filter(pl.col("code").is_not_null())
    adds_up(detail, totals, ["setting"], days, where, "the total")
    england = {b.name: frames[b.name].filter("is_england").row(0, named=True) for b in BREAKDOWNS}
    detail = detail.with_columns(pl.sum_horizontal(c.name for c in days).alias("days"))
    by_reason = dict(detail.group_by("code").agg(pl.col("days").sum()).rows())
    by_setting = dict(detail.group_by("setting").agg(pl.col("days").sum()).rows())
    found = {
        RESPONSIBLE: [detail[c.name].sum() for c in days],
        SETTING: [by_setting.get(s, 0) for s in SETTINGS],
        REASON: [by_reason.get(code, 0) for code in REASONS],
    }
    for breakdown, figures in found.items():
        for part, figure in zip(breakdown.parts, figures, strict=True):
            stated = england[breakdown.name][part.name] or 0
            if figure != stated:
                raise ExtractError(
                    f"{where}: the rows for {part.headings[0]!r} add to {figure}, England in sheet "
                    f"{tables[breakdown.name]!r} (row {england[breakdown.name]['source_row']}) gives {stated}. The "
                    "file contradicts itself: fetch it again or ask the publisher."
                )
    return in_schema(
        detail.drop("days").with_columns(
            pl.lit(month).alias("period_start"),
            pl.lit(view).alias("view"),
            pl.lit("setting_and_reason").alias("breakdown"),
            pl.lit(True).alias("is_england"),
            pl.col("code").alias("reason_for_delay"),
        )
    )


_CODE = re.compile(r"[A-Z][A-Z0-9]{2,5}")


def _said_of_the_data(source: Source) -> tuple[str, ...]:
    """The free text of the Data Quality and Notes sheets: each sentence, with the codes listed below it.

    What lists no code is given as it stands, for a person to read.
    """
    said: list[tuple[str, list[str]]] = []
    for sheet in source.sheet_names:
        if normalise(sheet) not in ("data quality", "notes"):
            continue
        for row in source.sheet(sheet):
            cells = [c for c in row if c]
            if cells and _CODE.fullmatch(cells[0]) and said:
                said[-1][1].append(cells[0])
            elif cells:
                said.append((" ".join(" ".join(cells).split()).rstrip(":"), []))
    return tuple(
        f"{sentence}: {', '.join(codes)}" if codes else f"{sentence[:300]} (as the file says, no code given)"
        for sentence, codes in said
    )
