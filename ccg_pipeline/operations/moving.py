"""A warehouse from a file into a lake, and back: ``ccg move``.

What is received and loaded goes over, with the records of runs; the rest is built from it by the next night, and until
then readers have the publication that stands. Every table is compared with what it was copied from before it counts.
Killed at any point, nothing has changed, and the command is given again.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from contextlib import ExitStack
from datetime import UTC, datetime

import duckdb

from ccg_pipeline import durable, extracts, homes, warehouse
from ccg_pipeline.settings import DUCKLAKE, Settings


class MoveError(Exception):
    """The warehouse stays where it is. The text says why and what to do."""


def to_lake(settings: Settings, say: Callable[[str], None]) -> int:
    """Take the warehouse file of a home folder into its lake, and set the file aside; returns how many rows went over.

    Raises `MoveError` where there is no such file, or something else in the lake; `WarehouseBusyError`, `LakeError`.
    """
    file, place = settings.warehouse_file, settings.lake
    assert place
    with warehouse.sole_writer(file), ExitStack() as held:
        if not file.is_file():
            raise MoveError(
                f"there is no {file} to move. A new lake needs none: set CCG_PROFILE={DUCKLAKE} and run ccg nightly."
            )
        _keep_others_out(settings, held)
        with warehouse.moving(place, file, is_source=True) as con:
            rows = _copied(con, "file", "ccg", f"the lake {place.server}", say)
        homes.note_lake(settings)
        aside = file.with_name(f"{file.stem}.moved-{datetime.now(UTC):%Y%m%dT%H%M%SZ}{file.suffix}")
        os.replace(file, aside)
        durable.settle(file.parent)
        say(f"{file.name} is set aside as {aside.name}; remove it when the lake has proved itself")
    return rows


def to_file(settings: Settings, say: Callable[[str], None]) -> int:
    """Take what is in the lake into a warehouse file of the home folder; the lake stays as it is. As `to_lake`."""
    file, place = settings.warehouse_file, settings.lake
    assert place
    with warehouse.sole_writer(file), ExitStack() as held:
        _keep_others_out(settings, held)
        if file.is_file():
            # A move that was cut off may have come as far as this.
            with warehouse.moving(place, file, is_source=True) as con:
                rows = _copied(con, "ccg", "file", str(file), say)
        else:
            beside = file.with_name(f".{file.name}.next")
            for leftover in (beside, beside.with_name(f"{beside.name}.wal")):
                leftover.unlink(missing_ok=True)
            with warehouse.moving(place, beside, is_source=False) as con:
                rows = _copied(con, "ccg", "file", str(file), say)
            durable.put(beside, file)
        homes.forget_lake(settings)
        say(f"the lake {place.server} stays as it is, for other home folders that use it")
    return rows


def _keep_others_out(settings: Settings, held: ExitStack) -> None:
    assert settings.lake
    held.enter_context(warehouse.building(settings.lake))
    held.enter_context(warehouse.dataset_held(settings.lake, *extracts.DATASETS))


def _tables(con: duckdb.DuckDBPyConnection, database: str) -> list[str]:
    return [
        table
        for (table,) in con.execute(
            "SELECT table_name FROM duckdb_tables() WHERE database_name = ? AND schema_name = 'raw' ORDER BY 1",
            [database],
        ).fetchall()
    ]


def _copied(con: duckdb.DuckDBPyConnection, source: str, target: str, called: str, say: Callable[[str], None]) -> int:
    """Copy schema ``raw`` in one transaction, and prove each table; returns how many rows there are.

    What is there already is not overwritten: it is the same, from a move that was cut off after this, or refused.
    """
    contents = {table: _content(con, source, table) for table in _tables(con, source)}
    if not contents:
        raise MoveError(f"there is nothing to move into {called}: nothing was ever received.")
    there = {table: _content(con, target, table) for table in _tables(con, target)}
    if any(rows for rows, _ in there.values()):
        if there != contents:
            raise MoveError(
                f"{called} is not empty: it has {sum(rows for rows, _ in there.values()):,} rows, other than those to "
                "be moved, and nothing is overwritten. Name another place, or use what is there without moving."
            )
        say(f"{called} has all of it already, from a move that was cut off")
        return sum(rows for rows, _ in contents.values())
    con.execute("BEGIN")
    con.execute(f"CREATE SCHEMA IF NOT EXISTS {target}.raw")
    for table, content in contents.items():
        columns = con.execute(
            "SELECT column_name, data_type, NOT is_nullable FROM duckdb_columns() "
            "WHERE database_name = ? AND schema_name = 'raw' AND table_name = ? ORDER BY column_index",
            [source, table],
        ).fetchall()
        typed = ", ".join(f"{name} {kind}{' NOT NULL' if is_needed else ''}" for name, kind, is_needed in columns)
        con.execute(f"DROP TABLE IF EXISTS {target}.raw.{table}")
        con.execute(f"CREATE TABLE {target}.raw.{table} ({typed})")
        con.execute(f"INSERT INTO {target}.raw.{table} SELECT * FROM {source}.raw.{table}")
        copied = _content(con, target, table)
        if copied != content:
            con.execute("ROLLBACK")
            raise MoveError(
                f"raw.{table} did not come over as it is: {content[0]:,} rows, {copied[0]:,} copied, or other ones. "
                "Nothing is moved; report this to the developers."
            )
        say(f"raw.{table}: {content[0]:,} rows, the same in both")
    con.execute("COMMIT")
    return sum(rows for rows, _ in contents.values())


def _content(con: duckdb.DuckDBPyConnection, database: str, table: str) -> tuple[int, int | None]:
    """How many rows a table has, and the sum of their hashes, which is the same in whatever order they are."""
    return con.execute(f"SELECT count(*), sum(hash(t)::HUGEINT) FROM {database}.raw.{table} AS t").fetchall()[0]
