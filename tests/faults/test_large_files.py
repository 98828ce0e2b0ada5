"""Files of the largest size: a month of national RTT, and three of them in one, read within the memory stated.

The figures are those of docs/operating.md with room for other versions of the libraries.
"""

from __future__ import annotations

import os
import subprocess
import sys
from datetime import date
from pathlib import Path

import pytest

from ccg_pipeline.extracts.limits import MOST_BYTES
from ccg_pipeline.sample import national
from ccg_pipeline.settings import PROJECT_ROOT

READ = """
import sys
from pathlib import Path
from ccg_pipeline.landing.loading import read_extract

def held():
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) // 1024 for line in lines if line.startswith("VmHWM"))

before = held()
rows = read_extract(Path(sys.argv[1]), "large.csv").rows.height
print(rows, held() - before)
"""


pytestmark = pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="only Linux says what a process held")


@pytest.fixture(scope="module")
def month(tmp_path_factory: pytest.TempPathFactory) -> Path:
    written = national.write_national(
        tmp_path_factory.mktemp("national"), 1, date(2025, 3, 1), is_zipped=False, datasets=("rtt",)
    )
    return next(written)


@pytest.mark.parametrize(("times", "most_megabytes"), [(1, 1_500), (3, 4_000)])
def test_reading_takes_the_memory_that_is_stated(month: Path, tmp_path: Path, times: int, most_megabytes: int) -> None:
    header, body = month.read_bytes().split(b"\n", 1)
    path = tmp_path / "large.csv"
    with open(path, "wb") as file:
        file.write(header + b"\n")
        for letter in (b"X", b"Y", b"Z")[-times:]:
            file.write(body.replace(b",Z", b"," + letter))  # other providers, so that no row is there twice
    assert path.stat().st_size <= MOST_BYTES
    done = subprocess.run(
        [sys.executable, "-c", READ, str(path)],
        env={**os.environ, "PYTHONPATH": str(PROJECT_ROOT)},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    rows, megabytes = map(int, done.stdout.split())
    print(f"{path.stat().st_size / 1e6:.0f} MB, {rows:,} rows: {megabytes:,} MB of memory")
    assert rows == body.count(b"\n") * times
    assert megabytes < most_megabytes
