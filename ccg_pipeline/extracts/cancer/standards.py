"""What each standard's sheet says of itself: words of its title, and of its column of cancers or treatments.

A sheet under another's tab, or a tab that was renamed, is told by these. Words are compared in small letters, with
anything but letters and digits as a space; a new wording is added here.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

import polars as pl

from ccg_pipeline.extracts.contract import ExtractError


@dataclass(frozen=True)
class Words:
    """``title`` has all of its words; ``category``, in every row, one of its words (none: any text will do)."""

    title: tuple[str, ...]
    category: tuple[str, ...] = ()


_ALL = ("all cancers",)
WORDS = {
    "two_week_wait": Words(("two week wait", "all cancers"), ("all cancers", "all suspected cancer")),
    "two_week_wait_breast": Words(("two week wait", "breast symptoms"), ("breast symptoms",)),
    "28_day_diagnosis": Words(("28 day", "all routes")),
    "31_day_first": Words(("31 day", "for first treatment", "all cancers"), _ALL),
    "31_day_sub_surgery": Words(("31 day", "or subsequent treatment surgery"), ("surgery",)),
    "31_day_sub_drug": Words(("31 day", "or subsequent treatment anti cancer drug"), ("drug",)),
    "31_day_sub_radiotherapy": Words(("31 day", "or subsequent treatment radiotherapy"), ("radiotherapy",)),
    "31_day_combined": Words(("31 day", "to first or subsequent treatment", "all cancers"), _ALL),
    "62_day_gp": Words(("62 day", "urgent gp referral", "all cancers"), _ALL),
    "62_day_screening": Words(("62 day", "from screening service", "all cancers"), _ALL),
    "62_day_upgrade": Words(("62 day", "from consultant upgrade", "all cancers"), _ALL),
    "62_day_combined": Words(("62 day", "urgent suspected cancer", "or consultant upgrade", "all cancers"), _ALL),
}


def _plain(text: str | None) -> str:
    return re.sub(r"[^a-z0-9]+", " ", (text or "").casefold()).strip()


def prove_title(title: str | None, standard: str, where: str) -> None:
    """Raises `ExtractError` where a title is not the standard's."""
    absent = [w for w in WORDS[standard].title if w not in _plain(title)]
    if absent:
        raise ExtractError(
            f"{where}: the title is {title!r}, expected that of {standard} with the words "
            f"{', '.join(map(repr, WORDS[standard].title))}. Sheets may be swapped: fetch the file again; a new "
            "wording is added in ccg_pipeline/extracts/cancer/standards.py."
        )


def prove_category(frame: pl.DataFrame, standard: str, where: str) -> None:
    """Raises `ExtractError` for the first row whose cancers or treatments are not the standard's."""
    words = WORDS[standard].category
    if not words or "category" not in frame.columns:
        return
    for row, text in frame.select("source_row", "category").iter_rows():
        if not any(w in _plain(text) for w in words):
            raise ExtractError(
                f"{where} row {row}: found {text!r}, expected a text with {' or '.join(map(repr, words))} for "
                f"{standard}. Rows or sheets may be swapped: fetch the file again; a new wording is added in "
                "ccg_pipeline/extracts/cancer/standards.py."
            )
