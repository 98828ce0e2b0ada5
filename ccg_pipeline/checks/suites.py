"""Suites over the warehouse: run one over its query, tell what failed, keep the outcome beside the data.

The outcome of every expectation is also a row of ``checks.expectation_results`` in the warehouse.
"""

from __future__ import annotations

from collections.abc import Iterable

from ccg_pipeline import warehouse
from ccg_pipeline.checks.running import Result, Suite, joined, run_suite
from ccg_pipeline.settings import Settings

# About as many rows are looked at together: more than the largest published file has. With years of files landed in one
# night, or of England's figures in the marts, the frame would be the largest thing in memory.
_ROWS_AT_ONCE = 250_000


def evaluate(settings: Settings, suite: Suite) -> list[Result]:
    """Run a suite over its query of the warehouse: whole, or some extracts or periods after another where it is large.

    What a suite expects of more than one row, it expects within an extract or a period, whichever its key has.
    """
    query = suite.meta["query"]
    part, order = ("extract_id", "ASC") if "extract_id" in suite.meta["key"] else ("period", "DESC")
    with warehouse.reading(settings.warehouse) as con:
        sizes = con.execute(f"SELECT {part}, count(*) FROM ({query}) GROUP BY 1 ORDER BY 1 {order}").fetchall()
        groups = _together(sizes)
        if len(groups) < 2:
            return run_suite(suite, con.execute(query).df())
        results = []
        for parts in groups:
            some = ", ".join("?" * len(parts))
            frame = con.execute(f"SELECT * FROM ({query}) WHERE {part} IN ({some})", parts).df()
            results.append(run_suite(suite, frame))
    return [joined(of_one) for of_one in zip(*results, strict=True)]


def _together(sizes: Iterable[tuple[str, int]]) -> list[list[str]]:
    """The parts in groups of no more than `_ROWS_AT_ONCE` rows, or of one that has more."""
    groups: list[list[str]] = []
    rows = 0
    for part, size in sizes:
        if not groups or rows + size > _ROWS_AT_ONCE:
            groups.append([])
            rows = 0
        groups[-1].append(part)
        rows += size
    return groups


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


def record(settings: Settings, suite: Suite, kind: str, results: Iterable[Result]) -> None:
    """Keep the outcome beside the data, in place of the suite's last one."""
    with warehouse.writing(settings.warehouse) as con:
        con.execute("CREATE SCHEMA IF NOT EXISTS checks")
        con.execute(
            "CREATE TABLE IF NOT EXISTS checks.expectation_results (suite VARCHAR, kind VARCHAR, expectation VARCHAR, "
            "meaning VARCHAR, severity VARCHAR, success BOOLEAN, evaluated BIGINT, unexpected BIGINT)"
        )
        con.execute("DELETE FROM checks.expectation_results WHERE suite = ? AND kind = ?", [suite.name, kind])
        con.executemany(
            "INSERT INTO checks.expectation_results VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
            [
                [suite.name, kind, r.expectation, r.meaning, r.severity, r.success, r.evaluated, r.unexpected]
                for r in results
            ],
        )
