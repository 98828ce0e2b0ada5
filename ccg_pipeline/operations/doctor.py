"""What is wrong with an installation, and what to do about it; nothing is changed by looking.

Each finding is ``ok``, ``look`` (it works, but somebody should know) or ``wrong`` (a night cannot do its work, or the
publication cannot be read). Every look is fenced off from the others: a home folder may be broken in any way.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import sqlite3
import sys
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from importlib.metadata import PackageNotFoundError, requires, version
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import duckdb
from packaging.requirements import Requirement

from ccg_pipeline import durable, homes, lake, nights, warehouse
from ccg_pipeline.notices import configuration, told
from ccg_pipeline.operations import dagster_home, schedule
from ccg_pipeline.settings import PROJECT_ROOT, Lake, Settings

OK, LOOK, WRONG = "ok", "look", "wrong"

# File systems of other machines: DuckDB's and SQLite's locks do not hold there, or only at times.
_NETWORK_DISKS = ("nfs", "cifs", "smb", "9p", "afs", "ceph", "lustre", "gluster", "fuse.sshfs", "fuse.gluster", "ncpfs")
# A daemon says that it is alive every half minute.
_SILENT_DAEMON = timedelta(minutes=5)
# Nights are a day apart and take at most an hour.
_NO_NIGHT = timedelta(hours=26)
_SPARE_BYTES = 500_000_000


@dataclass(frozen=True)
class Finding:
    """One line: what was looked at, how it is, and where it is not well what to do."""

    topic: str
    verdict: str
    found: str
    do: str = ""


def examine(settings: Settings, now: datetime) -> list[Finding]:
    """All findings about an installation at a moment (aware), in a fixed order of topics."""
    looks: dict[str, Callable[[Settings, datetime], Iterator[Finding]]] = {
        "versions": _versions,
        "landing folder": _landing_folder,
        "home folder": _home_folder,
        "disk": _disk,
        "write lock": _write_lock,
        "last run": _last_run,
        "warehouse": _warehouse,
        "publication": _publication,
        "quarantine": _quarantine,
        "datasets": _datasets,
        "notices": _notices,
        "retention": _retention,
        "leftovers": _leftovers,
        "schedule": _schedule,
        "daemon": _daemon,
        "Dagster's records": _dagster_records,
    }
    findings: list[Finding] = []
    for topic, look in looks.items():
        try:
            findings += look(settings, now)
        except Exception as error:  # whatever it is, the other looks are worth having
            findings.append(
                Finding(
                    topic,
                    WRONG,
                    f"cannot be examined: {type(error).__name__}: {_first_line(error)}",
                    f"see what is in its place below {settings.home}",
                )
            )
    return findings


def verdict(findings: list[Finding]) -> str:
    """The worst of all verdicts."""
    return max((f.verdict for f in findings), key=(OK, LOOK, WRONG).index, default=OK)


def in_words(findings: list[Finding]) -> list[str]:
    """One line a finding, with what to do below it."""
    wide = max(len(f.topic) for f in findings)
    lines = []
    for finding in findings:
        lines.append(f"{finding.verdict:<5}  {finding.topic:<{wide}}  {finding.found}")
        if finding.do:
            lines.append(f"{'':<5}  {'':<{wide}}  -> {finding.do}")
    return lines


def as_json(settings: Settings, now: datetime, findings: list[Finding]) -> str:
    return json.dumps(
        {
            "checked_at": now.astimezone(UTC).isoformat(timespec="seconds"),
            "home": str(settings.home),
            "raw": str(settings.raw),
            "verdict": verdict(findings),
            "findings": [asdict(f) for f in findings],
        },
        indent=1,
    )


def _first_line(error: BaseException) -> str:
    return (str(error).splitlines() or [""])[0][:200]


def _versions(settings: Settings, now: datetime) -> Iterator[Finding]:
    python = ".".join(map(str, sys.version_info[:3]))
    if (3, 11) <= sys.version_info < (3, 14):
        yield Finding("Python", OK, python)
    else:
        yield Finding("Python", WRONG, python, "make the environment anew with Python 3.11, 3.12 or 3.13 (make clean)")
    lock = PROJECT_ROOT / "requirements.lock"
    pattern = re.compile(r"^([A-Za-z0-9._-]+)(\[[^]]*\])?==([^\s;\\]+)\s*(;[^\\]*)?", re.MULTILINE)
    locked, differing = {}, {}
    for name, _, wanted, marker in pattern.findall(lock.read_text(encoding="utf-8")):
        required = Requirement(f"{name}=={wanted}{marker}")
        if required.marker and not required.marker.evaluate():
            continue
        locked[_normal(name)] = wanted
        try:
            here = version(name)
        except PackageNotFoundError:
            here = "missing"
        if here != wanted:
            differing[_normal(name)] = f"{name} {here} (lock: {wanted})"
    told = f"{len(locked)} packages as in requirements.lock"
    if not differing:
        yield Finding("packages", OK, told)
        return
    ours = {_normal(Requirement(r).name) for r in requires("ccg-pipeline") or [] if "extra ==" not in r}
    named = ", ".join(list(differing.values())[:5]) + (f" and {len(differing) - 5} more" if len(differing) > 5 else "")
    yield Finding(
        "packages",
        WRONG if ours & set(differing) else LOOK,
        f"{len(differing)} of {len(locked)} differ from requirements.lock: {named}",
        "install the lock again: rm .venv/ready && make check (or build the image anew)",
    )


def _normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def _landing_folder(settings: Settings, now: datetime) -> Iterator[Finding]:
    raw, topic = settings.raw, "landing folder"
    if not raw.is_dir():
        yield Finding(topic, WRONG, f"{raw} is not a folder", "create it, mount it, or set CCG_RAW")
    elif not os.access(raw, os.R_OK | os.X_OK):
        yield Finding(topic, WRONG, f"{raw} cannot be read by {_me()}", "let this user read it")
    else:
        kind = _kind_of_disk(raw)
        yield Finding(topic, OK, f"{raw}, readable" + (f", on {kind}" if kind else ""))


def _home_folder(settings: Settings, now: datetime) -> Iterator[Finding]:
    home, topic = settings.home, "home folder"
    if not home.exists():
        yield Finding(topic, LOOK, f"{home} is not there yet", "run ccg nightly, or name the right one with --home")
        return
    if not home.is_dir():
        yield Finding(topic, WRONG, f"{home} is not a folder", "move what is there, or name another with --home")
        return
    if not os.access(home, os.R_OK | os.W_OK | os.X_OK):
        is_read_only = os.statvfs(home).f_flag & os.ST_RDONLY
        yield Finding(
            topic,
            WRONG,
            f"{home} cannot be written by {_me()}" + (": its disk is mounted read-only" if is_read_only else ""),
            "see in the system's log why the disk went read-only" if is_read_only else "run as the owner of the folder",
        )
        return
    try:
        homes.check(settings)
    except homes.HomeError as error:
        what, _, do = str(error).partition(". ")
        yield Finding(topic, WRONG, what, do)
        return
    kind = _kind_of_disk(home)
    if kind.startswith(_NETWORK_DISKS):
        yield Finding(
            topic,
            WRONG,
            f"{home} is on a disk of another machine ({kind}), where locks do not hold",
            "put it on a disk of this machine; share copies of the publication",
        )
    else:
        told = f"{home}, writable" + (f", on {kind}" if kind else "")
        if homes.is_older(settings):
            yield Finding(topic, LOOK, f"{told}, of an older version", "back it up; the next run brings it up to date")
        else:
            yield Finding(topic, OK, told)


def _me() -> str:
    return f"user {os.geteuid()}"


def _kind_of_disk(path: Path) -> str:
    """The file system that a folder is on, as Linux names it; empty where that cannot be told."""
    try:
        mounts = Path("/proc/self/mountinfo").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""
    best, kind = -1, ""
    for line in mounts.splitlines():
        before, _, after = line.partition(" - ")
        fields = before.split(" ")
        if len(fields) < 5 or not after:
            continue
        point = re.sub(r"\\([0-7]{3})", lambda m: chr(int(m[1], 8)), fields[4])
        # Of mounts on the same folder the last covers the others.
        if len(point) >= best and path.is_relative_to(point):
            best, kind = len(point), after.split(" ")[0]
    return kind


def _disk(settings: Settings, now: datetime) -> Iterator[Finding]:
    there = next(p for p in (settings.home, *settings.home.parents) if p.exists())
    free = shutil.disk_usage(there).free
    size = settings.warehouse_file.stat().st_size if settings.warehouse_file.is_file() else 0
    # The next publication stands beside the last one, and the warehouse and its scratch files grow as it is built.
    needed = 2 * size + _SPARE_BYTES
    told = f"{_bytes(free)} free, a night needs about {_bytes(needed)}"
    if free < needed:
        yield Finding("disk", WRONG, told, f"make room on the disk of {there}, or extend it")
    elif free < 2 * needed:
        yield Finding("disk", LOOK, told, f"make room on the disk of {there} before long")
    else:
        yield Finding("disk", OK, told)


def _bytes(count: float) -> str:
    return f"{count / 1e9:,.1f} GB"


def _write_lock(settings: Settings, now: datetime) -> Iterator[Finding]:
    lock = warehouse.lock_of(settings.warehouse_file)
    if lock.exists() and not lock.is_file():
        yield Finding("write lock", WRONG, f"{lock} is not a file", "move it away: runs need the place")
        return
    noted = lock.read_text(errors="replace").strip()[:20] if lock.is_file() else ""
    if not warehouse.is_being_written(settings.warehouse_file):
        yield Finding("write lock", OK, "free")
        return
    held_by = _process(noted)
    since = datetime.fromtimestamp(lock.stat().st_mtime, UTC)
    told = f"a run is writing since {since:%Y-%m-%d %H:%M} UTC: {held_by}"
    if now - since > timedelta(hours=4):
        yield Finding("write lock", LOOK, told, f"see whether it still moves (its log in {settings.logs}); else end it")
    else:
        yield Finding("write lock", OK, told)


def _process(noted: str) -> str:
    if not noted.isdigit():
        return "by a process that left no number"
    try:
        words = Path(f"/proc/{noted}/cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace").strip()
    except OSError:
        return f"process {noted}, which is not seen from here"
    return f"process {noted} ({words[:80]})"


def _last_run(settings: Settings, now: datetime) -> Iterator[Finding]:
    topic = "last run"
    if settings.run_records.exists() and not settings.run_records.is_file():
        yield Finding(topic, WRONG, f"{settings.run_records} is not a file", "move it away: runs are recorded there")
        return
    last = nights.last_run(settings)
    if killed := nights.killed_last(settings):
        yield Finding(
            topic,
            LOOK,
            f"the run of {killed['started_at']} did not end: {nights.WHY_NOT_ENDED}",
            "nothing to repair: the next run does its work. The system's log may say why",
        )
    if last is None:
        yield Finding(topic, LOOK, "none yet", "run ccg nightly")
        return
    finished = _moment(last.get("finished_at"))
    when = f"{finished:%Y-%m-%d %H:%M} UTC" if finished else "at a time that its record does not say"
    told = f"{last.get('outcome', 'of unknown outcome')}, {when}"
    failures = last.get("failures")
    if last.get("outcome") == "failed":
        why = str(failures[0]).splitlines()[0][:200] if isinstance(failures, list) and failures else "no reason noted"
        yield Finding(topic, WRONG, f"{told}: {why}", f"the whole reason: ccg status, and {settings.logs}")
    elif finished and now - finished > _NO_NIGHT:
        yield Finding(
            topic,
            LOOK,
            f"{told}: none since, {(now - finished) // timedelta(hours=1)} hours ago",
            "see that the schedule runs (below)",
        )
    else:
        yield Finding(topic, OK, told)


def _moment(text: Any) -> datetime | None:
    """A time of a record, as UTC."""
    try:
        moment = datetime.fromisoformat(text)
    except (TypeError, ValueError):
        return None
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def _warehouse(settings: Settings, now: datetime) -> Iterator[Finding]:
    topic, path = "warehouse", settings.warehouse
    if isinstance(path, Lake):
        yield from _lake(path)
        return
    if not path.exists():
        if settings.published.exists():
            yield Finding(topic, LOOK, f"{path} is not there", "the next run reads the whole landing folder anew")
        return
    # Whoever opens it, to read too, is in a run's way.
    if warehouse.is_being_written(path):
        yield Finding(topic, OK, f"{path.stat().st_size:,} bytes, being written")
        return
    try:
        with warehouse.reading(path) as con:
            (loaded,) = con.execute("SELECT count(*) FROM raw.extracts WHERE outcome = 'loaded'").fetchall()[0]
    except duckdb.Error as error:
        if "replaying WAL file" in str(error):
            told = "its log was cut off in the middle"
            yield Finding(topic, LOOK, told, "the next run sets it aside and receives again what it held")
            return
        what, _, do = warehouse.damaged(path, _first_line(error)).partition(". ")
        yield Finding(topic, WRONG, what, do)
        return
    yield Finding(topic, OK, f"{path.stat().st_size:,} bytes, {loaded:,} extracts loaded")


def _lake(place: Lake) -> Iterator[Finding]:
    if not os.access(place.data, os.R_OK | os.W_OK | os.X_OK):
        yield Finding(
            "lake", WRONG, f"{place.data}, its data folder, cannot be written by {_me()}", "create or mount it"
        )
        return
    try:
        with warehouse.reading(place) as con:
            found = con.execute(
                "SELECT count(*) FROM duckdb_tables() WHERE database_name = 'ccg' AND schema_name = 'raw'"
            ).fetchall()[0][0]
            if not found:
                yield Finding("lake", LOOK, f"{place.server}: nothing in it yet", "run ccg nightly, or ccg move")
                return
            (loaded,) = con.execute("SELECT count(*) FROM raw.extracts WHERE outcome = 'loaded'").fetchall()[0]
            (snapshots,) = con.execute("SELECT count(*) FROM ccg.snapshots()").fetchall()[0]
    except lake.LakeError as error:
        what, _, do = str(error).partition(". ")
        yield Finding("lake", WRONG, what, do)
        return
    yield Finding(
        "lake", OK, f"{place.server}, files in {place.data}: {loaded:,} extracts loaded, {snapshots:,} snapshots"
    )
    yield Finding(
        "backup of the lake",
        LOOK,
        "ccg backup holds this home folder alone, and neither the catalog nor the data folder",
        "pg_dump of the catalog first, then a copy of the data folder (docs/ducklake.md)",
    )


def _publication(settings: Settings, now: datetime) -> Iterator[Finding]:
    topic, path = "publication", settings.published
    if not path.exists():
        yield Finding(topic, LOOK, f"nothing is published in {settings.home}", "run ccg nightly")
        return
    try:
        with warehouse.reading(path) as con:
            (values,) = con.execute("SELECT count(*) FROM marts.fct_indicator_values").fetchall()[0]
    except duckdb.Error as error:
        yield Finding(
            topic,
            WRONG,
            f"{path} cannot be read: {_first_line(error)}",
            "remove it and run ccg nightly, which publishes it anew, or restore a backup",
        )
        return
    status = path.stat()
    published = datetime.fromtimestamp(status.st_mtime, UTC)
    yield Finding(topic, OK, f"{published:%Y-%m-%d %H:%M} UTC, {status.st_size:,} bytes, {values:,} values")


def _quarantine(settings: Settings, now: datetime) -> Iterator[Finding]:
    from ccg_pipeline.landing.loading import standing_in_quarantine

    if not settings.published.is_file():
        return
    try:
        with warehouse.reading(settings.publication) as con:
            count = len(standing_in_quarantine(con))
    except (duckdb.Error, lake.LakeError):
        return  # told under publication
    if count:
        yield Finding("quarantine", LOOK, f"{count} files of the landing folder are not loaded", "reasons: ccg status")
    else:
        yield Finding("quarantine", OK, "empty")


def _datasets(settings: Settings, now: datetime) -> Iterator[Finding]:
    from ccg_pipeline.publication import datasets

    if not settings.published.is_file():
        return
    try:
        with warehouse.reading(settings.published) as con:
            states = datasets.read(con)
    except duckdb.Error:
        return  # told under publication
    if not states:
        yield Finding("datasets", OK, "what is due when is not known: an older version published this")
        return
    today = now.astimezone(UTC).date()
    stale = [state for state in states.values() if state.is_stale]
    overdue = [state for state in states.values() if state.is_overdue(today)]
    for state in stale:
        yield Finding("datasets", LOOK, f"{state.dataset} stale: {state.stale_in_words()}", "the reason: ccg status")
    if overdue:
        named = ", ".join(f"{state.dataset} (due on {state.due_on})" for state in overdue)
        yield Finding("datasets", LOOK, f"{len(overdue)} overdue: {named}", "fetch what was published; ccg status")
    if not stale and not overdue:
        yield Finding("datasets", OK, f"{len(states)}, none stale, none overdue")


def _retention(settings: Settings, now: datetime) -> Iterator[Finding]:
    try:
        days = settings.days_kept
    except ValueError as error:
        yield Finding("retention", WRONG, str(error), "set it as it says, or unset it")
        return
    told = ", ".join(f"{kind} {f'{kept} days' if kept else 'for good'}" for kind, kept in days.items())
    yield Finding("retention", OK, told)


def _leftovers(settings: Settings, now: datetime) -> Iterator[Finding]:
    """What ended runs left. A run under way has files of its own, which are none."""
    if warehouse.is_being_written(settings.warehouse_file):
        yield Finding("leftovers", OK, "not looked for while a run is writing")
        return
    beside = durable.BESIDE
    left = [*settings.home.glob(f"published/**/*{beside}"), *settings.home.glob(f".*{beside}")]
    left += [p for p in settings.scratch.glob("*") if p.is_file()]
    left += settings.home.parent.glob(f".{settings.home.name}.restoring-*")
    aside = sorted(settings.home.parent.glob(f"{settings.home.name}.before-restore-*"))
    if left:
        size = sum(p.stat().st_size for p in left if p.is_file())
        named = ", ".join(p.name for p in left[:3]) + (" ..." if len(left) > 3 else "")
        yield Finding(
            "leftovers",
            LOOK,
            f"{len(left)} of ended runs, {_bytes(size)}: {named}",
            "may be removed while no run is writing",
        )
    if aside:
        yield Finding(
            "leftovers", LOOK, f"{', '.join(p.name for p in aside)}, moved aside by a restore", "remove once not needed"
        )
    if not left and not aside:
        yield Finding("leftovers", OK, "none")


def _schedule(settings: Settings, now: datetime) -> Iterator[Finding]:
    due = schedule.next_run(now)
    here = now.astimezone(ZoneInfo(schedule.TIMEZONE))
    yield Finding(
        "schedule",
        OK,
        f"next at {due:%Y-%m-%d %H:%M %Z} ({due.astimezone(UTC):%H:%M} UTC) where the daemon runs; "
        f"in London it is {here:%Y-%m-%d %H:%M}",
    )


def _daemon(settings: Settings, now: datetime) -> Iterator[Finding]:
    topic = "daemon"
    otherwise = "start it (docs/operating.md), or see that something else runs ccg nightly each night"
    if settings.has_dagster_postgres:
        yield Finding(topic, OK, "its signs of life are in PostgreSQL: see Deployment, Daemons in the UI")
        return
    runs = settings.dagster_home / "history" / "runs.db"
    if not runs.is_file():
        yield Finding(topic, LOOK, "has never run on this home folder", otherwise)
        return
    with closing(sqlite3.connect(f"{runs.as_uri()}?mode=ro", uri=True, timeout=5)) as con:
        beats = dict(con.execute("SELECT daemon_type, max(timestamp) FROM daemon_heartbeats GROUP BY 1").fetchall())
    scheduler = _moment(beats.get("SCHEDULER"))
    if scheduler is None:
        yield Finding(topic, LOOK, "has never run on this home folder", otherwise)
    elif now - scheduler > _SILENT_DAEMON:
        yield Finding(topic, LOOK, f"not running: last sign of life {scheduler:%Y-%m-%d %H:%M} UTC", otherwise)
    else:
        yield Finding(topic, OK, f"running, last sign of life {scheduler:%H:%M:%S} UTC")


def _dagster_records(settings: Settings, now: datetime) -> Iterator[Finding]:
    topic, path = "Dagster's records", settings.dagster_home / "dagster.yaml"
    if not path.exists():
        if settings.home.exists():
            yield Finding(topic, OK, "not begun yet")
        return
    present = path.read_text(encoding="utf-8")
    if problem := dagster_home.disagreement(settings, present):
        yield Finding(topic, WRONG, problem.partition(". ")[0], problem.partition(". ")[2])
        return
    where = "in PostgreSQL" if settings.has_dagster_postgres else "in files of the home folder"
    if present not in (dagster_home.FILES, dagster_home.POSTGRES):
        where += f"; {path} was changed by hand"
    if not re.search(r"^telemetry:\s*\n\s+enabled:\s*false", present, re.MULTILINE):
        yield Finding(topic, WRONG, f"{where}; telemetry is not off", f"set telemetry: enabled: false in {path}")
    else:
        yield Finding(topic, OK, where)


def _notices(settings: Settings, now: datetime) -> Iterator[Finding]:
    topic, how = "notices", configuration.configured(settings)
    if problems := configuration.problems(settings):
        yield Finding(topic, WRONG, " ".join(problems), "set them as docs/operating.md says, then: ccg notify --test")
        return
    if not how.ways:
        yield Finding(topic, OK, "off")
        return
    waiting = len(told.read(settings).waiting)
    on = f"by {' and '.join(how.ways)}: {', '.join(how.kinds)}"
    if waiting:
        yield Finding(topic, LOOK, f"{on}; {waiting} wait to be sent", "ccg notify tries again and says what is wrong")
    else:
        yield Finding(topic, OK, on)
