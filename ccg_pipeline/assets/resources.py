"""What the assets share: the settings of the installation, and the right to write for the length of a run."""

from __future__ import annotations

import importlib.metadata
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from functools import cached_property

import dagster as dg
from dagster_dbt import DbtCliResource
from packaging.version import Version

from ccg_pipeline import warehouse
from ccg_pipeline.assets import liveness
from ccg_pipeline.settings import Settings

log = logging.getLogger("ccg")

# A run that Dagster starts has nobody to start it again: it waits for the one under way, which takes minutes.
_PATIENCE_SECONDS = 60 * 60


class Installation(dg.ConfigurableResource):
    """Landing folder and home of the run, and the moment (UTC) of a rebuild.

    Holds the write lock of the warehouse until the run ends.
    """

    raw: str
    home: str
    as_known_at: str | None = None

    @property
    def settings(self) -> Settings:
        settings = Settings.from_environment(self.raw, self.home)
        return settings.rebuilt_as_known_at(datetime.fromisoformat(self.as_known_at)) if self.as_known_at else settings

    @contextmanager
    def yield_for_execution(self, context: dg.InitResourceContext) -> Iterator[Installation]:
        self.settings.export_environment()
        with (
            liveness.shown(self.settings, context.run_id or "no run"),
            warehouse.sole_writer(self.settings.warehouse, _PATIENCE_SECONDS, log.info),
        ):
            yield self


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
