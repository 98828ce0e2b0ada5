"""Random histories of a landing folder: arrivals, revisions, removals, nights that publish and nights that do not.

To show that what dbt keeps from night to night is what it makes of everything at once.
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable
from datetime import date, datetime, timedelta
from pathlib import Path

from dbt_builds import WITHOUT_TESTS, dbt, manifest

from ccg_pipeline import warehouse
from ccg_pipeline.assets.kept_models import KeptModels
from ccg_pipeline.landing import loading
from ccg_pipeline.months import months_later
from ccg_pipeline.sample.national import Country, ae, diagnostics, dtoc, organisations, quarters, rtt
from ccg_pipeline.settings import Settings

_MONTHS = 4
_FIRST_NIGHT = datetime(2026, 11, 2, 1, 30)
# The first month of each dataset: over the change from CCGs to sub-ICB locations, and before the last of DTOC, whose
# rates rest on beds too.
_FIRST = {
    "rtt": date(2022, 5, 1),
    "ae": date(2022, 5, 1),
    "diagnostics": date(2022, 5, 1),
    "dtoc": date(2018, 5, 1),
    "beds": date(2018, 4, 1),
    "organisations": date(2022, 5, 1),
}
_WRITERS: dict[str, Callable[[Path, Country, date], list[Path]]] = {
    "rtt": lambda folder, country, month: rtt.write_month(folder, country, month, False),
    "ae": ae.write_month,
    "diagnostics": lambda folder, country, month: diagnostics.write_month(folder, country, month, False),
    "dtoc": dtoc.write_month,
    "beds": lambda folder, country, month: quarters.write_beds(folder, country, month.replace(month=6)),
    "organisations": organisations.write_lookup,
}


class History:
    """The landing folder and warehouse of an installation that few files reach, most of RTT, night by night."""

    def __init__(self, settings: Settings, seed: int, *select: str) -> None:
        self.settings, self.select = settings, select
        self.random = random.Random(seed)
        self.night = 0
        self.happened: Counter[str] = Counter()
        self._written = 0
        settings.raw.mkdir(parents=True)

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
        dataset = self.random.choices(list(_WRITERS), weights=(5, 2, 1, 1, 1, 1))[0]
        month = months_later(_FIRST[dataset], self.random.randrange(_MONTHS))
        country = Country(seed=self._written, providers=6, commissioners=5, parents=2)
        folder = self.settings.raw / str(self._written)
        folder.mkdir()
        assert _WRITERS[dataset](folder, country, month)
        self.happened["arrived"] += 1

    def a_file_goes(self) -> None:
        """Withdrawn where no publication holds it; else it counts as before."""
        files = sorted(path for path in self.settings.raw.rglob("*") if path.is_file())
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
        for dataset in _WRITERS:
            loading.load(self.settings, dataset, lambda _: None)
        if self.random.random() < 0.25:
            loading.hold_back(self.settings, ["rtt"], "held back by the test")
            self.happened["held back"] += 1
        kept = KeptModels(self.settings, manifest())
        select = ("--select", *self.select) if self.select else ()
        dbt(self.settings, *WITHOUT_TESTS, *select, *kept.arguments)
        self.happened["left out"] += len(kept.left_out)
        if self.random.random() < 0.1:
            self.happened["killed"] += 1  # before it could say what it made
        else:
            kept.vouch()
        if self.random.random() < 0.6:
            with warehouse.writing(self.settings.warehouse) as con:
                loading.mark_published(con)
            self.happened["published"] += 1
