"""Layers ``catalogue``, ``staging``, ``intermediate`` and ``marts``: every dbt seed and model, tests as checks."""

import os
import subprocess
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import dagster as dg
from dagster_dbt import DagsterDbtTranslator, DbtProject, dbt_assets

from ccg_pipeline.assets import OWNERS, POOL
from ccg_pipeline.assets.resources import Dbt, Installation, log
from ccg_pipeline.settings import Settings


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
    """The manifest, parsed anew where it is missing or older than what it is made from.

    Raises `RuntimeError` with dbt's own words where the project does not parse.
    """
    manifest = settings.dbt_target / "manifest.json"
    sources = [p for p in settings.dbt_project.rglob("*") if p.is_file()]
    if manifest.exists() and manifest.stat().st_mtime > max(p.stat().st_mtime for p in sources):
        return manifest
    settings.home.mkdir(parents=True, exist_ok=True)
    done = subprocess.run(
        [settings.dbt_executable, "--quiet", "parse", *settings.dbt_arguments],
        cwd=settings.dbt_project,
        env={**os.environ, **settings.dbt_environment()},
        capture_output=True,
        text=True,
    )
    if done.returncode:
        raise RuntimeError(f"the dbt project does not parse:\n{done.stdout}{done.stderr}")
    return manifest


def build_assets(settings: Settings) -> dg.AssetsDefinition:
    """All seeds and models as one op: dbt runs as its own process while no connection of ours is open."""

    @dbt_assets(
        manifest=prepare_manifest(settings),
        project=project(settings),
        dagster_dbt_translator=Translator(),
        name="dbt",
        pool=POOL,
    )
    def dbt_models(context: dg.AssetExecutionContext, installation: Installation, dbt: Dbt) -> Iterator[Any]:
        log.info("building catalogue, indicators and comparisons (dbt)")
        # Unit tests prove the models, not the night's data: `make test` runs them.
        command = ["build", "--exclude-resource-type", "unit_test", *installation.settings.dbt_arguments]
        yield from dbt.cli(command, context=context).stream()

    return dbt_models


def build_resource(settings: Settings) -> Dbt:
    return Dbt(
        project_dir=str(settings.dbt_project),
        profiles_dir=str(settings.dbt_project),
        dbt_executable=settings.dbt_executable,
    )
