"""What a file IS: one module a dataset says how to recognise it, its layouts over the years, its contract.

Belongs here: reading a published file into typed rows, and refusing it with words where it breaks its
contract. A new dataset is one module with what `contract.Dataset` says, and its place in
`DATASETS`. Does not belong here: Dagster, DuckDB, the landing folder, and every rule about
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
from ccg_pipeline.extracts.contract import Dataset, Extract, ExtractError, UnknownLayoutError
from ccg_pipeline.extracts.layouts import Comparison, nearest, separator_of
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
    """The dataset whose content this is. Raises `ExtractError` that says what was seen, and the nearest layout."""
    if source.kind == "empty":
        raise ExtractError("the file is empty. Fetch it again.")
    if source.kind == "binary":
        raise ExtractError("neither text nor a workbook (csv, xls, xlsx, gz or zip expected). Fetch it again.")
    scores = {d.name: d.recognise(source) for d in DATASETS.values()}
    best = max(scores, key=lambda name: scores[name])
    if scores[best] == 0:
        raise UnknownLayoutError(
            f"not recognised as any of {', '.join(DATASETS)}: {_seen(source)}.{_nearest_in_words(source)} Check that "
            "it is as published; `ccg layout` drafts the map of a layout that is not known yet."
        )
    if scores[best] < 1:
        raise UnknownLayoutError(
            f"looks like {best}, in a layout that is not known: {_seen(source)}.{_nearest_in_words(source, best)} "
            "Check that it is as published; `ccg layout` drafts the map of a new layout."
        )
    return DATASETS[best]


def read(source: Source, recognised: str | None = None) -> Extract:
    """The file read as the dataset that it was recognised as, or is recognised as now.

    Raises `ExtractError`, for an unknown layout with the nearest one.
    """
    dataset = DATASETS[recognised] if recognised else recognise(source)
    try:
        return dataset.read(source)
    except UnknownLayoutError as error:
        raise UnknownLayoutError(f"{error}{_nearest_in_words(source, dataset.name)}") from None


def nearest_layout(source: Source, dataset: str | None = None) -> Comparison | None:
    """The layout of any dataset, or of one, that is nearest to the file; None where none has anything in common."""
    known = [(d.name, layout) for d in DATASETS.values() if dataset in (None, d.name) for layout in d.layouts]
    return nearest(source, known)


def _nearest_in_words(source: Source, dataset: str | None = None) -> str:
    try:
        found = nearest_layout(source, dataset)
    except Exception:  # a hint is not worth a night
        return ""
    return f" {found.in_words()}" if found else ""


def _seen(source: Source) -> str:
    """What a person would look at first: sheets of a workbook, or the first line with several cells."""
    if source.is_workbook:
        return f"a workbook with the sheets {', '.join(source.sheet_names)}"[:200]
    for cells in source.first_lines:
        if len([c for c in cells if c.strip()]) > 1:
            return f"its first row reads {', '.join(c.strip() for c in cells if c.strip())}"[:200]
    separator = {"\t": "tabs", ",": None}.get(separator_of(source), separator_of(source))
    return f"its cells are separated by {separator}, expected commas" if separator else "no row of separate cells"
