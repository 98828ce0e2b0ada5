"""Delayed transfers: workbooks by local authority and provider, England's series, older provider extracts."""

from __future__ import annotations

import csv
from collections.abc import Callable
from datetime import date
from functools import partial
from pathlib import Path

import polars as pl
import pytest
from layouts import SHARED, Row, Sheets, needs_shared, read_as, refusal_as, write_xls, write_xlsx

from ccg_pipeline.extracts.contract import Coverage
from ccg_pipeline.extracts.dtoc.shape import REASONS

read = partial(read_as, "dtoc")
refusal = partial(refusal_as, "dtoc")

REASON_HEADINGS = [headings[0] for headings in REASONS.values()]
OLD_REASON_HEADINGS = [headings[1 if len(headings) > 1 else 0].upper() for headings in REASONS.values()][:-1]
# Days of three authorities by setting and by who is responsible; they are all of one reason but for one day.
AUTHORITIES: list[tuple[str, str, str, tuple[int, int], tuple[int, int, int]]] = [
    ("East of England", "606", "Hertfordshire", (70, 50), (60, 40, 20)),
    ("North West", "00EQ", "Cheshire East", (31, 0), (31, 0, 0)),
    ("-", "9900", "Resident In Wales", (0, 10), (4, 6, 0)),
]
DAYS_IN_MAY = 31


def front(
    period: str = "May 2019", revised: str | None = "12th September 2019", basis: str = "Local Authority"
) -> list[Row]:
    return [
        [],
        ["Title:", "Delayed Transfer of Care, NHS Organisations, England"],
        ["Summary:", "Number of Delayed Days during the reporting period"],
        [],
        ["Period:", period],
        ["Source:", "NHS England Data Collection - MSitDT"],
        ["Basis:", basis],
        ["Published:", "11th July 2019"],
        ["Revised:", revised],
        [],
        [],
        [],
    ]


def sums(rows: list[list[int]]) -> list[int]:
    return [sum(column) for column in zip(*rows, strict=True)]


def by_reason(total: int, reasons: int) -> list[int]:
    """All days but one for the first reason, one for the last."""
    return [total - (total > 0), *[0] * (reasons - 2), int(total > 0)]


def sheet(
    place: Row, parts: list[str], figures: dict[str, list[int]], beds: str | None, **of_front: str | None
) -> list[Row]:
    """A table of organisations below England, days and, where there is a heading for them, beds beside."""
    headings: Row = [*parts, "Total"]
    width = len(headings)

    def cells(days: list[int]) -> Row:
        whole: Row = [*days, sum(days)]
        return [*whole, None, *(round(d / DAYS_IN_MAY, 9) for d in (*days, sum(days)))] if beds else whole

    dashes: Row = ["-"] * (len(place) - 1)
    groups: Row = [*[None] * len(place), "Delayed Days", *[None] * width, beds]
    rows: list[Row] = [
        *front(**of_front),  # type: ignore[arg-type]
        groups if beds else [],
        [*place, *headings, *([None, *headings] if beds else [])],
        [*dashes, "England", *cells(sums(list(figures.values())))],
        [],
    ]
    for region, code, name, *_ in AUTHORITIES:
        identity: Row = [region, *(["E10000015"] if len(place) == 4 else []), code, name]
        rows.append([*identity, *cells(figures[code])])
    return rows


def england_sheet(reasons: list[str], not_applicable: bool = True) -> list[Row]:
    """England by setting and reason: the NHS has the first reason, social care the last, both the first."""
    rows: list[Row] = [*front(), ["England Level Data", None, "Number of Delayed Days during the reporting period"]]
    rows += [["Type of Care", "Reason for Delay", "NHS", "Social Care", "Both"]]
    (acute, other), (nhs, social, both) = (
        sums([list(a[3]) for a in AUTHORITIES]),
        sums([list(a[4]) for a in AUTHORITIES]),
    )
    last = sum(1 for a in AUTHORITIES if sum(a[3]))
    in_acute = (nhs - 3, acute - (nhs - 3) - 1, 1)
    in_other = (3, social - in_acute[1], both - 1)
    assert sum(in_other) == other
    rows += [["Acute", "-", *in_acute], ["Non-Acute", "-", *in_other], []]
    for setting, (n, s, b) in (("Acute", in_acute), ("Non-Acute", in_other)):
        moved = last if setting == "Acute" else 0
        for i, reason in enumerate(reasons):
            days: Row = [n, s - moved, b] if i == 0 else [0, moved if i == len(reasons) - 1 else 0, 0]
            if not_applicable and i == 3:
                days[2] = "NA"
            rows.append([setting if i == 0 else None, reason, *days])
    return rows


def workbook(
    path: Path,
    change: Callable[[Sheets], None] = lambda sheets: None,
    beds: str | None = "Average Number of People Delayed per Day",
    **of_front: str | None,
) -> Path:
    """A workbook by local authority as of May 2019."""
    place: Row = ["Region", "ONS Geography", "Code", "Name"]
    sheets: Sheets = {
        "England": england_sheet(REASON_HEADINGS),
        "LA - by type of care": sheet(
            place, ["Acute", "Non-Acute"], {a[1]: list(a[3]) for a in AUTHORITIES}, beds, **of_front
        ),
        "LA - by responsible org": sheet(
            place, ["NHS", "Social Care", "Both"], {a[1]: list(a[4]) for a in AUTHORITIES}, beds, **of_front
        ),
        "LA - by reason": sheet(
            place, REASON_HEADINGS, {a[1]: by_reason(sum(a[3]), len(REASONS)) for a in AUTHORITIES}, None, **of_front
        ),
    }
    change(sheets)
    return write_xlsx(path, sheets)


TYPE_OF_CARE, RESPONSIBLE, BY_REASON = "LA - by type of care", "LA - by responsible org", "LA - by reason"


def test_local_authority_workbook(tmp_path: Path) -> None:
    extract = read(workbook(tmp_path / "1.xlsx"))
    assert extract.layout == "dtoc_local_authority_workbook_with_beds"
    assert extract.coverage == (Coverage("local_authority", "all", date(2019, 5, 1)),)
    assert (extract.edition, extract.published_on) == ("revised", date(2019, 9, 12))
    responsible = extract.rows.filter(pl.col("breakdown") == "responsible")
    columns = [
        "is_england",
        "local_authority_code",
        "local_authority_name",
        "nhs_days",
        "social_care_days",
        "both_days",
    ]
    assert responsible.select(*columns, "total_days").rows() == [
        (True, None, None, 95, 46, 20, 161),
        (False, "606", "Hertfordshire", 60, 40, 20, 120),
        (False, "00EQ", "Cheshire East", 31, 0, 0, 31),
        (False, "9900", "Resident In Wales", 4, 6, 0, 10),
    ]
    assert responsible["total_beds"].to_list()[2] == 1
    hertfordshire = extract.rows.filter(pl.col("local_authority_code") == "606")
    by_setting = hertfordshire.filter(pl.col("breakdown") == "setting").select("setting", "total_days").rows()
    assert by_setting == [("Acute", 70), ("Non-Acute", 50)]
    reasons = dict(
        hertfordshire.filter(pl.col("breakdown") == "reason").select("reason_for_delay", "total_days").rows()
    )
    assert list(reasons) == list(REASONS)
    assert (reasons["A_COMPLETION_ASSESSMENT"], reasons["O_OTHER"]) == (119, 1)
    assert hertfordshire["region_name"].unique().to_list() == ["East of England"]


def test_england_by_setting_and_reason_keeps_what_is_not_applicable_apart(tmp_path: Path) -> None:
    rows = read(workbook(tmp_path / "1.xlsx")).rows.filter(pl.col("breakdown") == "setting_and_reason")
    assert rows["is_england"].all()
    assert rows.height == 2 * len(REASONS)
    columns = ["nhs_days", "both_days", "not_applicable_measures"]
    residential = rows.filter(reason_for_delay="DI_RESIDENTIAL_HOME", setting="Acute").select(columns).row(0)
    nursing = rows.filter(reason_for_delay="DII_NURSING_HOME", setting="Acute").select(columns).row(0)
    assert residential == (0, None, ["both_days"])
    assert nursing == (0, 0, [])


@pytest.mark.parametrize(
    ("places", "ons_column"), [(["SHA", "Code", "Name"], False), (["Region", None, "Code", "Name"], True)]
)
def test_older_local_authority_workbooks(tmp_path: Path, places: Row, ons_column: bool) -> None:
    """Strategic health authorities to 2012, an empty column from 2013; upper-case headings, no beds, no reason O."""

    def table(parts: list[str], figures: dict[str, list[int]]) -> list[Row]:
        rows = sheet(["SHA", "Code", "Name"], parts, figures, None, period="December 2012")
        if not ons_column:
            return rows
        return [
            *rows[:13],
            *([row[0], None, *row[1:]] if row else [] for row in [places[:1] + places[2:] + rows[13][3:], *rows[14:]]),
        ]

    reasons = {a[1]: by_reason(sum(a[3]), len(OLD_REASON_HEADINGS)) for a in AUTHORITIES}
    path = write_xls(
        tmp_path / "1.xls",
        {
            "LA - by Type of Care": table(["Acute", "Non-Acute"], {a[1]: list(a[3]) for a in AUTHORITIES}),
            "LA - by responsible org": table(["NHS", "Social Care", "Both"], {a[1]: list(a[4]) for a in AUTHORITIES}),
            "LA - by reason": table(OLD_REASON_HEADINGS, reasons),
        },
    )
    extract = read(path)
    assert extract.layout == "dtoc_local_authority_workbook"
    assert extract.period_start == date(2012, 12, 1)
    assert "O_OTHER" not in extract.rows["reason_for_delay"].to_list()
    assert extract.rows.filter(breakdown="responsible", local_authority_code="606")["total_days"].to_list() == [120]


def test_provider_workbook_of_the_same_shape(tmp_path: Path) -> None:
    def by_trust(sheets: Sheets) -> None:
        sheets["England"][6] = ["Basis:", "Provider"]
        for rows in list(sheets.values())[1:]:
            for row, code in zip(rows[16:], ("RWG", "RC9", "RY4"), strict=True):
                row[2] = code

    extract = read(workbook(tmp_path / "1.xlsx", by_trust, basis="Provider"))
    assert extract.layout == "dtoc_provider_workbook_with_beds"
    assert extract.coverage == (Coverage("provider", "all", date(2019, 5, 1)),)
    assert extract.rows.filter(breakdown="responsible", provider_code="RWG")["nhs_days"].to_list() == [60]


def test_dashes_are_absent_and_no_zero(tmp_path: Path) -> None:
    def nobody_reported(sheets: Sheets) -> None:
        for name, parts in ((TYPE_OF_CARE, 2), (RESPONSIBLE, 3), (BY_REASON, len(REASONS))):
            dashes: Row = [*["-"] * parts, 0]
            sheets[name].append(
                ["London", "E09000001", "714", "City Of London", *dashes, *([None, *dashes] if parts < 4 else [])]
            )

    rows = read(workbook(tmp_path / "1.xlsx", nobody_reported)).rows.filter(local_authority_code="714")
    assert rows.select("breakdown", "nhs_days", "both_days", "total_days", "total_beds").rows() == [
        ("responsible", None, None, 0, None)
    ]

    def one_dash(sheets: Sheets) -> None:
        sheets[RESPONSIBLE][17][5] = "-"

    assert "row 18, column 'Social Care': found '-'" in refusal(workbook(tmp_path / "2.xlsx", one_dash))


def put(name: str, row: int, column: int, cell: str | int | float | None) -> Callable[[Sheets], None]:
    """A change of one cell, row and column counted from 1."""

    def change(sheets: Sheets) -> None:
        sheets[name][row - 1][column - 1] = cell

    return change


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (put(RESPONSIBLE, 17, 8, 121), "row 17: Total gives 121, its parts by responsible add to 120"),
        (put(RESPONSIBLE, 15, 5, 96), "row 15: Total gives 161, its parts by responsible add to 162"),
        (put(RESPONSIBLE, 17, 10, 9.5), "60 in 'NHS' does not go with 9.5"),
        (put(RESPONSIBLE, 17, 3, "6.06E+02"), "expected the code of a local authority"),
        (put(RESPONSIBLE, 18, 3, "606"), "rows 17, 18: the same 606 stands more than once"),
        (put(TYPE_OF_CARE, 15, 4, "Everyone"), "0 rows of England"),
        (put(TYPE_OF_CARE, 14, 6, "Community"), "unknown heading 'Delayed Days: Community'"),
        (put(BY_REASON, 14, 6, "B) Awaiting a miracle"), "unknown heading 'B) Awaiting a miracle'"),
        (put(BY_REASON, 18, 5, None), "row 18, column 'A) Awaiting completion of assessment': blank"),
        (put(BY_REASON, 5, 2, "June 2019"), "do not agree on 'Period:'"),
        (put("England", 18, 3, 7), "sheet 'England' row 15: the total of Acute gives"),
        (put("England", 20, 2, "Z) New"), "row 20: 'Acute' with 'Z) New' is no setting and reason"),
        (put("England", 15, 1, "Ward"), "'Ward' with '-' is no setting and reason"),
    ],
)
def test_workbooks_that_contradict_themselves(tmp_path: Path, change: Callable[[Sheets], None], words: str) -> None:
    assert words in refusal(workbook(tmp_path / "1.xlsx", change))


def test_organisations_must_add_to_england_and_be_in_every_sheet(tmp_path: Path) -> None:
    def moved(sheets: Sheets) -> None:
        row = sheets[RESPONSIBLE][17]
        row[4], row[5], row[9], row[10] = 30, 1, round(30 / 31, 9), round(1 / 31, 9)

    assert "England gives 95 for 'NHS', its rows add to 94" in refusal(workbook(tmp_path / "1.xlsx", moved))

    def gone(sheets: Sheets) -> None:
        del sheets[BY_REASON][18]

    assert "England gives 158" in refusal(workbook(tmp_path / "2.xlsx", gone))

    def swapped(sheets: Sheets) -> None:
        sheets[TYPE_OF_CARE][16][2], sheets[TYPE_OF_CARE][17][2] = "00EQ", "606"

    assert (
        "606: Hertfordshire with 120 days in sheet 'LA - by responsible org' (row 17) and Cheshire East with 31 days"
    ) in refusal(workbook(tmp_path / "3.xlsx", swapped))

    def renamed(sheets: Sheets) -> None:
        sheets[BY_REASON][16][3] = "Hertford"

    assert "and Hertford with 120 days in sheet 'LA - by reason' (row 17); expected one name" in refusal(
        workbook(tmp_path / "6.xlsx", renamed)
    )

    def not_by_reason(sheets: Sheets) -> None:
        del sheets[BY_REASON]

    assert "no sheet by reason" in refusal(workbook(tmp_path / "4.xlsx", not_by_reason))

    def another_sheet(sheets: Sheets) -> None:
        sheets["Trusts"] = [["Trust", "Days"], ["RWG", 7]]

    assert "sheet 'Trusts' is none that this layout knows" in refusal(workbook(tmp_path / "5.xlsx", another_sheet))


def test_england_table_must_agree_with_the_sheets(tmp_path: Path) -> None:
    def between_reasons(sheets: Sheets) -> None:
        table = sheets["England"]
        table[17][2], table[18][2] = table[17][2] - 1, 1  # type: ignore[operator]

    assert "the rows for 'A) Awaiting completion of assessment' add to 157" in refusal(
        workbook(tmp_path / "1.xlsx", between_reasons)
    )


def test_data_quality_becomes_caveats(tmp_path: Path) -> None:
    def noted(sheets: Sheets) -> None:
        sheets["Data Quality"] = [
            ["The following providers revised data for May 2019:"],
            ["RWG", "West Hertfordshire Hospitals NHS Trust"],
            ["NQL", "Navigo"],
            [],
            ["One trust could not   submit."],
        ]
        for name in (TYPE_OF_CARE, RESPONSIBLE):
            sheets[name] += [[], ["Notes:"], ["1. 'Average Number of People Delayed per Day' was 'DTOC Beds'"]]

    assert read(workbook(tmp_path / "1.xlsx", noted)).caveats == (
        "The following providers revised data for May 2019: RWG, NQL",
        "One trust could not submit. (as the file says, no code given)",
    )

    def figures_below_notes(sheets: Sheets) -> None:
        sheets[RESPONSIBLE].insert(17, ["Notes:"])

    assert "figures below the notes of row 18" in refusal(workbook(tmp_path / "2.xlsx", figures_below_notes))


def test_edition_is_what_the_sheets_state(tmp_path: Path) -> None:
    def one_left(sheets: Sheets) -> None:
        sheets["England"][8] = ["Revised:"]

    extract = read(workbook(tmp_path / "1.xlsx", one_left, revised=None))
    assert (extract.edition, extract.published_on) == ("unknown", date(2019, 7, 11))

    def by_region(sheets: Sheets) -> None:
        sheets["England"][6] = ["Basis:", "Region"]

    assert "'Basis:' 'Region', expected" in refusal(workbook(tmp_path / "2.xlsx", by_region, basis="Region"))
    assert "do not agree on 'Basis:'" in refusal(workbook(tmp_path / "3.xlsx", basis="Region"))


# ---------------------------------------------------------------- England's series

MONTHS = [("2018-19", "March", 31, 62), ("2019-20", "April", 30, 60)]


def months_sheet(
    parts: list[str], shares: Callable[[int], list[int]], beds: bool, heading: str = "Period"
) -> list[Row]:
    rows = [*front("March 2019 - April 2019", "10th September 2020", "Provider")]
    width = len(parts) + 1
    rows += [[None, None, "Delayed Days", *[None] * width, "DTOC Beds"] if beds else ["Provider Level Data"]]
    rows += [["Year", heading, *parts, "Total", *([None, *parts, "Total"] if beds else [])], []]
    for year, month, length, total in MONTHS:
        days = [*shares(total), total]
        rows.append([year, month, *days, *([None, *(round(d / length, 9) for d in days)] if beds else [])])
    return [*rows, [], ["Notes:"], ["1. Prior to August 2010 the number was collected weekly."]]


def crossed_sheet() -> list[Row]:
    rows = [*front("March 2019 - April 2019", "10th September 2020", "Provider"), ["Provider Level Data"]]
    acute, other = REASON_HEADINGS[:-1], REASON_HEADINGS
    rows += [
        [None, None, "Acute", *[None] * (3 * len(acute) - 1), "Non-Acute", *[None] * (3 * len(other) - 1), "Total"]
    ]
    rows += [[None, None, *(cell for reason in (*acute, *other) for cell in (reason, None, None))]]
    rows += [["Year", "Period Name", *["NHS", "Social Care", "Both"] * (len(acute) + len(other))], []]
    for year, month, _, total in MONTHS:
        first: Row = [total - 20, 9, 1]
        last: Row = [0, 10, 0]
        rows.append([year, month, *first, *[0] * 3 * (len(acute) + len(other) - 2), *last, total])
    return [*rows, [], ["Notes:"]]


def series(path: Path, change: Callable[[Sheets], None] = lambda sheets: None) -> Path:
    sheets: Sheets = {
        "Delayed Days by type": months_sheet(["Acute", "Non-Acute"], lambda t: [t - 10, 10], beds=True),
        "Delayed Days by responsible org": months_sheet(
            ["NHS", "Social Care", "Both"], lambda t: [t - 20, 19, 1], beds=True
        ),
        "Delayed Days by reason": months_sheet(
            REASON_HEADINGS, lambda t: [t - 10, *[0] * (len(REASONS) - 2), 10], beds=False
        ),
        "Delayed Days": crossed_sheet(),
    }
    change(sheets)
    return write_xls(path, sheets)


def test_england_series(tmp_path: Path) -> None:
    extract = read(series(tmp_path / "1.xls"))
    assert extract.layout == "dtoc_england_series"
    assert extract.coverage == tuple(Coverage("england", "all", date(2019, m, 1)) for m in (3, 4))
    assert (extract.edition, extract.published_on) == ("revised", date(2020, 9, 10))
    rows = extract.rows
    assert rows["is_england"].all()
    columns = ["period_start", "nhs_days", "social_care_days", "both_days", "total_days"]
    assert rows.filter(breakdown="responsible").select(columns).rows() == [
        (date(2019, 3, 1), 42, 19, 1, 62),
        (date(2019, 4, 1), 40, 19, 1, 60),
    ]
    other = rows.filter(breakdown="setting_and_reason", setting="Non-Acute", reason_for_delay="O_OTHER")
    assert other["social_care_days"].to_list() == [10, 10]
    assert rows.filter(breakdown="setting_and_reason", setting="Acute", reason_for_delay="O_OTHER").is_empty()


BY_TYPE, BY_WHO, CROSSED = "Delayed Days by type", "Delayed Days by responsible org", "Delayed Days"


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (put(BY_TYPE, 16, 3, 53), "row 16: Total gives 62, its parts by setting add to 63"),
        (put(BY_WHO, 17, 8, 2.5), "40 in 'NHS' does not go with 2.5"),
        (put(BY_WHO, 17, 2, "May"), "April 2019 is missing, 'Period:' says 'March 2019 - April 2019'"),
        (put(BY_WHO, 17, 2, "Spring"), "no month can be read from 'Spring' of '2019-20'"),
        (put(BY_WHO, 5, 2, "to April 2019"), "expected two months such as"),
        (put(CROSSED, 18, 3, 43), "row 18: Total gives 62, its parts add to 63"),
        (put(CROSSED, 15, 6, "B) Awaiting a miracle"), "unknown heading 'Acute: B) Awaiting a miracle: NHS'"),
    ],
)
def test_series_that_contradict_themselves(tmp_path: Path, change: Callable[[Sheets], None], words: str) -> None:
    assert words in refusal(series(tmp_path / "1.xls", change))


def test_series_sheets_must_agree(tmp_path: Path) -> None:
    def other_total(sheets: Sheets) -> None:
        row = sheets["Delayed Days by reason"][16]
        row[2], row[-1] = 51, 61

    assert "April 2019: 60 days in sheet 'Delayed Days by responsible org' (row 17) and 61" in refusal(
        series(tmp_path / "1.xls", other_total)
    )

    def other_parts(sheets: Sheets) -> None:
        row = sheets[CROSSED][17]
        row[2], row[3] = 41, 10

    assert "42 for 'NHS', the rows of sheet 'Delayed Days' add to 41" in refusal(
        series(tmp_path / "2.xls", other_parts)
    )


# ---------------------------------------------------------------- provider extracts before April 2017

OLD_HEADINGS = (
    "Year,Period Name,Provider Parent Org Code,Provider Parent Name,Provider Org Code,Provider Org Name,"
    "Local Authority Code,Local Authority Name,Acute Or Non Acute Description,Reason For Delay,NHS A SUM,NHS B SUM,"
    "Social Care A SUM,Social Care B SUM,Both A SUM,Both B SUM"
).split(",")


def old_extract(path: Path, change: Callable[[list[Row]], None] = lambda rows: None) -> Path:
    """October 2016: lines above the headings, the month in two columns, patients (A) beside days (B)."""
    rows: list[Row] = [["Delayed transfers of care"], ["MSitDT"], [None], list(OLD_HEADINGS)]
    for code, setting in (("RWG", "Acute"), ("RWG", "Non-Acute"), ("RY4", "Acute"), ("RY4", "Non-Acute")):
        for i, reason in enumerate(list(REASONS)[:-1]):
            place: Row = ["2016-17", "OCTOBER", "Q79", "NHS ENGLAND", code, "A TRUST", "606", "HERTFORDSHIRE", setting]
            rows.append([*place, reason, *([2, 47, 1, 30, 0, 0] if i == 0 else [0] * 6)])
    change(rows)
    with open(path, "w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows(rows)
    return path


def test_older_provider_extract_takes_the_days(tmp_path: Path) -> None:
    extract = read(old_extract(tmp_path / "1.csv"))
    assert extract.layout == "dtoc_provider_extract_with_patients"
    assert extract.coverage == (Coverage("provider", "all", date(2016, 10, 1)),)
    sums_of_days = extract.rows.select(pl.col("nhs_days", "social_care_days", "both_days", "nhs_patients").sum())
    assert sums_of_days.row(0) == (188, 120, 0, 8)
    assert extract.rows["nhs_beds"].null_count() == extract.rows.height


def test_provider_extract_has_every_setting_and_reason(tmp_path: Path) -> None:
    def cut_off(rows: list[Row]) -> None:
        del rows[-1]

    assert "19 rows for provider RY4 and local authority 606, expected 20" in refusal(
        old_extract(tmp_path / "1.csv", cut_off)
    )


def test_days_must_be_told_from_patients(tmp_path: Path) -> None:
    def only_one_column_each(rows: list[Row]) -> None:
        rows[3:] = [[*row[:10], row[11], row[13], row[15]] for row in rows[3:]]
        rows[3][10:] = ["NHS", "Social Care", "Both"]

    assert "does not say whether it is days or patients" in refusal(
        old_extract(tmp_path / "1.csv", only_one_column_each)
    )


# ---------------------------------------------------------------- as published


@needs_shared
def test_every_published_workbook_loads() -> None:
    folder = Path(SHARED, "data", "dtoc", "local_authority")
    extracts = {path.stem: read(path) for path in folder.iterdir()}
    england = {
        month: extract.rows.filter(pl.col("is_england"), breakdown="responsible")["total_days"].item()
        for month, extract in extracts.items()
    }
    assert england == {
        "April_11": 108064,
        "Dec_12": 107652,
        "May_14": 126779,
        "July_15": 147376,
        "March_17": 199641,
        "April_17": 176886,
        "Jan_18": 151383,
        "Nov_18": 136183,
        "Apr_19": 130773,
        "May_19": 139415,
        "Dec_19": 148101,
    }
    assert [m for m, e in extracts.items() if e.edition != "revised"] == ["Dec_19"]
    assert extracts["April_17"].caveats[0].startswith("The following providers revised data for April 2017: RQY, RV3")
    poole = extracts["Apr_19"].rows.filter(local_authority_code="811").select("nhs_days", "total_days").rows()
    assert poole == [(None, 0)]


@needs_shared
def test_published_provider_extract_adds_to_the_workbook() -> None:
    """The extract and the workbook of May 2019, both as revised in September 2019, have the same days."""
    folder = Path(SHARED, "data", "dtoc")
    authorities = read(folder / "local_authority" / "May_19.xls").rows.filter(
        ~pl.col("is_england"), breakdown="responsible"
    )
    providers = read(next(folder.glob("provider/*MAY-2019*"))).rows
    days = ["nhs_days", "social_care_days", "both_days"]
    summed = dict(
        (row[0], row[1:]) for row in providers.group_by("local_authority_code").agg(pl.col(days).sum()).rows()
    )
    stated = {row[0]: row[1:] for row in authorities.select("local_authority_code", *days).rows()}
    assert len(stated) == 153
    assert {code: summed.get(code, (0, 0, 0)) for code in stated} == stated


@needs_shared
def test_published_series() -> None:
    extract = read(Path(SHARED, "data", "dtoc", "DTOC-England-Data_Set.xls"))
    assert (len(extract.coverage), extract.period_start, extract.period_end) == (
        115,
        date(2010, 8, 1),
        date(2020, 2, 29),
    )
    may = extract.rows.filter(breakdown="responsible", period_start=date(2019, 5, 1))
    assert may.select("nhs_days", "social_care_days", "both_days", "total_days").row(0) == (86839, 39049, 13291, 139179)
