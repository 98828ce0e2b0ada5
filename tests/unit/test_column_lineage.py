"""Column lineage: from which columns of which parents the columns of a model are made, read from its SQL."""

from pathlib import Path
from types import SimpleNamespace

import dagster as dg
import pytest

from ccg_pipeline.assets.column_lineage import ColumnLineage
from ccg_pipeline.assets.dbt import Translator

WAITS = {
    "resource_type": "source",
    "name": "rtt",
    "source_name": "raw",
    "identifier": "rtt",
    "relation_name": '"ccg"."raw"."rtt"',
}
NAMES = {
    "resource_type": "seed",
    "name": "organisations",
    "schema": "catalogue",
    "config": {"schema": "catalogue"},
    "relation_name": '"ccg"."catalogue"."organisations"',
    "original_file_path": "seeds/organisations.csv",
}
VALUES = {
    "resource_type": "model",
    "language": "sql",
    "name": "values",
    "package_name": "ccg_metrics",
    "original_file_path": "models/values.sql",
    "config": {"schema": "marts"},
    "relation_name": '"ccg"."marts"."values"',
    "columns": {"org_code": {}, "org_name": {}, "within": {}, "unit": {}},
    "depends_on": {"nodes": ["source.raw.rtt", "seed.organisations"]},
}
QUERY = """
WITH waits AS (SELECT * FROM "ccg"."raw"."rtt" WHERE NOT is_total)
SELECT org_code, any_value(o.org_name) AS org_name, sum(within_18) / nullif(sum(pathways), 0) AS within,
    'percent' AS unit
FROM waits LEFT JOIN "ccg"."catalogue"."organisations" o ON org_code = o.code
GROUP BY org_code
"""


@pytest.fixture
def lineage(tmp_path: Path) -> ColumnLineage:
    (tmp_path / "seeds").mkdir()
    (tmp_path / "seeds" / "organisations.csv").write_text('code,"org_name"\nQMN,x\n')
    nodes = {"seed.organisations": {**NAMES, "root_path": str(tmp_path)}, "model.values": VALUES}
    manifest = {"nodes": nodes, "sources": {"source.raw.rtt": WAITS}}
    return ColumnLineage(manifest, Translator(), {"rtt": ["org_code", "is_total", "within_18", "pathways"]})


def found(drawn: dg.TableColumnLineage) -> dict[str, list[str]]:
    return {
        column: [f"{dep.asset_key.path[-1]}.{dep.column_name}" for dep in deps]
        for column, deps in drawn.deps_by_column.items()
    }


def test_columns_are_followed_through_a_query(lineage: ColumnLineage) -> None:
    assert found(lineage.of_model(VALUES, QUERY)) == {
        "org_code": ["rtt.org_code"],
        "org_name": ["organisations.org_name"],
        "within": ["rtt.pathways", "rtt.within_18"],
        "unit": [],
    }


def test_a_model_is_the_parent_of_another(lineage: ColumnLineage) -> None:
    reading = {"depends_on": {"nodes": ["model.values"]}}
    drawn = lineage.of_model(reading, 'SELECT upper(org_name) AS name, within FROM "ccg"."marts"."values"')
    assert found(drawn) == {"name": ["values.org_name"], "within": ["values.within"]}


def test_only_what_is_made_by_sql_that_can_be_followed_gets_it(
    lineage: ColumnLineage, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    compiled = tmp_path / "target" / "compiled" / "ccg_metrics" / "models" / "values.sql"
    compiled.parent.mkdir(parents=True)
    check = dg.AssetCheckResult(passed=True)

    def outputs(query: str) -> list[bool]:
        compiled.write_text(query)
        made = [dg.Output(None, "o", metadata={"unique_id": u}) for u in ("model.values", "seed.organisations")]
        building = SimpleNamespace(stream=lambda: iter([*made, check]), target_path=tmp_path / "target")
        *given, last = lineage.added(building)  # type: ignore[arg-type]
        assert last is check and [e.output_name for e in given] == ["o", "o"]
        assert all("unique_id" in e.metadata for e in given), "what dbt says of it stays"
        return ["dagster/column_lineage" in e.metadata for e in given]

    assert outputs(QUERY) == [True, False]
    assert caplog.messages == []
    assert outputs("SELECT FROM WHERE") == [False, False]
    assert "no column lineage of values" in caplog.text
