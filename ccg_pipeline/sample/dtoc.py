"""Delayed transfers of care, monthly provider CSV extract, headings as of November 2019.

West Hertfordshire's (RWG) days of every month are printed figures: those of the extract where it is known, since
it is later than the board paper (January and April 2019 were revised), else the board paper's. What the paper
prints for Hertfordshire Community (RY4) is the Herts Valleys part of the trust, and January 2019 repeats March;
the sample adds an illustrative rest, so its RY4 is a whole trust and equals nothing printed. Other trusts are
illustrative.
"""

import calendar
from datetime import date
from pathlib import Path

from ccg_pipeline.sample.figures import (
    SAMPLE_MONTHS,
    Figures,
    apportion,
    read_local_offices,
    read_organisations,
    read_table,
    varied,
)
from ccg_pipeline.sample.files import Row, csv_bytes, write_plain

HEADINGS = (
    "Period",
    "Provider Parent Org Code",
    "Provider Parent Name",
    "Provider Org Code",
    "Provider Org Name",
    "Local Authority Code",
    "Local Authority Name",
    "Acute Or Non Acute Description",
    "Reason For Delay",
    "NHS DTOC beds",
    "NHS",
    "Social Care DTOC beds",
    "Social Care",
    "Both DTOC beds",
    "Both B",
)

# Who the delay is attributed to: indicator, column of sizes in dtoc_delays.csv, column in dtoc_reasons.csv.
ATTRIBUTIONS = (
    ("DTOC_DAYS_NHS", "nhs_days", "nhs_weight"),
    ("DTOC_DAYS_SOCIAL", "social_days", "social_weight"),
    ("DTOC_DAYS_BOTH", "both_days", "both_weight"),
)

SETTINGS = ("Acute", "Non-Acute")

# Two months of the real extracts write the month in mixed case.
MIXED_CASE_MONTHS = frozenset({date(2018, 4, 1), date(2018, 6, 1)})

# The real extract of April 2018 leaves one social care count empty beside 0.0 beds (there at another trust).
EMPTY_COUNT = (date(2018, 4, 1), "RWR", "Non-Acute", "C_FURTHER_NON_ACUTE_NHS")


def write(folder: Path) -> list[Path]:
    """Write one CSV a month: a row for each provider, local authority, setting and reason for delay.

    Counts are delayed days; the ``beds`` columns are days divided by the days in the month.
    """
    return [
        write_plain(
            folder / f"{_period_code(period)}-full-extract.csv",
            csv_bytes([HEADINGS, *_rows(period)], line_end="\r\n"),
        )
        for period in SAMPLE_MONTHS
    ]


def _period_code(period: date) -> str:
    month = f"{period:%B-%Y}"
    return f"MSitDT-{month if period in MIXED_CASE_MONTHS else month.upper()}"


def _rows(period: date) -> list[Row]:
    figures = Figures("dtoc")
    organisations = read_organisations()
    offices = read_local_offices()
    reasons = read_table("dtoc_reasons")
    rows: list[Row] = []
    for delay in read_table("dtoc_delays"):
        provider = organisations[delay["org_code"]]
        office = provider.office(period)
        for setting in SETTINGS:
            # Community and mental health trusts still list the acute reasons, with nothing in them.
            days = _days(delay, period, figures) if setting == delay["setting"] else [0, 0, 0]
            listed = [r for r in reasons if setting == "Non-Acute" or r["acute_weight"] == "1"]
            by_reason = zip(
                *(
                    apportion(total, [int(reason[weight]) for reason in listed])
                    for total, (_, _, weight) in zip(days, ATTRIBUTIONS, strict=True)
                ),
                strict=True,
            )
            for reason, counts in zip(listed, by_reason, strict=True):
                cells: list[str | int] = []
                for count in counts:
                    cells += [_beds(count, period), count]
                if (period, provider.code, setting, reason["reason"]) == EMPTY_COUNT:
                    cells[3] = ""
                rows.append(
                    (
                        _period_code(period),
                        office,
                        offices[office],
                        provider.code,
                        provider.name,
                        delay["local_authority_code"],
                        delay["local_authority_name"],
                        setting,
                        reason["reason"],
                        *cells,
                    )
                )
    return rows


def _days(delay: dict[str, str], period: date, figures: Figures) -> list[int]:
    """Delayed days of one provider and local authority, by attribution: printed plus illustrative."""
    org_code, authority = delay["org_code"], delay["local_authority_code"]
    return [
        (figures.count(indicator_id, org_code, period) or 0)
        + varied(int(delay[column]), period, org_code, authority, column)
        for indicator_id, column, _ in ATTRIBUTIONS
    ]


def _beds(days: int, period: date) -> str:
    """Average beds occupied by delays, as the extract writes it: ``0.0``, ``4.838709677``."""
    return str(round(days / calendar.monthrange(period.year, period.month)[1], 9))
