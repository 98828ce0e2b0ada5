"""Every asset's key, group, dependencies and checks, as one snapshot: an accidental change shows in review.

After an intended change: ``UPDATE_SNAPSHOT=1 make test`` writes it anew.
"""

from __future__ import annotations

import json
import os
from pathlib import Path

import dagster as dg
import msgpack
import pytest

from ccg_pipeline import extracts
from ccg_pipeline.definitions import build_defs
from ccg_pipeline.settings import Settings

SNAPSHOT = Path(__file__).with_name("asset_snapshot.json")


@pytest.fixture(scope="module")
def settings(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    home = tmp_path_factory.mktemp("definitions_home")
    return Settings(home / "raw", home)


@pytest.fixture(scope="module")
def definitions(settings: Settings) -> dg.Definitions:
    # A restored home may hold what another state of the project left, and be newer than all of ours.
    settings.dbt_target.mkdir(parents=True)
    (settings.dbt_target / "manifest.json").write_text("{}", encoding="utf-8")
    return build_defs(settings)


def test_assets_are_those_of_the_snapshot(definitions: dg.Definitions) -> None:
    graph = definitions.resolve_asset_graph()
    found = {
        key.to_user_string(): {
            "group": graph.get(key).group_name,
            "deps": sorted(parent.to_user_string() for parent in graph.get(key).parent_keys),
            "checks": sorted(check.name for check in graph.get_check_keys_for_assets({key})),
        }
        for key in sorted(graph.get_all_asset_keys())
    }
    if os.environ.get("UPDATE_SNAPSHOT"):
        SNAPSHOT.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
    assert found == json.loads(SNAPSHOT.read_text(encoding="utf-8"))


def test_no_model_has_to_be_parsed_again_for_what_the_environment_says(
    definitions: dg.Definitions, settings: Settings
) -> None:
    """dbt parses anew what asked for a variable that is another now; what is logged of columns changes by the night."""
    parsed = msgpack.unpackb((settings.dbt_target / "partial_parse.msgpack").read_bytes(), strict_map_key=False)
    assert len(parsed["nodes"]) > 100 and parsed["env_vars"] == {}


def test_every_asset_is_described_and_owned(definitions: dg.Definitions) -> None:
    graph = definitions.resolve_asset_graph()
    for key in graph.get_all_asset_keys():
        node = graph.get(key)
        assert node.description, key
        assert node.owners, key
        assert node.kinds, key


def test_every_column_of_the_rows_as_published_is_described(definitions: dg.Definitions) -> None:
    graph = definitions.resolve_asset_graph()
    for dataset in extracts.DATASETS:
        columns = graph.get(dg.AssetKey(["raw", dataset])).metadata["dagster/column_schema"].columns
        assert {c.name for c in columns} == {"extract_id", *extracts.DATASETS[dataset].schema}
        assert [c.name for c in columns if not c.description] == [], dataset


def test_job_schedule_and_sensor(definitions: dg.Definitions) -> None:
    job = definitions.resolve_job_def("nightly")
    assert {key.to_user_string() for key in job.asset_layer.executable_asset_keys} >= {
        "raw/rtt",
        "marts/fct_breaches",
        "checks/standards",
        "publication/ccg_duckdb",
    }
    schedule = definitions.resolve_schedule_def("nightly_at_two")
    assert (schedule.cron_schedule, schedule.execution_timezone) == ("0 2 * * *", "Europe/London")
    assert definitions.resolve_sensor_def("landing_folder").job_name == "nightly"


def test_the_landing_sensor_asks_for_one_run_a_change(tmp_path: Path, definitions: dg.Definitions) -> None:
    from ccg_pipeline.automation import build_landing_sensor

    raw = tmp_path / "raw"
    sensor = build_landing_sensor(Settings(raw, tmp_path))
    assert "cannot be listed" in (sensor(dg.build_sensor_context()).skip_message or "")
    raw.mkdir()
    (raw / "a.csv").write_text("a,b\n")
    assert "settle" in (sensor(dg.build_sensor_context()).skip_message or "")
    os.utime(raw / "a.csv", (1_500_000_000, 1_500_000_000))
    context = dg.build_sensor_context(instance=dg.DagsterInstance.ephemeral())
    assert isinstance(sensor(context), dg.RunRequest)
    assert "nothing changed" in (sensor(context).skip_message or "")
