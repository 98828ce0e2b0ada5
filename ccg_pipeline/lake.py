"""DuckLake: a warehouse in Parquet files whose catalog is a PostgreSQL database, which several machines share.

Belongs here: the extensions, the catalog's address as DuckDB and PostgreSQL want it, and the locks of runs on several
machines. Does not belong here: opening connections to read or write (`warehouse`), and what the tables mean.

Extensions are files of Python packages (extra ``lake``) and are loaded from there: nothing is ever fetched.

Locks are advisory locks of the catalog's database, each held on a connection of its own, so that one vanishes with its
process. They are taken in the order of `BUILDING`, `MODELS`, datasets by name, `REGISTRY`; whoever holds a later one
never asks for an earlier one.
"""

from __future__ import annotations

import contextlib
import hashlib
import importlib.util
import json
import re
import time
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit

import duckdb

from ccg_pipeline import durable
from ccg_pipeline.settings import Lake

# Building and publishing; the process of dbt, which may outlive a run that is killed; the rows of one dataset
# (`of_dataset`); the tables that say what is received and loaded; opening a lake.
BUILDING, MODELS, REGISTRY, OPENING = "building", "models", "registry", "opening"
# The schema through which dbt reads schema ``raw`` (dbt_project/models/staging/landing/_raw__sources.yml).
PINNED = "raw_at_build"

_EXTENSIONS = ("postgres_scanner", "ducklake")
# What DuckDB must not do of itself: fetch an extension, or take a variable of Python for a table that is not there.
CONFIGURATION: dict[str, Any] = {
    "autoinstall_known_extensions": False,
    "autoload_known_extensions": False,
    "python_enable_replacements": False,
}
_SECONDS_TO_CONNECT = 10
# The records of runs, to which a publication adds the run that makes it.
_LIVE = ("runs", "run_files")
# How a view names a table: the database has the same name in the lake and in the published file.
_NAMED = r'\bccg"?\."?(\w+)"?\."?(\w+)'
# dbt of a run that was killed goes on until it has built everything, which takes minutes at most.
LEFTOVER_SECONDS = 1800


class LakeError(OSError):
    """The lake cannot be reached or is not what it should be: an outage, and no dataset's fault. The text says why and
    what to do, without the address."""


def of_dataset(name: str) -> str:
    """The lock of the rows of a dataset."""
    return f"dataset {name}"


def attach(con: duckdb.DuckDBPyConnection, lake: Lake, snapshot: int | None = None, read_only: bool = False) -> None:
    """Attach the lake as ``ccg``, as it is now or as it was at a snapshot. Raises `LakeError` where that cannot be."""
    for name in _EXTENSIONS:
        con.execute(f"LOAD '{_quoted(str(_extension(name)))}'")
    at = urlsplit(lake.catalog)
    known = {
        "HOST": at.hostname,
        "PORT": at.port,
        "USER": unquote(at.username) if at.username else None,
        "PASSWORD": unquote(at.password) if at.password else None,
        "DATABASE": unquote(at.path.lstrip("/")),
    }
    # As a secret of this connection the password is in no statement, message or catalog.
    said = ", ".join(f"{name} '{_quoted(str(value))}'" for name, value in known.items() if value is not None)
    con.execute(f"CREATE SECRET lake_catalog (TYPE postgres, {said})")
    options = {"connect_timeout": str(_SECONDS_TO_CONNECT), **dict(parse_qsl(at.query))}
    more = " ".join(f"{name}={value}" for name, value in options.items())
    con.execute(
        f"CREATE SECRET lake (TYPE ducklake, METADATA_PATH '{_quoted(more)}', DATA_PATH '{_quoted(str(lake.data))}', "
        "METADATA_PARAMETERS MAP {'TYPE': 'postgres', 'SECRET': 'lake_catalog'})"
    )
    if not lake.data.is_dir():
        raise LakeError(f"{lake.data}, the folder of the lake's data files, is not there. Create it, or mount it.")
    wanted = [
        *(["READ_ONLY"] if read_only else []),
        *([f"SNAPSHOT_VERSION {snapshot}"] if snapshot is not None else []),
    ]
    try:
        con.execute("ATTACH 'ducklake:lake' AS ccg" + (f" ({', '.join(wanted)})" if wanted else ""))
    except duckdb.Error as error:
        raise LakeError(_why_not_attached(lake, snapshot, str(error))) from None
    con.execute("USE ccg")


def _why_not_attached(lake: Lake, snapshot: int | None, said: str) -> str:
    if "No snapshot found" in said:
        return (
            f"snapshot {snapshot} is no longer in the lake ({lake.server}). Run ccg nightly: it publishes one that is."
        )
    if "does not exist" in said and "database" not in said:
        return f"there is no lake in {lake.server} yet. Run ccg nightly, or ccg move (docs/ducklake.md)."
    if "DATA_PATH" in said:
        return f"the files of the lake {lake.server} are not in {lake.data}. Set CCG_LAKE_DATA as everywhere else."
    why = re.sub(r'^.*?Unable to connect to Postgres at "[^"]*": ', "", " ".join(said.split()))
    return (
        f"the catalog of the lake, {lake.server}, cannot be used: {why[:300]}. See that its PostgreSQL server runs and "
        "lets this machine in, then start again: nothing needs to be repaired."
    )


def _extension(name: str) -> Path:
    spec = importlib.util.find_spec(f"duckdb_extension_{name}")
    if spec is None or spec.origin is None:
        raise LakeError(
            f"DuckDB's extension {name} is not installed. Install the extra lake: pip install 'ccg-pipeline[lake]'."
        )
    path = Path(spec.origin).parent / "extensions" / f"v{duckdb.__version__}" / f"{name}.duckdb_extension"
    if not path.is_file():
        raise LakeError(
            f"DuckDB's extension {name} is not that of DuckDB {duckdb.__version__}. Install the versions of "
            "requirements.lock."
        )
    return path


def _quoted(text: str) -> str:
    return text.replace("'", "''")


@contextlib.contextmanager
def locked(
    lake: Lake,
    *names: str,
    patience_seconds: float | None = None,
    waiting: Callable[[], None] = lambda: None,
) -> Iterator[Callable[[], None]]:
    """Hold locks, taken in the order given, for as long as the block, or the process, lasts.

    Yields what raises `LakeError` where they were lost since, with the connection that held them.
    ``waiting`` is called once where one has to be waited for. Raises `TimeoutError` where that takes longer than
    ``patience_seconds``, `LakeError` where the server cannot be reached.
    """
    con = _connected(lake)
    try:
        deadline = None if patience_seconds is None else time.monotonic() + patience_seconds
        with con.cursor() as cursor:
            for name in names:
                key, is_told = _key(name), False
                while True:
                    cursor.execute("SELECT pg_try_advisory_lock(%s)", [key])
                    if cursor.fetchone()[0]:
                        break
                    if not is_told:
                        waiting()
                        is_told = True
                    if deadline is not None and time.monotonic() >= deadline:
                        raise TimeoutError(name)
                    time.sleep(0.1)
        yield lambda: _still_held(con, lake)
    finally:
        con.close()


def _still_held(con: Any, lake: Lake) -> None:
    import psycopg2

    try:
        with con.cursor() as cursor:
            cursor.execute("SELECT 1")
    except psycopg2.Error:
        raise LakeError(
            f"the connection to the catalog of the lake, {lake.server}, was lost for a while, and another run may have "
            "begun to build meanwhile. Run ccg nightly again: nothing needs to be repaired."
        ) from None


def _connected(lake: Lake) -> Any:
    try:
        import psycopg2
    except ImportError:
        raise LakeError(
            "psycopg2 is not installed. Install the extra lake: pip install 'ccg-pipeline[lake]'."
        ) from None
    try:
        con = psycopg2.connect(
            lake.catalog,
            connect_timeout=_SECONDS_TO_CONNECT,
            application_name="ccg lock",
            # The server notices within a minute that a machine went down, and frees its locks.
            options="-c tcp_keepalives_idle=20 -c tcp_keepalives_interval=10 -c tcp_keepalives_count=3",
        )
    except psycopg2.Error as error:
        raise LakeError(_why_not_attached(lake, None, f"database: {error}")) from None
    con.autocommit = True
    return con


def _key(name: str) -> int:
    """A number of 64 bits with sign, as advisory locks are called; the same on every machine."""
    return int.from_bytes(hashlib.sha256(f"ccg {name}".encode()).digest()[:8], signed=True)


def pin(con: duckdb.DuckDBPyConnection) -> int:
    """Have the views of schema ``raw_at_build`` give the tables of schema ``raw`` as they are now, at the snapshot that
    is returned.

    dbt reads through them, so that all models of a build rest on the same rows, whatever other runs load meanwhile.
    """
    snapshot = _current(con)
    tables = con.execute(
        "SELECT table_name FROM duckdb_tables() WHERE database_name = 'ccg' AND schema_name = 'raw' ORDER BY 1"
    ).fetchall()
    con.execute("BEGIN")
    con.execute(f"CREATE SCHEMA IF NOT EXISTS {PINNED}")
    for (table,) in tables:
        version = "" if table in _LIVE else f" AT (VERSION => {snapshot})"
        con.execute(f"CREATE OR REPLACE VIEW {PINNED}.{table} AS SELECT * FROM ccg.raw.{table}{version}")
    con.execute(f"CREATE TABLE IF NOT EXISTS {PINNED}.pinned (snapshot BIGINT)")
    con.execute(f"DELETE FROM {PINNED}.pinned")
    con.execute(f"INSERT INTO {PINNED}.pinned VALUES ({snapshot})")
    con.execute("COMMIT")
    return snapshot


def identity(con: duckdb.DuckDBPyConnection) -> str | None:
    """What tells the lake that is attached from every other; None before it was opened to write."""
    try:
        return con.execute("SELECT lake FROM ccg.publication.lake").fetchall()[0][0]
    except duckdb.CatalogException:
        return None


def open_to_write(con: duckdb.DuckDBPyConnection, lake: Lake) -> None:
    """Attach the lake as ``ccg``; where the catalog is empty it is made, with an identity that also stands in the data
    folder. Raises `LakeError` where that folder is another lake's: files that a lake does not know are removed from its
    folder in the end.
    """
    with locked(lake, OPENING):  # two that make a catalog at the same moment break each other's
        attach(con, lake)
        note = lake.data / "lake.json"
        known = identity(con) or _claim(con, lake, note)
    try:
        noted = json.loads(note.read_text(encoding="utf-8"))["lake"]
    except FileNotFoundError:
        raise LakeError(
            f"{lake.data} is not the data folder of the lake {lake.server}: {note.name} is not in it. Mount the "
            "folder, or restore it with all that was in it."
        ) from None
    if noted != known:
        raise LakeError(
            f"{lake.data} is the data folder of another lake than {lake.server}. Name a folder of its own, or the "
            "catalog that belongs to it."
        )


def _claim(con: duckdb.DuckDBPyConnection, lake: Lake, note: Path) -> str:
    there = sorted(path.name for path in lake.data.iterdir() if not path.name.startswith("."))
    if there not in ([], [note.name]):
        raise LakeError(f"{lake.data} is not empty, and the lake {lake.server} is new. Name an empty folder.")
    # A note alone is from one that was cut off between this and the next.
    known = json.loads(note.read_text(encoding="utf-8"))["lake"] if there else uuid.uuid4().hex
    durable.put_text(note, json.dumps({"lake": known}) + "\n")
    con.execute("BEGIN")
    con.execute("CREATE SCHEMA publication")
    # A view leaves no file in the folder, as a table would that was cut off before it counted.
    con.execute(f"CREATE VIEW publication.lake AS SELECT '{_quoted(known)}' AS lake")
    con.execute(
        "CREATE TABLE publication.publications "
        "(home VARCHAR, snapshot BIGINT, snapshot_of_raw BIGINT, published_at TIMESTAMP)"
    )
    con.execute("COMMIT")
    return known


def _current(con: duckdb.DuckDBPyConnection) -> int:
    return con.execute("FROM ccg.current_snapshot()").fetchall()[0][0]


def pinned(con: duckdb.DuckDBPyConnection) -> int:
    """The snapshot that models read the raw rows at."""
    return con.execute(f"SELECT snapshot FROM {PINNED}.pinned").fetchall()[0][0]


def copy_marts(con: duckdb.DuckDBPyConnection, beside: Path) -> tuple[int, int]:
    """Write all marts into a DuckDB file that is not there yet, and which snapshots they are of; returns these: the
    one at which they were copied, and the one that the raw rows were read at."""
    con.execute(f"ATTACH '{_quoted(str(beside))}' AS copy_of_marts")
    try:
        con.execute("BEGIN")
        of_marts, of_raw = _current(con), pinned(con)
        _copy_tables(con)
        con.execute("CREATE SCHEMA copy_of_marts.publication")
        con.execute(
            "CREATE TABLE copy_of_marts.publication.snapshots AS SELECT ? AS lake, ? AS snapshot, ? AS snapshot_of_raw",
            [identity(con), of_marts, of_raw],
        )
        con.execute("COMMIT")
    except BaseException:
        with contextlib.suppress(duckdb.Error):
            con.rollback()
        raise
    finally:
        with contextlib.suppress(duckdb.Error):
            con.execute("DETACH copy_of_marts")
    return of_marts, of_raw


def _copy_tables(con: duckdb.DuckDBPyConnection) -> None:
    """All marts. One that is a view stays one, with the tables that it is made from: drawn, it may be many times as
    large as these."""
    known = con.execute(
        "SELECT schema_name, table_name, NULL FROM duckdb_tables() WHERE database_name = 'ccg' UNION ALL "
        "SELECT schema_name, view_name, sql FROM duckdb_views() WHERE database_name = 'ccg' ORDER BY ALL"
    ).fetchall()
    views = {(schema, name): sql for schema, name, sql in known if sql}
    live = {(PINNED, name) for name in _LIVE}
    drawn = {}
    for relation, sql in views.items():
        made_from = {found for found in re.findall(_NAMED, sql) if found[0] != "marts"}
        if relation[0] == "marts" and all(other in live or other not in views for other in made_from):
            drawn[relation] = made_from
    wanted = {(schema, name) for schema, name, _ in known if schema == "marts"} - drawn.keys()
    for schema, name in sorted(wanted.union(*drawn.values())):
        con.execute(f"CREATE SCHEMA IF NOT EXISTS copy_of_marts.{schema}")
        con.execute(f"CREATE TABLE copy_of_marts.{schema}.{name} AS SELECT * FROM ccg.{schema}.{name}")
    for schema, name in drawn:
        _, _, query = views[schema, name].partition(" AS ")
        con.execute(f"CREATE VIEW copy_of_marts.{schema}.{name} AS {query}")


def note_publication(con: duckdb.DuckDBPyConnection, home: str, snapshot: int, snapshot_of_raw: int) -> None:
    """Note, before a publication is put in its place, which snapshots it needs."""
    con.execute(
        "INSERT INTO publication.publications VALUES (?, ?, ?, now() AT TIME ZONE 'UTC')",
        [home, snapshot, snapshot_of_raw],
    )


def forget_snapshots(con: duckdb.DuckDBPyConnection, home: str, published: int | None, before: str) -> int:
    """Expire the snapshots from before a moment (UTC) that no publication needs, and remove files that only they had.

    Of a home's own publications the one ``published`` counts, and those since the moment. Returns how many are gone.
    """
    con.execute(
        "DELETE FROM publication.publications WHERE home = ? AND snapshot <> ? AND published_at < ?::TIMESTAMP",
        [home, published if published is not None else -1, before],
    )
    gone = con.execute(
        f"""
        SELECT snapshot_id FROM ccg.snapshots()
        WHERE snapshot_time < ?::TIMESTAMP AT TIME ZONE 'UTC'
            AND snapshot_id NOT IN (SELECT snapshot FROM publication.publications)
            AND snapshot_id NOT IN (SELECT snapshot_of_raw FROM publication.publications)
            AND snapshot_id NOT IN (SELECT snapshot FROM {PINNED}.pinned)
            AND snapshot_id <> (SELECT max(snapshot_id) FROM ccg.snapshots())
        """,
        [before],
    ).fetchall()
    if gone:
        listed = ", ".join(str(snapshot) for (snapshot,) in gone)
        con.execute(f"CALL ducklake_expire_snapshots('ccg', versions => [{listed}])")
    for remove in ("ducklake_cleanup_old_files", "ducklake_delete_orphaned_files"):
        con.execute(f"CALL {remove}('ccg', older_than => ?::TIMESTAMP AT TIME ZONE 'UTC')", [before])
    return len(gone)


def copy_raw(con: duckdb.DuckDBPyConnection) -> None:
    """Copy the raw rows that models rest on into schema ``raw`` of the database attached as ``copy_of_raw``."""
    con.execute("BEGIN")
    con.execute("CREATE SCHEMA copy_of_raw.raw")
    for (table,) in con.execute(
        "SELECT view_name FROM duckdb_views() WHERE database_name = 'ccg' AND schema_name = ? ORDER BY 1", [PINNED]
    ).fetchall():
        con.execute(f"CREATE TABLE copy_of_raw.raw.{table} AS SELECT * FROM ccg.{PINNED}.{table}")
    con.execute("COMMIT")
