"""Delayed transfers of care: the monthly provider extract (``MSitDT``) of NHS England.

One row a provider, local authority, setting (acute or not) and reason for delay; days delayed by who is
responsible (NHS, social care, both). ``DTOC beds`` is days divided by the days of the month.
"""

from __future__ import annotations

import polars as pl

from ccg_pipeline.extracts.contract import (
    Column,
    Coverage,
    Extract,
    ExtractError,
    Schema,
    are_codes,
    no_repeats,
    one_month,
    typed,
)
from ccg_pipeline.extracts.periods import month_end
from ccg_pipeline.extracts.source import Source
from ccg_pipeline.extracts.spreadsheet import read_delimited

name = "dtoc"

_DAYS = (
    Column("nhs_days", ("NHS", "NHS Days", "NHS DTOC Days"), "count"),
    Column("social_care_days", ("Social Care", "Social Care Days", "Social Care DTOC Days"), "count"),
    Column("both_days", ("Both", "Both B", "Both Days", "Both DTOC Days"), "count"),
)
_BEDS = (
    Column("nhs_beds", ("NHS DTOC beds",), "decimal"),
    Column("social_care_beds", ("Social Care DTOC beds",), "decimal"),
    Column("both_beds", ("Both DTOC beds",), "decimal"),
)
_KEY = (
    Column("provider_code", ("Provider Org Code",)),
    Column("local_authority_code", ("Local Authority Code",)),
    Column("setting", ("Acute Or Non Acute Description",)),
    Column("reason_for_delay", ("Reason For Delay",)),
)
COLUMNS = (
    Column("period", ("Period",)),
    Column("provider_parent_code", ("Provider Parent Org Code",), required=False),
    Column("provider_parent_name", ("Provider Parent Name", "Provider Parent Org Name"), required=False),
    Column("provider_name", ("Provider Org Name",)),
    Column("local_authority_name", ("Local Authority Name",)),
    *_KEY,
    *_DAYS,
    *_BEDS,
)
_SETTINGS = ("Acute", "Non-Acute")
_REASONS = frozenset(
    [
        "A_COMPLETION_ASSESSMENT",
        "B_PUBLIC_FUNDING",
        "C_FURTHER_NON_ACUTE_NHS",
        "DI_RESIDENTIAL_HOME",
        "DII_NURSING_HOME",
        "E_CARE_PACKAGE_IN_HOME",
        "F_COMMUNITY_EQUIP_ADAPT",
        "G_PATIENT_FAMILY_CHOICE",
        "H_DISPUTES",
        "I_HOUSING",
        "O_OTHER",
    ]
)

schema: Schema = {
    "source_sheet": pl.String,
    "source_row": pl.Int64,
    "period_start": pl.Date,
    "provider_code": pl.String,
    "provider_name": pl.String,
    "provider_parent_code": pl.String,
    "provider_parent_name": pl.String,
    "local_authority_code": pl.String,
    "local_authority_name": pl.String,
    "setting": pl.String,
    "reason_for_delay": pl.String,
    **{c.name: pl.Int64 for c in _DAYS},
    **{c.name: pl.Float64 for c in _BEDS},
}


def recognise(source: Source) -> float:
    """By reason for delay beside provider and local authority."""
    if source.header_line(["Provider Org Code", "Local Authority Code", "Reason For Delay"]) is not None:
        return 1.0
    return 0.6 if source.header_line(["Reason For Delay"]) is not None else 0.0


def read(source: Source) -> Extract:
    """One month of provider, local authority, setting and reason."""
    header = source.header_line(["Reason For Delay"])
    assert header is not None
    frame = typed(read_delimited(source, header, COLUMNS), COLUMNS, "the file")
    month = one_month(frame["period"].to_list(), "column 'Period'")
    are_codes(frame, _KEY[0], "the file")
    for column in (_KEY[2], _KEY[3]):
        blank = frame.filter(pl.col(column.name).is_null())
        if blank.height:
            raise ExtractError(f"row {blank['source_row'][0]}, column {column.headings[0]!r}: blank, expected a value.")
    frame = frame.with_columns(pl.col("reason_for_delay").str.to_uppercase(), pl.col("setting").str.to_titlecase())
    _known(frame)
    no_repeats(frame, [c.name for c in _KEY], "the file")
    _beds_agree(frame, month_end(month).day)
    rows = frame.with_columns(
        pl.lit(None, pl.String).alias("source_sheet"),
        pl.lit(month).alias("period_start"),
        *(pl.lit(None, pl.String).alias(c.name) for c in COLUMNS if c.name not in frame.columns),
    ).select(pl.col(c).cast(t) for c, t in schema.items())
    return Extract(name, "dtoc_provider_extract", rows, (Coverage("provider", "all", month),))


def _known(frame: pl.DataFrame) -> None:
    for row in (
        frame.select("source_row", "setting", "reason_for_delay")
        .unique(["setting", "reason_for_delay"], maintain_order=True)
        .iter_rows(named=True)
    ):
        if row["setting"] not in _SETTINGS:
            raise ExtractError(f"row {row['source_row']}: setting {row['setting']!r}, expected Acute or Non-Acute.")
        if row["reason_for_delay"] not in _REASONS:
            raise ExtractError(
                f"row {row['source_row']}: reason {row['reason_for_delay']!r} is not one of "
                f"{', '.join(sorted(_REASONS))}. A new reason is added in ccg_pipeline/extracts/dtoc.py."
            )


def _beds_agree(frame: pl.DataFrame, days_in_month: int) -> None:
    """Days over days in the month is what the file prints as beds: the proof that no days were mistyped or lost.

    A blank is let through only beside 0 beds (one stands in the published extract of April 2018).
    """
    for days, beds in zip(_DAYS, _BEDS, strict=True):
        a_day = pl.col(days.name) / days_in_month
        # Published to two or more decimals; a day more or less changes beds by over 0.03.
        off = frame.filter(
            ((a_day - pl.col(beds.name)).abs() > 0.0101).fill_null(
                pl.col(beds.name).is_null() | (pl.col(beds.name) > 0)
            )
        )
        if off.height:
            first = off.row(0, named=True)
            raise ExtractError(
                f"row {first['source_row']}: {first[days.name]} in {days.headings[0]!r} does not go with "
                f"{first[beds.name]} in {beds.headings[0]!r}, which is days over the {days_in_month} days of the month "
                f"({off.height} such rows). The file contradicts itself: fetch it again or ask the publisher."
            )
