"""What a publication holds, in few lines: files by dataset and status, indicators, breaches, questions."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import duckdb

from ccg_pipeline.publication.queries import SEVERITIES

STATUSES = ("loaded", "superseded", "duplicate", "quarantined")


@dataclass(frozen=True)
class Summary:
    """Counts of one publication. ``files`` is by dataset (``not recognised`` for none), then by status;
    ``breaches`` is by standard, the local ones together: all periods, and the latest that the standard was judged in;
    ``restatements`` counts values that a later edition changed and breaches that ``appeared`` or ``vanished`` with it;
    ``corrections`` those ``applied`` and ``not_applied``; ``queries`` counts the questions to the analyst by severity.
    """

    files: dict[str, dict[str, int]]
    indicators: int
    indicator_values: int
    organisations: int
    first_month: str | None
    last_month: str | None
    breaches: dict[str, dict[str, Any]]
    restatements: dict[str, int]
    corrections: dict[str, int]
    queries: dict[str, int]


def summarise(con: duckdb.DuckDBPyConnection) -> Summary:
    """Read the summary from the published copy."""
    files: dict[str, dict[str, int]] = {}
    for dataset, status, count in con.execute(
        "SELECT coalesce(dataset, 'not recognised'), status, count(*) FROM marts.extracts GROUP BY ALL ORDER BY ALL"
    ).fetchall():
        files.setdefault(dataset, dict.fromkeys(STATUSES, 0))[status] = count
    values = con.execute(
        """
        SELECT count(DISTINCT indicator_id), count(*), count(DISTINCT org_code),
            strftime(min(period_start), '%Y-%m'), strftime(max(period_start), '%Y-%m')
        FROM marts.fct_indicator_values WHERE period_type <> 'ytd' AND value IS NOT NULL
        """
    ).fetchall()[0]
    breaches = {
        standard: {"breaches": count, "latest_month": month, "in_latest_month": latest}
        for standard, count, month, latest in con.execute(
            """
            WITH judged AS (
                SELECT
                    standard_id, max(c.period_start) AS month,
                    CASE WHEN bool_or(s.scope = 'local') THEN 'local standards' ELSE standard_id END AS name
                FROM marts.fct_standard_comparisons c JOIN marts.dim_standards s USING (standard_id)
                WHERE c.is_met IS NOT NULL AND c.period_type <> 'ytd' GROUP BY standard_id
            )
            SELECT
                name, count(b.indicator_id),
                CASE WHEN count(DISTINCT month) = 1 THEN strftime(min(month), '%Y-%m') ELSE 'the latest of each' END,
                count(b.indicator_id) FILTER (WHERE b.period_start = month)
            FROM judged LEFT JOIN marts.fct_breaches b USING (standard_id) GROUP BY name
            ORDER BY name = 'local standards', name
            """
        ).fetchall()
    }
    restated, appeared, vanished = con.execute(
        """
        SELECT count(*), count(*) FILTER (WHERE breach_change = 'appeared'),
            count(*) FILTER (WHERE breach_change = 'vanished')
        FROM marts.fct_restatements
        """
    ).fetchall()[0]
    applied, not_applied = con.execute(
        "SELECT count(*) FILTER (WHERE is_applied), count(*) FILTER (WHERE NOT is_applied) FROM marts.fct_corrections"
    ).fetchall()[0]
    queries = dict.fromkeys(SEVERITIES, 0) | dict(
        con.execute("SELECT severity, count(*) FROM marts.fct_data_queries GROUP BY 1").fetchall()
    )
    return Summary(
        files=files,
        indicators=values[0],
        indicator_values=values[1],
        organisations=values[2],
        first_month=values[3],
        last_month=values[4],
        breaches=breaches,
        restatements={"values": restated, "appeared": appeared, "vanished": vanished},
        corrections={"applied": applied, "not_applied": not_applied},
        queries=queries,
    )


def in_words(summary: Summary) -> list[str]:
    """The summary as lines for a terminal."""
    lines = ["Files", "  " + "".ljust(22) + "".join(s.rjust(13) for s in STATUSES)]
    for dataset, by_status in summary.files.items():
        lines.append("  " + dataset.ljust(22) + "".join(f"{by_status[s]:>13,}" for s in STATUSES))
    lines += [
        "",
        f"Indicators: {summary.indicators} indicators, {summary.indicator_values:,} values of "
        f"{summary.organisations:,} organisations, {summary.first_month} to {summary.last_month}",
        "",
        "Breaches of standards" + " " * 9 + "all periods  latest period judged",
    ]
    for standard, found in summary.breaches.items():
        lines.append(
            f"  {standard:<26}{found['breaches']:>12,}{found['in_latest_month']:>8,} in {found['latest_month']}"
        )
    restated = summary.restatements
    if restated["values"]:
        lines += [
            "",
            f"Restatements: {restated['values']:,} values changed by later editions; with them "
            f"{restated['appeared']:,} breaches appeared and {restated['vanished']:,} vanished "
            "(marts.fct_restatements)",
        ]
    corrections = summary.corrections
    if any(corrections.values()):
        lines += [
            "",
            f"Corrections: {corrections['applied']:,} applied, {corrections['not_applied']:,} not applied, each with "
            "the reason (marts.fct_corrections)",
        ]
    asked = ", ".join(f"{count:,} {severity}" for severity, count in summary.queries.items() if count)
    lines += ["", f"Questions to the analyst: {asked + ' (ccg queries shows them)' if asked else 'none'}"]
    return lines
