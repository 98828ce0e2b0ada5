"""Small numbers hidden for publication (``ccg pack --public``); a pack for the committee hides nothing.

A figure is hidden where its numerator, its denominator, or what the denominator has beyond the numerator is a small
number of people or days, but not where it is 0. Where sums would give a hidden figure away, another of the same sum is
hidden with it: a system of its members, a year to date of its months, a whole of its parts. What is hidden in one table
is hidden in all, with the words and the charts that would tell it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

import duckdb

from ccg_pipeline.months import month_end, months_later
from ccg_pipeline.publication.tables import HIDDEN, Row, Scope, Table

_UNITS = ("percent", "count", "days", "ratio", "rate_per_100000")

# A figure, whichever source it is from: indicator, organisation, kind of period, its first and last day.
Key = tuple[str, str, str, date, date]


@dataclass(frozen=True)
class Figure:
    """What may give a number away: a figure with its counts; ``size`` says which of a sum is the least to lose."""

    key: Key
    numerator: float | None
    denominator: float | None
    value: float | None
    unit: str

    @property
    def size(self) -> float:
        return next((n for n in (self.denominator, self.numerator, self.value) if n is not None), 0.0)

    def is_small(self, below: int) -> bool:
        """Whether it is a small number, or would tell one."""
        if self.unit not in _UNITS:
            return False
        counts = [self.numerator, self.denominator]
        if self.numerator is not None and self.denominator is not None and self.unit == "percent":
            counts.append(self.denominator - self.numerator)
        if self.numerator is None and self.unit in ("count", "days"):
            counts.append(self.value)
        return any(count is not None and 0 < count < below for count in counts)


def hidden_keys(figures: Iterable[Figure], sums: Iterable[tuple[Key, Sequence[Key]]], below: int) -> set[Key]:
    """The figures to hide: the small ones, then one more of every sum that would give a single hidden one away.

    ``sums`` are wholes with their parts. Of the parts that are shown the smallest is taken, else the whole.
    """
    by_key: dict[Key, Figure] = {}
    hidden: set[Key] = set()
    for figure in figures:
        by_key.setdefault(figure.key, figure)
        if figure.is_small(below):
            hidden.add(figure.key)
    held = [
        (whole, [part for part in parts if part in by_key])
        for whole, parts in sums
        if whole in by_key and all(part in by_key for part in parts)
    ]
    is_changed = True
    while is_changed:
        is_changed = False
        for whole, parts in held:
            if sum(key in hidden for key in (whole, *parts)) == 1:
                # A part of nothing tells nothing: hiding it would leave the sum as it is.
                shown = [part for part in parts if part not in hidden and by_key[part].size > 0]
                hidden.add(min(shown, key=lambda key: (by_key[key].size, key)) if shown else whole)
                is_changed = len({whole, *parts} & hidden) > 1 or is_changed
    return hidden


def apply(con: duckdb.DuckDBPyConnection, tables: Sequence[Table], scope: Scope) -> list[Table]:
    """The tables with hidden figures marked. A table of which it is not known how it tells figures is left out."""
    figures = list(_figures(con, scope))
    hidden = hidden_keys(
        figures, [*_systems(con, figures), *_years(con, figures), *_wholes(con, figures)], scope.small_below
    )
    series = {(key[0], key[1]) for key in hidden}
    hide: dict[str, Callable[[Row], Row]] = {
        "rpt_at_a_glance": lambda row: _own_and_last(row, hidden),
        "rpt_exceptions": lambda row: _own_and_last(row, hidden),
        "rpt_provider_summary": lambda row: _own_and_last(row, hidden),
        "rpt_restatements": lambda row: _own_and_last(row, hidden),
        "rpt_trajectories": lambda row: _own_and_last(row, hidden),
        "rpt_stp_overview": lambda row: _own_and_last(row, hidden),
        "rpt_local_standards": lambda row: _own_and_last(row, hidden),
        "fct_standard_comparisons": lambda row: _own_and_last(row, hidden),
        "rpt_set_overview": lambda row: _months(row, hidden),
        "fct_spc_charts": lambda row: _point(row, hidden, series),
        "rpt_data_queries": lambda row: _question(row, series),
        **{name: lambda row: row for name in ("dim_indicators", "dim_standards", "extracts")},
    }
    return [table.with_rows([hide[table.name](row) for row in table.rows]) for table in tables if table.name in hide]


# What names a figure and what it is judged by; all else of a hidden row may tell it.
_NAMES = frozenset(
    "indicator_id indicator_name indicator_group indicator_set set_id set_name sort_order headline shown_for "
    "board_code board_level board_name org_code org_level org_name parent_code period_type period_start "
    "period_end period source unit direction standard_id standard standard_shown comparator target "
    "target_shown target_comparator expected_value expected_shown exception plan_id plan plan_version "
    "plan_source planned_value as_at series_level point_number baseline_number baseline_start "
    "points_in_baseline is_short is_chart_short is_preferred is_provisional edition extract_ids months_shown "
    "last_period restated_at previous_edition latest_target latest_target_comparator is_restated period_label "
    "service provider_code local_code system_code system_level system_name is_system standard_source "
    "is_latest periods_missing_before derived_indicator_id reported_indicator_id".split()
)
_OF_BOTH = frozenset("change change_verdict narrative caveat worst_first severity".split())
_OF_LIMITS = frozenset(
    "moving_range is_moving_range_screened mean average_moving_range lower_limit upper_limit near_lower_limit "
    "near_upper_limit is_outside_limits is_in_trend is_two_of_three is_in_shift rule rule_side variation "
    "variation_icon assurance_icon chart_caveat".split()
)
_ICONS = frozenset(("variation_icon", "assurance_icon"))


def _own_and_last(row: Row, hidden: set[Key]) -> Row:
    """A row of one figure, perhaps with that of the period before."""
    own = _key(row)
    before = _period_before(own)
    masked: set[str] = set()
    if own in hidden:
        masked |= {name for name in row if not name.startswith("last_")} - _NAMES
    if before in hidden:
        masked |= {name for name in row if name.startswith("last_")} - _NAMES | _OF_BOTH | {"difference"}
    return _masked(row, masked)


def _months(row: Row, hidden: set[Key]) -> Row:
    """A row of months side by side, the last with 15 in the name of its columns."""
    masked: set[str] = set()
    for number in range(1, 16):
        start = months_later(row["period_start"], number - 15)
        key = (row["indicator_id"], row["org_code"], "month", start, month_end(start))
        if key in hidden:
            masked |= {f"{part}_{number:02d}" for part in ("value", "shown", "is_met")}
            masked |= {"caveat"} if number < 15 else {"verdict", "periods_in_breach", "caveat", *_ICONS}
    return _masked(row, masked)


def _point(row: Row, hidden: set[Key], series: set[tuple[str, str]]) -> Row:
    """A point of a control chart: a hidden one could be worked out from the mean and the limits of the others."""
    masked = set(_OF_LIMITS) if (row["indicator_id"], row["org_code"]) in series else set()
    if _key(row) in hidden:
        masked |= set(row) - _NAMES
    return _masked(row, masked)


def _question(row: Row, series: set[tuple[str, str]]) -> Row:
    """A question quotes the figures of many periods: it is told without them where one of those is hidden."""
    is_near = any(
        row["indicator_id"] in (None, indicator_id) and row["org_code"] in (None, org_code)
        for indicator_id, org_code in series
    )
    return _masked(row, {"question", "evidence"} if is_near else set())


def _masked(row: Row, names: Iterable[str]) -> Row:
    masked = set(names)
    return {name: HIDDEN if name in masked and cell is not None else cell for name, cell in row.items()}


def _key(row: Mapping[str, Any]) -> Key:
    return (
        row["indicator_id"],
        row["org_code"],
        row.get("period_type") or "month",
        row["period_start"],
        row["period_end"],
    )


def _period_before(key: Key) -> Key | None:
    indicator_id, org_code, period_type, start, _ = key
    length = {"month": 1, "quarter": 3, "financial_year": 12}.get(period_type)
    if length is None:
        return None
    first = months_later(start, -length)
    return (indicator_id, org_code, period_type, first, month_end(months_later(start, -1)))


def _figures(con: duckdb.DuckDBPyConnection, scope: Scope) -> Iterator[Figure]:
    """Every figure of the organisations of the pack up to its month, of each source and of every edition."""
    asked = {"org_codes": list(scope.org_codes), "period_end": scope.period_end}
    for table, prefix in (("fct_indicator_values", ""), ("fct_restatements", "previous_")):
        for *key, numerator, denominator, value, unit in con.execute(
            f"""
            SELECT indicator_id, org_code, period_type, period_start, period_end, {prefix}numerator,
                {prefix}denominator, {prefix}value, unit
            FROM marts.{table}
            WHERE list_contains($org_codes, org_code) AND period_end <= $period_end AND {prefix}value IS NOT NULL
            ORDER BY ALL
            """,
            asked,
        ).fetchall():
            yield Figure((key[0], key[1], key[2], key[3], key[4]), numerator, denominator, value, unit)


def _systems(con: duckdb.DuckDBPyConnection, figures: Iterable[Figure]) -> Iterator[tuple[Key, list[Key]]]:
    """Systems and their members."""
    members: dict[str, list[tuple[str, date, date]]] = {}
    for system, member, valid_from, valid_to in con.execute(
        "SELECT system_code, member_code, valid_from, valid_to FROM intermediate.int_memberships ORDER BY ALL"
    ).fetchall():
        members.setdefault(system, []).append((member, valid_from, valid_to))
    for key in dict.fromkeys(figure.key for figure in figures):
        indicator_id, org_code, period_type, start, end = key
        if org_code in members:
            of_date = [member for member, first, last in members[org_code] if first <= start <= last]
            yield key, [(indicator_id, member, period_type, start, end) for member in of_date]


def _years(con: duckdb.DuckDBPyConnection, figures: Iterable[Figure]) -> Iterator[tuple[Key, list[Key]]]:
    """Longer periods and the months, or quarters, that they are made of; of what is counted at the end of a month, the
    last one alone."""
    stocks = {
        name for (name,) in con.execute("SELECT indicator_id FROM marts.dim_indicators WHERE is_stock").fetchall()
    }
    longer = ("ytd", "quarter", "financial_year")
    for key in dict.fromkeys(figure.key for figure in figures if figure.key[2] in longer):
        indicator_id, org_code, period_type, start, end = key
        for kind, length in (("month", 1), ("quarter", 3)):
            first = months_later(end, 1 - length) if indicator_id in stocks else start
            if kind == period_type or (kind == "quarter" and first.month % 3 != 1):
                continue
            parts = []
            while first <= end:
                last = month_end(months_later(first, length - 1))
                parts.append((indicator_id, org_code, kind, first, last))
                first = months_later(first, length)
            if parts and parts[-1][4] == end:
                yield key, parts


def _wholes(con: duckdb.DuckDBPyConnection, figures: Iterable[Figure]) -> Iterator[tuple[Key, list[Key]]]:
    """Indicators that are parts of another."""
    parts: dict[str, list[str]] = {}
    for whole, part in con.execute(
        "SELECT whole_indicator_id, indicator_id FROM catalogue.indicator_parts "
        "WHERE whole_indicator_id IS NOT NULL ORDER BY ALL"
    ).fetchall():
        parts.setdefault(whole, []).append(part)
    for key in dict.fromkeys(figure.key for figure in figures):
        if key[0] in parts:
            yield key, [(part, *key[1:]) for part in parts[key[0]]]
