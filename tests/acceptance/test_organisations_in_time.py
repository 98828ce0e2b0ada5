"""On the real published files: series through all layouts, systems of the date, and totals that lack somebody."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import date
from pathlib import Path

import pytest
from conftest import opened

from ccg_pipeline.settings import Settings

Ask = Callable[..., list[tuple]]


@pytest.fixture
def ask(shared_home: Path) -> Iterator[Ask]:
    with opened(Settings(shared_home, shared_home).published) as con:
        yield lambda query, *parameters: con.execute(query, list(parameters)).fetchall()


def months(ask: Ask, indicator_id: str, org_code: str) -> list[tuple[date, str]]:
    return ask(
        "SELECT period_start, org_level FROM marts.fct_indicator_values WHERE indicator_id = ? AND org_code = ? "
        "AND period_type = 'month' AND value IS NOT NULL ORDER BY 1",
        indicator_id,
        org_code,
    )


def test_a_series_of_06n_runs_from_ccg_to_sub_icb_location(ask: Ask) -> None:
    rtt, cancer = months(ask, "RTT_INCOMPLETE_18W", "06N"), months(ask, "CANCER_62D_GP", "06N")
    assert rtt[0] == (date(2014, 12, 1), "ccg")
    assert rtt[-1] == (date(2026, 1, 1), "sub_icb")
    assert cancer[0] == (date(2016, 1, 1), "ccg")
    assert cancer[-1] == (date(2023, 9, 1), "sub_icb")
    for series in (rtt, cancer):
        assert len({month for month, _ in series}) == len(series)
        assert all(level == ("ccg" if month < date(2022, 7, 1) else "sub_icb") for month, level in series)


@pytest.mark.parametrize(
    ("month", "systems", "members"), [("2018-05", 44, 195), ("2019-04", 42, 191), ("2026-01", 42, 106)]
)
def test_systems_are_all_of_england_and_each_commissioner_is_in_one(
    ask: Ask, month: str, systems: int, members: int
) -> None:
    indicator_id = "RTT_INCOMPLETE_18W" if month == "2026-01" else "CANCER_2WW"
    by_level = {
        level: figures
        for level, *figures in ask(
            "SELECT CASE WHEN org_level IN ('stp', 'icb') THEN 'systems' ELSE 'members' END, count(*), "
            "sum(numerator), sum(denominator) FROM marts.fct_indicator_values WHERE indicator_id = ? "
            "AND period_type = 'month' AND strftime(period_start, '%Y-%m') = ? "
            "AND org_level IN ('stp', 'icb', 'ccg', 'sub_icb') GROUP BY 1",
            indicator_id,
            month,
        )
    }
    assert (by_level["systems"][0], by_level["members"][0]) == (systems, members)
    assert by_level["systems"][1:] == by_level["members"][1:]


@pytest.mark.parametrize(
    ("org_code", "month", "caveat"),
    [
        # West Yorkshire's CCGs of Leeds had merged before the list of April 2019 was made.
        ("QWO", "2018-03", "no sum: no list says whether 02V, 03C, 03G belonged to it then"),
        # Bassetlaw was in South Yorkshire in April 2019, and in Nottinghamshire by April 2024.
        ("QF7", "2019-05", "no sum: no list says whether 02Q belonged to it then"),
        ("QT1", "2019-05", "no sum: no list says whether 02Q belonged to it then"),
        ("QF7", "2019-04", None),
        ("QF7", "2018-05", "its members are those of April 2019"),
        # Three STPs became one in June 2018.
        ("QVP", "2018-05", "its members are those of June 2018"),
        ("QHM", "2018-07", "its members are those of April 2019"),
        ("QWO", "2020-12", "its members are those of April 2019 and April 2024"),
        ("QM7", "2018-05", None),
    ],
)
def test_a_system_says_what_its_sum_rests_on(ask: Ask, org_code: str, month: str, caveat: str | None) -> None:
    ((numerator, found),) = ask(
        "SELECT numerator, caveat FROM marts.fct_indicator_values WHERE indicator_id = 'CANCER_2WW' AND org_code = ? "
        "AND org_level = 'stp' AND period_type = 'month' AND strftime(period_start, '%Y-%m') = ?",
        org_code,
        month,
    )
    assert (numerator is None) == bool(caveat and caveat.startswith("no sum"))
    assert (found or "").split(";")[0] == (caveat or "")


def test_merged_trusts_have_predecessors_successors_and_a_year_of_caveats(ask: Ask) -> None:
    organisations = {
        code: (predecessors, successor, closed)
        for code, predecessors, successor, closed in ask(
            "SELECT org_code, predecessor_codes, successor_code, valid_to FROM marts.dim_organisations "
            "WHERE org_level = 'provider'"
        )
    }
    assert organisations["RAL"] == (["RAP", "RVL"], None, None)
    assert organisations["RVL"] == ([], "RAL", date(2014, 6, 30))
    assert organisations["R0D"] == (["RD3", "RDZ"], None, None)
    assert organisations["RR1"] == ([], "RRK", date(2018, 4, 1))
    assert ask(
        "SELECT DISTINCT strftime(period_start, '%Y-%m') FROM marts.fct_indicator_values WHERE org_code = 'RC9' "
        "AND period_type = 'month' AND caveat LIKE 'since April 2020 with RC1:%' ORDER BY 1"
    )[0] == ("2020-04",)
    assert ask(
        "SELECT count(*) FROM marts.fct_indicator_values WHERE org_code = 'RC9' AND period_start >= '2021-04-01' "
        "AND caveat LIKE '%with RC1:%'"
    ) == [(0,)]


def test_the_new_name_of_rc9_is_known(ask: Ask) -> None:
    ((names,),) = ask("SELECT other_names FROM marts.dim_organisations WHERE org_code = 'RC9'")
    assert "BEDFORDSHIRE HOSPITALS NHS FOUNDATION TRUST" in names


@pytest.mark.parametrize("org_code", ["ENG", "06N"])
def test_totals_name_who_did_not_submit(ask: Ask, org_code: str) -> None:
    rows = ask(
        "SELECT caveat FROM marts.fct_indicator_values WHERE indicator_id = 'RTT_INCOMPLETE_18W' AND org_code = ? "
        "AND period_type = 'month' AND period_start = '2014-12-01'",
        org_code,
    )
    assert rows == [
        (
            "published without all or part of the data of RF4, R1H, RDE, RPA, RHW, RQW, RBK, RR1, RAL, RVL "
            "(named on the Notes sheet)",
        )
    ]
