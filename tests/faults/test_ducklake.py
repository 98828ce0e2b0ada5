"""Whole nights in a lake on a real PostgreSQL: the marts of a file, two at once, killed, read meanwhile."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import check_values
import contents
import duckdb
import kit
import postgres
import pytest
from layouts import SHARED

from ccg_pipeline import warehouse
from ccg_pipeline.settings import Lake, PublishedLake

COUNTS = """
    SELECT (SELECT count(*) FROM marts.fct_indicator_values), (SELECT count(*) FROM marts.extracts),
        (SELECT count(*) FROM raw_at_build.ae), (SELECT count(*) FROM staging.stg_ae__attendances)
"""
BOTH = (*kit.FIRST, *kit.SECOND)


@pytest.fixture(scope="module")
def server() -> Iterator[postgres.Server]:
    with postgres.server() as made:
        yield made


@dataclass
class Shared:
    """A lake, a landing folder, and the homes of the machines that share them."""

    folder: Path
    catalog: str

    @property
    def lake(self) -> Lake:
        return Lake(self.catalog, self.folder / "data")

    @property
    def variables(self) -> dict[str, str]:
        return {
            "CCG_PROFILE": "ducklake",
            "CCG_LAKE_CATALOG": self.catalog,
            "CCG_LAKE_DATA": str(self.lake.data),
        }

    def night(self, raw: Path, project: Path, home: str = "home", **more: str) -> kit.Night:
        return kit.Night(raw, self.folder / home, project, {**self.variables, **more})

    def marts(self, home: str = "home") -> str:
        return kit.marts(self.folder / home)

    def publication(self, home: str = "home") -> PublishedLake:
        return PublishedLake(kit.published(self.folder / home), self.lake)

    def rows_loaded_twice(self) -> list[str]:
        """Datasets whose rows are not just those that the registry accounts for."""
        twice = []
        with warehouse.reading(self.lake) as con:
            for table in ("ae", "dtoc"):
                counted = con.execute(
                    f"SELECT (SELECT count(*) FROM raw.{table}), (SELECT sum(row_count) FROM raw.extracts "
                    "WHERE dataset = ? AND outcome = 'loaded')",
                    [table],
                ).fetchall()[0]
                if counted[0] != counted[1]:
                    twice.append(f"{table}: {counted}")
            held, once = con.execute("SELECT count(*), count(DISTINCT extract_id) FROM raw.extracts").fetchall()[0]
        return twice if held == once else [*twice, f"{held} extracts, {once} different ones"]


@pytest.fixture
def shared(server: postgres.Server, tmp_path: Path) -> Shared:
    (tmp_path / "data").mkdir()
    return Shared(tmp_path, server.new())


@dataclass
class Undisturbed:
    """The cut-down project, landing folders, and what nights with a warehouse in a file make of them."""

    project: Path
    first: Path
    both: Path
    marts: str


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> Undisturbed:
    folder = tmp_path_factory.mktemp("undisturbed")
    project = kit.cut_down(folder / "project")
    first, both = kit.land(folder / "first", kit.FIRST), kit.land(folder / "both", BOTH)
    ended = kit.night(both, folder / "home", project)
    assert ended.code == 0, ended.said
    return Undisturbed(project, first, both, kit.marts(folder / "home"))


def secrets_in(folder: Path) -> list[str]:
    """Files below a folder that hold the password of the catalog."""
    found = []
    for path in folder.rglob("*"):
        if path.is_file():
            content = path.read_bytes()
            if postgres.PASSWORD.encode() in content or postgres.IN_URLS.encode() in content:
                found.append(str(path.relative_to(folder)))
    return found


def test_the_whole_night_is_the_same_from_a_file_and_in_a_lake(shared: Shared, server: postgres.Server) -> None:
    ended = kit.night(kit.ROOT / "raw", shared.folder / "file", kit.ROOT)
    assert ended.code == 0, ended.said
    # Dagster's own records in PostgreSQL too, in a database of their own.
    dagster = server.new().replace("postgresql://", "postgresql+psycopg2://")
    ended = shared.night(kit.ROOT / "raw", kit.ROOT, CCG_DAGSTER_POSTGRES=dagster).begin().end()
    assert ended.code == 0, ended.said
    assert server.query(dagster.rpartition("/")[2], "SELECT status FROM runs") == [("SUCCESS",)]
    here, there = (contents.of(kit.published(shared.folder / home)) for home in ("file", "home"))
    assert len(here) > 30
    assert contents.differences(here, there) == []
    with warehouse.reading(shared.publication()) as con:
        in_lake = {schema: contents.of_connection(con, schema) for schema in ("raw", "marts")}
    here_raw = contents.of(shared.folder / "file" / "warehouse.duckdb", "raw")
    assert contents.differences(here, {t: h for t, h in in_lake["marts"].items() if t in here}) == []
    # What was made by which run is told in these.
    of_runs = {"extracts", "kept_models", "run_files"}
    assert set(contents.differences(here_raw, in_lake["raw"])) <= of_runs
    assert here_raw["extracts"].split()[0] == in_lake["raw"]["extracts"].split()[0]
    again = shared.night(kit.ROOT / "raw", kit.ROOT, CCG_DAGSTER_POSTGRES=dagster).begin().end()
    assert again.code == 0 and "Nothing new" in again.said
    # What could be said by now is what is published; it is built in a file of this machine.
    asked = [sys.executable, "-c", kit.COMMAND, "nightly", "--as-known-at", f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%S}"]
    places = ["--raw", str(kit.ROOT / "raw"), "--home", str(shared.folder / "home")]
    environment = kit.environment(kit.ROOT, **shared.variables, CCG_DAGSTER_POSTGRES=dagster)
    done = subprocess.run([*asked, *places], env=environment, cwd=kit.ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    (rebuilt,) = (shared.folder / "home" / "published" / "as-known-at").glob("*/ccg.duckdb")
    assert contents.of(rebuilt)["fct_indicator_values"] == here["fct_indicator_values"]
    print(f"\n{len(here)} marts of the sample are the same: {contents.in_one(here)}")
    assert secrets_in(shared.folder) == []


@pytest.mark.skipif(not (SHARED / "data").is_dir(), reason=f"the published files ({SHARED}) are not here")
def test_the_published_files_give_the_same_from_a_file_and_in_a_lake(shared: Shared) -> None:
    for night in (
        kit.Night(SHARED / "data", shared.folder / "file", kit.ROOT),
        shared.night(SHARED / "data", kit.ROOT, CCG_COLUMN_LINEAGE="on"),
    ):
        ended = night.begin().end(1800)
        assert ended.code in (0, 3), ended.said
    assert "no column lineage" not in ended.said
    here, there = (kit.published(shared.folder / home) for home in ("file", "home"))
    assert check_values.off(SHARED, here) == []
    assert check_values.off(SHARED, there) == []
    marts, in_lake = contents.of(here), contents.of(there)
    assert contents.differences(marts, in_lake) == []
    print(f"\n{len(marts)} marts of the published files are the same: {contents.in_one(marts)}")


def test_two_nights_at_once_from_two_homes(shared: Shared, undisturbed: Undisturbed) -> None:
    nights = [shared.night(undisturbed.both, undisturbed.project, home).begin() for home in ("one", "other")]
    for night in nights:
        ended = night.end()
        assert ended.code == 0, ended.said
    assert shared.rows_loaded_twice() == []
    assert {shared.marts(home) for home in ("one", "other")} == {undisturbed.marts}
    for home in ("one", "other"):
        with warehouse.reading(shared.publication(home)) as con:
            assert con.execute("SELECT count(*) FROM raw.ae").fetchall()[0][0] > 0


@pytest.mark.parametrize("is_alone", [False, True], ids=["with dbt", "dbt lives on"])
def test_killed_while_it_loads_and_while_it_builds(shared: Shared, undisturbed: Undisturbed, is_alone: bool) -> None:
    for said in ("  loading dtoc", "  building catalogue"):
        night = shared.night(undisturbed.both, undisturbed.project).begin()
        deadline = time.monotonic() + 600
        while said not in night.said():
            assert night.process and night.process.poll() is None, night.said()
            assert time.monotonic() < deadline
            time.sleep(0.05)
        if "building" in said:
            while not kit.dbt_of(night.group):
                time.sleep(0.05)
            time.sleep(8)  # it has parsed by then, and builds
        if is_alone:
            assert night.process
            os.kill(night.process.pid, signal.SIGKILL)
            night.process.wait()
        else:
            night.kill()
    ended = shared.night(undisturbed.both, undisturbed.project).begin().end()
    assert ended.code == 0, ended.said
    assert "did not end" in ended.said
    assert shared.rows_loaded_twice() == []
    assert shared.marts() == undisturbed.marts


def test_a_reader_reads_all_through_a_night(shared: Shared, undisturbed: Undisturbed) -> None:
    ended = shared.night(undisturbed.first, undisturbed.project).begin().end()
    assert ended.code == 0, ended.said
    seen: dict[str, set[tuple]] = {}
    errors: list[BaseException] = []
    is_over = threading.Event()

    def read() -> None:
        while not is_over.is_set():
            try:
                with warehouse.reading(shared.publication()) as con:
                    ((run_id,),) = con.execute(
                        "SELECT run_id FROM marts.runs WHERE has_made_this_publication"
                    ).fetchall()
                    found = con.execute(COUNTS).fetchall()[0]
                    seen.setdefault(run_id, set()).add(found)
            except (duckdb.Error, warehouse.lake.LakeError) as error:
                errors.append(error)
            time.sleep(1)

    reader = threading.Thread(target=read)
    reader.start()
    try:
        ended = shared.night(undisturbed.both, undisturbed.project).begin().end()
        time.sleep(5)
    finally:
        is_over.set()
        reader.join()
    assert ended.code == 0, ended.said
    assert errors == []
    # Two publications, each seen whole and always the same.
    assert len(seen) == 2 and all(len(found) == 1 for found in seen.values()), seen


def test_a_move_that_is_killed_is_ended_by_the_same_command(
    shared: Shared, server: postgres.Server, undisturbed: Undisturbed
) -> None:
    """Killed at five moments of the way there, and of the way back."""
    home = shutil.copytree(undisturbed.both.parent / "home", shared.folder / "home")
    before = contents.of(home / "warehouse.duckdb", "raw")

    def move(to: str, seconds: float | None = None) -> int:
        command = [sys.executable, "-c", kit.COMMAND, "move", "--to", to, "--home", str(home)]
        environment = kit.environment(undisturbed.project, **shared.variables)
        moving = subprocess.Popen(command, env=environment, cwd=undisturbed.project)
        try:
            return moving.wait(seconds)
        except subprocess.TimeoutExpired:
            moving.kill()
            return moving.wait()

    # How long it takes, there and back again, in another lake.
    other, shared.catalog = shared.catalog, server.new()
    began = time.monotonic()
    assert move("ducklake") == 0 and move("embedded") == 0
    took = (time.monotonic() - began) / 2
    shared.catalog = other
    shutil.rmtree(shared.lake.data)
    shared.lake.data.mkdir()
    for to in ("ducklake", "embedded"):
        killed = [move(to, took * part) for part in (0.4, 0.55, 0.7, 0.8, 0.9)]
        print(f"\nmoves to {to}, killed and not: {killed}")
        assert -signal.SIGKILL in killed
        # One that came to its end all the same, or was killed after it, leaves nothing to move there, which is told.
        is_moved = to == "ducklake" and not (home / "warehouse.duckdb").exists()
        assert move(to) == (2 if is_moved else 0)
        with warehouse.reading(shared.lake if to == "ducklake" else home / "warehouse.duckdb") as con:
            assert contents.differences(before, contents.of_connection(con, "raw")) == []
        assert (home / "warehouse.duckdb").exists() == (to == "embedded")
    ended = kit.night(undisturbed.both, home, undisturbed.project)
    assert ended.code == 0, ended.said
    assert kit.marts(home) == undisturbed.marts
