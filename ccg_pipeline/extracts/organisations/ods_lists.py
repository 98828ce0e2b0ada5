"""ODS lists of CCGs and their successors, and of trusts: 27 columns, no headings, so known by what stands in them.

Columns by number, as ODS describes them: 1 code, 2 name, 3 region, 4 parent system (STP, now ICB), 5 to 10 address, 11
opened, 12 closed (YYYYMMDD), 14 roles, 18 telephone, 22 and 24 flags. The parent is that of the day of the list; of a
closed organisation it is what was recorded last, which may be its successor's.
"""

from __future__ import annotations

import csv
import io
import re
from datetime import date

from ccg_pipeline.extracts.contract import Extract, ExtractError
from ccg_pipeline.extracts.organisations.shape import ODS_CODE, SYSTEM_CODE, Statement, check_code, extract_of
from ccg_pipeline.extracts.source import Source
from ccg_pipeline.extracts.spreadsheet import prove_last_line

_WIDTH = 27
_CODE, _NAME, _REGION, _PARENT, _OPENED, _CLOSED = 0, 1, 2, 3, 10, 11
_DAY = re.compile(r"(19|20)\d{6}")
_AREA_CODE = re.compile(r"Q\d\d")  # the area teams of lists before there were STPs
_REGION_CODE = re.compile(r"[YW]\d\d")

# What an organisation is, by how its name ends; a list is of commissioners or of trusts, by all of its names.
_ROLES = (
    ("sub_icb_reporting_entity", "commissioners", re.compile(r"SUB-ICB REPORTING ENTITY$")),
    ("commissioning_hub", "commissioners", re.compile(r"(COMMISSIONING|H&J) (HUB|REGION)( \d+)?$")),
    ("sub_icb", "commissioners", re.compile(r"\bICB - [A-Z0-9]{3,7}$")),
    ("ccg", "commissioners", re.compile(r"\b(CCG|CLINICAL COMMISSIONING GROUP)$")),
    ("trust", "trusts", re.compile(r"\bTRUST$")),
)

# Closed organisations stay in a list, so that a whole one with an organisation of the role has the last of the role.
_LAST_CODES = {"ccg": "99Q", "sub_icb": "X2C4Y", "sub_icb_reporting_entity": "Z4H8X", "trust": "RYY"}
_FIRST_CLOSING = date(2015, 3, 31)


def recognise(source: Source) -> float:
    """By most of the first rows: as many columns, with a code, a name, and days where the days stand."""
    rows = source.first_lines
    return 1.0 if 2 * sum(len(r) == _WIDTH and _is_shaped(r) for r in rows) > len(rows) else 0.0


def _is_shaped(row: list[str]) -> bool:
    cells = [c.strip() for c in row]
    return (
        ODS_CODE.fullmatch(cells[_CODE]) is not None
        and re.search("[A-Za-z]{3}", cells[_NAME]) is not None
        and (not cells[_REGION] or _REGION_CODE.fullmatch(cells[_REGION]) is not None)
        and _DAY.fullmatch(cells[_OPENED]) is not None
        and (not cells[_CLOSED] or _DAY.fullmatch(cells[_CLOSED]) is not None)
    )


def read(source: Source) -> Extract:
    """A list of commissioners or of trusts. Raises `ExtractError` where it is neither, or a row contradicts itself."""
    prove_last_line(source)
    statements: list[Statement] = []
    kinds: dict[str, int] = {}
    seen: dict[str, int] = {}
    try:
        rows = list(csv.reader(io.StringIO(source.content.decode("utf-8")), strict=True))
    except csv.Error as error:
        raise ExtractError(f"the list cannot be read as csv ({error}). Fetch it again.") from None
    for number, row in enumerate(rows, 1):
        if not any(c.strip() for c in row):
            continue
        if len(row) != _WIDTH:
            raise ExtractError(
                f"row {number} has {len(row)} cells, expected {_WIDTH} as ODS publishes them: the list is damaged or "
                "cut off. Fetch it again."
            )
        cells = [c.strip() for c in row]
        where = f"row {number}"
        code = check_code(cells[_CODE], where, "column 1 (code)")
        if code in seen:
            raise ExtractError(
                f"rows {seen[code]} and {number}: {code} stands twice, with the parents "
                f"{statements[list(seen).index(code)].parent_code or 'none'} and {cells[_PARENT] or 'none'}; expected "
                "once. Fetch the list again."
            )
        seen[code] = number
        role, kind = role_of(cells[_NAME], where)
        if kind not in kinds:
            kinds[kind] = number
        opened, closed = _day(cells[_OPENED], where, "11 (opened)"), _day(cells[_CLOSED], where, "12 (closed)")
        if opened is None:
            raise ExtractError(f"{where}, column 11 (opened): blank, expected a day as YYYYMMDD. Fetch the list again.")
        if closed and closed < opened:
            raise ExtractError(
                f"{where}: {code} closed on {closed}, before it opened on {opened}. Ask the publisher or fetch the "
                "list again."
            )
        parent, region = cells[_PARENT] or None, cells[_REGION] or None
        if region and region.startswith("Y") and not parent:
            raise ExtractError(
                f"{where}, column 4 (parent): blank for {code} in the region {region}, expected the code of an STP or "
                "ICB such as QM7. Fetch the list again."
            )
        if parent and _AREA_CODE.fullmatch(parent):
            parent = None
        if parent and not SYSTEM_CODE.fullmatch(parent):
            raise ExtractError(
                f"{where}, column 4 (parent): found {parent!r}, expected the code of an STP or ICB such as QM7, or "
                "nothing. Fetch the list again."
            )
        if region and not _REGION_CODE.fullmatch(region):
            raise ExtractError(f"{where}, column 3 (region): found {region!r}, expected a code such as Y61.")
        statements.append(
            Statement(None, number, "organisation", code, cells[_NAME], role, parent, region, None, opened, closed)
        )
    if len(kinds) > 1:
        raise ExtractError(
            f"the list has {' and '.join(f'{k} (row {n})' for k, n in kinds.items())}, expected one of them. Drop the "
            "lists of ODS as they are published, one file each."
        )
    as_of = max(s.valid_from for s in statements if s.valid_from)
    kind = next(iter(kinds))
    _is_whole(statements, set(seen), as_of)
    return extract_of(statements, layout=f"ods_list_of_{kind}", part=f"ods_{kind}", as_of=as_of)


def _is_whole(statements: list[Statement], codes: set[str], as_of: date) -> None:
    """Raises `ExtractError` where a list is cut off, or a column that every list fills is empty."""
    roles = {s.org_role for s in statements}
    missing = [code for role, code in _LAST_CODES.items() if role in roles and code not in codes]
    if missing:
        raise ExtractError(
            f"the list ends with {statements[-1].org_code} in row {statements[-1].source_row} and lacks "
            f"{', '.join(missing)}, which every whole list has: it is cut off. Fetch it again."
        )
    if "sub_icb" in roles and (
        open_ccg := next((s for s in statements if s.org_role == "ccg" and not s.valid_to), None)
    ):
        raise ExtractError(
            f"row {open_ccg.source_row}, column 12 (closed): blank for {open_ccg.org_code}, a CCG in a list that has "
            "sub-ICB locations, which took the place of the last CCGs on 1 July 2022. Fetch the list again."
        )
    if as_of > _FIRST_CLOSING and not any(s.valid_to for s in statements):
        raise ExtractError("column 12 (closed) is empty in every row: columns are out of place. Fetch the list again.")


def role_of(name: str, where: str) -> tuple[str, str]:
    """What an organisation is by its name, and the kind of list it stands in. Raises `ExtractError` where unknown."""
    for role, kind, pattern in _ROLES:
        if pattern.search(name.upper()):
            return role, kind
    raise ExtractError(
        f"{where}, column 2 (name): {name!r} is neither a commissioner (CCG, ICB - code, commissioning hub, sub-ICB "
        "reporting entity) nor a trust. Lists of other organisations are not read; a new kind is added in "
        "ccg_pipeline/extracts/organisations."
    )


def _day(text: str, where: str, column: str) -> date | None:
    if not text:
        return None
    try:
        if not _DAY.fullmatch(text):
            raise ValueError
        return date(int(text[:4]), int(text[4:6]), int(text[6:]))
    except ValueError:
        raise ExtractError(
            f"{where}, column {column}: found {text!r}, expected a day as YYYYMMDD. Fetch the list again."
        ) from None
