"""The landing folder as it stands: every file that can be data, with the sha256 of its bytes."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

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


def scan(raw: Path) -> tuple[list[LandedFile], int]:
    """All files under ``raw``, in order of name, and how many were ignored because they cannot be data.

    A file that cannot be read is there all the same, under an identity made from its name. Raises `LandingError`
    where the folder is not there.
    """
    if not raw.is_dir():
        raise LandingError(f"the landing folder {raw} is not a folder. Create it, or name another with --raw.")
    found, ignored = [], 0
    for file_name, path in walk(raw).items():
        if cannot_be_data(Path(file_name)) or not path.is_file():
            ignored += 1
            continue
        try:
            stat = path.stat()
        except FileNotFoundError:
            continue  # gone since the folder was listed
        try:
            extract_id = sha256(path)
        except OSError:
            extract_id = hashlib.sha256(f"unreadable {file_name}".encode()).hexdigest()
        found.append(
            LandedFile(
                file_name=file_name,
                path=path,
                extract_id=extract_id,
                size_bytes=stat.st_size,
                modified_at=datetime.fromtimestamp(stat.st_mtime, UTC).replace(tzinfo=None),
            )
        )
    return found, ignored


def walk(raw: Path) -> dict[str, Path]:
    """Every path under ``raw`` by its name below it; bytes of a name that are no text are written as escapes."""
    paths = (Path(folder) / name for folder, _, names in os.walk(raw) for name in names)
    by_name = {path.relative_to(raw).as_posix().encode("utf-8", "backslashreplace").decode(): path for path in paths}
    return dict(sorted(by_name.items()))


def sha256(path: Path) -> str:
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def landing_fingerprint(files: Iterable[LandedFile]) -> str:
    """Changes when a file comes, goes, changes or is renamed."""
    lines = sorted(f"{file.extract_id} {file.file_name}" for file in files)
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()
