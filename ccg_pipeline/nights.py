"""What a night saw, so that the next one can tell at once that nothing is new; and the record of every run.

Belongs here: what a publication was made from, the fingerprint of the project, and `runs.jsonl`. Imports nothing
heavy: a night with nothing new must be over before Dagster, dbt or Great Expectations are loaded.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
from collections.abc import Iterable
from typing import Any

from ccg_pipeline import durable
from ccg_pipeline.landing.files import LandedFile, landing_fingerprint
from ccg_pipeline.settings import PROJECT_ROOT, Settings

_PROJECT_PARTS = ("ccg_pipeline", "dbt_project", "expectations", "requirements.lock")
_PROJECT_SUFFIXES = (".py", ".sql", ".yml", ".csv", ".json", ".lock")


def project_fingerprint() -> str:
    """Changes when code, models, catalogue, expectations or locked versions change."""
    digest = hashlib.sha256()
    for part in _PROJECT_PARTS:
        root = PROJECT_ROOT / part
        paths = [root] if root.is_file() else sorted(root.rglob("*")) if root.is_dir() else []
        for path in paths:
            if path.is_file() and path.suffix in _PROJECT_SUFFIXES and "__pycache__" not in path.parts:
                digest.update(path.relative_to(PROJECT_ROOT).as_posix().encode())
                digest.update(path.read_bytes())
    return digest.hexdigest()


def is_nothing_new(settings: Settings, files: Iterable[LandedFile]) -> bool:
    """Whether the last publication already holds all that a run on these files would give."""
    if not (settings.published.is_file() and settings.warehouse.is_file()):
        return False
    try:
        last = json.loads(settings.last_night.read_text(encoding="utf-8"))
    except (FileNotFoundError, ValueError):
        return False
    return isinstance(last, dict) and (
        last.get("landing") == landing_fingerprint(files)
        and last.get("project") == project_fingerprint()
        and last.get("published_bytes") == settings.published.stat().st_size
    )


def remember(settings: Settings, landing: str) -> None:
    """Note what the publication just made was made from."""
    content = {
        "landing": landing,
        "project": project_fingerprint(),
        "published_bytes": settings.published.stat().st_size,
    }
    durable.put_text(settings.last_night, json.dumps(content, indent=2) + "\n")


def forget(settings: Settings) -> None:
    """From here on the warehouse is no longer what the publication was made from, until the next one is made."""
    durable.remove(settings.last_night)


def record_run(settings: Settings, record: dict[str, Any]) -> None:
    """Append one line to ``runs.jsonl``."""
    settings.run_records.parent.mkdir(parents=True, exist_ok=True)
    with open(settings.run_records, "a", encoding="utf-8") as file:
        file.write(json.dumps(record, default=str) + "\n")


def last_run(settings: Settings) -> dict[str, Any] | None:
    """The latest run record; None before the first run."""
    if not settings.run_records.is_file():
        return None
    for line in reversed(settings.run_records.read_text(encoding="utf-8").splitlines()):
        with contextlib.suppress(ValueError):  # a run that was killed may have left half a line
            return dict(json.loads(line))
    return None
