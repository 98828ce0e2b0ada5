"""Writes sample files so that the same content gives the same bytes on any day.

Knows containers (csv, gzip, zip); knows no dataset.
"""

import csv
import gzip
import io
import zipfile
from collections.abc import Iterable, Sequence
from datetime import datetime
from pathlib import Path

# A container wants a date of its own; this one keeps it from being today's.
FIXED_TIMESTAMP = datetime(2019, 7, 11, 9, 30)

Row = Sequence[str | int]


def csv_bytes(rows: Iterable[Row], line_end: str = "\n") -> bytes:
    """``rows``, heading first, as UTF-8 CSV without a byte-order mark."""
    text = io.StringIO()
    csv.writer(text, lineterminator=line_end).writerows(rows)
    return text.getvalue().encode("utf-8")


def write_plain(path: Path, content: bytes) -> Path:
    """Write ``content`` as it is."""
    path.write_bytes(content)
    return path


def write_gzip(path: Path, content: bytes) -> Path:
    """Write ``content`` gzipped, without name or time."""
    path.write_bytes(gzip.compress(content, mtime=0))
    return path


def write_zip(path: Path, member: str, content: bytes) -> Path:
    """Write a zip archive with ``content`` as its only file, ``member``."""
    info = zipfile.ZipInfo(member, FIXED_TIMESTAMP.timetuple()[:6])
    info.compress_type = zipfile.ZIP_DEFLATED
    info.create_system = 0  # the default is the machine's own
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr(info, content)
    return path
