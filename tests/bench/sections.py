"""The parts of the benchmark: each measures what stands beside each other in one report."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from nights import (
    HERE,
    LAST_OF_HISTORY,
    Place,
    command,
    command_in_the_middle,
    country,
    engines,
    engines_in_the_middle,
    latest_rtt,
    reading,
    size_of,
    take_month,
)
from processes import run_python

from ccg_pipeline.landing.files import walk
from ccg_pipeline.months import months_later

Say = Callable[[str], None]
_PACK = ("06N", "2019-05")  # in the sample and in the published files


def full_load(raw: Path, folder: Path, say: Say) -> dict[str, Any]:
    """The first night on all files, against the bare engines; then a night with nothing new and one pack."""
    say("the bare engines")
    bare = engines_in_the_middle("all", raw, folder)
    say("reading alone")
    found: dict[str, Any] = {"bare engines": bare, "reading alone": reading(raw)}
    place = Place(raw, folder / "full-home")
    say("the first night on all files")
    found["first night"] = place.night()
    found["megabytes"] = size_of(place.home)
    say("nights with nothing new")
    found["nothing new"] = place.nights_with_nothing_new()
    org, month = _PACK
    say(f"a pack ({org}, {month})")
    found["pack"] = command_in_the_middle("pack", "--org", org, "--period", month, "--home", place.home)
    return found


def new_month(raw: Path, folder: Path, say: Say) -> dict[str, Any]:
    """A first night without the latest month of RTT, and the night after it was dropped in."""
    left_out = latest_rtt(raw)
    place = Place.below(folder, "month")
    files = walk(raw)
    for name, path in files.items():
        if name != left_out:
            place.take(path, name)
    say(f"a night on all files but {left_out}")
    found: dict[str, Any] = {"left out": left_out, "night before": place.night()}
    place.take(files[left_out], left_out)
    say("the night with that month new")
    found["one new month"] = place.night()
    return found


def history(months: list[int], given: Path | None, folder: Path, say: Say) -> dict[str, Any]:
    """Nights with one new national month of RTT after so many: the history grows backwards, so that every new month has
    the same layout and about the same size. ``given`` is a folder that may hold months already written."""
    place = Place.below(folder, "national")
    first, last, held = months_later(LAST_OF_HISTORY, 1), LAST_OF_HISTORY, 0
    steps: dict[str, Any] = {}
    nights: list[dict[str, Any]] = []
    newest = None
    for count in sorted(months):
        wanted = count - held
        if wanted <= 0:
            continue
        say(f"writing {wanted} national months of RTT")
        for _ in range(wanted):
            first = months_later(first, -1)
            take_month(place, first, given)
        say(f"a night that loads them ({count} months then)")
        filling = place.night()
        last = months_later(last, 1)
        newest = take_month(place, last, given)
        say(f"a night with one new month after {count}")
        new = place.night()
        nights += [filling, new]
        held = count + 1
        steps[str(count)] = {"filling": filling, "one new month": new, "megabytes": size_of(place.home)}
    if newest is None:
        return {}
    org = country().commissioner_codes[0]
    found: dict[str, Any] = {"months": steps}
    say(f"ccg indicators and the pandas script ({org}, {last:%Y-%m})")
    arguments = ["indicators", "--org", org, "--period", f"{last:%Y-%m}", "--home", place.home, "--format", "json"]
    found["indicators"] = command_in_the_middle(*arguments)
    ours = command(*arguments, "--indicator", "RTT_INCOMPLETE_18W")
    theirs = run_python(HERE / "pandas_script.py", newest, org)
    found["pandas"] = theirs.figures() | compared(ours.output, theirs.output)
    say(f"DuckDB alone reading the same {held} files")
    found["DuckDB alone"] = engines("rtt", place.raw, folder)
    landing = sum(night["stages"].get(stage, 0) for night in nights for stage in ("receive", "load"))
    found["landing"] = {"seconds": round(landing, 1), "files": held}
    return found


def compared(ours: str, theirs: str) -> dict[str, Any]:
    """The figure of `ccg indicators` beside that of the script, and whether they are the same."""
    (row,) = json.loads(ours)
    figure = json.loads(theirs.strip().splitlines()[-1])
    keys = ("value", "numerator", "denominator")
    mine, other = ({key: found[key] for key in keys} for found in (row, figure))
    is_same = mine["numerator"] == other["numerator"] and mine["denominator"] == other["denominator"]
    return {
        "figure": other,
        "figure of ccg indicators": mine,
        "is_the_same": is_same and abs(mine["value"] - other["value"]) < 1e-9,
    }
