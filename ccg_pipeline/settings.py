"""Every path and option of the pipeline. The only module that reads the environment.

Holds no behaviour: whoever needs a path asks a ``Settings`` for it.
"""

from __future__ import annotations

import os
import sys
from dataclasses import dataclass
from pathlib import Path

PROJECT_ROOT = Path(__file__).resolve().parents[1]


@dataclass(frozen=True)
class Settings:
    """Where one installation reads and writes.

    ``raw`` is the landing folder, which is only read; everything a run writes is under ``home``.
    """

    raw: Path
    home: Path

    @classmethod
    def from_environment(cls, raw: str | Path | None = None, home: str | Path | None = None) -> Settings:
        """The options given, else ``CCG_RAW`` and ``CCG_HOME``, else ``raw`` and ``var`` of the project."""
        return cls(
            raw=Path(raw or os.environ.get("CCG_RAW") or PROJECT_ROOT / "raw").resolve(),
            home=Path(home or os.environ.get("CCG_HOME") or PROJECT_ROOT / "var").resolve(),
        )

    @property
    def warehouse(self) -> Path:
        return self.home / "warehouse.duckdb"

    @property
    def published(self) -> Path:
        return self.home / "published" / "ccg.duckdb"

    @property
    def quarantine(self) -> Path:
        return self.home / "quarantine"

    @property
    def dagster_home(self) -> Path:
        return self.home / "dagster"

    @property
    def scratch(self) -> Path:
        return self.home / "scratch"

    @property
    def run_records(self) -> Path:
        return self.home / "runs.jsonl"

    @property
    def last_night(self) -> Path:
        return self.home / "last-night.json"

    @property
    def dbt_project(self) -> Path:
        return PROJECT_ROOT / "dbt_project"

    @property
    def dbt_target(self) -> Path:
        return self.home / "dbt" / "target"

    @property
    def dbt_executable(self) -> str:
        return str(Path(sys.executable).parent / "dbt")

    @property
    def seeds(self) -> Path:
        return self.dbt_project / "seeds"

    @property
    def expectations(self) -> Path:
        return PROJECT_ROOT / "expectations"

    def dbt_environment(self) -> dict[str, str]:
        """What ``dbt_project`` reads from the environment, and the switches that keep dbt off the network."""
        return {
            "CCG_WAREHOUSE": str(self.warehouse),
            "DBT_TARGET_PATH": str(self.dbt_target),
            "DBT_LOG_PATH": str(self.home / "dbt" / "logs"),
            "DBT_SEND_ANONYMOUS_USAGE_STATS": "false",
            "DBT_VERSION_CHECK": "false",
        }

    def export_environment(self) -> None:
        """Set what child processes (dbt, the Dagster UI and daemon) read, in this process's environment."""
        os.environ.update(self.dbt_environment())
        os.environ.update(
            CCG_RAW=str(self.raw),
            CCG_HOME=str(self.home),
            DAGSTER_HOME=str(self.dagster_home),
            CCG_COLUMN_LINEAGE="1",
        )
