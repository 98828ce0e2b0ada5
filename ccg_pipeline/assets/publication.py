"""Layer ``publication``: the read-only copy that everyone but the job reads."""

import contextlib
from datetime import UTC, datetime, timedelta

import dagster as dg
import duckdb

from ccg_pipeline import nights, run_tables, warehouse
from ccg_pipeline.assets import OWNERS, POOL
from ccg_pipeline.assets.extracts import FRESHNESS
from ccg_pipeline.assets.resources import Installation, log
from ccg_pipeline.checks.asset_checks import RESULTS
from ccg_pipeline.landing import loading

PUBLICATION = dg.AssetKey(["publication", "ccg_duckdb"])


def build_asset(models: dg.AssetsDefinition) -> dg.AssetsDefinition:
    """The publication, which rests on all models of the layer ``marts`` and on the checks."""
    marts = sorted(key.path[-1] for key in models.keys if key.path[0] == "marts")

    @dg.asset(
        key=PUBLICATION,
        deps=[RESULTS, *(dg.AssetKey(["marts", mart]) for mart in marts)],
        group_name="publication",
        owners=OWNERS,
        kinds={"duckdb"},
        pool=POOL,
        freshness_policy=FRESHNESS,
        description="published/ccg.duckdb: a copy of the warehouse that passed its checks, swapped in by one rename.",
    )
    def publication(installation: Installation) -> dg.MaterializeResult:
        settings = installation.settings
        log.info(f"publishing {settings.published}")
        installation.building.hold()
        with warehouse.reading(settings.warehouse) as con:
            # Not of views: all charts of ten years of England are 27 million rows, drawn when somebody asks for one.
            views = {name for (name,) in con.execute("SELECT view_name FROM duckdb_views()").fetchall()}
            counts = {
                m: con.execute(f"SELECT count(*) FROM marts.{m}").fetchall()[0][0] for m in marts if m not in views
            }
            by_standard = dict(
                con.execute("SELECT standard_id, count(*) FROM marts.fct_breaches GROUP BY 1 ORDER BY 1").fetchall()
            )
            made = {
                **installation.recording.so_far(con),
                "marts": run_tables.marts_fingerprint(con),
                "published_at": datetime.now(UTC).isoformat(timespec="seconds"),
            }
            built = loading.loaded_when_built(con)
            if loading.broken_off(con):
                made["landing"] = None  # what a dataset broke off at is tried again, even with nothing new
        # The run is noted before the copy is made, so that the copy holds the run that it is from.
        begun = installation.recording.begun
        record = begun.record(settings) | {"outcome": nights.PUBLISHED, "exit_code": 3 if made["quarantine"] else 0}
        if nights.project_fingerprint() != begun.project:
            record["project"] = None  # it changed while the run went on: the next night is to build anew
        with warehouse.writing(settings.warehouse) as con:
            if not settings.as_known_at:
                loading.mark_published(con, begun.run_id, built)
                if (days := settings.days_kept["runs"]) is not None:
                    run_tables.forget(con, datetime.now(UTC).replace(tzinfo=None) - timedelta(days=days))
            run_tables.put_publishing(con, record | made)
        try:
            warehouse.publish(settings.warehouse, settings.published)
        except warehouse.PublicationError:
            # Where there is no room for this either, the next run does it.
            with contextlib.suppress(duckdb.Error, OSError), warehouse.writing(settings.warehouse) as con:
                run_tables.take_back(con, begun.run_id)
            raise
        installation.building.end()
        installation.recording.publication = {
            "marts": made["marts"],
            "published_at": made["published_at"],
            "published_bytes": settings.published.stat().st_size,
        }
        return dg.MaterializeResult(
            metadata={
                "path": dg.MetadataValue.path(str(settings.published)),
                "bytes": settings.published.stat().st_size,
                **{f"rows_{mart}": count for mart, count in counts.items()},
                **{f"breaches_{standard}": count for standard, count in by_standard.items()},
            }
        )

    return publication
