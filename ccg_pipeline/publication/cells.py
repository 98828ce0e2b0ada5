"""Cells as every format writes them: numbers without the marks of their type, text that no spreadsheet computes."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

_FORMULA_SIGNS = "=+-@\t\r\n＝＋－＠"  # noqa: RUF001 (spreadsheets also take the wide signs)


def plain(cell: Any) -> Any:
    """Whole numbers as int and decimals as float, so that every format writes 13127 and 85.5."""
    if isinstance(cell, Decimal):
        cell = float(cell)
    return int(cell) if isinstance(cell, float) and cell.is_integer() else cell


def guarded(text: str, is_strict: bool = True) -> str:
    """Text that no spreadsheet takes for a formula: a space goes before the signs that begin one.

    Unless strict, a sign that stands alone (the comparator =) is left as it is: it is no formula.
    """
    is_formula = text[:1] in _FORMULA_SIGNS and text[:1] != "" and (is_strict or len(text) > 1)
    return f" {text}" if is_formula else text


def guarded_row(row: Mapping[str, Any]) -> dict[str, Any]:
    """A row for a csv file, its texts guarded; a sign that stands alone is left as it is."""
    return {name: guarded(cell, is_strict=False) if isinstance(cell, str) else cell for name, cell in row.items()}
