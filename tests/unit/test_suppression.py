"""Which figures are hidden for publication, and that nothing shown beside them gives them away."""

from __future__ import annotations

from datetime import date
from typing import Any

import duckdb
import pytest

from ccg_pipeline.publication import suppression
from ccg_pipeline.publication.suppression import Figure, Key, hidden_keys
from ccg_pipeline.publication.tables import HIDDEN

START, END = date(2019, 5, 1), date(2019, 5, 31)


def key(
    org_code: str, indicator_id: str = "X", period_type: str = "month", start: date = START, end: date = END
) -> Key:
    return (indicator_id, org_code, period_type, start, end)


def figure(
    org_code: str, numerator: float | None, denominator: float | None = None, unit: str = "percent", **where: Any
) -> Figure:
    value = numerator if denominator is None else 100 * (numerator or 0) / denominator
    return Figure(key(org_code, **where), numerator, denominator, value, unit)


@pytest.mark.parametrize(
    ("numerator", "denominator", "unit", "is_small"),
    [
        (4, 50, "percent", True),
        (5, 50, "percent", False),
        (0, 50, "percent", False),
        (50, 50, "percent", False),
        (46, 50, "percent", True),  # 50 - 46 = 4 are told by the two
        (45, 50, "percent", False),
        (2, 3, "percent", True),
        (0, 4, "percent", True),
        (0.5, 60, "percent", True),
        (3, None, "count", True),
        (0, None, "count", False),
        (5, None, "count", False),
        (3, None, "days", True),
        (3, None, "gbp_thousands", False),
        (3, None, "minutes", False),
        (30, 59999, "rate_per_100000", False),
        (3, 59999, "rate_per_100000", True),
    ],
)
def test_small_numbers_and_what_is_left_of_the_denominator(
    numerator: float, denominator: float | None, unit: str, is_small: bool
) -> None:
    assert figure("A", numerator, denominator, unit).is_small(5) is is_small


def test_a_count_reported_without_parts_is_small_by_its_value_and_a_percentage_is_not() -> None:
    assert Figure(key("A"), None, None, 3, "count").is_small(5)
    assert not Figure(key("A"), None, None, 3, "percent").is_small(5)


def test_one_hidden_member_takes_the_smallest_other_with_it() -> None:
    """S = A + B + C = 3 + 40 + 100 = 143: hiding A alone is telling it (143 - 40 - 100 = 3), so B goes too."""
    figures = [figure("S", 143, 300), figure("A", 3, 60), figure("B", 40, 90), figure("C", 100, 150)]
    sums = [(key("S"), [key("A"), key("B"), key("C")])]
    assert hidden_keys(figures, sums, 5) == {key("A"), key("B")}


def test_two_hidden_members_keep_each_other() -> None:
    figures = [figure("S", 107, 300), figure("A", 3, 60), figure("B", 4, 90), figure("C", 100, 150)]
    sums = [(key("S"), [key("A"), key("B"), key("C")])]
    assert hidden_keys(figures, sums, 5) == {key("A"), key("B")}


def test_members_of_nothing_keep_nothing_so_the_whole_goes() -> None:
    """S = A + B = 3 + 0: B is 0 of nobody, and hiding it would leave S telling A."""
    figures = [figure("S", 3, unit="count"), figure("A", 3, unit="count"), figure("B", 0, unit="count")]
    assert hidden_keys(figures, [(key("S"), [key("A"), key("B")])], 5) == {key("S"), key("A")}
    figures = [figure("S", 13, unit="count"), figure("A", 4, unit="count"), figure("B", 9, unit="count")]
    assert hidden_keys(figures, [(key("S"), [key("A"), key("B")])], 5) == {key("A"), key("B")}


def test_what_is_hidden_for_one_sum_is_followed_into_the_next() -> None:
    """A hides B in the system; then B is the one hidden month of its year to date, which goes as well."""
    year_b = key("B", period_type="ytd", start=date(2019, 4, 1))
    april_b = key("B", start=date(2019, 4, 1), end=date(2019, 4, 30))
    figures = [
        figure("S", 43, unit="count"),
        figure("A", 3, unit="count"),
        figure("B", 40, unit="count"),
        Figure(april_b, 0, None, 0, "count"),
        Figure(year_b, 40, None, 40, "count"),
    ]
    sums = [(key("S"), [key("A"), key("B")]), (year_b, [april_b, key("B")])]
    assert hidden_keys(figures, sums, 5) == {key("A"), key("B"), year_b}


def test_a_sum_of_which_a_part_is_not_held_tells_nothing() -> None:
    figures = [figure("S", 43, unit="count"), figure("A", 3, unit="count")]
    assert hidden_keys(figures, [(key("S"), [key("A"), key("B")])], 5) == {key("A")}


GLANCE = {
    "indicator_id": "X",
    "org_code": "A",
    "period_start": START,
    "period_end": END,
    "headline": "A headline",
    "unit": "percent",
    "numerator": 3,
    "denominator": 60,
    "value": 5.0,
    "value_shown": "5.0 %",
    "target": 90,
    "is_met": False,
    "last_value": 10.0,
    "change": -5.0,
    "caveat": None,
}


def test_a_hidden_row_keeps_its_names_and_what_it_is_judged_by() -> None:
    row = suppression._own_and_last(GLANCE, {key("A")})
    assert row == GLANCE | {
        **dict.fromkeys(("numerator", "denominator", "value", "value_shown", "is_met", "change"), HIDDEN)
    }


def test_a_hidden_month_before_takes_the_change_with_it() -> None:
    before = key("A", start=date(2019, 4, 1), end=date(2019, 4, 30))
    row = suppression._own_and_last(GLANCE, {before})
    assert row == GLANCE | {"last_value": HIDDEN, "change": HIDDEN}


def test_months_side_by_side_are_hidden_one_by_one() -> None:
    cells = {f"{part}_{number:02d}": 1 for part in ("value", "shown", "is_met") for number in range(1, 16)}
    row = {"indicator_id": "X", "org_code": "A", "period_start": START, "period_end": END, "verdict": "met", **cells}
    april = key("A", start=date(2019, 4, 1), end=date(2019, 4, 30))
    hidden = {name for name, cell in suppression._months(row, {april}).items() if cell == HIDDEN}
    assert hidden == {"value_14", "shown_14", "is_met_14"}
    hidden = {name for name, cell in suppression._months(row, {key("A")}).items() if cell == HIDDEN}
    assert hidden == {"value_15", "shown_15", "is_met_15", "verdict"}


def test_limits_that_would_give_a_point_away_are_hidden_with_it() -> None:
    point = {**GLANCE, "period_type": "month", "mean": 5.5, "upper_limit": 7.0}
    june = {**point, "period_start": date(2019, 6, 1), "period_end": date(2019, 6, 30), "value": 80.0}
    shown = suppression._point(june, {key("A")}, {("X", "A")})
    assert (shown["value"], shown["mean"], shown["upper_limit"]) == (80.0, HIDDEN, HIDDEN)
    assert suppression._point(point, {key("A")}, {("X", "A")})["value"] == HIDDEN
    assert suppression._point(june, set(), set()) == june


def test_longer_periods_are_sums_of_months_and_of_quarters_and_stocks_their_last_one() -> None:
    year = key("A", period_type="financial_year", start=date(2018, 4, 1), end=date(2019, 3, 31))
    to_date = key("A", period_type="ytd", start=date(2019, 4, 1))
    stock = key("A", indicator_id="WAITING", period_type="ytd", start=date(2019, 4, 1))
    figures = [Figure(one, 1, None, 1, "count") for one in (year, to_date, stock)]
    with duckdb.connect() as con:
        con.execute("CREATE SCHEMA marts")
        con.execute("CREATE TABLE marts.dim_indicators AS SELECT 'WAITING' AS indicator_id, true AS is_stock")
        sums = list(suppression._years(con, figures))
    told = [(whole, [(part[2], part[3].isoformat(), part[4].isoformat()) for part in parts]) for whole, parts in sums]
    assert [(whole, len(parts)) for whole, parts in told] == [(year, 12), (year, 4), (to_date, 2), (stock, 1)]
    assert told[0][1][-1] == ("month", "2019-03-01", "2019-03-31")
    assert told[1][1][0] == ("quarter", "2018-04-01", "2018-06-30")
    assert told[3][1] == [("month", "2019-05-01", "2019-05-31")]
