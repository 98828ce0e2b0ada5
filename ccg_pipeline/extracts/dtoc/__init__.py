"""Delayed transfers of care (``MSitDT``), in every shape in which NHS England has published them.

Three families, one module each: `provider_extracts` (one row a provider, local authority, setting and reason),
`workbooks` (a month by local authority or provider, in marginal tables with England's row) and `series` (England by
month). `shape` is the rows that all of them give, with the headings of the reasons. Does not belong here: which source
England is taken from (dbt).
"""

from __future__ import annotations

from ccg_pipeline.extracts.contract import Extract
from ccg_pipeline.extracts.dtoc import provider_extracts, series, workbooks
from ccg_pipeline.extracts.dtoc.shape import descriptions, name, schema
from ccg_pipeline.extracts.source import Source

__all__ = ["descriptions", "layouts", "name", "read", "recognise", "schema"]

_FAMILIES = (provider_extracts, workbooks, series)
layouts = (*provider_extracts.layouts, *workbooks.layouts, *series.layouts)


def recognise(source: Source) -> float:
    """By the headings of a family, or by the title of a sheet."""
    return max(family.recognise(source) for family in _FAMILIES)


def read(source: Source) -> Extract:
    """The rows of the file, proved against every total that it carries."""
    return max(_FAMILIES, key=lambda family: family.recognise(source)).read(source)
