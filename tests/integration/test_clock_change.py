"""The night on which an hour comes twice: what arrived first stays first, on a machine whose clock is London's."""

from __future__ import annotations

import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from conftest import land
from dbt_builds import build_marts

from ccg_pipeline import nights
from ccg_pipeline.operations import doctor
from ccg_pipeline.settings import Settings
from ccg_pipeline.warehouse import reading

# 01:40 in London before the clocks went back at 02:00, and 01:20 after it: later, and on the clock earlier.
FIRST = datetime(2019, 10, 27, 0, 40)
SECOND = datetime(2019, 10, 27, 1, 20)


@pytest.fixture
def london(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("TZ", "Europe/London")
    time.tzset()
    assert datetime.fromtimestamp(FIRST.replace(tzinfo=UTC).timestamp()).strftime("%H:%M") == "01:40"
    assert datetime.fromtimestamp(SECOND.replace(tzinfo=UTC).timestamp()).strftime("%H:%M") == "01:20"
    yield
    monkeypatch.undo()
    time.tzset()


@pytest.mark.usefixtures("london")
def test_two_runs_within_the_repeated_hour_keep_their_order(sample_raw: Path, tmp_path: Path) -> None:
    settings = Settings(tmp_path / "raw", tmp_path / "home")
    settings.raw.mkdir()
    may = (sample_raw / "ae" / "Monthly-AE-May-2019.csv").read_text()
    # None says which edition it is: of a month the one received later counts. Its bytes must not decide, so that one
    # month has them the other way round.
    april = may.replace("MSitAE-MAY-2019", "MSitAE-APRIL-2019")
    changed = {month: month.replace(",2733,", ",2734,").replace(",13275,", ",13276,") for month in (may, april)}
    for moment, of_may, of_april in ((FIRST, may, changed[april]), (SECOND, changed[may], april)):
        (settings.raw / f"may {moment:%H%M}.csv").write_text(of_may)
        (settings.raw / f"april {moment:%H%M}.csv").write_text(of_april)
        land(settings, moment)
    build_marts(settings, "stg_landing__extracts", "stg_landing__coverage")
    with reading(settings.warehouse) as con:
        found = con.execute(
            """
            SELECT f.file_name, f.received_at, c.known_from, c.known_to > TIMESTAMP '2019-10-28' AS is_current
            FROM raw.received_files f JOIN staging.stg_landing__coverage c USING (extract_id) ORDER BY 1
            """
        ).fetchall()
    assert found == [
        (f"{month} {moment:%H%M}.csv", moment, moment, moment == SECOND)
        for month in ("april", "may")
        for moment in (FIRST, SECOND)
    ]


@pytest.mark.usefixtures("london")
def test_times_of_runs_are_told_in_utc(tmp_path: Path) -> None:
    settings = Settings(tmp_path / "raw", tmp_path / "home")
    settings.home.mkdir()
    ended = SECOND.replace(tzinfo=UTC)
    times = {"started_at": FIRST.replace(tzinfo=UTC).isoformat(), "finished_at": ended.isoformat()}
    nights.record_run(settings, {"outcome": "published", "failures": [], **times})
    told = [f for f in doctor.examine(settings, ended + timedelta(minutes=5)) if f.topic in ("last run", "schedule")]
    assert told[0].found == "published, 2019-10-27 01:20 UTC"
    assert told[1].found.startswith("next at 2019-10-27 02:00 GMT (02:00 UTC)")
