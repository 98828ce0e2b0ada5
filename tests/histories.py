"""Random histories of a landing folder: arrivals, revisions, removals, nights that publish and nights that do not.

To show that what dbt keeps from night to night is what it makes of everything at once.
"""

from __future__ import annotations

import random
from collections import Counter
from datetime import date, datetime, timedelta

from dbt_builds import build_marts

from ccg_pipeline import warehouse
from ccg_pipeline.landing import loading
from ccg_pipeline.months import months_later
from ccg_pipeline.sample.national import Country, rtt
from ccg_pipeline.settings import Settings

FIRST = date(2022, 5, 1)  # over the change from CCGs to sub-ICB locations
_MONTHS = 4
_FIRST_NIGHT = datetime(2026, 11, 2, 1, 30)


class History:
    """The landing folder and warehouse of an installation that few files of RTT reach, night by night."""

    def __init__(self, settings: Settings, seed: int, *select: str) -> None:
        self.settings, self.select = settings, select
        self.random = random.Random(seed)
        self.night = 0
        self.happened: Counter[str] = Counter()
        self._written = 0
        (settings.raw / "rtt").mkdir(parents=True)

    def live(self, nights: int) -> None:
        """So many nights, each after one or two events, with an incremental build at the end of each."""
        for _ in range(nights):
            for event in self.random.choices(
                (self.a_file_arrives, self.a_file_goes, self.a_reader_changes), weights=(6, 3, 1), k=2
            ):
                event()
            self._pass_night()

    def a_file_arrives(self) -> None:
        """A month, new or with other figures than before."""
        self._written += 1
        month = months_later(FIRST, self.random.randrange(_MONTHS))
        country = Country(seed=self._written, providers=6, commissioners=5, parents=2)
        path = self.settings.raw / "rtt" / f"{self._written}.csv"
        path.write_bytes(rtt.rtt_month(country, month).write_csv().encode())
        self.happened["arrived"] += 1

    def a_file_goes(self) -> None:
        """Withdrawn where no publication holds it; else it counts as before."""
        files = sorted((self.settings.raw / "rtt").iterdir())
        if files:
            self.random.choice(files).unlink()
            self.happened["removed"] += 1

    def a_reader_changes(self) -> None:
        """All that is in the folder is read again."""
        if self.settings.warehouse.exists():
            with warehouse.writing(self.settings.warehouse) as con:
                con.execute("UPDATE raw.extracts SET reader_version = 'an older one'")
            self.happened["read again"] += 1

    def _pass_night(self) -> None:
        self.night += 1
        loading.receive(self.settings, _FIRST_NIGHT + timedelta(days=self.night), lambda _: None)
        loading.load(self.settings, "rtt", lambda _: None)
        if self.random.random() < 0.25:
            loading.hold_back(self.settings, ["rtt"], "held back by the test")
            self.happened["held back"] += 1
        build_marts(self.settings, *self.select)
        if self.random.random() < 0.6:
            with warehouse.writing(self.settings.warehouse) as con:
                loading.mark_published(con)
            self.happened["published"] += 1
