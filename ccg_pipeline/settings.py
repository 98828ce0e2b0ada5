"""Every path and option of the pipeline. The only module that reads the environment.

Holds no behaviour: whoever needs a path asks a ``Settings`` for it.
"""

from __future__ import annotations

import json
import os
import sys
from dataclasses import dataclass, field, replace
from datetime import datetime, time
from pathlib import Path
from urllib.parse import urlsplit

PROJECT_ROOT = Path(__file__).resolve().parents[1]

# Records of runs are small; what Dagster and dbt keep of one run is tens of megabytes.
_DAYS_KEPT = {"runs": 1095, "logs": 90, "quarantine": 90, "dagster": 60, "rebuilds": 30, "dbt": 7}
_MOST_FILE_MB = 256
# The address of the PostgreSQL database that is to hold Dagster's own records, as a URL; a secret.
DAGSTER_POSTGRES = "CCG_DAGSTER_POSTGRES"
# Where the warehouse is; of a lake the address of its catalog (a secret) and the folder of its data files.
PROFILE, LAKE_CATALOG, LAKE_DATA = "CCG_PROFILE", "CCG_LAKE_CATALOG", "CCG_LAKE_DATA"


EMBEDDED, DUCKLAKE = "embedded", "ducklake"


class SettingsError(ValueError):
    """A setting of the environment that cannot be what it says."""


@dataclass(frozen=True)
class Lake:
    """A warehouse that several machines share: the URL of the PostgreSQL database that holds its catalog, a secret, and
    the folder of its data files."""

    catalog: str = field(repr=False)
    data: Path

    @property
    def server(self) -> str:
        """Where the catalog is, without who may enter and how."""
        at = urlsplit(self.catalog)
        return f"{at.path.lstrip('/')} on {at.hostname or 'this machine'}" + (f":{at.port}" if at.port else "")


@dataclass(frozen=True)
class PublishedLake:
    """A publication whose tables outside the marts are in a lake, at the snapshot that its file names."""

    file: Path
    lake: Lake


@dataclass(frozen=True)
class Settings:
    """Where one installation reads and writes.

    ``raw`` is the landing folder, which is only read; everything a run writes is under ``home``. With ``as_known_at``
    (UTC) they are those of a rebuild of what could be said then, which has a publication of its own. A file of more
    than ``most_file_bytes``, packed or unpacked, is not read.
    """

    raw: Path
    home: Path
    as_known_at: datetime | None = None
    most_file_bytes: int = _MOST_FILE_MB * 1024**2
    duckdb_memory_mb: int = 2048
    lake: Lake | None = None

    @classmethod
    def from_environment(cls, raw: str | Path | None = None, home: str | Path | None = None) -> Settings:
        """The options given, else ``CCG_RAW`` and ``CCG_HOME``, else ``raw`` and ``var`` of the project.

        ``CCG_MOST_FILE_MB`` is the size (MiB) of the largest file that is read; ``CCG_PROFILE`` says where the
        warehouse is, and under ``ducklake`` ``CCG_LAKE_CATALOG`` and ``CCG_LAKE_DATA`` do. Raises `SettingsError` where
        one cannot be what it says.
        """
        # Not Path.resolve, which stops on links that lead to themselves: whoever opens the folder tells that better.
        return cls(
            raw=Path(os.path.realpath(raw or os.environ.get("CCG_RAW") or PROJECT_ROOT / "raw")),
            home=Path(os.path.realpath(home or os.environ.get("CCG_HOME") or PROJECT_ROOT / "var")),
            most_file_bytes=_number_above_0("CCG_MOST_FILE_MB", _MOST_FILE_MB) * 1024**2,
            duckdb_memory_mb=_number_above_0("CCG_DUCKDB_MEMORY_MB", 2048),
            lake=_lake() if _profile() == DUCKLAKE else None,
        )

    def with_lake(self) -> Settings:
        """The settings with the lake that the environment names, whatever ``CCG_PROFILE`` says. Raises
        `SettingsError` where it names none."""
        return replace(self, lake=self.lake or _lake())

    def rebuilt_as_known_at(self, moment: datetime) -> Settings:
        """The settings of a rebuild of what could be said at a moment (UTC)."""
        return replace(self, as_known_at=moment)

    @property
    def _moment(self) -> str:
        """The moment as a name of files: a day, with the time where it is not the end of the day."""
        assert self.as_known_at is not None
        is_whole_day = self.as_known_at.time() == time.max
        return f"{self.as_known_at:%Y-%m-%d}" if is_whole_day else f"{self.as_known_at:%Y-%m-%dT%H%M%S}"

    @property
    def _lake(self) -> Lake | None:
        """The lake that the warehouse is in. A rebuild always has a file."""
        return None if self.as_known_at else self.lake

    @property
    def profile(self) -> str:
        """Where the warehouse is: `EMBEDDED` in a file, `DUCKLAKE` in a lake."""
        return DUCKLAKE if self._lake else EMBEDDED

    @property
    def warehouse(self) -> Path | Lake:
        """Where the raw rows and what dbt makes of them are; only `ccg_pipeline.warehouse` knows how to open it."""
        return self._lake or self.warehouse_file

    @property
    def publication(self) -> Path | PublishedLake:
        """What a reader opens for all that was published, raw rows too; the marts alone are in ``published``."""
        return PublishedLake(self.published, self._lake) if self._lake else self.published

    @property
    def warehouse_file(self) -> Path:
        """The warehouse as a file; also what the write lock of a home folder is called after."""
        if self.as_known_at:
            return self.scratch / f"as-known-at-{self._moment}.duckdb"
        return self.home / "warehouse.duckdb"

    @property
    def published(self) -> Path:
        if self.as_known_at:
            # The file has the same name everywhere: its views name the database that they are in.
            return self.rebuilds / self._moment / "ccg.duckdb"
        return self.home / "published" / "ccg.duckdb"

    def pack_folder(self, org_code: str, month: str, is_public: bool = False) -> Path:
        """Where the pack of an organisation and month is, beside the publication that it is made from."""
        folder = self.published.parent / month / org_code
        return folder / "public" if is_public else folder

    @property
    def quarantine(self) -> Path:
        return self.home / "quarantine"

    @property
    def dagster_home(self) -> Path:
        return self.home / "dagster"

    @property
    def has_dagster_postgres(self) -> bool:
        """Whether Dagster's own records are to be in PostgreSQL. Its address is left to Dagster to read."""
        return bool(os.environ.get(DAGSTER_POSTGRES))

    @property
    def scratch(self) -> Path:
        return self.home / "scratch"

    @property
    def spill(self) -> Path:
        """Where DuckDB puts, for a while, what does not fit into its memory."""
        return self.scratch / "spill"

    @property
    def run_records(self) -> Path:
        return self.home / "runs.jsonl"

    @property
    def rebuilds(self) -> Path:
        """Where rebuilds are published, one folder a moment."""
        return self.home / "published" / "as-known-at"

    @property
    def logs(self) -> Path:
        return self.home / "logs"

    @property
    def days_kept(self) -> dict[str, int | None]:
        """How many days what a run leaves is kept, by kind; None for good. ``CCG_KEEP_RUNS_DAYS`` and so on, a number
        or ``off``. Raises `ValueError` for anything else."""
        days: dict[str, int | None] = {}
        for kind, default in _DAYS_KEPT.items():
            name = f"CCG_KEEP_{kind.upper()}_DAYS"
            given = os.environ.get(name) or str(default)
            if given != "off" and not (given.isdecimal() and int(given) > 0):
                raise ValueError(f"{name} is {given!r}: a number of days from 1, or off to keep them for good")
            days[kind] = None if given == "off" else int(given)
        return days

    @property
    def notices(self) -> Path:
        """What was told, and what still waits to be sent."""
        return self.home / "notices"

    @property
    def notice_variables(self) -> dict[str, str]:
        """What the environment says of notices, not judged; holds secrets. `notices.configuration` reads it."""
        return {name: value for name, value in os.environ.items() if name.startswith("CCG_NOTIFY_")}

    @property
    def dbt_project(self) -> Path:
        return PROJECT_ROOT / "dbt_project"

    @property
    def dbt_target(self) -> Path:
        return self.home / "dbt" / ("target-as-known-at" if self.as_known_at else "target")

    @property
    def draws_column_lineage(self) -> bool:
        """Unless ``CCG_COLUMN_LINEAGE`` is ``off``, and not for a rebuild, which leaves no trace in the history."""
        return not self.as_known_at and os.environ.get("CCG_COLUMN_LINEAGE") != "off"

    @property
    def dbt_arguments(self) -> list[str]:
        """What a dbt command needs besides its environment."""
        return ["--vars", json.dumps({"as_known_at": self.as_known_at.isoformat(" ")})] if self.as_known_at else []

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
            "CCG_DBT_TARGET": self.profile,
            "CCG_WAREHOUSE": str(self.warehouse_file),
            "CCG_DUCKDB_MEMORY": f"{self.duckdb_memory_mb}MiB",
            "CCG_DUCKDB_SPILL": str(self.spill),
            "DBT_TARGET_PATH": str(self.dbt_target),
            "DBT_LOG_PATH": str(self.home / "dbt" / "logs"),
            # The debug log is 18 MB a night, and writing it takes a quarter of dbt's time; what went wrong stands in
            # dbt's output, which the run's own log keeps.
            "DBT_LOG_LEVEL_FILE": "none",
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
        )


def _profile() -> str:
    profile = os.environ.get(PROFILE) or EMBEDDED
    if profile not in (EMBEDDED, DUCKLAKE):
        raise SettingsError(
            f"{PROFILE} is {profile!r}, expected {EMBEDDED} or {DUCKLAKE}. Correct it, or leave it unset."
        )
    return profile


def _lake() -> Lake:
    """The lake that the environment names. Raises `SettingsError`, which never has the address in it."""
    catalog = _needed(LAKE_CATALOG)
    try:
        at = urlsplit(catalog)
        is_whole = at.scheme in ("postgresql", "postgres") and bool(at.hostname) and len(at.path) > 1 and at.port != 0
    except ValueError:  # a port that is no number
        is_whole = False
    if not is_whole:
        raise SettingsError(
            f"{LAKE_CATALOG} is not the address of a PostgreSQL database, expected postgresql://user:password@host/database"
            " (signs such as @ and / in the password as %40, %2F). Correct it; it is not shown here for its password."
        )
    data = _needed(LAKE_DATA)
    if not Path(data).is_absolute():
        raise SettingsError(
            f"{LAKE_DATA} is {data!r}, expected a whole path, the same on every machine that shares the lake. Correct "
            "it."
        )
    return Lake(catalog, Path(data))


def _needed(name: str) -> str:
    value = os.environ.get(name)
    if not value:
        raise SettingsError(f"{PROFILE} is {DUCKLAKE} and {name} is not set. Set it (docs/ducklake.md).")
    return value


def _number_above_0(name: str, usual: int) -> int:
    """A whole number above 0 of the environment. Raises `SettingsError` where it is something else."""
    text = os.environ.get(name) or str(usual)
    if not text.isdecimal() or int(text) == 0:
        raise SettingsError(f"{name} is {text!r}, expected a whole number above 0. Correct it, or leave it unset.")
    return int(text)
