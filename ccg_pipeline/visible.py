"""Text of strangers made safe to show: file names, reasons and names of organisations come from files of others.

A control character in a name can move the cursor, hide what was printed or forge a line of a log; a mark of direction
can turn a name round; markup can become part of a page, and text a formula of a spreadsheet. Nothing here changes what
is stored as data.
"""

from __future__ import annotations

import re
from typing import TextIO, cast

# Controls of the terminal, marks of direction, other line ends, and halves of characters.
_HIDDEN = "\x00-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ufeff\ud800-\udfff"
_IN_ONE_LINE = re.compile(f"[{_HIDDEN}]")
_IN_LINES = re.compile(f"(?![\n\t])[{_HIDDEN}]")
_FORMULA_SIGNS = "=+-@\t\r\n＝＋－＠"  # noqa: RUF001 (spreadsheets also take the wide signs)
_MARKDOWN = re.compile(r"([\\`*_{}\[\]()#+!|~:@])")


def visible(text: str) -> str:
    """The text in one line, what cannot be seen written as an escape (``\\x1b``, ``\\n``)."""
    return _IN_ONE_LINE.sub(_escaped, text)


def markdown(text: str) -> str:
    """The text as Markdown that shows it as it is: no markup, no link, no HTML."""
    marked = _MARKDOWN.sub(r"\\\1", visible(text))
    return marked.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def guarded(text: str, is_strict: bool = True) -> str:
    """Text that no spreadsheet takes for a formula: a space goes before the signs that begin one.

    Unless strict, a sign that stands alone (the comparator =) is left as it is: it is no formula. A carriage return,
    which the writer of csv leaves bare and which begins a new row then, becomes a line feed, which it quotes.
    """
    is_formula = text[:1] in _FORMULA_SIGNS and text[:1] != "" and (is_strict or len(text) > 1)
    text = text.replace("\r\n", "\n").replace("\r", "\n")
    return f" {text}" if is_formula else text


def _escaped(found: re.Match[str]) -> str:
    return found[0].encode("unicode_escape", "surrogatepass").decode("ascii")


def visible_output(stream: TextIO) -> TextIO:
    """A stream of text that writes control characters as escapes, whoever prints; lines and tabs stay."""
    return cast(TextIO, _VisibleOutput(stream))


class _VisibleOutput:
    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def write(self, text: str) -> int:
        shown = _IN_LINES.sub(_escaped, text)
        try:
            self._stream.write(shown)
        except UnicodeEncodeError:  # a terminal that knows few characters
            self._stream.write(shown.encode("ascii", "backslashreplace").decode("ascii"))
        return len(text)

    def __getattr__(self, name: str) -> object:
        return getattr(self._stream, name)
