"""What a file IS: one module a dataset says how to recognise it, its layouts over the years, its contract.

Belongs here: reading a published file into typed rows, and refusing it with words where it breaks its
contract. A new dataset is one module with ``name``, ``schema``, ``recognise`` and ``read`` (`contract.Dataset`)
and its place in `DATASETS`. Does not belong here: Dagster, DuckDB, the landing folder, and every rule about
what counts towards an indicator.
"""

from __future__ import annotations

from ccg_pipeline.extracts import (
    activity,
    ae,
    beds,
    cancelled_operations,
    cancer,
    diagnostics,
    dtoc,
    local_returns,
    mar,
    organisations,
    rtt,
)
from ccg_pipeline.extracts.contract import Dataset, ExtractError
from ccg_pipeline.extracts.source import Source

DATASETS: dict[str, Dataset] = {
    d.name: d
    for d in (
        activity,
        ae,
        beds,
        cancelled_operations,
        cancer,
        diagnostics,
        dtoc,
        local_returns,
        mar,
        organisations,
        rtt,
    )
}


def recognise(source: Source) -> Dataset:
    """The dataset whose content this is. Raises `ExtractError` that says what was seen instead."""
    if source.kind == "empty":
        raise ExtractError("the file is empty. Fetch it again.")
    if source.kind == "binary":
        raise ExtractError("neither text nor a workbook (csv, xls, xlsx, gz or zip expected). Fetch it again.")
    scores = {d.name: d.recognise(source) for d in DATASETS.values()}
    best = max(scores, key=lambda name: scores[name])
    if scores[best] == 0:
        raise ExtractError(
            f"not recognised as any of {', '.join(DATASETS)}: {_seen(source)}. Check that it is as published; "
            "a dataset or layout that is not known yet is added in ccg_pipeline/extracts."
        )
    if scores[best] < 1:
        raise ExtractError(
            f"looks like {best}, in a layout that is not known: {_seen(source)}. Check that it is as published; "
            "a new layout is added in ccg_pipeline/extracts."
        )
    return DATASETS[best]


def _seen(source: Source) -> str:
    """What a person would look at first: sheets of a workbook, or the first line with several cells."""
    if source.is_workbook:
        return f"a workbook with the sheets {', '.join(source.sheet_names)}"[:300]
    for cells in source.first_lines:
        if len([c for c in cells if c.strip()]) > 1:
            return f"its first row reads {', '.join(c.strip() for c in cells if c.strip())}"[:300]
    return "no row of separate cells in its first lines"
