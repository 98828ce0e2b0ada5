"""Control charts: the models against a second reckoning in fractions, on made-up series and all that can go wrong."""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from itertools import pairwise
from pathlib import Path
from typing import Any

import duckdb
import pytest

from ccg_pipeline.settings import Settings

CHECK = [1, 2, 1, 2, 10, *[1, 2] * 6, 1]
MERGER = 10


@dataclass(frozen=True)
class Series:
    """Figures by month (None where there is none) of an indicator, from April 2015 on; months count from 0."""

    indicator_id: str
    figures: list[float | None]
    direction: str = "higher"
    standard: float | None = None
    comparator: str = ">="
    rebases: tuple[int, ...] = ()
    org_code: str = "RWG"

    @property
    def points(self) -> list[tuple[int, Fraction]]:
        return [(month, Fraction(str(one))) for month, one in enumerate(self.figures) if one is not None]


def made_up() -> list[Series]:
    """Series for each rule and each way to go wrong, and many at random, with few figures so that they often tie."""
    level = [5, 6] * 7
    series = [
        Series("CHECK", CHECK, standard=4.7),
        Series("ONE", [3], standard=2),
        Series("TWO", [3, 4], standard=2),
        Series("CONSTANT_MET", [92] * 14, standard=92),
        Series("CONSTANT_NOT_MET", [91.9] * 14, standard=92),
        Series("CONSTANT_ZERO", [0] * 14, direction="lower", standard=0, comparator="="),
        Series("CONSTANT_STRICT", [15] * 14, direction="lower", standard=15, comparator="<"),
        Series("ONE_SPIKE", [*[0] * 10, 1, *[0] * 4], direction="lower", standard=0, comparator="="),
        Series("THIRDS", [0.1, 0.1, 0.1, 0.3, 0.1, 0.2] * 3),
        Series("TREND_UP", [*level, 4, 4.5, 5, 5.5, 6, 6.5, 7], direction="lower"),
        Series("TREND_BROKEN_BY_A_TIE", [*level, 4, 4.5, 5, 5.5, 5.5, 6, 6.5]),
        Series("PEAK", [1, 2, 3, 4, 5, 6, 7, 6, 5, 4, 3, 2, 1]),
        Series("SHIFT", [*level, *[7, 8] * 4], direction="neutral"),
        Series("SHIFT_DOWN", [*level, *[2, 1] * 4], direction="neutral"),
        Series("GAP_OF_A_YEAR", [5, 6, 5, 6, *[None] * 11, 9, 8, 9, 8]),
        Series("GAP_OF_MORE", [5, 6, 5, 6, *[None] * 12, 9, 8, 9, 8]),
        Series("GAPS", [5, None, 6, None, None, 5, 6, 7, 8, None, 9, 10, 11, 12]),
        Series("REBASED", [*level, *[15, 16] * 7], rebases=(14,)),
        Series("REBASED_IN_A_TREND", [*level, 5, 6, 7, 8, 9, 10, 11, 12], rebases=(18,)),
        Series("REBASED_AT_THE_FIRST", level, rebases=(0,)),
        Series("MERGED", [*[5, 6] * 5, *[15, 16] * 5], org_code="RC9"),
    ]
    chance = random.Random(4)
    for number in range(120):
        size = chance.choice([3, 8, 14, 20, 26])
        pool = chance.choice([[0, 1], [1, 2, 3], [88.5, 90.1, 91.7, 92, 95.3], list(range(40))])
        figures: list[float | None] = [chance.choice(pool) for _ in range(size)]
        if chance.random() < 0.3:
            figures[chance.randrange(1, size)] = None
        held = [month for month, one in enumerate(figures) if one is not None]
        series.append(
            Series(
                f"RANDOM_{number}",
                figures,
                chance.choice(["higher", "lower", "neutral"]),
                chance.choice([None, *pool]),
                chance.choice([">=", ">", "<=", "<", "="]),
                (chance.choice(held),) if chance.random() < 0.3 else (),
            )
        )
    return series


def reckoned(series: Series, last: int) -> list[dict[str, Any]]:
    """The chart whose last point is number `last` (from 0): a dictionary a point, worked out in fractions."""
    points = series.points[: last + 1]
    opens = [
        number > 0
        and (
            month in series.rebases
            or month - points[number - 1][0] > 12
            or (series.org_code == "RC9" and points[number - 1][0] < MERGER <= month)
        )
        for number, (month, _) in enumerate(points)
    ]
    starts = [0, *[number for number, one in enumerate(opens) if one], len(points)]
    rows: list[dict[str, Any]] = []
    for start, stop in pairwise(starts):
        rows += _baseline([value for _, value in points[start:stop]])
    final = rows[-1]
    if final["upper"] is None:
        icon = None
    elif final["rule"] is None:
        icon = "common_cause"
    elif series.direction == "neutral":
        icon = f"neutral_{final['side']}"
    else:
        good = (final["side"] == "high") == (series.direction == "higher")
        icon = f"{'improving' if good else 'concerning'}_{final['side']}"
    assurance = _assurance(series, points[-1][1], final)
    return [{**row, "variation_icon": icon, "assurance_icon": assurance} for row in rows]


def _baseline(values: list[Fraction]) -> list[dict[str, Any]]:
    mean = sum(values, Fraction(0)) / len(values)
    ranges = [abs(b - a) for a, b in pairwise(values)]
    upper = lower = None
    beyond = near = [0] * len(values)
    if ranges:
        usual = sum(ranges, Fraction(0)) / len(ranges)
        kept = [one for one in ranges if one <= Fraction("3.267") * usual]
        reach = Fraction("2.66") * sum(kept, Fraction(0)) / len(kept)
        upper, lower = mean + reach, mean - reach
        beyond = [(one > upper) - (one < lower) for one in values]
        near = [(one > mean + reach * 2 / 3) - (one < mean - reach * 2 / 3) for one in values]
    trend, two, shift = ([0] * len(values) for _ in range(3))
    for first in range(len(values) - 6):
        seven = values[first : first + 7]
        steps = {(b > a) - (b < a) for a, b in pairwise(seven)}
        sides = {(one > mean) - (one < mean) for one in seven}
        for number in range(first, first + 7):
            if steps in ({1}, {-1}):
                trend[number] = trend[number] or min(steps)
            if sides in ({1}, {-1}):
                shift[number] = min(sides)
    for first in range(len(values) - 2):
        for side in (1, -1):
            at = [number for number in range(first, first + 3) if near[number] == side]
            for number in at if len(at) >= 2 else []:
                two[number] = side
    rows = []
    for number in range(len(values)):
        broken = [
            (name, marks[number])
            for name, marks in (("outside_limits", beyond), ("trend", trend), ("two_of_three", two), ("shift", shift))
            if marks[number]
        ]
        rows.append(
            {
                "mean": mean,
                "upper": upper,
                "lower": lower,
                "rule": broken[0][0] if broken else None,
                "side": {1: "high", -1: "low"}[broken[0][1]] if broken else None,
                "broken": {name for name, _ in broken},
                "points": len(values),
                "is_constant": len(set(values)) == 1,
            }
        )
    return rows


def _assurance(series: Series, value: Fraction, final: dict[str, Any]) -> str | None:
    if series.standard is None or final["upper"] is None:
        return None
    target = Fraction(str(series.standard))
    if final["is_constant"] and target == value:
        return "consistently_pass" if _is_met(series, value) else "consistently_fail"
    if final["lower"] <= target <= final["upper"]:
        return "hit_and_miss"
    passes = target < final["lower"] if ">" in series.comparator else target > final["upper"]
    return "consistently_pass" if passes and series.comparator != "=" else "consistently_fail"


def _is_met(series: Series, value: Fraction) -> bool:
    target = Fraction(str(series.standard))
    return {
        ">=": value >= target,
        ">": value > target,
        "<=": value <= target,
        "<": value < target,
        "=": value == target,
    }[series.comparator]


def month_of(number: int) -> str:
    return f"{2015 + (number + 3) // 12}-{(number + 3) % 12 + 1:02d}-01"


def as_run(home: Path, kind: str, name: str) -> str:
    """The SQL of a model (``compiled``) or of a test (``run``) as dbt ran it in the night of a home."""
    return next(Settings(home, home).dbt_target.glob(f"**/{kind}/ccg_metrics/models/**/{name}.sql")).read_text("utf-8")


@pytest.fixture(scope="module")
def con(sample_home: Path) -> Iterator[duckdb.DuckDBPyConnection]:
    """A warehouse that holds what the charts are drawn from and no more, with the charts as the models draw them."""
    con = duckdb.connect()
    for statement in (
        "ATTACH ':memory:' AS ccg",
        "USE ccg",
        "CREATE SCHEMA marts",
        "CREATE SCHEMA intermediate",
        "CREATE SCHEMA catalogue",
        "CREATE TABLE marts.dim_indicators (indicator_id VARCHAR, direction VARCHAR, dataset VARCHAR)",
        "CREATE TABLE catalogue.spc_rebases (indicator_id VARCHAR, org_code VARCHAR, org_level VARCHAR, "
        "rebase_date DATE, reason VARCHAR, source VARCHAR)",
        "CREATE TABLE intermediate.int_series_breaks AS SELECT 'RC9' AS org_code, 'provider' AS org_level, "
        f"'ae' AS dataset, 'RC1' AS predecessor_code, DATE '{month_of(MERGER)}' AS changed_on, "
        "true AS is_within_series",
        "CREATE TABLE marts.fct_standard_comparisons (indicator_id VARCHAR, org_code VARCHAR, org_level VARCHAR, "
        "source VARCHAR, period_type VARCHAR, period_start DATE, period_end DATE, is_preferred BOOLEAN, value DOUBLE, "
        "unit VARCHAR, standard DECIMAL(9, 3), comparator VARCHAR, is_met BOOLEAN, is_provisional BOOLEAN, "
        "caveat VARCHAR)",
    ):
        con.execute(statement)
    for series in made_up():
        con.execute("INSERT INTO marts.dim_indicators VALUES (?, ?, 'ae')", [series.indicator_id, series.direction])
        for month in series.rebases:
            con.execute(
                "INSERT INTO catalogue.spc_rebases VALUES (?, ?, 'provider', ?, 'another way of counting', 'a test')",
                [series.indicator_id, series.org_code, month_of(month)],
            )
        for month, value in series.points:
            con.execute(
                "INSERT INTO marts.fct_standard_comparisons VALUES "
                "(?, ?, 'provider', 'derived', 'month', ?, last_day(?::DATE), true, ?, 'percent', ?, ?, ?, false, '')",
                [
                    series.indicator_id,
                    series.org_code,
                    month_of(month),
                    month_of(month),
                    float(value),
                    series.standard,
                    None if series.standard is None else series.comparator,
                    None if series.standard is None else _is_met(series, value),
                ],
            )
    for schema, model in (("intermediate", "int_spc_points"), ("marts", "fct_spc_points"), ("marts", "fct_spc_charts")):
        con.execute(f"CREATE TABLE {schema}.{model} AS {as_run(sample_home, 'compiled', model)}")
    yield con
    con.close()


def test_every_chart_of_every_month_is_that_of_a_second_reckoning(con: duckdb.DuckDBPyConnection) -> None:
    found: dict[tuple[str, str], list[dict[str, Any]]] = {}
    cursor = con.execute("SELECT * FROM marts.fct_spc_charts ORDER BY indicator_id, as_at, point_number")
    names = [column[0] for column in cursor.description]
    for values in cursor.fetchall():
        row = dict(zip(names, values, strict=True))
        found.setdefault((row["indicator_id"], str(row["as_at"])), []).append(row)
    seen: set[str] = set()
    for series in made_up():
        for last, (month, _) in enumerate(series.points):
            rows = found.pop((series.indicator_id, month_of(month)))
            expected = reckoned(series, last)
            assert len(rows) == len(expected)
            for row, right in zip(rows, expected, strict=True):
                where = (series, month, row, right)
                assert row["mean"] == pytest.approx(float(right["mean"]), abs=1e-9), where
                if right["upper"] is None:
                    assert row["upper_limit"] is row["lower_limit"] is row["variation"] is None, where
                else:
                    assert row["upper_limit"] == pytest.approx(float(right["upper"]), abs=1e-9), where
                    assert row["lower_limit"] == pytest.approx(float(right["lower"]), abs=1e-9), where
                assert (row["rule"], row["rule_side"]) == (right["rule"], right["side"]), where
                flags = {
                    "outside_limits": row["is_outside_limits"],
                    "trend": row["is_in_trend"],
                    "two_of_three": row["is_two_of_three"],
                    "shift": row["is_in_shift"],
                }
                assert {name for name, flag in flags.items() if flag} == right["broken"], where
                assert row["variation_icon"] == right["variation_icon"], where
                assert row["assurance_icon"] == right["assurance_icon"], where
                assert (row["points_in_baseline"], row["is_short"]) == (right["points"], right["points"] < 13), where
                seen |= {row["rule"], row["variation_icon"], row["assurance_icon"], *right["broken"]}
    assert not found
    assert seen >= {"outside_limits", "trend", "two_of_three", "shift", "common_cause", "hit_and_miss"}
    assert seen >= {f"{kind}_{side}" for kind in ("improving", "concerning", "neutral") for side in ("high", "low")}
    assert seen >= {"consistently_pass", "consistently_fail"}


def test_the_latest_chart_is_the_one_of_the_table(con: duckdb.DuckDBPyConnection) -> None:
    assert con.execute(
        "SELECT count(*) FROM (SELECT * FROM marts.fct_spc_points EXCEPT SELECT * FROM marts.fct_spc_charts)"
    ).fetchall() == [(0,)]
    assert con.execute("SELECT count(*) FROM marts.fct_spc_points").fetchall() == [
        (sum(len(series.points) for series in made_up()),)
    ]


def test_a_rebase_at_a_date_without_a_point_is_an_error_in_words(
    con: duckdb.DuckDBPyConnection, sample_home: Path
) -> None:
    test = as_run(sample_home, "run", "rebases_have_a_point_*")
    assert con.execute(test).fetchall() == [(0, False, False)]
    con.execute("BEGIN")
    con.execute(
        "INSERT INTO catalogue.spc_rebases VALUES "
        "('CHECK', 'RWG', 'provider', '2015-05-02', 'a slip of the pen', 'a test')"
    )
    with pytest.raises(duckdb.Error) as failure:
        con.execute(test)
    con.execute("ROLLBACK")
    assert (
        "the limits of CHECK of RWG (provider) cannot be worked out anew from 2015-05-02: "
        "no period with a figure begins on that day" in str(failure.value)
    )
    assert "REBASED" not in str(failure.value)


def test_the_check_value(con: duckdb.DuckDBPyConnection) -> None:
    """1, 2, 1, 2, 10, six times 1, 2, and 1: 35 / 18 = 1.9444, and 2.66 either side once 8 and 9 are left out."""
    rows = con.execute(
        "SELECT DISTINCT round(mean, 4), round(upper_limit, 3), round(lower_limit, 3) FROM marts.fct_spc_points "
        "WHERE indicator_id = 'CHECK'"
    ).fetchall()
    assert rows == [(1.9444, 4.604, -0.716)]
