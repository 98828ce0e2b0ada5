"""A notice, and how words from files are made harmless before they are sent off this machine.

File names, names of organisations and reasons come from files that anybody may have written. What leaves the machine
is one line of visible characters each, cut to length; what a cell of a file holds is not repeated, since it may be
about a patient. The markup of the receiving side is `webhook`'s matter.
"""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass

_LINE = 300
_LINES = 60
_BYTES = 12_000  # of all lines in UTF-8: Teams takes 28 KB with the card around them

_QUOTED = re.compile(r"(?<!\w)(['\"])(?:(?!\1(?!\w)).)*\1(?!\w)")
_READER_STOPPED = re.compile(r"(\w+(?:Error|Exception)): .*?\)(?=[.;,]|$)")
_NHS_NUMBER = re.compile(r"(?<!\d)\d{3}[ -]?\d{3}[ -]?\d{4}(?!\d)")
_MAIL_ADDRESS = re.compile(r"[^\s@,;:<>()]+@[^\s@,;:<>()]+\.\w+")


@dataclass(frozen=True)
class Notice:
    """One message: its kind, a title in our own words, and lines of text. ``key`` is the same for the same news."""

    key: str
    kind: str
    title: str
    lines: tuple[str, ...]


def clean(text: object, length: int = 120) -> str:
    """One line of visible characters: no control, no direction of writing, nothing that hides; cut to ``length``."""
    visible = "".join(" " if unicodedata.category(c)[0] in "CZ" else c for c in str(text))
    line = " ".join(visible.split())
    return line if len(line) <= length else line[: length - 1].rstrip() + "…"


def without_contents(reason: str) -> str:
    """A reason without what it repeats from cells: quoted words, NHS numbers and addresses of mail."""
    text = _READER_STOPPED.sub(r"\1)", " ".join(reason.split()))
    text = _QUOTED.sub("'…'", text)
    return _MAIL_ADDRESS.sub("…", _NHS_NUMBER.sub("…", text))


def notice(key: str, kind: str, title: str, lines: list[str]) -> Notice:
    """A notice within the bounds of what the ways take; what is left out is counted in its last line."""
    kept: list[str] = []
    size = 0
    for line in lines:
        line = ("  " if line.startswith("  ") else "") + clean(line, _LINE)
        size += len(line.encode()) + 1
        if len(kept) >= _LINES - 1 or size > _BYTES:
            kept.append(f"... and {len(lines) - len(kept)} more lines")
            break
        kept.append(line)
    return Notice(key, kind, clean(title), tuple(kept))
