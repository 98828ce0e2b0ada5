"""The nearest known layout to a file, and how the file differs from it.

Belongs here: comparing the headings and sheets of a file, as it stands, with the layouts that datasets know, and the
words for the difference. Does not belong here: reading. What is found here decides about no file; a heading that looks
like another is a suggestion to a person, never an answer.
"""

from __future__ import annotations

import csv
import difflib
import io
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise

from ccg_pipeline.extracts.contract import Column, ExtractError, PublishedLayout, normalise
from ccg_pipeline.extracts.source import Source
from ccg_pipeline.extracts.spreadsheet import with_groups

Cells = Sequence[Sequence[str | None]]
Known = Sequence[tuple[str, PublishedLayout]]  # dataset and layout

_DEEPEST = 40  # rows in which a header row is looked for
_MOST_SHEETS = 60
_MOST_HEADINGS = 300
_LONGEST_HEADING = 300
_LONGEST_NUMBER = 40
_MOST_CANDIDATES = 6  # layouts whose headings are compared by likeness, after those that are the same were counted
_ALIKE = 0.7
_MISTYPED = 0.8  # of headings that share no word
_LEAST_OVERLAP = 0.1
_LEAST_OVERLAP_BY_LIKENESS = 0.3  # where fewer than two headings are the same
_OTHER_CONTAINER = 0.8
_NUMBER = re.compile(r"^[-+£]?[\d,]*\.?\d+(?:[eE][-+]?\d+)?%?$|^[*\-]$|^\d{4}-\d\d-\d\d")


@dataclass(frozen=True)
class Mapped:
    """A heading of a file, and the column it is: known (``alike`` is 1), probable (below 1), or none.

    ``meant`` is the known heading that it is or is like. An unknown one over an empty column of a text is let through.
    """

    heading: str
    column: Column | None = None
    meant: str = ""
    alike: float = 0.0
    is_empty: bool = False

    @property
    def is_known(self) -> bool:
        return self.column is not None and self.alike == 1

    @property
    def is_probable(self) -> bool:
        return self.column is not None and self.alike < 1


@dataclass(frozen=True)
class Table:
    """A header row of a file, compared with a layout. ``sheet`` is None for text; ``row`` counts from 1."""

    sheet: str | None
    row: int
    headings: tuple[Mapped, ...]
    missing: tuple[Column, ...]

    @property
    def known(self) -> int:
        return len({m.column.name for m in self.headings if m.column and m.is_known})

    @property
    def probable(self) -> list[Mapped]:
        return [m for m in self.headings if m.is_probable]

    @property
    def unknown(self) -> list[Mapped]:
        return [m for m in self.headings if m.column is None and not m.is_empty]

    @property
    def overlap(self) -> float:
        """The share of columns, of file and layout together, that are the same; a probable one counts half."""
        everything = self.known + len(self.probable) + len(self.unknown) + len(self.missing)
        return (self.known + 0.5 * len(self.probable)) / everything if everything else 0.0

    @property
    def is_whole(self) -> bool:
        return not (self.probable or self.unknown or self.missing)


@dataclass(frozen=True)
class Comparison:
    """A file beside the layout nearest to it. ``others`` are layouts that are as near."""

    dataset: str
    layout: PublishedLayout
    others: tuple[str, ...]
    tables: tuple[Table, ...]
    missing_sheets: tuple[str, ...]
    unknown_sheets: tuple[str, ...]
    is_other_container: bool

    @property
    def table(self) -> Table:
        """The table most like the layout's."""
        return max(self.tables, key=lambda t: t.overlap)

    @property
    def is_same(self) -> bool:
        """Whether no heading and no sheet differs."""
        has_other_sheets = self.missing_sheets or self.unknown_sheets
        return all(t.is_whole for t in self.own_tables) and not (has_other_sheets or self.is_other_container)

    @property
    def own_tables(self) -> list[Table]:
        """The table most like the layout's, and those on sheets that are the layout's by name."""
        named = {normalise(s) for s in (*self.layout.sheets, *self.layout.optional_sheets)}
        return [self.table, *(t for t in self.tables if t is not self.table and normalise(t.sheet) in named)]

    @property
    def renamed_sheets(self) -> list[tuple[str, str]]:
        """Sheets of the file beside the sheets of the layout that they are like."""
        return [(a, b) for a, b, _ in _pairs(self.unknown_sheets, self.missing_sheets)]

    def in_words(self, most: int = 3) -> str:
        """The layout and the first few differences, in a sentence or two."""
        table = self.table
        columns = table.known + len(table.probable) + len(table.missing)
        alike = f" (or {' or '.join(self.others)}, as near)" if self.others else ""
        words = f"Nearest known layout: {self.layout.name} of {self.dataset}{alike}"
        if self.is_other_container:
            words += f", which is published as a {'workbook' if self.layout.is_workbook else 'text file'}"
        words += f", with {'all' if table.known == columns else table.known} of its {columns} headings."
        tables = self.own_tables
        renamed = [f"{_short(m.heading)} for {_short(m.meant)}" for t in tables for m in t.probable]
        missing = [_short(c.headings[0]) for t in tables for c in t.missing]
        unknown = [_short(m.heading) for t in tables for m in t.unknown]
        sheets = self.renamed_sheets
        for title, found in (
            ("Probably renamed", renamed),
            ("Missing", missing),
            ("Not known there", unknown),
            ("Sheets probably renamed", [f"{_short(a)} for {_short(b)}" for a, b in sheets]),
            ("Sheets missing", [_short(s) for s in self.missing_sheets if s not in {b for _, b in sheets}]),
            ("Sheets not known", [_short(s) for s in self.unknown_sheets if s not in {a for a, _ in sheets}]),
        ):
            found = list(dict.fromkeys(found))
            if found:
                more = f" and {len(found) - most} more" if len(found) > most else ""
                words += f" {title}: {', '.join(found[:most])}{more}."
        return words


def nearest(source: Source, known: Known) -> Comparison | None:
    """The layout that shares most headings and sheets with the file; None where too few are shared to name one."""
    sheets = sheets_of(source)
    if not sheets:
        return None
    ranked = sorted(((_same(sheets, layout), i) for i, (_, layout) in enumerate(known)), key=lambda r: (-r[0], r[1]))
    # Where hardly a heading is the same, all of them may be written another way.
    candidates = ranked[:_MOST_CANDIDATES] if ranked and ranked[0][0] >= 2 else ranked
    scored = []
    for _, i in candidates:
        found = compare(source, *known[i], sheets)
        if found is not None:
            scored.append((_score(found), found))
    if not scored:
        return None
    top, best = max(scored, key=lambda s: s[0])
    if top < (_LEAST_OVERLAP if best.table.known >= 2 else _LEAST_OVERLAP_BY_LIKENESS):
        return None
    others = tuple(
        c.layout.name for score, c in scored if c is not best and c.dataset == best.dataset and top - score < 1e-9
    )
    return Comparison(**{**vars(best), "others": others})


def compare(
    source: Source, dataset: str, layout: PublishedLayout, sheets: dict[str | None, Cells] | None = None
) -> Comparison | None:
    """The file beside one layout; None where no row of the file can be a header row."""
    sheets = sheets_of(source) if sheets is None else sheets
    if not layout.columns:  # told by its shape alone
        return None
    tables = []
    for sheet, cells in sheets.items():
        table = _best_table(sheet, cells, layout)
        if table is not None:
            tables.append(table)
    if not tables:
        return None
    names = {normalise(s): s for s in source.sheet_names}
    expected = {normalise(s): s for s in layout.sheets} if source.is_workbook else {}
    beside = {normalise(s) for s in (*layout.sheets, *layout.optional_sheets, *layout.other_sheets)}
    return Comparison(
        dataset,
        layout,
        (),
        tuple(tables),
        tuple(s for key, s in expected.items() if key not in names),
        tuple(s for key, s in names.items() if expected and key not in beside),
        layout.is_workbook is not None and layout.is_workbook != source.is_workbook,
    )


def sheets_of(source: Source) -> dict[str | None, Cells]:
    """The first rows of each sheet, or of the text under None; sheets that cannot be read are left out."""
    if not source.is_workbook:
        lines = _lines(source)
        width = max(map(len, lines), default=0)
        return {None: [_shortened([*row, *[None] * (width - len(row))]) for row in lines]}
    sheets: dict[str | None, Cells] = {}
    for name in source.sheet_names[:_MOST_SHEETS]:
        try:
            sheets[name] = [_shortened(row) for row in source.sheet(name, rows=_DEEPEST)[:_DEEPEST]]
        except ExtractError:
            continue
    return sheets


def _shortened(row: Sequence[str | None]) -> list[str | None]:
    """A row no longer, and its cells no longer, than any header row is: what is compared must not take for ever."""
    return [(c or "").strip()[:_LONGEST_HEADING] or None for c in row[:_MOST_HEADINGS]]


def separator_of(source: Source) -> str:
    """What separates the cells of a text: a comma, or where no row has two of them a semicolon or tab that does."""
    if source.is_workbook or any(len(row) > 2 for row in source.first_lines):
        return ","
    head = source.content[: 1 << 16].decode("utf-8", errors="ignore").splitlines()[:_DEEPEST]
    return next((s for s in ("\t", ";", "|") if any(line.count(s) >= 2 for line in head)), ",")


def _lines(source: Source) -> list[list[str]]:
    head = source.content[: 1 << 18].decode("utf-8", errors="ignore")
    try:
        reader = csv.reader(io.StringIO(head), delimiter=separator_of(source))
        return [row for row, _ in zip(reader, range(_DEEPEST), strict=False)]
    except csv.Error:
        return []


def is_number(cell: str) -> bool:
    """Whether a cell is a number, a date, or a mark in place of one."""
    return len(cell) <= _LONGEST_NUMBER and bool(_NUMBER.match(cell))


def header_row(cells: Cells) -> int | None:
    """The 0-based row with most cells of text, of those with numbers in the next row; None where none has two."""
    best, most = None, 1
    for number, row in enumerate(cells[:_DEEPEST]):
        texts = sum(not is_number(c) for c in row if c)
        below: Sequence[str | None] = next((r for r in cells[number + 1 : number + 6] if any(r)), ())
        if texts > most and any(is_number(c) for c in below if c):
            best, most = number, texts
    if best is not None:
        return best
    widest = max(range(len(cells)), key=lambda n: (sum(bool(c) for c in cells[n]), -n), default=None)
    return widest if widest is not None and sum(bool(c) for c in cells[widest]) > 1 else None


def _score(found: Comparison) -> float:
    """Headings, and where the layout is one of sheets, sheets too."""
    score = found.table.overlap
    if found.layout.sheets and not found.is_other_container:
        there = len(found.layout.sheets) - len(found.missing_sheets)
        everything = len(found.layout.sheets) + len(found.unknown_sheets)
        score = (score + (there + 0.5 * len(found.renamed_sheets)) / everything) / 2
    return score * (_OTHER_CONTAINER if found.is_other_container else 1)


def _same(sheets: dict[str | None, Cells], layout: PublishedLayout) -> float:
    """How many headings of one row are the layout's, a rough measure; of two as good, the layout with fewer columns."""
    known = {normalise(h) for c in layout.columns for h in c.headings}
    most = max(
        (len({normalise(c) for c in row} & known) for cells in sheets.values() for row in _rows(cells, layout)),
        default=0,
    )
    return most + most / (len(layout.columns) + 1)


def _rows(cells: Cells, layout: PublishedLayout) -> list[Sequence[str | None]]:
    """The rows as the layout has its headings: under their groups, without footnote marks."""
    rows: list[Sequence[str | None]] = list(cells)
    if layout.grouped:
        rows = [*cells[:1], *(with_groups(above, row) for above, row in pairwise(cells))]
    if layout.footnotes:
        rows = [[re.sub(layout.footnotes, "", c) if c else c for c in row] for row in rows]
    return rows


def _best_table(sheet: str | None, cells: Cells, layout: PublishedLayout) -> Table | None:
    """The row of a sheet most like the layout's header row, compared with it."""
    rows = _rows(cells, layout)
    known = {normalise(h) for c in layout.columns for h in c.headings}
    counts = [len({normalise(c) for c in row} & known) for row in rows]
    most = max(counts, default=0)
    guess = header_row(cells)
    numbers = {counts.index(most)} if most > 1 else set()
    if guess is not None and most < len(layout.columns) / 2:
        numbers.add(guess)
    tables = [_table(sheet, number, rows, layout) for number in sorted(numbers)]
    return max(tables, key=lambda t: t.overlap, default=None)


def _table(sheet: str | None, number: int, rows: Cells, layout: PublishedLayout) -> Table:
    row, below = rows[number], rows[number + 1 :]
    by_heading = {normalise(h): (c, h) for c in layout.columns for h in c.headings}
    found: dict[int, Mapped] = {}
    open_at: list[int] = []
    for position, cell in enumerate(row):
        text = normalise(cell)
        if not text:
            continue
        if text in by_heading:
            column, heading = by_heading[text]
            found[position] = Mapped(str(cell), column, heading, 1.0)
        elif not (layout.passed_over and re.fullmatch(layout.passed_over, text)):
            open_at.append(position)
    there = {m.column.name for m in found.values() if m.column}
    free = [(c, h) for c in layout.columns if c.name not in there for h in c.headings]
    texts = [str(row[p]) for p in open_at]
    by_meant = {h: c for c, h in reversed(free)}
    probable = {
        a: (b, alike) for a, b, alike in _pairs(texts, [h for _, h in free], {h: c.name for h, c in by_meant.items()})
    }
    for position in open_at:
        text = str(row[position])
        if text in probable:
            meant, alike = probable.pop(text)
            found[position] = Mapped(text, by_meant[meant], meant, min(alike, 0.99))
        else:
            is_empty = sheet is None and bool(below) and not any(r[position] for r in below)
            found[position] = Mapped(text, is_empty=is_empty)
    taken = {m.column.name for m in found.values() if m.column}
    return Table(
        sheet,
        number + 1,
        tuple(found[p] for p in sorted(found)),
        tuple(c for c in layout.columns if c.required and c.name not in taken),
    )


def _pairs(
    found: Iterable[str], known: Iterable[str], one_of: dict[str, str] | None = None
) -> list[tuple[str, str, float]]:
    """Texts beside the known text each is most like, best pairs first, each used once.

    ``one_of`` gives known texts that stand for the same thing, of which one is used.
    """
    scored = sorted(
        ((_alike(a, b), i, j, a, b) for i, a in enumerate(found) for j, b in enumerate(known)),
        key=lambda s: (-s[0], s[1], s[2]),
    )
    used: set[str] = set()
    pairs: dict[str, tuple[str, float]] = {}
    for alike, _, _, a, b in scored:
        if alike < _ALIKE:
            break
        meaning = (one_of or {}).get(b, b)
        if a not in pairs and meaning not in used:
            pairs[a] = (b, alike)
            used.add(meaning)
    return [(a, b, alike) for a, (b, alike) in pairs.items()]


@lru_cache(maxsize=200_000)
def _alike(one: str, other: str) -> float:
    """How alike two headings are, from 0 to 1; 0 where they hold other numbers (Type 1 is not Type 2)."""
    a, b = _words(one), _words(other)
    if not a or not b or sorted(w for w in a if w.isdigit()) != sorted(w for w in b if w.isdigit()):
        return 0.0
    if "".join(a) == "".join(b):
        return 0.99
    # `Org` is short for `Organisation`.
    shared = sum(
        any(w == v or (len(w) > 2 and len(v) > 2 and (w.startswith(v) or v.startswith(w))) for v in b) for w in a
    )
    if not shared and len(a) + len(b) > 4:
        return 0.0
    ratio = difflib.SequenceMatcher(None, " ".join(a), " ".join(b)).ratio()
    if not shared:
        return ratio if ratio >= _MISTYPED else 0.0
    return max(min(0.95, shared / (len(a) + len(b) - shared)), ratio)


@lru_cache(maxsize=20_000)
def _words(text: str) -> tuple[str, ...]:
    """The words and numbers of a heading, in small letters; ``07`` is 7."""
    return tuple(
        str(int(w)) if w.isdigit() and w.isascii() else w for w in re.findall(r"[^\W\d_]+|\d+", normalise(text))
    )


def _short(text: str, most: int = 60) -> str:
    return repr(text if len(text) <= most else text[: most - 3] + "...")
