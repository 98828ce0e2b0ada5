"""The forecast of each year that is planned and under way, as it can be made at the end of each of its months.

Which months it rests on is in int_forecast_histories, how it is made in ccg_pipeline.forecasting; this only carries the
one to the other. A year without a forecast has a caveat that says why.
"""

import pyarrow as pa

from ccg_pipeline.forecasting import History, NotForecastError, year_end

KEYS = ("indicator_id", "org_code", "series_level", "financial_year_start", "period_end")
FIGURES = ("forecast", "standard_error", "lower_80", "upper_80", "lower_95", "upper_95")
SCHEMA = pa.schema(
    [(key, pa.date32() if key in ("financial_year_start", "period_end") else pa.string()) for key in KEYS]
    + [("method", pa.string()), ("months_used", pa.int64())]
    + [(figure, pa.float64()) for figure in FIGURES]
    + [("caveat", pa.string())]
)


def model(dbt, session):
    dbt.config(materialized="table")
    histories = dbt.ref("int_forecast_histories")
    columns = histories.columns
    rows = [forecast(dict(zip(columns, row, strict=True))) for row in histories.fetchall()]
    return pa.Table.from_pylist(rows, schema=SCHEMA)


def forecast(row):
    """One row of int_forecasts from one of int_forecast_histories."""
    keys = {key: row[key] for key in KEYS}
    if row["month_values"] is None:
        by_quarter = "; they come by quarter, and forecasts are judged on months"
        caveat = "no forecast: no figures by month are held up to then"
        return {**keys, "caveat": caveat + (by_quarter if row["part_type"] == "quarter" else "")}
    history = History(
        measured_as=row["measured_as"],
        unit=row["unit"],
        last_month=row["last_month"],
        values=row["month_values"],
        denominators=row["month_denominators"],
        months_elapsed=row["months_elapsed"],
        actual_to_date=row["actual_to_date"],
    )
    try:
        made = year_end(history)
    except NotForecastError as reason:
        return {**keys, "caveat": str(reason)}
    (lower_80, upper_80), (lower_95, upper_95) = made.interval_80 or (None, None), made.interval_95 or (None, None)
    return {
        **keys,
        "method": made.method,
        "months_used": made.months_used,
        "forecast": made.expected,
        "standard_error": made.standard_error,
        "lower_80": lower_80,
        "upper_80": upper_80,
        "lower_95": lower_95,
        "upper_95": upper_95,
        "caveat": None if made.standard_error else "no interval: the months held do not differ",
    }
