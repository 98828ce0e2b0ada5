"""A home folder as one file, and a home folder from such a file.

A backup is a gzipped tar: first ``ccg-backup.json`` (what it is, made by which versions), then every file of the home
folder as ``home/...``, last ``ccg-backup-manifest.json`` with the size and sha256 of each: one that was cut short has
no manifest. What a run makes anew (scratch, dbt's targets) is left out, and the logs unless asked for.

Nothing is put in place before all of it has been read, proved and made to reach the disk.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import hashlib
import io
import json
import os
import shutil
import sqlite3
import tarfile
import tempfile
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path, PurePosixPath
from typing import IO, Any

import duckdb

from ccg_pipeline import durable, homes, warehouse
from ccg_pipeline.settings import Settings

FORMAT = 1
_HEAD, _MANIFEST, _ROOT = "ccg-backup.json", "ccg-backup-manifest.json", "home"
_MADE_ANEW = ("scratch", "dbt", "logs")
_SQLITE = b"SQLite format 3\0"
_CHUNK = 1 << 20
_LARGEST_DOCUMENT = 64 << 20


class BackupError(Exception):
    """A backup that cannot be made, or is not what it should be. The text says what to do."""


@dataclass(frozen=True)
class Backup:
    """What a backup holds: files of the home folder and their bytes; where the home it replaced went, if any."""

    files: int
    bytes: int
    made_at: str
    moved_aside: Path | None = None


def back_up(settings: Settings, file: Path, with_logs: bool = False) -> Backup:
    """Write the home folder to ``file``, which must not be there yet, while no run writes.

    Raises `WarehouseBusyError` where a run is under way, `BackupError` where the home folder or the file is no use.
    """
    file = file.absolute()
    if file.exists():
        raise BackupError(f"{file} is there already: name a new file")
    if not file.parent.is_dir():
        raise BackupError(f"{file.parent} is not a folder: make it, or name another file")
    if file.resolve().is_relative_to(settings.home):
        raise BackupError(f"{file} is inside the home folder and would be lost with it: name a file outside")
    if not (settings.warehouse_file.is_file() or settings.published.is_file()):
        raise BackupError(f"nothing to back up: {settings.home} holds neither a warehouse nor a publication")
    beside = file.with_name(f".{file.name}.next")
    try:
        with _nobody_writes(settings), tempfile.TemporaryDirectory(dir=file.parent, prefix=".ccg-backup-") as scratch:
            made = _write(settings, beside, Path(scratch), with_logs)
            durable.put(beside, file)
    except (OSError, sqlite3.Error) as error:
        raise BackupError(f"the backup was not made: {error}") from error
    finally:
        beside.unlink(missing_ok=True)
    return made


def restore(file: Path, home: Path, force: bool = False) -> Backup:
    """Make the home folder that a backup holds. An old one is refused, or with ``force`` moved aside, never removed.

    Raises `BackupError` where the backup is not whole or of a newer version, or the home folder is in the way;
    `WarehouseBusyError` where a run writes in it.
    """
    file, home = file.absolute(), home.resolve()
    is_in_the_way = home.exists() and (not home.is_dir() or any(home.iterdir()))
    if is_in_the_way and not force:
        raise BackupError(f"{home} is not empty: name another folder, or let --force move it aside")
    if os.path.ismount(home):
        raise BackupError(f"{home} is where a disk is mounted and cannot be replaced: name a folder below it")
    if file.resolve().is_relative_to(home):
        raise BackupError(f"{file} is inside {home}, which is to be replaced: move it elsewhere first")
    # Not in the system's folder for temporary files: one rename must be enough, which needs the same disk.
    try:
        home.parent.mkdir(parents=True, exist_ok=True)
        beside = Path(tempfile.mkdtemp(dir=home.parent, prefix=f".{home.name}.restoring-"))
    except OSError as error:
        raise BackupError(f"{home} cannot be made: {error}") from error
    try:
        head, files = _read(file, beside)
        _prove_that_it_opens(beside, head)
        aside = _put_in_place(beside, home, is_in_the_way)
    except homes.HomeError as error:
        raise BackupError(str(error)) from error
    except (OSError, EOFError, OverflowError, tarfile.TarError, zlib.error) as error:
        raise BackupError(f"{file} cannot be restored ({error}). {home} is as it was; try another backup.") from error
    finally:
        shutil.rmtree(beside, ignore_errors=True)
    return Backup(len(files), sum(files.values()), str(head["made_at"]), aside)


@contextlib.contextmanager
def _nobody_writes(settings: Settings) -> Iterator[None]:
    """Keep runs out. On a disk that can only be read nobody writes, and no lock can be taken: it is often the last
    chance to save what is on it."""
    try:
        lock: contextlib.AbstractContextManager[None] = warehouse.sole_writer(settings.warehouse_file)
        lock.__enter__()
    except OSError as error:
        if error.errno != errno.EROFS:
            raise
        lock = contextlib.nullcontext()
    try:
        yield
    finally:
        lock.__exit__(None, None, None)


def _files(settings: Settings, with_logs: bool) -> Iterator[tuple[str, Path]]:
    """Name below home and path of each file to keep, in order. Raises `BackupError` at what a tar cannot carry."""
    for folder, folders, names in os.walk(settings.home):
        folders.sort()
        for name in [*folders, *sorted(names)]:
            path = Path(folder) / name
            relative = path.relative_to(settings.home)
            made_anew = relative.parts[0] in _MADE_ANEW and not (with_logs and relative.parts[0] == "logs")
            if made_anew or relative.parts[0].startswith("."):
                continue
            if path.is_symlink():
                raise BackupError(
                    f"{path} is a link, and a backup does not follow links. Put what it leads to in its place."
                )
            if path.is_file() and not _is_passing(name):
                yield relative.as_posix(), path


def _is_passing(name: str) -> bool:
    """Locks, files that are being written, and what SQLite keeps beside a database while it is open."""
    return name.endswith((".lock", durable.BESIDE, ".db-wal", ".db-shm", ".db-journal"))


def _write(settings: Settings, target: Path, scratch: Path, with_logs: bool) -> Backup:
    head = {
        "format": FORMAT,
        "made_at": datetime.now(UTC).isoformat(timespec="seconds"),
        "home": str(settings.home),
        "versions": {p: version(p) for p in ("ccg-pipeline", "dagster", "duckdb")},
    }
    manifest: dict[str, dict[str, Any]] = {}
    # For its owner alone: whoever can read a backup can read everything.
    descriptor = os.open(target, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with (
        open(descriptor, "wb") as out,
        tarfile.open(fileobj=out, mode="w:gz", compresslevel=1, format=tarfile.PAX_FORMAT) as tar,
    ):
        _add_document(tar, _HEAD, head)
        for name, path in _files(settings, with_logs):
            copy = scratch / "copy.db"
            try:
                with open(path, "rb") as file:
                    if file.read(len(_SQLITE)) == _SQLITE:
                        _copy_sqlite(path, copy)
                        with open(copy, "rb") as copied:
                            manifest[name] = _add(tar, name, copied, path)
                    else:
                        file.seek(0)
                        manifest[name] = _add(tar, name, file, path)
            except FileNotFoundError:
                continue  # a pack that was written anew, or Dagster's own tidying, since the folder was listed
        _add_document(tar, _MANIFEST, {"files": manifest})
    return Backup(len(manifest), sum(f["bytes"] for f in manifest.values()), str(head["made_at"]))


def _copy_sqlite(path: Path, copy: Path) -> None:
    """A copy as of one moment of a database that Dagster may be writing."""
    copy.unlink(missing_ok=True)
    with (
        contextlib.closing(sqlite3.connect(f"{path.as_uri()}?mode=ro", uri=True)) as source,
        contextlib.closing(sqlite3.connect(copy)) as target,
    ):
        source.backup(target)


class _Hashed(io.RawIOBase):
    """A file that knows the sha256 of what was read of it."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file, self.digest = file, hashlib.sha256()

    def read(self, size: int = -1) -> bytes:
        read = self._file.read(size)
        self.digest.update(read)
        return read


def _add(tar: tarfile.TarFile, name: str, file: IO[bytes], original: Path) -> dict[str, Any]:
    """Add an open file as it is now; what is appended meanwhile is left for the next backup."""
    member = tarfile.TarInfo(f"{_ROOT}/{name}")
    member.size = os.fstat(file.fileno()).st_size
    status = original.stat()
    member.mtime, member.mode = status.st_mtime, status.st_mode & 0o777
    hashed = _Hashed(file)
    tar.addfile(member, hashed)
    return {"bytes": member.size, "sha256": hashed.digest.hexdigest()}


def _add_document(tar: tarfile.TarFile, name: str, content: dict[str, Any]) -> None:
    text = (json.dumps(content, indent=1) + "\n").encode()
    member = tarfile.TarInfo(name)
    member.size, member.mode = len(text), 0o600
    tar.addfile(member, io.BytesIO(text))


def _read(file: Path, into: Path) -> tuple[dict[str, Any], dict[str, int]]:
    """Write the files of a backup below a new folder; returns its head, and the bytes of each file.

    Raises `BackupError` unless all of it is what its manifest says.
    """
    found: dict[str, dict[str, Any]] = {}
    head = manifest = None
    with tarfile.open(file, mode="r|gz") as tar:
        for member in tar:
            if head is None:
                if member.name != _HEAD:
                    raise BackupError(f"{file} is no backup of this pipeline: {_HEAD} does not stand first in it")
                head = _document(tar, member)
                _check_versions(file, head)
            elif manifest is not None:
                raise BackupError(f"{file} is not as it was written: {member.name!r} stands after its end")
            elif member.name == _MANIFEST:
                manifest = _document(tar, member)
            else:
                name = _safe_name(file, member)
                if name in found:
                    raise BackupError(f"{file} is not as it was written: it holds {name} twice")
                found[name] = _extract(tar, member, into / name)
    if head is None or manifest is None:
        raise BackupError(f"{file} is not whole: its manifest is missing. Take another backup.")
    stated = manifest.get("files")
    if not isinstance(stated, dict) or set(stated) != set(found):
        differing = sorted(set(stated) ^ set(found))[:3] if isinstance(stated, dict) else [_MANIFEST]
        raise BackupError(f"{file} does not hold what its manifest says: {', '.join(differing)}. Take another backup.")
    if spoilt := [name for name, says in stated.items() if says != found[name]]:
        raise BackupError(
            f"{file} is spoilt: {', '.join(spoilt[:3])}{' ...' if spoilt[3:] else ''} differ from the manifest. "
            "Take another backup."
        )
    for folder, _, _ in os.walk(into, topdown=False):
        durable.settle(Path(folder))
    return head, {name: says["bytes"] for name, says in found.items()}


def _document(tar: tarfile.TarFile, member: tarfile.TarInfo) -> dict[str, Any]:
    opened = tar.extractfile(member) if member.isreg() and member.size <= _LARGEST_DOCUMENT else None
    try:
        content = json.loads(opened.read()) if opened else None
    except ValueError:
        content = None
    if not isinstance(content, dict):
        raise BackupError(f"{member.name} of the backup cannot be read: take another backup")
    return content


def _check_versions(file: Path, head: dict[str, Any]) -> None:
    made, ours = head.get("format"), FORMAT
    if not isinstance(made, int) or "made_at" not in head:
        raise BackupError(f"{file} is no backup of this pipeline: {_HEAD} does not say its format")
    if made > ours:
        raise BackupError(
            f"{file} was made by a newer version (format {made}, this one reads {ours}). Install that version first: "
            f"{_versions(head)}."
        )


def _versions(head: dict[str, Any]) -> str:
    versions = head.get("versions")
    return ", ".join(f"{p} {v}" for p, v in versions.items()) if isinstance(versions, dict) else "its versions unknown"


def _safe_name(file: Path, member: tarfile.TarInfo) -> str:
    """The name below home of a member. Raises `BackupError` at anything but a plain file below it."""
    parts = PurePosixPath(member.name).parts
    is_below = len(parts) > 1 and parts[0] == _ROOT and ".." not in parts and "\0" not in member.name
    if not (is_below and member.type in (tarfile.REGTYPE, tarfile.AREGTYPE) and member.sparse is None):
        raise BackupError(
            f"{file} holds {member.name!r}, which is no plain file below the home folder. It was not made by "
            "`ccg backup`: do not use it."
        )
    return "/".join(parts[1:])


def _extract(tar: tarfile.TarFile, member: tarfile.TarInfo, path: Path) -> dict[str, Any]:
    path.parent.mkdir(parents=True, exist_ok=True)
    source = tar.extractfile(member)
    assert source is not None
    hashed = _Hashed(source)
    # Never over a file that an earlier member left there, under whatever spelling of the name.
    with open(path, "xb") as out:
        while chunk := hashed.read(_CHUNK):
            out.write(chunk)
        out.flush()
        os.fchmod(out.fileno(), member.mode & 0o777)
        os.utime(out.fileno(), (member.mtime, member.mtime))
        os.fsync(out.fileno())
    return {"bytes": path.stat().st_size, "sha256": hashed.digest.hexdigest()}


def _prove_that_it_opens(home: Path, head: dict[str, Any]) -> None:
    """The databases must be readable by the DuckDB of this installation, which may be older than the backup's."""
    settings = Settings(home, home)
    if (layout := homes.version_of(home)) is not None and layout > homes.VERSION:
        raise BackupError(
            f"the backup holds a home folder of a newer version (layout {layout}; this one knows {homes.VERSION}). "
            f"Install that version first: {_versions(head)}."
        )
    for database in (settings.warehouse_file, settings.published):
        if not database.exists():
            continue
        try:
            with warehouse.reading(database) as con:
                con.execute("SELECT count(*) FROM duckdb_tables()").fetchall()
        except duckdb.Error as error:
            raise BackupError(
                f"{database.name} of the backup does not open here ({str(error).splitlines()[0][:200]}). It was made "
                f"with {_versions(head)}; here is duckdb {version('duckdb')}. Install those versions, or take another "
                "backup."
            ) from error


def _put_in_place(beside: Path, home: Path, is_in_the_way: bool) -> Path | None:
    """Rename the new home into its place; returns where the old one went."""
    # A folder made for its owner alone would shut out whoever could read the former home.
    beside.chmod(home.stat().st_mode & 0o777 if home.is_dir() else 0o750)
    if not is_in_the_way:
        os.replace(beside, home)
        durable.settle(home.parent)
        return None
    aside = home.with_name(f"{home.name}.before-restore-{datetime.now(UTC):%Y%m%dT%H%M%SZ}")
    with _kept_out(home):
        os.rename(home, aside)
        os.rename(beside, home)
        durable.settle(home.parent)
    return aside


@contextlib.contextmanager
def _kept_out(home: Path) -> Iterator[None]:
    """Keep runs out of a home folder whose warehouse may be broken, which `sole_writer` would want to open."""
    lock = warehouse.lock_of(Settings(home, home).warehouse_file)
    if not lock.is_file():
        yield
        return
    with open(lock) as held:
        try:
            fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise warehouse.WarehouseBusyError(
                f"a run (process {held.read().strip() or 'unknown'}) is writing in {home}. Wait for it to end."
            ) from None
        yield
