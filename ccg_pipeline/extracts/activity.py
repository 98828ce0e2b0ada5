"""Provider activity: hospital episode statistics for monthly activity recording (HES MAR) of NHS Digital.

One row a month and organisation: England, regions, CCGs and providers. Counts below England are rounded to 5
and small ones are suppressed (``*``), so that organisations do not add to England; only a total and its two parts
are held against each other, within the rounding.
"""

from __future__ import annotations

from dataclasses import replace

import polars as pl

from ccg_pipeline.extracts.contract import (
    Coverage,
    Extract,
    ExtractError,
    PublishedLayout,
    Schema,
    UnknownLayoutError,
    are_codes,
    described,
    goes_to_the_end,
    nearest_text,
    no_blanks,
    no_repeats,
    typed,
)
from ccg_pipeline.extracts.headings import columns_of, named, pick
from ccg_pipeline.extracts.periods import parse_month
from ccg_pipeline.extracts.source import Source
from ccg_pipeline.extracts.spreadsheet import prove_last_line, read_delimited

name = "activity"

_IDENTITY = columns_of(name, "organisations")
MEASURES = tuple(replace(c, suppressible=True) for c in columns_of(name, "hes_mar"))
_NEEDED = pick(_IDENTITY, "activity_month", "breakdown")
_ORGANISATION = pick(_IDENTITY, "org_code", "org_name")
_ORG_CODE = _ORGANISATION[0]
COLUMNS = (*_IDENTITY, *MEASURES)
# Counts below England are rounded to 5: a total and the sum of its two parts differ by at most as much.
_ROUNDED_TO = 5
_LARGEST_HIDDEN = 7
# How many rows of a kind England has at least, and the share of its patients who are in none of them.
_OF_ENGLAND = {
    "commissioner_region": (4, 0.0),
    "provider_region": (4, 0.0),
    "commissioner": (50, 0.02),
    "provider": (50, 0.02),
}
_BREAKDOWNS = {
    "National": "england",
    "Region of CCG": "commissioner_region",
    "Region of Provider": "provider_region",
    "CCG": "commissioner",
    "Provider": "provider",
}

schema: Schema = {
    "source_sheet": pl.String,
    "source_row": pl.Int64,
    "period_start": pl.Date,
    "reporting_period": pl.Int64,
    "breakdown": pl.String,
    "org_code": pl.String,
    "org_name": pl.String,
    "region_code": pl.String,
    "region_name": pl.String,
    "suppressed_measures": pl.List(pl.String),
    **{c.name: pl.Int64 for c in MEASURES},
}
descriptions = described(COLUMNS, period_start="first day of the month of activity")
layouts = (
    PublishedLayout(
        "hes_mar_csv", "a csv with Activity Month, Organisation breakdown and the specific acute specialties", COLUMNS
    ),
)


def recognise(source: Source) -> float:
    """By organisation breakdown beside activity of the specific acute specialties."""
    if source.header_line([*_NEEDED, named(MEASURES, "acute_elective_admissions")]) is not None:
        return 1.0
    return 0.6 if source.header_line(_NEEDED) is not None else 0.0


def read(source: Source) -> Extract:
    """The months of one financial year, by organisation; a suppressed count is absent and named as such."""
    header = source.header_line(_NEEDED)
    assert header is not None
    prove_last_line(source)
    frame = typed(read_delimited(source, header, COLUMNS), COLUMNS, "the file", suppression="*")
    unknown = frame.filter(~pl.col("breakdown").is_in(list(_BREAKDOWNS)) | pl.col("breakdown").is_null())
    if unknown.height:
        first = unknown.row(0, named=True)
        raise UnknownLayoutError(
            f"row {first['source_row']}: organisation breakdown {first['breakdown']!r} is not one of "
            f"{', '.join(_BREAKDOWNS)}{nearest_text(first['breakdown'], _BREAKDOWNS)}."
        )
    months = {text: parse_month(text) for text in frame["activity_month"].unique()}
    if unread := [text for text, month in months.items() if month is None]:
        raise ExtractError(f"column 'Activity Month': no month can be read from {unread[0]!r}.")
    frame = frame.with_columns(
        pl.lit(None, pl.String).alias("source_sheet"),
        pl.col("activity_month").replace_strict(months, return_dtype=pl.Date).alias("period_start"),
        pl.col("breakdown").replace_strict(_BREAKDOWNS),
    )
    _months_of_year(frame)
    _to_the_reporting_period(frame)
    organisations = frame.filter(pl.col("breakdown").is_in(["commissioner", "provider"]))
    are_codes(organisations, _ORG_CODE, "the file")
    no_repeats(organisations, ["period_start", "breakdown", "org_code"], "the file")
    no_repeats(frame, ["period_start", "breakdown", "org_code", "region_code"], "the file")
    no_blanks(frame, _ORGANISATION, "the file")
    _counted_or_suppressed(frame)
    _every_month_whole(frame)
    _parts_of_totals(frame)
    _adds_up_nearly(frame)
    goes_to_the_end(frame, "period_start", _ORG_CODE, "the file", among=["breakdown"])
    rows = frame.select(pl.col(c).cast(t) for c, t in schema.items())
    coverage = tuple(
        Coverage(view, "all", month)
        for view in ("england", "commissioner", "provider")
        for month in sorted(rows.filter(pl.col("breakdown") == view)["period_start"].unique())
    )
    if not coverage:
        raise ExtractError("the file has no rows for England, CCGs or providers.")
    return Extract(name, "hes_mar_csv", rows, coverage)


def _months_of_year(frame: pl.DataFrame) -> None:
    """A month outside the financial year of its row is a mistyped month or year."""
    starts = pl.col("period_start").dt.offset_by("-3mo").dt.year().cast(pl.String)
    stray = frame.filter(starts != pl.col("financial_year").str.slice(0, 4))
    if stray.height:
        first = stray.row(0, named=True)
        raise ExtractError(
            f"row {first['source_row']}: {first['activity_month']} is not a month of {first['financial_year']}."
        )


def _to_the_reporting_period(frame: pl.DataFrame) -> None:
    """The months go on to the reporting period: so many months of the financial year, 13 for the year as it closed."""
    no_blanks(frame, pick(_IDENTITY, "financial_year", "reporting_period"), "the file")
    latest = frame.sort("period_start", "source_row").row(-1, named=True)
    reported = max(frame.filter(pl.col("financial_year") == latest["financial_year"])["reporting_period"])
    if (latest["period_start"].month - 4) % 12 + 1 < min(reported, 12):
        raise ExtractError(
            f"the last month is {latest['activity_month']} of {latest['financial_year']} and the reporting period "
            f"{reported}, expected rows of {min(reported, 12)} months. The file may be cut off: fetch it again."
        )


def _counted_or_suppressed(frame: pl.DataFrame) -> None:
    suppressed = pl.col("suppressed_measures")
    for column in MEASURES:
        no_blanks(frame.filter(~suppressed.list.contains(column.name)), [column], "the file", "a count or '*'")
    of_england = frame.filter((pl.col("breakdown") == "england") & (suppressed.list.len() > 0))
    if of_england.height:
        first = of_england.row(0, named=True)
        raise ExtractError(
            f"row {first['source_row']}: '*' in a count of England ({first['suppressed_measures'][0]}), expected the "
            "count: only those of organisations are suppressed. Fetch the file again."
        )


def _every_month_whole(frame: pl.DataFrame) -> None:
    """Each month has England once, CCGs and providers: a month with less was cut off."""
    whole = {"england", "commissioner", "provider"}
    for (month,), rows in frame.group_by("period_start", maintain_order=True):
        found = dict(rows["breakdown"].value_counts().iter_rows())
        if not whole <= set(found) or found.get("england", 1) != 1:
            counted = ", ".join(f"{found.get(kind, 0)} for {kind}" for kind in sorted(whole))
            raise ExtractError(
                f"{month:%B %Y}: rows {counted}; expected one for England and some of each other. The "
                "file may be cut off: fetch it again."
            )


def _adds_up_nearly(frame: pl.DataFrame) -> None:
    """England is the sum of its regions within their rounding, and nearly that of its organisations.

    Of a file with fewer rows of a kind than England has, which is a part of the publication, nothing is asked.
    """
    names = [c.name for c in MEASURES]
    england = frame.filter(pl.col("breakdown") == "england").select("period_start", "source_row", *names)
    for kind, (fewest, unknown) in _OF_ENGLAND.items():
        parts = (
            frame.filter(pl.col("breakdown") == kind)
            .group_by("period_start")
            .agg(pl.len().alias("found"), pl.col(names).sum(), pl.col(names).null_count().name.suffix("_hidden"))
            .filter(pl.col("found") >= fewest)
        )
        months = england.join(parts, on="period_start", suffix="_of_parts").sort("period_start")
        for column in MEASURES:
            whole, added = pl.col(column.name), pl.col(f"{column.name}_of_parts")
            hidden = pl.col(f"{column.name}_hidden") * _LARGEST_HIDDEN
            off = months.filter((whole - added).abs() > pl.col("found") * _ROUNDED_TO / 2 + hidden + whole * unknown)
            if off.height:
                first = off.row(0, named=True)
                raise ExtractError(
                    f"row {first['source_row']}: England gives {first[column.name]} for {column.headings[0]!r} in "
                    f"{first['period_start']:%B %Y}, the {first['found']} rows of {kind} add to "
                    f"{first[f'{column.name}_of_parts']}: more than rounding, the file is cut off or contradicts "
                    "itself. Fetch it again or ask the publisher."
                )


def _parts_of_totals(frame: pl.DataFrame) -> None:
    """A total is its two parts, exactly for England and within their rounding elsewhere, where none is suppressed."""
    for group in ("acute", "all"):
        for total, parts in (
            ("elective_admissions", ("ordinary_elective_admissions", "daycase_elective_admissions")),
            ("first_attendances", ("first_attendances_gp_referral", "first_attendances_other_referral")),
        ):
            difference = (pl.col(f"{group}_{total}") - pl.sum_horizontal(f"{group}_{p}" for p in parts)).abs()
            known = pl.all_horizontal(pl.col(f"{group}_{p}").is_not_null() for p in parts)
            allowed = pl.when(pl.col("breakdown") == "england").then(0).otherwise(_ROUNDED_TO)
            off = frame.filter(known & (difference > allowed))
            if off.height:
                first = off.row(0, named=True)
                raise ExtractError(
                    f"row {first['source_row']} ({first['org_code']}, {first['activity_month']}): {total} is "
                    f"{first[f'{group}_{total}']}, its parts are "
                    f"{' and '.join(str(first[f'{group}_{p}']) for p in parts)} ({off.height} such rows). The file "
                    "contradicts itself: fetch it again or ask the publisher."
                )
