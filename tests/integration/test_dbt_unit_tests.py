"""dbt's own unit tests: each rule on rows that stand beside the model, without a file."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from pathlib import Path

from ccg_pipeline.settings import Settings


def test_every_unit_test_of_the_models_passes(sample_home: Path, tmp_path: Path) -> None:
    settings = Settings(tmp_path, tmp_path)
    shutil.copyfile(Settings(sample_home, sample_home).published, settings.warehouse)
    settings.warehouse.chmod(0o644)
    done = subprocess.run(
        [settings.dbt_executable, "--quiet", "test", "--select", "test_type:unit"],
        cwd=settings.dbt_project,
        env={**os.environ, **settings.dbt_environment()},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    results = json.loads((settings.dbt_target / "run_results.json").read_text())["results"]
    assert len(results) >= 3
