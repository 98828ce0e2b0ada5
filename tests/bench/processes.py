"""A command as it is measured: how long it took, and the memory that its processes held, those of dbt apart."""

from __future__ import annotations

import os
import resource
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

_EVERY = 0.2  # seconds between two looks at the processes
_MIB = 1024
# Settings of the machine at hand, but for the size of files and memory: nights of a benchmark tell nobody anything.
_KEPT = ("CCG_MOST_FILE_MB", "CCG_DUCKDB_MEMORY_MB")


_SHORT = 3  # how often a short command is measured


class CommandFailed(Exception):
    """A command ended otherwise than it was to."""


@dataclass
class Measured:
    """One command. ``seconds`` on the clock, ``cpu_seconds`` of all cores; peaks of resident memory in MiB: the largest
    single process of the pipeline and of dbt, and all processes at one moment; None where the system does not say."""

    seconds: float
    cpu_seconds: float
    pipeline_mib: int | None
    dbt_mib: int | None
    all_mib: int | None
    output: str

    def figures(self) -> dict[str, Any]:
        return {name: value for name, value in asdict(self).items() if name != "output"}


def run(
    command: Sequence[str | Path], exits: Sequence[int] = (0,), environment: Mapping[str, str] | None = None
) -> Measured:
    """Run a command to its end. Raises `CommandFailed` with the end of what it printed."""
    variables = {k: v for k, v in os.environ.items() if not k.startswith("CCG_") or k in _KEPT}
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    with tempfile.TemporaryFile() as printed:
        started = time.perf_counter()
        process = subprocess.Popen(
            [str(part) for part in command],
            stdin=subprocess.DEVNULL,
            stdout=printed,
            stderr=subprocess.STDOUT,
            env={**variables, **(environment or {})},
        )
        watch = _Watch(process.pid)
        watch.start()
        try:
            code = process.wait()
            seconds = time.perf_counter() - started
        except BaseException:
            process.terminate()
            process.wait()
            raise
        finally:
            watch.stop()
        printed.seek(0)
        output = printed.read().decode(errors="replace")
    if code not in exits:
        raise CommandFailed(f"{' '.join(map(str, command))} ended with {code}: {output[-2000:]}")
    spent = resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu = spent.ru_utime + spent.ru_stime - used.ru_utime - used.ru_stime
    return Measured(round(seconds, 2), round(cpu, 2), *watch.peaks(), output)


def run_python(script: Path | str, *arguments: str | Path) -> Measured:
    """Run a script of this folder (a path), or some lines, with the Python at hand."""
    lines = [script] if isinstance(script, Path) else ["-c", script]
    return run([sys.executable, *lines, *arguments])


def middle(measure: Callable[[], Measured]) -> tuple[Measured, list[float]]:
    """Of several measurements of something short, that in the middle by time, and the seconds of all."""
    found = sorted((measure() for _ in range(_SHORT)), key=lambda measured: measured.seconds)
    return found[_SHORT // 2], [measured.seconds for measured in found]


class _Watch(threading.Thread):
    """Looks at a process and all that descend from it until told to stop. Only Linux says what they hold."""

    def __init__(self, root: int) -> None:
        super().__init__(daemon=True)
        self._root, self._done = root, threading.Event()
        self._peak: dict[tuple[int, str], int] = {}  # of each process and program that it was
        self._most = 0

    def stop(self) -> None:
        self._done.set()
        self.join()

    def peaks(self) -> tuple[int | None, int | None, int | None]:
        of_dbt = [kib for (_, program), kib in self._peak.items() if program == "dbt"]
        others = [kib for (_, program), kib in self._peak.items() if program != "dbt"]
        return tuple(
            kib // _MIB if kib else None for kib in (max(others, default=0), max(of_dbt, default=0), self._most)
        )

    def run(self) -> None:
        before: set[tuple[int, str]] = set()
        while not self._done.wait(_EVERY):
            held = _descendants(self._root)
            # A process that was just forked shows the memory of its parent until it is a program of its own.
            settled = {key: sizes for key, sizes in held.items() if key in before}
            before = set(held)
            self._most = max(self._most, sum(now for now, _ in settled.values()))
            for key, (_, peak) in settled.items():
                self._peak[key] = max(self._peak.get(key, 0), peak)


def _descendants(root: int) -> dict[tuple[int, str], tuple[int, int]]:
    """KiB held now and at most, by process and program (`dbt` or another)."""
    parents: dict[int, int] = {}
    for entry in Path("/proc").iterdir() if Path("/proc/self/stat").exists() else ():
        if entry.name.isdecimal():
            try:
                parents[int(entry.name)] = int((entry / "stat").read_text().rsplit(")", 1)[1].split()[1])
            except (OSError, IndexError, ValueError):
                continue
    found, size = {root}, 0
    while len(found) > size:
        size = len(found)
        found |= {process for process, parent in parents.items() if parent in found}
    held = {}
    for process in found:
        try:
            command = Path(f"/proc/{process}/cmdline").read_bytes().split(b"\0")
            status = dict(line.split(":", 1) for line in Path(f"/proc/{process}/status").read_text().splitlines())
            sizes = tuple(int(status[name].split()[0]) for name in ("VmRSS", "VmHWM"))
        except (OSError, KeyError, ValueError):
            continue
        is_dbt = any(Path(os.fsdecode(part)).name == "dbt" for part in command[:2])
        held[process, "dbt" if is_dbt else ""] = sizes
    return held
