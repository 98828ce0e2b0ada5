"""A full disk, folders that cannot be written, a landing folder that goes away, a process that the system ends.

Each time: the exit code, words that name the folder and say what to do, the last publication as it was; and when what
was in the way is gone, the next night ends as if nothing had been.
"""

from __future__ import annotations

import contextlib
import os
import resource
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import contents
import kit
import pytest
from conftest import Stage

MEGABYTE = 1_000_000
NOBODY = 65534


class SmallDisk:
    """A disk in memory; how much is free on it can be set."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def leave(self, free: float) -> None:
        """Leave so many megabytes free."""
        on = os.statvfs(self.folder)
        used = (on.f_blocks - on.f_bfree) * on.f_frsize
        size = int(used + free * MEGABYTE) // 4096 * 4096
        subprocess.run(["mount", "-o", f"remount,size={size}", str(self.folder)], check=True)


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[SmallDisk]:
    folder = tmp_path / "disk"
    folder.mkdir()
    if os.geteuid() or subprocess.run(["mount", "-t", "tmpfs", "-o", "size=2g", "tmpfs", str(folder)]).returncode:
        pytest.skip("a small disk can be mounted by root alone")
    yield SmallDisk(folder)
    subprocess.run(["umount", "-l", str(folder)])


@contextlib.contextmanager
def read_only(folder: Path) -> Iterator[None]:
    """A folder as on a disk that is mounted read-only."""
    if os.geteuid() or subprocess.run(["mount", "--bind", str(folder), str(folder)]).returncode:
        pytest.skip("a folder can be mounted read-only by root alone")
    try:
        subprocess.run(["mount", "-o", "remount,bind,ro", str(folder)], check=True)
        yield
    finally:
        subprocess.run(["umount", "-l", str(folder)])


def test_the_disk_of_home_fills_up(stage: Stage, disk: SmallDisk) -> None:
    home = kit.copied(stage.first, disk.folder / "home")
    print("\n\nDisk of the home folder full:\n  MB free  exit  stage     said")
    stages = []
    for free in (0, 0.2, 1, 4, 20, 32):
        disk.leave(free)
        night = kit.Night(stage.after, home, stage.project, log_folder=stage.folder).begin()
        ended = night.end()
        stages.append(night.stage())
        print(f"  {free:7}  {ended.code:4}  {night.stage():8}  {_reason(ended)}")
        if ended.code == 0:
            break
        _is_told(ended, home, "No space left on device", "disk is full", "no room is left")
        _stands(stage, home)
    disk.leave(2000)
    ended = kit.night(stage.after, home, stage.project)
    assert ended.code == 0, ended.said
    _is_as_undisturbed(stage, home)
    print(f"  room made: exit {ended.code}, as undisturbed")
    assert len(set(stages)) >= 3


def test_the_disk_of_the_published_folder_is_full(stage: Stage, disk: SmallDisk) -> None:
    home = stage.new("published-full")
    kept = kit.copied(home / "published", disk.folder / "published")
    shutil.rmtree(home / "published")
    (home / "published").symlink_to(kept)
    disk.leave(1)
    ended = kit.night(stage.after, home, stage.project)
    print(f"\n\nDisk of the published folder full: exit {ended.code}: {_reason(ended)}")
    assert ended.code == 1
    _is_told(ended, home / "published", "No space left on device")
    assert "MB are free" in ended.said or "MB free" in ended.said
    _stands(stage, home)
    disk.leave(2000)
    assert kit.night(stage.after, home, stage.project).code == 0
    _is_as_undisturbed(stage, home)


def test_what_stands_in_the_way_of_a_night_and_goes_again(stage: Stage) -> None:
    """One after the other in the same home, so that the last night has all of it behind it."""
    home = stage.new("troubled")
    print("\n\nIn the way of a night:")

    ended = _night(stage, home, preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (8 * MEGABYTE,) * 2))
    _show("files may not grow beyond 8 MB", ended)
    assert ended.code == 1
    _is_told(ended, home, "File too large")
    _stands(stage, home)

    with read_only(home):
        ended = _night(stage, home)
        _show("home folder read-only", ended)
    assert ended.code == 2
    _is_told(ended, home, "mounted read-only")
    _stands(stage, home)

    with read_only(home / "published"):
        ended = _night(stage, home)
        _show("published folder read-only", ended)
    assert ended.code == 1
    _is_told(ended, home / "published", "Read-only file system")
    _stands(stage, home)

    away = stage.folder / "away"
    night = kit.Night(stage.after, home, stage.project, log_folder=stage.folder).begin()
    _wait(lambda: "starting" in night.said())
    time.sleep(1)
    stage.after.rename(away)
    try:
        ended = night.end()
    finally:
        away.rename(stage.after)
    _show("landing folder gone while the night began", ended)
    assert ended.code == 1
    _is_told(ended, stage.after, "is not a folder")
    _stands(stage, home)

    night = kit.Night(stage.after, home, stage.project, log_folder=stage.folder).begin()
    _wait(lambda: night.stage() == "build" and bool(kit.dbt_of(night.group)))
    time.sleep(1)
    for process in kit.dbt_of(night.group):
        os.kill(process, signal.SIGKILL)
    ended = night.end()
    _show("dbt ended by the system", ended)
    assert ended.code == 1
    _is_told(ended, Path(), "memory ran out")
    _stands(stage, home)

    with read_only(stage.after):
        ended = _night(stage, home)
        _show("landing folder read-only", ended)
    assert ended.code == 0, ended.said
    _is_as_undisturbed(stage, home)


def test_home_of_another_user(stage: Stage) -> None:
    if os.geteuid():
        pytest.skip("only root can become another user")
    script = (
        "import os, sys\n"
        "from ccg_pipeline import cli, homes, nightly, nights, troubles, warehouse\n"
        f"os.setuid({NOBODY})\n"
        "sys.exit(cli.run(sys.argv[1:]))"
    )
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        folder.chmod(0o755)
        home = kit.copied(stage.first, folder / "home")
        raw = kit.land(folder / "raw", kit.FIRST)
        done = subprocess.run(
            [sys.executable, "-c", script, "nightly", "--raw", str(raw), "--home", str(home)],
            cwd=folder,
            env=kit.environment(stage.project),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        ended = kit.Ended(done.returncode, done.stdout)
        print(f"\n\nHome of another user: exit {ended.code}: {_reason(ended)}")
        assert ended.code == 2
        _is_told(ended, home, "cannot be written")
        _stands(stage, home)


def test_a_warehouse_torn_to_pieces(stage: Stage) -> None:
    """A disk that gave out: the words say what to do, and doing it helps."""
    home = stage.new("torn")
    warehouse = home / "warehouse.duckdb"
    warehouse.write_bytes(os.urandom(len(warehouse.read_bytes())))
    ended = _night(stage, home)
    print(f"\n\nWarehouse torn: exit {ended.code}: {_reason(ended)}")
    assert ended.code == 1
    _is_told(ended, warehouse, "is damaged", "Restore the last backup; or remove warehouse.duckdb")
    _stands(stage, home)
    warehouse.unlink()
    ended = _night(stage, home)
    assert ended.code == 0, ended.said
    _is_as_undisturbed(stage, home)
    print("  removed, and loaded again: as undisturbed")


def _night(stage: Stage, home: Path, **options: object) -> kit.Ended:
    return kit.Night(stage.after, home, stage.project, log_folder=stage.folder).begin(**options).end()


def _wait(is_so: Callable[[], bool], seconds: float = 600) -> None:
    until = time.monotonic() + seconds
    while not is_so():
        assert time.monotonic() < until
        time.sleep(0.05)


def _show(what: str, ended: kit.Ended) -> None:
    print(f"  {what}: exit {ended.code}: {_reason(ended)}")


def _reason(ended: kit.Ended) -> str:
    """What the night said of its trouble."""
    lines = [line for line in ended.said.splitlines() if line.startswith(("failed:", "stopped:", "ccg:"))]
    lines = [line for line in lines if not line.startswith("ccg nightly")]
    return (lines or [""])[0][:170]


def _is_told(ended: kit.Ended, folder: Path, *words: str) -> None:
    assert "Traceback" not in ended.said, ended.said
    assert str(folder) in ended.said and any(word in ended.said for word in words), ended.said


def _stands(stage: Stage, home: Path) -> None:
    """The last publication is what it was, byte by byte."""
    assert kit.published(home).read_bytes() == kit.published(stage.first).read_bytes()


def _is_as_undisturbed(stage: Stage, home: Path) -> None:
    assert contents.differences(contents.of(kit.published(home)), contents.of(kit.published(stage.second))) == []
    assert kit.rows_loaded_twice(home) == []
