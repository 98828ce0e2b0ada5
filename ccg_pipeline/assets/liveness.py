"""Which of Dagster's runs are still under way.

Dagster counts a run as under way until it is told otherwise, and lets no other run begin meanwhile: one that was killed
would keep the schedule waiting for ever. So every run holds a lock on a file of its own for as long as its process
lives, and a run whose lock can be had is over.
"""

from __future__ import annotations

import fcntl
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import dagster as dg

from ccg_pipeline.assets import POOL
from ccg_pipeline.settings import Settings

# Between being started and holding its lock a run imports what it needs, which takes seconds.
_LOCKED_AFTER = timedelta(minutes=10)
_UNDER_WAY = [dg.DagsterRunStatus.STARTING, dg.DagsterRunStatus.STARTED, dg.DagsterRunStatus.CANCELING]
_KILLED = (
    "the process of this run ended without a word: it was killed, memory ran out, or the machine went down. The next "
    "run does the work anew; nothing needs to be repaired."
)


@contextmanager
def shown(settings: Settings, run_id: str) -> Iterator[None]:
    """Show that a run is under way for as long as the block, or the process, lasts."""
    path = _lock_of(settings, run_id)
    path.parent.mkdir(parents=True, exist_ok=True)
    with open(path, "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        try:
            yield
        finally:
            path.unlink(missing_ok=True)


def end_dead_runs(instance: dg.DagsterInstance, settings: Settings) -> list[str]:
    """Tell Dagster of runs that hold up others and whose process is gone; returns their ids."""
    dead = []
    for record in instance.get_run_records(dg.RunsFilter(statuses=_UNDER_WAY)):
        run = record.dagster_run
        pools = run.run_op_concurrency.all_pools if run.run_op_concurrency else None
        if POOL in (pools or ()) and not _is_alive(settings, run.run_id, record.create_timestamp):
            instance.report_run_failed(run, _KILLED)
            _lock_of(settings, run.run_id).unlink(missing_ok=True)
            dead.append(run.run_id)
    if dead:
        logging.getLogger("ccg").info(f"ended in Dagster's records: {len(dead)} runs whose process is gone")
    return dead


def _is_alive(settings: Settings, run_id: str, created_at: datetime) -> bool:
    try:
        with open(_lock_of(settings, run_id)) as lock:
            fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
        return False
    except FileNotFoundError:
        created = created_at if created_at.tzinfo else created_at.replace(tzinfo=UTC)
        return datetime.now(UTC) - created < _LOCKED_AFTER
    except BlockingIOError:
        return True


def _lock_of(settings: Settings, run_id: str) -> Path:
    return settings.dagster_home / "under-way" / f"{run_id}.lock"
