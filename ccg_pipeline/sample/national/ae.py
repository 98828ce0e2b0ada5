"""A&E attendances and emergency admissions: the provider CSV of a month, with the headings of its time."""

from __future__ import annotations

import csv
import io
from datetime import date
from pathlib import Path

import numpy as np

from ccg_pipeline.sample.ae import HEADINGS as HEADINGS_TO_2020
from ccg_pipeline.sample.files import write_plain
from ccg_pipeline.sample.national.country import Country

_WITHOUT_NUMBER_OF_FROM = date(2020, 4, 1)
_BOOKED_FROM = date(2020, 8, 1)


def write_month(folder: Path, country: Country, month: date) -> list[Path]:
    """The extract of a month."""
    return [write_plain(folder / f"Monthly-AE-{month:%B-%Y}.csv", ae_month(country, month))]


def ae_month(country: Country, month: date) -> bytes:
    """A month of A&E by provider, two in five of those of RTT, and the total row."""
    rng = np.random.default_rng([country.seed, month.year, month.month, 2])
    places = country.trusts
    is_booked = month >= _BOOKED_FROM
    usual = np.random.default_rng([country.seed, 2]).lognormal(8.9, 0.5, places)
    shares = np.array([0.65, 0.03, 0.3, *((0.005, 0.001, 0.014) if is_booked else ())])
    seen = rng.poisson(np.outer(usual, shares))
    late = rng.binomial(seen, [0.4, 0.04, 0.03, *((0.1, 0.01, 0.01) if is_booked else ())])
    others = rng.poisson(np.outer(usual, [0.06, 0.02, 0.2, 0.001, 0.002, 0.07]))
    rows = np.hstack([seen, late, others])
    headings = list(HEADINGS_TO_2020)
    if month >= _WITHOUT_NUMBER_OF_FROM:
        headings = [heading.removeprefix("Number of ") for heading in headings]
        headings = [heading[:1].upper() + heading[1:] for heading in headings]
        headings[9] = "Attendances over 4hrs Other Department"
    if is_booked:
        kinds = ("Type 1", "Type 2", "Other Department")
        headings[10:10] = [f"Attendances over 4hrs Booked Appointments {kind}" for kind in kinds]
        headings[7:7] = [f"A&E attendances Booked Appointments {kind}" for kind in kinds]
    period = f"MSitAE-{month:%B-%Y}".upper()
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(headings)
    for code, name, counts in zip(country.provider_codes, country.provider_names, rows.tolist(), strict=False):
        writer.writerow([period, code, "NHS ENGLAND MADE-UP", name, *counts])
    total = ["TOTAL"] * 4 if month >= _WITHOUT_NUMBER_OF_FROM else ["", "", "", "TOTAL"]
    writer.writerow([*total, *rows.sum(axis=0).tolist()])
    return out.getvalue().encode()
