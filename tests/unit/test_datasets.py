"""The calendar of the datasets, and the words in which their state is told."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, datetime

from ccg_pipeline import extracts
from ccg_pipeline.publication.datasets import State, in_words, listed
from ccg_pipeline.settings import Settings

RTT = State(
    dataset="rtt",
    dataset_name="Referral to treatment",
    frequency="month",
    last_period_start=None,
    latest_period_start=date(2019, 5, 1),
    latest_period_end=date(2019, 5, 31),
    next_period_start=date(2019, 6, 1),
    next_period_end=date(2019, 6, 30),
    due_on=date(2019, 8, 11),
    is_stale=False,
    stale_since=None,
    stale_reason=None,
    extracts_held_back=0,
)
STALE = replace(
    RTT, is_stale=True, stale_since=datetime(2019, 8, 9, 2), stale_reason="why, and what to do", extracts_held_back=1
)


def test_every_dataset_has_its_place_in_the_calendar() -> None:
    calendar = listed(Settings.from_environment().seeds)
    assert set(calendar) == set(extracts.DATASETS)
    due = {name: int(row["due_weeks"]) for name, row in calendar.items() if row["due_weeks"]}
    assert due == {"rtt": 6, "diagnostics": 6, "ae": 2, "cancer": 6, "dtoc": 6}
    assert {name: row["last_period_start"] for name, row in calendar.items() if row["last_period_start"]} == {
        "dtoc": "2020-02-01"
    }


def test_a_period_is_overdue_from_the_day_after_it_is_due() -> None:
    assert not RTT.is_overdue(date(2019, 8, 11))
    assert RTT.is_overdue(date(2019, 8, 12))
    assert not replace(RTT, due_on=None).is_overdue(date(2030, 1, 1))


def test_status_tells_what_is_stale_and_what_is_overdue() -> None:
    assert in_words({"rtt": RTT}, date(2019, 8, 11)) == ["Stale: none", "Overdue: none"]
    assert in_words({"rtt": STALE}, date(2019, 8, 21)) == [
        "Stale: 1 dataset",
        "  rtt: Referral to treatment, up to May 2019",
        "      since 2019-08-09: 1 new file, received from 9 August 2019 on, is held back until the checks are "
        "passed; its figures are those published before",
        "      why, and what to do",
        "Overdue: 1 dataset",
        "  rtt: Referral to treatment: the latest month held is May 2019; June 2019 was due on 11 August 2019, 10 days "
        "ago",
        "      Fetch what is published and drop it into the landing folder.",
    ]
    assert "ccg nightly" in in_words({}, date(2019, 8, 21))[0]


def test_what_is_expected_is_told_of_every_kind_of_dataset() -> None:
    assert RTT.expected_in_words() == "the latest month held is May 2019; June 2019: due on 11 August 2019"
    beds = replace(
        RTT,
        frequency="quarter",
        latest_period_start=date(2019, 4, 1),
        latest_period_end=date(2019, 6, 30),
        next_period_start=date(2019, 7, 1),
        next_period_end=date(2019, 9, 30),
        due_on=None,
    )
    assert beds.expected_in_words() == (
        "the latest quarter held is the quarter to June 2019; the quarter to September 2019: due on no stated day"
    )
    ended = replace(RTT, next_period_start=None, next_period_end=None, due_on=None)
    assert ended.expected_in_words() == "the latest month held is May 2019: no further one is expected"
    nothing = replace(STALE, latest_period_start=None, latest_period_end=None, next_period_start=None, due_on=None)
    assert nothing.expected_in_words() == "no file of it counts yet: nothing is expected"
    assert nothing.stale_in_words().endswith("nothing of it was published before, so that its figures are missing")
    assert (
        "3 new files, received from 9 August 2019 on, are held back"
        in replace(STALE, extracts_held_back=3).stale_in_words()
    )
