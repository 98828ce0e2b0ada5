"""Organisations as reference data: ODS lists, STP partners, ONS lookups, written here and as published."""

import csv
from datetime import date, datetime
from functools import partial
from pathlib import Path

import polars as pl
import pytest
from layouts import SHARED, Row, Sheets, needs_shared, read_as, refusal_as, write_xlsx

from ccg_pipeline import extracts
from ccg_pipeline.extracts.contract import Coverage, Extract, ExtractError
from ccg_pipeline.extracts.source import Source

read = partial(read_as, "organisations")
refusal = partial(refusal_as, "organisations")

PUBLISHED = SHARED / "data" / "organisations"


def ods_row(
    code: str, name: str, parent: str = "QM7", opened: str = "20130401", closed: str = "", region: str = "Y61"
) -> list[str]:
    return [code, name, region, parent, *["A ROAD"] * 6, opened, closed, *[""] * 9, "1", *[""] * 5]


COMMISSIONERS = [
    ods_row("06N", "NHS HERTFORDSHIRE AND WEST ESSEX ICB - 06N"),
    ods_row("00C", "NHS DARLINGTON CCG", "QHM", closed="20200331", region="Y63"),
    ods_row("13Q", "NATIONAL COMMISSIONING HUB 1", "QWO"),
    ods_row("99Q", "NHS SOUTH DEVON AND TORBAY CCG", "QJK", closed="20190331", region="Y58"),
    ods_row("X2C4Y", "NHS WEST YORKSHIRE ICB - X2C4Y", "QWO", opened="20210401", region="Y63"),
    ods_row("Z4H8X", "HOUNSLOW - SUB-ICB REPORTING ENTITY", "QRV", opened="20240401", region="Y56"),
]
TRUSTS = [
    ods_row("RVL", "BARNET AND CHASE FARM HOSPITALS NHS TRUST", "QMJ", "19990401", "20140701", "Y56"),
    ods_row("R0B", "SOUTH TYNESIDE AND SUNDERLAND NHS FOUNDATION TRUST", "QHM", "20190401", region="Y63"),
    ods_row("RYY", "KENT COMMUNITY HEALTH NHS FOUNDATION TRUST", "QKS", "20101101", region="Y59"),
]


def ods_list(path: Path, rows: list[list[str]]) -> Path:
    with open(path, "w", newline="", encoding="utf-8") as file:
        csv.writer(file, quoting=csv.QUOTE_ALL).writerows(rows)
    return path


def changed(rows: list[list[str]], number: int, column: int, text: str) -> list[list[str]]:
    """The list with one cell changed; row and column counted from 1."""
    copy = [list(row) for row in rows]
    copy[number - 1][column - 1] = text
    return copy


def stated(extract: Extract, kind: str, *columns: str) -> list[tuple]:
    return extract.rows.filter(pl.col("kind") == kind).select(columns).rows()


def test_a_list_of_commissioners_dates_itself_by_its_latest_opening(tmp_path: Path) -> None:
    extract = read(ods_list(tmp_path / "a.csv", COMMISSIONERS))
    assert extract.layout == "ods_list_of_commissioners"
    assert extract.coverage == (Coverage("reference", "ods_commissioners", date(2024, 4, 1)),)
    assert stated(extract, "organisation", "org_code", "org_role", "parent_code", "valid_from", "valid_to") == [
        ("06N", "sub_icb", "QM7", date(2013, 4, 1), None),
        ("00C", "ccg", "QHM", date(2013, 4, 1), date(2020, 3, 31)),
        ("13Q", "commissioning_hub", "QWO", date(2013, 4, 1), None),
        ("99Q", "ccg", "QJK", date(2013, 4, 1), date(2019, 3, 31)),
        ("X2C4Y", "sub_icb", "QWO", date(2021, 4, 1), None),
        ("Z4H8X", "sub_icb_reporting_entity", "QRV", date(2024, 4, 1), None),
    ]
    assert extract.rows["as_of"].unique().to_list() == [date(2024, 4, 1)]


def test_the_areas_of_a_list_older_than_stps_are_no_stp(tmp_path: Path) -> None:
    rows = [ods_row("06N", "NHS HERTS VALLEYS CCG", "Q78"), COMMISSIONERS[1], COMMISSIONERS[3]]
    extract = read(ods_list(tmp_path / "a.csv", rows))
    assert stated(extract, "organisation", "org_code", "parent_code")[:2] == [("06N", None), ("00C", "QHM")]


def test_a_list_of_trusts(tmp_path: Path) -> None:
    extract = read(ods_list(tmp_path / "a.csv", TRUSTS))
    assert extract.coverage[0].part == "ods_trusts"
    assert stated(extract, "organisation", "org_code", "org_role", "valid_to") == [
        ("RVL", "trust", date(2014, 7, 1)),
        ("R0B", "trust", None),
        ("RYY", "trust", None),
    ]


@pytest.mark.parametrize(
    ("rows", "words"),
    [
        ([*COMMISSIONERS, ods_row("RWG", "WEST HERTFORDSHIRE TEACHING HOSPITALS NHS TRUST")], "trusts (row 7)"),
        ([*COMMISSIONERS, ods_row("E82001", "THE SURGERY")], "row 7, column 2 (name): 'THE SURGERY' is neither"),
        ([*COMMISSIONERS, ods_row("06N", "NHS HERTS VALLEYS CCG", "QMJ")], "rows 1 and 7: 06N stands twice"),
        (changed(COMMISSIONERS, 2, 12, "20120331"), "00C closed on 2012-03-31, before it opened on 2013-04-01"),
        (changed(COMMISSIONERS, 3, 12, "20241331"), "row 3, column 12 (closed): found '20241331'"),
        (changed(COMMISSIONERS, 3, 11, ""), "row 3, column 11 (opened): blank"),
        (changed(COMMISSIONERS, 1, 4, "M7"), "row 1, column 4 (parent): found 'M7'"),
        (changed(COMMISSIONERS, 1, 1, "6.00E+05"), "row 1, column 1 (code): found '6.00E+05'"),
        ([*COMMISSIONERS, ods_row("06K", "NHS X CCG")[:20]], "row 7 has 20 cells, expected 27"),
        (COMMISSIONERS[:4], "the list ends with 99Q in row 4 and lacks X2C4Y"),
        ([*COMMISSIONERS[:5], ods_row("A4R1E", "NEWHAM - SUB-ICB REPORTING ENTITY")], "lacks Z4H8X"),
        (TRUSTS[:1], "the list ends with RVL in row 1 and lacks RYY"),
        ([[*row[:3], "", *row[4:]] for row in COMMISSIONERS], "row 1, column 4 (parent): blank for 06N"),
        (changed(COMMISSIONERS, 2, 12, ""), "row 2, column 12 (closed): blank for 00C, a CCG in a list that has"),
        ([[*row[:11], "", *row[12:]] for row in TRUSTS], "column 12 (closed) is empty in every row"),
    ],
)
def test_a_list_that_contradicts_itself_is_refused(tmp_path: Path, rows: list[list[str]], words: str) -> None:
    assert words in refusal(ods_list(tmp_path / "a.csv", rows))


@pytest.mark.parametrize("column", [1, 11])
def test_columns_out_of_place_are_not_recognised(tmp_path: Path, column: int) -> None:
    rows = [[*row[: column - 1], "", *row[column - 1 : -1]] for row in COMMISSIONERS]
    path = ods_list(tmp_path / "a.csv", rows)
    with pytest.raises(ExtractError, match="not recognised"):
        extracts.recognise(Source(path, path.name))


LOOKUP = """\
SICBL24CD,SICBL24CDH,SICBL24NM,ICB24CD,ICB24CDH,ICB24NM,NHSER24CD,NHSER24CDH,NHSER24NM,ObjectId
E38000079,06N,NHS Herts - 06N,E54000025,QM7,NHS Herts Integrated Care Board,E40000013,Y61,East of England,1
E38000006,02P,NHS South Yorkshire - 02P,E54000061,QF7,NHS South Yorkshire,E40000012,Y63,North East,2
""" + "".join(
    f"E3800030{n},9{n}Z,NHS {region} - 9{n}Z,E5400010{n},QX{n},NHS {region},E4000010{n},{region},{region},{n + 3}\n"
    for n, region in enumerate(["Y56", "Y58", "Y59", "Y60", "Y62"])
)


def lookup(path: Path, text: str) -> Path:
    path.write_text(text, encoding="utf-8-sig")
    return path


@pytest.mark.parametrize(
    ("year", "as_of"), [("24", date(2024, 4, 1)), ("25", date(2025, 4, 1)), ("22", date(2022, 7, 1))]
)
def test_a_lookup_is_dated_by_the_year_of_its_headings(tmp_path: Path, year: str, as_of: date) -> None:
    extract = read(lookup(tmp_path / "a.csv", LOOKUP.replace("24CD", f"{year}CD").replace("24NM", f"{year}NM")))
    assert extract.coverage == (Coverage("reference", "ons_sub_icb_to_icb", as_of.replace(day=1)),)
    assert stated(extract, "membership", "org_code", "org_role", "parent_code", "as_of")[:2] == [
        ("06N", "sub_icb", "QM7", as_of),
        ("02P", "sub_icb", "QF7", as_of),
    ]
    assert stated(extract, "organisation", "org_code", "org_role", "ons_code")[:2] == [
        ("QM7", "icb", "E54000025"),
        ("QF7", "icb", "E54000061"),
    ]


def test_a_lookup_of_ccgs(tmp_path: Path) -> None:
    text = (
        "CCG21CD,CCG21CDH,CCG21NM,STP21CD,STP21CDH,STP21NM,FID\n"
        "E38000079,06N,NHS Herts Valleys CCG,E54000025,QM7,Hertfordshire and West Essex,1\n"
    )
    extract = read(lookup(tmp_path / "a.csv", text))
    assert extract.layout == "ons_ccg_to_stp"
    assert stated(extract, "membership", "org_code", "org_role", "parent_code") == [("06N", "ccg", "QM7")]
    assert stated(extract, "organisation", "org_code", "org_role") == [("QM7", "stp")]
    without = "\n".join(",".join(c for i, c in enumerate(line.split(",")) if i != 4) for line in text.splitlines())
    assert "heading 'STP21CDH' missing" in refusal(lookup(tmp_path / "b.csv", without))


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("ICB24NM", "ICB23NM", "headings of the years 2023, 2024"),
        ("ObjectId", "Shape__Area", "unknown heading 'Shape__Area'"),
        ("E38000006,02P", "E38000006,06N", "rows 2 and 3: 06N stands under QM7 and under QF7"),
        ("E54000061,QF7", "E54000061,QM7", "rows 2 and 3: QM7 is"),
        ("E54000061,QF7", "E54000061,", "row 3, column ICB24CDH: found None"),
        ("E38000006,02P", "38000006,02P", "row 3, column SICBL24CD: found '38000006'"),
        ("E38000006,02P", "E38000006,2", "row 3, column SICBL24CDH: found '2'"),
        ("NHS Herts - 06N", "", "row 2: the names None and 'NHS Herts Integrated Care Board'"),
        ("Y63", "Y62", "no commissioner in the region Y63"),
        (
            "Y61,East of England,1",
            "Y61,East of England,9",
            "the numbers of the 7 rows (last column, to 9) are not 1, 2, 3",
        ),
        (
            "Y61,East of England,1",
            "Y61,East of England,",
            "the numbers of the 7 rows (last column, to 7) are not 1, 2, 3",
        ),
    ],
)
def test_a_lookup_that_contradicts_itself_is_refused(tmp_path: Path, old: str, new: str, words: str) -> None:
    assert words in refusal(lookup(tmp_path / "a.csv", LOOKUP.replace(old, new, 1)))


def test_a_lookup_of_small_areas_is_not_recognised(tmp_path: Path) -> None:
    path = lookup(tmp_path / "a.csv", LOOKUP.replace("ObjectId", "LSOA11CD"))
    with pytest.raises(ExtractError, match="not recognised"):
        extracts.recognise(Source(path, path.name))


PARTNER_HEADINGS: Row = [
    *("NHS England Region", "ODS STP Code", "STP Footprint no ", "ONS STP Code", "STP Name"),
    *("CCG", "ODS CCG Code", "LA", "ODS LA Code", "Trusts", "ODS Trust Code", "Notes"),
]


def partner(stp: str | None, name: str | None, ccg: Row, council: Row | None = None, trust: Row | None = None) -> Row:
    return ["East of England (Y61)", stp, 1, "E54000025", name, *ccg, *(council or [None] * 2), *(trust or [None] * 2)]


def workbook() -> Sheets:
    return {
        "Title sheet": [[None, "Project Lead:", "A"], [None, "Last updated: ", datetime(2019, 4, 3)]],
        "Change Log": [
            ["STP Partner Relationships - Change Log"],
            ["Date", "STP Code", "STP Name", "Type of Change", "Details"],
            [datetime(2018, 6, 7), "QVP", "North STP", "STP code closed (merger)", "Code closed, merged into QHM"],
            [datetime(2018, 6, 7), "QHM", "Cumbria STP", "New STP code", "New code allocated, partners merged."],
            [
                datetime(2019, 4, 3),
                "QJK",
                "Devon",
                "Partner merger.",
                "N Devon CCG (99P) and S CCG (99Q) have merged to form NHS Devon CCG (15N)",
            ],
            [
                datetime(2018, 6, 22),
                "QHL",
                "B STP",
                "Partner amendment",
                "RR1 (Heart of England) acquired by RRK (Univ), therefore removed.",
            ],
            [datetime(2018, 7, 12), "-", "All", "Region update", "Updated details for all STPs."],
        ],
        "Current STPs": [
            ["PARTNER MAPPING"],
            [None] * 5 + ["3", None, 1, None, 2],
            PARTNER_HEADINGS,
            partner("QM7", "Herts STP", ["Herts Valleys CCG", "06N"], ["Hertfordshire", 12], ["West Herts", "RWG"]),
            partner("QM7", None, ["West Essex CCG", "07H"], None, ["East Herts", "RWH"]),
            partner("QHM", "Cumbria STP", ["Northumberland CCG", "00L"]),
        ],
        "Closed STP codes": [
            ["NEW CODE FOR MERGED STP", "Region", *PARTNER_HEADINGS[1:]],
            ["CODE: QHM", *partner("QVP", "North STP", ["Northumberland CCG", "00L"])],
        ],
        "NHSE Regions": [["Coded in eauth.csv"], [], ["Y61", "EAST OF ENGLAND COMMISSIONING REGION"]],
        "CCGs": [
            ["Code", "Org Name", "Lookup to STP Partners"],
            ["06N", "NHS HERTS VALLEYS CCG", "06N"],
            ["13Q", "NATIONAL COMMISSIONING HUB 1"],
        ],
        "LAs": [["Code", "LA Name", "National Grouping", "HLHG"], [12, "HERTFORDSHIRE", "Y61", "Q99", None, "A", 27]],
        "Trusts": [
            ["ORGANISATION NAME", "ORG CODE", "NATIONAL GROUPING", "LOOKUP TO STP PARTNERS", "Open date", "Close Date"],
            ["WEST HERTS", "RWG", "Y61", "RWG", 20000401, None],
        ],
        "CareTrusts": [
            ["ORG CODE", "ORG NAME", "NATIONAL GROUPING", "LOOKUP IF STP PARTNER"],
            ["TAD", "BRADFORD CARE", "Y63", "TAD"],
        ],
        "ONS STP-CCG mapping": [
            ["ONS Mapping", None, "ONS STP Code", "CCG", "ODS CCG Code"],
            ["E54000001", "00L", "E54000001", "Northumberland CCG", "00L"],
        ],
    }


def with_cell(sheet: str, row: int, column: int, value: str | int | None) -> Sheets:
    """The workbook with one cell changed; row and column counted from 1."""
    sheets = workbook()
    sheets[sheet][row - 1] = [value if i == column else c for i, c in enumerate(sheets[sheet][row - 1], 1)]
    return sheets


def test_stp_partners_of_the_day_and_until(tmp_path: Path) -> None:
    extract = read(write_xlsx(tmp_path / "a.xlsx", workbook()))
    assert (extract.layout, extract.published_on) == ("ods_stp_partners", date(2019, 4, 3))
    assert extract.coverage == (Coverage("reference", "stp_partners", date(2019, 4, 1)),)
    members = extract.rows.filter(pl.col("org_role") == "ccg", pl.col("kind") == "membership")
    assert members.select("org_code", "parent_code", "valid_to").rows() == [
        ("06N", "QM7", None),
        ("07H", "QM7", None),
        ("00L", "QHM", None),
        ("00L", "QVP", date(2018, 6, 7)),
        ("99P", "QJK", date(2019, 4, 3)),
        ("99Q", "QJK", date(2019, 4, 3)),
    ]
    stps = extract.rows.filter(pl.col("org_role") == "stp", pl.col("kind") == "organisation")
    assert stps.select("org_code", "org_name", "region_code", "valid_from", "valid_to").rows() == [
        ("QM7", "Herts STP", "Y61", None, None),
        ("QHM", "Cumbria STP", "Y61", date(2018, 6, 7), None),
        ("QVP", "North STP", "Y61", None, date(2018, 6, 7)),
    ]
    assert stated(extract, "succession", "org_code", "parent_code", "org_role") == [
        ("QVP", "QHM", "stp"),
        ("99P", "15N", "ccg"),
        ("99Q", "15N", "ccg"),
        ("RR1", "RRK", "trust"),
    ]
    listed = extract.rows.filter(pl.col("source_sheet") == "CCGs")
    assert listed.select("org_code", "org_role").rows() == [("06N", "ccg"), ("13Q", "commissioning_hub")]
    councils = extract.rows.filter(pl.col("org_role") == "local_authority")
    assert councils["org_code"].to_list() == ["012", "012"]
    assert extract.caveats == ()


def test_a_partner_without_an_stp_is_said_to_be_left_out(tmp_path: Path) -> None:
    sheets = workbook()
    sheets["Current STPs"][1] = []
    sheets["Current STPs"].append(partner(None, None, [None, None], None, ["Yorkshire Ambulance", "RX8"]))
    extract = read(write_xlsx(tmp_path / "a.xlsx", sheets))
    assert extract.caveats == ("sheet 'Current STPs' row 7: RX8 stands without an STP: not read",)


@pytest.mark.parametrize(
    ("sheets", "words"),
    [
        (with_cell("Current STPs", 6, 7, "06N"), "rows 4 and 6: 06N stands under QM7 and under QHM"),
        (with_cell("Current STPs", 6, 2, None), "row 6: 00L stands without an STP code"),
        (with_cell("Current STPs", 5, 7, None), "CCG 'West Essex CCG' with the code None"),
        (with_cell("Current STPs", 5, 5, "Another STP"), "QM7 is 'Another STP' here and 'Herts STP' above"),
        (with_cell("Current STPs", 2, 6, "4"), "row 2: 4 CCGs counted, 3 found below"),
        (with_cell("Current STPs", 3, 12, "Remarks"), "unknown heading 'Remarks'"),
        (with_cell("Current STPs", 4, 11, "West Herts"), "row 4, code of 'West Herts'"),
        (with_cell("Title sheet", 2, 3, "soon"), "'Last updated' 'soon' is no day"),
        (with_cell("Change Log", 3, 1, "last year"), "'Date' 'last year' is no day"),
        (with_cell("Trusts", 2, 6, 19990401), "RWG closed on 1999-04-01, before it opened on 2000-04-01"),
        (with_cell("Trusts", 2, 5, 20001301), "found '20001301', expected a day"),
        (with_cell("Trusts", 1, 6, None), "only the days opened"),
        (with_cell("NHSE Regions", 3, 1, None), "row 3: found 'EAST OF ENGLAND COMMISSIONING REGION'"),
        (with_cell("LAs", 2, 1, None), "row 2, column 'Code': found None"),
        (with_cell("CCGs", 3, 1, "06N"), "rows 2 and 3: 06N stands twice"),
        ({k: v for k, v in workbook().items() if k != "Closed STP codes"}, "row 3 closes QVP, and no sheet"),
        ({**workbook(), "Pharmacies": [["Chemist", "Street"]]}, "sheet 'Pharmacies': not known"),
        ({k: v for k, v in workbook().items() if k != "Title sheet"}, "0 sheets with the day of the last update"),
    ],
)
def test_a_workbook_of_partners_that_contradicts_itself_is_refused(tmp_path: Path, sheets: Sheets, words: str) -> None:
    assert words in refusal(write_xlsx(tmp_path / "a.xlsx", sheets))


@needs_shared
@pytest.mark.parametrize(
    ("file", "layout", "as_of", "counts"),
    [
        ("eccg.csv", "ods_list_of_commissioners", date(2024, 7, 24), {"organisation": 320}),
        ("etr.csv", "ods_list_of_trusts", date(2024, 11, 1), {"organisation": 273}),
        ("sub-icb-to-icb-2024.csv", "ons_sub_icb_to_icb", date(2024, 4, 1), {"organisation": 42, "membership": 106}),
    ],
)
def test_published_lists(file: str, layout: str, as_of: date, counts: dict[str, int]) -> None:
    extract = read(PUBLISHED / file)
    assert extract.layout == layout
    assert extract.rows["as_of"].unique().to_list() == [as_of]
    assert dict(extract.rows["kind"].value_counts().rows()) == counts


@needs_shared
def test_the_published_stp_partners() -> None:
    extract = read(PUBLISHED / "stp-partner-mapping-2019-04.xlsx")
    assert extract.published_on == date(2019, 4, 3)
    assert extract.caveats == ("sheet 'Current STPs' row 100: RX8 stands without an STP: not read",)
    members = extract.rows.filter(pl.col("kind") == "membership", pl.col("org_role") == "ccg")
    assert members.filter(pl.col("valid_to").is_null()).height == 191
    assert members.filter(pl.col("parent_code") == "QM7")["org_code"].sort().to_list() == ["06K", "06N", "07H"]
    assert members.filter(pl.col("org_code") == "02Q")["parent_code"].to_list() == ["QF7"]
