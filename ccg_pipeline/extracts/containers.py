"""Whether what is packed may be unpacked, and a workbook given to the spreadsheet reader, told from its bytes alone.

The reader takes the whole area between a sheet's first and last cell into memory, makes a copy of a shared text for
each cell that has it, and follows the chains of an .xls wherever they lead: one damaged or forged number would end the
process, which no handler can catch. It also reads a zip by its own rules. So it is not given an .xlsx as it came, but
its XML parts, unpacked here within limits, in a zip made anew. Nothing in a workbook is run or fetched: macros and
links to other workbooks, which published workbooks do have, are left out, and what such a cell showed when it was saved
is its value. Does not belong here: what any cell means.
"""

from __future__ import annotations

import io
import re
import struct
import zipfile
import zlib
from array import array
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from hashlib import sha256

from ccg_pipeline.extracts import limits
from ccg_pipeline.extracts.contract import ExtractError

_DAMAGED = "the workbook is damaged ({}). Open it in Excel and save it again, or fetch it again."
_UNPACKABLE = "the packed file cannot be unpacked ({}). Fetch it again."
_CHUNK = 1024**2
_METHODS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
_UNREADABLE = (OSError, EOFError, zlib.error, zipfile.BadZipFile, RuntimeError, NotImplementedError, struct.error)


@contextmanager
def opened_zip(content: bytes, words: str = _UNPACKABLE) -> Iterator[zipfile.ZipFile]:
    """A zip, with no more files in it than any extract has. Raises `ExtractError` where it cannot be unpacked."""
    # Every file in it has an entry that begins so. Counted first: the list of millions would take gigabytes.
    if (members := content.count(b"PK\x01\x02")) > limits.MOST_MEMBERS:
        raise ExtractError(
            f"the zip lists {members:,} files, and no extract has over {limits.MOST_MEMBERS:,}: refused as a zip bomb."
        )
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            if sum(m.compress_size for m in archive.infolist()) > len(content):
                raise ExtractError("the files in the zip overlap each other: refused as a zip bomb.")
            yield archive
    except (*_UNREADABLE, ValueError) as error:
        raise ExtractError(words.format(error)) from None


def unpacked(archive: zipfile.ZipFile, member: zipfile.ZipInfo, most: int) -> bytes:
    """What a file in a zip unpacks to, its checksum proved; no more than ``most`` bytes are ever unpacked.

    Raises `ExtractError` where it is more, whatever size the zip states; the errors of `zipfile` where it is damaged.
    """
    if member.compress_type not in _METHODS:
        raise ExtractError(
            f"{member.filename!r} in the zip is packed by method {member.compress_type}, expected deflate. Unpack it "
            "into the landing folder."
        )
    parts, size = [], 0
    with archive.open(member) as packed:
        # In pieces: asked for all at once, the library unpacks as much as there is and cuts it to the stated size then.
        while part := packed.read(_CHUNK):
            size += len(part)
            if member.file_size > most or size > most:
                raise ExtractError(
                    f"{member.filename!r} would unpack to {max(member.file_size, size):,} bytes, more than the "
                    f"{most:,} that are sensible: refused as a zip bomb."
                )
            parts.append(part)
    return b"".join(parts)


def proved_xlsx(content: bytes, most_bytes: int = limits.MOST_BYTES) -> bytes:
    """The XML parts of an .xlsx in a zip made anew, for the reader.

    Raises `ExtractError` where it unpacks to far more than it is, is not whole, or holds what no memory could.
    """
    most = min(most_bytes, max(limits.MOST_RATIO * len(content), limits.ALWAYS_BYTES_OF_WORKBOOK))
    anew = io.BytesIO()
    names: set[str] = set()
    uses, texts = Counter[int](), b""
    with opened_zip(content, _DAMAGED) as archive, zipfile.ZipFile(anew, "w", zipfile.ZIP_STORED) as kept:
        stated = sum(m.file_size for m in archive.infolist())
        if stated > most:
            raise ExtractError(f"the workbook would unpack to {stated:,} bytes: refused as a zip bomb.")
        for member in archive.infolist():
            if member.flag_bits & 1:
                raise ExtractError("the workbook is password-protected. Save it without a password.")
            part = unpacked(archive, member, most)  # of those left out too: a workbook is whole or it is not
            most -= len(part)
            name = member.filename.replace("\\", "/").lower()
            if name in names:
                raise ExtractError(_DAMAGED.format(f"it holds {member.filename!r} twice"))
            names.add(name)
            if not name.endswith((".xml", ".rels")) or "/externallinks/" in name:
                continue
            _prove_xml(part, member.filename)
            if b"sheetData" in part:
                uses.update(_uses_of_proved(part, member.filename))
            if name.endswith("/sharedstrings.xml"):
                texts = part
            kept.writestr(zipfile.ZipInfo(member.filename), part)
    _prove_texts(texts, uses)
    return anew.getvalue()


def _prove_xml(part: bytes, name: str) -> None:
    """No definitions of a document type, which can make a few bytes into gigabytes or name files to fetch."""
    if part[:2] in (b"\xff\xfe", b"\xfe\xff") or b"\x00" in part[:4]:
        raise ExtractError(_DAMAGED.format(f"{name!r} is not in UTF-8"))
    if b"<!DOCTYPE" in part or b"<!ENTITY" in part:
        raise ExtractError(
            f"{name!r} of the workbook defines entities of its own (a DTD), which no spreadsheet program writes: "
            "refused. Open it in Excel and save it again, or fetch it again."
        )


class _Sheet:
    """How the cells and rows of a sheet's XML are found, where its tags begin like ``tag``."""

    def __init__(self, tag: bytes) -> None:
        attributes = rb"(?:\s+[\w:.-]+=\"[^\"<>]*\")*\s*/?>"
        self.any_cell, self.any_row = (re.compile(tag + name + rb"(?=[\s/>])") for name in (b"c", b"row"))
        self.cell, self.row = (re.compile(tag + name + attributes) for name in (b"c", b"row"))
        self.address = re.compile(tag + rb"c\s(?:[^<>]*?\s)?r=\"([A-Z]{1,3})([0-9]{1,18})\"")
        self.row_number = re.compile(tag + rb"row\s(?:[^<>]*?\s)?r=\"([0-9]{1,18})\"")
        self.has_address = re.compile(tag + rb"(?:c|row)\s(?:[^<>]*?\s)?r=")
        self.shared = re.compile(tag + rb"c\s(?:[^<>]*?\s)?t=\"s\"[^<>]*>\s*" + tag + rb"v>\s*([0-9]{1,9})\s*<")


# Any tag may have a prefix (<x:c>). To look for one at every tag takes thrice the time, and hardly any workbook has it.
_PREFIXED, _PLAIN = _Sheet(rb"<(?:[^\s<>/!?\"'=]+:)?"), _Sheet(rb"<")
_PREFIX = re.compile(rb":(?:c|row|v)[\s/>]")


# A night opens a workbook twice, to recognise it and to load it. What was proved is known by its content, and no bytes
# are kept; as many sheets as a hundred workbooks have.
_MOST_REMEMBERED = 2_000
_proved: dict[bytes, Counter[int]] = {}


def _uses_of_proved(sheet: bytes, name: str) -> Counter[int]:
    """As `_proved_sheet`, the second time from memory."""
    content = sha256(sheet).digest()
    if content not in _proved:
        found = _proved_sheet(sheet, name)
        while len(_proved) >= _MOST_REMEMBERED:
            del _proved[next(iter(_proved))]
        _proved[content] = found
    return _proved[content]


def _proved_sheet(sheet: bytes, name: str) -> Counter[int]:
    """How often the sheet uses each shared text, by its number.

    Raises `ExtractError` where the area is more than any memory holds: two cells far apart are enough for that.
    """
    found = _PREFIXED if _PREFIX.search(sheet) else _PLAIN
    cells, rows = len(found.any_cell.findall(sheet)), len(found.any_row.findall(sheet))
    if rows > limits.MOST_SHEET_ROWS:
        raise ExtractError(f"{name} of the workbook has {rows:,} rows, more than a spreadsheet holds. Fetch it again.")
    addresses, numbers = found.address.findall(sheet), found.row_number.findall(sheet)
    if (
        len(found.cell.findall(sheet)) != cells
        or len(found.row.findall(sheet)) != rows
        or len(found.has_address.findall(sheet)) != len(addresses) + len(numbers)
    ):
        raise ExtractError(_DAMAGED.format(f"{name!r} has cells in a form that no spreadsheet program writes"))
    deepest = max(map(int, {*numbers, *(row for _, row in addresses)}), default=0)
    widest = max((_column(letters) for letters in {letters for letters, _ in addresses}), default=0)
    # A cell or row without an address stands after the one before it.
    deepest += rows - len(numbers)
    if len(addresses) < cells:
        widest += max(len(found.any_cell.findall(row)) for row in found.any_row.split(sheet))
    if deepest * widest > limits.MOST_CELLS:
        raise ExtractError(
            f"{name} of the workbook reaches to row {deepest:,} and column {widest:,} and has {cells:,} cells: too "
            "large to be an extract. Delete the stray cells far below or right of the table, or fetch it again."
        )
    return Counter(map(int, found.shared.findall(sheet)))


_TEXT = re.compile(rb"<(?:[^\s<>/!?\"'=]+:)?si(?=[\s/>])")


def _prove_texts(texts: bytes, uses: Counter[int]) -> None:
    """A long text in very many cells is short in the file and endless in memory."""
    _prove_copies([len(text) for text in _TEXT.split(texts)[1:]], uses)


def _prove_copies(lengths: Sequence[int], uses: Counter[int]) -> None:
    copied = sum(lengths[number] * count for number, count in uses.items() if number < len(lengths))
    if copied > limits.MOST_TEXT:
        raise ExtractError(
            f"the cells of the workbook hold {copied:,} characters, more than the {limits.MOST_TEXT:,} that are "
            "sensible: refused as a bomb."
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
_SHARED_TEXT, _CONTINUED = 0x00FD, 0x003C
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
    texts: list[bytes] = []
    uses: Counter[int] = Counter()
    kind_before = 0
    unpack, unpack_number = struct.Struct("<HH").unpack_from, struct.Struct("<I").unpack_from
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
            if kind == _SHARED_TEXT:
                uses[unpack_number(stream, at + 10)[0]] += 1
            column = unpack(stream, at + 6)[0] + ((length - 6) // 6 - 1 if kind == _NUMBERS else 0)
            if column >= _WIDEST:
                raise ValueError(f"a cell in column {column + 1:,}")
        elif kind == _SIZE:
            _, rows, _, columns = struct.unpack_from("<IIHH" if length >= 14 else "<HHHH", stream, at + 4)
            if rows > _DEEPEST or columns > _WIDEST:
                raise ValueError(f"a sheet of {rows:,} rows and {columns:,} columns")
        elif kind == _TEXTS and struct.unpack_from("<I", stream, at + 8)[0] > end:
            raise ValueError("more texts than the file can hold")
        if kind == _TEXTS or (kind == _CONTINUED and kind_before in (_TEXTS, _CONTINUED) and texts):
            texts.append(stream[at + 4 : at + 4 + length])
        kind_before = kind if kind != _CONTINUED else kind_before
        at += 4 + length
    _prove_copies(list(_lengths(texts)), uses)
    if depth or whole < 1 + announced:
        raise ValueError("a sheet is cut off")


def _lengths(parts: Sequence[bytes]) -> Iterator[int]:
    """The lengths (characters) of the shared texts of an .xls, whose record and its continuations are ``parts``.

    Raises `IndexError` or `struct.error` where it ends too early.
    """
    if not parts:
        return
    rest = iter(parts)
    part, at = next(rest), 8
    for _ in range(struct.unpack_from("<I", part, 4)[0]):
        if at >= len(part):
            part, at = next(rest, b""), 0
        length, flags = struct.unpack_from("<HB", part, at)
        at += 3
        formats = extra = 0
        if flags & 8:
            (formats,) = struct.unpack_from("<H", part, at)
            at += 2
        if flags & 4:
            (extra,) = struct.unpack_from("<I", part, at)
            at += 4
        yield length
        left, width = length, 1 + (flags & 1)
        while left > (room := (len(part) - at) // width):
            left -= room
            part, at = next(rest, b""), 1
            width = 1 + (part[0] & 1)  # each continuation says anew how wide its characters are
        at += left * width
        behind = 4 * formats + extra
        while behind > len(part) - at:
            behind -= len(part) - at
            part, at = next(rest, b""), 0
            if not part:
                raise IndexError("it ends too early")
        at += behind
