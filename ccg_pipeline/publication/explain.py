"""Why a number is what it is, as ``ccg explain`` shows it: definition, standard, editions, and the rows it rests on.

Belongs here: gathering what the marts, the editions, the views ``int_<dataset>__indicator_rows`` and the landed rows
say of one value, and writing it out. Does not belong here: which rows a value rests on, and every other rule; dbt says.
"""

from __future__ import annotations

import json
import textwrap
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from typing import Any

import duckdb

from ccg_pipeline.publication.cells import plain
from ccg_pipeline.publication.indicators import Selection, as_published, shown, verdict, why_nothing

LISTED_ROWS = 20
_WIDTH = 120
_ROWS_SHOWN = 300
_FOREVER = 9999
# What says where a landed row is, not what is in it.
_PLACE = ("extract_id", "source_sheet", "source_row")

Facts = dict[str, Any]
# A line of text as it is, or a label with its text, to be wrapped.
Line = str | tuple[str, str]


class NoValueError(Exception):
    """There is no such value; the text says which periods or levels have one."""


KEY = ("indicator_id", "org_code", "org_level", "period_type", "period_start", "period_end", "source")
Key = tuple[Any, ...]


@dataclass(frozen=True)
class Asked:
    """One value: an indicator of an organisation in the month that begins with ``period``, or the year to date."""

    indicator_id: str
    org_code: str
    period: date
    is_year_to_date: bool = False


def explain(con: duckdb.DuckDBPyConnection, asked: Asked) -> Facts:
    """All that is known of a value.

    Keys ``indicator`` (its definition) and ``values``: one for each level, source and period that has one (the month,
    the quarter or year it is in, the weeks that end in it; or the year to date), the preferred source first.
    Percentages are unrounded, ``shown`` is for people; ``known_to`` is None for what counts today. Raises
    `UnknownNameError` for names not published and `NoValueError` where there is no such value.
    """
    named = as_published(con, Selection(asked.org_code, asked.period, asked.indicator_id))
    (indicator,) = _rows(
        con, "SELECT * FROM marts.dim_indicators WHERE indicator_id = $indicator_id", indicator_id=named.indicator_id
    )
    values = _rows(
        con,
        """
        SELECT c.*, v.edition
        FROM marts.fct_standard_comparisons c
        JOIN marts.fct_indicator_values v
            USING (indicator_id, org_code, org_level, period_type, period_start, period_end, source)
        WHERE c.indicator_id = $indicator_id AND c.org_code = $org_code
            AND CASE
                WHEN c.period_type = 'week' THEN NOT $ytd AND date_trunc('month', c.period_end) = $period
                WHEN c.period_type = 'ytd' THEN $ytd AND date_trunc('month', c.period_end) = $period
                ELSE NOT $ytd AND $period BETWEEN c.period_start AND c.period_end
            END
        ORDER BY c.org_level, c.period_end, c.period_type, c.is_preferred DESC, c.source
        """,
        indicator_id=named.indicator_id,
        org_code=named.org_code,
        period=asked.period,
        ytd=asked.is_year_to_date,
    )
    if not values:
        raise NoValueError(_why_none(con, named, asked))
    behind = _behind(con, {indicator["indicator_id"]: indicator}, values)
    return {
        "indicator": indicator,
        "values": [
            _value(con, indicator, value, _trace(con, indicator, value), found)
            for value, found in zip(values, behind, strict=True)
        ],
    }


def explain_all(con: duckdb.DuckDBPyConnection, keys: Iterable[Key]) -> dict[Key, Facts]:
    """What `explain` tells of many values at once, by key: one value each, with the places of its rows but not the rows
    themselves. Keys of which there is no value are left out."""
    con.execute(
        """
        CREATE OR REPLACE TEMP TABLE asked_keys (
            indicator_id VARCHAR, org_code VARCHAR, org_level VARCHAR, period_type VARCHAR, period_start DATE,
            period_end DATE, source VARCHAR
        )
        """
    )
    asked = sorted(set(keys))
    if asked:
        con.executemany("INSERT INTO asked_keys VALUES (?, ?, ?, ?, ?, ?, ?)", [list(key) for key in asked])
    values = _rows(
        con,
        """
        SELECT c.*, v.edition
        FROM marts.fct_standard_comparisons c
        JOIN marts.fct_indicator_values v
            USING (indicator_id, org_code, org_level, period_type, period_start, period_end, source)
        JOIN asked_keys USING (indicator_id, org_code, org_level, period_type, period_start, period_end, source)
        ORDER BY ALL
        """,
    )
    indicators = {row["indicator_id"]: row for row in _rows(con, "SELECT * FROM marts.dim_indicators")}
    traced = _trace_all(con, indicators, values)
    return {
        key: _value(con, indicators[value["indicator_id"]], value, traced.get(key), found)
        for value, found in zip(values, _behind(con, indicators, values), strict=True)
        for key in [tuple(value[column] for column in KEY)]
    }


def _why_none(con: duckdb.DuckDBPyConnection, named: Selection, asked: Asked) -> str:
    """Why there is no such value, and the nearest periods that have one."""
    ends = _rows(
        con,
        """
        SELECT DISTINCT strftime(period_end, '%Y-%m') AS month, abs(date_diff('month', period_end, $period)) AS away
        FROM marts.fct_standard_comparisons
        WHERE (period_type = 'ytd') = $ytd AND indicator_id = $indicator_id AND org_code = $org_code
        ORDER BY away, month LIMIT 5
        """,
        indicator_id=named.indicator_id,
        org_code=named.org_code,
        period=asked.period,
        ytd=asked.is_year_to_date,
    )
    nearest = ", ".join(sorted(row["month"] for row in ends))
    if not asked.is_year_to_date:
        return why_nothing(con, named) + (f", the nearest ending in {nearest}" if ends else "")
    what = f"no year to date of {named.indicator_id} for {named.org_code}"
    if not ends:
        return f"{what} is published in any period"
    return f"{what} to {asked.period:%Y-%m}; the nearest are to {nearest}"


def _value(con: duckdb.DuckDBPyConnection, indicator: Facts, value: Facts, traced: Facts | None, found: Facts) -> Facts:
    """One value with all that stands behind it, as ``found`` by `_behind`, and the rows traced to it."""
    standards, worked_out = found["standards"], found["worked_out"]
    # The rows of the dataset with its keys, if any, are of a reported value beside it.
    traced = traced if worked_out is None else None
    parts = _parts(con, indicator, value) if traced is None or not traced["count"] else None
    return {
        **{key: value[key] for key in value if key not in ("extract_ids", "standard_id", "standard", "comparator")},
        "period": _period(value),
        "shown": shown(value["value"], value["numerator"], value["denominator"], value["unit"]),
        "caveats": value["caveat"].split("; ") if value["caveat"] else [],
        "organisation": found["organisation"],
        "standard": standards[0] if standards else None,
        "national_standard": standards[1] if len(standards) > 1 else None,
        "verdict": verdict(value),
        "arithmetic": _arithmetic(value),
        **_pick(found, "beside", "trajectories", "history", "restatements", "corrections", "questions", "extracts"),
        "worked_out": worked_out,
        "rows": traced,
        "parts": parts,
    }


def _behind(con: duckdb.DuckDBPyConnection, indicators: Mapping[str, Facts], values: Sequence[Facts]) -> list[Facts]:
    """What the marts say of each value beside its figures: one look at each mart, however many values there are."""
    _ask(con, indicators, values)
    extracts = _extracts(con)
    organisations, standards, worked_out = _organisations(con), _standards(con), _worked_out(con)
    history = _history(con)
    lists = {
        "beside": _beside(con),
        "trajectories": _trajectories(con),
        "restatements": _of_values(con, "fct_restatements", "m.source = asked.source", "restated_at"),
        "corrections": _of_values(con, "fct_corrections", "asked.source = 'derived'", "corrected_count"),
        "questions": _questions(con),
    }
    return [
        {
            "organisation": next(iter(organisations.get(number, ())), None),
            "standards": standards.get(number, []),
            "worked_out": next((row["arithmetic"] for row in worked_out.get(number, ())), None),
            "history": _in_turn(history.get(number, []), value, extracts),
            "extracts": _of_ids(extracts, value["extract_ids"]),
            **{name: rows.get(number, []) for name, rows in lists.items()},
        }
        for number, value in enumerate(values)
    ]


def _ask(con: duckdb.DuckDBPyConnection, indicators: Mapping[str, Facts], values: Sequence[Facts]) -> None:
    """Put the keys of values into a table of this connection, numbered, for the queries below to join."""
    con.execute(
        """
        CREATE OR REPLACE TEMP TABLE asked_values (
            number INTEGER, indicator_id VARCHAR, org_code VARCHAR, org_level VARCHAR, period_type VARCHAR,
            period_start DATE, period_end DATE, source VARCHAR, standard_id VARCHAR, dataset VARCHAR
        )
        """
    )
    rows = [
        (number, *(value[column] for column in KEY), value["standard_id"], _dataset(indicators, value))
        for number, value in enumerate(values)
    ]
    if rows:
        row = f"({', '.join('?' * len(rows[0]))})"
        con.execute(
            f"INSERT INTO asked_values VALUES {', '.join([row] * len(rows))}", [cell for row in rows for cell in row]
        )


def _dataset(indicators: Mapping[str, Facts], value: Facts) -> str:
    return "local_returns" if value["source"] == "reported" else indicators[value["indicator_id"]]["dataset"]


def _by_number(con: duckdb.DuckDBPyConnection, query: str) -> dict[int, list[Facts]]:
    """The rows of a query by their column ``number``, which says whose they are."""
    found: dict[int, list[Facts]] = {}
    for row in _rows(con, query):
        found.setdefault(row.pop("number"), []).append(row)
    return found


def _organisations(con: duckdb.DuckDBPyConnection) -> dict[int, list[Facts]]:
    return _by_number(
        con,
        """
        SELECT asked.number, o.* FROM asked_values AS asked
        JOIN marts.dim_organisations o ON o.org_code = asked.org_code AND o.org_level = asked.org_level
        """,
    )


def _standards(con: duckdb.DuckDBPyConnection) -> dict[int, list[Facts]]:
    """The standard that the value is judged by, then the one that would hold without it where it is its own."""
    return _by_number(
        con,
        """
        SELECT asked.number, s.* FROM asked_values AS asked
        JOIN marts.dim_standards s
            ON s.indicator_id = asked.indicator_id AND asked.standard_id IS NOT NULL
            AND (s.standard_id = asked.standard_id OR s.scope IN ('national', 'local'))
            AND asked.period_end BETWEEN coalesce(s.valid_from, asked.period_end)
                AND coalesce(s.valid_to, asked.period_end)
        -- Of several of a place the one that began last, as it is judged by.
        QUALIFY row_number() OVER (
            PARTITION BY asked.number, s.scope ORDER BY s.standard_id = asked.standard_id DESC, s.valid_from DESC
        ) = 1
        ORDER BY asked.number, s.standard_id = asked.standard_id DESC
        """,
    )


def _of_values(con: duckdb.DuckDBPyConnection, mart: str, more: str, order: str) -> dict[int, list[Facts]]:
    return _by_number(
        con,
        f"""
        SELECT asked.number, m.* FROM asked_values AS asked
        JOIN marts.{mart} m
            ON m.indicator_id = asked.indicator_id AND m.org_code = asked.org_code AND m.org_level = asked.org_level
            AND m.period_type = asked.period_type AND m.period_start = asked.period_start AND {more}
        ORDER BY asked.number, m.{order}
        """,
    )


def _beside(con: duckdb.DuckDBPyConnection) -> dict[int, list[Facts]]:
    """The same from the other source, or from the indicator that is its counterpart; with the difference where it is
    more than rounding (reported minus derived)."""
    return _by_number(
        con,
        """
        SELECT asked.number, v.indicator_id, v.source, v.numerator, v.denominator, v.value, v.unit, v.caveat,
            d.difference
        FROM asked_values AS asked
        JOIN marts.fct_indicator_values v
            ON v.org_code = asked.org_code AND v.org_level = asked.org_level AND v.period_type = asked.period_type
            AND v.period_start = asked.period_start AND v.period_end = asked.period_end AND v.source <> asked.source
        LEFT JOIN marts.dim_indicators own ON own.indicator_id = asked.indicator_id
        LEFT JOIN marts.dim_indicators i ON v.indicator_id = i.indicator_id
        LEFT JOIN marts.fct_reported_differences d
            ON v.org_code = d.org_code AND v.org_level = d.org_level AND v.period_type = d.period_type
            AND v.period_start = d.period_start AND v.period_end = d.period_end
            AND CASE asked.source
                WHEN 'derived' THEN d.indicator_id = v.indicator_id AND d.derived_indicator_id = asked.indicator_id
                ELSE d.indicator_id = asked.indicator_id AND d.derived_indicator_id = v.indicator_id
            END
        WHERE asked.indicator_id IN (v.indicator_id, i.counterpart_of) OR v.indicator_id = own.counterpart_of
        ORDER BY asked.number, v.indicator_id, v.source
        """,
    )


def _trajectories(con: duckdb.DuckDBPyConnection) -> dict[int, list[Facts]]:
    """The plans of the period, and of the year up to its end: planned, actual, variance, forecast; current versions."""
    return _by_number(
        con,
        """
        SELECT asked.number, t.* EXCLUDE (
            indicator_id, indicator_name, indicator_group, indicator_set, org_code, org_name, org_level, is_latest,
            extract_ids
        )
        FROM asked_values AS asked
        JOIN marts.rpt_trajectories t
            ON t.indicator_id = asked.indicator_id AND t.org_code = asked.org_code AND t.period_end = asked.period_end
            AND (
                t.org_level = asked.org_level
                OR t.org_level IN ('ccg', 'sub_icb') AND asked.org_level IN ('ccg', 'sub_icb')
                OR t.org_level IN ('stp', 'icb') AND asked.org_level IN ('stp', 'icb')
            )
            AND (
                t.period_type = asked.period_type AND t.period_start = asked.period_start
                OR t.period_type = 'ytd' AND asked.period_type IN ('month', 'quarter')
            )
        ORDER BY asked.number, t.period_type = 'ytd', t.plan_id, t.plan, t.breakdown
        """,
    )


def _history(con: duckdb.DuckDBPyConnection) -> dict[int, list[Facts]]:
    """What was stated of each value and from when until when (UTC), the earliest first; nothing of a derived year to
    date, which has no history of its own."""
    history: dict[int, list[Facts]] = {}
    for source, table, own, more in (
        ("derived", "int_indicator_counts", "s.extract_ids, NULL AS value, s.org_name", "asked.period_type <> 'ytd'"),
        (
            "reported",
            "int_reported_values",
            "[s.extract_id] AS extract_ids, s.value, NULL AS org_name",
            "s.period_end = asked.period_end",
        ),
    ):
        history |= _by_number(
            con,
            f"""
            SELECT asked.number, s.known_from, s.known_to, s.numerator, s.denominator, s.edition, s.caveat, {own}
            FROM asked_values AS asked
            JOIN intermediate.{table} s
                ON s.indicator_id = asked.indicator_id AND s.org_code = asked.org_code
                AND s.org_level = asked.org_level AND s.period_type = asked.period_type
                AND s.period_start = asked.period_start AND asked.source = '{source}' AND {more}
            ORDER BY asked.number, s.known_from
            """,
        )
    return history


def _in_turn(stated: Sequence[Facts], value: Facts, extracts: Sequence[Facts]) -> list[Facts]:
    """What was said of a value, the same said twice in a row once, with the files that said it."""
    history: list[Facts] = []
    for row in stated:
        row["known_to"] = None if row["known_to"].year == _FOREVER else row["known_to"]
        figures = ("numerator", "denominator", "value", "edition", "extract_ids")
        is_same = history and all(history[-1][key] == row[key] for key in figures)
        if is_same and history[-1]["known_to"] == row["known_from"]:
            history[-1] = {**row, "known_from": history[-1]["known_from"]}
        else:
            history.append(row)
    for row in history:
        row["files"] = [extract["file_name"] for extract in _of_ids(extracts, row["extract_ids"])]
        if row["value"] is not None or row["numerator"] is not None:
            of_parts = row["denominator"] is not None or value["unit"] != "percent"
            said = row["value"] if row["value"] is not None else row["numerator"]
            row["shown"] = shown(said, row["numerator"], row["denominator"], value["unit"]) if of_parts else str(said)
        else:
            row["shown"] = "no value"
    return history


def _questions(con: duckdb.DuckDBPyConnection) -> dict[int, list[Facts]]:
    """Questions about the value, and those about its dataset or organisation in that period."""
    return _by_number(
        con,
        """
        SELECT asked.number, q.query_id, q.severity, q.finding, q.is_value_wrong, q.indicator_id, q.org_code,
            q.period_start, q.period_end, q.question, q.evidence
        FROM asked_values AS asked
        JOIN marts.fct_data_queries q
            ON (q.indicator_id = asked.indicator_id OR q.indicator_id IS NULL AND q.dataset = asked.dataset)
            AND (q.org_code = asked.org_code OR q.org_code IS NULL)
            AND (q.org_level = asked.org_level OR q.org_level IS NULL)
            AND coalesce(q.period_start, asked.period_start) <= asked.period_end
            AND coalesce(q.period_end, asked.period_end) >= asked.period_start
        ORDER BY asked.number, list_position(['high', 'medium', 'low'], q.severity), q.finding, q.period_start,
            q.query_id
        """,
    )


def _extracts(con: duckdb.DuckDBPyConnection) -> list[Facts]:
    """One row an extract: the file, and other names under which the same bytes came."""
    return _rows(
        con,
        """
        SELECT extract_id AS sha256, dataset, layout,
            coalesce(arg_min(file_name, received_at) FILTER (WHERE status <> 'duplicate'), min(file_name)) AS file_name,
            list_sort(list(file_name) FILTER (WHERE status = 'duplicate')) AS also_received_as,
            any_value(edition) AS edition, any_value(published_on) AS published_on, min(received_at) AS received_at,
            any_value(period_start) AS period_start, any_value(period_end) AS period_end,
            any_value(row_count) AS row_count
        FROM marts.extracts
        GROUP BY extract_id, dataset, layout
        ORDER BY dataset, file_name
        """,
    )


def _of_ids(extracts: Sequence[Facts], extract_ids: Sequence[str] | None) -> list[Facts]:
    wanted = set(extract_ids or ())
    return [extract for extract in extracts if extract["sha256"] in wanted]


def _worked_out(con: duckdb.DuckDBPyConnection) -> dict[int, list[Facts]]:
    """The sum in figures of a value that is worked out from other values; none where it comes from rows."""
    return _by_number(
        con,
        """
        SELECT asked.number, coalesce(w.arithmetic, 'no sum: a part is missing') AS arithmetic
        FROM asked_values AS asked
        JOIN intermediate.int_worked_out_values w
            ON w.indicator_id = asked.indicator_id AND w.org_code = asked.org_code AND w.org_level = asked.org_level
            AND w.period_type = asked.period_type AND w.period_start = asked.period_start
            AND w.period_end = asked.period_end AND asked.source = 'derived'
        """,
    )


def _trace(con: duckdb.DuckDBPyConnection, indicator: Facts, value: Facts) -> Facts | None:
    """The rows that the value rests on, and what they add up to; None where rows are not traced to such values."""
    is_reported = value["source"] == "reported"
    view = f"int_{'local_returns' if is_reported else indicator['dataset']}__indicator_rows"
    columns = [name for name, *_ in _rows_of(con, _COLUMNS, schema="intermediate", name=view)]
    if not columns:
        return None
    where = f"""
        FROM intermediate.{view}
        WHERE indicator_id = $indicator_id AND org_code = $org_code AND org_level = $org_level
            AND period_type = $period_type AND period_start = $period_start
            {"AND period_end = $period_end" if "period_end" in columns else "AND $period_end IS NOT NULL"}
            AND known_to = timestamp '9999-12-31'
    """
    keys = _pick(value, "indicator_id", "org_code", "org_level", "period_type", "period_start", "period_end")
    (sums,) = _rows(
        con, f"SELECT count(*) AS count, sum(numerator) AS numerator, sum(denominator) AS denominator {where}", **keys
    )
    places = _rows(
        con,
        f"""
        SELECT dataset, extract_id AS sha256, source_sheet, list(source_row ORDER BY source_row) AS source_rows {where}
        GROUP BY dataset, extract_id, source_sheet ORDER BY dataset DESC, extract_id, source_sheet
        """,
        **keys,
    )
    listed = _rows(
        con,
        f"""
        SELECT * EXCLUDE (indicator_id, org_code, org_level, known_from, known_to) {where}
        ORDER BY coalesce(denominator, numerator) DESC NULLS LAST, dataset DESC, source_sheet, source_row
        LIMIT {LISTED_ROWS}
        """,
        **keys,
    )
    return {
        **sums,
        "adds_up": None
        if is_reported
        else sums["numerator"] == value["numerator"] and sums["denominator"] == value["denominator"],
        "places": [{**place, "source_rows": _ranges(place["source_rows"])} for place in places],
        "listed": [{**_without_period(row), "cells": _cells(con, row)} for row in listed],
    }


def _trace_all(
    con: duckdb.DuckDBPyConnection, indicators: Mapping[str, Facts], values: Sequence[Facts]
) -> dict[Key, Facts]:
    """What `_trace` tells of each of many values, without the rows themselves: one look at each dataset."""
    traced: dict[Key, Facts] = {}
    by_view: dict[str, list[Facts]] = {}
    for value in values:
        by_view.setdefault(f"int_{_dataset(indicators, value)}__indicator_rows", []).append(value)
    for view, of_view in sorted(by_view.items()):
        columns = [name for name, *_ in _rows_of(con, _COLUMNS, schema="intermediate", name=view)]
        if not columns:
            continue
        same = [name for name in KEY if name in columns and name != "source"]
        found = _rows(
            con,
            f"""
            SELECT {", ".join(same)}, dataset, extract_id AS sha256, source_sheet,
                list(source_row ORDER BY source_row) AS source_rows, count(*) AS count,
                sum(numerator) AS numerator, sum(denominator) AS denominator
            FROM intermediate.{view}
            WHERE known_to = timestamp '9999-12-31'
                AND list_contains($indicator_ids, indicator_id) AND list_contains($org_codes, org_code)
                AND list_contains($starts, period_start)
            GROUP BY ALL ORDER BY dataset DESC, sha256, source_sheet
            """,
            indicator_ids=sorted({value["indicator_id"] for value in of_view}),
            org_codes=sorted({value["org_code"] for value in of_view}),
            starts=sorted({value["period_start"] for value in of_view}),
        )
        for value in of_view:
            rows = [row for row in found if all(row[name] == value[name] for name in same)]
            sums = {
                part: sum(row[part] for row in rows if row[part] is not None)
                if any(row[part] is not None for row in rows)
                else None
                for part in ("numerator", "denominator")
            }
            traced[tuple(value[column] for column in KEY)] = {
                "count": sum(row["count"] for row in rows),
                **sums,
                "adds_up": None
                if value["source"] == "reported"
                else all(sums[part] == value[part] for part in ("numerator", "denominator")),
                "places": [
                    {
                        **_pick(row, "dataset", "sha256", "source_sheet"),
                        "source_rows": _ranges(row["source_rows"]),
                    }
                    for row in rows
                ],
                "listed": [],
            }
    return traced


_COLUMNS = """
    SELECT column_name FROM information_schema.columns WHERE table_schema = $schema AND table_name = $name
    ORDER BY ordinal_position
"""


def _without_period(row: Facts) -> Facts:
    return {key: row[key] for key in row if key not in ("period_type", "period_start", "period_end")}


def _cells(con: duckdb.DuckDBPyConnection, row: Facts) -> Facts:
    """The landed row as it was read from the file, without blank cells."""
    table = row["dataset"]
    has_breakdown = row.get("breakdown") is not None
    found = _rows(
        con,
        f"""
        SELECT * FROM raw.{table}
        WHERE extract_id = $extract_id AND source_row = $source_row
            AND source_sheet IS NOT DISTINCT FROM $source_sheet AND period_start <= $period_start
            {"AND coalesce(breakdown, $breakdown) = $breakdown" if has_breakdown else ""}
        -- A row of a series holds many months; beds of a quarter stand for each of its months.
        ORDER BY period_start DESC LIMIT 1
        """,
        **_pick(row, *_PLACE, "period_start", *(("breakdown",) if has_breakdown else ())),
    )
    return {key: cell for key, cell in found[0].items() if key not in _PLACE and cell is not None} if found else {}


def _parts(con: duckdb.DuckDBPyConnection, indicator: Facts, value: Facts) -> Facts | None:
    """The values that a value is made of: a system's members, or the months of a year to date."""
    if value["source"] != "derived":
        return None
    keys = _pick(value, "indicator_id", "org_code", "org_level", "period_start", "period_end")
    if value["period_type"] == "ytd":
        kind, members = (
            "months",
            _rows(
                con,
                """
            SELECT org_code, period_start, period_end, numerator, denominator, value, unit, caveat, extract_ids
            FROM marts.fct_indicator_values
            WHERE indicator_id = $indicator_id AND org_code = $org_code AND source = 'derived'
                AND (org_level = $org_level OR $org_level IN ('ccg', 'sub_icb', 'stp', 'icb'))
                AND period_type IN ('month', 'quarter')
                AND period_start >= $period_start AND period_end <= $period_end
                AND (NOT $is_stock OR period_end = $period_end)
            ORDER BY period_start
            """,
                is_stock=bool(indicator["is_stock"]),
                **keys,
            ),
        )
    elif value["org_level"] in ("stp", "icb"):
        kind, members = (
            "members",
            _rows(
                con,
                """
            SELECT m.member_code AS org_code, v.period_start, v.period_end, v.numerator, v.denominator, v.value,
                v.unit, v.caveat, v.extract_ids
            FROM intermediate.int_memberships m
            LEFT JOIN marts.fct_indicator_values v
                ON m.member_code = v.org_code AND v.org_level IN ('ccg', 'sub_icb')
                AND v.indicator_id = $indicator_id AND v.period_type = $period_type AND v.source = 'derived'
                AND v.period_start = $period_start AND v.period_end = $period_end
            WHERE m.system_code = $org_code AND m.system_level = $org_level
                AND $period_start BETWEEN m.valid_from AND m.valid_to
            ORDER BY m.member_code
            """,
                period_type=value["period_type"],
                **keys,
            ),
        )
    else:
        return None
    for member in members:
        member["shown"] = shown(member["value"], member["numerator"], member["denominator"], value["unit"])
    return {"kind": kind, "values": members}


def _arithmetic(value: Facts) -> str | None:
    """How the excess breaches come about, in numbers; None where there are none to count."""
    if value["breaches"] is None:
        return None
    breaches, allowed, excess = (_number(value[key]) for key in ("breaches", "allowed_breaches", "excess_breaches"))
    standard, whole = _number(value["standard"]), _number(value["denominator"])
    if value["unit"] != "percent":
        return f"breaches {breaches}; allowed {allowed}; in excess {breaches} - {allowed}, not below 0, = {excess}"
    if value["comparator"] in (">=", ">"):
        exact = Decimal(str(value["denominator"])) * (100 - Decimal(str(value["standard"]))) / 100
        counted = f"breaches {whole} - {_number(value['numerator'])} = {breaches}"
        limit = f"floor({whole} x (100 - {standard}) / 100) = floor({_number(exact)}) = {allowed}"
    else:
        exact = Decimal(str(value["denominator"])) * Decimal(str(value["standard"])) / 100
        counted = f"breaches {breaches}"
        limit = f"floor({whole} x {standard} / 100) = floor({_number(exact)}) = {allowed}"
    return f"{counted}; allowed {limit}; in excess {breaches} - {allowed}, not below 0, = {excess}"


def render(facts: Facts, form: str) -> str:
    """The facts as ``text`` (for reading) or ``json`` (for machines: unrounded)."""
    if form == "json":
        return json.dumps(facts, indent=2, default=str, ensure_ascii=False) + "\n"
    indicator = facts["indicator"]
    lines: list[Line] = [f"{indicator['indicator_id']}: {indicator['indicator_name']}"]
    better = {"higher": "higher is better", "lower": "lower is better"}.get(indicator["direction"], "no direction")
    for label, text in (
        ("numerator", indicator["numerator_description"]),
        ("denominator", indicator["denominator_description"]),
        ("unit", f"{indicator['unit']}, {better}"),
        ("source", indicator["source"]),
        ("note", indicator["note"]),
    ):
        lines += _labelled(label, text)
    for value in facts["values"]:
        lines += ["", *_value_as_text(value)]
    return "\n".join(_as_text(lines)) + "\n"


def in_words(value: Facts) -> list[tuple[str, str]]:
    """What is told of a value, as labels and texts; without a label, more of the one before."""
    told = _value_as_text(value)[1:]
    return [("", line.strip()) if isinstance(line, str) else line for line in told]


def _as_text(lines: Iterable[Line]) -> Iterator[str]:
    for line in lines:
        if isinstance(line, str):
            yield line
        else:
            label, text = line
            yield from textwrap.wrap(
                text, _WIDTH, initial_indent=f"  {label:<13} ", subsequent_indent=" " * 16, break_on_hyphens=False
            )


def _value_as_text(value: Facts) -> list[Line]:
    organisation = value["organisation"] or {}
    lines: list[Line] = [
        f"{value['org_code']} {organisation.get('org_name') or ''} ({value['org_level']}), {value['period']}, "
        f"{value['source']}{'' if value['is_preferred'] else ' (not the preferred source)'}"
    ]
    lines += _labelled("organisation", _organisation_in_words(organisation, value["history"]))
    lines += _labelled("value", _figure(value) + ("" if value["value"] is None else f", unrounded {value['value']!r}"))
    is_said = value["edition"] == "provisional" or not value["is_provisional"]
    lines += _labelled("edition", value["edition"] + ("" if is_said else ", in part provisional"))
    for caveat in value["caveats"]:
        lines += _labelled("caveat", caveat)
    for other in value["beside"]:
        lines += _labelled("beside it", _beside_in_words(other, value))
    lines += _labelled("standard", _standard_in_words(value["standard"]) or "none in force")
    lines += _labelled("verdict", value["verdict"])
    lines += _labelled("", value["arithmetic"])
    lines += _labelled("national one", _other_in_words(value))
    if value["periods_in_breach"]:
        lines += _labelled("in breach", f"{value['periods_in_breach']} running, by {value['period_type']}")
    for row in value["trajectories"]:
        lines += _trajectory_as_text(row)
    for row in value["history"]:
        until = f"until {_moment(row['known_to'])}" if row["known_to"] else "and still"
        said = f"{row['shown']}{_fraction(row)}, edition {row['edition']}, {', '.join(row['files'])}"
        lines += _labelled("said", f"from {_moment(row['known_from'])} {until}: {said}")
    for row in value["restatements"]:
        lines += _labelled("restated", _restatement_in_words(row))
    for row in value["corrections"]:
        was, now = _number(row["expected_value"]), _number(row["corrected_value"])
        why = f"{row['what_is_wrong']}; {row['why']} (agreed by {row['agreed_by']} on {row['agreed_on']})"
        lines += _labelled("correction", f"{row['corrected_count']} {was} to {now}, {row['outcome']}: {why}")
    for row in value["questions"]:
        wrong = ", not to be quoted" if row["is_value_wrong"] else ""
        lines += _labelled("question", f"{row['severity']}{wrong} ({row['finding']}): {row['question']}")
    for row in value["extracts"]:
        published = f"published {row['published_on']}, " if row["published_on"] else "day of publication not stated, "
        also = f"; the same bytes also came as {', '.join(row['also_received_as'])}" if row["also_received_as"] else ""
        lines += _labelled(
            "file",
            f"{row['file_name']}: {row['dataset']}, layout {row['layout']}, edition {row['edition']}, {published}"
            f"received {_moment(row['received_at'])}{also}",
        )
        lines += _labelled("sha256", row["sha256"])
    return lines + _proof_as_text(value)


def _trajectory_as_text(row: Facts) -> list[Line]:
    """A plan beside what happened, and where it lands: each in its own line."""
    which = f", {row['breakdown']}" if row["breakdown"] else ""
    planned = f"planned {row['planned_label'] or 'nothing to date'} ({row['profile_label']})"
    actual = f"actual {row['actual_label'] or 'none'}"
    variance = f", {row['variance_label']} ({row['variance_pct_label']})" if row["variance_pct_label"] else ""
    lines = _labelled(
        "plan", f"{row['plan']}{which}, {row['period_label']}: {planned}, {actual}{variance}: {row['verdict']}"
    )
    if row["planned_for_year_label"]:
        needed = f"{row['run_rate_needed_label']} a month needed" if row["run_rate_needed_label"] else None
        so_far = f"{row['run_rate_to_date_label']} a month so far" if row["run_rate_to_date_label"] else None
        lines += _labelled(
            "", "; ".join(filter(None, (f"plan of the year {row['planned_for_year_label']}", so_far, needed)))
        )
    if row["forecast_label"] and row["months_left"]:
        interval = (
            f" (80 %: {row['forecast_80_label']}; 95 %: {row['forecast_95_label']})" if row["forecast_80_label"] else ""
        )
        chance = f"; chance of meeting plan {row['chance_label']}" if row["chance_label"] else ""
        lines += _labelled("forecast", f"{row['forecast_label']} for the year{interval}{chance}")
    for caveat in (row["caveat"] or "").split("; "):
        lines += _labelled("", caveat)
    return lines + _labelled("", f"version {row['plan_version']}, {row['plan_source']}")


def _proof_as_text(value: Facts) -> list[Line]:
    rows, parts = value["rows"], value["parts"]
    lines = _labelled("worked out", value["worked_out"])
    if rows and rows["count"]:
        files = {extract["sha256"]: extract["file_name"] for extract in value["extracts"]}
        for place in rows["places"]:
            sheet = f", sheet {place['source_sheet']}" if place["source_sheet"] else ""
            lines += _labelled(
                "rows", f"{files.get(place['sha256'], place['sha256'])}{sheet}: {_shortened(place['source_rows'])}"
            )
        lines += _labelled("they add to", _sum_in_words(value, rows))
        lines += _listed_as_text(rows["listed"])
        if 0 < len(rows["listed"]) < rows["count"]:
            rest = rows["count"] - len(rows["listed"])
            lines += _labelled("", f"and {rest:,} more rows; these are the {len(rows['listed'])} that add most")
    if parts:
        lines += _labelled(parts["kind"], "made of these values; explain one of them for its rows")
        for part in parts["values"]:
            name = part["org_code"] if parts["kind"] == "members" else f"{part['period_start']:%Y-%m}"
            caveat = f"; {part['caveat']}" if part["caveat"] else ""
            lines.append(f"    {name}: {part['shown']}{_fraction(part)}{caveat}")
    if not lines:
        lines += _labelled("rows", "none are traced to this value; it rests on the files above")
    return lines


def _sum_in_words(value: Facts, rows: Facts) -> str:
    sums = [_number(rows[key]) for key in ("numerator", "denominator") if rows[key] is not None]
    said = f"{rows['count']:,} row{'s' if rows['count'] > 1 else ''}, {' of '.join(sums) or 'nothing is added'}"
    if value["source"] == "reported":
        return "the row of the return is quoted, nothing is added"
    if rows["adds_up"]:
        return f"{said}: the value has no figure" if value["numerator"] is None else f"{said}: the value"
    if any(row["is_applied"] for row in value["corrections"]):
        return f"{said}, before the correction above"
    return f"{said}; the value differs: {_number(value['numerator'])} of {_number(value['denominator'])}"


def _listed_as_text(rows: Sequence[Facts]) -> list[str]:
    """The landed rows: where each is, what it adds, and its cells. What all of a dataset's share stands once."""
    lines: list[str] = []
    for dataset in dict.fromkeys(row["dataset"] for row in rows):
        of_dataset = [row for row in rows if row["dataset"] == dataset]
        shared = {
            key: cell
            for key, cell in of_dataset[0]["cells"].items()
            if len(of_dataset) > 1 and all(row["cells"].get(key) == cell for row in of_dataset)
        }
        if shared:
            lines += _wrapped(f"each of {dataset}: {_cells_in_words(shared)}")
        for row in of_dataset:
            counts = (("numerator", row["numerator"]), ("denominator", row["denominator"]))
            adds = ", ".join(f"{_number(count)} to the {key}" for key, count in counts if count is not None)
            sheet = f"{row['source_sheet']} " if row["source_sheet"] else ""
            own = {key: cell for key, cell in row["cells"].items() if key not in shared}
            stated = adds or ("as stated" if "value" in row else "adds nothing")
            lines += _wrapped(f"{sheet}row {row['source_row']}: {stated} | {_cells_in_words(own)}")
    return lines


def _cells_in_words(cells: Facts) -> str:
    return "; ".join(f"{key} {_cell(cell)}" for key, cell in cells.items())


def _wrapped(text: str) -> list[str]:
    return textwrap.wrap(text, _WIDTH, initial_indent="    ", subsequent_indent="        ", break_on_hyphens=False)


def _organisation_in_words(organisation: Facts, history: Sequence[Facts]) -> str | None:
    """Whatever the files called it then, and what it came from and became."""
    called = next((row["org_name"] for row in reversed(history) if row["org_name"]), None)
    is_same = not called or called.casefold() == (organisation.get("org_name") or "").casefold()
    parts = [] if is_same else [f"called {called} in the file"]
    if organisation.get("predecessor_codes"):
        parts.append(f"takes over from {', '.join(organisation['predecessor_codes'])}")
    if organisation.get("successor_code") and organisation["successor_code"] != organisation["org_code"]:
        parts.append(f"taken over by {organisation['successor_code']}")
    if organisation.get("valid_from"):
        parts.append(f"from {organisation['valid_from']}")
    if organisation.get("valid_to"):
        parts.append(f"until {organisation['valid_to']}")
    if organisation.get("parent_code"):
        parts.append(f"parent {organisation['parent_code']}")
    return "; ".join(parts) or None


def _beside_in_words(other: Facts, value: Facts) -> str:
    said = f"{other['indicator_id']} {other['source']}: {_figure(other)}"
    if other["difference"] is not None:
        return f"{said}; reported minus derived is {_number(other['difference'])}"
    is_comparable = other["value"] is not None and value["value"] is not None
    return f"{said}; no difference beyond rounding" if is_comparable else said


def _other_in_words(value: Facts) -> str | None:
    """The standard that one of the organisation's own goes before, and what it would say of the value."""
    text = _standard_in_words(value["national_standard"])
    if text is None or value["is_other_met"] is None:
        return text
    return f"{text}; by it {'met' if value['is_other_met'] else 'not met'}"


def _standard_in_words(standard: Facts | None) -> str | None:
    if standard is None:
        return None
    dates = f"from {standard['valid_from'] or 'the beginning'} " + (
        f"until {standard['valid_to']}" if standard["valid_to"] else "on"
    )
    text = f"{standard['comparator']} {_number(standard['standard'])}, {standard['scope']}, in force {dates}"
    return "; ".join(filter(None, (text, standard["source"], standard["note"])))


def _restatement_in_words(row: Facts) -> str:
    before = shown(row["previous_value"], row["previous_numerator"], row["previous_denominator"], row["unit"])
    after = shown(row["value"], row["numerator"], row["denominator"], row["unit"])
    breach = f"; the breach {row['breach_change']}" if row["breach_change"] else ""
    return f"{_moment(row['restated_at'])}: {row['restatement']}, {before} to {after}{breach}"


def _figure(value: Facts) -> str:
    return f"{shown(value['value'], value['numerator'], value['denominator'], value['unit'])}{_fraction(value)}"


def _fraction(value: Facts) -> str:
    if value["denominator"] is None or value["numerator"] is None:
        return ""
    return f" ({_number(value['numerator'])} of {_number(value['denominator'])})"


def _labelled(label: str, text: str | None) -> list[Line]:
    return [(label, text)] if text else []


def _period(value: Facts) -> str:
    start, end = value["period_start"], value["period_end"]
    match value["period_type"]:
        case "month":
            return f"{start:%Y-%m}"
        case "week":
            return f"week ending {end}"
        case "ytd":
            return f"year to date {start:%Y-%m} to {end:%Y-%m}"
        case _:
            return f"{value['period_type'].replace('_', ' ')} {start:%Y-%m} to {end:%Y-%m}"


def _ranges(numbers: Sequence[int]) -> str:
    """Row numbers in words: ``9, 12-15``."""
    runs: list[list[int]] = []
    for number in numbers:
        if runs and number <= runs[-1][1] + 1:
            runs[-1][1] = number
        else:
            runs.append([number, number])
    return ", ".join(f"{first}" if first == last else f"{first}-{last}" for first, last in runs)


def _shortened(ranges: str) -> str:
    """Row numbers as far as a few lines hold them; JSON has them all."""
    if len(ranges) <= _ROWS_SHOWN:
        return ranges
    return f"{ranges[: ranges.rindex(',', 0, _ROWS_SHOWN)]} and so on (all in --format json)"


def _moment(moment: datetime) -> str:
    return f"{moment:%Y-%m-%d}" if moment.hour == moment.minute == 0 else f"{moment:%Y-%m-%d %H:%M}"


def _number(number: Any) -> str:
    if number is None:
        return "none"
    exact = Decimal(str(number)).normalize()
    return f"{exact:,f}"


def _cell(cell: Any) -> str:
    if isinstance(cell, list):
        return " ".join("-" if part is None else _cell(part) for part in cell) or "none"
    return _number(cell) if isinstance(cell, int | float) and not isinstance(cell, bool) else str(cell)


def _pick(row: Mapping[str, Any], *keys: str) -> Facts:
    return {key: row[key] for key in keys}


def _rows_of(con: duckdb.DuckDBPyConnection, query: str, **parameters: Any) -> list[tuple[Any, ...]]:
    return con.execute(query, parameters).fetchall()


def _rows(con: duckdb.DuckDBPyConnection, query: str, **parameters: Any) -> list[Facts]:
    cursor = con.execute(query, parameters)
    columns = [c[0] for c in cursor.description or []]
    return [dict(zip(columns, map(plain, row), strict=True)) for row in cursor.fetchall()]
