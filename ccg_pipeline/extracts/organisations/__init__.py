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

from ccg_pipeline.extracts.contract import Extract, Schema
from ccg_pipeline.extracts.organisations import ods_lists, ons_lookups, stp_partners
from ccg_pipeline.extracts.organisations.shape import SCHEMA
from ccg_pipeline.extracts.source import Source

name = "organisations"
schema: Schema = SCHEMA


def recognise(source: Source) -> float:
    """By the shape of all 27 columns, by the sheet of STP partners, or by the headings of a lookup."""
    return max(module.recognise(source) for module in (ods_lists, stp_partners, ons_lookups))


def read(source: Source) -> Extract:
    """One list. Raises `ExtractError` where its kind cannot be told or it contradicts itself."""
    for module in (ods_lists, stp_partners):
        if module.recognise(source):
            return module.read(source)
    return ons_lookups.read(source)
