"""Local returns: periods as people write them, what a row must hold, what a code means, and the template."""

from __future__ import annotations

import csv
import re
from datetime import date
from pathlib import Path

import openpyxl
import pytest
from board_paper import HEADINGS, as_returns, write_returns
from layouts import read_as, refusal_as, write_xlsx

from ccg_pipeline import cli
from ccg_pipeline.extracts.contract import ExtractError
from ccg_pipeline.extracts.local_returns import NEVER_READ, STATUSES, read_period
from ccg_pipeline.landing.catalogue import Catalogue, NotInCatalogueError
from ccg_pipeline.landing.loading import read_extract
from ccg_pipeline.publication.template import EXAMPLES, write_template
from ccg_pipeline.publication.template import HEADINGS as TEMPLATE_HEADINGS
from ccg_pipeline.settings import PROJECT_ROOT

SEEDS = PROJECT_ROOT / "dbt_project" / "seeds"


def a_row(**cells: str) -> dict[str, str]:
    usual = {"indicator_id": "AE_4HR", "org_code": "RWG", "period": "2019-05", "value": "79.9", "status": "final"}
    return dict.fromkeys(HEADINGS, "") | usual | cells


def a_return(folder: Path, *rows: dict[str, str]) -> Path:
    path = folder / "return.csv"
    with open(path, "w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    return path


@pytest.mark.parametrize(
    ("text", "kind", "start", "end", "label"),
    [
        ("2019-05", "month", "2019-05-01", "2019-05-31", "2019-05"),
        ("May-19", "month", "2019-05-01", "2019-05-31", "2019-05"),
        ("2019-05-01 00:00:00", "month", "2019-05-01", "2019-05-31", "2019-05"),
        ("November 2010", "month", "2010-11-01", "2010-11-30", "2010-11"),
        ("2019/20-Q1", "quarter", "2019-04-01", "2019-06-30", "2019/20-Q1"),
        ("2019-20 Q4", "quarter", "2020-01-01", "2020-03-31", "2019/20-Q4"),
        ("Q2 2010-11", "quarter", "2010-07-01", "2010-09-30", "2010/11-Q2"),
        ("2019/20", "financial_year", "2019-04-01", "2020-03-31", "2019/20"),
        ("2010/11", "financial_year", "2010-04-01", "2011-03-31", "2010/11"),
        ("CY 2015", "calendar_year", "2015-01-01", "2015-12-31", "CY 2015"),
        ("Calendar year 2016", "calendar_year", "2016-01-01", "2016-12-31", "CY 2016"),
        ("w/e 2019-04-07", "week", "2019-04-01", "2019-04-07", "w/e 2019-04-07"),
        ("week ending 7 April 2019", "week", "2019-04-01", "2019-04-07", "w/e 2019-04-07"),
        ("2019-05 YTD", "ytd", "2019-04-01", "2019-05-31", "2019-05 YTD"),
        ("2020-02 ytd", "ytd", "2019-04-01", "2020-02-29", "2020-02 YTD"),
    ],
)
def test_periods(text: str, kind: str, start: str, end: str, label: str) -> None:
    period = read_period(text)
    assert (period.kind, str(period.start), str(period.end), period.label) == (kind, start, end, label)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("2010-11", "is a month or a financial year"),
        ("2011-12 YTD", "is a month or a financial year"),
        ("Nov-10", r"Write 2010/11 for the year .* November 2010 for the month"),
        ("2010-11-01 00:00:00", "is a month or a financial year"),
        ("2019/20 YTD", "expected the last month of the year to date"),
        ("2019/21", "expected a month"),
        ("2018/20-Q1", "is no financial year"),
        ("w/e soon", "expected the last day of a week"),
        ("43586", "expected a month"),
        ("Spring 2019", "expected a month"),
        ("2015", r"calendar year \(CY 2019\)"),
        ("2019-05-17 00:00:00", "found the day"),
    ],
)
def test_periods_that_are_none_or_two(text: str, said: str) -> None:
    with pytest.raises(ExtractError, match=said):
        read_period(text)


def test_a_return_is_read_as_stated(tmp_path: Path) -> None:
    extract = read_as(
        "local_returns",
        a_return(
            tmp_path,
            a_row(value="79.90", target="95", note="as printed"),
            a_row(period="2019/20-Q1", value="", numerator="1,234", denominator="2000", status="Provisional"),
            a_row(period="w/e 2019-04-07", value="", status="not_available"),
            a_row(period="2019/20", value="", numerator="0", denominator="0", status="no activity"),
        ),
    )
    columns = ("period_type", "numerator", "denominator", "value", "value_decimals", "target", "status", "note")
    assert extract.rows.select(columns).rows() == [
        ("month", None, None, 79.9, 2, 95.0, "final", "as printed"),
        ("quarter", 1234.0, 2000.0, None, None, None, "provisional", None),
        ("week", None, None, None, None, None, "not available", None),
        ("financial_year", 0.0, 0.0, None, None, None, "no activity", None),
    ]
    assert extract.coverage[0].part == "AE_4HR/RWG/2019-05"
    assert extract.period_end == date(2020, 3, 31)


@pytest.mark.parametrize(
    ("cells", "said"),
    [
        ({"status": "not available"}, "a figure beside 'not available'"),
        ({"status": "no activity", "value": "0"}, "a figure beside 'no activity'"),
        ({"status": "not received", "value": "", "numerator": "0"}, "a figure beside 'not received'"),
        ({"value": ""}, "no figure beside 'final'"),
        ({"status": ""}, "column 'status': found nothing"),
        ({"status": "done"}, "found 'done', expected one of final, provisional"),
        ({"org_code": ""}, "column 'org_code': found nothing"),
        ({"org_level": "trust"}, "found 'trust', expected one of national"),
        ({"unit": "furlongs"}, "found 'furlongs', expected one of percent"),
        ({"value": "79.9%"}, "found '79.9%', expected a number"),
        ({"value": "1e99"}, "no figure beyond"),
        ({"numerator": "-3", "denominator": "4"}, "found -3.0, expected no negative figure"),
        ({"value": "-3", "unit": "count"}, "found -3.0 count, expected no negative figure"),
        ({"denominator": "4"}, "no numerator beside the denominator"),
        ({"numerator": "0", "denominator": "0"}, "a denominator of 0"),
    ],
)
def test_rows_that_contradict_themselves_are_refused(cells: dict[str, str], said: str, tmp_path: Path) -> None:
    refusal = refusal_as("local_returns", a_return(tmp_path, a_row(period="2019-04"), a_row(**cells)))
    assert said in refusal and "row 3" in refusal


def test_unknown_heading_is_named(tmp_path: Path) -> None:
    assert "unknown heading 'trust'" in refusal_as("local_returns", a_return(tmp_path, a_row() | {"trust": "x"}))


def test_a_missing_heading_is_named(tmp_path: Path) -> None:
    row = a_row()
    del row["status"]
    assert "heading 'status' missing" in refusal_as("local_returns", a_return(tmp_path, row))


def test_the_same_figure_twice_is_refused(tmp_path: Path) -> None:
    refusal = refusal_as("local_returns", a_return(tmp_path, a_row(), a_row(period="May 2019", value="80")))
    assert "rows 2, 3" in refusal and "more than once" in refusal


def test_a_return_cut_off_in_its_last_figure_is_refused(tmp_path: Path) -> None:
    columns = ("indicator_id", "org_code", "period", "status", "value")
    path = a_return(tmp_path, {c: a_row()[c] for c in columns})
    path.write_bytes(path.read_bytes().rstrip()[:-2])
    assert "may be cut off in its last row" in refusal_as("local_returns", path)


def test_money_may_be_negative_and_counts_may_not(tmp_path: Path) -> None:
    rows = looked_up(a_return(tmp_path, a_row(indicator_id="MONEY", value="-206"))).rows
    assert rows["value"].to_list() == [-206.0]
    with pytest.raises(ExtractError, match="for AE_4HR, expected no negative figure"):
        looked_up(a_return(tmp_path, a_row(value="-206")))


def test_sheets_of_the_template_are_not_data_and_other_sheets_must_be(tmp_path: Path) -> None:
    table = [list(HEADINGS), [a_row()[h] or None for h in HEADINGS]]
    examples = [[f"Examples {NEVER_READ}"], *table]
    good = write_xlsx(tmp_path / "a.xlsx", {"Returns": table, "Examples": examples, "Empty": []})
    assert read_as("local_returns", good).rows.height == 1
    stray = write_xlsx(tmp_path / "b.xlsx", {"Returns": table, "More": [["indicator", "organisation"], ["x", "y"]]})
    assert "sheet 'More': no row of headings" in refusal_as("local_returns", stray)


CATALOGUE = Catalogue(
    units={"AE_4HR": "percent", "PTS2": "percent", "MSK2": "percent", "MONEY": "gbp_thousands"},
    local_codes={("RYC", "lqr2"): "PTS2", ("CONNECT", "lqr2"): "MSK2"},
    levels={
        "E10000015": [("hwb", date(1900, 1, 1), date(9999, 12, 31))],
        "RWG": [("provider", date(1900, 1, 1), date(9999, 12, 31))],
        "06N": [
            ("ccg", date(2013, 4, 1), date(2022, 6, 30)),
            ("sub_icb", date(2022, 7, 1), date(9999, 12, 31)),
        ],
    },
)


def looked_up(path: Path):
    return CATALOGUE.looked_up(read_as("local_returns", path))


def test_csv_and_workbook_say_the_same(sample_raw: Path, tmp_path: Path) -> None:
    path = next((sample_raw / "local_returns").iterdir())
    with open(path, encoding="utf-8", newline="") as file:
        lines = list(csv.reader(file))
    number = re.compile(r"-?\d+(\.\d+)?")
    cells = [[float(c) if number.fullmatch(c) else c or None for c in line] for line in lines]
    book = write_xlsx(tmp_path / "return.xlsx", {"May": cells[:50], "June": [cells[0], *cells[50:]]})
    of_sheets = ("source_sheet", "source_row", "value_decimals")
    from_text, from_book = (read_extract(p, p.name).rows.drop(of_sheets).sort("slice") for p in (path, book))
    assert from_text.height == len(lines) - 1
    assert from_text.equals(from_book)


def test_a_return_of_parts_needs_no_value_column(tmp_path: Path) -> None:
    row = a_row(numerator="3", denominator="4")
    del row["value"]
    assert read_as("local_returns", a_return(tmp_path, row)).rows["value"].to_list() == [None]


def test_local_codes_are_unique_only_within_a_provider(tmp_path: Path) -> None:
    rows = looked_up(
        a_return(
            tmp_path,
            a_row(indicator_id="LQR 2", provider_code="ryc"),
            a_row(indicator_id="lqr2", provider_code="CONNECT"),
        )
    ).rows
    assert rows["indicator_id"].to_list() == ["PTS2", "MSK2"]
    with pytest.raises(ExtractError, match=r"unique only within a provider.*CONNECT, RYC"):
        looked_up(a_return(tmp_path, a_row(indicator_id="LQR2")))


def test_one_figure_under_two_codes_is_refused(tmp_path: Path) -> None:
    twice = a_return(tmp_path, a_row(indicator_id="PTS2"), a_row(indicator_id="LQR2", provider_code="RYC"))
    with pytest.raises(ExtractError, match="PTS2/provider/RWG/2019-05 stands more than once"):
        looked_up(twice)


def test_level_is_that_of_the_time(tmp_path: Path) -> None:
    rows = looked_up(a_return(tmp_path, a_row(org_code="06N"), a_row(org_code="06N", period="2022-07"))).rows
    assert rows["org_level"].to_list() == ["ccg", "sub_icb"]


@pytest.mark.parametrize(
    ("cells", "said"),
    [
        ({"indicator_id": "AE_4HRS"}, r"'AE_4HRS' is not in the catalogue \(nearest: AE_4HR\)"),
        ({"indicator_id": "LQR3", "provider_code": "RYC"}, "'LQR3' of RYC is not in the catalogue"),
        ({"org_code": "RWX"}, "organisation 'RWX' is not in the catalogue"),
    ],
)
def test_what_the_catalogue_does_not_have_is_told(cells: dict[str, str], said: str, tmp_path: Path) -> None:
    with pytest.raises(NotInCatalogueError, match=said):
        looked_up(a_return(tmp_path, a_row(**cells)))


def test_an_organisation_outside_the_catalogue_needs_its_level(tmp_path: Path) -> None:
    rows = looked_up(a_return(tmp_path, a_row(org_code="E82001", org_level="practice"))).rows
    assert rows["org_level"].to_list() == ["practice"]
    county = looked_up(a_return(tmp_path, a_row(org_code="E10000015", org_level="local_authority"))).rows
    assert county["org_level"].to_list() == ["local_authority"]
    with pytest.raises(ExtractError, match="RWG is provider in the catalogue, not ccg"):
        looked_up(a_return(tmp_path, a_row(org_level="ccg")))


def test_a_period_that_has_not_begun_is_refused(tmp_path: Path) -> None:
    for period in ("2098-05", "2098/99", "2098/99-Q1"):
        with pytest.raises(ExtractError, match="has not been yet"):
            read_extract(a_return(tmp_path, a_row(period=period)), "return.csv")
    with pytest.raises(ExtractError, match="2098-03 YTD has not been yet"):
        looked_up(a_return(tmp_path, a_row(period="2098-03 YTD")))
    this_year = date.today().year - (date.today().month < 4)
    forecast = a_return(tmp_path, a_row(period=f"{this_year}/{(this_year + 1) % 100:02}"))
    assert looked_up(forecast).rows["period_type"].to_list() == ["financial_year"]


def test_template_filled_in_loads_and_its_examples_are_not_data(tmp_path: Path) -> None:
    path = tmp_path / "template.xlsx"
    write_template(path, SEEDS)
    assert "no row follows" in refusal_as("local_returns", path)
    book = openpyxl.load_workbook(path)
    examples = [[cell.value for cell in row] for row in book["Examples"].iter_rows(min_row=2)]
    assert examples[0] == list(TEMPLATE_HEADINGS) and len(examples) == 1 + len(EXAMPLES)
    for row in examples[1:]:
        book["Returns"].append(row)
    book.save(tmp_path / "filled.xlsx")
    extract = read_extract(tmp_path / "filled.xlsx", "filled.xlsx")
    assert extract.rows["source_sheet"].unique().to_list() == ["Returns"]
    columns = ("indicator_id", "org_code", "org_level", "period", "numerator", "denominator", "value", "status")
    assert extract.rows.select(columns).rows() == [
        ("MH03_IAPT_6W", "06N", "ccg", "2019-05", None, None, 90.6, "final"),
        ("PTS4_COLLECTION_60M", "EEAST_NEPTS", "service", "2019-05", 412.0, 530.0, None, "provisional"),
        ("BCF_NONELECTIVE_ADMISSIONS", "E10000015", "hwb", "2018/19-Q4", None, None, 29855.0, "final"),
        ("LONG_STAY_21D", "RWG", "provider", "w/e 2019-04-07", None, None, 87.0, "final"),
        ("AE_4HR", "RWG", "provider", "2019-05 YTD", None, None, 80.5, "final"),
        ("MH05_DEMENTIA_DIAGNOSIS", "E82001", "practice", "2018/19", None, None, None, "not received"),
        ("CAMHS4_TARGETED_28D", "06N", "ccg", "2018-04", None, None, None, "no activity"),
    ]


def test_template_offers_the_catalogue_and_the_statuses(tmp_path: Path) -> None:
    path = tmp_path / "template.xlsx"
    write_template(path, SEEDS)
    book = openpyxl.load_workbook(path)
    offered = {
        str(v.sqref).rstrip("0123456789").split(":")[0]: v for v in book["Returns"].data_validations.dataValidation
    }
    by_heading = {cell.value: offered[f"{cell.column_letter}2"] for cell in book["Returns"][1]}
    assert by_heading["status"].formula1.strip('"').split(",") == list(STATUSES)
    ids = [row[0].value for row in book["Indicators"].iter_rows(min_row=3)]
    assert by_heading["indicator_id"].formula1 == f"Indicators!$A$3:$A${len(ids) + 2}"
    with open(SEEDS / "indicators.csv", encoding="utf-8", newline="") as file:
        assert ids == [row["indicator_id"] for row in csv.DictReader(file)]
    assert "2019/20-Q1" in by_heading["period"].prompt


def test_template_as_csv_and_never_over_a_file(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "template.csv"
    assert cli.run(["template", "--out", str(path)]) == 0
    assert path.read_text(encoding="utf-8").strip().split(",") == list(TEMPLATE_HEADINGS)
    assert cli.run(["template", "--out", str(path)]) == 2
    assert cli.run(["template", "--out", str(tmp_path / "template.pdf")]) == 2
    assert cli.run(["template", "--out", str(tmp_path / "nowhere" / "template.xlsx")]) == 2
    assert "is there already" in capsys.readouterr().err


def test_standards_of_the_catalogue_stand_in_one_place() -> None:
    with open(SEEDS / "indicators.csv", encoding="utf-8", newline="") as file:
        own = {row["indicator_id"] for row in csv.DictReader(file) if row["standard"]}
    with open(SEEDS / "standards.csv", encoding="utf-8", newline="") as file:
        listed = {row["indicator_id"] for row in csv.DictReader(file)}
    assert own and not own & listed


def test_board_paper_goes_in_through_the_template(shared: Path, tmp_path: Path) -> None:
    tables = shared / "reference" / "board_paper_2019"
    returns = write_returns(tables, tmp_path)
    printed = 0
    for name in returns.rows:
        with open(tables / f"{name}.csv", encoding="utf-8", newline="") as file:
            printed += sum(1 for _ in csv.DictReader(file)) if name != "finance" else 0
    assert returns.row_count - len(returns.rows["finance"]) + returns.repeats == printed
    assert len(returns.rows["finance"]) == 2 * 44 - 1 + 4 + 5 + 28 + 16
    read = [read_extract(path, path.name) for path in sorted(tmp_path.glob("*.csv"))]
    assert sum(extract.rows.height for extract in read) == returns.row_count
    assert {extract.dataset for extract in read} == {"local_returns"}
    unsure = [row for rows in as_returns(tables).rows.values() for row in rows if "UNSURE" in row["note"]]
    assert unsure and all(row["status"] in ("final", "not available", "not applicable") for row in unsure)
