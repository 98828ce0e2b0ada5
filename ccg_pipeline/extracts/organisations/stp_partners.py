"""The ODS workbook of STP partners: who belonged to which Sustainability and Transformation Partnership on one day.

Sheets are known by their headings. The partners of the STPs of the day, and of those closed by merger, name CCGs,
councils and trusts beside each STP; the change log dates openings, closings and mergers; hidden sheets list the codes
of regions, CCGs, councils, trusts and care trusts. The working table of ONS codes is passed over: it has no date, and
some of its STPs no codes.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date

from ccg_pipeline.extracts.contract import Column, Extract, ExtractError, match_headings, normalise
from ccg_pipeline.extracts.organisations.ods_lists import role_of
from ccg_pipeline.extracts.organisations.shape import (
    SYSTEM_CODE,
    Statement,
    check_code,
    extract_of,
    one_parent_each,
)
from ccg_pipeline.extracts.periods import parse_day
from ccg_pipeline.extracts.source import Source
from ccg_pipeline.extracts.spreadsheet import find_header

PARTNERS = (
    Column("merged_into", ("NEW CODE FOR MERGED STP",), required=False),
    Column("region", ("NHS England Region", "Region")),
    Column("stp_code", ("ODS STP Code",)),
    Column("footprint", ("STP Footprint no",), required=False),
    Column("ons_code", ("ONS STP Code",)),
    Column("stp_name", ("STP Name",)),
    Column("is_ics", ("ICS?",), required=False),
    Column("lead", ("STP Footprint Lead",), required=False),
    Column("address", ("Address",), required=False),
    Column("email", ("Published contact email address",), required=False),
    Column("ccg", ("CCG",)),
    Column("ccg_code", ("ODS CCG Code",)),
    Column("council", ("LA",)),
    Column("council_code", ("ODS LA Code",)),
    Column("trust", ("Trusts",)),
    Column("trust_code", ("ODS Trust Code",)),
    Column("other", ("Other H&SC Orgs",), required=False),
    Column("other_code", ("ODS Code",), required=False),
    Column("links", ("Hyperlinks to Source Docs/Pages",), required=False),
    Column("hsj", ("HSJ",), required=False),
    Column("hsj_notes", ("Notes re updates to Partners from HSJ docs",), required=False),
    Column("notes", ("Notes",), required=False),
)
_CHANGES = (
    Column("day", ("Date",)),
    Column("stp_code", ("STP Code",)),
    Column("stp_name", ("STP Name",)),
    Column("change", ("Type of Change",)),
    Column("details", ("Details",)),
)
_CCGS = (
    Column("code", ("Code",)),
    Column("name", ("Org Name",)),
    Column("found", ("Lookup to STP Partners",)),
)
_TRUSTS = (
    Column("name", ("Organisation Name", "Org Name")),
    Column("code", ("Org Code",)),
    Column("region", ("National Grouping",)),
    Column("old_area", ("HLHG",), required=False),
    Column("old_type", ("Org Type",), required=False),
    Column("found", ("Lookup to STP Partners", "Lookup if STP Partner")),
    Column("opened", ("Open date",), required=False),
    Column("closed", ("Close Date",), required=False),
    Column("reason", ("Reason not in partner list",), required=False),
)
_COUNCILS = ("Code", "LA Name", "National Grouping")
_ONS = ("ONS Mapping", "ONS STP Code", "ODS CCG Code")
_REGION_LIST = "coded in eauth.csv"

_COUNTED = (("ccg", "CCGs"), ("council", "councils"), ("trust", "trusts"))
_IN_BRACKETS = re.compile(r"\((?:CCG )?([A-Z0-9]{3,5})\)")
_ACQUIRED = re.compile(r"\b([RT][A-Z0-9]{2}) \([^)]*\) (?:acquired by|merged into) ([RT][A-Z0-9]{2})\b")
_MERGED = re.compile(r"(.*?)\bmerged\b(.*)", re.DOTALL)

Cells = Sequence[Sequence[str | None]]


@dataclass(frozen=True)
class _Sheet:
    """A sheet, and its header row (0-based) where it has one."""

    name: str
    cells: Cells
    header: int = 0

    def rows(self, columns: Sequence[Column]) -> Iterator[tuple[int, dict[str, str | None]]]:
        """Row numbers and cells by our names; raises `ExtractError` for a heading that is not known."""
        positions = match_headings(self.cells[self.header], columns, f"sheet {self.name!r} row {self.header + 1}")
        if not any(map(any, self.cells[self.header + 1 :])):
            raise ExtractError(
                f"sheet {self.name!r}: headings in row {self.header + 1} and no row follows. Fetch the workbook again."
            )
        for number, row in enumerate(self.cells[self.header + 1 :], self.header + 2):
            if any(row):
                yield number, {c.name: row[positions[c.name]] if c.name in positions else None for c in columns}


def recognise(source: Source) -> float:
    """By the headings that set STPs beside their CCGs."""
    if not source.is_workbook:
        return 0.0
    needed = [c.headings[0] for c in PARTNERS if c.name in ("stp_code", "ccg_code", "trust_code")]
    return 1.0 if any(find_header(source.sheet(s, 30), needed) is not None for s in source.sheet_names) else 0.0


def read(source: Source) -> Extract:
    """The statements of all sheets.

    Raises `ExtractError` for a sheet that is not known, a CCG in two STPs, or counts of partners that do not agree.
    """
    sheets = _by_kind(source)
    for kind, what in (
        ("title", "the day of the last update"),
        ("changes", "the log of changes"),
        ("current", "the partners of the current STPs"),
    ):
        if len(sheets[kind]) != 1:
            raise ExtractError(f"{len(sheets[kind])} sheets with {what}, expected one. Fetch the workbook again.")
    as_of = _last_update(sheets["title"][0])
    changes = [c for sheet in sheets["changes"] for c in _changes(sheet, as_of)]
    closed_on = {s.org_code: s.valid_to for s in changes if s.org_role == "stp" and s.valid_to}
    caveats: list[str] = []
    statements: list[Statement] = []
    for sheet in (*sheets["current"], *sheets["closed"]):
        statements += _partners(sheet, None if sheet in sheets["current"] else closed_on, caveats)
    opened_on = {s.org_code: s for s in changes if s.org_role == "stp" and s.valid_from}
    statements = [_with_opening(s, opened_on) for s in statements]
    statements += [s for s in changes if s.kind != "organisation"]
    members = [s for s in statements if s.kind == "membership" and s.org_role == "ccg"]
    one_parent_each(members, "sheets of partners,")
    _closed_as_logged(changes, statements)
    for sheet in sheets["ccgs"]:
        statements += _ccgs(sheet)
    for sheet in sheets["trusts"]:
        statements += _trusts(sheet)
    for sheet in sheets["councils"]:
        statements += _councils(sheet)
    for sheet in sheets["regions"]:
        statements += _regions(sheet)
    _listed_once(statements)
    return extract_of(
        statements,
        layout="ods_stp_partners",
        part="stp_partners",
        as_of=as_of,
        published_on=as_of,
        caveats=caveats,
    )


def _closed_as_logged(changes: Sequence[Statement], statements: Sequence[Statement]) -> None:
    """Raises `ExtractError` where the change log closes an STP whose partners no sheet has."""
    logged = {s.org_code: s for s in changes if s.org_role == "stp" and s.kind == "organisation" and s.valid_to}
    with_partners = {s.parent_code for s in statements if s.kind == "membership" and s.valid_to}
    for code in sorted(set(logged) - with_partners):
        raise ExtractError(
            f"sheet {logged[code].source_sheet!r} row {logged[code].source_row} closes {code}, and no sheet of closed "
            "STPs has its partners. Fetch the workbook again."
        )


def _listed_once(statements: Sequence[Statement]) -> None:
    """Raises `ExtractError` where a sheet has an organisation, or a partner of an STP, twice or without a name."""
    first: dict[tuple[str | None, ...], Statement] = {}
    for s in statements:
        where = f"sheet {s.source_sheet!r} row"
        if s.kind == "organisation" and not s.org_name:
            raise ExtractError(f"{where} {s.source_row}: {s.org_code} without a name. Fetch the workbook again.")
        partner_of = s.parent_code if s.kind == "membership" else None
        if s.kind == "succession":
            continue  # a merger is told by each STP that it concerns
        earlier = first.setdefault((s.source_sheet, s.kind, s.org_code, partner_of), s)
        if earlier is not s:
            raise ExtractError(
                f"{where}s {earlier.source_row} and {s.source_row}: {s.org_code} stands twice, expected once. Fetch "
                "the workbook again."
            )


def _by_kind(source: Source) -> dict[str, list[_Sheet]]:
    kinds: dict[str, list[_Sheet]] = {
        kind: []
        for kind in ("title", "changes", "current", "closed", "ccgs", "trusts", "councils", "regions", "passed_over")
    }
    for name in source.sheet_names:
        cells = source.sheet(name)
        if not any(any(row) for row in cells):
            continue
        for kind, needed in (
            ("closed", (PARTNERS[0].headings[0], "ODS STP Code", "ODS CCG Code")),
            ("current", ("ODS STP Code", "ODS CCG Code", "ODS Trust Code")),
            ("changes", tuple(c.headings[0] for c in _CHANGES)),
            ("ccgs", tuple(c.headings[0] for c in _CCGS)),
            ("trusts", ("Organisation Name", "Org Code", "Lookup to STP Partners")),
            ("trusts", ("Org Name", "Org Code", "Lookup if STP Partner")),
            ("councils", _COUNCILS),
            ("passed_over", _ONS),
        ):
            header = find_header(cells, needed)
            if header is not None:
                kinds[kind].append(_Sheet(name, cells, header))
                break
        else:
            if any(_is_last_update(c) for row in cells for c in row):
                kinds["title"].append(_Sheet(name, cells))
            elif any(normalise(c) == _REGION_LIST for row in cells[:3] for c in row):
                kinds["regions"].append(_Sheet(name, cells))
            else:
                raise ExtractError(
                    f"sheet {name!r}: not known in a workbook of STP partners, its headings match none of partners, "
                    "changes, CCGs, councils, trusts and regions. Check that it is as published; a new sheet is added "
                    "in ccg_pipeline/extracts/organisations."
                )
    return kinds


def _is_last_update(cell: str | None) -> bool:
    return normalise(cell).rstrip(": ") == "last updated"


def _last_update(sheet: _Sheet) -> date:
    for number, row in enumerate(sheet.cells, 1):
        for position, cell in enumerate(row):
            if _is_last_update(cell):
                beside = next((c for c in row[position + 1 :] if c), None)
                if (day := parse_day(beside)) is not None:
                    return day
                raise ExtractError(
                    f"sheet {sheet.name!r} row {number}: 'Last updated' {beside!r} is no day such as '3rd April 2019'. "
                    "Correct the copy."
                )
    raise ExtractError(f"sheet {sheet.name!r}: no day beside 'Last updated'. Correct the copy.")


def _partners(sheet: _Sheet, closed_on: Mapping[str, date] | None, caveats: list[str]) -> list[Statement]:
    """STPs and their partners; of closed STPs, with the day on which the change log closes each."""
    statements: list[Statement] = []
    named: dict[str, str] = {}
    counts = dict.fromkeys((name for name, _ in _COUNTED), 0)
    without: list[str] = []
    for number, row in sheet.rows(PARTNERS):
        where = f"sheet {sheet.name!r} row {number}"
        for name, _ in _COUNTED:
            counts[name] += row[name] is not None
        stp, region = row["stp_code"], _region(row["region"])
        if stp is not None and not SYSTEM_CODE.fullmatch(stp):
            raise ExtractError(
                f"{where}, column 'ODS STP Code': found {stp!r}, expected the code of an STP such as QM7."
            )
        if stp is None:
            if row["ccg"] or row["ccg_code"]:
                raise ExtractError(f"{where}: {row['ccg_code'] or row['ccg']} stands without an STP code. Ask ODS.")
            if stray := row["trust_code"] or row["trust"] or row["council_code"] or row["council"]:
                without.append(f"row {number}: {stray} stands without an STP")
            continue
        until = closed_on.get(stp) if closed_on is not None else None
        if stp not in named:
            if row["stp_name"] is None:
                raise ExtractError(f"{where}: {stp} without a name in its first row. Fetch the workbook again.")
            named[stp] = row["stp_name"]
            statements.append(
                Statement(
                    sheet.name,
                    number,
                    "organisation",
                    stp,
                    row["stp_name"],
                    "stp",
                    None,
                    region,
                    row["ons_code"],
                    valid_to=until,
                )
            )
        elif row["stp_name"] not in (None, named[stp]):
            raise ExtractError(f"{where}: {stp} is {row['stp_name']!r} here and {named[stp]!r} above.")
        if (row["ccg"] is None) != (row["ccg_code"] is None):
            raise ExtractError(
                f"{where}: CCG {row['ccg']!r} with the code {row['ccg_code']!r}, expected both. Ask ODS."
            )
        for role, partner, code in (
            ("ccg", row["ccg"], row["ccg_code"]),
            ("local_authority", row["council"], _council_code(row["council_code"])),
            ("trust", row["trust"], row["trust_code"]),
        ):
            if code is None:
                continue  # a remark, or a partner of which only the name is known
            check_code(code, where, f"code of {partner!r}")
            if closed_on is not None and until is None:
                continue  # nothing says until when it was
            statements.append(
                Statement(sheet.name, number, "membership", code, partner, role, stp, region, None, None, until)
            )
    _agree(sheet, counts)
    if without:
        caveats.append(f"sheet {sheet.name!r} {'; '.join(without)}: not read")
    return statements


def _agree(sheet: _Sheet, counts: dict[str, int]) -> None:
    """The proof that as many partners were read as the sheet counts above its headings, where it does."""
    positions = match_headings(sheet.cells[sheet.header], PARTNERS, f"sheet {sheet.name!r} row {sheet.header + 1}")
    for number, row in enumerate(sheet.cells[: sheet.header], 1):
        for name, what in _COUNTED:
            stated = row[positions[name]]
            if stated is not None and stated.isdigit() and int(stated) != counts[name]:
                raise ExtractError(
                    f"sheet {sheet.name!r} row {number}: {stated} {what} counted, {counts[name]} found below. The "
                    "workbook contradicts itself: fetch it again."
                )


def _region(text: str | None) -> str | None:
    match = re.search(r"\((Y\d\d)\)", text or "")
    return match[1] if match else None


def _council_code(text: str | None) -> str | None:
    """ODS codes of councils have three digits; a spreadsheet drops the zeros in front."""
    return text.zfill(3) if text and text.isdigit() else text


def _with_opening(statement: Statement, opened_on: dict[str, Statement]) -> Statement:
    opening = opened_on.get(statement.org_code)
    if statement.kind != "organisation" or statement.org_role != "stp" or opening is None:
        return statement
    return Statement(**{**statement.__dict__, "valid_from": opening.valid_from})


def _changes(sheet: _Sheet, as_of: date) -> Iterator[Statement]:
    """What the log dates: STPs opened and closed; CCGs and trusts merged, and the STP in which CCGs were until then."""
    for number, row in sheet.rows(_CHANGES):
        where = f"sheet {sheet.name!r} row {number}"
        day = parse_day(row["day"])
        if day is None or day > as_of:
            raise ExtractError(
                f"{where}: 'Date' {row['day']!r} is no day up to the last update of the workbook, {as_of}. Correct the "
                "copy."
            )
        stp, change, details = row["stp_code"] or "", normalise(row["change"]), row["details"] or ""
        if SYSTEM_CODE.fullmatch(stp) and change.startswith("stp code closed"):
            yield Statement(sheet.name, number, "organisation", stp, row["stp_name"], "stp", valid_to=day)
            if into := re.search(r"merged into (Q[A-Z0-9]{2})\b", details):
                yield Statement(sheet.name, number, "succession", stp, row["stp_name"], "stp", into[1], valid_to=day)
        elif SYSTEM_CODE.fullmatch(stp) and change.startswith("new stp code"):
            yield Statement(sheet.name, number, "organisation", stp, row["stp_name"], "stp", valid_from=day)
        for old, new in _ACQUIRED.findall(details):
            yield Statement(sheet.name, number, "succession", old, None, "trust", new)
        merged = _MERGED.fullmatch(details)
        if change.startswith("partner merger") and merged:
            before, after = (_IN_BRACKETS.findall(text) for text in merged.groups())
            if len(before) < 2 or len(after) != 1:
                continue  # not said in codes
            role = "ccg" if "CCG" in details else "trust"
            for old in before:
                yield Statement(sheet.name, number, "succession", old, None, role, after[0])
                if role == "ccg" and SYSTEM_CODE.fullmatch(stp):
                    yield Statement(sheet.name, number, "membership", old, None, role, stp, valid_to=day)


def _ccgs(sheet: _Sheet) -> Iterator[Statement]:
    """Codes and names: an older list than that of the partners, so that it proves nothing about them."""
    for number, row in sheet.rows(_CCGS):
        where = f"sheet {sheet.name!r} row {number}"
        code = check_code(row["code"], where, "column 'Code'")
        role, _ = role_of(row["name"] or "", where)
        yield Statement(sheet.name, number, "organisation", code, row["name"], role)


def _trusts(sheet: _Sheet) -> Iterator[Statement]:
    has_dates = {"opened", "closed"} & set(
        match_headings(sheet.cells[sheet.header], _TRUSTS, f"sheet {sheet.name!r} row {sheet.header + 1}")
    )
    if len(has_dates) == 1:
        raise ExtractError(
            f"sheet {sheet.name!r}: only the days {has_dates.pop()}, expected 'Open date' and 'Close Date'."
        )
    for number, row in sheet.rows(_TRUSTS):
        where = f"sheet {sheet.name!r} row {number}"
        code = check_code(row["code"], where, "column 'Org Code'")
        opened, closed = (_day(row[c], where, c) for c in ("opened", "closed"))
        if opened and closed and closed < opened:
            raise ExtractError(f"{where}: {code} closed on {closed}, before it opened on {opened}. Ask ODS.")
        yield Statement(
            sheet.name, number, "organisation", code, row["name"], "trust", None, row["region"], None, opened, closed
        )


def _day(text: str | None, where: str, column: str) -> date | None:
    if text is None:
        return None
    match = re.fullmatch(r"(\d{4})(\d\d)(\d\d)(?:\.0+)?", text)
    try:
        return date(*map(int, match.groups())) if match else _no_day(text, where, column)
    except ValueError:
        return _no_day(text, where, column)


def _no_day(text: str, where: str, column: str) -> date:
    raise ExtractError(f"{where}, day {column}: found {text!r}, expected a day as YYYYMMDD. Fetch the workbook again.")


def _councils(sheet: _Sheet) -> Iterator[Statement]:
    """Codes and names; what stands to the right of the list is a count of it, without headings."""
    headings = [normalise(h) for h in sheet.cells[sheet.header]]
    at = {heading: headings.index(normalise(heading)) for heading in _COUNCILS}
    for number, row in enumerate(sheet.cells[sheet.header + 1 :], sheet.header + 2):
        code, name, region = (row[at[heading]] for heading in _COUNCILS)
        if code or name:
            code = check_code(_council_code(code), f"sheet {sheet.name!r} row {number}", "column 'Code'")
            yield Statement(sheet.name, number, "organisation", code, name, "local_authority", None, region)


def _regions(sheet: _Sheet) -> Iterator[Statement]:
    """Codes and names below a line of remark, without headings."""
    for number, row in enumerate(sheet.cells, 1):
        cells = [c for c in row if c]
        if not cells or normalise(cells[0]) == _REGION_LIST:
            continue
        if len(cells) != 2 or not re.fullmatch(r"Y\d\d", cells[0]):
            raise ExtractError(
                f"sheet {sheet.name!r} row {number}: found {', '.join(cells)!r}, expected the code and name of a "
                "region such as Y61. Fetch the workbook again."
            )
        yield Statement(sheet.name, number, "organisation", cells[0], cells[1], "region")
