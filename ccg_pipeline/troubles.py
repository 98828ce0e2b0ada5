"""What stopped a run, in words for whoever looks after the machine: which folder, and what to do.

Belongs here: telling a full disk, a folder that cannot be written, too little memory and a damaged warehouse from the
errors of Python, DuckDB, SQLite and dbt, of which a run often has no more than the text. Does not belong here: what a
file or a check found (`extracts`, `checks`).
"""

from __future__ import annotations

import math
import os
import re
import shutil
from pathlib import Path

from ccg_pipeline.settings import DUCKLAKE, Settings

_FULL = re.compile(r"No space left on device|database or disk is full", re.I)
_LIMITED = re.compile(r"Disk quota exceeded|File too large", re.I)
# What SQLite says on a full disk, and on a broken one.
_BROKEN = re.compile(r"disk I/O error|Input/output error", re.I)
_READ_ONLY = re.compile(
    r"Read-only file system|Permission denied|attempt to write a readonly database|unable to open database file", re.I
)
_NO_MEMORY = re.compile(
    r"Out of Memory Error|Cannot allocate memory|MemoryError|failed to allocate|exit code `?(?:-9|137)\b", re.I
)
_DAMAGED = re.compile(r"Corrupt database file|not a valid DuckDB database|Could not read enough bytes from file", re.I)
# What `lake` says in words already, and what DuckDB says when the server of a lake's catalog goes away.
_OF_THE_LAKE = re.compile(r"LakeError: (.*)", re.S)
_SERVER_GONE = re.compile(
    r"server closed the connection|terminating connection|connection to server at|could not receive data from server|"
    r"(?:DuckLake|Postgres).{0,80}(?:connection|connect)",
    re.I | re.S,
)
_LITTLE_BYTES = 1_000_000
# A path that a message names, quoted or at a word of its own.
_PATH = re.compile(r"""(?:^|[\s"'(\[])(/[^"'\n:]+?)(?=["'):,\n]|\s\(|$)""")


def in_words(error: BaseException | str, settings: Settings) -> str | None:
    """The trouble and what to do about it; None where the error is of another kind."""
    text = error if isinstance(error, str) else f"{type(error).__name__}: {error}"
    what = _first_line(text)
    if _FULL.search(text) or (_BROKEN.search(text) and _free_bytes(settings.home) < _LITTLE_BYTES):
        folder = _folder(text, settings)
        return (
            f"no room is left in {folder} ({_free(folder)}). Make room on that disk, then run ccg nightly again: "
            f"nothing needs to be repaired. ({what})"
        )
    if _LIMITED.search(text):
        return (
            f"{_user()} may not write as much in {_folder(text, settings)} as is needed. Raise the quota of that user "
            f"or the limit of the size of files (ulimit -f, LimitFSIZE), then run ccg nightly again: nothing needs to "
            f"be repaired. ({what})"
        )
    if _NO_MEMORY.search(text):
        return (
            "memory ran out: the system ended a process of the run, or refused it more. Give the machine or its "
            "container more, or end what else runs on it, then run ccg nightly again: nothing needs to be repaired. "
            f"({what})"
        )
    if _READ_ONLY.search(text):
        folder = _folder(text, settings)
        return (
            f"{folder} cannot be written. Let {_user()} write there and see that its disk is not mounted read-only, "
            f"then run ccg nightly again: nothing needs to be repaired. ({what})"
        )
    if _BROKEN.search(text):
        return (
            f"the disk of {settings.home} gave an error. See what the system says of it (dmesg, smartctl), have it "
            f"replaced if it is failing, and restore the last backup on a sound one. ({what})"
        )
    if found := _OF_THE_LAKE.search(text):
        return found[1]
    if settings.profile == DUCKLAKE and _SERVER_GONE.search(text):
        assert settings.lake
        return (
            f"the catalog of the lake, {settings.lake.server}, went away in the middle of the run. See that its "
            f"PostgreSQL server runs, then run ccg nightly again: nothing needs to be repaired. ({what})"
        )
    if _DAMAGED.search(text):
        from ccg_pipeline import warehouse

        return warehouse.damaged(settings.warehouse_file, what)
    return None


def why_not_writable(folder: Path) -> str | None:
    """Why nothing can be written in a folder, and what to do; None where it can."""
    if os.access(folder, os.W_OK | os.X_OK):
        return None
    if os.statvfs(folder).f_flag & os.ST_RDONLY:
        return f"{folder} is on a disk that is mounted read-only. Mount it to be written, or name another with --home."
    return (
        f"{folder} cannot be written by {_user()}: it belongs to {_name_of(folder.stat().st_uid)}. Run as that user, "
        "or name another with --home."
    )


def _folder(text: str, settings: Settings) -> Path:
    """The folder that a message names below home, else home."""
    for named in _PATH.findall(text):
        path = Path(named.strip())
        if path.is_relative_to(settings.home):
            while not path.is_dir():
                path = path.parent
            return path
    return settings.home


def _free(folder: Path) -> str:
    free = _free_bytes(folder)
    return "how much is free is not known" if free == math.inf else f"{free / 1e6:,.1f} MB free"


def _free_bytes(folder: Path) -> float:
    """Bytes free on the disk of a folder; infinite where that cannot be told."""
    try:
        return shutil.disk_usage(folder).free
    except OSError:
        return math.inf


def _first_line(text: str) -> str:
    """The line of a message that says what happened: dbt puts its own first."""
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    telling = [
        line for line in lines if any(p.search(line) for p in (_FULL, _BROKEN, _NO_MEMORY, _READ_ONLY, _DAMAGED))
    ]
    return (telling or lines or [""])[0][:300]


def _user() -> str:
    return _name_of(os.geteuid())


def _name_of(user_id: int) -> str:
    import pwd

    try:
        return pwd.getpwuid(user_id).pw_name
    except KeyError:
        return f"user {user_id}"
