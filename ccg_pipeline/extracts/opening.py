"""A received file opened so that its own bytes are read and nothing else.

No link is followed, no pipe or device is waited for, and no more is read than a file may be. Nothing here knows what
the bytes mean.
"""

from __future__ import annotations

import errno
import hashlib
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from ccg_pipeline.extracts.contract import ExtractError
from ccg_pipeline.visible import visible

_CHUNK = 1024**2
_KINDS = {
    stat.S_IFDIR: "a folder that cannot be listed",
    stat.S_IFIFO: "a named pipe",
    stat.S_IFSOCK: "a socket",
    stat.S_IFCHR: "a device",
    stat.S_IFBLK: "a device",
}


@contextmanager
def opened(path: Path, most_bytes: int) -> Iterator[tuple[BinaryIO, int]]:
    """The file, open, and its size in bytes.

    Raises `ExtractError` where it is a link, no file at all, or larger than ``most_bytes``; `OSError` where it cannot
    be opened.
    """
    try:
        # Opening a pipe would wait for its other end, which may never come.
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_NOFOLLOW | os.O_CLOEXEC)
    except OSError as error:
        if error.errno == errno.ELOOP and path.is_symlink():
            raise ExtractError(
                f"a symbolic link to {visible(os.readlink(path))!r}, expected a file: links are not followed. Copy the "
                "file itself into the landing folder."
            ) from None
        if error.errno == errno.ENXIO:
            raise ExtractError(_no_file("a socket or device")) from None
        raise
    try:
        found = os.fstat(descriptor)
        if not stat.S_ISREG(found.st_mode):
            raise ExtractError(_no_file(_KINDS.get(stat.S_IFMT(found.st_mode), "no regular file")))
        if found.st_size > most_bytes:
            raise too_large(found.st_size, most_bytes)
        with open(descriptor, "rb", closefd=False) as file:
            yield file, found.st_size
    finally:
        os.close(descriptor)


def read_once(path: Path, most_bytes: int) -> bytes:
    """All bytes of the file, read in one go. Raises as `opened`."""
    with opened(path, most_bytes) as (file, size):
        return file.read(size + 1)  # one more tells that it is growing: its identity is another then


def sha256(path: Path, most_bytes: int) -> str:
    """The identity of the file, its bytes passed through and not kept. Raises as `opened`."""
    digest = hashlib.sha256()
    with opened(path, most_bytes) as (file, _):
        read = 0
        while chunk := file.read(_CHUNK):
            digest.update(chunk)
            read += len(chunk)
            if read > most_bytes:
                raise too_large(read, most_bytes)
    return digest.hexdigest()


def too_large(size: int, most_bytes: int) -> ExtractError:
    return ExtractError(
        f"the file has {size:,} bytes, more than the {most_bytes:,} that an extract may have: it was not read. No "
        "published extract comes near; if this one is real, set CCG_MOST_FILE_MB higher."
    )


def _no_file(kind: str) -> str:
    return f"{kind}, expected a file: it was not read. Remove it from the landing folder."
