"""ONS lookups of the year: CCGs in STPs from 2017, sub-ICB locations in ICBs from July 2022.

The systems have codes of their own, shaped as those of STPs and ICBs are; the parents that RTT and diagnostics name are
the area teams of before.
"""

from __future__ import annotations

from datetime import date
from pathlib import Path

import polars as pl

from ccg_pipeline.sample.files import write_plain
from ccg_pipeline.sample.national.country import REGIONS, SUB_ICBS_FROM, Country, letters
from ccg_pipeline.sample.national.tables import csv_bytes, financial_year

_FIRST_YEAR = 2017
_REGIONS_FROM = 2019
_ALPHABET_LENGTH = 34
_BYTE_ORDER_MARK = b"\xef\xbb\xbf"


def write_lookup(folder: Path, country: Country, month: date) -> list[Path]:
    """The lookup that holds in a month: that of its financial year; none before the first year."""
    year = financial_year(month)
    if year < _FIRST_YEAR:
        return []
    names = ("sub-icb-to-icb", "icb") if month >= SUB_ICBS_FROM else ("ccg-to-stp", "stp")
    path = folder / f"{names[0]}-{year}.csv"
    return [write_plain(path, _BYTE_ORDER_MARK + csv_bytes(_lookup(country, month)))]


def _lookup(country: Country, month: date) -> pl.DataFrame:
    year = financial_year(month)
    member, system = ("SICBL", "ICB") if month >= SUB_ICBS_FROM else ("CCG", "STP")
    short = f"{year % 100:02}"
    count = country.commissioners - 1
    systems = country.parents_of_commissioners[:count]
    regions = country.regions_of_commissioners
    columns = {
        f"{member}{short}CD": [f"E38{900_000 + n:06}" for n in range(count)],
        f"{member}{short}CDH": country.commissioner_codes[:count],
        f"{member}{short}NM": country.commissioner_names(month),
        f"{system}{short}CD": [f"E54{900_000 + n:06}" for n in systems],
        f"{system}{short}CDH": [system_code(n) for n in systems],
        f"{system}{short}NM": [f"NHS Made-up {n + 1} {system}" for n in systems],
    }
    if year >= _REGIONS_FROM:
        numbers = list(REGIONS)
        columns |= {
            f"NHSER{short}CD": [f"E4090000{numbers.index(region)}" for region in regions],
            f"NHSER{short}CDH": regions,
            f"NHSER{short}NM": [REGIONS[region] for region in regions],
        }
    return pl.DataFrame(columns).with_columns(pl.Series("ObjectId", range(1, count + 1)))


def system_code(number: int) -> str:
    """The code of a system, such as QB7; none of them exists."""
    first, second = divmod(number, _ALPHABET_LENGTH)
    return f"Q{'BCD'[first]}{letters(second, 1)}"
