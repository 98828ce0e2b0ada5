"""The made-up organisations of a national sample: who there is, how large, and who sends patients where.

The same for every month of a seed. Codes begin with Z (providers), 9 (commissioners) and 99 (local authorities): none
of them exists.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from functools import cached_property

import numpy as np
import polars as pl

LAST_MONTH = date(2025, 3, 1)
SEED = 1
SUB_ICBS_FROM = date(2022, 7, 1)

FUNCTIONS = {
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
LISTED = 7_000_000  # pathways waiting in all of England
REGIONS = {
    "Y56": "London",
    "Y58": "South West",
    "Y59": "South East",
    "Y60": "Midlands",
    "Y61": "East of England",
    "Y62": "North West",
    "Y63": "North East and Yorkshire",
}
_ALPHABET = "0123456789ABCDEFGHJKLMNPQRSTUVWXYZ"


@dataclass(frozen=True)
class Country:
    """The made-up organisations, and how many wait where: the same for every month of a seed."""

    seed: int = SEED
    providers: int = 500
    commissioners: int = 130
    parents: int = 42

    @property
    def provider_codes(self) -> list[str]:
        return [f"Z{letters(number, 2)}" for number in range(self.providers)]

    @property
    def provider_names(self) -> list[str]:
        return [f"MADE-UP HOSPITALS {number + 1} NHS TRUST" for number in range(self.providers)]

    @property
    def commissioner_codes(self) -> list[str]:
        """The last one is of patients from outside England."""
        return [*(f"9{letters(number, 2)}" for number in range(self.commissioners - 1)), "NONC"]

    def commissioner_names(self, month: date) -> list[str]:
        """Of the commissioners of England, which are CCGs and later sub-ICB locations."""
        kind = "(SUB ICB LOCATION)" if month >= SUB_ICBS_FROM else "CCG"
        return [f"NHS MADE-UP {number + 1} {kind}" for number in range(self.commissioners - 1)]

    @property
    def parent_codes(self) -> list[str]:
        """The parents that RTT and diagnostics name."""
        return [f"Q{letters(number, 2)}" for number in range(self.parents)]

    @property
    def parent_names(self) -> list[str]:
        return [f"NHS MADE-UP {number + 1} INTEGRATED CARE BOARD" for number in range(self.parents)]

    @property
    def parents_of_providers(self) -> list[int]:
        return [number * self.parents // self.providers for number in range(self.providers)]

    @property
    def parents_of_commissioners(self) -> list[int]:
        return [number * self.parents // self.commissioners for number in range(self.commissioners)]

    @property
    def regions_of_providers(self) -> list[str]:
        return [list(REGIONS)[number * len(REGIONS) // self.providers] for number in range(self.providers)]

    @property
    def regions_of_commissioners(self) -> list[str]:
        """Of the commissioners of England."""
        count = self.commissioners - 1
        return [list(REGIONS)[number * len(REGIONS) // count] for number in range(count)]

    @property
    def trusts(self) -> int:
        """How many of the providers, the first, have wards and an A&E department."""
        return max(1, self.providers * 2 // 5)

    @property
    def local_authorities(self) -> int:
        return max(1, self.providers * 3 // 10)

    def draws(self, month: date, dataset: int) -> np.random.Generator:
        """The random numbers of a dataset (its own number) and month."""
        return np.random.default_rng([self.seed, month.year, month.month, dataset])

    def usual(self, dataset: int) -> np.random.Generator:
        """The random numbers of what is the same in every month of a dataset (its own number)."""
        return np.random.default_rng([self.seed, dataset])

    @cached_property
    def provider_sizes(self) -> np.ndarray:
        """The share of each provider in all who wait."""
        return self._shares("provider", self.providers)

    @cached_property
    def commissioner_sizes(self) -> np.ndarray:
        """The share of each commissioner of England in all who wait there."""
        shares = self._shares("commissioner", self.commissioners)[:-1]
        return shares / shares.sum()

    def _shares(self, column: str, count: int) -> np.ndarray:
        sizes = np.bincount(self.lists[column].to_numpy(), self.lists["size"].to_numpy(), minlength=count)
        return sizes / sizes.sum()

    @cached_property
    def lists(self) -> pl.DataFrame:
        """One row a provider, commissioner and treatment function: their numbers, and ``size``, the pathways usually
        waiting there; in order of provider, commissioner and function."""
        rng = np.random.default_rng(self.seed)
        size = rng.lognormal(0, 1.4, self.providers)
        reach = np.clip(rng.lognormal(2.26, 0.95, self.providers), 1, self.commissioners).astype(int)
        breadth = np.clip((size * 5).astype(int) + 2, 2, len(FUNCTIONS))
        provider, commissioner, function, weight = [], [], [], []
        for number in range(self.providers):
            home = number * self.commissioners // self.providers
            # The nearest send most, and one in a few thousand comes from outside England.
            served = (home + np.arange(reach[number])) % self.commissioners
            share = 1 / (1 + np.arange(reach[number])) ** 2.2
            offered = rng.choice(len(FUNCTIONS), breadth[number], replace=False)
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
        listed = LISTED * min(1.0, self.providers / 500)
        return frame.with_columns(pl.col("size") / pl.col("size").sum() * listed)

    @cached_property
    def waits(self) -> np.ndarray:
        """Mean weeks waited, by provider."""
        return np.random.default_rng([self.seed, 1]).uniform(7, 17, self.providers)


def growth(month: date) -> float:
    """How long lists are against those of the last month: they grow by a twentieth a year."""
    years = (month.year - LAST_MONTH.year) + (month.month - LAST_MONTH.month) / 12
    return float(1.05**years)


def letters(number: int, length: int) -> str:
    """A number as letters and digits, in their order."""
    text = ""
    for _ in range(length):
        number, place = divmod(number, len(_ALPHABET))
        text = _ALPHABET[place] + text
    return text
