"""Layer ``publication``: the read-only copy that everyone but the job reads."""

import dagster as dg

from ccg_pipeline import nights, warehouse
from ccg_pipeline.assets import OWNERS, POOL
from ccg_pipeline.assets.extracts import FRESHNESS
from ccg_pipeline.assets.resources import Installation, log
from ccg_pipeline.checks.asset_checks import RESULTS
from ccg_pipeline.landing import loading
from ccg_pipeline.landing.files import landing_fingerprint, scan

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
        with warehouse.reading(settings.warehouse) as con:
            counts = {m: con.execute(f"SELECT count(*) FROM marts.{m}").fetchall()[0][0] for m in marts}
            by_standard = dict(
                con.execute("SELECT standard_id, count(*) FROM marts.fct_breaches GROUP BY 1 ORDER BY 1").fetchall()
            )
            present = con.execute("SELECT file_name, extract_id FROM raw.received_files WHERE is_present").fetchall()
        if not settings.as_known_at:
            with warehouse.writing(settings.warehouse) as con:
                loading.mark_published(con)
        warehouse.publish(settings.warehouse, settings.published)
        if not settings.as_known_at:
            files = scan(settings.raw, settings.most_file_bytes)[0]
            # What came or changed while the run went on is for the next night: only what was received counts as
            # published.
            if sorted(present) == sorted((f.file_name, f.extract_id) for f in files):
                nights.remember(settings, landing_fingerprint(files))
        return dg.MaterializeResult(
            metadata={
                "path": dg.MetadataValue.path(str(settings.published)),
                "bytes": settings.published.stat().st_size,
                **{f"rows_{mart}": count for mart, count in counts.items()},
                **{f"breaches_{standard}": count for standard, count in by_standard.items()},
            }
        )

    return publication
