"""What a financial year will come to, from its months so far: a level, the shape of the year, and how far it may miss.

Belongs here: the statistics, on plain numbers. Does not belong here: which months are held, what is planned, and on
plan or not; dbt says, in ``int_forecast_histories`` and ``fct_trajectory_comparisons``.

The method is simple exponential smoothing (ETS(A,N,N)) of the daily rate, with the months of the year in their usual
proportion where there are two years to see it from. Every figure has a closed form: a committee can follow it with a
calculator, and two runs on the same months agree. How it was judged is in CONTRIBUTING.md, and ``make backtest`` judges
it again.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from math import sqrt
from statistics import NormalDist, fmean

from ccg_pipeline.months import month_end, months_later

# In the back-test 95 % intervals made of 6 months held 86 % of the years, of 9 months 90 %, of 12 months 93 %.
FEWEST_MONTHS = 12
# Two years, so that each month of the year has been seen beside the average of the twelve around it.
MONTHS_FOR_SHAPE = 24
# Five years: what is older tells nothing of the level, and little of the shape.
MOST_MONTHS = 60
_FIRST_LEVEL = 3
# By how much the closed form is too narrow: it takes the smoothing, the shape and the steadiness of the level as known.
# Chosen so that in the back-test four in five years end within the 80 % interval.
WIDENING = 1.6
SMOOTHINGS = tuple(step / 20 for step in range(1, 21))

_NORMAL = NormalDist()
_Z80, _Z95 = _NORMAL.inv_cdf(0.9), _NORMAL.inv_cdf(0.975)


@dataclass(frozen=True)
class History:
    """The months up to now, without a gap, and the year to date.

    ``measured_as``: ``flow`` (the year is the sum of its months), ``stock`` (the year is its last month) or ``share``
    (a percentage or mean: the year is the sum of the numerators over that of the denominators). ``values`` end with the
    month ``last_month``; for a share ``denominators`` go with them. ``months_elapsed`` of the financial year, 1 to 11.
    """

    measured_as: str
    unit: str
    last_month: date
    values: Sequence[float]
    denominators: Sequence[float]
    months_elapsed: int
    actual_to_date: float


@dataclass(frozen=True)
class Forecast:
    """What the year comes to, in the unit of the indicator; ``standard_error`` is None where no scatter can be told.

    ``lowest`` and ``highest`` are what the year cannot pass: a count never falls, a percentage is one of 100.
    """

    expected: float
    standard_error: float | None
    months_used: int
    has_shape: bool
    lowest: float | None = None
    highest: float | None = None

    @property
    def method(self) -> str:
        return "level and shape of the year" if self.has_shape else "level"

    @property
    def interval_80(self) -> tuple[float, float] | None:
        return self._interval(_Z80)

    @property
    def interval_95(self) -> tuple[float, float] | None:
        return self._interval(_Z95)

    def _interval(self, deviations: float) -> tuple[float, float] | None:
        if self.standard_error is None:
            return None
        half = deviations * self.standard_error
        lower, upper = self.expected - half, self.expected + half
        if self.lowest is not None:
            lower = max(lower, self.lowest)
        if self.highest is not None:
            upper = min(upper, self.highest)
        return lower, upper


class NotForecastError(Exception):
    """The months held do not bear a forecast; the text says why."""


def year_end(history: History) -> Forecast:
    """The forecast for the end of the year. Raises `NotForecastError` where too few months are held."""
    months_left = 12 - history.months_elapsed
    values = list(history.values)[-MOST_MONTHS:]
    if len(values) < FEWEST_MONTHS:
        held = f"{len(values)} month{'s' if len(values) > 1 else ''} without a gap or break up to then"
        raise NotForecastError(f"no forecast: {held}, and of fewer than {FEWEST_MONTHS} the scatter cannot be told")
    if history.measured_as == "flow":
        return _flow(history, values, months_left)
    if history.measured_as == "stock":
        return _stock(history, values, months_left)
    return _share(history, values, months_left)


def _flow(history: History, values: Sequence[float], months_left: int) -> Forecast:
    """Year to date plus the level of a day times the days left, each month in its share of the year."""
    past = [days_of_month(history.last_month, i - len(values) + 1) for i in range(len(values))]
    left = [days_of_month(history.last_month, i + 1) for i in range(months_left)]
    rates = [value / days for value, days in zip(values, past, strict=True)]
    shape = _shape(rates)
    level, smoothing, variance = _smoothed([rate / shape[i % 12] for i, rate in enumerate(rates)] if shape else rates)
    if history.unit == "count":
        # Of what is counted one by one the scatter is at least that of chance (Poisson).
        variance = max(variance, max(level, 0.0) / fmean(past))
    weights = [days * shape[(len(values) + i) % 12] if shape else days for i, days in enumerate(left)]
    return Forecast(
        expected=history.actual_to_date + level * sum(weights),
        standard_error=WIDENING * sqrt(variance) * _spread(weights, smoothing) or None,
        months_used=len(values),
        has_shape=shape is not None,
        lowest=None if history.unit.startswith("gbp") else history.actual_to_date,
    )


def _stock(history: History, values: Sequence[float], months_left: int) -> Forecast:
    """The level at the end of the year: the last month alone counts."""
    level, smoothing, variance = _smoothed(values)
    return Forecast(
        expected=level,
        standard_error=WIDENING * sqrt(variance) * _spread([0.0] * (months_left - 1) + [1.0], smoothing) or None,
        months_used=len(values),
        has_shape=False,
        lowest=None if history.unit.startswith("gbp") else 0.0,
        highest=100.0 if history.unit == "percent" else None,
    )


def _share(history: History, values: Sequence[float], months_left: int) -> Forecast:
    """Year to date and level, weighted as if the months left had as many to count as those so far."""
    level, smoothing, variance = _smoothed(values)
    usual = fmean(history.denominators[-history.months_elapsed :])
    if history.unit == "percent" and usual > 0:
        # Of a share of so many the scatter is at least that of chance (binomial).
        variance = max(variance, max(level * (100 - level), 0.0) / usual)
    return Forecast(
        expected=(history.months_elapsed * history.actual_to_date + months_left * level) / 12,
        standard_error=WIDENING * sqrt(variance) * _spread([1 / 12] * months_left, smoothing) or None,
        months_used=len(values),
        has_shape=False,
        lowest=0.0,
        highest=100.0 if history.unit == "percent" else None,
    )


def _smoothed(values: Sequence[float]) -> tuple[float, float, float]:
    """Level after the last month, the smoothing that erred least one month ahead, and the variance of those errors."""
    best: tuple[float, float, float] | None = None
    for smoothing in SMOOTHINGS:
        level, squares = fmean(values[:_FIRST_LEVEL]), 0.0
        for i, value in enumerate(values):
            error = value - level
            level += smoothing * error
            if i >= _FIRST_LEVEL:
                squares += error * error
        if best is None or squares < best[0]:
            best = squares, level, smoothing
    assert best is not None
    squares, level, smoothing = best
    return level, smoothing, squares / (len(values) - _FIRST_LEVEL - 1)


def _spread(weights: Sequence[float], smoothing: float) -> float:
    """By how much a weighted sum of the months ahead scatters, in standard deviations of one month.

    An error moves its own month in full and, by the smoothing, all that follow:
    sqrt(sum over i of (w_i + smoothing x sum of the weights after i) squared).
    """
    following, squares = 0.0, 0.0
    for weight in reversed(weights):
        squares += (weight + smoothing * following) ** 2
        following += weight
    return sqrt(squares)


def _shape(daily: Sequence[float]) -> list[float] | None:
    """How each of the twelve months from the first on stands to the year around it; None where two years are not held.

    The mean of the ratios to the centred average of twelve months, drawn towards 1 as if one more year had no shape.
    """
    if len(daily) < MONTHS_FOR_SHAPE or min(daily) <= 0:
        return None
    ratios: list[list[float]] = [[] for _ in range(12)]
    for i in range(6, len(daily) - 6):
        around = (daily[i - 6] / 2 + sum(daily[i - 5 : i + 6]) + daily[i + 6] / 2) / 12
        ratios[i % 12].append(daily[i] / around)
    means = [fmean(month) for month in ratios]
    years = (len(daily) - 12) / 12
    return [1 + (month / fmean(means) - 1) * years / (years + 1) for month in means]


def days_of_month(month: date, months_after: int) -> int:
    """The days of the month so many months after ``month``."""
    return month_end(months_later(month, months_after)).day
