"""What the codes of a return mean: the catalogue's indicators and organisations, read from the seeds.

Belongs here: from a stated code to the indicator, and from an organisation to its level at the time, so that returns
of one figure replace each other however it is named. Does not belong here: any rule about the figures themselves.
"""

from __future__ import annotations

import csv
import difflib
from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime
from pathlib import Path

import polars as pl

from ccg_pipeline.extracts import local_returns
from ccg_pipeline.extracts.contract import Extract, ExtractError, no_repeats

_ALWAYS = (date(1900, 1, 1), date(9999, 12, 31))

_OF_A_COUNTY = {"local_authority", "hwb"}  # the council and its Health and Wellbeing Board share a code


class NotInCatalogueError(ExtractError):
    """A code that the catalogue does not have, yet: the file is tried again every night."""


@dataclass(frozen=True)
class Catalogue:
    """``units`` of indicators by id, ids by (provider, local code), and levels of organisations with their dates."""

    units: dict[str, str]
    local_codes: dict[tuple[str, str], str]
    levels: dict[str, list[tuple[str, date, date]]]

    @classmethod
    def of(cls, seeds: Path) -> Catalogue:
        indicators = _rows(seeds / "indicators.csv")
        levels: dict[str, list[tuple[str, date, date]]] = {}
        for row in _rows(seeds / "organisations.csv"):
            first, last = (
                date.fromisoformat(text) if text else otherwise
                for text, otherwise in zip((row["valid_from"], row["valid_to"]), _ALWAYS, strict=True)
            )
            levels.setdefault(row["org_code"], []).append((row["org_level"], first, last))
        return cls(
            units={row["indicator_id"]: row["unit"] for row in indicators},
            local_codes={
                (row["provider_code"], _key(row["local_code"])): row["indicator_id"]
                for row in indicators
                if row["local_code"]
            },
            levels=levels,
        )

    def looked_up(self, extract: Extract) -> Extract:
        """The return with ``indicator_id`` and ``org_level`` filled in, and the slices named by them.

        Raises `NotInCatalogueError` for a code that is not in the catalogue, `ExtractError` for a level, unit or sign
        that contradicts it, a year to date that is not reached, and one figure given twice under two codes.
        """
        indicator_ids, levels = [], []
        for row in extract.rows.iter_rows(named=True):
            indicator_ids.append(self._indicator(row))
            levels.append(self._level(row))
        rows = extract.rows.with_columns(
            pl.Series("indicator_id", indicator_ids, pl.String), pl.Series("org_level", levels, pl.String)
        ).with_columns(local_returns.slice_of(pl.col("indicator_id")).alias("slice"))
        self._negatives(rows)
        today = datetime.now(UTC).date()
        ahead = rows.filter((pl.col("period_type") == "ytd") & (pl.col("period_end").dt.month_start() > today))
        if ahead.height:
            raise ExtractError(f"{_where(ahead.row(0, named=True))}: {ahead['period'][0]} has not been yet by {today}.")
        no_repeats(rows, ["slice"], "the return")
        return replace(extract, rows=rows, coverage=local_returns.coverage_of(rows))

    def _indicator(self, row: dict) -> str:
        code, provider = row["indicator_code"], row["provider_code"]
        local = self.local_codes.get((provider, _key(code))) if provider else None
        own = next((i for i in (code, code.upper()) if i in self.units), None)
        if local and own and local != own:
            raise ExtractError(
                f"{_where(row)}: {code!r} is {own} in the catalogue, and {provider}'s own code of {local}. Write the "
                "one that is meant as indicator_id, without provider_code."
            )
        if found := local or own:
            return found
        providers = sorted(p for p, c in self.local_codes if c == _key(code))
        if providers and not provider:
            raise ExtractError(
                f"{_where(row)}: {code!r} is a local code, unique only within a provider. Write in provider_code whose "
                f"it is (in the catalogue: {', '.join(providers)})."
            )
        near = difflib.get_close_matches(code.upper(), self.units, n=1)
        raise NotInCatalogueError(
            f"{_where(row)}: {code!r}{f' of {provider}' if provider else ''} is not in the catalogue"
            + (f" (nearest: {near[0]})" if near else "")
            + ". Correct the code, or add a row to dbt_project/seeds/indicators.csv; the file is tried again every "
            "night."
        )

    def _level(self, row: dict) -> str:
        code, stated = row["org_code"], row["org_level"]
        known = self.levels.get(code, [])
        if not known and not stated:
            near = difflib.get_close_matches(code, self.levels, n=1)
            raise NotInCatalogueError(
                f"{_where(row)}: the organisation {code!r} is not in the catalogue"
                + (f" (nearest: {near[0]})" if near else "")
                + ". Correct the code, say in org_level what it is, or add a row to "
                "dbt_project/seeds/organisations.csv; the file is tried again every night."
            )
        if stated:
            levels = {level for level, _, _ in known}
            if known and stated not in levels and not (stated in _OF_A_COUNTY and levels & _OF_A_COUNTY):
                raise ExtractError(
                    f"{_where(row)}: {code} is {_either(known)} in the catalogue, not {stated}. Correct the code or "
                    "its level."
                )
            return str(stated)
        at_the_time = {level for level, first, last in known if first <= row["period_end"] <= last}
        candidates = at_the_time or {level for level, _, _ in known}
        if len(candidates) > 1:
            raise ExtractError(f"{_where(row)}: {code} is {_either(known)}. Say in org_level which is meant.")
        return candidates.pop()

    def _negatives(self, rows: pl.DataFrame) -> None:
        unit = pl.col("unit").fill_null(pl.col("indicator_id").replace_strict(self.units, return_dtype=pl.String))
        below = rows.filter((pl.col("value") < 0) & ~unit.is_in(local_returns.MAY_BE_NEGATIVE))
        if below.height:
            first = below.row(0, named=True)
            raise ExtractError(
                f"{_where(first)}: {first['value']} for {first['indicator_id']}, expected no negative figure. Correct "
                "the return and drop it again."
            )


def _rows(path: Path) -> Iterable[dict[str, str]]:
    with open(path, encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def _key(code: str) -> str:
    """A local code as it is compared: without case and spaces."""
    return "".join(code.split()).casefold()


def _either(known: Iterable[tuple[str, date, date]]) -> str:
    return " or ".join(dict.fromkeys(level for level, _, _ in known))


def _where(row: dict) -> str:
    return f"{'sheet ' + repr(row['source_sheet']) + ' ' if row['source_sheet'] else ''}row {row['source_row']}"
