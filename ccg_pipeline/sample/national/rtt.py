"""Referral to treatment: the full extract of a month, with 105 weekly bands (53 to March 2021), most of them empty.

What a file states of itself holds: totals of treatment functions, `Total` and `Total All` as each part prints them,
part 2A within part 2, patients from outside England (NONC).
"""

from __future__ import annotations

import calendar
from datetime import date
from pathlib import Path

import numpy as np
import polars as pl

from ccg_pipeline.sample.national.country import FUNCTIONS, Country, growth
from ccg_pipeline.sample.national.tables import by_week, csv_bytes, looked_up, text, write_extract
from ccg_pipeline.sample.rtt import TOTAL_FUNCTION

_BANDS_105_FROM = date(2021, 4, 1)
# Part, description, and how many for each pathway that is waiting.
_PARTS = (
    ("Part_1A", "Completed Pathways For Admitted Patients", 0.05),
    ("Part_1B", "Completed Pathways For Non-Admitted Patients", 0.15),
    ("Part_2", "Incomplete Pathways", 1.0),
    ("Part_2A", "Incomplete Pathways with DTA", 0.16),
    ("Part_3", "New RTT Periods - All Patients", 0.21),
)
_COMPLETED = ("Part_1A", "Part_1B")
_INCOMPLETE, _DECIDED, _NEW = "Part_2", "Part_2A", "Part_3"


def write_month(folder: Path, country: Country, month: date, is_zipped: bool) -> list[Path]:
    """The extract of a month, zipped as published or as csv."""
    last_day = calendar.monthrange(month.year, month.month)[1]
    name = f"{month:%Y%m}{last_day}-RTT-{month:%B-%Y}-full-extract"
    return [write_extract(folder, name, csv_bytes(rtt_month(country, month)), is_zipped)]


def rtt_month(country: Country, month: date) -> pl.DataFrame:
    """The rows of one month as published: text and counts (pathways, or new periods in part 3)."""
    rng = np.random.default_rng([country.seed, month.year, month.month])
    bands = 105 if month >= _BANDS_105_FROM else 53
    lists = country.lists
    provider = lists["provider"].to_numpy()
    # Lists move by some per cent from month to month.
    usual = lists["size"].to_numpy() * growth(month) * rng.uniform(0.97, 1.03, country.providers)[provider]
    waiting = by_week(rng, rng.poisson(usual), country.waits[provider], bands)
    parts = []
    for part, description, share in _PARTS:
        unknown = None
        if part == _INCOMPLETE:
            counts = waiting
        elif part == _DECIDED:
            counts = rng.binomial(waiting, share)
        elif part == _NEW:
            counts = rng.poisson(usual * share)[:, None]
        else:
            counts = by_week(rng, rng.poisson(usual * share), country.waits[provider] * 0.8, bands)
            unknown = rng.binomial(counts.sum(axis=1), 0.002)
        parts.append(_part(lists, part, description, counts, unknown, bands))
    rows = pl.concat(parts).sort("provider", "commissioner", "part", "function")
    return _named(rows, country, month, bands)


def _part(
    lists: pl.DataFrame, part: str, description: str, counts: np.ndarray, unknown: np.ndarray | None, bands: int
) -> pl.DataFrame:
    """The rows of a part, each list that has anyone and the total of each provider and commissioner."""
    names = [f"band_{week}" for week in range(bands)]
    known = counts.sum(axis=1)
    everyone = known if unknown is None else known + unknown
    frame = pl.DataFrame(
        counts if part != _NEW else np.zeros((len(counts), 0), dtype=np.int64),
        schema=names if part != _NEW else [],
    )
    frame = lists.select("provider", "commissioner", "function").with_columns(
        *frame, pl.Series("unknown", unknown if unknown is not None else np.zeros(len(known), dtype=np.int64)),
        pl.Series("everyone", everyone),
    )  # fmt: skip
    frame = frame.filter(pl.col("everyone") > 0)
    totals = frame.group_by("provider", "commissioner").agg(
        pl.lit(len(FUNCTIONS), pl.Int64).alias("function"),
        pl.exclude("provider", "commissioner", "function").sum(),
    )
    frame = pl.concat([frame, totals.select(frame.columns)])
    is_completed = part in _COMPLETED
    nothing = pl.lit(None, pl.Int64)
    return frame.select(
        "provider",
        "commissioner",
        pl.lit(part).alias("part"),
        pl.lit(description).alias("description"),
        "function",
        *((nothing.alias(name) for name in names) if part == _NEW else names),
        (pl.col("everyone") - pl.col("unknown") if is_completed else nothing).alias("Total"),
        (pl.col("unknown") if is_completed else nothing).alias("Patients with unknown clock start date"),
        pl.col("everyone").alias("Total All"),
    )


def _named(rows: pl.DataFrame, country: Country, month: date, bands: int) -> pl.DataFrame:
    """The rows with codes, names and headings as published. Every fifth provider leaves empty bands blank."""
    codes = country.commissioner_codes
    functions = {**FUNCTIONS, TOTAL_FUNCTION: "Total"}
    service = " Service" if month >= _BANDS_105_FROM else ""
    outside = pl.col("commissioner") == len(codes) - 1
    provider_parent = looked_up("provider", country.parents_of_providers)
    commissioner_parent = looked_up("commissioner", country.parents_of_commissioners)
    parent_codes, parent_names = country.parent_codes, country.parent_names
    weeks = [
        pl.when((pl.col("provider") % 5 == 0) & (pl.col(f"band_{week}") == 0))
        .then(None)
        .otherwise(pl.col(f"band_{week}"))
        .alias(f"Gt {week:02} To {week + 1:02} Weeks SUM 1" if week < bands - 1 else f"Gt {week} Weeks SUM 1")
        for week in range(bands)
    ]
    nobody = pl.lit(None, pl.String)
    return rows.select(
        pl.lit(f"RTT-{month:%B-%Y}").alias("Period"),
        text(provider_parent, parent_codes).alias("Provider Parent Org Code"),
        text(provider_parent, parent_names).alias("Provider Parent Name"),
        text(pl.col("provider"), country.provider_codes).alias("Provider Org Code"),
        text(pl.col("provider"), country.provider_names).alias("Provider Org Name"),
        pl.when(outside)
        .then(nobody)
        .otherwise(text(commissioner_parent, parent_codes))
        .alias("Commissioner Parent Org Code"),
        pl.when(outside)
        .then(nobody)
        .otherwise(text(commissioner_parent, parent_names))
        .alias("Commissioner Parent Name"),
        text(pl.col("commissioner"), codes).alias("Commissioner Org Code"),
        text(pl.col("commissioner"), [*country.commissioner_names(month), "#N/A"]).alias("Commissioner Org Name"),
        pl.col("part").alias("RTT Part Type"),
        pl.col("description").alias("RTT Part Description"),
        text(pl.col("function"), list(functions)).alias("Treatment Function Code"),
        text(
            pl.col("function"),
            [n if n == "Total" or "Services" in n else f"{n}{service}" for n in functions.values()],
        ).alias("Treatment Function Name"),
        *weeks,
        "Total",
        "Patients with unknown clock start date",
        "Total All",
    )
