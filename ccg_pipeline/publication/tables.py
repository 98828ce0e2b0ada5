"""The tables of a pack: which there are, their columns and their rows, as the data dictionary of the publication says.

Belongs here: the organisations and months that a pack is about, and reading the tables for them. Does not belong here:
what a table holds (dbt), and the formats it is written in (`exports`, `workbook`, `pack`).
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import date, datetime
from typing import Any

import duckdb

from ccg_pipeline.months import month_end
from ccg_pipeline.publication import datasets
from ccg_pipeline.publication.cells import plain
from ccg_pipeline.publication.indicators import Selection, as_published

Row = dict[str, Any]
# What stands in the place of a figure that is hidden for publication.
HIDDEN = "[c]"


class NoPackError(Exception):
    """There is nothing to make a pack of; the text says why."""


@dataclass(frozen=True)
class Column:
    """A column: ``data_type`` is that of SQL, ``null_shorthand`` what stands for a missing figure (x, z, or None)."""

    name: str
    data_type: str
    description: str
    null_shorthand: str | None = None

    @property
    def title(self) -> str:
        """The heading for people."""
        words = self.name.removeprefix("is_").removeprefix("has_").split("_")
        said = " ".join(_WORDS.get(word, word) for word in words)
        return said[0].upper() + said[1:]

    @property
    def kind(self) -> str:
        """number, boolean, date, datetime, list or text."""
        data_type = self.data_type.lower()
        if data_type.endswith("[]"):
            return "list"
        if data_type.startswith(("decimal", "double", "float", "real")) or data_type.endswith("int"):
            return "number"
        if data_type.endswith("integer"):
            return "number"
        return {"boolean": "boolean", "date": "date", "timestamp": "datetime"}.get(data_type, "text")


_WORDS = {"org": "organisation", "pct": "(%)", "gbp": "(GBP)", "ytd": "year to date", "ids": "ids", "sha256": "SHA-256"}


@dataclass(frozen=True)
class Table:
    """A table of the pack. ``rows`` are in a fixed order, by the names of columns; long ones are in files alone."""

    name: str
    title: str
    sheet: str
    description: str
    columns: Sequence[Column]
    rows: Sequence[Row] = field(repr=False)
    is_in_workbook: bool = True

    def with_rows(self, rows: Sequence[Row]) -> Table:
        return replace(self, rows=rows)


@dataclass(frozen=True)
class Scope:
    """What a pack is about: an organisation in the month that begins with ``period``.

    ``org_codes`` are the organisations whose figures it holds: itself, its system, and those that serve it.
    ``received_at`` (UTC) is when the last file of the publication came in: all that a pack says of its own time, so
    that it can be written again byte for byte. ``as_known_at`` is the moment (UTC) of a rebuild. In a pack for
    publication (``is_public``) counts from 1 to one below ``small_below`` are hidden. ``notices`` are what must be
    known before any figure is read: what is held back, and what was overdue.
    """

    org_code: str
    org_name: str
    org_level: str
    period: date
    org_codes: tuple[str, ...]
    received_at: datetime
    as_known_at: datetime | None = None
    is_public: bool = False
    small_below: int = 5
    notices: tuple[str, ...] = ()

    @property
    def period_end(self) -> date:
        return month_end(self.period)

    @property
    def month(self) -> str:
        return f"{self.period:%Y-%m}"

    @property
    def name(self) -> str:
        """Of the files of the pack."""
        return f"{self.org_code}-{self.month}{'-public' if self.is_public else ''}"


def find_scope(
    con: duckdb.DuckDBPyConnection,
    org_code: str,
    period: date,
    as_known_at: datetime | None = None,
    is_public: bool = False,
    small_below: int = 5,
) -> Scope:
    """What a pack of an organisation and month is about.

    Raises `UnknownNameError` for an organisation that is not published, `NoPackError` where it has no figures in that
    month.
    """
    code = as_published(con, Selection(org_code=org_code)).org_code
    assert code is not None
    end = month_end(period)
    months = con.execute(
        """
        SELECT strftime(min(period_start), '%Y-%m'), strftime(max(period_end), '%Y-%m'),
            coalesce(bool_or($period BETWEEN period_start AND period_end), false)
        FROM marts.fct_standard_comparisons WHERE org_code = $org_code AND period_type IN ('month', 'quarter')
        """,
        {"org_code": code, "period": period},
    ).fetchall()[0]
    if not months[2]:
        held = f"it has some from {months[0]} to {months[1]}" if months[0] else "it has none in any month"
        raise NoPackError(f"no figures of {code} are published for {period:%Y-%m}; {held}")
    (org_level, org_name) = con.execute(
        """
        SELECT org_level, org_name FROM marts.dim_organisations WHERE org_code = $org_code
        ORDER BY $end BETWEEN coalesce(valid_from, $end) AND coalesce(valid_to, $end) DESC, org_level LIMIT 1
        """,
        {"org_code": code, "end": end},
    ).fetchall()[0]
    # Its system with all members, then who serves it: its main providers, and those of its system.
    others = con.execute(
        """
        WITH systems AS (
            SELECT DISTINCT system_code FROM intermediate.int_memberships
            WHERE (member_code = $org_code OR system_code = $org_code)
                AND $period BETWEEN valid_from AND valid_to
        )
        SELECT system_code FROM systems
        UNION
        SELECT member_code FROM intermediate.int_memberships JOIN systems USING (system_code)
        WHERE $period BETWEEN valid_from AND valid_to
        UNION
        SELECT provider_code FROM catalogue.main_providers
        WHERE org_code = $org_code AND $period BETWEEN valid_from AND coalesce(valid_to, $period)
        UNION
        SELECT org_code FROM marts.dim_organisations
        WHERE is_in_catalogue AND org_level IN ('provider', 'service')
            AND (parent_code = $org_code OR parent_code IN (SELECT system_code FROM systems))
        """,
        {"org_code": code, "period": period},
    ).fetchall()
    (received_at,) = con.execute("SELECT max(received_at) FROM marts.extracts").fetchall()[0]
    org_codes = tuple(sorted({code, *(other for (other,) in others)}))
    return Scope(
        org_code=code,
        org_name=org_name,
        org_level=org_level,
        period=period,
        org_codes=org_codes,
        received_at=received_at,
        as_known_at=as_known_at,
        is_public=is_public,
        small_below=small_below,
        notices=datasets.notices(con, org_codes, end, (as_known_at or received_at).date()),
    )


def read(con: duckdb.DuckDBPyConnection, scope: Scope) -> list[Table]:
    """The tables of the pack, in its order. Rows are those of the organisations of the pack, up to its month."""
    listed = con.execute(
        """
        SELECT table_name, any_value(table_title), any_value(sheet_name), any_value(table_months),
            any_value(is_in_workbook), any_value(table_description),
            list((column_name, data_type, description, null_shorthand) ORDER BY column_order)
        FROM marts.dim_columns WHERE table_order IS NOT NULL
        GROUP BY table_name ORDER BY any_value(table_order), table_name
        """
    ).fetchall()
    tables = []
    for name, title, sheet, months, is_in_workbook, description, cells in listed:
        columns = [Column(*cell) for cell in cells]
        rows = _rows(con, scope, name, months, columns)
        tables.append(Table(name, title, sheet, description, columns, rows, is_in_workbook))
    return tables


def _rows(
    con: duckdb.DuckDBPyConnection, scope: Scope, table: str, months: str, columns: Sequence[Column]
) -> list[Row]:
    """The rows of a table that the pack is about, in the order of all columns.

    What names an organisation is of one of the pack's; what names an indicator alone, or a file, is of one that those
    organisations have figures of, or that these rest on. A row that names no organisation concerns all.
    """
    names = {column.name for column in columns}
    conditions = []
    if "commissioner_code" in names:
        conditions.append("commissioner_code = $org_code")
    elif "board_code" in names:
        conditions.append("board_code = $org_code")
    elif "org_code" in names:
        conditions.append("(org_code IS NULL OR list_contains($org_codes, org_code))")
    elif "indicator_id" in names:
        conditions.append(f"indicator_id IN (SELECT indicator_id {_FIGURES})")
    elif "extract_id" in names:
        conditions.append(f"extract_id IN (SELECT unnest(extract_ids) {_FIGURES})")
    if "org_code" in names and months == "own" and "as_at" in names:
        conditions.append(_OWN_CHART)
    elif "org_code" in names and "period_end" in names:
        conditions.append("(period_end IS NULL OR period_end <= $period_end)")
        if months == "own":
            conditions.append(_OWN_PERIOD.format(period_type="period_type" if "period_type" in names else "'month'"))
    where = " AND ".join(conditions) or "true"
    asked = {
        "org_code": scope.org_code,
        "org_codes": list(scope.org_codes),
        "period": scope.period,
        "period_end": scope.period_end,
    }
    selected = ", ".join(f'"{column.name}"' for column in columns)
    first = "".join(f"{name}, " for name in ("worst_first", "severity_order") if name in names)
    cursor = con.execute(
        f"SELECT {selected} FROM marts.{table} WHERE {where} ORDER BY {first}{selected}",
        {name: value for name, value in asked.items() if re.search(rf"\${name}\b", where)},
    )
    return [{column.name: plain(cell) for column, cell in zip(columns, row, strict=True)} for row in cursor.fetchall()]


# Of the pack's month: what ends in it, and the last quarter or year that has ended by then.
_OWN_PERIOD = """
    date_trunc('month', period_end) + CASE {period_type}
        WHEN 'quarter' THEN INTERVAL 3 MONTH
        WHEN 'financial_year' THEN INTERVAL 12 MONTH
        WHEN 'calendar_year' THEN INTERVAL 12 MONTH
        ELSE INTERVAL 1 MONTH
    END > $period
"""
# Control charts as they stood at the pack's month, or at the last quarter that has ended by then.
_OWN_CHART = """
    as_at = CASE period_type
        WHEN 'month' THEN $period
        WHEN 'quarter' THEN (date_trunc('quarter', $period_end + 1) - INTERVAL 3 MONTH)::DATE
    END
"""
_FIGURES = """
    FROM marts.fct_standard_comparisons
    WHERE list_contains($org_codes, org_code) AND period_end <= $period_end
"""
