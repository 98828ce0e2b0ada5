"""The tables of a pack as files for machines: CSV, Parquet, a data dictionary and ``datapackage.json``.

Everything is written in a fixed order and nothing is stamped with the time of writing, so that the same publication
gives the same bytes.
"""

from __future__ import annotations

import csv
import hashlib
import io
import json
from collections.abc import Mapping, Sequence
from datetime import date, datetime
from typing import Any

from ccg_pipeline.publication.cells import guarded
from ccg_pipeline.publication.tables import HIDDEN, Scope, Table

# The licence under which NHS England and NHS Digital publish the extracts.
LICENCE = {
    "name": "OGL-UK-3.0",
    "title": "Open Government Licence v3.0",
    "path": "https://www.nationalarchives.gov.uk/doc/open-government-licence/version/3/",
}
_FIELD_TYPES = {
    "number": "number",
    "boolean": "boolean",
    "date": "date",
    "datetime": "datetime",
    "list": "string",
    "text": "string",
}
_DICTIONARY_COLUMNS = ("table", "table_title", "column", "heading", "type", "description", "when_empty")
EMPTY_MEANS = {"x": "not available", "z": "not applicable", None: ""}


def build(tables: Sequence[Table], scope: Scope, sources: Sequence[Mapping[str, Any]]) -> dict[str, bytes]:
    """The files in ``csv/`` and ``parquet/``, ``data_dictionary.csv`` and ``datapackage.json``, by their name below the
    folder of the pack.

    ``sources`` are the extracts that the pack rests on: keys ``file_name``, ``extract_id`` (sha256) and ``dataset``.
    """
    contents: dict[str, bytes] = {}
    for table in tables:
        contents[f"csv/{table.sheet}.csv"] = as_csv(table)
        contents[f"parquet/{table.sheet}.parquet"] = as_parquet(table)
    contents["data_dictionary.csv"] = dictionary(tables)
    contents["datapackage.json"] = _descriptor(tables, scope, sources, contents)
    return contents


def as_csv(table: Table) -> bytes:
    """UTF-8, ISO dates, unrounded numbers, true and false; nothing where there is nothing, and no text that a
    spreadsheet would take for a formula."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow([column.name for column in table.columns])
    for row in table.rows:
        writer.writerow([_text(row[column.name]) for column in table.columns])
    return out.getvalue().encode()


def _text(cell: Any) -> str:
    if cell is None:
        return ""
    if isinstance(cell, bool):
        return "true" if cell else "false"
    if isinstance(cell, datetime):
        return cell.isoformat(timespec="seconds")
    if isinstance(cell, date):
        return cell.isoformat()
    if isinstance(cell, list):
        return guarded(" ".join(str(part) for part in cell), is_strict=False)
    return guarded(cell, is_strict=False) if isinstance(cell, str) else repr(cell)


def as_parquet(table: Table) -> bytes:
    """The rows as they are, with the types and descriptions of the columns."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    kinds = {
        "number": pa.float64(),
        "boolean": pa.bool_(),
        "date": pa.date32(),
        "datetime": pa.timestamp("us"),
        "list": pa.list_(pa.string()),
        "text": pa.string(),
    }
    arrays, fields = [], []
    for column in table.columns:
        # A figure hidden for publication is a word among numbers: it has no value.
        cells = [row[column.name] for row in table.rows]
        if column.kind in ("number", "boolean", "date", "datetime"):
            cells = [None if isinstance(cell, str) else cell for cell in cells]
        if column.kind == "number":
            cells = [None if cell is None else float(cell) for cell in cells]
        arrays.append(pa.array(cells, kinds[column.kind]))
        fields.append(pa.field(column.name, kinds[column.kind], metadata={"description": column.description}))
    out = io.BytesIO()
    schema = pa.schema(fields, metadata={"title": table.title, "description": table.description})
    pq.write_table(pa.table(arrays, schema=schema), out, compression="zstd")
    return out.getvalue()


def dictionary(tables: Sequence[Table]) -> bytes:
    """The data dictionary: one row a column of a table."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(_DICTIONARY_COLUMNS)
    for table in tables:
        for column in table.columns:
            writer.writerow(
                [
                    table.sheet,
                    table.title,
                    column.name,
                    column.title,
                    column.data_type,
                    guarded(column.description, is_strict=False),
                    EMPTY_MEANS[column.null_shorthand],
                ]
            )
    return out.getvalue().encode()


def _descriptor(
    tables: Sequence[Table], scope: Scope, sources: Sequence[Mapping[str, Any]], contents: Mapping[str, bytes]
) -> bytes:
    """The Frictionless Data Package that describes the CSV files."""
    package = {
        "$schema": "https://datapackage.org/profiles/2.0/datapackage.json",
        "name": scope.name.lower(),
        "title": f"Performance pack of {scope.org_name} ({scope.org_code}), {scope.month}",
        "description": " ".join(
            (
                "Figures of the organisation, its system and those that serve it, up to the month of the pack, as "
                "published by the warehouse.",
                *scope.notices,
            )
        ),
        "created": f"{scope.received_at.isoformat(timespec='seconds')}Z",
        "licenses": [LICENCE],
        "sources": [
            {
                "title": f"{source['dataset']}: {source['file_name']}",
                "path": source["file_name"],
                "hash": f"sha256:{source['extract_id']}",
            }
            for source in sources
        ],
        "resources": [_resource(table, contents[f"csv/{table.sheet}.csv"]) for table in tables],
    }
    return (json.dumps(package, indent=2, ensure_ascii=False) + "\n").encode()


def _resource(table: Table, content: bytes) -> dict[str, Any]:
    return {
        "name": table.sheet.lower().replace("_", "-").replace(" ", "-"),
        "title": table.title,
        "description": table.description,
        "path": f"csv/{table.sheet}.csv",
        "format": "csv",
        "mediatype": "text/csv",
        "encoding": "utf-8",
        "bytes": len(content),
        "hash": f"sha256:{hashlib.sha256(content).hexdigest()}",
        "schema": {
            "fields": [
                {
                    "name": column.name,
                    "title": column.title,
                    "type": _FIELD_TYPES[column.kind],
                    "description": column.description,
                }
                for column in table.columns
            ],
            "missingValues": ["", HIDDEN],
        },
    }
