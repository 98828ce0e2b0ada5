"""A warehouse written by an older version takes the columns and types of this one, and keeps its rows."""

from pathlib import Path

import duckdb
import polars as pl

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
