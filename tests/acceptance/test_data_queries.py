"""Questions to the analyst on real figures: the board paper of September 2019 as returns, and the published files."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from board_paper import write_returns
from conftest import land, opened
from dbt_builds import build_marts

from ccg_pipeline.settings import Settings

# What is odd in the paper: finding, indicator (or the block it is in), organisation, first day, words of the evidence.
ODDITIES = [
    # Missing months summed as 0.0 %.
    ("zero_of_missing", "RTT_INCOMPLETE_18W", "RAL", "2019-04-01", "April 2019 no figure; May 2019 no figure"),
    # Four outcomes of every case that add to 122.1 %.
    ("parts_not_whole", "HUC_OOH_OUTCOMES", "HUCOOH", "2018-03-01", "advised to come to the centre 63.2"),
    # Four rows of March as in January, and of August as in May.
    ("repeated_block", "DTOC_DAYS_HV", "RY4", "2019-03-01", "total 352"),
    ("repeated_block", "HUC_OOH_OUTCOMES", "HUCOOH", "2018-08-01", "through advice only 31.7"),
    # Percentages that are counts.
    ("percentage_holds_counts", "HUC_111H_AE", "HUC111", "2018-03-01", "periods: 15, above 100: 14"),
    # Dementia 52.2 between 68.8 and 69.6.
    ("one_off_value", "MH05_DEMENTIA_DIAGNOSIS", "06N", "2018-12-01", "65.6 to 70"),
    # A full year that is about one of its quarters.
    ("year_not_its_parts", "BCF_NONELECTIVE_ADMISSIONS", "E10000015", "2016-04-01", "April 2016 26,463"),
    # 98.8 for the year, of which only April has a figure, 97.4.
    ("ytd_not_its_months", "AE_4HR", "RC9", "2019-04-01", "April 2019 97.4; May 2019 no figure"),
    # The mean of two months for those who wait at the end of the second.
    ("ytd_not_its_months", "DIAG_6W", "RAL", "2019-04-01", "April 2019 96.3; May 2019 93"),
    # The days of the copied month do not go with its rate; nor do those of the month before.
    ("rate_against_count", "DTOC_RATE_REPORTED", "RY4", "2019-03-01", "a base of 165; the median of 15 months is 93"),
    ("rate_against_count", "DTOC_RATE_REPORTED", "RY4", "2019-02-01", "a base of 130"),
    # Days both are responsible for: 8 a month until October 2018, about 190 from November.
    ("level_shift", "DTOC_DAYS_BOTH", "RWG", "2018-11-01", "do not overlap"),
    ("level_shift", "CAMHS5_ROUTINE_28D", "06N", "2019-01-01", "do not overlap"),
    # Delayed days revised since the paper: 775 and 628 printed, 717 and 676 published.
    ("reported_differs", "DTOC_DAYS", "RWG", "2019-01-01", "January 2019 775 / 717; April 2019 628 / 676"),
]
QUESTIONS = """
    SELECT finding, coalesce(indicator_id, subject), org_code, strftime(period_start, '%Y-%m-%d'), evidence, question,
        severity, is_value_wrong, source, dataset
    FROM marts.fct_data_queries
"""


@pytest.fixture(scope="module")
def paper_home(shared: Path, tmp_path_factory: pytest.TempPathFactory) -> Settings:
    """A warehouse of the board paper's tables as returns, and the delayed days that it can be compared with."""
    raw = tmp_path_factory.mktemp("paper_raw")
    write_returns(shared / "reference" / "board_paper_2019", raw / "returns")
    shutil.copytree(shared / "data" / "dtoc" / "provider", raw / "dtoc")
    settings = Settings(raw, tmp_path_factory.mktemp("paper_home"))
    land(settings)
    build_marts(settings, "+fct_data_queries")
    return settings


@pytest.fixture(scope="module")
def questions(paper_home: Settings) -> list[tuple]:
    with opened(paper_home.warehouse) as con:
        return con.execute(QUESTIONS).fetchall()


@pytest.mark.parametrize("oddity", ODDITIES, ids=lambda o: " ".join(o[:4]))
def test_what_is_odd_in_the_board_paper_is_asked_about(oddity: tuple[str, ...], questions: list[tuple]) -> None:
    found = [q for q in questions if q[:4] == oddity[:4]]
    assert len(found) == 1, sorted(q[:4] for q in questions if q[0] == oddity[0])
    assert oddity[4] in found[0][4]


def test_the_questions_of_the_board_paper_are_few(questions: list[tuple]) -> None:
    """1,881 returned figures: what is asked beyond the oddities above can be read in a minute."""
    returned = [q for q in questions if q[9] == "local_returns"]
    assert len(returned) <= 30, sorted(q[:4] for q in returned)
    assert {q[:4] for q in questions if q[6] == "high" and q[9] == "local_returns"} == {
        o[:4]
        for o in ODDITIES
        if o[0] in ("zero_of_missing", "parts_not_whole", "repeated_block", "percentage_holds_counts")
    }


def test_what_cannot_be_right_says_so(questions: list[tuple]) -> None:
    wrong = {q[:3] for q in questions if q[7]}
    assert ("zero_of_missing", "RTT_INCOMPLETE_18W", "RAL") in wrong
    assert ("percentage_holds_counts", "HUC_111H_AE", "HUC111") in wrong
    assert not any(q[0] in ("level_shift", "one_off_value", "reported_differs") for q in questions if q[7])


def test_published_files_yield_few_questions_and_the_right_ones(shared_home: Path) -> None:
    with opened(Settings(shared_home, shared_home).published) as con:
        questions = con.execute(QUESTIONS).fetchall()
        figures = con.execute("SELECT count(*) FROM marts.fct_indicator_values WHERE value IS NOT NULL").fetchall()[0][
            0
        ]
    found = {q[:4] for q in questions}
    # Bedfordshire's row of April 2022 is that of April 2021 to the last digit.
    assert ("repeated_block", "ACT_AE_ATTENDANCES", "RC9", "2022-04-01") in found
    # 84 urgent referrals of Mid Essex in March 2020, 89 of South Devon in March 2019, where both have over 1,000.
    assert ("one_off_value", "CANCER_2WW", "06Q", "2020-03-01") in found
    assert ("one_off_value", "CANCER_2WW", "99Q", "2019-03-01") in found
    # North Cumbria sent no admissions for December 2020.
    assert ("one_off_value", "ACT_NONELECTIVE_ADMISSIONS", "RNN", "2020-12-01") in found
    # England's attendances of April 2020.
    assert ("england_fell", None, "ENG", "2020-04-01") in found
    assert len(questions) < 150 and len(questions) < figures / 1000
