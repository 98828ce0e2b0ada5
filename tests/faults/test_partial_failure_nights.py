"""One dataset fails, in whole nights and in dbt: it is held back, the others are published, and it comes in later."""

from __future__ import annotations

import json
from datetime import datetime
from pathlib import Path
from typing import Any

import dagster as dg
import duckdb
import kit

from ccg_pipeline import extracts
from ccg_pipeline.definitions import build_defs
from ccg_pipeline.landing import loading
from ccg_pipeline.settings import Settings

DTOC_MAY = "dtoc/MSitDT-MAY-2019-full-extract.csv"


def of_publication(home: Path, sql: str) -> list[tuple]:
    con = duckdb.connect(str(kit.published(home)), read_only=True)
    try:
        return con.execute(sql).fetchall()
    finally:
        con.close()


def latest(home: Path) -> dict[str, str]:
    """The latest month with a value, by dataset."""
    return dict(
        of_publication(
            home,
            "SELECT dataset, strftime(max(period_start), '%Y-%m') FROM marts.fct_indicator_values "
            "JOIN (SELECT indicator_id, dataset FROM marts.dim_indicators) USING (indicator_id) "
            "WHERE period_type = 'month' AND value IS NOT NULL AND source = 'derived' GROUP BY 1",
        )
    )


def stricter(suite: dict[str, Any]) -> dict[str, Any]:
    """The suite with an expectation that no month after April 2019 meets."""
    expectation = {
        "type": "expect_column_values_to_be_between",
        "kwargs": {"column": "year_month", "max_value": 201904},
        "severity": "critical",
        "meta": {"meaning": "the month is April 2019 or before"},
    }
    return suite | {"expectations": [*suite["expectations"], expectation]}


def test_one_dataset_is_held_back_the_other_is_published_and_the_first_comes_in_later(tmp_path: Path) -> None:
    project = kit.cut_down(tmp_path / "project")
    raw, home = kit.land(tmp_path / "raw", kit.FIRST), tmp_path / "home"
    ended = kit.night(raw, home, project)
    assert ended.code == 0, ended.said
    assert latest(home) == {"ae": "2019-04", "dtoc": "2019-04"}

    kit.land(raw, kit.SECOND)
    suite = project / "expectations" / "quality" / "raw_dtoc.json"
    whole = suite.read_text()
    suite.write_text(json.dumps(stricter(json.loads(whole))))
    ended = kit.night(raw, home, project)
    assert ended.code == 3, ended.said
    assert "held back: 1 new files of dtoc" in ended.said
    assert f"In quarantine: 1 files of the landing folder, not loaded\n  {DTOC_MAY}\n" in ended.said
    assert latest(home) == {"ae": "2019-05", "dtoc": "2019-04"}
    ((status, reason),) = of_publication(
        home, f"SELECT status, reason FROM marts.extracts WHERE file_name = '{DTOC_MAY}'"
    )
    assert status == "quarantined"
    assert f"the month is April 2019 or before: 126 of 126 rows do not ({DTOC_MAY}" in reason
    stale = "SELECT dataset, extracts_held_back FROM marts.dim_datasets WHERE is_stale"
    assert of_publication(home, stale) == [("dtoc", 1)]
    ((told,),) = of_publication(
        home,
        "SELECT f.outcome FROM marts.runs_files f JOIN marts.runs r USING (run_id) "
        f"WHERE r.has_made_this_publication AND f.file_name = '{DTOC_MAY}'",
    )
    assert told == "held back"
    assert kit.rows_loaded_twice(home) == []

    # With nothing new there is no run, and it is told all the same.
    ended = kit.night(raw, home, project)
    assert ended.code == 3 and "Nothing new" in ended.said and DTOC_MAY in ended.said

    suite.write_text(whole)
    ended = kit.night(raw, home, project)
    assert ended.code == 0, ended.said
    assert latest(home) == {"ae": "2019-05", "dtoc": "2019-05"}
    assert of_publication(home, stale) == []
    undisturbed = tmp_path / "undisturbed"
    assert kit.night(raw, undisturbed, project).code == 0
    assert kit.marts(home) == kit.marts(undisturbed)
    assert kit.rows_loaded_twice(home) == []


def test_a_failed_model_of_one_dataset_holds_that_back_and_the_rest_is_built(tmp_path: Path) -> None:
    """Rows twice over break the grain of the staging model: dbt builds again without the file, in the same run."""
    settings = Settings(kit.land(tmp_path / "raw", (kit.FIRST[0], DTOC_MAY)), tmp_path / "home")
    loading.receive(settings, datetime(2019, 9, 1, 2, 0), lambda _: None)
    for dataset in extracts.DATASETS:
        loading.load(settings, dataset, lambda _: None)
    with duckdb.connect(str(settings.warehouse)) as con:
        con.execute("INSERT INTO raw.dtoc SELECT * FROM raw.dtoc")
    models = ("stg_landing__extracts", "stg_landing__coverage", "stg_dtoc__delayed_days", "stg_ae__attendances")
    job = build_defs(settings).resolve_job_def("nightly")
    with dg.DagsterInstance.ephemeral() as instance:
        done = job.execute_in_process(
            instance=instance,
            asset_selection=[dg.AssetKey(["staging", model]) for model in models],
            raise_on_error=False,
        )
    assert done.success, [event.message for event in done.all_events if event.is_failure]
    assert [event.step_key for event in done.all_events if event.event_type_value == "STEP_UP_FOR_RETRY"] == ["dbt"]
    with duckdb.connect(str(settings.warehouse)) as con:
        found = con.execute("SELECT dataset, outcome, reason FROM raw.extracts ORDER BY 1").fetchall()
        assert con.execute("SELECT count(*) FROM raw.dtoc").fetchall() == [(0,)]
    assert [row[:2] for row in found] == [("ae", "loaded"), ("dtoc", "held")]
    assert "unique_grain_stg_dtoc__delayed_days" in found[1][2]
