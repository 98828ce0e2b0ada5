"""The warehouse. The only module that opens it to write, and the one that publishes it.

Belongs here: the write lock, the tables of schema ``raw``, and the atomic swap of the published copy. Does not
belong here: what a row means (`extracts`), when a file is loaded (`landing`), and all of dbt's schemas.

It is a DuckDB file, or a lake that several machines share (`lake`). DuckDB allows one process that reads and writes a
file, or many that only read; within a night the pipeline and dbt take turns. The lock file keeps a second night of the
same home folder out for the whole of the first. In a lake each writes in transactions of its own, and the locks of
`lake` keep apart what must not happen at once.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import shutil
import socket
import threading
import time
import uuid
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import IO, Any, TypeVar

import duckdb
import polars as pl

from ccg_pipeline import durable, lake
from ccg_pipeline.settings import Lake, PublishedLake, Settings

Place = Path | Lake | PublishedLake
Result = TypeVar("Result")

_TYPES = {
    pl.String: "VARCHAR",
    pl.Int64: "BIGINT",
    pl.Float64: "DOUBLE",
    pl.Boolean: "BOOLEAN",
    pl.Date: "DATE",
    pl.List(pl.String): "VARCHAR[]",
    pl.List(pl.Int64): "BIGINT[]",
}

REGISTRY: dict[str, dict[str, str]] = {
    # One row a file ever seen in the landing folder, by its path below it.
    "received_files": {
        "file_name": "VARCHAR NOT NULL",
        "extract_id": "VARCHAR NOT NULL",
        "size_bytes": "BIGINT NOT NULL",
        "modified_at": "TIMESTAMP NOT NULL",
        "received_at": "TIMESTAMP NOT NULL",
        "is_present": "BOOLEAN NOT NULL",
    },
    # One row a distinct content, by the sha256 of its bytes. ``published_by`` is the run whose publication was the
    # first to hold it.
    "extracts": {
        "extract_id": "VARCHAR NOT NULL",
        "dataset": "VARCHAR",
        "layout": "VARCHAR",
        "period_start": "DATE",
        "period_end": "DATE",
        "edition": "VARCHAR",
        "published_on": "DATE",
        "received_at": "TIMESTAMP NOT NULL",
        "row_count": "BIGINT",
        "outcome": "VARCHAR NOT NULL",
        "reason": "VARCHAR",
        "caveat": "VARCHAR",
        "reader_version": "VARCHAR NOT NULL",
        "is_published": "BOOLEAN NOT NULL",
        "published_by": "VARCHAR",
    },
    # The slices of each loaded extract: the unit in which editions replace each other.
    "extract_coverage": {
        "extract_id": "VARCHAR NOT NULL",
        "dataset": "VARCHAR NOT NULL",
        "view": "VARCHAR NOT NULL",
        "part": "VARCHAR NOT NULL",
        "period_start": "DATE NOT NULL",
    },
    # One row a dataset whose models stand: the state of the project that made them, and of what was loaded. None of
    # those that are being made anew.
    "kept_models": {
        "project_fingerprint": "VARCHAR NOT NULL",
        "dataset": "VARCHAR",
        "loaded": "VARCHAR",
    },
    # One row a run (`run_tables`); times in UTC.
    "runs": {
        "run_id": "VARCHAR NOT NULL",
        "kind": "VARCHAR NOT NULL",
        "as_known_at": "TIMESTAMP",
        "started_at": "TIMESTAMP NOT NULL",
        "finished_at": "TIMESTAMP",
        "published_at": "TIMESTAMP",
        "outcome": "VARCHAR NOT NULL",
        "exit_code": "BIGINT",
        "landing_folder": "VARCHAR",
        "files": "BIGINT",
        "ignored_files": "BIGINT",
        "new_extracts": "BIGINT",
        "loaded_extracts": "BIGINT",
        "rejected_extracts": "BIGINT",
        "withdrawn_extracts": "BIGINT",
        "duplicate_files": "BIGINT",
        "files_in_quarantine": "BIGINT",
        "rows_loaded": "BIGINT",
        "failures": "VARCHAR[]",
        "start_seconds": "DOUBLE",
        "receive_seconds": "DOUBLE",
        "load_seconds": "DOUBLE",
        "check_seconds": "DOUBLE",
        "build_seconds": "DOUBLE",
        "judge_seconds": "DOUBLE",
        "publish_seconds": "DOUBLE",
        "all_seconds": "DOUBLE",
        "versions": "VARCHAR",
        "project_fingerprint": "VARCHAR",
        "catalogue_fingerprint": "VARCHAR",
        "landing_fingerprint": "VARCHAR",
        "marts_fingerprint": "VARCHAR",
        "published_bytes": "BIGINT",
        "has_made_this_publication": "BOOLEAN",
    },
    # One row a run and file of the landing folder, and a run and extract kept or withdrawn without one.
    "run_files": {
        "run_id": "VARCHAR NOT NULL",
        "file_name": "VARCHAR NOT NULL",
        "extract_id": "VARCHAR NOT NULL",
        "dataset": "VARCHAR",
        "size_bytes": "BIGINT",
        "outcome": "VARCHAR NOT NULL",
        "reason": "VARCHAR",
        "row_count": "BIGINT",
    },
}


# What DuckDB may hold in memory while the pipeline writes; more goes to the disk beside the warehouse. Without it
# DuckDB takes up to four fifths of the machine's memory.
_MEMORY: dict[str, Any] = {"memory_limit": "2GiB"}


# dbt builds everything within half a minute; a process that holds the file longer is no leftover.
_LEFTOVER_SECONDS = 90


class WarehouseBusyError(Exception):
    """Another run is writing. The text names it."""


class WarehouseDamagedError(Exception):
    """The file is no longer a database. The text says what to do."""


# Rows that DuckDB stores together. Parquet in groups of as many is taken over by all cores, and a quarter sooner.
_ROW_GROUP = 122_880


# The runs of this process that hold the right to write, by warehouse.
_held: dict[Path, str] = {}


@contextmanager
def sole_writer(
    warehouse: Path,
    patience_seconds: float = 0,
    told: Callable[[str], None] = lambda _: None,
    run_id: str | None = None,
) -> Iterator[None]:
    """Hold the right to write for as long as the block lasts.

    Raises `WarehouseBusyError` where another has it and keeps it for longer than ``patience_seconds``,
    `WarehouseDamagedError` where the file cannot be opened. ``told`` is told who is waited for.

    A run that holds it may ask again by its id: a night holds it from end to end, and its job within it.
    """
    warehouse.parent.mkdir(parents=True, exist_ok=True)
    if run_id and _held.get(warehouse) == run_id:
        yield
        return
    with open(lock_of(warehouse), "a+") as lock:
        deadline, is_told = time.monotonic() + patience_seconds, False
        while not _locked(lock):
            lock.seek(0)
            holder = lock.read().strip() or "unknown"
            if time.monotonic() >= deadline:
                raise WarehouseBusyError(
                    f"another run (process {holder}) is writing {warehouse}. Wait for it to end, then start again."
                )
            if not is_told:
                told(f"waiting for another run (process {holder}), which is writing {warehouse}")
                is_told = True
        lock.truncate(0)
        lock.write(str(os.getpid()))
        lock.flush()
        _make_usable(warehouse, told)
        if run_id:
            _held[warehouse] = run_id
        try:
            yield
        finally:
            _held.pop(warehouse, None)


def _locked(lock: IO[str]) -> bool:
    """Whether the lock could be had. Tried for a moment: who asks `is_being_written` holds it for a moment."""
    for _ in range(3):
        with contextlib.suppress(BlockingIOError):
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return True
        time.sleep(0.05)
    return False


def lock_of(warehouse: Path) -> Path:
    """The file that a writer of a warehouse holds locked; it stays when the writer ends, and means nothing then."""
    return warehouse.with_suffix(".lock")


def is_being_written(warehouse: Path) -> bool:
    """Whether a process, this one too, holds the right to write."""
    try:
        with open(lock_of(warehouse), "rb") as lock:
            fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except FileNotFoundError:
        return False
    except BlockingIOError:
        return True
    return False


def _make_usable(warehouse: Path, told: Callable[[str], None]) -> None:
    """Let a dbt process end that outlived a killed run (it holds DuckDB's own lock, not ours), and set a log aside
    that a power cut left with a gap in it."""
    deadline = time.monotonic() + _LEFTOVER_SECONDS
    while warehouse.exists():
        try:
            duckdb.connect(str(warehouse)).close()
            return
        except duckdb.Error as error:
            what = str(error).splitlines()[0][:200]
            if "lock on file" in what and time.monotonic() <= deadline:
                time.sleep(1)
            elif "lock on file" in what:
                raise WarehouseBusyError(
                    f"another process holds {warehouse} open ({what}). Close it, then start again; readers belong on "
                    "the published copy."
                ) from None
            elif "replaying WAL file" in what and _log(warehouse).exists():
                # All that was published is in the file itself: what only the log holds is received and built again.
                told(f"{_log(warehouse)} was cut off and is set aside: what it holds is received again")
                os.replace(_log(warehouse), _log(warehouse).with_suffix(".damaged"))
            else:
                raise WarehouseDamagedError(damaged(warehouse, what)) from None


def damaged(warehouse: Path, what: str) -> str:
    """What to do about a warehouse that cannot be read, in words."""
    return (
        f"{warehouse} is damaged ({what}). The publication is a file of its own and stays as it is. Restore the last "
        f"backup; or remove {warehouse.name} and {_log(warehouse).name}, if it is there, and run ccg nightly: "
        "everything in the landing folder is then loaded again."
    )


def _log(warehouse: Path) -> Path:
    """DuckDB's write-ahead log: what is committed and not yet in the file."""
    return warehouse.with_name(f"{warehouse.name}.wal")


def _create(warehouse: Path) -> None:
    """An empty database, whole from the first moment: a file that was cut off while it is made opens never again."""
    beside = warehouse.with_name(f".{warehouse.name}.next")
    for leftover in (beside, _log(beside), _log(warehouse)):
        leftover.unlink(missing_ok=True)
    duckdb.connect(str(beside)).close()
    durable.put(beside, warehouse)


@contextmanager
def writing(
    warehouse: Path | Lake, schemas: Mapping[str, Mapping[str, Any]] | None = None
) -> Iterator[duckdb.DuckDBPyConnection]:
    """A connection that writes, in one transaction; the tables of schema ``raw`` exist.

    ``schemas`` gives the columns of each dataset's table as polars types; every table also has ``extract_id``. In a
    lake no other run writes what is received and loaded meanwhile.
    """
    with _opened_to_write(warehouse) as con:
        con.execute("BEGIN")
        try:
            _lay_out(con, schemas or {})
            yield con
        except BaseException:
            with contextlib.suppress(duckdb.Error):
                con.rollback()
            raise
        con.execute("COMMIT")


@contextmanager
def _opened_to_write(warehouse: Path | Lake) -> Iterator[duckdb.DuckDBPyConnection]:
    if isinstance(warehouse, Lake):
        with lake.locked(warehouse, lake.REGISTRY), _of_lake(warehouse) as con:
            yield con
        return
    warehouse.parent.mkdir(parents=True, exist_ok=True)
    if not warehouse.exists():
        _create(warehouse)
    con = _connected_to_write(warehouse)
    try:
        yield con
    finally:
        con.close()


def _connected_to_write(warehouse: Path) -> duckdb.DuckDBPyConnection:
    """A connection; a dbt process of a killed run that opened the file only after `_make_usable` is waited for too."""
    deadline = time.monotonic() + _LEFTOVER_SECONDS
    while True:
        try:
            return duckdb.connect(str(warehouse), config=_MEMORY)
        except duckdb.IOException as error:
            if "lock on file" not in str(error) or time.monotonic() > deadline:
                raise
            time.sleep(1)


def _lay_out(con: duckdb.DuckDBPyConnection, schemas: Mapping[str, Mapping[str, Any]]) -> None:
    con.execute("CREATE SCHEMA IF NOT EXISTS raw")
    present: dict[str, dict[str, str]] = {}
    for table, column, kind in con.execute(
        "SELECT table_name, column_name, data_type FROM duckdb_columns() "
        "WHERE schema_name = 'raw' AND database_name = current_database()"
    ).fetchall():
        present.setdefault(table, {})[column] = kind
    for table, columns in REGISTRY.items():
        if table not in present:
            con.execute(f"CREATE TABLE raw.{table} ({', '.join(f'{c} {t}' for c, t in columns.items())})")
        else:
            _widen(con, table, {c: t.removesuffix(" NOT NULL") for c, t in columns.items()}, present[table])
    for table, schema in schemas.items():
        typed = {c: _TYPES[t] for c, t in schema.items()}
        if table not in present:
            columns_of_it = ", ".join(f"{c} {t}" for c, t in typed.items())
            con.execute(f"CREATE TABLE raw.{table} (extract_id VARCHAR NOT NULL, {columns_of_it})")
        else:
            _widen(con, table, typed, present[table])


def _widen(con: duckdb.DuckDBPyConnection, table: str, columns: Mapping[str, str], present: Mapping[str, str]) -> None:
    """Bring a table of an older version up to this one's columns; rows of extracts no longer at hand stay."""
    for column, kind in columns.items():
        if column not in present:
            con.execute(f"ALTER TABLE raw.{table} ADD COLUMN {column} {kind}")
        elif present[column] != kind:
            con.execute(f"ALTER TABLE raw.{table} ALTER COLUMN {column} SET DATA TYPE {kind}")


@dataclass(frozen=True)
class Loading:
    """What a dataset is loaded by: a connection for its rows, one for what is noted of them when all are in, and how to
    keep what was loaded so far, whatever befalls the rest.

    In a file both are one. In a lake the rows of each extract are there as soon as they are inserted, and nobody reads
    them before they are noted: a run that is killed in between leaves rows that the next load of their extract removes.
    """

    rows: duckdb.DuckDBPyConnection
    noting: Callable[[], AbstractContextManager[duckdb.DuckDBPyConnection]]
    keep: Callable[[], None]
    is_shared: bool


@contextmanager
def loading(warehouse: Path | Lake, schemas: Mapping[str, Mapping[str, Any]]) -> Iterator[Loading]:
    """Connections to load a dataset by, whose lock is held (`dataset_held`); the tables exist."""
    if isinstance(warehouse, Lake):
        with writing(warehouse, schemas):
            pass
        with _of_lake(warehouse) as con:
            yield Loading(con, lambda: writing(warehouse), lambda: None, is_shared=True)
    else:
        with writing(warehouse, schemas) as con:
            yield Loading(con, lambda: nullcontext(con), lambda: _commit(con), is_shared=False)


def _commit(con: duckdb.DuckDBPyConnection) -> None:
    con.execute("COMMIT")
    con.execute("BEGIN")


def dataset_held(warehouse: Path | Lake, *datasets: str) -> AbstractContextManager[object]:
    """Keep other runs from loading and checking datasets. A file has one run at a time as it is."""
    if isinstance(warehouse, Lake):
        return lake.locked(warehouse, *(lake.of_dataset(name) for name in sorted(datasets)))
    return nullcontext()


@contextmanager
def building(place: Lake, waiting: Callable[[], None] = lambda: None) -> Iterator[Callable[[], None]]:
    """Hold the right to build models and to publish, in a lake, which one run has at a time; dbt of a run that was
    killed has ended when the block begins. Yields what raises `LakeError` where the right was lost since.

    Raises `WarehouseBusyError` where such a dbt does not end."""
    with lake.locked(place, lake.BUILDING, waiting=waiting) as still_held:
        try:
            with lake.locked(place, lake.MODELS, patience_seconds=lake.LEFTOVER_SECONDS):
                pass
        except TimeoutError:
            raise WarehouseBusyError(
                f"a dbt process is building in the lake ({place.server}) that no run is waiting for. End it, then "
                "start again: nothing needs to be repaired."
            ) from None
        yield still_held


def pin(place: Path | Lake) -> None:
    """Have dbt read, in a lake, the raw rows as they are now, whatever other runs load while it builds."""
    if isinstance(place, Lake):
        with lake.locked(place, lake.REGISTRY), _of_lake(place) as con:
            lake.pin(con)


@contextmanager
def moving(place: Lake, file: Path, is_source: bool) -> Iterator[duckdb.DuckDBPyConnection]:
    """A connection to a lake, as ``ccg``, and to a warehouse file, as ``file``; the file is only read if it is the
    source. In the lake no other run writes what is received and loaded meanwhile."""
    with lake.locked(place, lake.REGISTRY):
        con = duckdb.connect(config=_MEMORY | lake.CONFIGURATION)
        try:
            lake.open_to_write(con, place)
            con.execute("ATTACH '{}' AS file{}".format(str(file).replace("'", "''"), " (READ_ONLY)" * is_source))
            yield con
            if not is_source:
                con.execute("CHECKPOINT file")
        finally:
            con.close()


def forget_snapshots(settings: Settings, before: datetime) -> int:
    """Remove from a lake what nobody can ask for any more: snapshots from before a moment (UTC) that no publication
    names, and their files. Returns how many snapshots are gone."""
    if not isinstance(settings.warehouse, Lake):
        return 0
    made_from = publication_of(settings.published)
    with lake.locked(settings.warehouse, lake.REGISTRY), _of_lake(settings.warehouse) as con:
        home, snapshot = home_in_lake(settings.published), made_from and made_from[1]
        return lake.forget_snapshots(con, home, snapshot, before.isoformat(" "))


def tried_again(change: Callable[[], Result]) -> Result:
    """What a short change comes to, made anew where another run of a lake changed the same rows meanwhile."""
    for _ in range(_TRIES):
        with contextlib.suppress(duckdb.TransactionException):
            return change()
    return change()


@contextmanager
def _of_lake(place: Lake) -> Iterator[duckdb.DuckDBPyConnection]:
    """A connection to a lake as it is now. Opening a lake takes a second, so that a process does so once."""
    with _opening:
        if place not in _lakes:
            con = duckdb.connect(config=_MEMORY | lake.CONFIGURATION)
            try:
                lake.open_to_write(con, place)
            except BaseException:
                con.close()
                raise
            _lakes[place] = con
        cursor = _lakes[place].cursor()
    try:
        cursor.execute("USE ccg")
        yield cursor
    except (duckdb.IOException, duckdb.FatalException, duckdb.InternalException, duckdb.TransactionException):
        _lakes.pop(place, None)  # its server may have gone away and come back: the next one connects anew
        raise
    finally:
        cursor.close()


# The lakes that this process has opened.
_lakes: dict[Lake, duckdb.DuckDBPyConnection] = {}
_opening = threading.Lock()
_TRIES = 5


@contextmanager
def reading(place: Place) -> Iterator[duckdb.DuckDBPyConnection]:
    """A connection that only reads; of the warehouse within a run, of the published copy for everyone else.

    The database has the name that its views call it by, whatever its file is called. A lake is read as it is when the
    first query is made, a published one at the snapshot that its publication names.
    """
    if isinstance(place, Lake):
        with _of_lake(place) as con:
            con.execute("BEGIN TRANSACTION READ ONLY")
            yield con
            con.rollback()
        return
    made_from = publication_of(place.file) if isinstance(place, PublishedLake) else None
    con = duckdb.connect(config=lake.CONFIGURATION if made_from else {})
    try:
        if isinstance(place, PublishedLake) and made_from:
            known_as, snapshot = made_from
            lake.attach(con, place.lake, snapshot, read_only=True)
            if lake.identity(con) != known_as:
                raise lake.LakeError(
                    f"{place.file} was published from another lake than {place.lake.server}. Run ccg nightly."
                )
        else:
            # What was published before the warehouse was moved into the lake is whole.
            file = place.file if isinstance(place, PublishedLake) else place
            con.execute("ATTACH '{}' AS ccg (READ_ONLY)".format(str(file).replace("'", "''")))
            con.execute("USE ccg")
        yield con
    finally:
        con.close()


def reach(place: Path | Lake) -> None:
    """Raises `LakeError` where a lake cannot be reached: better at the beginning of a run than within it."""
    if isinstance(place, Lake):
        with _of_lake(place):
            pass


def is_there(place: Place) -> bool:
    """Whether there is something to open; whether a lake is, only its server knows."""
    if isinstance(place, Lake):
        return True
    return (place.file if isinstance(place, PublishedLake) else place).is_file()


def publication_of(published: Path) -> tuple[str, int] | None:
    """The lake, and its snapshot, that a publication was made from; None for one of a warehouse in a file, and where
    nothing is published yet."""
    if not published.is_file():
        return None
    with reading(published) as con:
        con.execute("SET python_enable_replacements = false")  # a variable of that name is no table
        try:
            return con.execute("SELECT lake, snapshot FROM publication.snapshots").fetchall()[0]
        except duckdb.CatalogException:
            return None


def insert_rows(con: duckdb.DuckDBPyConnection, table: str, extract_id: str, rows: pl.DataFrame, scratch: Path) -> None:
    """Replace the rows of an extract. Goes through Parquet: handing a wide frame over in memory is slower."""
    scratch.mkdir(parents=True, exist_ok=True)
    # A path of its own each time: DuckDB keeps what it read of a file by its path, and may give parts of one file for
    # another of the same length that took its place within a second.
    parquet = scratch / f"{uuid.uuid4().hex}.parquet"
    rows.write_parquet(parquet, compression="lz4", row_group_size=_ROW_GROUP)
    try:
        con.execute(f"DELETE FROM raw.{table} WHERE extract_id = ?", [extract_id])
        columns = ", ".join(rows.columns)
        con.execute(
            f"INSERT INTO raw.{table} (extract_id, {columns}) SELECT ?, {columns} FROM read_parquet(?)",
            [extract_id, str(parquet)],
        )
    finally:
        parquet.unlink()


class PublicationError(Exception):
    """The copy could not be made; the last publication stands as it was. The text says why and what to do."""


def publish(warehouse: Path | Lake, published: Path) -> None:
    """Put a read-only copy of the warehouse in place of the last one, by one atomic rename after fsync.

    Of a lake the copy holds the marts, and the snapshot at which all else is found (`PublishedLake`). Whoever has the
    last copy open keeps reading it. Raises `PublicationError` where the copy cannot be written, with what was written
    of it removed.
    """
    beside = copy_in_the_making(published)
    try:
        published.parent.mkdir(parents=True, exist_ok=True)
        beside.unlink(missing_ok=True)
        if isinstance(warehouse, Lake):
            _log(beside).unlink(missing_ok=True)
            with _of_lake(warehouse) as con:
                snapshots = lake.copy_marts(con, beside)
            with writing(warehouse) as con:
                lake.note_publication(con, home_in_lake(published), *snapshots)
        else:
            con = duckdb.connect(str(warehouse))
            try:
                con.execute("CHECKPOINT")
                # Copied while the connection keeps out a dbt process that a killed run may have left.
                shutil.copyfile(warehouse, beside)
            finally:
                con.close()
        beside.chmod(0o444)
        durable.put(beside, published)
    except lake.LakeError:
        raise
    except (OSError, duckdb.IOException) as error:
        with contextlib.suppress(OSError):
            beside.unlink(missing_ok=True)
        raise PublicationError(_why_not_published(warehouse, published, error)) from error


def home_in_lake(published: Path) -> str:
    """What a lake knows the publication of a home folder by: the machine, and where it is there."""
    return f"{socket.gethostname()}:{published}"


def copy(publication: Path | PublishedLake, to: Path) -> None:
    """Make a warehouse in a file of a publication; of one in a lake, of the raw rows that it rests on."""
    if isinstance(publication, Path):
        shutil.copyfile(publication, to)
        return
    with reading(publication) as con:
        con.execute("ATTACH '{}' AS copy_of_raw".format(str(to).replace("'", "''")))
        lake.copy_raw(con)


def copy_in_the_making(published: Path) -> Path:
    """Where a publication is written before it is put in its place."""
    return published.with_suffix(".next")


def _why_not_published(warehouse: Path | Lake, published: Path, error: Exception) -> str:
    room = ""
    with contextlib.suppress(OSError):
        last = warehouse if isinstance(warehouse, Path) else published
        needed, free = last.stat().st_size, shutil.disk_usage(published.parent).free
        room = f" The copy takes {needed / 1e6:,.0f} MB, {free / 1e6:,.0f} MB are free."
    return (
        f"{published} could not be written: {str(error).splitlines()[0]}.{room} Make room or mend the folder, then run "
        "ccg nightly again; what is loaded is not loaded twice."
    )
