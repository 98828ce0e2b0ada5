"""The record of runs in the warehouse: ``raw.runs`` and ``raw.run_files``, and what is published by them.

Belongs here: rows of runs from the records of `nights`, what a run found in the landing folder, and bringing the
warehouse in line with the publication that stands. The tables are declared in `warehouse`, read by dbt's ``marts.runs``
and ``marts.runs_files``.

What is published is what stands in the publication. A run notes in the warehouse that it publishes, then swaps the copy
in; killed between the two, the publication does not know the run, and `reconcile` takes the note back.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Any

import duckdb

from ccg_pipeline import nights, warehouse
from ccg_pipeline.settings import DUCKLAKE, Settings

# Columns of ``raw.runs`` that a record has under another name.
_NAMES = {
    "landing_folder": "raw",
    "project_fingerprint": "project",
    "catalogue_fingerprint": "catalogue",
    "landing_fingerprint": "landing",
    "marts_fingerprint": "marts",
}
_STAGES = ("start", "receive", "load", "check", "build", "judge", "publish", "all")


def put(con: duckdb.DuckDBPyConnection, records: Iterable[Mapping[str, Any]]) -> None:
    """Put the rows of runs in place of those that there are."""
    columns = list(warehouse.REGISTRY["runs"])
    rows = [_row(record, columns) for record in records]
    if rows:
        con.executemany("DELETE FROM raw.runs WHERE run_id = ?", [[row[0]] for row in rows])
        con.executemany(f"INSERT INTO raw.runs VALUES ({', '.join('?' * len(columns))})", rows)


def put_publishing(con: duckdb.DuckDBPyConnection, record: Mapping[str, Any]) -> None:
    """Put the row of the run that makes the publication about to be copied."""
    put(con, [record])
    con.execute("UPDATE raw.runs SET has_made_this_publication = (run_id = ?)", [record["run_id"]])


def _row(record: Mapping[str, Any], columns: list[str]) -> list[Any]:
    seconds, versions = record.get("seconds") or {}, record.get("versions") or {}
    cells: dict[str, Any] = {column: record.get(_NAMES.get(column, column)) for column in columns}
    cells |= {f"{stage}_seconds": seconds.get(stage) for stage in _STAGES}
    cells["kind"] = cells["kind"] or nights.NIGHTLY
    cells["has_made_this_publication"] = False
    cells["failures"] = list(cells["failures"] or [])
    cells["versions"] = ", ".join(f"{package} {version}" for package, version in versions.items()) or None
    if cells["files_in_quarantine"] is None and record.get("quarantine") is not None:
        cells["files_in_quarantine"] = len(record["quarantine"])
    if cells["outcome"] == nights.UNDER_WAY:
        cells |= {"outcome": nights.KILLED, "failures": [nights.DID_NOT_END]}
    for column in ("as_known_at", "started_at", "finished_at", "published_at"):
        cells[column] = _moment(cells[column])
    return [cells[column] for column in columns]


def _moment(text: Any) -> datetime | None:
    moment = datetime.fromisoformat(text) if isinstance(text, str) else text
    return moment.astimezone(UTC).replace(tzinfo=None) if moment and moment.tzinfo else moment


def bring_in(con: duckdb.DuckDBPyConnection, settings: Settings) -> None:
    """Rows of all earlier runs that have only their line in ``runs.jsonl``, or have ended since they were put in."""
    rows = con.execute("SELECT run_id, outcome, finished_at IS NOT NULL FROM raw.runs").fetchall()
    ended = {run_id for run_id, _, has_finished in rows if has_finished}
    # One that was killed after it had published has published.
    published = {run_id for run_id, outcome, _ in rows if outcome == nights.PUBLISHED}
    killed = {record["run_id"] for record in nights.killed(settings)} - published
    put(
        con,
        (
            record
            for record in nights.records(settings)
            if {"run_id", "started_at", "outcome"} <= record.keys()
            and record["run_id"] not in ended
            and (record["outcome"] != nights.UNDER_WAY or record["run_id"] in killed)
        ),
    )


def found_by(con: duckdb.DuckDBPyConnection, run_id: str) -> dict[str, Any]:
    """What a run found in the landing folder and made of it, by the names of a record; nothing before it has
    received."""
    files = con.execute("SELECT outcome, row_count FROM raw.run_files WHERE run_id = ?", [run_id]).fetchall()
    outcomes = [outcome for outcome, _ in files]
    if not files:
        return {}
    return {
        "files": sum(outcome not in ("kept", "withdrawn") for outcome in outcomes),
        "new_extracts": sum(outcomes.count(outcome) for outcome in ("received", "loaded", "rejected", "held back")),
        "loaded_extracts": outcomes.count("loaded"),
        "rejected_extracts": outcomes.count("rejected") + outcomes.count("held back"),
        "withdrawn_extracts": outcomes.count("withdrawn"),
        "duplicate_files": outcomes.count("duplicate"),
        "rows_loaded": sum(rows or 0 for outcome, rows in files if outcome == "loaded"),
    }


def marts_fingerprint(con: duckdb.DuckDBPyConnection) -> str:
    """What the marts hold, but for the records of runs: the same for the same rows, whatever their order."""
    marts = [
        name
        for (name,) in con.execute(
            "SELECT table_name FROM duckdb_tables() WHERE database_name = 'ccg' AND schema_name = 'marts' ORDER BY 1"
        ).fetchall()
    ]
    sums = " UNION ALL ".join(f"SELECT '{m}', count(*), sum(hash(t)::HUGEINT) FROM marts.{m} AS t" for m in marts)
    held = sorted(con.execute(sums).fetchall()) if marts else []
    return hashlib.sha256(repr(held).encode()).hexdigest()


def forget(con: duckdb.DuckDBPyConnection, before: datetime) -> None:
    """Remove the rows of runs that began before a moment (UTC)."""
    con.execute(
        "DELETE FROM raw.run_files WHERE run_id IN (SELECT run_id FROM raw.runs WHERE started_at < ?)", [before]
    )
    con.execute("DELETE FROM raw.runs WHERE started_at < ?", [before])


def reconcile(settings: Settings) -> None:
    """Bring the warehouse in line with the publication that stands.

    A run whose publication never came to stand there has published nothing: what it marked is marked no more. Where the
    warehouse was made anew, it takes over the record of runs that the publication holds.
    """
    if not (warehouse.is_there(settings.warehouse) or warehouse.is_there(settings.published)):
        return
    known = _runs_of_publication(settings)
    if known is None:
        return  # it cannot be read, or its copies were removed by hand: the warehouse is all there is
    with warehouse.writing(settings.warehouse) as con:
        noted = con.execute(
            "SELECT run_id FROM raw.runs WHERE outcome = ? AND kind <> ?", [nights.PUBLISHED, nights.REBUILD]
        ).fetchall()
        undone = [run_id for (run_id,) in noted if run_id not in known]
        if settings.profile == DUCKLAKE or warehouse.publication_of(settings.published):
            # Runs of other home folders publish from a lake: only what was begun here can have come to nothing here.
            begun_here = {record.get("run_id") for record in nights.records(settings)}
            undone = [run_id for run_id in undone if run_id in begun_here]
        for run_id in undone:
            take_back(con, run_id)
        if settings.profile != DUCKLAKE and known and not con.execute("SELECT 1 FROM raw.runs LIMIT 1").fetchall():
            _take_over(con, settings)


def take_back(con: duckdb.DuckDBPyConnection, run_id: str) -> None:
    """What a run marked as published is not: its copy did not come to stand there."""
    con.execute("UPDATE raw.extracts SET is_published = false, published_by = NULL WHERE published_by = ?", [run_id])
    con.execute("DELETE FROM raw.runs WHERE run_id = ?", [run_id])


def _runs_of_publication(settings: Settings) -> set[str] | None:
    """The runs that the publication knows; those that ended as published where none stands there."""
    if not settings.published.is_file():
        return {r["run_id"] for r in nights.records(settings) if r.get("outcome") == nights.PUBLISHED and "run_id" in r}
    # What was published from a lake holds the marts alone.
    for table in ("raw.runs", "marts.runs"):
        try:
            with warehouse.reading(settings.published) as con:
                return {run_id for (run_id,) in con.execute(f"SELECT run_id FROM {table}").fetchall()}
        except duckdb.CatalogException:
            continue
        except duckdb.Error:
            return None
    return set()  # made before runs were recorded


def _take_over(con: duckdb.DuckDBPyConnection, settings: Settings) -> None:
    if not settings.published.is_file():
        return
    with warehouse.reading(settings.published) as published:
        for table in ("runs", "run_files"):
            columns = ", ".join(warehouse.REGISTRY[table])
            rows = published.execute(f"SELECT {columns} FROM raw.{table}").pl()
            con.register("rows_of_publication", rows)
            con.execute(f"INSERT INTO raw.{table} ({columns}) SELECT {columns} FROM rows_of_publication")
            con.unregister("rows_of_publication")
