"""What is removed below home: what killed runs left, and what is older than it is kept.

Belongs here: leftovers at the start of a run, retention at the end of one that published. Whoever calls holds the right
to write, so that no other run is under way; what another process may be writing (packs, rebuilds) is known by its lock
or its age.
Never removed: the publication, and packs that people made.
"""

from __future__ import annotations

import errno
import shutil
from collections.abc import Callable, Iterable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from ccg_pipeline import durable, nights, warehouse
from ccg_pipeline.settings import Settings

# A file written beside its place by another process than a run: it takes seconds, so this is none under way.
_SURELY_LEFT = timedelta(days=1)
# Whoever reads a lake at a snapshot keeps it for as long, though its publication has given way to another.
_READERS_NEED = timedelta(days=1)


def remove_leftovers(settings: Settings) -> list[Path]:
    """Remove what runs left that did not end; returns what is gone."""
    beside = f".*{durable.BESIDE}"
    found = [
        warehouse.copy_in_the_making(settings.published),
        settings.warehouse_file.with_name("warehouse.duckdb.tmp"),
    ]
    for folder in (settings.home, settings.quarantine, settings.dbt_target.parent, settings.dbt_target):
        found += folder.glob(beside)
    found += settings.scratch.glob("*.parquet")
    found += _half_built(settings.dbt_target)
    rebuilds = [path for path in settings.scratch.glob("as-known-at-*.duckdb") if not warehouse.is_being_written(path)]
    for path in rebuilds:
        found += [path, path.with_name(f"{path.name}.wal"), path.with_name(f"{path.name}.tmp")]
        moment = path.stem.removeprefix("as-known-at-")
        found.append(warehouse.copy_in_the_making(settings.rebuilds / moment / settings.published.name))
    left_before = (datetime.now(UTC) - _SURELY_LEFT).timestamp()
    found += [path for path in settings.published.parent.rglob(beside) if path.stat().st_mtime < left_before]
    return _removed(found)


def _half_built(target: Path) -> list[Path]:
    """Folders of dbt commands that did not end: dbt writes what came of them last."""
    return [folder for folder in target.glob("dbt-*") if not (folder / "run_results.json").is_file()]


def keep_to_retention(settings: Settings, now: datetime, instance: Any = None) -> list[str]:
    """Remove what is older than it is kept; returns, in words, how much of what. ``now`` is UTC.

    ``instance`` is the Dagster instance whose records of runs are kept to it. Rows of runs in the warehouse are removed
    as the next publication is made (`run_tables.forget`).
    """
    days = settings.days_kept
    keepers: dict[str, Callable[[datetime], int]] = {
        "runs": lambda before: _forget_runs(settings, before),
        "logs": lambda before: len(_removed(_older(_logs(settings), before))),
        "quarantine": lambda before: len(_removed(_older(_notes_done_with(settings), before))),
        "dbt": lambda before: len(_removed(_older(_but_the_newest(settings.dbt_target.glob("dbt-*")), before))),
        "rebuilds": lambda before: _forget_rebuilds(settings, before),
        "dagster": lambda before: _forget_dagster_runs(settings, instance, before) if instance else 0,
    }
    gone = {
        what: forget(now - timedelta(days=kept)) for what, forget in keepers.items() if (kept := days[what]) is not None
    }
    told = [f"{count} of {what} older than {days[what]} days" for what, count in gone.items() if count]
    before = now.astimezone(UTC).replace(tzinfo=None) - _READERS_NEED
    if snapshots := warehouse.forget_snapshots(settings, before):
        told.append(f"{snapshots} snapshots of the lake that no publication names")
    return told


def _forget_runs(settings: Settings, before: datetime) -> int:
    """All but the run that made the publication, and those under way."""
    published = [r for r in nights.records(settings) if r.get("outcome") == nights.PUBLISHED]
    made_it = next((r.get("run_id") for r in reversed(published) if r.get("kind") != nights.REBUILD), None)
    killed = {r.get("run_id") for r in nights.killed(settings)}

    def is_kept(record: dict[str, Any]) -> bool:
        started_at = record.get("started_at")
        if not started_at or record.get("run_id") == made_it:
            return bool(started_at)
        if record.get("outcome") == nights.UNDER_WAY and record.get("run_id") not in killed:
            return True
        return datetime.fromisoformat(started_at).astimezone(UTC) >= before

    return nights.keep(settings, is_kept)


def _logs(settings: Settings) -> list[Path]:
    return [*settings.logs.glob("*.log*"), *(settings.dbt_target.parent / "logs").glob("*.log*")]


def _notes_done_with(settings: Settings) -> list[Path]:
    """Notes of files that are no longer in quarantine, or no longer in the landing folder."""
    with warehouse.reading(settings.warehouse) as con:
        standing = con.execute(
            "SELECT DISTINCT extract_id[:16] FROM raw.received_files JOIN raw.extracts USING (extract_id) "
            "WHERE is_present AND outcome <> 'loaded'"
        ).fetchall()
    names = {f"{name}.txt" for (name,) in standing}
    return [path for path in settings.quarantine.glob("*.txt") if path.name not in names]


def _forget_rebuilds(settings: Settings, before: datetime) -> int:
    """Rebuilds can be made again at any time; packs beside them were made by people and stay."""
    gone = []
    for published in settings.rebuilds.glob(f"*/{settings.published.name}"):
        of_rebuild = settings.scratch / f"as-known-at-{published.parent.name}.duckdb"
        if not warehouse.is_being_written(of_rebuild):
            gone += _removed(_older([published], before))
            if not any(published.parent.iterdir()):
                published.parent.rmdir()
    return len(gone)


def _forget_dagster_runs(settings: Settings, instance: Any, before: datetime) -> int:
    """Dagster's records of runs that are over, with their events and logs; the last that succeeded stays."""
    from dagster import DagsterRunStatus, RunsFilter

    over = [DagsterRunStatus.SUCCESS, DagsterRunStatus.FAILURE, DagsterRunStatus.CANCELED]
    succeeded = instance.get_runs(RunsFilter(job_name="nightly", statuses=over[:1]), limit=1)
    last = {run.run_id for run in succeeded}
    gone = [
        run.run_id
        for run in instance.get_runs(RunsFilter(statuses=over, created_before=before))
        if run.run_id not in last
    ]
    for run_id in gone:
        instance.delete_run(run_id)
        events = (settings.dagster_home / "history" / "runs").glob(f"{run_id}.db*")  # with the logs of an open database
        _removed([settings.dagster_home / "storage" / run_id, *events])
    return len(gone)


def _older(paths: Iterable[Path], before: datetime) -> list[Path]:
    return [path for path in paths if path.stat().st_mtime < before.timestamp()]


def _but_the_newest(folders: Iterable[Path]) -> list[Path]:
    return sorted(folders, key=lambda folder: folder.stat().st_mtime)[:-1]


def _removed(paths: Iterable[Path]) -> list[Path]:
    gone = []
    for path in paths:
        if path.is_dir() and not path.is_symlink():
            try:
                shutil.rmtree(path)
            except OSError as error:
                if error.errno != errno.ENOTEMPTY:
                    raise
                continue  # a dbt that lives on after its run still writes there: a later run removes it
        elif path.exists():
            path.unlink()
        else:
            continue
        gone.append(path)
    return gone
