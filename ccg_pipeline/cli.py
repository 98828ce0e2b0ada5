"""The entrance for people: the ``ccg`` command.

Exit codes: 0 done · 1 failed, nothing published · 2 usage · 3 done, but files stand (or would stand) in quarantine.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import re
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, date, datetime, time
from pathlib import Path
from typing import TYPE_CHECKING, TextIO

from ccg_pipeline.operations import commands as operations
from ccg_pipeline.settings import PROJECT_ROOT, Settings, SettingsError
from ccg_pipeline.visible import visible, visible_output

if TYPE_CHECKING:
    import duckdb

    from ccg_pipeline.nightly import Night


class UnusableError(Exception):
    """A folder or file that cannot be read or written as asked."""


def main(arguments: Sequence[str] | None = None) -> None:
    """Run one command and leave with its exit code."""
    sys.exit(run(arguments))


def run(arguments: Sequence[str] | None = None) -> int:
    """Run one command; returns its exit code. What it prints cannot steer a terminal, whatever files and names hold."""
    options = _parser().parse_args(arguments)
    try:
        with (
            contextlib.redirect_stdout(visible_output(sys.stdout)),
            contextlib.redirect_stderr(visible_output(sys.stderr)),
        ):
            return options.command(options)
    except (UnusableError, SettingsError) as error:
        return _usage(str(error))
    except getattr(sys.modules.get("ccg_pipeline.extracts.headings"), "HeadingsError", ()) as error:
        # The map is read while the readers are imported, so that there is nothing to import the error from.
        print(f"ccg: the map of headings: {error}", file=sys.stderr)
        return 1
    except getattr(sys.modules.get("ccg_pipeline.warehouse"), "WarehouseBusyError", ()) as error:
        # From a night as from a rebuild; imported only by the commands that can be in each other's way.
        print(f"stopped: {error}", file=sys.stderr)
        return 1
    except getattr(sys.modules.get("ccg_pipeline.warehouse"), "WarehouseDamagedError", ()) as error:
        print(f"stopped: {error}", file=sys.stderr)
        return 1
    except getattr(sys.modules.get("ccg_pipeline.homes"), "HomeError", ()) as error:
        return _usage(str(error))
    except BrokenPipeError:
        # The reader (head, less) has seen enough.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="ccg", description="NHS commissioning performance: published extracts in, flagged indicators out."
    )
    commands = parser.add_subparsers(required=True, metavar="command")

    nightly = commands.add_parser("nightly", help="the whole job: receive, load, check, build, judge, publish")
    nightly.add_argument("--raw", metavar="DIR", help="landing folder (else $CCG_RAW, else ./raw)")
    nightly.add_argument(
        "--as-known-at", type=_moment, metavar="DATE", help="also publish, beside it, what could be said on that day"
    )
    nightly.set_defaults(command=_nightly)

    notify = commands.add_parser("notify", help="send the notices that are new or still wait")
    notify.add_argument("--test", action="store_true", help="send a notice of no news by each way that is on")
    notify.set_defaults(command=_notify)

    status = commands.add_parser("status", help="last run, what is published, what stands in quarantine")
    status.set_defaults(command=_status)

    check = commands.add_parser("check", help="say what files are and whether they would load, without loading")
    check.add_argument("files", nargs="+", type=Path, metavar="FILE", help="a file, or a folder of them")
    check.set_defaults(command=_check)

    layout = commands.add_parser(
        "layout", help="the layout of a file and its headings, or a draft of the map for a new one"
    )
    layout.add_argument("file", type=Path, metavar="FILE")
    layout.add_argument("--format", default="text", choices=("text", "csv"))
    layout.set_defaults(command=_layout)

    indicators = commands.add_parser("indicators", help="indicator values beside their standards")
    indicators.add_argument("--org", metavar="CODE", help="organisation, such as 06N, RWG, QM7 or ENG")
    indicators.add_argument("--period", type=_month, metavar="YYYY-MM", help="month (else each one's latest)")
    indicators.add_argument("--indicator", metavar="ID", help="such as CANCER_62D_GP")
    indicators.add_argument("--set", dest="indicator_set", metavar="NAME", help="such as constitution")
    indicators.add_argument("--format", default="table", choices=("table", "csv", "json", "xlsx"))
    indicators.add_argument("--out", type=Path, metavar="FILE", help="write to a file (needed for xlsx)")
    indicators.add_argument("--as-known-at", type=_moment, metavar="DATE", help="as it could be said on that day")
    indicators.set_defaults(command=_indicators)

    explain = commands.add_parser("explain", help="why a number is what it is, down to the rows of the file")
    explain.add_argument("indicator", metavar="INDICATOR", help="such as CANCER_62D_GP")
    explain.add_argument("org", metavar="ORG", help="organisation, such as 06N, RWG, QM7 or ENG")
    explain.add_argument(
        "period", type=_month_or_year_to_date, metavar="PERIOD", help="month such as 2019-05, or '2019-05 YTD'"
    )
    explain.add_argument("--format", default="text", choices=("text", "json"))
    explain.add_argument("--as-known-at", type=_moment, metavar="DATE", help="as it could be said on that day")
    explain.set_defaults(command=_explain)

    queries = commands.add_parser("queries", help="questions about figures that may not be what they say")
    queries.add_argument("--org", metavar="CODE", help="organisation, such as 06N, RWG, QM7 or ENG")
    queries.add_argument("--severity", choices=("high", "medium", "low"))
    queries.add_argument("--finding", metavar="KIND", help="such as repeated_block")
    queries.add_argument("--format", default="text", choices=("text", "csv", "json"))
    queries.set_defaults(command=_queries)

    pack = commands.add_parser(
        "pack", help="the committee's pack: page, workbook and tables of an organisation and month"
    )
    pack.add_argument("--org", required=True, metavar="CODE", help="organisation, such as 06N")
    pack.add_argument("--period", required=True, type=_month, metavar="YYYY-MM", help="month, such as 2019-05")
    pack.add_argument("--out", type=Path, metavar="DIR", help="folder (else published/<period>/<org> of home)")
    pack.add_argument("--public", action="store_true", help="for publication: hide small numbers and what tells them")
    pack.add_argument(
        "--hide-below", type=int, default=5, metavar="N", help="with --public: counts from 1 to N - 1 are hidden (5)"
    )
    pack.add_argument("--as-known-at", type=_moment, metavar="DATE", help="as it could be said on that day")
    pack.set_defaults(command=_pack)

    template = commands.add_parser("template", help="write the template of local returns, to fill in and drop")
    template.add_argument(
        "--out", type=Path, default=Path("local_returns.xlsx"), metavar="FILE", help="xlsx or csv (local_returns.xlsx)"
    )
    template.set_defaults(command=_template)

    sample = commands.add_parser("sample", help="write a small landing folder of sample extracts, or a national one")
    sample.add_argument("folder", type=Path, metavar="DIR")
    sample.add_argument("--national", action="store_true", help="extracts of national size, all of it made up")
    sample.add_argument("--months", type=int, default=12, metavar="N", help="of --national: how many, 1 to 120 (12)")
    sample.add_argument("--last", type=_month, metavar="YYYY-MM", help="of --national: the last of them (2025-03)")
    sample.add_argument("--seed", type=int, default=1, help="of --national: the same seed gives the same files (1)")
    sample.add_argument("--plain", action="store_true", help="of --national: as csv what is published zipped")
    sample.set_defaults(command=_sample)

    ui = commands.add_parser("ui", help="the Dagster UI, schedule and sensor, on this machine alone")
    ui.add_argument("--port", type=int, default=3000)
    ui.set_defaults(command=_ui)

    operations.add(commands)

    for command in (nightly, notify, status, indicators, explain, queries, pack, ui):
        command.add_argument("--home", metavar="DIR", help="home folder (else $CCG_HOME, else ./var)")
    return parser


def _nightly(options: argparse.Namespace) -> int:
    from ccg_pipeline import nightly
    from ccg_pipeline.landing.files import LandingError
    from ccg_pipeline.notices import telling

    settings = _settings(options)
    print(f"ccg nightly: {settings.raw} -> {settings.published}", flush=True)
    out = sys.stdout

    def say(message: str) -> None:
        print(f"  {message}", file=out, flush=True)

    try:
        night = telling.tell_of_night(settings, say, lambda: nightly.run(settings, say))
    except LandingError as error:
        return _usage(str(error))
    _print_night(night, settings)
    if options.as_known_at and night.outcome != nightly.FAILED:
        past = _rebuild(settings, options.as_known_at, sys.stdout)
        return past.exit_code or night.exit_code
    return night.exit_code


def _print_night(night: Night, settings: Settings) -> None:
    from ccg_pipeline import nightly
    from ccg_pipeline.publication.summary import in_words

    print()
    if night.summary:
        print("\n".join(in_words(night.summary)))
    _print_quarantine(night.quarantine)
    if night.ignored:
        print(f"\nIgnored, as they cannot be data: {night.ignored} files")
    for failure in night.failures:
        print(f"\nfailed: {failure}", file=sys.stderr)
    print(f"\nSeconds: {', '.join(f'{stage} {seconds}' for stage, seconds in night.seconds.items())}")
    if night.outcome == nightly.FAILED:
        kept = "the last publication stays as it was" if settings.published.exists() else "nothing is published"
        print(f"Failed: {kept}. The whole log is in {night.log}", file=sys.stderr)
    elif night.outcome == nightly.NOTHING_NEW:
        print(f"Nothing new: published as before in {settings.published}")
    else:
        print(f"Published: {settings.published}")


def _rebuild(settings: Settings, moment: datetime, out: TextIO) -> Night:
    """Publish what could be said at a moment. Raises `UnusableError` where nothing could."""
    from ccg_pipeline import nightly

    then = settings.rebuilt_as_known_at(moment)
    print(f"\nas known at {moment:%Y-%m-%d}: {settings.published} -> {then.published}", file=out, flush=True)
    try:
        night = nightly.rebuild(settings, moment, lambda message: print(f"  {message}", file=out, flush=True))
    except nightly.NothingKnownError as error:
        raise UnusableError(str(error)) from None
    with contextlib.redirect_stdout(out):
        _print_night(night, then)
    return night


def _print_quarantine(quarantine: Sequence[tuple[str, str]]) -> None:
    if quarantine:
        print(f"\nIn quarantine: {len(quarantine)} files of the landing folder, not loaded")
        for name, reason in quarantine:
            print(f"  {name}\n      {reason}")


def _notify(options: argparse.Namespace) -> int:
    from ccg_pipeline.notices import configuration, telling

    settings = _settings(options)
    how = configuration.configured(settings)
    if not how.ways:
        print("ccg: notices are off: docs/operating.md says how to switch them on", file=sys.stderr)
        return 2
    send = telling.send_test if options.test else telling.tell
    said: list[str] = []
    is_sent = send(settings, said.append)
    print("\n".join(said) or "Nothing new to tell, and nothing waits")
    return 0 if is_sent else 1


def _status(options: argparse.Namespace) -> int:
    from ccg_pipeline import nights
    from ccg_pipeline.landing.loading import standing_in_quarantine
    from ccg_pipeline.publication import datasets
    from ccg_pipeline.publication.summary import in_words, summarise

    settings = Settings.from_environment(None, options.home)
    last = nights.last_run(settings)
    if killed := nights.killed_last(settings):
        print(f"The run of {killed['started_at']} did not end: {nights.WHY_NOT_ENDED}. Run ccg nightly.")
    if last:
        print(f"Last run: {last['finished_at']}, {last['outcome']}, {last['seconds']['all']} s")
        for failure in last["failures"]:
            print(f"  failed: {failure}")
    else:
        print("Last run: none yet")
    if not settings.published.exists():
        print(f"Published: nothing yet in {settings.home} (run: ccg nightly)")
        return 1
    with _published(settings) as con:
        print(f"Published: {settings.published}\n")
        print("\n".join(in_words(summarise(con))))
        print()
        print("\n".join(datasets.in_words(datasets.read(con), datetime.now(UTC).date())))
        _print_quarantine(standing_in_quarantine(con))
    return 0


def _check(options: argparse.Namespace) -> int:
    from ccg_pipeline.extracts.contract import ExtractError
    from ccg_pipeline.landing.files import cannot_be_data, walk
    from ccg_pipeline.landing.loading import read_extract

    if missing := [str(f) for f in options.files if not f.exists()]:
        return _usage(f"no such file: {', '.join(missing)}")
    paths: list[Path] = []
    for given in options.files:
        inside = walk(given).items() if given.is_dir() else ()
        paths += [p for name, p in inside if not cannot_be_data(Path(name))] if given.is_dir() else [given]
    refused, most_bytes = 0, Settings.from_environment().most_file_bytes
    for path in paths:
        try:
            extract = read_extract(path, path.name, most_bytes=most_bytes)
        except (ExtractError, OSError) as error:
            refused += 1
            print(f"{visible(str(path))}: would be quarantined\n    {error}")
            continue
        published = f", published {extract.published_on}" if extract.published_on else ""
        print(
            f"{visible(str(path))}: {extract.dataset}, layout {extract.layout}, "
            f"{extract.period_start} to {extract.period_end}, edition {extract.edition}{published}, "
            f"{extract.rows.height:,} rows"
        )
        for caveat in extract.caveats:
            print(f"    {caveat}")
    return 3 if refused else 0


def _layout(options: argparse.Namespace) -> int:
    from ccg_pipeline.extracts import drafts
    from ccg_pipeline.extracts.source import Source

    if not options.file.exists() or options.file.is_dir():
        return _usage(f"no such file: {options.file}")
    drafted = drafts.draft(Source(options.file, options.file.name, Settings.from_environment().most_file_bytes))
    print(drafts.as_csv(drafted) if options.format == "csv" else drafts.in_words(str(options.file), drafted), end="")
    return 0 if drafted.is_known else 3


def _indicators(options: argparse.Namespace) -> int:
    from ccg_pipeline.publication import datasets, indicators

    if options.format == "xlsx" and options.out is None:
        return _usage("--format xlsx needs --out FILE")
    settings = _publication(options)
    if settings is None:
        return 1
    selection = indicators.Selection(options.org, options.period, options.indicator, options.indicator_set)
    with _published(settings) as con:
        try:
            rows = indicators.select(con, selection)
            nothing = None if rows else indicators.why_nothing(con, selection)
            ids = {row["indicator_id"] for row in rows} | {options.indicator} - {None}
            stale = datasets.stale_of(con, ids, {extract for row in rows for extract in row["extract_ids"] or ()})
        except indicators.UnknownNameError as error:
            return _usage(str(error))
    for said in (*stale, *([nothing] if nothing else [])):
        print(said, file=sys.stderr)
    if options.out:
        try:
            indicators.write(rows, options.format, options.out)
        except OSError as error:
            raise UnusableError(f"{options.out} cannot be written: {error}") from None
    elif rows or options.format != "table":
        print(indicators.render(rows, options.format), end="")
    return 0


def _publication(options: argparse.Namespace) -> Settings | None:
    """The settings of the publication to read, as known at the day given if one is; None, with a word, where there is
    none."""
    settings = Settings.from_environment(None, options.home)
    if not settings.published.exists():
        print(f"nothing is published in {settings.home} yet: run ccg nightly first", file=sys.stderr)
        return None
    if options.as_known_at:
        from ccg_pipeline import nightly

        if (
            not nightly.is_rebuilt(settings, options.as_known_at)
            and _rebuild(settings, options.as_known_at, sys.stderr).outcome == nightly.FAILED
        ):
            return None
        settings = settings.rebuilt_as_known_at(options.as_known_at)
        print(f"as known at {options.as_known_at:%Y-%m-%d}", file=sys.stderr)
    return settings


def _explain(options: argparse.Namespace) -> int:
    from ccg_pipeline.publication import explain, indicators

    settings = _publication(options)
    if settings is None:
        return 1
    month, is_year_to_date = options.period
    with _published(settings) as con:
        try:
            facts = explain.explain(con, explain.Asked(options.indicator, options.org, month, is_year_to_date))
        except (indicators.UnknownNameError, explain.NoValueError) as error:
            return _usage(str(error))
    print(explain.render(facts, options.format), end="")
    return 0


def _queries(options: argparse.Namespace) -> int:
    from ccg_pipeline.publication import indicators, queries

    settings = Settings.from_environment(None, options.home)
    if not settings.published.exists():
        print(f"nothing is published in {settings.home} yet: run ccg nightly first", file=sys.stderr)
        return 1
    with _published(settings) as con:
        try:
            rows = queries.select(con, options.org, options.severity, options.finding)
        except indicators.UnknownNameError as error:
            return _usage(str(error))
    if not rows:
        print("no questions stand for that selection", file=sys.stderr)
    if rows or options.format != "text":
        print(queries.render(rows, options.format), end="")
    return 0


def _pack(options: argparse.Namespace) -> int:
    from ccg_pipeline.publication import indicators, pack, tables

    if options.hide_below < 2:
        return _usage(f"--hide-below {options.hide_below} hides nothing: 2 or more")
    settings = _publication(options)
    if settings is None:
        return 1
    with _published(settings) as con:
        try:
            scope = tables.find_scope(
                con, options.org, options.period, settings.as_known_at, options.public, options.hide_below
            )
        except (indicators.UnknownNameError, tables.NoPackError) as error:
            return _usage(str(error))
        built = pack.build(con, scope)
    folder = options.out or settings.pack_folder(scope.org_code, scope.month, scope.is_public)
    try:
        written = pack.write(built, folder)
    except OSError as error:
        raise UnusableError(f"{folder} cannot be written: {error}") from None
    print(f"Written: {written[0]}")
    for path in written[1:]:
        print(f"  {path.relative_to(folder)}")
    return 0


def _template(options: argparse.Namespace) -> int:
    from ccg_pipeline.publication.template import write_template

    if options.out.suffix.lower() not in (".xlsx", ".csv"):
        return _usage(f"{options.out} is neither xlsx nor csv")
    try:
        write_template(options.out, Settings.from_environment().seeds)
    except FileExistsError:
        return _usage(f"{options.out} is there already: name a new file with --out")
    except OSError as error:
        raise UnusableError(f"{options.out} cannot be written: {error}") from None
    print(f"Written: {options.out}")
    return 0


def _sample(options: argparse.Namespace) -> int:
    from ccg_pipeline.sample import write_sample

    if options.folder.exists() and (not options.folder.is_dir() or any(options.folder.iterdir())):
        return _usage(f"{options.folder} is not an empty folder: name a new one")
    try:
        written = _write_national(options) if options.national else len(write_sample(options.folder))
    except OSError as error:
        raise UnusableError(f"{options.folder} cannot be written: {error}") from None
    print(f"{written} files written to {options.folder}")
    return 0


def _write_national(options: argparse.Namespace) -> int:
    """The number of files written. Raises `UnusableError` for months that cannot be."""
    from ccg_pipeline.sample import national

    last = options.last or national.LAST_MONTH
    if not 1 <= options.months <= national.MOST_MONTHS:
        raise UnusableError(f"--months {options.months}: from 1 to {national.MOST_MONTHS}")
    if last >= datetime.now(UTC).date().replace(day=1):
        raise UnusableError(f"--last {last:%Y-%m} is not over yet: name a month that is")
    if options.seed < 0:
        raise UnusableError(f"--seed {options.seed}: 0 or above")
    written = national.write_national(
        options.folder, options.months, last, national.Country(options.seed), not options.plain
    )
    count = 0
    for path in written:
        print(f"  {path.relative_to(options.folder)}", flush=True)
        count += 1
    return count


def _ui(options: argparse.Namespace) -> int:
    from ccg_pipeline.nightly import prepare_home

    settings = _settings(options)
    prepare_home(settings)
    command = [
        str(Path(sys.executable).parent / "dagster"),
        "dev",
        "-w",
        str(PROJECT_ROOT / "workspace.yaml"),
        "-h",
        "127.0.0.1",
        "-p",
        str(options.port),
    ]
    try:
        return subprocess.run(command, cwd=PROJECT_ROOT).returncode
    except KeyboardInterrupt:
        return 0


@contextmanager
def _published(settings: Settings) -> Iterator[duckdb.DuckDBPyConnection]:
    """The published copy, open to read. Raises `UnusableError` where it is no publication of this pipeline."""
    import duckdb

    from ccg_pipeline import homes, warehouse

    homes.check(settings)
    try:
        with warehouse.reading(settings.publication) as con:
            yield con
    except (duckdb.IOException, duckdb.CatalogException) as error:
        if isinstance(error, duckdb.CatalogException) and homes.is_older(settings):
            raise UnusableError(
                f"{settings.published} was made by an older version, which did not have all that is asked for. Run ccg "
                "nightly: it brings the home folder up to date."
            ) from None
        raise UnusableError(
            f"{settings.published} cannot be read ({str(error).splitlines()[0]}). Remove it and run ccg nightly."
        ) from None


def _settings(options: argparse.Namespace) -> Settings:
    """Settings for a command that writes below home. Raises `UnusableError` where that cannot be."""
    settings = Settings.from_environment(getattr(options, "raw", None), options.home)
    try:
        settings.home.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UnusableError(f"the home folder {settings.home} cannot be made: {error}") from None
    return settings


def _month(text: str) -> date:
    found = re.fullmatch(r"(20\d\d)-(0[1-9]|1[0-2])", text)
    if not found:
        raise argparse.ArgumentTypeError(f"{text!r} is not a month such as 2019-05")
    return date(int(found[1]), int(found[2]), 1)


def _month_or_year_to_date(text: str) -> tuple[date, bool]:
    """A month, and whether the financial year to its end is meant."""
    month = re.sub(r"[ -]*ytd$", "", text.strip(), flags=re.IGNORECASE)
    return _month(month), month != text.strip()


def _moment(text: str) -> datetime:
    """A day of the past stands for its end, a day with a time (UTC) for that moment."""
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is not a day such as 2019-09-12") from None
    if moment.tzinfo:
        moment = moment.astimezone(UTC).replace(tzinfo=None)
    now = datetime.now(UTC).replace(tzinfo=None)
    if moment > now:
        raise argparse.ArgumentTypeError(f"{text} has not been yet")
    return datetime.combine(moment, time.max) if re.fullmatch(r"\d{4}-?\d\d-?\d\d", text) else moment


def _usage(message: str) -> int:
    print(f"ccg: {message}", file=sys.stderr)
    return 2


if __name__ == "__main__":
    main()
