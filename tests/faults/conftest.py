"""The nights that all tests of faults start from."""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import kit
import pytest


@dataclass
class Crash:
    """What a kill at one moment leaves: a home, and how far the night was."""

    name: str
    stage: str
    home: Path


@dataclass
class Stage:
    """A cut-down project, landing folders of two nights, and homes: after the first night, and after an undisturbed
    second one, with what kills at many moments of each would have left."""

    folder: Path
    project: Path
    before: Path  # landing folder of the first night
    after: Path  # of the second
    first: Path  # home after the first night
    second: Path  # after the second
    seconds: float = 0
    crashes: list[Crash] = field(default_factory=list)

    def new(self, name: str) -> Path:
        """A copy of the home after the first night, to do with as one likes."""
        return kit.copied(self.first, self.folder / "homes" / name)


@pytest.fixture(scope="session")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    folder = tmp_path_factory.mktemp("faults")
    if kept := os.environ.get("CCG_FAULT_STAGE"):
        # While one works at these tests: what an earlier run began with, which stays as it is.
        shutil.copytree(
            kept, folder, symlinks=True, dirs_exist_ok=True, ignore=shutil.ignore_patterns("crashes", "swap*")
        )
        homes = folder / "homes"
        old = Stage(folder, folder / "project", folder / "before", folder / "after", homes / "first", homes / "second")
        old.seconds = 60
        old.crashes = [
            Crash(c.name.replace("-", " "), _stage_of(c), c) for c in sorted(Path(kept, "crashes").glob("*"))
        ]
        yield old
        shutil.rmtree(folder, ignore_errors=True)
        return
    project = kit.cut_down(folder / "project")
    before = kit.land(folder / "before", kit.FIRST)
    after = kit.land(folder / "after", (*kit.FIRST, *kit.SECOND))
    (folder / "homes").mkdir()
    (folder / "crashes").mkdir()
    made = Stage(folder, project, before, after, folder / "homes" / "first", folder / "homes" / "second")
    points = int(os.environ.get("CCG_FAULT_POINTS", "40"))
    # The first night takes longest: what it is killed at is spread over it by a third as many points.
    _night_with_crashes(made, before, made.first, points // 4, "first")
    made.new("second")
    _night_with_crashes(made, after, made.second, points, "second")
    yield made
    shutil.rmtree(folder, ignore_errors=True)


def _stage_of(home: Path) -> str:
    """How far the night was that left a home, by the last that its log tells."""
    logs = sorted((home / "logs").glob("nightly-*.log"))
    text = logs[-1].read_text(errors="replace") if logs else ""
    said = {"recognising": "receive", "loading": "load", "checking": "check", "building": "build"}
    said |= {"evaluating": "judge", "publishing": "publish"}
    found = [stage for word, stage in said.items() if f" - {word} " in text or f" {word} " in text]
    return found[-1] if found else "start"


def _night_with_crashes(stage: Stage, raw: Path, home: Path, points: int, name: str) -> None:
    """A night that is held at many moments, its home copied, and let go on.

    A process that is killed leaves its files as the system holds them at that moment, and so they are copied.
    """
    home.mkdir(exist_ok=True)
    night = kit.Night(raw, home, stage.project).begin()
    assert night.process is not None
    # Half as long as it lasts is known from the first night; held again at every change of what the night says.
    wait = max(0.4, (stage.seconds or 40) / points)
    said, number, next_at = "", 0, time.monotonic() + wait
    while night.process.poll() is None:
        time.sleep(0.02)
        if (now := night.said()) != said or time.monotonic() >= next_at:
            said = now
            night.stop()
            at, number = night.stage(), number + 1
            crash = kit.copied(home, stage.folder / "crashes" / f"{name}-{number:03}")
            stage.crashes.append(Crash(f"{name} {number:03}", at, crash))
            night.goes_on()
            next_at = time.monotonic() + wait
    ended = night.end()
    assert ended.code == 0, ended.said
    stage.seconds = time.monotonic() - night.begun
