"""Spoilt copies of published files: each gives the same rows as the whole file, or is refused with a reason.

Never a crash, never a silently different number. Every kind of damage in `damage.KINDS` is done at random, from fixed
seeds, to copies of the sample's files and, where they are, of the published ones; the count of each outcome is printed
at the end of the test run. What a file gives no means to see is listed in `UNSEEN`, with the reason.
"""

from __future__ import annotations

import os
import random
import re
import time
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
from datetime import timedelta
from multiprocessing import get_context
from pathlib import Path
from typing import Any
from unittest.mock import patch

import damage
import pytest
from conftest import NIGHT, SPOILT, land, opened
from damage import Outcome

from ccg_pipeline import extracts
from ccg_pipeline.extracts.contract import Extract
from ccg_pipeline.landing import loading
from ccg_pipeline.settings import Settings

# Damage that a layout gives no means to see, by the start of its name: nothing in the file says otherwise.
UNSEEN: dict[tuple[str, str], str] = {
    ("hes_mar_csv", "changed digit"): "counts are rounded: only a total and its two parts are held together",
    ("hes_mar_csv", "changed total"): "England by less than the rounding of its regions",
    ("hes_mar_csv", "text in a number"): "'*' is the publisher's own mark of a suppressed count",
    ("hes_mar_csv", "swapped headings"): "two counts that no total holds together",
    ("hes_mar_csv", "deleted row"): "organisations do not add to England exactly",
    ("hes_mar_csv", "cut at a row's end"): "as a deleted row, where it is the last",
    ("ae_", "swapped headings"): "two counts that each add to their own total",
    ("ae_", "deleted row"): "a provider of nothing but zeros adds nothing to the total",
    ("qmco_provider", "deleted row"): "a provider without cancellations adds nothing to England",
    ("kh03_", "deleted row"): "a trust without beds adds nothing to England",
    ("dm01_", "deleted row"): "a provider or test without patients adds nothing to the total",
    ("dm01_", "swapped headings"): "planned and unscheduled tests, of which only the sum is printed",
    ("rtt_", "deleted row"): "a treatment function without patients adds nothing to the total",
    ("cancer_commissioner_2020_04", "deleted row"): "there is no row of England",
    ("cancer_icb_2022_07", "deleted row"): "there is no row of England",
    ("cancer_flat_sub_icb", "deleted row"): "there is no total",
    ("cancer_commissioner_2020_04", "cut at a row's end"): "there is no row of England",
    ("cancer_icb_2022_07", "cut at a row's end"): "there is no row of England",
    ("cancer_flat_sub_icb", "cut at a row's end"): "there is no total",
    ("rtt_full", "cut at a row's end"): "after the total of a group, within the last region",
    ("dtoc_provider_extract", "cut at a row's end"): "after the last row of a provider and local authority",
    ("dtoc_provider_extract", "swapped headings"): "names of organisations",
    ("returns_template", "changed digit"): "a return states a figure once",
    ("returns_template", "deleted row"): "a return may have any rows",
    ("returns_template", "cut at a row's end"): "a return may have any rows",
    ("returns_template", "swapped headings"): "two figures that nothing holds together",
}
Tell = Callable[[list[Outcome], str], None]
# What must hold in every layout.
ALWAYS = (
    *("cut anywhere", "cut in a row", "shuffled columns", "duplicated column", "renamed heading", "merged headings"),
    *("other encoding", "decoded wrongly", "NUL bytes", "byte-order marks", "blank rows", "duplicated rows", "no rows"),
    "negative count",
)


def spoilt(files: Mapping[Path, Mapping[str, int]], folder: Path) -> list[Outcome]:
    """What became of the copies of every file, spoilt so many times in each kind of damage."""
    one_thread = patch.dict(os.environ, {"POLARS_MAX_THREADS": "1"})  # two processes on two cores
    with one_thread, ProcessPoolExecutor(2, mp_context=get_context("spawn")) as pool:
        runs = [pool.submit(damage.spoil, path, folder, dict(times), path.name) for path, times in files.items()]
        outcomes = [outcome for run in runs for outcome in run.result()]
    return [_marked(o) if o.result == "different" else o for o in outcomes]


def _marked(outcome: Outcome) -> Outcome:
    listed = any(outcome.layout.startswith(layout) and outcome.kind == kind for layout, kind in UNSEEN)
    if outcome.file.endswith(".xls") and outcome.kind == "flipped bytes":
        listed = re.match(r"\w+_(name|parent_code): ", outcome.detail) is not None  # an .xls has no checksum of texts
    return replace(outcome, result="unseen") if listed else outcome


@pytest.fixture
def tell(record_property: Callable[[str, object], None]) -> Tell:
    """Has the counts of outcomes printed at the end of the run of all tests."""
    return lambda outcomes, title: record_property(SPOILT, table(outcomes, title))


def table(outcomes: Iterable[Outcome], title: str) -> str:
    """Counts of outcomes by damage and dataset, as lines."""
    outcomes = list(outcomes)
    datasets = sorted({o.dataset for o in outcomes})
    results = ("same", "refused", "unseen", "different", "stopped")
    lines = [
        f"{title}: {len(outcomes):,} spoilt files: same / refused / unseen (nothing in the file tells)",
        f"  {'':20}" + "".join(f"{d[:10]:>11}" for d in (*datasets, "all")),
    ]
    for kind in dict.fromkeys(o.kind for o in outcomes):
        cells = []
        for dataset in (*datasets, None):
            of = [o.result for o in outcomes if o.kind == kind and dataset in (o.dataset, None)]
            cells.append("/".join(str(of.count(r)) for r in results[:3]) if of else "")
        lines.append(f"  {kind:20}" + "".join(f"{c:>11}" for c in cells))
    lines.append("  in all: " + ", ".join(f"{r} {sum(o.result == r for o in outcomes):,}" for r in results))
    return "\n".join(lines)


def held(outcomes: list[Outcome]) -> None:
    """Fails where a copy was loaded with other rows or stopped the reader."""
    assert [o for o in outcomes if o.result in ("different", "stopped")] == []
    assert [o for o in outcomes if o.kind in ALWAYS and o.result not in ("same", "refused")] == []


def times(count: int, leave_out: Iterable[str] = ()) -> dict[str, int]:
    return {kind: count for kind in damage.KINDS if kind not in leave_out}


def test_spoilt_copies_of_the_sample(sample_raw: Path, tmp_path: Path, tell: Tell) -> None:
    files = [
        *("ae/Monthly-AE-May-2019.csv", "cancer/MAY-2019-*", "dtoc/MSitDT-MAY-2019-*", "rtt/20190531-*"),
        *("rtt/20181130-*", "rtt/20190228-*", "activity/HES MAR 2018-19 M13.csv", "activity/HES MAR 2019-20 M02.csv"),
        "local_returns/*",
    ]
    paths = [path for pattern in files for path in sample_raw.glob(pattern)]
    assert len(paths) == len(files)
    outcomes = spoilt({path: times(6) for path in paths}, tmp_path)
    tell(outcomes, "The sample")
    held(outcomes)
    assert len(outcomes) > 1_000


# Every layout of the published files, small ones first; how often each damage is done to a file of that size.
PUBLISHED = {
    4: (
        *("ae/Monthly-AE-May-2019*", "ae/April-2020*", "ae/Monthly-AE-April-2025*", "ae/Monthly-AE-September-2024*"),
        *("cancer/provider/201506-11*", "cancer/provider/201506-5*", "cancer/provider/201707-9*"),
        *("cancelled_operations/Q2*", "cancelled_operations/QMCO*", "activity/MAR*"),
    ),
    2: ("beds/Beds*", "dtoc/local_authority/April_11*", "dtoc/local_authority/April_17*"),
    1: (
        *("cancer/commissioner/MAY-2019*", "cancer/commissioner/APRIL-2020*", "cancer/commissioner/nhs*2022*"),
        *("diagnostics/*March*", "dtoc/local_authority/May_19*", "dtoc/DTOC*"),
        *("cancer/provider/*ICB-Sub*", "dtoc/provider/*MAY-2019*", "activity/HES*", "beds/derived*"),
        *("cancer/commissioner/JANUARY-2016*", "cancer/commissioner/APRIL-2021*"),
    ),
}
# Large ones: what is found in a cell, in a few of its many.
IN_CELLS = ("cancer/commissioner/nhs*2024*", "cancer/provider/*Oct-2023*", "rtt/dh_117441*", "rtt/Incomplete*May15*")
CELL_DAMAGE = ("duplicated column", "merged headings", "text in a number", "negative count", "changed total")
# Too large to be written anew dozens of times, or without figures: spoilt in their bytes alone.
IN_BYTES = (
    *("rtt/2026*", "rtt/Admitted*Dec24*", "rtt/NonAdmitted*", "cancer/provider/*2020-21*", "diagnostics/*Sep*"),
    *("organisations/eccg*", "organisations/etr*", "organisations/stp*", "organisations/sub*"),
)


def published_plan(data: Path, factor: int = 1) -> dict[Path, dict[str, int]]:
    """How often each damage is done to which published file; ``factor`` times as often as every day."""
    plan = {pattern: times(count) for count, patterns in PUBLISHED.items() for pattern in patterns}
    plan |= {key: dict.fromkeys(("cut anywhere", "NUL bytes", *CELL_DAMAGE), 1) for key in IN_CELLS}
    plan |= {key: {"cut anywhere": 2, "NUL bytes": 2, "flipped bytes": 1} for key in IN_BYTES}
    plan = {pattern: {kind: count * factor for kind, count in kinds.items()} for pattern, kinds in plan.items()}
    files = {path: kinds for pattern, kinds in plan.items() for path in data.glob(pattern)}
    assert len(files) == len(plan)
    return files


def test_spoilt_copies_of_the_published_files(shared: Path, tmp_path: Path, tell: Tell) -> None:
    """Every layout in every damage that its size allows; `make check-faults` does it several times as often."""
    outcomes = spoilt(published_plan(shared / "data"), tmp_path)
    tell(outcomes, "Published files")
    held(outcomes)
    assert len(outcomes) > 1_000


def test_files_that_are_no_extract(sample_raw: Path, tmp_path: Path, tell: Tell) -> None:
    """Nothing of them is loaded, none takes long, however large it says it is."""
    text = next(sample_raw.glob("ae/*May-2019*")).read_bytes()
    book = damage.Subject(next(sample_raw.glob("cancer/MAY-2019*")))
    outcomes = []
    for kind, content in damage.no_extracts(text, damage.workbook(book.sheets)):
        path = tmp_path / "dropped.xlsx"
        path.write_bytes(content)
        started = time.process_time()
        outcomes.append(Outcome(path.name, "none", "", kind, *damage.judge(path, None)))
        assert time.process_time() - started < 10, outcomes[-1]
    tell(outcomes, "Files that are no extract")
    assert {o.result for o in outcomes} == {"refused"}, outcomes


def test_files_still_being_copied(
    sample_raw: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, tell: Tell
) -> None:
    """What is not yet whole is recognised or not, never loaded, and on the next night loaded as if it had been.

    What grows after it was read counts as it was read; what it has become is another extract.
    """
    rng, outcomes = random.Random("copied"), []
    patterns = ("ae/*May-2019*", "activity/*2018-19*", "rtt/20181130-*", "cancer/MAY-2019*", "dtoc/*MAY-2019*")
    files = [path for pattern in patterns for path in sample_raw.glob(pattern)]
    assert len(files) == len(patterns)
    whole = {path.name: path.read_bytes() for path in files}
    rows = {path.name: str(loading.read_extract(path, path.name).rows.height) for path in files}
    loaded = {name: ("loaded", count) for name, count in rows.items()}
    for number, grows_while_read in enumerate((False, False, True)):
        settings = Settings(tmp_path / f"raw{number}", tmp_path / f"home{number}")
        settings.raw.mkdir()
        with monkeypatch.context() as patched:
            if grows_while_read:
                _land_all(settings, whole)
                patched.setattr(loading, "read_extract", _and_grows(settings.raw))
                land(settings)
                assert all((settings.raw / name).stat().st_size == 2 * len(whole[name]) for name in whole)
            else:
                cut = {name: content[: rng.randrange(1, len(content))] for name, content in whole.items()}
                _land_all(settings, cut)
                loading.receive(settings, NIGHT, lambda _: None)
                _land_all(settings, whole)
                for dataset in extracts.DATASETS:
                    loading.load(settings, dataset, lambda _: None)
        found = _registered(settings)
        if grows_while_read:
            assert found == loaded
        else:
            assert found.keys() == whole.keys()
            assert {outcome for outcome, _ in found.values()} <= {"quarantined", "waiting"}
            outcomes += [
                Outcome(path.name, path.parent.name, "", "still being copied", "refused", found[path.name][1])
                for path in files
            ]
        _land_all(settings, whole)
        land(settings, NIGHT + timedelta(days=1))
        assert _registered(settings) == loaded
    tell(outcomes, "Files still being copied")


def _land_all(settings: Settings, contents: Mapping[str, bytes]) -> None:
    for name, content in contents.items():
        (settings.raw / name).write_bytes(content)


def _and_grows(raw: Path) -> Callable[..., Extract]:
    """The reader, and the file is twice as long when it has read it."""
    read = loading.read_extract

    def reads(path: Path, *args: Any, **named: Any) -> Extract:
        extract = read(path, *args, **named)
        (raw / path.name).write_bytes(2 * path.read_bytes())
        return extract

    return reads


def _registered(settings: Settings) -> dict[str, tuple[str, str]]:
    """Outcome of each file that is in the folder, with its rows or why there are none."""
    with opened(settings.warehouse) as con:
        found = con.execute(
            "SELECT file_name, outcome, coalesce(reason, row_count::VARCHAR) FROM raw.extracts "
            "JOIN raw.received_files USING (extract_id) WHERE is_present"
        ).fetchall()
        assert len(found) == con.execute("SELECT count(*) FROM raw.extracts").fetchall()[0][0]
    return {name: (outcome, said) for name, outcome, said in found}
