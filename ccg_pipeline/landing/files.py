"""The landing folder as it stands: every file that can be data, with the sha256 of its bytes."""

from __future__ import annotations

import hashlib
import os
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
    """All files under ``raw``, in order of name, and how many were ignored because they cannot be data."""
    if not raw.is_dir():
        raise LandingError(f"the landing folder {raw} is not there. Create it, or name another with --raw.")
    found, ignored = [], 0
    for folder, folders, names in os.walk(raw):
        folders.sort()
        for name in sorted(names):
            path = Path(folder) / name
            relative = path.relative_to(raw)
            if cannot_be_data(relative) or not path.is_file():
                ignored += 1
                continue
            stat = path.stat()
            found.append(
                LandedFile(
                    file_name=relative.as_posix(),
                    path=path,
                    extract_id=sha256(path),
                    size_bytes=stat.st_size,
                    modified_at=datetime.fromtimestamp(stat.st_mtime, UTC).replace(tzinfo=None),
                )
            )
    return sorted(found, key=lambda f: f.file_name), ignored


def sha256(path: Path) -> str:
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
