"""The whole job as one command: what ``ccg nightly`` does around the Dagster job of the same name.

Belongs here: knowing a night with nothing new, running the job in this process, and the record and summary of the
run. Does not belong here: any step of the job (`assets`, `checks`).
"""

from __future__ import annotations

import contextlib
import logging
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from ccg_pipeline import homes, lake, nights, troubles, warehouse
from ccg_pipeline.landing.files import LandingError, landing_fingerprint, scan
from ccg_pipeline.landing.loading import standing_in_quarantine
from ccg_pipeline.operations import dagster_home
from ccg_pipeline.publication.summary import Summary, summarise
from ccg_pipeline.settings import Settings

PUBLISHED, NOTHING_NEW, FAILED = nights.PUBLISHED, nights.NOTHING_NEW, nights.FAILED
# Reasons that say themselves, to the operator, what happened.
_TOLD = (LandingError, homes.HomeError, warehouse.WarehouseBusyError, lake.LakeError)


@dataclass
class Night:
    """What one run did. ``failures`` are reasons in words; ``seconds`` is by stage."""

    outcome: str
    summary: Summary | None = None
    quarantine: list[tuple[str, str]] = field(default_factory=list)
    ignored: int = 0
    failures: list[str] = field(default_factory=list)
    seconds: dict[str, float] = field(default_factory=dict)
    log: str | None = None

    @property
    def exit_code(self) -> int:
        """0 published or nothing new; 1 failed; 3 as 0, but files of the landing folder stand in quarantine."""
        if self.outcome == FAILED:
            return 1
        return 3 if self.quarantine else 0


class NothingKnownError(Exception):
    """Nothing that is loaded was known at the moment asked for."""


def prepare_home(settings: Settings) -> None:
    """Lay out the home folder: Dagster's configuration, and the environment that its processes read.

    Raises `HomeError` where the home folder cannot be used.
    """
    homes.ready(settings)
    dagster_home.prepare(settings)
    settings.export_environment()


def run(settings: Settings, say: Callable[[str], None]) -> Night:
    """One night, from landing folder to publication. ``say`` is told how far it is.

    Raises `HomeError` where the home folder cannot be used, `LandingError` where the landing folder is not there,
    `WarehouseBusyError` where another run is writing, `WarehouseDamagedError` where the warehouse cannot be opened; the
    last three leave their record.
    """
    started_at = datetime.now(UTC)
    for change in homes.ready(settings):
        say(change)
    if killed := nights.killed_last(settings):
        say(f"the run of {killed['started_at']} did not end: {nights.WHY_NOT_ENDED}")
    with _begun(settings, nights.NIGHTLY, started_at) as begun:
        files, ignored = scan(settings.raw, settings.most_file_bytes)
        if nights.is_nothing_new(settings, files):
            night = Night(NOTHING_NEW, ignored=ignored)
        else:
            with warehouse.sole_writer(settings.warehouse_file, told=say, run_id=begun.run_id):
                night = _run_job(settings, say, begun)
            night.ignored = ignored
        if night.outcome != FAILED:
            with warehouse.reading(settings.publication) as con:
                night.summary = summarise(con)
                night.quarantine = standing_in_quarantine(con)
        night.seconds["all"] = begun.seconds
        if nights.find(settings, begun.run_id) is None:
            nights.end(
                settings,
                begun,
                night.outcome,
                night.exit_code,
                files=len(files),
                ignored_files=ignored,
                landing=landing_fingerprint(files),
                quarantine=[name for name, _ in night.quarantine],
                failures=night.failures,
                seconds=night.seconds,
            )
    return night


@contextlib.contextmanager
def _begun(settings: Settings, kind: str, started_at: datetime) -> Iterator[nights.Begun]:
    """The record of a run from its beginning; its end too, where it ends before the job that records it."""
    try:
        begun = nights.begin(settings, str(uuid.uuid4()), kind, started_at)
    except OSError as error:
        raise homes.HomeError(f"the home folder {settings.home} cannot be written: {error.strerror or error}") from None
    try:
        yield begun
    except BaseException as error:
        if nights.find(settings, begun.run_id) is None:
            reason = str(error) if isinstance(error, _TOLD) else f"{type(error).__name__}: {error}"
            nights.end(settings, begun, FAILED, 2 if isinstance(error, LandingError) else 1, failures=[reason])
        raise


def rebuild(settings: Settings, moment: datetime, say: Callable[[str], None]) -> Night:
    """Publish, beside the last publication, what could be said at a moment (UTC), from what is loaded now.

    What counts then is what the extracts state as their day of publication, else when they were received. Raises
    `NothingKnownError` where that is nothing, `WarehouseBusyError` where the same moment is being rebuilt.
    """
    started_at = datetime.now(UTC)
    homes.ready(settings)
    then = settings.rebuilt_as_known_at(moment)
    with warehouse.reading(settings.publication) as con:
        (first,) = con.execute(
            "SELECT min(known_at) FROM staging.stg_landing__extracts WHERE outcome = 'loaded'"
        ).fetchall()[0]
    if first is None or first > moment:
        known = (
            f"the first extract loaded was published or received on {first:%Y-%m-%d}" if first else "nothing is loaded"
        )
        raise NothingKnownError(f"nothing could be said on {moment:%Y-%m-%d}: {known}")
    with (
        _begun(then, nights.REBUILD, started_at) as begun,
        warehouse.sole_writer(then.warehouse_file, run_id=begun.run_id),
    ):
        then.warehouse_file.unlink(missing_ok=True)
        warehouse.copy(settings.publication, then.warehouse_file)
        try:
            night = _run_job(then, say, begun)
        finally:
            then.warehouse_file.unlink(missing_ok=True)
        if nights.find(settings, begun.run_id) is None:
            nights.end(then, begun, night.outcome, night.exit_code, failures=night.failures, seconds=night.seconds)
    if night.outcome != FAILED:
        with warehouse.reading(then.published) as con:
            night.summary = summarise(con)
    night.seconds["all"] = begun.seconds
    return night


def is_rebuilt(settings: Settings, moment: datetime) -> bool:
    """Whether what could be said at a moment is published, from all that the last publication holds."""
    then = settings.rebuilt_as_known_at(moment).published
    return then.is_file() and then.stat().st_mtime_ns >= settings.published.stat().st_mtime_ns


def _run_job(settings: Settings, say: Callable[[str], None], begun: nights.Begun) -> Night:
    say("starting (Dagster, dbt and Great Expectations take some seconds)")
    prepare_home(settings)
    log_path = settings.logs / f"{begun.kind}-{begun.started_at:%Y%m%dT%H%M%SZ}.log"
    log_path.parent.mkdir(parents=True, exist_ok=True)
    with open(log_path, "w", encoding="utf-8") as log, _told(say), _quiet(log):
        import dagster as dg

        from ccg_pipeline.assets import recording
        from ccg_pipeline.definitions import build_defs

        try:
            job = build_defs(settings).resolve_job_def("rebuild" if settings.as_known_at else "nightly")
        except (RuntimeError, OSError) as error:
            return Night(FAILED, failures=[troubles.in_words(error, settings) or str(error)], log=str(log_path))
        # A rebuild leaves no trace in the history of the assets: they are what they were.
        instances = dg.DagsterInstance.ephemeral if settings.as_known_at else dg.DagsterInstance.get
        try:
            with instances() as instance:
                result = job.execute_in_process(instance=instance, raise_on_error=False, run_id=begun.run_id)
        except Exception as error:
            # Dagster's own records could not be written; what broke in a step stands in the result.
            if words := troubles.in_words(error, settings) or dagster_home.why_not_recorded(error):
                return Night(FAILED, failures=[words], log=str(log_path))
            raise
    record = nights.find(settings, begun.run_id)
    if record is None:  # it broke before it could record anything
        reasons = [troubles.in_words(r, settings) or r for r in recording.failures(result.all_events)]
        return Night(FAILED, failures=reasons, log=str(log_path))
    return Night(record["outcome"], failures=record["failures"], seconds=dict(record["seconds"]), log=str(log_path))


@contextlib.contextmanager
def _told(say: Callable[[str], None]) -> Iterator[None]:
    """Pass what the assets report on to the caller, as they report it."""

    class Teller(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            say(record.getMessage())

    logger, teller = logging.getLogger("ccg"), Teller()
    logger.setLevel(logging.INFO)
    logger.addHandler(teller)
    try:
        yield
    finally:
        logger.removeHandler(teller)


@contextlib.contextmanager
def _quiet(log: Any) -> Iterator[None]:
    """Keep what Dagster, dbt and Great Expectations print for the log file."""
    with contextlib.redirect_stdout(log), contextlib.redirect_stderr(log):
        yield
