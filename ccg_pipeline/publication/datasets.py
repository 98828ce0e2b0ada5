"""The state of each dataset: the latest period held, the next one and when it is due, and what is held back.

Belongs here: reading `dim_datasets` and saying it in words. Does not belong here: which period is expected when, and
what counts as stale (dbt and the seed ``datasets``). Whether a period is overdue depends on the day on which somebody
asks, so it is asked with that day.
"""

from __future__ import annotations

import csv
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import date, datetime
from pathlib import Path

import duckdb


@dataclass(frozen=True)
class State:
    """A row of `dim_datasets`."""

    dataset: str
    dataset_name: str
    frequency: str
    last_period_start: date | None
    latest_period_start: date | None
    latest_period_end: date | None
    next_period_start: date | None
    next_period_end: date | None
    due_on: date | None
    is_stale: bool
    stale_since: datetime | None
    stale_reason: str | None
    extracts_held_back: int

    def is_overdue(self, day: date) -> bool:
        """Whether the next period ought to have been here before a day."""
        return self.due_on is not None and day > self.due_on

    @property
    def latest(self) -> str:
        """The latest period held, in words."""
        if self.latest_period_start is None or self.latest_period_end is None:
            return "nothing"
        return self._period(self.latest_period_start, self.latest_period_end)

    def expected_in_words(self) -> str:
        """The latest period held, the next one, and the day on which that is (or was) due."""
        if self.latest_period_start is None:
            return "no file of it counts yet: nothing is expected"
        held = f"the latest {_KINDS[self.frequency]} held is {self.latest}"
        if self.next_period_start is None or self.next_period_end is None:
            return f"{held}: no further one is expected"
        following = self._period(self.next_period_start, self.next_period_end)
        return f"{held}; {following}: {f'due on {self.due_on:%-d %B %Y}' if self.due_on else 'due on no stated day'}"

    def overdue_in_words(self) -> str:
        """As `expected_in_words`, of a period that is overdue; true on every later day too."""
        assert self.next_period_start and self.next_period_end and self.due_on
        return (
            f"the latest {_KINDS[self.frequency]} held is {self.latest}; "
            f"{self._period(self.next_period_start, self.next_period_end)} was due on {self.due_on:%-d %B %Y}"
        )

    def stale_in_words(self) -> str:
        """What is held back since when, and what stands in its place."""
        assert self.stale_since
        count = self.extracts_held_back
        held_back = (
            f"{count} new file{'' if count == 1 else 's'}, received from {self.stale_since:%-d %B %Y} on, "
            f"{'is' if count == 1 else 'are'} held back until the checks are passed"
        )
        if self.latest_period_start is None:
            return f"{held_back}; nothing of it was published before, so that its figures are missing"
        return f"{held_back}; its figures are those published before"

    def _period(self, first: date, last: date) -> str:
        if self.frequency == "month":
            return f"{first:%B %Y}"
        return f"the quarter to {last:%B %Y}" if self.frequency == "quarter" else f"that to {last:%-d %B %Y}"


_KINDS = {"month": "month", "quarter": "quarter", "none": "period"}


def listed(seeds: Path) -> dict[str, Mapping[str, str]]:
    """The rows of the seed ``datasets``, by dataset."""
    with open(seeds / "datasets.csv", encoding="utf-8", newline="") as file:
        return {row["dataset"]: row for row in csv.DictReader(file)}


def read(con: duckdb.DuckDBPyConnection) -> dict[str, State]:
    """The state of each dataset of a publication, in order of name; none where an older version published it."""
    has_states = con.execute(
        "SELECT count(*) FROM information_schema.tables WHERE table_schema = 'marts' AND table_name = 'dim_datasets'"
    ).fetchall()[0][0]
    if not has_states:
        return {}
    columns = ", ".join(State.__dataclass_fields__)
    rows = con.execute(f"SELECT {columns} FROM marts.dim_datasets ORDER BY dataset").fetchall()
    return {row[0]: State(*row) for row in rows}


def in_words(states: Mapping[str, State], day: date) -> list[str]:
    """What is stale and what is overdue on a day, as lines for a terminal."""
    if not states:
        return ["Stale, overdue: not known, an older version published this (run: ccg nightly)"]
    stale = [state for state in states.values() if state.is_stale]
    overdue = [state for state in states.values() if state.is_overdue(day)]
    lines = [f"Stale: {_count(stale)}"]
    for state in stale:
        lines += [
            f"  {state.dataset}: {state.dataset_name}, up to {state.latest}",
            f"      since {state.stale_since:%Y-%m-%d}: {state.stale_in_words()}",
            f"      {state.stale_reason}",
        ]
    lines.append(f"Overdue: {_count(overdue)}")
    for state in overdue:
        assert state.due_on
        days = (day - state.due_on).days
        lines.append(f"  {state.dataset}: {state.dataset_name}: {state.overdue_in_words()}, {days:,} days ago")
    if overdue:
        lines.append("      Fetch what is published and drop it into the landing folder.")
    return lines


def notices(
    con: duckdb.DuckDBPyConnection, org_codes: Collection[str], period_end: date, known_on: date
) -> tuple[str, ...]:
    """What a reader of the figures of organisations up to the end of a month must know first: what is held back, and
    what was overdue on the day that these figures are of. They stay true whenever they are read."""
    states = read(con)
    everywhere = _resting_on(con)
    here = _resting_on(con, org_codes, period_end)
    said = []
    for state in states.values():
        # Of a dataset that no figure rests on nothing is published yet, or all rest on it, as on who belongs to whom.
        if state.is_stale and (state.dataset in here or state.dataset not in everywhere):
            names = here.get(state.dataset, [])
            more = f" and {len(names) - _NAMED} more" if len(names) > _NAMED else ""
            figures = f" Figures of it: {'; '.join(names[:_NAMED])}{more}." if names else ""
            said.append(f"{state.dataset_name}: {state.stale_in_words()}.{figures}")
    for state in states.values():
        is_wanted = state.next_period_end is not None and state.next_period_end <= period_end
        if is_wanted and state.is_overdue(known_on) and state.dataset in here:
            said.append(f"{state.dataset_name}: {state.overdue_in_words()}.")
    return tuple(said)


def stale_of(con: duckdb.DuckDBPyConnection, indicator_ids: Collection[str], extract_ids: Collection[str]) -> list[str]:
    """What is held back of the datasets of some indicators and of the extracts that their values rest on."""
    found = con.execute(
        "SELECT dataset FROM marts.dim_indicators WHERE list_contains($indicator_ids, indicator_id) "
        "UNION SELECT dataset FROM marts.extracts WHERE list_contains($extract_ids, extract_id)",
        {"indicator_ids": list(indicator_ids), "extract_ids": list(extract_ids)},
    ).fetchall()
    named = {dataset for (dataset,) in found}
    return [
        f"{state.dataset_name}: {state.stale_in_words()}"
        for state in read(con).values()
        if state.is_stale and state.dataset in named
    ]


# More names than this are not read.
_NAMED = 12


def _resting_on(
    con: duckdb.DuckDBPyConnection, org_codes: Collection[str] | None = None, period_end: date | None = None
) -> dict[str, list[str]]:
    """The names of the indicators that rest on each dataset, of all organisations and periods if none are given."""
    rows = con.execute(
        """
        WITH resting AS (
            SELECT DISTINCT indicator_id, unnest(extract_ids) AS extract_id FROM marts.fct_indicator_values
            WHERE ($org_codes IS NULL OR list_contains($org_codes, org_code))
                AND ($period_end IS NULL OR period_end <= $period_end)
        )
        SELECT DISTINCT dataset, indicator_name
        FROM resting
        JOIN (SELECT DISTINCT extract_id, dataset FROM marts.extracts) USING (extract_id)
        JOIN (SELECT indicator_id, indicator_name FROM marts.dim_indicators) USING (indicator_id)
        ORDER BY ALL
        """,
        {"org_codes": None if org_codes is None else list(org_codes), "period_end": period_end},
    ).fetchall()
    found: dict[str, list[str]] = {}
    for dataset, name in rows:
        found.setdefault(dataset, []).append(name)
    return found


def _count(states: Iterable[State]) -> str:
    count = len(list(states))
    return "none" if not count else f"{count} dataset{'' if count == 1 else 's'}"
