"""Layer ``landing``: the files received, the rows of each dataset as published, and the registry of extracts."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import dagster as dg
import polars as pl

from ccg_pipeline import extracts, run_tables, warehouse
from ccg_pipeline.assets import OWNERS, POOL
from ccg_pipeline.assets.resources import Installation, progress
from ccg_pipeline.landing import loading

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

_TITLES = {
    "ae": "A&E attendances and emergency admissions, monthly by provider",
    "activity": "Admissions and outpatient attendances (HES MAR), monthly by provider and commissioner",
    "beds": "Beds open overnight (KH03), quarterly by provider and sector",
    "cancelled_operations": "Cancelled elective operations (QMCO), quarterly by provider and for England",
    "cancer": "Cancer waiting times, monthly by commissioner, ICB or provider and standard",
    "diagnostics": "Diagnostic waiting times and activity (DM01), monthly by provider, commissioner and test",
    "dtoc": "Delayed transfers of care, monthly by provider and local authority, responsible organisation and reason",
    "mar": "Hospital activity (MAR) to May 2020, referrals above all, monthly by commissioner or provider",
    "organisations": "Organisations with dates, parents and successors (ODS, ONS), by list",
    "local_returns": "Local returns in the layout of the template, by indicator, organisation and period",
    "rtt": "Referral to treatment pathways, monthly by provider, commissioner and weeks waited",
}
_COMMON_COLUMNS = {
    "extract_id": "sha256 of the extract the row is from",
    "source_sheet": "sheet of the workbook; null for text files",
    "source_row": "row of the sheet or file, counted from 1",
    "period_start": "first day of the month",
    "is_total": "whether the row is a total that the file itself states",
    "suppressed_measures": "columns of the row that the publisher suppressed",
    "week_bands": "pathways or patients by week waited, first element up to one week (count)",
}


def build_assets() -> list[dg.AssetsDefinition]:
    """The assets of the layer: received files, one a dataset, and the registry."""
    return [received_files, *(_dataset_asset(name) for name in extracts.DATASETS), registry]


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


def _dataset_asset(name: str) -> dg.AssetsDefinition:
    @dg.asset(
        key=["raw", name],
        deps=[RECEIVED],
        group_name=GROUP,
        owners=OWNERS,
        kinds={"polars", "duckdb"},
        pool=POOL,
        freshness_policy=FRESHNESS,
        description=f"{_TITLES[name]}: rows as published, typed, each with its extract and row number.",
        metadata={"dagster/column_schema": _column_schema(name)},
    )
    def rows_of_dataset(installation: Installation) -> dg.MaterializeResult:
        settings = installation.settings
        result = loading.load(settings, name, progress, installation.recording.begun.run_id)
        with warehouse.reading(settings.warehouse) as con:
            total, held = con.execute(
                "SELECT coalesce(sum(row_count), 0), count(*) FROM raw.extracts "
                "WHERE dataset = ? AND outcome = 'loaded'",
                [name],
            ).fetchall()[0]
        return dg.MaterializeResult(
            metadata={
                "dagster/row_count": int(total),
                "extracts_held": int(held),
                "files_loaded": result.loaded,
                "files_quarantined": result.quarantined,
                "rows_loaded": result.row_count,
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
                "\n".join(f"- `{name}`: {reason}" for name, reason in reasons) or "empty"
            ),
        },
    )
    for key in REGISTRY[1:]:
        yield dg.MaterializeResult(asset_key=key, metadata={"dagster/row_count": rows[key.path[-1]]})
