"""``make bench``: what the nights cost, each figure beside what it is to be compared with, measured in this one run.

Takes ``../shared`` where it is, else the sample. Writes ``bench/report.txt`` and ``bench/report.json`` below the home
folder; homes and landing folders of the measurements stand beside them meanwhile and go at the end. Asserts nothing.

``CCG_BENCH_MONTHS`` says after how many months of national RTT one new month is measured (default 1,12: 15 minutes in
all; 1,12,60,120 takes over an hour and 25 GB). ``CCG_BENCH_RTT`` names a folder with national months of RTT (``ccg
sample --national --seed 7``) to take instead of writing them. ``CCG_BENCH_PARTS`` is what to measure: imports, full,
month, history.
"""

from __future__ import annotations

import json
import os
import sys
import tempfile
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent))

import nights as measured_nights
import report as reporting
import sections
from processes import CommandFailed

from ccg_pipeline import durable
from ccg_pipeline.settings import PROJECT_ROOT, Settings

_USUAL_MONTHS = "1,12"
_ALL_MONTHS = (1, 12, 60, 120)
_PARTS = ("imports", "full", "month", "history")


def main() -> int:
    months = sorted({int(n) for n in (os.environ.get("CCG_BENCH_MONTHS") or _USUAL_MONTHS).split(",") if n.strip()})
    given = os.environ.get("CCG_BENCH_RTT")
    parts = (os.environ.get("CCG_BENCH_PARTS") or ",".join(_PARTS)).split(",")
    if unknown := set(parts) - set(_PARTS):
        print(f"bench: CCG_BENCH_PARTS has {', '.join(sorted(unknown))}, expected of {', '.join(_PARTS)}")
        return 2
    shared = Path(os.environ.get("CCG_SHARED") or PROJECT_ROOT.parent / "shared") / "data"
    raw = shared if shared.is_dir() else PROJECT_ROOT / "raw"
    folder = Settings.from_environment().home / "bench"
    folder.mkdir(parents=True, exist_ok=True)
    report: dict[str, Any] = {
        "measured_at": datetime.now(UTC).isoformat(timespec="seconds"),
        "machine": reporting.machine(),
        "files": "those of ../shared/data" if raw == shared else "the sample",
        "is_of_published_files": raw == shared,
        "not measured": [f"one new month after {n}: CCG_BENCH_MONTHS" for n in _ALL_MONTHS if n not in months],
    }
    started = time.monotonic()

    def say(what: str) -> None:
        print(f"{time.monotonic() - started:6.0f} s  {what}", file=sys.stderr, flush=True)

    with tempfile.TemporaryDirectory(dir=folder, prefix=".measuring-") as scratch:
        place = Path(scratch)
        work: dict[str, tuple[str, Callable[[], Any]]] = {
            "imports": ("imports", measured_nights.imports),
            "full": ("full load", lambda: sections.full_load(raw, place, say)),
            "month": ("new month", lambda: sections.new_month(raw, place, say)),
            "history": ("history", lambda: sections.history(months, Path(given) if given else None, place, say)),
        }
        for part, (name, measure) in work.items():
            if part not in parts:
                report["not measured"].append(f"{name}: CCG_BENCH_PARTS")
                continue
            say(name)
            try:
                report[name] = measure()
            except (CommandFailed, OSError, ValueError) as error:
                report["not measured"].append(f"{name}: {error}")
                say(f"{name} could not be measured: {error}")
    report["took_seconds"] = round(time.monotonic() - started)
    report = reporting.completed(report)
    text = reporting.text(report)
    durable.put_text(folder / "report.txt", text)
    durable.put_text(folder / "report.json", json.dumps(report, indent=2) + "\n")
    print(f"\n{text}\nin {report['took_seconds']} s, kept in {folder}/report.txt and report.json")
    return 0


if __name__ == "__main__":
    sys.exit(main())
