"""Each dataset's contract, on copies of the sample: harmless differences change nothing, harm is told in words."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable
from datetime import date
from pathlib import Path

import openpyxl
import polars as pl
import pytest

from ccg_pipeline.extracts.contract import Extract, ExtractError
from ccg_pipeline.landing.loading import read_extract

Table = list[list[str]]
SAMPLES = {
    "ae": "ae/*April-2019*.csv",
    "dtoc": "dtoc/*MAY-2019*.csv",
    "rtt": "rtt/*May-2019*.csv",
    "activity": "activity/*2018-19*.csv",
}


def sample_of(sample_raw: Path, dataset: str) -> Path:
    return next(iter(sorted(sample_raw.glob(SAMPLES[dataset]))))


def table_of(path: Path) -> Table:
    return list(csv.reader(io.StringIO(path.read_text(encoding="utf-8-sig"))))


def read_table(tmp_path: Path, table: Table, encode: Callable[[str], bytes] = str.encode) -> Extract:
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows(table)
    path = tmp_path / "1.csv"
    path.write_bytes(encode(text.getvalue()))
    return read_extract(path, path.name)


def content(extract: Extract) -> list[tuple]:
    return sorted(extract.rows.drop("source_row").rows(), key=repr)


def column(table: Table, heading: str) -> int:
    return table[0].index(heading)


@pytest.mark.parametrize("dataset", SAMPLES)
def test_harmless_differences_change_nothing(sample_raw: Path, tmp_path: Path, dataset: str) -> None:
    table = table_of(sample_of(sample_raw, dataset))
    as_published = content(read_table(tmp_path, table))
    order = list(reversed(range(len(table[0]))))
    variants = {
        "columns in another order": [[row[i] for i in order] for row in table],
        "an empty column without heading": [[*row, ""] for row in table],
        "an empty column headed a": [[*table[0], "a"], *([*row, ""] for row in table[1:])],
        "stray spaces": [[f" {cell} " for cell in row] for row in table],
        "headings in capitals": [[cell.upper() for cell in table[0]], *table[1:]],
        "blank rows at the end": [*table, [""] * len(table[0])],
        "rows in another order": [table[0], *reversed(table[1:])],
    }
    for meaning, variant in variants.items():
        assert content(read_table(tmp_path, variant)) == as_published, meaning
    crlf_with_mark = read_table(tmp_path, table, lambda t: b"\xef\xbb\xbf" + t.replace("\n", "\r\n").encode())
    assert content(crlf_with_mark) == as_published
    assert content(read_table(tmp_path, table, lambda t: t.encode("cp1252"))) == as_published


@pytest.mark.parametrize("dataset", SAMPLES)
def test_source_rows_are_those_of_the_file(sample_raw: Path, tmp_path: Path, dataset: str) -> None:
    table = table_of(sample_of(sample_raw, dataset))
    rows = read_table(tmp_path, table).rows
    assert rows["source_row"].to_list() == list(range(2, len(table) + 1))


@pytest.mark.parametrize("dataset", SAMPLES)
@pytest.mark.parametrize(
    ("meaning", "spoil", "words"),
    [
        ("an unknown heading", lambda t: [[*t[0], "New column"], *([*r, "1"] for r in t[1:])], "unknown heading"),
        ("a renamed heading", lambda t: [[*t[0][:-1], "Something else"], *t[1:]], "unknown heading"),
        ("a repeated heading", lambda t: [[*t[0], t[0][-1]], *([*r, r[-1]] for r in t[1:])], "appears twice"),
        ("a repeated row", lambda t: [*t[:3], t[2], *t[3:]], "more than once|add to|adds? up|expected one"),
        ("text in a number", lambda t: [t[0], [*t[1][:-1], "n/k"], *t[2:]], "row 2"),
        ("a negative number", lambda t: [t[0], [*t[1][:-1], "-4"], *t[2:]], "row 2"),
        ("a cut-off row", lambda t: [*t[:-1], t[-1][:-2]], "cells"),
        ("data without a heading", lambda t: [[*t[0], ""], *([*r, "7"] for r in t[1:])], "no heading"),
        ("only a header", lambda t: t[:1], "no row follows"),
    ],
)
def test_harm_is_refused(
    sample_raw: Path, tmp_path: Path, dataset: str, meaning: str, spoil: Callable[[Table], Table], words: str
) -> None:
    table = table_of(sample_of(sample_raw, dataset))
    with pytest.raises(ExtractError, match=words):
        read_table(tmp_path, spoil(table))


def test_another_month_among_the_rows_is_refused(sample_raw: Path, tmp_path: Path) -> None:
    for dataset in ("ae", "dtoc", "rtt"):
        table = table_of(sample_of(sample_raw, dataset))
        table[2][0] = "XX-June-2017"
        with pytest.raises(ExtractError, match="several months"):
            read_table(tmp_path, table)


def test_ae_rows_must_add_to_the_total(sample_raw: Path, tmp_path: Path) -> None:
    table = table_of(sample_of(sample_raw, "ae"))
    i = column(table, "Number of A&E attendances Type 1")
    right = int(table[1][i])
    table[1][i] = str(right + 1)
    with pytest.raises(ExtractError, match=r"TOTAL gives .* add to"):
        read_table(tmp_path, table)


def test_ae_without_total_row_is_refused(sample_raw: Path, tmp_path: Path) -> None:
    table = table_of(sample_of(sample_raw, "ae"))
    with pytest.raises(ExtractError, match="0 rows named TOTAL"):
        read_table(tmp_path, [r for r in table if r[3].lower() != "total"])


def test_ae_later_layouts(tmp_path: Path) -> None:
    counts = ["attendances Type 1", "attendances Type 2", "attendances Other A&E Department"]
    head = ["Period", "Org Code", "Parent Org", "Org name", *(f"A&E {c}" for c in counts)]
    booked = [
        f"{kind} Booked Appointments {department}"
        for kind in ("A&E attendances", "Attendances over 4hrs")
        for department in ("Type 1", "Type 2", "Other Department")
    ]
    over = [f"Attendances over 4hrs {d}" for d in ("Type 1", "Type 2", "Other Department")]
    tail = [
        "Patients who have waited 4-12 hs from DTA to admission",
        "Patients who have waited 12+ hrs from DTA to admission",
        "Emergency admissions via A&E - Type 1",
        "Emergency admissions via A&E - Type 2",
        "Emergency admissions via A&E - Other A&E department",
        "Other emergency admissions",
    ]
    rest = ["3", "1", "20", "0", "0", "2"]
    short = [
        [*head, *over, *tail],
        ["MSitAE-JUNE-2020", "RWG", "NHS", "WEST HERTS", "100", "0", "50", "10", "0", "0", *rest],
        ["TOTAL", "TOTAL ", " TOTAL", "TOTAL ", "100", "0", "50", "10", "0", "0", *rest],
    ]
    extract = read_table(tmp_path, short)
    assert extract.layout == "ae_2020_04_to_2020_07"
    assert extract.rows["attendances_booked_type1"].is_null().all()
    long = [
        [*head, *booked[:3], *over, *booked[3:], *tail],
        ["MSitAE-MAY-2021", "RWG", "NHS", "WEST HERTS", *"100 0 50 7 0 3 10 0 0 2 0 1".split(), *rest],
        ["Total", "Total", "Total", "Total", *"100 0 50 7 0 3 10 0 0 2 0 1".split(), *rest],
    ]
    extract = read_table(tmp_path, long)
    assert extract.layout == "ae_from_2020_08"
    assert extract.period_start == date(2021, 5, 1)
    assert extract.rows.filter(~pl.col("is_total"))["over_4hrs_booked_type1"].to_list() == [2]


def test_ae_more_over_four_hours_than_attended_is_refused(sample_raw: Path, tmp_path: Path) -> None:
    table = table_of(sample_of(sample_raw, "ae"))
    over, seen = (
        column(table, "Number of attendances over 4hrs Type 1"),
        column(table, "Number of A&E attendances Type 1"),
    )
    total = next(r for r in table if r[3].lower() == "total")
    row = next(r for r in table[1:] if r is not total and int(r[seen]) > 0)
    total[over] = str(int(total[over]) + int(row[seen]))
    row[over] = str(int(row[over]) + int(row[seen]))
    if int(row[over]) > int(row[seen]):
        with pytest.raises(ExtractError, match="a part cannot exceed its whole"):
            read_table(tmp_path, table)


def test_dtoc_days_must_agree_with_beds(sample_raw: Path, tmp_path: Path) -> None:
    table = table_of(sample_of(sample_raw, "dtoc"))
    i = column(table, "NHS")
    table[1][i] = str(int(table[1][i]) + 9)
    with pytest.raises(ExtractError, match="does not go with"):
        read_table(tmp_path, table)


def test_dtoc_blank_days_beside_beds_are_refused(sample_raw: Path, tmp_path: Path) -> None:
    table = table_of(sample_of(sample_raw, "dtoc"))
    i = column(table, "NHS")
    row = next(r for r in table[1:] if r[i] not in ("", "0"))
    row[i] = ""
    with pytest.raises(ExtractError, match="None in 'NHS' does not go with"):
        read_table(tmp_path, table)


@pytest.mark.parametrize(
    ("dataset", "heading"), [("ae", "Org Code"), ("dtoc", "Provider Org Code"), ("rtt", "Commissioner Org Code")]
)
def test_codes_changed_by_a_spreadsheet_are_refused(
    sample_raw: Path, tmp_path: Path, dataset: str, heading: str
) -> None:
    for code in ("rwg", "6", "1E+05", "", "TOTAL"):
        table = table_of(sample_of(sample_raw, dataset))
        table[1][column(table, heading)] = code
        with pytest.raises(ExtractError, match="expected an organisation code"):
            read_table(tmp_path, table)


def test_a_month_that_has_not_been_is_refused(sample_raw: Path, tmp_path: Path) -> None:
    table = table_of(sample_of(sample_raw, "ae"))
    for row in table[1:]:
        row[0] = row[0].replace("2019", "2091")
    with pytest.raises(ExtractError, match="has not been yet"):
        read_table(tmp_path, table)


def test_dtoc_unknown_reason_is_named(sample_raw: Path, tmp_path: Path) -> None:
    table = table_of(sample_of(sample_raw, "dtoc"))
    table[5][column(table, "Reason For Delay")] = "Q_NEW_REASON"
    with pytest.raises(ExtractError, match="row 6: reason 'Q_NEW_REASON'"):
        read_table(tmp_path, table)


def test_dtoc_blank_days_are_absent_not_zero(sample_raw: Path) -> None:
    path = next(iter(sample_raw.glob("dtoc/*pril-2018*")))
    rows = read_extract(path, path.name).rows
    assert rows["social_care_days"].null_count() == 1


def test_rtt_keeps_all_bands_as_one_list(sample_raw: Path) -> None:
    path = sample_of(sample_raw, "rtt")
    rows = read_extract(path, path.name).rows
    bands = rows.filter(pl.col("part") != "part_3")["week_bands"]
    assert bands.list.len().unique().to_list() == [53]
    assert (
        rows.filter(pl.col("part") == "part_3")["week_bands"].null_count()
        == rows.filter(pl.col("part") == "part_3").height
    )


def test_rtt_with_105_bands(sample_raw: Path, tmp_path: Path) -> None:
    table = table_of(sample_of(sample_raw, "rtt"))
    first, last = column(table, "Gt 00 To 01 Weeks SUM 1"), column(table, "Gt 52 Weeks SUM 1")
    more = [f"Gt {w} To {w + 1} Weeks SUM 1" for w in range(52, 104)] + ["Gt 104 Weeks SUM 1"]
    wide = [[*table[0][:last], *more, *table[0][last + 1 :]]]
    for row in table[1:]:
        beyond = [""] * 53 if not any(row[first : last + 1]) else ["0"] * 52 + [row[last]]
        wide.append([*row[:last], *beyond, *row[last + 1 :]])
    extract = read_table(tmp_path, wide)
    assert extract.layout == "rtt_full_105_bands"
    narrow = read_table(tmp_path, table)
    assert extract.rows["pathways"].to_list() == narrow.rows["pathways"].to_list()


def test_rtt_with_a_band_missing_is_refused(sample_raw: Path, tmp_path: Path) -> None:
    table = table_of(sample_of(sample_raw, "rtt"))
    i = column(table, "Gt 17 To 18 Weeks SUM 1")
    with pytest.raises(ExtractError, match="52 columns of weeks waited"):
        read_table(tmp_path, [row[:i] + row[i + 1 :] for row in table])


@pytest.mark.parametrize(
    ("meaning", "spoil", "words"),
    [
        ("a band changed", lambda t, i: t[i].__setitem__(14, str(int(t[i][14] or 0) + 5)), "sum of the weeks"),
        ("a total changed", lambda t, i: t[i].__setitem__(-1, str(int(t[i][-1]) + 5)), "sum of the weeks"),
        ("the total row gone", lambda t, i: t.pop(i), "no total row"),
        ("a part unknown", lambda t, i: t[i].__setitem__(9, "Part_9"), "RTT part 'Part_9'"),
    ],
)
def test_rtt_rows_must_add_up(
    sample_raw: Path, tmp_path: Path, meaning: str, spoil: Callable[[Table, int], None], words: str
) -> None:
    table = table_of(sample_of(sample_raw, "rtt"))
    i = next(n for n, row in enumerate(table) if row[9] == "Part_2" and row[11] == "C_999")
    spoil(table, i)
    with pytest.raises(ExtractError, match=words):
        read_table(tmp_path, table)


def test_activity_suppressed_is_neither_zero_nor_absent(sample_raw: Path, tmp_path: Path) -> None:
    table = table_of(sample_of(sample_raw, "activity"))
    rows = read_table(tmp_path, table).rows
    starred = sum(row.count("*") for row in table[1:])
    assert starred > 0
    assert rows["suppressed_measures"].list.len().sum() == starred
    i = column(table, "Specific acute specialties: Elective total")
    table[3][i] = ""
    with pytest.raises(ExtractError, match="blank, expected a count or"):
        read_table(tmp_path, table)


def test_activity_totals_are_their_parts_and_months_whole(sample_raw: Path, tmp_path: Path) -> None:
    table = table_of(sample_of(sample_raw, "activity"))
    i = column(table, "Specific acute specialties: Elective total")
    england = next(n for n, row in enumerate(table) if row[3] == "National")
    spoilt = [list(row) for row in table]
    spoilt[england][i] = str(int(table[england][i]) * 10)
    with pytest.raises(ExtractError, match="its parts are"):
        read_table(tmp_path, spoilt)
    with pytest.raises(ExtractError, match="0 for england"):
        read_table(tmp_path, [row for n, row in enumerate(table) if n != england])


def test_rtt_bands_of_the_total_are_proved_one_by_one(sample_raw: Path, tmp_path: Path) -> None:
    """The same pathways in other weeks: the sum of the row does not tell, the treatment functions do."""
    table = table_of(sample_of(sample_raw, "rtt"))
    row = next(row for row in table if row[9] == "Part_2" and row[11] == "C_999" and int(row[13] or 0) > 5)
    row[13], row[60] = str(int(row[13]) - 5), str(int(row[60] or 0) + 5)
    with pytest.raises(ExtractError, match="the total of treatment functions"):
        read_table(tmp_path, table)


def test_rtt_weeks_that_changed_places_are_refused(sample_raw: Path, tmp_path: Path) -> None:
    table = table_of(sample_of(sample_raw, "rtt"))
    i, j = column(table, "Gt 17 To 18 Weeks SUM 1"), column(table, "Gt 18 To 19 Weeks SUM 1")
    table[0][i], table[0][j] = table[0][j], table[0][i]
    with pytest.raises(ExtractError, match="out of order"):
        read_table(tmp_path, table)


def test_activity_of_england_is_that_of_its_regions(sample_raw: Path, tmp_path: Path) -> None:
    table = table_of(sample_of(sample_raw, "activity"))
    i = column(table, "Specific acute specialties: Non-Elective")
    england = next(n for n, row in enumerate(table) if row[3] == "National")
    for change, words in ((lambda n: n + 4, None), (lambda n: n + 50, "rows of commissioner_region add to")):
        spoilt = [list(row) for row in table]
        spoilt[england][i] = str(change(int(table[england][i])))
        if words is None:
            read_table(tmp_path, spoilt)
            continue
        with pytest.raises(ExtractError, match=words):
            read_table(tmp_path, spoilt)
    spoilt = [list(row) for row in table]
    spoilt[england][i] = "*"
    with pytest.raises(ExtractError, match="in a count of England"):
        read_table(tmp_path, spoilt)


def test_activity_goes_on_to_its_reporting_period(sample_raw: Path, tmp_path: Path) -> None:
    table = table_of(sample_of(sample_raw, "activity"))
    with pytest.raises(ExtractError, match="last month is Feb 2019 of 2018-19 and the reporting period 13"):
        read_table(tmp_path, [row for row in table if row[2] != "Mar 2019"])
    with pytest.raises(ExtractError, match="organisations that stand last"):
        read_table(tmp_path, table[:-2])


def test_activity_month_outside_its_year_is_refused(sample_raw: Path, tmp_path: Path) -> None:
    table = table_of(sample_of(sample_raw, "activity"))
    table[2][column(table, "Activity Month")] = "Apr 2016"
    with pytest.raises(ExtractError, match="is not a month of"):
        read_table(tmp_path, table)


# ---------------------------------------------------------------- cancer workbooks


@pytest.fixture
def workbook(sample_raw: Path) -> openpyxl.Workbook:
    # Values, not formulas: openpyxl does not keep what a formula last gave.
    return openpyxl.load_workbook(next(iter(sample_raw.glob("cancer/MAY-2019*.xlsx"))), data_only=True)


def read_workbook(tmp_path: Path, workbook: openpyxl.Workbook) -> Extract:
    path = tmp_path / "2.xlsx"
    workbook.save(path)
    return read_extract(path, path.name)


def test_cancer_month_edition_and_rows(tmp_path: Path, workbook: openpyxl.Workbook) -> None:
    extract = read_workbook(tmp_path, workbook)
    assert (extract.period_start, extract.edition) == (date(2019, 5, 1), "provisional")
    row = extract.rows.filter((pl.col("org_code") == "06N") & (pl.col("standard") == "62_day_gp")).row(0, named=True)
    assert (row["patients_within"], row["patients"]) == (65, 79)
    cell = workbook[row["source_sheet"]].cell(row["source_row"], 2).value
    assert cell == "06N"


def test_cancer_final_workbook_states_no_edition(sample_raw: Path) -> None:
    path = next(iter(sample_raw.glob("cancer/MARCH-2018*.xlsx")))
    assert read_extract(path, path.name).edition == "unknown"


def test_cancer_layout_of_2020(tmp_path: Path, workbook: openpyxl.Workbook) -> None:
    for sheet in workbook.worksheets[1:]:
        sheet["A2"] = "PERIOD: MAY 2020/21"
        sheet["A8"] = None
        for row in sheet.iter_rows(min_row=9):
            row[0].value = None
        last = sheet.max_row
        assert sheet.cell(last, 3).value == "ENGLAND"
        sheet.cell(last, 2).value = sheet.cell(last, 3).value = "UNKNOWN"
        sheet.delete_rows(last - 1)
        for cell in sheet[8]:
            if cell.value in ("CANCER TYPE", "REFERRAL REASON") and sheet.title.startswith("TWO"):
                cell.value = "SUSPECTED TYPE OF CANCER"
    for row in workbook.worksheets[0].iter_rows(min_row=1, max_row=12):
        if hasattr(row[0].value, "year"):
            row[0].value = "May 2020"
    extract = read_workbook(tmp_path, workbook)
    assert extract.layout == "cancer_commissioner_2020_04_to_2021_11"
    assert extract.period_start == date(2020, 5, 1)
    assert not extract.rows["is_total"].any()


def spoil_cell(sheet: str, coordinate: str, value: object) -> Callable[[openpyxl.Workbook], None]:
    return lambda workbook: workbook[sheet].__getitem__(coordinate).__setattr__("value", value)


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (spoil_cell("62-DAY (ALL CANCER)", "F10", 9999), "sheet '62-DAY \\(ALL CANCER\\)' row 10"),
        (spoil_cell("62-DAY (ALL CANCER)", "G8", "WITHIN 63 DAYS"), "no header row"),
        (spoil_cell("TWO WEEK WAIT-ALL CANCER", "A2", "May 2018"), "different months"),
        (spoil_cell("TWO WEEK WAIT-ALL CANCER", "D8", "KIND"), "unknown heading 'KIND'"),
        (lambda w: w.remove(w["62-DAY (SCREENING)"]), "lacks the sheets of 62_day_screening"),
        (lambda w: w["62-DAY (SCREENING)"].__setattr__("title", "62-DAY (OTHER)"), "sheet '62-DAY \\(OTHER\\)' is not"),
        (lambda w: w["31-DAY SUB TREAT (DRUGS)"].delete_rows(9), "ENGLAND gives"),
    ],
)
def test_cancer_harm_is_refused(
    tmp_path: Path, workbook: openpyxl.Workbook, spoil: Callable[[openpyxl.Workbook], None], words: str
) -> None:
    spoil(workbook)
    with pytest.raises(ExtractError, match=words):
        read_workbook(tmp_path, workbook)
