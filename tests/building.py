"""Builds models as a night does, without Dagster, for tests that need few of them or many times."""

from __future__ import annotations

import atexit
import os
import shutil
import subprocess
import tempfile
from functools import lru_cache
from pathlib import Path

from ccg_pipeline.settings import Settings


@lru_cache(maxsize=1)
def _place_of_dbt() -> Path:
    folder = Path(tempfile.mkdtemp(prefix="dbt-of-tests-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return folder


def build_marts(settings: Settings, *select: str) -> None:
    """Build all seeds and models, or those selected, without their tests."""
    command = [settings.dbt_executable, "--quiet", "build", "--exclude-resource-type", "test", "unit_test"]
    command += [*settings.dbt_arguments, *(("--select", *select) if select else ())]
    # dbt parses the whole project anew for every other path of a warehouse: so each is reached by the same link.
    link = _place_of_dbt() / "home"
    link.unlink(missing_ok=True)
    link.symlink_to(settings.home)
    done = subprocess.run(
        command,
        cwd=settings.dbt_project,
        env={
            **os.environ,
            **settings.dbt_environment(),
            "CCG_WAREHOUSE": str(link / settings.warehouse.relative_to(settings.home)),
            "DBT_TARGET_PATH": str(_place_of_dbt() / "target"),
        },
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout + done.stderr
