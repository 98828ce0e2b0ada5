"""Dagster's events in files: the records are those of Dagster's own storage, whatever happens to the files."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import dagster as dg
import pytest
from dagster._core.storage.event_log import SqliteEventLogStorage

from ccg_pipeline.operations import dagster_home
from ccg_pipeline.operations.event_log import KeptOpenEventLog
from ccg_pipeline.settings import Settings


@dg.asset
def activity() -> dg.MaterializeResult:
    return dg.MaterializeResult(metadata={"rows": 7})


@dg.asset_check(asset=activity)
def adds_up() -> dg.AssetCheckResult:
    return dg.AssetCheckResult(passed=False, severity=dg.AssetCheckSeverity.WARN)


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.delenv("CCG_DAGSTER_POSTGRES", raising=False)
    settings = Settings(tmp_path / "raw", tmp_path / "home")
    dagster_home.prepare(settings)
    monkeypatch.setenv("DAGSTER_HOME", str(settings.dagster_home))
    return settings.dagster_home


@pytest.fixture
def instance(home: Path) -> Iterator[dg.DagsterInstance]:
    with dg.DagsterInstance.get() as instance:
        assert isinstance(instance.event_log_storage, KeptOpenEventLog)
        yield instance


def run(instance: dg.DagsterInstance) -> str:
    return dg.materialize([activity, adds_up], instance=instance).run_id


def events(storage: Any, run_id: str) -> list[tuple[str | None, str, float]]:
    return [
        (e.dagster_event_type.value if e.dagster_event_type else None, e.message, e.timestamp)
        for e in storage.get_logs_for_run(run_id)
    ]


def rows_last_seen(storage: Any) -> tuple[str, object]:
    (record,) = storage.get_asset_records([activity.key])
    materialized = record.asset_entry.last_materialization
    return materialized.run_id, materialized.asset_materialization.metadata["rows"].value


def test_dagsters_own_storage_reads_the_same(instance: dg.DagsterInstance, home: Path) -> None:
    first, second = run(instance), run(instance)
    own = SqliteEventLogStorage(str(home / "history" / "runs"))
    for run_id in (first, second):
        told = events(own, run_id)
        assert told == events(instance.event_log_storage, run_id)
        assert {"PIPELINE_SUCCESS", "ASSET_MATERIALIZATION", "ASSET_CHECK_EVALUATION"} <= {kind for kind, *_ in told}
    assert rows_last_seen(own) == rows_last_seen(instance.event_log_storage) == (second, 7)
    (check,) = adds_up.check_keys
    (summary,) = own.get_asset_check_execution_history(check, limit=1)
    assert (summary.run_id, summary.status.value) == (second, "FAILED")


@pytest.mark.skipif(not Path("/proc/self/fd").is_dir(), reason="what is open is read from /proc, which Linux has")
def test_few_databases_are_open(instance: dg.DagsterInstance, home: Path) -> None:
    runs = [run(instance) for _ in range(7)]
    assert [len(events(instance.event_log_storage, run_id)) > 10 for run_id in runs] == [True] * 7
    opened = {link.resolve() for link in Path("/proc/self/fd").iterdir() if str(link.resolve()).startswith(str(home))}
    assert 1 <= len({path for path in opened if path.suffix == ".db" and "runs" in path.parts}) <= 5


def test_records_that_were_removed_or_restored(instance: dg.DagsterInstance, home: Path, tmp_path: Path) -> None:
    gone = run(instance)
    with dg.DagsterInstance.get() as elsewhere:  # a backup is of files that nobody writes
        kept = run(elsewhere)
    shutil.copytree(home / "history", tmp_path / "kept")
    later = run(instance)
    instance.delete_run(gone)
    (home / "history" / "runs" / f"{gone}.db").unlink()
    assert events(instance.event_log_storage, gone) == []
    assert rows_last_seen(instance.event_log_storage) == (later, 7)

    shutil.rmtree(home / "history")
    shutil.copytree(tmp_path / "kept", home / "history")
    assert rows_last_seen(instance.event_log_storage) == (kept, 7)
    assert len(events(instance.event_log_storage, gone)) > 10
