"""The two processes of the service, as a user without rights: what they listen to, that the schedule starts a night,
and that they end when they are asked to, in the middle of one too.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import sqlite3
import subprocess
import sys
import tempfile
import time
import urllib.request
import uuid
from collections.abc import Callable, Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path

import kit
import pytest

from ccg_pipeline import nights, warehouse
from ccg_pipeline.operations import doctor, schedule
from ccg_pipeline.settings import PROJECT_ROOT, Settings

NOBODY = 65534
MARK = "CCG_TEST_OF_SERVICES"


@pytest.fixture
def unprivileged() -> list[str]:
    """The command that runs another as nobody; as root it needs setpriv, and skips where that is missing."""
    if os.geteuid() != 0:
        return []
    if not shutil.which("setpriv"):
        pytest.skip("setpriv is not installed, and these processes must not run as root")
    plain = ["setpriv", f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups", "--no-new-privs"]
    # Where the Python of the tests is in root's own folder, nobody is let through to read, and to nothing else.
    reading = ["--inh-caps=-all,+dac_read_search", "--ambient-caps=-all,+dac_read_search"]
    for command in ([*plain, "--inh-caps=-all", "--bounding-set=-all"], [*plain, *reading]):
        # By way of a shell: setpriv itself still finds its way with root's rights.
        program = str(Path(sys.executable).parent / "dagster")
        tried = subprocess.run([*command, "sh", "-c", f"'{program}' --version"], capture_output=True)
        if tried.returncode == 0:
            return command
    pytest.skip("nobody cannot run the Python of these tests")


@pytest.fixture
def settings() -> Iterator[Settings]:
    """A home folder and a landing folder of a few files, which belong to nobody."""
    with tempfile.TemporaryDirectory(prefix="ccg-services-", ignore_cleanup_errors=True) as folder:
        made = Settings(Path(folder) / "raw", Path(folder) / "home")
        kit.land(made.raw, kit.FIRST)
        made.home.mkdir()
        if os.geteuid() == 0:
            for path in (Path(folder), made.home):
                os.chown(path, NOBODY, NOBODY)
        yield made


class Services:
    """What was started, known by a mark in the environment: processes that these start carry it too."""

    def __init__(self, settings: Settings, before: list[str]) -> None:
        self.settings, self.before, self.mark = settings, before, uuid.uuid4().hex
        self.log = settings.home.parent / "said.txt"

    def start(self, *arguments: str) -> subprocess.Popen[bytes]:
        variables = {MARK: self.mark, "CCG_HOME": str(self.settings.home), "CCG_RAW": str(self.settings.raw)}
        with open(self.log, "a") as log:
            return subprocess.Popen(
                [*self.before, sys.executable, "-m", "ccg_pipeline.cli", "serve", *arguments],
                cwd=PROJECT_ROOT,
                env=kit.environment(PROJECT_ROOT, HOME=str(self.settings.home.parent), **variables),
                stdout=log,
                stderr=log,
                start_new_session=True,
            )

    def processes(self) -> dict[int, str]:
        """Number and command of each that has not ended."""
        found = {}
        for process in Path("/proc").glob("[0-9]*"):
            try:
                if f"{MARK}={self.mark}".encode() in (process / "environ").read_bytes():
                    state = (process / "stat").read_text().rpartition(")")[2].split()[0]
                    if state not in "ZX":
                        found[int(process.name)] = (process / "cmdline").read_text().replace("\0", " ")
            except OSError:
                continue
        return found

    def listening(self) -> set[tuple[str, int]]:
        """Addresses on which any of them waits for others to connect."""
        sockets = set()
        for number in self.processes():
            for descriptor in Path(f"/proc/{number}/fd").glob("*"):
                try:
                    sockets.add(os.readlink(descriptor))
                except OSError:
                    continue
        found = set()
        for table in ("tcp", "tcp6"):
            for line in Path(f"/proc/net/{table}").read_text().splitlines()[1:]:
                local, state, inode = (line.split()[n] for n in (1, 3, 9))
                if state == "0A" and f"socket:[{inode}]" in sockets:
                    address, port = local.split(":")
                    packed = b"".join(bytes.fromhex(address[n : n + 8])[::-1] for n in range(0, len(address), 8))
                    kind = socket.AF_INET if table == "tcp" else socket.AF_INET6
                    found.add((socket.inet_ntop(kind, packed), int(port, 16)))
        return found

    def end(self, seconds: float) -> tuple[float, int]:
        """End all of them as systemd does: asked at once, and what is left after some time is killed.

        Returns how long they took, and how many had to be killed.
        """
        begun = time.monotonic()
        for number in self.processes():
            os.kill(number, signal.SIGTERM)
        while self.processes() and time.monotonic() < begun + seconds:
            time.sleep(0.5)
        left = self.processes()
        for number in left:
            os.kill(number, signal.SIGKILL)
        self.wait(lambda: not self.processes(), 30, "all processes ended")
        return time.monotonic() - begun, len(left)

    def wait(self, is_so: Callable[[], object], seconds: float, what: str) -> None:
        deadline = time.monotonic() + seconds
        while not is_so():
            said = self.log.read_text()[-3000:] if self.log.exists() else ""
            assert time.monotonic() < deadline, f"{what}? {self.processes()}\n{said}"
            time.sleep(0.5)


@pytest.fixture
def services(settings: Settings, unprivileged: list[str]) -> Iterator[Services]:
    services = Services(settings, unprivileged)
    try:
        yield services
    finally:
        services.end(0)


def schedule_states(settings: Settings) -> list[tuple[str, int, str]]:
    """What Dagster knows of when the schedule was looked at last: table, row and text."""
    database = settings.dagster_home / "schedules" / "schedules.db"
    if not database.is_file():
        return []
    with closing(sqlite3.connect(database, timeout=20)) as con:
        try:
            return [
                (table, row, body)
                for table, column in (("jobs", "job_body"), ("instigators", "instigator_body"))
                for row, body in con.execute(f"SELECT id, {column} FROM {table}").fetchall()
                if "nightly_at_two" in body
            ]
        except sqlite3.OperationalError:
            return []  # not laid out yet


def set_back(settings: Settings, to: datetime) -> None:
    """Have the schedule looked at last at an earlier time, as on a machine that was off since."""
    with closing(sqlite3.connect(settings.dagster_home / "schedules" / "schedules.db", timeout=20)) as con:
        for table, row, body in schedule_states(settings):
            state = json.loads(body)
            for name in ("start_timestamp", "last_iteration_timestamp"):
                state["job_specific_data"][name] = to.timestamp()
            column = "job_body" if table == "jobs" else "instigator_body"
            con.execute(f"UPDATE {table} SET {column} = ? WHERE id = ?", [json.dumps(state), row])
        con.commit()


def test_the_service(services: Services, settings: Settings) -> None:
    # A daemon that has nothing to do ends at once, and cleanly.
    daemon = services.start("daemon")
    services.wait(lambda: schedule_states(settings), 240, "the daemon has looked at the schedule")
    assert services.listening() == set(), "the daemon and its code server listen to nothing but socket files"
    assert {os.stat(f"/proc/{n}").st_uid for n in services.processes()} == {NOBODY if services.before else os.geteuid()}
    took, killed = services.end(60)
    assert (daemon.wait(), killed) == (0, 0)
    print(f"\ndaemon without a run ended in {took:.1f} s")

    # Two o'clock has passed while it was off: the night is made up for.
    now = datetime.now(UTC)
    missed = schedule.next_run(now - timedelta(days=1))
    set_back(settings, missed.astimezone(UTC) - timedelta(hours=1))
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    daemon = services.start("daemon")
    page = services.start("webserver", "--port", str(port))
    services.wait(lambda: warehouse.is_being_written(settings.warehouse), 300, "a night is writing")
    services.wait(lambda: services.listening(), 120, "the page is there")
    assert services.listening() == {("127.0.0.1", port)}
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/server_info", timeout=20) as answer:
        assert "dagster_version" in json.load(answer)
    (begun,) = nights.records(settings)
    assert (begun["kind"], begun["outcome"]) == (nights.SCHEDULE, nights.UNDER_WAY)
    told = {f.topic: f for f in doctor.examine(settings, datetime.now(UTC))}
    assert told["daemon"].verdict == doctor.OK and told["daemon"].found.startswith("running")
    assert told["write lock"].found.startswith("a run is writing since")

    # Both are stopped in the middle of it. Dagster lets a night go on that is asked to end, and so it is killed.
    took, killed = services.end(20)
    print(f"both, with a night under way, ended in {took:.1f} s; {killed} processes of the night were killed")
    assert (daemon.wait(), page.wait()) == (0, 0)
    assert not warehouse.is_being_written(settings.warehouse)
    assert not settings.published.exists()
    # The system may take a moment to clear away what was killed.
    services.wait(lambda: nights.killed_last(settings), 60, "the night is known to have been killed")
    (told_of_run,) = [f for f in doctor.examine(settings, datetime.now(UTC)) if "did not end" in f.found]
    assert told_of_run.verdict == doctor.LOOK and "nothing to repair" in told_of_run.do
