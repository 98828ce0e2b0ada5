"""What a run leaves: its record, however it was started and ended, and what the publication says of it."""

from __future__ import annotations

import errno
import json
import os
import shutil
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import dagster as dg
import duckdb
import pytest
from conftest import NIGHT, land, opened

from ccg_pipeline import cli, homes, housekeeping, nightly, nights, run_tables, warehouse
from ccg_pipeline.assets import extracts, publication
from ccg_pipeline.assets.resources import Installation
from ccg_pipeline.landing import loading
from ccg_pipeline.settings import Settings

DAY = timedelta(days=1)
AE_AND_OTHERS = "SELECT DISTINCT dataset = 'ae', is_published FROM raw.extracts ORDER BY 1 DESC"


@pytest.fixture
def settings(sample_raw: Path, tmp_path: Path) -> Settings:
    """A landing folder with three files, one of them no extract, and a home without a run."""
    raw = tmp_path / "raw"
    raw.mkdir()
    may = next(sample_raw.glob("ae/*May-2019*"))
    shutil.copy2(may, raw / "may.csv")
    shutil.copy2(may, raw / "may (1).csv")
    (raw / "letter.txt").write_text("Dear colleague, the figures are late.")
    return Settings(raw, tmp_path / "home")


@pytest.fixture
def copy_of_sample(sample_home: Path, sample_raw: Path, tmp_path: Path) -> Settings:
    """The warehouse and publication of a night on the sample, to write in."""
    home = tmp_path / "home"
    shutil.copytree(sample_home, home, ignore=shutil.ignore_patterns("dagster", "dbt", "logs"))
    settings = Settings(sample_raw, home)
    nights.keep(settings, lambda record: record["outcome"] == nights.PUBLISHED)  # others may have added nothing new
    return settings


def by_dagster(settings: Settings, *assets: Any, tags: dict[str, str] | None = None) -> dg.ExecuteInProcessResult:
    """Materialize assets as Dagster's daemon does, its records kept below home."""
    nightly.prepare_home(settings)
    with dg.DagsterInstance.local_temp(str(settings.dagster_home)) as instance:
        return dg.materialize(
            list(assets),
            instance=instance,
            resources={"installation": Installation(raw=str(settings.raw), home=str(settings.home))},
            tags=tags,
            raise_on_error=False,
        )


def publishing(settings: Settings) -> dg.AssetsDefinition:
    with opened(settings.warehouse) as con:
        marts = con.execute("SELECT table_name FROM duckdb_tables() WHERE schema_name = 'marts'").fetchall()
    return publication.build_asset(SimpleNamespace(keys=[dg.AssetKey(["marts", mart]) for (mart,) in marts]))  # type: ignore[arg-type]


def run_files(settings: Settings, run_id: str) -> dict[str, tuple]:
    with opened(settings.warehouse) as con:
        return {
            name: rest
            for name, *rest in con.execute(
                "SELECT file_name, outcome, row_count IS NOT NULL, reason IS NOT NULL FROM raw.run_files "
                "WHERE run_id = ?",
                [run_id],
            ).fetchall()
        }


def published(settings: Settings, query: str) -> list[tuple]:
    with warehouse.reading(settings.published) as con:
        return con.execute(query).fetchall()


@pytest.mark.parametrize(
    ("tags", "kind"),
    [
        ({"dagster/schedule_name": "nightly_at_two"}, "schedule"),
        ({"dagster/sensor_name": "s"}, "sensor"),
        ({}, "by hand"),
    ],
)
def test_a_run_that_dagster_started_leaves_its_record(settings: Settings, tags: dict[str, str], kind: str) -> None:
    result = by_dagster(settings, extracts.received_files, extracts._dataset_asset("ae", "A&E", None), tags=tags)
    assert result.success
    record = nights.last_run(settings)
    assert record is not None
    assert (record["run_id"], record["kind"], record["outcome"]) == (result.run_id, kind, "done")
    assert (record["files"], record["loaded_extracts"], record["rejected_extracts"], record["duplicate_files"]) == (
        3,
        1,
        1,
        1,
    )
    assert (record["exit_code"], record["quarantine"]) == (3, ["letter.txt"])
    assert set(record["seconds"]) == {"start", "receive", "load", "all"}
    assert run_files(settings, result.run_id) == {
        "letter.txt": ["rejected", False, True],
        "may (1).csv": ["loaded", True, False],
        "may.csv": ["duplicate", False, False],
    }


def test_a_run_that_fails_in_dagster_says_why(settings: Settings) -> None:
    shutil.rmtree(settings.raw)
    assert not by_dagster(settings, extracts.received_files).success
    record = nights.last_run(settings)
    assert record is not None
    assert (record["outcome"], record["exit_code"]) == ("failed", 1)
    assert "cannot be listed" in record["failures"][0]


def test_what_became_of_a_file_is_told_night_by_night(settings: Settings) -> None:
    def night(number: int) -> dict[str, tuple]:
        run_id = f"run {number}"
        loading.receive(settings, NIGHT + number * DAY, lambda _: None, run_id)
        loading.load(settings, "ae", lambda _: None, run_id)
        return run_files(settings, run_id)

    first = night(1)
    assert first["may (1).csv"] == ["loaded", True, False]
    assert night(2) == {
        "letter.txt": ["rejected before", False, True],
        "may (1).csv": ["loaded before", True, False],
        "may.csv": ["duplicate", False, False],
    }
    for name in ("may.csv", "may (1).csv"):
        (settings.raw / name).unlink()
    withdrawn = night(3)
    assert withdrawn["may (1).csv"] == ["withdrawn", False, False]
    assert run_files(settings, "run 1") == first
    with opened(settings.warehouse) as con:
        assert run_tables.found_by(con, "run 3") == {
            "files": 1,
            "new_extracts": 0,
            "loaded_extracts": 0,
            "rejected_extracts": 0,
            "withdrawn_extracts": 1,
            "duplicate_files": 0,
            "rows_loaded": 0,
        }


def test_the_publication_holds_the_run_that_made_it(sample_home: Path) -> None:
    settings = Settings(sample_home, sample_home)
    ((run_id, kind, outcome, files, loaded, rows, seconds, finished_at),) = published(
        settings,
        "SELECT run_id, kind, outcome, files, loaded_extracts, rows_loaded, build_seconds, finished_at FROM marts.runs "
        "WHERE has_made_this_publication",
    )
    assert (kind, outcome, files, loaded, finished_at) == ("nightly", "published", 64, 64, None)
    assert seconds > 0
    record = nights.find(settings, run_id)
    assert record is not None and record["published_bytes"] == settings.published.stat().st_size
    assert published(settings, f"SELECT count(*), sum(row_count) FROM marts.runs_files WHERE run_id = '{run_id}'") == [
        (64, rows)
    ]
    assert published(settings, "SELECT DISTINCT published_by FROM raw.extracts WHERE is_published") == [(run_id,)]
    with warehouse.reading(settings.published) as con:
        assert run_tables.marts_fingerprint(con) == record["marts"]


def test_earlier_runs_are_in_the_next_publication(copy_of_sample: Settings) -> None:
    settings = copy_of_sample
    ((first,),) = published(settings, "SELECT run_id FROM marts.runs WHERE has_made_this_publication")
    failed = nights.begin(settings, "failed", nights.SCHEDULE, datetime.now(UTC))
    nights.end(settings, failed, nights.FAILED, 1, failures=["no room"])
    line = nights.begin(settings, "killed", nights.NIGHTLY, datetime.now(UTC)).record(settings)
    nights.record_run(settings, line | {"outcome": nights.UNDER_WAY, "process": a_process_that_is_gone()})
    log = settings.logs / "old.log"
    log.parent.mkdir()
    log.touch()
    os.utime(log, (1_500_000_000, 1_500_000_000))
    result = by_dagster(settings, publishing(settings))
    assert result.success
    assert not log.exists(), "a run that published removes what is older than it is kept"
    with warehouse.writing(settings.warehouse) as con:
        run_tables.bring_in(con, settings)
    with opened(settings.warehouse) as con:
        rows = con.execute("SELECT run_id, outcome, failures FROM raw.runs ORDER BY started_at, run_id").fetchall()
    assert dict((run_id, (outcome, failures)) for run_id, outcome, failures in rows) == {
        first: ("published", []),
        "failed": ("failed", ["no room"]),
        "killed": ("killed", [nights.DID_NOT_END]),
        result.run_id: ("published", []),
    }
    assert published(settings, "SELECT run_id FROM marts.runs WHERE has_made_this_publication") == [(result.run_id,)]


def a_process_that_is_gone() -> int:
    done = subprocess.Popen([sys.executable, "-c", ""])
    done.wait()
    return done.pid


def test_a_run_killed_before_the_swap_has_published_nothing(
    copy_of_sample: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = copy_of_sample
    with warehouse.writing(settings.warehouse) as con:
        con.execute("UPDATE raw.extracts SET is_published = false, published_by = NULL WHERE dataset = 'ae'")
    before = settings.published.read_bytes()

    def killed(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(warehouse.durable, "put", killed)
        assert not by_dagster(settings, publishing(settings)).success
    assert settings.published.read_bytes() == before
    assert warehouse.copy_in_the_making(settings.published).exists()
    with opened(settings.warehouse) as con:
        assert con.execute("SELECT bool_and(is_published) FROM raw.extracts").fetchall() == [(True,)]

    housekeeping.remove_leftovers(settings)
    run_tables.reconcile(settings)
    assert not warehouse.copy_in_the_making(settings.published).exists()
    with opened(settings.warehouse) as con:
        assert con.execute(AE_AND_OTHERS).fetchall() == [(True, False), (False, True)]
        assert con.execute("SELECT count(*) FROM raw.runs").fetchall() == [(1,)]


def test_a_first_run_that_was_killed_before_it_published_is_nothing_to_mend(settings: Settings) -> None:
    land(settings)
    assert not settings.published.exists()
    run_tables.reconcile(settings)
    with warehouse.reading(settings.warehouse) as con:
        assert con.execute(AE_AND_OTHERS).fetchall() == [(True, False), (None, False)]


def test_a_run_killed_after_the_swap_has_published(copy_of_sample: Settings) -> None:
    settings = copy_of_sample
    result = by_dagster(settings, publishing(settings))
    lines = settings.run_records.read_text().splitlines()
    begun = {**json.loads(lines[-2]), "process": a_process_that_is_gone()}
    settings.run_records.write_text("\n".join([*lines[:-2], json.dumps(begun)]) + "\n")
    assert nights.killed_last(settings) == begun
    run_tables.reconcile(settings)
    with warehouse.writing(settings.warehouse) as con:
        run_tables.bring_in(con, settings)
        rows = con.execute("SELECT outcome, finished_at FROM raw.runs WHERE run_id = ?", [result.run_id]).fetchall()
    assert rows == [("published", None)]


def test_no_room_for_the_copy(copy_of_sample: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    settings = copy_of_sample
    with warehouse.writing(settings.warehouse) as con:
        con.execute("UPDATE raw.extracts SET is_published = false WHERE dataset = 'ae'")
    before = settings.published.read_bytes()

    def full(source: Path, target: Path) -> None:
        Path(target).write_bytes(b"half a copy")
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(warehouse.shutil, "copyfile", full)
        assert not by_dagster(settings, publishing(settings)).success
    record = nights.last_run(settings)
    assert record is not None and record["outcome"] == "failed"
    assert "could not be written" in record["failures"][0] and "MB are free" in record["failures"][0]
    assert settings.published.read_bytes() == before
    assert sorted(p.name for p in settings.published.parent.iterdir()) == ["ccg.duckdb"]
    with opened(settings.warehouse) as con:
        assert con.execute(AE_AND_OTHERS).fetchall() == [(True, False), (False, True)]


def test_a_warehouse_made_anew_takes_over_the_record(copy_of_sample: Settings) -> None:
    settings = copy_of_sample
    recorded = published(settings, "SELECT * FROM raw.run_files ORDER BY ALL")
    settings.warehouse.unlink()
    run_tables.reconcile(settings)
    with opened(settings.warehouse) as con:
        assert con.execute("SELECT * FROM raw.run_files ORDER BY ALL").fetchall() == recorded
        assert con.execute("SELECT count(*) FROM raw.runs").fetchall() == [(1,)]


def test_nothing_new_is_judged_by_the_publication_that_stands(copy_of_sample: Settings) -> None:
    from ccg_pipeline.landing.files import scan

    settings = copy_of_sample
    files, _ = scan(settings.raw)
    assert nights.is_nothing_new(settings, files)
    assert not nights.is_nothing_new(settings, files[1:])
    settings.published.unlink()
    assert not nights.is_nothing_new(settings, files)
    settings.published.write_text("not a database")
    assert not nights.is_nothing_new(settings, files)


def test_runs_that_end_before_the_job_leave_their_record(
    settings: Settings, capsys: pytest.CaptureFixture[str]
) -> None:
    elsewhere = ["nightly", "--raw", str(settings.raw / "nowhere"), "--home", str(settings.home)]
    assert cli.run(elsewhere) == 2
    record = nights.last_run(settings)
    assert record is not None
    assert (record["outcome"], record["exit_code"]) == ("failed", 2) and "cannot be listed" in record["failures"][0]
    begun = nights.begin(settings, "gone", nights.NIGHTLY, datetime.now(UTC)).record(settings)
    assert nights.killed_last(settings) is None, "its process is alive"
    nights.record_run(settings, begun | {"outcome": nights.UNDER_WAY, "process": a_process_that_is_gone()})
    assert cli.run(["status", "--home", str(settings.home)]) == 1
    assert "did not end: it was killed" in capsys.readouterr().out


def test_a_record_after_half_a_line_is_read(tmp_path: Path) -> None:
    settings = Settings(tmp_path, tmp_path)
    nights.record_run(settings, {"run_id": "a", "outcome": "published"})
    with open(settings.run_records, "a") as file:
        file.write('{"run_id": "b", "outc')
    nights.record_run(settings, {"run_id": "c", "outcome": "failed"})
    assert [record["run_id"] for record in nights.records(settings)] == ["a", "c"]


class TestHomes:
    """A home folder of an older version becomes one of this, one of a newer version is left alone."""

    def as_before_records(self, settings: Settings) -> None:
        con = duckdb.connect(str(settings.warehouse))
        for statement in (
            "DROP VIEW marts.runs",
            "DROP VIEW marts.runs_files",
            "DROP TABLE raw.runs",
            "DROP TABLE raw.run_files",
            "ALTER TABLE raw.extracts DROP COLUMN published_by",
        ):
            con.execute(statement)
        con.close()
        settings.published.unlink()
        shutil.copyfile(settings.warehouse, settings.published)
        (settings.home / "home.json").unlink()
        (settings.home / "last-night.json").write_text("{}")

    def test_a_home_from_before_runs_were_recorded(self, copy_of_sample: Settings) -> None:
        settings = copy_of_sample
        self.as_before_records(settings)
        con = duckdb.connect(str(settings.published))
        con.execute("UPDATE raw.extracts SET is_published = false WHERE dataset = 'ae'")
        con.close()
        assert homes.version_of(settings.home) == 1
        assert len(homes.ready(settings)) == 1
        assert homes.version_of(settings.home) == homes.VERSION
        assert not (settings.home / "last-night.json").exists()
        assert homes.ready(settings) == []
        with opened(settings.warehouse) as con:
            assert con.execute(AE_AND_OTHERS).fetchall() == [(True, False), (False, True)]
        land(settings)

    def test_cut_off_it_is_done_again(self, copy_of_sample: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
        self.as_before_records(copy_of_sample)

        def killed(*_: object) -> None:
            raise KeyboardInterrupt

        with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
            patch.setattr(homes, "_note", killed)
            homes.ready(copy_of_sample)
        assert homes.version_of(copy_of_sample.home) == 1
        assert len(homes.ready(copy_of_sample)) == 1

    @pytest.mark.parametrize("command", ["nightly", "status", "indicators", "queries", "ui"])
    def test_a_home_of_a_newer_version_is_left_alone(
        self, tmp_path: Path, capsys: pytest.CaptureFixture[str], command: str
    ) -> None:
        home = tmp_path / "home"
        (home / "published").mkdir(parents=True)
        (home / "home.json").write_text(json.dumps({"version": homes.VERSION + 1}))
        (home / "published" / "ccg.duckdb").write_text("of a newer version")
        assert cli.run([command, "--home", str(home)]) == 2
        assert "newer version" in capsys.readouterr().err
        assert sorted(path.name for path in home.rglob("*")) == ["ccg.duckdb", "home.json", "published"]

    def test_a_home_that_does_not_say_its_version(self, tmp_path: Path) -> None:
        (tmp_path / "home.json").write_text("{")
        with pytest.raises(homes.HomeError, match="does not say which version"):
            homes.ready(Settings(tmp_path, tmp_path))

    def test_a_number_of_days_that_is_none(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("CCG_KEEP_LOGS_DAYS", "a week")
        with pytest.raises(homes.HomeError, match="CCG_KEEP_LOGS_DAYS is 'a week'"):
            homes.ready(Settings(tmp_path, tmp_path))


class TestHousekeeping:
    """What killed runs left, and what is older than it is kept; what people made and what stands is never removed."""

    def test_leftovers(self, tmp_path: Path) -> None:
        settings = Settings(tmp_path / "raw", tmp_path / "home")
        moment = settings.rebuilt_as_known_at(datetime(2019, 9, 12))
        live = settings.rebuilt_as_known_at(datetime(2019, 9, 13))
        gone = [
            settings.home / ".last-night.json.next",
            settings.quarantine / ".ab.txt.next",
            settings.scratch / "0a.parquet",
            warehouse.copy_in_the_making(settings.published),
            moment.warehouse,
            warehouse.copy_in_the_making(moment.published),
            settings.dbt_target / "dbt-abc-1" / "manifest.json",
            settings.pack_folder("06N", "2019-05") / ".06N.html.next",
        ]
        stays = [
            settings.published,
            live.warehouse,
            warehouse.copy_in_the_making(live.published),
            settings.dbt_target / "dbt-abc-2" / "run_results.json",
            settings.pack_folder("06N", "2019-05") / "06N.html",
            settings.pack_folder("06N", "2019-05") / ".06N.xlsx.next",
        ]
        for path in [*gone, *stays]:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text("")
        os.utime(gone[-1], (1_500_000_000, 1_500_000_000))
        live.warehouse.unlink()
        with warehouse.sole_writer(live.warehouse):
            live.warehouse.write_text("")
            housekeeping.remove_leftovers(settings)
        assert [path for path in gone if path.exists()] == []
        assert [path for path in stays if not path.exists()] == []

    def test_a_dbt_that_lives_on_after_its_run_still_writes(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        settings = Settings(tmp_path / "raw", tmp_path / "home")
        of_dbt, other = settings.dbt_target / "dbt-abc-1" / "models", settings.scratch / "0a.parquet"
        for folder in (of_dbt, settings.scratch):
            folder.mkdir(parents=True)
        other.write_text("")
        removed = os.rmdir

        def written_into_meanwhile(*place: Any, **more: Any) -> None:
            if of_dbt.is_dir():
                (of_dbt / "fct_breaches.sql").write_text("")
            removed(*place, **more)

        monkeypatch.setattr(os, "rmdir", written_into_meanwhile)
        assert housekeeping.remove_leftovers(settings) == [other]
        monkeypatch.undo()
        assert housekeeping.remove_leftovers(settings) == [of_dbt.parent]

    def test_retention(self, copy_of_sample: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
        settings = copy_of_sample
        monkeypatch.setenv("CCG_KEEP_RUNS_DAYS", "10")
        monkeypatch.setenv("CCG_KEEP_DBT_DAYS", "off")
        now = datetime.now(UTC)
        (made_it,) = [r for r in nights.records(settings) if r["outcome"] == nights.PUBLISHED]
        for run_id, days in (("old", 11), ("recent", 9)):
            begun = nights.begin(settings, run_id, nights.NIGHTLY, now - days * DAY)
            nights.end(settings, begun, nights.NOTHING_NEW, 0)
        then = settings.rebuilt_as_known_at(datetime(2019, 9, 12))
        with_pack = settings.rebuilt_as_known_at(datetime(2019, 9, 13))
        pack = with_pack.pack_folder("06N", "2019-05") / "06N.html"
        old = [settings.logs / "a.log", settings.quarantine / "abc.txt", then.published, with_pack.published]
        stays = [
            pack,
            settings.pack_folder("06N", "2019-05") / "06N.html",
            settings.dbt_target / "dbt-1" / "x",
            settings.dbt_target / "dbt-2" / "x",
            settings.published,
        ]
        for path in [*old, *stays[:-1]]:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text("")
        for path in [*old, *stays]:
            os.utime(path, (1_500_000_000, 1_500_000_000))
        later = now + 20 * DAY  # the run that made the publication is older than it would be kept too
        told = housekeeping.keep_to_retention(settings, later)
        assert sorted(told) == [
            "1 of logs older than 90 days",
            "1 of quarantine older than 90 days",
            "2 of rebuilds older than 30 days",
            "2 of runs older than 10 days",
        ]
        assert [path for path in old if path.exists()] == []
        assert [path for path in stays if not path.exists()] == []
        assert not then.published.parent.exists()
        assert [r["run_id"] for r in nights.records(settings)] == [made_it["run_id"]]

    def test_a_note_of_what_stands_in_quarantine_stays(self, settings: Settings) -> None:
        land(settings)
        (note,) = settings.quarantine.iterdir()
        os.utime(note, (1_500_000_000, 1_500_000_000))
        housekeeping.keep_to_retention(settings, datetime.now(UTC))
        assert note.exists()
        (settings.raw / "letter.txt").write_text("Dear colleague, here are the figures.")
        loading.receive(settings, NIGHT + DAY, lambda _: None)
        assert len(list(settings.quarantine.iterdir())) == 1

    def test_records_of_dagster(self, settings: Settings) -> None:
        first = by_dagster(settings, extracts.received_files)
        second = by_dagster(settings, extracts.received_files)
        with dg.DagsterInstance.local_temp(str(settings.dagster_home)) as instance:
            later = datetime.now(UTC) + 61 * DAY
            assert "2 of dagster older than 60 days" in housekeeping.keep_to_retention(settings, later, instance)
            assert instance.get_runs() == []
        left = [path for path in settings.dagster_home.rglob("*") for run in (first, second) if run.run_id in path.name]
        assert left == []
