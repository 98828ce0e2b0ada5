"""What one dataset's failure holds back, and what goes on without it: in the landing, in Dagster, in dbt."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date, datetime, timedelta
from io import BytesIO
from pathlib import Path
from typing import Any

import dagster as dg
import duckdb
import openpyxl
import pytest
from conftest import NIGHT, land, opened
from dbt_builds import build_marts
from test_landing import revised, statuses

from ccg_pipeline import cli, extracts, warehouse
from ccg_pipeline.checks import holding
from ccg_pipeline.checks.asset_checks import quality_suites
from ccg_pipeline.checks.running import Result
from ccg_pipeline.definitions import build_defs
from ccg_pipeline.landing import loading
from ccg_pipeline.publication import datasets, exports, pack, tables, workbook
from ccg_pipeline.settings import Settings

SPOIL = "UPDATE raw.ae SET over_4hrs_type1 = attendances_type1 + 1 WHERE org_code = 'RWG' AND extract_id = ?"


@pytest.fixture
def settings(sample_raw: Path, sample_home: Path, tmp_path: Path) -> Settings:
    """A landing folder with A&E of May 2019 and one file of two other datasets; dbt's manifest is the sample's."""
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
    note_loaded = loading._note_loaded

    def spoilt(con: duckdb.DuckDBPyConnection, extract_id: str, extract: Any) -> None:
        note_loaded(con, extract_id, extract)
        if extract.dataset == dataset:
            action(con, extract_id)

    with monkeypatch.context() as patch:
        patch.setattr(loading, "_note_loaded", spoilt)
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


def test_a_failed_model_without_new_files_of_its_dataset_holds_nothing_back(settings: Settings) -> None:
    land(settings)
    publish(settings)
    drop_revision(settings)
    land(settings, NIGHT + timedelta(days=1))
    ae, dtoc, both = (
        {f"model.ccg_metrics.{model}": "out of range" for model in models}
        for models in (
            ("stg_ae__attendances",),
            ("int_dtoc__delay_rates",),
            ("stg_ae__attendances", "int_indicator_counts"),
        )
    )
    assert holding.of_models(settings, dtoc, MANIFEST) == "there is nothing new of dtoc that could be held back"
    assert holding.of_models(settings, both, MANIFEST) == "int_indicator_counts belongs to no dataset alone"
    assert set(outcomes(settings).values()) == {"loaded"}
    assert holding.of_models(settings, ae, MANIFEST) is None
    assert sorted(outcomes(settings).values()) == ["held", "loaded", "loaded", "loaded"]


def _model(name: str, *folders: str) -> dict[str, Any]:
    return {"resource_type": "model", "name": name, "fqn": ["ccg_metrics", *folders, name]}


MANIFEST = {
    "nodes": {
        "model.ccg_metrics.stg_ae__attendances": _model("stg_ae__attendances", "staging", "ae"),
        "model.ccg_metrics.stg_landing__coverage": _model("stg_landing__coverage", "staging", "landing"),
        "model.ccg_metrics.int_dtoc__delay_rates": _model("int_dtoc__delay_rates", "intermediate"),
        "model.ccg_metrics.int_indicator_counts": _model("int_indicator_counts", "intermediate"),
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


@pytest.fixture
def publication(sample_home: Path, tmp_path: Path) -> Settings:
    """The publication of the sample as it would be with a file of A&E held back and cancer waits a month behind."""
    settings = Settings(tmp_path, tmp_path)
    settings.published.parent.mkdir()
    shutil.copyfile(Settings(sample_home, sample_home).published, settings.published)
    with duckdb.connect(str(settings.published)) as con:
        con.execute(
            "UPDATE marts.dim_datasets SET is_stale = true, stale_since = '2019-08-09 02:00', extracts_held_back = 1, "
            "stale_reason = 'why' WHERE dataset = 'ae'"
        )
        con.execute(
            "UPDATE marts.dim_datasets SET latest_period_start = '2019-04-01', latest_period_end = '2019-04-30', "
            "next_period_start = '2019-05-01', next_period_end = '2019-05-31', due_on = '2019-07-12' "
            "WHERE dataset = 'cancer'"
        )
    return settings


STALE = "A&E: 1 new file, received from 9 August 2019 on, is held back until the checks are passed; its figures"
OVERDUE = "Cancer waiting times: the latest month held is April 2019; May 2019 was due on 12 July 2019."


def test_a_pack_says_first_what_is_held_back_and_what_it_lacks(publication: Settings) -> None:
    with warehouse.reading(publication.published) as con:
        scope = tables.find_scope(con, "06N", date(2019, 5, 1))
        page = pack.build(con, scope).page
        # A pack of the month before lacks nothing; one as it could be said when May was not due neither.
        before = tables.find_scope(con, "06N", date(2019, 4, 1))
        in_time = tables.find_scope(con, "06N", date(2019, 5, 1), datetime(2019, 7, 12, 23, 59))
    stale, overdue = scope.notices
    assert stale.startswith(STALE) and "A&E attendances, type 1 (major departments); " in stale
    assert overdue == OVERDUE
    assert before.notices == in_time.notices == (stale,)
    said = page.index(stale.replace("&", "&amp;"))
    assert said < page.index(OVERDUE) < page.index('<nav class="contents"')
    assert page.count("New files held back") == 1
    cover = openpyxl.load_workbook(BytesIO(workbook.build([], scope)))["Cover"]
    assert {stale, overdue} <= {line[0].value for line in cover.iter_rows()}
    described = json.loads(exports._descriptor([], scope, [], {}))["description"]
    assert stale in described and overdue in described


def test_status_and_indicators_say_what_is_held_back(publication: Settings, capsys: pytest.CaptureFixture[str]) -> None:
    home = ["--home", str(publication.home)]
    assert cli.run(["status", *home]) == 0
    out = capsys.readouterr().out
    assert "Stale: 1 dataset\n  ae: A&E, up to May 2019\n      since 2019-08-09: " in out
    assert (
        "cancer: Cancer waiting times: the latest month held is April 2019; May 2019 was due on 12 July 2019, " in out
    )
    assert cli.run(["indicators", *home, "--org", "RWG", "--indicator", "AE_4HR"]) == 0
    assert capsys.readouterr().err.startswith(STALE)
    assert cli.run(["indicators", *home, "--org", "06N", "--indicator", "RTT_52W"]) == 0
    assert capsys.readouterr().err == ""
