"""``ccg explain`` on the sample: what it says of a value, and the rows it names against the files themselves."""

from __future__ import annotations

import csv
import hashlib
import json
import os
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import duckdb
import openpyxl
import pytest

from ccg_pipeline import cli
from ccg_pipeline.settings import Settings

Explain = Callable[..., dict]


@pytest.fixture
def explained(sample_home: Path, capsys: pytest.CaptureFixture[str]) -> Explain:
    """The one value, of a source, that ``ccg explain --format json`` tells."""

    def ask(indicator_id: str, org_code: str, period: str, source: str = "derived", home: Path = sample_home) -> dict:
        asked = ["explain", indicator_id, org_code, period, "--format", "json", "--home", str(home)]
        assert cli.run(asked) == 0
        (value,) = [v for v in json.loads(capsys.readouterr().out)["values"] if v["source"] == source]
        return value

    return ask


def rows_of_text(raw: Path, value: dict) -> list[dict[str, str]]:
    """The rows that the value rests on, read from its one text file by the csv module alone."""
    (extract,), (place,) = value["extracts"], value["rows"]["places"]
    path = raw / extract["file_name"]
    assert hashlib.sha256(path.read_bytes()).hexdigest() == extract["sha256"] == place["sha256"]
    lines = list(csv.reader(path.read_text("utf-8-sig").splitlines()))
    header = next(line for line in lines if len([cell for cell in line if cell]) > 5)
    return [dict(zip(header, lines[number - 1], strict=False)) for number in numbers(place["source_rows"])]


def numbers(ranges: str) -> list[int]:
    found: list[int] = []
    for part in ranges.split(", "):
        first, _, last = part.partition("-")
        found += range(int(first), int(last or first) + 1)
    return found


def test_accident_and_emergency_rests_on_its_row(explained: Explain, sample_raw: Path) -> None:
    value = explained("ae_4hr", "rwg", "2019-05")
    (row,) = rows_of_text(sample_raw, value)
    assert row["Org Code"] == "RWG"
    attendances = sum(int(row[h]) for h in row if h.startswith("Number of A&E attendances"))
    over = sum(int(row[h]) for h in row if h.startswith("Number of attendances over 4hrs"))
    assert (value["numerator"], value["denominator"]) == (attendances - over, attendances)
    assert value["rows"]["adds_up"] and value["rows"]["count"] == 1
    assert value["rows"]["listed"][0]["cells"]["attendances_type1"] == int(row["Number of A&E attendances Type 1"])
    assert value["standard"]["standard"] == 95 and value["standard"]["valid_from"] == "2013-04-01"
    assert value["is_met"] is False and value["periods_in_breach"] > 0


def test_a_target_that_was_returned_is_the_plan_of_the_value(explained: Explain) -> None:
    """Planned 95 %, 22.7 % returned: 72.3 points below, and higher is better."""
    value = explained("CAMHS5_ROUTINE_28D", "06N", "2019-05", source="reported")
    (plan,) = value["trajectories"]
    assert (plan["plan"], plan["planned_label"], plan["actual_label"]) == ("as returned", "95.0 %", "22.7 %")
    assert (plan["variance_label"], plan["verdict"], plan["forecast"]) == ("-72.3 points", "not on plan", None)


def test_england_leaves_out_who_reports_nothing(explained: Explain, sample_raw: Path) -> None:
    value = explained("AE_4HR", "ENG", "2019-05")
    rows = rows_of_text(sample_raw, value)
    assert len(rows) == value["rows"]["count"] == 10
    attendances = {r["Org Code"]: sum(int(r[h]) for h in r if h.startswith("Number of A&E att")) for r in rows}
    assert value["denominator"] == sum(n for code, n in attendances.items() if code not in ("RC9", "RGT"))
    assert "leaves out the field-test sites that report no four-hour figure: RC9, RGT" in value["caveats"]
    silent = [row for row in value["rows"]["listed"] if row["cells"]["org_code"] in ("RC9", "RGT")]
    assert [(row["numerator"], row["denominator"]) for row in silent] == [(None, None)] * 2


def test_cancer_rests_on_its_row_of_the_sheet(explained: Explain, sample_raw: Path) -> None:
    value = explained("CANCER_62D_GP", "06N", "2019-05")
    (extract,), (place,) = value["extracts"], value["rows"]["places"]
    book = openpyxl.load_workbook(sample_raw / extract["file_name"], data_only=True)
    cells = [cell.value for cell in book[place["source_sheet"]][int(place["source_rows"])]]
    assert "06N" in cells
    assert value["denominator"] in cells and value["numerator"] in cells
    assert value["denominator"] - value["numerator"] in cells
    assert (value["numerator"], value["denominator"], value["shown"]) == (65, 79, "82.3 %")
    assert value["arithmetic"] == (
        "breaches 79 - 65 = 14; allowed floor(79 x (100 - 85) / 100) = floor(11.85) = 11; "
        "in excess 14 - 11, not below 0, = 3"
    )
    assert value["verdict"] == "not met, 3 in excess"
    assert (value["edition"], value["history"][-1]["edition"]) == ("provisional", "provisional")
    assert value["history"][-1]["known_to"] is None and value["history"][-1]["files"] == [extract["file_name"]]
    assert value["organisation"]["org_name"] == "NHS Herts Valleys CCG"


def test_pathways_rest_on_the_totals_of_every_provider(explained: Explain, sample_raw: Path) -> None:
    value = explained("RTT_INCOMPLETE_18W", "06N", "2019-05")
    rows = rows_of_text(sample_raw, value)
    assert {(r["Commissioner Org Code"], r["RTT Part Type"], r["Treatment Function Code"]) for r in rows} == {
        ("06N", "Part_2", "C_999")
    }
    bands = [[int(r[h] or 0) for h in r if h.startswith("Gt ")] for r in rows]
    assert value["numerator"] == sum(sum(row[:18]) for row in bands)
    assert value["denominator"] == sum(map(sum, bands))
    assert value["rows"]["adds_up"] and len(bands) == 4


def test_long_waits_and_provider_pathways_have_rows(explained: Explain, sample_raw: Path) -> None:
    value = explained("RTT_52W", "RWG", "2019-05")
    over = [sum(int(r[h] or 0) for h in r if h.startswith("Gt 52")) for r in rows_of_text(sample_raw, value)]
    assert value["value"] == sum(over) and value["rows"]["count"] == len(over) > 0
    assert value["denominator"] is None and value["rows"]["denominator"] is None


def test_delayed_days_rest_on_rows_by_setting_and_reason(explained: Explain, sample_raw: Path) -> None:
    value = explained("DTOC_DAYS", "RWG", "2019-04")
    rows = rows_of_text(sample_raw, value)
    assert {row["Provider Org Code"] for row in rows} == {"RWG"}
    assert value["value"] == sum(int(r["NHS"]) + int(r["Social Care"]) + int(r["Both B"]) for r in rows) == 676
    assert value["rows"]["count"] == 21 and len(value["rows"]["listed"]) == 20
    (other,) = value["beside"]
    assert (other["source"], other["value"], other["difference"]) == ("reported", 628, -48)
    assert [question["finding"] for question in value["questions"]] == ["reported_differs"]


def test_admissions_rest_on_their_row(explained: Explain, sample_raw: Path) -> None:
    value = explained("ACT_ELECTIVE_ADMISSIONS", "06N", "2019-05")
    (row,) = rows_of_text(sample_raw, value)
    assert row["Org Code"] == "06N"
    assert value["value"] == int(row["Specific acute specialties: Elective total"])
    assert value["caveats"] == ["rounded to 5 by the publisher"]
    assert (value["standard"], value["arithmetic"]) == (None, None)


def test_a_reported_value_quotes_its_row_of_the_return(explained: Explain, sample_raw: Path) -> None:
    value = explained("DTOC_DAYS", "RWG", "2019-04", source="reported")
    (row,) = rows_of_text(sample_raw, value)
    assert (row["org_code"], row["indicator_id"], row["value"]) == ("RWG", "DTOC_DAYS", "628")
    assert value["value"] == value["rows"]["listed"][0]["value"] == 628
    assert value["is_preferred"] is False and value["rows"]["adds_up"] is None
    assert (value["beside"][0]["value"], value["beside"][0]["difference"]) == (676, -48)


def test_a_value_without_figure_says_why(explained: Explain) -> None:
    value = explained("DTOC_RATE", "RWG", "2018-04")
    assert (value["value"], value["shown"], value["verdict"]) == (None, "no value", "not judged")
    assert value["caveats"] == ["no rate: no KH03 beds for the quarter from April 2018"]
    assert value["beside"][0]["indicator_id"] == "DTOC_RATE_REPORTED"
    assert value["rows"]["numerator"] is None and value["rows"]["count"] == 21


def test_a_system_is_made_of_its_members_and_a_year_of_its_months(explained: Explain) -> None:
    value = explained("RTT_INCOMPLETE_18W", "QM7", "2019-05")
    assert value["parts"]["kind"] == "members"
    assert [part["org_code"] for part in value["parts"]["values"]] == ["06K", "06N", "07H"]
    for count in ("numerator", "denominator"):
        assert value[count] == sum(part[count] for part in value["parts"]["values"])
    year = explained("CANCER_62D_GP", "06N", "2019-05 YTD")
    assert [part["period_start"] for part in year["parts"]["values"]] == ["2019-04-01", "2019-05-01"]
    for count in ("numerator", "denominator"):
        assert year[count] == sum(part[count] for part in year["parts"]["values"])


def test_an_own_standard_stands_beside_the_national_one(explained: Explain, sample_home: Path, tmp_path: Path) -> None:
    published = Settings(tmp_path, tmp_path).published
    published.parent.mkdir(parents=True)
    shutil.copyfile(Settings(sample_home, sample_home).published, published)
    con = duckdb.connect(str(published))
    con.execute(
        "UPDATE marts.fct_standard_comparisons SET (standard_id, standard) = ('DTOC_RATE_REPORTED-RY4', 9.9) "
        "WHERE indicator_id = 'DTOC_RATE_REPORTED'"
    )
    con.execute(
        "INSERT INTO marts.fct_corrections SELECT 'cancer', 'CANCER_62D_GP', '06N', 'ccg', 'month', DATE '2019-05-01', "
        "'numerator', 65, 66, 65, true, 'applied', 'typed wrong', 'the trust wrote', 'A. Analyst', DATE '2019-08-01'"
    )
    con.execute(
        "UPDATE marts.fct_indicator_values SET numerator = 66 WHERE indicator_id = 'CANCER_62D_GP' "
        "AND org_code = '06N' AND period_type = 'month' AND period_start = DATE '2019-05-01'"
    )
    con.execute(
        "UPDATE marts.fct_standard_comparisons SET numerator = 66 WHERE indicator_id = 'CANCER_62D_GP' "
        "AND org_code = '06N' AND period_type = 'month' AND period_start = DATE '2019-05-01'"
    )
    con.close()
    value = explained("DTOC_RATE_REPORTED", "RWG", "2019-05", source="reported", home=tmp_path)
    assert value["standard"]["standard_id"] == "DTOC_RATE_REPORTED-RY4"
    assert value["national_standard"]["scope"] == "national"
    corrected = explained("CANCER_62D_GP", "06N", "2019-05", home=tmp_path)
    assert corrected["rows"]["adds_up"] is False
    assert [c["outcome"] for c in corrected["corrections"]] == ["applied"]


def test_rows_that_do_not_add_up_fail_the_run(sample_home: Path, tmp_path: Path) -> None:
    settings = Settings(tmp_path, tmp_path)
    shutil.copyfile(Settings(sample_home, sample_home).published, settings.warehouse)
    settings.warehouse.chmod(0o644)
    con = duckdb.connect(str(settings.warehouse))
    # A row of the file less, a value more than its rows, and a value that no row is behind.
    con.execute("DELETE FROM raw.ae WHERE org_code = 'RWG' AND period_start = DATE '2019-05-01'")
    con.execute(
        "UPDATE intermediate.int_dataset_counts SET numerator = numerator + 1 WHERE indicator_id = 'CANCER_62D_GP' "
        "AND org_code = '06N' AND period_start = DATE '2019-05-01'"
    )
    con.execute(
        "INSERT INTO intermediate.int_dataset_counts SELECT * REPLACE ('XXX' AS org_code) "
        "FROM intermediate.int_dataset_counts WHERE dataset = 'dtoc' LIMIT 1"
    )
    con.close()
    done = subprocess.run(
        [settings.dbt_executable, "--quiet", "test", "--select", "test_name:rows_add_up"],
        cwd=settings.dbt_project,
        env={**os.environ, **settings.dbt_environment()},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 1, done.stdout + done.stderr
    results = json.loads((settings.dbt_target / "run_results.json").read_text())["results"]
    failures = {result["unique_id"].split(".")[2]: result["failures"] for result in results}
    found = {name.split("__")[0].removeprefix("rows_add_up_int_"): count for name, count in failures.items()}
    # Six indicators of the trust, and four of England: of long trolley waits and type 2 attendances the trust had none.
    assert found.pop("ae") == 10
    assert {name: count for name, count in found.items() if count} == {"cancer": 1, "dtoc": 1}
    assert len(results) == 8


def test_the_text_holds_the_same_for_people(sample_home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.run(["explain", "CANCER_62D_GP", "06N", "2019-05", "--home", str(sample_home)]) == 0
    told = " ".join(capsys.readouterr().out.split())
    for said in (
        "CANCER_62D_GP: 62 days from urgent GP referral to first treatment",
        "denominator patients first treated after an urgent GP referral",
        "value 82.3 % (65 of 79), unrounded 82.278",
        "standard >= 85, national, in force from 2013-04-01 until 2023-09-30; both (CA07)",
        "verdict not met, 3 in excess",
        "sheet 62-DAY (ALL CANCER): 11",
        "they add to 1 row, 65 of 79: the value",
        "row 11: 65 to the numerator, 79 to the denominator",
    ):
        assert said in told


@pytest.mark.parametrize(
    ("asked", "says"),
    [
        (("CANCER_62D_GPP", "06N", "2019-05"), "no indicator 'CANCER_62D_GPP' is published; near it are CANCER_62D_GP"),
        (("CANCER_62D_GP", "NOBODY", "2019-05"), "no organisation 'NOBODY' is published"),
        (("CANCER_62D_GP", "06N", "2012-05"), "there are some from 2018-03 to 2019-05, the nearest ending in 2018-03"),
        (("CANCER_62D_GP", "06N", "2012-05 YTD"), "no year to date of CANCER_62D_GP for 06N to 2012-05; the nearest"),
        (("CANCER_62D_GP", "RWG", "2019-05"), "RWG has no values of CANCER_62D_GP in any period"),
    ],
)
def test_what_is_not_there_is_said(
    asked: tuple[str, ...], says: str, sample_home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.run(["explain", *asked, "--home", str(sample_home)]) == 2
    assert says in capsys.readouterr().err


def test_nothing_published_and_no_month(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.run(["explain", "CANCER_62D_GP", "06N", "2019-05", "--home", str(tmp_path)]) == 1
    assert "nothing is published" in capsys.readouterr().err
    with pytest.raises(SystemExit) as stopped:
        cli.run(["explain", "CANCER_62D_GP", "06N", "May", "--home", str(tmp_path)])
    assert stopped.value.code == 2
