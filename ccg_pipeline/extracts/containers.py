"""Whether a workbook may be given to the spreadsheet reader, told from its bytes alone.

The reader takes the whole area between a sheet's first and last cell into memory, and follows the chains of an .xls
wherever they lead: one damaged or forged number would end the process, which no handler can catch. Does not belong
here: what any cell means.
"""

from __future__ import annotations

import io
import re
import struct
import zipfile
import zlib
from array import array
from collections.abc import Iterator

from ccg_pipeline.extracts.contract import ExtractError

MOST_BYTES = 2 * 1024**3
MOST_RATIO = 500  # the emptiest published extract packs about 40 to 1; a bomb packs thousands to 1
# Cells of a sheet's area: the largest published extract has 22 million, nearly all of them filled.
_MOST_CELLS = 20_000_000
_MOST_TIMES_FILLED = 20

_DAMAGED = "the workbook is damaged ({}). Open it in Excel and save it again, or fetch it again."


def prove_xlsx(content: bytes) -> None:
    """Raises `ExtractError` where an .xlsx unpacks to far more than it is, is not whole, or is mostly empty area."""
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            unpacked = sum(m.file_size for m in archive.infolist())
            if unpacked > MOST_BYTES or unpacked > max(MOST_RATIO * len(content), 1 << 26):
                raise ExtractError(f"the workbook would unpack to {unpacked:,} bytes: refused as a zip bomb.")
            for member in archive.infolist():
                if member.flag_bits & 1:
                    raise ExtractError("the workbook is password-protected. Save it without a password.")
                packed = archive.read(member)  # proves the checksum, and the stated size
                if member.filename.startswith("xl/worksheets/") and member.filename.endswith(".xml"):
                    _prove_area(packed, member.filename)
    except (OSError, EOFError, zlib.error, zipfile.BadZipFile, RuntimeError, NotImplementedError) as error:
        raise ExtractError(_DAMAGED.format(error)) from None


_MOST_ROWS = 1_048_576
_CELL = re.compile(rb'<(?:\w+:)?c\s[^>]*?\br="([A-Z]+)(\d+)"[^>]*(?<!/)>')


def _prove_area(sheet: bytes, name: str) -> None:
    """A few cells far apart make an area that no memory holds."""
    if (rows := sheet.count(b"<row") + sheet.count(b":row")) > _MOST_ROWS:
        raise ExtractError(f"{name} of the workbook has {rows:,} rows, more than a spreadsheet holds. Fetch it again.")
    cells = _CELL.findall(sheet)
    rows = max((int(row) for row in {row for _, row in cells}), default=0)
    columns = max((_column(letters) for letters in {letters for letters, _ in cells}), default=0)
    if rows * columns > max(_MOST_CELLS, _MOST_TIMES_FILLED * len(cells)):
        raise ExtractError(
            f"{name} of the workbook reaches to row {rows:,} and column {columns:,} and has {len(cells):,} cells with "
            "content: too large to be an extract. Delete the stray cells far below or right of the table, or fetch it "
            "again."
        )


def _column(letters: bytes) -> int:
    number = 0
    for letter in letters:
        number = number * 26 + letter - 64
    return number


_FREE, _END = 0xFFFFFFFF, 0xFFFFFFFE
_SHORT_STREAM = 4096
# Records of one cell, of a row of numbers, of a sheet's size, and of the shared texts.
_CELLS = frozenset({0x0006, 0x0203, 0x0204, 0x0205, 0x027E, 0x00D6, 0x00FD})
_NUMBERS, _SIZE, _TEXTS = 0x00BD, 0x0200, 0x00FC
_BEGIN, _FINISH, _SHEET = 0x0809, 0x000A, 0x0085
_WIDEST, _DEEPEST = 256, 65_536


def prove_xls(content: bytes) -> None:
    """Raises `ExtractError` where the chains of an .xls do not end, or a cell stands where the format has none."""
    try:
        streams = _streams(content)
        if b"EncryptedPackage" in streams or b"EncryptionInfo" in streams:
            raise ExtractError("the workbook is password-protected. Save it without a password.")
        for name in (b"Workbook", b"Book"):
            if name in streams:
                _prove_records(streams[name])
    except (struct.error, IndexError, ValueError) as error:
        raise ExtractError(_DAMAGED.format(str(error) or "it ends too early")) from None


def _streams(content: bytes) -> dict[bytes, bytes]:
    """The streams of an OLE file by name. Raises `ValueError` where a chain leaves the file or does not end."""
    (shift,) = struct.unpack_from("<H", content, 30)
    if shift not in (9, 12):
        raise ValueError("its sector size is unknown")
    size = 1 << shift
    count = max(0, len(content) - size + size - 1) // size

    def sector(number: int) -> bytes:
        if number >= count:
            raise ValueError("it ends too early")
        return content[(number + 1) * size : (number + 2) * size]

    directory, _, _, short_table, _, further, _ = struct.unpack_from("<7I", content, 48)
    listed = [s for s in struct.unpack_from("<109I", content, 76) if s != _FREE]
    for _ in range(count):
        if further >= _END:
            break
        *more, further = struct.unpack(f"<{size // 4}I", sector(further))
        listed += [s for s in more if s != _FREE]
    else:
        raise ValueError("its list of sectors does not end")
    if len(listed) > count:
        raise ValueError("its list of sectors is longer than the file")
    table = array("I", b"".join(sector(s) for s in listed))

    def chain(start: int) -> bytes:
        parts: list[bytes] = []
        while start != _END:
            if start >= len(table) or len(parts) >= count:
                raise ValueError("a chain of sectors is broken")
            parts.append(sector(start))
            start = table[start]
        return b"".join(parts)

    entries = chain(directory)
    short_next = array("I", chain(short_table)) if short_table < _END else array("I")
    found: dict[bytes, bytes] = {}
    short = b""
    for at in range(0, len(entries) - 127, 128):
        length, kind = struct.unpack_from("<HB", entries, at + 64)
        start, stream_size = struct.unpack_from("<II", entries, at + 116)
        name = entries[at : at + max(0, min(length, 64) - 2)].decode("utf-16-le", "replace").encode()
        if kind == 5:
            short = chain(start) if start < _END else b""
        elif kind == 2 and stream_size >= _SHORT_STREAM:
            stream = chain(start)
            if len(stream) < stream_size:
                raise ValueError("a chain of sectors is broken")
            found[name] = stream[:stream_size]
        elif kind == 2 and stream_size:
            found[name] = b"".join(_short_sectors(short, short_next, start))[:stream_size]
    return found


def _short_sectors(short: bytes, following: array[int], start: int) -> Iterator[bytes]:
    for _ in range(len(following) + 1):
        if start == _END:
            return
        if start >= len(following):
            break
        yield short[start * 64 : start * 64 + 64]
        start = following[start]
    raise ValueError("a chain of sectors is broken")


def _prove_records(stream: bytes) -> None:
    """Every sheet that is announced is there to its end, every cell within the format's rows and columns.

    No count is beyond what the stream can hold, which the reader would set aside.
    """
    at, end = 0, len(stream)
    depth = announced = whole = 0
    unpack = struct.Struct("<HH").unpack_from
    while at + 4 <= end:
        kind, length = unpack(stream, at)
        if at + 4 + length > end:
            raise ValueError("a record is cut off")
        if kind == _BEGIN:
            depth += 1
        elif kind == _FINISH and depth:
            depth -= 1
            whole += not depth
        elif kind == 0 and depth:
            raise ValueError("a sheet is cut off")
        elif kind == _SHEET:
            announced += 1
        elif kind in _CELLS or kind == _NUMBERS:
            column = unpack(stream, at + 6)[0] + ((length - 6) // 6 - 1 if kind == _NUMBERS else 0)
            if column >= _WIDEST:
                raise ValueError(f"a cell in column {column + 1:,}")
        elif kind == _SIZE:
            _, rows, _, columns = struct.unpack_from("<IIHH" if length >= 14 else "<HHHH", stream, at + 4)
            if rows > _DEEPEST or columns > _WIDEST:
                raise ValueError(f"a sheet of {rows:,} rows and {columns:,} columns")
        elif kind == _TEXTS and struct.unpack_from("<I", stream, at + 8)[0] > end:
            raise ValueError("more texts than the file can hold")
        at += 4 + length
    if depth or whole < 1 + announced:
        raise ValueError("a sheet is cut off")
