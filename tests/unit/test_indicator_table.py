import csv
import io
from collections.abc import Iterator
from datetime import date
from pathlib import Path

import duckdb
import openpyxl
import pytest

from ccg_pipeline.publication.indicators import (
    Selection,
    UnknownNameError,
    as_published,
    render,
    shown,
    verdict,
    why_nothing,
    write,
)

ROW = {
    "indicator_id": "RTT_INCOMPLETE_18W",
    "org_code": "06N",
    "period": "2019-05",
    "numerator": 9196,
    "denominator": 10000,
    "value": 91.96,
    "unit": "percent",
    "comparator": ">=",
    "standard": 92,
    "is_met": False,
    "excess_breaches": 4,
    "other_comparator": None,
    "other_standard": None,
    "is_other_met": None,
    "ytd_numerator": None,
    "ytd_denominator": None,
    "ytd_value": None,
    "ytd_caveat": "no year to date: no figures for April 2019; rounded",
    "source": "derived",
    "edition": "provisional",
    "caveat": None,
    "extract_ids": ["ab"],
}


def test_percentages_round_half_up_from_the_exact_fraction() -> None:
    assert shown(91.96, 9196, 10000, "percent") == "92.0 %"
    assert shown(82.25, 329, 400, "percent") == "82.3 %"
    assert shown(79.85, 1597, 2000, "percent") == "79.9 %"
    assert shown(100.0, 16, 16, "percent") == "100.0 %"


def test_counts_and_missing_values() -> None:
    assert shown(13127.0, 13127, None, "count") == "13,127"
    assert shown(0.0, 0, None, "days") == "0"
    assert shown(None, None, None, "percent") == "no value"


def test_a_value_shown_as_the_standard_may_still_not_meet_it() -> None:
    table = render([ROW], "table")
    assert "92.0 %" in table
    assert "not met, 4 in excess" in table
    assert table.rstrip().endswith("provisional; no year to date: no figures for April 2019")


def test_what_was_not_judged_is_told_apart_from_what_has_no_standard() -> None:
    assert verdict({**ROW, "standard": None, "is_met": None}) == "no standard"
    assert verdict({**ROW, "is_met": None}) == "not judged"
    assert verdict({**ROW, "is_met": True}) == "met"


def test_a_reported_value_says_so_and_has_no_excess_without_its_parts() -> None:
    row = {**ROW, "source": "reported", "edition": "final", "numerator": None, "denominator": None}
    table = render([{**row, "excess_breaches": None, "ytd_caveat": None, "caveat": "as printed"}], "table")
    assert "92.0 %" in table
    assert ">= 92     not met " in table
    assert table.rstrip().endswith("reported; as printed")
    assert shown(0.045, None, None, "ratio") == "0.05"


@pytest.mark.parametrize(("is_met", "said"), [(True, "met"), (False, "not met"), (None, "not judged")])
def test_what_the_other_standard_says_stands_beside_one_of_its_own(is_met: bool | None, said: str) -> None:
    own = {"standard": 90, "is_met": True, "other_comparator": ">=", "other_standard": 92, "is_other_met": is_met}
    table = render([{**ROW, **own, "ytd_caveat": None}], "table")
    assert ">= 90     met " in table
    assert table.rstrip().endswith(f"a standard of its own; by >= 92 {said}; provisional")


def test_machine_formats_are_unrounded() -> None:
    assert "91.96" in render([ROW], "csv")
    assert '"value": 91.96' in render([ROW], "json")


def test_no_text_is_taken_for_a_formula(tmp_path: Path) -> None:
    hostile = {**ROW, "caveat": '=HYPERLINK("x")', "comparator": "=", "value": -0.716, "unit": "count"}
    (line,) = csv.DictReader(io.StringIO(render([hostile], "csv")))
    assert (line["caveat"], line["comparator"], line["value"]) == (' =HYPERLINK("x")', "=", "-0.716")
    write([hostile], "xlsx", tmp_path / "table.xlsx")
    headings, cells = openpyxl.load_workbook(tmp_path / "table.xlsx").active.iter_rows(values_only=True)
    row = dict(zip(headings, cells, strict=True))
    assert (row["caveat"], row["comparator"], row["value"]) == (' =HYPERLINK("x")', " =", -0.716)


@pytest.fixture
def publication() -> Iterator[duckdb.DuckDBPyConnection]:
    """Two indicators: one by commissioner over two months, one by provider; an organisation without values."""
    con = duckdb.connect()
    con.execute("CREATE SCHEMA marts")
    con.execute(
        "CREATE TABLE marts.dim_organisations AS FROM (VALUES ('06N', 'ccg'), ('RWG', 'provider'), ('06K', 'ccg')) "
        "t(org_code, org_level)"
    )
    con.execute("CREATE TABLE marts.dim_indicators AS FROM (VALUES ('RTT_52W'), ('AE_4HR'), ('MSA')) t(indicator_id)")
    con.execute(
        "CREATE TABLE marts.dim_indicator_sets AS FROM (VALUES ('constitution', 'RTT_52W'), "
        "('constitution', 'AE_4HR'), ('urgent', 'AE_4HR'), ('quality', 'MSA')) t(set_id, indicator_id)"
    )
    con.execute(
        "CREATE TABLE marts.fct_standard_comparisons AS FROM (VALUES "
        "('RTT_52W', '06N', 'ccg', 'month', DATE '2019-04-01', DATE '2019-04-30'), "
        "('RTT_52W', '06N', 'ccg', 'month', DATE '2019-05-01', DATE '2019-05-31'), "
        "('AE_4HR', 'RWG', 'provider', 'month', DATE '2019-05-01', DATE '2019-05-31')) "
        "t(indicator_id, org_code, org_level, period_type, period_start, period_end)"
    )
    yield con
    con.close()


def test_names_are_found_in_any_case(publication: duckdb.DuckDBPyConnection) -> None:
    asked = Selection("06n", None, "rtt_52w", "Constitution")
    assert as_published(publication, asked) == Selection("06N", None, "RTT_52W", "constitution")


@pytest.mark.parametrize(
    ("selection", "words"),
    [
        (Selection(org_code="06M"), "no organisation '06M' is published; near it are 06N, 06K"),
        (Selection(indicator_id="RTT_25W"), "no indicator 'RTT_25W' is published; near it are RTT_52W"),
        (Selection(indicator_set="all"), "no indicator set 'all' is published: one of constitution, quality, urgent"),
        (Selection(indicator_set="urge"), "no indicator set 'urge' is published: one of constitution, quality, urgent"),
    ],
)
def test_an_unknown_name_is_told_with_those_near_it(
    publication: duckdb.DuckDBPyConnection, selection: Selection, words: str
) -> None:
    with pytest.raises(UnknownNameError) as error:
        as_published(publication, selection)
    assert str(error.value) == words


@pytest.mark.parametrize(
    ("selection", "words"),
    [
        (
            Selection("06N", date(2018, 1, 1), "RTT_52W"),
            "no values of RTT_52W for 06N in 2018-01; there are some from 2019-04 to 2019-05",
        ),
        (
            Selection(period=date(2018, 1, 1)),
            "no values of any indicator for any organisation in 2018-01; there are some from 2019-04 to 2019-05",
        ),
        (
            Selection("06N", None, "AE_4HR"),
            "06N has no values of AE_4HR in any period; values of it are published by provider",
        ),
        (Selection("06N", None, "MSA"), "06N has no values of MSA in any period; nobody has any"),
        (Selection("06K"), "06K has no values of any indicator in any period"),
        (Selection(indicator_set="quality"), "no values of the set quality are published in any period"),
    ],
)
def test_a_selection_without_values_says_what_has_none(
    publication: duckdb.DuckDBPyConnection, selection: Selection, words: str
) -> None:
    assert why_nothing(publication, selection) == words
