"""What is returned beside what is planned: attendances month by month, and all targets of the board paper."""

from __future__ import annotations

import csv
from collections import Counter
from datetime import datetime
from decimal import Decimal
from pathlib import Path

from board_paper import HEADINGS, write_returns
from conftest import build_marts, land, opened

from ccg_pipeline.settings import Settings

INDICATOR = "ACT_AE_ATTENDANCES_CCG"


def a_return(settings: Settings, name: str, **values: int) -> None:
    """A file of attendances of 06K, by month as `m2014_04`."""
    with open(settings.raw / name, "w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, HEADINGS)
        writer.writeheader()
        for month, value in values.items():
            writer.writerow(
                {
                    "indicator_id": INDICATOR,
                    "org_code": "06K",
                    "period": month[1:].replace("_", "-"),
                    "value": value,
                    "status": "final",
                }
            )


def test_attendances_of_2014_15_against_the_plan_of_185_928(tmp_path: Path) -> None:
    """By hand. Planned to June: 185,928 x 3/12 = 46,482. Returned: 15,300 + 15,800 + 15,598 = 46,698.

    Variance 46,698 - 46,482 = 216 (0.46 %): above plan, and lower is better. Left 185,928 - 46,698 = 139,230 for nine
    months: 139,230 / 9 = 15,470 a month, where 46,698 / 3 = 15,566 came so far. August follows without July.
    """
    settings = Settings(tmp_path / "raw", tmp_path / "home")
    settings.raw.mkdir()
    a_return(settings, "a.csv", m2014_04=15300, m2014_05=15800, m2014_06=15598, m2014_08=15000)
    land(settings, datetime(2014, 10, 1))
    build_marts(settings, "+fct_trajectory_comparisons")
    with opened(settings.warehouse) as con:
        rows = con.execute(
            "SELECT period_type, strftime(period_end, '%Y-%m'), plan, profile, planned_value, actual_value, variance, "
            "round(variance_pct, 4), is_on_plan, planned_for_year, left_for_year, months_left, run_rate_to_date, "
            "run_rate_needed, actual_source, caveat FROM marts.fct_trajectory_comparisons "
            "WHERE indicator_id = ? AND year(period_start) = 2014 ORDER BY 1, 2",
            [INDICATOR],
        ).fetchall()
    plan = "E.C.7-8 activity trajectory"
    no_actual = (None, None, None, None)
    short = "no forecast: {} without a gap up to then, and of fewer than 12 the scatter cannot be told"
    assert rows == [
        (
            *("financial_year", "2015-03", plan, "stated", 185928.0, *no_actual),
            *(None, None, None, None, None, None, "no figure is held"),
        ),
        (
            *("ytd", "2014-04", plan, "even", 15494.0, 15300.0, -194.0, -1.2521, True),
            *(185928.0, 170628.0, 11, 15300.0, 170628 / 11, "summed", short.format("1 month")),
        ),
        (
            *("ytd", "2014-05", plan, "even", 30988.0, 31100.0, 112.0, 0.3614, False),
            *(185928.0, 154828.0, 10, 15550.0, 15482.8, "summed", short.format("2 months")),
        ),
        (
            *("ytd", "2014-06", plan, "even", 46482.0, 46698.0, 216.0, 0.4647, False),
            *(185928.0, 139230.0, 9, 15566.0, 15470.0, "summed", short.format("3 months")),
        ),
        (
            *("ytd", "2014-08", plan, "even", 77470.0, *no_actual),
            *(
                185928.0,
                None,
                7,
                None,
                None,
                None,
                "no year to date: no figures for July 2014; no forecast: the year to date is not known",
            ),
        ),
    ]


def test_every_target_of_the_board_paper_is_compared_as_printed(shared: Path, tmp_path: Path) -> None:
    settings = Settings(tmp_path / "raw", tmp_path / "home")
    returns = write_returns(shared / "reference" / "board_paper_2019", settings.raw)
    land(settings, datetime(2019, 9, 12))
    build_marts(settings, "+fct_trajectory_comparisons")
    with open(settings.seeds / "indicators.csv", encoding="utf-8", newline="") as file:
        catalogue = list(csv.DictReader(file))
    direction = {row["indicator_id"]: row["direction"] for row in catalogue}
    by_code = {(row["provider_code"], row["local_code"]): row["indicator_id"] for row in catalogue}
    verdicts: Counter[tuple[str, bool | None]] = Counter()
    for row in (row for rows in returns.rows.values() for row in rows if row["target"]):
        indicator_id = by_code.get((row["provider_code"], row["indicator_id"]), row["indicator_id"])
        better = {"higher": 1, "lower": -1, "neutral": 0}[direction[indicator_id]]
        above = (Decimal(row["value"]) - Decimal(row["target"])) if row["value"] else None
        verdicts[indicator_id, above * better >= 0 if above is not None and better else None] += 1

    with opened(settings.warehouse) as con:
        compared = con.execute(
            "SELECT indicator_id, is_on_plan, count(*) FROM marts.fct_trajectory_comparisons "
            "WHERE plan = 'as returned' AND profile = 'stated' GROUP BY ALL"
        ).fetchall()
        savings = con.execute(
            "SELECT period_type, is_on_plan, round(100 + variance_pct, 1) FROM marts.fct_trajectory_comparisons "
            "WHERE indicator_id = 'FIN_QIPP' AND profile = 'stated' ORDER BY 1"
        ).fetchall()
        spending = con.execute(
            "SELECT count(*), count(*) FILTER (WHERE is_on_plan = (actual_value <= planned_value)) "
            "FROM marts.fct_trajectory_comparisons WHERE regexp_matches(indicator_id, 'FIN_(ACUTE|NON_ACUTE|RUNNING)') "
            "AND profile = 'stated'"
        ).fetchall()
    assert Counter({(row[0], row[1]): row[2] for row in compared}) == verdicts
    assert verdicts["LONG_STAY_21D", True] == 15 and verdicts["LONG_STAY_21D", False] == 4
    assert savings == [("financial_year", False, 95.1), ("ytd", False, 95.1)]
    assert spending[0][0] == spending[0][1] > 0
