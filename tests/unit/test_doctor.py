"""What the doctor says of homes that are well, new, or broken in every way that a disk or a person can break them."""

from __future__ import annotations

import json
import os
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path

import duckdb
import pytest

from ccg_pipeline import cli, homes, nights
from ccg_pipeline.operations import doctor
from ccg_pipeline.operations.doctor import LOOK, OK, WRONG
from ccg_pipeline.publication import datasets
from ccg_pipeline.settings import PROJECT_ROOT, Settings
from ccg_pipeline.warehouse import sole_writer

NOW = datetime(2019, 9, 2, 8, 0, tzinfo=UTC)


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    """A home after a night that went well, without a daemon."""
    settings = Settings(tmp_path / "raw", tmp_path / "home")
    settings.raw.mkdir()
    homes.ready(settings)
    settings.published.parent.mkdir()
    with duckdb.connect(str(settings.warehouse)) as con:
        con.execute("CREATE SCHEMA raw; CREATE SCHEMA marts")
        con.execute("CREATE TABLE marts.fct_indicator_values AS SELECT 1 AS value")
        con.execute("CREATE TABLE raw.extracts (extract_id VARCHAR, outcome VARCHAR, reason VARCHAR)")
        con.execute("CREATE TABLE raw.received_files (file_name VARCHAR, extract_id VARCHAR, is_present BOOLEAN)")
    shutil.copyfile(settings.warehouse, settings.published)
    record(settings)
    return settings


def record(
    settings: Settings, outcome: str = "published", at: datetime = NOW - timedelta(hours=6), **more: object
) -> None:
    times = {"started_at": at.isoformat(), "finished_at": (at + timedelta(minutes=2)).isoformat()}
    nights.record_run(settings, {"outcome": outcome, "failures": [], **times, **more})


def found(settings: Settings, topic: str, now: datetime = NOW) -> tuple[str, str]:
    """Verdict and words (what was found, what to do) of one topic."""
    of_topic = [f for f in doctor.examine(settings, now) if f.topic == topic]
    assert len(of_topic) == 1, of_topic
    assert of_topic[0].verdict == OK or of_topic[0].do, "what is not well says what to do"
    return of_topic[0].verdict, f"{of_topic[0].found} {of_topic[0].do}"


def test_a_home_that_is_well(settings: Settings, capsys: pytest.CaptureFixture[str]) -> None:
    told = {f.topic: f.verdict for f in doctor.examine(settings, NOW)}
    assert {topic for topic, verdict in told.items() if verdict != OK} == {"daemon"}
    assert found(settings, "last run") == (OK, "published, 2019-09-02 02:02 UTC ")
    assert "02:00 BST (01:00 UTC)" in found(settings, "schedule")[1]
    assert cli.run(["doctor", "--home", str(settings.home), "--raw", str(settings.raw)]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].split() == ["ok", "Python", ".".join(map(str, sys.version_info[:3]))]
    assert cli.run(["doctor", "--home", str(settings.home), "--raw", str(settings.raw), "--format", "json"]) == 0
    answer = json.loads(capsys.readouterr().out)
    assert (answer["verdict"], answer["home"]) == (LOOK, str(settings.home))
    assert {f["topic"] for f in answer["findings"]} == set(told)


def test_looking_changes_nothing(settings: Settings) -> None:
    def state() -> dict[str, tuple[int, int]]:
        return {str(p): (p.stat().st_size, p.stat().st_mtime_ns) for p in settings.home.parent.rglob("*")}

    before = state()
    doctor.examine(settings, NOW)
    assert state() == before


def test_a_home_that_is_not_there_yet(tmp_path: Path) -> None:
    raw = tmp_path / "raw"
    raw.mkdir()
    new = Settings(raw, tmp_path / "home")
    assert doctor.verdict(doctor.examine(new, NOW)) == LOOK
    assert not new.home.exists()
    assert found(Settings(tmp_path / "no", new.home), "landing folder")[0] == WRONG


def _in_its_place(path: Callable[[Settings], Path], make: Callable[[Path], object]) -> Callable[[Settings], None]:
    def spoil(settings: Settings) -> None:
        place = path(settings)
        if place.is_dir():
            shutil.rmtree(place)
        place.unlink(missing_ok=True)
        place.parent.mkdir(parents=True, exist_ok=True)
        make(place)

    return spoil


PLACES: dict[str, Callable[[Settings], Path]] = {
    "home": lambda s: s.home,
    "warehouse": lambda s: s.warehouse,
    "lock": lambda s: s.warehouse.with_suffix(".lock"),
    "publication": lambda s: s.published,
    "folder of publications": lambda s: s.published.parent,
    "run records": lambda s: s.run_records,
    "home's version": lambda s: s.home / "home.json",
    "notices": lambda s: s.notices,
    "Dagster's folder": lambda s: s.dagster_home,
    "dagster.yaml": lambda s: s.dagster_home / "dagster.yaml",
    "Dagster's runs": lambda s: s.dagster_home / "history" / "runs.db",
    "scratch": lambda s: s.scratch,
    "logs": lambda s: s.home / "logs",
    "quarantine": lambda s: s.quarantine,
}
THINGS: dict[str, Callable[[Path], object]] = {
    "nothing": lambda p: None,
    "a folder": lambda p: p.mkdir(),
    "an empty file": lambda p: p.touch(),
    "bytes of something else": lambda p: p.write_bytes(b"\xff\x00\xfe" * 100),
    "a link to nowhere": lambda p: p.symlink_to("/nowhere/at/all"),
    "a link to itself": lambda p: p.symlink_to(p.name),
}


@pytest.mark.parametrize("place", PLACES)
def test_anything_in_any_place_is_told_without_a_traceback(
    settings: Settings, place: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(doctor, "_versions", lambda *_: iter(()))  # has nothing to do with home
    for thing, make in THINGS.items():
        _in_its_place(PLACES[place], make)(settings)
        code = cli.run(["doctor", "--home", str(settings.home), "--raw", str(settings.raw)])
        out = capsys.readouterr().out
        assert (code == 1) == ("\nwrong " in out), (thing, out)
        assert "Traceback" not in out and "schedule" in out and "daemon" in out, (thing, out)


@pytest.mark.parametrize(
    ("place", "topic"),
    [
        ("home", "home folder"),
        ("home's version", "home folder"),
        ("lock", "write lock"),
        ("publication", "publication"),
        ("run records", "last run"),
        ("Dagster's runs", "daemon"),
        ("dagster.yaml", "Dagster's records"),
    ],
)
def test_what_stands_where_it_must_not_is_wrong(settings: Settings, place: str, topic: str) -> None:
    thing = (
        "bytes of something else"
        if place in ("home", "home's version", "publication", "Dagster's runs")
        else "a folder"
    )
    _in_its_place(PLACES[place], THINGS[thing])(settings)
    assert found(settings, topic)[0] == WRONG


def test_a_run_that_is_writing_and_one_that_was_killed(settings: Settings) -> None:
    with sole_writer(settings.warehouse):
        verdict, words = found(settings, "write lock", datetime.now(UTC))
        assert verdict == OK and f"process {os.getpid()}" in words
        assert found(settings, "write lock", datetime.now(UTC) + timedelta(hours=5))[0] == LOOK
    assert found(settings, "write lock") == (OK, "free ")

    script = "import sys; from ccg_pipeline import nights; from ccg_pipeline.settings import Settings; import datetime"
    script += "; home = sys.argv[1]; s = Settings.from_environment(home, home)"
    script += "; nights.begin(s, 'killed', nights.NIGHTLY, datetime.datetime(2019, 9, 2, 7, tzinfo=datetime.UTC))"
    subprocess.run([sys.executable, "-c", script, str(settings.home)], check=True, cwd=PROJECT_ROOT)
    told = [f for f in doctor.examine(settings, NOW) if f.topic == "last run"]
    assert [(f.verdict, "did not end" in f.found) for f in told] == [(LOOK, True), (OK, False)]
    record(settings, at=NOW)
    assert found(settings, "last run", NOW + timedelta(minutes=3))[0] == OK


def test_a_failed_run_and_none_for_days(settings: Settings) -> None:
    assert found(settings, "last run", NOW + timedelta(days=3)) == (
        LOOK,
        "published, 2019-09-02 02:02 UTC: none since, 77 hours ago see that the schedule runs (below)",
    )
    record(settings, "failed", failures=["raw/rtt: rows: 3 rows\nhave no month"])
    verdict, words = found(settings, "last run")
    assert verdict == WRONG and "raw/rtt: rows: 3 rows" in words


def test_room_on_the_disk_is_measured_against_the_warehouse(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    with open(settings.warehouse, "ab") as file:
        file.truncate(3_000_000_000)  # sparse
    for free, verdict in ((6_400_000_000, WRONG), (6_600_000_000, LOOK), (13_100_000_000, OK)):
        monkeypatch.setattr(shutil, "disk_usage", lambda _, free=free: shutil._ntuple_diskusage(0, 0, free))
        assert found(settings, "disk")[0] == verdict


def test_a_disk_of_another_machine_is_no_place_for_home(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doctor, "_kind_of_disk", lambda _: "nfs4")
    assert found(settings, "home folder")[0] == WRONG
    assert found(settings, "landing folder") == (OK, f"{settings.raw}, readable, on nfs4 ")


def test_the_disk_of_a_folder_is_that_of_the_nearest_mount() -> None:
    assert doctor._kind_of_disk(Path("/proc/self")) == "proc"
    assert doctor._kind_of_disk(Path("/")) not in ("", "proc")


def test_packages_that_are_not_those_of_the_lock(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    assert found(settings, "packages")[0] == OK
    real = doctor.version
    for package, verdict in (("duckdb", WRONG), ("ruff", LOOK)):
        monkeypatch.setattr(doctor, "version", lambda name, of=package: "0.1" if name == of else real(name))
        said, words = found(settings, "packages")
        assert said == verdict and f"{package} 0.1 (lock: {real(package)})" in words


def test_a_daemon_by_its_signs_of_life(settings: Settings) -> None:
    assert found(settings, "daemon")[0] == LOOK
    runs = settings.dagster_home / "history" / "runs.db"
    runs.parent.mkdir(parents=True)
    with closing(sqlite3.connect(runs)) as con:
        con.execute("CREATE TABLE daemon_heartbeats (daemon_type TEXT, timestamp TEXT)")
        con.execute("INSERT INTO daemon_heartbeats VALUES ('SCHEDULER', '2019-09-02 07:59:30.123456')")
        con.commit()
    assert found(settings, "daemon") == (OK, "running, last sign of life 07:59:30 UTC ")
    assert found(settings, "daemon", NOW + timedelta(minutes=10))[0] == LOOK


def test_files_in_quarantine_and_leftovers(settings: Settings) -> None:
    settings.published.unlink()
    with duckdb.connect(str(settings.published)) as con:
        con.execute("CREATE SCHEMA raw; CREATE SCHEMA marts")
        con.execute("CREATE TABLE marts.fct_indicator_values AS SELECT 1 AS value")
        con.execute("CREATE TABLE raw.extracts AS SELECT 'a' AS extract_id, 'quarantined' AS outcome, 'why' AS reason")
        con.execute("CREATE TABLE raw.received_files AS SELECT 'a.csv' file_name, 'a' extract_id, true is_present")
    assert found(settings, "quarantine")[0] == LOOK
    settings.scratch.mkdir()
    (settings.scratch / "half.parquet").touch()
    settings.published.with_suffix(".next").touch()
    verdict, words = found(settings, "leftovers")
    assert verdict == LOOK and "2 of ended runs" in words


def test_homes_of_other_versions(settings: Settings) -> None:
    (settings.home / "home.json").write_text('{"version": 99}')
    verdict, words = found(settings, "home folder")
    assert verdict == WRONG and "newer version" in words
    (settings.home / "home.json").write_text('{"version": 1}')
    assert found(settings, "home folder")[0] == LOOK


def test_what_is_stale_and_what_is_overdue(settings: Settings) -> None:
    columns = {f: "NULL::DATE" for f in datasets.State.__dataclass_fields__}
    columns |= {"dataset": "'ae'", "dataset_name": "'A&E'", "frequency": "'month'", "due_on": "DATE '2019-09-01'"}
    columns |= {"is_stale": "false", "extracts_held_back": "2", "stale_since": "TIMESTAMP '2019-08-30 01:00'"}
    rows = ", ".join(f"{value} AS {name}" for name, value in columns.items())
    settings.published.unlink()
    with duckdb.connect(str(settings.published)) as con:
        con.execute(f"CREATE SCHEMA marts; CREATE TABLE marts.dim_datasets AS SELECT {rows}")
    assert found(settings, "datasets", NOW - timedelta(days=1)) == (OK, "1, none stale, none overdue ")
    verdict, words = found(settings, "datasets", NOW)
    assert verdict == LOOK and "1 overdue: ae (due on 2019-09-01)" in words
    with duckdb.connect(str(settings.published)) as con:
        con.execute("UPDATE marts.dim_datasets SET is_stale = true, due_on = NULL")
    verdict, words = found(settings, "datasets", NOW)
    assert verdict == LOOK and "ae stale: 2 new files, received from 30 August 2019" in words


def test_notices_and_retention_as_the_environment_has_them(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    assert found(settings, "notices") == (OK, "off ")
    monkeypatch.setenv("CCG_NOTIFY_WEBHOOK_FORM", "slack")
    monkeypatch.setenv("CCG_NOTIFY_WEBHOOK_URL", "ftp://hidden-word")
    verdict, words = found(settings, "notices")
    assert verdict == WRONG and "hidden-word" not in words
    monkeypatch.setenv("CCG_NOTIFY_WEBHOOK_URL", "https://example.org/hidden-word")
    verdict, words = found(settings, "notices")
    assert verdict == OK and words.startswith("by webhook of ") and "hidden-word" not in words

    assert found(settings, "retention")[0] == OK
    monkeypatch.setenv("CCG_KEEP_LOGS_DAYS", "some")
    assert found(settings, "retention")[0] == WRONG


def test_records_in_postgres_are_told_and_missing_settings_are_wrong(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    from ccg_pipeline.operations import dagster_home

    monkeypatch.setenv("CCG_DAGSTER_POSTGRES", "postgresql+psycopg2://ccg:hidden-word@db/ccg")
    dagster_home.prepare(settings)
    assert "hidden-word" not in (settings.dagster_home / "dagster.yaml").read_text()
    assert found(settings, "Dagster's records")[0] == OK
    assert "hidden-word" not in doctor.as_json(settings, NOW, doctor.examine(settings, NOW))
    monkeypatch.delenv("CCG_DAGSTER_POSTGRES")
    assert found(settings, "Dagster's records")[0] == WRONG


def test_the_lock_file_is_read_to_the_last_package() -> None:
    names = [line for line in (PROJECT_ROOT / "requirements.lock").read_text().splitlines() if "==" in line]
    told = next(f for f in doctor._versions(Settings(PROJECT_ROOT, PROJECT_ROOT), NOW) if f.topic == "packages")
    assert int(told.found.split()[0]) <= len(names)
    assert int(told.found.split()[0]) > len(names) * 0.8, "but for those of other systems and versions of Python"
