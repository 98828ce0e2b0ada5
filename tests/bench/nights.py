"""Nights as they are measured: homes and landing folders of their own, which go when the benchmark ends."""

from __future__ import annotations

import json
import os
import shutil
import sys
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

from processes import CommandFailed, Measured, middle, run, run_python

from ccg_pipeline import nights
from ccg_pipeline.landing.files import walk
from ccg_pipeline.months import months_later
from ccg_pipeline.sample import national
from ccg_pipeline.settings import Settings

CCG = Path(sys.executable).parent / "ccg"
HERE = Path(__file__).parent
ENDED = (0, 3)  # published; 3: with files in quarantine
RTT = ("rtt",)
SEED = 7
LAST_OF_HISTORY = date(2025, 3, 1)


@dataclass(frozen=True)
class Place:
    """A landing folder and a home."""

    raw: Path
    home: Path

    @classmethod
    def below(cls, folder: Path, name: str) -> Place:
        place = cls(folder / f"{name}-raw", folder / f"{name}-home")
        place.raw.mkdir()
        return place

    @property
    def settings(self) -> Settings:
        return Settings(self.raw, self.home)

    def night(self) -> dict[str, Any]:
        """One `ccg nightly`, with its seconds by stage as it records them."""
        return self._told(self._nightly())

    def nights_with_nothing_new(self) -> dict[str, Any]:
        """The one in the middle of several."""
        measured, seconds = middle(self._nightly)
        return self._told(measured) | {"seconds_of_each": seconds}

    def _nightly(self) -> Measured:
        return run([CCG, "nightly", "--raw", self.raw, "--home", self.home], ENDED)

    def _told(self, measured: Measured) -> dict[str, Any]:
        record = nights.records(self.settings)[-1]
        if record["outcome"] not in (nights.PUBLISHED, nights.NOTHING_NEW):
            raise CommandFailed(f"the night ended as {record['outcome']!r}: {measured.output[-2000:]}")
        return measured.figures() | {
            "outcome": record["outcome"],
            "files": len(walk(self.raw)),
            "in_quarantine": len(record["quarantine"]),
            "stages": record["seconds"],
        }

    def take(self, source: Path, name: str) -> None:
        """Put a file into the landing folder under a name below it, without copying it where that can be."""
        target = self.raw / name
        target.parent.mkdir(parents=True, exist_ok=True)
        try:
            os.link(source, target)
        except OSError:
            shutil.copyfile(source, target)


def latest_rtt(raw: Path) -> str:
    """The name of the RTT file of the latest month, that with the most rows where several are."""
    lines = """
import sys
from pathlib import Path
from ccg_pipeline.landing.files import walk
from ccg_pipeline.landing.loading import read_extract
found = []
for name, path in walk(Path(sys.argv[1])).items():
    if name.startswith("rtt/"):
        try:
            extract = read_extract(path, name)
        except Exception:
            continue
        found.append((max(c.period_start for c in extract.coverage), extract.rows.height, name))
print(max(found)[2])
"""
    return run_python(lines, raw).output.strip().splitlines()[-1]


def engines(what: str, raw: Path, folder: Path) -> dict[str, Any]:
    """What `engines` measures, and the memory it took."""
    database = folder / "engines.duckdb"
    measured = run_python(HERE / "engines.py", what, raw, database)
    found = json.loads(measured.output.strip().splitlines()[-1])
    found |= {"database_mb": _megabytes(database), "peak_mib": measured.all_mib}
    database.unlink()
    return found


def engines_in_the_middle(what: str, raw: Path, folder: Path, times: int = 3) -> dict[str, Any]:
    """Of several measurements of the engines, that in the middle; the first finds the files out of memory."""
    found = sorted((engines(what, raw, folder) for _ in range(times)), key=lambda each: each["seconds"])
    return found[times // 2] | {"seconds_of_each": [round(each["seconds"], 2) for each in found]}


def imports() -> dict[str, float]:
    """Seconds of a child that only imports, less those of one that imports nothing."""
    nothing = run_python("pass").seconds
    found = {"the interpreter itself": nothing}
    for module in ("polars", "duckdb", "pandas", "dagster", "dagster_dbt", "great_expectations"):
        found[module] = round(run_python(f"import {module}").seconds - nothing, 2)
    found["ccg_pipeline.cli"] = round(run_python("import ccg_pipeline.cli").seconds - nothing, 2)
    found["ccg_pipeline.definitions (all of a night)"] = round(
        run_python("import ccg_pipeline.definitions").seconds - nothing, 2
    )
    return found


def reading(raw: Path) -> dict[str, Any]:
    """Seconds to recognise and to read every file once, without storing a row, in one process."""
    lines = """
import json, sys, time
from pathlib import Path
from ccg_pipeline import extracts
from ccg_pipeline.landing.files import scan
from ccg_pipeline.landing.loading import read_extract
seconds = {"scan": time.perf_counter()}
files = scan(Path(sys.argv[1]))[0]
seconds["scan"] = time.perf_counter() - seconds["scan"]
seconds |= {"recognise": 0.0, "read": 0.0}
for file in files:
    started = time.perf_counter()
    try:
        dataset = extracts.recognise(extracts.Source(file.path, file.file_name)).name
        recognised = time.perf_counter()
        seconds["recognise"] += recognised - started
        read_extract(file.path, file.file_name, recognised=dataset)
        seconds["read"] += time.perf_counter() - recognised
    except extracts.ExtractError:
        continue
print(json.dumps(seconds))
"""
    measured = run_python(lines, raw)
    found = json.loads(measured.output.strip().splitlines()[-1])
    return {name: round(seconds, 2) for name, seconds in found.items()} | {"peak_mib": measured.all_mib}


def take_month(place: Place, month: date, given: Path | None) -> Path:
    """The national RTT file of a month in a landing folder: from a folder that holds it, else written now."""
    last_day = months_later(month, 1).toordinal() - month.toordinal()
    name = f"{month:%Y%m}{last_day}-RTT-{month:%B-%Y}-full-extract.zip"
    if given and (held := next(given.rglob(name), None)):
        place.take(held, f"rtt/{name}")
    else:
        (path,) = national.write_national(place.raw, 1, month, country(), datasets=RTT)
        assert path.name == name, path
    return place.raw / "rtt" / name


_country: list[national.Country] = []


def country() -> national.Country:
    """The made-up country of every month; made once."""
    if not _country:
        _country.append(national.Country(SEED))
    return _country[0]


def size_of(home: Path) -> dict[str, int]:
    """Megabytes on the disk."""
    settings = Settings(home, home)
    return {
        "warehouse": _megabytes(settings.warehouse),
        "publication": _megabytes(settings.published),
        "home": sum(path.stat().st_size for path in home.rglob("*") if path.is_file()) // 1_000_000,
    }


def _megabytes(path: Path) -> int:
    return path.stat().st_size // 1_000_000


def command(*arguments: str | Path) -> Measured:
    """A `ccg` command that is to end with 0."""
    return run([CCG, *arguments])


def command_in_the_middle(*arguments: str | Path) -> dict[str, Any]:
    """The figures of a short `ccg` command, the one in the middle of several."""
    measured, seconds = middle(lambda: command(*arguments))
    return measured.figures() | {"seconds_of_each": seconds}
