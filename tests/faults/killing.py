"""Kills a piece of work at each step that it takes; run as a program of its own by the tests.

A step is a call that touches a file or a database: opening, copying, fsync, rename, a statement. The program forks for
each, so that a kill costs milliseconds; it opens no database itself, as threads do not survive a fork.
"""

from __future__ import annotations

import logging
import os
import signal
import sys
from collections.abc import Callable
from types import FrameType

_HARMLESS = ("fspath", "stat", "lstat", "fstat", "getpid", "fileno", "_path_normpath", "fsencode", "get_terminal_size")
# What a statement found is fetched from memory: before and after it the same stands on the disk.
_HARMLESS += ("fetchall", "fetchone", "fetchmany", "pl", "df")


def _touches_the_disk(called: object) -> bool:
    module = str(getattr(called, "__module__", None) or type(getattr(called, "__self__", None)).__module__)
    name = getattr(called, "__name__", "")
    return module.split(".")[0] in ("posix", "io", "_io", "fcntl", "_duckdb", "duckdb") and name not in _HARMLESS


def _when_said(begins: str, do: Callable[[], None]) -> None:
    class Listener(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            if record.getMessage().startswith(begins):
                do()

    logger = logging.getLogger("ccg")
    logger.setLevel(logging.INFO)
    logger.addHandler(Listener())


def _is_within(frame: FrameType | None, file: str) -> bool:
    while file and frame and not frame.f_code.co_filename.endswith(file):
        frame = frame.f_back
    return frame is not None


def steps_of(work: Callable[[], object], within: str = "", after: str = "") -> list[str]:
    """What the steps of the work are, one name a step, by doing it once in a child; as `killed_at` counts them."""
    names: list[str] = []
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(reader)
        _done(work, after, within, names.append)
        with open(writer, "w") as told:
            told.write("\n".join(names))
        os._exit(0)
    os.close(writer)
    with open(reader) as said:
        names = said.read().split("\n")
    if os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]):
        raise RuntimeError("the work failed")
    return names


def killed_at(step: int, work: Callable[[], object], within: str = "", after: str = "") -> tuple[bool, str]:
    """Whether the work in a child was killed before this step (else it came to its end), and what step that was.

    Only steps count that are taken on behalf of a source file whose path ends like ``within``, from when the pipeline
    says something that begins like ``after``.
    """
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(reader)
        seen = 0

        def count(name: str) -> None:
            nonlocal seen
            seen += 1
            if seen == step:
                sys.setprofile(None)
                os.write(writer, name.encode())
                os.kill(os.getpid(), signal.SIGKILL)

        code = 1
        try:
            _done(work, after, within, count)
            code = 0
        finally:
            os._exit(code)
    os.close(writer)
    _, status = os.waitpid(child, 0)
    with open(reader, "rb") as said:
        name = said.read().decode()
    if os.WIFSIGNALED(status):
        return True, name
    if os.waitstatus_to_exitcode(status):
        raise RuntimeError(f"the work failed before step {step}")
    return False, ""


def _done(work: Callable[[], object], after: str, within: str, at_step: Callable[[str], None]) -> None:
    """Do the work; at each step, ``at_step`` is told its name before it is taken."""

    def look(frame: FrameType, event: str, called: object) -> None:
        if event == "c_call" and _touches_the_disk(called) and _is_within(frame, within):
            at_step(getattr(called, "__name__", str(called)))

    if after:
        _when_said(after, lambda: sys.setprofile(look))
    else:
        sys.setprofile(look)
    work()
    sys.setprofile(None)


def answer(work: Callable[[], str]) -> str:
    """What the work gives, in a process of its own; 'failed: ...' where it raises."""
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(reader)
        try:
            text = work()
        except Exception as error:
            text = f"failed: {type(error).__name__}: {error}"
        os.write(writer, text.encode())
        os._exit(0)
    os.close(writer)
    with open(reader, "rb") as said:
        text = said.read().decode()
    os.waitpid(child, 0)
    return text
