"""dbt's own unit tests: each rule on rows that stand beside the model, without a file."""

from __future__ import annotations

import shutil
from pathlib import Path

from dbt_builds import dbt

from ccg_pipeline.settings import Settings


def test_every_unit_test_of_the_models_passes(sample_home: Path, tmp_path: Path) -> None:
    settings = Settings(tmp_path, tmp_path)
    shutil.copyfile(Settings(sample_home, sample_home).published, settings.warehouse)
    settings.warehouse.chmod(0o644)
    statuses = dbt(settings, "test", "--select", "test_type:unit")
    assert len(statuses) >= 3 and set(statuses.values()) == {"pass"}
