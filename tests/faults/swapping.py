"""Kills the step of a night that publishes at each thing it does; a program of its own.

Arguments: landing folder, home folder (remade for each kill), a home whose night is about to publish, a folder for
what each kill leaves, how many kills at most. Prints one line of JSON a kill: number of the step, what it was, whether
it was killed. Where there are more steps, those that put a file in its place come first, and the rest is spread evenly.
"""

from __future__ import annotations

import json
import os
import shutil
import sys
from contextlib import redirect_stdout
from pathlib import Path

import dagster as dg
from killing import killed_at, steps_of

from ccg_pipeline.assets.publication import PUBLICATION
from ccg_pipeline.definitions import build_defs
from ccg_pipeline.settings import Settings

_COUNTED = ("assets/publication.py", "publishing")
_PUT_IN_PLACE = frozenset(("fsync", "replace", "rename", "chmod", "fchmod", "sendfile", "unlink"))


def main() -> None:
    raw, home, judged, left = (Path(argument) for argument in sys.argv[1:5])
    settings = Settings(raw, home)
    settings.export_environment()
    _again(judged, home)
    job = build_defs(settings).resolve_job_def("nightly")

    def publish() -> None:
        with open(os.devnull, "w") as nowhere, redirect_stdout(nowhere), dg.DagsterInstance.get() as instance:
            job.execute_in_process(instance=instance, asset_selection=[PUBLICATION])

    left.mkdir()
    _again(judged, home)
    names = steps_of(publish, *_COUNTED)
    home.rename(left / f"{len(names) + 1:03}")  # killed when all is done
    telling = [number for number, name in enumerate(names, 1) if name in _PUT_IN_PLACE]
    others = [number for number in range(1, len(names) + 1) if number not in telling]
    stride = max(1, -(-len(others) // max(1, int(sys.argv[5]) - len(telling))))
    for step in sorted({*telling, *others[::stride]}):
        _again(judged, home)
        is_killed, name = killed_at(step, publish, *_COUNTED)
        home.rename(left / f"{step:03}")
        print(json.dumps([step, name, is_killed]), flush=True)
    print(json.dumps([len(names) + 1, "the end", False]), flush=True)


def _again(home: Path, to: Path) -> None:
    shutil.rmtree(to, ignore_errors=True)
    shutil.copytree(home, to)


if __name__ == "__main__":
    main()
