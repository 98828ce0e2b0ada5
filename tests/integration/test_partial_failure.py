"""What one dataset's failure holds back, and what goes on without it: in the landing, in Dagster, in dbt."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import dagster as dg
import duckdb
import pytest
from conftest import NIGHT, build_marts, land, opened
from test_landing import revised, statuses

from ccg_pipeline import extracts, warehouse
from ccg_pipeline.checks import holding
from ccg_pipeline.checks.asset_checks import quality_suites
from ccg_pipeline.checks.running import Result
from ccg_pipeline.definitions import build_defs
from ccg_pipeline.landing import loading
from ccg_pipeline.publication import datasets
from ccg_pipeline.settings import Settings

SPOIL = "UPDATE raw.ae SET over_4hrs_type1 = attendances_type1 + 1 WHERE org_code = 'RWG' AND extract_id = ?"


@pytest.fixture
def settings(sample_raw: Path, sample_home: Path, tmp_path: Path) -> Settings:
    """A landing folder with A&E of May 2019 and one file of two other datasets; the manifest is that of the sample."""
    home = tmp_path / "home"
    shutil.copytree(sample_home / "dbt", home / "dbt")
    raw = tmp_path / "raw"
    for pattern in ("ae/*May-2019*", "dtoc/*MAY-2019*", "local_returns/*"):
        for path in sample_raw.glob(pattern):
            target = raw / path.relative_to(sample_raw)
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(path, target)
    return Settings(raw, home)


def publish(settings: Settings) -> None:
    """As the publication does, without its checks."""
    with warehouse.writing(settings.warehouse) as con:
        loading.mark_published(con)
    warehouse.publish(settings.warehouse, settings.published)


def execute(settings: Settings, sql: str, *parameters: Any) -> list[tuple]:
    con = duckdb.connect(str(settings.warehouse))
    try:
        return con.execute(sql, list(parameters)).fetchall()
    finally:
        con.close()


def outcomes(settings: Settings) -> dict[str, str]:
    return dict(
        execute(settings, "SELECT file_name, outcome FROM raw.extracts JOIN raw.received_files USING (extract_id)")
    )


def extract_of(settings: Settings, file_name: str) -> str:
    return execute(settings, "SELECT extract_id FROM raw.received_files WHERE file_name = ?", file_name)[0][0]


def prove(settings: Settings, dataset: str = "ae") -> holding.Proof:
    return holding.prove(settings, dataset, quality_suites(settings)[dataset])


def states(settings: Settings) -> dict[str, datasets.State]:
    with warehouse.reading(settings.warehouse) as con:
        return datasets.read(con)


def drop_revision(settings: Settings) -> str:
    """Another edition of A&E in May 2019 arrives; returns its name."""
    revised(next(settings.raw.glob("ae/*May-2019*")), settings.raw / "ae" / "again.csv")
    return "ae/again.csv"


def test_what_is_new_of_a_failed_dataset_is_held_back_until_it_passes(settings: Settings) -> None:
    """Three nights: the revision is spoilt on its way in, then comes in whole, then is taken back."""
    land(settings)
    publish(settings)
    may = next(name for name in outcomes(settings) if "May-2019" in name and name.startswith("ae"))
    rows = execute(settings, "SELECT count(*) FROM raw.ae")
    again = drop_revision(settings)
    (settings.raw / "june.csv").write_text(
        "indicator_id,provider_code,org_code,period,value,target,status\nENT27,COMMUNITAS,COMMUNITAS,2019-06,99,80,final\n"
    )

    land(settings, NIGHT + timedelta(days=1))
    execute(settings, SPOIL, extract_of(settings, again))
    proof = prove(settings)
    assert proof.held_back == (again,) and proof.stops is None
    assert proof.failure is not None and f"({again}, source_row" in proof.failure
    assert prove(settings, "local_returns") == holding.Proof(results=prove(settings, "local_returns").results)
    assert outcomes(settings) | {may: "loaded", again: "held", "june.csv": "loaded"} == outcomes(settings)
    assert execute(settings, "SELECT count(*) FROM raw.ae") == rows
    build_marts(settings, "+extracts", "+dim_datasets")
    assert statuses(settings)[again][0] == "quarantined" and statuses(settings)[may] == ("loaded", None)
    with opened(settings.warehouse) as con:
        ((name, reason),) = loading.standing_in_quarantine(con)
    assert name == again and "over_4hrs_type1 is not above attendances_type1: 1 of" in reason
    found = states(settings)
    assert [name for name, state in found.items() if state.is_stale] == ["ae"]
    assert (found["ae"].stale_since, found["ae"].extracts_held_back, found["ae"].latest) == (
        NIGHT + timedelta(days=1),
        1,
        "May 2019",
    )
    assert found["ae"].stale_reason == reason
    publish(settings)
    assert outcomes(settings)[again] == "held"

    land(settings, NIGHT + timedelta(days=2))
    assert prove(settings).failure is None
    assert outcomes(settings)[again] == "loaded"
    assert execute(settings, "SELECT count(*) FROM raw.ae") == [(2 * rows[0][0],)]
    assert not any(again in note.read_text() for note in settings.quarantine.iterdir())
    build_marts(settings, "+extracts", "+dim_datasets")
    assert not any(state.is_stale for state in states(settings).values())
    assert statuses(settings)[may][0] == "superseded"

    (settings.raw / again).unlink()
    land(settings, NIGHT + timedelta(days=3))
    assert again not in outcomes(settings)
    assert execute(settings, "SELECT count(*) FROM raw.ae") == rows


def test_a_kill_between_loading_and_its_check_loses_nothing(settings: Settings) -> None:
    land(settings)
    publish(settings)
    again = drop_revision(settings)
    land(settings, NIGHT + timedelta(days=1))
    execute(settings, SPOIL, extract_of(settings, again))
    # The run ends here; the next one loads nothing again, and finds the same.
    assert land(settings, NIGHT + timedelta(days=2)).new == 0
    assert prove(settings).held_back == (again,)
    assert land(settings, NIGHT + timedelta(days=3)).new == 1
    loads = execute(settings, "SELECT extract_id, count(*) FROM raw.ae GROUP BY 1")
    assert len(loads) == 2 and len({count for _, count in loads}) == 1


def test_what_is_published_and_fails_when_a_new_reader_reads_it_stops_the_run(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Held back, the publication would lose it: so nothing is published, and the new file beside it waits."""
    land(settings)
    publish(settings)
    again = drop_revision(settings)
    monkeypatch.setattr(loading, "reader_version", lambda: "a later one")
    land(settings, NIGHT + timedelta(days=1))
    may = next(name for name in outcomes(settings) if "May-2019" in name and name.startswith("ae"))
    execute(settings, SPOIL, extract_of(settings, may))
    proof = prove(settings)
    assert proof.held_back == (again,)
    assert proof.stops is not None and f"({may}, source_row" in proof.stops
    assert outcomes(settings)[may] == "loaded"
    # Where only the new one is at fault, what was read again stays.
    execute(settings, "UPDATE raw.ae SET over_4hrs_type1 = 0 WHERE org_code = 'RWG'")
    land(settings, NIGHT + timedelta(days=2))
    execute(settings, "DELETE FROM raw.ae WHERE extract_id = ?", extract_of(settings, may))
    execute(settings, SPOIL, extract_of(settings, again))
    proof = prove(settings)
    assert (proof.held_back, proof.stops) == ((again,), None)


@contextmanager
def spoilt_on_the_way(monkeypatch: pytest.MonkeyPatch, dataset: str, action: Any) -> Iterator[None]:
    """Something befalls the rows of a dataset while they are inserted."""
    insert = loading._insert

    def spoilt(con: duckdb.DuckDBPyConnection, settings: Settings, extract_id: str, extract: Any) -> None:
        insert(con, settings, extract_id, extract)
        if extract.dataset == dataset:
            action(con, extract_id)

    with monkeypatch.context() as patch:
        patch.setattr(loading, "_insert", spoilt)
        yield


def run_assets(settings: Settings, *keys: str) -> dg.ExecuteInProcessResult:
    """Part of the nightly job, as it runs at night."""
    job = build_defs(settings).resolve_job_def("nightly")
    chosen = [dg.AssetKey(key.split("/")) for key in keys]
    with dg.DagsterInstance.ephemeral() as instance:
        return job.execute_in_process(instance=instance, asset_selection=chosen, raise_on_error=False)


LANDING = ("raw/received_files", *(f"raw/{name}" for name in extracts.DATASETS))


def test_in_dagster_the_check_fails_and_the_run_goes_on(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    """A&E fails its checks, delayed transfers hit a bug, the returns come in."""

    def out_of_memory(*_: Any) -> None:
        raise MemoryError

    with (
        spoilt_on_the_way(monkeypatch, "ae", lambda con, extract_id: con.execute(SPOIL, [extract_id])),
        spoilt_on_the_way(monkeypatch, "dtoc", out_of_memory),
    ):
        done = run_assets(settings, *LANDING)
    assert done.success
    found = {(e.asset_key.path[-1], e.check_name): e for e in done.get_asset_check_evaluations()}
    failed = {name for (name, check), e in found.items() if check == "quality" and not e.passed}
    assert failed == {"ae", "dtoc"}
    assert all(found[name, "quality"].severity is dg.AssetCheckSeverity.ERROR for name in failed)
    assert "it stopped on something unexpected (MemoryError)" in (found["dtoc", "quality"].description or "")
    assert found["ae", "freshness"].severity is dg.AssetCheckSeverity.WARN
    assert sorted(outcomes(settings).values()) == ["held", "loaded", "received"]
    with opened(settings.warehouse) as con:
        assert len(loading.standing_in_quarantine(con)) == 2
        assert loading.broken_off(con)
    # The next run finds both as they are.
    land(settings, NIGHT + timedelta(days=1))
    assert set(outcomes(settings).values()) == {"loaded"}


def test_a_failed_model_of_one_dataset_holds_that_back_and_the_rest_is_built(settings: Settings) -> None:
    """Rows twice over break the grain of the staging model: it is built again without the file."""
    land(settings)
    (dtoc,) = [name for name in outcomes(settings) if name.startswith("dtoc")]
    execute(settings, "INSERT INTO raw.dtoc SELECT * FROM raw.dtoc")
    models = ("staging/stg_landing__extracts", "staging/stg_landing__coverage", "staging/stg_landing__received_files")
    done = run_assets(settings, "catalogue/datasets", *models, "staging/stg_dtoc__delayed_days", "marts/extracts")
    assert done.success, [event.message for event in done.all_events if event.is_failure]
    assert [event.step_key for event in done.all_events if event.event_type_value == "STEP_UP_FOR_RETRY"] == ["dbt"]
    assert outcomes(settings) | {dtoc: "held"} == outcomes(settings)
    assert list(outcomes(settings).values()).count("loaded") == 2
    status, reason = statuses(settings)[dtoc]
    assert status == "quarantined" and reason is not None and "unique_grain_stg_dtoc__delayed_days" in reason
    assert execute(settings, "SELECT count(*) FROM staging.stg_dtoc__delayed_days") == [(0,)]

    # What is published of it and breaks a model stops the run: there is nothing to hold back.
    land(settings, NIGHT + timedelta(days=1))
    publish(settings)
    execute(settings, "INSERT INTO raw.dtoc SELECT * FROM raw.dtoc")
    done = run_assets(settings, *models, "staging/stg_dtoc__delayed_days")
    assert not done.success
    (failure,) = [event for event in done.all_events if event.is_step_failure]
    assert "there is nothing new of dtoc that could be held back" in str(failure.event_specific_data.error)
    assert set(outcomes(settings).values()) == {"loaded"}


MANIFEST = {
    "nodes": {
        "model.ccg_metrics.stg_ae__attendances": {
            "resource_type": "model",
            "fqn": ["p", "staging", "ae", "x"],
            "name": "x",
        },
        "model.ccg_metrics.stg_landing__coverage": {
            "resource_type": "model",
            "fqn": ["p", "staging", "landing", "c"],
            "name": "stg_landing__coverage",
        },
        "model.ccg_metrics.int_dtoc__delay_rates": {
            "resource_type": "model",
            "fqn": ["p", "intermediate", "int_dtoc__delay_rates"],
            "name": "int_dtoc__delay_rates",
        },
        "model.ccg_metrics.int_indicator_counts": {
            "resource_type": "model",
            "fqn": ["p", "intermediate", "int_indicator_counts"],
            "name": "int_indicator_counts",
        },
        "test.ccg_metrics.a.1": {"resource_type": "test", "attached_node": "model.ccg_metrics.stg_ae__attendances"},
        "test.ccg_metrics.b.2": {"resource_type": "test", "attached_node": None},
        "seed.ccg_metrics.ae": {"resource_type": "seed", "name": "ae"},
    }
}


@pytest.mark.parametrize(
    ("node", "dataset"),
    [
        ("model.ccg_metrics.stg_ae__attendances", "ae"),
        ("test.ccg_metrics.a.1", "ae"),
        ("model.ccg_metrics.int_dtoc__delay_rates", "dtoc"),
        ("model.ccg_metrics.stg_landing__coverage", None),
        ("model.ccg_metrics.int_indicator_counts", None),
        ("test.ccg_metrics.b.2", None),
        ("seed.ccg_metrics.ae", None),
        ("model.ccg_metrics.unknown", None),
    ],
)
def test_whose_a_failed_node_is(node: str, dataset: str | None) -> None:
    assert holding.dataset_of_node(node, MANIFEST) == dataset


def test_values_at_fault_hold_back_what_is_new_of_their_datasets(sample_home: Path, tmp_path: Path) -> None:
    settings = Settings(tmp_path, tmp_path)
    shutil.copyfile(sample_home / "warehouse.duckdb", settings.warehouse)
    execute(
        settings,
        "UPDATE raw.extracts SET is_published = false WHERE period_start = '2019-05-01' AND dataset IN ('ae', 'dtoc')",
    )

    def at_fault(*keys: tuple[str, str, str, str, str]) -> list[Result]:
        names = ("indicator_id", "org_code", "org_level", "period_type", "period")
        unexpected = [dict(zip(names, key, strict=True)) for key in keys]
        return [Result("e", "numerator is at least 0", "critical", False, 9, len(keys), unexpected)]

    may = ("AE_4HR", "RWG", "provider", "month", "2019-05-31")
    april = ("AE_4HR", "RWG", "provider", "month", "2019-04-30")
    assert holding.of_values(settings, at_fault(may, april)) == "AE_4HR RWG 2019-04-30 rests on nothing new"
    assert holding.of_values(settings, at_fault()) == "the values at fault cannot be told"
    assert "held" not in outcomes(settings).values()
    assert holding.of_values(settings, at_fault(may, ("AE_4HR", "RWG", "provider", "ytd", "2019-05-31"))) is None
    held = [name for name, outcome in outcomes(settings).items() if outcome == "held"]
    assert len(held) == 1 and held[0].startswith("ae/") and "May-2019" in held[0]
