"""What a failed check holds back: what is new of the dataset that it can be laid to, and nothing else.

Belongs here: whose fault a failed suite, a failed model or a broken load is, and in which words that is told. Does not
belong here: how files are taken out of a night (`landing.loading.hold_back`), and which rules rows must keep (suites,
dbt).
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import duckdb

from ccg_pipeline import extracts, warehouse
from ccg_pipeline.checks import suites
from ccg_pipeline.checks.running import Result, Suite
from ccg_pipeline.landing import loading
from ccg_pipeline.settings import Settings

log = logging.getLogger("ccg")

# The disk, the file or DuckDB itself: no dataset is at fault, and there is no going on without them.
OUTAGES = (OSError, duckdb.IOException, duckdb.FatalException, duckdb.InternalException)

_RELEASE = (
    "Replace or remove the file at fault; if it is as published, report this to the developers. They are tried again "
    "on every run"
)
# A reason stands beside every file that it holds back, and is to be read.
_LONGEST_MESSAGE = 600


@dataclass(frozen=True)
class Proof:
    """What the checks of one dataset came to.

    ``failure`` says in words what does not hold, None where all does; ``held_back`` are the names of the files that
    were taken out of the night for it. ``stops`` says why that does not help, so that the run cannot go on.
    """

    failure: str | None = None
    held_back: tuple[str, ...] = ()
    stops: str | None = None
    results: Sequence[Result] = ()


def prove(settings: Settings, dataset: str, suite: Suite, run_id: str | None = None) -> Proof:
    """Run the suite over what is new of a dataset. Where it fails, all that is new of the dataset is held back.

    Files that are published already, and were only read again by a new reader, are not held back: the publication
    would lose them. Where one of those fails, the run stops and the last publication stays.
    """
    results = suites.evaluate(settings, suite)
    suites.record(settings, "quality", {suite.name: results})
    words = suites.failed(settings, results)
    if not words:
        return Proof(results=results)
    reason = f"new files of {dataset} do not pass their checks and are held back together: {_cut(words)}. {_RELEASE}."
    held = loading.hold_back(settings, [dataset], reason, run_id)
    _tell(dataset, held)
    still = suites.failed(settings, suites.evaluate(settings, suite)) if held.published_before else None
    stops = still and (
        f"{dataset}: files that are published already do not pass the checks now that they were read again: {still}"
    )
    return Proof(words, held.files, stops, results)


def after_breaking_off(settings: Settings, dataset: str, error: Exception, run_id: str | None = None) -> Proof:
    """Hold back, for one night, what is new of a dataset that could not be loaded or checked, and say why.

    What was published before must not be among it, or else the run stops.
    """
    said = f"{type(error).__name__}: {str(error)[:200]}".removesuffix(": ")
    log.error(f"loading {dataset} broke off ({said})", exc_info=error)
    reason = (
        f"the night could not load {dataset}: it stopped on something unexpected ({said}). Its new files are held back "
        "and tried again on the next run; if they stand here then too, report this to the developers."
    )
    held = loading.hold_back(settings, [dataset], reason, run_id, outcome="received")
    _tell(dataset, held)
    stops = (
        f"{dataset}: {', '.join(held.published_before[:5])}: published already, and could not be read again ({said})"
        if held.published_before
        else None
    )
    return Proof(reason, held.files, stops)


def of_models(
    settings: Settings, failures: Mapping[str, str], manifest: Mapping[str, Any], run_id: str | None = None
) -> str | None:
    """Hold back what is new of the datasets that failed models and tests of dbt belong to.

    ``failures`` are the messages of the nodes that failed, by id. Returns why that cannot be done, in words: a node
    belongs to no dataset alone, or there is nothing new of its dataset. None where all that is at fault is held back.
    """
    by_dataset: dict[str, list[str]] = {}
    for node, message in failures.items():
        dataset = dataset_of_node(node, manifest)
        if dataset is None:
            return f"{_called(node)} belongs to no dataset alone"
        by_dataset.setdefault(dataset, []).append(f"{_called(node)}: {' '.join(message.split())}")
    with warehouse.reading(settings.warehouse) as con:
        new = {
            dataset
            for (dataset,) in con.execute(
                "SELECT DISTINCT dataset FROM raw.extracts WHERE outcome = 'loaded' AND NOT is_published"
            ).fetchall()
        }
    if without := sorted(set(by_dataset) - new):
        return f"there is nothing new of {', '.join(without)} that could be held back"
    for dataset, messages in by_dataset.items():
        words = _cut("; ".join(messages))
        reason = (
            f"with new files of {dataset} the models break what they promise, so these are held back: {words}. "
            f"{_RELEASE}."
        )
        with warehouse.dataset_held(settings.warehouse, dataset):
            held = loading.hold_back(settings, [dataset], reason, run_id)
        if not held.files:
            return f"what is new of {dataset} was published before and only read again"
        _tell(dataset, held)
    return None


def dataset_of_node(node: str, manifest: Mapping[str, Any]) -> str | None:
    """The one dataset that a model is of, by its folder or name, or a test, by its model; None for others."""
    known = manifest["nodes"].get(node)
    if known is None:
        return None
    if known["resource_type"] == "test":
        model = known.get("attached_node")
        return dataset_of_node(model, manifest) if model else None
    if known["resource_type"] != "model":
        return None
    folders = known["fqn"][1:-1]
    dataset = folders[1] if folders[:1] == ["staging"] and len(folders) > 1 else known["name"].split("__")[0]
    dataset = dataset.removeprefix("int_")
    return dataset if dataset in extracts.DATASETS else None


def of_values(settings: Settings, results: Iterable[Result], run_id: str | None = None) -> str | None:
    """Hold back what is new of the datasets that all values at fault rest on, as `of_models`."""
    failures = [r for r in results if not r.success and r.severity == "critical"]
    keys = [key for result in failures for key in result.unexpected_keys]
    if any(not result.unexpected_keys for result in failures):
        return "the values at fault cannot be told"
    with warehouse.reading(settings.warehouse) as con:
        found = con.execute(
            """
            WITH new AS (
                SELECT extract_id, dataset FROM raw.extracts WHERE outcome = 'loaded' AND NOT is_published
            ), asked AS (SELECT unnest(?) AS key), at_fault AS (
                SELECT DISTINCT key, unnest(v.extract_ids) AS extract_id
                FROM asked JOIN marts.fct_indicator_values v
                    ON v.indicator_id = key.indicator_id AND v.org_code = key.org_code AND v.org_level = key.org_level
                    AND v.period_type = key.period_type AND strftime(v.period_end, '%Y-%m-%d') = key.period
            )
            SELECT key.indicator_id || ' ' || key.org_code || ' ' || key.period, list(DISTINCT dataset)
            FROM asked LEFT JOIN (at_fault JOIN new USING (extract_id)) USING (key) GROUP BY ALL ORDER BY 1
            """,
            [keys],
        ).fetchall()
    old = [value for value, datasets in found if not any(datasets)]
    if old:
        return f"{old[0]} rests on nothing new"
    datasets = sorted({dataset for _, of in found for dataset in of if dataset})
    words = _cut("; ".join(result.in_words() for result in failures))
    named = ", ".join(datasets)
    reason = f"with new files of {named} values do not pass their checks, so these are held back: {words}. {_RELEASE}."
    with warehouse.dataset_held(settings.warehouse, *datasets):
        held = loading.hold_back(settings, datasets, reason, run_id)
    if not held.files:
        return f"what is new of {named} was published before and only read again"
    _tell(named, held)
    return None


def _tell(dataset: str, held: loading.HeldBack) -> None:
    if held.files:
        log.info(f"held back: {len(held.files)} new files of {dataset}")


def _called(node: str) -> str:
    """The name of a node without its kind, project and hash."""
    return node.split(".")[2]


def _cut(words: str) -> str:
    return words if len(words) <= _LONGEST_MESSAGE else words[:_LONGEST_MESSAGE] + " ..."
