"""The landing folder as it stands: every file that can be data, with the sha256 of its bytes."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from ccg_pipeline.extracts.contract import ExtractError
from ccg_pipeline.extracts.limits import MOST_BYTES
from ccg_pipeline.extracts.opening import sha256
from ccg_pipeline.visible import visible

_NOT_DATA_SUFFIXES = (".md", ".tmp", ".temp", ".part", ".partial", ".crdownload", ".download", ".swp", ".bak")
_NOT_DATA_NAMES = ("thumbs.db", "desktop.ini")


@dataclass(frozen=True)
class LandedFile:
    """One file: its path below the landing folder (with ``/``), and what identifies its content."""

    file_name: str
    path: Path
    extract_id: str
    size_bytes: int
    modified_at: datetime


class LandingError(Exception):
    """The landing folder itself cannot be read."""


def cannot_be_data(relative: Path) -> bool:
    """Notes, hidden files and the droppings of browsers and editors."""
    name = relative.name.lower()
    return (
        any(part.startswith(".") for part in relative.parts)
        or name.startswith("~")
        or name.endswith(_NOT_DATA_SUFFIXES)
        or name in _NOT_DATA_NAMES
    )


def scan(raw: Path, most_bytes: int = MOST_BYTES) -> tuple[list[LandedFile], int]:
    """All that is under ``raw``, in order of name, and how many were ignored because they cannot be data.

    What is no file to read (a link, a pipe, a folder that cannot be listed, a file of more than ``most_bytes``) is
    there all the same, under an identity made from its name. Raises `LandingError` where the folder is not there.
    """
    found, ignored = [], 0
    for file_name, path in walk(raw).items():
        if cannot_be_data(Path(file_name)):
            ignored += 1
            continue
        try:
            status = path.lstat()
        except FileNotFoundError:
            continue  # gone since the folder was listed
        except OSError:
            status = None
        size, modified_ns = (status.st_size, status.st_mtime_ns) if status else (0, 0)
        try:
            extract_id = sha256(path, most_bytes)
        except (OSError, ExtractError) as error:
            unread = f"unread {type(error).__name__} {file_name} {size} {modified_ns}"
            extract_id = hashlib.sha256(unread.encode()).hexdigest()
        found.append(LandedFile(file_name, path, extract_id, size, _moment(modified_ns)))
    return found, ignored


def walk(raw: Path) -> dict[str, Path]:
    """Every path under ``raw`` by its name below it, without following links; folders only where they cannot be listed.

    What cannot be seen or is no text in a name is written as an escape. Raises `LandingError` where the landing folder
    itself cannot be listed.
    """
    paths: list[Path] = []
    folders = [raw]
    while folders:
        folder = folders.pop()
        try:
            with os.scandir(folder) as entries:
                for entry in entries:
                    inside = folder / entry.name
                    (folders if entry.is_dir(follow_symlinks=False) else paths).append(inside)
        except OSError as error:
            if folder == raw:
                raise LandingError(
                    f"the landing folder {raw} cannot be listed ({error.strerror}). Create it, see to it that it can "
                    "be read, or name another with --raw."
                ) from None
            paths.append(folder)
    by_name: dict[str, Path] = {}
    for path in sorted(paths, key=os.fsencode):
        name = visible(path.relative_to(raw).as_posix())
        while name in by_name:  # another name with the same escapes
            name += " (another)"
        by_name[name] = path
    return dict(sorted(by_name.items()))


def _moment(modified_ns: int) -> datetime:
    """The time (UTC) that the file system gives; the epoch where it is none that a date can be."""
    try:
        return datetime.fromtimestamp(modified_ns / 1e9, UTC).replace(tzinfo=None)
    except (OverflowError, ValueError, OSError):
        return datetime(1970, 1, 1)


def landing_fingerprint(files: Iterable[LandedFile]) -> str:
    """Changes when a file comes, goes, changes or is renamed."""
    lines = sorted(f"{file.extract_id} {file.file_name}" for file in files)
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()
