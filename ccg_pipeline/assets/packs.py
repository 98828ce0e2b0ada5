"""Layer ``publication``: the committee's packs, one partition a month, made from the published copy."""

from datetime import date

import dagster as dg
import duckdb
from pydantic import Field

from ccg_pipeline import warehouse
from ccg_pipeline.assets import OWNERS
from ccg_pipeline.assets.publication import PUBLICATION
from ccg_pipeline.publication import pack, tables
from ccg_pipeline.settings import Settings

PACK = dg.AssetKey(["publication", "pack"])
# Clinical commissioning groups began in this month.
MONTHS = dg.MonthlyPartitionsDefinition(start_date="2013-04-01")


class PackConfig(dg.Config):
    """``org_codes``: whose packs are made; none given stands for the commissioners of the catalogue."""

    org_codes: list[str] = Field(default_factory=list)
    is_public: bool = False


def build_asset(settings: Settings) -> dg.AssetsDefinition:
    """The packs of an installation. They only read the published copy, so that a night may run meanwhile."""

    @dg.asset(
        key=PACK,
        deps=[PUBLICATION],
        group_name="publication",
        owners=OWNERS,
        kinds={"html", "excel", "parquet"},
        partitions_def=MONTHS,
        description="published/PERIOD/ORG/: the pack of each commissioner for a month, as `ccg pack` writes it.",
    )
    def packs(context: dg.AssetExecutionContext, config: PackConfig) -> dg.MaterializeResult:
        month = date.fromisoformat(context.partition_key)
        written, without = [], []
        with warehouse.reading(settings.publication) as con:
            for org_code in config.org_codes or _commissioners(con):
                try:
                    scope = tables.find_scope(con, org_code, month, settings.as_known_at, config.is_public)
                except tables.NoPackError as error:
                    without.append(str(error))
                    continue
                folder = settings.pack_folder(scope.org_code, scope.month, scope.is_public)
                written.append(str(pack.write(pack.build(con, scope), folder)[0]))
        if not written:
            raise dg.Failure(f"no pack for {month:%Y-%m}: {'; '.join(without)}")
        return dg.MaterializeResult(
            metadata={
                "packs": len(written),
                "pages": dg.MetadataValue.json(written),
                "without_figures": dg.MetadataValue.json(without),
            }
        )

    return packs


def _commissioners(con: duckdb.DuckDBPyConnection) -> list[str]:
    found = con.execute(
        "SELECT DISTINCT org_code FROM marts.dim_organisations WHERE is_in_catalogue AND org_level = 'ccg' ORDER BY 1"
    ).fetchall()
    return [org_code for (org_code,) in found]
