"""What dbt keeps from night to night (``incremental``) is what it would make of everything at once."""

from __future__ import annotations

import shutil
from dataclasses import replace
from datetime import datetime
from pathlib import Path

import contents
import pytest
from conftest import opened
from dbt_builds import build_marts, manifest
from histories import History

from ccg_pipeline import extracts, nights, warehouse
from ccg_pipeline.assets.kept_models import KeptModels
from ccg_pipeline.settings import Settings

KEPT = "int_rtt__extract_counts"
# All that is made of one dataset alone, and what first rests on several.
CHAIN = ("+int_dataset_counts",)


def test_a_history_ends_in_what_a_full_build_makes(tmp_path: Path) -> None:
    history = History(Settings(tmp_path / "raw", tmp_path / "home"), 8, *CHAIN)
    history.live(5)
    events = ("arrived", "removed", "read again", "held back", "published", "left out")
    assert min(history.happened[event] for event in events) > 0
    home = history.settings
    anew = replace(home, home=tmp_path / "anew")
    anew.home.mkdir()
    shutil.copyfile(home.warehouse, anew.warehouse)
    with warehouse.writing(anew.warehouse) as con:
        for schema in ("intermediate", "staging", "catalogue"):
            con.execute(f"DROP SCHEMA {schema} CASCADE")
    build_marts(anew, *CHAIN)
    kept, made = (contents.of(s.warehouse, "intermediate") for s in (home, anew))
    assert {KEPT, "int_ae__indicator_counts", "int_dataset_counts"} < set(kept)
    assert contents.differences(kept, made) == []
    with opened(home.warehouse) as con:
        counted = con.execute(f"SELECT count(*), count(DISTINCT extract_id) FROM intermediate.{KEPT}").fetchall()
    assert counted[0][0] > 50 and counted[0][1] > 1


@pytest.fixture
def published(tmp_path: Path, sample_home: Path) -> Settings:
    """A copy of the warehouse of a night on the sample, as the night left it."""
    settings = Settings(tmp_path / "raw", tmp_path / "home")
    settings.home.mkdir()
    shutil.copyfile(sample_home / "warehouse.duckdb", settings.warehouse_file)
    return settings


def alter(settings: Settings, statement: str) -> None:
    with warehouse.writing(settings.warehouse) as con:
        con.execute(statement)


def test_a_night_vouches_for_what_it_made(published: Settings) -> None:
    kept = KeptModels(published, manifest())
    assert kept.are_current and kept.unchanged == set(extracts.DATASETS)
    assert not [name for name in kept.left_out if name.startswith(("dim_", "fct_", "rpt_"))], "marts are published"
    assert {"indicators", "stg_ae__attendances", KEPT, "int_dtoc__delay_rates"} <= set(kept.left_out)


@pytest.mark.parametrize(
    ("change", "anew", "stands"),
    [
        (
            "UPDATE raw.extracts SET outcome = 'withdrawn' WHERE dataset = 'ae'",
            {"int_ae__indicator_counts", "int_ae__indicator_rows"},
            {KEPT, "int_cancer__indicator_counts"},
        ),
        # Read anew under the same name.
        (
            "UPDATE raw.extracts SET is_published = false WHERE dataset = 'rtt'",
            {KEPT, "int_rtt__indicator_counts"},
            {"int_ae__indicator_counts", "int_ae__indicator_rows"},
        ),
        # Rates of delayed transfers rest on beds.
        (
            "INSERT INTO raw.extract_coverage VALUES ('new', 'beds', 'provider', 'beds', DATE '2019-04-01')",
            {"int_dtoc__delay_rates"},
            {"int_dtoc__indicator_counts", KEPT},
        ),
    ],
)
def test_what_changed_is_made_anew(published: Settings, change: str, anew: set[str], stands: set[str]) -> None:
    alter(published, change)
    left_out = set(KeptModels(published, manifest()).left_out)
    assert not anew & left_out and stands <= left_out
    assert "int_dataset_counts" not in left_out
    # Nobody vouched for it: it stays to be made, whatever the next night finds.
    assert not anew & set(KeptModels(published, manifest()).left_out)


def test_tests_of_what_stands_are_left_out(published: Settings) -> None:
    alter(published, "UPDATE raw.extracts SET is_published = false WHERE dataset = 'rtt'")
    tests = {name for name in KeptModels(published, manifest()).left_out if name.startswith(("rows_add_up", "unique"))}
    assert [name for name in tests if name.startswith("rows_add_up_int_ae")]
    assert [name for name in tests if name.startswith("unique_grain_int_ae__indicator_counts")]
    assert not [name for name in tests if "rtt" in name or "fct_" in name]


def test_what_is_not_there_is_made(published: Settings) -> None:
    alter(published, "DROP TABLE intermediate.int_ae__indicator_counts")
    left_out = set(KeptModels(published, manifest()).left_out)
    assert not [name for name in left_out if name.startswith(("int_ae__", "unique_grain_int_ae__"))]
    assert {"stg_ae__attendances", KEPT} <= left_out


def test_a_rebuild_leaves_nothing_out(published: Settings) -> None:
    moment = datetime(2026, 1, 31)
    assert KeptModels(replace(published, as_known_at=moment), manifest()).left_out == []
    assert KeptModels(published, manifest(), leaves_out=False).left_out == []


def test_no_other_model_is_kept_for_each_extract() -> None:
    """So that the histories of this one are enough."""
    materialised = {
        node["name"] for node in manifest()["nodes"].values() if node["config"].get("materialized") == "incremental"
    }
    assert materialised == {KEPT}


def test_another_state_of_the_project_makes_all_of_it_anew(tmp_path: Path) -> None:
    settings = Settings(tmp_path, tmp_path)
    first = KeptModels(settings, manifest())
    assert first.arguments == ["--full-refresh"]
    # Cut off before it could vouch for what it built.
    assert KeptModels(settings, manifest()).arguments == ["--full-refresh"]
    first.vouch()
    assert KeptModels(settings, manifest()).are_current
    alter(settings, "UPDATE raw.kept_models SET project_fingerprint = 'an older one'")
    older = KeptModels(settings, manifest())
    assert older.arguments == ["--full-refresh"]
    # Gone until it is built: the older project, put back meanwhile, must not take it for its own.
    with opened(settings.warehouse) as con:
        assert con.execute("SELECT count(*) FROM raw.kept_models").fetchall() == [(0,)]
    older.vouch()
    with opened(settings.warehouse) as con:
        kept = con.execute("SELECT DISTINCT project_fingerprint, count(*) OVER () FROM raw.kept_models").fetchall()
    assert kept == [(nights.project_fingerprint(), len(extracts.DATASETS))]
