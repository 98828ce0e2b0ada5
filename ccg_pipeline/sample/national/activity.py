"""Hospital activity: HES MAR, a csv a financial year from 2017-18, and MAR, a table of each month to May 2020."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import numpy as np
import polars as pl

from ccg_pipeline.sample.activity import FINAL_REPORTING_PERIOD, ID_HEADINGS, LARGEST_SUPPRESSED, SPECIALTY_GROUPS
from ccg_pipeline.sample.figures import read_table
from ccg_pipeline.sample.files import csv_bytes as rows_as_csv
from ccg_pipeline.sample.files import write_plain
from ccg_pipeline.sample.national.country import REGIONS, Country, growth
from ccg_pipeline.sample.national.tables import csv_bytes, year_text, year_to_date

HES_FROM, MAR_LAST = date(2017, 4, 1), date(2020, 5, 1)

# What England counts in a month of the specific acute specialties.
_PARTS = {
    "ordinary_elective": 118_000,
    "daycase_elective": 570_000,
    "non_elective": 505_000,
    "first_gp": 995_000,
    "first_other": 620_000,
    "first_dna": 140_000,
    "subsequent_seen": 3_200_000,
    "subsequent_dna": 290_000,
}
_MAR = {
    "Elective G&A Ordinary Admissions (FFCEs)": 105_000,
    "Elective G&A Daycase Admissions (FFCEs)": 560_000,
    "Elective G&A Total Admissions (FFCEs)": None,
    "Elective G&A Planned Ordinary Admissions (FFCEs)": 20_000,
    "Elective G&A Planned Daycase Admissions (FFCEs)": 190_000,
    "Elective G&A Planned Total Admissions (FFCEs)": None,
    "Elective G&A Admissions (FFCEs) -NHS Treatment Centres (TCs) ": 9_000,
    "Total Non-elective G&A Admissions (FFCEs)": 490_000,
    "GP Referrals Made (All specialties) ": 1_180_000,
    "GP Referrals Seen (All specialties) ": 930_000,
    "GP Referrals Made (G&A) ": 1_060_000,
    "GP Referrals Seen (G&A) ": 850_000,
    "Other Referrals Made (G&A) ": 640_000,
    "All 1st Outpatient Attendances (G&A) ": 1_600_000,
}


def write_year_to_date(folder: Path, country: Country, month: date) -> list[Path]:
    """HES MAR of the financial year of a month, up to it; a year that is over is published as it closed."""
    if month < HES_FROM:
        return []
    months = year_to_date(month)
    number = FINAL_REPORTING_PERIOD if month.month == 3 else len(months)
    rows = pl.concat([hes_month(country, each, number) for each in months])
    return [write_plain(folder / f"HES MAR {year_text(month)} M{number:02}.csv", csv_bytes(rows))]


def hes_month(country: Country, month: date, reporting_period: int) -> pl.DataFrame:
    """The rows of one month as published: England, regions, CCGs and providers. Counts are rounded to 5 below England,
    and those of 1 to 7 are `*`."""
    rng = country.draws(month, 7)
    usual = np.array([*_PARTS.values()]) * min(1.0, country.providers / 500) * growth(month)
    england = rng.poisson(usual)
    regions = list(REGIONS)
    ccgs = _shared(rng, england, country.commissioner_sizes)
    providers = _shared(rng, england, country.provider_sizes)
    of_ccgs, of_providers = country.regions_of_commissioners, country.regions_of_providers
    nothing = ["-"] * len(regions)
    names = [name.upper() for name in REGIONS.values()]
    count = len(ccgs)
    kinds = (
        ("National", ["All"], ["-"], ["-"], england[None, :]),
        ("Region of CCG", nothing, nothing, regions, _by_region(ccgs, of_ccgs)),
        ("Region of Provider", nothing, nothing, regions, _by_region(providers, of_providers)),
        ("CCG", country.commissioner_codes[:count], country.commissioner_names(month), of_ccgs, ccgs),
        ("Provider", country.provider_codes, country.provider_names, of_providers, providers),
    )
    frames = []
    for breakdown, codes, org_names, org_regions, parts in kinds:
        identity = (
            *(pl.lit(t) for t in (year_text(month), str(reporting_period), f"{month:%b %Y}", breakdown)),
            *(pl.lit(pl.Series(values)) for values in (codes, org_names, org_regions)),
            pl.lit(pl.Series(["-" if r == "-" else names[regions.index(r)] for r in org_regions])),
        )
        named = (column.alias(heading) for column, heading in zip(identity, ID_HEADINGS, strict=True))
        frames.append(_measures(parts, breakdown == "National").select(*named, pl.all()))
    return pl.concat(frames)


def _shared(rng: np.random.Generator, england: np.ndarray, shares: np.ndarray) -> np.ndarray:
    """One row an organisation, one column a count of England, which they add up to."""
    return np.stack([rng.multinomial(count, shares) for count in england], axis=1)


def _by_region(counts: np.ndarray, regions: list[str]) -> np.ndarray:
    return np.stack([counts[[r == region for r in regions]].sum(axis=0) for region in REGIONS])


def _measures(parts: np.ndarray, is_exact: bool) -> pl.DataFrame:
    """The ten measures of each specialty group, as published."""
    measures = read_table("activity_measures")
    place = {part: number for number, part in enumerate(_PARTS)}
    per_thousand = np.array(
        [next(int(m["all_specialties_per_1000"]) for m in measures if m["parts"] == p) for p in place]
    )
    columns = {}
    for group, counts in zip(SPECIALTY_GROUPS, (parts, parts * per_thousand // 1000), strict=True):
        for measure in measures:
            added = sum(counts[:, place[part]] for part in measure["parts"].split("|"))
            columns[f"{group}: {measure['heading']}"] = added
    frame = pl.DataFrame(columns)
    if is_exact:
        return frame.select(pl.all().cast(pl.String))
    return frame.select(
        pl.when(pl.col(name).is_between(1, LARGEST_SUPPRESSED))
        .then(pl.lit("*"))
        .otherwise(((pl.col(name) + 2) // 5 * 5).cast(pl.String))
        .alias(name)
        for name in frame.columns
    )


def write_mar(folder: Path, country: Country, month: date) -> list[Path]:
    """MAR of a month by commissioner, as text; none after the last that was published."""
    if month > MAR_LAST:
        return []
    return [write_plain(folder / f"MAR-commissioner-{month:%B-%Y}.csv", rows_as_csv(_mar_rows(country, month)))]


def _mar_rows(country: Country, month: date) -> list[list[str]]:
    rng = country.draws(month, 6)
    scale = min(1.0, country.providers / 500) * growth(month)
    counts: dict[str, np.ndarray] = {}
    parts: list[np.ndarray] = []
    for heading, usual in _MAR.items():
        if usual is None:
            counts[heading], parts = parts[0] + parts[1], []
        else:
            counts[heading] = rng.poisson(usual * scale * country.commissioner_sizes)
            parts.append(counts[heading])
    front = {
        "Title:": "Monthly Hospital Activity",
        "Period:": f"{month:%B %Y}",
        "Source:": "Monthly Activity Return, made up",
        "Basis:": "Commissioner",
        "Revised:": "-",
        "Status:": "Public",
    }
    rows = [[label, text] for label, text in front.items()]
    rows += [[], ["Commissioner Level Data"]]
    rows.append(["Year", "Period", "Region Code", "Region Name", "Org Code", "Org Name", *counts])
    of_month = [year_text(month), f"{month:%B}"]
    table = np.stack(list(counts.values()), axis=1)
    rows.append([*of_month, "", "", "", "England", *map(_in_words, table.sum(axis=0))])
    rows.append([])
    identity = zip(
        country.regions_of_commissioners,
        country.commissioner_codes,
        country.commissioner_names(month),
        table,
        strict=False,
    )
    for region, code, name, figures in identity:
        rows.append([*of_month, region, f"{REGIONS[region].upper()} REGION", code, name, *map(_in_words, figures)])
    width = len(rows[len(front) + 2])
    return [[*row, *[""] * (width - len(row))] for row in rows]


def _in_words(count: int) -> str:
    return f" {count:,} " if count else " -   "
