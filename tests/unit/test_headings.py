"""The map of published headings: every row can be meant, and one more row is all that a changed heading needs."""

from __future__ import annotations

import csv
import io
import re
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Callable
from pathlib import Path

import openpyxl
import polars as pl
import pytest
from layouts import read_as, write_xlsx
from test_beds import workbook as beds_workbook
from test_cancelled_operations import provider_workbook as cancelled_operations_workbook
from test_diagnostics import workbook as diagnostics_workbook

from ccg_pipeline import extracts
from ccg_pipeline.extracts import drafts, headings
from ccg_pipeline.extracts.contract import ExtractError
from ccg_pipeline.extracts.source import Source
from ccg_pipeline.landing import loading
from ccg_pipeline.settings import PROJECT_ROOT

MONTH = re.compile(r"(19|20)\d\d-(0[1-9]|1[0-2])")
NEW = " from next year"


@pytest.mark.parametrize("dataset", sorted(path.stem for path in headings.FOLDER.glob("*.csv")))
def test_every_row_can_be_meant(dataset: str) -> None:
    rows = headings.rows_of(dataset)
    assert rows
    for row in rows:
        for month in (row.first_seen, row.last_seen):
            assert not month or MONTH.fullmatch(month), row
        assert not (row.first_seen and row.last_seen) or row.first_seen <= row.last_seen, row


GOOD = "a,org_code,Org Code,text,yes,2018-03,2020-03,"


@pytest.mark.parametrize(
    ("row", "words"),
    [
        ("a,org_name", r"row 3: 2 cells, expected 8"),
        ("a,,Org Name,text,yes,,,", r"row 3: group, column and heading are needed"),
        ("a,org_name,Org Name,words,yes,,,", r"row 3: kind 'words' and required 'yes', expected"),
        ("a,org_name,Org Name,text,1,,,", r"row 3: kind 'text' and required '1', expected"),
        ("a,org_code,Code,count,yes,,,", r"row 3: column 'org_code' is count .* and text .* above"),
        ("a,org_name,org  code,text,yes,,,", r"row 3: heading 'org  code' is column 'org_code' above"),
    ],
)
def test_a_row_that_cannot_be_meant_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, row: str, words: str
) -> None:
    monkeypatch.setattr(headings, "FOLDER", tmp_path)
    (tmp_path / "x.csv").write_text("\n".join([",".join(headings.FIELDS), GOOD, row]) + "\n")
    with pytest.raises(headings.HeadingsError, match=words):
        headings.rows_of.__wrapped__("x")


def test_columns_take_all_their_headings_or_those_of_some_months(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(headings, "FOLDER", tmp_path)
    lines = [GOOD, "a,org_code,Code,text,yes,2020-04,2025-04,", "a,beds,Beds,decimal,no,,,"]
    (tmp_path / "months.csv").write_text("\n".join([",".join(headings.FIELDS), *lines]) + "\n")
    code, beds = headings.columns_of("months", "a")
    assert (code.headings, code.kind, code.required) == (("Org Code", "Code"), "text", True)
    assert (beds.headings, beds.kind, beds.required, beds.group) == (("Beds",), "decimal", False, "a")
    assert headings.columns_of("months", "a", last="2020-03")[0].headings == ("Org Code",)
    assert headings.columns_of("months", "a", first="2021-01")[0].headings == ("Code",)
    with pytest.raises(headings.HeadingsError, match=r"no rows of the group 'b'"):
        headings.columns_of("months", "b")


def test_the_map_is_part_of_the_readers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Files are read again after a change of the map, and the map is installed with the package."""
    package = tmp_path / "extracts"
    shutil.copytree(Path(extracts.__file__).parent, package)
    monkeypatch.setattr(extracts, "__file__", str(package / "__init__.py"))
    before = loading.reader_version.__wrapped__()
    with open(package / "headings" / "ae.csv", "a", encoding="utf-8") as file:
        file.write("organisations,org_code,Provider,text,yes,2025-05,,\n")
    assert loading.reader_version.__wrapped__() != before
    project = tomllib.loads((PROJECT_ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    patterns = project["tool"]["setuptools"]["package-data"]["ccg_pipeline"]
    installed = {path for pattern in patterns for path in (PROJECT_ROOT / "ccg_pipeline").glob(pattern)}
    package_data = {p for p in (PROJECT_ROOT / "ccg_pipeline").rglob("*") if p.suffix not in ("", ".py", ".pyc")}
    assert package_data == installed


# ---------------------------------------------------------------- one more row


def renamed_csv(path: Path, copy: Path, is_renamed: Callable[[str], bool]) -> list[str]:
    """A copy of a text file with headings renamed; returns those."""
    table = list(csv.reader(io.StringIO(path.read_text(encoding="utf-8-sig"))))
    old = [h for h in table[0] if is_renamed(h)]
    table[0] = [h + NEW if h in old else h for h in table[0]]
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows(table)
    copy.write_text(text.getvalue())
    return old


def renamed_workbook(path: Path, copy: Path, is_renamed: Callable[[str], bool]) -> list[str]:
    """A copy of a workbook with every cell renamed that is a heading of the map."""
    book = openpyxl.load_workbook(path, data_only=True)
    old: set[str] = set()
    for sheet in book.worksheets:
        for row in sheet.iter_rows(max_row=20):
            for cell in row:
                if isinstance(cell.value, str) and is_renamed(cell.value.strip()):
                    old.add(cell.value.strip())
                    cell.value = cell.value.strip() + NEW
    book.save(copy)
    return sorted(old)


def copy_of_the_package(tmp_path: Path) -> Path:
    package = tmp_path / "copy"
    ignored = shutil.ignore_patterns("__pycache__", "sample")
    shutil.copytree(PROJECT_ROOT / "ccg_pipeline", package / "ccg_pipeline", ignore=ignored)
    return package


def read_by_copy(package: Path, files: dict[str, Path], out: Path) -> dict[str, pl.DataFrame]:
    """The rows of the files, read by a copy of the package in a process of its own."""
    script = (
        "import sys\nfrom pathlib import Path\nfrom ccg_pipeline import extracts\n"
        "from ccg_pipeline.extracts.source import Source\n"
        "assert Path(extracts.__file__).is_relative_to(sys.argv[1])\n"
        "for name, path, out in zip(*[iter(sys.argv[2:])] * 3):\n"
        "    extracts.read(Source(Path(path), name)).rows.write_ipc(out)\n"
    )
    arguments = [part for name, path in files.items() for part in (name, str(path), str(out / f"{name}.arrow"))]
    done = subprocess.run(
        [sys.executable, "-c", script, str(package), *arguments],
        cwd=package,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return {name: pl.read_ipc(out / f"{name}.arrow") for name in files}


def test_a_changed_heading_is_one_more_row(sample_raw: Path, tmp_path: Path) -> None:
    """Every heading of the map renamed, in a file of each dataset: refused, and with a row each read as before."""
    published: dict[str, Path] = {
        "ae": next(sample_raw.glob("ae/*April-2019*.csv")),
        "activity": next(sample_raw.glob("activity/*2018-19*.csv")),
        "dtoc": next(sample_raw.glob("dtoc/*MAY-2019*.csv")),
        "rtt": next(sample_raw.glob("rtt/*May-2019*.csv")),
        "cancer": next(sample_raw.glob("cancer/MAY-2019*.xlsx")),
        "beds": beds_workbook(tmp_path / "beds.xlsx"),
        "cancelled_operations": write_xlsx(tmp_path / "qmco.xlsx", cancelled_operations_workbook()),
        "diagnostics": write_xlsx(tmp_path / "dm01.xlsx", diagnostics_workbook()),
    }
    package = copy_of_the_package(tmp_path)
    files: dict[str, Path] = {}
    for dataset, path in published.items():
        rows = headings.rows_of(dataset)
        # Of headings under groups the header row has the part after the group.
        known = {r.heading.split(": ")[-1] if dataset == "beds" else r.heading for r in rows}
        rename = renamed_workbook if path.suffix == ".xlsx" else renamed_csv
        files[dataset] = tmp_path / f"renamed_{dataset}{path.suffix}"
        # The days of a cancer standard are counted out by the reader; `Total` of beds stands in a row of its own.
        old = rename(path, files[dataset], lambda h, known=known: h in known and "WITHIN" not in h)
        assert len(old) > 3, dataset
        with pytest.raises(ExtractError):
            extracts.read(Source(files[dataset], files[dataset].name))
        with open(package / "ccg_pipeline" / "extracts" / "headings" / f"{dataset}.csv", "a", encoding="utf-8") as file:
            writer = csv.writer(file, lineterminator="\n")
            for row in rows:
                if (row.heading.split(": ")[-1] if dataset == "beds" else row.heading) in old:
                    writer.writerow([row.group, row.column, row.heading + NEW, row.kind, row.required, "", "", ""])
    found = read_by_copy(package, files, tmp_path)
    for dataset, path in published.items():
        assert found[dataset].equals(read_as(dataset, path).rows), dataset


def test_the_drafted_rows_are_enough(sample_raw: Path, tmp_path: Path) -> None:
    path = next(sample_raw.glob("ae/*April-2019*.csv"))
    text = path.read_text(encoding="utf-8-sig")
    changed = tmp_path / "ae.csv"
    changed.write_text(text.replace("Org Code", "Organisation Code", 1).replace("Type 2", "(Type 2)", 1))
    drafted = drafts.draft(Source(changed, changed.name))
    assert drafted.found is not None and not drafted.is_known
    rows = drafts.rows_for_the_map(drafted.found, drafted.month)
    assert rows == [
        "organisations,org_code,Organisation Code,text,yes,2019-04,,",
        "attendances,attendances_type2,Number of A&E attendances (Type 2),count,yes,2019-04,,",
    ]
    package = copy_of_the_package(tmp_path)
    with open(package / "ccg_pipeline" / "extracts" / "headings" / "ae.csv", "a", encoding="utf-8") as file:
        file.write("\n".join(rows) + "\n")
    found = read_by_copy(package, {"ae": changed}, tmp_path)
    assert found["ae"].equals(read_as("ae", path).rows)


def test_a_map_that_cannot_be_meant_stops_the_command_in_words(tmp_path: Path) -> None:
    package = copy_of_the_package(tmp_path)
    with open(package / "ccg_pipeline" / "extracts" / "headings" / "ae.csv", "a", encoding="utf-8") as file:
        file.write("organisations,org_code,Provider,words,yes,,,\n")
    done = subprocess.run(
        [sys.executable, "-m", "ccg_pipeline.cli", "check", __file__], cwd=package, capture_output=True, text=True
    )
    assert done.returncode == 1
    assert done.stderr.startswith("ccg: the map of headings: ae.csv row ")
    assert "Traceback" not in done.stderr
