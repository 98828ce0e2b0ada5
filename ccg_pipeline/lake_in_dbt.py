"""What dbt needs to reach the lake: named as a plugin of dbt-duckdb in ``dbt_project/profiles.yml``.

The address of the catalog is a secret and stands in no profile: it is read from the settings when dbt connects, and the
lake is attached before dbt attaches what its profile names. One process of dbt builds at a time: it holds a lock from
then on until it ends.
"""

from __future__ import annotations

import contextlib
from typing import Any

import duckdb
from dbt.adapters.duckdb.plugins import BasePlugin

from ccg_pipeline import lake
from ccg_pipeline.settings import Settings, SettingsError


class Plugin(BasePlugin):
    """Attaches the lake to the connection that dbt builds on."""

    def initialize(self, plugin_config: dict[str, Any]) -> None:
        self._held = contextlib.ExitStack()

    def update_connection_config(self, creds: Any, config: dict[str, Any]) -> None:
        config.update(lake.CONFIGURATION)

    def configure_connection(self, conn: duckdb.DuckDBPyConnection) -> None:
        place = Settings.from_environment().lake
        if place is None:
            raise SettingsError("dbt's target is ducklake and CCG_PROFILE is not. Set it, or build with embedded.")
        self._held.enter_context(lake.locked(place, lake.MODELS, patience_seconds=lake.LEFTOVER_SECONDS))
        lake.attach(conn, place)
