"""Files that are whole or not there: written beside, the page of a pack last, nothing left where there is no room."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest

from ccg_pipeline import durable


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_where_there_is_no_room_the_former_files_stay(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    table, page = tmp_path / "a.csv", tmp_path / "a.html"
    durable.put_together({table: b"old table", page: b"old page"})
    written = 0

    def full(descriptor: int) -> None:
        nonlocal written
        written += 1
        if written == 2:
            raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", full)
        with pytest.raises(OSError, match="No space"):
            durable.put_together({table: b"new table", page: b"new page"})
    assert (table.read_bytes(), page.read_bytes()) == (b"old table", b"old page")
    assert names(tmp_path) == ["a.csv", "a.html"]


@pytest.mark.parametrize("killed_at", range(4))
def test_where_the_last_file_stands_all_are_of_one_writing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, killed_at: int
) -> None:
    files = [tmp_path / name for name in ("a.csv", "b.csv", "page.html")]
    durable.put_together(dict.fromkeys(files, b"old"))
    moves, replace = 0, os.replace

    def killed(source: Path, target: Path) -> None:
        nonlocal moves
        if moves == killed_at:
            raise KeyboardInterrupt
        moves += 1
        replace(source, target)

    with monkeypatch.context() as patch:
        patch.setattr(os, "replace", killed)
        if killed_at < len(files):
            with pytest.raises(KeyboardInterrupt):
                durable.put_together(dict.fromkeys(files, b"new"))
        else:
            durable.put_together(dict.fromkeys(files, b"new"))
    contents = {path.read_bytes() for path in files if path.exists()}
    assert files[-1].exists() == (killed_at == len(files))
    assert not files[-1].exists() or contents == {b"new"}
    durable.put_together(dict.fromkeys(files, b"newer"))
    assert {path.read_bytes() for path in files} == {b"newer"}
    assert names(tmp_path) == ["a.csv", "b.csv", "page.html"]


def test_a_link_is_followed_and_a_pipe_written_to(tmp_path: Path) -> None:
    target, link = tmp_path / "target.csv", tmp_path / "link.csv"
    target.write_bytes(b"old")
    link.symlink_to(target)
    durable.put_bytes(link, b"new")
    assert link.is_symlink() and target.read_bytes() == b"new"
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    reader = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
    durable.put_bytes(pipe, b"figures")
    assert os.read(reader, 100) == b"figures"
    os.close(reader)
    with pytest.raises(OSError):
        durable.put_bytes(tmp_path, b"a folder")
