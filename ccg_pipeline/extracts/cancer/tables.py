"""The tables of one standard, one under another: on a sheet of a workbook or in a one-standard CSV.

A table has a heading row (above it a row of group headings), one row an organisation, then, in most layouts, the
total of England without a code. Right of a blank column stands a second table, the same patients by days waited. Of
several tables one is the whole (ALL CARE, ALL STAGES, ALL ROUTES) and the others are its parts.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace
from datetime import date
from typing import Any

import polars as pl

from ccg_pipeline.extracts.cancer.shape import COUNTS, headings, name, prove_rows
from ccg_pipeline.extracts.cancer.standards import prove_category
from ccg_pipeline.extracts.contract import (
    Column,
    ExtractError,
    PublishedLayout,
    UnknownLayoutError,
    adds_up,
    match_headings,
    no_repeats,
    normalise,
    typed,
)
from ccg_pipeline.extracts.headings import columns_of, named
from ccg_pipeline.extracts.periods import parse_month

Cells = Sequence[Sequence[str | None]]

# Whose figures a table gives, by the heading over the organisations' names.
VIEWS = {
    normalise(heading): view
    for view in ("commissioner", "icb", "provider")
    for heading in named(columns_of(name, f"tables_by_{view}"), "org_name").headings
}
_MAP = columns_of(name, "tables")
_CODES = named(_MAP, "org_code").headings
_TOTALS = headings(*named(_MAP, "patients").headings)
_ENGLAND = headings("ENGLAND", "ALL ENGLISH COMMISSIONERS", "ALL ENGLISH PROVIDERS")
_WHOLES = headings("ALL CARE", "ALL STAGES", "ALL ROUTES", "ALL REFERRAL ROUTES")
_DAYS = (14, 28, 31, 62)
# An ODS code; the longer ones all have a digit, and a word such as ENGLAND or TOTAL has none.
_ODS_CODE = re.compile(r"[A-Z0-9]{3}|(?=.*[0-9])[A-Z0-9]{4,7}|UNKNOWN")


def _columns(kind: str) -> tuple[Column, ...]:
    return (
        *(replace(c, kind=kind) if c.name == "patients" else c for c in _MAP),
        Column("org_name", tuple(h.upper() for h in VIEWS)),
        Column("patients_within", tuple(f"WITHIN {d} DAYS" for d in _DAYS), kind),
        Column("patients_after", tuple(f"AFTER {d} DAYS" for d in _DAYS), kind),
    )


_BAND = re.compile(r"(within|after|(in )?\d+ to) \d+ days")
_FOOTNOTES = re.compile(r"(\s*\(\d+\))+\s*$")
# What a spreadsheet leaves where a formula failed; some published CSVs carry whole rows of it.
_DEBRIS = frozenset({"#DIV/0!", "#VALUE!", "#N/A", "#REF!", "#NUM!", "#NAME?", "#NULL!"})


def published(name: str, told_by: str, view: str, **sheets: Any) -> PublishedLayout:
    """A layout of such tables, for `contract.PublishedLayout`; the share may have its heading in the row above."""
    columns = [c for c in _columns("count") if c.name != "org_name"]
    return PublishedLayout(
        name,
        told_by,
        (
            *columns_of("cancer", f"tables_by_{view}"),
            *(replace(c, required=c.required and c.name != "share_within") for c in columns),
        ),
        passed_over=_BAND.pattern,
        footnotes=_FOOTNOTES.pattern,
        **sheets,
    )


def heading_text(cell: str | None) -> str:
    """A heading without its footnote marks: ``PROVIDER`` for ``PROVIDER (4) (5)``."""
    return _FOOTNOTES.sub("", cell or "").strip()


def is_heading_row(row: Sequence[str | None]) -> bool:
    """Whether it heads a table: a code, a total, and the patients within some days."""
    found = {normalise(heading_text(c)) for c in row}
    return bool(found & headings(*_CODES)) and bool(found & _TOTALS) and any(f"within {d} days" in found for d in _DAYS)


def organisation_heading(cells: Cells) -> str | None:
    """What a table calls its organisations, from its first heading row; where none is known, the one by a code."""
    for row in cells:
        if is_heading_row(row):
            texts = [heading_text(c) for c in row]
            code = next(i for i, t in enumerate(texts) if normalise(t) in headings(*_CODES))
            return next((t for t in texts if normalise(t) in VIEWS), texts[code + 1] if code + 1 < len(texts) else None)
    return None


def read_month(cells: Cells) -> list[date]:
    """The months that the lines above a table name; a date, a text or an Excel serial."""
    lines = [row[0] for row in cells[:12] if row and row[0] and len(row[0]) < 60 and not is_heading_row(row)]
    return sorted({m for line in lines if (m := parse_month(line))})


def read_tables(cells: Cells, standard: str, where: str) -> pl.DataFrame:
    """Every row of the tables, in the columns of `shape.schema` but for sheet and month; proved.

    Raises `ExtractError` where a heading is not known, a row is not what it should be, rows do not add to England's,
    or parts to the whole.
    """
    cells = [[None if c in _DEBRIS else c for c in row] for row in cells]
    starts = [i for i, row in enumerate(cells) if is_heading_row(row)]
    if not starts:
        raise UnknownLayoutError(
            f"{where}: no header row with a code ({' or '.join(_CODES)}), TOTAL and WITHIN ... DAYS. Check that the "
            "file is as published; a new layout is added in ccg_pipeline/extracts/cancer."
        )
    first = _Headings(cells, starts[0], standard, where)
    tables = []
    for start, end in zip(starts, [*starts[1:], len(cells)], strict=True):
        first.same_in(cells[start], start, where)
        tables.append(first.read(cells, start, end, where))
    stages = _stages(tables, where)
    if len(tables) > 1:
        _prove_parts(tables, stages, first.columns, where)
    counted = [stage is None or normalise(stage) in _WHOLES for stage in stages]
    return pl.concat(
        [t.with_columns(pl.lit(c).alias("is_counted")) for t, c in zip(tables, counted, strict=True)], how="diagonal"
    ).with_columns(pl.lit(first.view).alias("view"), pl.lit(standard).alias("standard"))


class _Headings:
    """The heading row of a first table: where each column stands, in it and in the tables below."""

    def __init__(self, cells: Cells, start: int, standard: str, where: str) -> None:
        row, above = cells[start], cells[start - 1] if start else []
        texts = [heading_text(c) for c in row]
        after = max(i for i, t in enumerate(texts) if normalise(t) in _TOTALS or _is_count(t, texts, i))
        # The share has its heading in this row, or only in the row of groups above.
        if after + 1 < len(texts) and not texts[after + 1] and after + 1 < len(above):
            texts[after + 1] = heading_text(above[after + 1])
        gap = next((i for i in range(after + 1, len(texts)) if not texts[i]), len(texts))
        unknown = [t for t in texts[gap:] if t and not _BAND.fullmatch(normalise(t))]
        if unknown:
            raise UnknownLayoutError(
                f"{where} row {start + 1}: unknown heading {unknown[0]!r} right of the blank column, expected days "
                "waited such as '32 TO 38 DAYS'. A new layout is added in ccg_pipeline/extracts/cancer."
            )
        name_heading = organisation_heading([row])
        self.view = VIEWS.get(normalise(name_heading), "provider")
        self.columns = _columns("decimal" if self.view == "provider" else "count")
        positions = match_headings(texts[:gap], self.columns, f"{where} row {start + 1}")
        days = 14 if standard.startswith("two_week") else int(standard[:2])
        for column, word in (("patients_within", "WITHIN"), ("patients_after", "AFTER")):
            if normalise(texts[positions[column]]) != f"{word} {days} DAYS".casefold():
                raise ExtractError(
                    f"{where} row {start + 1}: found {texts[positions[column]]!r}, expected '{word} {days} DAYS' for "
                    "this standard. Fetch the file again."
                )
        self.row, self.positions, self.standard = list(row), positions, standard
        self.bands = [i for i in range(gap, len(texts)) if texts[i]]

    def same_in(self, row: Sequence[str | None], start: int, where: str) -> None:
        """Raises `ExtractError` where a table below has other headings; that of the share may be blank."""
        for i, (ours, theirs) in enumerate(zip(self.row, row, strict=True)):
            if normalise(ours) != normalise(theirs) and ((ours and theirs) or i != self.positions["share_within"]):
                raise ExtractError(
                    f"{where} row {start + 1}: heading {theirs!r} in column {i + 1}, expected {ours!r} as in the table "
                    "above. Fetch the file again."
                )

    def read(self, cells: Cells, start: int, end: int, where: str) -> pl.DataFrame:
        """The rows of the table between two heading rows, each proved, and proved to add to England's."""
        named = {*self.positions.values(), *self.bands}
        data: list[dict[str, str | int | None]] = []
        by_days: list[tuple[int, list[str | None]]] = []
        last = self._last_row(cells, start, end)
        for number, row in enumerate(cells[start + 1 : end], start + 2):
            found: dict[str, str | int | None] = {c: row[i] for c, i in self.positions.items()}
            if number > last:
                self._prove_below(row, number, groups=number == end and end < len(cells), where=where)
                continue
            if not any(row) and self._is_england(next((r for r in cells[number:last] if any(r)), row)):
                continue  # blank, over England's
            self._prove_code(row, number, number == last, where)
            for i, cell in enumerate(row):
                if cell is not None and i not in named:
                    raise ExtractError(
                        f"{where} row {number}: column {i + 1} holds {cell!r} and has no heading in row {start + 1}."
                    )
            data.append({"source_row": number, **found})
            by_days.append((number, [row[i] for i in self.bands]))
        if not data:
            raise ExtractError(f"{where}: headings in row {start + 1} and no row follows. Fetch the file again.")
        frame = pl.DataFrame(data, schema={"source_row": pl.Int64, **dict.fromkeys(self.positions, pl.String)})
        share = pl.col("share_within")
        frame = frame.with_columns(share.str.strip_suffix("%"), share.str.ends_with("%").alias("in_per_cent"))
        frame = typed(frame, self.columns, where).with_columns(
            pl.when("in_per_cent").then(share / 100).otherwise(share).alias("share_within"),
            pl.col(COUNTS).cast(pl.Float64),
        )
        frame = frame.with_columns(pl.col("org_code").is_null().alias("is_total"))
        prove_category(frame, self.standard, where)
        prove_rows(frame, self.columns, where)
        _prove_days(frame, by_days, where)
        no_repeats(frame.filter(~pl.col("is_total")), ["org_code"], where)
        england = frame.filter("is_total")
        if england.height:
            total = f"the row {england['org_name'][0]}"
            adds_up(frame.filter(~pl.col("is_total")), england, [], _of_counts(self.columns), where, total)
        return frame.drop("in_per_cent", *({"ons_code"} & set(frame.columns)))

    def _is_england(self, row: Sequence[str | None]) -> bool:
        return normalise(row[self.positions["org_name"]]) in _ENGLAND

    def _last_row(self, cells: Cells, start: int, end: int) -> int:
        """The number of the table's last row, as a spreadsheet counts: the last with a code, or England's."""
        code = self.positions["org_code"]
        numbers = range(start + 2, end + 1)
        return max((n for n in numbers if cells[n - 1][code] or self._is_england(cells[n - 1])), default=start + 1)

    def _prove_code(self, row: Sequence[str | None], number: int, is_last: bool, where: str) -> None:
        """Raises `ExtractError` where a row of the table has no code, or one that is none; England's is the last."""
        code = row[self.positions["org_code"]]
        shown = ", ".join(str(c) for c in row if c is not None)[:120] or "blank"
        if code is None and not (is_last and self._is_england(row)):
            raise ExtractError(
                f"{where} row {number} ({shown}): no code, and the table goes on below, expected a code in every row "
                "but England's, the last. The file is damaged: fetch it again."
            )
        if code is not None and (self._is_england(row) or not _ODS_CODE.fullmatch(code)):
            raise ExtractError(
                f"{where} row {number} ({shown}): found the code {code!r}, expected an ODS code (three to seven "
                "capital letters and digits) or UNKNOWN, and none for England. Fetch the file again."
            )

    def _prove_below(self, row: Sequence[str | None], number: int, *, groups: bool, where: str) -> None:
        """Below its last row a table has footnotes and titles, a text in one cell; over the next, a row of groups."""
        filled = [cell for cell in row if cell is not None]
        if len(filled) < 2 and not any(row[self.positions[c]] for c in COUNTS):
            return
        if not (groups and row[self.positions["org_name"]] is None):
            raise ExtractError(
                f"{where} row {number} ({', '.join(map(str, filled))[:120]}): no code, and below the table's last row, "
                "expected a footnote in one cell. The row has lost its code: fetch the file again."
            )


def _is_count(text: str, texts: Sequence[str], position: int) -> bool:
    """Whether a heading is one of the two counts beside TOTAL, not a band of days right of the blank column."""
    left = texts[:position]
    return (
        bool(re.fullmatch(r"(within|after) (14|28|31|62) days", normalise(text)))
        and bool(left)
        and (normalise(left[-1]) in _TOTALS or (len(left) > 1 and normalise(left[-2]) in _TOTALS))
    )


def _of_counts(columns: Sequence[Column]) -> list[Column]:
    return [c for c in columns if c.name in COUNTS]


def _stages(tables: Sequence[pl.DataFrame], where: str) -> list[str | None]:
    """The stage or care setting of each table; exactly one of them is the whole."""
    stages: list[str | None] = []
    for table in tables:
        found = table["stage"].unique(maintain_order=True).to_list() if "stage" in table.columns else [None]
        if len(found) > 1:
            raise ExtractError(
                f"{where} row {table['source_row'][0]} and on: one table holds {', '.join(map(str, found))}, expected "
                "one of them in a table. Fetch the file again."
            )
        stages.append(found[0])
    if stages != [None] and sum(normalise(s) in _WHOLES for s in stages) != 1:
        raise ExtractError(
            f"{where}: tables of {', '.join(map(str, stages))}, expected exactly one of the whole (ALL CARE, ALL "
            "STAGES or ALL ROUTES). The file is cut off, or its layout is new: fetch it again."
        )
    return stages


def _prove_parts(
    tables: Sequence[pl.DataFrame], stages: Sequence[str | None], columns: Sequence[Column], where: str
) -> None:
    """The parts add to the whole, for each organisation and England."""
    whole = next(t for t, s in zip(tables, stages, strict=True) if normalise(s) in _WHOLES)
    parts = [t for t in tables if t is not whole]
    if len({t["is_total"].any() for t in tables}) > 1:
        raise ExtractError(f"{where}: some tables end in a row for England and some do not. Fetch the file again.")
    organisation = pl.col("org_code").fill_null("ENGLAND")
    adds_up(
        pl.concat(parts, how="diagonal").with_columns(organisation),
        whole.with_columns(organisation),
        ["org_code"],
        _of_counts(columns),
        where,
        f"the table {next(s for s in stages if normalise(s) in _WHOLES)}",
    )


def _prove_days(frame: pl.DataFrame, by_days: Sequence[tuple[int, list[str | None]]], where: str) -> None:
    """The patients by days waited, where the file has them, add to the row's total."""
    for (number, cells), total in zip(by_days, frame["patients"], strict=True):
        if not cells:
            return
        try:
            found = sum(float(c or 0) for c in cells)
        except ValueError:
            bad = next(c for c in cells if c and not re.fullmatch(r"\d+(\.\d+)?", c))
            raise ExtractError(
                f"{where} row {number}: found {bad!r} among the days waited, expected a number. Fetch the file again."
            ) from None
        if found != total:
            raise ExtractError(
                f"{where} row {number}: the days waited add to {found:.10g} patients, its total is {total:.10g}. The "
                "file contradicts itself: fetch it again or ask the publisher."
            )
