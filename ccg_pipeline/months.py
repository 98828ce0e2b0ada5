"""Months as their first days, and how one counts from one to another. Knows nothing of files or texts: see
``extracts/periods.py`` for what a cell names."""

from datetime import date, timedelta


def months_later(month: date, months: int) -> date:
    """The first day of the month so many months after that of ``month``; before it where ``months`` is negative."""
    number = month.year * 12 + month.month - 1 + months
    return date(number // 12, number % 12 + 1, 1)


def next_month(month: date) -> date:
    return months_later(month, 1)


def month_end(month: date) -> date:
    """The last day of the month."""
    return next_month(month) - timedelta(days=1)
