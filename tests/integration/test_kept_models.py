"""What dbt keeps from night to night (``incremental``) is what it would make of everything at once."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path

import contents
from conftest import opened
from dbt_builds import build_marts
from histories import History

from ccg_pipeline import nights, warehouse
from ccg_pipeline.assets.dbt import KeptModels
from ccg_pipeline.settings import Settings

KEPT = "int_rtt__extract_counts"
CHAIN = ("+int_rtt__indicator_counts",)


def test_a_history_ends_in_what_a_full_build_makes(tmp_path: Path) -> None:
    history = History(Settings(tmp_path / "raw", tmp_path / "home"), 7, *CHAIN)
    history.live(5)
    assert min(history.happened[e] for e in ("arrived", "removed", "read again", "held back", "published")) > 0
    home = history.settings
    anew = replace(home, home=tmp_path / "anew")
    anew.home.mkdir()
    shutil.copyfile(home.warehouse, anew.warehouse)
    with warehouse.writing(anew.warehouse) as con:
        con.execute("DROP SCHEMA intermediate CASCADE")
    build_marts(anew, *CHAIN)
    kept, made = (contents.of(s.warehouse, "intermediate") for s in (home, anew))
    assert set(kept) == {KEPT, "int_rtt__indicator_counts"}
    assert contents.differences(kept, made) == []
    with opened(home.warehouse) as con:
        counted = con.execute(f"SELECT count(*), count(DISTINCT extract_id) FROM intermediate.{KEPT}").fetchall()
    assert counted[0][0] > 100 and counted[0][1] > 1


def test_no_other_model_is_kept(sample_home: Path) -> None:
    """So that the histories of this one are enough."""
    manifest = json.loads((Settings(sample_home, sample_home).dbt_target / "manifest.json").read_text(encoding="utf-8"))
    materialised = {
        node["name"] for node in manifest["nodes"].values() if node["config"].get("materialized") == "incremental"
    }
    assert materialised == {KEPT}


def test_another_state_of_the_project_makes_all_of_it_anew(tmp_path: Path) -> None:
    settings = Settings(tmp_path, tmp_path)
    first = KeptModels(settings)
    assert first.arguments == ["--full-refresh"]
    # Cut off before it could vouch for what it built.
    assert KeptModels(settings).arguments == ["--full-refresh"]
    first.vouch()
    assert KeptModels(settings).arguments == []
    with warehouse.writing(settings.warehouse) as con:
        con.execute("UPDATE raw.kept_models SET project_fingerprint = 'an older one'")
    older = KeptModels(settings)
    assert older.arguments == ["--full-refresh"]
    # Gone until it is built: the older project, put back meanwhile, must not take it for its own.
    with opened(settings.warehouse) as con:
        assert con.execute("SELECT count(*) FROM raw.kept_models").fetchall() == [(0,)]
    older.vouch()
    with opened(settings.warehouse) as con:
        assert con.execute("FROM raw.kept_models").fetchall() == [(nights.project_fingerprint(),)]
