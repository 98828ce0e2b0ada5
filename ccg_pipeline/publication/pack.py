"""The committee's pack of an organisation and month: one self-contained HTML file beside the tables as files.

Belongs here: choosing and arranging what the report tables say, and writing it out. Does not belong here: working out
anything that a mart does not hold, and the marks of charts (`charts`) or formats of tables (`exports`, `workbook`).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from functools import cache
from pathlib import Path
from typing import Any

import duckdb

from ccg_pipeline import durable
from ccg_pipeline.months import months_later
from ccg_pipeline.publication import charts, datasets, explain, exports, suppression, workbook
from ccg_pipeline.publication.cells import plain
from ccg_pipeline.publication.indicators import shown
from ccg_pipeline.publication.tables import HIDDEN, Row, Scope, Table, read

VARIATION = {
    "common_cause": ("common", "~", "Common cause"),
    "improving_high": ("improving", "H", "Improvement: high or rising"),
    "improving_low": ("improving", "L", "Improvement: low or falling"),
    "concerning_high": ("concerning", "H", "Concern: high or rising"),
    "concerning_low": ("concerning", "L", "Concern: low or falling"),
    "neutral_high": ("neutral", "H", "Special cause: high or rising"),
    "neutral_low": ("neutral", "L", "Special cause: low or falling"),
}
ASSURANCE = {
    "consistently_pass": ("improving", "P", "Expected to pass"),
    "consistently_fail": ("concerning", "F", "Expected to fail"),
    "hit_and_miss": ("common", "?", "May pass or fail"),
}
RULES = {
    "outside_limits": "outside the limits",
    "trend": "trend of 7",
    "two_of_three": "two of three near a limit",
    "shift": "shift of 7",
}
POINTS = {
    charts.COMMON: "Common cause",
    charts.CONCERN: "Special cause: concern",
    charts.IMPROVEMENT: "Special cause: improvement",
    charts.NEUTRAL: "Special cause: neither side is better",
}
UNITS = {
    "percent": "per cent",
    "rate_per_100000": "per 100,000",
    "gbp_thousands": "GBP thousand",
    "gbp_millions": "GBP million",
}
# The lines of a chart, and what they are called.
_LINES = {"value": "Value", "mean": "Mean", "limit": "Process limits", "target": "Target", "plan": "Plan"}
SYSTEMS = ("stp", "icb")
_OVERVIEW_MONTHS = 15


@dataclass(frozen=True)
class Pack:
    """A pack as content: the tables of its files and what stands in its page."""

    scope: Scope
    tables: Sequence[Table]
    page: str


def build(con: duckdb.DuckDBPyConnection, scope: Scope) -> Pack:
    """The pack, from the published copy alone."""
    tables: Sequence[Table] = read(con, scope)
    if scope.is_public:
        tables = suppression.apply(con, tables, scope)
    return Pack(scope, tables, _page(con, scope, {table.name: table for table in tables}))


def write(pack: Pack, folder: Path) -> list[Path]:
    """Write the pack into a folder; returns the files, the page first. Files of the same name are replaced.

    The page is put there last: where it stands, the rest is whole and of the same writing. Raises `OSError` where a
    file cannot be written, with the former pack as it was.
    """
    page, book = folder / f"{pack.scope.name}.html", folder / f"{pack.scope.name}.xlsx"
    files = next((table.rows for table in pack.tables if table.name == "extracts"), [])
    tables = {folder / name: content for name, content in exports.build(pack.tables, pack.scope, files).items()}
    for path in (page, *tables):
        path.parent.mkdir(parents=True, exist_ok=True)
    durable.put_together({book: workbook.build(pack.tables, pack.scope), **tables, page: pack.page.encode()})
    return [page, book, *tables]


def _page(con: duckdb.DuckDBPyConnection, scope: Scope, tables: Mapping[str, Table]) -> str:
    def rows(name: str) -> Sequence[Row]:
        return tables[name].rows if name in tables else []

    glance = rows("rpt_at_a_glance")
    exceptions = _exceptions(scope, rows("rpt_exceptions"))
    standards = _standards(con, scope, tables)
    overviews = _overviews(
        scope,
        rows("rpt_set_overview"),
        {row["indicator_id"]: row["indicator_set"] for row in rows("dim_indicators")},
    )
    figures = [row for overview in overviews for row in overview["rows"]]
    figures += [*rows("rpt_stp_overview"), *rows("rpt_provider_summary"), *rows("rpt_local_standards")]
    facts = _facts(con, scope, glance, exceptions, standards, figures)
    states = datasets.read(con)
    return _template().render(
        scope=scope,
        tables=tables,
        glance=glance,
        exceptions=exceptions,
        standards=standards,
        overviews=overviews,
        overview_months=_months(scope.period, _OVERVIEW_MONTHS),
        providers=_grouped(
            sorted(rows("rpt_provider_summary"), key=lambda row: (row["org_level"] != "provider", row["org_name"])),
            "org_name",
        ),
        system=_side_by_side(rows("rpt_stp_overview")),
        local_standards=rows("rpt_local_standards"),
        trajectories=_trajectories(scope, rows("rpt_trajectories")),
        queries=rows("rpt_data_queries"),
        restatements=_restatements(con, scope, rows("rpt_restatements")),
        rests_on=_rests_on(con, scope),
        datasets={name: state.dataset_name for name, state in states.items()},
        held_back={name for name, state in states.items() if state.is_stale},
        last_start=months_later(scope.period, -1),
        definitions={row["indicator_id"]: row for row in rows("dim_indicators")},
        facts=facts,
    )


@cache
def _template() -> Any:
    import jinja2

    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("ccg_pipeline.publication", "templates"),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=jinja2.StrictUndefined,
    )
    environment.filters.update(day=_day, shown=_shown, number=_number, sentence=_sentence)
    environment.globals.update(
        variation=VARIATION,
        assurance=ASSURANCE,
        rules=RULES,
        units=UNITS,
        anchor=anchor,
        key=charts.key,
        signs={">=": "\u2265 ", "<=": "\u2264 ", ">": "above ", "<": "below "},
        words={">=": "at least", "<=": "at most", "=": "exactly", ">": "above", "<": "below"},
    )
    return environment.get_template("pack.html")


def anchor(row: Mapping[str, Any], period_start: date | None = None) -> str:
    """The id, in the page, of the facts of a value."""
    start = period_start or row["period_start"]
    parts = (row["indicator_id"], row["org_code"], f"{start:%Y-%m-%d}", row["source"])
    return "fact-" + re.sub(r"[^a-z0-9]+", "-", "-".join(map(str, parts)).lower())


def _exceptions(scope: Scope, rows: Iterable[Row]) -> dict[str, list[Row]]:
    """The exceptions by whose they are, the worst first: months before weeks and years, and what ended last."""
    groups: dict[str, list[Row]] = {"own": [], "system": [], "providers": []}
    for row in sorted(rows, key=lambda row: (row["change"] == "ended", row["period_type"] != "month")):
        if row["org_code"] == scope.org_code:
            groups["own"].append(row)
        elif row["org_level"] in SYSTEMS:
            groups["system"].append(row)
        elif row["org_level"] in ("provider", "service"):
            groups["providers"].append(row)
    return groups


def _standards(con: duckdb.DuckDBPyConnection, scope: Scope, tables: Mapping[str, Table]) -> list[dict[str, Any]]:
    """What there is to show of each standard: the lines of the first page, then the other constitutional standards that
    the organisation has a figure for."""
    headlines = [row for row in tables["rpt_at_a_glance"].rows if row["org_code"] and row["source"]]
    wanted = {(row["indicator_id"], row["org_code"], row["source"]): row["headline"] for row in headlines}
    definitions = {row["indicator_id"]: row for row in tables["dim_indicators"].rows}
    charted = tables["fct_spc_charts"].rows
    for row in charted:
        key = (row["indicator_id"], row["org_code"], row["source"])
        definition = definitions[row["indicator_id"]]
        is_own_standard = (
            row["org_code"] == scope.org_code
            and row["is_preferred"]
            and row["latest_target"] is not None
            and definition["indicator_set"] == "constitution"
        )
        if is_own_standard:
            wanted.setdefault(key, definition["indicator_name"])
    by_series: dict[tuple[str, str, str], list[Row]] = {}
    for row in charted:
        by_series.setdefault((row["indicator_id"], row["org_code"], row["source"]), []).append(row)
    names = dict(
        con.execute(
            "SELECT org_code, any_value(org_name ORDER BY org_level) FROM marts.dim_organisations GROUP BY 1"
        ).fetchall()
    )
    compared = {
        (row["indicator_id"], row["org_code"], row["source"], row["period_type"], row["period_start"]): row
        for row in tables["fct_standard_comparisons"].rows
    }
    plans = _plans(con, scope)
    pages = []
    for number, (series, title) in enumerate(wanted.items(), 1):
        indicator_id, org_code, source = series
        points = sorted(by_series.get(series, []), key=lambda row: row["period_start"])
        page: dict[str, Any] = {
            "name": f"standard-{number}",
            "title": title,
            "org_code": org_code,
            "org_name": names.get(org_code) or org_code,
            "source": source,
            "definition": definitions[indicator_id],
            "standards": [row for row in tables["dim_standards"].rows if row["indicator_id"] == indicator_id],
            "points": [],
            "last": None,
            "chart": None,
            "keys": [],
        }
        if points:
            planned = plans.get((indicator_id, org_code), {})
            page["points"] = [
                {
                    **row,
                    "compared": compared.get((*series, row["period_type"], row["period_start"])),
                    "plan": planned.get(row["period_start"]),
                }
                for row in points
            ]
            page["last"] = page["points"][-1]
            page |= _chart(page, planned)
        pages.append(page)
    return pages


def _plans(con: duckdb.DuckDBPyConnection, scope: Scope) -> dict[tuple[str, str], dict[date, float]]:
    """The planned values by indicator and organisation, then by the first day of the period. Targets that came with a
    return are left out: they are the standard again. Of several plans the last by name is drawn."""
    found: dict[tuple[str, str], dict[date, float]] = {}
    for indicator_id, org_code, start, planned in con.execute(
        """
        SELECT indicator_id, org_code, period_start, planned_value
        FROM marts.fct_trajectory_comparisons
        WHERE list_contains($org_codes, org_code) AND period_type IN ('month', 'quarter') AND kind <> 'projection'
            AND plan_id <> 'RETURNED' AND is_current_version AND planned_value IS NOT NULL AND breakdown IS NULL
            AND period_end <= $period_end
        ORDER BY plan_id, period_start
        """,
        {"org_codes": list(scope.org_codes), "period_end": scope.period_end},
    ).fetchall():
        found.setdefault((indicator_id, org_code), {})[start] = plain(planned)
    return found


def _chart(page: Mapping[str, Any], planned: Mapping[date, float]) -> dict[str, Any]:
    """The chart of a page, and the keys of what is on it."""
    points, last = page["points"], page["last"]
    by_start = {row["period_start"]: row for row in points}
    months = 3 if last["period_type"] == "quarter" else 1
    starts = [points[0]["period_start"]]
    while starts[-1] < last["period_start"]:
        starts.append(months_later(starts[-1], months))
    drawn = []
    for start in starts:
        row = by_start.get(start, {})
        drawn.append(
            {
                "label": _label(start, months),
                **{
                    name: None if row.get(name) == HIDDEN else row.get(name)
                    for name in ("value", "mean", "lower_limit", "upper_limit", "target")
                },
                "plan": planned.get(start),
                "baseline_number": row.get("baseline_number"),
                "variation": row.get("variation") if row.get("variation") in POINTS else charts.COMMON,
                "is_provisional": bool(row.get("is_provisional")),
            }
        )
    variations = [
        mark for mark in POINTS if any(row["value"] is not None and row["variation"] == mark for row in drawn)
    ]
    has = {
        "value": True,
        "mean": any(row["mean"] is not None for row in drawn),
        "limit": any(row["upper_limit"] is not None for row in drawn),
        "target": any(row["target"] is not None for row in drawn),
        "plan": any(row["plan"] is not None for row in drawn),
    }
    keys = [(mark, label) for mark, label in _LINES.items() if has[mark]]
    keys += [(mark, POINTS[mark]) for mark in variations]
    if any(row["is_provisional"] for row in drawn):
        keys.append(("provisional", "Hollow: provisional"))
    title = f"{page['title']}, {page['org_name']}: control chart, {drawn[0]['label']} to {drawn[-1]['label']}"
    special = sum(row["value"] is not None and row["variation"] != charts.COMMON for row in drawn)
    described = (
        f"{len(points)} points, of which {special} show special cause variation. The table below the chart has all of "
        "its figures."
    )
    return {"chart": charts.draw(drawn, page["name"], title, described), "keys": keys}


def _facts(
    con: duckdb.DuckDBPyConnection,
    scope: Scope,
    glance: Iterable[Row],
    exceptions: Mapping[str, Iterable[Row]],
    standards: Iterable[Mapping[str, Any]],
    figures: Iterable[Row],
) -> list[dict[str, Any]]:
    """What stands behind the figures of the month: those of the first page (with the month before), of the pages of
    standards, of the exceptions and of the tables (``figures``, by indicator, organisation and start of the period).
    None in a pack for publication: they are full of counts."""
    if scope.is_public:
        return []
    before = months_later(scope.period, -1)
    wanted = [(row["indicator_id"], row["org_code"], start) for row in glance for start in (scope.period, before)]
    wanted += [
        (page["definition"]["indicator_id"], page["org_code"], page["last"]["period_start"])
        for page in standards
        if page["last"]
    ]
    breaches = (row for group in exceptions.values() for row in group if row["exception"] == "out of standard")
    wanted += [
        (row["indicator_id"], row["org_code"], row["period_start"])
        for row in (*breaches, *figures)
        if row["period_start"]
    ]
    keys = con.execute(
        f"""
        SELECT DISTINCT {", ".join(explain.KEY)}
        FROM marts.fct_standard_comparisons
        JOIN (SELECT unnest($wanted) AS row) w
            ON indicator_id = w.row.indicator_id AND org_code = w.row.org_code AND period_start = w.row.period_start
        WHERE period_type <> 'ytd'
        """,
        {
            "wanted": [
                {"indicator_id": indicator_id, "org_code": org_code, "period_start": start}
                for indicator_id, org_code, start in sorted({w for w in wanted if w[1]})
            ]
        },
    ).fetchall()
    told = explain.explain_all(con, keys)
    facts = []
    for key in sorted(told):
        value = told[key]
        facts.append(
            {
                "anchor": anchor(value),
                "indicator_id": value["indicator_id"],
                "title": f"{value['indicator_id']}, {value['org_code']}, {value['period']}, {value['source']}",
                "lines": explain.in_words(value),
            }
        )
    return facts


def _overviews(scope: Scope, rows: Iterable[Row], own_sets: Mapping[str, str]) -> list[dict[str, Any]]:
    """The table of fifteen months of the organisation and its system, by set.

    An indicator of several sets stands once, in its own (``own_sets``); the files have it in all, and other members.
    """
    overviews: list[dict[str, Any]] = []
    of_page = [row for row in rows if row["org_code"] == scope.org_code or row["org_level"] in SYSTEMS]
    homes = {row["indicator_id"]: row["set_id"] for row in reversed(of_page)} | {
        row["indicator_id"]: row["set_id"] for row in of_page if row["set_id"] == own_sets.get(row["indicator_id"])
    }
    shown_here = sorted(
        (row for row in of_page if row["set_id"] == homes[row["indicator_id"]]),
        key=lambda row: (row["set_id"] != "constitution", row["set_name"], row["org_code"] != scope.org_code),
    )
    for (set_name, org_name), of_both in _grouped(shown_here, "set_name", "org_name").items():
        overviews.append({"set_name": set_name, "org_name": org_name, "rows": of_both})
    return overviews


def _side_by_side(rows: Iterable[Row]) -> dict[str, Any]:
    """A system and its members beside each other, one line an indicator."""
    listed = sorted(
        rows, key=lambda row: (row["sort_order"], row["indicator_id"], not row["is_system"], row["org_code"])
    )
    names = {row["org_code"]: row["org_name"] for row in sorted(listed, key=lambda row: not row["is_system"])}
    lines = [
        {"first": of_one[0], "by_org": {row["org_code"]: row for row in of_one}}
        for of_one in _grouped(listed, "indicator_id").values()
    ]
    return {"names": names, "lines": lines}


def _trajectories(scope: Scope, rows: Sequence[Row]) -> dict[str, Any]:
    """The plans that have a figure beside them, and how many have none: those with a document before targets stated in
    returns, the organisation's own before those of others."""
    compared = [row for row in rows if row["actual_value"] is not None]
    compared.sort(
        key=lambda row: (
            row["plan_id"] == "RETURNED",
            row["org_code"] != scope.org_code,
            row["org_code"],
            row["indicator_name"],
            row["period_type"],
            row["period_end"],
        )
    )
    return {"rows": compared, "without": len(rows) - len(compared)}


def _grouped(rows: Iterable[Row], *columns: str) -> dict[Any, list[Row]]:
    groups: dict[Any, list[Row]] = {}
    for row in rows:
        key = tuple(row[column] for column in columns)
        groups.setdefault(key if len(columns) > 1 else key[0], []).append(row)
    return groups


def _restatements(con: duckdb.DuckDBPyConnection, scope: Scope, rows: Iterable[Row]) -> dict[str, Any]:
    """Restatements since the last pack, the latest first, and how many there were before.

    The last pack is that of the month before: it could be made when the first file with figures of that month was
    published or received.
    """
    (since,) = con.execute(
        """
        SELECT min(e.known_at)
        FROM staging.stg_landing__extracts e
        JOIN (SELECT DISTINCT unnest(extract_ids) AS extract_id FROM marts.fct_indicator_values
            WHERE list_contains($org_codes, org_code) AND period_type = 'month' AND period_start = $before) v
            USING (extract_id)
        """,
        {"org_codes": list(scope.org_codes), "before": months_later(scope.period, -1)},
    ).fetchall()[0]
    listed = sorted(rows, key=lambda row: row["restated_at"], reverse=True)
    if since is None:
        return {"since": None, "rows": listed, "before": 0}
    recent = [row for row in listed if row["restated_at"] > since]
    return {"since": since, "rows": recent, "before": len(listed) - len(recent)}


def _rests_on(con: duckdb.DuckDBPyConnection, scope: Scope) -> list[dict[str, Any]]:
    """What the figures rest on, one row a dataset: the latest period held, whether that is behind the month of the
    pack, and whether figures of that month are provisional."""
    cursor = con.execute(
        """
        WITH figures AS (
            SELECT CASE v.source WHEN 'reported' THEN 'local_returns' ELSE i.dataset END AS dataset, v.period_type,
                v.period_start, v.period_end, v.is_provisional
            FROM marts.fct_indicator_values v JOIN marts.dim_indicators i USING (indicator_id)
            WHERE list_contains($org_codes, v.org_code) AND v.period_end <= $period_end
                AND v.period_type IN ('month', 'quarter') AND v.value IS NOT NULL
        )
        SELECT dataset, min(period_start) AS earliest, max(period_end) AS latest,
            CASE WHEN bool_or(period_type = 'month') THEN max(period_end) < $period_end
                ELSE max(period_end) + INTERVAL 3 MONTH < $period_end END AS is_stale,
            coalesce(bool_or(is_provisional) FILTER (WHERE period_end = $period_end), false) AS is_provisional
        FROM figures GROUP BY dataset ORDER BY dataset
        """,
        {"org_codes": list(scope.org_codes), "period_end": scope.period_end},
    )
    columns = [c[0] for c in cursor.description or []]
    return [dict(zip(columns, row, strict=True)) for row in cursor.fetchall()]


def _months(last: date, count: int) -> list[date]:
    return [months_later(last, back - count + 1) for back in range(count)]


def _label(start: date, months: int) -> str:
    return f"{start:%b %y}" if months == 1 else f"Q{(start.month - 4) % 12 // 3 + 1} {start:%b %y}"


def _day(moment: date | datetime | None) -> str:
    return f"{moment:%-d %B %Y}" if moment else ""


def _number(cell: Any) -> str:
    """A count or limit: thousands, and one decimal where it has any."""
    if cell is None:
        return ""
    if isinstance(cell, str):
        return cell
    return f"{cell:,.0f}" if float(cell).is_integer() else shown(cell, None, None, "")


def _shown(row: Mapping[str, Any] | None) -> str:
    """The value of a row as people read it."""
    if row is None:
        return "no value"
    if isinstance(row["value"], str):
        return row["value"]
    return shown(row["value"], row.get("numerator"), row.get("denominator"), row["unit"])


def _sentence(text: str) -> str:
    return text[:1].upper() + text[1:]
