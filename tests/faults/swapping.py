"""Kills the step of a night that publishes at each thing it does; a program of its own.

Arguments: landing folder, home folder (remade for each kill), a home whose night is about to publish, a folder for
what each kill leaves. Prints one line of JSON a kill: number of the step, what it was, whether it was killed.
"""

from __future__ import annotations

import json
import os
import shutil
import sys
from contextlib import redirect_stdout
from pathlib import Path

import dagster as dg
from killing import killed_at

from ccg_pipeline.assets.publication import PUBLICATION
from ccg_pipeline.definitions import build_defs
from ccg_pipeline.settings import Settings


def main() -> None:
    raw, home, judged, left = (Path(argument) for argument in sys.argv[1:])
    settings = Settings(raw, home)
    settings.export_environment()
    _again(judged, home)
    job = build_defs(settings).resolve_job_def("nightly")

    def publish() -> None:
        with open(os.devnull, "w") as nowhere, redirect_stdout(nowhere), dg.DagsterInstance.get() as instance:
            job.execute_in_process(instance=instance, asset_selection=[PUBLICATION])

    left.mkdir()
    step, is_killed = 0, True
    while is_killed:
        step += 1
        _again(judged, home)
        is_killed, name = killed_at(step, publish, "assets/publication.py", "publishing")
        home.rename(left / f"{step:03}")
        print(json.dumps([step, name, is_killed]), flush=True)


def _again(home: Path, to: Path) -> None:
    shutil.rmtree(to, ignore_errors=True)
    shutil.copytree(home, to)


if __name__ == "__main__":
    main()
