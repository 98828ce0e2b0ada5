"""The values that the published files must give (../shared/reference/check_values.csv), against a publication."""

from __future__ import annotations

import csv
from pathlib import Path

import duckdb


def counts(con: duckdb.DuckDBPyConnection, indicator_id: str, org_code: str, month: str) -> list[tuple]:
    return con.execute(
        "SELECT numerator, denominator, value, caveat FROM marts.fct_indicator_values WHERE indicator_id = ? "
        "AND org_code = ? AND period_type = 'month' AND strftime(period_start, '%Y-%m') = ?",
        [indicator_id, org_code, month],
    ).fetchall()


def off(shared: Path, published: Path) -> list[tuple[dict[str, str], list[tuple]]]:
    """Each check that a publication does not hold just so, with what it has instead."""
    with open(shared / "reference" / "check_values.csv", encoding="utf-8", newline="") as file:
        checks = list(csv.DictReader(file))
    assert len(checks) == 630
    found = []
    with duckdb.connect(str(published), read_only=True) as con:
        for check in checks:
            expected = tuple(float(check[c]) if check[c] else None for c in ("numerator", "denominator"))
            rows = counts(con, check["indicator_id"], check["org_code"], check["period"])
            if (
                len(rows) != 1
                or rows[0][:2] != expected
                or (expected[0] is None and not (rows[0][2] is None and rows[0][3]))
            ):
                found.append((check, rows))
    return found
