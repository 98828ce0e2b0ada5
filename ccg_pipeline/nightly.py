"""The whole job as one command: what ``ccg nightly`` does around the Dagster job of the same name.

Belongs here: knowing a night with nothing new, running the job in this process, and the record and summary of the
run. Does not belong here: any step of the job (`assets`, `checks`).
"""

from __future__ import annotations

import contextlib
import logging
import shutil
import time
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from importlib.metadata import version
from typing import Any

from ccg_pipeline import durable, nights, troubles, warehouse
from ccg_pipeline.landing.files import scan
from ccg_pipeline.landing.loading import standing_in_quarantine
from ccg_pipeline.publication.summary import Summary, summarise
from ccg_pipeline.settings import Settings

PUBLISHED, NOTHING_NEW, FAILED = "published", "nothing new", "failed"

_DAGSTER_YAML = """\
# Written by ccg. Nothing leaves the machine, one run writes at a time, all state is below this folder.
telemetry:
  enabled: false
nux:
  enabled: false
concurrency:
  pools:
    default_limit: 1
    granularity: run
python_logs:
  managed_python_loggers: [ccg]
  python_log_level: INFO
"""


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
    """Lay out the home folder: Dagster's configuration, and the environment that its processes read."""
    settings.dagster_home.mkdir(parents=True, exist_ok=True)
    configuration = settings.dagster_home / "dagster.yaml"
    if not configuration.is_file():
        durable.put_text(configuration, _DAGSTER_YAML)
    settings.export_environment()


def run(settings: Settings, say: Callable[[str], None]) -> Night:
    """One night, from landing folder to publication. ``say`` is told how far it is.

    Raises `LandingError` where the landing folder is not there, `WarehouseBusyError` where another run is writing,
    `WarehouseDamagedError` where the warehouse cannot be opened, `OSError` where home cannot be written.
    """
    started_at, clock = datetime.now(UTC), time.monotonic()
    files, ignored = scan(settings.raw)
    if nights.is_nothing_new(settings, files):
        night = Night(NOTHING_NEW, ignored=ignored)
    else:
        with warehouse.sole_writer(settings.warehouse, told=say):
            pass  # a run that cannot write is told so before seconds go into starting
        night = _run_job(settings, say, started_at)
        night.ignored = ignored
    if night.outcome != FAILED:
        with warehouse.reading(settings.published) as con:
            night.summary = summarise(con)
            night.quarantine = standing_in_quarantine(con)
    night.seconds["all"] = round(time.monotonic() - clock, 1)
    nights.record_run(
        settings,
        {
            "run_id": str(uuid.uuid4()),
            "started_at": started_at.isoformat(timespec="seconds"),
            "finished_at": datetime.now(UTC).isoformat(timespec="seconds"),
            "outcome": night.outcome,
            "exit_code": night.exit_code,
            "raw": str(settings.raw),
            "files": len(files),
            "ignored_files": ignored,
            "quarantine": [name for name, _ in night.quarantine],
            "failures": night.failures,
            "seconds": night.seconds,
            "versions": {p: version(p) for p in ("dagster", "dbt-core", "duckdb", "great-expectations", "polars")},
        },
    )
    return night


def rebuild(settings: Settings, moment: datetime, say: Callable[[str], None]) -> Night:
    """Publish, beside the last publication, what could be said at a moment (UTC), from what is loaded now.

    What counts then is what the extracts state as their day of publication, else when they were received. Raises
    `NothingKnownError` where that is nothing, `WarehouseBusyError` where the same moment is being rebuilt.
    """
    clock = time.monotonic()
    then = settings.rebuilt_as_known_at(moment)
    with warehouse.reading(settings.published) as con:
        (first,) = con.execute(
            "SELECT min(known_at) FROM staging.stg_landing__extracts WHERE outcome = 'loaded'"
        ).fetchall()[0]
    if first is None or first > moment:
        known = (
            f"the first extract loaded was published or received on {first:%Y-%m-%d}" if first else "nothing is loaded"
        )
        raise NothingKnownError(f"nothing could be said on {moment:%Y-%m-%d}: {known}")
    with warehouse.sole_writer(then.warehouse):
        then.warehouse.unlink(missing_ok=True)
        shutil.copyfile(settings.published, then.warehouse)
    try:
        night = _run_job(then, say, datetime.now(UTC), "rebuild")
    finally:
        then.warehouse.unlink(missing_ok=True)
        then.warehouse.with_suffix(".lock").unlink(missing_ok=True)
    if night.outcome != FAILED:
        with warehouse.reading(then.published) as con:
            night.summary = summarise(con)
    night.seconds["all"] = round(time.monotonic() - clock, 1)
    return night


def is_rebuilt(settings: Settings, moment: datetime) -> bool:
    """Whether what could be said at a moment is published, from all that the last publication holds."""
    then = settings.rebuilt_as_known_at(moment).published
    return then.is_file() and then.stat().st_mtime_ns >= settings.published.stat().st_mtime_ns


def _run_job(settings: Settings, say: Callable[[str], None], started_at: datetime, name: str = "nightly") -> Night:
    say("starting (Dagster, dbt and Great Expectations take some seconds)")
    clock = time.monotonic()
    prepare_home(settings)
    log_path = settings.home / "logs" / f"{name}-{started_at:%Y%m%dT%H%M%SZ}.log"
    log_path.parent.mkdir(parents=True, exist_ok=True)
    with open(log_path, "w", encoding="utf-8") as log, _told(say), _quiet(log):
        import dagster as dg

        from ccg_pipeline.assets import liveness
        from ccg_pipeline.definitions import build_defs

        try:
            job = build_defs(settings).resolve_job_def(name)
        except (RuntimeError, OSError) as error:
            return Night(FAILED, failures=[troubles.in_words(error, settings) or str(error)], log=str(log_path))
        seconds = {"start": round(time.monotonic() - clock, 1)}
        # A rebuild leaves no trace in the history of the assets: they are what they were.
        instances = dg.DagsterInstance.ephemeral if settings.as_known_at else dg.DagsterInstance.get
        try:
            with instances() as instance:
                liveness.end_dead_runs(instance, settings)
                result = job.execute_in_process(instance=instance, raise_on_error=False)
        except Exception as error:
            # Dagster's own records could not be written; what broke in a step stands in the result.
            if words := troubles.in_words(error, settings):
                return Night(FAILED, failures=[words], seconds=seconds, log=str(log_path))
            raise
    seconds |= _seconds_by_stage(result)
    if result.success:
        return Night(PUBLISHED, seconds=seconds, log=str(log_path))
    return Night(FAILED, failures=_failures(result, settings), seconds=seconds, log=str(log_path))


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


def _seconds_by_stage(result: Any) -> dict[str, float]:
    seconds: dict[str, float] = {}
    for event in result.all_events:
        if event.event_type_value == "STEP_SUCCESS":
            step = event.step_key
            stage = (
                "check"
                if step.endswith("_quality")
                else "receive"
                if step == "raw__received_files"
                else "load"
                if step.startswith("raw__") or step == "registry"
                else "build"
                if step == "dbt"
                else "judge"
                if step.startswith("checks__")
                else "publish"
            )
            seconds[stage] = round(seconds.get(stage, 0) + event.event_specific_data.duration_ms / 1000, 1)
    return seconds


def _failures(result: Any, settings: Settings) -> list[str]:
    """Why the run failed: checks in their own words first, then steps that broke, then what kept the run from them."""
    failures = []
    for evaluation in result.get_asset_check_evaluations():
        if not evaluation.passed and evaluation.severity.value == "ERROR":
            where = "/".join(evaluation.asset_key.path)
            failures.append(f"{where}: {evaluation.check_name}: {evaluation.description or 'failed'}")
    broken = [e for e in result.all_events if e.event_type_value == "STEP_FAILURE"]
    for event in broken:
        error = event.event_specific_data.error
        cause = error.cause or error
        message = cause.message.strip()
        if "DagsterAssetCheckFailedError" not in message:
            failures.append(f"{event.step_key}: {troubles.in_words(message, settings) or message}")
    for event in [] if broken else result.all_events:
        error = getattr(event.event_specific_data, "error", None)
        if event.event_type_value == "PIPELINE_FAILURE" and error:
            message = (error.cause or error).message.strip()
            failures.append(troubles.in_words(message, settings) or message)
    return failures
