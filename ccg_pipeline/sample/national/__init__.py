"""Extracts of national size and shape, to try the pipeline on as much as it will ever be given.

All of it is made up: the organisations do not exist (`country`), and figures move from month to month as waiting lists
do, no more. A month of RTT has about 183,000 rows of 500 providers and 130 commissioners; the other datasets go with
it, one module each, in the layouts of their time where months decide, else in one of those that the readers know. What
a file states of itself holds. The same seed and month give the same figures, whatever other months are written; one
month is held at a time.

What England stopped publishing ends when it did: delayed transfers in February 2020, MAR in May 2020. HES MAR holds the
financial year up to the last month written, quarters are written with their last month, and a lookup of organisations
with the first month of its financial year that is written. There are no local returns.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from datetime import date
from pathlib import Path

from ccg_pipeline.months import months_later
from ccg_pipeline.sample.national import activity, ae, cancer, diagnostics, dtoc, organisations, quarters, rtt
from ccg_pipeline.sample.national.country import LAST_MONTH, SEED, Country

__all__ = ["DATASETS", "LAST_MONTH", "MOST_MONTHS", "SEED", "Country", "write_national"]

MOST_MONTHS = 120

# What writes the files that are published with a month, none where there is none; some of them zipped.
_ZIPPED: dict[str, Callable[[Path, Country, date, bool], list[Path]]] = {
    "rtt": rtt.write_month,
    "diagnostics": diagnostics.write_month,
}
_PLAIN: dict[str, Callable[[Path, Country, date], list[Path]]] = {
    "ae": ae.write_month,
    "cancer": cancer.write_month,
    "dtoc": dtoc.write_month,
    "mar": activity.write_mar,
    "beds": quarters.write_beds,
    "cancelled_operations": quarters.write_cancelled_operations,
}
DATASETS = (*_ZIPPED, *_PLAIN, "activity", "organisations")


def write_national(
    folder: Path,
    months: int,
    last: date = LAST_MONTH,
    country: Country | None = None,
    is_zipped: bool = True,
    datasets: Collection[str] = DATASETS,
) -> Iterator[Path]:
    """Write ``months`` months up to ``last`` under ``folder``, telling each file when it is written."""
    country = country or Country()

    def into(dataset: str) -> Path:
        (folder / dataset).mkdir(parents=True, exist_ok=True)
        return folder / dataset

    lookups: set[Path] = set()
    for back in reversed(range(months)):
        month = months_later(last, -back)
        for dataset, write_zipped in _ZIPPED.items():
            if dataset in datasets:
                yield from write_zipped(into(dataset), country, month, is_zipped)
        for dataset, write in _PLAIN.items():
            if dataset in datasets:
                yield from write(into(dataset), country, month)
        if "activity" in datasets and (month == last or month.month == 3):
            yield from activity.write_year_to_date(into("activity"), country, month)
        if "organisations" in datasets:
            for path in organisations.write_lookup(into("organisations"), country, month):
                if path not in lookups:
                    lookups.add(path)
                    yield path
