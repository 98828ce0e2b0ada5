"""The sample extracts, read back without the pipeline's own readers."""

import calendar
import csv
import gzip
import io
import re
import zipfile
from collections import defaultdict
from datetime import datetime
from decimal import ROUND_HALF_UP, Decimal
from itertools import zip_longest
from pathlib import Path

import openpyxl
import polars as pl
import pytest
from layouts import SHARED, needs_shared

import ccg_pipeline.sample
from ccg_pipeline.sample import write_sample
from ccg_pipeline.sample.figures import apportion, count_at

FIGURES = Path(ccg_pipeline.sample.__file__).parent / "figures"
MONTHS = [f"{n // 12}-{n % 12 + 1:02}" for n in range(2018 * 12 + 2, 2019 * 12 + 5)]
STP = ("06K", "06N", "07H")

Key = tuple[str, str, str]  # indicator, organisation, month


# ---------------------------------------------------------------- independent readers


def month_of(text: str) -> str:
    return datetime.strptime(text.title(), "%B-%Y").strftime("%Y-%m")


def csv_dicts(path: Path) -> list[dict[str, str]]:
    content = path.read_bytes()
    if path.suffix == ".gz":
        content = gzip.decompress(content)
    elif path.suffix == ".zip":
        with zipfile.ZipFile(path) as archive:
            (member,) = archive.namelist()
            content = archive.read(member)
    return list(csv.DictReader(io.StringIO(content.decode("utf-8-sig"), newline="")))


def printed(dataset: str) -> list[dict[str, str]]:
    return csv_dicts(FIGURES / f"{dataset}.csv")


def one_decimal(numerator: int, denominator: int) -> Decimal:
    return (Decimal(numerator) * 100 / denominator).quantize(Decimal("0.1"), ROUND_HALF_UP)


@pytest.fixture(scope="module")
def sample(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("sample")
    write_sample(folder)
    return folder


@pytest.fixture(scope="module")
def ae(sample: Path) -> dict[str, list[dict[str, str]]]:
    by_month = {}
    for path in (sample / "ae").iterdir():
        rows = csv_dicts(path)
        by_month[month_of(rows[0]["Period"].removeprefix("MSitAE-"))] = rows
    return by_month


def ae_counts(row: dict[str, str]) -> tuple[int, int]:
    """Within four hours, attendances."""
    attendances = sum(int(v) for k, v in row.items() if k.startswith("Number of A&E attendances"))
    over = sum(int(v) for k, v in row.items() if k.startswith("Number of attendances over 4hrs"))
    return attendances - over, attendances


@pytest.fixture(scope="module")
def dtoc(sample: Path) -> dict[str, list[dict[str, str]]]:
    by_month = {}
    for path in (sample / "dtoc").iterdir():
        rows = csv_dicts(path)
        by_month[month_of(rows[0]["Period"].removeprefix("MSitDT-"))] = rows
    return by_month


def dtoc_days(rows: list[dict[str, str]], org_code: str) -> tuple[int, int, int]:
    own = [row for row in rows if row["Provider Org Code"] == org_code]
    nhs, social, both = (sum(int(row[column] or 0) for row in own) for column in ("NHS", "Social Care", "Both B"))
    return nhs, social, both


@pytest.fixture(scope="module")
def rtt(sample: Path) -> dict[str, list[dict[str, str]]]:
    by_month = {}
    for path in (sample / "rtt").iterdir():
        rows = csv_dicts(path)
        by_month[month_of(rows[0]["Period"].removeprefix("RTT-"))] = rows
    return by_month


def bands(row: dict[str, str]) -> list[int]:
    return [int(v or 0) for k, v in row.items() if k.startswith("Gt ")]


def rtt_counts(rows: list[dict[str, str]], org_code: str) -> tuple[int, int, int]:
    """Incomplete pathways within 18 weeks, in all, over 52 weeks."""
    commissioners = STP if org_code == "QM7" else (org_code,)
    own = [
        bands(row)
        for row in rows
        if row["RTT Part Type"] == "Part_2"
        and row["Treatment Function Code"] == "C_999"
        and (row["Commissioner Org Code"] in commissioners or row["Provider Org Code"] == org_code)
    ]
    return sum(sum(b[:18]) for b in own), sum(sum(b) for b in own), sum(b[52] for b in own)


@pytest.fixture(scope="module")
def cancer(sample: Path) -> dict[Key, tuple[int, int]]:
    """Within the standard and total, by sheet, commissioner and month; ENGLAND under its name."""
    values = {}
    for path in (sample / "cancer").iterdir():
        book = openpyxl.load_workbook(path, data_only=True)
        period = re.search(r"([A-Z]+-20\d\d)-CANCER", path.name)
        assert period
        for sheet in book.worksheets[1:]:
            headings = [cell.value for cell in sheet[8]]
            total = next(i for i, h in enumerate(headings) if h in ("TOTAL", "TOTAL TREATED"))
            assert headings[total + 1].startswith("WITHIN")
            for row in sheet.iter_rows(min_row=9, values_only=True):
                if row[2]:
                    code = row[1] or row[2]
                    values[sheet.title, code, month_of(period[1])] = (row[total + 1], row[total])
                    assert row[total + 2] == row[total] - row[total + 1]
                    assert row[total + 3] == pytest.approx(row[total + 1] / row[total])
    return values


SHEETS = {
    "CANCER_2WW": "TWO WEEK WAIT-ALL CANCER",
    "CANCER_2WW_BREAST": "TWO WEEK WAIT-BREAST SYMPTOMS",
    "CANCER_62D_GP": "62-DAY (ALL CANCER)",
    "CANCER_62D_SCREENING": "62-DAY (SCREENING)",
    "CANCER_62D_UPGRADE": "62-DAY (CONSULTANT UPGRADE)",
    "CANCER_31D_FIRST": "31-DAY FIRST TREAT (ALL CANCER)",
    "CANCER_31D_SUB_SURGERY": "31-DAY SUB TREAT (SURGERY)",
    "CANCER_31D_SUB_DRUG": "31-DAY SUB TREAT (DRUGS)",
    "CANCER_31D_SUB_RT": "31-DAY SUB TREAT (RADIOTHERAPY)",
}


# ---------------------------------------------------------------- the folder


def test_every_month_of_every_dataset_is_written(tmp_path: Path) -> None:
    written = write_sample(tmp_path / "new" / "folder")
    on_disk = {path for path in (tmp_path / "new" / "folder").rglob("*") if path.is_file()}
    assert set(written) == on_disk
    assert len(written) == len(on_disk)
    counts: dict[str, int] = defaultdict(int)
    for path in written:
        counts[path.parent.name] += 1
    assert counts == {"ae": 15, "cancer": 15, "dtoc": 15, "rtt": 15, "activity": 3, "local_returns": 1}


def test_two_writes_give_the_same_bytes(sample: Path, tmp_path: Path) -> None:
    for path in write_sample(tmp_path):
        assert path.read_bytes() == (sample / path.relative_to(tmp_path)).read_bytes(), path.name


def test_containers_hold_no_date_of_writing(sample: Path) -> None:
    (gzipped,) = (sample / "rtt").glob("*.gz")
    assert gzipped.read_bytes()[4:8] == bytes(4)
    for path in [*(sample / "rtt").glob("*.zip"), *(sample / "cancer").glob("*.xlsx")]:
        with zipfile.ZipFile(path) as archive:
            assert {info.date_time[0] for info in archive.infolist()} <= {1980, 2019}
    for path in (sample / "cancer").glob("*.xlsx"):
        properties = openpyxl.load_workbook(path).properties
        assert properties.created == properties.modified == datetime(2019, 7, 11, 9, 30)


def test_the_sample_is_small(sample: Path) -> None:
    sizes = {path: path.stat().st_size for path in sample.rglob("*") if path.is_file()}
    assert sum(sizes.values()) < 900_000
    assert max(sizes.values()) < 60_000


def test_every_printed_figure_names_its_source() -> None:
    for dataset in ("ae", "cancer", "dtoc", "rtt"):
        for row in printed(dataset):
            assert row["source"], row
            assert row["period"] in MONTHS


# ---------------------------------------------------------------- arithmetic


@pytest.mark.parametrize(
    ("total", "weights", "shares"),
    [
        (10, [1, 1, 1], [4, 3, 3]),
        (3, [50, 1], [3, 0]),
        (0, [0, 0], [0, 0]),
        (7, [0, 2, 5], [0, 2, 5]),
    ],
)
def test_apportioned_shares_add_up(total: int, weights: list[int], shares: list[int]) -> None:
    assert apportion(total, weights) == shares


@pytest.mark.parametrize(("total", "weights"), [(-1, [1, 2]), (5, [0, 0]), (5, [])])
def test_what_cannot_be_apportioned_is_an_error(total: int, weights: list[int]) -> None:
    with pytest.raises(ValueError, match="cannot apportion"):
        apportion(total, weights)


def test_a_count_rounds_back_to_its_percentage() -> None:
    for tenths in range(0, 1001):
        percentage = Decimal(tenths) / 10
        for denominator in (1001, 1234, 13706, 47936):
            assert one_decimal(count_at(percentage, denominator), denominator) == percentage


# ---------------------------------------------------------------- A&E


def test_ae_months_and_total_row(ae: dict[str, list[dict[str, str]]]) -> None:
    assert sorted(ae) == MONTHS
    names = set()
    for rows in ae.values():
        *providers, total = rows
        assert (total["Period"], total["Org Code"], total["Parent Org"]) == ("", "", "")
        names.add(total["Org name"])
        for column in list(total)[4:]:
            assert int(total[column]) == sum(int(row[column]) for row in providers), column
        assert all(0 <= within <= all_ for within, all_ in map(ae_counts, rows))
    assert names == {"TOTAL", "Total"}


def test_ae_printed_figures(ae: dict[str, list[dict[str, str]]]) -> None:
    checked = 0
    for figure in printed("ae"):
        row = next(r for r in ae[figure["period"]] if r["Org Code"] == figure["org_code"])
        within, attendances = ae_counts(row)
        if figure["indicator_id"] == "AE_4HR" and figure["numerator"]:
            assert (within, attendances) == (int(figure["numerator"]), int(figure["denominator"]))
        elif figure["indicator_id"] == "AE_4HR":
            assert one_decimal(within, attendances) == Decimal(figure["value"])
        else:
            column = {
                "AE_TROLLEY_12HR": "Patients who have waited 12+ hrs from DTA to admission",
                "ACT_AE_ATTENDANCES_TYPE1": "Number of A&E attendances Type 1",
                "ACT_AE_ATTENDANCES_OTHER": "Number of A&E attendances Other A&E Department",
            }[figure["indicator_id"]]
            assert row[column] == figure["value"]
        checked += 1
    assert checked == 28


def test_ae_field_test_trusts_report_no_breaches_from_may_2019(ae: dict[str, list[dict[str, str]]]) -> None:
    for month, rows in ae.items():
        for row in rows:
            if row["Org Code"] in ("RC9", "RGT"):
                within, attendances = ae_counts(row)
                assert (within == attendances) == (month >= "2019-05")


def test_one_ae_file_has_a_byte_order_mark(sample: Path) -> None:
    marked = [p for p in (sample / "ae").iterdir() if p.read_bytes().startswith(b"\xef\xbb\xbf")]
    assert len(marked) == 1


# ---------------------------------------------------------------- cancer


def test_cancer_counts_are_the_published_ones(cancer: dict[Key, tuple[int, int]]) -> None:
    figures = printed("cancer")
    assert len(figures) == 9 * 3 * 15
    for figure in figures:
        key = (SHEETS[figure["indicator_id"]], figure["org_code"], figure["period"])
        assert cancer[key] == (int(figure["numerator"]), int(figure["denominator"])), key


def test_cancer_england_is_the_sum_of_its_rows(cancer: dict[Key, tuple[int, int]]) -> None:
    sums: dict[tuple[str, str], list[int]] = defaultdict(lambda: [0, 0])
    for (sheet, code, month), (within, total) in cancer.items():
        if code != "ENGLAND":
            sums[sheet, month][0] += within
            sums[sheet, month][1] += total
    assert len(sums) == 9 * 15
    for (sheet, month), (within, total) in sums.items():
        assert cancer[sheet, "ENGLAND", month] == (within, total)
    # The hub has no patients in the screening standard, so it has no row there.
    assert not any(sheet == "62-DAY (SCREENING)" and code == "13Q" for sheet, code, _ in cancer)


def test_cancer_sheets_stand_as_published(sample: Path) -> None:
    for path in (sample / "cancer").iterdir():
        book = openpyxl.load_workbook(path)
        assert book.sheetnames == ["FRONTPAGE", *SHEETS.values()]
        for sheet in book.worksheets[1:]:
            assert sheet["A8"].value == "CCG - ONS AREA ID (1)"
            last = sheet.max_row
            assert [sheet.cell(last, c).value for c in (1, 2, 3)] == [None, None, "ENGLAND"]
            assert all(cell.value is None for cell in sheet[last - 1])
            assert all(cell.value is not None for cell in sheet[last - 2])
        drugs = book["31-DAY SUB TREAT (DRUGS)"]
        assert (drugs["D8"].value, drugs["E8"].value) == ("CARE SETTING ", "TREATMENT TYPE (4)")
        assert book["62-DAY (ALL CANCER)"]["F8"].value == "TOTAL TREATED"


def test_cancer_periods_and_status(sample: Path) -> None:
    texts, without_status = {}, []
    for path in (sample / "cancer").iterdir():
        book = openpyxl.load_workbook(path)
        front = book["FRONTPAGE"]
        for sheet in book.worksheets[1:]:
            period = sheet["A2"].value
            if isinstance(period, str):
                texts[path.name.split("-CANCER")[0], period] = front["A9"].value
            else:
                assert period == datetime(period.year, period.month, 1)
                assert front["A9"].value == period
                assert path.name.startswith(f"{period:%B-%Y}".upper())
        if not any("Status: Provisional" in str(front[f"A{row}"].value) for row in (5, 6)):
            without_status.append(path.name)
    assert texts == {
        ("MARCH-2018", "PERIOD: March 2018"): datetime(2018, 3, 1),
        ("JANUARY-2019", "January 2019 Provisional"): "January 2019 Provisional",
    }
    assert without_status == ["MARCH-2018-CANCER-WAITING-TIMES-COMMISSIONER-WORKBOOK-FINAL.xlsx"]


# ---------------------------------------------------------------- delayed transfers of care


def test_dtoc_rows_and_beds(dtoc: dict[str, list[dict[str, str]]]) -> None:
    assert sorted(dtoc) == MONTHS
    empty = []
    for month, rows in dtoc.items():
        days_in_month = calendar.monthrange(int(month[:4]), int(month[5:]))[1]
        reasons = defaultdict(set)
        for row in rows:
            key = row["Provider Org Code"], row["Local Authority Code"], row["Acute Or Non Acute Description"]
            reasons[key].add(row["Reason For Delay"])
            pairs = (
                ("NHS DTOC beds", "NHS"),
                ("Social Care DTOC beds", "Social Care"),
                ("Both DTOC beds", "Both B"),
            )
            for beds, days in pairs:
                if row[days] == "":
                    empty.append((month, key, row["Reason For Delay"]))
                    assert row[beds] == "0.0"
                else:
                    assert float(row[beds]) == pytest.approx(int(row[days]) / days_in_month, abs=1e-9)
        assert len(rows) == sum(len(r) for r in reasons.values())
        assert {key[0] for key in reasons} == {"RWG", "RWH", "RQW", "RY4", "RWR"}
        assert all(len(r) == (10 if key[2] == "Acute" else 11) for key, r in reasons.items())
    # Absent is not zero: one count of April 2018 is empty, as one is in the published extract.
    assert [month for month, *_ in empty] == ["2018-04"]


def test_dtoc_printed_days(dtoc: dict[str, list[dict[str, str]]]) -> None:
    position = {"DTOC_DAYS_NHS": 0, "DTOC_DAYS_SOCIAL": 1, "DTOC_DAYS_BOTH": 2}
    for figure in printed("dtoc"):
        days = dtoc_days(dtoc[figure["period"]], figure["org_code"])[position[figure["indicator_id"]]]
        if figure["org_code"] == "RWG":
            assert days == int(figure["value"]), figure
        else:
            # Printed for a part of Hertfordshire Community only.
            assert days >= int(figure["value"]), figure


def test_dtoc_lines_end_as_published(sample: Path) -> None:
    for path in (sample / "dtoc").iterdir():
        content = path.read_bytes()
        assert content.count(b"\r\n") == content.count(b"\n") > 100


# ---------------------------------------------------------------- referral to treatment


def test_rtt_columns_and_containers(sample: Path, rtt: dict[str, list[dict[str, str]]]) -> None:
    assert sorted(rtt) == MONTHS
    containers = [path.name.split(".", 1)[1] for path in (sample / "rtt").iterdir()]
    assert sorted(containers) == [*["csv"] * 12, "csv.gz", "zip", "zip"]
    for rows in rtt.values():
        headings = list(rows[0])
        assert len(headings) == 69
        assert headings[13] == "Gt 00 To 01 Weeks SUM 1"
        assert headings[64:] == [
            "Gt 51 To 52 Weeks SUM 1",
            "Gt 52 Weeks SUM 1",
            "Total",
            "Patients with unknown clock start date",
            "Total All",
        ]


def test_rtt_printed_figures(rtt: dict[str, list[dict[str, str]]]) -> None:
    not_submitted = 0
    for figure in printed("rtt"):
        within, total, over = rtt_counts(rtt[figure["period"]], figure["org_code"])
        if not figure["value"]:
            assert total == 0
            not_submitted += 1
        elif figure["indicator_id"] == "RTT_INCOMPLETE_18W":
            assert one_decimal(within, total) == Decimal(figure["value"]), figure
        else:
            assert over == int(figure["value"]), figure
    assert not_submitted == 4  # Royal Free, two months, two indicators


def test_rtt_size_is_realistic(rtt: dict[str, list[dict[str, str]]]) -> None:
    for rows in rtt.values():
        assert 44_000 < rtt_counts(rows, "06N")[1] < 51_000


def test_rtt_totals(rtt: dict[str, list[dict[str, str]]]) -> None:
    unknown_starts = set()
    for rows in rtt.values():
        functions: dict[tuple[str, str, str], list[int]] = defaultdict(lambda: [0] * 54)
        totals = {}
        for row in rows:
            part, counts = row["RTT Part Type"], bands(row)
            total_all = int(row["Total All"])
            assert total_all > 0
            if part == "Part_3":
                assert not any(v for k, v in row.items() if k.startswith("Gt "))
            if part in ("Part_1A", "Part_1B"):
                unknown = int(row["Patients with unknown clock start date"] or 0)
                unknown_starts.add(unknown)
                assert int(row["Total"]) == sum(counts)
                assert total_all == sum(counts) + unknown
            else:
                assert (row["Total"], row["Patients with unknown clock start date"]) == ("", "")
                assert part == "Part_3" or total_all == sum(counts)
            key = (row["Provider Org Code"], row["Commissioner Org Code"], part)
            if row["Treatment Function Code"] == "C_999":
                totals[key] = [*counts, total_all]
            else:
                functions[key] = [a + b for a, b in zip(functions[key], [*counts, total_all], strict=True)]
        assert totals == functions
        assert {part for _, _, part in totals} == {"Part_1A", "Part_1B", "Part_2", "Part_2A", "Part_3"}
        for (provider, commissioner, part), subset in totals.items():
            if part == "Part_2A":
                whole = totals[provider, commissioner, "Part_2"]
                assert all(a <= b for a, b in zip(subset, whole, strict=True))
    assert {0, 1} < unknown_starts


def test_rtt_non_english_commissioner_counts_in_the_provider_only(rtt: dict[str, list[dict[str, str]]]) -> None:
    for rows in rtt.values():
        nonc = [row for row in rows if row["Commissioner Org Code"] == "NONC"]
        assert {row["Provider Org Code"] for row in nonc} >= {"RWG"}
        for row in nonc:
            assert row["Commissioner Org Name"] == "#N/A"
            assert row["Commissioner Parent Org Code"] == row["Commissioner Parent Name"] == ""
    may = [row for row in rtt["2019-05"] if row["Commissioner Org Code"] != "NONC"]
    assert rtt_counts(rtt["2019-05"], "RWG")[2] == 3
    assert rtt_counts(may, "RWG")[2] == 2


def test_rtt_empty_bands_are_blank_in_some_providers_and_zero_in_others(
    rtt: dict[str, list[dict[str, str]]],
) -> None:
    blank, zero = set(), set()
    for row in rtt["2018-03"]:
        if row["RTT Part Type"] != "Part_3":
            cells = {v for k, v in row.items() if k.startswith("Gt ")}
            if "" in cells:
                blank.add(row["Provider Org Code"])
            if "0" in cells:
                zero.add(row["Provider Org Code"])
    assert blank
    assert zero
    assert not blank & zero


# ---------------------------------------------------------------- activity


def test_activity_years_rounding_and_suppression(sample: Path) -> None:
    months: dict[tuple[str, str], set[str]] = defaultdict(set)
    cells: dict[str, set[str]] = defaultdict(set)
    for path in (sample / "activity").iterdir():
        for row in csv_dicts(path):
            month = datetime.strptime(row["Activity Month"], "%b %Y").strftime("%Y-%m")
            months[row["Financial Year"], row["Reporting Period"]].add(month)
            cells[row["Organisation breakdown"]].update(list(row.values())[8:])
    assert {key: len(found) for key, found in months.items()} == {
        ("2017-18", "13"): 1,
        ("2018-19", "13"): 12,
        ("2019-20", "2"): 2,
    }
    assert sorted(set.union(*months.values())) == MONTHS
    assert set(cells) == {"National", "Region of CCG", "Region of Provider", "CCG", "Provider"}
    for breakdown, values in cells.items():
        if breakdown != "National":
            assert all(value == "*" or int(value) % 5 == 0 for value in values)
    assert "*" in cells["Provider"]
    assert "*" not in cells["National"]


# ---------------------------------------------------------------- against what was published


@needs_shared
def test_every_check_value_of_these_months_is_met(
    ae: dict[str, list[dict[str, str]]],
    cancer: dict[Key, tuple[int, int]],
    dtoc: dict[str, list[dict[str, str]]],
) -> None:
    met: dict[str, int] = defaultdict(int)
    for check in csv_dicts(SHARED / "reference" / "check_values.csv"):
        indicator, org_code, month = check["indicator_id"], check["org_code"], check["period"]
        # England can't be met by a sample of ten providers.
        if month not in MONTHS or org_code == "ENG":
            continue
        if indicator.startswith("CANCER"):
            value = cancer[SHEETS[indicator], org_code, month]
            assert value == (int(check["numerator"]), int(check["denominator"])), check
        elif indicator.startswith("DTOC_DAYS"):
            nhs, social, both = dtoc_days(dtoc[month], org_code)
            by_indicator = {"DTOC_DAYS": nhs + social + both, "DTOC_DAYS_NHS": nhs}
            by_indicator |= {"DTOC_DAYS_SOCIAL": social, "DTOC_DAYS_BOTH": both}
            assert by_indicator[indicator] == int(check["numerator"]), check
        else:
            row = next(r for r in ae[month] if r["Org Code"] == org_code)
            within, attendances = ae_counts(row)
            if indicator == "ACT_AE_ATTENDANCES":
                assert attendances == int(check["numerator"]), check
            elif check["numerator"]:
                assert (within, attendances) == (int(check["numerator"]), int(check["denominator"])), check
            else:
                assert within == attendances  # field test: nothing reported over four hours
        met[indicator.split("_")[0]] += 1
    assert met == {"CANCER": 405, "DTOC": 32, "AE": 4, "ACT": 1}


def board_paper(name: str) -> list[dict[str, str]]:
    rows = csv_dicts(SHARED / "reference" / "board_paper_2019" / f"{name}.csv")
    return [row for row in rows if row["period"] in MONTHS and "UNSURE" not in row["note"]]


@needs_shared
def test_board_paper_ae(ae: dict[str, list[dict[str, str]]]) -> None:
    codes = {"WHHT": "RWG", "RFL": "RAL"}
    for figure in board_paper("ae"):
        row = next(r for r in ae[figure["period"]] if r["Org Code"] == codes[figure["org"]])
        if figure["indicator_ref"].startswith("AS08"):
            assert one_decimal(*ae_counts(row)) == Decimal(figure["value"]), figure
        else:
            assert row["Patients who have waited 12+ hrs from DTA to admission"] == figure["value"], figure


@needs_shared
def test_board_paper_rtt(rtt: dict[str, list[dict[str, str]]]) -> None:
    codes = {
        "HVCCG": "06N",
        "Hertfordshire and West Essex STP": "QM7",
        "WHHT": "RWG",
        "RFL": "RAL",
        "L&D": "RC9",
    }
    for figure in [*board_paper("rtt_diag"), *board_paper("stp_access")]:
        measure = figure["indicator_ref"][:4]
        if measure == "AS06":  # diagnostics, not in the sample
            continue
        within, total, over = rtt_counts(rtt[figure["period"]], codes[figure["org"]])
        if not figure["value"]:
            assert total == 0, figure
        elif measure == "AS01":
            assert one_decimal(within, total) == Decimal(figure["value"]), figure
        else:
            assert over == int(figure["value"]), figure


@needs_shared
def test_board_paper_dtoc(dtoc: dict[str, list[dict[str, str]]]) -> None:
    # The extracts of these two months were revised after the paper, and the sample carries the revision.
    revised = {"2019-01", "2019-04"}
    position = {"WHHe": 0, "WHSo": 1, "WHBo": 2}
    for figure in board_paper("dtoc"):
        if figure["org"] != "WHHT" or figure["unit"] != "days" or figure["period"] in revised:
            continue
        days = dtoc_days(dtoc[figure["period"]], "RWG")
        expected = int(figure["value"])
        measure = figure["indicator_ref"]
        assert (days[position[measure]] if measure in position else sum(days)) == expected, figure


def headings_of(path: Path) -> list[str]:
    opener = gzip.open if path.suffix == ".gz" else open
    with opener(path, "rt", encoding="utf-8-sig", newline="") as lines:
        return next(csv.reader(lines))


@needs_shared
@pytest.mark.parametrize(
    ("dataset", "published"),
    [
        ("ae", "ae/Monthly-AE-May-2019*.csv"),
        ("dtoc", "dtoc/provider/*MAY-2019*.csv"),
        ("activity", "activity/HES MAR*.csv"),
    ],
)
def test_csv_headings_are_the_published_ones(sample: Path, dataset: str, published: str) -> None:
    (real,) = (SHARED / "data").glob(published)
    for path in (sample / dataset).iterdir():
        assert headings_of(path) == headings_of(real)


@needs_shared
def test_rtt_headings_and_parts_are_the_published_ones(sample: Path, rtt: dict[str, list[dict[str, str]]]) -> None:
    (real,) = (SHARED / "data" / "rtt").glob("*full-extract.csv.gz")
    published = headings_of(real)
    ours = headings_of(next((sample / "rtt").glob("*.csv")))
    assert ours[:65] == published[:65]
    assert ours[-3:] == published[-3:]
    columns = ["RTT Part Type", "RTT Part Description"]
    parts = pl.read_csv(real, columns=columns, infer_schema=False).unique().rows()
    assert {(row[columns[0]], row[columns[1]]) for row in rtt["2019-05"]} == set(parts)


@needs_shared
def test_cancer_text_cells_stand_where_the_published_ones_do(sample: Path) -> None:
    """Titles, notes and headings of every sheet, cell for cell, and the rows of the three commissioners."""
    compared = 0
    for ours in (sample / "cancer").iterdir():
        month = ours.name.split("-CANCER")[0]
        (published,) = (SHARED / "data" / "cancer" / "commissioner").glob(f"{month}-CANCER*.xlsx")
        ours_book = openpyxl.load_workbook(ours, data_only=True)
        real_book = openpyxl.load_workbook(published, data_only=True, read_only=True)
        assert ours_book.sheetnames == real_book.sheetnames
        for sheet in SHEETS.values():
            real_rows = list(real_book[sheet].iter_rows(values_only=True))
            our_rows = list(ours_book[sheet].iter_rows(values_only=True))
            for number in (1, 3, 4, 5, 6, 7, 8):
                texts = zip_longest(our_rows[number - 1], real_rows[number - 1])
                assert all(ours_cell == real_cell for ours_cell, real_cell in texts), (month, sheet, number)
            real_by_code = {row[1]: row for row in real_rows[8:] if row[1]}
            for row in our_rows[8:]:
                if row[1] in STP:
                    real_row = real_by_code[row[1]][: len(row)]
                    assert row[:-1] == real_row[:-1]
                    assert row[-1] == pytest.approx(real_row[-1])
                    compared += 1
    assert compared == 405
