"""Where Dagster's records are kept: who writes dagster.yaml, and a real PostgreSQL server where one is installed."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any
from urllib.parse import quote

import dagster as dg
import pytest

from ccg_pipeline import cli
from ccg_pipeline.homes import HomeError
from ccg_pipeline.operations import dagster_home
from ccg_pipeline.settings import Settings

VARIABLE = "CCG_DAGSTER_POSTGRES"
# A password with what an address has to write otherwise.
PASSWORD = "p@ss:w%rd/1"
NOBODY = 65534


@pytest.fixture
def settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Settings:
    monkeypatch.delenv(VARIABLE, raising=False)
    return Settings(tmp_path / "raw", tmp_path / "home")


def written(settings: Settings) -> str:
    return (settings.dagster_home / "dagster.yaml").read_text()


def test_files_at_first_and_postgres_once_it_is_asked_for(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    dagster_home.prepare(settings)
    assert written(settings) == dagster_home.FILES
    monkeypatch.setenv(VARIABLE, "postgresql+psycopg2://ccg:hidden-word@db/ccg")
    dagster_home.prepare(settings)
    assert "env: CCG_DAGSTER_POSTGRES" in written(settings) and "hidden-word" not in written(settings)
    assert "event_log_storage" not in written(settings)  # Dagster takes no more than one place for its events
    dagster_home.prepare(settings)
    assert written(settings) == dagster_home.POSTGRES

    # Without the address nothing may go on in other records than those that the services keep.
    monkeypatch.delenv(VARIABLE)
    with pytest.raises(HomeError, match="is not set"):
        dagster_home.prepare(settings)
    assert written(settings) == dagster_home.POSTGRES


def test_the_file_of_an_earlier_version_gets_the_event_log(settings: Settings) -> None:
    dagster_home.prepare(settings)
    path = settings.dagster_home / "dagster.yaml"
    path.write_text(dagster_home.FILES.partition("event_log_storage")[0])
    assert dagster_home.disagreement(settings, path.read_text()) is None
    dagster_home.prepare(settings)
    assert written(settings) == dagster_home.FILES


def test_what_an_operator_changed_stays(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    dagster_home.prepare(settings)
    mine = dagster_home.FILES.replace("INFO", "DEBUG")
    (settings.dagster_home / "dagster.yaml").write_text(mine)
    dagster_home.prepare(settings)
    assert written(settings) == mine
    monkeypatch.setenv(VARIABLE, "postgresql+psycopg2://ccg:hidden-word@db/ccg")
    with pytest.raises(HomeError, match="changed by hand") as told:
        dagster_home.prepare(settings)
    assert "hidden-word" not in str(told.value) and written(settings) == mine
    mine = dagster_home.POSTGRES.replace("INFO", "DEBUG")
    (settings.dagster_home / "dagster.yaml").write_text(mine)
    dagster_home.prepare(settings)
    assert written(settings) == mine


def test_a_night_stops_with_words_where_the_two_disagree(
    settings: Settings, sample_raw: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv(VARIABLE, "postgresql+psycopg2://ccg:hidden-word@db/ccg")
    dagster_home.prepare(settings)
    monkeypatch.delenv(VARIABLE)
    assert cli.run(["nightly", "--raw", str(sample_raw), "--home", str(settings.home)]) == 2
    told = capsys.readouterr().err
    assert VARIABLE in told and "Traceback" not in told


@pytest.fixture(scope="module")
def postgres() -> Iterator[int]:
    """A server of its own on loopback, whose database ``postgres`` asks ``ccg`` for a password; gives its port."""
    programs = [Path(p) for p in (shutil.which("initdb"), *Path("/usr/lib/postgresql").glob("*/bin/initdb")) if p]
    if not programs:
        pytest.skip("PostgreSQL (initdb) is not installed")
    binaries = programs[-1].parent
    # It does not run as root, and another user cannot get into the folders of pytest.
    as_nobody: dict[str, Any] = {"user": NOBODY, "group": NOBODY, "extra_groups": []} if os.geteuid() == 0 else {}
    with tempfile.TemporaryDirectory(prefix="ccg-postgres-", ignore_cleanup_errors=True) as name, ExitStack() as held:
        folder = Path(name)
        if as_nobody:
            os.chown(folder, NOBODY, NOBODY)
        (folder / "password").write_text(PASSWORD)
        (folder / "password").chmod(0o644)
        data = [str(binaries / "initdb"), "-D", f"{name}/data", "-U", "ccg", "-E", "UTF8", "--auth=scram-sha-256", "-N"]
        made = subprocess.run(
            [*data, f"--pwfile={folder / 'password'}"], cwd=folder, capture_output=True, text=True, **as_nobody
        )
        assert made.returncode == 0, made.stdout + made.stderr
        port = _free_port()
        log = held.enter_context(open(folder / "log", "w"))
        options = f"-D {name}/data -p {port} -c listen_addresses=127.0.0.1 -c unix_socket_directories={name} -F"
        server = subprocess.Popen(
            [str(binaries / "postgres"), *options.split()], cwd=folder, stdout=log, stderr=log, **as_nobody
        )
        held.callback(server.wait, 30)
        held.callback(server.send_signal, signal.SIGINT)
        for _ in range(150):
            if "ready to accept connections" in (folder / "log").read_text():
                break
            assert server.poll() is None, (folder / "log").read_text()
            time.sleep(0.2)
        yield port


def _free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


def test_a_run_is_recorded_in_postgres(settings: Settings, postgres: int, monkeypatch: pytest.MonkeyPatch) -> None:
    @dg.asset
    def one() -> dg.MaterializeResult:
        return dg.MaterializeResult(metadata={"rows": 1})

    def run() -> tuple[str, bool, object, int]:
        with dg.DagsterInstance.from_config(str(settings.dagster_home)) as instance:
            result = dg.materialize([one], instance=instance)
            event = instance.get_latest_materialization_event(one.key)
            assert event is not None and event.asset_materialization is not None
            return (
                type(instance.run_storage).__name__,
                event.run_id == result.run_id,
                event.asset_materialization.metadata["rows"].value,
                len(instance.get_runs()),
            )

    def address(password: str) -> str:
        return f"postgresql+psycopg2://ccg{password and ':'}{quote(password, safe='')}@127.0.0.1:{postgres}/postgres"

    monkeypatch.setenv(VARIABLE, address(PASSWORD))
    dagster_home.prepare(settings)
    assert run() == ("PostgresRunStorage", True, 1, 1)

    # The password may be kept out of the environment: libpq reads it from a file.
    password_file = settings.home / "pgpass"
    password_file.write_text(f"127.0.0.1:*:*:ccg:{PASSWORD.replace(':', chr(92) + ':')}\n")
    password_file.chmod(0o600)
    monkeypatch.setenv(VARIABLE, address(""))
    monkeypatch.setenv("PGPASSFILE", str(password_file))
    assert run() == ("PostgresRunStorage", True, 1, 2)
    assert not list(settings.dagster_home.rglob("*.db")), "nothing is recorded in files beside"
