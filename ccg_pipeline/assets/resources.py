"""What the assets share: the settings of the installation, and the right to write for the length of a run."""

from __future__ import annotations

import contextlib
import importlib.metadata
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import datetime
from functools import cached_property

import dagster as dg
from dagster_dbt import DbtCliResource
from packaging.version import Version
from pydantic import PrivateAttr

from ccg_pipeline import homes, warehouse
from ccg_pipeline.assets import liveness
from ccg_pipeline.assets.building import Building
from ccg_pipeline.assets.recording import Recording, log
from ccg_pipeline.settings import Settings

__all__ = ["Dbt", "Installation", "log", "progress"]

# A run that Dagster starts has nobody to start it again: it waits for the one under way, which takes minutes.
_PATIENCE_SECONDS = 60 * 60


class Installation(dg.ConfigurableResource):
    """Landing folder and home of the run, and the moment (UTC) of a rebuild.

    Holds the write lock of the warehouse until the run ends, and keeps the record of the run: at the end of a resource
    that every run has, so that runs of the schedule, the sensor and the UI leave the same as `ccg nightly`, without a
    daemon that has to notice them.
    """

    raw: str
    home: str
    as_known_at: str | None = None
    _recording: Recording | None = PrivateAttr(default=None)
    _building: Building | None = PrivateAttr(default=None)

    @property
    def settings(self) -> Settings:
        settings = Settings.from_environment(self.raw, self.home)
        return settings.rebuilt_as_known_at(datetime.fromisoformat(self.as_known_at)) if self.as_known_at else settings

    @property
    def dbt_build(self) -> list[str]:
        """The dbt command of a night. Unit tests prove the models, not the night's data: `make test` runs them."""
        return ["build", "--exclude-resource-type", "unit_test", *self.settings.dbt_arguments]

    @contextmanager
    def yield_for_execution(self, context: dg.InitResourceContext) -> Iterator[Installation]:
        settings = self.settings
        settings.export_environment()
        assert context.run and context.instance
        changed = homes.ready(replace(settings, as_known_at=None))
        self._recording = Recording(settings, context.run, context.instance)
        self._building = Building(settings, context.run.run_id)
        with contextlib.ExitStack() as held:
            held.callback(self._building.end)
            with self._recording.kept():
                held.enter_context(liveness.shown(settings, context.run.run_id))
                held.enter_context(
                    warehouse.sole_writer(settings.warehouse_file, _PATIENCE_SECONDS, log.info, context.run.run_id)
                )
                if not settings.as_known_at:
                    for change in changed:
                        log.info(change)
                    self._recording.make_ready()
                yield self
            if not settings.as_known_at:
                self._recording.tidy_up()

    @property
    def building(self) -> Building:
        """The right of the run under way to build and publish in a lake."""
        assert self._building
        return self._building

    @property
    def recording(self) -> Recording:
        """The record of the run under way."""
        assert self._recording
        return self._recording


class Dbt(DbtCliResource):
    """dbt as installed beside this Python.

    dagster-dbt asks ``dbt --version`` before each command, which costs seconds and asks the package index for news;
    the installed version is known without.
    """

    @cached_property
    def _cli_version(self) -> Version:
        return Version(importlib.metadata.version("dbt-core"))


def progress(message: str) -> None:
    log.info(message)
