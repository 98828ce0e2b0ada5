"""Cells as every format writes them: numbers without the marks of their type, text that no spreadsheet computes."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from ccg_pipeline.visible import guarded

__all__ = ["guarded", "guarded_row", "plain"]


def plain(cell: Any) -> Any:
    """Whole numbers as int and decimals as float, so that every format writes 13127 and 85.5."""
    if isinstance(cell, Decimal):
        cell = float(cell)
    return int(cell) if isinstance(cell, float) and cell.is_integer() else cell


def guarded_row(row: Mapping[str, Any]) -> dict[str, Any]:
    """A row for a csv file, its texts guarded; a sign that stands alone is left as it is."""
    return {name: guarded(cell, is_strict=False) if isinstance(cell, str) else cell for name, cell in row.items()}
