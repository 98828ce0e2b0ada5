"""The provider extracts: one row a provider, local authority of residence, setting (acute or not) and reason for delay.

From April 2017 `DTOC beds`, days over the days of the month, stand beside the days; before, under headings with `A SUM`
and `B SUM`, the patients delayed at midnight on the last Thursday (A) beside the days of the month (B). A reason that
nobody was delayed for has a row of zeros, so every provider and local authority has the same rows.
"""

from __future__ import annotations

from dataclasses import replace

import polars as pl

from ccg_pipeline.extracts.contract import (
    Coverage,
    Extract,
    ExtractError,
    PublishedLayout,
    UnknownLayoutError,
    are_codes,
    nearest_text,
    no_blanks,
    no_repeats,
    normalise,
    one_month,
    typed,
)
from ccg_pipeline.extracts.dtoc.shape import REASONS, SETTINGS, WHO, beds_agree, in_schema, name
from ccg_pipeline.extracts.headings import columns_of, pick
from ccg_pipeline.extracts.source import Source
from ccg_pipeline.extracts.spreadsheet import prove_last_line, read_delimited

_IDENTITY = columns_of(name, "provider_extract")
_KEY = pick(_IDENTITY, "provider_code", "local_authority_code", "setting", "reason_for_delay")
_DAYS, _BEDS, _PATIENTS = (
    pick(columns_of(name, f"provider_extract_{what}"), *(f"{who}_{what}" for who in WHO))
    for what in ("days", "beds", "patients")
)
COLUMNS = (*_IDENTITY, *_DAYS, *_BEDS, *_PATIENTS)
layouts = tuple(
    PublishedLayout(
        layout,
        f"a csv with reason for delay beside local authority and setting, {words}",
        (*_IDENTITY, *_DAYS, *(replace(c, required=True) for c in beside)),
    )
    for layout, words, beside in (
        ("dtoc_provider_extract", "with DTOC beds", _BEDS),
        ("dtoc_provider_extract_with_patients", "with patients (A) beside days (B)", _PATIENTS),
    )
)

_FEWEST_ROWS = 20  # ten reasons or more in each of the two settings


def recognise(source: Source) -> float:
    """By reason for delay beside local authority and setting."""
    if source.header_line(_KEY[1:]) is not None:
        return 1.0
    return 0.6 if source.header_line(_KEY[3:]) is not None else 0.0


def read(source: Source) -> Extract:
    """One month of provider, local authority, setting and reason."""
    header = source.header_line(_KEY[3:])
    assert header is not None
    prove_last_line(source)
    frame = typed(read_delimited(source, header, COLUMNS), COLUMNS, "the file")
    has_beds, has_patients = ({c.name for c in columns} <= set(frame.columns) for columns in (_BEDS, _PATIENTS))
    if (
        not has_beds
        and not has_patients
        and normalise(_DAYS[0].headings[0]) in map(normalise, source.first_lines[header])
    ):
        raise ExtractError(
            f"row {header + 1}: 'NHS' without 'NHS DTOC beds' or 'NHS A SUM' beside it does not say whether it is days "
            "or patients. Check that the file is as published."
        )
    month = one_month(_periods(frame), "column 'Period'")
    are_codes(frame, _KEY[0], "the file")
    no_blanks(frame, _KEY[1:], "the file")
    frame = frame.with_columns(
        pl.lit(month).alias("period_start"),
        pl.lit("provider").alias("view"),
        pl.lit("setting_and_reason").alias("breakdown"),
        pl.lit(False).alias("is_england"),
        pl.col("reason_for_delay").str.to_uppercase(),
        pl.col("setting").str.to_titlecase(),
    )
    _known(frame)
    no_repeats(frame, [c.name for c in _KEY], "the file")
    if has_beds:
        # Published to two or more decimals; a day more or less changes beds by over 0.03.
        beds_agree(frame, list(zip(_DAYS, _BEDS, strict=True)), 0.0101, "the file")
    _same_rows_for_all(frame)
    return Extract(
        name,
        "dtoc_provider_extract" if has_beds else "dtoc_provider_extract_with_patients",
        in_schema(frame),
        (Coverage("provider", "all", month),),
    )


def _periods(frame: pl.DataFrame) -> list[str | None]:
    """The period cells; where a column has the financial year and the period is a bare month, both together."""
    if "financial_year" not in frame.columns:
        return frame["period"].to_list()
    return [
        period if period and any(c.isdigit() for c in period) else f"{period} {year}"
        for period, year in frame.select("period", "financial_year").unique().rows()
    ]


def _known(frame: pl.DataFrame) -> None:
    for row in (
        frame.select("source_row", "setting", "reason_for_delay")
        .unique(["setting", "reason_for_delay"], maintain_order=True)
        .iter_rows(named=True)
    ):
        if row["setting"] not in SETTINGS:
            raise UnknownLayoutError(
                f"row {row['source_row']}: setting {row['setting']!r}, expected Acute or Non-Acute."
            )
        if row["reason_for_delay"] not in REASONS:
            raise UnknownLayoutError(
                f"row {row['source_row']}: reason {row['reason_for_delay']!r} is not one of "
                f"{', '.join(sorted(REASONS))}{nearest_text(row['reason_for_delay'], REASONS)}. A new reason is "
                "added in ccg_pipeline/extracts/headings/dtoc.csv."
            )


def _same_rows_for_all(frame: pl.DataFrame) -> None:
    """Each provider and local authority has a row for every setting and reason of the file: none was cut off."""
    rows = frame.select("setting", "reason_for_delay").unique().height
    if rows < _FEWEST_ROWS:
        raise ExtractError(
            f"{rows} settings and reasons in the whole file, expected {_FEWEST_ROWS} or more for each provider and "
            "local authority. The file is cut off: fetch it again."
        )
    pairs = frame.group_by("provider_code", "local_authority_code", maintain_order=True).agg(
        pl.len(), pl.col("source_row").first()
    )
    short = pairs.filter(pl.col("len") != rows)
    if short.height:
        first = short.row(0, named=True)
        raise ExtractError(
            f"from row {first['source_row']}: {first['len']} rows for provider {first['provider_code']} and local "
            f"authority {first['local_authority_code']}, expected {rows}, one for each setting and reason of the file "
            f"({short.height} of {pairs.height} such pairs). The file is damaged or cut off: fetch it again."
        )
