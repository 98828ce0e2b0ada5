"""Who did not submit, as Notes sheets say it: by code, by name, in a list, or in words that cannot be read."""

from pathlib import Path

import pytest
from layouts import SHARED, Row, needs_shared, write_xlsx

from ccg_pipeline.extracts.source import Source
from ccg_pipeline.extracts.spreadsheet import non_submitters

PUBLISHED = """3. The following caveats apply to the Dec-14 data:

The following trusts did not submit any RTT admitted or incomplete pathway data;
R1H Barts Health NHS Trust,
The Princess Alexandra Hospital NHS Trust.

Heart of England NHS Foundation Trust (RR1) did not submit any RTT incomplete pathway data;

Royal Free London NHS Foundation Trust (RAL) did not include any data for the former \
Barnet and Chase Farm Hospitals NHS Trust with whom they merged from 1st July.

Bedford Hospital NHS Trust (RC1) changed its system in December."""


def caveats(path: Path, *notes: Row) -> tuple[str, ...]:
    path = write_xlsx(path, {"Provider": [["R1H did not submit"]], "Notes": [["Notes"], *notes]})
    return non_submitters(Source(path, path.name))


def of(names: str) -> tuple[str, ...]:
    return (f"published without all or part of the data of {names} (named on the Notes sheet)",)


def test_codes_and_names_in_words(tmp_path: Path) -> None:
    assert caveats(tmp_path / "a.xlsx", [PUBLISHED]) == of(
        "R1H, The Princess Alexandra Hospital NHS Trust, RR1, RAL, Barnet and Chase Farm Hospitals NHS Trust"
    )


@pytest.mark.parametrize(
    ("rows", "names"),
    [
        ([["NT3X2", "A CLINIC"], ["RC9", "LUTON"]], "NT3X2, RC9"),
        ([["-", "ISLE OF WIGHT NHS TRUST"], ["RC9", "LUTON"]], "ISLE OF WIGHT NHS TRUST, RC9"),
    ],
)
def test_a_list_below_the_sentence(tmp_path: Path, rows: list[Row], names: str) -> None:
    head: list[Row] = [["The following organisation did not submit Diagnostics (DM01) data:"], [], ["Code", "Name"]]
    assert caveats(tmp_path / "a.xlsx", *head, *rows) == of(names)


def test_an_empty_list_is_nobody(tmp_path: Path) -> None:
    assert caveats(tmp_path / "a.xlsx", ["The following organisation did not submit data:"], ["Code", "Name"]) == ()


@pytest.mark.parametrize(
    "words",
    ["Two trusts were unable to submit data this month.", "Data of one provider has not been supplied."],
)
def test_what_cannot_be_read_is_quoted(tmp_path: Path, words: str) -> None:
    assert caveats(tmp_path / "a.xlsx", [words]) == (
        f"the Notes sheet says that data is missing and gives no code or name that can be read: {words!r}",
    )


def test_notes_about_other_things_are_no_caveat(tmp_path: Path) -> None:
    notes: list[Row] = [
        ["1. Median times are estimates."],
        ["2. Waiting times are not calculated for organisations with fewer than 50 pathways."],
        ["3. West Hertfordshire Hospitals NHS Trust (RWG) submitted late."],
    ]
    assert caveats(tmp_path / "a.xlsx", *notes) == ()


@needs_shared
@pytest.mark.parametrize(
    ("file", "names"),
    [
        ("rtt/Incomplete-Commissioner-Dec14-revised-XLS-2357K.xls", "RF4, R1H, RDE, RPA, RHW, RQW, RBK, RR1, RAL, RVL"),
        ("rtt/Incomplete-Commissioner-May15-revised-XLS-2102K.xls", "RF4, R1H, RJZ, RPA, RQW, RBK, RLQ, RM2"),
        ("cancelled_operations/Q2-2024-25-Cancelled-Operations.xlsx", "R1K"),
        ("diagnostics/Monthly-Diagnostics-Web-File-Provider-March-2025_SW40K.xls", ""),
        ("rtt/Admitted-Commissioner-Dec24-XLSX-2M-revised.xlsx", ""),
    ],
)
def test_published_notes(file: str, names: str) -> None:
    path = SHARED / "data" / file
    assert non_submitters(Source(path, path.name)) == (of(names) if names else ())
