"""The rows that every layout of delayed transfers gives, the words for settings and reasons, and the proofs they share.

A row is the delayed days of an organisation (or of a provider's patients from one local authority) in a month, for a
setting and reason where the table tells them apart; ``breakdown`` says by what the table breaks the days down:

- ``setting_and_reason``: setting, reason and who is responsible (provider extract, England's tables);
- ``responsible``, ``setting``, ``reason``: by that alone; each adds to the same total, so only one of them is counted.

``view`` says whose figures the file holds: ``provider``, ``local_authority`` or ``england``; ``is_england`` marks
England's own rows. Days are whole; beds are days over the days of the month, as printed.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date

import polars as pl

from ccg_pipeline.extracts.contract import Column, ExtractError, Schema
from ccg_pipeline.extracts.headings import columns_of
from ccg_pipeline.extracts.periods import month_end

name = "dtoc"

WHO = ("nhs", "social_care", "both")
SETTINGS = ("Acute", "Non-Acute")
# Each reason with the headings under which tables have shown it; the provider extract has the codes themselves.
REASON_COLUMNS = columns_of(name, "reasons")
REASONS = {c.name: c.headings for c in REASON_COLUMNS}

schema: Schema = {
    "source_sheet": pl.String,
    "source_row": pl.Int64,
    "period_start": pl.Date,
    "view": pl.String,
    "breakdown": pl.String,
    "is_england": pl.Boolean,
    "provider_code": pl.String,
    "provider_name": pl.String,
    "provider_parent_code": pl.String,
    "provider_parent_name": pl.String,
    "local_authority_code": pl.String,
    "local_authority_name": pl.String,
    "ons_code": pl.String,
    "region_name": pl.String,
    "setting": pl.String,
    "reason_for_delay": pl.String,
    "not_applicable_measures": pl.List(pl.String),
    **{f"{who}_days": pl.Int64 for who in WHO},
    "total_days": pl.Int64,
    **{f"{who}_beds": pl.Float64 for who in WHO},
    "total_beds": pl.Float64,
    **{f"{who}_patients": pl.Int64 for who in WHO},
}
descriptions = {
    "view": "whose figures: provider, local_authority or england",
    "breakdown": "by what the table breaks days down: setting_and_reason, responsible, setting or reason",
    "is_england": "whether the row is England's own",
    "provider_code": "ODS code of the provider; null where the row is not of one",
    "provider_name": "name of the provider, as the file has it",
    "provider_parent_code": "ODS code of the provider's parent, in provider extracts",
    "provider_parent_name": "name of the provider's parent, in provider extracts",
    "local_authority_code": "code of the local authority of residence",
    "local_authority_name": "name of the local authority, as the file has it",
    "ons_code": "ONS code of the local authority, in workbooks that have it",
    "region_name": "region, strategic health authority or area team, in workbooks that have it",
    "setting": "Acute or Non-Acute; null where the table does not tell them apart",
    "reason_for_delay": "code of the reason for delay; null where the table does not tell them apart",
    "not_applicable_measures": "columns of the row that do not apply to the reason (NA)",
    **{f"{who}_days": f"delayed days, responsible: {who.replace('_', ' ')}" for who in WHO},
    "total_days": "delayed days, whoever is responsible",
    **{f"{who}_beds": f"delayed days over the days of the month, responsible: {who.replace('_', ' ')}" for who in WHO},
    "total_beds": "delayed days over the days of the month, as printed",
    **{f"{who}_patients": f"patients delayed on a Thursday, responsible: {who.replace('_', ' ')}" for who in WHO},
}


def in_schema(rows: pl.DataFrame) -> pl.DataFrame:
    """The columns of `schema`; those that a table does not have are null."""
    absent = [pl.lit(None).alias(c) for c in schema if c not in rows.columns]
    return rows.with_columns(absent).select(pl.col(c).cast(t) for c, t in schema.items())


def beds_agree(frame: pl.DataFrame, pairs: Sequence[tuple[Column, Column]], tolerance: float, where: str) -> None:
    """Days over the days of the month (``period_start``) is what the file prints as beds, so none was mistyped or lost.

    A blank is let through only beside 0 beds (one stands in the published extract of April 2018).
    """
    lengths: dict[date, int] = {m: month_end(m).day for m in frame["period_start"].unique()}
    frame = frame.with_columns(pl.col("period_start").replace_strict(lengths, return_dtype=pl.Int64).alias("_length"))
    for days, beds in pairs:
        off = frame.filter(
            ((pl.col(days.name) / pl.col("_length") - pl.col(beds.name)).abs() > tolerance).fill_null(
                pl.col(beds.name).is_null() | (pl.col(beds.name) > 0)
            )
        )
        if off.height:
            first = off.row(0, named=True)
            raise ExtractError(
                f"{where} row {first['source_row']}: {first[days.name]} in {days.headings[0]!r} does not go with "
                f"{first[beds.name]} in {beds.headings[0]!r}, which is days over the {first['_length']} days of the "
                f"month ({off.height} such rows). The file contradicts itself: fetch it again or ask the publisher."
            )


def whole(frame: pl.DataFrame, columns: Sequence[Column], where: str) -> None:
    """Raises `ExtractError` where a cell of a table that has a figure in each is blank."""
    for column in columns:
        blank = frame.filter(pl.col(column.name).is_null())
        if blank.height:
            raise ExtractError(
                f"{where} row {blank['source_row'][0]}, column {column.headings[0]!r}: blank, expected a number (none "
                "is 0). Fetch the file again or ask the publisher."
            )
