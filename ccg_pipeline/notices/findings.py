"""What there is to tell that was not told before: the publication of now beside what `told` remembers.

Reads marts and says what stands there. Notices name files, datasets, indicators and organisations; they hold no
counts of patients and nothing that stood in a cell: who is told looks the figures up.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

import duckdb

from ccg_pipeline import nights, warehouse
from ccg_pipeline.notices import told as memory
from ccg_pipeline.notices.told import Told
from ccg_pipeline.notices.wording import Notice, clean, notice, without_contents
from ccg_pipeline.publication import datasets
from ccg_pipeline.publication.datasets import State
from ccg_pipeline.settings import Settings

_LISTED = 10
_COUNTED = 15
_RUNS_LISTED = 3
_REASONS_LISTED = 10
_UNRECORDED_KEPT = 50

_BREACH_KEY = "indicator_id, org_code, org_level, period_type, period_start, source"
# When something was restated may be the time of receipt, which a warehouse built anew has not kept: the extracts tell.
_EXTRACTS = "md5(concat_ws('|', array_to_string(previous_extract_ids, ','), array_to_string(extract_ids, ',')))"
_RESTATEMENT_KEY = f"{_BREACH_KEY}, period_end, breach_change, extracts"
_RESTATED = f"SELECT *, {_EXTRACTS} AS extracts FROM marts.fct_restatements WHERE breach_change IS NOT NULL"
_PERIOD = """CASE period_type
    WHEN 'month' THEN strftime(period_start, '%Y-%m')
    WHEN 'ytd' THEN strftime(period_end, '%Y-%m') || ' YTD'
    ELSE strftime(period_start, '%Y-%m-%d') || ' to ' || strftime(period_end, '%Y-%m-%d')
END"""


@dataclass(frozen=True)
class Failure:
    """A failure that perhaps no run record tells of: the id of the run, or when it began (UTC), and why, in words."""

    reasons: list[str]
    run: str | None = None
    started_at: datetime | None = None
    log: str | None = None


def failures(settings: Settings, told: Told, failed: Failure | None) -> tuple[list[Notice], list[str]]:
    """The notice of runs that failed or were killed since what was told last, and the runs told of then.

    Run records tell of them, by whomever they were started; ``failed`` counts where none does. Where nothing was told
    yet, runs before the last are history.
    """
    records = [record for record in nights.records(settings) if record.get("kind") != nights.REBUILD]
    killed = {record.get("run_id") for record in nights.killed(settings)}
    broken = {
        str(record.get("run_id")): record
        for record in records
        if record.get("outcome") == nights.FAILED or record.get("run_id") in killed
    }
    before = set(told.failures if told.failures is not None else [run for run in broken if broken[run] != records[-1]])
    new = [run for run in broken if run not in before]
    is_recorded = failed is not None and (
        failed.run in broken
        or failed.run in before
        or (
            failed.started_at is not None
            and any(
                str(broken[run].get("started_at")) >= failed.started_at.isoformat(timespec="seconds") for run in new
            )
        )
    )
    found = []
    if new:
        lines: list[str] = []
        for run in new[-_RUNS_LISTED:]:
            lines += _failed(settings, broken[run], run in killed)
        if len(new) > _RUNS_LISTED:
            lines.append(f"and {len(new) - _RUNS_LISTED} runs before these")
        title = "a night failed" if len(new) == 1 else f"{len(new)} nights failed"
        found.append(notice(_key("failures", new), "failure", title, [*lines, _standing(settings)]))
    if failed and not is_recorded:
        found.append(failure(settings, failed))
    unrecorded = [run for run in told.failures or () if run not in broken][-_UNRECORDED_KEPT:]
    runs = [*unrecorded, *broken]
    return found, [*runs, failed.run] if failed and failed.run and failed.run not in runs else runs


def failure(settings: Settings, failed: Failure) -> Notice:
    """The notice of a failure that no record tells of."""
    lines = [*_reasons(failed.reasons), _standing(settings)]
    if failed.log:
        lines.append(f"The whole log: {failed.log}")
    key = _key("failure", [failed.run or str(failed.started_at)])
    return notice(key, "failure", "a night failed", lines)


def _failed(settings: Settings, record: dict[str, Any], is_killed: bool) -> list[str]:
    """What a run record says of its failure, and where its log is."""
    reasons = [f"It did not end: {nights.WHY_NOT_ENDED}."] if is_killed else list(record.get("failures") or [])
    lines = [f"The run of {record.get('started_at')} ({record.get('kind', 'nightly')}):", *_reasons(reasons)]
    log = None
    if record.get("kind") == nights.NIGHTLY and record.get("started_at"):
        started_at = datetime.fromisoformat(record["started_at"])
        log = settings.logs / f"{nights.NIGHTLY}-{started_at:%Y%m%dT%H%M%SZ}.log"
    where = str(log) if log and log.is_file() else f"run {record.get('run_id')}, as ccg ui and runs.jsonl show it"
    return [*lines, f"The whole log: {where}"]


def _reasons(reasons: list[str]) -> list[str]:
    lines = [without_contents(reason) for reason in reasons[:_REASONS_LISTED]] or ["No reason was given."]
    return [*lines, f"... and {len(reasons) - len(lines)} more reasons"] if len(reasons) > len(lines) else lines


def _standing(settings: Settings) -> str:
    is_there = settings.published.is_file()
    return "The last publication stays as it was." if is_there else "Nothing is published yet."


def news(settings: Settings, told: Told, kinds: tuple[str, ...], today: date) -> tuple[list[Notice], Told]:
    """Notices of all that is new in the publication, but for failed runs, and what will have been told with them.

    Looks at breaches and restatements only where the publication is another one than last time, and at what is
    overdue every time. Raises `duckdb.Error` or `OSError` where the publication cannot be read.
    """
    found: list[Notice] = []
    after = Told(told.published)
    if not settings.published.is_file():
        after.items, after.tables = dict(told.items), dict(told.tables)
        return found, after
    stat = settings.published.stat()
    published = f"{stat.st_size}-{stat.st_mtime_ns}"
    with warehouse.reading(settings.publication) as con:
        readers: dict[str, dict[str, Callable[[], dict[str, str]]]] = {
            "failure": {"stale": lambda: _stale(datasets.read(con).values())},
            "quarantine": {"quarantine": lambda: _quarantine(con)},
            "overdue": {"overdue": lambda: _overdue(datasets.read(con).values(), today)},
        }
        for kind in kinds:
            for name, read in readers.get(kind, {}).items():
                standing = read()
                new = {key: line for key, line in standing.items() if key not in told.items.get(name, ())}
                after.items[name] = sorted(standing)
                if new:
                    title = _TITLES[name].format(_number(len(new), _NOUNS[name]))
                    found.append(notice(_key(name, list(new)), kind, title, [*new.values(), *_CLOSING[name]]))
        for kind, name, tell in (
            ("breach", "breaches", _new_breaches),
            ("restatement", "restatements", _new_restatements),
        ):
            if kind not in kinds:
                continue
            before = memory.table(settings, told, name)
            if before and published == told.published:
                after.tables[name] = told.tables[name]
                after.items |= {n: keys for n, keys in told.items.items() if n == "judged" and name == "breaches"}
                continue
            found += tell(con, str(before) if before else None, told)
            query = {
                "breaches": f"SELECT {_BREACH_KEY} FROM marts.fct_breaches",
                "restatements": f"SELECT {_RESTATEMENT_KEY} FROM ({_RESTATED})",
            }[name]
            after.tables[name] = memory.put_table(settings, con, name, query)
            if name == "breaches":
                after.items["judged"] = _judged(con)
    after.published = published
    return found, after


_NOUNS = {"stale": "dataset", "quarantine": "file", "overdue": "dataset"}
_TITLES = {
    "stale": "held back, older figures kept: {}",
    "quarantine": "newly in quarantine: {}",
    "overdue": "overdue by the publication calendar: {}",
}
_CLOSING = {
    "stale": ["Everything else is published as usual. ccg status says what to do."],
    "quarantine": ["Not loaded. The whole reason of each stands in ccg status."],
    "overdue": ["Each is told once. ccg status shows what is overdue until it has come."],
}


def _stale(states: Iterable[State]) -> dict[str, str]:
    """Datasets of which new files are held back, so that older figures stay, by dataset and time."""
    return {
        f"{state.dataset} {state.stale_since}": f"{state.dataset}: files held back since {state.stale_since:%Y-%m-%d}, "
        f"its figures are those last published. {clean(without_contents(state.stale_reason or ''), 190)}"
        for state in states
        if state.is_stale
    }


def _quarantine(con: duckdb.DuckDBPyConnection) -> dict[str, str]:
    """Files of the landing folder that stand in quarantine, by name and content."""
    rows = con.execute(
        """
        SELECT f.file_name, f.extract_id, e.dataset, e.reason
        FROM raw.received_files f JOIN raw.extracts e USING (extract_id)
        WHERE f.is_present AND e.outcome IN ('quarantined', 'waiting') ORDER BY 1, 2
        """
    ).fetchall()
    return {
        f"{extract_id[:16]} {name}": _quarantined(name, dataset, reason or "")
        for name, extract_id, dataset, reason in rows
    }


def _quarantined(name: str, dataset: str | None, reason: str) -> str:
    # The reason of a file that is no known extract shows how it begins, which may be a list of patients.
    said = without_contents(reason) if dataset else reason.partition(": ")[0].rstrip(".") + "."
    return f"{clean(without_contents(name), 100)}: {clean(said, 190)}"


def _overdue(states: Iterable[State], today: date) -> dict[str, str]:
    """Datasets of which a period should have been published before today, by dataset and period."""
    return {
        f"{state.dataset} {state.next_period_start}": f"{state.dataset}: the period from {state.next_period_start} was "
        f"due on {state.due_on}"
        for state in states
        if state.is_overdue(today)
    }


def _new_breaches(con: duckdb.DuckDBPyConnection, before: str | None, told: Told) -> list[Notice]:
    """One notice of all breaches that were not there: counted by standard and organisation, the gravest listed."""
    if before is None:
        count, standards, organisations = con.execute(
            "SELECT count(*), count(DISTINCT standard_id), count(DISTINCT org_code) FROM marts.fct_breaches"
        ).fetchall()[0]
        line = (
            f"The publication holds {_number(count, 'breach')} of {_number(standards, 'standard')} by "
            f"{_number(organisations, 'organisation')}. From now on only new ones are told."
        )
        return [notice(_key("first breaches", [line]), "breach", "breaches of standards are told from now on", [line])]
    judged = f"[{', '.join(map(_literal, told.items.get('judged', [])))}]::VARCHAR[]"
    con.execute(
        f"""
        CREATE OR REPLACE TEMP TABLE new_breaches AS
        SELECT *, {_PERIOD} AS period, list_contains({judged}, standard_id) AS is_judged_before,
            list_position(['critical', 'major', 'minor'], severity) AS gravity
        FROM marts.fct_breaches ANTI JOIN read_parquet({_literal(before)}) USING ({_BREACH_KEY})
        """
    )
    total, new = con.execute("SELECT count(*), count(*) FILTER (is_judged_before) FROM temp.new_breaches").fetchall()[0]
    if not total:
        return []
    lines: list[str] = []
    if new:
        lines.append("By standard:")
        lines += _counted(
            con,
            "standard_id, any_value(indicator_name)",
            "standard_id",
            "{0}, {1}",
            "new_breaches WHERE is_judged_before",
        )
        lines.append("By organisation:")
        lines += _counted(
            con, "org_code, any_value(org_name)", "org_code", "{0} {1}", "new_breaches WHERE is_judged_before"
        )
        worst = con.execute(
            f"""
            SELECT severity, standard_id, org_code, org_name, period FROM temp.new_breaches WHERE is_judged_before
            ORDER BY gravity, period_end DESC, periods_in_breach DESC NULLS LAST, standard_id, org_code, org_level
            LIMIT {_LISTED}
            """
        ).fetchall()
        lines.append("The gravest:" if new > len(worst) else "They are:")
        lines += [
            f"  {severity}: {_told(standard, 60)}, {_told(code, 20)} {_told(name)}, {period}"
            for severity, standard, code, name, period in worst
        ]
        if new > len(worst):
            lines.append(f"  and {new - len(worst):,} others")
    if total > new:
        standards = con.execute(
            "SELECT DISTINCT standard_id FROM temp.new_breaches WHERE NOT is_judged_before ORDER BY 1"
        ).fetchall()
        named = ", ".join(_told(s, 60) for (s,) in standards[:5])
        lines.append(
            f"First load of {_number(len(standards), 'standard')} ({named}{', ...' if len(standards) > 5 else ''}): "
            f"{_number(total - new, 'breach')}, not listed."
        )
    lines.append("All of them stand in marts.fct_breaches; ccg explain tells how each comes about.")
    key = _content_key(con, "new_breaches", _BREACH_KEY)
    return [notice(key, "breach", f"{_number(total, 'new breach')} of standards", lines)]


def _new_restatements(con: duckdb.DuckDBPyConnection, before: str | None, told: Told) -> list[Notice]:
    """One notice of all breaches that a later edition made or removed."""
    con.execute(f"CREATE OR REPLACE TEMP TABLE restated AS SELECT *, {_PERIOD} AS period FROM ({_RESTATED})")
    if before:
        con.execute(
            f"CREATE OR REPLACE TEMP TABLE restated AS FROM temp.restated ANTI JOIN read_parquet({_literal(before)}) "
            f"USING ({_RESTATEMENT_KEY})"
        )
    counts = dict(con.execute("SELECT breach_change, count(*) FROM temp.restated GROUP BY 1").fetchall())
    if not counts:
        return []
    appeared, vanished = counts.get("appeared", 0), counts.get("vanished", 0)
    in_words = f"{_number(appeared, 'breach')} appeared, {_number(vanished, 'breach')} vanished"
    if before is None:
        line = f"By later editions so far: {in_words}. From now on only new ones are told."
        return [notice(_key("first", [line]), "restatement", "restated breaches are told from now on", [line])]
    lines = ["By standard:"]
    lines += _counted(con, "standard_id, breach_change", "standard_id, breach_change", "{0}, {1}", "restated")
    listed = con.execute(
        f"""
        SELECT breach_change, standard_id, org_code, period, edition FROM temp.restated
        ORDER BY breach_change, period_end DESC, standard_id, org_code, org_level, source LIMIT {_LISTED}
        """
    ).fetchall()
    total = appeared + vanished
    lines.append("The latest:" if total > len(listed) else "They are:")
    lines += [
        f"  {change}: {_told(standard, 60)}, {_told(code, 20)}, {period}{f' ({edition})' if edition else ''}"
        for change, standard, code, period, edition in listed
    ]
    if total > len(listed):
        lines.append(f"  and {total - len(listed):,} others")
    lines.append("All of them stand in marts.fct_restatements.")
    key = _content_key(con, "restated", _RESTATEMENT_KEY)
    return [notice(key, "restatement", f"later editions: {in_words}", lines)]


def _counted(con: duckdb.DuckDBPyConnection, shown: str, by: str, words: str, source: str) -> list[str]:
    """Lines of counts with the periods they span, the most first."""
    rows = con.execute(
        f"""
        SELECT {shown}, count(*), arg_min(period, period_end), arg_max(period, period_end)
        FROM temp.{source} GROUP BY {by} ORDER BY 3 DESC, 1, 2
        """
    ).fetchall()
    lines = [
        f"  {words.format(_told(first, 60), _told(second))}: {count:,} "
        f"({since if since == until else f'{since} to {until}'})"
        for first, second, count, since, until in rows[:_COUNTED]
    ]
    if len(rows) > _COUNTED:
        lines.append(f"  and {len(rows) - _COUNTED} others: {sum(row[2] for row in rows[_COUNTED:]):,}")
    return lines


def _judged(con: duckdb.DuckDBPyConnection) -> list[str]:
    """Standards that anything was compared with: what breaks one for the first time is news, a first load is not."""
    return [
        s
        for (s,) in con.execute(
            "SELECT DISTINCT standard_id FROM marts.fct_standard_comparisons WHERE is_met IS NOT NULL ORDER BY 1"
        ).fetchall()
    ]


def _literal(text: str) -> str:
    """A text in a query. Not as a parameter: with the first one DuckDB imports pandas, which takes a second."""
    return "'{}'".format(text.replace("'", "''"))


def _told(value: Any, length: int = 80) -> str:
    return clean(without_contents(str(value)), length) if value is not None else "?"


def _number(count: int, noun: str) -> str:
    ending = "" if count == 1 else "es" if noun.endswith("ch") else "s"
    return f"{count:,} {noun}{ending}"


def _content_key(con: duckdb.DuckDBPyConnection, table: str, columns: str) -> str:
    """The key of a notice about the rows of a table, whatever their order."""
    row = f"concat_ws(' ', {columns})"
    return _key(
        table, [str(con.execute(f"SELECT md5(string_agg({row}, ',' ORDER BY {row})) FROM temp.{table}").fetchall())]
    )


def _key(kind: str, items: list[str]) -> str:
    return hashlib.sha256("\n".join((kind, *sorted(items))).encode()).hexdigest()[:20]
