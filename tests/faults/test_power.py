"""Power cuts: what is to last reaches the disk in the right order, and what had not reached it yet is not missed."""

from __future__ import annotations

import re
import shutil
import time
from pathlib import Path

import contents
import kit
import pytest
from conftest import Stage

_CALL = re.compile(r"^\d+\s+(?P<name>\w+)\((?P<what>.*)\)\s+= 0")
_HELD = re.compile(r"^\d+<(?P<path>[^>]*)>")
# SQLite and DuckDB answer for these themselves; the rest is put in place by `durable`, or is on the disk when a line of
# it is written.
_LASTING = (
    "dagster/",
    "published/ccg.duckdb",
    "home.json",
    "runs.jsonl",
    "warehouse.duckdb",
    "dbt/target/manifest.json",
)


def test_what_lasts_reaches_the_disk_before_and_after_its_rename(stage: Stage) -> None:
    """By the calls that the system gets: data, then the rename, then the folder; and the records of runs."""
    if shutil.which("strace") is None:
        pytest.skip("strace is not on this machine")
    home, calls = stage.new("traced"), stage.folder / "calls.txt"
    (home / "dbt" / "target" / "made-from.txt").unlink()
    traced = ("strace", "-f", "--seccomp-bpf", "-y", "-s", "4096", "-o", str(calls))
    names = "fsync,fdatasync,rename,renameat,renameat2"
    ended = kit.Night(stage.after, home, stage.project, before=(*traced, "-e", f"trace={names}")).begin().end()
    if "ptrace" in ended.said and ended.code:
        pytest.skip("this machine does not let processes be traced")
    assert ended.code == 0, ended.said
    flushed, renamed = [], {}
    for number, line in enumerate(_whole(calls.read_text().splitlines())):
        if not (call := _CALL.match(line)):
            continue
        if call["name"] in ("fsync", "fdatasync"):
            if held := _HELD.match(call["what"]):
                flushed.append((number, held["path"]))
        else:
            former, path = re.findall(r'"([^"]+)"', call["what"])[:2]
            if former.endswith(".next"):
                renamed[path] = (number, former)
    assert {str(kit.published(home)), str(home / "dbt" / "target" / "made-from.txt")} <= renamed.keys()
    for path, (number, former) in renamed.items():
        assert any(at < number and what == former for at, what in flushed), f"{path}: renamed before it was flushed"
        folder = str(Path(path).parent)
        assert any(at > number and what == folder for at, what in flushed), f"{path}: its folder was not flushed"
    assert [what for _, what in flushed].count(str(home / "runs.jsonl")) >= 2
    manifest = str(home / "dbt" / "target" / "manifest.json")
    noted_at, _ = renamed[str(home / "dbt" / "target" / "made-from.txt")]
    assert any(at < noted_at and what == manifest for at, what in flushed)
    print(f"\n\nPut in place by one rename, flushed before and their folder after: {len(renamed)} files")
    for path in sorted(renamed):
        print(f"  {Path(path).relative_to(home)}")


def _whole(lines: list[str]) -> list[str]:
    """Calls that were interrupted in the listing by those of other threads, put together where they ended."""
    begun, whole = {}, []
    for line in lines:
        thread = line.split(" ")[0]
        if " <unfinished" in line:
            begun[thread] = line.split(" <unfinished")[0]
        elif " resumed>" in line:
            whole.append(begun.pop(thread, thread) + line.split(" resumed>")[1])
        else:
            whole.append(line)
    return whole


def test_what_had_not_reached_the_disk_is_not_missed(stage: Stage) -> None:
    """Killed while it receives, loads and builds, and each time all that nobody had flushed is emptied or torn."""
    home = stage.new("power")
    (home / "dbt" / "target" / "made-from.txt").unlink()
    print("\n\nPower cut:")
    for at in ("receive", "load", "build"):
        since = time.time()
        night = kit.Night(stage.after, home, stage.project).begin()
        while night.stage() in ("start", "receive", "load", "check")[: ("receive", "load", "build").index(at) + 1]:
            assert night.process is not None and night.process.poll() is None, night.said()
            time.sleep(0.02)
        time.sleep(2 if at == "build" else 0)
        night.kill()
        print(f"  in {night.stage()}: {_cut_power(home, since)} files emptied or torn")
        assert contents.of(kit.published(home)) == contents.of(kit.published(stage.first))
    ended = kit.night(stage.after, home, stage.project)
    assert ended.code == 0, ended.said
    assert contents.differences(contents.of(kit.published(home)), contents.of(kit.published(stage.second))) == []
    assert kit.rows_loaded_twice(home) == []
    print("  the next night: as undisturbed")


def _cut_power(home: Path, since: float) -> int:
    """Empty what a night wrote since a moment and did not flush, and tear the end off DuckDB's log; how many files."""
    torn = 0
    for path in [p for p in home.rglob("*") if p.is_file() and p.stat().st_mtime >= since]:
        name = path.relative_to(home).as_posix()
        if path.suffix == ".wal":
            written = path.read_bytes()
            path.write_bytes(written[: len(written) // 2] + bytes(len(written) - len(written) // 2))
        elif name.startswith(_LASTING) or not path.stat().st_size:
            continue
        else:
            path.write_bytes(path.read_bytes()[: path.stat().st_size // 2] if torn % 2 else b"")
        torn += 1
    return torn
