"""Months as the published files write them.

Belongs here: turning the text of a period cell into the first day of its month, and the periods that readers and the
sample share. Does not belong here: how months are counted (`ccg_pipeline.months`), nor which period an indicator is
judged on (dbt).
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import date, timedelta

from ccg_pipeline.months import month_end, months_later, next_month

MONTHS = [
    "january",
    "february",
    "march",
    "april",
    "may",
    "june",
    "july",
    "august",
    "september",
    "october",
    "november",
    "december",
]
_NAMES = (
    r"jan(?:uary)?|feb(?:ruary)?|mar(?:ch)?|apr(?:il)?|may|june?|july?|aug(?:ust)?|sept?(?:ember)?"
    r"|oct(?:ober)?|nov(?:ember)?|dec(?:ember)?"
)
_MONTH = re.compile(rf"(?<![a-z])({_NAMES})(?![a-z])", re.IGNORECASE)
# What may follow the name: a year of four digits, or of two where nothing but a financial year comes after.
_YEAR = re.compile(r"[\s\-_/,.]*(?:(20\d\d)|(\d\d))(?:\s*[/\-]\s*(20\d\d|\d\d))?(?!\d)")
_DAY_AND_YEAR = re.compile(r"[\s\-_/,.]*\d{1,2}(?:st|nd|rd|th)?[\s,]+(20\d\d)(?!\d)")
_ISO = re.compile(r"^\s*(20\d\d)-(\d\d)(?:-(\d\d))?(?:[ T]00:00(?::00)?(?:\.0+)?)?\s*$")
_SERIAL = re.compile(r"^\s*([34]\d{4})(?:\.0+)?\s*$")
_QUARTER = re.compile(
    r"\bq(?:uarter)?\s*([1-4])\b[\s,]*((?:19|20)\d\d)\s*[/-]\s*\d{2,4}\b"
    r"|\b((?:19|20)\d\d)\s*[/-]\s*\d{2,4}\b[\s,]*q(?:uarter)?\s*([1-4])\b",
    re.IGNORECASE,
)
_THREE_MONTHS = re.compile(r"\b([a-z]{3,9})\s+(?:to|-)\s+([a-z]{3,9})\s+(20\d\d)\b", re.IGNORECASE)
_EXCEL_EPOCH = date(1899, 12, 30)
_DAY_DATE = re.compile(r"(\d{1,2})(?:st|nd|rd|th)?\s+([A-Za-z]{3,9})\s+(20\d\d)")


def parse_month(text: str | None) -> date | None:
    """The month a cell names, as its first day; None where it names none.

    Understands ``MSitAE-MAY-2019``, ``RTT-January-2026``, ``May 2019``, ``Jul-24``, ``PERIOD: APR 2020/21``
    (a month of a financial year: ``JAN 2020/21`` is January 2021), ``2019-05-01 00:00:00`` and Excel
    serial days such as ``43586``.
    """
    if not text:
        return None
    if iso := _ISO.match(text):
        year, month = int(iso[1]), int(iso[2])
        return date(year, month, 1) if 1 <= month <= 12 else None
    if serial := _SERIAL.match(text):
        return (_EXCEL_EPOCH + timedelta(days=int(serial[1]))).replace(day=1)
    names = list(_MONTH.finditer(text))
    if len(names) != 1:
        return None  # none, or a range of months
    number, after = _month_number(names[0][1]), text[names[0].end() :]
    if with_day := _DAY_AND_YEAR.match(after):
        return date(int(with_day[1]), number, 1)
    years = _YEAR.match(after)
    if years is None:
        return None
    first = int(years[1]) if years[1] else 2000 + int(years[2])
    # A second number is the second half of a financial year, or it is something else and not to be guessed at.
    if years[3] is None:
        return date(first, number, 1)
    if int(years[3]) % 100 != (first + 1) % 100:
        return None
    return date(first + (number <= 3), number, 1)


def parse_day(text: str | None) -> date | None:
    """The day a cell such as ``12th February 2015``, ``2019-05-01 00:00:00`` or ``42285`` states; None where none."""
    if not text:
        return None
    if serial := _SERIAL.match(text):
        return _EXCEL_EPOCH + timedelta(days=int(serial[1]))
    if (iso := _ISO.match(text)) and iso[3]:
        return date(int(iso[1]), int(iso[2]), int(iso[3]))
    if (named := _DAY_DATE.search(text)) and named[2][:3].lower() in {m[:3] for m in MONTHS}:
        return date(int(named[3]), _month_number(named[2]), int(named[1]))
    return None


def parse_quarter(text: str | None) -> date | None:
    """The quarter of a financial year that a cell names, as its first day; None where it names none, or two.

    Understands ``Quarter 2, 2024-25 (July to September 2024)``, ``Q2 2024/25``, ``2018-19 Q1`` and
    ``July to September 2024``.
    """
    found = set()
    if numbered := _QUARTER.search(text or ""):
        quarter, year = int(numbered[1] or numbered[4]), int(numbered[2] or numbered[3])
        found.add(date(year + (quarter == 4), (4, 7, 10, 1)[quarter - 1], 1))
    if named := _THREE_MONTHS.search(text or ""):
        first, last = parse_month(f"{named[1]} {named[3]}"), parse_month(f"{named[2]} {named[3]}")
        if first and last and first.month % 3 == 1 and last.month == first.month + 2:
            found.add(first)
    return found.pop() if len(found) == 1 else None


def last_day(start: date, months: int = 1) -> date:
    """The last day of a period of so many months from ``start``."""
    return month_end(months_later(start, months - 1))


def months_between(first: date, last: date) -> Iterator[date]:
    """Every month from ``first`` to ``last``, both included."""
    while first <= last:
        yield first
        first = next_month(first)


def _month_number(name: str) -> int:
    return next(n for n, month in enumerate(MONTHS, 1) if month[:3] == name[:3].lower())
