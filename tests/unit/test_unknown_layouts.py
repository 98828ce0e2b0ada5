"""Files that no layout knows: the reason names the nearest and the differences, and ``ccg layout`` drafts its map."""

from __future__ import annotations

import csv
import io
import time
from collections.abc import Callable
from pathlib import Path

import openpyxl
import pytest
from layouts import SHARED, Sheets, needs_shared, write_xlsx

from ccg_pipeline import cli, extracts
from ccg_pipeline.extracts import drafts
from ccg_pipeline.extracts.contract import Column, ExtractError, PublishedLayout
from ccg_pipeline.extracts.layouts import compare, header_row
from ccg_pipeline.extracts.source import Source

Table = list[list[str]]


def source(path: Path) -> Source:
    return Source(path, path.name)


def reason(path: Path) -> str:
    with pytest.raises(ExtractError) as error:
        extracts.read(source(path))
    return str(error.value)


def changed_csv(path: Path, copy: Path, change: Callable[[Table], Table]) -> Path:
    table = change(list(csv.reader(io.StringIO(path.read_text(encoding="utf-8-sig")))))
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows(table)
    copy.write_text(text.getvalue())
    return copy


def with_heading(old: str, new: str) -> Callable[[Table], Table]:
    return lambda t: [[new if h == old else h for h in t[0]], *t[1:]]


@pytest.fixture
def ae(sample_raw: Path) -> Path:
    return next(sample_raw.glob("ae/*April-2019*.csv"))


@pytest.mark.parametrize("dataset", extracts.DATASETS)
def test_layouts_have_names_and_columns_of_their_own(dataset: str) -> None:
    layouts = extracts.DATASETS[dataset].layouts
    assert layouts
    assert len({x.name for x in layouts}) == len(layouts)
    for layout in layouts:
        assert layout.told_by
        assert len({c.name for c in layout.columns}) == len(layout.columns), layout.name


@pytest.mark.parametrize(
    "pattern",
    ["ae/*April-2019*", "activity/*2018-19*", "cancer/MAY-2019*", "dtoc/*MAY-2019*", "rtt/*May-2019*"],
)
def test_a_known_file_is_its_own_nearest_layout(sample_raw: Path, pattern: str) -> None:
    opened = source(next(sample_raw.glob(pattern)))
    found = extracts.nearest_layout(opened)
    assert found is not None and found.is_same
    assert extracts.read(opened).layout in (found.layout.name, *found.others)


# ---------------------------------------------------------------- reasons


def test_a_renamed_heading(ae: Path, tmp_path: Path) -> None:
    text = reason(
        changed_csv(ae, tmp_path / "1.csv", with_heading("Other emergency admissions", "Admissions by another way"))
    )
    assert "row 1: unknown heading 'Admissions by another way'" in text
    assert "Nearest known layout: ae_to_2020_03 of ae, with 15 of its 16 headings" in text
    assert "Missing: 'Other emergency admissions'. Not known there: 'Admissions by another way'." in text


def test_a_renamed_heading_by_which_the_dataset_is_recognised(ae: Path, tmp_path: Path) -> None:
    text = reason(changed_csv(ae, tmp_path / "1.csv", with_heading("Org Code", "Organisation Code")))
    assert text.startswith("not recognised as any of")
    assert "Nearest known layout: ae_to_2020_03 of ae" in text
    assert "Probably renamed: 'Organisation Code' for 'Org Code'." in text


def test_a_new_column(ae: Path, tmp_path: Path) -> None:
    text = reason(
        changed_csv(ae, tmp_path / "1.csv", lambda t: [[*t[0], "Virtual visits"], *([*r, "3"] for r in t[1:])])
    )
    assert "with all of its 16 headings. Not known there: 'Virtual visits'." in text


def test_a_column_that_is_gone(ae: Path, tmp_path: Path) -> None:
    text = reason(changed_csv(ae, tmp_path / "1.csv", lambda t: [r[:-1] for r in t]))
    assert "with 15 of its 16 headings. Missing: 'Other emergency admissions'." in text


def test_a_heading_with_another_number_is_never_taken_for_it(ae: Path, tmp_path: Path) -> None:
    old, new = "Number of A&E attendances Type 2", "Number of A&E attendances Type 3"
    text = reason(changed_csv(ae, tmp_path / "1.csv", with_heading(old, new)))
    assert "Probably renamed" not in text
    assert f"Missing: {old!r}. Not known there: {new!r}." in text


def test_a_renamed_sheet(sample_raw: Path, tmp_path: Path) -> None:
    book = openpyxl.load_workbook(next(sample_raw.glob("cancer/MAY-2019*.xlsx")), data_only=True)
    book["62-DAY (SCREENING)"].title = "62-DAY (SCREENING REFERRALS)"
    book["31-DAY SUB TREAT (DRUGS)"]["B8"] = "COMMISSIONING GROUP CODE"
    book.save(tmp_path / "1.xlsx")
    text = reason(tmp_path / "1.xlsx")
    assert text.startswith("sheet '62-DAY (SCREENING REFERRALS)' is not known (nearest known: '62-DAY (SCREENING)')")
    assert "Nearest known layout: cancer_commissioner_2016_01_to_2020_03 of cancer" in text
    assert "Sheets probably renamed: '62-DAY (SCREENING REFERRALS)' for '62-DAY (SCREENING)'." in text
    assert "Not known there: 'COMMISSIONING GROUP CODE'." in text


def test_a_sheet_that_is_gone(sample_raw: Path, tmp_path: Path) -> None:
    book = openpyxl.load_workbook(next(sample_raw.glob("cancer/MAY-2019*.xlsx")), data_only=True)
    book.remove(book["62-DAY (SCREENING)"])
    book.save(tmp_path / "1.xlsx")
    assert "Sheets missing: '62-DAY (SCREENING)'." in reason(tmp_path / "1.xlsx")


@pytest.mark.parametrize(
    ("pattern", "heading", "code", "words"),
    [
        ("dtoc/*MAY-2019*", "Reason For Delay", "H_DISPUTE", "(nearest known: 'H_DISPUTES')"),
        ("activity/*2018-19*", "Organisation breakdown", "CCGs", "(nearest known: 'CCG')"),
        ("rtt/*May-2019*", "RTT Part Type", "Part_4", "expected one of Part_1A"),
    ],
)
def test_an_unknown_code(sample_raw: Path, tmp_path: Path, pattern: str, heading: str, code: str, words: str) -> None:
    def change(table: Table) -> Table:
        table[2][table[0].index(heading)] = code
        return table

    text = reason(changed_csv(next(sample_raw.glob(pattern)), tmp_path / "1.csv", change))
    assert "row 3" in text and repr(code) in text and words in text
    assert "Nearest known layout: " in text and "with all of its" in text


def test_other_separators_are_named(ae: Path, tmp_path: Path) -> None:
    (tmp_path / "1.csv").write_text(ae.read_text(encoding="utf-8-sig").replace(",", ";"))
    text = reason(tmp_path / "1.csv")
    assert "its cells are separated by ;, expected commas" in text
    assert "Nearest known layout: ae_to_2020_03 of ae, with all of its 16 headings." in text


def test_nothing_is_near(tmp_path: Path) -> None:
    (tmp_path / "1.csv").write_text("Trust,Staff group,FTE\nRWG,Nurses,12.5\n")
    assert "Nearest" not in reason(tmp_path / "1.csv")


def test_a_reason_can_be_read(sample_raw: Path, tmp_path: Path) -> None:
    """Fifty headings that changed are counted, not listed."""
    path = next(sample_raw.glob("rtt/*May-2019*.csv"))
    text = reason(
        changed_csv(path, tmp_path / "1.csv", lambda t: [[h.replace("SUM 1", "counted") for h in t[0]], *t[1:]])
    )
    assert "and 45 more" in text or "and 50 more" in text
    assert len(text) < 1500


# ---------------------------------------------------------------- ccg layout


def layout(path: Path, capsys: pytest.CaptureFixture[str], *options: str) -> tuple[int, str]:
    code = cli.run(["layout", str(path), *options])
    return code, capsys.readouterr().out


def test_layout_of_a_known_file(ae: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, out = layout(ae, capsys)
    assert code == 0
    assert out.startswith(f"{ae}: layout ae_to_2020_03 of ae\n")
    assert "header in row 1" in out
    assert [line.split() for line in out.splitlines() if line.startswith("    Org Code")] == [
        ["Org", "Code", "org_code", "(known)"]
    ]
    assert "Rows for" not in out


def test_layout_of_a_known_file_whose_figures_are_refused(
    ae: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code, out = layout(changed_csv(ae, tmp_path / "1.csv", lambda t: t[:-2]), capsys)
    assert code == 0
    assert "layout ae_to_2020_03 of ae" in out and "would be quarantined: " in out


def test_layout_drafts_rows_and_leaves_what_is_like_nothing(
    ae: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def change(table: Table) -> Table:
        table = with_heading("Org Code", "Organisation Code")(table)
        return [[*table[0], "Virtual visits"], *([*r, "3"] for r in table[1:])]

    path = changed_csv(ae, tmp_path / "1.csv", change)
    code, out = layout(path, capsys)
    assert code == 3
    assert "org_code (probable: 95% like 'Org Code')" in out
    assert "\norganisations,org_code,Organisation Code,text,yes,2019-04,,\n" in out
    assert "Virtual visits" in out and "(like no known heading)" in out
    assert "1 headings are like none that is known" in out
    code, out = layout(path, capsys, "--format", "csv")
    assert code == 3
    rows = {row["heading"]: row for row in csv.DictReader(io.StringIO(out))}
    assert len(rows) == 17
    found = rows["Organisation Code"]
    assert (found["match"], found["alike"], found["known_heading"]) == ("probable", "0.95", "Org Code")
    assert (found["dataset"], found["group"], found["column"]) == ("ae", "organisations", "org_code")
    assert (rows["Virtual visits"]["match"], rows["Virtual visits"]["column"]) == ("none", "")
    assert (rows["Period"]["match"], rows["Period"]["header_row"]) == ("known", "1")


def test_layout_of_a_workbook_goes_by_sheet(
    sample_raw: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    book = openpyxl.load_workbook(next(sample_raw.glob("cancer/MAY-2019*.xlsx")), data_only=True)
    book["62-DAY (SCREENING)"].title = "SCREENING"
    book.save(tmp_path / "1.xlsx")
    code, out = layout(tmp_path / "1.xlsx", capsys)
    assert code == 3
    assert "sheet 'TWO WEEK WAIT-ALL CANCER', header in row 8" in out
    assert "sheet '62-DAY (SCREENING)' is missing" in out
    assert "sheet 'SCREENING', header in row 8\n    headings as on sheet '62-DAY (ALL CANCER)'" in out


def test_layout_of_what_is_like_nothing_shows_the_headers(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    sheets: Sheets = {
        "Cover": [["Staff in post"], ["Source: workforce census"]],
        "By trust": [
            ["Staff in post by trust"],
            [],
            ["Trust", "Staff group", "FTE", "Heads"],
            ["RWG", "Nurses", 12.5, 14],
        ],
    }
    code, out = layout(write_xlsx(tmp_path / "1.xlsx", sheets), capsys)
    assert code == 3
    assert "sheet 'By trust', header in row 3" in out
    assert "FTE  (decimal, such as '12.5')" in out and "Heads  (count, such as '14')" in out
    assert "sheet 'Cover'" not in out


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "the file is empty"),
        (b"\x00\x01\x02" * 50, "neither text nor a workbook"),
        (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + b"\x00" * 600, "workbook"),
        (b"PK\x03\x04" + b"\x00" * 60, "cannot be unpacked"),
        ("Period,Org Code\n".encode("utf-16"), "UTF-16"),
        (b'a,"b\n' * 30, "no layout is known"),
        (b"\x81\x8d\x8f\n", "neither UTF-8 nor Windows-1252"),
    ],
)
def test_layout_of_what_cannot_be_read_says_so(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], content: bytes, words: str
) -> None:
    path = tmp_path / "1.bin"
    path.write_bytes(content)
    code, out = layout(path, capsys)
    assert code == 3
    assert words in out
    assert layout(path, capsys, "--format", "csv")[0] == 3


def test_headings_of_any_length_are_compared_in_no_time(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "1.csv"
    path.write_text("Period,Org Code," + "1" * 100_000 + "x," + ",".join(f"c{i}" for i in range(20_000)) + "\n1,2\n")
    started = time.perf_counter()
    assert layout(path, capsys)[0] == 3
    assert time.perf_counter() - started < 20


def test_layout_of_no_file_is_wrong_use(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert layout(tmp_path / "none.csv", capsys)[0] == 2
    assert layout(tmp_path, capsys)[0] == 2


def test_check_looks_at_whole_folders(ae: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """What cannot be data is passed over; a file that would be quarantined is told by the exit code."""
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "1.csv").write_bytes(ae.read_bytes())
    (tmp_path / "a" / "notes.md").write_text("notes")
    assert cli.run(["check", str(tmp_path)]) == 0
    (tmp_path / "2.csv").write_text("nothing known")
    assert cli.run(["check", str(tmp_path)]) == 3
    out = capsys.readouterr().out
    assert "layout ae_to_2020_03" in out and "2.csv: would be quarantined" in out and "notes.md" not in out
    assert cli.run(["check", str(tmp_path / "none.csv")]) == 2


def test_the_header_row_has_most_texts_above_numbers() -> None:
    cells = [
        ["Title", None, None, None],
        ["a note", "of text", "over", "four cells"],
        [None, None, None, None],
        ["Group", None, None, None],
        ["Code", "Name", "Patients", "Share"],
        ["RWG", "West Herts", "12", "0.5"],
    ]
    assert header_row(cells) == 4
    assert header_row([["one"], ["two"]]) is None


def test_headings_under_groups_and_with_footnotes(tmp_path: Path) -> None:
    layout = PublishedLayout(
        "grouped",
        "by hand",
        (Column("code", ("Code",)), Column("beds", ("Beds: Open",)), Column("days", ("Days: Open",))),
        is_workbook=True,
        grouped=True,
        footnotes=r"\s*\(\d\)$",
        passed_over=r"week \d",
    )
    sheets: Sheets = {"1": [[None, "Beds", "Days"], ["Code (1)", "Open", "Open", "Week 4"], ["RWG", 1, 2, 3]]}
    found = compare(source(write_xlsx(tmp_path / "1.xlsx", sheets)), "beds", layout)
    assert found is not None
    assert [m.column.name for m in found.table.headings if m.column and m.is_known] == ["code", "beds", "days"]


@needs_shared
@pytest.mark.parametrize("dataset", [d for d in extracts.DATASETS if d not in ("local_returns", "mar")])
def test_layout_names_the_layout_of_published_files(dataset: str, capsys: pytest.CaptureFixture[str]) -> None:
    """The smallest published file of each dataset; every one of them where time does not matter."""
    files = [p for p in (SHARED / "data" / dataset).rglob("*.*") if p.suffix in (".csv", ".xls", ".xlsx")]
    path = min(files, key=lambda p: (p.stat().st_size, p.name))
    drafted = drafts.draft(source(path))
    assert drafted.is_known
    assert drafted.found is None or drafted.found.is_same
    code, out = layout(path, capsys)
    assert code == 0
    assert out.startswith(f"{path}: layout {extracts.read(source(path)).layout} of {dataset}\n")
