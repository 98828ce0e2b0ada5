"""A whole night needs no network, speaks to nobody outside the machine, and listens to nothing.

The night runs in a network namespace that has no interface in use (loopback is down too), and every system call about
sockets of all its processes is written down. Needs root or user namespaces, and strace.
"""

from __future__ import annotations

import ipaddress
import os
import re
import shutil
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

from ccg_pipeline.settings import PROJECT_ROOT

_CALL = re.compile(r"^(?:\d+ +)?(?:<\.\.\. )?(\w+)\(")
_REACHING = ("connect", "bind", "sendto", "sendmsg", "sendmmsg")
_INET = re.compile(r'sa_family=AF_INET6?, .*?(?:inet_addr\("([^"]+)"\)|inet_pton\(AF_INET6, "([^"]+)")')


@pytest.fixture
def apart() -> list[str]:
    """The command that runs another in a network namespace of its own; skips where that is not allowed."""
    for command in (["unshare", "--net"], ["unshare", "--map-root-user", "--net"]):
        if shutil.which("unshare") and subprocess.run([*command, "true"], capture_output=True).returncode == 0:
            return command
    pytest.skip("network namespaces are not allowed here (root or user namespaces, and unshare, are needed)")


@pytest.fixture
def watched(tmp_path: Path) -> list[str]:
    """The command that notes the system calls about sockets of another and all its children; skips without strace."""
    trace = tmp_path / "trace"
    command = ["strace", "-f", "--seccomp-bpf", "-qq", "-e", "trace=network", "-e", "signal=none", "-o", str(trace)]
    if not shutil.which("strace") or subprocess.run([*command, "true"], capture_output=True).returncode:
        pytest.skip("strace is not installed, or may not trace here")
    return command


def outside(trace: Path) -> tuple[list[str], Counter[str]]:
    """The calls that name an address off this machine or wait for others to connect; and all calls, counted."""
    found, counted = [], Counter()
    for line in trace.read_text(errors="replace").splitlines():
        call = _CALL.match(line)
        counted[call[1] if call else "?"] += 1
        is_outside = False
        for address in _INET.findall(line) if call and call[1] in _REACHING else ():
            is_outside |= not ipaddress.ip_address(address[0] or address[1]).is_loopback
        if is_outside or (call and call[1] == "listen"):
            found.append(line)
    return found, counted


def test_what_speaks_to_others_is_noticed(apart: list[str], watched: list[str]) -> None:
    """The measure itself: each of these must be found."""
    probes = {
        "connect": "s.connect(('192.0.2.1', 80))",
        "sendto": "socket.socket(socket.AF_INET, socket.SOCK_DGRAM).sendto(b'x', ('192.0.2.1', 53))",
        "listen": "s.bind(('127.0.0.1', 0)); s.listen()",
        "bind": "s.bind(('0.0.0.0', 0))",
    }
    for call, probe in probes.items():
        script = f"import socket, subprocess, sys; s = socket.socket()\ntry: {probe}\nexcept OSError: pass"
        child = f"import subprocess, sys; subprocess.run([sys.executable, '-c', {script!r}])"
        subprocess.run([*apart, *watched, sys.executable, "-c", child], check=True)
        found, _ = outside(Path(watched[-1]))
        assert [_CALL.match(line)[1] for line in found] == [call], (call, found)  # type: ignore[index]
    subprocess.run([*apart, *watched, sys.executable, "-c", "import socket; socket.socketpair()"], check=True)
    assert outside(Path(watched[-1]))[0] == []


def test_a_whole_night_without_a_network(apart: list[str], watched: list[str], tmp_path: Path) -> None:
    home = tmp_path / "home"
    interfaces = subprocess.run([*apart, "cat", "/proc/net/dev"], capture_output=True, text=True, check=True).stdout
    assert re.findall(r"^\s*(\w+):", interfaces, re.MULTILINE) == ["lo"], "and that is down"
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("CCG_", "DAGSTER_"))}
    nightly = ["nightly", "--raw", str(PROJECT_ROOT / "raw"), "--home", str(home)]
    night = subprocess.run(
        [*apart, *watched, sys.executable, "-m", "ccg_pipeline.cli", *nightly],
        cwd=PROJECT_ROOT,
        env=environment | {"CCG_COLUMN_LINEAGE": "off", "PYTHONPATH": str(PROJECT_ROOT)},
        capture_output=True,
        text=True,
    )
    assert night.returncode == 0, night.stdout + night.stderr
    assert (home / "published" / "ccg.duckdb").is_file()
    found, counted = outside(Path(watched[-1]))
    print("\nsystem calls about sockets in a night:", dict(counted))
    assert found == []
    assert counted["socketpair"] + counted["socket"] > 0, "the trace holds the night"
