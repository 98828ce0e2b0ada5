"""Files that are whole or not there, whatever ends the process or the power.

A file is written beside its place, its bytes are made to reach the disk, and one rename puts it there; the folder is
made to reach the disk too, so that the rename lasts. Whoever has the former file open keeps reading it. Nothing here
knows what a file means.
"""

from __future__ import annotations

import contextlib
import errno
import os
from collections.abc import Mapping
from pathlib import Path

# How a name ends that is written beside the file it is to become.
BESIDE = ".next"


def put_text(path: Path, text: str) -> None:
    """Put a text in place of the file at ``path``, or where none is yet; the folder is made if need be."""
    path.parent.mkdir(parents=True, exist_ok=True)
    put_bytes(path, text.encode())


def put_bytes(path: Path, content: bytes) -> None:
    """Put bytes in place of the file at ``path``, or where none is yet; a link is followed, and what is no file
    (a pipe, a terminal) is written to.

    Raises `OSError` where that cannot be, with nothing left beside the file that stands.
    """
    path = path.resolve()
    if path.exists() and not path.is_file():
        path.write_bytes(content)
    else:
        put_together({path: content})


def put_together(contents: Mapping[Path, bytes]) -> None:
    """Put several files in their places, the last of them only when all others are there.

    Where the last stands, they are all of one writing: an older one is taken away before the others are replaced.
    Raises `OSError` where one cannot be written, with none of them replaced and nothing left beside them.
    """
    beside = {path: path.with_name(f".{path.name}{BESIDE}") for path in contents}
    try:
        for path, content in contents.items():
            with open(beside[path], "wb") as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
        *others, last = contents
        if others:
            last.unlink(missing_ok=True)
            settle(last.parent)
        for path in others:
            os.replace(beside[path], path)
        for folder in {path.parent for path in others}:
            settle(folder)
        os.replace(beside[last], last)
        settle(last.parent)
    except OSError:
        with contextlib.suppress(OSError):
            for path in beside.values():
                path.unlink(missing_ok=True)
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
    """Make what was created, renamed or removed in a folder last, as far as its file system knows how (some shares do
    not)."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    except OSError as error:
        if error.errno not in (errno.EINVAL, errno.ENOTSUP):
            raise
    finally:
        os.close(descriptor)
