"""Forecasts of a year, worked out by hand; and what they would have been worth on real months."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import date
from math import sqrt
from statistics import fmean

import pytest
from backtest import england, judged, origins, ratio, table
from conftest import FORECASTS
from layouts import needs_shared

from ccg_pipeline.forecasting import FEWEST_MONTHS, WIDENING, History, NotForecastError, year_end

# Days of April 2017 to March 2018, and as often again: no leap day until February 2020.
DAYS = [30, 31, 30, 31, 31, 30, 31, 30, 31, 31, 28, 31]


def of_flow(values: Sequence[float], unit: str = "days", months_elapsed: int = 6) -> History:
    """Months that end in September 2018, the sixth of their year."""
    to_date = sum(values[-months_elapsed:])
    return History("flow", unit, date(2018, 9, 1), values, [], months_elapsed, to_date)


def days_before(count: int) -> list[int]:
    """Days of the months that end in September."""
    return [DAYS[(6 + i) % 12] for i in range(-count, 0)]


def test_months_that_do_not_differ_have_a_forecast_without_an_interval() -> None:
    """10 a day: 1,830 to September (183 days), and 1,820 in the 182 days left."""
    made = year_end(of_flow([10 * days for days in days_before(12)]))
    assert made.expected == pytest.approx(3650)
    assert (made.standard_error, made.interval_80, made.months_used) == (None, None, 12)
    assert made.method == "level"


def test_a_count_scatters_at_least_as_chance_does() -> None:
    """10 a day scatters by root(10 / mean days of a month); nothing that is sure makes the smoothing least, 0.05."""
    made = year_end(of_flow([10 * days for days in days_before(12)], "count"))
    left = DAYS[6:]
    moved = [days + 0.05 * sum(left[i + 1 :]) for i, days in enumerate(left)]
    assert made.standard_error == pytest.approx(WIDENING * sqrt(10 / (365 / 12)) * sqrt(sum(m * m for m in moved)))


def test_the_smoothing_is_the_one_that_erred_least() -> None:
    """100 a day until the year's first month, 130 from then on: only a level that follows at once errs once.

    With 1 as smoothing the level is 130; the one error is 30, of 12 months less three and one: 900 / 8. An error stays
    in full: the months left weigh 182, 151, 121, 90, 59 (October to March, each with all after it) and 31.
    """
    rates = [100.0] * 7 + [130.0] * 5
    made = year_end(of_flow([rate * days for rate, days in zip(rates, days_before(12), strict=True)], "gbp_thousands"))
    to_date = 100 * 30 + 130 * 153
    assert made.expected == pytest.approx(to_date + 130 * 182)
    after = [182, 151, 121, 90, 59, 31]
    assert made.standard_error == pytest.approx(WIDENING * sqrt(900 / 8) * sqrt(sum(days**2 for days in after)))
    lower, upper = made.interval_95 or (0, 0)
    assert upper - lower == pytest.approx(2 * 1.959964 * (made.standard_error or 0))


def test_two_years_show_the_shape_of_the_year() -> None:
    """Winter months (October to March) at 12 a day, summer at 8, for three years: the mean is 10.

    The shares are 1.2 and 0.8, drawn towards 1 by (36 - 12) / 12 = 2 years against one: 1 + 0.2 x 2/3 = 1.1333, and
    0.8667. Without the shape the level of the last summer would go on; with it winter is to summer as 1.1333 : 0.8667.
    """
    rates = [8.0 if 3 <= (9 - 36 + i) % 12 < 9 else 12.0 for i in range(36)]
    values = [rate * days for rate, days in zip(rates, days_before(36), strict=True)]
    made = year_end(of_flow(values))
    assert made.method == "level and shape of the year"
    winter = (made.expected - 8 * 183) / 182
    # The deseasonalised rates are 8/0.8667 = 9.23 and 12/1.1333 = 10.59: the level lies between, the winter above 10.
    assert 9.23 * 1.1333 - 0.01 <= winter <= 12.01
    assert year_end(of_flow(values[-23:])).method == "level"


def test_no_month_of_a_count_is_below_nothing() -> None:
    values = [days * rate for days, rate in zip(days_before(12), [0, 9, 0, 0, 5, 0, 0, 0, 0, 3, 0, 0], strict=True)]
    made = year_end(of_flow(values, "count"))
    (lower_95, _), (lower_80, _) = made.interval_95 or (0, 0), made.interval_80 or (0, 0)
    assert lower_95 == lower_80 == sum(values[-6:])


def test_a_stock_is_its_last_month() -> None:
    """50 but once 51 in the second month: the level begins at the mean of the first three, 50.333, and errs least with
    the largest smoothing (it is back at 50 at once), so that 50 is expected. A percentage ends at 100."""
    history = History("stock", "count", date(2018, 9, 1), [50, 51, *[50] * 10], [], 6, 50)
    made = year_end(history)
    assert made.expected == pytest.approx(50, abs=0.01)
    assert made.lowest == 0
    percent = year_end(replace(history, unit="percent", values=[99, 100, *[99, 100] * 5]))
    assert (percent.interval_95 or (0, 0))[1] == 100


def test_a_share_weighs_the_months_left_like_those_so_far() -> None:
    """80 % a month of 400, year to date 80 %: 80 %. The scatter is that of chance, root(80 x 20 / 400) = 2 points.

    Each of six months left weighs a twelfth: with the smoothing 0.05 the first moves (1 + 0.05 x 5)/12.
    """
    made = year_end(History("share", "percent", date(2018, 9, 1), [80.0] * 12, [400.0] * 12, 6, 80.0))
    assert made.expected == pytest.approx(80)
    moved = [(1 + 0.05 * after) / 12 for after in range(6)]
    assert made.standard_error == pytest.approx(WIDENING * 2 * sqrt(sum(m * m for m in moved)))


def test_fewer_than_twelve_months_bear_no_forecast() -> None:
    with pytest.raises(NotForecastError) as error:
        year_end(of_flow([300.0] * (FEWEST_MONTHS - 1)))
    assert str(error.value) == (
        "no forecast: 11 months without a gap or break up to then, and of fewer than 12 the scatter cannot be told"
    )


@needs_shared
def test_forecasts_of_real_years_beat_the_naive_one_and_keep_their_intervals(
    record_property: Callable[[str, object], None],
) -> None:
    """England's delayed transfers by month: the error against seasonal naive, and how many years ended within."""
    series = england()
    judgements = [judged(name, list(origins(months))) for name, months in series.items()]
    record_property(FORECASTS, table(judgements))
    assert len(judgements) >= 6 and all(j.origins >= 80 for j in judgements)
    assert ratio(judgements) < 0.7
    assert 0.75 <= fmean(j.within_80 for j in judgements) <= 0.9
    assert 0.9 <= fmean(j.within_95 for j in judgements) <= 1
    # What a series of a year or two bears, which is what most plans have.
    short = [judged(name, list(origins(months, longest=15, every=2))) for name, months in series.items()]
    assert ratio(short) < 0.7 and fmean(j.within_80 for j in short) >= 0.75


@needs_shared
def test_statsmodels_smooths_to_the_same_level() -> None:
    """Another implementation of ETS(A,N,N), given our smoothing and beginning, comes to the same level."""
    ets = pytest.importorskip("statsmodels.tsa.exponential_smoothing.ets")
    from ccg_pipeline.forecasting import _smoothed

    values = [value for _, value in england()["NHS"]][:40]
    level, smoothing, _ = _smoothed(values)
    model = ets.ETSModel(values, initialization_method="known", initial_level=fmean(values[:3]))
    theirs = model.smooth([smoothing])
    assert theirs.forecast(1)[0] == pytest.approx(level)
