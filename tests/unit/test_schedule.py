"""The nights on which the clocks change: the schedule starts the job once, at two by the clock, whoever is asked."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from itertools import pairwise, takewhile
from zoneinfo import ZoneInfo

import pytest
from dagster._utils.schedules import cron_string_iterator

from ccg_pipeline.operations import schedule

LONDON = ZoneInfo(schedule.TIMEZONE)


def runs(first: datetime, end: datetime) -> list[datetime]:
    """When Dagster runs the schedule from one moment to another, as UTC."""
    ticks = cron_string_iterator(first.timestamp(), schedule.CRON, schedule.TIMEZONE)
    return [t.astimezone(UTC) for t in takewhile(lambda t: t < end, ticks)]


@pytest.mark.parametrize(
    ("night", "expected"),
    [
        # Summer time begins at 01:00 UTC, so two o'clock is the hour after midnight's; it ends at 01:00 UTC, and
        # what is repeated is the hour from one to two.
        (date(2019, 3, 31), "2019-03-31 01:00"),
        (date(2019, 10, 27), "2019-10-27 02:00"),
        (date(2027, 3, 28), "2027-03-28 01:00"),
        (date(2027, 10, 31), "2027-10-31 02:00"),
        (date(2019, 7, 1), "2019-07-01 01:00"),
        (date(2019, 1, 1), "2019-01-01 02:00"),
    ],
)
def test_one_run_on_the_night_that_the_clocks_change(night: date, expected: str) -> None:
    midnight = datetime.combine(night, datetime.min.time(), LONDON)
    next_midnight = datetime.combine(night + timedelta(days=1), datetime.min.time(), LONDON)
    found = runs(midnight.astimezone(UTC), next_midnight.astimezone(UTC))
    assert [f"{t:%Y-%m-%d %H:%M}" for t in found] == [expected]
    assert [t.astimezone(LONDON).strftime("%H:%M") for t in found] == ["02:00"]


def test_the_doctor_and_dagster_agree_for_years() -> None:
    """Asked within every hour of ten years' changes of the clock, and once on every other day."""
    first, end = datetime(2019, 1, 1, tzinfo=UTC), datetime(2029, 1, 1, tzinfo=UTC)
    ticks = runs(first, end)
    assert len(ticks) == (end - first).days, "one a day"
    for last, due in pairwise(ticks):
        is_changed = last.astimezone(LONDON).utcoffset() != due.astimezone(LONDON).utcoffset()
        for minutes in range(0, 24 * 60, 30) if is_changed else (0,):
            asked = last + timedelta(minutes=minutes)
            if asked < due:
                assert schedule.next_run(asked) == due, asked
    assert {(b - a) for a, b in pairwise(ticks)} == {timedelta(hours=h) for h in (23, 24, 25)}
