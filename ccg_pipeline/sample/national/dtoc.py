"""Delayed transfers of care: the provider extract of a month, to February 2020, with the headings of its last years."""

from __future__ import annotations

import calendar
from datetime import date
from pathlib import Path

import numpy as np
import polars as pl

from ccg_pipeline.sample.dtoc import HEADINGS
from ccg_pipeline.sample.figures import read_table
from ccg_pipeline.sample.files import write_plain
from ccg_pipeline.sample.national.country import REGIONS, Country, letters
from ccg_pipeline.sample.national.tables import csv_bytes, text

LAST = date(2020, 2, 1)
_DAYS = 150_000  # delayed in a month in all of England
# Who the delay is attributed to: column of dtoc_reasons.csv, and its part of the days.
_ATTRIBUTIONS = (("nhs_weight", 0.62), ("social_weight", 0.3), ("both_weight", 0.08))
_ACUTE = 0.65  # the part of the days in acute care


def write_month(folder: Path, country: Country, month: date) -> list[Path]:
    """The extract of a month; none after the last that was published."""
    if month > LAST:
        return []
    content = csv_bytes(dtoc_month(country, month), line_end="\r\n")
    return [write_plain(folder / f"{_period(month)}-full-extract.csv", content)]


def _period(month: date) -> str:
    return "MSitDT-" + f"{month:%B-%Y}".upper()


def dtoc_month(country: Country, month: date) -> pl.DataFrame:
    """The rows of one month as published: every setting and reason of each trust and local authority that sends it
    patients. Counts are delayed days; beds are days over the days of the month."""
    rng = country.draws(month, 5)
    trust, authority, weight = _served(country)
    reasons = read_table("dtoc_reasons")
    rows = [("Acute", r) for r in reasons if r["acute_weight"] == "1"] + [("Non-Acute", r) for r in reasons]
    days = _DAYS * min(1.0, country.providers / 500)
    counts = []
    for column, part in _ATTRIBUTIONS:
        shares = np.array([float(r[column]) * (_ACUTE if care == "Acute" else 1 - _ACUTE) for care, r in rows])
        counts.append(rng.poisson(np.outer(weight * days * part, shares / shares.sum())).ravel())
    in_month = calendar.monthrange(month.year, month.month)[1]
    many = len(rows)
    frame = pl.DataFrame(
        {
            "trust": np.repeat(trust, many),
            "authority": np.repeat(authority, many),
            "row": np.tile(np.arange(many), len(trust)),
        }
    ).with_columns(pl.Series(f"days_{number}", days_of) for number, days_of in enumerate(counts))
    authorities = range(country.local_authorities)
    cells = []
    for number in range(len(counts)):
        cells += [(pl.col(f"days_{number}") / in_month).round(9), pl.col(f"days_{number}")]
    columns = [
        pl.lit(_period(month)),
        text(pl.col("trust"), country.regions_of_providers[: country.trusts]),
        text(pl.col("trust"), [REGIONS[r].upper() for r in country.regions_of_providers[: country.trusts]]),
        text(pl.col("trust"), country.provider_codes[: country.trusts]),
        text(pl.col("trust"), country.provider_names[: country.trusts]),
        text(pl.col("authority"), [f"99{letters(n, 2)}" for n in authorities]),
        text(pl.col("authority"), [f"MADE-UP COUNTY {n + 1}" for n in authorities]),
        text(pl.col("row"), [care for care, _ in rows]),
        text(pl.col("row"), [reason["reason"] for _, reason in rows]),
        *cells,
    ]
    return frame.select(column.alias(heading) for column, heading in zip(columns, HEADINGS, strict=True))


def _served(country: Country) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Trusts and local authorities, each pair once in order of the trust, and the share of all days of each pair."""
    rng = country.usual(5)
    size = rng.lognormal(0, 0.9, country.trusts)
    reach = np.clip(rng.lognormal(1.4, 0.6, country.trusts), 1, country.local_authorities).astype(int)
    trust = np.repeat(np.arange(country.trusts), reach)
    place = np.concatenate([np.arange(count) for count in reach])
    home = trust * country.local_authorities // country.trusts
    weight = size[trust] / (1 + place) ** 2
    return trust, (home + place) % country.local_authorities, weight / weight.sum()
