"""Referral to treatment waiting times, monthly full CSV extract with 53 bands (to March 2021).

Printed figures, all for incomplete pathways (Part_2): percentage within 18 weeks and number over 52 weeks of
Herts Valleys (06N) and of the STP (06K, 06N and 07H together) in every month, and of West Hertfordshire (RWG) and
Luton & Dunstable (RC9) in April and May 2019. The paper prints no data for Royal Free (RAL) in April and May
2019, when it did not submit, so it is absent from those two extracts. Each provider's figure includes its
pathways without an English commissioner (NONC). How pathways spread over providers, treatment functions and
bands, and all the other parts, is illustrative.

No full extract of 2018-19 was at hand: headings and parts are those of later extracts with the last band 52 plus,
and treatment functions are named as they were before April 2021.
"""

import calendar
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from pathlib import Path

from ccg_pipeline.sample.figures import (
    SAMPLE_MONTHS,
    Figures,
    apportion,
    count_at,
    read_local_offices,
    read_organisations,
    read_table,
    varied,
)
from ccg_pipeline.sample.files import Row, csv_bytes, write_gzip, write_plain, write_zip

WEEKS_WITHIN = 18
WEEKS_BANDED = 52

HEADINGS = (
    "Period",
    "Provider Parent Org Code",
    "Provider Parent Name",
    "Provider Org Code",
    "Provider Org Name",
    "Commissioner Parent Org Code",
    "Commissioner Parent Name",
    "Commissioner Org Code",
    "Commissioner Org Name",
    "RTT Part Type",
    "RTT Part Description",
    "Treatment Function Code",
    "Treatment Function Name",
    *(f"Gt {week:02} To {week + 1:02} Weeks SUM 1" for week in range(WEEKS_BANDED)),
    f"Gt {WEEKS_BANDED} Weeks SUM 1",
    "Total",
    "Patients with unknown clock start date",
    "Total All",
)

# The shape of a waiting list: falling slowly to 18 weeks and fast after.
BAND_WEIGHTS_WITHIN = tuple(40 - week for week in range(WEEKS_WITHIN))
BAND_WEIGHTS_BEYOND = tuple(10_000 * 93**week // 100**week for week in range(WEEKS_BANDED - WEEKS_WITHIN))

# Sizes of the treatment functions of a provider and commissioner, in the order listed.
FUNCTION_WEIGHTS = (5, 3, 2)
TOTAL_FUNCTION = "C_999"

STP = "QM7"
STP_COMMISSIONERS = ("06K", "06N", "07H")
HERTS_VALLEYS = "06N"

# Some trusts leave empty bands blank where most write 0.
BLANK_FOR_ZERO = frozenset({"RAL", "RP6"})

GZIP_MONTH = date(2018, 11, 1)
ZIP_MONTHS = (date(2018, 7, 1), date(2019, 2, 1))


@dataclass(frozen=True)
class Pathways:
    """One provider's pathways of one commissioner: typical sizes. ``within_18_weeks_pct`` None: to be solved."""

    provider_code: str
    commissioner_code: str
    treatment_functions: tuple[str, ...]
    incomplete: int
    within_18_weeks_pct: Decimal | None
    over_52_weeks: int
    has_all_parts: bool


@dataclass(frozen=True)
class Waits:
    """Incomplete pathways of a provider and commissioner at the end of a month."""

    total: int
    within_18_weeks: int
    over_52_weeks: int


def write(folder: Path) -> list[Path]:
    """Write one extract a month, plain, gzipped or zipped: a row for each provider, commissioner, part and
    treatment function that has pathways. Counts are pathways."""
    paths = []
    for period in SAMPLE_MONTHS:
        content = csv_bytes([HEADINGS, *_rows(period)])
        last_day = calendar.monthrange(period.year, period.month)[1]
        name = f"{period:%Y%m}{last_day}-RTT-{period:%B-%Y}-full-extract"
        if period == GZIP_MONTH:
            paths.append(write_gzip(folder / f"{name}.csv.gz", content))
        elif period in ZIP_MONTHS:
            paths.append(write_zip(folder / f"{name}.zip", f"{name}.csv", content))
        else:
            paths.append(write_plain(folder / f"{name}.csv", content))
    return paths


def incomplete_waits(period: date) -> dict[Pathways, Waits]:
    """Whole numbers, for each provider and commissioner, that meet every figure printed for the month.

    The printed figures overlap (a provider's include several commissioners', the STP's include 06N's), so they
    are settled from the narrowest to the widest, each out of the pairs no earlier one has fixed.
    """
    figures = Figures("rtt")
    pairs = [pair for pair in _read_pathways() if not _did_not_submit(pair.provider_code, period, figures)]
    total = {pair: varied(pair.incomplete, period, pair.provider_code, pair.commissioner_code) for pair in pairs}

    def commissioned_by(*codes: str) -> list[Pathways]:
        return [pair for pair in pairs if pair.commissioner_code in codes]

    def provided_by(code: str) -> list[Pathways]:
        return [pair for pair in pairs if pair.provider_code == code]

    herts_valleys, stp = commissioned_by(HERTS_VALLEYS), commissioned_by(*STP_COMMISSIONERS)
    providers = sorted({pair.provider_code for pair in pairs})

    within: dict[Pathways, int] = {}

    def settle_within(org_code: str, group: Sequence[Pathways]) -> None:
        printed = figures.percentage("RTT_INCOMPLETE_18W", org_code, period)
        if printed is not None:
            _settle(within, group, count_at(printed, sum(total[pair] for pair in group)), total.__getitem__)

    for provider in providers:
        settle_within(provider, provided_by(provider))
    for pair in pairs:
        if pair.within_18_weeks_pct is not None and pair not in within:
            within[pair] = count_at(pair.within_18_weeks_pct, total[pair])
    settle_within(HERTS_VALLEYS, herts_valleys)
    settle_within(STP, stp)

    over = {pair: pair.over_52_weeks for pair in pairs if pair.commissioner_code not in STP_COMMISSIONERS}

    def settle_over(org_code: str, group: Sequence[Pathways]) -> None:
        printed = figures.count("RTT_52W", org_code, period)
        if printed is not None:
            _settle(over, group, printed, lambda pair: pair.over_52_weeks)

    for provider in providers:
        settle_over(provider, provided_by(provider))
    settle_over(HERTS_VALLEYS, herts_valleys)
    settle_over(STP, stp)

    return {pair: Waits(total[pair], within[pair], over[pair]) for pair in pairs}


def _settle(
    settled: dict[Pathways, int],
    group: Sequence[Pathways],
    total: int,
    weight: Callable[[Pathways], int],
) -> None:
    """Fix the pairs of ``group`` still open so that the whole group adds up to ``total``."""
    still_open = [pair for pair in group if pair not in settled]
    rest = total - sum(settled[pair] for pair in group if pair in settled)
    shares = apportion(rest, [weight(pair) for pair in still_open])
    settled.update(zip(still_open, shares, strict=True))


def _did_not_submit(provider_code: str, period: date, figures: Figures) -> bool:
    figure = figures.get("RTT_INCOMPLETE_18W", provider_code, period)
    return figure is not None and figure.value is None


def _read_pathways() -> list[Pathways]:
    return [
        Pathways(
            provider_code=row["provider_code"],
            commissioner_code=row["commissioner_code"],
            treatment_functions=tuple(row["treatment_functions"].split("|")),
            incomplete=int(row["incomplete_pathways"]),
            within_18_weeks_pct=Decimal(row["within_18_weeks_pct"]) if row["within_18_weeks_pct"] else None,
            over_52_weeks=int(row["over_52_weeks"]),
            has_all_parts=row["all_parts"] == "Y",
        )
        for row in read_table("rtt_pathways")
    ]


def _rows(period: date) -> list[Row]:
    organisations = read_organisations()
    offices = read_local_offices()
    function_names = {row["treatment_function_code"]: row["name"] for row in read_table("treatment_functions")}
    parts = read_table("rtt_parts")
    rows: list[Row] = []
    for pair, waits in incomplete_waits(period).items():
        provider = organisations[pair.provider_code]
        commissioner = organisations[pair.commissioner_code]
        incomplete = _bands_by_function(pair, waits)
        for part in parts:
            if part["part_type"] != "Part_2" and not pair.has_all_parts:
                continue
            for function, cells in _part_rows(part, incomplete, period):
                values = ["" if pair.provider_code in BLANK_FOR_ZERO and cell == 0 else cell for cell in cells]
                rows.append(
                    (
                        f"RTT-{period:%B-%Y}",
                        provider.office(period),
                        offices[provider.office(period)],
                        provider.code,
                        provider.name,
                        commissioner.office(period),
                        offices[commissioner.office(period)],
                        commissioner.code,
                        commissioner.name,
                        part["part_type"],
                        part["description"],
                        function,
                        function_names[function],
                        *values,
                    )
                )
    return rows


def _bands_by_function(pair: Pathways, waits: Waits) -> dict[str, list[int]]:
    """Incomplete pathways in each of the 53 bands, for each treatment function."""
    beyond_18_weeks = waits.total - waits.within_18_weeks - waits.over_52_weeks
    weights = FUNCTION_WEIGHTS[: len(pair.treatment_functions)]
    by_function = zip(
        apportion(waits.within_18_weeks, weights),
        apportion(beyond_18_weeks, weights),
        apportion(waits.over_52_weeks, weights),
        strict=True,
    )
    return {
        function: [*apportion(within, BAND_WEIGHTS_WITHIN), *apportion(beyond, BAND_WEIGHTS_BEYOND), over]
        for function, (within, beyond, over) in zip(pair.treatment_functions, by_function, strict=True)
    }


def _part_rows(
    part: dict[str, str], incomplete: dict[str, list[int]], period: date
) -> list[tuple[str, list[str | int]]]:
    """Band cells, Total, unknown clock start and Total All of each treatment function, then of their total."""
    share_pct = int(part["share_pct"])
    counts: dict[str, tuple[list[int], int]] = {}
    for position, (function, bands) in enumerate(incomplete.items()):
        unknown_start = 0
        if part["part_type"] == "Part_2":
            part_bands = bands
        elif part["part_type"] == "Part_2A":
            # A subset of Part_2 in every band.
            part_bands = [band * share_pct // 100 for band in bands]
        else:
            part_bands = apportion(sum(bands) * share_pct // 100, bands)
            if part["part_type"] != "Part_3" and sum(bands) > 1000:
                unknown_start = (period.month + position) % 4
        counts[function] = (part_bands, unknown_start)
    counts[TOTAL_FUNCTION] = (
        [sum(column) for column in zip(*(bands for bands, _ in counts.values()), strict=True)],
        sum(unknown_start for _, unknown_start in counts.values()),
    )
    return [
        (function, _cells(part["part_type"], bands, unknown_start))
        for function, (bands, unknown_start) in counts.items()
        if sum(bands) + unknown_start
    ]


def _cells(part_type: str, bands: list[int], unknown_start: int) -> list[str | int]:
    known_start = sum(bands)
    if part_type == "Part_3":
        return [*[""] * len(bands), "", "", known_start]
    if part_type in ("Part_2", "Part_2A"):
        return [*bands, "", "", known_start]
    return [*bands, known_start, unknown_start, known_start + unknown_start]
