"""Where Dagster keeps its own records (runs, events, ticks): files below home, or a PostgreSQL database.

``dagster.yaml`` is written once and then the operator's. ``CCG_DAGSTER_POSTGRES`` (a URL) puts the records into
PostgreSQL: the file then names the variable, never its value, so that no password is ever in it.
"""

from __future__ import annotations

from ccg_pipeline import durable
from ccg_pipeline.homes import HomeError
from ccg_pipeline.settings import DAGSTER_POSTGRES, Settings

_COMMON = """\
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

FILES = f"""\
{_COMMON}event_log_storage:
  module: ccg_pipeline.operations.event_log
  class: KeptOpenEventLog
  config:
    dagster_home:
      env: DAGSTER_HOME
"""

POSTGRES = f"""\
{_COMMON}# The address of the database is in the environment; without it nothing starts.
storage:
  postgres:
    postgres_url:
      env: {DAGSTER_POSTGRES}
"""

# What stands there unchanged where nobody changed it by hand; `_COMMON` alone was written by earlier versions.
_AS_WRITTEN = (_COMMON, FILES, POSTGRES)


def prepare(settings: Settings) -> None:
    """Lay out the folder of Dagster's records. Raises `HomeError` where they are meant to be elsewhere."""
    settings.dagster_home.mkdir(parents=True, exist_ok=True)
    wanted = POSTGRES if settings.has_dagster_postgres else FILES
    path = settings.dagster_home / "dagster.yaml"
    if not path.is_file():
        durable.put_text(path, wanted)
        return
    present = path.read_text(encoding="utf-8")
    if present in _AS_WRITTEN and present != POSTGRES:
        if present != wanted:
            durable.put_text(path, wanted)
    elif problem := disagreement(settings, present):
        raise HomeError(problem)


def disagreement(settings: Settings, present: str) -> str | None:
    """In words, what the environment and a ``dagster.yaml`` that stays as it is say differently; None if nothing."""
    path = settings.dagster_home / "dagster.yaml"
    names_it = DAGSTER_POSTGRES in present
    if settings.has_dagster_postgres and not names_it and present not in _AS_WRITTEN:
        return (
            f"{DAGSTER_POSTGRES} is set, but {path} was changed by hand and does not name it. Add the storage to that "
            f"file (docs/operating.md has the lines), or remove the file and have it written anew, or unset "
            f"{DAGSTER_POSTGRES}."
        )
    if names_it and not settings.has_dagster_postgres:
        return (
            f"{path} keeps Dagster's records in PostgreSQL, and {DAGSTER_POSTGRES}, the address of the database, is "
            "not set. Set it as the services have it; to go back to files, take the storage out of that file."
        )
    return None


def why_not_recorded(error: BaseException) -> str | None:
    """In words, that Dagster could not open or write its records; None for an error of another kind."""
    cause: BaseException | None = error
    while cause is not None:
        # Of SQLAlchemy, psycopg2 and sqlite3 alike, none of which is imported for this. None of them names a password.
        if type(cause).__name__ in ("OperationalError", "DatabaseError", "InterfaceError"):
            said = (str(cause).strip().splitlines() or [type(cause).__name__])[0]
            return (
                f"Dagster's own records cannot be opened or written: {said}. See that their database runs and has "
                "room (docs/operating.md); the next run does the work."
            )
        cause = cause.__cause__ or cause.__context__
    return None
