"""What ``ccg layout`` says of a file: its layout and how its headings are mapped, or the draft of a map for a new one.

A draft is for a person to check. Rows are drafted for headings that are probably a known column under another name;
what a heading means that is like none, nobody can tell from the heading.
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

from ccg_pipeline import extracts
from ccg_pipeline.extracts.contract import ExtractError, UnknownLayoutError
from ccg_pipeline.extracts.headings import FIELDS, columns_of, named
from ccg_pipeline.extracts.layouts import (
    Cells,
    Comparison,
    Mapped,
    compare,
    header_row,
    is_number,
    separator_of,
    sheets_of,
)
from ccg_pipeline.extracts.periods import parse_month
from ccg_pipeline.extracts.source import Source
from ccg_pipeline.visible import guarded

_CSV_FIELDS = (
    "sheet",
    "header_row",
    "heading",
    "match",
    "alike",
    "known_heading",
    "dataset",
    *FIELDS[:2],
    *FIELDS[3:5],
)
_WIDEST = 60


@dataclass(frozen=True)
class Draft:
    """A file's layout, or the nearest to it. ``reason`` is why the file would not load; None where it would."""

    is_known: bool
    name: str | None
    reason: str | None
    found: Comparison | None
    sheets: dict[str | None, Cells]
    month: date | None
    separator: str = ","


def draft(source: Source) -> Draft:
    """Look at a file. Never raises for what the file is: what cannot be looked at has a reason and nothing else."""
    try:
        return _draft(source)
    except ExtractError as error:
        return Draft(False, None, str(error), None, {}, None)
    except Exception as error:
        reason = f"it cannot be looked at ({type(error).__name__}: {str(error)[:200]}). Fetch it again."
        return Draft(False, None, reason, None, {}, None)


def _draft(source: Source) -> Draft:
    if source.kind == "empty":
        raise ExtractError("the file is empty. Fetch it again.")
    if source.kind == "binary":
        raise ExtractError("neither text nor a workbook (csv, xls, xlsx, gz or zip expected). Fetch it again.")
    sheets = sheets_of(source)
    try:
        extract = extracts.read(source)
    except UnknownLayoutError as error:
        dataset = _dataset_of(source)
        found = extracts.nearest_layout(source, dataset)
        return Draft(False, None, str(error), found, sheets, _month(source, found, sheets), separator_of(source))
    except Exception as error:  # a reader's own failure too: what the headings are can be told all the same
        found = extracts.nearest_layout(source, _dataset_of(source))
        is_known = found is not None and found.is_same
        reason = str(error) if isinstance(error, ExtractError) else f"{type(error).__name__}: {str(error)[:200]}"
        name = f"{found.layout.name} of {found.dataset}" if found and is_known else None
        return Draft(is_known, name, reason, found, sheets, _month(source, found, sheets), separator_of(source))
    layout = next(x for x in extracts.DATASETS[extract.dataset].layouts if x.name == extract.layout)
    found = compare(source, extract.dataset, layout, sheets)
    found = found if found and found.is_same else None  # the excerpt of MAR has lost its lines
    return Draft(True, f"{layout.name} of {extract.dataset}", None, found, sheets, extract.period_start)


def _dataset_of(source: Source) -> str | None:
    try:
        return extracts.recognise(source).name
    except ExtractError:
        return None


def in_words(name: str, drafted: Draft) -> str:
    """The draft as text for a person."""
    lines: list[str] = []
    found = drafted.found
    if drafted.is_known:
        lines.append(f"{name}: layout {drafted.name}")
        lines.append(f"    {found.layout.told_by}" if found else "    told by its shape, not by headings")
        if drafted.reason:
            lines.append(f"    the layout is known, and the file would be quarantined: {drafted.reason}")
        if found is None:
            return "\n".join(lines) + "\n"
    elif drafted.reason and not drafted.sheets:
        return f"{name}: no layout can be drafted\n    {drafted.reason}\n"
    else:
        lines += [f"{name}: no layout is known for it", f"    {drafted.reason}"]
    if drafted.separator != ",":
        mark = "tabs" if drafted.separator == "\t" else repr(drafted.separator)
        lines.append(f"    its cells are separated by {mark}, expected commas: save it as CSV first")
    if found is None:
        return "\n".join([*lines, *_of_sheets(drafted.sheets)]) + "\n"
    shown: dict[tuple[Mapped, ...], str | None] = {}
    for table in found.tables:
        lines += ["", _place(table.sheet, table.row)]
        if table.headings in shown:
            lines.append(f"    headings as on sheet {shown[table.headings]!r}")
        else:
            shown[table.headings] = table.sheet
            lines += _headings_in_words(table.headings)
        if table.missing and not drafted.is_known and table is found.table:
            lines += [f"    missing: {c.headings[0]} ({c.name})" for c in table.missing[:20]]
            if len(table.missing) > 20:
                lines.append(f"    missing: {len(table.missing) - 20} more")
    lines += _sheets_in_words(found, {t.sheet for t in found.tables}, drafted)
    if not drafted.is_known:
        lines += _rows_in_words(found, drafted.month)
    return "\n".join(lines) + "\n"


def as_csv(drafted: Draft) -> str:
    """The draft for machines: one row a heading, with the column that it is, or probably is, and where in the map."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(_CSV_FIELDS)
    if drafted.found is None:
        for sheet, cells in drafted.sheets.items():
            row = header_row(cells)
            if row is not None:
                for position, heading in _filled(cells[row]):
                    kind = _kind(cells, row, position)
                    writer.writerow(
                        [guarded(sheet or ""), row + 1, guarded(heading), "none", "", "", "", "", "", kind, ""]
                    )
        return out.getvalue()
    for table in drafted.found.tables:
        for m in table.headings:
            column = m.column
            known = [m.meant, drafted.found.dataset, column.group, column.name, column.kind] if column else [""] * 5
            alike = f"{m.alike:.2f}" if column else ""
            required = ("yes" if column.required else "no") if column else ""
            writer.writerow(
                [guarded(table.sheet or ""), table.row, guarded(m.heading), _match(m), alike, *known, required]
            )
    return out.getvalue()


def rows_for_the_map(found: Comparison, month: date | None) -> list[str]:
    """Rows for ``headings/<dataset>.csv``: the headings that are probably a known column under another name."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    done: set[tuple[str, str]] = set()
    for table in found.tables:
        for m in table.probable:
            column = m.column
            if column and column.group and (m.heading, column.name) not in done:
                done.add((m.heading, column.name))
                required = named(
                    columns_of(found.dataset, column.group), column.name
                ).required  # in a layout all may be
                first_seen = f"{month:%Y-%m}" if month else ""
                heading = " ".join(m.heading.split())
                writer.writerow(
                    [column.group, column.name, heading, column.kind, "yes" if required else "no", first_seen, "", ""]
                )
    return out.getvalue().splitlines()


def _match(m: Mapped) -> str:
    return "known" if m.is_known else "probable" if m.is_probable else "empty" if m.is_empty else "none"


def _place(sheet: str | None, row: int) -> str:
    return f"header in row {row}" if sheet is None else f"sheet {sheet!r}, header in row {row}"


def _headings_in_words(headings: Sequence[Mapped]) -> list[str]:
    """One line a heading; a run of known weeks as one."""
    lines: list[tuple[str, str]] = []
    position = 0
    while position < len(headings):
        end = position
        while end < len(headings) and _is_week(headings[end]):
            end += 1
        if end - position > 3:
            first, last = headings[position], headings[end - 1]
            names = " ... ".join(m.column.name for m in (first, last) if m.column)
            lines.append((f"{first.heading} ... {last.heading}", f"{names} (known)"))
            position = end
            continue
        m = headings[position]
        if m.is_known and m.column:
            text = f"{m.column.name} (known)"
        elif m.column:
            text = f"{m.column.name} (probable: {m.alike:.0%} like {m.meant!r})"
        else:
            text = "- (an empty column, passed over)" if m.is_empty else "- (like no known heading)"
        lines.append((m.heading, text))
        position += 1
    width = min(_WIDEST, max((len(heading) for heading, _ in lines), default=0))
    return [f"    {' '.join(heading.split()):{width}}  {text}" for heading, text in lines]


def _is_week(m: Mapped) -> bool:
    return m.is_known and m.column is not None and bool(re.fullmatch(r"band_\d+", m.column.name))


def _sheets_in_words(found: Comparison, with_table: set[str | None], drafted: Draft) -> list[str]:
    lines = [f"sheet {a!r}: probably {b!r} renamed" for a, b in found.renamed_sheets]
    renamed = {b for _, b in found.renamed_sheets}
    lines += [f"sheet {s!r} is missing" for s in found.missing_sheets if s not in renamed]
    others = [s for s in drafted.sheets if s is not None and s not in with_table and drafted.sheets[s]]
    if others:
        lines.append(f"without such a table: {', '.join(map(repr, others))}")
    return ["", *lines] if lines else []


def _rows_in_words(found: Comparison, month: date | None) -> list[str]:
    rows = rows_for_the_map(found, month)
    generated = [m for t in found.tables for m in t.probable if m.column and not m.column.group]
    unknown = {m.heading for t in found.tables for m in t.unknown}
    lines: list[str] = []
    if rows:
        lines += ["", f"Rows for ccg_pipeline/extracts/headings/{found.dataset}.csv, each to be checked:", *rows]
    if generated:
        lines += [
            "",
            f"{len(generated)} headings are probably columns that the reader counts out (weeks or days waited): a "
            f"change in ccg_pipeline/extracts/{found.dataset}",
        ]
    if unknown:
        lines += [
            "",
            f"{len(unknown)} headings are like none that is known: what they count, and whether a total rests on them, "
            "is for a person to find out before they get a row.",
        ]
    return lines


def _of_sheets(sheets: dict[str | None, Cells]) -> list[str]:
    """The header row of each sheet as it looks, where no known layout is near."""
    lines = []
    for sheet, cells in sheets.items():
        row = header_row(cells)
        if row is None:
            continue
        lines += ["", _place(sheet, row + 1)]
        for position, heading in _filled(cells[row])[:200]:
            below = next((r[position] for r in cells[row + 1 :] if position < len(r) and r[position]), None)
            example = f", such as {below[:40]!r}" if below else ""
            lines.append(f"    {' '.join(heading.split())[:_WIDEST]}  ({_kind(cells, row, position)}{example})")
    return lines or ["", "no row looks like a header: two or more texts, with numbers below"]


def _filled(row: Sequence[str | None]) -> list[tuple[int, str]]:
    return [(i, c) for i, c in enumerate(row) if c]


def _kind(cells: Cells, header: int, position: int) -> str:
    """What stands below a heading: ``count``, ``decimal``, ``text``, or ``empty``."""
    below = [r[position] for r in cells[header + 1 :] if position < len(r)]
    filled = [c for c in below if c]
    if not filled:
        return "empty"
    if not all(is_number(c) for c in filled):
        return "text"
    return "count" if all(re.fullmatch(r"[\d,]+(\.0+)?|\*|-", c) for c in filled) else "decimal"


def _month(source: Source, found: Comparison | None, sheets: dict[str | None, Cells]) -> date | None:
    """The month that the file names in its column of periods or beside ``Period:``, where that can be told."""
    if found is None:
        return None
    table = found.table
    cells = sheets[table.sheet]
    label = next((m.heading for m in table.headings if m.column and m.column.name == "period"), None)
    if label is not None:
        position = list(cells[table.row - 1]).index(label)
        return next((m for r in cells[table.row :] if (m := parse_month(r[position]))), None)
    front = [c for row in cells[: table.row - 1] for c in row if c and len(c) < 60]
    months = {m for c in front if (m := parse_month(c))}
    return months.pop() if len(months) == 1 else None
