"""The profile ducklake against a real PostgreSQL: connecting, loading, reading at a snapshot, two writers, locks."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import contents
import duckdb
import postgres
import pytest
from conftest import NIGHT

from ccg_pipeline import cli, extracts, homes, lake, nights, warehouse
from ccg_pipeline.landing import loading
from ccg_pipeline.operations import doctor, moving
from ccg_pipeline.settings import DUCKLAKE, PROJECT_ROOT, Lake, PublishedLake, Settings, SettingsError

APRIL, MAY = "ae/Monthly-AE-April-2019.csv", "ae/Monthly-AE-May-2019.csv"


@pytest.fixture(scope="module")
def server() -> Iterator[postgres.Server]:
    with postgres.server() as made:
        yield made


@pytest.fixture
def settings(server: postgres.Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Settings:
    """A new lake, and a landing folder with one file."""
    (tmp_path / "data").mkdir()
    monkeypatch.setenv("CCG_PROFILE", DUCKLAKE)
    monkeypatch.setenv("CCG_LAKE_CATALOG", server.new())
    monkeypatch.setenv("CCG_LAKE_DATA", str(tmp_path / "data"))
    put(tmp_path / "raw", APRIL)
    return Settings.from_environment(tmp_path / "raw", tmp_path / "home")


def put(raw: Path, name: str) -> None:
    (raw / name).parent.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(PROJECT_ROOT / "raw" / name, raw / name)


def land(settings: Settings) -> list[loading.LoadResult]:
    loading.receive(settings, NIGHT, lambda _: None)
    return [loading.load(settings, "ae", lambda _: None)]


def place(settings: Settings) -> Lake:
    assert isinstance(settings.warehouse, Lake)
    return settings.warehouse


def rows(settings: Settings, query: str) -> list[tuple]:
    with warehouse.reading(settings.warehouse) as con:
        return con.execute(query).fetchall()


def test_settings_that_cannot_be(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture) -> None:
    for variables, said in (
        ({"CCG_PROFILE": "lake"}, "CCG_PROFILE is 'lake', expected embedded or ducklake"),
        ({}, "CCG_LAKE_CATALOG is not set"),
        ({"CCG_LAKE_CATALOG": "host=x password=hidden"}, "CCG_LAKE_CATALOG is not the address of a PostgreSQL"),
        ({"CCG_LAKE_CATALOG": "postgresql://u:hidden@host:port/db"}, "CCG_LAKE_CATALOG is not the address"),
        ({"CCG_LAKE_CATALOG": "postgresql://u:hidden@host"}, "CCG_LAKE_CATALOG is not the address"),
        ({"CCG_LAKE_CATALOG": "postgresql://u:hidden@host/db"}, "CCG_LAKE_DATA is not set"),
        ({"CCG_LAKE_CATALOG": "postgresql://u:hidden@host/db", "CCG_LAKE_DATA": "lake"}, "expected a whole path"),
    ):
        with monkeypatch.context() as patch:
            for name, value in {"CCG_PROFILE": DUCKLAKE, **variables}.items():
                patch.setenv(name, value)
            with pytest.raises(SettingsError, match=said):
                Settings.from_environment()
            assert cli.run(["status"]) == 2
        told = capsys.readouterr().err
        assert said in told and "hidden" not in told


def test_the_address_is_in_no_text_about_the_settings(settings: Settings) -> None:
    assert postgres.IN_URLS not in repr(settings)
    assert str(place(settings)).count("catalog") == 0
    assert postgres.PASSWORD not in place(settings).server


def test_files_in_a_lake_are_what_they_are_in_a_file(settings: Settings, tmp_path: Path) -> None:
    put(settings.raw, MAY)
    (found,) = land(settings)
    embedded = Settings(settings.raw, tmp_path / "embedded")
    assert land(embedded) == [found] and found.loaded == 2
    here = contents.of(embedded.warehouse_file, "raw")
    assert here["ae"].startswith(f"{found.row_count} rows")
    assert contents.differences(here, of_schema_raw(settings)) == []
    # Received again nothing is new, and no row is there twice.
    assert land(settings)[0].loaded == 0
    assert contents.differences(here, of_schema_raw(settings)) == []


def test_nothing_but_the_note_is_in_the_data_folder_before_the_lake_has_its_identity(
    settings: Settings, server: postgres.Server
) -> None:
    """Killed at that moment it would be taken for the folder of another lake, and refused from then on."""
    lake = place(settings)
    with warehouse.writing(lake):
        pass
    assert [path.name for path in lake.data.iterdir()] == ["lake.json"]
    # The catalog as such a kill leaves it: without what was not committed.
    cut_off = Lake(server.new(), lake.data)
    with warehouse.writing(cut_off):
        pass
    with warehouse.reading(lake) as one, warehouse.reading(cut_off) as other:
        identity = "SELECT lake FROM ccg.publication.lake"
        assert one.execute(identity).fetchall() == other.execute(identity).fetchall()


def of_schema_raw(settings: Settings) -> dict[str, str]:
    with warehouse.reading(settings.warehouse) as con:
        return contents.of_connection(con, "raw")


def test_rows_that_a_killed_load_left_are_never_there_twice(settings: Settings) -> None:
    loading.receive(settings, NIGHT, lambda _: None)
    ((extract_id,),) = rows(settings, "SELECT extract_id FROM raw.extracts WHERE dataset = 'ae'")
    read = loading.read_extract(settings.raw / APRIL, APRIL)
    with warehouse.loading(settings.warehouse, {"ae": extracts.DATASETS["ae"].schema}) as into:
        warehouse.insert_rows(into.rows, "ae", extract_id, read.rows, settings.scratch)
    # No model rests on them: what is loaded is what the registry says.
    assert rows(settings, "SELECT count(*) FROM raw.ae") == [(read.rows.height,)]
    assert rows(settings, "SELECT outcome FROM raw.extracts") == [("received",)]
    assert land(settings)[0].row_count == read.rows.height
    assert rows(settings, "SELECT count(*) FROM raw.ae") == [(read.rows.height,)]


def test_a_publication_is_read_at_its_snapshot(settings: Settings, tmp_path: Path) -> None:
    land(settings)
    warehouse.pin(settings.warehouse)
    with warehouse.writing(settings.warehouse) as con:
        con.execute("CREATE SCHEMA marts")
        con.execute("CREATE TABLE marts.extracts AS SELECT extract_id FROM raw_at_build.extracts")
        con.execute("CREATE VIEW marts.runs AS SELECT run_id FROM ccg.raw_at_build.runs")
        con.execute("CREATE SCHEMA intermediate")
        con.execute("CREATE TABLE intermediate.points AS SELECT 2 AS point")
        con.execute("CREATE VIEW marts.charts AS SELECT c.point FROM ccg.intermediate.points c, range(3) ORDER BY 1")
        con.execute("CREATE VIEW marts.rows AS SELECT count(*) AS held FROM ccg.raw_at_build.ae")
    warehouse.publish(settings.warehouse, settings.published)
    april = rows(settings, "SELECT count(*) FROM raw.ae")
    put(settings.raw, MAY)
    land(settings)
    assert rows(settings, "SELECT count(*) FROM raw.ae") > april
    # Models of a build under way, and whoever reads what was published, see what was there then; in all its tables.
    assert rows(settings, "SELECT count(*) FROM raw_at_build.ae") == april
    # What no publication names goes, and what one names does not, however old it is.
    before = len(rows(settings, "FROM ccg.snapshots()"))
    gone = warehouse.forget_snapshots(settings, datetime.now(UTC).replace(tzinfo=None) + timedelta(days=1))
    assert 0 < gone == before - len(rows(settings, "FROM ccg.snapshots()"))
    assert isinstance(settings.publication, PublishedLake)
    with warehouse.reading(settings.publication) as con:
        for schema in ("raw", "raw_at_build"):
            assert con.execute(f"SELECT count(*) FROM {schema}.ae").fetchall() == april
        with pytest.raises(duckdb.Error, match="read-only"):
            con.execute("DELETE FROM raw.ae")
    # What it rests on can be taken into a file, to build from it what could be said on an earlier day.
    warehouse.copy(settings.publication, tmp_path / "copy.duckdb")
    with warehouse.reading(tmp_path / "copy.duckdb") as con:
        assert con.execute("SELECT count(*) FROM raw.ae").fetchall() == april
    # The file alone holds the marts, for whoever knows nothing of a lake.
    with warehouse.reading(settings.published) as con:
        assert con.execute("SELECT count(*) FROM marts.extracts").fetchall() == [(1,)]
        assert con.execute("SELECT count(*) FROM marts.runs").fetchall() == [(0,)]
        assert con.execute("FROM marts.charts").fetchall() == [(2,), (2,), (2,)]
        assert con.execute("FROM marts.rows").fetchall() == april
        # What is drawn from a table is drawn there too; what rests on raw rows is taken as it is.
        drawn = con.execute("SELECT view_name FROM duckdb_views() WHERE database_name = 'ccg' ORDER BY 1").fetchall()
        assert drawn == [("charts",), ("runs",)]


LANDING = """
import sys
from datetime import datetime
from ccg_pipeline import extracts, warehouse
from ccg_pipeline.landing import loading
from ccg_pipeline.settings import Settings
settings = Settings.from_environment(sys.argv[1], sys.argv[2])
loading.receive(settings, datetime(2019, 9, 1, 2, 0), lambda _: None)
for dataset in ("ae", "dtoc"):
    with warehouse.dataset_held(settings.warehouse, dataset):
        loading.load(settings, dataset, lambda _: None)
"""
HOLDING = """
import sys, time
from ccg_pipeline import lake
from ccg_pipeline.settings import Settings
with lake.locked(Settings.from_environment().lake, lake.BUILDING):
    print("held", flush=True)
    time.sleep(60)
"""


def process(code: str, *arguments: object) -> subprocess.Popen[str]:
    environment = {**os.environ, "PYTHONPATH": str(PROJECT_ROOT)}
    command = [sys.executable, "-c", code, *map(str, arguments)]
    return subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def test_two_processes_load_at_once(settings: Settings, tmp_path: Path) -> None:
    for name in (MAY, "dtoc/MSitDT-APRIL-2019-full-extract.csv", "dtoc/MSitDT-MAY-2019-full-extract.csv"):
        put(settings.raw, name)
    both = [process(LANDING, settings.raw, tmp_path / home) for home in ("one", "other")]
    for one in both:
        said = one.communicate(timeout=120)
        assert one.returncode == 0, said
    for table in ("ae", "dtoc"):
        ((held, loaded, of_them),) = rows(
            settings,
            f"SELECT (SELECT count(*) FROM raw.{table}), sum(row_count), count(*) FROM raw.extracts "
            f"WHERE dataset = '{table}' AND outcome = 'loaded'",
        )
        assert (held, of_them) == (loaded, 2)
    assert rows(settings, "SELECT count(*), count(DISTINCT extract_id) FROM raw.extracts") == [(4, 4)]
    assert rows(settings, "SELECT count(*) FROM raw.received_files") == [(4,)]


def test_a_lock_vanishes_with_the_process_that_holds_it(settings: Settings) -> None:
    holder = process(HOLDING)
    assert holder.stdout and holder.stdout.readline() == "held\n"
    waited = []
    with (
        pytest.raises(TimeoutError),
        lake.locked(place(settings), lake.BUILDING, patience_seconds=0.2, waiting=lambda: waited.append(1)),
    ):
        pass
    assert waited == [1]
    with lake.locked(place(settings), lake.REGISTRY, lake.of_dataset("ae"), patience_seconds=0):
        pass  # others are free
    os.kill(holder.pid, signal.SIGKILL)
    holder.communicate()
    with lake.locked(place(settings), lake.BUILDING, patience_seconds=10):
        pass


def test_a_lock_that_was_lost_is_known_to_be(settings: Settings, server: postgres.Server) -> None:
    database = place(settings).catalog.rpartition("/")[2]
    with lake.locked(place(settings), lake.BUILDING) as still_held:
        still_held()
        server.query(
            "postgres",
            f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{database}' "
            "AND application_name = 'ccg lock'",
        )
        with pytest.raises(lake.LakeError, match="was lost for a while"):
            still_held()


def test_a_server_that_is_down_is_told_in_words(
    settings: Settings, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    monkeypatch.setenv("CCG_LAKE_CATALOG", f"postgresql://ccg:{postgres.IN_URLS}@127.0.0.1:1/lake")
    settings.published.parent.mkdir(parents=True)
    settings.published.write_bytes(b"as it was")
    assert cli.run(["nightly", "--raw", str(settings.raw), "--home", str(settings.home)]) == 1
    told = "".join(capsys.readouterr())
    assert "the catalog of the lake, lake on 127.0.0.1:1, cannot be used: " in told and "refused" in told
    down = Settings.from_environment(settings.raw, settings.home)
    assert nights.last_run(down)["failures"][0].startswith("the catalog of the lake")
    assert settings.published.read_bytes() == b"as it was"
    (found,) = [f for f in doctor.examine(down, datetime.now(UTC)) if f.topic == "lake"]
    assert found.verdict == doctor.WRONG and "lets this machine in" in found.do
    for text in (told, found.found, *(p.read_text() for p in settings.home.glob("*.jsonl"))):
        assert postgres.PASSWORD not in text and postgres.IN_URLS not in text


def test_a_data_folder_is_of_one_lake(
    settings: Settings, server: postgres.Server, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    land(settings)
    for catalog, data, told in (
        (server.new(), place(settings).data, "is not empty, and the lake .* is new"),
        (place(settings).catalog, tmp_path / "raw", "are not in .*raw. Set CCG_LAKE_DATA"),
        (place(settings).catalog, tmp_path / "nowhere", "is not there. Create it"),
    ):
        with pytest.raises(lake.LakeError, match=told):
            warehouse.reach(Lake(catalog, data))
    warehouse._lakes.clear()
    (place(settings).data / "lake.json").rename(tmp_path / "lake.json")
    with pytest.raises(lake.LakeError, match=r"lake.json is not in it. Mount the folder"):
        warehouse.reach(place(settings))


def test_a_server_that_came_back_is_used_again(settings: Settings, server: postgres.Server) -> None:
    land(settings)
    server.stop()
    with pytest.raises((duckdb.Error, lake.LakeError)):
        rows(settings, "SELECT count(*) FROM raw.extracts")
    server.start()
    assert rows(settings, "SELECT count(*) FROM raw.extracts") == [(1,)]


def moved(settings: Settings, to: str) -> int:
    return cli.run(["move", "--to", to, "--home", str(settings.home)])


def test_a_warehouse_moves_into_a_lake_and_back(settings: Settings) -> None:
    embedded = Settings(settings.raw, settings.home)
    land(embedded)
    before = contents.of(embedded.warehouse_file, "raw")
    with pytest.raises(homes.HomeError, match="is a warehouse that is not in the lake"):
        homes.check(settings)
    assert moved(settings, DUCKLAKE) == 0
    assert contents.differences(before, of_schema_raw(settings)) == []
    assert not embedded.warehouse_file.exists()
    with pytest.raises(homes.HomeError, match="Set CCG_PROFILE=ducklake"):
        homes.check(embedded)
    homes.check(settings)
    put(settings.raw, MAY)
    land(settings)
    there = of_schema_raw(settings)
    assert contents.differences(before, there)
    assert moved(settings, "embedded") == 0
    assert contents.differences(there, contents.of(embedded.warehouse_file, "raw")) == []
    homes.check(embedded)


def test_a_table_that_does_not_come_over_as_it_is_moves_nothing(
    settings: Settings, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    embedded = Settings(settings.raw, settings.home)
    land(embedded)
    content, asked = moving._content, []

    def changed(con: duckdb.DuckDBPyConnection, database: str, table: str) -> tuple[int, int | None]:
        rows, hashes = content(con, database, table)
        asked.append((database, table))
        return rows, hashes if (database, table) != ("ccg", "ae") else 1

    monkeypatch.setattr(moving, "_content", changed)
    assert moved(settings, DUCKLAKE) == 2
    assert "raw.ae did not come over as it is" in capsys.readouterr().err
    assert embedded.warehouse_file.is_file() and not (settings.home / "lake.json").exists()
    with warehouse.reading(place(settings)) as con:
        assert contents.of_connection(con, "raw") == {}
