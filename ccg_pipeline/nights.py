"""What a night saw, so that the next one can tell at once that nothing is new; and the record of every run.

Belongs here: the fingerprints of the project and the catalogue, and `runs.jsonl`. Imports nothing heavy: a night with
nothing new must be over before Dagster, dbt or Great Expectations are loaded. The tables that the record ends in are in
`run_tables`.

`runs.jsonl` has a line for the beginning of a run and one for its end, each on the disk before the run goes on. A run
without the second did not end: it was killed, or the machine went down.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import json
import os
import platform
import resource
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

import duckdb

from ccg_pipeline import durable, warehouse
from ccg_pipeline.landing.files import LandedFile, landing_fingerprint
from ccg_pipeline.settings import DUCKLAKE, PROJECT_ROOT, Settings

PUBLISHED, NOTHING_NEW, FAILED = "published", "nothing new", "failed"
# A run of some assets, started by hand in Dagster, that made no publication; and one that did not end.
DONE, KILLED, UNDER_WAY = "done", "killed", "under way"
NIGHTLY, SCHEDULE, SENSOR, BY_HAND, REBUILD = "nightly", "schedule", "sensor", "by hand", "rebuild"

WHY_NOT_ENDED = "it was killed, or the machine went down"
DID_NOT_END = f"the run did not end: {WHY_NOT_ENDED}"

_PROJECT_PARTS = ("ccg_pipeline", "dbt_project", "expectations", "requirements.lock")
_PROJECT_SUFFIXES = (".py", ".sql", ".yml", ".csv", ".json", ".lock")
_PACKAGES = ("dagster", "dbt-core", "duckdb", "great-expectations", "polars")


def project_fingerprint() -> str:
    """Changes when code, models, catalogue, expectations or locked versions change."""
    return _fingerprint(_PROJECT_PARTS, _PROJECT_SUFFIXES)


def catalogue_fingerprint() -> str:
    """Changes when a seed of the catalogue changes, and with nothing else."""
    return _fingerprint(("dbt_project/seeds",), (".csv",))


def _fingerprint(parts: Iterable[str], suffixes: tuple[str, ...]) -> str:
    digest = hashlib.sha256()
    for part in parts:
        root = PROJECT_ROOT / part
        paths = [root] if root.is_file() else sorted(root.rglob("*")) if root.is_dir() else []
        for path in paths:
            if path.is_file() and path.suffix in suffixes and "__pycache__" not in path.parts:
                digest.update(path.relative_to(PROJECT_ROOT).as_posix().encode())
                digest.update(path.read_bytes())
    return digest.hexdigest()


def versions() -> dict[str, str]:
    """What a run runs on."""
    return {"python": platform.python_version()} | {package: version(package) for package in _PACKAGES}


def is_nothing_new(settings: Settings, files: Iterable[LandedFile]) -> bool:
    """Whether the last publication already holds all that a run on these files would give.

    The publication that stands there says itself what it was made from.
    """
    if not (warehouse.is_there(settings.published) and warehouse.is_there(settings.warehouse)):
        return False
    try:
        if (warehouse.publication_of(settings.published) is not None) != (settings.profile == DUCKLAKE):
            return False  # the warehouse was moved since, and nothing is built in it yet
        with warehouse.reading(settings.published) as con:
            made = con.execute(
                "SELECT run_id, landing_fingerprint, project_fingerprint FROM marts.runs "
                "WHERE has_made_this_publication"
            ).fetchall()
    except duckdb.Error:
        return False
    return [made_from for _, *made_from in made] == [[landing_fingerprint(files), project_fingerprint()]] and _is_held(
        settings, made[0][0]
    )


def _is_held(settings: Settings, run_id: str) -> bool:
    """Whether the warehouse is the one that a run published, and not one begun anew since by a run that was killed."""
    try:
        with warehouse.reading(settings.warehouse) as con:
            # With the first parameter of a query DuckDB imports pandas, which a night with nothing new does without.
            return (run_id,) in con.execute("SELECT run_id FROM raw.runs").fetchall()
    except duckdb.Error as error:
        return "lock on file" in str(error)  # another run is writing it


@dataclass(frozen=True)
class Begun:
    """A run that has begun: who started it and when (UTC), and what state of the project it runs on."""

    run_id: str
    kind: str
    started_at: datetime
    project: str
    catalogue: str

    @property
    def seconds(self) -> float:
        """How long it has been under way, also on a machine whose clock was set meanwhile."""
        return round(time.monotonic() - _began[self.run_id], 1)

    def record(self, settings: Settings) -> dict[str, Any]:
        """What its records have in common."""
        return {
            "run_id": self.run_id,
            "kind": self.kind,
            "started_at": _text(self.started_at),
            "raw": str(settings.raw),
            "as_known_at": settings.as_known_at.isoformat() if settings.as_known_at else None,
            "project": self.project,
            "catalogue": self.catalogue,
            "versions": versions(),
        }


# When runs of this process began, by a clock that nobody sets.
_began: dict[str, float] = {}


def begin(settings: Settings, run_id: str, kind: str, started_at: datetime) -> Begun:
    """Note that a run begins. Raises `OSError` where that cannot be written: then nothing else can."""
    begun = Begun(run_id, kind, started_at, project_fingerprint(), catalogue_fingerprint())
    _began[run_id] = time.monotonic() - max(0.0, (datetime.now(UTC) - started_at).total_seconds())
    record_run(settings, begun.record(settings) | {"outcome": UNDER_WAY, "process": os.getpid()})
    return begun


def begun(settings: Settings, run_id: str) -> Begun | None:
    """The beginning of a run that has begun and not ended."""
    for record in records(settings):
        if record.get("run_id") == run_id and record.get("outcome") == UNDER_WAY:
            started_at = datetime.fromisoformat(record["started_at"])
            return Begun(run_id, record["kind"], started_at, record["project"], record["catalogue"])
    return None


def end(settings: Settings, begun: Begun, outcome: str, exit_code: int, **found: Any) -> dict[str, Any]:
    """Note that a run has ended and how; returns its record. ``found`` is what it saw and did, by the names of
    `run_tables`."""
    record = begun.record(settings) | {
        "finished_at": _text(datetime.now(UTC)),
        "outcome": outcome,
        "exit_code": exit_code,
        "failures": [],
        "quarantine": [],
        **found,
    }
    record["seconds"] = {**record.get("seconds", {}), "all": begun.seconds}
    record["peak_memory_mb"] = _peak_memory_mb()
    with contextlib.suppress(OSError):  # a run that failed for want of room has no room to say so
        record_run(settings, record)
    return record


def _peak_memory_mb() -> int:
    """The most memory that this process has held so far, in MiB. What dbt held is not told: the system counts what the
    process that started it held then as its own."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024


def record_run(settings: Settings, record: dict[str, Any]) -> None:
    """Append one line to ``runs.jsonl``, on the disk when this returns."""
    settings.run_records.parent.mkdir(parents=True, exist_ok=True)
    line = json.dumps(record, default=str) + "\n"
    with _records_held(settings), open(settings.run_records, "ab+") as file:
        # After a line that was cut off begins a new one.
        if file.tell() and _last_byte(settings.run_records) != b"\n":
            line = "\n" + line
        file.write(line.encode())
        file.flush()
        os.fsync(file.fileno())
    durable.settle(settings.home)


def records(settings: Settings) -> list[dict[str, Any]]:
    """The record of each run, in the order in which they began; of one that has not ended, that of its beginning."""
    by_run: dict[str, dict[str, Any]] = {}
    for number, record in enumerate(_lines(settings)):
        by_run[record.get("run_id", str(number))] = record
    return list(by_run.values())


def last_run(settings: Settings) -> dict[str, Any] | None:
    """The latest record of a run that ended, rebuilds apart; None before the first."""
    ended = [r for r in _lines(settings) if r.get("outcome") != UNDER_WAY and r.get("kind") != REBUILD]
    return ended[-1] if ended else None


def find(settings: Settings, run_id: str) -> dict[str, Any] | None:
    """The record of a run that has ended."""
    ended = [r for r in records(settings) if r.get("run_id") == run_id and r.get("outcome") != UNDER_WAY]
    return ended[0] if ended else None


def killed(settings: Settings) -> list[dict[str, Any]]:
    """The records of runs that began and did not end, and are not under way."""
    return [r for r in records(settings) if r.get("outcome") == UNDER_WAY and not _is_alive(r.get("process"))]


def killed_last(settings: Settings) -> dict[str, Any] | None:
    """The last of the runs, if it did not end. While one is writing it is that one, in another container perhaps, whose
    processes cannot be seen from here."""
    begun = records(settings)
    if not begun or begun[-1] not in killed(settings) or warehouse.is_being_written(settings.warehouse_file):
        return None
    return begun[-1]


def keep(settings: Settings, is_kept: Any) -> int:
    """Keep of the records those for which ``is_kept`` is true, one line each; returns how many are gone."""
    with _records_held(settings):
        everything = records(settings)
        kept = [record for record in everything if is_kept(record)]
        if len(kept) < len(everything):
            durable.put_text(settings.run_records, "".join(json.dumps(r, default=str) + "\n" for r in kept))
    return len(everything) - len(kept)


def _lines(settings: Settings) -> Iterator[dict[str, Any]]:
    if not settings.run_records.is_file():
        return
    for line in settings.run_records.read_text(encoding="utf-8", errors="replace").splitlines():
        with contextlib.suppress(ValueError):  # a run that was killed may have left half a line
            record = json.loads(line)
            if isinstance(record, dict):
                yield record


@contextlib.contextmanager
def _records_held(settings: Settings) -> Iterator[None]:
    """Keep other processes from writing the records: a night with nothing new may end while another run tidies up."""
    with open(settings.run_records.with_suffix(".lock"), "a") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _last_byte(path: Path) -> bytes:
    with open(path, "rb") as file:
        file.seek(-1, os.SEEK_END)
        return file.read(1)


def _is_alive(process: int | None) -> bool:
    if not process:
        return False
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def _text(moment: datetime) -> str:
    return moment.isoformat(timespec="seconds")
