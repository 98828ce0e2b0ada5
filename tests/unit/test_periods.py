from datetime import date

import pytest

from ccg_pipeline.extracts.periods import month_end, months_between, parse_day, parse_month


@pytest.mark.parametrize(
    ("text", "month"),
    [
        ("MSitAE-MAY-2019", date(2019, 5, 1)),
        ("RTT-January-2026", date(2026, 1, 1)),
        ("MSitDT-June-2018", date(2018, 6, 1)),
        ("PERIOD: APR 2020/21", date(2020, 4, 1)),
        ("JAN 2020/21", date(2021, 1, 1)),
        ("PERIOD: MAR 2021/22", date(2022, 3, 1)),
        ("January 2019 Provisional", date(2019, 1, 1)),
        ("2019-05-01 00:00:00", date(2019, 5, 1)),
        ("43586", date(2019, 5, 1)),
        ("Jul-24", date(2024, 7, 1)),
        ("Sept 2018", date(2018, 9, 1)),
        ("Apr 2020", date(2020, 4, 1)),
        ("MSitAE_MAY_2019", date(2019, 5, 1)),
        ("PERIOD:SEPTEMBER2017", date(2017, 9, 1)),
        ("March 31, 2019", date(2019, 3, 1)),
        ("30 April 2019", date(2019, 4, 1)),
    ],
)
def test_the_month_a_cell_names(text: str, month: date) -> None:
    assert parse_month(text) == month


@pytest.mark.parametrize(
    "text",
    [
        None,
        "",
        "TOTAL",
        "DEFINITIONS: DCB0147 Amd 89/2016",
        "191",
        "2019",
        "2019-13-01",
        "January - March 2019",
        "Jan-Mar 2019",
        "January 2019 - 31 days",
        "MAR-2019-04",
        "Summary",
    ],
)
def test_a_cell_that_names_no_month(text: str | None) -> None:
    assert parse_month(text) is None


def test_days() -> None:
    assert parse_day("12th February 2015") == date(2015, 2, 12)
    assert parse_day("9th July 2015") == date(2015, 7, 9)
    assert parse_day("2015-05-14 00:00:00") == date(2015, 5, 14)
    assert parse_day("42285") == date(2015, 10, 8)
    assert parse_day("N/A") is None


def test_month_arithmetic() -> None:
    assert month_end(date(2020, 2, 1)) == date(2020, 2, 29)
    assert list(months_between(date(2018, 12, 1), date(2019, 2, 1))) == [
        date(2018, 12, 1),
        date(2019, 1, 1),
        date(2019, 2, 1),
    ]
