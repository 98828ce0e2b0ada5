"""Cancer waiting times, in every shape in which NHS England has published them.

Three families, one module each: `workbooks` (one sheet a standard, by CCG, ICB or provider), `standard_csvs` (one
standard a file, by provider, 2015-17) and `flat` (one row an organisation, month, standard and breakdown, from
2020). `tables` is what the first two share, `shape` the rows that all of them give. Next year's layout is a row in
one of their tables. Does not belong here: which indicator a standard serves, and what England is (dbt).
"""

from __future__ import annotations

from ccg_pipeline.extracts.cancer import flat, standard_csvs, workbooks
from ccg_pipeline.extracts.cancer.shape import descriptions, name, schema
from ccg_pipeline.extracts.contract import Extract
from ccg_pipeline.extracts.source import Source

__all__ = ["descriptions", "layouts", "name", "read", "recognise", "schema"]

_FAMILIES = (flat, standard_csvs, workbooks)
layouts = (*flat.layouts, *standard_csvs.layouts, *workbooks.layouts)


def recognise(source: Source) -> float:
    """By the sheets, the headings or the title line of a family."""
    return max(family.recognise(source) for family in _FAMILIES)


def read(source: Source) -> Extract:
    """The rows of the file, proved against every total that it carries."""
    return max(_FAMILIES, key=lambda family: family.recognise(source)).read(source)
