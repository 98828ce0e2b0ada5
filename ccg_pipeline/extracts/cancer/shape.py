"""The rows that every cancer layout gives, and the proofs that hold for each of them.

``view`` says whose figures they are: ``commissioner`` (CCG, later sub-ICB location), ``icb`` or ``provider``. A
breakdown stands beside the figure it adds to, so ``is_counted`` marks the rows that make up the standard's figure:
their sum over an organisation, never the sum of all its rows. ``stage`` is the care setting (to September 2023),
the treatment stage or the referral route (after).
"""

from __future__ import annotations

from datetime import date

import polars as pl

from ccg_pipeline.extracts.contract import Column, Coverage, Extract, ExtractError, Schema, no_blanks, normalise

name = "cancer"

schema: Schema = {
    "source_sheet": pl.String,
    "source_row": pl.Int64,
    "period_start": pl.Date,
    "view": pl.String,
    "standard": pl.String,
    "org_code": pl.String,
    "org_name": pl.String,
    "is_total": pl.Boolean,
    "is_counted": pl.Boolean,
    "stage": pl.String,
    "modality": pl.String,
    "category": pl.String,
    "patients": pl.Float64,
    "patients_within": pl.Float64,
    "patients_after": pl.Float64,
}

descriptions = {
    "view": "whose figures: commissioner (CCG, later sub-ICB location), icb or provider",
    "standard": "the standard, in our words (62_day_gp ...)",
    "org_code": "ODS code of the organisation, or UNKNOWN; null for England's row",
    "org_name": "name of the organisation, as the file has it",
    "is_counted": "whether the row makes up the standard's figure; parts of it do not",
    "stage": "care setting (to September 2023), treatment stage or referral route (after)",
    "modality": "treatment modality, in extracts that have it",
    "category": "cancer or treatment type",
    "patients": "patients treated, seen or told (count, halves where two providers share one)",
    "patients_within": "of these, within the standard's days (count)",
    "patients_after": "of these, after the standard's days (count)",
    "share_within": "printed share within the days, as a fraction",
}

# From this month the nine standards of old are three.
COMBINED_FROM = date(2023, 10, 1)

COUNTS = ("patients", "patients_within", "patients_after")


def headings(*texts: str) -> frozenset[str]:
    return frozenset(normalise(t) for t in texts)


def extract(rows: pl.DataFrame, layout: str, edition: str = "unknown") -> Extract:
    """The rows in the columns of `schema`, with one coverage for each view, standard and month among them."""
    absent = [pl.lit(None).alias(c) for c in schema if c not in rows.columns]
    rows = rows.with_columns(absent).select(pl.col(c).cast(t) for c, t in schema.items())
    slices = rows.select("view", "standard", "period_start").unique().sort("view", "standard", "period_start")
    return Extract(
        dataset=name,
        layout=layout,
        rows=rows,
        coverage=tuple(Coverage(*key) for key in slices.iter_rows()),
        edition=edition,
    )


def _is_rounded(printed: pl.Expr, share: pl.Expr) -> pl.Expr:
    """Whether a share is as printed: to nine decimals, or to those of a percentage with two decimals at most."""
    off = (printed - share).abs()
    as_printed = off < 1e-8
    for decimals in (2, 3, 4):
        steps = printed * 10**decimals
        as_printed |= ((steps - steps.round()).abs() < 1e-6) & (off <= 0.5 / 10**decimals + 1e-9)
    return as_printed


def prove_rows(frame: pl.DataFrame, columns: tuple[Column, ...], where: str) -> None:
    """Each row has its three counts, in whole or half patients; they add; the share printed is theirs.

    A patient whom two providers treated counts a half to each. Raises `ExtractError` for the first row that differs.
    """
    counts = [c for c in columns if c.name in COUNTS]
    no_blanks(frame, counts, where, "a count")
    for column in counts:
        odd = frame.filter((pl.col(column.name) < 0) | (pl.col(column.name) * 2 % 1 != 0))
        if odd.height:
            raise ExtractError(
                f"{where} row {odd['source_row'][0]}, column {column.headings[0]!r}: found "
                f"{odd[column.name][0]:.10g}, expected whole or half patients, not negative. Fetch the file again or "
                "ask the publisher."
            )
    rules = [
        (pl.col("patients") != pl.col("patients_within") + pl.col("patients_after"), "within and after do not add")
    ]
    if "share_within" in frame.columns:
        share, printed = pl.col("patients_within") / pl.col("patients"), pl.col("share_within")
        # As a fraction, and as a percentage in some copies.
        off = ~(_is_rounded(printed, share) | _is_rounded(printed / 100, share))
        rules.append(((pl.col("patients") > 0) & off, "the printed share is another"))
    for broken, meaning in rules:
        off_rows = frame.filter(broken)
        if off_rows.height:
            first = off_rows.row(0, named=True)
            share_printed = f", share {first['share_within']:.10g}" if first.get("share_within") is not None else ""
            raise ExtractError(
                f"{where} row {first['source_row']} ({first['org_code'] or 'ENGLAND'}): {meaning}: "
                f"{first['patients_within']:.10g} within and {first['patients_after']:.10g} after of "
                f"{first['patients']:.10g}{share_printed}. Fetch the file again or ask the publisher."
            )
