"""The entrance for Dagster: all assets, checks, the job, its schedule and its sensor.

``dagster dev -w workspace.yaml`` and ``ccg nightly`` run what `build_defs` gives, and nothing else.
"""

from __future__ import annotations

import dagster as dg

from ccg_pipeline import homes
from ccg_pipeline.assets import dbt, extracts, packs, publication
from ccg_pipeline.assets.resources import Installation
from ccg_pipeline.automation import (
    build_landing_sensor,
    build_nightly_schedule,
    build_notice_sensors,
    nightly_job,
    packs_job,
    rebuild_job,
)
from ccg_pipeline.checks.asset_checks import build_freshness_checks, build_quality_checks, build_standards_asset
from ccg_pipeline.settings import Settings


def build_defs(settings: Settings) -> dg.Definitions:
    """The definitions for one installation; pure but for dbt's manifest, parsed under home where it is stale."""
    models = dbt.build_assets(settings)
    return dg.Definitions(
        assets=[
            *extracts.build_assets(settings),
            models,
            build_standards_asset(settings),
            publication.build_asset(models),
            packs.build_asset(settings),
        ],
        asset_checks=[*build_quality_checks(settings), build_freshness_checks(settings)],
        jobs=[nightly_job, rebuild_job, packs_job],
        schedules=[build_nightly_schedule(settings)],
        sensors=[build_landing_sensor(settings), *build_notice_sensors(settings)],
        resources={
            "installation": Installation(
                raw=str(settings.raw),
                home=str(settings.home),
                as_known_at=settings.as_known_at.isoformat() if settings.as_known_at else None,
            ),
            "dbt": dbt.build_resource(settings),
        },
        # One process a run: dbt and the checks take turns at the one file, and start-up is paid once.
        executor=dg.in_process_executor,
    )


@dg.definitions
def defs() -> dg.Definitions:
    """What a Dagster code location loads: the installation that the environment names.

    Raises `HomeError` where a newer version made its home folder.
    """
    settings = Settings.from_environment()
    homes.check(settings)
    settings.export_environment()
    return build_defs(settings)
