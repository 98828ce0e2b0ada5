"""What a database holds, table by table, as hashes: to tell whether two runs ended in the same.

Neither the order of rows nor where they lie in the file counts. What may differ between two runs on the same bytes is
left out, and it is named here alone: times of receipt, names of files, and the records of runs.
"""

from __future__ import annotations

import hashlib
from pathlib import Path

import duckdb

# Tables of schema marts that tell of runs rather than of data.
RUN_RECORDS = ("runs", "runs_files")
# Columns that may differ by table; ``*`` stands for every table.
RECEIPT = {
    "*": ("received_at", "latest_received_at", "modified_at"),
    "extracts": ("file_name",),
    "received_files": ("file_name",),
    "dim_datasets": ("stale_since",),
}


def of(
    database: Path, schema: str = "marts", without_receipt: bool = True, leave_out: tuple[str, ...] = ()
) -> dict[str, str]:
    """The hash of each table of a schema, its name first; run records apart."""
    con = duckdb.connect()
    try:
        # Views name the database that they are in.
        con.execute(f"ATTACH '{database}' AS ccg (READ_ONLY)")
        con.execute("USE ccg")
        return of_connection(con, schema, without_receipt, leave_out)
    finally:
        con.close()


def of_connection(
    con: duckdb.DuckDBPyConnection, schema: str, without_receipt: bool = True, leave_out: tuple[str, ...] = ()
) -> dict[str, str]:
    """The same of the database that a connection uses."""
    columns = con.execute(
        "SELECT table_name, list(column_name || ' ' || data_type ORDER BY column_name) FROM duckdb_columns() "
        "WHERE schema_name = ? AND database_name = current_database() GROUP BY ALL ORDER BY ALL",
        [schema],
    ).fetchall()
    return {
        table: _hash(con, schema, table, typed, _without(table, without_receipt, leave_out))
        for table, typed in columns
        if table not in RUN_RECORDS
    }


def differences(one: dict[str, str], other: dict[str, str]) -> list[str]:
    """The names of tables that are not the same in both."""
    return sorted(name for name in one.keys() | other.keys() if one.get(name) != other.get(name))


def in_one(hashes: dict[str, str]) -> str:
    """One short hash of all tables."""
    return hashlib.sha256(repr(sorted(hashes.items())).encode()).hexdigest()[:12]


def _without(table: str, without_receipt: bool, leave_out: tuple[str, ...]) -> tuple[str, ...]:
    return (*RECEIPT["*"], *RECEIPT.get(table, ()), *leave_out) if without_receipt else leave_out


def _hash(con: duckdb.DuckDBPyConnection, schema: str, table: str, typed: list[str], without: tuple[str, ...]) -> str:
    kept = [column for column in typed if column.split(" ")[0] not in without]
    listed = ", ".join(f'"{column.split(" ")[0]}"' for column in kept)
    rows, content = con.execute(
        f"SELECT count(*), sha256(coalesce(string_agg(h, '' ORDER BY h), '')) "
        f"FROM (SELECT sha256(r::VARCHAR) AS h FROM (SELECT {listed} FROM {schema}.{table}) r)"
    ).fetchall()[0]
    return f"{rows} rows {hashlib.sha256((content + repr(kept)).encode()).hexdigest()[:16]}"
