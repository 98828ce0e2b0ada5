"""Nights by a process that has imported everything: what a night does and leaves is the same, and it begins at once.

Run as a program it forks a process for each command that it is sent: for a night, and for the dbt of that night, whose
executable is this program too. It opens no database and starts no thread itself, so that its copies are sound.
"""

from __future__ import annotations

import importlib
import json
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import threading
from pathlib import Path

_DBT = "CCG_FAULT_WARM_DBT"  # in the environment of a night: the socket on which its dbt is asked for


class Warm:
    """A process for nights of one project; ended by `end`."""

    def __init__(self, project: Path, environment: dict[str, str]) -> None:
        # In memory, where that is a folder: what a kill left is gone on from, and no power is cut.
        memory = Path("/dev/shm")
        is_roomy = memory.is_dir() and shutil.disk_usage(memory).free > 2_000_000_000
        self.place = Path(tempfile.mkdtemp(prefix="ccg-warm-", dir=memory if is_roomy else None))
        self.socket = self.place / "asked"
        shim = self.place / "dbt"
        shim.write_text(f"#!{sys.executable} -IS\n{_SHIM}")
        shim.chmod(0o755)
        self.process = subprocess.Popen(
            [sys.executable, __file__, str(self.socket)],
            cwd=project,
            env=environment,
            stdout=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )
        assert self.process.stdout and self.process.stdout.readline() == "ready\n"

    def __enter__(self) -> Warm:
        return self

    def __exit__(self, *_: object) -> None:
        self.end()

    def night(self, raw: Path, home: Path) -> tuple[int, str]:
        """The exit code of a night, and all it said."""
        log = self.place / f"{home.name}.said.txt"
        with socket.socket(socket.AF_UNIX) as to, open(log, "w") as said:
            to.connect(str(self.socket))
            command = ["nightly", "--raw", str(raw), "--home", str(home)]
            asked = {"kind": "night", "arguments": command, "environment": {_DBT: str(self.place / "dbt")}}
            socket.send_fds(to, [json.dumps(asked).encode() + b"\n"], [said.fileno(), said.fileno()])
            code = int(to.makefile().readline())
        return code, log.read_text()

    def end(self) -> None:
        self.process.kill()
        self.process.wait()
        shutil.rmtree(self.place, ignore_errors=True)


# What a night runs as dbt: passes the command and its own output on, and ends as that ended.
_SHIM = """
import json, os, socket, sys
with socket.socket(socket.AF_UNIX) as to:
    to.connect(os.path.join(os.path.dirname(sys.argv[0]), "asked"))
    asked = {"kind": "dbt", "arguments": sys.argv[1:], "environment": dict(os.environ), "folder": os.getcwd()}
    socket.send_fds(to, [json.dumps(asked).encode() + b"\\n"], [1, 2])
    sys.exit(int(to.makefile().readline()))
"""


def _night(arguments: list[str]) -> int:
    from ccg_pipeline import cli
    from ccg_pipeline.settings import Settings

    Settings.dbt_executable = property(lambda self: os.environ[_DBT])  # type: ignore[method-assign, assignment]
    return cli.run(arguments)


def _dbt(arguments: list[str]) -> int:
    from dbt.adapters.duckdb.connections import DuckDBConnectionManager
    from dbt.cli.main import cli

    try:
        cli.main(arguments, prog_name="dbt", standalone_mode=False)
        return 0
    except Exception as error:
        print(error, file=sys.stderr)
        return getattr(error, "exit_code", 2)
    finally:
        DuckDBConnectionManager.close_all_connections()


_IMPORTED = (
    *("ccg_pipeline.definitions", "ccg_pipeline.checks.running", "ccg_pipeline.cli", "pandas", "great_expectations"),
    *("dagster_dbt", "dbt.cli.main", "dbt.adapters.duckdb"),
)


def _serve(asked: Path) -> None:
    for module in _IMPORTED:
        importlib.import_module(module)
    assert threading.active_count() == 1, threading.enumerate()
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(str(asked))
        listening.listen()
        print("ready", flush=True)
        while True:
            connection, _ = listening.accept()
            if os.fork() == 0:
                listening.close()
                _answer(connection)
            connection.close()
            while _reaped():
                pass


def _reaped() -> bool:
    try:
        return os.waitpid(-1, os.WNOHANG)[0] > 0
    except ChildProcessError:
        return False


def _answer(connection: socket.socket) -> None:
    """Do what is asked in a process of its own, so that its end, however it comes, is told."""
    content, outputs, _, _ = socket.recv_fds(connection, 1 << 20, 2)
    while not content.endswith(b"\n"):
        content += connection.recv(1 << 20)
    asked = json.loads(content)
    worker = os.fork()
    if worker == 0:
        connection.close()
        os.setsid()
        for descriptor, output in zip((1, 2), outputs, strict=True):
            os.dup2(output, descriptor)
        if "folder" in asked:
            os.environ.clear()
            os.chdir(asked["folder"])
        os.environ.update(asked["environment"])
        code = 1
        try:
            code = {"night": _night, "dbt": _dbt}[asked["kind"]](asked["arguments"])
        except SystemExit as ended:
            code = ended.code if isinstance(ended.code, int) else 1
        finally:
            sys.stdout.flush()
            sys.stderr.flush()
            os._exit(code)
    _, status = os.waitpid(worker, 0)
    connection.sendall(f"{os.waitstatus_to_exitcode(status)}\n".encode())
    os._exit(0)


if __name__ == "__main__":
    _serve(Path(sys.argv[1]))
