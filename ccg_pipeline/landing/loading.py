"""From the landing folder into schema ``raw``: receive (what is there, whose is it), then load by dataset.

Every attempted file leaves one row in ``raw.extracts`` whose ``outcome`` is ``received`` (recognised, not loaded
yet), ``loaded`` or ``quarantined``. A rejected file stays where the analyst put it; its reason also stands as a
text in the quarantine folder.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from pathlib import Path

import duckdb

from ccg_pipeline import extracts, warehouse
from ccg_pipeline.extracts.contract import Extract, ExtractError
from ccg_pipeline.extracts.source import Source
from ccg_pipeline.landing.files import LandedFile, scan, sha256
from ccg_pipeline.settings import Settings

Progress = Callable[[str], None]


@dataclass(frozen=True)
class Receipt:
    """What one scan of the landing folder found. Counts of files, and the names of those in quarantine."""

    files: int
    ignored: int
    new: int
    duplicates: int
    withdrawn: int


@dataclass(frozen=True)
class LoadResult:
    """What loading one dataset did. ``row_count`` is of the rows loaded in this run."""

    dataset: str
    loaded: int
    quarantined: int
    row_count: int


@lru_cache(maxsize=1)
def reader_version() -> str:
    """A fingerprint of the code that reads extracts: what an older reader loaded or refused is read again."""
    digest = hashlib.sha256()
    for source in sorted(Path(extracts.__file__).parent.rglob("*.py")):
        digest.update(source.read_bytes())
    return digest.hexdigest()[:16]


def read_extract(path: Path, name: str) -> Extract:
    """One file, recognised and read. Raises `ExtractError`, also for a reader's own failure on a strange file."""
    source = Source(path, name)
    try:
        return extracts.recognise(source).read(source)
    except (ExtractError, KeyboardInterrupt, MemoryError):
        raise
    except Exception as error:
        raise ExtractError(
            f"the reader stopped on something it did not expect ({type(error).__name__}: {str(error)[:200]}). Check "
            "that the file is as published; if it is, report it to the developers."
        ) from error


def receive(settings: Settings, now: datetime, progress: Progress) -> Receipt:
    """Register what is in the landing folder and recognise what is new; nothing is loaded yet."""
    files, ignored = scan(settings.raw)
    with warehouse.writing(settings.warehouse, _schemas()) as con:
        known = {
            row[0]: row[1:]
            for row in con.execute("SELECT extract_id, outcome, reader_version FROM raw.extracts").fetchall()
        }
        received = dict(
            con.execute("SELECT file_name || '/' || extract_id, received_at FROM raw.received_files").fetchall()
        )
        con.execute("UPDATE raw.received_files SET is_present = false")
        for file in files:
            key = f"{file.file_name}/{file.extract_id}"
            con.execute(
                "DELETE FROM raw.received_files WHERE file_name = ? AND extract_id = ?",
                [file.file_name, file.extract_id],
            )
            con.execute(
                "INSERT INTO raw.received_files VALUES (?, ?, ?, ?, ?, true)",
                [file.file_name, file.extract_id, file.size_bytes, file.modified_at, received.get(key, now)],
            )
        withdrawn = _withdraw_unaudited(con)
        by_content: dict[str, LandedFile] = {}
        for file in files:
            by_content.setdefault(file.extract_id, file)
        new = [
            f
            for f in by_content.values()
            if f.extract_id not in known
            or known[f.extract_id][0] == "received"
            or known[f.extract_id][1] != reader_version()
        ]
        for number, file in enumerate(new, 1):
            progress(f"recognising {number} of {len(new)}: {file.file_name}")
            _register(con, settings, file, now)
    return Receipt(len(files), ignored, len(new), len(files) - len(by_content), withdrawn)


def load(settings: Settings, dataset: str, progress: Progress) -> LoadResult:
    """Read, prove and insert every received file of a dataset; what breaks its contract is quarantined."""
    with warehouse.writing(settings.warehouse, _schemas()) as con:
        waiting = con.execute(
            """
            SELECT e.extract_id, min(f.file_name)
            FROM raw.extracts e JOIN raw.received_files f USING (extract_id)
            WHERE e.dataset = ? AND e.outcome = 'received' AND f.is_present
            GROUP BY e.extract_id ORDER BY 2
            """,
            [dataset],
        ).fetchall()
        loaded = rows = 0
        for number, (extract_id, file_name) in enumerate(waiting, 1):
            progress(f"loading {dataset} {number} of {len(waiting)}: {file_name}")
            path = settings.raw / file_name
            try:
                extract = read_extract(path, file_name)
                if sha256(path) != extract_id:
                    raise ExtractError("the file changed while it was read: still being copied? Wait, then run again.")
            except ExtractError as error:
                _quarantine(con, settings, extract_id, file_name, dataset, str(error))
                continue
            except OSError as error:
                _quarantine(con, settings, extract_id, file_name, dataset, f"the file cannot be read ({error}).")
                continue
            _insert(con, settings, extract_id, extract)
            loaded += 1
            rows += extract.rows.height
    return LoadResult(dataset, loaded, len(waiting) - loaded, rows)


def mark_audited(settings: Settings, dataset: str) -> None:
    """The quality checks of a dataset's rows have passed: they need not run on these extracts again."""
    with warehouse.writing(settings.warehouse) as con:
        con.execute("UPDATE raw.extracts SET is_audited = true WHERE dataset = ? AND outcome = 'loaded'", [dataset])


def standing_in_quarantine(con: duckdb.DuckDBPyConnection) -> list[tuple[str, str]]:
    """File names and reasons of all files in the landing folder that are in quarantine."""
    return con.execute(
        """
        SELECT f.file_name, e.reason FROM raw.received_files f JOIN raw.extracts e USING (extract_id)
        WHERE f.is_present AND e.outcome = 'quarantined' ORDER BY 1
        """
    ).fetchall()


def _schemas() -> dict:
    return {name: dataset.schema for name, dataset in extracts.DATASETS.items()}


def _register(con: duckdb.DuckDBPyConnection, settings: Settings, file: LandedFile, now: datetime) -> None:
    try:
        dataset = extracts.recognise(Source(file.path, file.file_name)).name
        reason = None
    except ExtractError as error:
        dataset, reason = None, str(error)
    except OSError as error:
        dataset, reason = None, f"the file cannot be read ({error})."
    earlier = con.execute("SELECT received_at FROM raw.extracts WHERE extract_id = ?", [file.extract_id]).fetchone()
    _forget(con, file.extract_id)
    con.execute(
        """
        INSERT INTO raw.extracts (extract_id, dataset, received_at, modified_at, outcome, reader_version, is_audited)
        VALUES (?, ?, ?, ?, 'received', ?, false)
        """,
        [file.extract_id, dataset, earlier[0] if earlier else now, file.modified_at, reader_version()],
    )
    if reason:
        _quarantine(con, settings, file.extract_id, file.file_name, None, reason)


def _insert(con: duckdb.DuckDBPyConnection, settings: Settings, extract_id: str, extract: Extract) -> None:
    warehouse.insert_rows(con, extract.dataset, extract_id, extract.rows, settings.scratch)
    con.executemany(
        "INSERT INTO raw.extract_coverage VALUES (?, ?, ?, ?, ?)",
        [[extract_id, extract.dataset, c.view, c.part, c.period_start] for c in extract.coverage],
    )
    con.execute(
        """
        UPDATE raw.extracts SET layout = ?, period_start = ?, period_end = ?, edition = ?, published_on = ?,
            row_count = ?, outcome = 'loaded', reason = NULL, caveat = ? WHERE extract_id = ?
        """,
        [
            extract.layout,
            extract.period_start,
            extract.period_end,
            extract.edition,
            extract.published_on,
            extract.rows.height,
            "; ".join(extract.caveats) or None,
            extract_id,
        ],
    )


def _quarantine(
    con: duckdb.DuckDBPyConnection,
    settings: Settings,
    extract_id: str,
    file_name: str,
    dataset: str | None,
    reason: str,
) -> None:
    con.execute(
        "UPDATE raw.extracts SET outcome = 'quarantined', reason = ?, dataset = ? WHERE extract_id = ?",
        [reason, dataset, extract_id],
    )
    settings.quarantine.mkdir(parents=True, exist_ok=True)
    note = settings.quarantine / f"{extract_id[:16]}.txt"
    note.write_text(f"file    {file_name}\nsha256  {extract_id}\nreason  {reason}\n", encoding="utf-8")


def _withdraw_unaudited(con: duckdb.DuckDBPyConnection) -> int:
    """Take back what never passed its checks and is no longer in the landing folder.

    It was never published; with it gone from the folder the analyst has withdrawn it, and the next run is free of it.
    """
    gone = con.execute(
        """
        SELECT extract_id FROM raw.extracts e WHERE NOT is_audited AND outcome <> 'quarantined'
        AND NOT EXISTS (FROM raw.received_files f WHERE f.extract_id = e.extract_id AND f.is_present)
        """
    ).fetchall()
    for (extract_id,) in gone:
        _forget(con, extract_id)
    return len(gone)


def _forget(con: duckdb.DuckDBPyConnection, extract_id: str) -> None:
    tables: Iterable[str] = ("extracts", "extract_coverage", *extracts.DATASETS)
    for table in tables:
        con.execute(f"DELETE FROM raw.{table} WHERE extract_id = ?", [extract_id])
