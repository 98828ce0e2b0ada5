"""Ways to spoil a published file, at random but repeatably, and what becomes of the spoilt copy.

`spoil` takes a file, makes copies of it that are damaged in one of `KINDS`, reads each as the landing does, and says
of each whether it gave the same rows as the whole file, was refused in words, or neither.
"""

from __future__ import annotations

import csv
import gzip
import io
import random
import re
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any
from xml.sax.saxutils import escape

import polars as pl
import xlwt

from ccg_pipeline.extracts.contract import Extract, ExtractError
from ccg_pipeline.extracts.source import Source
from ccg_pipeline.landing.loading import read_extract

Grid = list[list[str]]
Whole = tuple[Any, ...]  # as `comparable` gives it

_NUMBER = re.compile(r"-?\d[\d,]*(\.\d+)?%?")
_TOTAL = re.compile(r"total|england.*|national|all english .*|.*[a-z_]999", re.IGNORECASE)
_UNEXPECTED = "the reader stopped on something"


@dataclass(frozen=True)
class Outcome:
    """``result`` is ``same``, ``refused``, ``different`` (loaded with other rows) or ``stopped`` (no reason given)."""

    file: str
    dataset: str
    layout: str
    kind: str
    result: str
    detail: str


@dataclass
class Table:
    """A grid of cells with the row of its headings, and which of its rows and columns hold figures."""

    grid: Grid
    header: int

    @property
    def width(self) -> int:
        return max(map(len, self.grid))

    @cached_property
    def figures(self) -> list[int]:
        """Columns with a heading and mostly numbers below it."""
        body = [row for row in self.grid[self.header + 1 :] if any(row)]
        found = []
        for i, heading in enumerate(self.grid[self.header]):
            cells = [row[i] for row in body if i < len(row) and row[i]]
            if heading and cells and sum(bool(_NUMBER.fullmatch(c)) for c in cells) > len(cells) / 2:
                found.append(i)
        return found

    @cached_property
    def rows(self) -> list[int]:
        """Rows with figures."""
        return [
            n
            for n, row in enumerate(self.grid)
            if n > self.header and sum(i < len(row) and bool(row[i]) for i in self.figures) * 2 >= len(self.figures)
        ]

    @cached_property
    def totals(self) -> list[int]:
        """Rows with figures that are named as a total."""
        return [
            n for n in self.rows if any(_TOTAL.fullmatch(c.strip()) for i, c in enumerate(self.grid[n]) if c and i < 14)
        ]

    def copied(self) -> Table:
        return Table([list(row) for row in self.grid], self.header)


def find_table(grid: Grid) -> Table | None:
    """The table whose headings are the first row of several texts with figures below."""
    for n, row in enumerate(grid[:25]):
        below = next((r for r in grid[n + 1 :] if any(r)), [])
        texts = [c for c in row if c]
        numbers = sum(bool(_NUMBER.fullmatch(c)) for c in below if c)
        if len(texts) >= 4 and numbers >= 2 and sum(bool(_NUMBER.fullmatch(c)) for c in texts) <= 1:
            return Table(grid, n)
    return None


@dataclass
class Subject:
    """A whole file: its bytes, and its tables if it is text or a workbook."""

    path: Path
    cells: dict[str, Grid] = field(default_factory=dict)

    @cached_property
    def content(self) -> bytes:
        return self.path.read_bytes()

    @cached_property
    def source(self) -> Source:
        return Source(self.path, self.path.name)

    @cached_property
    def is_text(self) -> bool:
        return self.source.is_text

    @cached_property
    def text(self) -> str:
        return self.source.content.decode("utf-8")

    @cached_property
    def sheets(self) -> dict[str, Grid]:
        if self.is_text:
            return {"": list(csv.reader(io.StringIO(self.text, newline="")))}
        return {n: [[c or "" for c in row] for row in self.source.sheet(n)] for n in self.source.sheet_names}

    @cached_property
    def tables(self) -> dict[str, Table]:
        found = {n: find_table(grid) for n, grid in self.sheets.items()}
        return {n: table for n, table in found.items() if table and table.rows}

    def written(self, sheets: dict[str, Grid]) -> bytes:
        """A file of the same kind with these cells."""
        if not self.is_text:
            return workbook(sheets)
        out = io.StringIO(newline="")
        csv.writer(out, lineterminator="\r\n" if "\r\n" in self.text else "\n").writerows(sheets[""])
        return out.getvalue().encode()

    def with_table(self, name: str, table: Table) -> bytes:
        return self.written({**self.sheets, name: table.grid})


def workbook(sheets: dict[str, Grid]) -> bytes:
    """An .xlsx of text cells, written as plainly as the format allows: a hundred are written in a test."""
    ns = 'xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main"'
    rel = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
    head = '<?xml version="1.0" encoding="UTF-8" standalone="yes"?>\n'
    members = {
        "[Content_Types].xml": f'{head}<Types xmlns="http://schemas.openxmlformats.org/package/2006/content-types">'
        '<Default Extension="rels" ContentType="application/vnd.openxmlformats-package.relationships+xml"/>'
        '<Default Extension="xml" ContentType="application/vnd.openxmlformats-officedocument.spreadsheetml.'
        'sheet.main+xml"/></Types>',
        "_rels/.rels": f'{head}<Relationships xmlns="http://schemas.openxmlformats.org/package/2006/relationships">'
        f'<Relationship Id="r1" Type="{rel}/officeDocument" Target="xl/workbook.xml"/></Relationships>',
        "xl/workbook.xml": f'{head}<workbook {ns} xmlns:r="{rel}"><sheets>'
        + "".join(
            f'<sheet name="{escape(name, {chr(34): "&quot;"})}" sheetId="{i}" r:id="r{i}"/>'
            for i, name in enumerate(sheets, 1)
        )
        + "</sheets></workbook>",
        "xl/_rels/workbook.xml.rels": f'{head}<Relationships xmlns="http://schemas.openxmlformats.org/package/2006/'
        'relationships">'
        + "".join(
            f'<Relationship Id="r{i}" Type="{rel}/worksheet" Target="worksheets/sheet{i}.xml"/>'
            for i in range(1, len(sheets) + 1)
        )
        + "</Relationships>",
    }
    for i, grid in enumerate(sheets.values(), 1):
        letters = [_letters(c) for c in range(max(map(len, grid), default=0))]
        rows = (
            f'<row r="{n}">'
            + "".join(
                f'<c r="{letters[c]}{n}" t="inlineStr"><is><t xml:space="preserve">{escape(cell)}</t></is></c>'
                for c, cell in enumerate(row)
                if cell
            )
            + "</row>"
            for n, row in enumerate(grid, 1)
        )
        members[f"xl/worksheets/sheet{i}.xml"] = (
            f"{head}<worksheet {ns}><sheetData>{''.join(rows)}</sheetData></worksheet>"
        )
    return zipped(members)


def zipped(members: dict[str, str] | dict[str, bytes]) -> bytes:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
        for name, content in members.items():
            archive.writestr(zipfile.ZipInfo(name), content, zipfile.ZIP_DEFLATED)
    return packed.getvalue()


def _letters(column: int) -> str:
    text = ""
    while column >= 0:
        text, column = chr(65 + column % 26) + text, column // 26 - 1
    return text


# ---------------------------------------------------------------- kinds of damage to a table

TableDamage = Callable[[random.Random, Table], "Table | None"]


def _padded(table: Table) -> Table:
    width = table.width
    return Table([row + [""] * (width - len(row)) for row in table.grid], table.header)


def shuffled_columns(rng: random.Random, table: Table) -> Table:
    table = _padded(table)
    order = rng.sample(range(table.width), table.width)
    first = rng.choice((0, table.header))  # with the lines above, or without
    return Table([[row[i] for i in order] if n >= first else row for n, row in enumerate(table.grid)], table.header)


def duplicated_column(rng: random.Random, table: Table) -> Table:
    table = _padded(table)
    named = [i for i, h in enumerate(table.grid[table.header]) if h]
    copied, at = rng.choice(named), rng.randrange(table.width + 1)
    return Table([[*row[:at], row[copied], *row[at:]] for row in table.grid], table.header)


def _headings(rng: random.Random, table: Table, count: int) -> list[int]:
    return rng.sample([i for i, h in enumerate(table.grid[table.header]) if h], count)


def renamed_heading(rng: random.Random, table: Table) -> Table:
    (i,) = _headings(rng, table, 1)
    text = table.grid[table.header][i]
    at = rng.randrange(len(text))
    table.grid[table.header][i] = rng.choice(
        (
            text[:at] + text[at + 1 :],
            text[:at] + "x" + text[at:],
            text + " (revised)",
            "Column1",
            text[::-1],
            text + ".",
        )
    )
    return table


def merged_headings(rng: random.Random, table: Table) -> Table:
    """Only the first of merged cells keeps its text."""
    (i,) = _headings(rng, table, 1)
    row = table.grid[table.header]
    i = min(i, len(row) - 2)
    end = min(i + 1 + rng.randint(1, 3), len(row))
    row[i + 1 : end] = [""] * (end - i - 1)
    return table


def swapped_headings(rng: random.Random, table: Table) -> Table:
    i, j = _headings(rng, table, 2)
    row = table.grid[table.header]
    row[i], row[j] = row[j], row[i]
    return table


_TEXTS = (
    *("n/a", "12abc", "O", "l2", "1.2.3", "12,34", "1e", "#REF!", "?", "*", "-", "..", "1 234", "0x10"),
    *("\uff11\uff12", "\u0663"),  # digits, and not those of a count
)


def _cell(rng: random.Random, table: Table) -> tuple[int, int]:
    return rng.choice(table.rows), rng.choice(table.figures)


def text_in_number(rng: random.Random, table: Table) -> Table:
    n, i = _cell(rng, table)
    table.grid[n][i] = rng.choice(_TEXTS)
    return table


def negative_count(rng: random.Random, table: Table) -> Table:
    n, i = _cell(rng, table)
    text = table.grid[n][i]
    if not _NUMBER.fullmatch(text) or not float(text.replace(",", "").rstrip("%")):
        text = "3"
    table.grid[n][i] = rng.choice((f"-{text}", f"\u2212{text}", f"({text})"))
    return table


def blank_rows(rng: random.Random, table: Table) -> Table:
    for _ in range(rng.randint(1, 3)):
        at = rng.choice((0, table.header, table.header + 1, len(table.grid), rng.choice(table.rows)))
        table.grid.insert(at, [""] * rng.choice((0, table.width)))
    return table


def duplicated_row(rng: random.Random, table: Table) -> Table:
    n, to = rng.choice(table.rows), rng.choice(table.rows)
    count = rng.choice((1, 1, 2, 40))
    table.grid[to:to] = [list(row) for row in table.grid[n : n + count]]
    return table


def _other_digit(rng: random.Random, text: str) -> str:
    at = rng.choice([m.start() for m in re.finditer(r"\d", text)])
    return text[:at] + rng.choice([d for d in "123456789" if d != text[at]]) + text[at + 1 :]


def changed_total(rng: random.Random, table: Table) -> Table | None:
    cells = [(n, i) for n in table.totals for i in table.figures if _NUMBER.fullmatch(table.grid[n][i])]
    if not cells:
        return None
    n, i = rng.choice(cells)
    table.grid[n][i] = _other_digit(rng, table.grid[n][i])
    return table


def changed_digit(rng: random.Random, table: Table) -> Table | None:
    cells = [(n, i) for n, i in (_cell(rng, table) for _ in range(20)) if _NUMBER.fullmatch(table.grid[n][i])]
    if not cells:
        return None
    n, i = cells[0]
    table.grid[n][i] = _other_digit(rng, table.grid[n][i])
    return table


def deleted_row(rng: random.Random, table: Table) -> Table:
    del table.grid[rng.choice(table.rows)]
    return table


def cut_rows(rng: random.Random, table: Table) -> Table:
    """The table ends at the end of a row."""
    del table.grid[rng.choice(table.rows[1:] or table.rows) :]
    return table


def no_rows(rng: random.Random, table: Table) -> Table:
    del table.grid[table.header + 1 :]
    return table


TABLE_DAMAGE: dict[str, TableDamage] = {
    "shuffled columns": shuffled_columns,
    "duplicated column": duplicated_column,
    "renamed heading": renamed_heading,
    "merged headings": merged_headings,
    "swapped headings": swapped_headings,
    "text in a number": text_in_number,
    "negative count": negative_count,
    "blank rows": blank_rows,
    "duplicated rows": duplicated_row,
    "changed total": changed_total,
    "changed digit": changed_digit,
    "deleted row": deleted_row,
    "cut at a row's end": cut_rows,
    "no rows": no_rows,
}

# ---------------------------------------------------------------- kinds of damage to bytes

ByteDamage = Callable[[random.Random, Subject], "bytes | None"]


def cut_anywhere(rng: random.Random, subject: Subject) -> bytes:
    return subject.content[: rng.randrange(1, len(subject.content))]


def cut_in_last_row(rng: random.Random, subject: Subject) -> bytes | None:
    """A text that ends in the row where the copy stopped: near a row's end, so that no cell is missing."""
    if not subject.is_text:
        return None
    text = subject.text.encode()
    ends = [m.start() for m in re.finditer(rb"\r?\n", text)]
    if len(ends) < 2:
        return None
    return text[: rng.choice(ends[len(ends) // 2 :]) - rng.randint(0, 2)]


def other_encoding(rng: random.Random, subject: Subject) -> bytes | None:
    if not subject.is_text:
        return None
    encoding = rng.choice(("utf-16", "utf-16-le", "utf-16-be", "utf-32", "cp1252", "cp500"))
    return subject.text.encode(encoding, "replace" if encoding == "cp1252" else "strict")


def decoded_wrongly(rng: random.Random, subject: Subject) -> bytes | None:
    """UTF-8 taken for Windows-1252 and saved as UTF-8 again."""
    if not subject.is_text:
        return None
    return subject.text.encode("utf-8").decode("cp1252", "ignore").encode("utf-8")


def nul_bytes(rng: random.Random, subject: Subject) -> bytes:
    content, at = bytearray(subject.content), rng.randrange(len(subject.content))
    count = rng.choice((1, 3, 4096))
    if rng.random() < 0.3:
        content[at:] = bytes(len(content) - at)  # a download that set the place aside and did not fill it
    elif rng.random() < 0.5:
        content[at : at + count] = bytes(len(content[at : at + count]))
    else:
        content[at:at] = bytes(count)
    return bytes(content)


def byte_order_marks(rng: random.Random, subject: Subject) -> bytes | None:
    if not subject.is_text:
        return None
    lines = subject.text.encode().splitlines(keepends=True)
    at = rng.choice((0, 0, rng.randrange(len(lines))))
    lines[at] = b"\xef\xbb\xbf" * rng.choice((1, 2)) + lines[at]
    return b"".join(lines)


def flipped_bytes(rng: random.Random, subject: Subject) -> bytes | None:
    """Some bytes of a packed file or workbook are others."""
    if subject.source.kind == "text" and subject.content == subject.source._bytes:
        return None
    content = bytearray(subject.content)
    for _ in range(rng.choice((1, 1, 10))):
        content[rng.randrange(len(content))] ^= rng.randrange(1, 256)
    return bytes(content)


def packed_and_cut(rng: random.Random, subject: Subject) -> bytes:
    packed = rng.choice((gzip.compress, lambda c: zipped({"file": c})))(subject.content)
    cut = rng.choice((0, 1, 7, 8, rng.randrange(len(packed))))
    return packed[: len(packed) - cut]


BYTE_DAMAGE: dict[str, ByteDamage] = {
    "cut anywhere": cut_anywhere,
    "cut in a row": cut_in_last_row,
    "other encoding": other_encoding,
    "decoded wrongly": decoded_wrongly,
    "NUL bytes": nul_bytes,
    "byte-order marks": byte_order_marks,
    "flipped bytes": flipped_bytes,
    "packed and cut": packed_and_cut,
}
KINDS = (*BYTE_DAMAGE, *TABLE_DAMAGE)


# ---------------------------------------------------------------- what becomes of it


def comparable(extract: Extract) -> Whole:
    """All that reaches the marts: rows in a fixed order without their place in the file, and what is said of them."""
    rows = extract.rows.drop("source_row", "source_sheet")
    rows = rows.sort([c for c, t in rows.schema.items() if not isinstance(t, pl.List)], nulls_last=True)
    return (
        extract.dataset,
        extract.layout,
        tuple(sorted(extract.coverage, key=repr)),
        extract.edition,
        extract.published_on,
        tuple(re.sub(r"row \d+", "row", caveat) for caveat in extract.caveats),
        rows,
    )


def same(one: Whole, other: Whole) -> bool:
    """Whether nothing differs; averages of beds by less than a hundred-thousandth."""
    return one[:-1] == other[:-1] and (one[-1].equals(other[-1]) or _nearly(one[-1], other[-1]))


def _nearly(one: pl.DataFrame, other: pl.DataFrame) -> bool:
    if one.shape != other.shape:
        return False
    decimals = [c for c, t in one.schema.items() if t == pl.Float64]
    return one.drop(decimals).equals(other.drop(decimals)) and all(
        one[c].is_null().equals(other[c].is_null()) and ((one[c] - other[c]).abs().max() or 0) < 0.00001
        for c in decimals
    )


def difference(one: Whole, other: Whole) -> str:
    for a, b in zip(one[:-1], other[:-1], strict=True):
        if a != b:
            return f"{str(b)[:100]} for {str(a)[:100]}"
    a, b = one[-1], other[-1]
    if a.height != b.height:
        return f"{b.height} rows for {a.height}"
    for c in a.columns:
        if not a[c].equals(b[c]):
            off = a[c].ne_missing(b[c])
            return f"{c}: {b[c].filter(off)[0]!r} for {a[c].filter(off)[0]!r} ({off.sum()} rows)"
    return "columns"


def judge(path: Path, whole: Whole | None) -> tuple[str, str]:
    """Result and detail for one spoilt file, read as the landing reads it."""
    try:
        found = comparable(read_extract(path, path.name))
    except ExtractError as error:
        reason = str(error)
        return ("stopped" if _UNEXPECTED in reason or len(reason) < 20 else "refused"), reason
    if whole is not None and same(whole, found):
        return "same", ""
    return "different", difference(whole, found) if whole else "loaded"


def spoil(path: Path, folder: Path, times: dict[str, int], seed: str) -> list[Outcome]:
    """Every kind of damage in ``times``, so many times each, done to copies of one file."""
    subject = Subject(path)
    extract = read_extract(path, path.name)
    whole = comparable(extract)
    outcomes = []
    for kind, count in times.items():
        for number in range(count):
            rng = random.Random(f"{seed}/{kind}/{number}")
            spoilt: bytes | None
            if kind in BYTE_DAMAGE:
                spoilt = BYTE_DAMAGE[kind](rng, subject)
            elif not subject.tables:
                spoilt = None
            else:
                name = rng.choice(sorted(subject.tables))
                table = TABLE_DAMAGE[kind](rng, subject.tables[name].copied())
                spoilt = table and subject.with_table(name, table)
            if spoilt is None:
                continue
            copy = folder / f"{seed.replace('/', '_')}-{kind.replace(' ', '_')}-{number}"
            copy.write_bytes(spoilt)
            result, detail = judge(copy, whole)
            outcomes.append(Outcome(path.name, extract.dataset, extract.layout, kind, result, detail))
            if result in ("same", "refused"):
                copy.unlink()
    return outcomes


# ---------------------------------------------------------------- files that are no extract at all


def protected_workbook() -> bytes:
    """As Excel writes a workbook with a password: an OLE file whose one stream is the packed workbook."""
    written = io.BytesIO()
    book = xlwt.Workbook()
    book.add_sheet("x")
    book.save(written)
    names = [n.encode("utf-16-le").ljust(64, b"\0") + bytes([2 * len(n) + 2]) for n in ("Workbook", "EncryptedPackage")]
    assert names[0] in written.getvalue()
    return written.getvalue().replace(*names)


def with_password(content: bytes) -> bytes:
    """A zip whose members say that they are encrypted."""
    return content.replace(b"PK\x03\x04\x14\x00\x00", b"PK\x03\x04\x14\x00\x01").replace(
        b"PK\x01\x02\x14\x03\x14\x00\x00", b"PK\x01\x02\x14\x03\x14\x00\x01"
    )


def with_sheet(content: bytes, edit: Callable[[bytes], bytes]) -> bytes:
    """A workbook with another XML of its first sheet."""
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        members = {n: archive.read(n) for n in archive.namelist()}
    members["xl/worksheets/sheet1.xml"] = edit(members["xl/worksheets/sheet1.xml"])
    return zipped(members)


def _more_rows(sheet: bytes) -> bytes:
    return sheet.replace(b"</sheetData>", b"<row><c><v>1</v></c></row>" * 10_000_000 + b"</sheetData>")


def _far_row(sheet: bytes) -> bytes:
    return sheet.replace(b"</sheetData>", b'<row r="10000000"><c r="Z10000000"><v>1</v></c></row></sheetData>')


def no_extracts(text: bytes, book: bytes) -> Iterator[tuple[str, bytes]]:
    """Kinds of file that hold no extract, or that nobody should open; ``text`` and ``book`` are whole ones."""
    header = text.splitlines(keepends=True)[0]
    for content in (b"", b" \n\n", b"\xef\xbb\xbf", header, gzip.compress(b""), zipped({}), zipped({"a.csv": b""})):
        yield "empty", content
    for content in (protected_workbook(), with_password(book), with_password(zipped({"a.csv": text}))):
        yield "protected", content
    for content in (
        b"<!DOCTYPE html><html><body><table><tr><td>Period</td><td>Org Code</td></tr></table></body></html>",
        b"%PDF-1.7\n%\xe2\xe3\xcf\xd3\n1 0 obj\n<< /Type /Catalog >>\nendobj\n",
        b"\x89PNG\r\n\x1a\n" + bytes(64),
        b'{"period": "May 2019", "rows": []}',
        zipped({"[Content_Types].xml": "x", "word/document.xml": "y"}),
        zipped({"a.csv": text, "b.csv": text}),
        zipped({"xl/workbook.xml": "<workbook/>"}),
    ):
        yield "no spreadsheet", content
    yield "10 million rows", header + b"1\n" * 10_000_000
    yield "10 million rows", with_sheet(book, _more_rows)
    yield "10 million rows", with_sheet(book, _far_row)
    yield "zip bomb", gzip.compress(header + b"0" * 100_000_000, 6)
    yield "zip bomb", zipped({"a.csv": header + b"0" * 100_000_000})
    yield "zip bomb", with_sheet(book, lambda sheet: sheet + b" " * 100_000_000)
