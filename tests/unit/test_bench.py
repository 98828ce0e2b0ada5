"""``make bench``: its figures are of what it says, and its report hides neither a miss nor a difference."""

from __future__ import annotations

import json
import sys
from datetime import date
from pathlib import Path
from types import ModuleType

import polars as pl
import pytest

from ccg_pipeline.sample import national
from ccg_pipeline.sample.national import rtt
from ccg_pipeline.settings import PROJECT_ROOT

BENCH = PROJECT_ROOT / "tests" / "bench"
SMALL = national.Country(seed=7, providers=12, commissioners=9, parents=4)
MONTH = date(2022, 7, 1)


@pytest.fixture
def bench(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    monkeypatch.syspath_prepend(BENCH)
    import processes

    return processes


def last_line(output: str) -> dict:
    return json.loads(output.strip().splitlines()[-1])


def test_what_a_process_held_and_took_is_measured(bench: ModuleType) -> None:
    lines = "import time; held = bytearray(200 * 1024**2); time.sleep(0.9); print(len(held))"
    measured = bench.run_python(lines)
    assert measured.output.strip() == str(200 * 1024**2)
    assert 0.9 < measured.seconds < 60 and measured.cpu_seconds < measured.seconds
    assert measured.dbt_mib is None
    if Path("/proc/self/status").exists():
        assert 200 < measured.pipeline_mib < 300 and 200 < measured.all_mib < 300


def test_a_command_that_fails_is_no_measurement(bench: ModuleType) -> None:
    with pytest.raises(bench.CommandFailed, match="ended with 7: what it said"):
        bench.run_python("import sys; print('what it said'); sys.exit(7)")


def test_the_script_and_the_engines_read_every_row(bench: ModuleType, tmp_path: Path) -> None:
    (path,) = national.write_national(tmp_path / "raw", 1, MONTH, SMALL, datasets=("rtt",))
    rows = rtt.rtt_month(SMALL, MONTH)
    org = SMALL.commissioner_codes[0]
    waiting = rows.filter(
        pl.col("RTT Part Type") == "Part_2",
        pl.col("Commissioner Org Code") == org,
        pl.col("Treatment Function Code") != "C_999",
    )
    weeks = waiting.select(pl.col("^Gt .*$").sum()).row(0)
    found = last_line(bench.run_python(BENCH / "pandas_script.py", path, org).output)
    assert (found["numerator"], found["denominator"]) == (sum(weeks[:18]), sum(weeks)) and len(weeks) == 105
    alone = last_line(bench.run_python(BENCH / "engines.py", "rtt", tmp_path / "raw", tmp_path / "a.duckdb").output)
    assert (alone["files"], alone["rows"]) == (1, rows.height)
    every = last_line(bench.run_python(BENCH / "engines.py", "all", tmp_path / "raw", tmp_path / "b.duckdb").output)
    assert (every["files"], every["rows"]) == (1, rows.height + 1)  # the headings are a row as well


def test_the_report_tells_what_is_missed_what_is_met_and_what_was_not_measured(bench: ModuleType) -> None:
    import report

    command = {"seconds": 40.0, "cpu_seconds": 30.0, "pipeline_mib": 900, "dbt_mib": None, "all_mib": 1000}
    night = command | {"stages": {"start": 10.0, "build": 20.0, "all": 39.0}}
    sizes = {"warehouse": 1, "publication": 1, "home": 2}
    figures = {"value": 50.0, "numerator": 1, "denominator": 2}
    steps = {
        str(n): {"filling": night, "one new month": night | {"seconds": 40.0 + n}, "megabytes": sizes}
        for n in (12, 120)
    }
    whole = report.completed(
        {
            "machine": report.machine() | {"load_before": [0.1, 0.1, 0.1]},
            "files": "the sample",
            "is_of_published_files": False,
            "not measured": ["one new month after 60: CCG_BENCH_MONTHS"],
            "full load": {
                "bare engines": {"seconds": 3.9, "peak_mib": 10},
                "first night": night,
                "nothing new": night | {"seconds": 5.0},
                "pack": command | {"seconds": 2.01},
            },
            "history": {
                "months": steps,
                "indicators": command | {"seconds": 1.0},
                "pandas": command | {"figure": figures, "figure of ccg indicators": figures, "is_the_same": False},
                "DuckDB alone": {"seconds": 100.0, "peak_mib": 10, "rows": 1000},
                "landing": {"seconds": 151.0, "files": 121},
            },
        }
    )
    verdicts = {row["target"]: row["is_met"] for row in whole["targets"]}
    assert verdicts == {
        "first night against the bare engines": False,  # 10.3 times
        "first night of the published files": None,
        "one new month in a full warehouse against the first night": None,
        "nothing new": True,
        "one new month after 120 against after 12": False,  # 160 against 52
        "a pack": False,
        "ccg indicators on 120 national months": True,
        "120 months landed against DuckDB alone": False,  # 1.51
        "peak memory after 120 months against after 12": True,
    }
    text = report.text(whole)
    assert text.count("MISSED") == 4 and text.count("not measured") == 2 and "THE TWO DIFFER" in text
    assert "one new month after 60" in text
    whole["history"]["pandas"]["is_the_same"] = True
    assert "busy" not in text
    whole["machine"]["load_before"] = [7.0, 7.0, 7.0]
    assert "was busy" in report.text(whole)
    whole["history"]["landing"]["files"] = 119
    less = {row["target"]: row["is_met"] for row in report.completed(whole)["targets"]}
    assert [name for name in verdicts if less[name] is None and verdicts[name] is not None] == [
        "ccg indicators on 120 national months",
        "120 months landed against DuckDB alone",
    ]
    assert "DIFFER" not in report.text(whole)


def test_figures_that_differ_are_told_apart(bench: ModuleType) -> None:
    import sections

    ours = json.dumps([{"value": 50.0, "numerator": 1, "denominator": 2, "org_code": "900"}])
    assert sections.compared(ours, '{"value": 50.0, "numerator": 1, "denominator": 2}')["is_the_same"]
    assert not sections.compared(ours, '{"value": 50.0, "numerator": 2, "denominator": 4}')["is_the_same"]
    assert sys.path[0] == str(BENCH)
