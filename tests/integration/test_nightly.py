"""The whole job through the command: exit codes, what it prints, what it leaves, and what a failure leaves alone."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import dagster as dg
import duckdb
import pandas as pd
import pytest
from conftest import opened

from ccg_pipeline import cli, nights, warehouse
from ccg_pipeline.checks import suites
from ccg_pipeline.checks.running import Result, Suite, load_suites, run_suite
from ccg_pipeline.settings import PROJECT_ROOT, Settings
from ccg_pipeline.warehouse import WarehouseBusyError, sole_writer


def test_home_after_a_run(sample_home: Path) -> None:
    settings = Settings(sample_home, sample_home)
    record = nights.last_run(settings)
    assert record is not None
    assert (record["outcome"], record["exit_code"], record["files"], record["quarantine"]) == ("published", 0, 64, [])
    assert set(record["seconds"]) == {"start", "receive", "load", "check", "build", "judge", "publish", "all"}
    assert oct(settings.published.stat().st_mode)[-3:] == "444"
    assert "enabled: false" in (settings.dagster_home / "dagster.yaml").read_text()
    assert list(settings.published.parent.glob("*.next")) == []


def test_columns_of_models_are_those_that_they_declare(sample_home: Path) -> None:
    """Column lineage goes by what is declared, and the dictionary too."""
    settings = Settings(sample_home, sample_home)
    manifest = json.loads((settings.dbt_target / "manifest.json").read_text())
    models = [node for node in manifest["nodes"].values() if node["resource_type"] == "model"]
    with opened(settings.warehouse) as con:
        columns = con.execute("SELECT schema_name, table_name, column_name FROM duckdb_columns()").fetchall()
    assert len(models) > 100
    for node in models:
        made = {column for schema, table, column in columns if (schema, table) == (node["schema"], node["name"])}
        assert set(node["columns"]) == made, node["name"]


def test_every_column_of_a_model_can_be_followed_in_the_catalog(
    sample_home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = Settings(sample_home, sample_home)
    monkeypatch.setenv("DAGSTER_HOME", str(settings.dagster_home))
    manifest = json.loads((settings.dbt_target / "manifest.json").read_text())
    lineage, types = {}, {}
    with dg.DagsterInstance.from_config(str(settings.dagster_home)) as instance:
        for node in manifest["nodes"].values():
            if node["resource_type"] != "model" or node["language"] != "sql":
                continue
            event = instance.get_latest_materialization_event(dg.AssetKey([node["schema"], node["name"]]))
            assert event and event.asset_materialization, node["name"]
            metadata = event.asset_materialization.metadata
            drawn, schema = metadata["dagster/column_lineage"].value, metadata["dagster/column_schema"].value
            assert set(drawn.deps_by_column) == set(node["columns"]), node["name"]
            lineage[node["name"]] = {
                column: {f"{'.'.join(dep.asset_key.path)}.{dep.column_name}" for dep in deps}
                for column, deps in drawn.deps_by_column.items()
            }
            types[node["name"]] = {column.name: column.type for column in schema.columns}
    assert lineage["stg_mar__activity"]["org_code"] == {"raw.mar.org_code"}
    assert "intermediate.int_indicator_counts.numerator" in lineage["fct_indicator_values"]["value"]
    # A report too; which of two indicators gives its value is told by their ids.
    of_comparisons = {f"marts.fct_standard_comparisons.{column}" for column in ("indicator_id", "value")}
    assert lineage["rpt_at_a_glance"]["value"] == of_comparisons
    assert types["stg_mar__activity"]["org_code"] == "VARCHAR"


def test_nothing_new_is_over_before_anything_heavy_is_imported(sample_raw: Path, sample_home: Path) -> None:
    before = Settings(sample_home, sample_home).published.stat()
    script = (
        "import sys; from ccg_pipeline import cli; code = cli.run(sys.argv[1:]); "
        "heavy = {'dagster', 'dbt', 'great_expectations', 'pandas'} & set(sys.modules); "
        "print('HEAVY', sorted(heavy)); sys.exit(code)"
    )
    done = subprocess.run(
        [sys.executable, "-c", script, "nightly", "--raw", str(sample_raw), "--home", str(sample_home)],
        capture_output=True,
        text=True,
        cwd=PROJECT_ROOT,
    )
    assert done.returncode == 0, done.stderr
    assert "Nothing new" in done.stdout
    assert "HEAVY []" in done.stdout
    after = Settings(sample_home, sample_home).published.stat()
    assert (after.st_ino, after.st_mtime_ns) == (before.st_ino, before.st_mtime_ns)


def test_status_says_what_is_published(sample_home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.run(["status", "--home", str(sample_home)]) == 0
    out = capsys.readouterr().out
    assert "Last run:" in out and "rtt" in out and "RTT_INCOMPLETE_18W" in out


def test_status_before_the_first_run(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.run(["status", "--home", str(tmp_path)]) == 1
    assert "nothing yet" in capsys.readouterr().out


@pytest.mark.parametrize(
    "arguments",
    [
        ["nightly", "--raw", "/nowhere/at/all"],
        ["indicators", "--org", "ZZZZ"],
        ["indicators", "--format", "xlsx"],
        ["check", "/nowhere.csv"],
        ["sample", str(PROJECT_ROOT)],
        ["sample", "/etc/passwd"],
        ["indicators", "--out", "/nowhere/at/all.csv"],
        ["indicators", "--format", "xlsx", "--out", "/tmp"],
    ],
)
def test_wrong_use_is_told_and_exits_2(
    sample_home: Path, tmp_path: Path, arguments: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    homes = {"nightly": tmp_path, "indicators": sample_home}  # a night that cannot begin leaves its record too
    home = ["--home", str(homes[arguments[0]])] if arguments[0] in homes else []
    assert cli.run([*arguments, *home]) == 2
    assert capsys.readouterr().err.startswith("ccg: ")


def test_home_and_publication_that_are_no_use(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.run(["nightly", "--raw", str(tmp_path), "--home", "/proc/nope"]) == 2
    published = Settings(tmp_path, tmp_path).published
    published.parent.mkdir()
    published.write_text("not a database")
    for command in ("status", "indicators"):
        assert cli.run([command, "--home", str(tmp_path)]) == 2
        assert "Remove it and run ccg nightly" in capsys.readouterr().err


def test_a_half_written_run_record_is_passed_over(tmp_path: Path) -> None:
    settings = Settings(tmp_path, tmp_path)
    nights.record_run(settings, {"outcome": "published"})
    with open(settings.run_records, "a") as file:
        file.write('{"outcome": "publ')
    assert nights.last_run(settings) == {"outcome": "published"}


def test_indicators_before_the_first_run(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.run(["indicators", "--home", str(tmp_path)]) == 1
    assert "run ccg nightly first" in capsys.readouterr().err


def test_indicators_write_every_format(sample_home: Path, tmp_path: Path) -> None:
    import openpyxl

    base = ["indicators", "--home", str(sample_home), "--org", "06N", "--period", "2019-05", "--set", "constitution"]
    for form in ("table", "csv", "json", "xlsx"):
        assert cli.run([*base, "--format", form, "--out", str(tmp_path / f"out.{form}")]) == 0
    rows = json.loads((tmp_path / "out.json").read_text())
    sheet = list(openpyxl.load_workbook(tmp_path / "out.xlsx").active.values)
    lines = (tmp_path / "out.csv").read_text().splitlines()
    assert len(rows) == len(sheet) - 1 == len(lines) - 1 == 13
    by_id = {row["indicator_id"]: row for row in rows}
    assert (by_id["CANCER_62D_GP"]["numerator"], by_id["CANCER_62D_GP"]["denominator"]) == (65, 79)
    column = sheet[0].index("value")
    in_sheet = {row[0]: row[column] for row in sheet[1:]}
    assert in_sheet["CANCER_62D_GP"] == pytest.approx(100 * 65 / 79)


def test_check_says_what_would_happen(sample_raw: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    good = next(iter(sample_raw.glob("ae/*May-2019*")))
    bad = tmp_path / "bad.csv"
    bad.write_bytes(good.read_bytes().replace(b"MAY", b"JUNE", 1))
    assert cli.run(["check", str(good)]) == 0
    assert cli.run(["check", str(good), str(bad)]) == 3
    out = capsys.readouterr().out
    assert "layout ae_to_2020_03, 2019-05-01 to 2019-05-31" in out
    assert "would be quarantined" in out and "several months" in out


@pytest.mark.parametrize("name", ["quality/marts_fct_indicator_values", "standards/RTT_INCOMPLETE_18W"])
def test_a_large_table_is_judged_in_parts_like_a_small_one_as_a_whole(
    sample_home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    settings = Settings(sample_home, tmp_path)
    shutil.copyfile(sample_home / "warehouse.duckdb", settings.warehouse_file)
    suite = Suite.load(settings.expectations / f"{name}.json")
    judged: list[int] = []

    def judging(suite: Suite, frame: pd.DataFrame) -> list[Result]:
        judged.append(len(frame))
        return run_suite(suite, frame)

    def told() -> list[tuple[object, ...]]:
        return [
            (r.meaning, r.success, r.evaluated, r.unexpected, {str(key) for key in r.unexpected_keys})
            for r in suites.evaluate(settings, suite)
        ]

    monkeypatch.setattr(suites, "run_suite", judging)
    by_the_night = told()
    assert judged == [], "nothing changed since the night"
    with warehouse.writing(settings.warehouse) as con:
        con.execute("DELETE FROM checks.kept_results")
    whole = told()
    assert len(judged) == 1 and whole == by_the_night
    monkeypatch.setattr(suites, "_ROWS_KEPT_TOGETHER", 100)
    judged.clear()
    in_parts = told()
    groups = len(judged)
    assert groups > 1 and in_parts == whole
    judged.clear()
    assert told() == whole and judged == []

    # A figure of the newest period other than it was: judged with those it is judged with, and no more.
    column = "period_end" if name.startswith("quality") else "period_start"
    table = suite.meta["table"]
    with warehouse.writing(settings.warehouse) as con:
        ((newest,),) = con.execute(f"SELECT max(period) FROM ({suite.meta['query']})").fetchall()
        con.execute(f"UPDATE {table} SET value = value + 1 WHERE {column} = CAST(? AS DATE)", [newest])
    told()
    assert 0 < len(judged) < groups / 2


def test_standards_suites_and_breaches_agree(sample_home: Path) -> None:
    """What Great Expectations finds against the catalogue is what dbt calls a breach: key by key."""
    settings = Settings(sample_home, sample_home)
    found = set()
    with opened(settings.published) as con:
        for suite in load_suites(settings.expectations / "standards"):
            frame = con.execute(suite.meta["query"]).df()
            for result in run_suite(suite, frame):
                for key in result.unexpected_keys:
                    found.add((suite.name, key["org_code"], key["org_level"], key["period"]))
        breaches = set(
            con.execute(
                # A local standard stands in its indicator's own row of the catalogue and has no suite.
                "SELECT standard_id, org_code, org_level, strftime(period_start, '%Y-%m-%d') FROM marts.fct_breaches "
                "WHERE standard_id NOT IN (SELECT standard_id FROM marts.dim_standards WHERE scope = 'local')"
            ).fetchall()
        )
        recorded = con.execute(
            "SELECT sum(unexpected) FROM checks.expectation_results WHERE kind = 'standards'"
        ).fetchall()[0][0]
    assert len(breaches) > 500
    assert found == breaches
    assert recorded == len(breaches)


def test_quality_suites_passed_with_rows_to_look_at(sample_home: Path) -> None:
    with opened(Settings(sample_home, sample_home).published) as con:
        results = con.execute(
            "SELECT suite, bool_and(success), min(evaluated) FROM checks.expectation_results "
            "WHERE kind = 'quality' GROUP BY 1"
        ).fetchall()
    not_in_the_sample = {
        f"raw_{dataset}" for dataset in ("beds", "cancelled_operations", "diagnostics", "mar", "organisations")
    }
    assert {suite for suite, _, _ in results} == {
        suite.name for suite in load_suites(PROJECT_ROOT / "expectations" / "quality")
    } - not_in_the_sample
    assert all(success and evaluated > 0 for _, success, evaluated in results)


def test_published_rows_that_fail_a_check_stop_the_publication_and_leave_the_last_one(
    sample_raw: Path, sample_home: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Rows that no contract of a file can catch (here: spoilt in the warehouse) are caught before dbt. Held back, the
    publication would lose them."""
    home, raw = tmp_path / "home", tmp_path / "raw"
    shutil.copytree(sample_home, home)
    shutil.copytree(sample_raw, raw)
    settings = Settings(raw, home)
    published = settings.published.read_bytes()
    con = duckdb.connect(str(settings.warehouse))
    con.execute("UPDATE raw.extracts SET is_published = false WHERE dataset = 'ae'")
    con.execute("UPDATE raw.ae SET over_4hrs_type1 = attendances_type1 + 1 WHERE org_code = 'RWG'")
    con.close()
    (raw / "notes.txt").write_text("so that there is something new")
    assert cli.run(["nightly", "--raw", str(raw), "--home", str(home)]) == 1
    captured = capsys.readouterr()
    assert "raw/ae: quality: " in captured.err
    assert "over_4hrs_type1 is not above attendances_type1: 15 of" in captured.err
    assert "files that are published already do not pass the checks now that they were read again" in captured.err
    assert "the last publication stays as it was" in captured.err
    assert settings.published.read_bytes() == published
    record = nights.last_run(settings)
    assert record is not None and record["outcome"] == "failed"


def test_a_second_writer_is_told_who_is_writing(tmp_path: Path, sample_raw: Path) -> None:
    script = (
        "import sys, pathlib; from ccg_pipeline.warehouse import sole_writer\n"
        "with sole_writer(pathlib.Path(sys.argv[1])):\n    print('held', flush=True); sys.stdin.read()"
    )
    warehouse = tmp_path / "warehouse.duckdb"
    with subprocess.Popen(
        [sys.executable, "-c", script, str(warehouse)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as other:
        assert other.stdout is not None and other.stdout.readline() == "held\n"
        with pytest.raises(WarehouseBusyError, match=str(other.pid)), sole_writer(warehouse):
            pass
        assert cli.run(["nightly", "--raw", str(sample_raw), "--home", str(tmp_path)]) == 1
        other.communicate("")
    with sole_writer(warehouse):
        pass


def test_nothing_is_written_outside_home(sample_home: Path) -> None:
    status = subprocess.run(
        ["git", "status", "--porcelain", "--ignored", "dbt_project", "raw", "expectations", "ccg_pipeline"],
        cwd=PROJECT_ROOT,
        capture_output=True,
        text=True,
    )
    if status.returncode:
        pytest.skip("not a git checkout")
    written = [line for line in status.stdout.splitlines() if line.startswith("!!") and "__pycache__" not in line]
    assert written == []
