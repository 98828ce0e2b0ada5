"""Hospital activity, monthly activity returns from HES (HES MAR): one CSV a financial year.

Every count is made up. No source prints activity for these months; sizes are plausible and nothing else. As in
the published files, counts below the national row are rounded to 5 and those of 1 to 7 suppressed as ``*``, so
that the regions of England add to it within their rounding; of its CCGs and providers only a few are here.
"""

from collections.abc import Iterator
from datetime import date
from pathlib import Path

from ccg_pipeline.sample.figures import REORGANISATION, SAMPLE_MONTHS, apportion, read_table, varied
from ccg_pipeline.sample.files import Row, csv_bytes, write_plain

ID_HEADINGS = (
    "Financial Year",
    "Reporting Period",
    "Activity Month",
    "Organisation breakdown",
    "Org Code",
    "Org Name",
    "Region Code",
    "Region Name",
)
Parts = list[dict[str, int]]  # counts of each specialty group, by part
SPECIALTY_GROUPS = ("Specific acute specialties", "All specialties")

# Month 13 is the final edition of a year; a year still running is published up to its latest month.
FINAL_REPORTING_PERIOD = 13
LARGEST_SUPPRESSED = 7


def write(folder: Path) -> list[Path]:
    """Write one CSV a financial year: a row for each month and organisation.

    Counts are admissions and outpatient attendances.
    """
    by_year: dict[int, list[date]] = {}
    for period in SAMPLE_MONTHS:
        by_year.setdefault(period.year - (period.month < 4), []).append(period)
    paths = []
    for first_year, periods in by_year.items():
        year_has_ended = periods[-1].month == 3
        reporting_period = FINAL_REPORTING_PERIOD if year_has_ended else len(periods)
        year = f"{first_year}-{(first_year + 1) % 100:02}"
        path = folder / f"HES MAR {year} M{reporting_period:02}.csv"
        paths.append(write_plain(path, csv_bytes(_rows(year, reporting_period, periods))))
    return paths


def _rows(year: str, reporting_period: int, periods: list[date]) -> list[Row]:
    measures = read_table("activity_measures")
    headings = [f"{group}: {measure['heading']}" for group in SPECIALTY_GROUPS for measure in measures]
    rows: list[Row] = [(*ID_HEADINGS, *headings)]
    regions = {row["region"]: row for row in read_table("regions")}
    for period in periods:
        dates = "from_2019_04" if period >= REORGANISATION else "to_2019_03"
        for org in read_table("activity_counts"):
            region = regions[org["region"]]
            of_month = (year, str(reporting_period), f"{period:%b %Y}")
            named = (org["breakdown"], org["org_code"], org["org_name"])
            parts = _parts(org, measures, period)
            placed = (region[f"code_{dates}"], region[f"name_{dates}"])
            rows.append((*of_month, *named, *placed, *_counts(parts, measures, org["breakdown"])))
            if org["breakdown"] == "National":
                for breakdown, code, name, shared_out in _of_regions(parts, dates):
                    counts = _counts(shared_out, measures, breakdown)
                    rows.append((*of_month, breakdown, "-", "-", code, name, *counts))
    return rows


def _of_regions(parts: Parts, dates: str) -> Iterator[tuple[str, str, str, Parts]]:
    """England's parts shared out over the regions of the date: breakdown, code, name and parts of each."""
    for breakdown, weight in (("Region of CCG", "of_commissioners"), ("Region of Provider", "of_providers")):
        regions = [r for r in read_table("activity_regions") if r["dates"] == dates and int(r[weight])]
        weights = [int(r[weight]) for r in regions]
        shares = [{part: apportion(count, weights) for part, count in group.items()} for group in parts]
        for i, region in enumerate(regions):
            yield breakdown, region["code"], region["name"], [{p: s[i] for p, s in group.items()} for group in shares]


def _parts(org: dict[str, str], measures: list[dict[str, str]], period: date) -> Parts:
    """The counts from which measures are added up, of the specific acute specialties and of all."""
    per_thousand = {m["parts"]: int(m["all_specialties_per_1000"] or 0) for m in measures}
    specific = {
        part: varied(int(org[part]), period, org["breakdown"], org["org_code"], org["region"], part)
        for part, factor in per_thousand.items()
        if factor
    }
    return [specific, {part: count * per_thousand[part] // 1000 for part, count in specific.items()}]


def _counts(parts: Parts, measures: list[dict[str, str]], breakdown: str) -> list[str]:
    """The ten measures of each specialty group."""
    return [
        _published(sum(counts[part] for part in measure["parts"].split("|")), breakdown)
        for counts in parts
        for measure in measures
    ]


def _published(count: int, breakdown: str) -> str:
    if breakdown == "National" or count == 0:
        return str(count)
    if count <= LARGEST_SUPPRESSED:
        return "*"
    return str((count + 2) // 5 * 5)
