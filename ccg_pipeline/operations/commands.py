"""The commands ``ccg doctor``, ``backup``, ``restore`` and ``serve``: their options and what they print."""

from __future__ import annotations

import argparse
import os
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from ccg_pipeline.settings import DUCKLAKE, EMBEDDED, PROJECT_ROOT, Settings


def add(commands: Any) -> None:
    """Add the parsers of these commands to those of ``ccg``."""
    doctor = commands.add_parser("doctor", help="what is wrong with this installation, and what to do")
    doctor.add_argument("--raw", metavar="DIR", help="landing folder (else $CCG_RAW, else ./raw)")
    doctor.add_argument("--format", default="text", choices=("text", "json"))
    doctor.set_defaults(command=_doctor)

    backup = commands.add_parser("backup", help="the home folder as one file")
    backup.add_argument("file", type=Path, metavar="FILE", help="a new file outside the home folder (.tar.gz)")
    backup.add_argument("--logs", action="store_true", help="with the logs of runs")
    backup.set_defaults(command=_backup)

    restore = commands.add_parser("restore", help="a home folder from a backup")
    restore.add_argument("file", type=Path, metavar="FILE")
    restore.add_argument("--force", action="store_true", help="move a home folder that is there aside")
    restore.set_defaults(command=_restore)

    serve = commands.add_parser("serve", help="one process of the service: the web page, or the daemon (schedule)")
    serve.add_argument("process", choices=("webserver", "daemon"))
    serve.add_argument("--raw", metavar="DIR", help="landing folder (else $CCG_RAW, else ./raw)")
    serve.add_argument("--host", default="127.0.0.1", help="address of the web page (127.0.0.1); it has no login")
    serve.add_argument("--port", type=int, default=3000)
    serve.add_argument("--read-only", action="store_true", help="a web page that shows and starts nothing")
    serve.set_defaults(command=_serve)

    move = commands.add_parser("move", help="the warehouse into a lake of several machines, or back into a file")
    move.add_argument("--to", required=True, choices=(DUCKLAKE, EMBEDDED))
    move.set_defaults(command=_move)

    for command in (doctor, backup, restore, serve, move):
        command.add_argument("--home", metavar="DIR", help="home folder (else $CCG_HOME, else ./var)")


def _doctor(options: argparse.Namespace) -> int:
    from ccg_pipeline.operations import doctor

    settings, now = Settings.from_environment(options.raw, options.home), datetime.now(UTC)
    findings = doctor.examine(settings, now)
    if options.format == "json":
        print(doctor.as_json(settings, now, findings))
    else:
        print("\n".join(doctor.in_words(findings)))
    return 1 if doctor.verdict(findings) == doctor.WRONG else 0


def _move(options: argparse.Namespace) -> int:
    from ccg_pipeline import homes, warehouse
    from ccg_pipeline.operations import moving

    settings = Settings.from_environment(None, options.home).with_lake()
    homes.check_version(settings)
    try:
        move = moving.to_lake if options.to == DUCKLAKE else moving.to_file
        rows = move(settings, lambda message: print(f"  {message}", flush=True))
    except moving.MoveError as error:
        print(f"ccg: {error}", file=sys.stderr)
        return 2
    except (OSError, warehouse.duckdb.Error) as error:
        print(f"ccg: nothing is moved: {error}", file=sys.stderr)
        return 1
    print(f"Moved: {rows:,} rows. Set CCG_PROFILE={options.to} wherever this home folder is used, and run ccg nightly.")
    return 0


def _backup(options: argparse.Namespace) -> int:
    from ccg_pipeline.operations import backup

    settings = Settings.from_environment(None, options.home)
    try:
        made = backup.back_up(settings, options.file, options.logs)
    except backup.BackupError as error:
        return _stopped(error)
    print(
        f"Written: {options.file}, {options.file.stat().st_size:,} bytes, with {made.files:,} files of "
        f"{made.bytes:,} bytes from {settings.home}"
    )
    if settings.has_dagster_postgres:
        print("Dagster's records are in PostgreSQL and not in it: back that database up with pg_dump.")
    if settings.lake:
        print("The lake is not in it: back its catalog up with pg_dump, then its data folder (docs/ducklake.md).")
    return 0


def _restore(options: argparse.Namespace) -> int:
    from ccg_pipeline.operations import backup

    settings = Settings.from_environment(None, options.home)
    try:
        made = backup.restore(options.file, settings.home, options.force)
    except backup.BackupError as error:
        return _stopped(error)
    if made.moved_aside:
        print(f"Moved aside: what was in {settings.home} is in {made.moved_aside}")
    print(f"Restored: {settings.home}, {made.files:,} files of {made.bytes:,} bytes, as backed up at {made.made_at}")
    return 0


def _serve(options: argparse.Namespace) -> int:
    """Become the process; it gets the signals that stop a service."""
    from ccg_pipeline import nightly

    settings = Settings.from_environment(options.raw, options.home)
    nightly.prepare_home(settings)
    program = str(Path(sys.executable).parent / f"dagster-{options.process}")
    arguments = ["-w", str(PROJECT_ROOT / "workspace.yaml")]
    if options.process == "webserver":
        arguments += ["-h", options.host, "-p", str(options.port), *(["--read-only"] if options.read_only else [])]
    else:
        arguments.insert(0, "run")
    sys.stdout.flush()
    os.chdir(PROJECT_ROOT)
    os.execv(program, [program, *arguments])


def _stopped(error: Exception) -> int:
    print(f"stopped: {error}", file=sys.stderr)
    return 1
