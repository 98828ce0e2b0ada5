"""Readers during a night, two nights at once, and Dagster's runs during a night by hand."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import contents
import kit
import pytest
from conftest import Stage

READERS = 10

# Reads over and over until told to stop: each connection must see one publication from begin to end. The first stays
# on one connection all the while.
_READER = """
import json, sys, time
from pathlib import Path
import duckdb
published, stop, stays = Path(sys.argv[1]), Path(sys.argv[2]), sys.argv[3] == "stays"
QUERY = '''
    SELECT (SELECT run_id FROM marts.runs WHERE has_made_this_publication),
        (SELECT count(*) FROM marts.extracts), (SELECT count(*) FROM marts.fct_indicator_values),
        (SELECT sum(value) FROM marts.fct_indicator_values), (SELECT count(*) FROM marts.fct_standard_comparisons),
        (SELECT count(*) FROM marts.fct_breaches), (SELECT sum(attendances_type1) FROM raw.ae)
'''
seen, connections, queries = [], 0, 0
print("ready", flush=True)
while True:
    con = duckdb.connect(str(published), read_only=True)
    connections += 1
    until = time.monotonic() + 1
    while (stays and not stop.exists()) or time.monotonic() < until:
        answer = json.dumps(con.execute(QUERY).fetchall()[0], default=str)
        queries += 1
        if not seen or seen[-1] != answer:
            seen.append(answer)
        time.sleep(0.1)
    con.close()
    if stop.exists():
        break
print(json.dumps([seen, connections, queries]), flush=True)
"""


def test_ten_readers_and_a_second_night_during_a_night(stage: Stage) -> None:
    home = stage.new("readers")
    published, stop = kit.published(home), stage.folder / "stop-reading"
    former = published.stat().st_ino
    readers = [
        subprocess.Popen(
            [sys.executable, "-c", _READER, str(published), str(stop), "stays" if number < 2 else "comes and goes"],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        for number in range(READERS)
    ]
    try:
        assert all(reader.stdout and reader.stdout.readline() == "ready\n" for reader in readers)
        night = kit.Night(stage.after, home, stage.project).begin()
        while night.stage() == "start":
            time.sleep(0.1)
        second = kit.Night(stage.after, home, stage.project, log_folder=stage.folder).begin().end()
        ended = night.end()
        time.sleep(3)
        held = {reader.pid: _removed_but_held(reader.pid, published) for reader in readers}
    finally:
        stop.touch()
        said = [reader.communicate(timeout=120)[0] for reader in readers]
    assert ended.code == 0, ended.said
    assert [reader.returncode for reader in readers] == [0] * READERS, said
    assert second.code == 1 and f"another run (process {night.group})" in second.said, second.said
    results = [json.loads(text) for text in said]
    seen = [answers for answers, _, _ in results]
    publications = sorted({answer for answers in seen for answer in answers}, key=lambda answer: answer in seen[0])
    # Those that stay saw the former to the end; the others the former, then the new one, and nothing else.
    assert len(publications) == 2
    assert [len(answers) for answers in seen[:2]] == [1, 1] and seen[0] == seen[1]
    assert all(answers in ([*seen[0], publications[0]], [publications[0]]) for answers in seen[2:])
    assert [held[reader.pid] for reader in readers[:2]] == [1, 1]
    assert [held[reader.pid] for reader in readers[2:]] == [0] * (READERS - 2)
    assert published.stat().st_ino != former and list(published.parent.iterdir()) == [published]
    _is_as_undisturbed(stage, home)
    print(
        f"\n\n{READERS} readers during a night: {sum(c for _, c, _ in results)} connections, "
        f"{sum(q for *_, q in results)} queries, none failed; publications seen: {len(publications)}; "
        f"readers that still held the former copy afterwards: {sum(held.values())}, and it went with them. "
        f"Second night meanwhile: exit {second.code}, {second.said.splitlines()[-1]}"
    )


def _removed_but_held(process: int, path: Path) -> int:
    """How many files that stood at a path and do no longer a process holds open: these the disk keeps till then."""
    links = []
    for link in Path(f"/proc/{process}/fd").iterdir():
        try:
            links.append(os.readlink(link))
        except OSError:
            continue
    return sum(target == f"{path} (deleted)" for target in links)


@pytest.fixture
def ui(stage: Stage) -> Iterator[tuple[Path, str]]:
    """The web page and daemon of Dagster on a home of their own."""
    home = stage.new("ui")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    log = stage.folder / "ui.txt"
    command = [sys.executable, "-c", kit.COMMAND, "ui", "--home", str(home), "--port", str(port)]
    with open(log, "w") as out:
        process = subprocess.Popen(
            command,
            cwd=stage.project,
            env=kit.environment(stage.project, CCG_RAW=str(stage.after), CCG_HOME=str(home)),
            stdout=out,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    address = f"http://127.0.0.1:{port}"
    try:
        until = time.monotonic() + 300
        while not _answers(address):
            assert time.monotonic() < until and process.poll() is None, log.read_text()[-3000:]
            time.sleep(1)
        yield home, address
    finally:
        os.killpg(process.pid, signal.SIGTERM)
        try:
            process.wait(30)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)


def test_runs_of_dagster_and_nights_by_hand(stage: Stage, ui: tuple[Path, str]) -> None:
    """The page is up all the while. A killed night does not hold up Dagster's run, a night under way does, and a run of
    Dagster stops a night by hand with words."""
    home, address = ui
    raw = stage.after
    killed = kit.Night(raw, home, stage.project).begin()
    while killed.stage() != "load":
        time.sleep(0.1)
    killed.kill()

    by_hand = kit.Night(raw, home, stage.project).begin()
    while by_hand.stage() in ("start", "receive"):
        assert by_hand.process is not None and by_hand.process.poll() is None, by_hand.said()
        time.sleep(0.1)
    run_id = _launch(address)
    time.sleep(5)
    meanwhile = _status(address, run_id)
    assert _answers(address)
    ended = by_hand.end()
    assert ended.code == 0, ended.said
    _is_as_undisturbed(stage, home)

    until = time.monotonic() + 600
    while _status(address, run_id) not in ("STARTED", "SUCCESS", "FAILURE"):
        assert time.monotonic() < until, _status(address, run_id)
        time.sleep(1)
    log = home / "warehouse.lock"
    while log.read_text().strip() in ("", str(by_hand.group)) and _status(address, run_id) == "STARTED":
        time.sleep(0.5)
    (raw / "notes.txt").write_text("so that there is something new for a night by hand")
    try:
        other = kit.Night(raw, home, stage.project, log_folder=stage.folder).begin().end()
    finally:
        (raw / "notes.txt").unlink()
    while _status(address, run_id) not in ("SUCCESS", "FAILURE", "CANCELED"):
        time.sleep(1)
    last = _status(address, run_id)
    assert _answers(address)
    print(
        f"\n\nDagster's run during a night by hand: {meanwhile}, then {last}. A night by hand during Dagster's run: "
        f"exit {other.code}, {other.said.splitlines()[-1]}. The page answered before, during and after."
    )
    assert meanwhile in ("QUEUED", "STARTING", "STARTED") and last == "SUCCESS"
    assert other.code == 1 and "another run (process" in other.said, other.said
    _is_as_undisturbed(stage, home)


def _answers(address: str) -> bool:
    try:
        with urllib.request.urlopen(f"{address}/server_info", timeout=20) as answer:
            return answer.status == 200
    except OSError:
        return False


def _asked(address: str, query: str, **variables: object) -> dict:
    content = json.dumps({"query": query, "variables": variables}).encode()
    request = urllib.request.Request(f"{address}/graphql", content, {"Content-Type": "application/json"})
    with urllib.request.urlopen(request, timeout=60) as answer:
        return json.load(answer)["data"]


def _launch(address: str) -> str:
    where = _asked(
        address,
        "{ repositoriesOrError { ... on RepositoryConnection { nodes { name location { name } } } } }",
    )["repositoriesOrError"]["nodes"][0]
    launched = _asked(
        address,
        "mutation Launch($e: ExecutionParams!) { launchRun(executionParams: $e) { __typename ... on LaunchRunSuccess "
        "{ run { runId } } ... on PythonError { message } } }",
        e={
            "selector": {
                "repositoryName": where["name"],
                "repositoryLocationName": where["location"]["name"],
                "jobName": "nightly",
            },
            "runConfigData": {},
        },
    )["launchRun"]
    assert launched["__typename"] == "LaunchRunSuccess", launched
    return launched["run"]["runId"]


def _status(address: str, run_id: str) -> str:
    found = _asked(address, "query S($r: ID!) { runOrError(runId: $r) { ... on Run { status } } }", r=run_id)
    return found["runOrError"]["status"]


def _is_as_undisturbed(stage: Stage, home: Path) -> None:
    assert contents.differences(contents.of(kit.published(home)), contents.of(kit.published(stage.second))) == []
    assert kit.rows_loaded_twice(home) == []
