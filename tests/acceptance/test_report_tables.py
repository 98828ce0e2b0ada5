"""The tables that a pack prints: the paper's page at a glance, and control charts of published figures by hand."""

from __future__ import annotations

import csv
from datetime import datetime
from decimal import Decimal
from pathlib import Path

import pytest
from board_paper import ORGANISATIONS, write_returns
from conftest import land, opened
from dbt_builds import build_marts

from ccg_pipeline.publication.indicators import shown
from ccg_pipeline.settings import Settings

# As the paper prints them: line, April and May 2019 (per cent, or patients), target, verdict of April and of May.
GLANCE = [
    (1, "RWG", "81.2", "79.9", "at least 95 %", "not met", "not met"),
    (2, "06N", "84.1", "85.9", "at least 92 %", "not met", "not met"),
    (3, "RWG", "2", "3", "0", "not met", "not met"),
    (4, "06N", "98.7", "98.0", "at least 99 %", "not met", "not met"),
    (5, "RWG", "3.1", "3.0", "at most 3.5 %", "met", "met"),
    (6, "RY4", "5.1", "10.5", "at most 5 %", "not met", "not met"),
    (7, "06N", "90.9", "93.2", "at least 93 %", "not met", "met"),
    (8, "06N", "87.6", "93.5", "at least 93 %", "not met", "met"),
    (9, "06N", "97.6", "98.0", "at least 96 %", "met", "met"),
    (10, "06N", "98.8", "98.9", "at least 98 %", "met", "met"),
    (11, "06N", "93.6", "100.0", "at least 94 %", "not met", "met"),
    (12, "06N", "94.1", "92.0", "at least 94 %", "met", "not met"),
    (13, "06N", "76.6", "82.3", "at least 85 %", "not met", "not met"),
    (14, "06N", "100.0", "100.0", "at least 90 %", "met", "met"),
]
NOT_IN_THE_SAMPLE = {4, 6}


def glance(database: Path) -> list[tuple]:
    """The lines of Herts Valleys for May 2019, in the columns of GLANCE."""
    with opened(database) as con:
        return con.execute(
            "SELECT sort_order, org_code, replace(last_value_shown, ' %', ''), replace(value_shown, ' %', ''), "
            "target_shown, last_verdict, verdict FROM marts.rpt_at_a_glance "
            "WHERE board_code = '06N' AND period_start = DATE '2019-05-01' ORDER BY 1"
        ).fetchall()


def test_the_sample_gives_the_page_at_a_glance(sample_home: Path) -> None:
    database = Settings(sample_home, sample_home).published
    found = glance(database)
    assert [row for row in found if row[0] not in NOT_IN_THE_SAMPLE] == [
        row for row in GLANCE if row[0] not in NOT_IN_THE_SAMPLE
    ]
    assert [row for row in found if row[0] in NOT_IN_THE_SAMPLE] == [
        (*row[:2], "no value", "no value", row[4], "no value", "no value")
        for row in GLANCE
        if row[0] in NOT_IN_THE_SAMPLE
    ]
    with opened(database) as con:
        caveats = con.execute(
            "SELECT count(*), count(caveat) FROM marts.rpt_at_a_glance WHERE value IS NULL"
        ).fetchall()[0]
        unequal = con.execute(
            "SELECT * FROM marts.rpt_at_a_glance g JOIN marts.fct_standard_comparisons c "
            "ON g.indicator_id = c.indicator_id AND g.org_code = c.org_code AND g.org_level = c.org_level "
            "AND g.source = c.source AND c.period_type = 'month' AND g.period_start = c.period_start "
            "WHERE g.value IS DISTINCT FROM c.value OR g.is_met IS DISTINCT FROM c.is_met"
        ).fetchall()
    assert caveats[0] == caveats[1] > 0
    assert unequal == []


def test_a_page_shows_the_main_providers_of_its_own_ccg(sample_home: Path) -> None:
    with opened(Settings(sample_home, sample_home).published) as con:
        rows = con.execute(
            "SELECT board_code, list_sort(list(DISTINCT org_code)), list_sort(coalesce(list(DISTINCT caveat) FILTER "
            "(WHERE org_code IS NULL), [])) FROM marts.rpt_at_a_glance WHERE period_start = DATE '2019-05-01' "
            "AND board_code IN ('06K', '06N', '07H') GROUP BY 1 ORDER BY 1"
        ).fetchall()
    assert rows == [
        ("06K", ["06K", "RWH", "RY4"], []),
        ("06N", ["06N", "RWG", "RY4"], []),
        (
            *("07H", ["07H", None]),
            [
                f"no value: the catalogue does not say which is the main {kind} provider of 07H"
                for kind in ("acute", "community")
            ],
        ),
    ]


def test_figures_are_printed_as_the_command_prints_them(sample_home: Path) -> None:
    with opened(Settings(sample_home, sample_home).published) as con:
        rows = con.execute(
            "SELECT value, numerator, denominator, unit, value_shown FROM marts.rpt_provider_summary "
            "WHERE unit IN ('percent', 'count', 'ratio') UNION ALL SELECT value, numerator, denominator, 'percent', "
            "value_shown FROM marts.rpt_at_a_glance WHERE unit = 'percent'"
        ).fetchall()
    assert len(rows) > 1000
    assert [row for row in rows if shown(*row[:4]) != row[4]] == []


def test_returns_of_the_paper_give_all_of_its_page_at_a_glance(shared: Path, tmp_path: Path) -> None:
    """28 values and their verdicts, from the paper's own tables and nothing else."""
    settings = Settings(tmp_path / "raw", tmp_path / "home")
    tables = shared / "reference" / "board_paper_2019"
    write_returns(tables, settings.raw)
    land(settings, datetime(2019, 9, 12))
    build_marts(settings, "+rpt_at_a_glance")
    assert glance(settings.warehouse) == GLANCE

    with open(tables / "glance.csv", encoding="utf-8", newline="") as file:
        printed = [(ORGANISATIONS[row["org"]], row["period"], Decimal(row["value"])) for row in csv.DictReader(file)]
    months = ("2019-04", "2019-05")
    listed = [(row[1], month, Decimal(value)) for row in GLANCE for month, value in zip(months, row[2:4], strict=True)]
    assert sorted(listed) == sorted(printed)


def test_a_chart_of_published_delays_by_hand(shared_home: Path) -> None:
    """Delayed days of RWG, the months held: 870, 937, 909, 728, 717, 579, 676, 767.

    They add to 6,183: mean 772.875. Moving ranges 67, 28, 181, 11, 138, 97, 91 add to 613, 87.5714 on average; none is
    above 3.267 times that, 286.1. 2.66 times it is 232.94: limits 1,005.815 and 539.935, near ones 772.875 +- 155.2933
    = 928.168 and 617.582. 937 is beyond the near limit above and 579 beyond the one below, alone each; 937, 909, 728,
    717, 579 fall four times; the last five are below the mean. Nothing out of the common. Six months lie between them.
    """
    with opened(Settings(shared_home, shared_home).published) as con:
        rows = con.execute(
            "SELECT strftime(period_start, '%Y-%m'), value, moving_range, mean, upper_limit, lower_limit, "
            "near_upper_limit, near_lower_limit, rule, is_short, variation_icon, assurance_icon "
            "FROM marts.fct_spc_charts WHERE indicator_id = 'DTOC_DAYS' AND org_code = 'RWG' AND source = 'derived' "
            "AND as_at = DATE '2019-05-01' ORDER BY 1"
        ).fetchall()
        missing = con.execute(
            "SELECT sum(periods_missing_before), any_value(chart_caveat) FROM marts.fct_spc_charts "
            "WHERE indicator_id = 'DTOC_DAYS' AND org_code = 'RWG' AND source = 'derived' AND as_at = DATE '2019-05-01'"
        ).fetchall()
    months = ["2018-04", "2018-06", "2018-07", "2018-10", "2019-01", "2019-03", "2019-04", "2019-05"]
    figures = [870, 937, 909, 728, 717, 579, 676, 767]
    ranges = [None, 67, 28, 181, 11, 138, 97, 91]
    assert [row[:3] for row in rows] == list(zip(months, figures, ranges, strict=True))
    for row in rows:
        assert row[3:8] == pytest.approx((772.875, 1005.815, 539.935, 928.1683, 617.5817), abs=0.0001)
        assert row[8:] == (None, True, "common_cause", None)
    assert missing == [
        (
            6,
            "limits of 8 points, fewer than 13: to be read with care; "
            "6 periods without a figure: the points around are taken as neighbours",
        )
    ]


def test_a_chart_of_published_waits_by_hand(shared_home: Path) -> None:
    """A&E of RWG within four hours, the first seven months held, against 95 %.

    10,663 of 13,127 (81.2295 %), 10,948 of 13,706 (79.8774), 11,107 of 13,522 (82.1402), 10,597 of 13,163 (80.5060),
    11,538 of 13,884 (83.1029), 11,405 of 14,371 (79.3612), 7,885 of 10,222 (77.1375) add to 563.3547: mean 80.4792.
    Moving ranges 1.3521, 2.2628, 1.6342, 2.5969, 3.7417, 2.2237 add to 13.8114, 2.3019 on average; 2.66 times it is
    6.1231: limits 86.6023 and 74.3562, the near one 76.3972. The last is above that. 95 is above the upper limit.
    """
    with opened(Settings(shared_home, shared_home).published) as con:
        rows = con.execute(
            "SELECT point_number, strftime(period_start, '%Y-%m'), mean, upper_limit, lower_limit, near_lower_limit, "
            "variation_icon, assurance_icon FROM marts.fct_spc_charts WHERE indicator_id = 'AE_4HR' "
            "AND org_code = 'RWG' AND source = 'derived' AND as_at = DATE '2020-03-01' ORDER BY 1 DESC LIMIT 1"
        ).fetchall()
    assert rows[0][:2] == (7, "2020-03")
    assert rows[0][2:6] == pytest.approx((80.4792, 86.6023, 74.3562, 76.3972), abs=0.0001)
    assert rows[0][6:] == ("common_cause", "consistently_fail")
