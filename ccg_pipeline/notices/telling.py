"""Telling, from what is new to what was sent: after a night, after a run of Dagster's, and when asked.

What is new is noted before anything is sent, and what was sent at once after: killed in between, a notice goes out
once more at most. What cannot be sent waits for the next telling, and is given up after `_KEPT`. No error leaves this
module, no telling takes longer than `Patience` allows, and what happened is said in words.
"""

from __future__ import annotations

import contextlib
import hashlib
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import duckdb

from ccg_pipeline import nights
from ccg_pipeline.notices import configuration, findings, mail, told, webhook
from ccg_pipeline.notices.configuration import MAIL, WEBHOOK, Configuration
from ccg_pipeline.notices.delivery import NotDeliveredError
from ccg_pipeline.notices.findings import Failure
from ccg_pipeline.notices.told import Told, Waiting
from ccg_pipeline.notices.wording import Notice, clean
from ccg_pipeline.settings import Settings

if TYPE_CHECKING:
    from ccg_pipeline.nightly import Night

_KEPT = timedelta(days=7)
_WAITING_KEPT = 100
_IN_WORDS = {WEBHOOK: "by webhook", MAIL: "by mail"}

Say = Callable[[str], None]


@dataclass(frozen=True)
class Patience:
    """How long a telling may take, in seconds: for each way, for each attempt, and between attempts."""

    way: float = 25
    attempt: float = 8
    pauses: tuple[float, ...] = (1, 4)


def tell_of_night(
    settings: Settings,
    say: Say,
    run: Callable[[], Night],
    *,
    patience: Patience = Patience(),
) -> Night:
    """Do one night by ``run`` and tell of it, whatever becomes of it: what it raises is told and passed on.

    A run that was killed is told before the next begins, which may end the same way. What happened to the notices is
    said, and stands at the end of the night's log.
    """
    started_at = datetime.now(UTC)
    with contextlib.suppress(OSError):
        if nights.killed_last(settings):
            tell(settings, say, patience=patience)
    try:
        night = run()
    except Exception as error:
        failed = Failure([str(error) or type(error).__name__], started_at=started_at)
        tell(settings, say, failed, patience=patience)
        raise
    said: list[str] = []

    def say_and_keep(sentence: str) -> None:
        say(sentence)
        said.append(sentence)

    failure = Failure(night.failures, started_at=started_at, log=night.log) if night.exit_code == 1 else None
    tell(settings, say_and_keep, failure, patience=patience)
    if night.log and said:
        with contextlib.suppress(OSError), open(night.log, "a", encoding="utf-8") as log:
            log.write("".join(f"{sentence}\n" for sentence in said))
    return night


def tell(
    settings: Settings,
    say: Say,
    failure: Failure | None = None,
    *,
    patience: Patience = Patience(),
    now: datetime | None = None,
) -> bool:
    """Send what is new, and what still waits; whether all of it was sent. Says nothing where notices are off.

    ``now`` (UTC) is what is overdue judged by. Raises nothing.
    """
    secrets: tuple[str, ...] = ()
    try:
        how = configuration.configured(settings)
        secrets = how.secrets
        for problem in how.problems.get("", ()):
            say(f"notices: {problem}")
        if not how.ways:
            return True
        return _tell(settings, how, say, failure, patience, now or datetime.now(UTC))
    except Exception as error:  # whatever it is, a run is worth more than the telling of it
        say(f"notices: stopped by {type(error).__name__}: {_without(secrets, clean(error, 200))}")
        return False


def send_test(settings: Settings, say: Say, *, patience: Patience = Patience()) -> bool:
    """Send a notice of no news by each way that is on, and say what happened; whether all of it was sent."""
    how = configuration.configured(settings)
    for problem in how.problems.get("", ()):
        say(f"notices: {problem}")
    at = datetime.now(UTC)
    test = Notice(
        hashlib.sha256(at.isoformat().encode()).hexdigest()[:20],
        "test",
        "a test of the notices",
        ("This way of telling works.", f"Kinds switched on: {', '.join(how.kinds) or 'none'}."),
    )
    sent = [_send_waiting(how, way, [Waiting(test, at, [way])], say, patience, lambda: None) for way in how.ways]
    return all(sent)


def _tell(
    settings: Settings, how: Configuration, say: Say, failure: Failure | None, patience: Patience, now: datetime
) -> bool:
    failed = failure if "failure" in how.kinds else None
    is_noted = True
    with contextlib.ExitStack() as stack:
        try:
            stack.enter_context(told.sole_teller(settings))
            before = _read(settings, say)
            after = _with_news(settings, how, before, failed, now, say)
            told.write(settings, after)
        except OSError as error:
            # Nothing can be noted (disk full, read-only): what would be told every night anew is not, a failure is.
            say(f"notices: what was told cannot be noted in {settings.notices} ({error.strerror or error})")
            is_noted = False
            after = Told()
            if failed:
                after.waiting.append(Waiting(findings.failure(settings, failed), now, list(how.ways)))

        def note() -> None:
            if is_noted:
                with contextlib.suppress(OSError):
                    told.write(settings, after)

        for waiting in [w for w in after.waiting if now - w.at > _KEPT]:
            say(f"notices: given up after {_KEPT.days} days: {waiting.notice.title}")
            after.waiting.remove(waiting)
        sent = [_send_waiting(how, way, after.waiting, say, patience, note) for way in how.ways]
        after.waiting = [w for w in after.waiting if w.ways]
        note()
    return all(sent)


def _read(settings: Settings, say: Say) -> Told:
    try:
        return told.read(settings)
    except ValueError as error:
        say(f"notices: beginning anew, since what was told cannot be read: {clean(error, 200)}")
        return Told()


def _with_news(
    settings: Settings, how: Configuration, before: Told, failed: Failure | None, now: datetime, say: Say
) -> Told:
    """What will have been told when all that waits is sent."""
    new: list[Notice] = []
    told_failures: list[str] | None = None
    if "failure" in how.kinds:
        new, told_failures = findings.failures(settings, before, failed)
    try:
        found, after = findings.news(settings, before, how.kinds, now.date())
        new += found
    except (duckdb.Error, ValueError) as error:
        say(f"notices: the publication cannot be read, so that its news waits: {clean(error, 200)}")
        after = before
    after.failures = told_failures
    waiting = [Waiting(w.notice, w.at, [way for way in w.ways if way in how.ways]) for w in before.waiting]
    known = {w.notice.key for w in waiting}
    waiting += [Waiting(notice, now, list(how.ways)) for notice in new if notice.key not in known]
    after.waiting = [w for w in waiting if w.ways][-_WAITING_KEPT:]
    return after


def _send_waiting(
    how: Configuration, way: str, waiting: list[Waiting], say: Say, patience: Patience, note: Callable[[], None]
) -> bool:
    """Send by one way what waits for it, the oldest first, noting each; whether all of it was sent."""
    mine = [w for w in waiting if way in w.ways]
    if not mine:
        return True
    deadline = time.monotonic() + patience.way
    for number, one in enumerate(mine):
        try:
            remark = _send(how, way, one, patience, deadline)
        except NotDeliveredError as error:
            if error.is_of_notice and number + 1 < len(mine):
                say(f"notice could not be sent {_at(how, way)}: {error}: {one.notice.title}")
                continue
            left = sum(way in w.ways for w in waiting)
            say(
                f"{left} notice{'s' if left > 1 else ''} could not be sent {_at(how, way)}: "
                f"{_without(how.secrets, str(error))}"
            )
            return False
        one.ways.remove(way)
        note()
        say(f"notice sent {_at(how, way)}: {one.notice.title}{remark}")
    return all(way not in w.ways for w in mine)


def _send(how: Configuration, way: str, one: Waiting, patience: Patience, deadline: float) -> str:
    """Send one notice by one way, trying again where that may help. Raises `NotDeliveredError`."""
    if problems := how.problems.get(way):
        raise NotDeliveredError(" ".join(problems))
    for pause in (*patience.pauses, None):
        left = deadline - time.monotonic()
        if left <= 0:
            raise NotDeliveredError("no time left in this run")
        try:
            return _within(min(left, 2 * patience.attempt), lambda: _attempt(how, way, one, patience.attempt))
        except NotDeliveredError as error:
            if pause is None or not error.is_passing:
                raise
            rest = max(pause, error.after or 0)
            if time.monotonic() + rest >= deadline:
                raise
            time.sleep(rest)
    raise AssertionError("the last attempt returns or raises")


def _attempt(how: Configuration, way: str, one: Waiting, seconds: float) -> str:
    if way == WEBHOOK and how.webhook:
        webhook.send(how.webhook, one.notice, seconds, how.ca_file)
    elif way == MAIL and how.mail:
        return mail.send(how.mail, one.notice, one.at, seconds, how.ca_file)
    return ""


def _within(seconds: float, send: Callable[[], str]) -> str:
    """Do it in a thread that is left behind after ``seconds``: looking up a name, or a server that sends a byte now
    and then, knows no other limit."""
    results: list[str | BaseException] = []

    def attempt() -> None:
        try:
            results.append(send())
        except BaseException as error:
            results.append(error)

    thread = threading.Thread(target=attempt, name="notice", daemon=True)
    thread.start()
    thread.join(seconds)
    if not results:
        raise NotDeliveredError(f"no end within {seconds:.0f} s; it may have arrived all the same")
    if isinstance(results[0], BaseException):
        raise results[0]
    return results[0]


def _at(how: Configuration, way: str) -> str:
    host = how.webhook.host if way == WEBHOOK and how.webhook else how.mail.host if way == MAIL and how.mail else ""
    return f"{_IN_WORDS[way]} to {host}" if host else _IN_WORDS[way]


def _without(secrets: tuple[str, ...], text: str) -> str:
    for secret in secrets:
        text = text.replace(secret, "…")
    return text
