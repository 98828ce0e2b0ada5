"""What dbt made in earlier nights and need not make again.

Models that are kept for each extract (``incremental``), and, as long as nothing of a dataset changed, all that is made
of it alone. Which rows of the raw tables a model reads is known from its folder or name (`holding.dataset_of_node`);
that what is left out is what a whole build would make is tested over random histories.
"""

from __future__ import annotations

from collections.abc import Container, Mapping
from typing import Any

from ccg_pipeline import extracts, nights, warehouse
from ccg_pipeline.checks import holding
from ccg_pipeline.settings import EMBEDDED, Settings

# Every dataset's rows of these are its own; what else stands in the registry concerns runs and files, not figures.
_REGISTRY = ("extracts", "extract_coverage")


class KeptModels:
    """What stands in the warehouse from the last builds, for one build more.

    What an older state of the project made would stand for good: where the project is not the one that made all that is
    kept, all of it is made anew. ``manifest`` is dbt's; ``leaves_out`` is whether models that stand may be left out.
    """

    def __init__(self, settings: Settings, manifest: Mapping[str, Any], leaves_out: bool = True) -> None:
        self._settings = settings
        self._project = nights.project_fingerprint()
        with warehouse.writing(settings.warehouse) as con:
            kept = con.execute("SELECT project_fingerprint, dataset, loaded FROM raw.kept_models").fetchall()
            self.are_current = bool(kept) and {project for project, *_ in kept} == {self._project}
            self._loaded: dict[str, str] = dict.fromkeys(extracts.DATASETS, "") | dict(con.execute(_LOADED).fetchall())
            new = con.execute(
                "SELECT DISTINCT dataset FROM raw.extracts WHERE outcome = 'loaded' AND NOT is_published"
            ).fetchall()
            made_of = {dataset: loaded for _, dataset, loaded in kept} if self.are_current else {}
            # What no publication holds yet may have been read anew under the same name.
            self.unchanged = {d for d, loaded in self._loaded.items() if made_of.get(d) == loaded} - {d for (d,) in new}
            # A build that is cut off leaves models of two states.
            con.execute(
                "DELETE FROM raw.kept_models WHERE dataset IS NULL OR NOT list_contains(?, dataset)",
                [sorted(self.unchanged)],
            )
            present = {tuple(row) for row in con.execute(_PRESENT).fetchall()}
        # In a lake another run may load between the moment at which this build reads and this one. A rebuild of what
        # was known once reads other rows.
        may = leaves_out and self.are_current and settings.profile == EMBEDDED and not settings.as_known_at
        self.left_out = _standing(manifest, self.unchanged, present) if may else []

    @property
    def arguments(self) -> list[str]:
        """What dbt is to be told."""
        if not self.are_current:
            return ["--full-refresh"]
        # With "cautious" a test goes with the models that it reads where all of them are left out, not where one is.
        return ["--indirect-selection", "cautious", "--exclude", " ".join(self.left_out)] if self.left_out else []

    def in_short(self, words: str) -> str:
        """What was said of a command with these arguments, without the names of all that is left out."""
        return words.replace(" ".join(self.left_out), f"({len(self.left_out)} names)") if self.left_out else words

    def vouch(self) -> None:
        """After a build of all models but those that stand."""
        made = [[self._project, d, loaded] for d, loaded in self._loaded.items() if d not in self.unchanged]
        if made:
            with warehouse.writing(self._settings.warehouse) as con:
                con.executemany("INSERT INTO raw.kept_models VALUES (?, ?, ?)", made)


# Of each dataset, what is loaded and how it replaces other editions.
_LOADED = """
    WITH noted AS (
        SELECT dataset, to_json(e)::VARCHAR AS row
        FROM (SELECT * EXCLUDE (is_published, published_by) FROM raw.extracts) e
        UNION ALL
        SELECT dataset, to_json(c)::VARCHAR AS row FROM raw.extract_coverage c
    )
    SELECT dataset, md5(string_agg(md5(row), '' ORDER BY row)) FROM noted WHERE dataset IS NOT NULL GROUP BY dataset
"""

_PRESENT = """
    SELECT schema_name, table_name FROM duckdb_tables() WHERE NOT temporary
    UNION ALL
    SELECT schema_name, view_name FROM duckdb_views() WHERE NOT internal
"""


def _standing(manifest: Mapping[str, Any], unchanged: set[str], present: Container[tuple[str, str]]) -> list[str]:
    """Names of the seeds, models and tests that need not be built: those that rest on unchanged datasets alone.

    Never a mart: the publication is made of all of them.
    """
    nodes: Mapping[str, Any] = manifest["nodes"]
    found: dict[str, bool] = {}

    def stands(node: str) -> bool:
        if node not in found:
            found[node] = _stands(node)
        return found[node]

    def _stands(node: str) -> bool:
        known = nodes.get(node)
        if known is None:
            return False  # a source: see below
        parents = known["depends_on"].get("nodes", [])
        if known["resource_type"] == "test":
            model, of = known.get("attached_node"), (known.get("test_metadata") or {}).get("kwargs", {}).get("dataset")
            if model and of:  # of what else it reads, it reads the rows of that dataset
                return of in unchanged and stands(model)
            return bool(parents) and all(stands(parent) for parent in parents)
        if (known["schema"], known["alias"]) not in present:
            return False
        if known["resource_type"] == "seed":
            return True
        if known["resource_type"] != "model" or known["schema"] == "marts":
            return False
        dataset = holding.dataset_of_node(node, manifest)
        if dataset is None:
            return bool(parents) and all(stands(parent) for parent in parents)
        return dataset in unchanged and all(
            stands(parent) or _is_of(dataset, parent) or _is_registry(parent) for parent in parents
        )

    def _is_of(dataset: str, parent: str) -> bool:
        source = manifest["sources"].get(parent)
        return source is not None and source["name"] == dataset

    def _is_registry(parent: str) -> bool:
        source = manifest["sources"].get(parent)
        if source is not None:
            return source["name"] in _REGISTRY
        known = nodes.get(parent)
        return (
            known is not None
            and known["fqn"][1:-1] == ["staging", "landing"]
            and all(_is_registry(above) for above in known["depends_on"].get("nodes", []))
        )

    return sorted(known["name"] for node, known in nodes.items() if stands(node))
