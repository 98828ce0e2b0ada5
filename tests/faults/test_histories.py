"""Long random histories of the landing folder: every mart in the end is what a build of everything at once makes."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import contents
import pytest
from dbt_builds import build_marts
from histories import History

from ccg_pipeline import warehouse
from ccg_pipeline.settings import Settings


@pytest.mark.parametrize("seed", [1, 2])
def test_every_mart_ends_in_what_a_full_build_makes(tmp_path: Path, seed: int) -> None:
    history = History(Settings(tmp_path / "raw", tmp_path / "home"), seed)
    history.live(15)
    home = history.settings
    anew = replace(home, home=tmp_path / "anew")
    anew.home.mkdir()
    shutil.copyfile(home.warehouse, anew.warehouse)
    with warehouse.writing(anew.warehouse) as con:
        for schema in ("marts", "intermediate", "staging", "catalogue"):
            con.execute(f"DROP SCHEMA {schema} CASCADE")
    build_marts(anew)
    for schema in ("intermediate", "marts"):
        kept, made = (contents.of(s.warehouse, schema) for s in (home, anew))
        assert len(kept) > 20 and contents.differences(kept, made) == []
    print(f"seed {seed}, {history.night} nights: {dict(history.happened)}, marts {contents.in_one(kept)} both ways")
