"""Dagster's event log in SQLite files, with connections that stay open from event to event.

Dagster's own storage opens and closes its databases several times for each event, and every close writes the log of the
database back to it. A night has some 1,300 events, one for each model and check: that took longer than building the
models. ``dagster.yaml`` names this storage; the files are Dagster's, under the same names.
"""

from __future__ import annotations

import os
from collections import OrderedDict
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from dagster import StringSource
from dagster._core.storage.event_log.sqlite.sqlite_event_log import SqliteEventLogStorage
from dagster._core.storage.sqlite import SQLITE_BUSY_TIMEOUT_SECONDS
from dagster._serdes import ConfigurableClassData
from sqlalchemy import Connection, Engine, create_engine, event
from sqlalchemy.pool import NullPool, StaticPool

# A database for each run and one for all: the page of all runs would keep each of them open.
_MOST_OPEN = 4


class KeptOpenEventLog(SqliteEventLogStorage):
    """`SqliteEventLogStorage` that opens each database once. ``dagster_home`` is the folder of Dagster's records."""

    def __init__(self, dagster_home: str, inst_data: ConfigurableClassData | None = None) -> None:
        # Newest last, each with the file that it is of.
        self._open: OrderedDict[str, tuple[tuple[int, int], Engine]] = OrderedDict()
        super().__init__(str(Path(dagster_home) / "history" / "runs"), inst_data)

    @classmethod
    def config_type(cls) -> Any:
        return {"dagster_home": StringSource}

    @classmethod
    def from_config_value(
        cls, inst_data: ConfigurableClassData | None, config_value: Mapping[str, Any]
    ) -> KeptOpenEventLog:
        return cls(inst_data=inst_data, **config_value)

    @contextmanager
    def _connect(self, shard: str) -> Iterator[Connection]:
        with self._db_lock, self._engine(shard).connect() as connection, connection.begin():
            yield connection

    def dispose(self) -> None:
        with self._db_lock:
            while self._open:
                self._close_oldest()
        super().dispose()

    def _engine(self, shard: str) -> Engine:
        present = _identity(self.path_for_shard(shard))
        opened, engine = self._open.get(shard, (None, None))
        if engine is not None and opened == present:
            self._open.move_to_end(shard)
            return engine
        if engine is not None:  # removed, or replaced by that of a restored home
            engine.dispose()
            self._initialized_dbs.discard(shard)
        address, waiting = self.conn_string_for_shard(shard), {"timeout": SQLITE_BUSY_TIMEOUT_SECONDS}
        if shard not in self._initialized_dbs:
            self._initdb(create_engine(address, poolclass=NullPool, connect_args=waiting))
            self._initialized_dbs.add(shard)
        engine = create_engine(address, poolclass=StaticPool, connect_args=waiting | {"check_same_thread": False})
        event.listen(engine, "connect", _flush_seldom)
        self._open[shard] = (_identity(self.path_for_shard(shard)) or (0, 0), engine)
        self._open.move_to_end(shard)
        while len(self._open) > _MOST_OPEN:
            self._close_oldest()
        return engine

    def _close_oldest(self) -> None:
        _, (_, engine) = self._open.popitem(last=False)
        engine.dispose()


def _identity(path: str) -> tuple[int, int] | None:
    try:
        found = os.stat(path)
    except FileNotFoundError:
        return None
    return found.st_dev, found.st_ino


def _flush_seldom(connection: Any, _record: Any) -> None:
    # With a write-ahead log a power cut then costs the last events, never the database.
    connection.execute("PRAGMA synchronous = NORMAL")
