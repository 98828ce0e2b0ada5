"""Writes a small landing folder in the layouts NHS England published: ``ccg sample DIR``.

Fifteen months, March 2018 to May 2019, of three commissioners (East & North Hertfordshire 06K, Herts Valleys
06N, West Essex 07H) and the trusts they commission from. The same call writes the same bytes, always.

What belongs here: the published layouts with their quirks, one module a dataset, and in ``figures/`` the
figures they carry. A figures file with the columns ``indicator_id, org_code, period, ...`` holds printed facts
and names the source of each; every other file there holds organisation names, layouts, or sizes marked
``illustrative``, which fill in what no paper prints. Indicators derived from the sample equal the printed ones;
anything else in it is made up and says nothing about any organisation.

What does not belong here: reading extracts, what counts towards an indicator, standards. Nothing in the
pipeline reads this package; it meets the rest of the project only through the files it writes.
"""

from pathlib import Path

from ccg_pipeline.sample import activity, ae, cancer, dtoc, local_returns, rtt

DATASETS = {
    "ae": ae.write,
    "cancer": cancer.write,
    "dtoc": dtoc.write,
    "rtt": rtt.write,
    "activity": activity.write,
    "local_returns": local_returns.write,
}


def write_sample(folder: Path) -> list[Path]:
    """Write the sample extracts under ``folder``, one folder a dataset, and return their paths.

    ``folder`` is made where it does not exist; sample files already there are written again, other files
    are left alone. 15 files each of ae, cancer, dtoc and rtt, one a month, 3 of activity, one a
    financial year, and 1 local return.
    """
    written: list[Path] = []
    for dataset, write in DATASETS.items():
        target = folder / dataset
        target.mkdir(parents=True, exist_ok=True)
        written.extend(write(target))
    return written
