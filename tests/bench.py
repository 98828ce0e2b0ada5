"""``make bench``: the first full load and a night with nothing new, against the bare engines reading the same files.

Every figure is measured in this one run, so that only the ratios mean something beyond this machine. Uses ``../shared``
where it is, else the sample.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import fastexcel
import polars as pl

from ccg_pipeline import nights
from ccg_pipeline.landing.files import scan
from ccg_pipeline.settings import PROJECT_ROOT, Settings


def bare_engines(raw: Path) -> float:
    """Seconds that polars and calamine need to read every loadable byte into tables, with no questions asked."""
    started = time.perf_counter()
    for file in scan(raw)[0]:
        suffix = file.path.suffix.lower()
        if suffix in (".xls", ".xlsx"):
            reader = fastexcel.read_excel(file.path)
            for sheet in reader.sheet_names:
                reader.load_sheet(sheet, header_row=None, dtypes="string").to_polars()
        elif suffix in (".csv", ".gz"):
            pl.read_csv(file.path, infer_schema=False, encoding="utf8-lossy", truncate_ragged_lines=True)
    return time.perf_counter() - started


def nightly(raw: Path, home: Path) -> float:
    started = time.perf_counter()
    command = [str(Path(sys.executable).parent / "ccg"), "nightly", "--raw", str(raw), "--home", str(home)]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode in (0, 3), done.stdout + done.stderr
    return time.perf_counter() - started


def main() -> None:
    shared = Path(os.environ.get("CCG_SHARED") or PROJECT_ROOT.parent / "shared") / "data"
    raw = shared if shared.is_dir() else PROJECT_ROOT / "raw"
    with tempfile.TemporaryDirectory() as home:
        engines = bare_engines(raw)
        first, again = nightly(raw, Path(home)), nightly(raw, Path(home))
        runs = nights.records(Settings(raw, Path(home)))
    report = {
        "raw": str(raw),
        "seconds": {"bare engines": round(engines, 2), "first night": round(first, 2), "nothing new": round(again, 2)},
        "ratios": {
            "first night to bare engines": round(first / engines, 1),
            "nothing new to first night": round(again / first, 4),
        },
        "first night by stage": runs[0]["seconds"],
    }
    text = json.dumps(report, indent=2)
    out = Settings.from_environment().home / "bench.json"
    out.parent.mkdir(parents=True, exist_ok=True)
    out.write_text(text + "\n", encoding="utf-8")
    print(text)


if __name__ == "__main__":
    main()
