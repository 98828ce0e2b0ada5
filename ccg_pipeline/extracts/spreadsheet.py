"""Tables inside sheets: finding the header row by its headings, and the rows below it as text.

Belongs here: what all published workbooks share. Does not belong here: what a sheet is about.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import date

import polars as pl

from ccg_pipeline.extracts.contract import Column, ExtractError, UnknownLayoutError, have_all, match_headings, normalise
from ccg_pipeline.extracts.periods import parse_day
from ccg_pipeline.extracts.source import Source

_DEEPEST_HEADER = 25


def find_header(cells: Sequence[Sequence[str | None]], needed: Sequence[str | Column]) -> int | None:
    """The 0-based row in which all ``needed`` headings stand, within the first rows; None if none."""
    return next((number for number, row in enumerate(cells[:_DEEPEST_HEADER]) if have_all(row, needed)), None)


def in_words(needed: Sequence[str | Column]) -> str:
    """The headings of a header row as a message names them."""
    return ", ".join(repr(h.headings[0] if isinstance(h, Column) else h) for h in needed)


def beside(source: Source, sheet: str, label: str) -> str | None:
    """The text of the cell beside a label such as ``Period:`` among a sheet's front lines; None where none."""
    for row in source.sheet(sheet)[:14]:
        cells = [c for c in row if c]
        if len(cells) > 1 and normalise(cells[0]) == normalise(label):
            return cells[1]
    return None


_TRUST_CODE = re.compile(r"\bR[A-Z0-9]{2}\b")
_LISTED_CODE = re.compile(r"(?=.*\d)[A-Z][A-Z0-9]{2,5}")
_NO_ORGANISATION = ("RTT", "DM01")
_NOT_SUBMITTED = re.compile(
    r"\b(did|does|do|has|have|had|was|were|is|are) ?n[o']t (been )?(able to )?"
    r"(submit|include|provide|supply|suppl|return|report)"
    r"|\b(unable|failed) to (submit|provide|supply|return|report)|\bnon[- ]submi",
    re.IGNORECASE,
)
_TRUST_NAME = re.compile(
    r"(?:\b(?!R[A-Z0-9]{2}\b)[A-Z][\w'\u2019.&-]*,? (?:(?:of|and|the|for|on|in|upon|&) )*)+NHS (?:Foundation )?Trust\b"
)
_NAME_IN_LIST = re.compile(r".*\bNHS (FOUNDATION )?TRUST", re.IGNORECASE)
_LONGEST_QUOTE = 160


def non_submitters(source: Source) -> tuple[str, ...]:
    """The organisations that the Notes sheet names as not having submitted all of their data, as a caveat.

    They stand as codes or names in the paragraph that says so, or in a list below it. Where a paragraph says that data
    is missing and names nobody that can be read, the caveat quotes it.
    """
    named: list[str] = []
    unread: list[str] = []
    for sheet in source.sheet_names:
        if normalise(sheet) != "notes":
            continue
        is_list = False
        for row in source.sheet(sheet):
            cells = [c for c in row if c]
            paragraphs = [p for cell in cells for p in re.split(r"\n\s*\n", cell) if _NOT_SUBMITTED.search(p)]
            if is_list and cells and not paragraphs:
                named += _listed(cells)
            for paragraph in paragraphs:
                found = _named(paragraph)
                named += found
                # "The following organisation did not submit:" may head a list that is empty, as nobody is in it.
                is_list = is_list or "following" in paragraph.lower()
                if not found and "following" not in paragraph.lower():
                    unread.append(" ".join(paragraph.split()))
    caveats = []
    if named:
        caveats.append(
            f"published without all or part of the data of {', '.join(dict.fromkeys(named))} (named on the Notes sheet)"
        )
    for text in dict.fromkeys(unread):
        quote = text if len(text) <= _LONGEST_QUOTE else text[: _LONGEST_QUOTE - 3] + "..."
        caveats.append(
            f"the Notes sheet says that data is missing and gives no code or name that can be read: {quote!r}"
        )
    return tuple(caveats)


def _named(paragraph: str) -> list[str]:
    """Codes of trusts in a text, and the names of those that stand without one beside them."""
    found = []
    for line in paragraph.splitlines():
        named = {m.start(): m for m in _TRUST_NAME.finditer(line)}
        codes = [m for m in _TRUST_CODE.finditer(line) if m[0] not in _NO_ORGANISATION]
        for name in named.values():
            if not any(0 <= code.start() - name.end() <= 2 or 0 <= name.start() - code.end() <= 2 for code in codes):
                codes.append(name)
        found += [m[0] for m in sorted(codes, key=lambda m: m.start())]
    return found


def _listed(cells: Sequence[str]) -> list[str]:
    """The organisation of a row of a list: its code, or its name where it has no code."""
    if _LISTED_CODE.fullmatch(cells[0]) or _TRUST_CODE.fullmatch(cells[0]):
        return [cells[0]]
    return [c for c in cells if _NAME_IN_LIST.fullmatch(c)][:1]


def read_table(
    source: Source, sheet: str, needed: Sequence[str | Column], columns: Sequence[Column], grouped: bool = False
) -> pl.DataFrame:
    """The table of a sheet: text columns by our names, ``source_sheet`` and ``source_row``.

    Blank rows are dropped. Where headings repeat under ``grouped`` headings in the row above, a column is known as
    ``Group: Heading``, and the spacers between groups may hold a 0. Raises `ExtractError` where the header row is
    missing, a heading is not known, or a column without heading holds data.
    """
    cells = source.sheet(sheet)
    header = find_header(cells, needed)
    where = f"sheet {sheet!r}"
    if header is None:
        raise UnknownLayoutError(f"{where}: no header row with {in_words(needed)} in its first {_DEEPEST_HEADER} rows.")
    headings = with_groups(cells[header - 1], cells[header]) if grouped and header else cells[header]
    positions = match_headings(headings, columns, f"{where} row {header + 1}")
    unnamed = [i for i in range(len(cells[header])) if i not in positions.values()]
    for number, row in enumerate(cells[header + 1 :], header + 2):
        for i in unnamed:
            if row[i] is not None and not (grouped and row[i] == "0"):
                raise ExtractError(
                    f"{where} row {number}: column {i + 1} holds {row[i]!r} and has no heading in row {header + 1}."
                )
    body = [(number, row) for number, row in enumerate(cells[header + 1 :], header + 2) if any(c for c in row)]
    if not body:
        raise ExtractError(f"{where}: headings in row {header + 1} and no row follows.")
    data: dict[str, list[object]] = {
        "source_sheet": [sheet] * len(body),
        "source_row": [number for number, _ in body],
    }
    for name, i in positions.items():
        data[name] = [row[i] for _, row in body]
    return pl.DataFrame(
        data,
        schema={n: (pl.Int64 if n == "source_row" else pl.String) for n in data},
    )


def with_groups(groups: Sequence[str | None], headings: Sequence[str | None]) -> list[str | None]:
    """Each heading with its group, which stands over the first of its columns."""
    named: list[str | None] = []
    group: str | None = None
    for above, heading in zip(groups, headings, strict=True):
        group = above or group
        named.append(f"{group}: {heading}" if group and heading else heading)
    return named


def read_delimited(
    source: Source, header: int, columns: Sequence[Column], counts_as_numbers: bool = False
) -> pl.DataFrame:
    """The table of a text file: columns by our names and ``source_row``; columns left empty are dropped.

    Cells are text; with ``counts_as_numbers`` the counts are read as whole numbers at once, if all of them are (for
    wide files: `typed` then has nothing to do). A column whose heading is unknown is an error unless it holds nothing
    at all (spreadsheets leave such columns behind, one published file has an empty one headed ``a``).
    """
    headings = source.first_lines[header]
    known = {normalise(h): c for c in columns for h in c.headings}
    counts = [
        i
        for i, h in enumerate(headings)
        if counts_as_numbers and normalise(h) in known and known[normalise(h)].kind == "count"
    ]
    frame = source.table(header, counts)
    kept: list[str | None] = []
    for i, heading in enumerate(headings):
        cells = frame[f"column_{i + 1}"]
        if normalise(heading) not in known and cells.is_null().all():
            kept.append(None)
        elif not normalise(heading):
            first = frame.filter(pl.col(f"column_{i + 1}").is_not_null()).row(0, named=True)
            raise ExtractError(
                f"row {first['source_row']}: column {i + 1} holds {first[f'column_{i + 1}']!r} and has no heading."
            )
        else:
            kept.append(heading)
    positions = match_headings(kept, columns, f"row {header + 1}")
    return frame.select("source_row", *(pl.col(f"column_{i + 1}").alias(n) for n, i in positions.items()))


def prove_last_line(source: Source) -> None:
    """Raises `ExtractError` where a text file does not end with a line break: its last number may be cut off.

    For files whose last row nothing else proves; as published all of them end with one.
    """
    if not source.content.endswith((b"\n", b"\r")):
        raise ExtractError(
            "the last line does not end with a line break, as every published one does: the file may be cut off in its "
            "last row. Fetch it again."
        )


def stated_day(source: Source, sheet: str, label: str) -> date | None:
    """The day beside a label; None where it says there is none. A day that cannot be read decides no edition."""
    text = beside(source, sheet, label)
    day = parse_day(text)
    if day is None and normalise(text) not in ("", "-", "n/a", "na", "not applicable"):
        raise ExtractError(f"sheet {sheet!r}: {label} {text!r} is no day such as '9th July 2015'. Correct the copy.")
    return day
