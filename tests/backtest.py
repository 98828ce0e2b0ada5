"""``make backtest``: how well the forecast of a year would have done on real months, beside a seasonal naive forecast.

The series are England's delayed transfers of care, August 2010 to February 2020 (published; the only monthly series of
`../shared` long enough to be judged year by year): days by who is responsible, by setting and by reason. From every
month with a year before it the rest of that financial year is forecast, knowing only the months up to then, and set
beside what came. The seasonal naive forecast of a month is the same month of the year before.

Run as a command it also judges candidates of statsmodels, which takes minutes.
"""

from __future__ import annotations

import sys
import warnings
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date
from math import exp, log
from pathlib import Path
from statistics import fmean

import polars as pl
from layouts import SHARED, read_as

from ccg_pipeline import forecasting
from ccg_pipeline.forecasting import Forecast, History, year_end

Months = list[tuple[date, float]]
SERIES_FILE = Path("data") / "dtoc" / "DTOC-England-Data_Set.xls"
WHOSE = {"NHS": "nhs_days", "social care": "social_care_days", "both": "both_days"}


@dataclass(frozen=True)
class Origin:
    """A forecast and what came: of the rest of the year, in the unit of the series."""

    history: History
    made: Forecast
    naive: float
    came: float

    @property
    def error(self) -> float:
        return abs(self.made.expected - self.history.actual_to_date - self.came)

    @property
    def naive_error(self) -> float:
        return abs(self.naive - self.came)

    def is_within(self, interval: tuple[float, float] | None) -> bool:
        assert interval is not None
        return interval[0] <= self.history.actual_to_date + self.came <= interval[1]


@dataclass(frozen=True)
class Judged:
    """What the forecasts of a series were worth: mean absolute errors in its unit, shares (0-1) within intervals."""

    name: str
    origins: int
    error: float
    naive_error: float
    within_80: float
    within_95: float


def england(shared: Path = SHARED) -> dict[str, Months]:
    """The monthly series of delayed days of England by name, the oldest month first."""
    rows = read_as("dtoc", shared / SERIES_FILE).rows
    named: dict[str, pl.DataFrame] = {}
    responsible = rows.filter(pl.col("breakdown") == "responsible")
    for name, column in WHOSE.items():
        named[name] = responsible.select("period_start", days=pl.col(column))
    for name, breakdown, column in (("setting", "setting", "setting"), ("reason", "reason", "reason_for_delay")):
        of_breakdown = rows.filter(pl.col("breakdown") == breakdown)
        for value in of_breakdown[column].unique().sort():
            chosen = of_breakdown.filter(pl.col(column) == value)
            named[f"{name}: {value.lower()}"] = chosen.select("period_start", days=pl.col("total_days"))
    return {
        name: [(month, float(days)) for month, days in frame.sort("period_start").iter_rows()]
        for name, frame in named.items()
        # A reason that was not yet, or no longer, counted is no series.
        if frame["days"].null_count() == 0 and frame["days"].min() > 0
    }


def origins(months: Months, longest: int | None = None, every: int = 1) -> Iterator[Origin]:
    """The forecast from each month of a year whose end is known; with ``longest`` it sees no more months than that."""
    for last in range(11, len(months), every):
        elapsed = (months[last][0].month - 4) % 12 + 1
        left = 12 - elapsed
        if left == 0 or elapsed > last + 1 or last + left >= len(months):
            continue
        values = [value for _, value in months]
        first = max(0, last + 1 - longest) if longest else 0
        history = History(
            measured_as="flow",
            unit="days",
            last_month=months[last][0],
            values=values[first : last + 1],
            denominators=[],
            months_elapsed=elapsed,
            actual_to_date=sum(values[last + 1 - elapsed : last + 1]),
        )
        came = values[last + 1 : last + 1 + left]
        yield Origin(history, year_end(history), sum(values[last - 11 : last - 11 + left]), sum(came))


def judged(name: str, made: Sequence[Origin]) -> Judged:
    return Judged(
        name,
        len(made),
        fmean(o.error for o in made),
        fmean(o.naive_error for o in made),
        fmean(o.is_within(o.made.interval_80) for o in made),
        fmean(o.is_within(o.made.interval_95) for o in made),
    )


def table(judgements: Sequence[Judged]) -> str:
    """The judgements as lines of text, the mean of the series last (of the ratios the geometric one)."""
    width = max(len(j.name) for j in judgements)
    lines = [
        f"{'days delayed, England':<{width}}  origins       MAE  seasonal naive  ratio  within 80 %  within 95 %",
    ]
    for j in judgements:
        lines.append(
            f"{j.name:<{width}}  {j.origins:>7}  {j.error:>8,.0f}  {j.naive_error:>14,.0f}  "
            f"{j.error / j.naive_error:>5.2f}  {j.within_80:>11.0%}  {j.within_95:>11.0%}"
        )
    lines.append(
        f"{'all':<{width}}  {sum(j.origins for j in judgements):>7}  {'':>8}  {'':>14}  {ratio(judgements):>5.2f}  "
        f"{fmean(j.within_80 for j in judgements):>11.0%}  {fmean(j.within_95 for j in judgements):>11.0%}"
    )
    return "\n".join(lines)


def ratio(judgements: Sequence[Judged]) -> float:
    """Of the error to that of the seasonal naive forecast, the geometric mean of the series."""
    return exp(fmean(log(j.error / j.naive_error) for j in judgements))


def _of_statsmodels() -> dict[str, Callable[[Origin], float]]:
    """Candidates: each forecasts the rest of the year from the daily rates."""
    import numpy as np
    from statsmodels.tsa.exponential_smoothing.ets import ETSModel
    from statsmodels.tsa.forecasting.theta import ThetaModel
    from statsmodels.tsa.statespace.sarimax import SARIMAX

    from ccg_pipeline.forecasting import days_of_month

    def rates(origin: Origin) -> tuple[np.ndarray, np.ndarray]:
        history = origin.history
        count = len(history.values)
        days = [days_of_month(history.last_month, i - count + 1) for i in range(count)]
        left = [days_of_month(history.last_month, i + 1) for i in range(12 - history.months_elapsed)]
        return np.array(history.values) / np.array(days), np.array(left)

    def ets(**model: object) -> Callable[[Origin], float]:
        def forecast(origin: Origin) -> float:
            daily, left = rates(origin)
            fitted = ETSModel(daily, error="add", **model).fit(disp=0, maxiter=60)
            return float(fitted.forecast(len(left)) @ left)

        return forecast

    def airline(origin: Origin) -> float:
        daily, left = rates(origin)
        scale = daily.std()
        fitted = SARIMAX(daily / scale, order=(0, 1, 1), seasonal_order=(0, 1, 1, 12)).fit(disp=0, maxiter=30)
        return float(fitted.forecast(len(left)) @ left * scale)

    def theta(origin: Origin) -> float:
        daily, left = rates(origin)
        return float(np.asarray(ThetaModel(daily, period=12).fit().forecast(len(left))) @ left)

    def run_rate(origin: Origin) -> float:
        _, left = rates(origin)
        elapsed = origin.history.months_elapsed
        days = sum(days_of_month(origin.history.last_month, -i) for i in range(elapsed))
        return origin.history.actual_to_date / days * float(left.sum())

    return {
        "run rate of the year so far": run_rate,
        "ETS(A,N,N)": ets(),
        "ETS(A,Ad,N)": ets(trend="add", damped_trend=True),
        "ETS(A,N,A)": ets(seasonal="add", seasonal_periods=12),
        "ETS(A,Ad,A)": ets(trend="add", damped_trend=True, seasonal="add", seasonal_periods=12),
        "theta": theta,
        "airline, ARIMA(0,1,1)(0,1,1)12": airline,
    }


def main() -> None:
    series = england()
    print(table([judged(name, list(origins(months))) for name, months in series.items()]))
    print("\nknowing no more than the last months, all series")
    for longest in (6, 9, 12, 18, 24, 36, 60):
        forecasting.FEWEST_MONTHS = min(longest, 12)
        made = [judged(name, list(origins(months, longest))) for name, months in series.items()]
        print(
            f"  {longest:>2} months: ratio {ratio(made):.2f}, within 80 % {fmean(j.within_80 for j in made):.0%}, "
            f"within 95 % {fmean(j.within_95 for j in made):.0%}"
        )
    forecasting.FEWEST_MONTHS = 12
    warnings.filterwarnings("ignore")
    candidates = _of_statsmodels()
    for longest in (26, 36, 60):
        chosen = {
            name: [o for o in origins(months, longest, every=7) if len(o.history.values) >= 26]
            for name, months in series.items()
        }
        print(f"\nknowing {longest} months, every seventh origin: ratio to the seasonal naive forecast")
        print(f"  {'chosen':<32} {ratio([judged(name, made) for name, made in chosen.items()]):.2f}")
        for candidate, forecast in candidates.items():
            ratios = [
                fmean(abs(forecast(o) - o.came) for o in made) / fmean(o.naive_error for o in made)
                for made in chosen.values()
            ]
            print(f"  {candidate:<32} {exp(fmean(map(log, ratios))):.2f}", flush=True)


if __name__ == "__main__":
    sys.exit(main())
