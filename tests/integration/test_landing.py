"""What happens to files between nights: new, renamed, dropped again, revised, broken, withdrawn."""

from __future__ import annotations

import shutil
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from conftest import NIGHT, land, opened
from dbt_builds import build_marts

from ccg_pipeline import warehouse
from ccg_pipeline.landing import loading
from ccg_pipeline.settings import Settings

# What these tests look at, with all that it rests on: what counts of each edition is decided in these counts.
MODELS = ("+extracts", "+int_ae__indicator_counts", "+int_cancer__indicator_counts")
AE_MAY = "ae/Monthly-AE-May-2019.csv"


@pytest.fixture
def settings(sample_raw: Path, tmp_path: Path) -> Settings:
    """A landing folder with A&E of April and May 2019 and one file of every other dataset."""
    raw = tmp_path / "raw"
    for pattern in (
        "ae/*April-2019*",
        "ae/*May-2019*",
        "dtoc/*MAY-2019*",
        "rtt/*May-2019*",
        "cancer/MAY-2019*",
        "activity/*2019-20*",
    ):
        for path in sample_raw.glob(pattern):
            target = raw / path.relative_to(sample_raw)
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(path, target)
    return Settings(raw, tmp_path / "home")


def statuses(settings: Settings) -> dict[str, tuple[str, str | None]]:
    with opened(settings.warehouse) as con:
        return {
            name: (status, reason)
            for name, status, reason in con.execute("SELECT file_name, status, reason FROM marts.extracts").fetchall()
        }


def loaded_extracts(settings: Settings) -> int:
    with opened(settings.warehouse) as con:
        return con.execute("SELECT count(*) FROM raw.extracts WHERE outcome = 'loaded'").fetchall()[0][0]


def publish(settings: Settings) -> None:
    """What the publication notes of the extracts that it holds."""
    with warehouse.writing(settings.warehouse) as con:
        loading.mark_published(con)


def value(settings: Settings, measure: str, org_code: str, month: str) -> tuple:
    """Numerator and denominator of the edition that counts."""
    dataset = "cancer" if measure.startswith("62_day") else "ae"
    with opened(settings.warehouse) as con:
        ((*row,),) = con.execute(
            f"SELECT numerator, denominator FROM intermediate.int_{dataset}__indicator_counts WHERE measure = ? "
            "AND org_code = ? AND strftime(period_start, '%Y-%m') = ? AND known_to = TIMESTAMP '9999-12-31'",
            [measure, org_code, month],
        ).fetchall()
    return tuple(row)


def revised(path: Path, target: Path) -> None:
    """The same A&E month as a later edition: one more attendance at RWG, within four hours."""
    lines = path.read_text(encoding="utf-8-sig").splitlines()
    for i, line in enumerate(lines):
        cells = line.split(",")
        if cells[1] == "RWG" or cells[3].lower() == "total":
            cells[4] = str(int(cells[4]) + 1)
            lines[i] = ",".join(cells)
    target.write_text("\n".join(lines) + "\n", encoding="utf-8")


def test_a_second_scan_loads_nothing(settings: Settings) -> None:
    first = land(settings)
    assert (first.files, first.new) == (6, 6)
    assert loaded_extracts(settings) == 6
    second = land(settings, NIGHT + timedelta(days=1))
    assert (second.files, second.new) == (6, 0)
    assert loaded_extracts(settings) == 6


def test_every_row_names_its_extract_and_row(settings: Settings) -> None:
    land(settings)
    with opened(settings.warehouse) as con:
        for dataset in ("activity", "ae", "cancer", "dtoc", "rtt"):
            rows, without = con.execute(
                f"SELECT count(*), count(*) FILTER (WHERE source_row IS NULL OR extract_id IS NULL) FROM raw.{dataset}"
            ).fetchall()[0]
            assert rows > 0 and without == 0, dataset


def test_copies_renames_editions_and_quarantine(settings: Settings) -> None:
    """One story, as a folder lives: each step is another night."""
    raw = settings.raw
    may = next(p for p in raw.glob("ae/*") if "May" in p.name)
    april = next(p for p in raw.glob("ae/*") if "April" in p.name)

    shutil.copy2(may, raw / "ae" / "z (1).csv")
    (raw / "broken.csv").write_text("Period,Org Code,Parent Org,Org name\nMSitAE-MAY-2019,RWG,,\n")
    (raw / "letter.txt").write_text("Dear colleague, the figures are late.")
    land(settings)
    build_marts(settings, *MODELS)
    found = statuses(settings)
    assert found["ae/z (1).csv"] == ("duplicate", "the same bytes as another file")
    assert found[may.relative_to(raw).as_posix()][0] == "loaded"
    assert found["broken.csv"][0] == "quarantined" and "looks like ae" in found["broken.csv"][1]
    assert found["letter.txt"][0] == "quarantined" and "not recognised" in found["letter.txt"][1]
    notes = "".join(p.read_text() for p in settings.quarantine.iterdir())
    assert "broken.csv" in notes and "letter.txt" in notes
    assert value(settings, "within_4_hours", "RWG", "2019-05") == (10948, 13706)

    publish(settings)
    # Renamed, the copy removed, the letter taken away: no second load, no duplicate, the new name.
    (raw / "ae" / "z (1).csv").unlink()
    (raw / "letter.txt").unlink()
    renamed = raw / "1.csv"
    may.rename(renamed)
    assert land(settings, NIGHT + timedelta(days=1)).new == 0
    build_marts(settings, *MODELS)
    found = statuses(settings)
    assert found["1.csv"] == ("loaded", None)
    assert may.relative_to(raw).as_posix() not in found and "ae/z (1).csv" not in found
    assert "letter.txt" not in found and not any("letter" in p.read_text() for p in settings.quarantine.iterdir())
    with opened(settings.warehouse) as con:
        assert [name for name, _ in loading.standing_in_quarantine(con)] == ["broken.csv"]

    # The same month again, with other figures: the later received counts, the earlier is kept as superseded.
    revised(renamed, raw / "again.csv")
    land(settings, NIGHT + timedelta(days=2))
    build_marts(settings, *MODELS)
    found = statuses(settings)
    assert found["1.csv"] == ("superseded", "another edition counts for all of it")
    assert found["again.csv"] == ("loaded", None)
    assert value(settings, "within_4_hours", "RWG", "2019-05") == (10949, 13707)
    assert value(settings, "within_4_hours", "RWG", "2019-04") == (10663, 13127)

    publish(settings)
    # What is gone from the folder stays in the warehouse: the folder is a door, not the store.
    publish(settings)
    before = loaded_extracts(settings)
    april.unlink()
    land(settings, NIGHT + timedelta(days=3))
    assert loaded_extracts(settings) == before


def test_a_file_repaired_in_place_leaves_quarantine(settings: Settings) -> None:
    path = next(p for p in settings.raw.glob("ae/*") if "May" in p.name)
    good = path.read_bytes()
    path.write_bytes(good[: len(good) // 2])
    land(settings)
    with opened(settings.warehouse) as con:
        ((name, reason),) = loading.standing_in_quarantine(con)
    assert name == path.relative_to(settings.raw).as_posix()
    assert "cells" in reason or "TOTAL" in reason
    path.write_bytes(good)
    land(settings, NIGHT + timedelta(days=1))
    with opened(settings.warehouse) as con:
        assert loading.standing_in_quarantine(con) == []
    assert loaded_extracts(settings) == 6


def test_what_an_older_reader_read_is_read_again(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    land(settings)
    monkeypatch.setattr(loading, "reader_version", lambda: "a later one")
    assert land(settings, NIGHT + timedelta(days=1)).new == 6
    assert loaded_extracts(settings) == 6
    with opened(settings.warehouse) as con:
        versions, first_received = con.execute(
            "SELECT list(DISTINCT reader_version), max(received_at) FROM raw.extracts"
        ).fetchall()[0]
    assert versions == ["a later one"]
    assert first_received == NIGHT


def test_an_extract_that_was_never_published_is_withdrawn_with_its_file(settings: Settings) -> None:
    land(settings)
    path = next(p for p in settings.raw.glob("ae/*") if "May" in p.name)
    path.unlink()
    assert land(settings, NIGHT + timedelta(days=1)).withdrawn == 1
    publish(settings)
    next(settings.raw.glob("ae/*")).unlink()
    assert land(settings, NIGHT + timedelta(days=2)).withdrawn == 0
    assert loaded_extracts(settings) == 5


def test_provisional_gives_way_to_final_whichever_came_first(settings: Settings, tmp_path: Path) -> None:
    import openpyxl

    provisional = next(iter(settings.raw.glob("cancer/*.xlsx")))
    book = openpyxl.load_workbook(provisional, data_only=True)
    for row in book.worksheets[0].iter_rows(max_row=12):
        if row[0].value and str(row[0].value).startswith("Status:"):
            row[0].value = "Status: Final Official Statistics"
    sheet = book["62-DAY (ALL CANCER)"]
    for row in sheet.iter_rows(min_row=9):
        if row[1].value == "06N" or row[2].value == "ENGLAND":
            row[5].value, row[6].value = row[5].value + 1, row[6].value + 1
            row[8].value = row[6].value / row[5].value
    results = []
    for order in ("provisional first", "final first"):
        home = Settings(tmp_path / order / "raw", tmp_path / order / "home")
        home.raw.mkdir(parents=True)
        nights = [
            lambda r=home.raw: shutil.copy2(provisional, r / "a.xlsx"),
            lambda r=home.raw: book.save(r / "b.xlsx"),
        ]
        for number, drop in enumerate(nights if order == "provisional first" else reversed(nights)):
            drop()
            land(home, NIGHT + timedelta(days=number))
        build_marts(home, *MODELS)
        results.append(value(home, "62_day_gp", "06N", "2019-05"))
        assert statuses(home)["a.xlsx"][0] == "superseded"
    assert results == [(66, 80), (66, 80)]


def test_times_of_receipt_are_kept(settings: Settings) -> None:
    land(settings)
    land(settings, NIGHT + timedelta(days=5))
    with opened(settings.warehouse) as con:
        times: set[datetime] = {r[0] for r in con.execute("SELECT received_at FROM raw.received_files").fetchall()}
    assert times == {NIGHT}


def test_two_that_arrive_together_and_do_not_say_which_is_later_both_wait(settings: Settings) -> None:
    """Which of them counts would be a guess; with one taken away the other loads."""
    may = next(p for p in settings.raw.glob("ae/*") if "May" in p.name)
    other = settings.raw / "ae" / "other.csv"
    revised(may, other)
    land(settings)
    with opened(settings.warehouse) as con:
        standing = dict(loading.standing_in_quarantine(con))
    assert set(standing) == {may.relative_to(settings.raw).as_posix(), "ae/other.csv"}
    assert all("holds other figures for May 2019 too" in reason for reason in standing.values())
    may.unlink()
    land(settings, NIGHT + timedelta(days=1))
    with opened(settings.warehouse) as con:
        assert loading.standing_in_quarantine(con) == []
        assert con.execute(
            "SELECT DISTINCT attendances_type1 FROM raw.ae WHERE org_code = 'RWG' AND period_start = '2019-05-01'"
        ).fetchall() == [(8819,)]


def test_a_file_that_cannot_be_read_tonight_is_tried_again(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    def gone(*_: object, **__: object) -> None:
        raise OSError("the share is not mounted")

    with monkeypatch.context() as patch:
        patch.setattr(loading, "read_extract", gone)
        land(settings)
    with opened(settings.warehouse) as con:
        reasons = [reason for _, reason in loading.standing_in_quarantine(con)]
        assert loading.broken_off(con), "so that the next night begins although nothing is new"
    assert len(reasons) == 6 and all("share is not mounted" in reason for reason in reasons)
    land(settings, NIGHT + timedelta(days=1))
    assert loaded_extracts(settings) == 6
    with opened(settings.warehouse) as con:
        assert not loading.broken_off(con)
