"""When the nightly job runs: at two, by the clock in London, on the nights that the clocks change too."""

from __future__ import annotations

from datetime import UTC, datetime, time, timedelta
from zoneinfo import ZoneInfo

TIMEZONE = "Europe/London"
NIGHTLY_AT = time(2, 0)
CRON = f"{NIGHTLY_AT.minute} {NIGHTLY_AT.hour} * * *"


def next_run(after: datetime) -> datetime:
    """The first time after a moment (aware) at which the schedule starts the job, as London's clock has it (aware).

    London's clocks leave out 01:00 to 02:00 in March and repeat it in October, so that two o'clock is there once on
    every day.
    """
    london = ZoneInfo(TIMEZONE)
    day = after.astimezone(london).date()
    while True:
        at = datetime.combine(day, NIGHTLY_AT, london)
        if at.astimezone(UTC) > after.astimezone(UTC):
            return at
        day += timedelta(days=1)
