"""A home folder after a whole night, backed up and restored elsewhere: the same figures, and the next night goes on."""

from __future__ import annotations

import shutil
from datetime import datetime
from pathlib import Path

import pytest
from conftest import NIGHT, land, opened

from ccg_pipeline import cli, nights
from ccg_pipeline.operations import doctor
from ccg_pipeline.settings import Settings


@pytest.fixture(scope="module")
def restored(sample_home: Path, tmp_path_factory: pytest.TempPathFactory) -> Settings:
    """The sample's home, moved through a backup to another machine's place."""
    folder = tmp_path_factory.mktemp("moved")
    original, home = folder / "original", folder / "elsewhere" / "home"
    shutil.copytree(sample_home, original)
    assert cli.run(["backup", str(folder / "b.tar.gz"), "--home", str(original)]) == 0
    shutil.rmtree(original)
    assert cli.run(["restore", str(folder / "b.tar.gz"), "--home", str(home)]) == 0
    # Named by its whole path; the landing folder is that of the sample's own night.
    return Settings(sample_home.with_name("sample_night_raw"), home)


def test_a_restored_home_has_the_same_figures(sample_home: Path, restored: Settings) -> None:
    before = Settings(sample_home, sample_home)
    assert restored.published.read_bytes() == before.published.read_bytes()
    assert restored.warehouse.read_bytes() == before.warehouse.read_bytes()
    assert nights.last_run(restored) == nights.last_run(before)


def test_the_next_night_on_the_same_files_is_nothing_new(
    restored: Settings, capsys: pytest.CaptureFixture[str]
) -> None:
    before = restored.published.stat()
    assert cli.run(["nightly", "--raw", str(restored.raw), "--home", str(restored.home)]) == 0
    assert "Nothing new" in capsys.readouterr().out
    after = restored.published.stat()
    assert (after.st_ino, after.st_mtime_ns) == (before.st_ino, before.st_mtime_ns)
    wrong = [f for f in doctor.examine(restored, datetime.now().astimezone()) if f.verdict == doctor.WRONG]
    assert wrong == []


def test_a_new_file_is_the_only_one_to_be_loaded(restored: Settings, tmp_path: Path) -> None:
    raw = tmp_path / "raw"
    shutil.copytree(restored.raw, raw)
    old = next((raw / "ae").glob("*May-2019*"))
    text = old.read_text().replace("MAY-2019", "JUNE-2019").replace("May-2019", "June-2019")
    (raw / "ae" / "june.csv").write_text(text)
    receipt = land(Settings(raw, restored.home), NIGHT)
    assert (receipt.files, receipt.new) == (65, 1)
    with opened(restored.warehouse) as con:
        loaded = con.execute(
            "SELECT dataset, strftime(period_start, '%Y-%m'), outcome FROM raw.extracts WHERE NOT is_published"
        ).fetchall()
    assert loaded == [("ae", "2019-06", "loaded")]


def test_dagster_reads_its_records_where_they_are_now(restored: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    import dagster as dg

    monkeypatch.setenv("DAGSTER_HOME", str(restored.dagster_home))  # as every command of ours sets it
    with dg.DagsterInstance.from_config(str(restored.dagster_home)) as instance:
        (run,) = instance.get_runs()
        assert (run.job_name, run.status) == ("nightly", dg.DagsterRunStatus.SUCCESS)
        event = instance.get_latest_materialization_event(dg.AssetKey(["publication", "ccg_duckdb"]))
        assert event is not None and event.run_id == run.run_id
