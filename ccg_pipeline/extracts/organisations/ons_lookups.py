"""ONS lookups from CCG to STP (to 2021) and from sub-ICB location to ICB (from 2022), one row a commissioner.

The headings carry the year (``SICBL24CD``, ``CCG21CDH``): it must be the same in all of them, and it dates the lookup.
"""

from __future__ import annotations

import re
from datetime import date

import polars as pl

from ccg_pipeline.extracts.contract import Column, Extract, ExtractError, normalise
from ccg_pipeline.extracts.organisations.shape import (
    SYSTEM_CODE,
    Statement,
    check_code,
    extract_of,
    one_parent_each,
)
from ccg_pipeline.extracts.source import Source
from ccg_pipeline.extracts.spreadsheet import read_delimited

_HEADING = re.compile(r"(sicbl|loc|ccg|icb|stp|nhser|cal)(\d\d)(cdh|cd|nm)")
_MEMBERS = {"sicbl": "sub_icb", "loc": "sub_icb", "ccg": "ccg"}
_SYSTEMS = {"icb": "icb", "stp": "stp"}
_ICBS_FROM = date(2022, 7, 1)
_REGIONS = {"Y56", "Y58", "Y59", "Y60", "Y61", "Y62", "Y63"}
_REGIONS_FROM = 2019


def _headings(source: Source) -> dict[tuple[str, str], str] | None:
    """Headings by area and kind of column, without the year; None where they are not those of a lookup."""
    if not source.first_lines:
        return None
    found: dict[tuple[str, str], str] = {}
    for heading in source.first_lines[0]:
        if match := _HEADING.fullmatch(normalise(heading)):
            found[match[1], match[3]] = normalise(heading)
    is_lookup = any((m, "cd") in found for m in _MEMBERS) and any((s, "cd") in found for s in _SYSTEMS)
    # From small areas (LSOA11CD, LAD21CD) to commissioners is another lookup.
    others = [h for h in source.first_lines[0] if not _HEADING.fullmatch(normalise(h))]
    return found if is_lookup and not any(re.fullmatch(r"[a-z]+\d\d(cd|nm)", normalise(h)) for h in others) else None


def recognise(source: Source) -> float:
    return 1.0 if _headings(source) else 0.0


def read(source: Source) -> Extract:
    """A lookup. Raises `ExtractError` where codes are missing, years differ, or a member has two systems."""
    found = _headings(source) or {}
    years = sorted({h[-4:-2] if h.endswith(("cd", "nm")) else h[-5:-3] for h in found.values()})
    if len(years) != 1:
        raise ExtractError(
            f"row 1: headings of the years {', '.join('20' + y for y in years)}, expected one year. Fetch it again."
        )
    member = next(m for m in _MEMBERS if (m, "cd") in found)
    system = next(s for s in _SYSTEMS if (s, "cd") in found)
    if _MEMBERS[member] == "ccg" and system == "icb":
        raise ExtractError("row 1: a lookup from CCGs to ICBs, expected CCGs with STPs or sub-ICB locations with ICBs.")
    columns = [
        Column(f"{area}_{kind}", (f"{area.upper()}{years[0]}{kind.upper()}",), required=area in (member, system))
        for area in (member, system, "nhser", "cal")
        for kind in ("cd", "cdh", "nm")
    ]
    frame = read_delimited(source, 0, [*columns, Column("row_id", ("ObjectId", "FID"), required=False)])
    year = 2000 + int(years[0])
    as_of = _ICBS_FROM if year == _ICBS_FROM.year and system == "icb" else date(year, 4, 1)
    members: list[Statement] = []
    systems: dict[str, Statement] = {}
    for row in frame.iter_rows(named=True):
        where = f"row {row['source_row']}"
        code = check_code(row[f"{member}_cdh"], where, f"column {member.upper()}{years[0]}CDH")
        parent = row[f"{system}_cdh"]
        if parent is None or not SYSTEM_CODE.fullmatch(parent):
            raise ExtractError(
                f"{where}, column {system.upper()}{years[0]}CDH: found {parent!r}, expected the ODS code of an "
                f"{system.upper()} such as QM7. Fetch the file again."
            )
        for area in (member, system):
            if not re.fullmatch(r"E\d{8}", row[f"{area}_cd"] or ""):
                raise ExtractError(
                    f"{where}, column {area.upper()}{years[0]}CD: found {row[f'{area}_cd']!r}, expected a code of ONS "
                    "such as E54000025. Fetch the file again."
                )
        if not (row[f"{member}_nm"] or "").startswith("NHS ") or not row[f"{system}_nm"]:
            raise ExtractError(
                f"{where}: the names {row[f'{member}_nm']!r} and {row[f'{system}_nm']!r}, expected those of a "
                f"commissioner ('NHS ...') and of its {system.upper()}. Fetch the file again."
            )
        region = row.get("nhser_cdh")
        members.append(
            Statement(
                None,
                row["source_row"],
                "membership",
                code,
                row[f"{member}_nm"],
                _MEMBERS[member],
                parent,
                region,
                row[f"{member}_cd"],
            )
        )
        stated = Statement(
            None,
            row["source_row"],
            "organisation",
            parent,
            row[f"{system}_nm"],
            _SYSTEMS[system],
            None,
            region,
            row[f"{system}_cd"],
        )
        earlier = systems.setdefault(parent, stated)
        if (earlier.org_name, earlier.ons_code) != (stated.org_name, stated.ons_code):
            raise ExtractError(
                f"rows {earlier.source_row} and {row['source_row']}: {parent} is {earlier.org_name!r} "
                f"({earlier.ons_code}) and {stated.org_name!r} ({stated.ons_code}). Fetch the file again."
            )
    one_parent_each(members, "the lookup")
    _is_whole(frame, [m.region_code for m in members], year)
    layout = f"ons_{_MEMBERS[member]}_to_{system}"
    return extract_of([*systems.values(), *members], layout=layout, part=layout, as_of=as_of)


def _is_whole(frame: pl.DataFrame, regions: list[str | None], year: int) -> None:
    """Raises `ExtractError` where the numbers of the rows have gaps, or a region has no commissioner."""
    if "row_id" in frame.columns:
        numbers = sorted(int(n) if n and n.isdigit() else -1 for n in frame["row_id"])
        if numbers[0] not in (0, 1) or numbers != list(range(numbers[0], numbers[0] + len(numbers))):
            raise ExtractError(
                f"the numbers of the {len(numbers)} rows (last column, to {numbers[-1]}) are not 1, 2, 3 and so on, "
                "each once: rows are missing or doubled. Fetch the file again."
            )
    if any(regions) and year >= _REGIONS_FROM and (absent := sorted(_REGIONS - set(regions))):
        raise ExtractError(
            f"no commissioner in the region {', '.join(absent)}, expected all seven regions of England: the lookup is "
            "cut off. Fetch it again."
        )
