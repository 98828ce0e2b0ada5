"""Suites over the warehouse: run them over their queries, tell what failed, keep the outcome beside the data.

The outcome of every expectation is also a row of ``checks.expectation_results`` in the warehouse. What was found in
rows of a mart stands in ``checks.kept_results`` for as long as neither they nor the project change: only what is new,
and the rows that it is judged with, are judged again.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from hashlib import sha256
from typing import Any

import duckdb

from ccg_pipeline import nights, warehouse
from ccg_pipeline.checks.running import Result, Suite, joined, run_suite
from ccg_pipeline.settings import Settings

# About as many rows are looked at together: more than the largest published file has. With years of files landed in one
# night, or of England's figures in the marts, the frame would be the largest thing in memory.
_ROWS_AT_ONCE = 250_000
# Of a mart fewer, so that one new month has few others judged with it.
_ROWS_KEPT_TOGETHER = 50_000


def evaluate(settings: Settings, suite: Suite) -> list[Result]:
    """Run a suite over its query of the warehouse, as `evaluate_all`."""
    return evaluate_all(settings, [suite])[suite.name]


def evaluate_all(settings: Settings, several: Sequence[Suite]) -> dict[str, list[Result]]:
    """What suites find over their queries of the warehouse, by name: one result for each expectation.

    Large ones run over some extracts or periods after another. What a suite expects of more than one row, it expects
    within an extract or a period, whichever its key has.
    """
    judged, project = {}, nights.project_fingerprint()
    with warehouse.reading(settings.warehouse) as con:
        kept = _kept(con)
        for suite in several:
            judged[suite.name] = list(_in_groups(con, suite, kept, project))
    if of_marts := {suite.name: judged[suite.name] for suite in several if _is_of_mart(suite)}:
        with warehouse.writing(settings.warehouse) as con:
            _keep(con, of_marts)
    return {
        # The newest period first, as in the query.
        name: [joined(of_one).told() for of_one in zip(*(results for _, results in reversed(groups)), strict=True)]
        for name, groups in judged.items()
    }


def _in_groups(
    con: duckdb.DuckDBPyConnection, suite: Suite, kept: Mapping[str, str], project: str
) -> Iterable[tuple[str, list[Result]]]:
    """The results over each group of extracts or periods, the oldest first, after the name of its content."""
    query = suite.meta["query"]
    is_of_mart = _is_of_mart(suite)
    part, most = ("period", _ROWS_KEPT_TOGETHER) if is_of_mart else ("extract_id", _ROWS_AT_ONCE)
    content = "sum(hash(judged))::VARCHAR" if is_of_mart else "NULL"
    parts = con.execute(f"SELECT {part}, count(*), {content} FROM ({query}) AS judged GROUP BY 1 ORDER BY 1").fetchall()
    for group in _together(parts, most) or [[]]:
        name = sha256(json.dumps([project, suite.as_json(), group], default=str).encode()).hexdigest()
        if is_of_mart and name in kept:
            yield name, [Result(**result) for result in json.loads(kept[name])]
            continue
        if len(group) == len(parts):
            frame = con.execute(query).df()
        else:
            some = ", ".join("?" * len(group))
            frame = con.execute(f"SELECT * FROM ({query}) WHERE {part} IN ({some})", [p for p, *_ in group]).df()
        yield name, [result.told() for result in run_suite(suite, frame)]


def _is_of_mart(suite: Suite) -> bool:
    return "extract_id" not in suite.meta["key"]


def _together(parts: Iterable[tuple[Any, ...]], most: int) -> list[list[tuple[Any, ...]]]:
    """The parts in groups of no more than so many rows, or of one that has more."""
    groups: list[list[tuple[Any, ...]]] = []
    rows = 0
    for part in parts:
        if not groups or rows + part[1] > most:
            groups.append([])
            rows = 0
        groups[-1].append(part)
        rows += part[1]
    return groups


def _kept(con: duckdb.DuckDBPyConnection) -> dict[str, str]:
    try:
        return dict(con.execute("SELECT content, results FROM checks.kept_results").fetchall())
    except duckdb.CatalogException:  # nothing was judged yet
        return {}


def _keep(con: duckdb.DuckDBPyConnection, judged: Mapping[str, Iterable[tuple[str, list[Result]]]]) -> None:
    """Keep what was found, in place of what the same suites found before."""
    con.execute("CREATE SCHEMA IF NOT EXISTS checks")
    con.execute("CREATE TABLE IF NOT EXISTS checks.kept_results (suite VARCHAR, content VARCHAR, results VARCHAR)")
    con.execute("DELETE FROM checks.kept_results WHERE list_contains(?, suite)", [list(judged)])
    con.executemany(
        "INSERT INTO checks.kept_results VALUES (?, ?, ?)",
        [
            [suite, content, json.dumps([vars(result) for result in results], default=_plain)]
            for suite, groups in judged.items()
            for content, results in groups
        ],
    )


def _plain(value: Any) -> Any:
    return value.item() if hasattr(value, "item") else str(value)


def failed(settings: Settings, results: Iterable[Result]) -> str | None:
    """What does not hold, in words, with the names of the files at fault; None where all that is critical holds."""
    failures = [r for r in results if not r.success and r.severity == "critical"]
    return "; ".join(r.in_words(file_names(settings, r)) for r in failures) or None


def file_names(settings: Settings, result: Result) -> dict[str, str]:
    """The names, in the landing folder, of the extracts that a result found fault with."""
    extract_ids = list({key["extract_id"] for key in result.unexpected_keys if "extract_id" in key})
    with warehouse.reading(settings.warehouse) as con:
        return dict(
            con.execute(
                "SELECT extract_id, min(file_name) FROM raw.received_files "
                "WHERE list_contains(?, extract_id) GROUP BY 1",
                [extract_ids],
            ).fetchall()
        )


def record(settings: Settings, kind: str, by_suite: Mapping[str, Iterable[Result]]) -> None:
    """Keep the outcomes beside the data, in place of the last ones of the same suites."""
    with warehouse.writing(settings.warehouse) as con:
        con.execute("CREATE SCHEMA IF NOT EXISTS checks")
        con.execute(
            "CREATE TABLE IF NOT EXISTS checks.expectation_results (suite VARCHAR, kind VARCHAR, expectation VARCHAR, "
            "meaning VARCHAR, severity VARCHAR, success BOOLEAN, evaluated BIGINT, unexpected BIGINT)"
        )
        con.execute(
            "DELETE FROM checks.expectation_results WHERE list_contains(?, suite) AND kind = ?", [list(by_suite), kind]
        )
        con.executemany(
            "INSERT INTO checks.expectation_results VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
            [
                [suite, kind, r.expectation, r.meaning, r.severity, r.success, r.evaluated, r.unexpected]
                for suite, results in by_suite.items()
                for r in results
            ],
        )
