"""A real PostgreSQL server of the system's own programs, on loopback, for as long as a test wants it.

PostgreSQL does not run as root: as root it is started as nobody.
"""

from __future__ import annotations

import os
import secrets
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import psycopg2
import pytest

PASSWORD = "a/secret@of:the-lake"
IN_URLS = "a%2Fsecret%40of%3Athe-lake"
_NOBODY = 65534


def programs() -> Path:
    """The folder of the server's programs; skips where they, or what starts them as another user, are lacking."""
    found = shutil.which("initdb")
    folders = [Path(found).parent] if found else sorted(Path("/usr/lib/postgresql").glob("*/bin"))
    folders = [folder for folder in folders if (folder / "initdb").exists() and (folder / "postgres").exists()]
    if not folders:
        pytest.skip("PostgreSQL's initdb and postgres are not installed")
    if os.geteuid() == 0 and not shutil.which("setpriv"):
        pytest.skip("setpriv is not installed, and PostgreSQL must not run as root")
    return folders[-1]


@dataclass
class Server:
    """A server that can be stopped and started again."""

    folder: Path
    programs: Path
    port: int

    def url(self, database: str) -> str:
        return f"postgresql://ccg:{IN_URLS}@127.0.0.1:{self.port}/{database}"

    def new(self, database: str | None = None) -> str:
        """A new database; returns its URL."""
        database = database or f"lake_{secrets.token_hex(4)}"
        self.query("postgres", f"CREATE DATABASE {database}")
        return self.url(database)

    def query(self, database: str, sql: str) -> list[tuple]:
        con = psycopg2.connect(self.url(database))
        try:
            con.autocommit = True
            with con.cursor() as cursor:
                cursor.execute(sql)
                return cursor.fetchall() if cursor.description else []
        finally:
            con.close()

    def start(self) -> None:
        self._control("start", "-l", str(self.folder / "log.txt"))

    def stop(self, how: str = "immediate") -> None:
        self._control("stop", "-m", how)

    def _control(self, *arguments: str) -> None:
        run_as_nobody([str(self.programs / "pg_ctl"), "-D", str(self.folder / "data"), "-w", "-s", *arguments])


@contextmanager
def server() -> Iterator[Server]:
    """A server with one user, ``ccg``, whose password must be given."""
    found = programs()
    with tempfile.TemporaryDirectory(prefix="ccg-postgres-") as name, socket.socket() as free:
        folder = Path(name)
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
        (folder / "password").write_text(PASSWORD)
        if os.geteuid() == 0:
            for path in (folder, folder / "password"):
                os.chown(path, _NOBODY, _NOBODY)
        options = ["-U", "ccg", "-A", "scram-sha-256", "--pwfile", str(folder / "password"), "--no-sync", "-E", "UTF8"]
        run_as_nobody([str(found / "initdb"), "-D", str(folder / "data"), "--locale=C", *options])
        with open(folder / "data" / "postgresql.conf", "a") as configuration:
            configuration.write(
                f"listen_addresses = '127.0.0.1'\nport = {port}\nunix_socket_directories = '{folder}'\n"
                "fsync = off\nshared_buffers = 32MB\n"
            )
        free.close()
        made = Server(folder, found, port)
        made.start()
        try:
            yield made
        finally:
            made.stop()


def run_as_nobody(command: list[str]) -> None:
    before = ["setpriv", f"--reuid={_NOBODY}", f"--regid={_NOBODY}", "--clear-groups"] if os.geteuid() == 0 else []
    done = subprocess.run([*before, *command], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, cwd="/")
    assert done.returncode == 0, f"{command[0]}: {done.stderr}"
