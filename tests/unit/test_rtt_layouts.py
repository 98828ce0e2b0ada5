"""RTT in every layout: small files written here, and the published ones where they are at hand."""

import csv
import io
from datetime import date
from functools import partial
from pathlib import Path

import polars as pl
import pytest
from layouts import SHARED, Cell, Sheets, needs_shared, read_as, refusal_as, write_xls, write_xlsx

from ccg_pipeline.extracts.contract import Coverage, Extract

BANDS = [f">{w}-{w + 1}" for w in range(52)] + ["52 plus"]


read = partial(read_as, "rtt")
refusal = partial(refusal_as, "rtt")


def weeks(within: int, after: int, over_year: int) -> list[int]:
    """53 bands: all within in the first, all after in the nineteenth, the rest in the last."""
    return [within, *[0] * 17, after, *[0] * 33, over_year]


def add(*rows: list[int]) -> list[int]:
    return [sum(cells) for cells in zip(*rows, strict=True)]


# ---------------------------------------------------------------- 2009-10: PCTs, period only in the title

PCT_ROWS = {
    ("Q33", "5ET", "BASSETLAW PCT"): {"IP100": weeks(80, 15, 5), "IPX01": weeks(10, 0, 0)},
    ("- ", "YDD82", "NATIONAL COMMISSIONING GROUP"): {"IP100": weeks(1, 0, 0), "IPX01": weeks(0, 0, 1)},
}


def pct_workbook(title: str, within_18: bool = True, totals: bool = True, header_row: int = 6) -> Sheets:
    front: list[list[Cell]] = [["18 Weeks Monthly Referral to Treatment (RTT) Waiting Times"], [title]]
    front += [[] for _ in range(header_row - 3)]
    last = ["Total number of incomplete pathways"] + (["Total within 18 weeks", "% within 18 weeks"] * within_18)

    def tail(bands: list[int]) -> list[Cell]:
        counts: list[Cell] = [*bands, sum(bands)]
        return [*counts, sum(bands[:18]), sum(bands[:18]) / max(sum(bands), 1)] if within_18 else counts

    pct = [
        *front,
        ["SHA Code", "PCT Code", "PCT Name", "Treatment Function Code", "Treatment Function", *BANDS, *last],
    ]
    england: dict[str, list[int]] = {}
    for org, functions in PCT_ROWS.items():
        rows = {**functions, "IP999": add(*functions.values())} if totals else functions
        for function, bands in rows.items():
            pct.append([*org, function, function, *tail(bands)])
        for function, bands in {**functions, "IP999": add(*functions.values())}.items():
            england[function] = add(england[function], bands) if function in england else bands
    national = [*front, ["Treatment Function Code", "Treatment Function", *BANDS, *last]]
    national += [[function, function, *tail(bands)] for function, bands in england.items()]
    summary: list[list[Cell]] = [
        ["Monthly Referral to Treatment (RTT) Waiting Times"],
        [None],
        ["May 2010 - Commissioner-based data - RTT waiting times for incomplete pathways"],
        ["SHA Code", "SHA Name", "Average (median) waiting time (in weeks)"],
        ["Q33", "EAST MIDLANDS", 5.5],
        ["5ET", "BASSETLAW PCT", 5.5],
    ]
    return {"National": national, "SHA & PCT summary": summary, "PCT": pct, "Guidance": [["text"]]}


@pytest.mark.parametrize("header_row", [6, 7])
@pytest.mark.parametrize("within_18", [True, False])
def test_pct_workbook(tmp_path: Path, header_row: int, within_18: bool) -> None:
    title = "December 2009 Commissioner returns - RTT times for incomplete pathways"
    extract = read(write_xls(tmp_path / "dh.xls", pct_workbook(title, within_18, header_row=header_row)))
    assert extract.layout == "rtt_pct_workbook_53_bands"
    assert extract.coverage == (Coverage("commissioner", "part_2", date(2009, 12, 1)),)
    total = extract.rows.filter((pl.col("commissioner_code") == "5ET") & pl.col("is_total")).row(0, named=True)
    assert total["pathways"] == 110
    assert total["week_bands"] == weeks(90, 15, 5)
    assert total["provider_code"] is None
    parents = extract.rows["commissioner_parent_code"].unique(maintain_order=True).to_list()
    assert parents == ["Q33", None]
    assert total["source_row"] == header_row + 3


def test_pct_workbook_without_totals_keeps_its_parts(tmp_path: Path) -> None:
    title = "May 2010 Commissioner returns - RTT times for incomplete pathways"
    extract = read(write_xls(tmp_path / "dh.xls", pct_workbook(title, totals=False)))
    assert extract.rows.height == 4
    assert not extract.rows["is_total"].any()


def test_pct_workbook_that_lacks_some_totals_is_refused(tmp_path: Path) -> None:
    sheets = pct_workbook("May 2010 Commissioner returns - RTT times for incomplete pathways")
    sheets["PCT"].pop()
    assert "no total row (treatment function 999) for YDD82" in refusal(write_xls(tmp_path / "dh.xls", sheets))


def test_pct_workbook_must_add_to_england(tmp_path: Path) -> None:
    sheets = pct_workbook("May 2010 Commissioner returns - RTT times for incomplete pathways")
    sheets["PCT"] = sheets["PCT"][:-3]
    assert "England of IP100 gives 101 for 'total number', its rows add to 100" in refusal(
        write_xls(tmp_path / "dh.xls", sheets)
    )


def test_adjusted_pathways_are_another_part(tmp_path: Path) -> None:
    title = "May 2010 Commissioner returns - RTT times for completed admitted pathways adjusted"
    assert "is not of incomplete pathways" in refusal(write_xls(tmp_path / "dh.xls", pct_workbook(title)))


def test_sheets_of_two_months_are_refused(tmp_path: Path) -> None:
    sheets = pct_workbook("May 2010 Commissioner returns - RTT times for incomplete pathways")
    sheets["PCT"][1] = ["June 2010 Commissioner returns - RTT times for incomplete pathways"]
    assert "part_2 of June 2010" in refusal(write_xls(tmp_path / "dh.xls", sheets))


# ---------------------------------------------------------------- provider workbooks

NHS = {"RWG": {"C_100": weeks(70, 20, 10), "C_110": weeks(5, 5, 0)}}
INDEPENDENT = {"NT301": {"C_100": weeks(9, 1, 0), "C_110": weeks(0, 0, 0)}}


def provider_workbook(
    england_less: int = 0, code: str = "Provider Code", title_row: bool = False, again: bool = False
) -> Sheets:
    def front(level: str) -> list[list[Cell]]:
        if title_row:
            return [
                ["Monthly Referral to Treatment (RTT) Waiting Times"],
                ["May 2010 Provider returns - RTT times for incomplete pathways"],
                [],
            ]
        return [
            [],
            [None, "Title:", "Referral to Treatment (RTT) Waiting Times"],
            [None, "Summary:", "Monthly Referral to Treatment (RTT) waiting times for incomplete pathways."],
            [],
            [None, "Period:", "December 2018"],
            [None, "Basis:", "Provider"],
            [None, "Published:", "14th February 2019"],
            [None, "Revised:", "-"],
            [],
            [None, level],
            [],
            [],
            [],
        ]

    pad: list[Cell] = [] if title_row else [None]
    last = ["Total number of incomplete pathways", "Total within 18 weeks", "% within 18 weeks"]

    def tail(bands: list[int]) -> list[Cell]:
        return [*bands, sum(bands), sum(bands[:18]), sum(bands[:18]) / max(sum(bands), 1)]

    name = code.replace("Code", "Name")
    sheets: Sheets = {}
    england: dict[str, list[int]] = {}
    for sheet, providers in (("Provider", NHS | (INDEPENDENT if again else {})), ("IS Provider", INDEPENDENT)):
        rows = [
            *front(f"{sheet} Level Data"),
            [*pad, "Region Code", code, name, "Treatment Function Code", "Treatment Function", *BANDS, *last],
        ]
        for org, functions in providers.items():
            for function, bands in {**functions, "C_999": add(*functions.values())}.items():
                rows.append([*pad, "Y56", org, f"TRUST {org}", function, function, *tail(bands)])
                if not (again and sheet == "IS Provider"):
                    england[function] = add(england[function], bands) if function in england else bands
        sheets[sheet] = rows
    for function in ("C_100", "C_999"):
        england[function] = [england[function][0] - england_less, *england[function][1:]]
    national = [*front("National Level Data"), [*pad, "Treatment Function Code", "Treatment Function", *BANDS, *last]]
    national += [[*pad, function, function, *tail(bands)] for function, bands in england.items()]
    return {"National": national, **sheets}


@pytest.mark.parametrize("code", ["Provider Code", "Org Code"])
def test_provider_workbook(tmp_path: Path, code: str) -> None:
    extract = read(write_xlsx(tmp_path / "p.xlsx", provider_workbook(code=code)))
    assert extract.layout == "rtt_provider_workbook_53_bands"
    assert extract.coverage == (Coverage("provider", "part_2", date(2018, 12, 1)),)
    assert extract.published_on == date(2019, 2, 14)
    assert extract.edition == "unknown"
    totals = extract.rows.filter("is_total").select("source_sheet", "provider_code", "provider_name", "pathways")
    assert totals.rows() == [("Provider", "RWG", "TRUST RWG", 110), ("IS Provider", "NT301", "TRUST NT301", 10)]
    assert extract.rows["commissioner_code"].is_null().all()
    assert extract.caveats == ()


def test_provider_workbook_to_2010(tmp_path: Path) -> None:
    extract = read(write_xls(tmp_path / "p.xls", provider_workbook(title_row=True)))
    assert extract.coverage == (Coverage("provider", "part_2", date(2010, 5, 1)),)
    assert extract.rows["provider_code"].unique(maintain_order=True).to_list() == ["RWG", "NT301"]


def test_a_provider_on_two_sheets_counts_once(tmp_path: Path) -> None:
    extract = read(write_xlsx(tmp_path / "p.xlsx", provider_workbook(again=True)))
    assert extract.rows.filter("is_total").height == 2


def test_providers_may_have_pathways_from_outside_england(tmp_path: Path) -> None:
    extract = read(write_xlsx(tmp_path / "p.xlsx", provider_workbook(england_less=2)))
    assert extract.caveats == (
        "providers add to 2 pathways more than England: patients commissioned from outside England",
    )


@pytest.mark.parametrize("england_less", [-1, 40])
def test_providers_must_add_to_england(tmp_path: Path, england_less: int) -> None:
    path = write_xlsx(tmp_path / "p.xlsx", provider_workbook(england_less=england_less))
    assert "its rows add to" in refusal(path)


def test_sheets_of_decisions_to_admit_are_part_2a(tmp_path: Path) -> None:
    sheets = provider_workbook()
    del sheets["IS Provider"]
    sheets["Provider with DTA"] = sheets["Provider"]
    own = [row for row in sheets["Provider"][14:]]
    sheets["National"] = sheets["National"][:14] + [[None, *row[4:]] for row in own]
    sheets["National with DTA"] = sheets["National"]
    extract = read(write_xlsx(tmp_path / "p.xlsx", sheets))
    assert [c.part for c in extract.coverage] == ["part_2", "part_2a"]
    assert extract.rows.group_by("part").len().sort("part").rows() == [("part_2", 3), ("part_2a", 3)]


# ---------------------------------------------------------------- full extracts to September 2017

ORGANISATIONS = [
    "Provider Parent Org Code",
    "Provider Parent Name",
    "Provider Org Code",
    "Provider Org Name",
    "Commissioner Parent Org Code",
    "Commissioner Parent Name",
    "Commissioner Org Code",
    "Commissioner Org Name",
]
FULL_BANDS = [f"Gt {w:02d} To {w + 1:02d} Weeks SUM 1" for w in range(52)] + ["Gt 52 Weeks SUM 1"]
FULL_TOTALS = ["Total", "Patients with unknown clock start date", "Total All"]
ORG = ["Y58", "SOUTH", "RWG", "WEST HERTS", "Q79", "EAST", "06N", "NHS HERTS VALLEYS CCG"]


def old_extract(
    path: Path,
    parts: dict[str, list[str]],
    year: str = "2016-17",
    month: str = "JANUARY",
    functions: tuple[str, str] = ("Treatment Function Code", "Treatment Function Name"),
    stray: str = "",
) -> Path:
    """``parts``: the headings about the RTT part, with their cells for incomplete and for admitted pathways."""
    out = io.StringIO()
    writer = csv.writer(out)
    writer.writerow(["Consultant-led Referral to Treatment Waiting Times"])
    writer.writerow(["Period: as below"])
    header = ["Year", "Period Name", *ORGANISATIONS, *parts, *functions, *FULL_BANDS, *FULL_TOTALS]
    writer.writerow([*header, "", ""])
    for which, unknown in ((0, None), (1, 2)):
        for function, bands in (
            ("C_100", weeks(70, 20, 10)),
            ("C_110", weeks(5, 5, 0)),
            ("C_999", weeks(75, 25, 10)),
        ):
            missing = None if unknown is None else (unknown if function != "C_110" else 0)
            known = None if unknown is None else sum(bands)
            cells = [cells[which] for cells in parts.values()]
            totals = [known, missing, sum(bands) + (missing or 0)]
            writer.writerow([year, month, *ORG, *cells, function, "name", *bands, *totals, stray, ""])
    path.write_text(out.getvalue(), encoding="utf-8")
    return path


CODES, TEXTS = ["Part_2", "PART_1A"], ["Incomplete Pathways", "Completed Pathways For Admitted Patients"]


@pytest.mark.parametrize(
    "parts",
    [
        {"RTT Part Name": CODES, "RTT Part Description": TEXTS},
        {"RTT Part Type": CODES, "RTT Part Name": TEXTS},
        {"RTT Part Name": CODES},
        {"RTT Part Type": CODES, "RTT Part Name": CODES, "RTT Part Description": TEXTS},
    ],
)
def test_full_extract_to_september_2017(tmp_path: Path, parts: dict[str, list[str]]) -> None:
    extract = read(old_extract(tmp_path / "old.csv", parts))
    assert extract.layout == "rtt_full_to_2017_09_53_bands"
    assert extract.coverage == tuple(
        Coverage(view, part, date(2017, 1, 1))
        for view in ("commissioner", "provider")
        for part in ("part_1a", "part_2")
    )
    totals = extract.rows.filter("is_total").select("part", "pathways", "pathways_with_unknown_start", "source_row")
    assert totals.rows() == [("part_2", 110, None, 6), ("part_1a", 112, 2, 9)]
    assert extract.rows["commissioner_code"].unique().to_list() == ["06N"]


@pytest.mark.parametrize(
    ("year", "month", "start"),
    [
        ("2016-17", "APRIL", date(2016, 4, 1)),
        ("2015/16", "March", date(2016, 3, 1)),
        ("2017", "MAY 2017", date(2017, 5, 1)),
    ],
)
def test_month_of_a_financial_year(tmp_path: Path, year: str, month: str, start: date) -> None:
    path = old_extract(tmp_path / "old.csv", {"RTT Part Name": CODES}, year=year, month=month)
    assert read(path).period_start == start


def test_full_extract_of_july_2016_has_the_code_under_the_name(tmp_path: Path) -> None:
    functions = ("Treatment Function Name", "Treatment Function Description")
    extract = read(old_extract(tmp_path / "old.csv", {"RTT Part Name": CODES}, month="JULY", functions=functions))
    assert extract.layout == "rtt_full_2016_07_53_bands"
    assert sorted(extract.rows["treatment_function_code"].unique()) == ["C_100", "C_110", "C_999"]


def test_contradicting_parts_are_refused(tmp_path: Path) -> None:
    path = old_extract(tmp_path / "old.csv", {"RTT Part Name": CODES, "RTT Part Description": TEXTS[::-1]})
    assert "row 4: RTT part 'Part_2' / 'Completed Pathways For Admitted Patients'" in refusal(path)


def test_cells_without_heading_are_refused(tmp_path: Path) -> None:
    path = old_extract(tmp_path / "old.csv", {"RTT Part Name": CODES}, stray="7")
    assert "row 4: column 70 holds '7' and has no heading" in refusal(path)


# ---------------------------------------------------------------- the published files


def published(name: str) -> Extract:
    return read(next(Path(SHARED, "data", "rtt").glob(name)))


@needs_shared
@pytest.mark.parametrize(
    ("name", "start", "pcts", "england", "within_18", "over_52"),
    [
        ("dh_112606*", date(2009, 12, 1), 153, 2365316, 2128078, 20792),
        ("dh_117441*", date(2010, 5, 1), 152, 2573895, 2364484, 18458),
    ],
)
def test_published_pct_workbooks(name: str, start: date, pcts: int, england: int, within_18: int, over_52: int) -> None:
    extract = published(name)
    totals = extract.rows.filter("is_total")
    assert extract.period_start == start
    assert totals.height == pcts
    assert totals["pathways"].sum() == england
    assert totals["week_bands"].list.head(18).list.sum().sum() == within_18
    assert totals["week_bands"].list.last().sum() == over_52


@needs_shared
def test_published_december_2024() -> None:
    extract = published("Admitted-Commissioner-Dec24*")
    totals = extract.rows.filter("is_total")
    assert set(extract.rows["source_sheet"]) == {"Sub-ICB"}
    assert (totals.height, totals["pathways"].sum()) == (128, 275133)
    assert totals["week_bands"].list.head(18).list.sum().sum() == 171134
