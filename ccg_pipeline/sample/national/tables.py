"""What the modules of the national sample share: counts by week, numbers as codes and names, tables as csv."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import numpy as np
import polars as pl

from ccg_pipeline.months import months_later
from ccg_pipeline.sample.files import write_plain, write_zip

Rng = np.random.Generator


def by_week(rng: Rng, counts: np.ndarray, weeks: np.ndarray, bands: int) -> np.ndarray:
    """Pathways by week waited, one row a list: waits fall off about their mean, and the last band is open."""
    lists = np.repeat(np.arange(len(counts), dtype=np.int32), counts)
    waited = rng.exponential(np.repeat(weeks.astype(np.float32), counts)).astype(np.int32)
    place = lists.astype(np.int64) * bands + np.minimum(waited, bands - 1)
    return np.bincount(place, minlength=len(counts) * bands).reshape(len(counts), bands)


def text(number: pl.Expr, texts: list[str]) -> pl.Expr:
    """Numbers as the texts that stand at them."""
    return number.replace_strict(range(len(texts)), texts, return_dtype=pl.String)


def looked_up(column: str, numbers: list[int]) -> pl.Expr:
    """Numbers as the numbers that stand at them."""
    return pl.col(column).replace_strict(range(len(numbers)), numbers, return_dtype=pl.Int64)


def csv_bytes(frame: pl.DataFrame, line_end: str = "\n") -> bytes:
    """The rows below their headings, as UTF-8 without a byte-order mark."""
    return frame.write_csv(line_terminator=line_end).encode()


def write_extract(folder: Path, name: str, content: bytes, is_zipped: bool) -> Path:
    """Write a csv, alone in a zip archive or as it is."""
    if is_zipped:
        return write_zip(folder / f"{name}.zip", f"{name}.csv", content)
    return write_plain(folder / f"{name}.csv", content)


def financial_year(month: date) -> int:
    """The year in which the financial year of a month begins, on 1 April."""
    return month.year - (month.month < 4)


def year_text(month: date, between: str = "-") -> str:
    """The financial year of a month, such as 2024-25."""
    first = financial_year(month)
    return f"{first}{between}{(first + 1) % 100:02}"


def year_to_date(month: date) -> list[date]:
    """The months of a financial year, from April to this one."""
    april = date(financial_year(month), 4, 1)
    return [months_later(april, number) for number in range((month.month - 4) % 12 + 1)]
