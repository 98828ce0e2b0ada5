"""The unit tests of the dbt models, which prove rules on rows of their own."""

import json
import os
import shutil
import subprocess
from pathlib import Path

from ccg_pipeline.settings import Settings


def test_dbt_unit_tests(sample_home: Path, tmp_path: Path) -> None:
    settings = Settings(tmp_path, tmp_path)
    # dbt asks the warehouse for the types of the columns, and writes beside them.
    shutil.copyfile(Settings(sample_home, sample_home).warehouse, settings.warehouse)
    done = subprocess.run(
        [settings.dbt_executable, "--quiet", "test", "--select", "test_type:unit"],
        cwd=settings.dbt_project,
        env={**os.environ, **settings.dbt_environment()},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    results = json.loads((settings.dbt_target / "run_results.json").read_text())["results"]
    assert [r["unique_id"] for r in results if r["status"] == "pass"]
