"""Small numbers hidden for publication."""

from __future__ import annotations

from collections.abc import Sequence

import duckdb

from ccg_pipeline.publication.tables import Scope, Table


def apply(con: duckdb.DuckDBPyConnection, tables: Sequence[Table], scope: Scope) -> Sequence[Table]:
    return tables
