"""What a run found in the landing folder and what became of it: the rows of ``raw.run_files``.

Written in the transaction of what they tell of, so that a run that is killed leaves exactly what it did. An outcome is
``received`` (recognised, not loaded yet), ``loaded``, ``rejected`` (with the reason of that run), ``held back`` (what
is new of its dataset failed a check), ``loaded before`` or ``rejected before`` (by an earlier run; not tried again),
``duplicate`` (the bytes of another file of the folder), ``kept`` (no longer in the folder, published before) or
``withdrawn`` (no longer in the folder, never published).
"""

from __future__ import annotations

from collections.abc import Sequence

import duckdb


def note_received(con: duckdb.DuckDBPyConnection, run_id: str, new: Sequence[str]) -> None:
    """Every file of the folder, and every extract that is kept without one; ``new`` are the contents tried by this
    run."""
    con.execute(
        """
        INSERT INTO raw.run_files (run_id, file_name, extract_id, dataset, size_bytes, outcome, reason, row_count)
        WITH files AS (
            -- The name that speaks for a content, as in staging: one that is there, the first received of several.
            SELECT *, row_number() OVER (
                PARTITION BY extract_id ORDER BY is_present DESC, received_at, file_name
            ) = 1 AS is_first
            FROM raw.received_files
        ),
        told AS (
            SELECT f.file_name, f.extract_id, e.dataset, f.size_bytes, e.reason, e.row_count, CASE
                WHEN NOT f.is_present THEN 'kept'
                WHEN NOT f.is_first THEN 'duplicate'
                WHEN e.outcome = 'received' THEN 'received'
                WHEN e.outcome = 'loaded' THEN 'loaded before'
                WHEN list_contains(?, e.extract_id) THEN 'rejected'
                ELSE 'rejected before'
            END AS outcome
            FROM files f JOIN raw.extracts e USING (extract_id)
            WHERE f.is_present OR (f.is_first AND e.outcome = 'loaded')
        )
        SELECT ?, file_name, extract_id, dataset, size_bytes, outcome,
            CASE WHEN outcome LIKE 'rejected%' THEN reason END,
            CASE WHEN outcome IN ('kept', 'loaded before') THEN row_count END
        FROM told ORDER BY file_name, extract_id
        """,
        [list(new), run_id],
    )


def note_withdrawn(con: duckdb.DuckDBPyConnection, run_id: str, gone: Sequence[str]) -> None:
    """What is about to be taken back, under the names that it had."""
    con.execute(
        """
        INSERT INTO raw.run_files (run_id, file_name, extract_id, dataset, size_bytes, outcome)
        SELECT ?, min(f.file_name), e.extract_id, any_value(e.dataset), any_value(f.size_bytes), 'withdrawn'
        FROM raw.extracts e JOIN raw.received_files f USING (extract_id)
        WHERE list_contains(?, e.extract_id) GROUP BY e.extract_id ORDER BY 2
        """,
        [run_id, list(gone)],
    )


def settle(con: duckdb.DuckDBPyConnection, run_id: str) -> None:
    """Bring what is noted up to what became of the files since: loaded, refused, undecided, held back."""
    con.execute(
        """
        UPDATE raw.run_files AS r SET
            dataset = e.dataset,
            outcome = CASE
                WHEN e.outcome = 'loaded' THEN 'loaded'
                WHEN e.outcome IN ('quarantined', 'waiting') THEN 'rejected'
                ELSE 'held back'
            END,
            reason = CASE WHEN e.outcome <> 'loaded' THEN e.reason END,
            row_count = CASE WHEN e.outcome = 'loaded' THEN e.row_count END
        FROM raw.extracts AS e
        WHERE r.run_id = ? AND r.extract_id = e.extract_id AND (
            (r.outcome = 'received' AND (e.outcome <> 'received' OR e.reason IS NOT NULL))
            OR (r.outcome IN ('loaded', 'loaded before') AND e.outcome <> 'loaded')
        )
        """,
        [run_id],
    )
