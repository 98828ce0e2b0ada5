"""A night that may not have as much memory as it needs: what it says, what it leaves, and the night after it.

As containers are limited: a control group of which the system ends the largest process when there is no more. What is
ended is dbt (the night says so and ends with 1), or the night itself (as with SIGKILL; the next one says so).
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path

import contents
import kit
import pytest
from conftest import Stage

MEGABYTE = 1 << 20
GROUPS = Path("/sys/fs/cgroup/memory")


class Limited:
    """A control group whose processes together may hold so many megabytes."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def may_hold(self, megabytes: int) -> None:
        with_swap, alone = (self.folder / f"memory.{kind}limit_in_bytes" for kind in ("memsw.", ""))
        if with_swap.exists():  # never below the limit without swap, so that goes between
            with_swap.write_text("-1")
        alone.write_text(str(megabytes * MEGABYTE))
        if with_swap.exists():
            with_swap.write_text(str(megabytes * MEGABYTE))

    def join(self) -> None:
        (self.folder / "cgroup.procs").write_text(str(os.getpid()))

    def ended(self) -> int:
        """How many processes the system has ended for want of memory."""
        lines = (self.folder / "memory.oom_control").read_text().splitlines()
        return next((int(line.split()[1]) for line in lines if line.startswith("oom_kill ")), 0)


@pytest.fixture
def limited() -> Iterator[Limited]:
    folder = GROUPS / f"ccg-test-{os.getpid()}"
    try:
        folder.mkdir()
    except OSError as error:
        pytest.skip(f"no control group of memory can be made here ({error})")
    yield Limited(folder)
    with contextlib.suppress(OSError):
        folder.rmdir()


def test_too_little_memory(stage: Stage, limited: Limited) -> None:
    home = stage.new("memory")
    former = kit.published(home).read_bytes()
    print("\n\nMemory of a night limited:\n  MB     exit  stage     ended  said")
    codes = []
    for megabytes in (120, 300, 420, 520):
        before = limited.ended()
        limited.may_hold(megabytes)
        night = kit.Night(stage.after, home, stage.project, log_folder=stage.folder).begin(preexec_fn=limited.join)
        ended = night.end()
        night.kill()  # a dbt that outlives its night is the matter of test_kills.py
        codes.append(ended.code)
        lines = [line for line in ended.said.splitlines() if line.startswith(("failed:", "stopped:", "ccg:"))]
        last = next((line for line in lines if not line.startswith("ccg nightly")), "")
        print(f"  {megabytes:5}  {ended.code:4}  {night.stage():8}  {limited.ended() - before:5}  {last[:140]}")
        if ended.code == 0:
            break
        assert kit.published(home).read_bytes() == former, f"{megabytes} MB: the publication is another"
        if ended.code == -9:
            assert limited.ended() > before, ended.said
        else:
            assert ended.code == 1 and "Traceback" not in ended.said, ended.said
            assert "memory ran out" in ended.said, ended.said
    ended = kit.night(stage.after, home, stage.project)
    assert ended.code == 0, ended.said
    assert contents.differences(contents.of(kit.published(home)), contents.of(kit.published(stage.second))) == []
    assert kit.rows_loaded_twice(home) == []
    print(f"  without a limit: exit {ended.code}, as undisturbed")
    assert codes[0] != 0
