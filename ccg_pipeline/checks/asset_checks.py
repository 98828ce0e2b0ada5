"""Suites as Dagster asset checks: those of a dataset hold back what is new of it, that of the values blocks the
publication, standards suites only warn; and whether a dataset is overdue.
"""

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from typing import Any

import dagster as dg

from ccg_pipeline import extracts, warehouse
from ccg_pipeline.assets import OWNERS, POOL
from ccg_pipeline.assets.resources import Dbt, Installation, log
from ccg_pipeline.checks import holding, suites
from ccg_pipeline.checks.running import Result, Suite, load_suites
from ccg_pipeline.publication import datasets
from ccg_pipeline.settings import Settings
from ccg_pipeline.visible import markdown

RESULTS = dg.AssetKey(["checks", "standards"])
DATASETS = dg.AssetKey(["marts", "dim_datasets"])


def quality_suites(settings: Settings) -> dict[str, Suite]:
    """The quality suite of each dataset. It runs with the loading of the dataset: `assets.extracts`."""
    return {
        table: suite
        for suite in load_suites(settings.expectations / "quality")
        for schema, table in [suite.meta["table"].split(".")]
        if schema == "raw"
    }


def quality_spec(suite: Suite) -> dg.AssetCheckSpec:
    """The check of a dataset: an error of the dataset, which does not stop the run of the others."""
    asset = dg.AssetKey(suite.meta["table"].split("."))
    return dg.AssetCheckSpec("quality", asset=asset, description=suite.meta["description"])


def quality_result(settings: Settings, proof: holding.Proof) -> dg.AssetCheckResult:
    """What came of the check of a dataset, as Dagster shows it."""
    return dg.AssetCheckResult(
        check_name="quality",
        passed=proof.failure is None,
        severity=dg.AssetCheckSeverity.ERROR,
        description=proof.failure,
        metadata={
            **_found(settings, proof.results),
            "held_back": dg.MetadataValue.md("\n".join(f"- {markdown(name)}" for name in proof.held_back) or "none"),
        },
    )


def build_quality_checks(settings: Settings) -> list[dg.AssetChecksDefinition]:
    """One blocking check for each quality suite of a mart."""
    return [
        _quality_check(suite)
        for suite in load_suites(settings.expectations / "quality")
        if not suite.meta["table"].startswith("raw.")
    ]


def _quality_check(suite: Suite) -> dg.AssetChecksDefinition:
    schema, table = suite.meta["table"].split(".")

    @dg.asset_check(
        asset=dg.AssetKey([schema, table]),
        name="quality",
        description=suite.meta["description"],
        blocking=True,
        pool=POOL,
    )
    def quality(installation: Installation, dbt: Dbt) -> dg.AssetCheckResult:
        settings = installation.settings
        log.info(f"checking quality of {suite.meta['table']}")
        results = suites.evaluate(settings, suite)
        words, without, held = suites.failed(settings, results), None, None
        if words and not settings.as_known_at:
            without = holding.of_values(settings, results, installation.recording.begun.run_id)
            if without is None:
                # Dagster has the events of the first build; what stands is that of the second.
                log.info("building again without what is held back (dbt)")
                held = f"passed without new files that are held back, with which it did not: {words}"
                dbt.cli(installation.dbt_build, manifest=settings.dbt_target / "manifest.json").wait()
                results = suites.evaluate(settings, suite)
                words = suites.failed(settings, results)
        suites.record(settings, "quality", {suite.name: results})
        return dg.AssetCheckResult(
            passed=not words,
            severity=dg.AssetCheckSeverity.ERROR,
            description=f"{words} (held back is nothing: {without})" if words and without else words or held,
            metadata=_found(settings, results),
        )

    return quality


def _found(settings: Settings, results: Sequence[Result]) -> dict[str, Any]:
    return {
        "rows_checked": max((r.evaluated for r in results), default=0),
        "expectations": len(results),
        "not_met": dg.MetadataValue.md(
            "\n".join(
                f"- {r.severity}: {markdown(r.in_words(suites.file_names(settings, r)))}"
                for r in results
                if not r.success
            )
            or "none"
        ),
    }


def build_standards_asset(settings: Settings) -> dg.AssetsDefinition:
    """Every constitutional standard against every organisation and month, with one warning check a standard."""
    standards_suites = list(load_suites(settings.expectations / "standards"))

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
            for suite in standards_suites
        ],
    )
    def standards(installation: Installation) -> Iterator[dg.AssetCheckResult | dg.MaterializeResult]:
        settings = installation.settings
        log.info("evaluating constitutional standards")
        breaches = {}
        found_by_suite = suites.evaluate_all(settings, standards_suites)
        suites.record(settings, "standards", found_by_suite)
        for suite in standards_suites:
            results = found_by_suite[suite.name]
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


def build_freshness_checks(settings: Settings) -> dg.AssetChecksDefinition:
    """Whether the next period of each dataset with a due date is overdue on the day of the run (`marts.dim_datasets`).

    A finding: the run goes on. With nothing new there is no run, and `ccg status` tells it.
    """
    due = [row["dataset"] for row in datasets.listed(settings.seeds).values() if row["due_weeks"]]

    @dg.multi_asset_check(
        name="checks__freshness",
        specs=[
            dg.AssetCheckSpec(
                "freshness",
                asset=dg.AssetKey(["raw", dataset]),
                additional_deps=[DATASETS],
                description="The next period expected has arrived by the day on which its publication is due.",
            )
            for dataset in due
            if dataset in extracts.DATASETS
        ],
        pool=POOL,
    )
    def freshness(installation: Installation) -> Iterator[dg.AssetCheckResult]:
        with warehouse.reading(installation.settings.warehouse) as con:
            states = datasets.read(con)
        today = datetime.now(UTC).date()
        for dataset in due:
            state = states.get(dataset)
            yield dg.AssetCheckResult(
                asset_key=dg.AssetKey(["raw", dataset]),
                check_name="freshness",
                passed=state is not None and not state.is_overdue(today),
                severity=dg.AssetCheckSeverity.WARN,
                description=state.expected_in_words() if state else "not known before the models are built",
            )

    return freshness


def _check_name(suite: Suite) -> str:
    return suite.name.replace("-", "_")


def _thresholds(suite: Suite) -> str:
    return ", ".join(e["meta"]["meaning"] for e in suite.expectations)
