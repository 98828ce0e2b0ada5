"""What every dataset promises about its files, and the words in which a broken promise is told.

Belongs here: the shapes that datasets share (`Dataset`, `Extract`, `Column`), the matching of headings by
name, the reading of cells as counts, and the proof that rows add to a file's own total. Does not belong
here: anything about one dataset, and anything about where rows go (`ccg_pipeline.landing`).
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import date
from functools import lru_cache
from typing import TYPE_CHECKING, Protocol

import polars as pl

from ccg_pipeline.visible import visible

if TYPE_CHECKING:
    from ccg_pipeline.extracts.source import Source

# A cell of a damaged file may be as long as the file.
_LONGEST_REASON = 3_000

Schema = dict[str, "pl.DataType | type[pl.DataType]"]


class ExtractError(Exception):
    """A file that must not be loaded. The text is for the analyst who dropped it.

    It says where (sheet, row, column), what was found, what was expected and what to do; what is quoted from the file
    cannot leave the line or reach a terminal.
    """

    def __init__(self, text: str) -> None:
        super().__init__(visible(text if len(text) <= _LONGEST_REASON else f"{text[:_LONGEST_REASON]} ..."))


class UnknownLayoutError(ExtractError):
    """A heading, sheet or code that no layout knows: the nearest layout and the differences are told with it."""


@dataclass(frozen=True)
class Coverage:
    """One slice of a publication that an extract holds: the unit in which editions replace each other.

    ``view`` is whose figures they are (``commissioner``, ``icb`` or ``provider``), ``part`` the piece of
    the dataset (an RTT part, a cancer standard, or ``all``), ``period_start`` the month, or the first of ``months`` (3
    for a quarter); ``last`` is the last day where the period is not of whole months (a week).
    """

    view: str
    part: str
    period_start: date
    months: int = 1
    last: date | None = None


@dataclass(frozen=True)
class Extract:
    """One file, read and proved against its contract, not yet in the warehouse.

    ``rows`` has the columns of `Dataset.schema`: ``source_sheet``, ``source_row`` (1-based, as a
    spreadsheet or text editor counts), ``period_start``, then the dataset's own. ``caveats`` are facts that
    the file states about itself (a trust that did not submit) and that totals must carry.
    """

    dataset: str
    layout: str
    rows: pl.DataFrame
    coverage: tuple[Coverage, ...]
    edition: str = "unknown"
    published_on: date | None = None
    caveats: tuple[str, ...] = ()

    @property
    def period_start(self) -> date:
        return min(c.period_start for c in self.coverage)

    @property
    def period_end(self) -> date:
        from ccg_pipeline.extracts.periods import last_day

        return max(c.last or last_day(c.period_start, c.months) for c in self.coverage)


class Dataset(Protocol):
    """What a module in `ccg_pipeline.extracts` offers for its dataset.

    ``descriptions`` says of each column of ``schema`` what it is (those that all datasets share may be left out);
    ``layouts`` are all layouts that `read` knows.
    """

    name: str
    schema: Schema
    descriptions: dict[str, str]
    layouts: tuple[PublishedLayout, ...]

    def recognise(self, source: Source) -> float:
        """How surely the content is this dataset's, from 0 (not at all) to 1; never looks at the name."""
        ...

    def read(self, source: Source) -> Extract:
        """The rows of the file. Raises `ExtractError` where it breaks the contract."""
        ...


@dataclass(frozen=True)
class Column:
    """A column of a layout: our name for it, and every heading under which it has been published.

    ``kind`` is ``text``, ``count`` (whole, not negative; blank is absent) or ``decimal``. ``group`` is the part of the
    map (`headings`) in which the headings stand; blank for columns that a reader generates.
    """

    name: str
    headings: tuple[str, ...]
    kind: str = "text"
    required: bool = True
    suppressible: bool = field(default=False, kw_only=True)
    group: str = field(default="", kw_only=True, compare=False)


@dataclass(frozen=True)
class PublishedLayout:
    """A layout as it is told from others: for people, and to find the nearest to a file that none knows.

    ``name`` is that of `Extract.layout`, ``told_by`` how it is recognised, ``columns`` those of its table, which in a
    workbook stands on the ``sheets`` (none: on sheets of any name); ``optional_sheets`` may lack, ``other_sheets`` may
    stand beside. ``is_workbook`` is None where it is published both ways. With ``grouped`` headings a column is known
    as ``Group: Heading``. ``passed_over`` matches headings that may stand right of the table, ``footnotes`` marks that
    may follow a heading.
    """

    name: str
    told_by: str
    columns: tuple[Column, ...]
    is_workbook: bool | None = False
    sheets: tuple[str, ...] = ()
    optional_sheets: tuple[str, ...] = ()
    other_sheets: tuple[str, ...] = ()
    grouped: bool = False
    passed_over: str | None = None
    footnotes: str | None = None


def described(columns: Iterable[Column], **others: str) -> dict[str, str]:
    """What each column is: the usual heading under which it is published, or the words given."""
    found: dict[str, str] = {}
    for column in columns:
        found.setdefault(
            column.name, f"published as {column.headings[0]!r}" + (" (count)" if column.kind == "count" else "")
        )
    return {**found, **others}


def normalise(heading: str | None) -> str:
    """A heading as it is compared: without byte-order mark, stray or doubled spaces, and case."""
    # The same few thousand texts stand in every month's file, and each is compared many times; what is longer than any
    # heading is not kept.
    return (_normalised if len(heading or "") <= _LONGEST_HEADING else _normalised.__wrapped__)(heading or "")


_LONGEST_HEADING = 300


@lru_cache(maxsize=65536)
def _normalised(heading: str) -> str:
    return re.sub(r"\s+", " ", heading.replace("\ufeff", "").replace("\xa0", " ")).strip().casefold()


def have_all(cells: Iterable[str | None], needed: Iterable[str | Column]) -> bool:
    """Whether all ``needed`` headings stand among the cells; of a column, any of its headings."""
    found = {normalise(c) for c in cells}
    return all(
        any(normalise(h) in found for h in (heading.headings if isinstance(heading, Column) else (heading,)))
        for heading in needed
    )


_MOST_PROBLEMS = 8
_LONGEST_QUOTE = 200


def nearest_text(found: str | None, known: Iterable[str]) -> str:
    """`` (nearest known: ...)`` where one of the known texts is close to the text found; else nothing."""
    by_text = {normalise(k): k for k in known}
    close = difflib.get_close_matches(normalise(found)[:_LONGEST_QUOTE], by_text, n=1)
    return f" (nearest known: {by_text[close[0]]!r})" if close else ""


def match_headings(found: Sequence[str | None], columns: Sequence[Column], where: str) -> dict[str, int]:
    """The position of each column, by its heading.

    Blank headings are passed over (the reader sees to it that their cells are empty). Raises `ExtractError`
    that names every heading that is unknown, missing or repeated.
    """
    known = {normalise(h): c.name for c in columns for h in c.headings}
    headings = [h for c in columns for h in c.headings]
    positions: dict[str, int] = {}
    unknown, repeated = [], []
    for position, heading in enumerate(found):
        if not normalise(heading):
            continue
        name = known.get(normalise(heading))
        if name is None:
            unknown.append(str(heading).strip())
        elif name in positions:
            repeated.append(str(heading).strip())
        else:
            positions[name] = position
    missing = [c.headings[0] for c in columns if c.required and c.name not in positions]
    problems = []
    for heading in unknown[: _MOST_PROBLEMS + 1]:  # comparing takes long, and only the first are told
        problems.append(f"unknown heading {heading[:_LONGEST_QUOTE]!r}{nearest_text(heading, headings)}")
    problems += [""] * (len(unknown) - len(problems))
    problems += [f"heading {h!r} missing" for h in missing]
    problems += [f"heading {h!r} appears twice" for h in repeated]
    if problems:
        shown = "; ".join(problems[:_MOST_PROBLEMS])
        more = f"; and {len(problems) - _MOST_PROBLEMS} more" if len(problems) > _MOST_PROBLEMS else ""
        raise UnknownLayoutError(
            f"{where}: {shown}{more}. Check that the file is as published; a changed heading is a "
            "row in ccg_pipeline/extracts/headings."
        )
    return positions


# A trillion is beyond any published count, and within what a float holds exactly.
# Digits are 0 to 9 alone: of others, such as full-width ones, a cast would make an absent count.
_WHOLE = r"^(?:[0-9]{1,12}|[0-9]{1,3}(?:,[0-9]{3}){1,3})(?:\.0+)?$"
_DECIMAL = r"^-?[0-9]+(?:\.[0-9]+)?(?:[eE]-?[0-9]+)?$"


def typed(frame: pl.DataFrame, columns: Iterable[Column], where: str, suppression: str | None = None) -> pl.DataFrame:
    """Text cells turned into the kinds of their columns, with ``source_row`` kept.

    A blank count is absent (null), never zero. Where ``suppression`` is the publisher's mark (``*``) and a
    column may carry it, the cell becomes null and the column's name joins the row's list
    ``suppressed_measures``. Raises `ExtractError` naming row, column and content of the first bad cell.
    """
    columns = [c for c in columns if c.name in frame.columns]
    if suppression is not None:
        may_be = [c.name for c in columns if c.suppressible]
        frame = frame.with_columns(
            pl.concat_list(pl.when(pl.col(name) == suppression).then(pl.lit(name)) for name in may_be)
            .list.drop_nulls()
            .alias("suppressed_measures")
        ).with_columns(
            pl.when(pl.col(name) == suppression).then(None).otherwise(pl.col(name)).alias(name) for name in may_be
        )
    for column in columns:
        value = pl.col(column.name)
        if column.kind == "text":
            continue
        pattern, meaning = (
            (_WHOLE, "a whole number, not negative") if column.kind == "count" else (_DECIMAL, "a number")
        )
        bad = frame.filter(value.is_not_null() & ~value.str.contains(pattern))
        if bad.height:
            first = bad.row(0, named=True)
            raise ExtractError(
                f"{where} row {first['source_row']}, column {column.headings[0]!r}: found "
                f"{first[column.name]!r}, expected {meaning}"
                + (f" ({bad.height} such cells in the column)" if bad.height > 1 else "")
                + ". Ask the publisher or correct the copy; the file was not loaded."
            )
        cast = value.str.replace_all(",", "", literal=True).cast(pl.Float64)
        frame = frame.with_columns(cast.cast(pl.Int64) if column.kind == "count" else cast)
    return frame


_ODS_CODE = r"^[A-Z0-9]{3,7}$"
_NO_CODE = ("TOTAL", "ENGLAND", "NATIONAL", "ALL")


def are_codes(frame: pl.DataFrame, column: Column, where: str) -> None:
    """Raises `ExtractError` where a cell is not shaped like an ODS code: blank, lower case, or a spreadsheet's."""
    value = pl.col(column.name)
    bad = frame.filter(value.is_null() | ~value.str.contains(_ODS_CODE) | value.is_in(_NO_CODE))
    if bad.height:
        first = bad.row(0, named=True)
        raise ExtractError(
            f"{where} row {first['source_row']}, column {column.headings[0]!r}: found {first[column.name]!r}, expected "
            "an organisation code of capitals and digits. A spreadsheet may have changed it: fetch the file again."
        )


def no_blanks(frame: pl.DataFrame, columns: Iterable[Column], where: str, expected: str = "a value") -> None:
    """Raises `ExtractError` where a cell of the columns is blank: absent is never taken for zero."""
    for column in columns:
        blank = frame.filter(pl.col(column.name).is_null())
        if blank.height:
            raise ExtractError(
                f"{where} row {blank['source_row'][0]}, column {column.headings[0]!r}: blank, expected {expected} in "
                "every row"
                + (f" ({blank.height} such cells in the column)" if blank.height > 1 else "")
                + ". Ask the publisher or fetch the file again."
            )


def one_month(texts: Iterable[str | None], where: str) -> date:
    """The single month that all period cells name. Raises `ExtractError` where none or several do."""
    from ccg_pipeline.extracts.periods import parse_month

    distinct = {t for t in texts if t and t.strip()}
    months = {parse_month(t) for t in distinct}
    if not months or None in months:
        unread = sorted(t for t in distinct if parse_month(t) is None)
        raise ExtractError(f"{where}: no month can be read from {unread or 'an empty period'!r}.")
    if len(months) > 1:
        raise ExtractError(
            f"{where}: several months in one file ({', '.join(sorted(str(m) for m in months))}), expected one. "
            "Drop one published file a month."
        )
    return next(m for m in months if m)


def no_repeats(frame: pl.DataFrame, key: Sequence[str], where: str) -> None:
    """Raises `ExtractError` where two rows have the same key: a pasted or doubled block."""
    repeated = frame.filter(pl.struct(key).is_duplicated())
    if repeated.height:
        first = repeated.row(0, named=True)
        rows = repeated.filter(pl.all_horizontal(pl.col(k).eq_missing(pl.lit(first[k])) for k in key))[
            "source_row"
        ].to_list()
        raise ExtractError(
            f"{where} rows {', '.join(map(str, rows))}: the same "
            f"{' / '.join(str(first[k]) for k in key)} stands more than once, expected once"
            + (f" ({repeated.height} rows repeat)" if repeated.height > len(rows) else "")
            + ". Remove the copy or fetch the file again."
        )


_LAST_MISSING = 2  # one organisation may be gone since the period before


def goes_to_the_end(frame: pl.DataFrame, period: str, code: Column, where: str, among: Sequence[str] = ()) -> None:
    """The last rows of a file without a total reach as far as those of the period before.

    Rows are in the order of the file; those ``among`` which the last row stands (of its breakdown, say) are compared
    with the same of the latest earlier ``period``. Raises `ExtractError` where the last organisations of that one are
    all missing: the file was cut off.
    """
    last = frame.tail(1)
    peers = frame.filter(pl.lit(True), *(pl.col(c).eq_missing(pl.lit(last[c][0])) for c in among))
    earlier = peers.filter(pl.col(period) < last[period][0])
    if earlier.is_empty():
        return
    before = earlier.filter(pl.col(period) == pl.col(period).max())[code.name].unique(maintain_order=True).to_list()
    found = set(peers.filter(pl.col(period) == last[period][0])[code.name])
    reached = max((i for i, c in enumerate(before) if c in found), default=-1)
    missing = before[reached + 1 :]
    if len(missing) >= _LAST_MISSING:
        raise ExtractError(
            f"{where}: the rows end with {last[code.name][0]}, and the {len(missing)} organisations that stand last in "
            f"the period before ({', '.join(map(str, missing[:5]))}{' ...' if len(missing) > 5 else ''}) are all "
            "missing. The file is cut off: fetch it again."
        )


_FEWEST_PARENTS = 3


def parents_to_the_end(frame: pl.DataFrame, where: str) -> None:
    """The last providers of a full extract are there, where it is in the order of their parents.

    Patients cross borders: the parents of commissioners stand on rows from the first to the last. Raises `ExtractError`
    where some of them come after the last parent of a provider: the file was cut off.
    """
    parents = frame["provider_parent_code"]
    if parents.null_count() or not parents.is_sorted() or parents.n_unique() < _FEWEST_PARENTS:
        return
    last = parents[-1]
    later = {c for c in frame["commissioner_parent_code"].unique() if c and c[0] == last[0] and c > last}
    if later:
        raise ExtractError(
            f"{where}: the rows end with providers of {last}, and there are commissioners of "
            f"{', '.join(sorted(later)[:5])} further on, whose providers are missing. The file is cut off: fetch it "
            "again."
        )


def adds_up(
    parts: pl.DataFrame,
    totals: pl.DataFrame,
    by: Sequence[str],
    measures: Sequence[Column],
    where: str,
    total_name: str,
) -> None:
    """The proof that the rows of a file add to its own total.

    ``parts`` and ``totals`` both have the columns ``by`` and ``measures``. Raises `ExtractError` with both
    figures for the first difference.
    """
    names = [m.name for m in measures if m.name in parts.columns and m.name in totals.columns]
    key = list(by) or ["_all"]
    if not by:
        parts, totals = parts.with_columns(_all=pl.lit(0)), totals.with_columns(_all=pl.lit(0))
    summed = parts.group_by(key).agg(pl.col(names).sum())
    joined = totals.select(*key, "source_row", *names).join(
        summed, on=key, how="full", suffix="_of_parts", nulls_equal=True
    )
    joined = joined.sort("source_row", nulls_last=True)
    for measure in measures:
        if measure.name not in names:
            continue
        total, summed_parts = (
            pl.col(measure.name).fill_null(0),
            pl.col(f"{measure.name}_of_parts").fill_null(0),
        )
        off = joined.filter(total != summed_parts)
        if off.height:
            first = off.sort("source_row", *key, nulls_last=True).row(0, named=True)
            group = " / ".join(
                str(first[k] if first[k] is not None else first[f"{k}_of_parts"]) for k in key if k != "_all"
            )
            raise ExtractError(
                f"{where} row {first['source_row']}: {total_name}{' of ' + group if group else ''} gives "
                f"{_plain(first[measure.name])} for {measure.headings[0]!r}, its rows add to "
                f"{_plain(first[f'{measure.name}_of_parts'])}. The file contradicts itself: fetch it again or ask the "
                "publisher."
            )


def _plain(figure: float | None) -> float | None:
    """A figure as people write it: 110 for 110.0."""
    return int(figure) if isinstance(figure, float) and figure.is_integer() else figure
