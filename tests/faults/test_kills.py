"""A night killed at many points: the publication is whole and the former or the new one, and the next night does all
that is left to do.

Three ways to kill, for what each costs: the whole process group held at moments of a night and its home copied, which
is what SIGKILL leaves; SIGKILL itself, of the group and of the parent alone with dbt living on; and the step that
publishes killed at each thing it does to a file or a database.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

import contents
import kit
import warm
from conftest import Crash, Stage

SCHEMAS = ("raw", "catalogue", "staging", "intermediate", "marts", "checks")
KILLS = int(os.environ.get("CCG_FAULT_KILLS", "10"))
# At how many steps of the publishing a night is killed, at most.
SWAPS = int(os.environ.get("CCG_FAULT_SWAPS", "60"))
# How many of the states are gone on from, at most, spread over all of them.
RERUNS = int(os.environ.get("CCG_FAULT_RERUNS", "60"))


def test_what_a_kill_leaves_at_any_moment(stage: Stage) -> None:
    """Held at moments of the night: each copy is what a kill at that moment leaves."""
    _swap_at_each_step(stage)
    outcomes = {crash.name: _published(stage, crash.home, crash.name) for crash in stage.crashes}
    alike: dict[str, list[Crash]] = {}
    for crash in stage.crashes:
        alike.setdefault(_state(crash), []).append(crash)
    chosen = list(alike)[:: max(1, -(-len(alike) // RERUNS))]
    print(f"\n{len(stage.crashes)} points, {len(alike)} states that differ; going on from {len(chosen)}", flush=True)
    with warm.Warm(stage.project, kit.environment(stage.project)) as nights:
        went = dict(zip(chosen, kit.each(chosen, lambda state: _told(stage, alike[state][0], nights)), strict=True))
    print(f"\nKilled at {len(stage.crashes)} points, which left {len(alike)} states that differ:\n")
    print(f"{'point':14}{'stage':10}{'published':12}next night")
    for state, crashes in alike.items():
        for crash in crashes:
            first = alike[state][0]
            again = "not tried" if state not in went else went[state] if crash is first else f"as {first.name}"
            print(f"{crash.name:14}{crash.stage:10}{outcomes[crash.name]:12}{again}")
    print(
        f"\nPublished after the kill: {dict(Counter(outcomes.values()))}; next nights: {dict(Counter(went.values()))}"
    )
    assert len(stage.crashes) >= 50
    assert set(outcomes.values()) == {"none", "former", "new"}
    assert set(went.values()) == {"as undisturbed"}


def _swap_at_each_step(stage: Stage) -> None:
    """Adds what kills at each step of the publishing leave to the crashes of the stage."""
    former = kit.marts(stage.first)
    second = [crash for crash in stage.crashes if crash.name.startswith("second")]
    base = next(crash for crash in reversed(second) if kit.marts(crash.home) == former)
    left, home = stage.folder / "swaps", stage.folder / "homes" / "swap"
    done = subprocess.run(
        [sys.executable, "swapping.py", *map(str, (stage.after, home, base.home, left, SWAPS))],
        cwd=Path(__file__).parent,
        env=kit.environment(stage.project, PYTHONPATH=f"{stage.project}:{Path(__file__).parent}"),
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    steps = [json.loads(line) for line in done.stdout.splitlines()]
    assert len(steps) > 20 and not steps[-1][2]
    assert {"fsync", "replace", "chmod", "sendfile"} <= {name for _, name, _ in steps}
    stage.crashes += [Crash(f"swap {step:03}", name[:9], left / f"{step:03}") for step, name, _ in steps]


def test_killed_again_and_again(stage: Stage) -> None:
    """SIGKILL of the whole group at moments spread over the night, each night begun on what the last one left."""
    home = stage.new("killed")
    outcomes = []
    for number in range(KILLS):
        night = kit.Night(stage.after, home, stage.project).begin()
        time.sleep(stage.seconds * (number + 0.5) / KILLS)
        at = night.stage()
        night.kill()
        outcomes.append((at, _published(stage, home, f"kill {number}")))
    ended = kit.night(stage.after, home, stage.project)
    print(f"\nKilled {KILLS} times in a row: {', '.join(f'{at} ({published})' for at, published in outcomes)}")
    assert ended.code == 0, ended.said
    assert "did not end" in ended.said
    _is_as_undisturbed(stage, home)


def test_the_parent_alone_is_killed_and_dbt_lives_on(stage: Stage) -> None:
    home = stage.new("parent")
    night = kit.Night(stage.after, home, stage.project).begin()
    while night.stage() != "build" or not kit.dbt_of(night.group):
        assert night.process is not None and night.process.poll() is None, night.said()
        time.sleep(0.05)
    time.sleep(3)
    assert night.process is not None
    night.process.kill()
    night.process.wait()
    left = kit.dbt_of(night.group)
    assert left
    assert _published(stage, home, "parent") == "former"
    ended = kit.night(stage.after, home, stage.project)
    print(f"\nParent killed, {len(left)} process of dbt lives on; the next night at once: exit {ended.code}")
    assert ended.code == 0, ended.said
    _is_as_undisturbed(stage, home)


def _published(stage: Stage, home: Path, name: str) -> str:
    """Whether nothing, the former or the new publication stands in a home; it opens, and is one of these exactly."""
    if not kit.published(home).exists():
        return "none"
    content = _marts_and_rows(kit.published(home))
    for word, other in (("former", stage.first), ("new", stage.second)):
        if content == _marts_and_rows(kit.published(other)):
            return word
    raise AssertionError(f"{name}: {kit.published(home)} is neither the former nor the new publication")


def _marts_and_rows(database: Path) -> dict[str, str]:
    rows = {f"raw.{table}": of for table, of in _contents(database, "raw").items() if table in ("ae", "dtoc")}
    return _contents(database, "marts") | rows


_known: dict[tuple[str, str, str], dict[str, str]] = {}


def _contents(database: Path, schema: str) -> dict[str, str]:
    """As `contents.of`; of files with the same bytes once."""
    log = database.with_name(f"{database.name}.wal")
    key = (_digest(database), _digest(log) if log.exists() else "", schema)
    if key not in _known:
        _known[key] = contents.of(database, schema)
    return _known[key]


def _digest(path: Path) -> str:
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _told(stage: Stage, crash: Crash, nights: warm.Warm) -> str:
    outcome = _gone_on(stage, crash, nights)
    print(f"  the night after {crash.name} ({crash.stage}): {outcome}", flush=True)
    return outcome


def _gone_on(stage: Stage, crash: Crash, nights: warm.Warm) -> str:
    """The next night after a kill, and what became of it."""
    raw, whole = (stage.before, stage.first) if crash.name.startswith("first") else (stage.after, stage.second)
    home = kit.copied(crash.home, nights.place / f"again-{crash.name.replace(' ', '-')}")
    code, said = nights.night(raw, home)
    if code:
        return f"exit {code}: {said[-1500:]}"
    try:
        return _is_as_undisturbed(stage, home, whole)
    except AssertionError as error:
        return str(error)
    finally:
        shutil.rmtree(home)


def _is_as_undisturbed(stage: Stage, home: Path, whole: Path | None = None) -> str:
    whole = whole or stage.second
    other = contents.differences(contents.of(kit.published(home)), _contents(kit.published(whole), "marts"))
    assert other == [], f"{home.name}: other marts {other}"
    assert kit.rows_loaded_twice(home) == []
    assert list(home.rglob("*.next")) == []
    return "as undisturbed"


def _state(crash: Crash) -> str:
    """What of a home the next night reads, as a hash: the contents of both databases and which files are there.

    Not in it: logs, records of runs, and Dagster's history, which are written and not gone by.
    """
    # The night after one of the first finds another landing folder than that after one of the second.
    parts: list[object] = [crash.name.startswith("first")]
    for database in (crash.home / "warehouse.duckdb", kit.published(crash.home)):
        if database.exists():
            tables = {schema: _contents(database, schema) for schema in SCHEMAS}
            parts.append({name: hashes for name, hashes in tables.items() if hashes})
    for path in sorted(crash.home.rglob("*")):
        name = path.relative_to(crash.home).as_posix()
        if path.is_file() and not name.startswith(("dagster/", "logs/", "runs.", "dbt/logs", "dbt/target/dbt-")):
            parts.append(name if path.suffix != ".json" else (name, path.stat().st_size))
    return hashlib.sha256(repr(parts).encode()).hexdigest()
