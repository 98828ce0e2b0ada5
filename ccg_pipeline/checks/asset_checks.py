"""Suites as Dagster asset checks: quality suites block what depends on the table, standards suites only warn.

The outcome of every expectation is also a row of ``checks.expectation_results`` in the warehouse.
"""

from collections.abc import Iterable, Iterator

import dagster as dg

from ccg_pipeline import warehouse
from ccg_pipeline.assets import OWNERS, POOL
from ccg_pipeline.assets.resources import Installation, log
from ccg_pipeline.checks.running import Result, Suite, load_suites, run_suite
from ccg_pipeline.settings import Settings
from ccg_pipeline.visible import markdown

RESULTS = dg.AssetKey(["checks", "standards"])


def build_quality_checks(settings: Settings) -> list[dg.AssetChecksDefinition]:
    """One blocking check for each quality suite, on the table it is about."""
    return [_quality_check(suite) for suite in load_suites(settings.expectations / "quality")]


def _quality_check(suite: Suite) -> dg.AssetChecksDefinition:
    schema, table = suite.meta["table"].split(".")

    @dg.asset_check(
        asset=dg.AssetKey([schema, table]),
        name="quality",
        description=suite.meta["description"],
        blocking=True,
        pool=POOL,
    )
    def quality(installation: Installation) -> dg.AssetCheckResult:
        settings = installation.settings
        log.info(f"checking quality of {suite.meta['table']}")
        results = evaluate(settings, suite)
        record(settings, suite, "quality", results)
        failed = [r for r in results if not r.success and r.severity == "critical"]
        return dg.AssetCheckResult(
            passed=not failed,
            severity=dg.AssetCheckSeverity.ERROR,
            description="; ".join(r.in_words(file_names(settings, r)) for r in failed) or None,
            metadata={
                "rows_checked": max((r.evaluated for r in results), default=0),
                "expectations": len(results),
                "not_met": dg.MetadataValue.md(
                    "\n".join(f"- {r.severity}: {markdown(r.in_words())}" for r in results if not r.success) or "none"
                ),
            },
        )

    return quality


def build_standards_asset(settings: Settings) -> dg.AssetsDefinition:
    """Every constitutional standard against every organisation and month, with one warning check a standard."""
    suites = list(load_suites(settings.expectations / "standards"))

    @dg.asset(
        key=RESULTS,
        deps=[dg.AssetKey(["marts", t]) for t in ("fct_standard_comparisons", "fct_breaches", "fct_indicator_values")],
        group_name="checks",
        owners=OWNERS,
        kinds={"python", "duckdb"},
        pool=POOL,
        description="Constitutional standards, one suite each, evaluated for each organisation and month with the "
        "standard in force then. A breach is a finding: the check warns, the run goes on.",
        check_specs=[
            dg.AssetCheckSpec(
                _check_name(suite), asset=RESULTS, description=f"{suite.meta['description']}: {_thresholds(suite)}"
            )
            for suite in suites
        ],
    )
    def standards(installation: Installation) -> Iterator[dg.AssetCheckResult | dg.MaterializeResult]:
        settings = installation.settings
        log.info("evaluating constitutional standards")
        breaches = {}
        for suite in suites:
            results = evaluate(settings, suite)
            record(settings, suite, "standards", results)
            unexpected = sum(r.unexpected for r in results)
            breaches[suite.name] = unexpected
            judged = sum(r.evaluated for r in results)
            found = next((r.in_words() for r in results if not r.success), None)
            yield dg.AssetCheckResult(
                check_name=_check_name(suite),
                passed=unexpected == 0,
                severity=dg.AssetCheckSeverity.WARN,
                description=found if judged else "no values to judge: nothing derived or returned yet",
                metadata={"values_judged": judged, "breaches": unexpected},
            )
        yield dg.MaterializeResult(
            metadata={
                "breaches": sum(breaches.values()),
                **{f"breaches_{name}": count for name, count in breaches.items() if count},
            }
        )

    return standards


def evaluate(settings: Settings, suite: Suite) -> list[Result]:
    """Run a suite over its query of the warehouse."""
    with warehouse.reading(settings.warehouse) as con:
        frame = con.execute(suite.meta["query"]).df()
    return run_suite(suite, frame)


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


def _check_name(suite: Suite) -> str:
    return suite.name.replace("-", "_")


def _thresholds(suite: Suite) -> str:
    return ", ".join(e["meta"]["meaning"] for e in suite.expectations)
