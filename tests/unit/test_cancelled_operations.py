"""Cancelled operations (QMCO): provider workbook and England's quarters, written here and as published."""

from datetime import date
from functools import partial
from pathlib import Path

import polars as pl
import pytest
from layouts import SHARED, Row, needs_shared, read_as, refusal_as, write_xlsx

from ccg_pipeline.extracts.contract import Coverage
from ccg_pipeline.extracts.periods import parse_quarter

read = partial(read_as, "cancelled_operations")
refusal = partial(refusal_as, "cancelled_operations")


@pytest.mark.parametrize(
    ("text", "start"),
    [
        ("Quarter 2, 2024-25 (July to September 2024)", date(2024, 7, 1)),
        ("Q4 2019/20", date(2020, 1, 1)),
        ("2018-19 Q1", date(2018, 4, 1)),
        ("July to September 2024", date(2024, 7, 1)),
        ("January to March 2025", date(2025, 1, 1)),
        ("Quarter 3, 2024-25 (July to September 2024)", None),
        ("August to October 2024", None),
        ("1994/95 - Q3 2019/20 (Quarterly)", date(2019, 10, 1)),
        ("2024-25", None),
        (None, None),
    ],
)
def test_quarters(text: str | None, start: date | None) -> None:
    assert parse_quarter(text) == start


def provider_workbook(without: tuple[int, int] = (100, 12), with_: tuple[int, int] = (105, 14)) -> dict[str, list[Row]]:
    front: list[Row] = [
        [],
        [None, "Title:", "Cancelled Operations (elective only)"],
        [],
        [None, "Period:", "Quarter 2, 2024-25 (July to September 2024)"],
        [None, "Published:", "14th November 2024"],
        [None, "Revised:", "-"],
        *[[] for _ in range(9)],
    ]
    counts = [
        "Number of last minute elective operations cancelled for non clinical reasons",
        "Number of patients not treated within 28 days of last minute elective cancellation",
    ]
    regions: list[Row] = [*front, [None, "Region Code", "Region Name", *counts], [None, "Y61", "EAST", *without]]
    providers: list[Row] = [
        *front,
        [None, "Region Code", "Region Name", "Organisation Code", "Organisation Name", *counts],
        [None, "-", None, "-", "England (Excluding Independent Sector)", *without],
        [None, "-", None, "-", "England (Including Independent Sector)", *with_],
        [],
        [None, "Y61", "EAST", "RWG", "WEST HERTS", 60, 2],
        [None, "Y61", "EAST", "RC9", "BEDFORDSHIRE", 40, 10],
        [None, "Y61", "EAST", "NT209", "NUFFIELD", 5, 2],
    ]
    notes: list[Row] = [[None, "R1K London North West University Healthcare NHS Trust did not submit data for Q2."]]
    return {"National & Regional": regions, "Provider": providers, "Notes": notes}


def test_provider_workbook(tmp_path: Path) -> None:
    extract = read(write_xlsx(tmp_path / "c.xlsx", provider_workbook()))
    quarter = date(2024, 7, 1)
    assert extract.coverage == tuple(Coverage(view, "all", quarter, 3) for view in ("provider", "england"))
    assert (extract.period_start, extract.period_end) == (quarter, date(2024, 9, 30))
    assert extract.published_on == date(2024, 11, 14)
    assert extract.caveats == ("published without all or part of the data of R1K (named on the Notes sheet)",)
    assert extract.rows.select("breakdown", "org_code", "not_treated_within_28_days").rows() == [
        ("england", None, 12),
        ("england_with_independent_sector", None, 14),
        ("provider", "RWG", 2),
        ("provider", "RC9", 10),
        ("provider", "NT209", 2),
    ]


@pytest.mark.parametrize(("without", "with_"), [((100, 13), (105, 14)), ((100, 12), (106, 14))])
def test_providers_must_add_to_england(tmp_path: Path, without: tuple[int, int], with_: tuple[int, int]) -> None:
    assert "its rows add to" in refusal(write_xlsx(tmp_path / "c.xlsx", provider_workbook(without, with_)))


def series(share: float = 0.1, quarters: tuple[int, ...] = (3, 4)) -> dict[str, list[Row]]:
    rows: list[Row] = [
        [],
        [None, "Title:", "Time Series of Cancelled Operations (elective only)"],
        [None, "Published:", "13th February 2020"],
        *[[] for _ in range(10)],
        [
            None,
            "Year",
            "Quarter",
            "Number of cancelled elective operations",
            "Patients not treated within 28 days of cancellation.",
            "Elective admissions",
            "Cancelled operations as percentage of elective admissions",
            "Patients not treated within 28 days of cancellation as percentage of cancellations",
        ],
        [None, "2018/19", quarters[0], 20000, 2000, 2000000, 0.01, share],
        [None, None, quarters[1], 30000, 1500, 2000000, 0.015, 0.05],
        [None, "2019/20", 1, 10000, 1000, 2000000, 0.005, 0.1],
        [None, "Notes:"],
    ]
    return {"Time Series of Cancelled Ops": rows}


def test_series_of_england(tmp_path: Path) -> None:
    extract = read(write_xlsx(tmp_path / "c.xlsx", series()))
    assert extract.layout == "qmco_england_series"
    assert extract.rows.select("period_start", "breakdown", "not_treated_within_28_days").rows() == [
        (date(2018, 10, 1), "england", 2000),
        (date(2019, 1, 1), "england", 1500),
        (date(2019, 4, 1), "england", 1000),
    ]
    assert extract.period_end == date(2019, 6, 30)


def test_series_with_another_share_a_gap_or_no_end(tmp_path: Path) -> None:
    assert "2000 of 20000 is not the printed share 0.1001" in refusal(write_xlsx(tmp_path / "a.xlsx", series(0.1001)))
    cut_off = series()
    cut_off["Time Series of Cancelled Ops"][3] = [None, "Period:", "2018/19 - Q2 2019/20 (Quarterly)"]
    assert "the series ends with Q1 2019/20" in refusal(write_xlsx(tmp_path / "d.xlsx", cut_off))
    assert "the quarters before it are missing" in refusal(write_xlsx(tmp_path / "b.xlsx", series(quarters=(2, 4))))


@needs_shared
def test_published_files() -> None:
    folder = Path(SHARED, "data", "cancelled_operations")
    workbook, england = read(next(folder.glob("Q2-2024*"))), read(next(folder.glob("QMCO*")))
    totals = {row[0]: row[1:] for row in workbook.rows.select("breakdown", pl.col("^cancel.*|not_t.*$")).rows()[:2]}
    assert totals == {"england": (21249, 4825), "england_with_independent_sector": (21262, 4827)}
    assert workbook.rows.height == 145
    assert (england.rows.height, england.period_start, england.period_end) == (
        103,
        date(1994, 4, 1),
        date(2019, 12, 31),
    )
    assert england.rows["not_treated_within_28_days"][-1] == 2138
