"""What the tests of faults share: a cut-down project, small landing folders, nights as processes of their own.

A night of the whole project takes a minute of a core, nearly all of it in dbt's models and tests, whose number has no
bearing on what a killed process or a full disk leaves. The cut-down project is the same code with the models that the
night itself reads (and what these are made from), without dbt's tests, and with few suites: a third of the time.
"""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

import contents
import yaml

ROOT = Path(__file__).resolve().parents[2]
COMMAND = "from ccg_pipeline.cli import main; main()"
SUITES = ("marts_fct_indicator_values", "raw_ae", "raw_dtoc", "AE_4HR", "AE_TROLLEY_12HR", "DTOC_RATE")
FIRST = ("ae/Monthly-AE-April-2019.csv", "ae/Monthly-AE-March-2019.csv", "dtoc/MSitDT-APRIL-2019-full-extract.csv")
# What arrives for the second night; its publication differs from that of the first.
SECOND = ("ae/Monthly-AE-May-2019.csv", "dtoc/MSitDT-MAY-2019-full-extract.csv")
# Two homes at most are worked on at a time: the machines that this runs on have two cores.
WORKERS = 2

Item = TypeVar("Item")
Result = TypeVar("Result")


@dataclass
class Ended:
    """How a process ended: exit code (minus the signal that killed it) and all it said."""

    code: int
    said: str


@dataclass
class Night:
    """A night as a process group of its own, so that it can be stopped and killed whole."""

    raw: Path
    home: Path
    project: Path
    environment: dict[str, str] = field(default_factory=dict)
    before: tuple[str, ...] = ()  # what the command is run by, such as strace
    log_folder: Path | None = None  # where it is noted what the night says; else beside home
    process: subprocess.Popen | None = None
    begun: float = 0.0

    def begin(self, **options: object) -> Night:
        command = [*self.before, sys.executable, "-c", COMMAND, "nightly"]
        self.log = (self.log_folder or self.home.parent) / f"{self.home.name}.said.txt"
        with open(self.log, "w") as log:
            self.process = subprocess.Popen(
                [*command, "--raw", str(self.raw), "--home", str(self.home)],
                cwd=self.project,
                env=environment(self.project, **self.environment),
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                **options,  # type: ignore[call-overload]
            )
        self.begun = time.monotonic()
        return self

    @property
    def group(self) -> int:
        assert self.process is not None
        return self.process.pid

    def stop(self) -> None:
        """Hold every process of the night where it is, until it `goes_on`."""
        os.killpg(self.group, signal.SIGSTOP)
        for _ in range(500):
            if all(state in "TtZX" for state in states(self.group).values()):
                return
            time.sleep(0.002)

    def goes_on(self) -> None:
        os.killpg(self.group, signal.SIGCONT)

    def kill(self) -> None:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.group, signal.SIGKILL)
        assert self.process is not None
        self.process.wait()
        for _ in range(500):  # the children are not ours to wait for
            if not any(state not in "ZX" for state in states(self.group).values()):
                return
            time.sleep(0.01)

    def end(self, seconds: float = 900) -> Ended:
        assert self.process is not None
        try:
            code = self.process.wait(seconds)
        except subprocess.TimeoutExpired:
            self.kill()
            raise AssertionError(f"no end after {seconds} s: {self.said()}") from None
        return Ended(code, self.said())

    def said(self) -> str:
        return self.log.read_text(errors="replace") if self.log.exists() else ""

    def stage(self) -> str:
        """How far the night has come, by what it last said."""
        last = "start"
        for line in self.said().splitlines():
            for begins, stage in (
                ("  recognising", "receive"),
                ("  loading", "load"),
                ("  checking", "check"),
                ("  building", "build"),
                ("  evaluating", "judge"),
                ("  publishing", "publish"),
                ("Published:", "end"),
            ):
                if line.startswith(begins):
                    last = stage
        return last


def night(raw: Path, home: Path, project: Path, **variables: str) -> Ended:
    """A whole night, from begin to end."""
    return Night(raw, home, project, variables).begin().end()


def environment(project: Path, **variables: str) -> dict[str, str]:
    mine = {name: value for name, value in os.environ.items() if not name.startswith(("CCG_", "DAGSTER_", "DBT_"))}
    return {**mine, "PYTHONPATH": str(project), "CCG_COLUMN_LINEAGE": "off", **variables}


def states(group: int) -> dict[int, str]:
    """The state (as in ps) of each process of a group."""
    found = {}
    for folder in Path("/proc").iterdir():
        if folder.name.isdigit():
            try:
                state, _, its_group = (folder / "stat").read_text().rpartition(") ")[2].split()[:3]
            except OSError:
                continue
            if int(its_group) == group:
                found[int(folder.name)] = state
    return found


def dbt_of(group: int) -> list[int]:
    """The processes of dbt among those of a group."""
    found = []
    for process, state in states(group).items():
        with contextlib.suppress(OSError):
            command = Path(f"/proc/{process}/cmdline").read_bytes().split(b"\0")
            if state not in "ZX" and any(word.endswith(b"/dbt") for word in command[:2]):
                found.append(process)
    return found


def each(items: Iterable[Item], work: Callable[[Item], Result]) -> list[Result]:
    """The work done on each item, two at a time."""
    with ThreadPoolExecutor(WORKERS) as pool:
        return list(pool.map(work, items))


def copied(home: Path, to: Path) -> Path:
    """A copy of a home: what a kill at this moment would leave."""
    shutil.rmtree(to, ignore_errors=True)
    subprocess.run(["cp", "-a", "--sparse=always", str(home), str(to)], check=True)
    return to


def published(home: Path) -> Path:
    return home / "published" / "ccg.duckdb"


def marts(home: Path) -> str:
    """All marts of a publication in one hash, run records and times of receipt apart."""
    return contents.in_one(contents.of(published(home)))


def rows_loaded_twice(home: Path) -> list[str]:
    """Rows of schema raw that stand there more than once; by table."""
    import duckdb

    con = duckdb.connect(str(published(home)), read_only=True)
    try:
        twice = []
        for table in ("ae", "dtoc"):
            (rows,) = con.execute(f"SELECT count(*) FROM raw.{table}").fetchall()[0]
            (claimed,) = con.execute(
                "SELECT coalesce(sum(row_count), 0) FROM raw.extracts WHERE dataset = ? AND outcome = 'loaded'", [table]
            ).fetchall()[0]
            (extracts, once) = con.execute("SELECT count(*), count(DISTINCT extract_id) FROM raw.extracts").fetchall()[
                0
            ]
            if rows != claimed or extracts != once:
                twice.append(f"{table}: {rows} rows, {claimed} of them accounted for")
        return twice
    finally:
        con.close()


def land(folder: Path, names: Iterable[str], source: Path = ROOT / "raw") -> Path:
    """A landing folder with files of the sample."""
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(source / name, folder / name)
    return folder


def cut_down(folder: Path) -> Path:
    """The project with the models that a night reads and what these are made from; see above."""
    ignored = shutil.ignore_patterns("__pycache__", "target", "logs")
    shutil.copytree(ROOT / "ccg_pipeline", folder / "ccg_pipeline", ignore=ignored)
    shutil.copytree(ROOT / "dbt_project", folder / "dbt_project", ignore=ignored)
    shutil.copyfile(ROOT / "workspace.yaml", folder / "workspace.yaml")
    for suite in (ROOT / "expectations").rglob("*.json"):
        if suite.stem in SUITES:
            to = folder / suite.relative_to(ROOT)
            to.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(suite, to)
    dbt = folder / "dbt_project"
    nodes = {
        path.stem: path for kind in ("models/**/*.sql", "models/**/*.py", "seeds/*.csv") for path in dbt.glob(kind)
    }
    _ask_no_questions(dbt / "models" / "marts")
    needed = _needed(folder, nodes)
    for name, path in nodes.items():
        if name not in needed:
            path.unlink()
            path.with_suffix(".yml").unlink(missing_ok=True)
    shutil.rmtree(dbt / "tests", ignore_errors=True)
    with open(dbt / "dbt_project.yml", "a") as configuration:
        configuration.write("\ndata_tests:\n  +enabled: false\n")
    return folder


def _ask_no_questions(marts: Path) -> None:
    """Questions are a fifth of a build: the mart of them is left, with its columns and no row."""
    columns = yaml.safe_load((marts / "fct_data_queries.yml").read_text())["models"][0]["columns"]
    cells = ",\n    ".join(f"null::{column['data_type']} as {column['name']}" for column in columns)
    (marts / "fct_data_queries.sql").write_text(f"select\n    {cells}\nwhere false\n")


def _needed(folder: Path, nodes: dict[str, Path]) -> set[str]:
    """Names of the models and seeds that the code of a night and its suites name, and of all these are made from."""
    code = folder / "ccg_pipeline"
    readers = [
        *(p for p in code.rglob("*.py") if not {"publication", "sample", "extracts"} & set(p.relative_to(code).parts)),
        code / "publication" / "summary.py",
        *(folder / "expectations").rglob("*.json"),
    ]
    named = {
        name for path in readers for name in re.findall(r"(?:marts|staging|intermediate)\.(\w+)", path.read_text())
    }
    wanted, needed = list(named & nodes.keys()), set()
    while wanted:
        name = wanted.pop()
        if name in needed or name not in nodes:
            continue
        needed.add(name)
        path = nodes[name]
        if path.suffix != ".csv":
            text = path.read_text()
            wanted += re.findall(r"ref\(\s*['\"](\w+)['\"]", text)
            for begins, ends in re.findall(r"ref\(\s*['\"](\w*)['\"]\s*~\s*\w+\s*(?:~\s*['\"](\w*)['\"])?", text):
                wanted += [other for other in nodes if other.startswith(begins) and other.endswith(ends)]
    macros = "".join(path.read_text() for path in (folder / "dbt_project" / "macros").glob("*.sql"))
    return needed | (set(re.findall(r"ref\(\s*['\"](\w+)['\"]", macros)) & nodes.keys())
