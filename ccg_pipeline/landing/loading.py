"""From the landing folder into schema ``raw``: receive (what is there, whose is it), then load by dataset.

Every attempted file leaves one row in ``raw.extracts`` whose ``outcome`` is ``received`` (recognised, not loaded
yet), ``loaded``, ``quarantined`` (refused for what it is), ``waiting`` (refused for now, tried again every night: it
could not be read, contradicts another file that arrived with it, or names what the catalogue does not have yet) or
``held`` (read, but what is new of its dataset does not pass its checks; tried again every night too). A rejected file
stays where the analyst put it; its reason also stands as a text in the quarantine folder.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Collection, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache, partial
from pathlib import Path

import duckdb

from ccg_pipeline import durable, extracts, warehouse
from ccg_pipeline.extracts import local_returns
from ccg_pipeline.extracts.contract import Extract, ExtractError
from ccg_pipeline.extracts.limits import MOST_BYTES
from ccg_pipeline.extracts.source import Source
from ccg_pipeline.landing import history
from ccg_pipeline.landing.catalogue import Catalogue, NotInCatalogueError
from ccg_pipeline.landing.files import LandedFile, landing_fingerprint, scan, walk
from ccg_pipeline.settings import DUCKLAKE, PROJECT_ROOT, Settings

Progress = Callable[[str], None]

# An extract of more rows is kept as soon as it is read: a night that is killed among large files goes on where it was.
_KEPT_AT_ONCE = 100_000


@dataclass(frozen=True)
class Receipt:
    """What one scan of the landing folder found: counts of files, and the fingerprint of them all."""

    files: int
    ignored: int
    new: int
    duplicates: int
    withdrawn: int
    fingerprint: str


@dataclass(frozen=True)
class LoadResult:
    """What loading one dataset did. ``row_count`` is of the rows loaded in this run; ``has_new`` is whether anything is
    loaded, now or by a run that broke off, that no publication holds yet."""

    dataset: str
    loaded: int
    quarantined: int
    row_count: int
    has_new: bool


@lru_cache(maxsize=1)
def reader_version() -> str:
    """A fingerprint of the readers and their map of headings: what an older one loaded or refused is read again."""
    digest = hashlib.sha256()
    for source in sorted(Path(extracts.__file__).parent.rglob("*")):
        if source.suffix in (".py", ".csv"):
            digest.update(source.read_bytes())
    return digest.hexdigest()[:16]


def read_extract(
    path: Path,
    name: str,
    seeds: Path = PROJECT_ROOT / "dbt_project" / "seeds",
    most_bytes: int = MOST_BYTES,
    extract_id: str | None = None,
    recognised: str | None = None,
) -> Extract:
    """One file read as the dataset that it was ``recognised`` as, or is recognised as now.

    The codes of a return are looked up in the catalogue, which is in ``seeds``. Raises `ExtractError`, also for a
    reader's own failure on a strange file; `OSError` where it cannot be opened, or where its bytes are not those of
    ``extract_id``.
    """
    source = Source(path, name, most_bytes)
    with _failures_in_words():
        _prove_identity(source, extract_id)
        extract = extracts.read(source, recognised)
        if extract.dataset == local_returns.name:
            extract = Catalogue.of(seeds).looked_up(extract)
    known_by = extract.published_on or datetime.now(UTC).date()
    latest = max(c.period_start for c in extract.coverage)
    if latest > known_by.replace(day=1):
        raise ExtractError(
            f"the file is of {latest:%B %Y}, which has not been yet by {known_by}. Its period is mistyped or misread: "
            "ask the publisher, or correct the copy."
        )
    return extract


@contextmanager
def _failures_in_words() -> Iterator[None]:
    """A reader's own failure on a strange file, as `ExtractError`; too little memory, which may pass, as `OSError`."""
    try:
        yield
    except (ExtractError, OSError):
        raise
    except MemoryError:
        raise OSError("there is too little memory for it") from None
    except BaseException as error:
        if not isinstance(error, Exception) and type(error).__name__ != "PanicException":
            raise
        raise ExtractError(
            f"the reader stopped on something it did not expect ({type(error).__name__}: {str(error)[:200]}). Check "
            "that the file is as published; if it is, report it to the developers."
        ) from error


def _prove_identity(source: Source, extract_id: str | None) -> None:
    """Raises `OSError` where the bytes that are read are not those that were known by their sha256.

    The source reads once and keeps what it read, so that this holds for all that is read from it afterwards too.
    """
    if extract_id is not None and source.sha256 != extract_id:
        raise OSError("it changed since the landing folder was listed: still being copied?")


def receive(settings: Settings, now: datetime, progress: Progress, run_id: str | None = None) -> Receipt:
    """Register what is in the landing folder and recognise what is new; nothing is loaded yet.

    With the id of a run, what it found is noted in ``raw.run_files``.
    """
    files, ignored = scan(settings.raw, settings.most_file_bytes)
    return warehouse.tried_again(lambda: _receive(settings, now, progress, run_id, files, ignored))


def _receive(
    settings: Settings,
    now: datetime,
    progress: Progress,
    run_id: str | None,
    files: list[LandedFile],
    ignored: int,
) -> Receipt:
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
        withdrawn = _withdraw(con, settings, run_id)
        by_content: dict[str, LandedFile] = {}
        for file in files:
            by_content.setdefault(file.extract_id, file)
        # In a lake what is received may be what another run is loading at this moment: it is recognised already.
        again = ("waiting", "held") if settings.profile == DUCKLAKE else ("received", "waiting", "held")
        new = [
            f
            for f in by_content.values()
            if f.extract_id not in known
            or known[f.extract_id][0] in again
            or known[f.extract_id][1] != reader_version()
        ]
        for number, file in enumerate(new, 1):
            progress(f"recognising {number} of {len(new)}: {file.file_name}")
            _register(con, settings, file, now)
        if run_id:
            history.note_received(con, run_id, [file.extract_id for file in new])
    return Receipt(len(files), ignored, len(new), len(files) - len(by_content), withdrawn, landing_fingerprint(files))


def load(settings: Settings, dataset: str, progress: Progress, run_id: str | None = None) -> LoadResult:
    """Read, prove and insert every received file of a dataset; what breaks its contract is quarantined.

    With the id of a run, what became of them is noted in ``raw.run_files``.
    """
    paths = walk(settings.raw)
    with warehouse.loading(settings.warehouse, _schemas()) as into:
        waiting = into.rows.execute(
            """
            SELECT e.extract_id, min(f.file_name)
            FROM raw.extracts e JOIN raw.received_files f USING (extract_id)
            WHERE e.dataset = ? AND e.outcome = 'received' AND f.is_present
            GROUP BY e.extract_id ORDER BY 2
            """,
            [dataset],
        ).fetchall()
        loaded = rows = 0
        read = (
            partial(
                read_extract,
                paths.get(file_name, settings.raw / file_name),
                file_name,
                settings.seeds,
                settings.most_file_bytes,
                extract_id,
                recognised=dataset,
            )
            for extract_id, file_name in waiting
        )
        for number, ((extract_id, file_name), reading) in enumerate(zip(waiting, _one_ahead(read), strict=True), 1):
            progress(f"loading {dataset} {number} of {len(waiting)}: {file_name}")
            try:
                extract = reading.result()
            except (ExtractError, OSError) as error:
                with into.noting() as con:
                    _refuse(con, settings, extract_id, file_name, dataset, *_why_refused(error))
                continue
            warehouse.insert_rows(into.rows, dataset, extract_id, extract.rows, settings.scratch)
            with into.noting() as con:
                if into.is_shared and not _is_whole(con, extract_id, extract):
                    continue  # a run of another version took it out: it is received, and loaded by the next
                _note_loaded(con, extract_id, extract)
            loaded += 1
            rows += extract.rows.height
            if extract.rows.height > _KEPT_AT_ONCE:
                into.keep()
        with into.noting() as con:
            undecided = _refuse_undecided(con, settings, dataset)
            if run_id:
                history.settle(con, run_id)
            ((new,),) = con.execute(
                "SELECT count(*) FROM raw.extracts WHERE dataset = ? AND outcome = 'loaded' AND NOT is_published",
                [dataset],
            ).fetchall()
    return LoadResult(dataset, loaded - undecided, len(waiting) - loaded + undecided, rows, new > 0)


def _one_ahead(readings: Iterable[Callable[[], Extract]]) -> Iterator[Future[Extract]]:
    """Each reading when it is done or has failed, while the next is under way: two extracts are held at most."""
    with ThreadPoolExecutor(1) as reader:
        before: Future[Extract] | None = None
        for reading in readings:
            after = reader.submit(reading)
            if before:
                yield before
            before = after
        if before:
            yield before


def _why_refused(error: ExtractError | OSError) -> tuple[str, str]:
    """The reason in words, and the outcome."""
    if isinstance(error, OSError):
        return _unreadable(error), "waiting"
    return str(error), "waiting" if isinstance(error, NotInCatalogueError) else "quarantined"


def loaded_when_built(con: duckdb.DuckDBPyConnection) -> list[str]:
    """The extracts whose rows the models rest on; another run of a lake may have loaded more since."""
    return [
        extract_id
        for (extract_id,) in con.execute(
            "SELECT extract_id FROM staging.stg_landing__extracts WHERE outcome = 'loaded'"
        ).fetchall()
    ]


def mark_published(
    con: duckdb.DuckDBPyConnection, run_id: str | None = None, built: Collection[str] | None = None
) -> None:
    """What is loaded now, or of it what is ``built``, has passed every check and goes into the publication of a run: it
    is never withdrawn or checked again."""
    con.execute(
        "UPDATE raw.extracts SET is_published = true, published_by = ? "
        "WHERE outcome = 'loaded' AND NOT is_published AND (? IS NULL OR list_contains(?, extract_id))",
        [run_id, None if built is None else [*built], None if built is None else [*built]],
    )


@dataclass(frozen=True)
class HeldBack:
    """What was held back of some datasets: the names of the files, and those that stay although they are not proved,
    because what is published rests on them."""

    files: tuple[str, ...]
    published_before: tuple[str, ...]


def hold_back(
    settings: Settings, datasets: Collection[str], reason: str, run_id: str | None = None, outcome: str = "held"
) -> HeldBack:
    """Take what is new of datasets out of the night again; what was published of them before stays as it is.

    New is what no publication holds yet. Its rows go, so that nothing of it reaches a model, and it is read anew on the
    next run. With the outcome ``received`` there will be one even if nothing changes until then.
    """
    return warehouse.tried_again(lambda: _hold_back(settings, datasets, reason, run_id, outcome))


def _hold_back(
    settings: Settings, datasets: Collection[str], reason: str, run_id: str | None, outcome: str
) -> HeldBack:
    lasting = _in_publication(settings)
    with warehouse.writing(settings.warehouse) as con:
        unproved = con.execute(
            """
            SELECT e.extract_id, e.dataset, min(f.file_name)
            FROM raw.extracts e JOIN raw.received_files f USING (extract_id)
            WHERE list_contains(?, e.dataset) AND e.outcome IN ('loaded', 'received') AND NOT e.is_published
            GROUP BY ALL ORDER BY 3
            """,
            [list(datasets)],
        ).fetchall()
        held = [row for row in unproved if row[0] not in lasting]
        for extract_id, dataset, file_name in held:
            _refuse(con, settings, extract_id, file_name, dataset, reason, outcome)
        if run_id:
            history.settle(con, run_id)
    return HeldBack(
        tuple(name for _, _, name in held), tuple(name for extract_id, _, name in unproved if extract_id in lasting)
    )


def broken_off(con: duckdb.DuckDBPyConnection) -> bool:
    """Whether a dataset or a file could not be read in this run for what may pass, such as too little memory or a share
    that was away, so that the next is to try again even if nothing changes."""
    return bool(
        con.execute(
            "SELECT count(*) FROM raw.extracts WHERE outcome = 'received' OR (outcome = 'waiting' AND "
            f"starts_with(reason, '{_CANNOT_BE_READ}'))"
        ).fetchall()[0][0]
    )


def _in_publication(settings: Settings) -> set[str]:
    """The extracts whose rows the last publication holds. Those of a new reader are read again, and are not new."""
    if not settings.published.is_file():
        return set()
    with warehouse.reading(settings.publication) as con:
        return {row[0] for row in con.execute("SELECT extract_id FROM raw.extracts WHERE is_published").fetchall()}


def standing_in_quarantine(con: duckdb.DuckDBPyConnection) -> list[tuple[str, str]]:
    """File names and reasons of all files in the landing folder that are in quarantine."""
    return con.execute(
        """
        SELECT f.file_name, e.reason FROM raw.received_files f JOIN raw.extracts e USING (extract_id)
        WHERE f.is_present AND e.outcome <> 'loaded' AND e.reason IS NOT NULL ORDER BY 1
        """
    ).fetchall()


def _schemas() -> dict:
    return {name: dataset.schema for name, dataset in extracts.DATASETS.items()}


def _register(con: duckdb.DuckDBPyConnection, settings: Settings, file: LandedFile, now: datetime) -> None:
    dataset = reason = None
    outcome = "quarantined"
    try:
        source = Source(file.path, file.file_name, settings.most_file_bytes)
        with _failures_in_words():
            _prove_identity(source, file.extract_id)
            dataset = extracts.recognise(source).name
    except ExtractError as error:
        reason = str(error)
    except OSError as error:
        reason, outcome = _unreadable(error), "waiting"
    earlier = con.execute("SELECT received_at FROM raw.extracts WHERE extract_id = ?", [file.extract_id]).fetchone()
    _forget(con, settings, file.extract_id)
    con.execute(
        """
        INSERT INTO raw.extracts (extract_id, dataset, received_at, outcome, reader_version, is_published)
        VALUES (?, ?, ?, 'received', ?, false)
        """,
        [file.extract_id, dataset, earlier[0] if earlier else now, reader_version()],
    )
    if reason:
        _refuse(con, settings, file.extract_id, file.file_name, None, reason, outcome)


def _is_whole(con: duckdb.DuckDBPyConnection, extract_id: str, extract: Extract) -> bool:
    """Whether all rows of an extract are there, as many as were read."""
    query = f"SELECT count(*) FROM raw.{extract.dataset} WHERE extract_id = ?"
    return con.execute(query, [extract_id]).fetchall()[0][0] == extract.rows.height


def _note_loaded(con: duckdb.DuckDBPyConnection, extract_id: str, extract: Extract) -> None:
    """Its rows are in: from now on they count."""
    con.execute("DELETE FROM raw.extract_coverage WHERE extract_id = ?", [extract_id])
    con.execute(
        "INSERT INTO raw.extract_coverage SELECT ?, ?, unnest(?::VARCHAR[]), unnest(?::VARCHAR[]), unnest(?::DATE[])",
        [
            extract_id,
            extract.dataset,
            [c.view for c in extract.coverage],
            [c.part for c in extract.coverage],
            [c.period_start for c in extract.coverage],
        ],
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


def _refuse(
    con: duckdb.DuckDBPyConnection,
    settings: Settings,
    extract_id: str,
    file_name: str,
    dataset: str | None,
    reason: str,
    outcome: str = "quarantined",
) -> None:
    for table in ("extract_coverage", *extracts.DATASETS):
        con.execute(f"DELETE FROM raw.{table} WHERE extract_id = ?", [extract_id])
    con.execute(
        "UPDATE raw.extracts SET outcome = ?, reason = ?, dataset = ? WHERE extract_id = ?",
        [outcome, reason, dataset, extract_id],
    )
    note = f"file    {file_name}\nsha256  {extract_id}\nreason  {reason}\n"
    durable.put_text(_note(settings, extract_id), note)


def _refuse_undecided(con: duckdb.DuckDBPyConnection, settings: Settings, dataset: str) -> int:
    """Refuse files that arrived together, hold the same month with other figures, and do not say which is later.

    Any order among them would be a guess. What was published before stays current.
    """
    undecided = con.execute(
        """
        WITH slices AS (
            SELECT c.extract_id, c.view, c.part, c.period_start, e.edition, e.published_on, e.received_at
            FROM raw.extract_coverage c JOIN raw.extracts e USING (extract_id)
            WHERE c.dataset = ? AND NOT e.is_published
        ),
        names AS (
            SELECT extract_id, min(file_name) AS file_name FROM raw.received_files WHERE is_present GROUP BY ALL
        )
        SELECT a.extract_id, an.file_name, min(bn.file_name), min(a.period_start)
        FROM slices a
        JOIN slices b ON a.extract_id <> b.extract_id AND a.view = b.view AND a.part = b.part
            AND a.period_start = b.period_start AND a.edition = b.edition AND a.received_at = b.received_at
            AND coalesce(a.published_on, a.received_at::DATE) = coalesce(b.published_on, b.received_at::DATE)
        JOIN names an ON a.extract_id = an.extract_id
        JOIN names bn ON b.extract_id = bn.extract_id
        GROUP BY a.extract_id, an.file_name
        """,
        [dataset],
    ).fetchall()
    for extract_id, file_name, other, month in undecided:
        reason = (
            f"{other} holds other figures for {month:%B %Y} too; both arrived together and neither says which is "
            "later. Remove the one that is not to count, or let the later one arrive on a later night."
        )
        _refuse(con, settings, extract_id, file_name, dataset, reason, "waiting")
    return len(undecided)


def _withdraw(con: duckdb.DuckDBPyConnection, settings: Settings, run_id: str | None) -> int:
    """Take back what is no longer in the landing folder and was never published.

    With its file gone from the folder the analyst has withdrawn it; what was published once stays for good.
    """
    gone = con.execute(
        """
        SELECT extract_id FROM raw.extracts e WHERE NOT is_published
        AND NOT EXISTS (FROM raw.received_files f WHERE f.extract_id = e.extract_id AND f.is_present)
        """
    ).fetchall()
    if run_id:
        history.note_withdrawn(con, run_id, [extract_id for (extract_id,) in gone])
    for (extract_id,) in gone:
        _forget(con, settings, extract_id)
    return len(gone)


def _forget(con: duckdb.DuckDBPyConnection, settings: Settings, extract_id: str) -> None:
    for table in ("extracts", "extract_coverage", *extracts.DATASETS):
        con.execute(f"DELETE FROM raw.{table} WHERE extract_id = ?", [extract_id])
    _note(settings, extract_id).unlink(missing_ok=True)


def _note(settings: Settings, extract_id: str) -> Path:
    return settings.quarantine / f"{extract_id[:16]}.txt"


# How the reason of a file begins that was not read for what may pass.
_CANNOT_BE_READ = "the file cannot be read"


def _unreadable(error: OSError) -> str:
    return f"{_CANNOT_BE_READ} ({error}). It is tried again on the next run."
