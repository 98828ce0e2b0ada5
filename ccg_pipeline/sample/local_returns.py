"""Local returns in the layout of the template: one csv of figures that no extract carries.

All of them are printed in the board paper. The last column of ``figures/local_returns.csv`` names its table and is not
returned. West Hertfordshire's delayed days of April 2019 are among them although an extract carries them too: they
were revised since, and stand beside the derived ones.
"""

from pathlib import Path

from ccg_pipeline.sample.figures import read_table
from ccg_pipeline.sample.files import csv_bytes, write_plain

HEADINGS = ("indicator_id", "provider_code", "org_code", "period", "value", "target", "status")


def write(folder: Path) -> list[Path]:
    """Write the one return: a row for each indicator, organisation and period."""
    rows = [HEADINGS, *([row[heading] for heading in HEADINGS] for row in read_table("local_returns"))]
    return [write_plain(folder / "Herts Valleys returns May 2019.csv", csv_bytes(rows))]
