"""A warehouse written by an older version takes the columns and types of this one, and keeps its rows."""

import subprocess
import sys
from pathlib import Path
from typing import Any

import duckdb
import polars as pl
import pytest

from ccg_pipeline import warehouse


def test_tables_of_an_older_version_are_widened(tmp_path: Path) -> None:
    path = tmp_path / "warehouse.duckdb"
    with warehouse.writing(path, {"cancer": {"org_code": pl.String, "patients": pl.Int64}}) as con:
        con.execute("INSERT INTO raw.cancer VALUES ('a', '06N', 5)")
    wider = {"org_code": pl.String, "view": pl.String, "patients": pl.Float64}
    for _ in range(2):
        with warehouse.writing(path, {"cancer": wider}) as con:
            con.execute(
                "INSERT INTO raw.cancer (extract_id, org_code, view, patients) VALUES ('b', 'RWG', 'provider', 0.5)"
            )
    with duckdb.connect(str(path), read_only=True) as con:
        rows = con.execute("SELECT DISTINCT org_code, view, patients FROM raw.cancer ORDER BY 1").fetchall()
    assert rows == [("06N", None, 5.0), ("RWG", "provider", 0.5)]


def test_rows_of_one_file_never_stand_for_those_of_the_next(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """DuckDB keeps what it read of a file by its path: no path is used twice, and none is left behind."""
    paths: list[Path] = []
    write_parquet = pl.DataFrame.write_parquet

    def noted(frame: pl.DataFrame, file: Path, **options: Any) -> None:
        paths.append(file)
        write_parquet(frame, file, **options)

    monkeypatch.setattr(pl.DataFrame, "write_parquet", noted)
    with warehouse.writing(tmp_path / "warehouse.duckdb", {"cancer": {"org_code": pl.String}}) as con:
        for number in range(20):
            rows = pl.DataFrame({"org_code": [f"{number:05d}"] * 40})
            warehouse.insert_rows(con, "cancer", str(number), rows, tmp_path / "scratch")
        held = con.execute(
            "SELECT count(*), count(*) FILTER (WHERE org_code::int = extract_id::int) FROM raw.cancer"
        ).fetchall()
    assert held == [(800, 800)]
    assert len(set(paths)) == 20
    assert not list((tmp_path / "scratch").iterdir())


def test_a_process_that_opened_the_file_late_is_waited_for(tmp_path: Path) -> None:
    """dbt of a run that was killed may open it after the next run has looked."""
    path = tmp_path / "warehouse.duckdb"
    with warehouse.writing(path):
        pass
    lines = "import duckdb, sys, time; con = duckdb.connect(sys.argv[1]); print('open', flush=True); time.sleep(1)"
    with subprocess.Popen([sys.executable, "-c", lines, str(path)], stdout=subprocess.PIPE, text=True) as late:
        assert late.stdout and late.stdout.readline() == "open\n"
        with warehouse.writing(path) as con:
            assert late.wait() == 0
            assert con.execute("SELECT count(*) FROM raw.extracts").fetchall() == [(0,)]
