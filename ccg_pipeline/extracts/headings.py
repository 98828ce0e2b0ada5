"""The published headings as data: ``headings/<dataset>.csv`` says which heading is which of our columns.

One row a heading. ``group`` is the table, or the part of a table, in which it stands (readers compose layouts of
groups), ``column`` our name, ``kind`` and ``required`` as in `Column`, ``first_seen`` and ``last_seen`` the first and
the latest month of a file that is known to have had it (blank: described, not seen). The months tell layouts apart for
people; no file is refused for them. A heading that changes is one more row. Does not belong here: headings that are
counted out (weeks and days waited), which readers generate, and what a column is for.
"""

from __future__ import annotations

import csv
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from ccg_pipeline.extracts.contract import Column, normalise

FOLDER = Path(__file__).parent / "headings"
FIELDS = ("group", "column", "heading", "kind", "required", "first_seen", "last_seen", "note")
_KINDS = ("text", "count", "decimal")
_IS_REQUIRED = {"yes": True, "no": False}


class HeadingsError(Exception):
    """A row of the map that cannot be meant. The text says file, row, what was found and what was expected."""


@dataclass(frozen=True)
class Row:
    """One row of the map; months as ``2019-05``, or blank."""

    group: str
    column: str
    heading: str
    kind: str
    required: str
    first_seen: str
    last_seen: str
    note: str

    def was_in_use(self, first: str, last: str) -> bool:
        """Whether the heading may have stood in a file of the months from ``first`` to ``last`` (blank: open)."""
        return (not last or self.first_seen <= last) and (not self.last_seen or self.last_seen >= first)


@cache
def rows_of(dataset: str) -> tuple[Row, ...]:
    """All rows of a dataset, in order. Raises `HeadingsError` for the first that cannot be meant."""
    path = FOLDER / f"{dataset}.csv"
    rows: list[Row] = []
    known: dict[tuple[str, str], Row] = {}
    of_column: dict[tuple[str, str], Row] = {}
    with open(path, encoding="utf-8-sig", newline="") as file:
        reader = csv.reader(file)
        if tuple(next(reader, ())) != FIELDS:
            raise HeadingsError(f"{path.name} row 1: expected the columns {', '.join(FIELDS)}.")
        for number, cells in enumerate(reader, 2):
            where = f"{path.name} row {number}"
            if not any(c.strip() for c in cells):
                continue
            if len(cells) != len(FIELDS):
                raise HeadingsError(f"{where}: {len(cells)} cells, expected {len(FIELDS)} ({', '.join(FIELDS)}).")
            row = Row(*(c.strip() for c in cells))
            if not (row.group and row.column and row.heading):
                raise HeadingsError(f"{where}: group, column and heading are needed, found {cells}.")
            if row.kind not in _KINDS or row.required not in _IS_REQUIRED:
                raise HeadingsError(
                    f"{where}: kind {row.kind!r} and required {row.required!r}, expected one of {', '.join(_KINDS)} "
                    "and yes or no."
                )
            same = of_column.setdefault((row.group, row.column), row)
            if (same.kind, same.required) != (row.kind, row.required):
                raise HeadingsError(
                    f"{where}: column {row.column!r} is {row.kind} (required {row.required}) here and {same.kind} "
                    f"(required {same.required}) above; expected the same for all headings of a column."
                )
            twin = known.setdefault((row.group, normalise(row.heading)), row)
            if twin is not row:
                raise HeadingsError(
                    f"{where}: heading {row.heading!r} is column {twin.column!r} above and {row.column!r} here; "
                    "expected one row a heading in a group."
                )
            rows.append(row)
    return tuple(rows)


def columns_of(dataset: str, *groups: str, first: str = "", last: str = "") -> tuple[Column, ...]:
    """The columns of the groups, in order, each with all of its headings; its first row gives the usual one.

    With ``first`` or ``last`` (months), only headings that may have stood in a file of those months.
    """
    columns: list[Column] = []
    for group in groups:
        rows = [r for r in rows_of(dataset) if r.group == group]
        if not rows:
            raise HeadingsError(f"{dataset}.csv has no rows of the group {group!r}.")
        by_column: dict[str, list[Row]] = {}
        for row in rows:
            if row.was_in_use(first, last):
                by_column.setdefault(row.column, []).append(row)
        columns += [
            Column(
                name,
                tuple(r.heading for r in same),
                same[0].kind,
                _IS_REQUIRED[same[0].required],
                group=group,
            )
            for name, same in by_column.items()
        ]
    return tuple(columns)


def headings_of(dataset: str, group: str, column: str) -> tuple[str, ...]:
    """The headings of one column of a group."""
    return named(columns_of(dataset, group), column).headings


def pick(columns: Sequence[Column], *names: str) -> tuple[Column, ...]:
    """The columns of those names, in that order, whatever the order of the rows in the map."""
    return tuple(named(columns, name) for name in names)


def named(columns: Iterable[Column], name: str) -> Column:
    """The column of that name."""
    return next(c for c in columns if c.name == name)
