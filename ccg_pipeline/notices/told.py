"""What was told, and what waits to be sent: ``home/notices/told.json``, put in place by one rename.

News is what the publication of now has and this file does not. So nothing has to happen at the moment of the swap:
killed between publishing and telling, the next telling finds the same news. What is news and what waits to be sent
are noted together, so that neither is lost or found twice. The keys of breaches and restatements, which may be many,
stand in Parquet files that ``told.json`` names.
"""

from __future__ import annotations

import fcntl
import json
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

import duckdb

from ccg_pipeline import durable
from ccg_pipeline.notices.wording import Notice
from ccg_pipeline.settings import Settings

_LOCK_SECONDS = 60.0  # another telling is over within that


@dataclass
class Waiting:
    """A notice that waits to be sent by ``ways``; ``at`` (UTC) it was made."""

    notice: Notice
    at: datetime
    ways: list[str]


@dataclass
class Told:
    """What was told. A kind that was never told, or is switched off, has no entry in ``items`` or ``tables``.

    ``items`` are keys by kind of thing, ``tables`` the names of Parquet files of keys, ``failures`` the runs whose
    failure was told (None where none was ever looked for), and ``published`` tells the publication that was looked at
    from others.
    """

    published: str | None = None
    items: dict[str, list[str]] = field(default_factory=dict)
    tables: dict[str, str] = field(default_factory=dict)
    failures: list[str] | None = None
    waiting: list[Waiting] = field(default_factory=list)


def read(settings: Settings) -> Told:
    """What was told; nothing where there is no such file yet. Raises `ValueError` where it is not as written here."""
    try:
        content = json.loads(_path(settings).read_text(encoding="utf-8"))
    except FileNotFoundError:
        return Told()
    try:
        waiting = [
            Waiting(
                Notice(**{**w["notice"], "lines": tuple(w["notice"]["lines"])}),
                datetime.fromisoformat(w["at"]),
                list(w["ways"]),
            )
            for w in content.pop("waiting")
        ]
        return Told(**content, waiting=waiting)
    except (TypeError, KeyError, AttributeError) as error:
        raise ValueError(f"{_path(settings)} is not as ccg writes it ({error})") from None


def write(settings: Settings, told: Told) -> None:
    """Put what was told in place, and remove tables that nothing names any more."""
    content: dict[str, Any] = asdict(told)
    for waiting in content["waiting"]:
        waiting["at"] = waiting["at"].isoformat()
    durable.put_text(_path(settings), json.dumps(content, indent=1, ensure_ascii=False) + "\n")
    for table in settings.notices.glob("*.parquet*"):
        if table.name not in told.tables.values():
            table.unlink(missing_ok=True)


def put_table(settings: Settings, con: duckdb.DuckDBPyConnection, name: str, query: str) -> str:
    """Write the keys that a query gives to a new Parquet file; returns its name for ``Told.tables``."""
    settings.notices.mkdir(parents=True, exist_ok=True)
    path = settings.notices / f"{name}-{uuid.uuid4().hex[:12]}.parquet"
    beside = path.with_name(f"{path.name}.next")
    con.execute(f"COPY ({query}) TO '{str(beside).replace(chr(39), chr(39) * 2)}' (FORMAT parquet, COMPRESSION zstd)")
    durable.put(beside, path)
    return path.name


def table(settings: Settings, told: Told, name: str) -> Path | None:
    """The Parquet file of keys; None where there is none."""
    path = settings.notices / told.tables[name] if name in told.tables else None
    return path if path and path.is_file() else None


@contextmanager
def sole_teller(settings: Settings) -> Iterator[None]:
    """Keep two tellings (of a night and of Dagster's sensor) from sending the same. Raises `TimeoutError`."""
    settings.notices.mkdir(parents=True, exist_ok=True)
    deadline = time.monotonic() + _LOCK_SECONDS
    with open(settings.notices / "lock", "a") as lock:
        while True:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                if time.monotonic() > deadline:
                    raise TimeoutError("another process has been telling for over a minute") from None
                time.sleep(0.2)
        yield


def _path(settings: Settings) -> Path:
    return settings.notices / "told.json"
