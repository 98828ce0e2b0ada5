"""Files that nobody should open, in the landing folder: each ends in quarantine in words, and the night goes on."""

from __future__ import annotations

import csv
import gzip
import io
import os
import shutil
import socket
import struct
import subprocess
import sys
import zipfile
from collections.abc import Callable, Iterator
from datetime import date, datetime, timedelta
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import damage
import duckdb
import pytest
from conftest import NIGHT, opened

from ccg_pipeline import cli, extracts
from ccg_pipeline.landing import files, loading
from ccg_pipeline.publication import indicators
from ccg_pipeline.settings import PROJECT_ROOT, Settings

GOOD = "ae/Monthly-AE-May-2019.csv"
OTHER = "ae/Monthly-AE-April-2019.csv"
MB = 1024**2


@pytest.fixture
def settings(sample_raw: Path, tmp_path: Path) -> Settings:
    """A landing folder with one good file: A&E of May 2019."""
    target = tmp_path / "raw" / GOOD
    target.parent.mkdir(parents=True)
    shutil.copy2(sample_raw / GOOD, target)
    return Settings(tmp_path / "raw", tmp_path / "home")


def land(settings: Settings, now: datetime = NIGHT) -> None:
    """Receive all, and load the datasets that the good files here are of."""
    loading.receive(settings, now, lambda _: None)
    for dataset in ("ae", "cancer"):
        loading.load(settings, dataset, lambda _: None)


def standing(settings: Settings) -> dict[str, str]:
    """The reasons of what is in quarantine, by file."""
    with opened(settings.warehouse) as con:
        return dict(loading.standing_in_quarantine(con))


def loaded(settings: Settings) -> set[str]:
    with opened(settings.warehouse) as con:
        rows = con.execute(
            "SELECT f.file_name FROM raw.received_files f JOIN raw.extracts e USING (extract_id) "
            "WHERE e.outcome = 'loaded' AND f.is_present"
        ).fetchall()
    return {name for (name,) in rows}


def zipped(members: dict[str, bytes], method: int = zipfile.ZIP_DEFLATED) -> bytes:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", method) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return packed.getvalue()


def book(sheet: bytes | None = None, **parts: bytes) -> bytes:
    """A workbook, with another content of its first sheet, and other parts in it."""
    whole = damage.workbook({"s": [["a", "b"], ["1", "2"]]})
    if sheet is not None:
        whole = damage.with_sheet(whole, lambda old: old[: old.index(b"<sheetData")] + sheet + b"</worksheet>")
    with zipfile.ZipFile(io.BytesIO(whole)) as archive:
        return zipped({n: archive.read(n) for n in archive.namelist()} | parts)


def cells(*addresses: str, quote: str = '"') -> bytes:
    """A sheet with a cell at each address, each in a row of its own."""
    rows = [
        f"<row r={quote}{''.join(filter(str.isdigit, at))}{quote}><c r={quote}{at}{quote}><v>1</v></c></row>"
        for at in addresses
    ]
    return f"<sheetData>{''.join(rows)}</sheetData>".encode()


def stating(packed: bytes, size: int) -> bytes:
    """A zip of one file that states another size of it, in both places."""
    at = packed.index(b"PK\x01\x02")
    changed = bytearray(packed)
    changed[at + 24 : at + 28] = changed[22:26] = struct.pack("<I", size)
    return bytes(changed)


def overlapping() -> bytes:
    """A zip that lists the same bytes as a file again and again."""
    packed = zipped({"a.csv": os.urandom(4096)}, zipfile.ZIP_STORED)
    at, end = packed.index(b"PK\x01\x02"), packed.index(b"PK\x05\x06")
    entry = packed[at:end]
    listed = b"".join(entry.replace(b"a.csv", b"%05d" % number) for number in range(1000))
    tail = struct.pack("<4s4H2LH", b"PK\x05\x06", 0, 0, 1000, 1000, len(listed), at, 0)
    return packed[:at] + listed + tail


LAUGHS = b'<?xml version="1.0"?><!DOCTYPE l [<!ENTITY a "ha"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;">]><sst>&b;</sst>'
MANY_USES = (
    b"<sheetData>"
    + b"".join(
        b'<row r="%d">' % row
        + b"".join(b'<c r="%c%d" t="s"><v>0</v></c>' % (65 + c, row) for c in range(20))
        + b"</row>"
        for row in range(1, 2501)
    )
    + b"</sheetData>"
)
HOSTILE: dict[str, tuple[Callable[[], bytes], str]] = {
    "bomb.zip": (lambda: zipped({"a.csv": b"0" * 50 * MB}), "zip bomb"),
    "bomb.gz": (lambda: gzip.compress(b"0" * 50 * MB), "refused as a bomb"),
    "bomb.xlsx": (lambda: book(**{"xl/media/a.xml": b" " * 80 * MB}), "zip bomb"),
    "states little.zip": (lambda: stating(zipped({"a.csv": b"0" * 50 * MB}), 10), "cannot be unpacked"),
    "states much.zip": (lambda: stating(zipped({"a.csv": b"a,b\n"}), 2**31), "zip bomb"),
    "overlapping.zip": (overlapping, "overlap"),
    "many.zip": (lambda: zipped({str(n): b"" for n in range(6000)}), "6,000 files"),
    "nested.zip": (lambda: zipped({"b.zip": zipped({"c.zip": zipped({"a.csv": b"a,b\n"})})}), "within a packed file"),
    "by another method.zip": (lambda: zipped({"a.csv": b"a,b\n1,2\n"}, zipfile.ZIP_LZMA), "expected deflate"),
    "with password.zip": (lambda: damage.with_password(zipped({"a.csv": b"a,b\n"})), "password"),
    "with password.xlsx": (lambda: damage.with_password(book()), "password"),
    "protected.xlsx": (damage.protected_workbook, "password"),
    "laughs.xlsx": (lambda: book(**{"xl/sharedStrings.xml": LAUGHS}), "a DTD"),
    "other encoding.xlsx": (lambda: book(**{"xl/styles.xml": LAUGHS.decode().encode("utf-16")}), "not in UTF-8"),
    "endless texts.xlsx": (
        lambda: book(MANY_USES, **{"xl/sharedStrings.xml": b"<sst><si><t>" + b"x" * 30_000 + b"</t></si></sst>"}),
        "refused as a bomb",
    ),
    "far.xlsx": (lambda: book(cells("XFD1", "A1048576")), "too large to be an extract"),
    "far in other quotes.xlsx": (lambda: book(cells("XFD1", "A1048576", quote="'")), "no spreadsheet program writes"),
    "far without addresses.xlsx": (
        lambda: book(b'<sheetData><row r="1">' + b"<c/>" * 16_384 + b'</row><row r="1048576"><c/></row></sheetData>'),
        "too large to be an extract",
    ),
    "states a large sheet.xlsx": (
        lambda: book(b'<dimension ref="A1:XFD1048576"/>' + cells("A1", "B1")),
        "not recognised",
    ),
    "twice.xlsx": (lambda: book(**{"XL/worksheets/sheet1.xml": b"<worksheet/>"}), "twice"),
    "no.xls": (lambda: b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + b"\xff" * 4096, "damaged"),
    "no.xlsx": (lambda: b"PK\x03\x04" + b"\0" * 4096, "cannot be unpacked"),
    "columns.csv": (
        lambda: (",".join(f"H{n}" for n in range(100_000)) + "\n" + "," * 99_999).encode(),
        "not recognised",
    ),
    "long cell.csv": (lambda: b"Period,Org Code\n" + b"x" * 20 * MB + b",RWG\n", "not recognised"),
    "one line.csv": (lambda: b"abc,def " * 2 * MB, "not recognised"),
    "open quote.csv": (lambda: b'Period,Org Code\n"' + b"a,b\n" * MB, "not recognised"),
    "nul.csv": (lambda: b"Period,Org\0Code\n", "neither text nor a workbook"),
    "mixed.csv": (lambda: b"Period,Org Code\n\xc3\xa9,\xe9\n\x81,x\n", "neither UTF-8 nor Windows-1252"),
    "utf-16.csv": (lambda: "Period,Org Code\n".encode("utf-16"), "UTF-16"),
    "utf-32.csv": (lambda: "Period,Org Code\n".encode("utf-32"), "UTF-16"),
    "sql.xlsx": (lambda: damage.workbook({"'; DROP TABLE raw.ae; --": [["a", "b"], ["1", "2"]]}), "DROP TABLE raw.ae"),
}


def test_hostile_content_is_quarantined_in_words(settings: Settings, tmp_path: Path) -> None:
    for name, (content, _) in HOSTILE.items():
        (settings.raw / name).write_bytes(content())
    before = {path for path in tmp_path.rglob("*") if settings.home not in path.parents}
    land(settings)
    reasons = standing(settings)
    assert set(reasons) == set(HOSTILE)
    for name, (_, words) in HOSTILE.items():
        assert words in reasons[name], (name, reasons[name])
        assert reasons[name].isprintable() and len(reasons[name]) < 3_500, name
    assert loaded(settings) == {GOOD}
    assert {path for path in tmp_path.rglob("*") if settings.home not in path.parents} - before <= {settings.home}
    assert list(settings.scratch.iterdir()) == []


def test_a_member_that_climbs_out_of_its_zip_is_read_and_never_written(
    settings: Settings, sample_raw: Path, tmp_path: Path
) -> None:
    content = (sample_raw / OTHER).read_bytes()
    (settings.raw / "up.zip").write_bytes(zipped({"../../../climbed.csv": content}))
    (settings.raw / "root.zip").write_bytes(zipped({f"{tmp_path}/climbed.csv": content}))
    link = zipfile.ZipInfo(f"{tmp_path}/absolute.csv")
    link.create_system, link.external_attr = 3, 0o120777 << 16  # a symbolic link, as Unix packs them
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        archive.writestr(link, "/etc/passwd")
    (settings.raw / "link.zip").write_bytes(packed.getvalue())
    land(settings)
    assert standing(settings).keys() == {"link.zip", "up.zip"}
    assert "root:" not in standing(settings)["link.zip"]
    assert loaded(settings) == {GOOD, "root.zip"}
    assert not [path for path in tmp_path.rglob("*") if path.name in ("climbed.csv", "absolute.csv")]


def test_macros_and_links_to_other_workbooks_are_left_out_and_the_values_count(
    settings: Settings, sample_raw: Path
) -> None:
    whole = next(iter(sample_raw.glob("cancer/MAY-2019-*.xlsx")))
    with zipfile.ZipFile(whole) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    members["xl/vbaProject.bin"] = b"\xd0\xcf\x11\xe0 Sub Auto_Open() Shell 1"
    members["xl/externalLinks/externalLink1.xml"] = b"<!DOCTYPE x SYSTEM 'http://127.0.0.1:9/x'><externalLink/>"
    (settings.raw / "macros.xlsm").write_bytes(zipped(members))
    land(settings)
    assert loaded(settings) == {GOOD, "macros.xlsm"}
    with opened(settings.warehouse) as con:
        (rows,) = con.execute("SELECT count(*) FROM raw.cancer").fetchall()[0]
    assert rows == extracts.read(extracts.Source(whole, "a")).rows.height


@pytest.fixture
def listening(settings: Settings) -> Iterator[None]:
    """A socket in the landing folder."""
    with socket.socket(socket.AF_UNIX) as ear:
        ear.bind(str(settings.raw / "socket"))
        yield


@pytest.mark.usefixtures("listening")
def test_what_is_no_file_is_quarantined_unread_and_nothing_is_waited_for(settings: Settings, tmp_path: Path) -> None:
    raw, outside = settings.raw, tmp_path / "outside"
    outside.mkdir()
    (outside / "secret.csv").write_text("password,hunter2\n1,2\n")
    os.mkfifo(raw / "pipe.csv")
    (raw / "link.csv").symlink_to(outside / "secret.csv")
    (raw / "folder").symlink_to(outside)
    (raw / "loop").symlink_to(raw / "loop")
    (raw / "up").symlink_to(raw)
    (raw / "dangling.csv").symlink_to(tmp_path / "nowhere")
    (raw / "forever").symlink_to("/dev/zero")
    os.link(raw / GOOD, raw / "hard.csv")
    land(settings)
    reasons = standing(settings)
    links = {"link.csv", "folder", "loop", "up", "dangling.csv", "forever"}
    assert set(reasons) == {*links, "pipe.csv", "socket"}
    assert all("a symbolic link" in reasons[name] for name in links)
    assert "a named pipe" in reasons["pipe.csv"] and "a socket" in reasons["socket"]
    assert loaded(settings) == {GOOD, "hard.csv"}
    noted = "".join(path.read_text() for path in settings.quarantine.iterdir())
    assert "hunter2" not in noted
    # The file itself in the place of its link is another content.
    (raw / "link.csv").unlink()
    shutil.copy2(raw / GOOD, raw / "link.csv")
    land(settings, NIGHT + timedelta(days=1))
    assert "link.csv" not in standing(settings)


def test_a_device(settings: Settings) -> None:
    try:
        os.mknod(settings.raw / "zero", 0o600 | 0o020000, os.makedev(1, 5))
    except PermissionError:
        pytest.skip("only root makes devices")
    land(settings)
    assert "a device" in standing(settings)["zero"]


def test_a_folder_that_cannot_be_listed_stands_there_with_its_name(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    closed = settings.raw / "closed"
    closed.mkdir()
    listed = os.scandir

    def scandir(folder: Path) -> Any:
        if Path(folder) == closed:
            raise PermissionError(13, "Permission denied", str(folder))
        return listed(folder)

    monkeypatch.setattr(files.os, "scandir", scandir)
    land(settings)
    assert "a folder that cannot be listed" in standing(settings)["closed"]
    assert loaded(settings) == {GOOD}


NAMES = (
    "'; DROP TABLE raw.extracts; --.csv",
    '"quoted" `and` $(touch x).csv',
    "-rf.csv",
    "line\nbreak.csv",
    "\x1b[2J\x1b]0;owned\x07.csv",
    "\u202excod.csv",
    "\U0001f480.csv",
    "Same.csv",
    "same.csv",
    "<img src=x onerror=alert(1)>.csv",
    "=HYPERLINK(1).csv",
    f"{'n' * 251}.csv",
    "no text \udcff.csv",
    "no text \\udcff.csv",
)


def test_names_are_shown_in_one_line_and_found_again(
    settings: Settings, sample_raw: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Each name holds a month of its own that loads; what cannot be seen in it is shown as an escape."""
    for number, name in enumerate(NAMES):
        month = f"{date(2017 + number // 12, number % 12 + 1, 1):%B-%Y}".upper().encode()
        (settings.raw / name).write_bytes((sample_raw / GOOD).read_bytes().replace(b"MAY-2019", month))
    old = settings.raw / "old.csv"
    old.write_text("1,2\n")
    os.utime(old, (1e12, 1e12))  # no date has such a year
    found, _ = files.scan(settings.raw)
    assert len(found) == len(NAMES) + 2
    assert all(file.file_name.isprintable() for file in found)
    assert {"line\\nbreak.csv", "\\x1b[2J\\x1b]0;owned\\x07.csv", "\\u202excod.csv"} <= {f.file_name for f in found}
    land(settings)
    assert standing(settings).keys() == {"old.csv"}
    assert loaded(settings) == {file.file_name for file in found} - {"old.csv"}
    assert cli.run(["check", str(settings.raw)]) == 3
    shown = capsys.readouterr().out
    assert all(character.isprintable() or character == "\n" for character in shown)


def test_sql_and_formulas_in_cells_are_text(settings: Settings, sample_raw: Path) -> None:
    evil = "Robert'); DROP TABLE raw.ae; --"
    lines = (sample_raw / OTHER).read_text(encoding="utf-8-sig").splitlines()
    row = lines[1].split(",")
    lines[1] = ",".join([*row[:3], f'"{evil}"', *row[4:]])
    (settings.raw / "sql.csv").write_text("\n".join(lines) + "\n")
    land(settings)
    assert standing(settings) == {}
    with opened(settings.warehouse) as con:
        assert con.execute("SELECT count(*) FROM raw.ae WHERE org_name = ?", [evil]).fetchall() == [(1,)]


# A file that changes


def swapped(path: Path, content: bytes) -> None:
    beside = path.with_name(".beside")
    beside.write_bytes(content)
    beside.replace(path)


def test_a_file_that_changes_before_it_is_recognised_waits(
    settings: Settings, sample_raw: Path, monkeypatch: Any
) -> None:
    scan, other = loading.scan, (sample_raw / OTHER).read_bytes()

    def scanned_then_changed(*arguments: Any) -> Any:
        found = scan(*arguments)
        swapped(settings.raw / GOOD, other)
        return found

    with monkeypatch.context() as patch:
        patch.setattr(loading, "scan", scanned_then_changed)
        land(settings)
    assert "it changed since the landing folder was listed" in standing(settings)[GOOD]
    assert loaded(settings) == set()
    land(settings, NIGHT + timedelta(days=1))
    assert (loaded(settings), standing(settings)) == ({GOOD}, {})
    with opened(settings.warehouse) as con:
        assert con.execute("SELECT DISTINCT month(period_start) FROM raw.ae").fetchall() == [(4,)]


@pytest.mark.parametrize("change", ["other bytes", "longer", "a link", "gone", "a pipe"])
def test_a_file_that_changes_between_recognising_and_loading_waits(
    settings: Settings, sample_raw: Path, tmp_path: Path, change: str
) -> None:
    path = settings.raw / GOOD
    loading.receive(settings, NIGHT, lambda _: None)
    if change == "longer":
        path.write_bytes(path.read_bytes() + b"\n")
    else:
        path.unlink()
    if change == "other bytes":
        shutil.copy2(sample_raw / OTHER, path)
    elif change == "a link":
        shutil.copy2(sample_raw / GOOD, tmp_path / "same.csv")
        path.symlink_to(tmp_path / "same.csv")
    elif change == "a pipe":
        os.mkfifo(path)
    loading.load(settings, "ae", lambda _: None)
    assert loaded(settings) == set()
    words = {"a link": "a symbolic link", "gone": "No such file", "a pipe": "a named pipe"}
    assert words.get(change, "it changed since") in standing(settings)[GOOD]


def test_what_is_loaded_is_what_was_hashed_whatever_the_file_is_by_then(
    settings: Settings, sample_raw: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The reader looks many times, at bytes that were read once."""
    other, read = (sample_raw / OTHER).read_bytes(), extracts.read

    def changed_then_read(source: extracts.Source, *arguments: Any) -> Any:
        assert source.kind == "text"
        swapped(settings.raw / GOOD, other)
        return read(source, *arguments)

    monkeypatch.setattr(extracts, "read", changed_then_read)
    land(settings)
    assert loaded(settings) == {GOOD}
    with opened(settings.warehouse) as con:
        assert con.execute("SELECT DISTINCT month(period_start) FROM raw.ae").fetchall() == [(5,)]


# More than memory holds

MEASURED = """
import sys
from pathlib import Path
from ccg_pipeline.landing.files import scan
from ccg_pipeline.landing.loading import read_extract

def held():
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) // 1024 for line in lines if line.startswith("VmHWM"))

before = held()
scan(Path(sys.argv[1]))
for path in sorted(Path(sys.argv[1]).iterdir()):
    try:
        read_extract(path, path.name)
        print("loaded", path.name)
    except Exception as error:
        print(type(error).__name__, error)
print(held() - before)
"""


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="only Linux says what a process held")
def test_memory_is_bounded_whatever_the_size_of_a_file(tmp_path: Path) -> None:
    """Five gigabytes that take no place on the disk, and bombs of one gigabyte."""
    with open(tmp_path / "huge.csv", "wb") as file:
        file.write(b"Period,Org Code,Parent Org,Org name\n")
        file.truncate(5 * 1024**3)
    piece = gzip.compress(b"0" * 16 * MB)
    (tmp_path / "huge.gz").write_bytes(piece * 64)
    done = subprocess.run(
        [sys.executable, "-c", MEASURED, str(tmp_path)],
        env={**os.environ, "PYTHONPATH": str(PROJECT_ROOT)},
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    *told, megabytes = done.stdout.splitlines()
    assert len(told) == 2
    assert "5,368,709,120 bytes, more than the 268,435,456" in told[0]
    assert "refused as a bomb" in told[1]
    assert int(megabytes) < 700


def test_the_limit_is_a_setting(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CCG_MOST_FILE_MB", "1")
    small = Settings.from_environment(settings.raw, settings.home)
    (small.raw / "more.csv").write_bytes(b"a,b\n" * 300_000)
    (small.raw / "packed.gz").write_bytes(gzip.compress(b"a,b\n" * 300_000))
    land(small)
    assert "more than the 1,048,576" in standing(small)["more.csv"]
    assert "unpacks to over 1,048,576 bytes" in standing(small)["packed.gz"]
    assert loaded(small) == {GOOD}
    monkeypatch.setenv("CCG_MOST_FILE_MB", "plenty")
    assert cli.run(["check", str(settings.raw)]) == 2


# On the way out

SCRIPT = "<script>alert(1)</script><img src=x onerror=alert(2)>"
FORMULAS = ("=1+1", "+1+1", "-1+1", "@SUM(1)", "\t=1", "\r=1")


@pytest.fixture
def tampered(sample_home: Path, tmp_path: Path) -> Settings:
    """The sample's publication with hostile names in every mart that is a table."""
    settings = Settings(sample_home, tmp_path / "home")
    settings.published.parent.mkdir(parents=True)
    shutil.copyfile(Settings(sample_home, sample_home).published, settings.published)
    con = duckdb.connect()
    con.execute(f"ATTACH '{settings.published}' AS ccg")
    con.execute("USE ccg")
    hostile = {
        "org_name",
        "short_name",
        "file_name",
        "reason",
        "caveat",
        "service",
        "source_text",
        "question",
        "evidence",
    }
    for schema, table, column in con.execute(
        "SELECT schema_name, table_name, column_name FROM duckdb_columns() c JOIN duckdb_tables() t "
        "USING (schema_name, table_name) WHERE data_type = 'VARCHAR' AND schema_name IN ('marts', 'intermediate')"
    ).fetchall():
        if column in hostile:
            con.execute(f"UPDATE {schema}.{table} SET {column} = '=1+1' || ? || {column}", [SCRIPT + "\x1b[2J"])
    con.close()
    return settings


class Elements(HTMLParser):
    """The names of elements, and their attributes that are run."""

    def __init__(self) -> None:
        super().__init__()
        self.names: set[str] = set()
        self.run: list[tuple[str, str | None]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.names.add(tag)
        self.run += [(name, value) for name, value in attrs if name.startswith("on") or "javascript:" in (value or "")]


def test_the_pack_shows_hostile_names_and_runs_nothing(tampered: Settings, tmp_path: Path) -> None:
    out = tmp_path / "pack"
    arguments = ["pack", "--org", "RC9", "--period", "2018-04", "--home", str(tampered.home), "--out", str(out)]
    assert cli.run(arguments) == 0
    page = (out / "RC9-2018-04.html").read_text(encoding="utf-8")
    assert "&lt;script&gt;alert(1)" in page
    elements = Elements()
    elements.feed(page)
    assert not elements.names & {"script", "img", "iframe", "object", "embed"} and elements.run == []
    for path in (out / "csv").glob("*.csv"):
        with open(path, encoding="utf-8", newline="") as file:
            for cell in (cell for row in csv.reader(file) for cell in row):
                if cell[:1] in "=+-@\t\r" and len(cell) > 1:
                    float(cell)  # numbers below 0 stay numbers, and nothing else begins so
    with zipfile.ZipFile(out / "RC9-2018-04.xlsx") as archive:
        sheets = [archive.read(name) for name in archive.namelist() if name.startswith("xl/worksheets/sheet")]
    assert len(sheets) > 10 and not any(b"<f>" in sheet for sheet in sheets)


def test_a_terminal_is_not_steered(tampered: Settings, capsys: pytest.CaptureFixture[str]) -> None:
    home = ["--home", str(tampered.home)]
    for arguments in (["indicators", "--org", "06N"], ["queries"], ["explain", "RTT_52W", "06N", "2019-05"]):
        assert cli.run([*arguments, *home]) == 0
        assert "\x1b" not in capsys.readouterr().out


@pytest.mark.parametrize("text", FORMULAS)
def test_exports_hold_no_formula_and_numbers_below_0_stay_numbers(text: str) -> None:
    row = {"indicator_id": text, "value": -3.5, "numerator": -7, "extract_ids": []}
    (_, cells) = csv.reader(io.StringIO(indicators.render([row], "csv"), newline=""))
    assert cells == [f" {text}".replace("\r", "\n"), "-3.5", "-7", ""]
