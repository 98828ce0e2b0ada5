"""Layers ``catalogue``, ``staging``, ``intermediate`` and ``marts``: every dbt seed and model, tests as checks."""

import json
import os
import subprocess
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import dagster as dg
from dagster_dbt import DagsterDbtTranslator, DbtCliInvocation, DbtProject, dbt_assets
from dagster_dbt.errors import DagsterDbtCliRuntimeError

from ccg_pipeline import durable, nights
from ccg_pipeline.assets import OWNERS, POOL
from ccg_pipeline.assets.column_lineage import ColumnLineage
from ccg_pipeline.assets.kept_models import KeptModels
from ccg_pipeline.assets.resources import Dbt, Installation, log
from ccg_pipeline.checks import holding
from ccg_pipeline.checks.asset_checks import quality_suites
from ccg_pipeline.checks.running import import_early, imported_meanwhile
from ccg_pipeline.settings import EMBEDDED, Settings


class Translator(DagsterDbtTranslator):
    """Groups by layer, owners from the project, seeds under ``catalogue``."""

    def get_group_name(self, dbt_resource_props: Mapping[str, Any]) -> str | None:
        return str(dbt_resource_props.get("schema"))

    def get_owners(self, dbt_resource_props: Mapping[str, Any]) -> list[str]:
        return list(OWNERS)


def project(settings: Settings) -> DbtProject:
    return DbtProject(
        project_dir=settings.dbt_project, profiles_dir=settings.dbt_project, target_path=settings.dbt_target
    )


def prepare_manifest(settings: Settings) -> Path:
    """The manifest, parsed anew where it is missing or was made from another state of the project.

    Raises `RuntimeError` with dbt's own words where the project does not parse.
    """
    manifest, made_from = settings.dbt_target / "manifest.json", settings.dbt_target / "made-from.txt"
    # Times of files would not do: a restored home is newer than the project, and what it holds may be of an older one.
    project = nights.project_fingerprint()
    if settings.profile != EMBEDDED:
        project += f" {settings.profile}"  # the sources are in another schema
    if manifest.exists() and made_from.exists() and made_from.read_text(encoding="utf-8") == project:
        return manifest
    settings.home.mkdir(parents=True, exist_ok=True)
    made_from.unlink(missing_ok=True)  # a parse that is cut off leaves half a manifest
    with imported_meanwhile():
        done = subprocess.run(
            [settings.dbt_executable, "--quiet", "parse", *settings.dbt_arguments],
            cwd=settings.dbt_project,
            env={**os.environ, **settings.dbt_environment()},
            capture_output=True,
            text=True,
        )
    if done.returncode:
        raise RuntimeError(f"the dbt project does not parse:\n{done.stdout}{done.stderr}")
    durable.flush(manifest)  # or a power cut may leave the note that vouches for it, and half of the manifest
    durable.put_text(made_from, project)
    return manifest


def build_assets(settings: Settings) -> dg.AssetsDefinition:
    """All seeds and models as one op: dbt runs as its own process while no connection of ours is open."""

    path, translator = prepare_manifest(settings), Translator()
    manifest = json.loads(path.read_text(encoding="utf-8"))

    @dbt_assets(
        manifest=manifest,
        project=project(settings),
        dagster_dbt_translator=translator,
        name="dbt",
        pool=POOL,
    )
    def dbt_models(context: dg.AssetExecutionContext, installation: Installation, dbt: Dbt) -> Iterator[Any]:
        log.info("building catalogue, indicators and comparisons (dbt)")
        draws = installation.settings.draws_column_lineage
        lineage = ColumnLineage.of(installation.settings, manifest, translator) if draws else None
        os.environ["CCG_LOG_COLUMNS"] = "true" if draws else ""
        installation.building.begin(quality_suites(installation.settings))
        # Who asks for certain models, or for a rebuild, gets all of them.
        leaves_out = context.job_name == "nightly" and not context.is_subset
        kept = KeptModels(installation.settings, manifest, leaves_out)
        building = dbt.cli([*installation.dbt_build, *kept.arguments], context=context)
        import_early()
        try:
            yield from lineage.added(building) if lineage else building.stream()
        except DagsterDbtCliRuntimeError as error:
            without = _hold_back(installation, building)
            if without is None:
                # What the models make of the rest is another build: Dagster keeps the events of both.
                raise dg.RetryRequested(max_retries=1) from error
            raise dg.Failure(f"{kept.in_short(str(error))}\nNothing is held back for it: {without}.") from None
        if not context.is_subset:
            kept.vouch()

    return dbt_models


def _hold_back(installation: Installation, building: DbtCliInvocation) -> str | None:
    """Hold back the new files that a failed build can be laid to; why that cannot be done, None where it was."""
    if installation.settings.as_known_at:
        return "a rebuild has no new files"
    try:
        results = building.get_artifact("run_results.json")["results"]
    except (FileNotFoundError, ValueError):
        return "dbt ended before it could say what failed"
    failures = {r["unique_id"]: r["message"] or "" for r in results if r["status"] in _FAILED}
    if not failures:
        return "dbt does not say what failed"
    run_id = installation.recording.begun.run_id
    return holding.of_models(installation.settings, failures, building.get_artifact("manifest.json"), run_id)


# What dbt skipped only rests on what failed.
_FAILED = ("error", "fail", "runtime error", "partial success")


def build_resource(settings: Settings) -> Dbt:
    return Dbt(
        project_dir=str(settings.dbt_project),
        profiles_dir=str(settings.dbt_project),
        dbt_executable=settings.dbt_executable,
    )
