"""What the bare engines need: every byte that can be data read into tables of a DuckDB file, no questions asked.

Workbooks are read by calamine, sheet by sheet; text by polars, as text; both end in tables of DuckDB. Called with
``all FOLDER DATABASE``. With ``rtt FOLDER DATABASE`` it is DuckDB alone that reads the csv in each zip below the
folder, unpacked beforehand, into one table a layout whose columns and types it is told. Prints seconds, files and rows
as JSON; imports are not in the seconds, nor is the unpacking of ``rtt``.
"""

from __future__ import annotations

import csv
import gzip
import io
import json
import sys
import tempfile
import time
import zipfile
from collections.abc import Iterator
from pathlib import Path

import duckdb
import fastexcel
import polars as pl

_LINES_FOR_WIDTH = 60


def everything(raw: Path, database: Path) -> dict[str, float]:
    started = time.perf_counter()
    con = duckdb.connect(str(database))
    con.begin()
    files = rows = tables = 0
    for path in sorted(p for p in raw.rglob("*") if p.is_file() and p.suffix.lower() != ".md"):
        files += 1
        for frame in _frames(path):
            rows += frame.height
            if frame.width:
                con.register("frame", frame.to_arrow())
                con.execute(f"CREATE TABLE table_{tables} AS SELECT * FROM frame")
                con.unregister("frame")
                tables += 1
    con.commit()
    con.close()
    return {"seconds": time.perf_counter() - started, "files": files, "tables": tables, "rows": rows}


def _frames(path: Path) -> Iterator[pl.DataFrame]:
    if path.suffix.lower() in (".xls", ".xlsx"):
        book = fastexcel.read_excel(path)
        for sheet in book.sheet_names:
            yield book.load_sheet(sheet, header_row=None, dtypes="string").to_polars()
        return
    content = path.read_bytes()
    if content[:2] == b"\x1f\x8b":
        yield _text(gzip.decompress(content))
    elif content[:2] == b"PK":
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            for member in archive.namelist():
                yield _text(archive.read(member))
    else:
        yield _text(content)


def _text(content: bytes) -> pl.DataFrame:
    """All lines as rows, as wide as the widest of the first."""
    head = content[: 1 << 20].decode("utf-8", errors="replace").splitlines()[:_LINES_FOR_WIDTH]
    width = max((len(cells) for cells in csv.reader(head)), default=0)
    return pl.read_csv(
        content,
        has_header=False,
        schema={f"column_{number}": pl.String for number in range(width)},
        encoding="utf8-lossy",
        truncate_ragged_lines=True,
    )


def national_rtt(raw: Path, database: Path) -> dict[str, float]:
    con = duckdb.connect(str(database))
    seconds, files = 0.0, 0
    layouts: dict[tuple[str, ...], str] = {}
    with tempfile.TemporaryDirectory(dir=database.parent) as folder:
        for path in sorted(raw.rglob("*.zip")):
            with zipfile.ZipFile(path) as archive:
                unpacked = Path(archive.extract(archive.namelist()[0], folder))
            with open(unpacked, encoding="utf-8") as lines:
                headings = tuple(next(csv.reader(lines)))
            columns = ", ".join(f"'{h}': '{'BIGINT' if _is_count(h) else 'VARCHAR'}'" for h in headings)
            read = f"FROM read_csv('{unpacked}', header = true, auto_detect = false, columns = {{{columns}}})"
            files += 1
            started = time.perf_counter()
            if headings in layouts:
                con.execute(f"INSERT INTO {layouts[headings]} {read}")
            else:
                layouts[headings] = f"layout_{len(layouts)}"
                con.execute(f"CREATE TABLE {layouts[headings]} AS {read}")
            seconds += time.perf_counter() - started
            unpacked.unlink()
    rows = sum(con.execute(f"SELECT count(*) FROM {table}").fetchall()[0][0] for table in layouts.values())
    started = time.perf_counter()
    con.close()
    return {"seconds": seconds + time.perf_counter() - started, "files": files, "rows": rows}


def _is_count(heading: str) -> bool:
    return heading.startswith(("Gt ", "Total", "Patients with"))


if __name__ == "__main__":
    what, raw, database = sys.argv[1], Path(sys.argv[2]), Path(sys.argv[3])
    print(json.dumps(everything(raw, database) if what == "all" else national_rtt(raw, database)))
