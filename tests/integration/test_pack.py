"""``ccg pack`` on the sample: the figures of everywhere else, the same bytes every time, and a page for everyone."""

from __future__ import annotations

import csv
import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from datetime import date, datetime, time
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import dagster as dg
import duckdb
import openpyxl
import pytest
from conftest import opened

from ccg_pipeline import cli
from ccg_pipeline.assets import packs
from ccg_pipeline.publication import pack, tables
from ccg_pipeline.publication.indicators import Selection, select
from ccg_pipeline.settings import Settings

MONTH = date(2019, 5, 1)
DESKTOP, PHONE = {"width": 1280, "height": 900}, {"width": 390, "height": 844}


@pytest.fixture(scope="module")
def folder(sample_home: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The pack of Herts Valleys for May 2019. Shared by tests: only read it."""
    out = tmp_path_factory.mktemp("pack")
    arguments = ["pack", "--org", "06n", "--period", "2019-05", "--home", str(sample_home), "--out", str(out)]
    assert cli.run(arguments) == 0
    return out


@pytest.fixture(scope="module")
def page(folder: Path) -> str:
    return (folder / "06N-2019-05.html").read_text(encoding="utf-8")


def rows_of(path: Path) -> list[dict[str, str]]:
    with open(path, encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


class Cells(HTMLParser):
    """The text of each row of the tables of a page, cell by cell, by the caption of the table."""

    def __init__(self) -> None:
        super().__init__()
        self.tables: dict[str, list[list[str]]] = {}
        self._caption = ""
        self._into: list[str] | None = None

    def handle_starttag(self, tag: str, attrs: Any) -> None:
        if tag == "caption":
            self._into = [""]
        elif tag == "tr":
            self.tables[self._caption].append([])
        elif tag in ("td", "th"):
            self.tables[self._caption][-1].append("")
            self._into = self.tables[self._caption][-1]

    def handle_endtag(self, tag: str) -> None:
        if tag == "caption" and self._into:
            self._caption = self._into[0]
            self.tables[self._caption] = []
        if tag in ("caption", "td", "th"):
            self._into = None

    def handle_data(self, data: str) -> None:
        if self._into is not None:
            self._into[-1] += data


def test_the_first_page_has_the_headlines_with_the_figures_of_ccg_indicators(
    sample_home: Path, folder: Path, page: str
) -> None:
    lines = rows_of(folder / "csv" / "at_a_glance.csv")
    assert [int(line["sort_order"]) for line in lines] == list(range(1, 15))
    with opened(Settings(sample_home, sample_home).published) as con:
        for line in (line for line in lines if line["value"]):
            found = select(con, Selection(line["org_code"], MONTH, line["indicator_id"]))
            assert [row["value"] for row in found if row["source"] == line["source"]] == [float(line["value"])], line
    cells = Cells()
    cells.feed(page)
    (_, *shown) = cells.tables["Headline indicators, May 2019 beside the month before"]
    assert len(shown) == len(lines)
    for line, row in zip(lines, shown, strict=True):
        assert line["headline"] in row[0]
        assert row[1] == line["value_shown"]
        assert line["verdict"].casefold() in row[3].casefold()
        assert row[4] in (line["last_value_shown"], f"{line['last_value_shown']} {line['last_verdict']}")


def test_the_workbook_has_the_same_figures_as_the_files(folder: Path) -> None:
    book = openpyxl.load_workbook(folder / "06N-2019-05.xlsx")
    sheets = [path.stem for path in (folder / "csv").iterdir() if path.stem not in ("values", "control_charts")]
    assert sorted(book.sheetnames) == sorted(["Cover", "Contents", "Notes", *sheets])
    for sheet in sheets:
        (table,) = book[sheet].tables.values()
        headings, *rows = [[cell.value for cell in line] for line in book[sheet][table.ref]]
        lines = rows_of(folder / "csv" / f"{sheet}.csv")
        assert len(rows) == max(len(lines), 1), sheet
        for place, column in enumerate(lines[0] if lines else []):
            for row, line in zip(rows, lines, strict=True):
                if isinstance(row[place], int | float) and not isinstance(row[place], bool):
                    assert float(line[column]) == pytest.approx(row[place], rel=1e-14), (sheet, column)
        assert len(set(headings)) == len(headings)


def test_an_office_program_reads_the_same_numbers(folder: Path, tmp_path: Path) -> None:
    """LibreOffice opens the workbook and saves it anew: what it understood is in its own file."""
    office = shutil.which("soffice") or shutil.which("libreoffice")
    if office is None:
        pytest.skip("LibreOffice is not on this machine")
    profile = f"-env:UserInstallation={(tmp_path / 'profile').as_uri()}"
    command = [office, profile, "--headless", "--convert-to", "xlsx", "--outdir", str(tmp_path / "office")]
    subprocess.run([*command, str(folder / "06N-2019-05.xlsx")], check=True, capture_output=True)
    ours = openpyxl.load_workbook(folder / "06N-2019-05.xlsx")
    theirs = openpyxl.load_workbook(tmp_path / "office" / "06N-2019-05.xlsx")
    assert theirs.sheetnames == ours.sheetnames
    compared = 0
    for sheet in ours.sheetnames:
        for line in ours[sheet].iter_rows():
            for cell in line:
                read = theirs[sheet][cell.coordinate]
                if cell.data_type == "n" and cell.value is not None:
                    assert read.data_type == "n" and read.value == pytest.approx(cell.value, rel=1e-14), (sheet, cell)
                    compared += 1
                elif cell.data_type == "s":
                    assert (read.value or "") == cell.value, (sheet, cell)
    assert compared > 1000


def test_figures_lead_to_their_facts_and_nothing_leads_outside(page: str) -> None:
    ids = re.findall(r'\bid="([^"]+)"', page)
    assert len(set(ids)) == len(ids)
    links = re.findall(r'href="([^"]+)"', page)
    assert {link for link in links if not link.startswith("#")} == {"data:,"}
    assert {link[1:] for link in links if link.startswith("#")} <= set(ids)
    assert "fact-cancer-62d-gp-06n-2019-05-01-derived" in ids
    assert 'href="#fact-cancer-62d-gp-06n-2019-05-01-derived">82.3 %</a>' in page
    assert not re.search(r"<(script|img|iframe|object|embed)\b|\bsrc=|@import|url\(", page)
    facts = page[page.index('id="fact-cancer-62d-gp-06n-2019-05-01-derived"') :][:4000]
    for told in ("82.3 % (65 of 79)", "MAY-2019-CANCER-WAITING-TIMES", "1 row, 65 of 79: the value"):
        assert told in facts


@pytest.mark.parametrize("section", ["providers", "local-standards"])
def test_each_line_of_the_month_leads_to_its_facts(folder: Path, page: str, section: str) -> None:
    start = page.index(f'<h2 id="{section}">')
    lines = rows_of(folder / "csv" / f"{section.replace('-', '_')}.csv")
    assert page[start : page.index("<h2", start + 1)].count('href="#fact-') == len(lines) > 0


def test_each_headline_with_figures_has_its_chart_and_its_definition(folder: Path, page: str) -> None:
    lines = rows_of(folder / "csv" / "at_a_glance.csv")
    charted = [line for line in lines if line["value"]]
    assert page.count('class="chart"') >= len(charted)
    assert page.count("<h4>Definition</h4>") >= len(charted)
    for line in charted:
        assert f"{line['org_name']}: control chart, Mar 18 to May 19" in page


def test_a_pack_says_as_known_at_which_day_and_stands_beside_that_publication(
    sample_home: Path, tmp_path: Path
) -> None:
    home = Settings(tmp_path, tmp_path)
    then = home.rebuilt_as_known_at(datetime.combine(date(2026, 1, 31), time.max))
    for published in (home.published, then.published):
        published.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(Settings(sample_home, sample_home).published, published)
    arguments = ["pack", "--org", "06N", "--period", "2019-05", "--home", str(tmp_path)]
    assert cli.run([*arguments, "--as-known-at", "2026-01-31"]) == 0
    page = (then.published.parent / "2019-05" / "06N" / "06N-2019-05.html").read_text(encoding="utf-8")
    assert "As it could be said on 31 January 2026" in page
    assert not (home.published.parent / "2019-05").exists()


def test_html_in_names_and_sentences_is_text(sample_home: Path, tmp_path: Path) -> None:
    hostile = "<script>alert(1)</script>"
    database = tmp_path / "ccg.duckdb"
    shutil.copyfile(Settings(sample_home, sample_home).published, database)
    with duckdb.connect(str(database)) as con:
        con.execute("UPDATE marts.dim_organisations SET org_name = $1", [hostile])
        con.execute("UPDATE marts.rpt_at_a_glance SET org_name = $1, caveat = $1, headline = $1", [hostile])
        con.execute("UPDATE marts.rpt_exceptions SET narrative = $1, caveat = $1", [hostile])
        con.execute("UPDATE marts.dim_indicators SET note = $1", [hostile])
        page = pack.build(con, tables.find_scope(con, "06N", MONTH)).page
    assert "<script" not in page
    assert page.count("&lt;script&gt;alert(1)") > 50


def test_a_public_pack_tells_no_small_number(sample_home: Path, folder: Path, tmp_path: Path) -> None:
    arguments = ["pack", "--org", "06N", "--period", "2019-05", "--home", str(sample_home), "--out", str(tmp_path)]
    assert cli.run([*arguments, "--public"]) == 0
    shown, hidden = 0, 0
    for line in rows_of(tmp_path / "csv" / "values.csv"):
        if line["numerator"] == "[c]" or line["value"] == "[c]":
            hidden += 1
            assert (line["value"], line["is_met"] in ("", "[c]")) == ("[c]", True)
        elif line["numerator"] and line["unit"] in ("percent", "count", "days"):
            shown += 1
            counts = [float(line["numerator"])]
            if line["denominator"]:
                counts += [float(line["denominator"]), float(line["denominator"]) - counts[0]]
            assert not any(0 < count < 5 for count in counts[: 3 if line["unit"] == "percent" else 2]), line
    assert hidden > 50
    assert shown > 500
    # A system and its members, of one indicator and period: never one hidden figure alone.
    sums: dict[tuple[str, ...], dict[str, bool]] = {}
    for line in rows_of(tmp_path / "csv" / "values.csv"):
        if line["source"] == "derived" and line["org_code"] in ("QM7", "06K", "06N", "07H"):
            period = (line["indicator_id"], line["period_type"], line["period_start"], line["period_end"])
            sums.setdefault(period, {})[line["org_code"]] = line["value"] == "[c]"
    told = [period for period, by_org in sums.items() if len(by_org) == 4 and sum(by_org.values()) == 1]
    assert (told, any(sum(by_org.values()) > 1 for by_org in sums.values())) == ([], True)
    public = (tmp_path / "06N-2019-05-public.html").read_text(encoding="utf-8")
    assert "small numbers are hidden and marked [c]" in public
    assert "Facts behind the figures" not in public
    # Three pathways at West Herts waited over 52 weeks in May 2019: a small number, in the table and in the sentence.
    told = "waiting over 52 weeks (incomplete) in May 2019: 3, 3 above it"
    assert told in (folder / "06N-2019-05.html").read_text(encoding="utf-8")
    assert told not in public
    (line,) = [line for line in rows_of(tmp_path / "csv" / "at_a_glance.csv") if line["sort_order"] == "3"]
    assert (line["value"], line["value_shown"], line["verdict"], line["target"]) == ("[c]", "[c]", "[c]", "0")


@pytest.mark.parametrize(
    ("org", "period", "words"),
    [
        ("06X", "2019-05", "no organisation '06X' is published"),
        ("06N", "2012-05", "no figures of 06N are published for 2012-05; it has some from"),
    ],
)
def test_what_has_no_pack_is_told(
    sample_home: Path, capsys: pytest.CaptureFixture[str], org: str, period: str, words: str
) -> None:
    assert cli.run(["pack", "--org", org, "--period", period, "--home", str(sample_home)]) == 2
    assert words in capsys.readouterr().err


def test_the_data_dictionary_has_every_column_of_every_mart(sample_home: Path) -> None:
    with opened(Settings(sample_home, sample_home).published) as con:
        stated = con.execute(
            "SELECT table_name, column_name, column_order FROM marts.dim_columns ORDER BY ALL"
        ).fetchall()
        built = con.execute(
            "SELECT table_name, column_name, column_index FROM duckdb_columns() "
            "WHERE schema_name = 'marts' ORDER BY ALL"
        ).fetchall()
        titles = con.execute(
            "SELECT count(DISTINCT table_name), count(DISTINCT sheet_name), count(DISTINCT table_order) "
            "FROM marts.dim_columns WHERE table_order IS NOT NULL"
        ).fetchall()
    assert stated == built
    assert len(set(titles[0])) == 1


def test_a_month_of_packs_is_a_partition_of_an_asset_and_the_same_bytes(
    sample_home: Path, folder: Path, tmp_path: Path
) -> None:
    settings = Settings(tmp_path, tmp_path)
    settings.published.parent.mkdir(parents=True)
    shutil.copyfile(Settings(sample_home, sample_home).published, settings.published)
    asset = packs.build_asset(settings)
    config = dg.RunConfig(ops={"publication__pack": packs.PackConfig(org_codes=["06N"])})
    with dg.DagsterInstance.ephemeral() as instance:
        done = dg.materialize([asset], instance=instance, partition_key="2019-05-01", run_config=config)
    assert done.success
    made = settings.pack_folder("06N", "2019-05")
    first, second = (
        {path.relative_to(root).as_posix(): path.read_bytes() for path in root.rglob("*") if path.is_file()}
        for root in (folder, made)
    )
    assert first.keys() == second.keys()
    assert [name for name in first if first[name] != second[name]] == []
    with opened(settings.published) as con:
        assert packs._commissioners(con) == ["06K", "06N", "07H"]


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    """Headless Chromium, without a profile and without anything of its own that asks the network."""
    sync_api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    executable = os.environ.get("CHROMIUM") or shutil.which("chromium") or shutil.which("chromium-browser")
    if executable is None:
        pytest.skip("Chromium is not on this machine")
    flags = ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-component-update"]
    with sync_api.sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=executable, args=[*flags, "--disable-sync"])
        yield chromium
        chromium.close()


@pytest.fixture(params=[DESKTOP, PHONE], ids=["desktop", "phone"])
def shown_page(request: pytest.FixtureRequest, browser: Any, folder: Path) -> Iterator[Any]:
    """The pack as a browser shows it; complains of what the page says to the console or asks of the network."""
    shown = browser.new_page(viewport=request.param)
    said: list[str] = []
    asked: list[str] = []
    shown.on("console", lambda message: said.append(message.text))
    shown.on("pageerror", lambda error: said.append(str(error)))
    shown.on("request", lambda made: asked.append(made.url))
    address = (folder / "06N-2019-05.html").as_uri()
    shown.goto(address)
    yield shown
    assert said == []
    assert asked == [address]
    shown.close()


def test_axe_finds_no_violations(shown_page: Any) -> None:
    axe = pytest.importorskip("axe_playwright_python.sync_playwright", reason="axe-core is not installed").Axe()
    # Colours are the same at any width, and take long to look at.
    colours = {"color-contrast": {"enabled": shown_page.viewport_size == DESKTOP}}
    found = axe.run(shown_page, options={"resultTypes": ["violations"], "rules": colours}).response["violations"]
    assert [(violation["id"], violation["nodes"][0]["html"]) for violation in found] == []


def test_the_page_fits_and_is_photographed(shown_page: Any, tmp_path: Path) -> None:
    width = shown_page.viewport_size["width"]
    assert shown_page.evaluate("document.documentElement.scrollWidth") <= width
    shots = Path(os.environ.get("CCG_SCREENSHOTS") or tmp_path)
    for section in ("rests-on", "glance", "exceptions", "standard-1", "overview", "providers", "trajectories", "facts"):
        shown_page.evaluate(f"document.getElementById('{section}').scrollIntoView()")
        picture = shown_page.screenshot(path=str(shots / f"pack-{width}-{section}.png"))
        assert picture.startswith(b"\x89PNG")


def test_the_keyboard_reaches_every_control_and_shows_where_it_is(browser: Any, folder: Path) -> None:
    shown = browser.new_page(viewport=DESKTOP)
    shown.goto((folder / "06N-2019-05.html").as_uri())
    controls = "a[href], [tabindex='0'], summary, button, input"
    count = shown.evaluate(f"document.querySelectorAll({controls!r}).length")
    reached, outlined = set(), 0
    for _ in range(count):
        shown.keyboard.press("Tab")
        number, outline = shown.evaluate(
            f"""() => {{
                const control = document.activeElement;
                return [
                    [...document.querySelectorAll({controls!r})].indexOf(control),
                    getComputedStyle(control).outlineStyle,
                ];
            }}"""
        )
        reached.add(number)
        outlined += outline != "none"
    assert reached == set(range(count))
    # The link that skips to the figures comes out of hiding instead.
    assert outlined >= count - 1
    shown.close()


def test_it_prints_on_a4(browser: Any, folder: Path, tmp_path: Path) -> None:
    shown = browser.new_page()
    shown.goto((folder / "06N-2019-05.html").as_uri())
    shots = Path(os.environ.get("CCG_SCREENSHOTS") or tmp_path)
    printed = shown.pdf(path=str(shots / "pack-a4.pdf"), prefer_css_page_size=True)
    shown.close()
    sizes = {
        (round(float(w)), round(float(h))) for w, h in re.findall(rb"/MediaBox \[0 0 ([\d.]+) ([\d.]+)\]", printed)
    }
    assert {(min(size), max(size)) for size in sizes} == {(595, 842)}
    # The tables of fifteen months lie on their side.
    assert len(sizes) == 2


def test_the_example_queries_run_and_find_something(sample_home: Path) -> None:
    queries = (Path(cli.PROJECT_ROOT) / "docs" / "queries.sql").read_text(encoding="utf-8")
    with opened(Settings(sample_home, sample_home).published) as con:
        statements = duckdb.extract_statements(queries)
        assert len(statements) == 10
        for statement in statements:
            assert con.execute(statement.query).fetchall(), statement.query
