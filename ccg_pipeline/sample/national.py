"""Extracts of national size and shape, to try the pipeline on as much as it will ever be given.

A month of RTT has about 183,000 rows of 500 providers and 130 commissioners, with 105 weekly bands (53 to March 2021),
most of them empty; a month of A&E has 200 providers. All of it is made up: the organisations do not exist (their codes
begin with Z and 9), and figures move from month to month as waiting lists do, no more. What a file states of itself
holds: totals of treatment functions, `Total` and `Total All` as each part prints them, part 2A within part 2, patients
from outside England (NONC). The same seed and month give the same figures, whatever other months are written; one month
is held at a time.
"""

from __future__ import annotations

import calendar
import csv
import io
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from functools import cached_property
from pathlib import Path

import numpy as np
import polars as pl

from ccg_pipeline.months import months_later
from ccg_pipeline.sample.ae import HEADINGS as AE_HEADINGS_TO_2020
from ccg_pipeline.sample.files import write_plain, write_zip
from ccg_pipeline.sample.rtt import TOTAL_FUNCTION

LAST_MONTH = date(2025, 3, 1)
MOST_MONTHS = 120
SEED = 1

_BANDS_105_FROM = date(2021, 4, 1)
_SUB_ICBS_FROM = date(2022, 7, 1)
_AE_WITHOUT_NUMBER_OF_FROM = date(2020, 4, 1)
_AE_BOOKED_FROM = date(2020, 8, 1)

_FUNCTIONS = {
    "C_100": "General Surgery",
    "C_101": "Urology",
    "C_110": "Trauma and Orthopaedic",
    "C_120": "Ear Nose and Throat",
    "C_130": "Ophthalmology",
    "C_140": "Oral Surgery",
    "C_150": "Neurosurgical",
    "C_160": "Plastic Surgery",
    "C_170": "Cardiothoracic Surgery",
    "C_300": "General Internal Medicine",
    "C_301": "Gastroenterology",
    "C_320": "Cardiology",
    "C_330": "Dermatology",
    "C_340": "Respiratory Medicine",
    "C_400": "Neurology",
    "C_410": "Rheumatology",
    "C_430": "Elderly Medicine",
    "C_502": "Gynaecology",
    "X02": "Other - Medical Services",
    "X03": "Other - Mental Health Services",
    "X04": "Other - Paediatric Services",
    "X05": "Other - Surgical Services",
    "X06": "Other - Other Services",
}
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
_LISTED = 7_000_000  # pathways waiting in all of England


@dataclass(frozen=True)
class Country:
    """The made-up organisations, and how many wait where: the same for every month of a seed."""

    seed: int = SEED
    providers: int = 500
    commissioners: int = 130
    parents: int = 42

    @property
    def provider_codes(self) -> list[str]:
        return [f"Z{_letters(number, 2)}" for number in range(self.providers)]

    @property
    def commissioner_codes(self) -> list[str]:
        """The last one is of patients from outside England."""
        return [*(f"9{_letters(number, 2)}" for number in range(self.commissioners - 1)), "NONC"]

    @cached_property
    def lists(self) -> pl.DataFrame:
        """One row a provider, commissioner and treatment function: their numbers, and ``size``, the pathways usually
        waiting there; in order of provider, commissioner and function."""
        rng = np.random.default_rng(self.seed)
        size = rng.lognormal(0, 1.4, self.providers)
        reach = np.clip(rng.lognormal(2.26, 0.95, self.providers), 1, self.commissioners).astype(int)
        breadth = np.clip((size * 5).astype(int) + 2, 2, len(_FUNCTIONS))
        provider, commissioner, function, weight = [], [], [], []
        for number in range(self.providers):
            home = number * self.commissioners // self.providers
            # The nearest send most, and one in a few thousand comes from outside England.
            served = (home + np.arange(reach[number])) % self.commissioners
            share = 1 / (1 + np.arange(reach[number])) ** 2.2
            offered = rng.choice(len(_FUNCTIONS), breadth[number], replace=False)
            popular = rng.dirichlet(np.full(len(offered), 1.2))
            expected = size[number] * np.outer(share / share.sum(), popular)
            order = np.argsort(served, kind="stable")
            by_function = np.argsort(offered)
            provider.append(np.full(expected.size, number))
            commissioner.append(np.repeat(served[order], len(offered)))
            function.append(np.tile(offered[by_function], reach[number]))
            weight.append(expected[order][:, by_function].ravel())
        frame = pl.DataFrame(
            {
                "provider": np.concatenate(provider),
                "commissioner": np.concatenate(commissioner),
                "function": np.concatenate(function),
                "size": np.concatenate(weight),
            }
        )
        listed = _LISTED * min(1.0, self.providers / 500)
        return frame.with_columns(pl.col("size") / pl.col("size").sum() * listed)

    @cached_property
    def waits(self) -> np.ndarray:
        """Mean weeks waited, by provider."""
        return np.random.default_rng([self.seed, 1]).uniform(7, 17, self.providers)


def write_national(
    folder: Path,
    months: int,
    last: date = LAST_MONTH,
    country: Country | None = None,
    is_zipped: bool = True,
) -> Iterator[Path]:
    """Write ``months`` months up to ``last`` of RTT and A&E under ``folder``, telling each file when it is written."""
    country = country or Country()
    for dataset in ("rtt", "ae"):
        (folder / dataset).mkdir(parents=True, exist_ok=True)
    for back in reversed(range(months)):
        month = months_later(last, -back)
        last_day = calendar.monthrange(month.year, month.month)[1]
        name = f"{month:%Y%m}{last_day}-RTT-{month:%B-%Y}-full-extract"
        content = rtt_month(country, month).write_csv().encode()
        if is_zipped:
            yield write_zip(folder / "rtt" / f"{name}.zip", f"{name}.csv", content)
        else:
            yield write_plain(folder / "rtt" / f"{name}.csv", content)
        yield write_plain(folder / "ae" / f"Monthly-AE-{month:%B-%Y}.csv", ae_month(country, month))


def rtt_month(country: Country, month: date) -> pl.DataFrame:
    """The rows of one month as published: text and counts (pathways, or new periods in part 3)."""
    rng = np.random.default_rng([country.seed, month.year, month.month])
    bands = 105 if month >= _BANDS_105_FROM else 53
    lists = country.lists
    provider = lists["provider"].to_numpy()
    # Lists grow by a twentieth a year, and move by some per cent from month to month.
    years = (month.year - LAST_MONTH.year) + (month.month - LAST_MONTH.month) / 12
    usual = lists["size"].to_numpy() * 1.05**years * rng.uniform(0.97, 1.03, country.providers)[provider]
    waiting = _by_week(rng, rng.poisson(usual), country.waits[provider], bands)
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
            counts = _by_week(rng, rng.poisson(usual * share), country.waits[provider] * 0.8, bands)
            unknown = rng.binomial(counts.sum(axis=1), 0.002)
        parts.append(_part(lists, part, description, counts, unknown, bands))
    rows = pl.concat(parts).sort("provider", "commissioner", "part", "function")
    return _named(rows, country, month, bands)


def _by_week(rng: np.random.Generator, counts: np.ndarray, weeks: np.ndarray, bands: int) -> np.ndarray:
    """Pathways by week waited, one row a list: waits fall off about their mean, and the last band is open."""
    lists = np.repeat(np.arange(len(counts), dtype=np.int32), counts)
    waited = rng.exponential(np.repeat(weeks.astype(np.float32), counts)).astype(np.int32)
    place = lists.astype(np.int64) * bands + np.minimum(waited, bands - 1)
    return np.bincount(place, minlength=len(counts) * bands).reshape(len(counts), bands)


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
        pl.lit(len(_FUNCTIONS), pl.Int64).alias("function"),
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
    kind = "(SUB ICB LOCATION)" if month >= _SUB_ICBS_FROM else "CCG"
    codes = country.commissioner_codes
    functions = {**_FUNCTIONS, TOTAL_FUNCTION: "Total"}
    service = " Service" if month >= _BANDS_105_FROM else ""
    last = len(codes) - 1
    outside = pl.col("commissioner") == last
    provider_parent = _looked_up(
        "provider", [n * country.parents // country.providers for n in range(country.providers)]
    )
    commissioner_parent = _looked_up("commissioner", [n * country.parents // len(codes) for n in range(len(codes))])
    parent_codes = [f"Q{_letters(number, 2)}" for number in range(country.parents)]
    parent_names = [f"NHS MADE-UP {number + 1} INTEGRATED CARE BOARD" for number in range(country.parents)]
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
        _text(provider_parent, parent_codes).alias("Provider Parent Org Code"),
        _text(provider_parent, parent_names).alias("Provider Parent Name"),
        _text(pl.col("provider"), country.provider_codes).alias("Provider Org Code"),
        _text(pl.col("provider"), [f"MADE-UP HOSPITALS {n + 1} NHS TRUST" for n in range(country.providers)]).alias(
            "Provider Org Name"
        ),
        pl.when(outside)
        .then(nobody)
        .otherwise(_text(commissioner_parent, parent_codes))
        .alias("Commissioner Parent Org Code"),
        pl.when(outside)
        .then(nobody)
        .otherwise(_text(commissioner_parent, parent_names))
        .alias("Commissioner Parent Name"),
        _text(pl.col("commissioner"), codes).alias("Commissioner Org Code"),
        _text(pl.col("commissioner"), [*(f"NHS MADE-UP {n + 1} {kind}" for n in range(last)), "#N/A"]).alias(
            "Commissioner Org Name"
        ),
        pl.col("part").alias("RTT Part Type"),
        pl.col("description").alias("RTT Part Description"),
        _text(pl.col("function"), list(functions)).alias("Treatment Function Code"),
        _text(
            pl.col("function"),
            [n if n == "Total" or "Services" in n else f"{n}{service}" for n in functions.values()],
        ).alias("Treatment Function Name"),
        *weeks,
        "Total",
        "Patients with unknown clock start date",
        "Total All",
    )


def _text(number: pl.Expr, texts: list[str]) -> pl.Expr:
    return number.replace_strict(range(len(texts)), texts, return_dtype=pl.String)


def _looked_up(column: str, numbers: list[int]) -> pl.Expr:
    return pl.col(column).replace_strict(range(len(numbers)), numbers, return_dtype=pl.Int64)


def ae_month(country: Country, month: date) -> bytes:
    """A month of A&E by provider, two in five of those of RTT, and the total row."""
    rng = np.random.default_rng([country.seed, month.year, month.month, 2])
    places = max(1, country.providers * 2 // 5)
    is_booked = month >= _AE_BOOKED_FROM
    usual = np.random.default_rng([country.seed, 2]).lognormal(8.9, 0.5, places)
    shares = np.array([0.65, 0.03, 0.3, *((0.005, 0.001, 0.014) if is_booked else ())])
    seen = rng.poisson(np.outer(usual, shares))
    late = rng.binomial(seen, [0.4, 0.04, 0.03, *((0.1, 0.01, 0.01) if is_booked else ())])
    others = rng.poisson(np.outer(usual, [0.06, 0.02, 0.2, 0.001, 0.002, 0.07]))
    rows = np.hstack([seen, late, others])
    headings = list(AE_HEADINGS_TO_2020)
    if month >= _AE_WITHOUT_NUMBER_OF_FROM:
        headings = [heading.removeprefix("Number of ") for heading in headings]
        headings = [heading[:1].upper() + heading[1:] for heading in headings]
        headings[9] = "Attendances over 4hrs Other Department"
    if is_booked:
        kinds = ("Type 1", "Type 2", "Other Department")
        headings[10:10] = [f"Attendances over 4hrs Booked Appointments {kind}" for kind in kinds]
        headings[7:7] = [f"A&E attendances Booked Appointments {kind}" for kind in kinds]
    period = f"MSitAE-{month:%B-%Y}".upper()
    names = country.provider_codes[:places]
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(headings)
    for number, (code, counts) in enumerate(zip(names, rows.tolist(), strict=True)):
        writer.writerow([period, code, "NHS ENGLAND MADE-UP", f"MADE-UP HOSPITALS {number + 1} NHS TRUST", *counts])
    total = ["TOTAL"] * 4 if month >= _AE_WITHOUT_NUMBER_OF_FROM else ["", "", "", "TOTAL"]
    writer.writerow([*total, *rows.sum(axis=0).tolist()])
    return out.getvalue().encode()


_LETTERS = "0123456789ABCDEFGHJKLMNPQRSTUVWXYZ"


def _letters(number: int, length: int) -> str:
    """A number as letters and digits, in their order."""
    text = ""
    for _ in range(length):
        number, place = divmod(number, len(_LETTERS))
        text = _LETTERS[place] + text
    return text
