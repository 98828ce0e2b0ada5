"""The rows that every source of organisations is turned into, and the rules that hold for all of them."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from datetime import date

import polars as pl

from ccg_pipeline.extracts.contract import Coverage, Extract, ExtractError, Schema

SCHEMA: Schema = {
    "source_sheet": pl.String,
    "source_row": pl.Int64,
    "period_start": pl.Date,
    "as_of": pl.Date,
    "kind": pl.String,
    "org_code": pl.String,
    "org_name": pl.String,
    "org_role": pl.String,
    "parent_code": pl.String,
    "region_code": pl.String,
    "ons_code": pl.String,
    "valid_from": pl.Date,
    "valid_to": pl.Date,
}

ODS_CODE = re.compile(r"[A-Z0-9]{3,7}")
SYSTEM_CODE = re.compile(r"Q[A-Z][A-Z0-9]")


@dataclass(frozen=True)
class Statement:
    """A row but for the day of the list; see `SCHEMA`."""

    source_sheet: str | None
    source_row: int
    kind: str
    org_code: str
    org_name: str | None = None
    org_role: str | None = None
    parent_code: str | None = None
    region_code: str | None = None
    ons_code: str | None = None
    valid_from: date | None = None
    valid_to: date | None = None


def extract_of(
    statements: Sequence[Statement],
    *,
    layout: str,
    part: str,
    as_of: date,
    published_on: date | None = None,
    caveats: Iterable[str] = (),
) -> Extract:
    """The extract of a list that speaks of the day ``as_of``; what a list says twice it says once."""
    month = as_of.replace(day=1)
    rows = pl.DataFrame(
        [{**asdict(s), "as_of": as_of, "period_start": month} for s in statements], schema=SCHEMA, orient="row"
    )
    return Extract(
        dataset="organisations",
        layout=layout,
        rows=rows.unique([c for c in SCHEMA if c != "source_row"], keep="first", maintain_order=True),
        coverage=(Coverage("reference", part, month),),
        published_on=published_on,
        caveats=tuple(caveats),
    )


def check_code(code: str | None, where: str, what: str) -> str:
    """The code, in the shape of ODS. Raises `ExtractError` where it is not."""
    if code is None or not ODS_CODE.fullmatch(code):
        raise ExtractError(
            f"{where}, {what}: found {code!r}, expected a code of 3 to 7 capitals and digits. A spreadsheet may have "
            "changed it: fetch the file again."
        )
    return code


def one_parent_each(statements: Iterable[Statement], where: str) -> None:
    """Raises `ExtractError` where a commissioner belongs to two systems at the same time, or twice to one."""
    first: dict[tuple[str, date | None], Statement] = {}
    for statement in statements:
        earlier = first.setdefault((statement.org_code, statement.valid_to), statement)
        if earlier is not statement:
            raise ExtractError(
                f"{where} rows {earlier.source_row} and {statement.source_row}: {statement.org_code} stands under "
                f"{earlier.parent_code} and under {statement.parent_code}, expected once. A commissioner belongs to "
                "one system at a time: fetch the file again or ask the publisher."
            )
