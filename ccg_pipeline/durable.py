"""Files that are whole or not there, whatever ends the process or the power.

A file is written beside its place, its bytes are made to reach the disk, and one rename puts it there; the folder is
made to reach the disk too, so that the rename lasts. Whoever has the former file open keeps reading it. Nothing here
knows what a file means.
"""

from __future__ import annotations

import os
from pathlib import Path


def put_text(path: Path, text: str) -> None:
    """Put a text in place of the file at ``path``, or where none is yet; the folder is made if need be."""
    path.parent.mkdir(parents=True, exist_ok=True)
    beside = path.with_name(f".{path.name}.next")
    beside.write_text(text, encoding="utf-8")
    put(beside, path)


def put(beside: Path, path: Path) -> None:
    """Put a finished file of the same folder in the place of another, by one rename after fsync."""
    flush(beside)
    os.replace(beside, path)
    settle(path.parent)


def remove(path: Path) -> None:
    """Remove a file, if it is there, for good."""
    if path.exists():
        path.unlink()
        settle(path.parent)


def flush(path: Path) -> None:
    """Make the bytes of a file reach the disk, whoever wrote them."""
    with open(path, "rb") as finished:
        os.fsync(finished.fileno())


def settle(folder: Path) -> None:
    """Make what was created, renamed or removed in a folder last."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
