"""Files that are whole or not there, whatever ends the process or the power.

A file is written beside its place, its bytes are made to reach the disk, and one rename puts it there; the folder is
made to reach the disk too, so that the rename lasts. Whoever has the former file open keeps reading it. Nothing here
knows what a file means.
"""

from __future__ import annotations

import contextlib
import os
from pathlib import Path

# How a name ends that is written beside the file it is to become.
BESIDE = ".next"


def put_text(path: Path, text: str) -> None:
    """Put a text in place of the file at ``path``, or where none is yet; the folder is made if need be."""
    put_bytes(path, text.encode())


def put_bytes(path: Path, content: bytes) -> None:
    """Put bytes in place of the file at ``path``, or where none is yet; the folder is made if need be.

    Raises `OSError` where that cannot be, with nothing left beside the file that stands.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    beside = path.with_name(f".{path.name}{BESIDE}")
    try:
        beside.write_bytes(content)
        put(beside, path)
    except OSError:
        with contextlib.suppress(OSError):
            beside.unlink(missing_ok=True)
        raise


def put(beside: Path, path: Path) -> None:
    """Put a finished file of the same folder in the place of another, by one rename after fsync."""
    flush(beside)
    os.replace(beside, path)
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
