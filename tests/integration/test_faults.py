"""The quick part of what `make check-faults` does at length: kills within the swap, readers across it, two writers."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import contents
import dagster as dg
import duckdb
import pytest

from ccg_pipeline import troubles, warehouse
from ccg_pipeline.assets import liveness
from ccg_pipeline.settings import PROJECT_ROOT, Settings

TESTS = PROJECT_ROOT / "tests"

# Run as a user without rights where there is one to become: root writes to files that are read-only.
_EVERY_STEP = """
import json, os, shutil, sys
from pathlib import Path
import duckdb
from ccg_pipeline import warehouse
from killing import answer, killed_at

base = Path(sys.argv[1])
if os.geteuid() == 0:
    os.setuid(65534)
home, fresh = base / "home", base / "fresh"
published = home / "published" / "ccg.duckdb"

def shown(path):
    with warehouse.reading(path) as con:
        return ",".join(con.execute("FROM marts.a UNION ALL FROM marts.b").fetchall()[i][0] for i in (0, 1))

def swap():
    warehouse.publish(home / "warehouse.duckdb", published)

def begin():
    with warehouse.sole_writer(fresh / "warehouse.duckdb"), warehouse.writing(fresh / "warehouse.duckdb") as con:
        con.execute("CREATE TABLE raw.t AS SELECT 1 AS n")

def again():
    begin_again = fresh / "warehouse.duckdb"
    with warehouse.sole_writer(begin_again), warehouse.writing(begin_again) as con:
        con.execute("CREATE OR REPLACE TABLE raw.t AS SELECT 1 AS n")
    return "well"

outcomes = []
for work, every, state, after in (
    (swap, 1, lambda: shown(published), lambda: (swap(), shown(published))[1]),
    (begin, 5, lambda: "", again),
):
    step, is_killed = 0, True
    while is_killed:
        step += every
        for folder in (home, fresh):
            shutil.rmtree(folder, ignore_errors=True)
        shutil.copytree(base / "before", home)
        fresh.mkdir()
        is_killed, name = killed_at(step, work)
        outcomes.append((work.__name__, step, name, answer(state), answer(after)))
print(json.dumps(outcomes))
"""


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """A home with a publication that says old in both its tables, and a warehouse that says new."""
    folder = tmp_path / "before"
    _say(folder / "published" / "ccg.duckdb", "old")
    _say(folder / "warehouse.duckdb", "new")
    (folder / "published" / "ccg.duckdb").chmod(0o444)
    return folder


@pytest.fixture
def anyone() -> Iterator[Path]:
    """A folder that every user gets to: those of pytest are the user's own."""
    with tempfile.TemporaryDirectory() as folder:
        yield Path(folder)


def _say(database: Path, word: str) -> None:
    database.parent.mkdir(parents=True, exist_ok=True)
    database.unlink(missing_ok=True)
    con = duckdb.connect(str(database))
    con.execute(f"CREATE SCHEMA marts; CREATE TABLE marts.a AS SELECT '{word}' AS says; FROM marts.a")
    con.execute("CREATE TABLE marts.b AS FROM marts.a")
    con.close()


def test_killed_at_each_step_of_the_swap_and_of_making_the_warehouse(home: Path, anyone: Path) -> None:
    shutil.copytree(home, anyone / "before")
    for path in [anyone, *anyone.rglob("*")]:
        if os.geteuid() == 0:
            os.chown(path, 65534, 65534)
    done = subprocess.run(
        [sys.executable, "-c", _EVERY_STEP, str(anyone)],
        capture_output=True,
        text=True,
        cwd=PROJECT_ROOT,
        env={**os.environ, "PYTHONPATH": f"{PROJECT_ROOT}:{TESTS / 'faults'}"},
    )
    assert done.returncode == 0, done.stderr
    outcomes = json.loads(done.stdout)
    swaps = [outcome for outcome in outcomes if outcome[0] == "swap"]
    assert {state for *_, state, _ in swaps} == {"old,old", "new,new"}
    assert swaps[-1][3] == "new,new" and len(swaps) > 15
    assert {"fsync", "replace", "chmod"} <= {name for _, _, name, _, _ in swaps}
    assert [outcome for outcome in swaps if outcome[4] != "new,new"] == []
    assert [outcome for outcome in outcomes if outcome[0] == "begin" and outcome[4] != "well"] == []


_READER = """
import sys
from pathlib import Path
from ccg_pipeline import warehouse
print("ready", flush=True)
seen = []
while not Path(sys.argv[2]).exists() or not seen or seen[-1] != "last":
    with warehouse.reading(Path(sys.argv[1])) as con:
        words = {con.execute(f"FROM marts.{t}").fetchall()[0][0] for _ in range(5) for t in ("a", "b")}
    assert len(words) == 1, words
    seen.append(words.pop())
print("changes", len(set(seen)), flush=True)
"""


def test_readers_see_one_publication_each_and_old_copies_go_with_the_last_reader(home: Path) -> None:
    published, stop = home / "published" / "ccg.duckdb", home / "stop"
    readers = [
        subprocess.Popen(
            [sys.executable, "-c", _READER, str(published), str(stop)],
            stdout=subprocess.PIPE,
            text=True,
            cwd=PROJECT_ROOT,
        )
        for _ in range(3)
    ]
    assert all(reader.stdout and reader.stdout.readline() == "ready\n" for reader in readers)
    with warehouse.reading(published) as con:
        for word in ("second", "third", "last"):
            _say(home / "warehouse.duckdb", word)
            warehouse.publish(home / "warehouse.duckdb", published)
        assert con.execute("FROM marts.b").fetchall() == [("old",)]
        assert _held_and_removed(published) == 1
    assert _held_and_removed(published) == 0
    stop.touch()
    said = [reader.communicate(timeout=60)[0] for reader in readers]
    assert [reader.returncode for reader in readers] == [0, 0, 0]
    assert all(text.startswith("changes") for text in said)


def _held_and_removed(path: Path) -> int:
    """How many files that once stood at a path this process still holds open: what makes the disk keep them."""
    links = [os.readlink(link) for link in Path("/proc/self/fd").iterdir() if link.is_symlink()]
    return sum(target == f"{path} (deleted)" for target in links)


def test_a_run_waits_for_another_as_long_as_it_is_told_to(tmp_path: Path) -> None:
    script = (
        "import sys, time, pathlib; from ccg_pipeline.warehouse import sole_writer\n"
        "with sole_writer(pathlib.Path(sys.argv[1])):\n    print('held', flush=True); time.sleep(2)"
    )
    path, told = tmp_path / "warehouse.duckdb", []
    with subprocess.Popen(
        [sys.executable, "-c", script, str(path)], stdout=subprocess.PIPE, text=True, cwd=PROJECT_ROOT
    ) as other:
        assert other.stdout is not None and other.stdout.readline() == "held\n"
        with warehouse.sole_writer(path, patience_seconds=30, told=told.append):
            assert other.wait() == 0
    assert told == [f"waiting for another run (process {other.pid}), which is writing {path}"]


def test_a_damaged_warehouse_is_told_with_what_to_do(home: Path) -> None:
    path = home / "warehouse.duckdb"
    whole = path.read_bytes()
    for spoilt in (b"", b"no database" * 2000, whole[:8192], bytes(12288) + whole[12288:]):
        path.write_bytes(spoilt)
        with (
            pytest.raises(warehouse.WarehouseDamagedError, match=r"Restore the last backup; or remove warehouse"),
            warehouse.sole_writer(path),
        ):
            pass


def test_a_log_with_a_gap_is_set_aside(home: Path) -> None:
    path, log, told = home / "warehouse.duckdb", home / "warehouse.duckdb.wal", []
    script = (
        "import duckdb, os, sys; con = duckdb.connect(sys.argv[1]); con.execute('CREATE TABLE marts.c AS "
        "SELECT range n FROM range(9000)'); os.kill(os.getpid(), 9)"
    )
    subprocess.run([sys.executable, "-c", script, str(path)])
    written = log.read_bytes()
    log.write_bytes(written[: len(written) // 2] + bytes(len(written) // 2))
    with warehouse.sole_writer(path, told=told.append), warehouse.reading(path) as con:
        assert con.execute("FROM marts.a").fetchall() == [("new",)]
    assert len(told) == 1 and "set aside" in told[0]
    assert not log.exists()


def test_contents_tell_a_changed_row_and_not_another_order(tmp_path: Path) -> None:
    hashes = []
    for number, rows in enumerate(("(1, 'a'), (2, NULL)", "(2, NULL), (1, 'a')", "(1, 'a'), (2, 'NULL')")):
        con = duckdb.connect(str(tmp_path / f"{number}.duckdb"))
        con.execute("CREATE SCHEMA marts; CREATE TABLE marts.runs AS SELECT uuid() AS run_id")
        con.execute(f"CREATE TABLE marts.t AS SELECT *, now() AS received_at FROM (VALUES {rows}) v(n, word)")
        con.close()
        hashes.append(contents.of(tmp_path / f"{number}.duckdb"))
    assert list(hashes[0]) == ["t"]
    assert contents.differences(hashes[0], hashes[1]) == []
    assert contents.differences(hashes[0], hashes[2]) == ["t"]
    assert contents.in_one(hashes[0]) != contents.in_one(hashes[2])


@pytest.mark.parametrize(
    ("error", "begins", "says"),
    [
        (
            "OSError: [Errno 28] No space left on device: '{home}/published/ccg.next'",
            "no room is left in {home} (",
            "MB",
        ),
        ("IO Error: Could not write to '{home}/x': No space left on device", "no room is left in {home} (", "repaired"),
        ("OperationalError: (sqlite3) database or disk is full", "no room is left in {home} (", "full"),
        ("OSError: [Errno 27] File too large", "", "may not write as much in {home} as is needed"),
        ("PermissionError: [Errno 13] Permission denied: '{home}/published/x'", "{home} cannot be written", "mounted"),
        ("The dbt CLI process\n\n`dbt build`\n\nfailed with exit code `-9`.", "memory ran out", "container"),
        ("IO Error: Corrupt database file: computed checksum 1", "{home}/warehouse.duckdb is damaged", "backup"),
    ],
)
def test_trouble_is_told_with_the_folder_and_what_to_do(tmp_path: Path, error: str, begins: str, says: str) -> None:
    words = troubles.in_words(error.format(home=tmp_path), Settings(tmp_path, tmp_path))
    assert words is not None and words.startswith(begins.format(home=tmp_path))
    assert says.format(home=tmp_path) in words


def test_what_is_no_trouble_of_the_machine_keeps_its_own_words(tmp_path: Path) -> None:
    assert troubles.in_words("raw/ae: quality: attendances are below zero", Settings(tmp_path, tmp_path)) is None


def test_a_run_whose_process_is_gone_is_ended_and_one_under_way_is_not(tmp_path: Path) -> None:
    settings = Settings(tmp_path, tmp_path)

    @dg.asset(pool="warehouse")
    def one() -> None: ...

    job = dg.Definitions(assets=[one], jobs=[dg.define_asset_job("nightly")]).resolve_job_def("nightly")
    with dg.DagsterInstance.ephemeral() as instance:
        alive, dead, fresh = (instance.create_run_for_job(job, status=dg.DagsterRunStatus.STARTED) for _ in range(3))
        with liveness.shown(settings, alive.run_id):
            lock = settings.dagster_home / "under-way" / f"{dead.run_id}.lock"
            lock.touch()
            assert liveness.end_dead_runs(instance, settings) == [dead.run_id]
        statuses = {run.run_id: run.status for run in instance.get_runs()}
    assert statuses[dead.run_id] == dg.DagsterRunStatus.FAILURE
    assert statuses[alive.run_id] == statuses[fresh.run_id] == dg.DagsterRunStatus.STARTED
    assert not lock.exists() and not (settings.dagster_home / "under-way" / f"{alive.run_id}.lock").exists()
