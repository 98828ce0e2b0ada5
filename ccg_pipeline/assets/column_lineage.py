"""Which columns each column of a model is made from, read from the SQL that dbt compiled.

It is recorded with each build, for Dagster's API; of the interfaces only that of Dagster+ draws it. dagster-dbt has it
too, but reads a model's SQL again for each of its columns, which takes longer than to build the models. Does not belong
here: which models rest on which, and the types of columns, which come from dbt itself.
"""

from __future__ import annotations

import csv
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import dagster as dg
from dagster_dbt import DagsterDbtTranslator, DbtCliInvocation
from sqlglot import exp
from sqlglot.lineage import lineage
from sqlglot.schema import MappingSchema

from ccg_pipeline import warehouse
from ccg_pipeline.assets.resources import log
from ccg_pipeline.settings import Settings

DIALECT = "duckdb"
_KEY = "dagster/column_lineage"


class ColumnLineage:
    """The column lineage of the models of one build. ``manifest`` is dbt's.

    The columns of a model are those that it declares (a test proves that it declares all), those of a seed stand in its
    first line, those of a raw table in the warehouse.
    """

    def __init__(
        self, manifest: Mapping[str, Any], translator: DagsterDbtTranslator, raw_columns: Mapping[str, list[str]]
    ) -> None:
        self._nodes: dict[str, Any] = {**manifest["nodes"], **manifest["sources"]}
        self._translator = translator
        self._raw_columns = raw_columns

    @classmethod
    def of(cls, settings: Settings, manifest: Mapping[str, Any], translator: DagsterDbtTranslator) -> ColumnLineage:
        """For a build that is about to begin on the raw tables as they are."""
        with warehouse.reading(settings.warehouse) as con:
            raw_columns = con.execute(
                "SELECT table_name, list(column_name) FROM duckdb_columns() "
                "WHERE schema_name = 'raw' AND database_name = current_database() GROUP BY 1"
            ).fetchall()
        return cls(manifest, translator, dict(raw_columns))

    def added(self, building: DbtCliInvocation) -> Iterator[Any]:
        """dbt's events, the outputs of models with their column lineage."""
        for event in building.stream():
            if isinstance(event, dg.Output) and (drawn := self._drawn(event, building.target_path)):
                yield event.with_metadata({**event.metadata, _KEY: drawn})
            else:
                yield event

    def _drawn(self, event: dg.Output, target: Path) -> dg.TableColumnLineage | None:
        """None for what is not made by SQL, and for SQL that cannot be followed: that must not cost a night."""
        node = self._nodes[str(event.metadata["unique_id"].value)]
        if node["resource_type"] != "model" or node["language"] != "sql":
            return None
        compiled = target / "compiled" / node["package_name"] / node["original_file_path"]
        try:
            return self.of_model(node, compiled.read_text(encoding="utf-8"))
        except Exception as error:
            log.warning("no column lineage of %s: %s", node["name"], str(error).splitlines()[0][:200])
            return None

    def of_model(self, node: Mapping[str, Any], sql: str) -> dg.TableColumnLineage:
        """The columns of the parents that each column of a model rests on, itself or by what it is filtered from.

        ``node`` is the model in the manifest, ``sql`` its query as compiled. Raises `sqlglot.errors.SqlglotError` where
        the query cannot be followed.
        """
        schema, keys = MappingSchema(dialect=DIALECT), {}
        for unique_id in node["depends_on"]["nodes"]:
            parent = self._nodes[unique_id]
            table = exp.to_table(parent["relation_name"], dialect=DIALECT)
            schema.add_table(table, dict.fromkeys(self._columns(parent), "TEXT"), dialect=DIALECT)
            keys[table.db, table.name] = self._translator.get_asset_key(parent)
        deps: dict[str, list[dg.TableColumnDep]] = {}
        # Trimming would copy the whole query once a step and column.
        for column, end in lineage(None, sql, schema, dialect=DIALECT, trim_selects=False).items():
            found = set()
            for step in end.walk():
                if step.downstream or not (read := step.expression.find(exp.Table)):
                    continue
                if key := keys.get((read.db, read.name)):
                    found.add((key, exp.to_column(step.name).name))
            deps[column] = [dg.TableColumnDep(key, name) for key, name in sorted(found)]
        return dg.TableColumnLineage(deps)

    def _columns(self, node: Mapping[str, Any]) -> list[str]:
        if node["resource_type"] == "source":
            return self._raw_columns[node["identifier"]]
        if node["resource_type"] == "seed":
            with (Path(node["root_path"]) / node["original_file_path"]).open(encoding="utf-8", newline="") as file:
                return next(csv.reader(file))
        return list(node["columns"])
