"""The questions that ``ccg queries`` prints: figures that may not be what they say, the gravest first."""

from __future__ import annotations

import csv
import io
import json
import textwrap
from collections.abc import Sequence
from typing import Any

import duckdb

from ccg_pipeline.publication.cells import guarded_row
from ccg_pipeline.publication.indicators import UnknownNameError

SEVERITIES = ("high", "medium", "low")
_WIDTH = 120

_QUERY = """
SELECT query_id, severity, finding, is_value_wrong, dataset, indicator_id, q.org_code, q.org_level, o.org_name,
    period_type, period_start, period_end, source, question, evidence
FROM marts.fct_data_queries q
LEFT JOIN (SELECT org_code, org_level, org_name FROM marts.dim_organisations) o USING (org_code, org_level)
WHERE ($org_code IS NULL OR q.org_code = $org_code)
    AND ($severity IS NULL OR severity = $severity)
    AND ($finding IS NULL OR finding = $finding)
ORDER BY list_position(['high', 'medium', 'low'], severity), finding, dataset, q.org_code, period_start, query_id
"""


def select(
    con: duckdb.DuckDBPyConnection, org_code: str | None, severity: str | None, finding: str | None
) -> list[dict[str, Any]]:
    """One row a question; None means all. Raises `UnknownNameError` for names not published."""
    for value, table, column, what in (
        (org_code, "marts.dim_organisations", "org_code", "organisation"),
        (finding, "catalogue.data_query_kinds", "finding", "kind of question"),
    ):
        if value is None:
            continue
        known = [r[0] for r in con.execute(f"SELECT DISTINCT {column} FROM {table} ORDER BY 1").fetchall()]
        if value not in known:
            listed = f": one of {', '.join(known)}" if len(known) < 60 else ""
            raise UnknownNameError(f"no {what} {value!r} is published{listed}")
    cursor = con.execute(_QUERY, {"org_code": org_code, "severity": severity, "finding": finding})
    columns = [c[0] for c in cursor.description or []]
    return [dict(zip(columns, row, strict=True)) for row in cursor.fetchall()]


def render(rows: Sequence[dict[str, Any]], form: str) -> str:
    """The questions as ``text`` (for reading), ``csv`` or ``json``."""
    if form == "json":
        return json.dumps(rows, indent=2, default=str, ensure_ascii=False) + "\n"
    if form == "csv":
        out = io.StringIO()
        writer = csv.DictWriter(out, list(rows[0]) if rows else [], lineterminator="\n")
        writer.writeheader()
        writer.writerows(map(guarded_row, rows))
        return out.getvalue()
    return "\n".join(_as_text(row) for row in rows)


def _as_text(row: dict[str, Any]) -> str:
    where = " ".join(filter(None, (row["org_code"], row["org_name"]))) or row["dataset"]
    wrong = ", not to be quoted" if row["is_value_wrong"] else ""
    lines = [f"{row['severity']}{wrong}: {where} ({row['finding']})"]
    for text in (row["question"], row["evidence"]):
        lines += textwrap.wrap(text, _WIDTH, initial_indent="    ", subsequent_indent="    ")
    return "\n".join(lines) + "\n"
