"""The cancer layouts: small files written here in each, spoilt copies of them, and the published files themselves."""

import csv
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from datetime import date, datetime
from pathlib import Path

import openpyxl
import polars as pl
import pytest
import xlsxwriter
from layouts import SHARED, needs_shared

from ccg_pipeline import extracts
from ccg_pipeline.extracts.cancer import schema, standard_csvs, standards
from ccg_pipeline.extracts.contract import Extract, ExtractError
from ccg_pipeline.extracts.source import Source
from ccg_pipeline.sample import write_sample

PUBLISHED = SHARED / "data" / "cancer"

Rows = list[list[object]]


def read(path: Path) -> Extract:
    source = Source(path, path.name)
    dataset = extracts.recognise(source)
    assert dataset.name == "cancer"
    extract = dataset.read(source)
    assert dict(extract.rows.schema) == schema
    return extract


def write_workbook(path: Path, sheets: dict[str, Rows]) -> Path:
    book = xlsxwriter.Workbook(str(path))
    day = book.add_format({"num_format": "yyyy-mm-dd"})
    for name, rows in sheets.items():
        page = book.add_worksheet(name)
        for i, row in enumerate(rows):
            for j, cell in enumerate(row):
                if isinstance(cell, datetime):
                    page.write_datetime(i, j, cell, day)
                elif cell is not None:
                    page.write(i, j, cell)
    book.close()
    return path


def write_csv(path: Path, rows: Rows) -> Path:
    with path.open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows(["" if c is None else c for c in row] for row in rows)
    return path


def figures(extract: Extract) -> dict[tuple[str, str, str], tuple[float, float]]:
    """Standard, organisation (ENG for the file's own total) and month: patients within, patients."""
    counted = extract.rows.filter("is_counted").group_by(
        "standard", pl.col("org_code").fill_null("ENG"), "period_start"
    )
    summed = counted.agg(pl.col("patients_within").sum(), pl.col("patients").sum())
    return {(s, o, m.strftime("%Y-%m")): (within, patients) for s, o, m, within, patients in summed.iter_rows()}


# ---------------------------------------------------------------- small files in each layout

ICB = ("QM7", "NHS HERTFORDSHIRE AND WEST ESSEX INTEGRATED CARE BOARD")
HUB = ("13Q", "NATIONAL COMMISSIONING HUB 1")
UNKNOWN = ("UNKNOWN", "UNKNOWN")
CCGS = (("06K", "NHS EAST AND NORTH HERTFORDSHIRE CCG"), ("06N", "NHS HERTS VALLEYS CCG"))

# Sheet, days, verb, headings of stage and category (with what stands under them).
NINE = {
    "TWO WEEK WAIT-ALL CANCER": (14, "SEEN", {"SUSPECTED TYPE OF CANCER": "ALL SUSPECTED CANCER"}),
    "TWO WEEK WAIT-BREAST SYMPTOMS": (14, "SEEN", {"SUSPECTED TYPE OF CANCER": "Exhibited breast symptoms"}),
    "62-DAY (ALL CANCER)": (62, "TREATED", {"CARE SETTING": "ALL CARE", "CANCER TYPE": "ALL CANCERS"}),
    "62-DAY (CONSULTANT UPGRADE)": (62, "TREATED", {"CARE SETTING": "ALL CARE", "CANCER TYPE": "ALL CANCERS"}),
    "62-DAY (SCREENING)": (62, "TREATED", {"CARE SETTING": "ALL CARE", "CANCER TYPE": "ALL CANCERS"}),
    "31-DAY FIRST TREAT (ALL CANCER)": (31, "TREATED", {"CARE SETTING": "ALL CARE", "CANCER TYPE": "ALL CANCERS"}),
    "31-DAY SUB TREAT (SURGERY)": (31, "TREATED", {"CARE SETTING": "ALL CARE", "TREATMENT TYPE": "SURGERY"}),
    "31-DAY SUB TREAT (DRUGS)": (31, "TREATED", {"CARE SETTING": "ALL CARE", "TREATMENT TYPE": "DRUGS"}),
    "31-DAY SUB TREAT (RADIOTHERAPY)": (31, "TREATED", {"CARE SETTING": "ALL CARE", "TREATMENT TYPE": "RADIOTHERAPY"}),
    "28-DAY FDS (ALL ROUTES)": (28, "TOLD", {"REFERRAL ROUTE": "ALL REFERRAL ROUTES"}),
}

TITLES = {
    "TWO WEEK WAIT-ALL CANCER": "ALL CANCERS TWO WEEK WAIT",
    "TWO WEEK WAIT-BREAST SYMPTOMS": "TWO WEEK WAIT-EXHIBITED BREAST SYMPTOMS (CANCER NOT INITIALLY SUSPECTED)",
    "62-DAY (ALL CANCER)": "62-DAY (URGENT GP REFERRAL TO TREATMENT) WAIT FOR FIRST TREATMENT: ALL CANCERS",
    "62-DAY (CONSULTANT UPGRADE)": "62-DAY WAIT FOR FIRST TREATMENT FROM CONSULTANT UPGRADE: ALL CANCERS",
    "62-DAY (SCREENING)": "62-DAY WAIT FOR FIRST TREATMENT FROM SCREENING SERVICE REFERRAL: ALL CANCERS",
    "31-DAY FIRST TREAT (ALL CANCER)": "31-DAY (DIAGNOSIS TO TREATMENT) WAIT FOR FIRST TREATMENT: ALL CANCERS",
    "31-DAY SUB TREAT (SURGERY)": "31-DAY WAIT FOR SECOND OR SUBSEQUENT TREATMENT: SURGERY",
    "31-DAY SUB TREAT (DRUGS)": "31-DAY WAIT FOR SECOND OR SUBSEQUENT TREATMENT: ANTI CANCER DRUG TREATMENTS",
    "31-DAY SUB TREAT (RADIOTHERAPY)": "31-DAY WAIT FOR SECOND OR SUBSEQUENT TREATMENT: RADIOTHERAPY TREATMENTS",
    "28-DAY FDS (ALL ROUTES)": "28-DAY FASTER DIAGNOSIS: ALL ROUTES",
}
COMBINED_TITLES = {
    28: "FOUR WEEK (28 DAYS) WAIT FROM URGENT REFERRAL TO PATIENT TOLD THEY HAVE CANCER: ALL ROUTES",
    31: "ONE MONTH (31-DAY) WAIT TO FIRST OR SUBSEQUENT TREATMENT OF CANCER: BY TREATMENT STAGE AND ALL CANCERS",
    62: "TWO MONTH (62-DAY) WAIT FROM AN URGENT SUSPECTED CANCER REFERRAL OR CONSULTANT UPGRADE: ALL CANCERS",
}


def table(
    names: Sequence[str], days: int, verb: str, breakdown: dict[str, str], rows: Sequence[tuple[str, str, float, float]]
) -> Rows:
    """A group row, a heading row, and a row for each code, name, total and within; column A is empty."""
    gap: list[object] = [None]
    head: Rows = [
        [*gap, None, None, *([None] * len(breakdown)), "NUMBER OF PATIENTS", None, None, "PERCENTAGE"],
        [*gap, *names, *breakdown, "TOTAL", f"WITHIN {days} DAYS", f"AFTER {days} DAYS", f"{verb} WITHIN {days} DAYS"],
    ]
    body: Rows = []
    for code, name, total, within in rows:
        if not code:
            body.append([])
        body.append([None, code or None, name, *breakdown.values(), total, within, total - within, within / total])
    return head + body


def icb_workbook(path: Path) -> dict[str, Rows]:
    sheets: dict[str, Rows] = {"Frontpage": [[], [], [], [], ["Status: Final Official Statistics"], [], ["July 2022"]]}
    names = ("ODS CODE", "INTEGRATED CARE BOARD (ICB)/COMMISSIONING HUB")
    for sheet, (days, verb, breakdown) in NINE.items():
        rows = table(names, days, verb, breakdown, [(*HUB, 9, 7), (*ICB, 120, 100), (*UNKNOWN, 5, 0)])
        sheets[sheet] = [[TITLES[sheet]], ["PERIOD: JUL 2022/23"], ["BASIS"], [], [], *rows]
    return sheets


def ccg_workbook(period: str = "PERIOD: DEC 2020/21") -> dict[str, Rows]:
    """By CCG after March 2020: no column of ONS areas (column A is empty and has no heading), UNKNOWN is the last."""
    sheets: dict[str, Rows] = {"Frontpage": [["Status: Provisional Official Statistics"]]}
    names = ("ODS CODE (1)", "CLINICAL COMMISSIONING GROUP (CCG)")
    for sheet, (days, verb, breakdown) in NINE.items():
        rows = table(names, days, verb, breakdown, [(*c, 20, 15) for c in (*CCGS, HUB, UNKNOWN)])
        sheets[sheet] = [[TITLES[sheet]], [period], ["BASIS"], [], [], *rows]
    return sheets


def combined_workbook(first_at_the_hub: int = 4) -> dict[str, Rows]:
    names = ("ODS CODE (1)", "INTEGRATED CARE BOARD (ICB)/COMMISSIONING HUB")

    def part(days: int, stage: str, value: str, *counts: tuple[float, float]) -> Rows:
        verb = "TOLD" if days == 28 else "TREATED"
        breakdown = {stage: value} if days == 28 else {stage: value, "CANCER TYPE": "ALL CANCERS"}
        organisations = (HUB, ICB, ("", "ALL ENGLISH COMMISSIONERS"))
        rows = table(names, days, verb, breakdown, [(*o, *c) for o, c in zip(organisations, counts, strict=True)])
        rows[1] += [None, f"WITHIN {days} DAYS", f"AFTER {days} DAYS"]
        for row in rows[2:]:
            if row:
                at = 3 + len(breakdown)
                row += [None, row[at + 1], row[at + 2]]
        return rows

    def head(days: int) -> Rows:
        return [[COMBINED_TITLES[days]], ["Jul-24"], ["BASIS"], ["DEFINITIONS:  DCB0147 Amd 16/2019"], [], []]

    whole = ((10, 8), (100, 70), (110, 78))
    hub = first_at_the_hub
    first = ((hub, hub), (60, 50), (60 + hub, 50 + hub))
    return {
        "Frontpage": [["Cancer Waiting Times"], ["July 2024"]],
        "28-DAY FDS (ALL ROUTES)": [*head(28), [], *part(28, "REFERRAL ROUTE", "ALL ROUTES", *whole)],
        "28-DAY FDS (BY ROUTE)": [["not read"], ["ODS CODE (1)"]],
        "31-DAY (ALL CANCER)": [
            *head(31),
            ["PART A: ALL STAGES"],
            *part(31, "TREATMENT STAGE", "ALL STAGES", *whole),
            [],
            ["PART B: FIRST TREATMENTS"],
            *part(31, "TREATMENT STAGE", "First Treatment", *first),
            [],
            ["PART C: SUBSEQUENT TREATMENTS"],
            *part(31, "TREATMENT STAGE", "Subsequent Treatment", (6, 4), (40, 20), (46, 24)),
        ],
        "62-DAY (ALL CANCER)": [
            *head(62),
            ["PART A: ALL ROUTES"],
            *part(62, "REFERRAL ROUTE", "ALL ROUTES", *whole),
            [],
            ["PART B: URGENT SUSPECTED CANCER"],
            *part(62, "REFERRAL ROUTE", "Urgent Suspected Cancer", (4, 4), (60, 50), (64, 54)),
            [],
            ["PART C: SCREENING"],
            *part(62, "REFERRAL ROUTE", "Screening", (6, 4), (40, 20), (46, 24)),
        ],
        "USC referral to FOA": [["not read"]],
    }


def provider_csv(period: str = "PERIOD: June 2015", share_above: bool = True) -> Rows:
    """Nine lines of preamble, and ADMITTED, NON-ADMITTED and ALL CARE."""
    width = 12
    rows: Rows = [
        ["31-DAY (DIAGNOSIS TO TREATMENT) WAIT FOR FIRST TREATMENT: ALL CANCERS"],
        [period],
        ['BASIS: PROVIDER BASED INCLUDING WELSH CROSS-BORDER PATIENTS AND "UNKNOWNS"'],
        ["DEFINITIONS: AMD 23/2011"],
        ["Footnotes: See bottom of page"],
        [],
        [],
    ]
    share, above = (
        ("", "PERCENTAGE TREATED WITHIN 31 DAYS") if share_above else ("TREATED WITHIN 31 DAYS", "PERCENTAGE ")
    )
    heading = ["ONS AREA ID (1)", "ODS CODE (2)", "PROVIDER (4) (5)", "CARE SETTING (3)", "CANCER TYPE (4)", "TOTAL"]
    heading += ["WITHIN 31 DAYS", "AFTER 31 DAYS", share, "", "WITHIN 31 DAYS", "AFTER 31 DAYS"]
    blocks = {
        "ADMITTED": ((39.5, 38), (10, 10)),
        "NON-ADMITTED": ((1, 0.5), (2, 1)),
        "ALL CARE": ((40.5, 38.5), (12, 11)),
    }
    for part, (setting, counts) in zip("ABC", blocks.items(), strict=True):
        rows += [[f"PART {part}:{setting}"], ["", "", "", "", "", "NUMBER OF PEOPLE", "", "", above]]
        rows.append(list(heading))
        organisations = [
            ("RWG", "WEST HERTFORDSHIRE"),
            ("RWH", "EAST AND NORTH HERTFORDSHIRE"),
            ("", "ALL ENGLISH PROVIDERS"),
        ]
        england = tuple(map(sum, zip(*counts, strict=True)))
        for (code, name), (total, within) in zip(organisations, [*counts, england], strict=True):
            printed = f"{100 * within / total:.2f}%" if code != "RWH" else within / total
            rows.append(
                [
                    "",
                    code,
                    name,
                    setting,
                    "ALL CANCERS",
                    total,
                    within,
                    total - within,
                    printed,
                    "",
                    within,
                    total - within,
                ]
            )
            if code == "RWH":
                rows.append([])
        rows.append([])
    rows.append(["SOURCE: CANCER WAITING TIMES DATABASE"])
    return [[*row, *[""] * (width - len(row))] for row in rows]


def flat_2020() -> Rows:
    head: Rows = [
        [
            "PERIOD",
            "YEAR",
            "MONTH",
            "STANDARD",
            "ORG CODE",
            "CARE SETTING",
            "CANCER TYPE",
            "TOTAL TREATED",
            "WITHIN STANDARD",
            "BREACHES",
        ]
    ]
    for month, day in (("DEC", datetime(2020, 12, 1)), ("JAN", datetime(2021, 1, 1))):
        stem = [day, "2020-21", month]
        head += [
            [*stem, "2WW", "RWG", None, "Suspected breast cancer", 30, 28, 2],
            [*stem, "2WW", "RWG", None, "Suspected skin cancer", 10, 9, 1],
            [*stem, "31 Days Sub (Drugs)", "RWG", "Admitted", "ANTI-CANCER DRUG REGIMEN", 3, 3, 0],
            [*stem, "31 Days Sub (Drugs)", "RWG", "Non-admitted", "ANTI-CANCER DRUG REGIMEN", 4, 2, 2],
            [*stem, "62 Days", "RWG", "Admitted", "ALL CANCERS", 12.5, 10, 2.5],
            [*stem, "62 Days", "RWG", "Admitted", "Breast", 10.5, 9, 1.5],
            [*stem, "62 Days", "RWG", "Admitted", "Other", 2, 1, 1],
            [*stem, "62 Days", "RWG", "Non-admitted", "ALL CANCERS", 1, 0.5, 0.5],
            [*stem, "62 Days", "RWG", "Non-admitted", "Other", 1, 0.5, 0.5],
            [*stem, "62 Days (Screening)", "RWG", "Admitted", "ALL CANCERS", 2, 1.5, 0.5],
        ]
    return head


def flat_2023() -> Rows:
    stem = [datetime(2023, 10, 1), "2023/24", "OCT"]
    return [
        [
            "PERIOD",
            "YEAR",
            "MONTH",
            "STANDARD",
            "ORG CODE",
            "STAGE/ROUTE",
            "TREATMENT MODALITY",
            "CANCER TYPE",
            "TOTAL TREATED",
            "WITHIN STANDARD",
            "BREACHES",
        ],
        [*stem, "28-day FDS", "RWG", "URGENT SUSPECTED CANCER", None, "Suspected skin cancer", 20, 15, 5],
        [*stem, "28-day FDS", "RWG", "NATIONAL SCREENING PROGRAMME", None, "Suspected breast cancer", 10, 9, 1],
        [*stem, "31-day Combined", "RWG", "First Treatment", "ALL MODALITIES", "Skin", 7, 6, 1],
        [*stem, "31-day Combined", "RWG", "First Treatment", "ALL MODALITIES", "Lung", 3, 3, 0],
        [*stem, "31-day Combined", "RWG", "First Treatment", "Surgery", "ALL CANCERS", 8, 7, 1],
        [*stem, "31-day Combined", "RWG", "First Treatment", "Other", "ALL CANCERS", 2, 2, 0],
        [*stem, "31-day Combined", "RWG", "Subsequent Treatment", "ALL MODALITIES", "Skin", 4, 4, 0],
        [*stem, "31-day Combined", "RWG", "Subsequent Treatment", "Surgery", "ALL CANCERS", 4, 4, 0],
        [*stem, "62-day Combined", "RWG", "Screening", "ALL MODALITIES", "Breast", 3.5, 1.5, 2],
        [*stem, "62-day Combined", "RWG", "Screening", "Surgery", "ALL CANCERS", 3.5, 1.5, 2],
    ]


def flat_sub_icb() -> Rows:
    rows: Rows = [
        [
            "PERIOD",
            "YEAR",
            "MONTH",
            "STANDARD",
            "ICB SUB LOCATION",
            "SUB-CATEGORY",
            "TOTAL",
            "WITHIN STANDARD",
            "BREACHES",
        ]
    ]
    for month, day in (("SEP", datetime(2023, 9, 1)), ("OCT", datetime(2023, 10, 1))):
        stem = [day, "2023/24", month]
        rows += [
            [*stem, "28-day FDS", "06N", None, 50, 40, 10],
            [*stem, "31-day Combined", "06N", "31-day (First)", 20, 19, 1],
            [*stem, "31-day Combined", "06N", "31-day Sub (Other)", 2, 1, 1],
            [*stem, "62-day Combined", "06N", "62-day (Urgent Suspected Cancer)", 30, 20, 10],
            [*stem, "62-day Combined", "06N", "62-day (Screening)", 4, 3, 1],
            [*stem, "62-day Combined", "UNKNOWN", "62-day (Consultant Upgrade)", 2.5, 1.5, 1],
        ]
    return rows


def test_icb_workbook(tmp_path: Path) -> None:
    extract = read(write_workbook(tmp_path / "icb.xlsx", icb_workbook(tmp_path)))
    assert extract.layout == "cancer_icb_2022_07_to_2023_09"
    assert extract.edition == "final"
    assert {(c.view, c.period_start) for c in extract.coverage} == {("icb", date(2022, 7, 1))}
    assert len(extract.coverage) == 10
    found = figures(extract)
    assert found["62_day_gp", "QM7", "2022-07"] == (100, 120)
    assert found["28_day_diagnosis", "UNKNOWN", "2022-07"] == (0, 5)


def test_combined_workbook_counts_the_whole_and_proves_its_parts(tmp_path: Path) -> None:
    extract = read(write_workbook(tmp_path / "combined.xlsx", combined_workbook()))
    assert extract.layout == "cancer_icb_from_2023_10"
    assert [c.part for c in extract.coverage] == ["28_day_diagnosis", "31_day_combined", "62_day_combined"]
    found = figures(extract)
    assert {k[0]: v for k, v in found.items() if k[1] == "QM7"} == dict.fromkeys(
        ("28_day_diagnosis", "31_day_combined", "62_day_combined"), (70, 100)
    )
    assert found["62_day_combined", "ENG", "2024-07"] == (78, 110)


@pytest.mark.parametrize(("period", "share_above"), [("PERIOD: June 2015", True), ("42156", False)])
def test_provider_csv_takes_all_care_once(tmp_path: Path, period: str, share_above: bool) -> None:
    extract = read(write_csv(tmp_path / "p.csv", provider_csv(period, share_above)))
    assert extract.layout == "cancer_provider_csv_2015_to_2017"
    assert figures(extract) == {
        ("31_day_first", "RWG", "2015-06"): (38.5, 40.5),
        ("31_day_first", "RWH", "2015-06"): (11, 12),
        ("31_day_first", "ENG", "2015-06"): (49.5, 52.5),
    }


def test_provider_csv_with_formulas_that_failed(tmp_path: Path) -> None:
    rows = provider_csv()
    headings = [i for i, row in enumerate(rows) if "TOTAL" in row]
    rows[headings[1]][8] = rows[headings[1] - 1][8] = "#VALUE!"
    rows[headings[1] - 2][8] = "#DIV/0!"
    assert figures(read(write_csv(tmp_path / "p.csv", rows)))["31_day_first", "RWG", "2015-06"] == (38.5, 40.5)


@pytest.mark.parametrize("write", [write_workbook, write_csv])
def test_flat_provider_extract_of_2020_21(tmp_path: Path, write: Callable) -> None:
    rows = flat_2020()
    path = tmp_path / "flat"
    extract = read(write(path, {"Cancer Waiting Times Monthly Da": rows} if write is write_workbook else rows))
    assert extract.layout == "cancer_flat_provider_2020_04_to_2023_09"
    assert (extract.period_start, extract.period_end) == (date(2020, 12, 1), date(2021, 1, 31))
    assert len(extract.coverage) == 8
    assert extract.rows.height == len(rows) - 1
    for month in ("2020-12", "2021-01"):
        assert {k[0]: v for k, v in figures(extract).items() if k[2] == month} == {
            "two_week_wait": (37, 40),
            "31_day_sub_drug": (5, 7),
            "62_day_gp": (10.5, 13.5),
            "62_day_screening": (1.5, 2),
        }


def test_flat_provider_extract_of_2023(tmp_path: Path) -> None:
    extract = read(write_workbook(tmp_path / "f.xlsx", {"CWT CRS Provider Extract": flat_2023()}))
    assert extract.layout == "cancer_flat_provider_from_2023_10"
    assert figures(extract) == {
        ("28_day_diagnosis", "RWG", "2023-10"): (24, 30),
        ("31_day_combined", "RWG", "2023-10"): (13, 14),
        ("62_day_combined", "RWG", "2023-10"): (1.5, 3.5),
    }


def test_flat_sub_icb_extract_has_the_old_standards_until_september_2023(tmp_path: Path) -> None:
    extract = read(write_workbook(tmp_path / "f.xlsx", {"CWT CRS ICB SubLocation Extract": flat_sub_icb()}))
    assert {c.view for c in extract.coverage} == {"commissioner"}
    assert figures(extract) == {
        ("28_day_diagnosis", "06N", "2023-09"): (40, 50),
        ("31_day_first", "06N", "2023-09"): (19, 20),
        ("31_day_sub_other", "06N", "2023-09"): (1, 2),
        ("62_day_gp", "06N", "2023-09"): (20, 30),
        ("62_day_screening", "06N", "2023-09"): (3, 4),
        ("62_day_upgrade", "UNKNOWN", "2023-09"): (1.5, 2.5),
        ("28_day_diagnosis", "06N", "2023-10"): (40, 50),
        ("31_day_combined", "06N", "2023-10"): (20, 22),
        ("62_day_combined", "06N", "2023-10"): (23, 34),
        ("62_day_combined", "UNKNOWN", "2023-10"): (1.5, 2.5),
    }


# ---------------------------------------------------------------- what is refused, and in which words


def changed(rows: Rows, find: object, replace: object, nth: int = 0) -> Rows:
    """The rows with the nth cell that holds ``find`` replaced."""
    places = [(i, j) for i, row in enumerate(rows) for j, cell in enumerate(row) if cell == find]
    i, j = places[nth]
    return [[replace if (a, b) == (i, j) else c for b, c in enumerate(row)] for a, row in enumerate(rows)]


def without(rows: Rows, wanted: Callable[[list[object]], bool]) -> Rows:
    return [row for row in rows if not wanted(row)]


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (lambda s: {**s, "62-DAY (BY MOON)": [["x"]]}, ["62-DAY (BY MOON)", "not known"]),
        (lambda s: {k: v for k, v in s.items() if k != "31-DAY (ALL CANCER)"}, ["lacks", "31_day_combined"]),
        (
            lambda s: {**s, "31-DAY (ALL CANCER)": changed(s["31-DAY (ALL CANCER)"], "TREATMENT STAGE", "PHASE")},
            ["PHASE"],
        ),
        # A part that agrees with its own total and not with the whole.
        (lambda s: combined_workbook(first_at_the_hub=3), ["31-DAY (ALL CANCER)", "ALL STAGES of 13Q", "10", "9"]),
        (
            lambda s: {**s, "28-DAY FDS (ALL ROUTES)": changed(s["28-DAY FDS (ALL ROUTES)"], 110, 111)},
            ["within and after"],
        ),
        (
            lambda s: {**s, "28-DAY FDS (ALL ROUTES)": changed(s["28-DAY FDS (ALL ROUTES)"], 0.7, 0.8)},
            ["printed share"],
        ),
        (
            lambda s: {**s, "28-DAY FDS (ALL ROUTES)": changed(s["28-DAY FDS (ALL ROUTES)"], "Jul-24", "Jun-24")},
            ["months"],
        ),
        (
            lambda s: {**s, "28-DAY FDS (ALL ROUTES)": changed(s["28-DAY FDS (ALL ROUTES)"], 70, 71, 1)},
            ["days waited", "101"],
        ),
        (
            lambda s: {**s, "28-DAY FDS (ALL ROUTES)": without(s["28-DAY FDS (ALL ROUTES)"], lambda r: HUB[0] in r)},
            ["ALL ENGLISH COMMISSIONERS", "110", "100"],
        ),
        (
            lambda s: {**s, "62-DAY (ALL CANCER)": s["62-DAY (ALL CANCER)"][:7] + s["62-DAY (ALL CANCER)"][13:]},
            ["ALL ROUTES"],
        ),
    ],
)
def test_combined_workbook_refused(tmp_path: Path, spoil: Callable, words: list[str]) -> None:
    with pytest.raises(ExtractError) as refused:
        read(write_workbook(tmp_path / "c.xlsx", spoil(combined_workbook())))
    assert all(word in str(refused.value) for word in words), refused.value


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (lambda r: changed(r, "CARE SETTING (3)", "SETTING"), ["'SETTING'", "unknown heading"]),
        (lambda r: changed(r, "CARE SETTING (3)", "SETTING", 1), ["'SETTING'", "as in the table above"]),
        (lambda r: changed(r, r[0][0], "31-DAY WAIT FOR THE MOON"), ["31-DAY WAIT FOR THE MOON"]),
        (lambda r: r[:14], ["ADMITTED", "cut off"]),  # the first table only
        (
            lambda r: without(r, lambda row: "ALL CARE" in row and "RWH" in row),
            ["ALL ENGLISH PROVIDERS", "52.5", "40.5"],
        ),
        (lambda r: changed(r, 39.5, 39.25), ["39.25", "half patients"]),
        (lambda r: changed(r, 39.5, "-39.5"), ["-39.5"]),
        (lambda r: changed(r, 39.5, ""), ["blank, expected a count"]),
        (lambda r: changed(r, r[1][0], "PERIOD: Q1"), ["month"]),
        (lambda r: without(r, lambda row: "ALL ENGLISH PROVIDERS" in row), ["ALL ENGLISH PROVIDERS", "cut off"]),
    ],
)
def test_provider_csv_refused(tmp_path: Path, spoil: Callable, words: list[str]) -> None:
    with pytest.raises(ExtractError) as refused:
        read(write_csv(tmp_path / "p.csv", spoil(provider_csv())))
    assert all(word in str(refused.value) for word in words), refused.value


@pytest.mark.parametrize(
    ("rows", "spoil", "words"),
    [
        (flat_2020, lambda r: changed(r, "2WW", "3WW"), ["row 2", "STANDARD", "'3WW'"]),
        (flat_2020, lambda r: changed(r, "CARE SETTING", "SETTING"), ["'SETTING'"]),
        (flat_2020, lambda r: changed(r, "Admitted", "ALL CARE"), ["CARE SETTING", "'ALL CARE'"]),
        (flat_2020, lambda r: changed(r, "Suspected skin cancer", "ALL SUSPECTED CANCER"), ["ALL SUSPECTED CANCER"]),
        (flat_2020, lambda r: changed(r, "RWG", "ENGLAND"), ["'ENGLAND'"]),
        (flat_2020, lambda r: changed(r, "DEC", "NOV"), ["NOV", "one month"]),
        (flat_2020, lambda r: without(r, lambda row: "Breast" in row), ["62_day_gp", "12.5", "2"]),
        (flat_2020, lambda r: [*r, r[5]], ["rows 6, 22", "more than once"]),
        (flat_2020, lambda r: r[:-1], ["62 Days (Screening)", "January 2021"]),
        (flat_2020, lambda r: changed(r, 30, 31), ["row 2", "within and after"]),
        (flat_2023, lambda r: changed(r, "Surgery", "Prayer"), ["TREATMENT MODALITY", "'Prayer'"]),
        (flat_2023, lambda r: without(r, lambda row: "Lung" in row), ["31_day_combined", "7", "10"]),
        (flat_sub_icb, lambda r: changed(r, "31-day (First)", "31-day (Second)"), ["SUB-CATEGORY", "31-day (Second)"]),
        (flat_sub_icb, lambda r: changed(r, "31-day (First)", None), ["SUB-CATEGORY", "31-day Combined"]),
        (flat_sub_icb, lambda r: changed(r, "31-day (First)", "62-day (Screening)"), ["62-day (Screening)", "31-day"]),
    ],
)
def test_flat_extract_refused(tmp_path: Path, rows: Callable, spoil: Callable, words: list[str]) -> None:
    with pytest.raises(ExtractError) as refused:
        read(write_workbook(tmp_path / "f.xlsx", {"Extract": spoil(rows())}))
    assert all(word in str(refused.value) for word in words), refused.value


def test_flat_extract_with_a_second_sheet_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ExtractError, match="'Notes' is not known"):
        read(write_workbook(tmp_path / "f.xlsx", {"Extract": flat_2023(), "Notes": [["a note"]]}))


# ---------------------------------------------------------------- workbooks by CCG, spoilt


@pytest.fixture(scope="module")
def sample(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Rows]:
    """The sheets of the sample's workbook of May 2019."""
    written = write_sample(tmp_path_factory.mktemp("sample"))
    (path,) = (p for p in written if p.name.startswith("MAY-2019-CANCER"))
    book = openpyxl.load_workbook(path, data_only=True)
    return {page.title: [list(row) for row in page.iter_rows(values_only=True)] for page in book}


def on(sheet: str, spoil: Callable[[Rows], Rows]) -> Callable[[dict[str, Rows]], dict[str, Rows]]:
    return lambda sheets: {**sheets, sheet: spoil(sheets[sheet])}


def on_all(spoil: Callable[[Rows], Rows]) -> Callable[[dict[str, Rows]], dict[str, Rows]]:
    return lambda sheets: {s: spoil(rows) if s in NINE else rows for s, rows in sheets.items()}


def moved_to(month: datetime) -> Callable[[dict[str, Rows]], dict[str, Rows]]:
    return lambda sheets: {s: changed(rows, datetime(2019, 5, 1), month) for s, rows in sheets.items()}


def swapped(one: str, other: str) -> Callable[[dict[str, Rows]], dict[str, Rows]]:
    return lambda sheets: {**sheets, one: sheets[other], other: sheets[one]}


def cleared(find: str, keep: Callable[[int], bool] = lambda column: False) -> Callable[[Rows], Rows]:
    """The rows with the cells of the row that holds ``find`` emptied, but those of the columns kept."""
    return lambda rows: [[c if keep(i) else None for i, c in enumerate(row)] if find in row else row for row in rows]


def followed(find: str, new: list[object]) -> Callable[[Rows], Rows]:
    """The rows with a new one below that which holds ``find``."""
    return lambda rows: [r for row in rows for r in ([row, new] if find in row else [row])]


TWO, BREAST, GP = "TWO WEEK WAIT-ALL CANCER", "TWO WEEK WAIT-BREAST SYMPTOMS", "62-DAY (ALL CANCER)"
SURGERY, DRUGS = "31-DAY SUB TREAT (SURGERY)", "31-DAY SUB TREAT (DRUGS)"
NO_ENGLAND = lambda rows: without(rows, lambda row: "ENGLAND" in row)  # noqa: E731
NO_UNKNOWN = lambda rows: without(rows, lambda row: "UNKNOWN" in row)  # noqa: E731


def test_the_sample_and_a_workbook_without_england_load(tmp_path: Path, sample: dict[str, Rows]) -> None:
    extract = read(write_workbook(tmp_path / "s.xlsx", sample))
    assert extract.layout == "cancer_commissioner_2016_01_to_2020_03"
    extract = read(write_workbook(tmp_path / "c.xlsx", ccg_workbook()))
    assert extract.layout == "cancer_commissioner_2020_04_to_2021_11"
    assert figures(extract)["62_day_gp", "06N", "2020-12"] == (15, 20)


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        # 1. The month and the total row.
        (on_all(NO_ENGLAND), [TWO, "no row ENGLAND", "March 2020"]),
        (on(SURGERY, NO_ENGLAND), [SURGERY, "no row ENGLAND"]),
        (moved_to(datetime(2021, 5, 1)), ["ENGLAND in May 2021"]),
        (moved_to(datetime(2022, 7, 1)), ["July 2022 by CCG", "June 2022"]),
        # 2. The sheet under its tab.
        (swapped(SURGERY, DRUGS), [SURGERY, "ANTI CANCER DRUG", "31_day_sub_surgery", "'or subsequent treatment surg"]),
        (swapped(TWO, BREAST), [TWO, "EXHIBITED BREAST", "two_week_wait", "'all cancers'"]),
        (swapped(GP, "62-DAY (SCREENING)"), [GP, "SCREENING SERVICE", "62_day_gp", "urgent gp referral"]),
        (swapped(GP, "62-DAY (CONSULTANT UPGRADE)"), [GP, "CONSULTANT UPGRADE", "62_day_gp"]),
        (on(DRUGS, lambda r: changed(r, "ANTI-CANCER DRUG REGIMEN", "SURGERY")), [DRUGS, "row 9", "'SURGERY'", "drug"]),
        (on(DRUGS, lambda r: changed(r, "ANTI-CANCER DRUG REGIMEN", None)), [DRUGS, "row 9", "None", "drug"]),
        (on(GP, lambda r: [[None], *r[1:]]), [GP, "the title is"]),
        # 3. Codes and footnotes.
        (on(GP, lambda r: changed(r, "06N", None)), [GP, "row 11", "no code"]),
        (on(GP, lambda r: changed(r, "06N", "06n")), [GP, "row 11", "'06n'"]),
        (on(GP, lambda r: changed(r, "06N", "6")), [GP, "row 11", "'6'"]),
        (on(GP, lambda r: changed(r, "06N", "06K")), [GP, "rows 10, 11", "06K", "more than once"]),
        (on(GP, lambda r: changed(r, "06N", "ENGLAND")), [GP, "'ENGLAND'"]),
        (
            on(GP, followed("ENGLAND", ["E1", "06Q", "NHS MID ESSEX CCG", "ALL CARE", "ALL CANCERS", 1, 1, 0, 1])),
            [GP, "row 14 (ENGLAND", "no code"],
        ),
    ],
)
def test_ccg_workbook_with_england_refused(
    tmp_path: Path, sample: dict[str, Rows], spoil: Callable, words: list[str]
) -> None:
    with pytest.raises(ExtractError) as refused:
        read(write_workbook(tmp_path / "c.xlsx", spoil(sample)))
    assert all(word in str(refused.value) for word in words), refused.value


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (on_all(NO_UNKNOWN), [TWO, "no row UNKNOWN"]),
        (on("31-DAY FIRST TREAT (ALL CANCER)", NO_UNKNOWN), ["31-DAY FIRST", "no row UNKNOWN", "cut off"]),
        (on(GP, lambda r: r[:-2]), [GP, "no row UNKNOWN"]),
        (lambda s: ccg_workbook("PERIOD: DEC 2019/20"), ["no row ENGLAND"]),
        # No total proves these.
        (on(GP, cleared("06N")), [GP, "row 9 (blank)", "no code"]),
        (on(GP, cleared("06N", lambda i: i in (2, 3, 4))), [GP, "row 9 (NHS HERTS VALLEYS CCG", "no code"]),
        (on(GP, cleared("06N", lambda i: i > 1)), [GP, "row 9 (NHS HERTS VALLEYS CCG", "no code"]),
        (on(GP, followed("06N", ["(1) Not a footnote"])), [GP, "row 10 ((1) Not a footnote)", "no code"]),
        (on(SURGERY, cleared("UNKNOWN", lambda i: i in (2, 3, 4))), [SURGERY, "row 11", "UNKNOWN", "lost its code"]),
        (on(SURGERY, cleared("UNKNOWN", lambda i: i == 5)), [SURGERY, "row 11 (20)", "lost its code"]),
        (
            on(GP, followed("06N", [None, "06N", "NHS OTHER CCG", "ALL CARE", "ALL CANCERS", 2, 1, 1, 0.5])),
            ["06N", "once"],
        ),
        (on(TWO, lambda r: without(r, lambda row: "06N" in row)), [TWO, "06N NHS HERTS VALLEYS CCG", BREAST]),
        (lambda s: {**s, "Notes": s["28-DAY FDS (ALL ROUTES)"]}, ["'Notes'", "table"]),
    ],
)
def test_ccg_workbook_without_england_refused(tmp_path: Path, spoil: Callable, words: list[str]) -> None:
    with pytest.raises(ExtractError) as refused:
        read(write_workbook(tmp_path / "c.xlsx", spoil(ccg_workbook())))
    assert all(word in str(refused.value) for word in words), refused.value


@pytest.mark.parametrize(
    "harmless",
    [
        on(GP, lambda r: [*r, [], ["(1) A footnote in column A, which has no heading"], ["(2) Another"]]),
        on("62-DAY (SCREENING)", NO_UNKNOWN),
        on(BREAST, lambda r: without(r, lambda row: "06N" in row)),  # no patients
        on(TWO, lambda r: without(r, lambda row: HUB[0] in row)),  # no CCG
        lambda s: {"Contents": [["Sheets"]], **s, "Notes": [["A note", "in two cells"]], "GUIDANCE": [["x"]]},
    ],
)
def test_ccg_workbook_with_what_is_harmless(tmp_path: Path, harmless: Callable) -> None:
    extract = read(write_workbook(tmp_path / "c.xlsx", harmless(ccg_workbook())))
    assert len(extract.coverage) == 10
    assert figures(extract)["62_day_gp", "06N", "2020-12"] == (15, 20)


def test_footnotes_below_england(tmp_path: Path, sample: dict[str, Rows]) -> None:
    noted = on(GP, lambda r: [*r, [], ["(1) A footnote"]])(sample)
    assert read(write_workbook(tmp_path / "n.xlsx", noted)).rows.equals(
        read(write_workbook(tmp_path / "s.xlsx", sample)).rows
    )


def test_a_title_names_one_standard() -> None:
    titles = [*TITLES.values(), *COMBINED_TITLES.values(), *standard_csvs.TITLES]
    for title in titles:
        fitting = []
        for standard in standards.WORDS:
            try:
                standards.prove_title(title, standard, "here")
            except ExtractError:
                continue
            fitting.append(standard)
        assert len(fitting) == 1, (title, fitting)
        assert standard_csvs.TITLES.get(title.casefold(), fitting[0]) == fitting[0]


# ---------------------------------------------------------------- the published files, by another reader


def cells(path: Path, sheet: str | None = None) -> Iterator[list[object]]:
    if path.suffix == ".csv":
        with path.open(newline="", encoding="utf-8-sig") as file:
            yield from csv.reader(file)
        return
    page = openpyxl.load_workbook(path, read_only=True, data_only=True)
    page = page[sheet] if sheet else page.worksheets[0]
    page.reset_dimensions()  # the published ones misstate them
    for row in page.iter_rows(values_only=True):
        yield [*row, *([None] * (10 - len(row)))]


@needs_shared
def test_every_published_file_loads() -> None:
    layouts = defaultdict(int)
    for path in sorted(PUBLISHED.glob("*/*")):
        layouts[read(path).layout] += 1
    assert dict(layouts) == {
        "cancer_commissioner_2016_01_to_2020_03": 20,
        "cancer_commissioner_2020_04_to_2021_11": 4,
        "cancer_icb_2022_07_to_2023_09": 1,
        "cancer_icb_from_2023_10": 1,
        "cancer_provider_csv_2015_to_2017": 6,
        "cancer_flat_provider_2020_04_to_2023_09": 1,
        "cancer_flat_provider_from_2023_10": 2,
        "cancer_flat_sub_icb_from_2023_04": 1,
    }


@needs_shared
@pytest.mark.parametrize(
    ("file", "sheets"),
    [
        ("nhs_commissioner_wait_times_jul_2022.xlsx", {"62-DAY (ALL CANCER)": "62_day_gp"}),
        (
            "nhs_commissioner_wait_times_jul_2024.xlsx",
            {"31-DAY (ALL CANCER)": "31_day_combined", "62-DAY (ALL CANCER)": "62_day_combined"},
        ),
    ],
)
def test_published_icb_workbooks(file: str, sheets: dict[str, str]) -> None:
    path = PUBLISHED / "commissioner" / file
    found = figures(read(path))
    for sheet, standard in sheets.items():
        rows = list(cells(path, sheet))
        head = next(row for row in rows if "TOTAL" in row)
        total, code = head.index("TOTAL"), head.index("INTEGRATED CARE BOARD (ICB)/COMMISSIONING HUB") - 1
        wholes = ("ALL CARE", "ALL STAGES", "ALL ROUTES")
        theirs = {str(r[code]): (r[total + 1], r[total]) for r in rows if r[code] and r[code + 2] in wholes}
        ours = {k[1]: v for k, v in found.items() if k[0] == standard and k[1] != "ENG"}
        assert ours == theirs and len(theirs) >= 43


@needs_shared
@pytest.mark.parametrize(
    ("file", "standard", "england", "rwg"),
    [
        ("201506-11.", "62_day_gp", (9744, 11977), (53.5, 65)),
        ("201506-5.", "31_day_first", (23477, 24100), (139, 141)),
        ("201506-9.", "31_day_sub_radiotherapy", (7852, 8036), None),
        ("201707-11.", "62_day_gp", (10203, 12534), (70, 79)),
        ("201707-5.", "31_day_first", (23911, 24482), (134, 137)),
        ("201707-9.", "31_day_sub_radiotherapy", (8242, 8496), None),
    ],
)
def test_published_provider_csvs(
    file: str, standard: str, england: tuple[float, float], rwg: tuple[float, float] | None
) -> None:
    (path,) = (PUBLISHED / "provider").glob(f"{file}*")
    month = f"{file[:4]}-{file[4:6]}"
    found = figures(read(path))
    two: dict[str, list[float]] = defaultdict(lambda: [0, 0])
    for row in cells(path):
        if len(row) > 7 and row[1] and row[3] in ("ADMITTED", "NON-ADMITTED"):
            two[str(row[1])][0] += float(str(row[6]))
            two[str(row[1])][1] += float(str(row[5]))
    assert {k[1]: v for k, v in found.items() if k[1] != "ENG"} == {o: tuple(v) for o, v in two.items()}
    assert found[standard, "ENG", month] == england
    assert found.get((standard, "RWG", month)) == rwg


@needs_shared
def test_published_flat_extracts() -> None:
    """Summed by what is a part in each standard, not by what the reader counts."""
    parts: dict[str, Callable[[dict[str, object]], bool]] = {
        "2WW": lambda r: True,
        "31 Days": lambda r: r["CANCER TYPE"] != "ALL CANCERS",
        "31 Days Sub (Surgery)": lambda r: True,
        "62 Days": lambda r: r["CANCER TYPE"] != "ALL CANCERS",
        "62 Days (Upgrade)": lambda r: True,
        "28-day FDS": lambda r: True,
        "31-day Combined": lambda r: r["CANCER TYPE"] == "ALL CANCERS",
        "62-day Combined": lambda r: r["CANCER TYPE"] == "ALL CANCERS",
    }
    ours_of = {"2WW": "two_week_wait", "31 Days": "31_day_first", "31 Days Sub (Surgery)": "31_day_sub_surgery"}
    ours_of |= {"62 Days": "62_day_gp", "62 Days (Upgrade)": "62_day_upgrade", "28-day FDS": "28_day_diagnosis"}
    ours_of |= {"31-day Combined": "31_day_combined", "62-day Combined": "62_day_combined"}
    seen = {}
    for path in sorted((PUBLISHED / "provider").glob("*Extract-Provider*.xlsx")):
        found = figures(read(path))
        theirs: dict[tuple[str, str, str], list[float]] = defaultdict(lambda: [0, 0])
        rows = cells(path)
        head = [str(c) for c in next(rows)]
        for values in rows:
            row = dict(zip(head, values, strict=True))
            standard = str(row["STANDARD"])
            if standard in parts and parts[standard](row):
                key = (ours_of[standard], str(row["ORG CODE"]), f"{row['PERIOD']:%Y-%m}")
                theirs[key][0] += row["WITHIN STANDARD"]
                theirs[key][1] += row["TOTAL TREATED"]
        assert {k: v for k, v in found.items() if k[0] in {t[0] for t in theirs}} == {
            k: tuple(v) for k, v in theirs.items()
        }
        seen |= found
    assert seen["62_day_gp", "RWG", "2020-04"] == (53, 77)
    assert seen["62_day_combined", "RWG", "2023-10"] == (147, 194.5)
    assert seen["62_day_combined", "RWG", "2025-07"] == (148.5, 190.5)
    assert sum(v[1] for k, v in seen.items() if k[0] == "62_day_combined" and k[2] == "2023-10") == 24371.5


@needs_shared
def test_published_sub_icb_extract_agrees_with_the_providers() -> None:
    (path,) = (PUBLISHED / "provider").glob("*ICB-Sub-Location.xlsx")
    (providers,) = (PUBLISHED / "provider").glob("*Oct-2023-Data-Extract-Provider.xlsx")
    found = figures(read(path))
    months = {k[2] for k in found}
    assert months == {f"2023-{m:02}" for m in range(4, 11)}
    assert {k[0] for k in found if k[2] == "2023-09"}.isdisjoint({"31_day_combined", "62_day_combined"})
    assert {k[0] for k in found if k[2] == "2023-10"} == {"28_day_diagnosis", "31_day_combined", "62_day_combined"}

    def england(of: dict[tuple[str, str, str], tuple[float, float]]) -> dict[str, float]:
        sums: dict[str, float] = defaultdict(float)
        for (standard, _, month), (_, patients) in of.items():
            if month == "2023-10":
                sums[standard] += patients
        return dict(sums)

    assert england(found) == england(figures(read(providers)))
    assert found["62_day_gp", "06N", "2023-07"] == (112, 162)
