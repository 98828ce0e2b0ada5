"""The indicator table that ``ccg indicators`` prints and writes: values beside their standards."""

from __future__ import annotations

import csv
import difflib
import io
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import date
from decimal import ROUND_HALF_UP, Decimal
from pathlib import Path
from typing import Any

import duckdb

from ccg_pipeline import durable
from ccg_pipeline.publication.cells import guarded, guarded_row, plain


class UnknownNameError(Exception):
    """An organisation, indicator or set that the publication does not have."""


@dataclass(frozen=True)
class Selection:
    """What to show; None means all. ``period`` is the first day of a month, and shows the quarter or
    year it is in, and the weeks that end in it, where an indicator has them; None is each one's latest."""

    org_code: str | None = None
    period: date | None = None
    indicator_id: str | None = None
    indicator_set: str | None = None


_MEMBERS = "SELECT indicator_id FROM marts.dim_indicator_sets WHERE set_id = $indicator_set"
_QUERY = f"""
WITH members AS ({_MEMBERS}),
months AS (
    SELECT c.*, i.indicator_name, o.org_name, v.edition
    FROM marts.fct_standard_comparisons c
    JOIN (SELECT indicator_id, indicator_name FROM marts.dim_indicators) i USING (indicator_id)
    JOIN (SELECT org_code, org_level, org_name FROM marts.dim_organisations) o USING (org_code, org_level)
    JOIN (
        SELECT indicator_id, org_code, org_level, period_type, period_start, period_end, source, edition
        FROM marts.fct_indicator_values
    ) v USING (indicator_id, org_code, org_level, period_type, period_start, period_end, source)
    WHERE c.period_type <> 'ytd'
        AND ($org_code IS NULL OR c.org_code = $org_code)
        AND ($indicator_id IS NULL OR c.indicator_id = $indicator_id)
        AND ($indicator_set IS NULL OR c.indicator_id IN (FROM members))
        AND (
            $period IS NULL
            OR CASE c.period_type
                WHEN 'week' THEN date_trunc('month', c.period_end) = $period
                ELSE $period BETWEEN c.period_start AND c.period_end
            END
        )
),
years_to_date AS (
    SELECT indicator_id, org_code, org_level, period_end, source, numerator, denominator, value, caveat
    FROM marts.fct_standard_comparisons WHERE period_type = 'ytd'
)
SELECT
    m.indicator_id, m.indicator_name, m.org_code, m.org_name, m.org_level,
    CASE m.period_type
        WHEN 'month' THEN strftime(m.period_start, '%Y-%m')
        WHEN 'week' THEN strftime(m.period_end, 'w/e %Y-%m-%d')
        ELSE strftime(m.period_start, '%Y-%m') || strftime(m.period_end, ' to %Y-%m')
    END AS period,
    m.numerator, m.denominator, m.value, m.unit,
    m.comparator, m.standard, m.is_met, m.excess_breaches, m.periods_in_breach,
    m.other_comparator, m.other_standard, m.is_other_met,
    y.numerator AS ytd_numerator, y.denominator AS ytd_denominator, y.value AS ytd_value,
    y.caveat AS ytd_caveat,
    m.source, m.edition, m.is_provisional, m.caveat, m.extract_ids
FROM months m
LEFT JOIN years_to_date y USING (indicator_id, org_code, org_level, period_end, source)
QUALIFY $period IS NOT NULL
    OR row_number() OVER (
        PARTITION BY m.indicator_id, m.org_code, m.source, m.period_type ORDER BY m.period_start DESC
    ) = 1
ORDER BY m.indicator_id, m.org_code, m.org_level, m.period_start, m.period_end, m.source
"""


_COUNTS = (
    *("numerator", "denominator", "ytd_numerator", "ytd_denominator"),
    *("excess_breaches", "standard", "other_standard"),
)


def as_published(con: duckdb.DuckDBPyConnection, selection: Selection) -> Selection:
    """The selection with its names as they are published. Raises `UnknownNameError`, with names that are near."""
    return Selection(
        _published_name(con, selection.org_code, "dim_organisations", "org_code", "organisation"),
        selection.period,
        _published_name(con, selection.indicator_id, "dim_indicators", "indicator_id", "indicator"),
        _published_name(con, selection.indicator_set, "dim_indicator_sets", "set_id", "indicator set"),
    )


def _published_name(
    con: duckdb.DuckDBPyConnection, value: str | None, table: str, column: str, what: str
) -> str | None:
    if value is None:
        return None
    names = con.execute(f"SELECT DISTINCT {column} FROM marts.{table} WHERE {column} IS NOT NULL ORDER BY 1").fetchall()
    known = [name for (name,) in names]
    wanted = value.strip().casefold()
    same = [name for name in known if name == value] or [name for name in known if name.casefold() == wanted]
    if same:
        return str(same[0])
    by_text = {name.casefold(): name for name in known}
    near = [by_text[text] for text in difflib.get_close_matches(wanted, by_text, n=5)]
    # Sets are few and all told; of other names those that are near.
    if table == "dim_indicator_sets" or (len(known) < 60 and not near):
        listed = f": one of {', '.join(known)}"
    else:
        listed = f"; near it are {', '.join(near)}" if near else ""
    raise UnknownNameError(f"no {what} {value!r} is published{listed}")


def why_nothing(con: duckdb.DuckDBPyConnection, selection: Selection) -> str:
    """Which part of a selection without values has none, and the periods that there are. Raises `UnknownNameError`."""
    chosen = as_published(con, selection)
    what = chosen.indicator_id or (f"the set {chosen.indicator_set}" if chosen.indicator_set else "any indicator")
    whose = chosen.org_code or "any organisation"
    values = f"""
        WITH members AS ({_MEMBERS})
        SELECT strftime(min(c.period_start), '%Y-%m'), strftime(max(c.period_end), '%Y-%m'), count(*)
        FROM marts.fct_standard_comparisons c
        WHERE c.period_type <> 'ytd' AND ($org_code IS NULL OR c.org_code = $org_code)
            AND ($indicator_id IS NULL OR c.indicator_id = $indicator_id)
            AND ($indicator_set IS NULL OR c.indicator_id IN (FROM members))
    """
    asked = {"org_code": chosen.org_code, "indicator_id": chosen.indicator_id, "indicator_set": chosen.indicator_set}
    first, last, count = con.execute(values, asked).fetchall()[0]
    if count:
        return f"no values of {what} for {whose} in {chosen.period:%Y-%m}; there are some from {first} to {last}"
    if chosen.org_code and con.execute(values, {**asked, "indicator_id": None, "indicator_set": None}).fetchall()[0][2]:
        levels = con.execute(
            f"""
            WITH members AS ({_MEMBERS})
            SELECT DISTINCT c.org_level FROM marts.fct_standard_comparisons c
            WHERE ($indicator_id IS NULL OR c.indicator_id = $indicator_id)
                AND ($indicator_set IS NULL OR c.indicator_id IN (FROM members))
            ORDER BY 1
            """,
            {k: v for k, v in asked.items() if k != "org_code"},
        ).fetchall()
        has = f"values of it are published by {', '.join(level for (level,) in levels)}" if levels else "nobody has any"
        return f"{whose} has no values of {what} in any period; {has}"
    if chosen.org_code:
        return f"{whose} has no values of any indicator in any period"
    return f"no values of {what} are published in any period"


def select(con: duckdb.DuckDBPyConnection, selection: Selection) -> list[dict[str, Any]]:
    """One row an indicator, organisation, month and source. Raises `UnknownNameError` for names not published."""
    cursor = con.execute(_QUERY, asdict(as_published(con, selection)))
    columns = [c[0] for c in cursor.description or []]
    rows = [dict(zip(columns, row, strict=True)) for row in cursor.fetchall()]
    for row in rows:
        for column in _COUNTS:
            row[column] = plain(row[column])
        if row["unit"] != "percent":
            row["value"], row["ytd_value"] = plain(row["value"]), plain(row["ytd_value"])
    return rows


def shown(value: float | None, numerator: float | None, denominator: float | None, unit: str) -> str:
    """A value for people: percentages half up to one decimal from the exact fraction, counts with thousands."""
    if value is None:
        return "no value"
    if unit == "ratio":
        return f"{Decimal(str(value)).quantize(Decimal('0.01'), ROUND_HALF_UP)}"
    if unit != "percent":
        return f"{value:,.0f}" if float(value).is_integer() else f"{value:,.1f}"
    if numerator is not None and denominator:
        exact = Decimal(str(numerator)) * 100 / Decimal(str(denominator))
    else:
        exact = Decimal(str(value))
    return f"{exact.quantize(Decimal('0.1'), ROUND_HALF_UP)} %"


def verdict(row: dict[str, Any]) -> str:
    """Whether the standard is met, in words; a row without standard says so."""
    if row["standard"] is None:
        return "no standard"
    if row["is_met"] is None:
        return "not judged"
    if row["is_met"]:
        return "met"
    if row["excess_breaches"] is None:
        return "not met"
    excess = f"{row['excess_breaches']:,.1f}".removesuffix(".0")
    return f"not met, {excess} in excess"


def render(rows: Sequence[dict[str, Any]], form: str) -> str:
    """The rows as ``table`` (for reading), ``csv`` or ``json`` (for machines: unrounded)."""
    if form == "json":
        return json.dumps(rows, indent=2, default=str, ensure_ascii=False) + "\n"
    if form == "csv":
        out = io.StringIO()
        writer = csv.DictWriter(out, list(rows[0]) if rows else [], lineterminator="\n")
        writer.writeheader()
        writer.writerows({**guarded_row(row), "extract_ids": " ".join(row["extract_ids"] or [])} for row in rows)
        return out.getvalue()
    return _as_table(rows)


def write(rows: Sequence[dict[str, Any]], form: str, path: Path) -> None:
    """Write the rows to a file. Raises `OSError` where it cannot be written."""
    durable.put_bytes(path, _as_xlsx(rows) if form == "xlsx" else render(rows, form).encode())


def _as_xlsx(rows: Sequence[dict[str, Any]]) -> bytes:
    """One sheet, numbers as numbers; text is never taken for a formula."""
    import xlsxwriter

    out = io.BytesIO()
    options = {"strings_to_formulas": False, "strings_to_urls": False, "in_memory": True}
    with xlsxwriter.Workbook(out, options) as workbook:
        sheet = workbook.add_worksheet("indicators")
        bold = workbook.add_format({"bold": True})
        for column, name in enumerate(rows[0] if rows else []):
            sheet.write_string(0, column, name, bold)
        for number, row in enumerate(rows, 1):
            for column, value in enumerate(row.values()):
                if isinstance(value, bool):
                    sheet.write_boolean(number, column, value)
                elif isinstance(value, int | float):
                    sheet.write_number(number, column, value)
                elif value is not None:
                    text = " ".join(value) if isinstance(value, list) else str(value)
                    sheet.write_string(number, column, guarded(text))
        sheet.freeze_panes(1, 0)
        sheet.autofit()
    return out.getvalue()


def _as_table(rows: Sequence[dict[str, Any]]) -> str:
    header = ("indicator", "org", "month", "value", "of", "standard", "", "year to date", "caveat")
    lines = [header]
    for row in rows:
        standard = "" if row["standard"] is None else f"{row['comparator']} {_number(row['standard'])}"
        fraction = (
            f"{_number(row['numerator'])} / {_number(row['denominator'])}" if row["denominator"] is not None else ""
        )
        reported = "reported" if row["source"] == "reported" else ""
        edition = "" if row["edition"] in ("unknown", "final", "revised") else row["edition"]
        lines.append(
            (
                row["indicator_id"],
                row["org_code"],
                row["period"],
                shown(row["value"], row["numerator"], row["denominator"], row["unit"]),
                fraction,
                standard,
                verdict(row),
                shown(row["ytd_value"], row["ytd_numerator"], row["ytd_denominator"], row["unit"]),
                "; ".join(
                    part
                    for part in (
                        _by_the_other_standard(row),
                        reported,
                        edition,
                        row["caveat"],
                        _why_no_year_to_date(row),
                    )
                    if part
                ),
            )
        )
    widths = [max(len(line[i]) for line in lines) for i in range(len(header) - 1)]
    right = {3, 4, 7}
    out = []
    for line in lines:
        cells = [line[i].rjust(w) if i in right else line[i].ljust(w) for i, w in enumerate(widths)]
        out.append("  ".join([*cells, line[-1]]).rstrip())
    return "\n".join(out) + "\n"


def _by_the_other_standard(row: dict[str, Any]) -> str | None:
    """What the standard says that one of the organisation's own goes before."""
    if row["other_standard"] is None:
        return None
    said = {True: "met", False: "not met", None: "not judged"}[row["is_other_met"]]
    return f"a standard of its own; by {row['other_comparator']} {_number(row['other_standard'])} {said}"


def _why_no_year_to_date(row: dict[str, Any]) -> str | None:
    """The first reason why there is no year to date, where the month itself has a value."""
    if row["ytd_value"] is not None or row["value"] is None or not row["ytd_caveat"]:
        return None
    return str(row["ytd_caveat"]).split("; ")[0]


def _number(value: float | None) -> str:
    if value is None:
        return ""
    return f"{value:,.0f}" if float(value).is_integer() else f"{float(value):,g}"
