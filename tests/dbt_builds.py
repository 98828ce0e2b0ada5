"""Builds models for tests by processes that have dbt and the parsed project in memory already.

Beginning a dbt of its own for each build, and reading the project again, takes longer than most builds. Belongs here:
the process that is forked for each build, and how to ask it. Does not belong here: what a night does, which runs dbt as
the operator would.
"""

from __future__ import annotations

import atexit
import json
import os
import shutil
import subprocess
import sys
import tempfile
from functools import lru_cache
from pathlib import Path
from typing import Any

from filelock import FileLock

from ccg_pipeline.settings import PROJECT_ROOT, Settings

WITHOUT_TESTS = ("build", "--exclude-resource-type", "test", "unit_test")


def build_marts(settings: Settings, *select: str) -> None:
    """Build all seeds and models, or those selected, without their tests."""
    dbt(settings, *WITHOUT_TESTS, *(("--select", *select) if select else ()))


def manifest() -> dict[str, Any]:
    """What dbt makes of the project."""
    place = of(PROJECT_ROOT / "dbt_project").place
    found: dict[str, Any] = json.loads((Settings(place, place).dbt_target / "manifest.json").read_text("utf-8"))
    return found


def dbt(settings: Settings, *command: str) -> dict[str, str]:
    """Run a command of dbt, which must succeed; the status of each node, by its id."""
    project, target = PROJECT_ROOT / "dbt_project", settings.home / "dbt" / "target-of-tests"
    assert differ_in_seeds_alone(project, settings.dbt_project)
    code, said = of(project).run(
        ["--quiet", *command, *settings.dbt_arguments],
        settings.dbt_environment() | {"DBT_TARGET_PATH": str(target)},
        settings.dbt_project,
    )
    assert code == 0, said
    results = json.loads((target / "run_results.json").read_text(encoding="utf-8"))["results"]
    return {result["unique_id"]: result["status"] for result in results}


class Builds:
    """A process that has parsed a project and builds by a copy of itself; ended with the tests."""

    def __init__(self, project: Path) -> None:
        # The processes of one run of tests share what the first of them has parsed.
        run = os.environ.get("PYTEST_XDIST_TESTRUNUID", str(os.getpid()))
        self.place = Path(tempfile.gettempdir()) / f"dbt-of-tests-{run}"
        self.place.mkdir(exist_ok=True)
        self.said = self.place / f"said-{os.getpid()}.txt"
        with FileLock(self.place / "parse.lock"):
            self.process = subprocess.Popen(
                [sys.executable, __file__],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                text=True,
                cwd=project,
                env={
                    **os.environ,
                    **Settings(self.place, self.place).dbt_environment(),
                    "PYTHONPATH": str(PROJECT_ROOT),
                },
            )
            assert self.process.stdout
            assert self.process.stdout.readline() == "ready\n", "the dbt project does not parse: see above"
        atexit.register(self.end)

    def run(self, arguments: list[str], environment: dict[str, str], project: Path) -> tuple[int, str]:
        """Exit code of a dbt command, and what it said. The project may be a copy with other seeds."""
        assert self.process.stdin and self.process.stdout
        self.process.stdin.write(json.dumps([arguments, environment, str(project), str(self.said)]) + "\n")
        self.process.stdin.flush()
        return int(self.process.stdout.readline()), self.said.read_text()

    def end(self) -> None:
        assert self.process.stdin
        self.process.stdin.close()
        self.process.wait()
        shutil.rmtree(self.place, ignore_errors=True)


@lru_cache(maxsize=1)
def of(project: Path) -> Builds:
    """The process for a project, begun by the first who asks."""
    return Builds(project)


def differ_in_seeds_alone(project: Path, other: Path) -> bool:
    """Whether two projects are the same but for the rows of their seeds."""
    return _without_seeds(project) == _without_seeds(other)


def _without_seeds(project: Path) -> dict[Path, bytes]:
    files = (path for path in project.rglob("*") if path.suffix in (".sql", ".py", ".yml"))
    return {path.relative_to(project): path.read_bytes() for path in files}


def _serve() -> None:
    from dbt.adapters.duckdb.connections import DuckDBConnectionManager
    from dbt.cli.main import dbtRunner

    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # what dbt says of its own
    parsed = dbtRunner().invoke(["--quiet", "parse"])
    if not parsed.success:
        sys.exit(f"the dbt project does not parse: {parsed.exception}")
    print("ready", file=answers, flush=True)
    for line in sys.stdin:
        arguments, environment, project, said = json.loads(line)
        child = os.fork()
        if child == 0:
            with open(said, "w") as file:
                os.dup2(file.fileno(), 1)
                os.dup2(file.fileno(), 2)
            os.environ.update(environment)
            os.chdir(project)
            for node in parsed.result.nodes.values():
                if node.resource_type == "seed":
                    node.root_path = project
            code = 1
            try:
                done = dbtRunner(manifest=parsed.result).invoke(arguments)
                if done.exception:
                    print(done.exception)
                code = 0 if done.success else 1
                DuckDBConnectionManager.close_all_connections()  # else the build is left in the log of the database
                sys.stdout.flush()
            finally:
                os._exit(code)
        _, status = os.waitpid(child, 0)
        print(os.waitstatus_to_exitcode(status), file=answers, flush=True)


if __name__ == "__main__":
    _serve()
