"""Layer ``landing``: the files received, the rows of each dataset as published, and the registry of extracts."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import dagster as dg
import polars as pl

from ccg_pipeline import extracts, run_tables, warehouse
from ccg_pipeline.assets import OWNERS, POOL
from ccg_pipeline.assets.resources import Installation, progress
from ccg_pipeline.checks import holding
from ccg_pipeline.checks.asset_checks import quality_result, quality_spec, quality_suites
from ccg_pipeline.checks.running import Suite, import_early
from ccg_pipeline.landing import loading
from ccg_pipeline.publication import datasets
from ccg_pipeline.settings import Settings
from ccg_pipeline.visible import markdown

GROUP = "landing"
RECEIVED = dg.AssetKey(["raw", "received_files"])
_REGISTRY = {
    "extracts": "One row a distinct content: what it is, and whether it was loaded or quarantined, with the reason.",
    "extract_coverage": "The slices (view, part, month) of each loaded extract, in which editions replace each other.",
    "runs": "One row a run that has ended, and the run that makes a publication before it does.",
    "run_files": "One row a run and file of the landing folder: what became of it in that run.",
}
REGISTRY = [dg.AssetKey(["raw", table]) for table in _REGISTRY]
# A night that is missed is a warning the next morning and a failure by the second.
FRESHNESS = dg.FreshnessPolicy.time_window(fail_window=timedelta(hours=50), warn_window=timedelta(hours=26))

_COMMON_COLUMNS = {
    "extract_id": "sha256 of the extract the row is from",
    "source_sheet": "sheet of the workbook; null for text files",
    "source_row": "row of the sheet or file, counted from 1",
    "period_start": "first day of the month",
    "is_total": "whether the row is a total that the file itself states",
    "suppressed_measures": "columns of the row that the publisher suppressed",
    "week_bands": "pathways or patients by week waited, first element up to one week (count)",
}


def build_assets(settings: Settings) -> list[dg.AssetsDefinition]:
    """The assets of the layer: received files, one a dataset with its check, and the registry."""
    titles = {name: row["description"] for name, row in datasets.listed(settings.seeds).items()}
    suites = quality_suites(settings)
    return [
        received_files,
        *(_dataset_asset(name, titles.get(name, name), suites.get(name)) for name in extracts.DATASETS),
        registry,
    ]


@dg.asset(
    key=RECEIVED,
    group_name=GROUP,
    owners=OWNERS,
    kinds={"python", "duckdb"},
    pool=POOL,
    freshness_policy=FRESHNESS,
    description="Every file in the landing folder, known by the sha256 of its bytes and recognised by its content.",
)
def received_files(installation: Installation) -> dg.MaterializeResult:
    settings = installation.settings
    now = datetime.now(UTC).replace(tzinfo=None)
    import_early()
    receipt = loading.receive(settings, now, progress, installation.recording.begun.run_id)
    installation.recording.receipt = receipt
    return dg.MaterializeResult(
        metadata={
            "files": receipt.files,
            "new_files": receipt.new,
            "duplicates": receipt.duplicates,
            "ignored_files": receipt.ignored,
            "withdrawn_extracts": receipt.withdrawn,
            "landing_fingerprint": receipt.fingerprint,
        }
    )


def _dataset_asset(name: str, title: str, suite: Suite | None) -> dg.AssetsDefinition:
    """Loading a dataset and checking what is new of it are one step: what fails is held back before anything rests on
    it, and the night of the other datasets goes on. A check of its own would come too late, or stop them too."""

    @dg.asset(
        key=["raw", name],
        deps=[RECEIVED],
        group_name=GROUP,
        owners=OWNERS,
        kinds={"polars", "duckdb"},
        pool=POOL,
        freshness_policy=FRESHNESS,
        check_specs=[quality_spec(suite)] if suite else None,
        description=f"{title}: rows as published, typed, each with its extract and row number.",
        metadata={"dagster/column_schema": _column_schema(name)},
    )
    def rows_of_dataset(installation: Installation) -> Iterator[dg.AssetCheckResult | dg.MaterializeResult]:
        settings = installation.settings
        loaded, proof = loading.LoadResult(name, 0, 0, 0, False), holding.Proof()
        run_id = installation.recording.begun.run_id
        with warehouse.dataset_held(settings.warehouse, name):
            try:
                loaded = loading.load(settings, name, progress, run_id)
                if suite and loaded.has_new:
                    proof = holding.prove(settings, name, suite, run_id)
            except holding.OUTAGES:
                raise
            except Exception as error:  # whatever befalls one dataset must not cost the others their night
                proof = holding.after_breaking_off(settings, name, error, run_id)
            installation.building.note_proved(name)
        if suite:
            yield quality_result(settings, proof)
        if proof.stops:
            raise dg.Failure(proof.stops)
        with warehouse.reading(settings.warehouse) as con:
            total, held = con.execute(
                "SELECT coalesce(sum(row_count), 0), count(*) FROM raw.extracts "
                "WHERE dataset = ? AND outcome = 'loaded'",
                [name],
            ).fetchall()[0]
        yield dg.MaterializeResult(
            metadata={
                "dagster/row_count": int(total),
                "extracts_held": int(held),
                "files_loaded": loaded.loaded,
                "files_quarantined": loaded.quarantined,
                "files_held_back": len(proof.held_back),
                "rows_loaded": loaded.row_count,
            }
        )

    return rows_of_dataset


def _column_schema(name: str) -> dg.TableSchema:
    dataset = extracts.DATASETS[name]
    descriptions = {**_COMMON_COLUMNS, **dataset.descriptions}
    columns = {"extract_id": pl.String, **dataset.schema}
    return dg.TableSchema(
        columns=[
            dg.TableColumn(column, _type_name(kind), description=descriptions.get(column))
            for column, kind in columns.items()
        ]
    )


def _type_name(kind: Any) -> str:
    names = {pl.String: "string", pl.Int64: "int", pl.Float64: "float", pl.Boolean: "bool", pl.Date: "date"}
    return names.get(kind) or "list"


@dg.multi_asset(
    specs=[
        dg.AssetSpec(
            key,
            deps=[RECEIVED, *(dg.AssetKey(["raw", name]) for name in extracts.DATASETS)],
            group_name=GROUP,
            owners=OWNERS,
            kinds={"duckdb"},
            description=description,
        )
        for key, description in zip(REGISTRY, _REGISTRY.values(), strict=True)
    ],
    pool=POOL,
)
def registry(installation: Installation) -> Iterator[dg.MaterializeResult]:
    settings = installation.settings
    with warehouse.writing(settings.warehouse) as con:
        run_tables.bring_in(con, settings)
    with warehouse.reading(settings.warehouse) as con:
        outcomes = dict(con.execute("SELECT outcome, count(*) FROM raw.extracts GROUP BY 1").fetchall())
        reasons = loading.standing_in_quarantine(con)
        rows = {t: con.execute(f"SELECT count(*) FROM raw.{t}").fetchall()[0][0] for t in _REGISTRY}
    yield dg.MaterializeResult(
        asset_key=REGISTRY[0],
        metadata={
            "extracts_loaded": outcomes.get("loaded", 0),
            "extracts_quarantined": outcomes.get("quarantined", 0),
            "files_in_quarantine": len(reasons),
            "quarantine": dg.MetadataValue.md(
                "\n".join(f"- {markdown(name)}: {markdown(reason)}" for name, reason in reasons) or "empty"
            ),
        },
    )
    for key in REGISTRY[1:]:
        yield dg.MaterializeResult(asset_key=key, metadata={"dagster/row_count": rows[key.path[-1]]})
