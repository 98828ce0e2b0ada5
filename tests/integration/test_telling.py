"""Notices as the command, Dagster and a real publication have them."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import dagster as dg
import duckdb
import pytest
from servers import Hook, webhook

from ccg_pipeline import cli, nights
from ccg_pipeline.automation import build_notice_sensors
from ccg_pipeline.notices import told
from ccg_pipeline.settings import PROJECT_ROOT, Settings


@pytest.fixture
def hook(monkeypatch: pytest.MonkeyPatch) -> Iterator[Hook]:
    with webhook() as hook:
        monkeypatch.setenv("CCG_NOTIFY_WEBHOOK_URL", hook.url)
        monkeypatch.setenv("CCG_NOTIFY_WEBHOOK_FORM", "slack")
        yield hook


@pytest.fixture
def home(sample_home: Path, tmp_path: Path) -> Path:
    """A copy of the published sample, without Dagster's records."""
    copy = tmp_path / "home"
    shutil.copytree(sample_home, copy, ignore=shutil.ignore_patterns("dagster", "dbt", "logs"))
    return copy


def test_a_night_with_nothing_new_tells_without_anything_heavy(sample_home: Path, home: Path, hook: Hook) -> None:
    """What is overdue or new against what was told last is told although nothing is loaded, once."""
    raw = nights.last_run(Settings(sample_home, sample_home))["raw"]  # type: ignore[index]
    script = (
        "import sys; from ccg_pipeline import cli; code = cli.run(sys.argv[1:]); "
        "heavy = {'dagster', 'dbt', 'great_expectations', 'pandas'} & set(sys.modules); "
        "print('HEAVY', sorted(heavy)); sys.exit(code)"
    )
    command = [sys.executable, "-c", script, "nightly", "--raw", raw, "--home", str(home)]
    done = subprocess.run(command, capture_output=True, text=True, cwd=PROJECT_ROOT)
    assert done.returncode == 0, done.stderr
    assert "Nothing new" in done.stdout and "HEAVY []" in done.stdout
    assert f"notice sent by webhook to 127.0.0.1:{hook.port}: breaches of standards" in done.stdout
    sent = len(hook.posted)
    assert "The publication holds 9" in json.dumps(hook.posted)  # over 900 breaches, in one line
    assert subprocess.run(command, capture_output=True, text=True, cwd=PROJECT_ROOT).returncode == 0
    assert len(hook.posted) == sent


def test_a_real_publication_with_rows_that_were_not_told(
    home: Path, hook: Hook, capsys: pytest.CaptureFixture[str]
) -> None:
    settings = Settings(home, home)
    assert cli.run(["notify", "--home", str(home)]) == 0
    hook.posted.clear()
    # As if May 2019 had come since.
    known = settings.notices / told.read(settings).tables["breaches"]
    with duckdb.connect() as con:
        con.execute(f"CREATE TABLE t AS FROM '{known}' WHERE period_start < DATE '2019-05-01'")
        con.execute(f"COPY t TO '{known}'")
    settings.published.touch()
    assert cli.run(["notify", "--home", str(home)]) == 0
    (posted,) = hook.posted
    with duckdb.connect(str(settings.published), read_only=True) as con:
        new = con.execute("SELECT count(*) FROM marts.fct_breaches WHERE period_start >= DATE '2019-05-01'").fetchall()
    assert posted["text"].startswith(f"{new[0][0]} new breaches of standards\n")
    assert "RTT_INCOMPLETE_18W" in posted["text"] and "First load" not in posted["text"]
    assert cli.run(["notify", "--home", str(home)]) == 0
    assert "Nothing new to tell" in capsys.readouterr().out and len(hook.posted) == 1


def test_a_night_that_cannot_start_is_told(tmp_path: Path, hook: Hook) -> None:
    arguments = ["nightly", "--raw", str(tmp_path / "not-mounted"), "--home", str(tmp_path / "home")]
    assert cli.run(arguments) == 2
    (posted,) = hook.posted
    assert posted["text"].startswith("a night failed\n") and "not-mounted" in posted["text"]


def test_the_command_says_what_it_did(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    home = ["--home", str(tmp_path)]
    assert cli.run(["notify", "--test", *home]) == 2
    assert "notices are off" in capsys.readouterr().err
    with webhook() as hook:
        monkeypatch.setenv("CCG_NOTIFY_WEBHOOK_URL", hook.url)
        monkeypatch.setenv("CCG_NOTIFY_WEBHOOK_FORM", "teams")
        assert cli.run(["notify", "--test", *home]) == 0
        assert f"notice sent by webhook to 127.0.0.1:{hook.port}" in capsys.readouterr().out
        (card,) = hook.posted[0]["attachments"]
        assert card["content"]["body"][0]["inlines"][0]["text"] == "a test of the notices"
        monkeypatch.setenv("CCG_NOTIFY_SMTP_HOST", "mail.example.org")
        assert cli.run(["notify", "--test", *home]) == 1
        assert "could not be sent by mail: CCG_NOTIFY_SMTP_FROM is not set." in capsys.readouterr().out
        assert len(hook.posted) == 2


@pytest.mark.parametrize("is_failing", [False, True])
def test_runs_of_dagster_are_told_by_sensors(home: Path, hook: Hook, is_failing: bool) -> None:
    """Runs of jobs that are called as ours are and of another one, as the daemon evaluates the sensors after them."""

    @dg.op
    def publication() -> None:
        if is_failing:
            raise ValueError("the disk is full")

    jobs = [dg.JobDefinition(name=name, graph_def=_graph(publication)) for name in ("nightly", "rebuild", "packs")]
    sensors = build_notice_sensors(Settings(home, home))
    assert {sensor.default_status for sensor in sensors} == {dg.DefaultSensorStatus.RUNNING}
    repository = dg.Definitions(jobs=jobs, sensors=sensors).get_repository_def()
    with dg.DagsterInstance.ephemeral() as instance:
        cursors = dict.fromkeys(sensor.name for sensor in sensors)

        def tick() -> None:
            for name in cursors:
                context = dg.build_sensor_context(instance, cursors[name], repository_def=repository)
                cursors[name] = repository.get_sensor_def(name).evaluate_tick(context).cursor

        tick()  # what was before the sensors were on is history
        run_ids = []
        for name in ("packs", "nightly"):
            result = repository.get_job(name).execute_in_process(instance=instance, raise_on_error=False)
            run_ids.append(result.run_id)
            tick()
            tick()
            if name == "packs":
                assert hook.posted == []
    failures = [p["text"] for p in hook.posted if p["text"].startswith("a night failed")]
    assert len(failures) == is_failing
    assert sum("told from now on" in p["text"] for p in hook.posted) == 1
    told_runs = told.read(Settings(home, home)).failures
    assert told_runs is not None and (run_ids[1] in told_runs) == is_failing


def _graph(op: dg.OpDefinition) -> dg.GraphDefinition:
    return dg.GraphDefinition(name="graph", node_defs=[op])


def test_sensors_are_off_where_no_way_is_configured(tmp_path: Path) -> None:
    for sensor in build_notice_sensors(Settings(tmp_path, tmp_path)):
        assert sensor.default_status == dg.DefaultSensorStatus.STOPPED
