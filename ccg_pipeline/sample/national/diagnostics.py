"""Diagnostic waiting times and activity (DM01): the full extract of a month, by provider, commissioner and test."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import numpy as np
import polars as pl

from ccg_pipeline.sample.national.country import Country, growth
from ccg_pipeline.sample.national.tables import by_week, csv_bytes, looked_up, text, write_extract

# The name of each test in the order of its number, and its share of all who wait.
_TESTS = {
    "Magnetic Resonance Imaging": 0.2,
    "Computed Tomography": 0.12,
    "Non-obstetric Ultrasound": 0.32,
    "Barium Enema": 0.001,
    "DEXA Scan": 0.035,
    "Audiology - Audiology Assessments": 0.05,
    "Cardiology - Echocardiography": 0.12,
    "Cardiology - Electrophysiology": 0.001,
    "Neurophysiology - Peripheral Neurophysiology": 0.015,
    "Respiratory physiology - Sleep Studies": 0.018,
    "Urodynamics - Pressures & Flows": 0.006,
    "Colonoscopy": 0.043,
    "Flexi Sigmoidoscopy": 0.014,
    "Cystoscopy": 0.018,
    "Gastroscopy": 0.039,
}
_BANDS = 14
_WAITING = 1_650_000  # patients waiting in all of England
_MEAN_WEEKS = 3.2
# For each patient waiting: tests from the list, planned and unscheduled.
_ACTIVITY = {"Waiting List Activity": 1.0, "Planned Activity": 0.17, "Unscheduled Activity": 0.31}


def write_month(folder: Path, country: Country, month: date, is_zipped: bool) -> list[Path]:
    """The extract of a month, zipped as published or as csv."""
    name = f"Monthly-Diagnostics-{month:%B-%Y}-full-extract"
    return [write_extract(folder, name, csv_bytes(diagnostics_month(country, month)), is_zipped)]


def diagnostics_month(country: Country, month: date) -> pl.DataFrame:
    """The rows of one month as published: a provider, commissioner and test with anyone waiting or tested, and the
    total of each provider and commissioner. Counts are patients and tests."""
    rng = country.draws(month, 3)
    pairs = country.lists.group_by("provider", "commissioner", maintain_order=True).agg(pl.col("size").sum())
    shares = np.array(list(_TESTS.values()))
    # Small providers have some of the tests only.
    is_offered = country.usual(3).random((country.providers, len(shares))) < np.sqrt(shares)[None, :] + 0.35
    provider = pairs["provider"].to_numpy()
    expected = np.outer(pairs["size"].to_numpy(), shares) * is_offered[provider]
    waiting = _WAITING * min(1.0, country.providers / 500) * growth(month)
    usual = (expected / expected.sum() * waiting).ravel()
    counts = rng.poisson(usual)
    weeks = np.repeat(country.waits[provider] / country.waits.mean() * _MEAN_WEEKS, len(shares))
    bands = [f"{w:02} < {w + 1:02} {'Week' if w == 0 else 'Weeks'}" for w in range(_BANDS - 1)] + ["13+ Weeks"]
    frame = pl.DataFrame(by_week(rng, counts, weeks, _BANDS), schema=bands).with_columns(
        pl.Series("provider", np.repeat(provider, len(shares))),
        pl.Series("commissioner", np.repeat(pairs["commissioner"].to_numpy(), len(shares))),
        pl.Series("test", np.tile(np.arange(len(shares)), len(provider))),
        pl.Series("Total WL", counts),
        *(pl.Series(name, rng.poisson(usual * share)) for name, share in _ACTIVITY.items()),
    )
    frame = frame.with_columns(pl.sum_horizontal(*_ACTIVITY).alias("Total Activity"))
    frame = frame.filter(pl.col("Total WL") + pl.col("Total Activity") > 0)
    totals = frame.group_by("provider", "commissioner").agg(
        pl.lit(len(shares), pl.Int64).alias("test"), pl.exclude("provider", "commissioner", "test").sum()
    )
    rows = pl.concat([frame, totals.select(frame.columns)]).sort("provider", "commissioner", "test")
    return _named(rows, country, month, [*bands, "Total WL", *_ACTIVITY, "Total Activity"])


def _named(rows: pl.DataFrame, country: Country, month: date, counts: list[str]) -> pl.DataFrame:
    """The rows with codes, names and headings as published."""
    provider_parent = looked_up("provider", country.parents_of_providers)
    parents = [*country.parents_of_commissioners[:-1], country.parents]
    commissioner_parent = looked_up("commissioner", parents)
    return rows.select(
        pl.lit(f"DM01-{month:%B-%Y}".upper()).alias("Period"),
        text(provider_parent, country.parent_codes).alias("Provider Parent Org Code"),
        text(provider_parent, country.parent_names).alias("Provider Parent Name"),
        text(pl.col("provider"), country.provider_codes).alias("Provider Org Code"),
        text(pl.col("provider"), country.provider_names).alias("Provider Org Name"),
        text(commissioner_parent, [*country.parent_codes, ""]).alias("Commissioner Parent Org Code"),
        text(commissioner_parent, [*country.parent_names, ""]).alias("Commissioner Parent Name"),
        text(pl.col("commissioner"), country.commissioner_codes).alias("Commissioner Org Code"),
        text(pl.col("commissioner"), [*country.commissioner_names(month), "#N/A"]).alias("Commissioner Org Name"),
        (pl.col("test") + 1).alias("Diagnostic Tests Sort Order"),
        text(pl.col("test"), [*_TESTS, "TOTAL"]).alias("Diagnostic Tests"),
        *counts,
    )
