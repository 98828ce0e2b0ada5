"""The layout of a home folder: which version made it, and how one of an older version becomes one of this.

Belongs here: ``home.json`` and the migrations. Does not belong here: what is in the folder (`settings` knows the paths)
and what is removed from it (`housekeeping`).

Every command that writes below home goes through `ready`, every one that reads through `check`. A change of what stands
where in a home folder, or of what a table of schema ``raw`` means, is a new version and a function in `_MIGRATIONS`; a
column more is none, tables widen by themselves.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import duckdb

from ccg_pipeline import durable, troubles, warehouse
from ccg_pipeline.settings import DUCKLAKE, EMBEDDED, LAKE_CATALOG, LAKE_DATA, Settings

VERSION = 2
# What there is in a home folder made before it said its version.
_SIGNS_OF_THE_FIRST = ("warehouse.duckdb", "published", "runs.jsonl")


class HomeError(Exception):
    """The home folder cannot be used as it is. The text says why and what to do."""


def version_of(home: Path) -> int | None:
    """The version of the layout of a home folder; None where there is no run in it yet. Raises `HomeError` where what
    says it cannot be read."""
    note = home / "home.json"
    if not note.is_file():
        return 1 if any((home / name).exists() for name in _SIGNS_OF_THE_FIRST) else None
    try:
        return int(json.loads(note.read_text(encoding="utf-8"))["version"])
    except (OSError, ValueError, KeyError, TypeError):
        raise HomeError(
            f"{note} does not say which version of the home folder this is. Restore it from a backup, or name another "
            "home folder with --home."
        ) from None


def check(settings: Settings) -> None:
    """Raise `HomeError` where this version cannot read the home folder: a newer one made it; or where its warehouse is
    elsewhere than the settings say, so that a run would begin a second one."""
    check_version(settings)
    note = _note_of_lake(settings)
    if settings.profile == EMBEDDED and not settings.as_known_at and note.is_file():
        raise HomeError(
            f"the warehouse of {settings.home} is in a lake. Set CCG_PROFILE={DUCKLAKE}, {LAKE_CATALOG} and "
            f"{LAKE_DATA}; or take it back into a file: ccg move --to embedded (docs/ducklake.md)."
        )
    if settings.profile == DUCKLAKE and settings.warehouse_file.is_file():
        raise HomeError(
            f"{settings.warehouse_file} is a warehouse that is not in the lake. Take it over with ccg move --to "
            f"{DUCKLAKE}; or move the file away, where another home folder's is in the lake already."
        )


def note_lake(settings: Settings) -> None:
    """Note that the warehouse of a home folder is in a lake, for whoever comes without the settings that say so."""
    durable.put_text(_note_of_lake(settings), json.dumps({"profile": DUCKLAKE}) + "\n")


def forget_lake(settings: Settings) -> None:
    """Note that the warehouse is a file again."""
    _note_of_lake(settings).unlink(missing_ok=True)
    durable.settle(settings.home)


def _note_of_lake(settings: Settings) -> Path:
    return settings.home / "lake.json"


def check_version(settings: Settings) -> None:
    """Raise `HomeError` where this version cannot read the home folder: a newer one made it."""
    version = version_of(settings.home)
    if version is not None and version > VERSION:
        raise HomeError(
            f"the home folder {settings.home} was made by a newer version (layout {version}; this one knows {VERSION}) "
            "and is left as it is. Install that version again, or name another home folder with --home."
        )


def is_older(settings: Settings) -> bool:
    """Whether the home folder is of an older version, which the next run brings up to date."""
    return (version_of(settings.home) or VERSION) < VERSION


def ready(settings: Settings) -> list[str]:
    """Make a home folder fit to be written by this version; returns in words what was changed.

    Raises `HomeError` where it cannot be, `WarehouseBusyError` where it is older and another run is writing. Killed in
    between, the next command goes on where this one stopped.
    """
    check(settings)
    try:
        settings.days_kept  # noqa: B018 - told at the beginning of a run, not at its end
    except ValueError as error:
        raise HomeError(str(error)) from None
    try:
        settings.home.mkdir(parents=True, exist_ok=True)
        if why := troubles.why_not_writable(settings.home):
            raise HomeError(f"the home folder {why}")
        version = version_of(settings.home)
        if version is None:
            _note(settings, VERSION)
        if settings.profile == DUCKLAKE and not _note_of_lake(settings).is_file():
            note_lake(settings)
        if version in (None, VERSION):
            return []
        with warehouse.sole_writer(settings.warehouse_file):
            return _migrate(settings)
    except OSError as error:
        raise HomeError(f"the home folder {settings.home} cannot be written: {error.strerror or error}") from None


def _migrate(settings: Settings) -> list[str]:
    done = []
    for version in range(version_of(settings.home) or VERSION, VERSION):
        done.append(f"home folder brought from layout {version} to {version + 1}: {_MIGRATIONS[version](settings)}")
        _note(settings, version + 1)
    return done


def _note(settings: Settings, version: int) -> None:
    durable.put_text(settings.home / "home.json", json.dumps({"version": version}) + "\n")


def _runs_are_recorded(settings: Settings) -> str:
    """From 1: what is published was noted in the warehouse before the copy was made, and what a publication was made
    from in a file beside it."""
    if settings.warehouse_file.is_file():
        with warehouse.writing(settings.warehouse_file) as con:
            if settings.published.is_file():
                try:
                    with warehouse.reading(settings.published) as published:
                        held = published.execute("SELECT extract_id FROM raw.extracts WHERE is_published").fetchall()
                except duckdb.Error:
                    raise HomeError(
                        f"{settings.published} cannot be read, and without it nobody knows what is published. Restore "
                        "it from a backup, or remove it if what the warehouse holds is to count as published."
                    ) from None
                con.execute(
                    "UPDATE raw.extracts SET is_published = false "
                    "WHERE is_published AND NOT list_contains(?, extract_id)",
                    [[extract_id for (extract_id,) in held]],
                )
    (settings.home / "last-night.json").unlink(missing_ok=True)
    return "each run is recorded in the warehouse"


# By the version that they start from. Each may be cut off and done again.
_MIGRATIONS: dict[int, Callable[[Settings], str]] = {1: _runs_are_recorded}
