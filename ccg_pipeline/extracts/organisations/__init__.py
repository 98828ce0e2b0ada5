"""Organisations as dated reference data: who there is, from when until when, and who belongs to whom.

Three published sources: the lists of the Organisation Data Service (ODS) of CCGs with their successors and of trusts,
27 columns without headings; the workbook of STP partners; and the lookups of ONS from CCG to STP and from sub-ICB
location to ICB. A row states one thing, by its ``kind``:

- ``organisation``: a code with its name, role and, where the source states them, its first and last day
- ``membership``: ``org_code`` belonged to ``parent_code`` on the day ``as_of``, or until ``valid_to``
- ``succession``: ``org_code`` was continued by ``parent_code``

``as_of`` is the day of which the source speaks. An ODS list states no day: it is at least as young as the latest
opening in it, and that day is taken. A lookup of ONS states a year: boundaries of the NHS change on 1 April (ICBs came
on 1 July 2022), and that day of the year is taken.
"""

from __future__ import annotations

from ccg_pipeline.extracts.contract import Extract, PublishedLayout, Schema
from ccg_pipeline.extracts.organisations import ods_lists, ons_lookups, stp_partners
from ccg_pipeline.extracts.organisations.shape import SCHEMA
from ccg_pipeline.extracts.source import Source

name = "organisations"
schema: Schema = SCHEMA
descriptions = {
    "period_start": "first day of the month of as_of",
    "as_of": "day of which the source speaks",
    "kind": "what the row states: organisation, membership or succession",
    "org_code": "ODS code of the organisation",
    "org_name": "its name, as the source has it",
    "org_role": "what it is: ccg, sub_icb, stp, icb, trust, local_authority, region and the like",
    "parent_code": "ODS code of the system it belongs to, or of what continued it",
    "region_code": "code or name of its region",
    "ons_code": "ONS code, where the source has it",
    "valid_from": "first day, where the source states it",
    "valid_to": "last day, where the source states it",
}
# Lists without headings, and lookups whose headings carry a year, are told by their shape alone.
layouts = (
    *(
        PublishedLayout(f"ods_list_of_{kind}", f"a list of {kind} in 27 columns without headings", ())
        for kind in ("commissioners", "trusts")
    ),
    *(
        PublishedLayout(f"ons_{member}_to_{system}", f"a lookup of ONS from {member} to {system}, by its headings", ())
        for member, system in (("ccg", "stp"), ("sub_icb", "icb"))
    ),
    PublishedLayout(
        "ods_stp_partners",
        "a workbook with a sheet that sets STPs beside their CCGs and trusts",
        stp_partners.PARTNERS,
        is_workbook=True,
    ),
)


def recognise(source: Source) -> float:
    """By the shape of all 27 columns, by the sheet of STP partners, or by the headings of a lookup."""
    return max(module.recognise(source) for module in (ods_lists, stp_partners, ons_lookups))


def read(source: Source) -> Extract:
    """One list. Raises `ExtractError` where its kind cannot be told or it contradicts itself."""
    for module in (ods_lists, stp_partners):
        if module.recognise(source):
            return module.read(source)
    return ons_lookups.read(source)
