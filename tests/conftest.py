"""What the tests share: the sample, the published files where they are, and homes built from them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path

import duckdb
import pytest
from filelock import FileLock
from layouts import SHARED, renamed

from ccg_pipeline import cli, extracts
from ccg_pipeline.landing import loading
from ccg_pipeline.sample import write_sample
from ccg_pipeline.settings import Settings

Once = Callable[[str, Callable[[Path], None]], Path]
SPOILT = "spoilt files"
FORECASTS = "forecasts of a year, back-tested"
NIGHT = datetime(2019, 9, 1, 2, 0)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """What became of spoilt files, and what forecasts were worth, after the results of the tests."""
    reports = [report for reports in terminalreporter.stats.values() for report in reports]
    for section in (SPOILT, FORECASTS):
        properties = [named for report in reports for named in getattr(report, "user_properties", ())]
        tables = dict.fromkeys(text for name, text in properties if name == section)
        if tables:
            terminalreporter.section(section)
            for table in tables:
                terminalreporter.write_line(table)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The homes that many tests share are built first, one by each of two processes: neither waits for the other."""
    first = ("test_board_paper_returns.py", "test_organisations_in_time.py")
    items.sort(key=lambda item: first.index(item.path.name) if item.path.name in first else len(first))


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder of published files and reference figures; tests that need it skip where it is absent."""
    if not (SHARED / "data").is_dir():
        pytest.skip(f"the published files ({SHARED}) are not here")
    return SHARED


@pytest.fixture(scope="session")
def sample_raw(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The sample extracts, written anew. Shared by tests: copy before changing anything."""
    folder = tmp_path_factory.mktemp("sample") / "raw"
    write_sample(folder)
    return folder


@pytest.fixture(scope="session")
def once(tmp_path_factory: pytest.TempPathFactory, worker_id: str) -> Once:
    """A folder that the first of the processes that run the tests fills, for all of them."""
    base = tmp_path_factory.getbasetemp()
    base = base if worker_id == "master" else base.parent

    def filled(name: str, fill: Callable[[Path], None]) -> Path:
        folder, done = base / name, base / f"{name}.done"
        with FileLock(base / f"{name}.lock"):
            if not done.exists():
                fill(folder)
                done.touch()
        return folder

    return filled


@pytest.fixture(scope="session")
def sample_home(once: Once) -> Path:
    """Home after one whole nightly run on the sample. Shared by tests: only read it."""

    def night(home: Path) -> None:
        raw = home.with_name("sample_night_raw")
        write_sample(raw)
        assert cli.run(["nightly", "--raw", str(raw), "--home", str(home)]) == 0

    return once("sample_home", night)


@pytest.fixture(scope="session")
def shared_home(shared: Path, once: Once) -> Path:
    """Home after one whole nightly run on the published files, every one of them renamed to 1.csv, 2.xlsx and so on:
    what is proved on it does not rest on names. Shared by tests: only read it."""

    def night(home: Path) -> None:
        raw = renamed(shared / "data", home.with_name("published_files_renamed"))
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("CCG_COLUMN_LINEAGE", "off")  # that of the sample's night is the same
            assert cli.run(["nightly", "--raw", str(raw), "--home", str(home)]) == 0

    return once("shared_home", night)


def land(settings: Settings, now: datetime = NIGHT) -> loading.Receipt:
    """Receive and load as the job does, without Dagster."""
    receipt = loading.receive(settings, now, lambda _: None)
    for dataset in extracts.DATASETS:
        loading.load(settings, dataset, lambda _: None)
    return receipt


@contextmanager
def opened(database: Path) -> Iterator[duckdb.DuckDBPyConnection]:
    con = duckdb.connect(str(database), read_only=True)
    try:
        yield con
    finally:
        con.close()


def mart_rows(database: Path, mart: str, leave_out: tuple[str, ...] = ()) -> list[tuple]:
    """All rows of a mart in a fixed order, without the columns named."""
    with opened(database) as con:
        exclude = f"EXCLUDE ({', '.join(leave_out)})" if leave_out else ""
        return con.execute(f"SELECT * {exclude} FROM marts.{mart} ORDER BY ALL").fetchall()


@pytest.fixture
def one_value(sample_home: Path) -> Iterator[Callable[..., dict]]:
    """A row of `fct_standard_comparisons` of the sample, by indicator, organisation, month and period type."""
    with opened(Settings(sample_home, sample_home).published) as con:

        def look_up(indicator_id: str, org_code: str, month: str, period_type: str = "month") -> dict:
            cursor = con.execute(
                "SELECT * FROM marts.fct_standard_comparisons WHERE indicator_id = ? AND org_code = ? "
                "AND period_type = ? AND strftime(period_end, '%Y-%m') = ? AND is_preferred",
                [indicator_id, org_code, period_type, month],
            )
            rows = cursor.fetchall()
            assert len(rows) == 1, f"{indicator_id} {org_code} {month}: {len(rows)} rows"
            return dict(zip([c[0] for c in cursor.description], rows[0], strict=True))

        yield look_up
