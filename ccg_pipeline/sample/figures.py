"""The figures the sample carries, and the arithmetic that spreads a printed total over the rows of an extract.

Knows the files of ``figures/`` and whole-number arithmetic; knows no published layout.
"""

import csv
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from decimal import ROUND_HALF_UP, Decimal
from pathlib import Path

FIGURES = Path(__file__).parent / "figures"

FIRST_MONTH = date(2018, 3, 1)
LAST_MONTH = date(2019, 5, 1)

# NHS England's regions and local offices were reorganised on this date, and extracts name the new parents.
REORGANISATION = date(2019, 4, 1)


def _months(first: date, last: date) -> tuple[date, ...]:
    numbers = range(first.year * 12 + first.month - 1, last.year * 12 + last.month)
    return tuple(date(number // 12, number % 12 + 1, 1) for number in numbers)


SAMPLE_MONTHS = _months(FIRST_MONTH, LAST_MONTH)


@dataclass(frozen=True)
class Figure:
    """One printed figure. ``value`` is a count, days or a percentage 0-100; None where it was printed as missing.

    Papers print a percentage to one decimal; the published extracts give numerator and denominator.
    """

    numerator: int | None
    denominator: int | None
    value: Decimal | None


class Figures:
    """The printed figures of one dataset, by indicator, organisation and month."""

    def __init__(self, dataset: str) -> None:
        self._figures = {
            (row["indicator_id"], row["org_code"], date.fromisoformat(f"{row['period']}-01")): Figure(
                numerator=int(row["numerator"]) if row["numerator"] else None,
                denominator=int(row["denominator"]) if row["denominator"] else None,
                value=Decimal(row["value"]) if row["value"] else None,
            )
            for row in read_table(dataset)
        }

    def get(self, indicator_id: str, org_code: str, period: date) -> Figure | None:
        """The figure, or None where no source prints one."""
        return self._figures.get((indicator_id, org_code, period))

    def count(self, indicator_id: str, org_code: str, period: date) -> int | None:
        """A printed count or number of days; None where none is printed."""
        figure = self.get(indicator_id, org_code, period)
        return int(figure.value) if figure and figure.value is not None else None

    def percentage(self, indicator_id: str, org_code: str, period: date) -> Decimal | None:
        """A printed percentage, 0-100; None where none is printed."""
        figure = self.get(indicator_id, org_code, period)
        return figure.value if figure else None


@dataclass(frozen=True)
class Organisation:
    """A commissioner or provider under its name of 2018-19, with its NHS England local office over time."""

    code: str
    name: str
    office_to_2019_03: str
    office_from_2019_04: str

    def office(self, period: date) -> str:
        """Code of the local office it reported to in that month; empty for commissioners outside England's."""
        return self.office_from_2019_04 if period >= REORGANISATION else self.office_to_2019_03


def read_table(name: str) -> list[dict[str, str]]:
    """Rows of ``figures/<name>.csv``, every cell as text."""
    with (FIGURES / f"{name}.csv").open(encoding="utf-8", newline="") as lines:
        return list(csv.DictReader(lines))


def read_organisations() -> dict[str, Organisation]:
    """Organisations by code."""
    return {
        row["org_code"]: Organisation(
            row["org_code"], row["name"], row["office_to_2019_03"], row["office_from_2019_04"]
        )
        for row in read_table("organisations")
    }


def read_local_offices() -> dict[str, str]:
    """Names of NHS England's local offices by code; the empty code has an empty name."""
    return {"": ""} | {row["office_code"]: row["name"] for row in read_table("local_offices")}


def count_at(percentage: Decimal, denominator: int) -> int:
    """The whole number nearest to ``percentage`` (0-100) of ``denominator``.

    Above a denominator of 1000 the result, divided again, rounds back to a percentage of one decimal.
    """
    return int((percentage * denominator / 100).quantize(Decimal(1), ROUND_HALF_UP))


def apportion(total: int, weights: Sequence[int]) -> list[int]:
    """Share ``total`` out in proportion to ``weights``: whole numbers that add up to it (largest remainder)."""
    whole = sum(weights)
    if total < 0 or (total and not whole):
        raise ValueError(f"cannot apportion {total} over {list(weights)}")
    if not total:
        return [0] * len(weights)
    shares = [total * weight // whole for weight in weights]
    by_remainder = sorted(range(len(weights)), key=lambda i: (-(total * weights[i] % whole), i))
    for i in by_remainder[: total - sum(shares)]:
        shares[i] += 1
    return shares


def varied(size: int, period: date, *key: str) -> int:
    """``size`` moved by up to 3 per cent, differently for each month and key but the same on every call."""
    per_thousand = 970 + zlib.crc32("/".join((period.isoformat(), *key)).encode()) % 61
    return (size * per_thousand + 500) // 1000
