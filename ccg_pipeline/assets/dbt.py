"""Layers ``catalogue``, ``staging``, ``intermediate`` and ``marts``: every dbt seed and model, tests as checks."""

import json
import os
import subprocess
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import dagster as dg
from dagster_dbt import DagsterDbtTranslator, DbtCliInvocation, DbtProject, dbt_assets
from dagster_dbt.errors import DagsterDbtCliRuntimeError

from ccg_pipeline import durable, nights
from ccg_pipeline.assets import OWNERS, POOL
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

    path = prepare_manifest(settings)
    manifest = json.loads(path.read_text(encoding="utf-8"))

    @dbt_assets(
        manifest=manifest,
        project=project(settings),
        dagster_dbt_translator=Translator(),
        name="dbt",
        pool=POOL,
    )
    def dbt_models(context: dg.AssetExecutionContext, installation: Installation, dbt: Dbt) -> Iterator[Any]:
        log.info("building catalogue, indicators and comparisons (dbt)")
        lineage = ColumnLineage(installation.settings) if installation.settings.draws_column_lineage else None
        os.environ["CCG_LOG_COLUMNS"] = "" if not lineage else "own" if lineage.is_known else "with parents"
        installation.building.begin(quality_suites(installation.settings))
        # Who asks for certain models, or for a rebuild, gets all of them.
        leaves_out = context.job_name == "nightly" and not context.is_subset
        kept = KeptModels(installation.settings, manifest, leaves_out)
        building = dbt.cli([*installation.dbt_build, *kept.arguments], context=context)
        import_early()
        try:
            yield from lineage.added(building.stream()) if lineage else building.stream()
        except DagsterDbtCliRuntimeError as error:
            without = _hold_back(installation, building)
            if without is None:
                # What the models make of the rest is another build: Dagster keeps the events of both.
                raise dg.RetryRequested(max_retries=1) from error
            raise dg.Failure(f"{kept.in_short(str(error))}\nNothing is held back for it: {without}.") from None
        if not context.is_subset:
            kept.vouch()
            if lineage:
                lineage.keep()

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


class ColumnLineage:
    """Which columns each column of a model is made from, drawn once for a state of the project.

    Parsing every model's SQL for it takes longer than building the models, and it changes only with the project, so
    that it is kept in ``dbt/column-lineage.json`` under the project's fingerprint.
    """

    _KEY = "dagster/column_lineage"

    def __init__(self, settings: Settings) -> None:
        self._kept = settings.column_lineage
        self._project = nights.project_fingerprint()
        self._by_output: dict[str, dict[str, list[tuple[list[str], str]]]] = {}
        try:
            kept = json.loads(self._kept.read_text(encoding="utf-8"))
        except (FileNotFoundError, ValueError):
            kept = {}
        self.is_known = kept.get("project") == self._project
        if self.is_known:
            self._by_output = kept["lineage"]

    def added(self, events: Iterable[Any]) -> Iterator[Any]:
        """dbt's events, the outputs of models with their column lineage: the one kept, or the one they come with."""
        for event in events:
            if not isinstance(event, dg.Output):
                yield event
            elif not self.is_known:
                drawn = event.metadata.get(self._KEY)
                if isinstance(drawn, dg.TableColumnLineageMetadataValue):
                    self._by_output[event.output_name] = {
                        column: [(list(dep.asset_key.path), dep.column_name) for dep in deps]
                        for column, deps in drawn.value.deps_by_column.items()
                    }
                yield event
            elif event.output_name in self._by_output:
                yield event.with_metadata({**event.metadata, self._KEY: self._restored(event.output_name)})
            else:
                yield event

    def keep(self) -> None:
        """For the runs to come, after one that built every model."""
        if not self.is_known:
            content = json.dumps({"project": self._project, "lineage": self._by_output})
            durable.put_text(self._kept, content)

    def _restored(self, output_name: str) -> dg.TableColumnLineage:
        return dg.TableColumnLineage(
            {
                column: [dg.TableColumnDep(asset_key=dg.AssetKey(path), column_name=name) for path, name in deps]
                for column, deps in self._by_output[output_name].items()
            }
        )


def build_resource(settings: Settings) -> Dbt:
    return Dbt(
        project_dir=str(settings.dbt_project),
        profiles_dir=str(settings.dbt_project),
        dbt_executable=settings.dbt_executable,
    )
