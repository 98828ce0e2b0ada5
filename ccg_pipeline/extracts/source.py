"""A received file opened for looking: what kind of container it is, and its text or its sheets.

Belongs here: telling text, gzip, zip, xls and xlsx apart by their first bytes, and decoding. Does not
belong here: what any heading means. The file's name is never consulted.
"""

from __future__ import annotations

import csv
import gzip
import hashlib
import io
import re
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import fastexcel
import polars as pl

from ccg_pipeline.extracts import limits
from ccg_pipeline.extracts.containers import opened_zip, prove_xls, proved_xlsx, unpacked
from ccg_pipeline.extracts.contract import Column, ExtractError, have_all
from ccg_pipeline.extracts.opening import read_once

_XLS = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"
_ZIP = b"PK\x03\x04"
_GZIP = b"\x1f\x8b"
_PREAMBLE = 12
_UTF16 = (b"\xff\xfe", b"\xfe\xff")
# What file managers and publishers put beside the one file of a zip.
_NOT_DATA = re.compile(r"(^|/)(__MACOSX/|\.|thumbs\.db)|\.(md|pdf|docx?)$|readme", re.IGNORECASE)


def _is_xlsx(content: bytes) -> bool:
    try:
        with opened_zip(content) as archive:
            return any(n.startswith("xl/workbook") for n in archive.namelist())
    except ExtractError:
        return False


def _decoded_once(text: str, raw: bytes) -> bytes:
    """The text in UTF-8; where it was UTF-8, taken for Windows-1252 and saved again, as it was before."""
    if text.isascii():
        return raw
    try:
        before = text.encode("cp1252")
        before.decode("utf-8")
    except UnicodeError:
        return raw
    return before.removeprefix(b"\xef\xbb\xbf")


def _is_of_the_reader(error: BaseException) -> bool:
    """A panic of a reader written in Rust is no `Exception`; an interruption is none either, and is not the file's."""
    return isinstance(error, Exception) or type(error).__name__ == "PanicException"


def _first_line(error: BaseException) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0][:160]


@dataclass
class Source:
    """One file. Exactly one of `is_text` and `is_workbook` holds, or the file is neither.

    ``name`` is for messages only. The file is opened and read once: all that is said of it is of those bytes, whatever
    becomes of the file meanwhile.
    """

    path: Path
    name: str
    most_bytes: int = limits.MOST_BYTES

    @cached_property
    def _packed(self) -> bytes:
        return read_once(self.path, self.most_bytes)

    @cached_property
    def sha256(self) -> str:
        """The identity of the bytes that were read."""
        return hashlib.sha256(self._packed).hexdigest()

    @cached_property
    def _bytes(self) -> bytes:
        """The file, or what the one file inside a gzip or zip holds."""
        if self._packed.startswith(_GZIP):
            return self._from_gzip()
        if self._packed.startswith(_ZIP) and not _is_xlsx(self._packed):
            return self._from_zip()
        return self._packed

    @cached_property
    def kind(self) -> str:
        """``text``, ``xls``, ``xlsx``, ``empty`` or ``binary``, after unpacking."""
        if not self._bytes.strip():
            return "empty"
        if self._bytes.startswith(_XLS):
            return "xls"
        if self._bytes.startswith(_ZIP):
            if not _is_xlsx(self._bytes):
                raise ExtractError("a packed file within a packed file. Unpack it into the landing folder.")
            return "xlsx"
        if self._bytes.startswith(_UTF16):
            raise ExtractError("the text is in UTF-16, expected UTF-8 or Windows-1252. Save it again as CSV UTF-8.")
        return "binary" if b"\x00" in self._bytes else "text"

    @property
    def is_workbook(self) -> bool:
        return self.kind in ("xls", "xlsx")

    @property
    def is_text(self) -> bool:
        return self.kind == "text"

    @cached_property
    def content(self) -> bytes:
        """The text, unpacked and in UTF-8 without byte-order mark. Raises `ExtractError` where it is neither."""
        raw = self._bytes.removeprefix(b"\xef\xbb\xbf")
        try:
            text = raw.decode("utf-8")
        except UnicodeDecodeError:
            try:
                return raw.decode("cp1252").encode("utf-8")
            except UnicodeDecodeError as error:
                raise ExtractError(
                    f"the text is neither UTF-8 nor Windows-1252 (byte {error.start}). Save it again as CSV UTF-8."
                ) from None
        return _decoded_once(text, raw)

    def _from_gzip(self) -> bytes:
        most = min(self.most_bytes, max(limits.MOST_RATIO * len(self._packed), limits.ALWAYS_BYTES))
        try:
            with gzip.open(io.BytesIO(self._packed)) as packed:
                raw = packed.read(most + 1)
        except (OSError, EOFError, zlib.error) as error:
            raise ExtractError(f"the packed file cannot be unpacked ({error}). Fetch it again.") from None
        if len(raw) > most:
            raise ExtractError(f"the file unpacks to over {most:,} bytes: refused as a bomb.")
        return raw

    def _from_zip(self) -> bytes:
        with opened_zip(self._packed) as archive:
            if "[Content_Types].xml" in archive.namelist():
                raise ExtractError("an Office document that is no workbook: csv, xls, xlsx, gz or zip expected.")
            members = [m for m in archive.infolist() if not m.is_dir() and not _NOT_DATA.search(m.filename)]
            if len(members) != 1:
                raise ExtractError(
                    f"the zip holds {len(members)} files, expected one. Unpack it into the landing folder."
                )
            if members[0].flag_bits & 1:
                raise ExtractError("the zip is password-protected. Unpack it into the landing folder.")
            most = min(self.most_bytes, max(limits.MOST_RATIO * len(self._packed), limits.ALWAYS_BYTES))
            return unpacked(archive, members[0], most)

    @cached_property
    def first_lines(self) -> list[list[str]]:
        """The first records of a text file, as cells; [] for a workbook or unreadable text."""
        if not self.is_text:
            return []
        head = self.content[: 1 << 18].decode("utf-8", errors="ignore")
        try:
            return [row for row, _ in zip(csv.reader(io.StringIO(head)), range(_PREAMBLE), strict=False)]
        except csv.Error:
            return []

    def header_line(self, needed: Sequence[str | Column]) -> int | None:
        """The 0-based record in which all ``needed`` headings stand, within the first few; None if none."""
        return next((number for number, cells in enumerate(self.first_lines) if have_all(cells, needed)), None)

    def table(self, header: int, counts: Sequence[int] = ()) -> pl.DataFrame:
        """A text file's rows below its header: text cells, and ``source_row`` (1-based).

        Columns are named ``column_1`` ... by position, for `match_headings` to name. Those at the positions
        ``counts`` are read as whole numbers (blank is null), or left as text, all of them, if one is not a whole
        number. Rows with no content are dropped. Raises `ExtractError` where a row does not have the header's
        number of cells.
        """
        width = len(self.first_lines[header])
        if width > limits.MOST_COLUMNS:
            raise ExtractError(
                f"the headings in row {header + 1} are {width:,}, and no extract has over {limits.MOST_COLUMNS:,}. "
                "Fetch the file again."
            )
        lines = self.content.split(b"\n", header + 1)
        body = lines[header + 1] if len(lines) > header + 1 else b""
        if not body or body.isspace():
            raise ExtractError(f"headings in row {header + 1} and no row follows. Fetch the file again.")
        table = body.lstrip(b"\r\n")  # polars takes no blank line for the first
        blank, body = body[: len(body) - len(table)].count(b"\n"), table
        if (rows := body.count(b"\n")) > limits.MOST_ROWS:
            raise ExtractError(
                f"the file has {rows:,} rows, and no extract has over {limits.MOST_ROWS:,}. Fetch it again."
            )
        frame = None
        for count_type in (pl.Int64, pl.String):
            schema = {f"column_{i + 1}": count_type if i in counts else pl.String for i in range(width)}
            try:
                frame = pl.read_csv(body, has_header=False, schema=schema)
                break
            except pl.exceptions.PolarsError:
                continue
        # Polars fills a short row with nulls; only a null in the last column can hide one.
        if frame is None or (frame[f"column_{width}"].is_null().any() and self._ragged(header, width)):
            raise ExtractError(
                self._ragged(header, width)
                or "the file cannot be read as csv (a quotation mark may be missing). Fetch it again."
            )
        frame = frame.with_row_index("source_row", offset=header + blank + 2).with_columns(
            pl.col("source_row").cast(pl.Int64),
            pl.col(pl.String).str.strip_chars().replace("", None),
        )
        holds_something = frame.select(pl.any_horizontal(pl.exclude("source_row").is_not_null())).to_series()
        # A filter copies the whole table, which is wide, even where it leaves nothing out.
        return frame if holds_something.all() else frame.filter(holds_something)

    def _ragged(self, header: int, width: int) -> str | None:
        """What is wrong with the first row that has not the header's number of cells; None if all have."""
        try:
            for number, cells in enumerate(csv.reader(io.StringIO(self.content.decode("utf-8")))):
                if number > header and any(cells) and len(cells) != width:
                    return (
                        f"row {number + 1} has {len(cells)} cells, the header has {width}: the file is damaged or "
                        "cut off. Fetch it again."
                    )
        except csv.Error as error:
            return f"the file cannot be read as csv ({error}). Fetch it again."
        return None

    @cached_property
    def _workbook(self) -> fastexcel.ExcelReader:
        book = self._bytes
        if self.kind == "xlsx":
            book = proved_xlsx(book, self.most_bytes)
        else:
            prove_xls(book)
        try:
            return fastexcel.read_excel(book)
        except BaseException as error:
            if not _is_of_the_reader(error):
                raise
            raise ExtractError(
                f"the workbook cannot be opened ({_first_line(error)}): it is damaged, password-protected or not a "
                "workbook. Open it in Excel and save it again, or fetch it again."
            ) from None

    @cached_property
    def sheet_names(self) -> list[str]:
        return list(self._workbook.sheet_names) if self.is_workbook else []

    def sheet(self, name: str, rows: int | None = None) -> list[tuple[str | None, ...]]:
        """The cells of a sheet as text, row by row from its first row; dates as ``2019-05-01 00:00:00``."""
        cache = self.__dict__.setdefault("_sheets", {})
        if (name, None) in cache:
            return cache[name, None]
        if (name, rows) not in cache:
            try:
                loaded = self._workbook.load_sheet(
                    name, header_row=None, skip_rows=0, n_rows=rows, dtypes="string"
                ).to_polars()
            except BaseException as error:
                if not _is_of_the_reader(error):
                    raise
                raise ExtractError(
                    f"sheet {name!r} cannot be read ({_first_line(error)}). Fetch the file again."
                ) from None
            if any(column.str.contains("\0", literal=True).any() for column in loaded):
                raise ExtractError(f"sheet {name!r} holds NUL bytes: the workbook is damaged. Fetch the file again.")
            stripped = pl.all().str.strip_chars()
            cache[name, rows] = loaded.select(pl.when(stripped != "").then(stripped)).rows()
        return cache[name, rows]
