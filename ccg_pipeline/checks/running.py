"""Run one suite over one frame and say what came out, in this project's words."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import lru_cache
from importlib import import_module
from pathlib import Path
from threading import Thread
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pandas as pd

# More examples than this tell an analyst nothing new.
_EXAMPLES = 5


@dataclass(frozen=True)
class Suite:
    """One JSON file of expectations.

    ``meta`` holds ``table`` (schema.table that the suite is about), ``query`` (the frame it runs over) and ``key``
    (the columns that name a row of it).
    """

    name: str
    meta: dict[str, Any]
    expectations: list[dict[str, Any]]

    @classmethod
    def load(cls, path: Path) -> Suite:
        content = json.loads(path.read_text(encoding="utf-8"))
        return cls(content["name"], content["meta"], content["expectations"])

    def as_json(self) -> str:
        content = {"name": self.name, "meta": self.meta, "expectations": self.expectations}
        return json.dumps(content, indent=2, ensure_ascii=False) + "\n"


def load_suites(folder: Path) -> Iterator[Suite]:
    """All suites of a folder, in order of name."""
    for path in sorted(folder.glob("*.json")):
        yield Suite.load(path)


@dataclass(frozen=True)
class Result:
    """What one expectation found: rows looked at, rows that do not meet it, and the keys of those rows."""

    expectation: str
    meaning: str
    severity: str
    success: bool
    evaluated: int
    unexpected: int
    unexpected_keys: list[dict[str, Any]] = field(default_factory=list)

    def told(self) -> Result:
        """With all keys where it is critical, so that what is at fault can be held back; else with some examples."""
        return self if self.severity == "critical" else replace(self, unexpected_keys=self.unexpected_keys[:_EXAMPLES])

    def in_words(self, file_names: Mapping[str, str] | None = None) -> str:
        """The finding with its first examples; extracts by the names of their files, where those are given."""
        names = file_names or {}
        examples = "; ".join(
            ", ".join(names.get(str(v), f"{k} {v}") for k, v in key.items()) for key in self.unexpected_keys[:_EXAMPLES]
        )
        return f"{self.meaning}: {self.unexpected} of {self.evaluated} rows do not" + (
            f" ({examples})" if examples else ""
        )


def import_early() -> Thread:
    """Begin to import Great Expectations, which takes seconds; who needs it before it is there waits for the rest."""
    importing = Thread(target=import_module, args=("great_expectations",), daemon=True)
    importing.start()
    return importing


@contextmanager
def imported_meanwhile() -> Iterator[None]:
    """Import Great Expectations while the block waits for another process."""
    importing = import_early()
    try:
        yield
    finally:
        importing.join()


def run_suite(suite: Suite, frame: pd.DataFrame) -> list[Result]:
    """Every expectation of the suite over the frame. An expectation that cannot be evaluated counts as failed."""
    if frame.empty:
        return [Result(e["type"], _meaning(e), e.get("severity", "critical"), True, 0, 0) for e in suite.expectations]
    import great_expectations as gx

    key = suite.meta["key"]
    batch = _batch_definition().get_batch({"dataframe": frame})
    validated = batch.validate(
        gx.ExpectationSuite(name=suite.name, expectations=[dict(e) for e in suite.expectations]),
        result_format={"result_format": "COMPLETE"},
    )
    return [_result(outcome, frame[key]) for outcome in validated.results]


def joined(results: Sequence[Result]) -> Result:
    """What one expectation found in several parts of a table: met where it is met in all of them."""
    telling = next((r for r in results if not r.success), results[0])
    return replace(
        telling,
        evaluated=sum(r.evaluated for r in results),
        unexpected=sum(r.unexpected for r in results),
        unexpected_keys=[key for r in results for key in r.unexpected_keys],
    )


def _result(outcome: Any, keys: pd.DataFrame) -> Result:
    """An outcome in our words. ``keys`` are those of all rows, in the index of the frame that was looked at."""
    config, rows = outcome.expectation_config.to_json_dict(), len(keys)
    if outcome.exception_info and _raised(outcome.exception_info):
        return Result(config["type"], f"{_meaning(config)} (could not be evaluated)", "critical", False, rows, rows)
    found = outcome.result
    return Result(
        expectation=config["type"],
        meaning=_meaning(config),
        severity=config.get("severity") or "critical",
        success=bool(outcome.success),
        evaluated=int(found.get("element_count") or rows),
        unexpected=int(found.get("unexpected_count") or (0 if outcome.success else 1)),
        # Asked for columns as keys, Great Expectations takes them from the frame cell by cell.
        unexpected_keys=keys.loc[found.get("unexpected_index_list") or []].to_dict("records"),
    )


def _raised(info: dict[str, Any]) -> bool:
    if "raised_exception" in info:
        return bool(info["raised_exception"])
    return any(bool(part.get("raised_exception")) for part in info.values() if isinstance(part, dict))


def _meaning(expectation: dict[str, Any]) -> str:
    return str((expectation.get("meta") or {}).get("meaning") or expectation["type"])


@lru_cache(maxsize=1)
def _batch_definition() -> Any:
    import great_expectations as gx
    from great_expectations.data_context.types.base import ProgressBarsConfig

    logging.getLogger("great_expectations").setLevel(logging.ERROR)
    context = gx.get_context(mode="ephemeral")
    context.variables.progress_bars = ProgressBarsConfig(globally=False)
    source = context.data_sources.add_pandas("warehouse")
    return source.add_dataframe_asset("frame").add_batch_definition_whole_dataframe("all rows")
