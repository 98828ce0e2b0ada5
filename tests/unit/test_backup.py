"""Backups of a small home: what is in them, what is refused when one is read, and what becomes of the old home."""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import os
import sqlite3
import tarfile
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path

import duckdb
import pytest

from ccg_pipeline import cli, homes
from ccg_pipeline.operations import backup
from ccg_pipeline.operations.backup import BackupError, back_up, restore
from ccg_pipeline.settings import Settings
from ccg_pipeline.warehouse import WarehouseBusyError, sole_writer

Members = list[tuple[tarfile.TarInfo, bytes]]


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    """A home folder with something of everything."""
    settings = Settings(tmp_path / "raw", tmp_path / "home")
    settings.home.mkdir()
    with duckdb.connect(str(settings.warehouse)) as con:
        con.execute("CREATE SCHEMA raw")
        con.execute("CREATE TABLE raw.extracts AS SELECT 'a' AS extract_id")
    for path, text in {
        settings.run_records: '{"outcome": "published"}\n',
        settings.home / "home.json": f'{{"version": {homes.VERSION}}}',
        settings.quarantine / "0123.txt": "reason  it is spoilt\n",
        settings.home / "published" / "2019-05" / "06N" / "06N.html": "<p>pack</p>",
        settings.dagster_home / "dagster.yaml": "telemetry:\n  enabled: false\n",
        settings.dbt_target / "manifest.json": "{}",
        settings.home / "logs" / "nightly-20190901T020000Z.log": "log",
        settings.scratch / "half.parquet": "half",
        settings.home / ".audit-1" / "bin" / "python": "passing",
    }.items():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    settings.published.write_bytes(settings.warehouse.read_bytes())
    settings.published.chmod(0o444)
    runs = settings.dagster_home / "history" / "runs.db"
    runs.parent.mkdir()
    with closing(sqlite3.connect(runs)) as con:
        con.execute("CREATE TABLE runs (id INTEGER)")
        con.execute("INSERT INTO runs VALUES (1)")
        con.commit()
    return settings


def names(folder: Path) -> set[str]:
    return {p.relative_to(folder).as_posix() for p in folder.rglob("*") if p.is_file()}


KEPT = {
    "warehouse.duckdb",
    "runs.jsonl",
    "home.json",
    "quarantine/0123.txt",
    "published/ccg.duckdb",
    "published/2019-05/06N/06N.html",
    "dagster/dagster.yaml",
    "dagster/history/runs.db",
}


def test_everything_but_what_a_run_makes_anew_comes_back(settings: Settings, tmp_path: Path) -> None:
    file, again = tmp_path / "b.tar.gz", Settings(settings.raw, tmp_path / "elsewhere" / "home")
    made = back_up(settings, file)
    assert (made.files, file.stat().st_mode & 0o777) == (len(KEPT), 0o600)
    assert restore(file, again.home).files == len(KEPT)
    assert names(again.home) == KEPT
    for name in KEPT - {"dagster/history/runs.db"}:
        assert (again.home / name).read_bytes() == (settings.home / name).read_bytes(), name
        old, new = (settings.home / name).stat(), (again.home / name).stat()
        assert (new.st_mode, round(new.st_mtime, 3)) == (old.st_mode, round(old.st_mtime, 3)), name
    assert names(tmp_path / "elsewhere") == {f"home/{name}" for name in KEPT}, "nothing is left beside it"

    logs = tmp_path / "with-logs.tar.gz"
    assert back_up(settings, logs, with_logs=True).files == len(KEPT) + 1
    assert not list(tmp_path.glob(".*"))


def test_what_dagster_is_writing_comes_back_as_of_one_moment(settings: Settings, tmp_path: Path) -> None:
    runs = settings.dagster_home / "history" / "runs.db"
    with closing(sqlite3.connect(runs)) as writer:
        writer.execute("PRAGMA journal_mode=wal")
        writer.execute("INSERT INTO runs VALUES (2)")
        writer.commit()
        writer.execute("INSERT INTO runs VALUES (3)")  # not committed
        assert runs.with_name("runs.db-wal").stat().st_size > 0
        back_up(settings, tmp_path / "b.tar.gz")
    restore(tmp_path / "b.tar.gz", tmp_path / "new")
    with closing(sqlite3.connect(tmp_path / "new" / "dagster" / "history" / "runs.db")) as con:
        assert con.execute("SELECT id FROM runs ORDER BY 1").fetchall() == [(1,), (2,)]


def test_a_run_under_way_is_not_backed_up(
    settings: Settings, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "b.tar.gz"
    with ThreadPoolExecutor(1) as another, sole_writer(settings.warehouse):
        assert another.submit(cli.run, ["backup", str(file), "--home", str(settings.home)]).result() == 1
    told = capsys.readouterr().err
    assert str(os.getpid()) in told and "Wait" in told
    assert not file.exists()
    assert cli.run(["backup", str(file), "--home", str(settings.home)]) == 0


@pytest.mark.parametrize("where", ["there", "nofolder/b.tar.gz", "home/b.tar.gz"])
def test_a_place_that_is_no_use_is_refused(settings: Settings, tmp_path: Path, where: str) -> None:
    (tmp_path / "there").write_text("mine")
    with pytest.raises(BackupError):
        back_up(settings, tmp_path / where)
    assert (tmp_path / "there").read_text() == "mine"
    assert not (settings.home / "b.tar.gz").exists()


def test_what_a_backup_cannot_carry_is_named(settings: Settings, tmp_path: Path) -> None:
    with pytest.raises(BackupError, match="nothing to back up"):
        back_up(Settings(tmp_path, tmp_path / "empty"), tmp_path / "b.tar.gz")
    (settings.home / "published" / "elsewhere").symlink_to(tmp_path)
    with pytest.raises(BackupError, match="elsewhere is a link"):
        back_up(settings, tmp_path / "b.tar.gz")
    assert not (tmp_path / "b.tar.gz").exists()


def test_a_home_that_is_not_empty_is_refused_or_moved_aside(settings: Settings, tmp_path: Path) -> None:
    file = tmp_path / "b.tar.gz"
    back_up(settings, file)
    settings.warehouse.write_text("broken")
    with pytest.raises(BackupError, match="not empty"):
        restore(file, settings.home)
    with sole_writer(tmp_path / "other.duckdb"):  # of another home: no matter
        restored = restore(file, settings.home, force=True)
    assert restored.moved_aside is not None
    assert (restored.moved_aside / "warehouse.duckdb").read_text() == "broken"
    assert names(settings.home) == KEPT

    with sole_writer(settings.warehouse), pytest.raises(WarehouseBusyError, match="Wait"):
        restore(file, settings.home, force=True)
    assert names(settings.home) - {"warehouse.lock"} == KEPT


def _members(file: Path) -> Members:
    with tarfile.open(file) as tar:
        return [(m, tar.extractfile(m).read() if m.isreg() else b"") for m in tar]  # type: ignore[union-attr]


def _rewrite(file: Path, members: Members) -> None:
    with tarfile.open(file, "w:gz", format=tarfile.PAX_FORMAT) as tar:
        for member, content in members:
            member.size = len(content)
            tar.addfile(member, io.BytesIO(content))


def _document(members: Members, name: str, change: Callable[[dict], None]) -> None:
    at = next(i for i, (m, _) in enumerate(members) if m.name == name)
    content = json.loads(members[at][1])
    change(content)
    members[at] = (members[at][0], json.dumps(content).encode())


def _smuggle(members: Members, member: tarfile.TarInfo, content: bytes = b"x") -> None:
    """A member that the manifest knows, too."""
    members.insert(-1, (member, content))
    says = {"bytes": len(content), "sha256": hashlib.sha256(content).hexdigest()}
    _document(members, backup._MANIFEST, lambda m: m["files"].update({member.name.removeprefix("home/"): says}))


def _link(kind: bytes) -> Callable[[Members], None]:
    def change(members: Members) -> None:
        member = tarfile.TarInfo("home/link")
        member.type, member.linkname = kind, "/etc/passwd"
        _smuggle(members, member, b"")

    return change


def _spoil(members: Members) -> None:
    at = next(i for i, (m, _) in enumerate(members) if m.name.endswith("06N.html"))
    members[at] = (members[at][0], b"<p>PACK</p>")


SPOILT: dict[str, tuple[Callable[[Members], object], str]] = {
    "a changed byte": (_spoil, "differ from the manifest"),
    "a file missing": (lambda m: m.pop(3), "does not hold what its manifest says"),
    "no manifest": (lambda m: m.pop(), "not whole"),
    "no head": (lambda m: m.pop(0), "no backup of this pipeline"),
    "a newer format": (
        lambda m: _document(m, backup._HEAD, lambda head: head.update(format=backup.FORMAT + 1)),
        "made by a newer version",
    ),
    "a newer layout": (lambda m: _replace(m, "home.json", b'{"version": 99}'), "layout 99; this one knows"),
    "a layout that says nothing": (lambda m: _replace(m, "home.json", b"{}"), "does not say which version"),
    "a head without format": (lambda m: _document(m, backup._HEAD, lambda head: head.pop("format")), "no backup"),
    "a way out": (lambda m: _smuggle(m, tarfile.TarInfo("home/../../escaped")), "no plain file below"),
    "a path from the root": (lambda m: _smuggle(m, tarfile.TarInfo("/tmp/escaped")), "no plain file below"),
    "a file beside": (lambda m: _smuggle(m, tarfile.TarInfo("escaped")), "no plain file below"),
    "a symbolic link": (_link(tarfile.SYMTYPE), "no plain file below"),
    "a hard link": (_link(tarfile.LNKTYPE), "no plain file below"),
    "a device": (_link(tarfile.CHRTYPE), "no plain file below"),
    "a file twice": (lambda m: m.insert(2, m[1]), "twice"),
    "a file after the end": (lambda m: m.append(m[1]), "after its end"),
    "another database": (
        lambda m: _replace(m, "published/ccg.duckdb", b"not a database"),
        "does not open here",
    ),
}


def _replace(members: Members, name: str, content: bytes) -> None:
    """Another content of a file, with a manifest that agrees."""
    at = next(i for i, (m, _) in enumerate(members) if m.name == f"home/{name}")
    members[at] = (members[at][0], content)
    says = {"bytes": len(content), "sha256": hashlib.sha256(content).hexdigest()}
    _document(members, backup._MANIFEST, lambda m: m["files"].update({name: says}))


@pytest.mark.parametrize("how", SPOILT)
def test_a_backup_that_is_not_as_it_was_written_is_refused(settings: Settings, tmp_path: Path, how: str) -> None:
    file, home = tmp_path / "b.tar.gz", tmp_path / "new" / "home"
    back_up(settings, file)
    members = _members(file)
    change, words = SPOILT[how]
    change(members)
    _rewrite(file, members)
    with pytest.raises(BackupError, match=words):
        restore(file, home)
    assert list((tmp_path / "new").iterdir()) == [], "nothing is put in place and nothing is left"
    assert not list(tmp_path.rglob("escaped")) and not Path("/tmp/escaped").exists()


def test_a_backup_cut_short_anywhere_is_refused(settings: Settings, tmp_path: Path) -> None:
    file, cut = tmp_path / "b.tar.gz", tmp_path / "cut.tar.gz"
    back_up(settings, file)
    whole = file.read_bytes()
    for part in range(20):
        cut.write_bytes(whole[: len(whole) * part // 20])
        with pytest.raises(BackupError):
            restore(cut, tmp_path / "new")
        cut.write_bytes(gzip.compress(gzip.decompress(whole)[: len(gzip.decompress(whole)) * part // 20]))
        with pytest.raises(BackupError):
            restore(cut, tmp_path / "new")
    assert not (tmp_path / "new").exists()
    with pytest.raises(BackupError):
        restore(tmp_path / "no-such-file", tmp_path / "new")
