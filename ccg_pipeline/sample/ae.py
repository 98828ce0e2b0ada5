"""A&E attendances and emergency admissions, monthly provider CSV, layout to March 2020.

West Hertfordshire's (RWG) four-hour percentage of every month, Royal Free's (RAL) of April and May 2019 and
Luton & Dunstable's (RC9) of April 2019 are printed figures, as are West Hertfordshire's 12-hour trolley waits
of April and May 2019. All other rows are illustrative. England's figures can't be matched: the total row is
the sum of the sample's own rows.
"""

from datetime import date
from decimal import Decimal
from pathlib import Path

from ccg_pipeline.sample.figures import (
    REORGANISATION,
    SAMPLE_MONTHS,
    Figures,
    apportion,
    count_at,
    read_local_offices,
    read_organisations,
    read_table,
    varied,
)
from ccg_pipeline.sample.files import Row, csv_bytes, write_plain

HEADINGS = (
    "Period",
    "Org Code",
    "Parent Org",
    "Org name",
    "Number of A&E attendances Type 1",
    "Number of A&E attendances Type 2",
    "Number of A&E attendances Other A&E Department",
    "Number of attendances over 4hrs Type 1",
    "Number of attendances over 4hrs Type 2",
    "Number of attendances over 4hrs Other A&E Department",
    "Patients who have waited 4-12 hs from DTA to admission",
    "Patients who have waited 12+ hrs from DTA to admission",
    "Emergency admissions via A&E - Type 1",
    "Emergency admissions via A&E - Type 2",
    "Emergency admissions via A&E - Other A&E department",
    "Other emergency admissions",
)

# Trusts testing other clinical standards: their over-four-hours columns are published as 0, not as measured.
FIELD_TEST_PROVIDERS = frozenset({"RC9", "RGT"})
FIELD_TEST_START = date(2019, 5, 1)

# Four-hour breaches of 100 type 1, type 2 and other attendances stand in about this proportion.
BREACH_WEIGHTS = (60, 3, 1)

BYTE_ORDER_MARK_MONTH = date(2018, 11, 1)
BYTE_ORDER_MARK = b"\xef\xbb\xbf"


def write(folder: Path) -> list[Path]:
    """Write one CSV a month: a row a provider, then the total row. Counts are attendances and admissions."""
    paths = []
    for period in SAMPLE_MONTHS:
        content = csv_bytes([HEADINGS, *_rows(period)])
        if period == BYTE_ORDER_MARK_MONTH:
            content = BYTE_ORDER_MARK + content
        paths.append(write_plain(folder / f"Monthly-AE-{period:%B-%Y}.csv", content))
    return paths


def _rows(period: date) -> list[Row]:
    figures = Figures("ae")
    organisations = read_organisations()
    offices = _office_names(period)
    code = "MSitAE-" + f"{period:%B-%Y}".upper()
    counts = {row["org_code"]: _counts(row, period, figures) for row in read_table("ae_departments")}
    rows: list[Row] = [
        (code, org_code, offices[organisations[org_code].office(period)], organisations[org_code].name, *values)
        for org_code, values in counts.items()
    ]
    # The published files write it either way.
    total_name = "TOTAL" if period.month % 2 == 0 else "Total"
    rows.append(("", "", "", total_name, *(sum(column) for column in zip(*counts.values(), strict=True))))
    return rows


def _counts(department: dict[str, str], period: date, figures: Figures) -> list[int]:
    """The twelve count columns of one provider."""
    org_code = department["org_code"]

    def size(column: str) -> int:
        return varied(int(department[column]), period, org_code, column)

    type_1 = figures.count("ACT_AE_ATTENDANCES_TYPE1", org_code, period)
    other = figures.count("ACT_AE_ATTENDANCES_OTHER", org_code, period)
    attendances = (
        type_1 if type_1 is not None else size("type_1"),
        size("type_2"),
        other if other is not None else size("other"),
    )
    breaches = _breaches(department, sum(attendances), period, figures)
    over_4hr = apportion(breaches, [a * w for a, w in zip(attendances, BREACH_WEIGHTS, strict=True)])
    trolley_12hr = figures.count("AE_TROLLEY_12HR", org_code, period)
    return [
        *attendances,
        *over_4hr,
        size("dta_4_to_12hr"),
        trolley_12hr if trolley_12hr is not None else int(department["dta_12hr"]),
        size("admissions_type_1"),
        size("admissions_type_2"),
        size("admissions_other"),
        size("other_admissions"),
    ]


def _breaches(department: dict[str, str], attendances: int, period: date, figures: Figures) -> int:
    """Attendances over four hours, all department types."""
    org_code = department["org_code"]
    if org_code in FIELD_TEST_PROVIDERS and period >= FIELD_TEST_START:
        return 0
    printed = figures.get("AE_4HR", org_code, period)
    if printed and printed.numerator is not None and printed.denominator is not None:
        return printed.denominator - printed.numerator
    if printed and printed.value is not None:
        return attendances - count_at(printed.value, attendances)
    return attendances - count_at(Decimal(department["within_4hr_pct"]), attendances)


def _office_names(period: date) -> dict[str, str]:
    if period < REORGANISATION:
        return read_local_offices()
    return {row["office_code"]: row["ae_name_from_2019_04"] for row in read_table("local_offices")}
