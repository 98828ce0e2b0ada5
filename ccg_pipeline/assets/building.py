"""What a run does around dbt where several runs share a lake; with a warehouse in a file all of it is nothing.

One run at a time builds and publishes, and reads the raw rows as they are when it begins to build. What other runs
loaded until then and did not live to check is checked first.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterable, Mapping

import dagster as dg

from ccg_pipeline import extracts, warehouse
from ccg_pipeline.assets.recording import log
from ccg_pipeline.checks import holding
from ccg_pipeline.checks.running import Suite
from ccg_pipeline.settings import DUCKLAKE, Lake, Settings


class Building:
    """The right to build and to publish, from the first `begin` of a run to its `end`; and what the run has proved."""

    def __init__(self, settings: Settings, run_id: str) -> None:
        self._settings, self._run_id = settings, run_id
        self._held = contextlib.ExitStack()
        self._still_held: Callable[[], None] | None = None
        self._proved: dict[str, set[str]] = {}

    @property
    def is_shared(self) -> bool:
        return self._settings.profile == DUCKLAKE

    def note_proved(self, dataset: str) -> None:
        """What is new of a dataset, whose lock is held, has passed its checks."""
        if self.is_shared:
            self._proved[dataset] = self._new().get(dataset, set())

    def begin(self, suites: Mapping[str, Suite]) -> None:
        """Hold the right, and have models read the raw rows as they are now. Raises `Failure` where what others left
        does not pass its checks and cannot be held back."""
        if not self.is_shared:
            return
        self.hold()
        with warehouse.dataset_held(self._settings.warehouse, *extracts.DATASETS):
            for dataset, new in self._new().items():
                if dataset in suites and new - self._proved.get(dataset, set()):
                    proof = holding.prove(self._settings, dataset, suites[dataset], self._run_id)
                    if proof.stops:
                        raise dg.Failure(proof.stops)
                    self._proved[dataset] = new
            warehouse.pin(self._settings.warehouse)

    def hold(self) -> None:
        """Hold the right, once another run that has it has published or ended. Raises `LakeError` where it was lost."""
        place = self._settings.warehouse
        if not isinstance(place, Lake):
            return
        if self._still_held:
            self._still_held()
        else:
            waiting = "waiting for another run, which is building in the lake"
            self._still_held = self._held.enter_context(warehouse.building(place, lambda: log.info(waiting)))

    def end(self) -> None:
        self._still_held = None
        self._held.close()

    def _new(self) -> dict[str, set[str]]:
        with warehouse.reading(self._settings.warehouse) as con:
            rows: Iterable[tuple[str, str]] = con.execute(
                "SELECT dataset, extract_id FROM raw.extracts WHERE outcome = 'loaded' AND NOT is_published"
            ).fetchall()
        new: dict[str, set[str]] = {}
        for dataset, extract_id in rows:
            new.setdefault(dataset, set()).add(extract_id)
        return new
