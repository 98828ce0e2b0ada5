"""The same files give the same marts: run after run, on another machine's settings, in another order of arrival."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import contents
import kit
from conftest import Stage

# What may differ from machine to machine and must not be seen in a mart.
MACHINES: list[dict[str, str]] = [
    {},
    {"TZ": "America/New_York"},
    {"TZ": "Pacific/Auckland", "PYTHONHASHSEED": "1"},
    {"LC_ALL": "C", "LANG": "C", "PYTHONHASHSEED": "2"},
    {"LC_ALL": "en_GB.UTF-8", "LANG": "en_GB.UTF-8"},
    {"LC_ALL": "tr_TR.UTF-8", "LANG": "tr_TR.UTF-8"},
    {"PYTHONHASHSEED": "0", "OMP_NUM_THREADS": "1", "POLARS_MAX_THREADS": "1"},
    {"UMASK": "077"},
    {"TZ": "Europe/London", "UMASK": "002"},
    {"POLARS_MAX_THREADS": "7"},
]


def test_ten_runs_on_the_same_files_give_the_same_marts(stage: Stage) -> None:
    def run(number: int) -> str:
        variables = dict(MACHINES[number])
        umask = int(variables.pop("UMASK", "022"), 8)
        home = stage.new(f"identical-{number}")
        ended = kit.Night(stage.after, home, stage.project, variables).begin(umask=umask).end()
        assert ended.code == 0, ended.said
        return _differences(stage, home)

    found = kit.each(range(len(MACHINES)), run)
    present = subprocess.run(["locale", "-a"], capture_output=True, text=True).stdout.split()
    print(f"\n\n{len(MACHINES)} runs on the same files, the marts of each beside those of the first:")
    for machine, differs in zip(MACHINES, found, strict=True):
        language = machine.get("LC_ALL", "C")
        here = "" if language.split(".")[0] in {name.split(".")[0] for name in present} else " (not on this machine)"
        print(f"  {', '.join(f'{n}={v}' for n, v in machine.items()) or 'as it is':55}{here} {differs}")
    assert set(found) == {"the same"}


def test_files_in_another_order_of_arrival_give_the_same_current_view(stage: Stage) -> None:
    names = [*kit.FIRST, *kit.SECOND]
    orders = {
        "all at once, renamed": [[f"{number}.csv" for number in range(len(names))]],
        "over three nights, the latest months first": [names[3:], names[1:3], names[:1]],
        "each twice, under another name": [[*names, *(f"again/{number}.csv" for number in range(len(names)))]],
    }

    def arrive(order: str) -> str:
        home = stage.folder / "homes" / f"order-{list(orders).index(order)}"
        raw = stage.folder / f"raw-{list(orders).index(order)}"
        home.mkdir()
        for night in orders[order]:
            for name in night:
                number = Path(name).stem
                source = names[len(names) - 1 - int(number)] if number.isdigit() else name
                (raw / name).parent.mkdir(parents=True, exist_ok=True)
                (raw / name).write_bytes((kit.ROOT / "raw" / source).read_bytes())
            ended = kit.night(raw, home, stage.project)
            assert ended.code == 0, ended.said
        return _differences(stage, home, but=("extracts",))

    found = kit.each(orders, arrive)
    print("\n\nThe same files in another order:")
    for order, differs in zip(orders, found, strict=True):
        print(f"  {order}: {differs}")
    assert set(found) == {"the same"}


def _differences(stage: Stage, home: Path, but: tuple[str, ...] = ()) -> str:
    """The marts that differ from those of the undisturbed night, in words; ``but`` these, which tell of files."""
    mine, other = (contents.of(kit.published(folder)) for folder in (home, stage.second))
    differ = [mart for mart in contents.differences(mine, other) if mart not in but]
    assert not os.path.exists(home / "published" / "ccg.next")
    return f"other: {', '.join(differ)}" if differ else "the same"
