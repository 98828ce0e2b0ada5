"""The record of a run, kept by the run itself: by whoever it was started, and however it ends."""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from typing import Any

import dagster as dg
import duckdb

from ccg_pipeline import housekeeping, nights, run_tables, troubles, warehouse
from ccg_pipeline.assets import liveness
from ccg_pipeline.landing.loading import Receipt, standing_in_quarantine
from ccg_pipeline.nights import Begun
from ccg_pipeline.settings import Settings

log = logging.getLogger("ccg")
_TOLD = {
    dg.DagsterEventType.STEP_SUCCESS,
    dg.DagsterEventType.STEP_FAILURE,
    dg.DagsterEventType.ASSET_CHECK_EVALUATION,
}


class Recording:
    """One run as far as it is. The assets note ``receipt`` (what the landing folder held) and ``publication`` (what was
    published, by the names of a record)."""

    def __init__(self, settings: Settings, run: dg.DagsterRun, instance: dg.DagsterInstance) -> None:
        self.settings = settings
        self.receipt: Receipt | None = None
        self.publication: dict[str, Any] = {}
        self._run, self._instance = run, instance
        self.begun = nights.begun(settings, run.run_id) or self._begin()
        self._seconds = {"start": self.begun.seconds}

    def _begin(self) -> Begun:
        """A run that Dagster started: by its schedule, its sensor, or a person in its UI."""
        record = self._instance.get_run_record_by_id(self._run.run_id)
        started = datetime.fromtimestamp(record.start_time, UTC) if record and record.start_time else datetime.now(UTC)
        kind = (
            nights.SCHEDULE
            if "dagster/schedule_name" in self._run.tags
            else nights.SENSOR
            if "dagster/sensor_name" in self._run.tags
            else nights.BY_HAND
        )
        return nights.begin(self.settings, self._run.run_id, kind, started)

    @contextlib.contextmanager
    def kept(self) -> Iterator[None]:
        """Record how the run ends, whatever ends the block, short of a kill."""
        try:
            yield
        except BaseException as error:
            self._end([f"{type(error).__name__}: {error}" if not str(error) else str(error)])
            raise
        self._end([])

    def so_far(self, con: duckdb.DuckDBPyConnection) -> dict[str, Any]:
        """What the run has seen and done until now, by the names of a record."""
        found: dict[str, Any] = {"seconds": self._seconds | seconds_by_stage(self._events())}
        if self.receipt:
            found |= {"ignored_files": self.receipt.ignored, "landing": self.receipt.fingerprint}
        quarantine = [name for name, _ in standing_in_quarantine(con)]
        return found | {"quarantine": quarantine} | run_tables.found_by(con, self._run.run_id)

    def _events(self) -> list[dg.DagsterEvent]:
        logs = self._instance.all_logs(self._run.run_id, of_type=_TOLD)
        return [entry.dagster_event for entry in logs if entry.dagster_event]

    def _end(self, broken: list[str]) -> None:
        try:
            events = self._events()
        except Exception as error:  # Dagster's own records cannot be read: the run is recorded all the same
            events, broken = [], broken or [str(error)]
        has_failed = bool(broken) or any(event.is_step_failure for event in events)
        is_whole = self._run.job_name in ("nightly", "rebuild") and not self._run.asset_selection
        # A check that held back a dataset has failed, and the run has not: `run_files` has what became of its files.
        said = failures(events) + broken if has_failed else []
        reasons = [troubles.in_words(reason, self.settings) or reason for reason in said]
        if is_whole and not has_failed and not self.publication:
            has_failed, reasons = True, [*reasons, "the run was interrupted before it published"]
        found: dict[str, Any] = {}
        with contextlib.suppress(duckdb.Error, warehouse.WarehouseBusyError):
            if warehouse.is_there(self.settings.warehouse):
                with warehouse.reading(self.settings.warehouse) as con:
                    found = self.so_far(con)
        outcome = nights.PUBLISHED if self.publication else nights.FAILED if has_failed else nights.DONE
        nights.end(
            self.settings,
            self.begun,
            outcome,
            1 if has_failed else 3 if found.get("quarantine") else 0,
            **found | self.publication | {"failures": reasons},
        )

    def make_ready(self) -> None:
        """Remove what killed runs left, and bring the warehouse in line with the publication."""
        for path in housekeeping.remove_leftovers(self.settings):
            log.info(f"removed what a run left that did not end: {path.relative_to(self.settings.home)}")
        run_tables.reconcile(self.settings)
        liveness.end_dead_runs(self._instance, self.settings)

    def tidy_up(self) -> None:
        """Remove what is older than it is kept, after a run that published. Never fails the run."""
        if not self.publication:
            return
        try:
            gone = housekeeping.keep_to_retention(self.settings, datetime.now(UTC), self._instance)
        except Exception as error:
            log.warning(f"not everything that is older than it is kept could be removed: {error}")
            return
        if gone:
            log.info(f"removed {', '.join(gone)}")


def seconds_by_stage(events: Iterable[dg.DagsterEvent]) -> dict[str, float]:
    """Seconds of the steps that have succeeded, added up by stage of the night."""
    seconds: dict[str, float] = {}
    for event in events:
        if event.event_type_value == "STEP_SUCCESS":
            step = event.step_key or ""
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
            seconds[stage] = round(seconds.get(stage, 0) + event.step_success_data.duration_ms / 1000, 1)
    return seconds


def failures(events: Iterable[dg.DagsterEvent]) -> list[str]:
    """Why a run failed: checks in their own words first, then steps that broke."""
    checks, steps = [], []
    for event in events:
        if event.event_type_value == "ASSET_CHECK_EVALUATION":
            evaluation = event.asset_check_evaluation_data
            if not evaluation.passed and evaluation.severity.value == "ERROR":
                where = "/".join(evaluation.asset_key.path)
                checks.append(f"{where}: {evaluation.check_name}: {evaluation.description or 'failed'}")
        elif event.is_step_failure and event.step_failure_data.error:
            error = event.step_failure_data.error
            message = (error.cause or error).message.strip()
            if "DagsterAssetCheckFailedError" not in message:
                steps.append(f"{event.step_key}: {message}")
    return checks + steps
