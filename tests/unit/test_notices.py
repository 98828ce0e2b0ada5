"""What is told, when and how often, on small publications; sent to real servers on loopback."""

from __future__ import annotations

import json
import logging
import os
import socket
import time
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any

import duckdb
import pytest
import requests
from servers import PATH, Hook, mail_server, self_made_certificate, webhook
from urllib3 import HTTPSConnectionPool
from urllib3.exceptions import MaxRetryError

from ccg_pipeline import nights
from ccg_pipeline.notices import configuration, delivery, findings, told, wording
from ccg_pipeline.notices.telling import Failure, Patience, send_test, tell, tell_of_night
from ccg_pipeline.notices.webhook import payload
from ccg_pipeline.operations import doctor
from ccg_pipeline.settings import Settings

QUICK = Patience(way=5, attempt=2, pauses=(0, 0))
NOW = datetime(2026, 11, 22, 3, 0, tzinfo=UTC)
PASSWORD = "pass-WORD-of-the-server"

_TABLES = """
    CREATE SCHEMA marts;
    CREATE SCHEMA raw;
    CREATE TABLE raw.received_files (file_name VARCHAR, extract_id VARCHAR, is_present BOOLEAN);
    CREATE TABLE raw.extracts (extract_id VARCHAR, dataset VARCHAR, outcome VARCHAR, reason VARCHAR);
    CREATE TABLE marts.dim_datasets (
        dataset VARCHAR, next_period_start DATE, due_on DATE, is_stale BOOLEAN, stale_since TIMESTAMP,
        stale_reason VARCHAR, dataset_name VARCHAR, frequency VARCHAR, last_period_start DATE,
        latest_period_start DATE, latest_period_end DATE, next_period_end DATE, extracts_held_back BIGINT
    );
    CREATE TABLE marts.fct_standard_comparisons (standard_id VARCHAR, is_met BOOLEAN);
    CREATE TABLE marts.fct_breaches (
        indicator_id VARCHAR, indicator_name VARCHAR, org_code VARCHAR, org_name VARCHAR, org_level VARCHAR,
        period_type VARCHAR, period_start DATE, period_end DATE, source VARCHAR, standard_id VARCHAR,
        periods_in_breach BIGINT, severity VARCHAR
    );
    CREATE TABLE marts.fct_restatements (
        indicator_id VARCHAR, org_code VARCHAR, org_level VARCHAR, period_type VARCHAR, period_start DATE,
        period_end DATE, source VARCHAR, breach_change VARCHAR, standard_id VARCHAR, edition VARCHAR,
        previous_extract_ids VARCHAR[], extract_ids VARCHAR[]
    );
"""


# What no notice tells of a dataset.
_UNTOLD = ("name", "month", None, None, None, None, 0)


def breach(standard: str, org: str, month: str, severity: str = "major", name: str = "A Trust") -> tuple:
    start = date.fromisoformat(f"{month}-01")
    end = (start + timedelta(days=31)).replace(day=1) - timedelta(days=1)
    return (
        standard,
        f"name of {standard}",
        org,
        name,
        "provider",
        "month",
        start,
        end,
        "derived",
        standard,
        1,
        severity,
    )


def publish(settings: Settings, **tables: list[tuple]) -> None:
    """Put a publication of these rows in place of the last; a standard of a breach counts as judged."""
    beside = settings.published.with_suffix(".next")
    beside.parent.mkdir(parents=True, exist_ok=True)
    beside.unlink(missing_ok=True)
    with duckdb.connect(str(beside)) as con:
        con.execute(_TABLES)
        for table, rows in tables.items():
            rows = [(*row, *_UNTOLD) for row in rows] if table == "dim_datasets" else rows
            schema = "raw" if table in ("received_files", "extracts") else "marts"
            if rows:
                row = f"({', '.join('?' * len(rows[0]))})"
                values = [value for row in rows for value in row]
                con.execute(f"INSERT INTO {schema}.{table} VALUES {', '.join([row] * len(rows))}", values)
        con.execute(
            "INSERT INTO marts.fct_standard_comparisons SELECT DISTINCT standard_id, false FROM marts.fct_breaches"
        )
    beside.replace(settings.published)


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(tmp_path / "raw", tmp_path / "home")


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return self_made_certificate(tmp_path_factory.mktemp("certificate") / "mail.pem")


@pytest.fixture
def environment(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    def set_(**variables: object) -> None:
        for name, value in variables.items():
            monkeypatch.setenv(f"CCG_NOTIFY_{name}", str(value))

    return set_


@pytest.fixture
def hooked(environment: Callable[..., None]) -> Any:
    def hook_up(hook: Hook, **more: object) -> None:
        environment(WEBHOOK_URL=hook.url, WEBHOOK_FORM="slack", **more)

    return hook_up


def texts(hook: Hook) -> list[str]:
    return [posted["text"] for posted in hook.posted]


def test_without_configuration_nothing_is_told_written_or_said(settings: Settings) -> None:
    publish(settings, fct_breaches=[breach("AE_4HR", "RWG", "2019-05")])
    said: list[str] = []
    assert tell(settings, said.append, Failure(["it broke"], run="1"))
    assert said == [] and not settings.notices.exists()
    assert configuration.problems(settings) == []


def test_each_thing_is_told_once(settings: Settings, hooked: Any) -> None:
    """One life: first load, new breaches, quarantine, overdue, stale, restated, each told when new."""
    first = [breach("AE_4HR", "RWG", f"2019-0{m}") for m in range(1, 6)]
    said: list[str] = []
    with webhook() as hook:
        hooked(hook)
        publish(settings, fct_breaches=first)
        assert tell(settings, said.append, now=NOW)
        assert texts(hook) == [
            "breaches of standards are told from now on\n```\nThe publication holds 5 breaches of 1 standard by 1 "
            "organisation. From now on only new ones are told.\n```"
        ]
        assert tell(settings, said.append, now=NOW) and len(hook.posted) == 1

        now = [
            *first,
            breach("AE_4HR", "RWH", "2019-06", "critical", "Other Trust"),
            breach("AE_4HR", "RWG", "2019-06"),
        ]
        history = [breach("RTT_18W", "06N", f"20{year}-01") for year in range(11, 19)]
        publish(
            settings,
            fct_breaches=[*now, *history],
            received_files=[("ae/new.csv", "a" * 64, True), ("gone.csv", "b" * 64, False)],
            extracts=[
                ("a" * 64, "ae", "quarantined", "row 5: found 'Mary', expected a number."),
                ("b" * 64, "ae", "quarantined", "x"),
            ],
            dim_datasets=[
                ("ae", date(2019, 7, 1), date(2019, 8, 14), False, None, None),
                (
                    "rtt",
                    date(2026, 10, 1),
                    date(2026, 11, 22),
                    True,
                    datetime(2026, 11, 20, 2),
                    "the checks of rtt failed",
                ),
            ],
            fct_restatements=[
                (
                    "AE_4HR",
                    "RWH",
                    "provider",
                    "month",
                    date(2019, 5, 1),
                    date(2019, 5, 31),
                    "derived",
                    change,
                    "AE_4HR",
                    "revised",
                    ["a"],
                    ["b"],
                )
                for change in ("appeared", None)
            ],
        )
        hook.posted.clear()
        assert tell(settings, said.append, now=NOW)
        stale, quarantine, overdue, breaches, restated = texts(hook)
        assert "rtt: files held back since 2026-11-20" in stale and "the checks of rtt failed" in stale
        assert "newly in quarantine: 1 file" in quarantine
        assert "ae/new.csv: row 5: found '…', expected a number." in quarantine and "gone" not in quarantine
        # What is due today is not overdue yet.
        assert "ae: the period from 2019-07-01 was due on 2019-08-14" in overdue and "rtt" not in overdue
        assert breaches.startswith("10 new breaches of standards\n")
        assert "  AE_4HR, name of AE_4HR: 2 (2019-06)" in breaches
        assert (
            "They are:\n  critical: AE_4HR, RWH Other Trust, 2019-06\n  major: AE_4HR, RWG A Trust, 2019-06" in breaches
        )
        assert "First load of 1 standard (RTT_18W): 8 breaches, not listed." in breaches and "2011" not in breaches
        assert restated.startswith("later editions: 1 breach appeared, 0 breaches vanished\n")

        hook.posted.clear()
        assert tell(settings, said.append, now=NOW) and texts(hook) == []
        assert tell(
            settings, said.append, now=NOW + timedelta(days=1)
        )  # a day later rtt is overdue, and nothing else new
        assert [t.splitlines()[2] for t in texts(hook)] == ["rtt: the period from 2026-10-01 was due on 2026-11-22"]
        assert sum("sent" in sentence for sentence in said) == 7
        assert {p.name for p in settings.notices.glob("*.parquet*")} == set(told.read(settings).tables.values())


def test_a_restated_breach_is_told_by_what_changed(settings: Settings, hooked: Any) -> None:
    def restatement(change: str, extract: str) -> tuple:
        return (
            "AE_4HR",
            "RWH",
            "provider",
            "ytd",
            date(2019, 4, 1),
            date(2019, 5, 31),
            "reported",
            change,
            "AE_4HR",
            "final",
            ["a"],
            [extract],
        )

    with webhook() as hook:
        hooked(hook, KINDS="restatement")
        publish(settings, fct_breaches=[breach("AE_4HR", "RWG", "2019-05")])
        tell(settings, print)
        assert hook.posted == []  # there were none: nothing to say
        publish(settings, fct_restatements=[restatement("vanished", "b")])
        tell(settings, print)
        publish(settings, fct_restatements=[restatement("vanished", "b"), restatement("appeared", "c")])
        tell(settings, print)
    vanished, appeared = texts(hook)
    assert vanished.startswith("later editions: 0 breaches appeared, 1 breach vanished\n")
    assert "  vanished: AE_4HR, RWH, 2019-05 YTD (final)" in vanished
    assert appeared.startswith("later editions: 1 breach appeared, 0 breaches vanished\n")


def test_a_thousand_breaches_are_one_message_of_few_lines(settings: Settings, hooked: Any) -> None:
    with webhook() as hook:
        hooked(hook, KINDS="breach")
        standards = [f"S{n}" for n in range(30)]
        publish(settings, fct_breaches=[breach(s, "RWG", "2019-04") for s in standards])
        tell(settings, print)
        both = ("2019-04", "2019-05")
        many = [breach(s, f"R{n}", m, name="<b>" * 60) for s in standards for n in range(20) for m in both]
        publish(settings, fct_breaches=many)
        tell(settings, print)
    text = texts(hook)[1]
    assert text.startswith("1,200 new breaches of standards\n")
    assert "  and 15 others: 600" in text and "  and 5 others: 300" in text and "  and 1,190 others" in text
    assert len(text.splitlines()) < 60 and "<" not in text
    assert all(len(line) <= 120 + 4 * 100 for line in text.splitlines())


def test_kinds_are_switched_on_one_by_one(settings: Settings, hooked: Any, environment: Callable[..., None]) -> None:
    with webhook() as hook:
        hooked(hook, KINDS="overdue")
        publish(
            settings,
            fct_breaches=[breach("AE_4HR", "RWG", "2019-05")],
            dim_datasets=[("ae", date(2019, 7, 1), date(2019, 8, 14), False, None, None)],
        )
        tell(settings, print, Failure(["it broke"], run="1"), now=NOW)
        assert [t.partition(":")[0] for t in texts(hook)] == ["overdue by the publication calendar"]
        environment(KINDS="failure")
        tell(settings, print, Failure(["it broke"], run="2", log="/home/logs/x.log"), now=NOW)
        tell(settings, print, Failure(["it broke"], run="2", log="/home/logs/x.log"), now=NOW)
    assert len(hook.posted) == 2
    assert texts(hook)[1] == (
        "a night failed\n```\nit broke\nThe last publication stays as it was.\nThe whole log: /home/logs/x.log\n```"
    )


def test_what_fails_first_is_tried_again_and_sent_once(settings: Settings, hooked: Any) -> None:
    said: list[str] = []
    with webhook(503, 429, 200) as hook:
        hooked(hook)
        assert tell(settings, said.append, Failure(["it broke"], run="1"), patience=QUICK)
        assert len(hook.posted) == 3
        assert tell(settings, said.append, patience=QUICK) and len(hook.posted) == 3
    assert said == [f"notice sent by webhook to 127.0.0.1:{hook.port}: a night failed"]


def test_what_cannot_be_sent_waits_for_the_next_run_and_is_given_up_in_the_end(settings: Settings, hooked: Any) -> None:
    said: list[str] = []
    with webhook(500) as hook:
        hooked(hook)
        assert not tell(settings, said.append, Failure(["it broke"], run="1"), patience=QUICK, now=NOW)
        assert len(hook.posted) == 3 and len(told.read(settings).waiting) == 1
        hook.answers = [200]
        assert tell(settings, said.append, patience=QUICK, now=NOW + timedelta(days=6))
        assert len(hook.posted) == 4 and told.read(settings).waiting == []
        hook.answers = [500]
        tell(settings, said.append, Failure(["it broke"], run="2"), patience=QUICK, now=NOW)
        hook.posted.clear()
        assert tell(settings, said.append, patience=QUICK, now=NOW + timedelta(days=8))
        assert hook.posted == [] and told.read(settings).waiting == []
    at = f"by webhook to 127.0.0.1:{hook.port}"
    assert said == [
        f"1 notice could not be sent {at}: it answered 500 Internal Server Error",
        f"notice sent {at}: a night failed",
        f"1 notice could not be sent {at}: it answered 500 Internal Server Error",
        "notices: given up after 7 days: a night failed",
    ]


def test_a_refused_notice_does_not_hold_back_the_next(settings: Settings, hooked: Any) -> None:
    with webhook(400, 200) as hook:
        hooked(hook)
        publish(settings, fct_breaches=[breach("AE_4HR", "RWG", "2019-05")])
        assert not tell(settings, print, Failure(["it broke"], run="1"), patience=QUICK)
    assert len(hook.posted) == 2
    assert [w.notice.kind for w in told.read(settings).waiting] == ["failure"]


def _hang(handler: BaseHTTPRequestHandler) -> None:
    time.sleep(3)


def _drip(handler: BaseHTTPRequestHandler) -> None:
    """An answer of which a byte comes now and then: no read of it times out."""
    for _ in range(20):
        handler.wfile.write(b"H")
        handler.wfile.flush()
        time.sleep(0.05)


@pytest.mark.parametrize(("answer", "words"), [(_hang, "no answer within"), (_drip, "no end within")])
def test_a_server_that_hangs_does_not_hold_the_run_up(
    settings: Settings, hooked: Any, answer: Callable[[BaseHTTPRequestHandler], None], words: str
) -> None:
    said: list[str] = []
    patience = Patience(way=0.6, attempt=0.2, pauses=(0,))
    with webhook(answer) as hook:
        hooked(hook)
        started = time.monotonic()
        assert not tell(settings, said.append, Failure(["it broke"], run="1"), patience=patience)
        assert time.monotonic() - started < 1.5
    assert words in said[0] and len(said) == 1
    assert len(hook.posted) == 1  # it may have arrived: it is not sent again at once


def test_no_server_at_all(settings: Settings, environment: Callable[..., None]) -> None:
    with webhook() as hook:
        pass
    environment(WEBHOOK_URL=hook.url, WEBHOOK_FORM="teams", SMTP_HOST="127.0.0.1", SMTP_PORT=hook.port)
    environment(SMTP_SECURITY="none", SMTP_FROM="a@example.org", SMTP_TO="b@example.org")
    said: list[str] = []
    assert not tell(settings, said.append, Failure(["it broke"], run="1"), patience=QUICK)
    assert [s.partition(": ")[2] for s in said] == ["it refused the connection"] * 2


def test_a_redirect_is_not_followed(settings: Settings, hooked: Any) -> None:
    with webhook() as other:

        def elsewhere(handler: BaseHTTPRequestHandler) -> None:
            handler.send_response(307)
            handler.send_header("Location", other.url)
            handler.end_headers()

        said: list[str] = []
        with webhook(elsewhere) as hook:
            hooked(hook)
            assert not tell(settings, said.append, Failure(["it broke"], run="1"), patience=QUICK)
        assert len(hook.posted) == 1 and other.posted == []
    assert "it answered 307, a redirect" in said[0]


def test_teams_that_take_and_do_not_deliver(settings: Settings, environment: Callable[..., None]) -> None:
    def taken(handler: BaseHTTPRequestHandler) -> None:
        handler.send_response(200)
        handler.end_headers()
        handler.wfile.write(b"Webhook message delivery failed with error: 429")

    with webhook(taken) as hook:
        environment(WEBHOOK_URL=hook.url, WEBHOOK_FORM="teams")
        assert not tell(settings, print, Failure(["it broke"], run="1"), patience=QUICK)
    assert len(told.read(settings).waiting) == 1


def test_mail_over_starttls_with_login(
    settings: Settings, environment: Callable[..., None], certificate: Path, tmp_path: Path
) -> None:
    (tmp_path / "password").write_text(f"{PASSWORD}\n")
    (tmp_path / "to").write_text("board@example.org\nnights@example.org\n")
    with mail_server("451 later", "250 taken", login=("ccg", PASSWORD), certificate=certificate) as box:
        environment(SMTP_HOST="127.0.0.1", SMTP_PORT=box.port, SMTP_FROM="ccg@example.org", CA_FILE=certificate)
        environment(SMTP_USER="ccg", SMTP_PASSWORD_FILE=tmp_path / "password", SMTP_TO_FILE=tmp_path / "to")
        assert configuration.problems(settings) == []
        said: list[str] = []
        assert tell(
            settings, said.append, Failure(["it broke\nBcc: all@example.org"], run="1"), patience=QUICK, now=NOW
        )
        assert len(box.mails) == 1
    mail = box.mails[0]
    assert box.envelopes == [("ccg@example.org", ["board@example.org", "nights@example.org"])]
    assert (mail["Subject"], mail["To"]) == ("ccg: a night failed", "board@example.org, nights@example.org")
    assert mail["Date"].datetime == NOW and mail["Message-ID"].endswith("@example.org>")
    assert mail["Auto-Submitted"] == "auto-generated" and mail["Bcc"] is None
    assert mail.get_content_type() == "text/plain"
    assert mail.get_content().splitlines()[:3] == ["a night failed", "", "it broke Bcc: …"]
    assert said == ["notice sent by mail to 127.0.0.1: a night failed"]


def test_mail_over_tls_with_a_certificate_that_nobody_vouches_for(
    settings: Settings, environment: Callable[..., None], certificate: Path
) -> None:
    with mail_server(certificate=certificate, is_tls=True) as box:
        environment(SMTP_HOST="127.0.0.1", SMTP_PORT=box.port, SMTP_SECURITY="tls")
        environment(SMTP_FROM="ccg@example.org", SMTP_TO="board@example.org")
        said: list[str] = []
        assert not send_test(settings, said.append, patience=QUICK)
        assert "its certificate is not trusted" in said[0] and box.mails == []
        environment(CA_FILE=certificate)
        assert send_test(settings, said.append, patience=QUICK)
    assert box.mails[0]["Subject"] == "ccg: a test of the notices"


@pytest.mark.filterwarnings("ignore:Requiring AUTH while not requiring TLS")
def test_no_secret_is_ever_said(
    settings: Settings, environment: Callable[..., None], capfd: pytest.CaptureFixture, caplog: pytest.LogCaptureFixture
) -> None:
    """Whatever fails: address of the webhook and password stand in no sentence, log, file or representation."""
    caplog.set_level(logging.DEBUG)
    said: list[str] = []
    with webhook(404) as hook, mail_server(login=("ccg", "another")) as box:
        environment(WEBHOOK_URL=hook.url, WEBHOOK_FORM="slack")
        environment(SMTP_HOST="127.0.0.1", SMTP_PORT=box.port, SMTP_SECURITY="none", SMTP_USER="ccg")
        environment(SMTP_PASSWORD=PASSWORD, SMTP_FROM="ccg@example.org", SMTP_TO="board@example.org")
        said.append(repr(configuration.configured(settings)))
        assert configuration.configured(settings).mail and PASSWORD in configuration.configured(settings).secrets
        assert not tell(settings, said.append, Failure(["it broke"], run="1"), patience=QUICK)
        assert not send_test(settings, said.append, patience=QUICK)
    assert not tell(settings, said.append, patience=QUICK)  # now the servers are gone
    environment(WEBHOOK_URL=hook.url.replace("http", "https"), SMTP_PORT="smtp")
    assert not tell(settings, said.append, patience=QUICK)
    how = configuration.configured(settings)
    everything = "\n".join([*said, repr(how), repr(settings), *configuration.problems(settings), caplog.text])
    everything += "".join(capfd.readouterr())
    everything += "".join(p.read_text(errors="replace") for p in settings.home.rglob("*") if p.is_file())
    assert len(said) >= 8 and "404" in everything and "it refused the login" in everything
    for secret in (PATH, "SECRET-OF", PASSWORD):
        assert secret not in everything


@pytest.mark.parametrize(
    ("inner", "words"),
    [
        (socket.gaierror(-2, "Name or service not known"), "its name is not known"),
        (ConnectionRefusedError(111, "Connection refused"), "it refused the connection"),
        (OSError(113, "No route to host"), "No route to host"),
        (ValueError("odd"), "the connection failed (ConnectionError)"),
    ],
)
def test_why_a_connection_failed_without_the_address_that_libraries_repeat(inner: Exception, words: str) -> None:
    pool = HTTPSConnectionPool("hooks.example.org", 443)
    assert delivery.cause(requests.ConnectionError(MaxRetryError(pool, PATH, inner))) == words
    error = requests.ConnectionError(f"Max retries exceeded with url: {PATH}")
    error.__context__ = inner
    assert delivery.cause(error) == words


@pytest.mark.parametrize(
    ("variables", "problem"),
    [
        ({"WEBHOOK_URL": "https://h/SECRET"}, "WEBHOOK_FORM: expected slack or teams"),
        ({"WEBHOOK_FORM": "slack"}, "WEBHOOK_URL is not set"),
        ({"WEBHOOK_URL": "http://h/SECRET", "WEBHOOK_FORM": "slack"}, "asked without encryption"),
        ({"WEBHOOK_URL": "h/SECRET", "WEBHOOK_FORM": "slack"}, "no address such as"),
        ({"WEBHOOK_URL_FILE": "/nowhere/SECRET", "WEBHOOK_FORM": "slack"}, "cannot be read (No such file"),
        ({"SMTP_HOST": "mail.example.org", "SMTP_FROM": "a@b.org"}, "SMTP_TO is not set"),
        ({"SMTP_HOST": "mail.example.org", "SMTP_SECURITY": "none"}, "none is for a relay on loopback"),
        ({"SMTP_HOST": "h", "SMTP_FROM": "a@b.org", "SMTP_TO": "SECRET"}, "SMTP_TO: expected addresses"),
        ({"SMTP_HOST": "h", "SMTP_FROM": "a@b.org\nBcc: c@d.org", "SMTP_TO": "e@f.org"}, "SMTP_FROM: expected"),
        ({"SMTP_HOST": "h", "SMTP_PASSWORD": "SECRET"}, "belong together"),
        ({"SMTP_HOST": "h", "SMTP_PORT": "SECRET"}, "SMTP_PORT is no port"),
        ({"KINDS": "failure, breeches", "WEBHOOK_FORM": "slack"}, "no kind breeches"),
        ({"WEBHOK_URL": "https://h/SECRET"}, "CCG_NOTIFY_WEBHOK_URL is no setting of ccg"),
    ],
)
def test_a_wrong_configuration_is_told_without_its_secrets(
    settings: Settings, environment: Callable[..., None], variables: dict[str, str], problem: str
) -> None:
    environment(**variables)
    found = configuration.problems(settings)
    assert any(problem in text for text in found), found
    said: list[str] = []
    tell(settings, said.append, Failure(["it broke"], run="1"), patience=QUICK)
    assert any(problem in text for text in said), said
    assert "SECRET" not in "".join([*found, *said])


def test_the_doctor_says_how_notices_stand(settings: Settings, environment: Callable[..., None]) -> None:
    def finding() -> tuple[str, str]:
        (found,) = [f for f in doctor.examine(settings, NOW) if f.topic == "notices"]
        return found.verdict, found.found

    assert finding() == (doctor.OK, "off")
    with webhook(500) as hook:
        environment(WEBHOOK_URL=hook.url, WEBHOOK_FORM="slack", KINDS="failure,breach")
        assert finding() == (doctor.OK, "by webhook: failure, breach")
        tell(settings, print, Failure(["it broke"], run="1"), patience=QUICK)
        assert finding() == (doctor.LOOK, "by webhook: failure, breach; 1 wait to be sent")
        environment(WEBHOOK_FORM="telex")
    verdict, words = finding()
    assert verdict == doctor.WRONG and "WEBHOOK_FORM: expected slack or teams" in words and PATH not in words


HOSTILE = "\u202e<!channel> [x](https://evil.example) `*_\r\nSubject: x\x00 {{DATE(2017-02-14T06:00:00Z)}} @here & </b>"


def test_hostile_names_are_text(settings: Settings) -> None:
    made = wording.notice("k", "breach", "title", [f"  {HOSTILE}", "x" * 5000, *["y" * 299] * 200])
    assert len(made.lines) <= 60 and sum(len(line) for line in made.lines) < 13_000
    assert made.lines[-1].endswith("more lines") and len(made.lines[1]) == 300
    assert not any(c in made.lines[0] for c in "\u202e\r\n\x00")
    text = payload("slack", made)["text"]
    assert "<" not in text and "&lt;!channel&gt;" in text and "&amp;" in text
    assert text.count("`") == 6  # those of the block alone: all between them is read as it stands
    card = json.dumps(payload("teams", made))
    assert "TextBlock" not in card.replace("RichTextBlock", "") and "{{" not in card
    assert len(card.encode()) < 28_000
    many = wording.notice("k", "breach", "title", ["\U0001f600é" * 140] * 100)
    for form in ("slack", "teams"):
        assert len(json.dumps(payload(form, many), ensure_ascii=False).encode()) < 28_000


@pytest.mark.parametrize(
    ("reason", "kept"),
    [
        ("row 3: found 'Mary O'Brien', expected a number.", "row 3: found '…', expected a number."),
        ("England's total is not the publisher's.", "England's total is not the publisher's."),
        ("patient 943 476 5919 of mary@example.org", "patient … of …"),
        (
            "the reader stopped on something it did not expect (ValueError: bad Mary Smith (C50)). Check that",
            "the reader stopped on something it did not expect (ValueError). Check that",
        ),
    ],
)
def test_reasons_do_not_repeat_what_cells_hold(reason: str, kept: str) -> None:
    assert wording.without_contents(reason) == kept


def test_a_file_that_is_no_known_extract_shows_nothing_of_itself(settings: Settings) -> None:
    reason = "not recognised as any of ae, rtt: its first row reads Mary Smith, 943 476 5919. Check that it is."
    publish(
        settings,
        received_files=[("list of 9434765919.csv", "a", True)],
        extracts=[("a", None, "quarantined", reason)],
    )
    (made,), _ = findings.news(settings, told.Told(), ("quarantine",), NOW.date())
    assert made.lines[0] == "list of ….csv: not recognised as any of ae, rtt."


def test_killed_before_and_after_noting(settings: Settings, hooked: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """At every moment at which what was told is put in place: nothing is lost, and one notice doubles at most."""

    class KilledError(BaseException):
        pass

    put = told.durable.put_text
    for number in range(4):
        home = Settings(settings.raw, settings.home / str(number))
        with webhook() as hook:
            hooked(hook)
            publish(home, fct_breaches=[breach("AE_4HR", "RWG", "2019-04")])
            calls: list[int] = []

            def dies(path: Path, text: str, number: int = number, calls: list[int] = calls) -> None:
                calls.append(1)
                if len(calls) - 1 == number:
                    raise KilledError
                put(path, text)

            monkeypatch.setattr(told.durable, "put_text", dies)
            with pytest.raises(KilledError):
                tell(home, print, Failure(["it broke"], run="1"))
            monkeypatch.setattr(told.durable, "put_text", put)
            assert tell(home, print, Failure(["it broke"], run="1") if number == 0 else None)
            assert tell(home, print)
        titles = [t.splitlines()[0] for t in texts(hook)]
        assert set(titles) == {"a night failed", "breaches of standards are told from now on"}
        assert len(titles) <= 3, titles
        assert len(list(home.notices.glob("*.parquet*"))) == 2


def test_where_nothing_can_be_noted_a_failure_is_told_all_the_same(settings: Settings, hooked: Any) -> None:
    settings.home.mkdir()
    settings.notices.write_text("no folder")
    said: list[str] = []
    with webhook() as hook:
        hooked(hook)
        publish(settings, fct_breaches=[breach("AE_4HR", "RWG", "2019-04")])
        assert tell(settings, said.append, Failure(["it broke"], run="1"))
    assert len(hook.posted) == 1 and "cannot be noted" in said[0]


def test_what_was_told_and_cannot_be_read_begins_anew(settings: Settings, hooked: Any) -> None:
    settings.notices.mkdir(parents=True)
    publish(settings, fct_breaches=[breach("AE_4HR", "RWG", "2019-04")])
    for content in ("{", "[]", '{"waiting": [1]}', '{"waiting": [], "other": 1}'):
        (settings.notices / "told.json").write_text(content)
        said: list[str] = []
        with webhook() as hook:
            hooked(hook)
            assert tell(settings, said.append)
        assert "beginning anew" in said[0] and len(hook.posted) == 1


def test_a_publication_that_cannot_be_read_stops_nothing(settings: Settings, hooked: Any) -> None:
    settings.published.parent.mkdir(parents=True)
    settings.published.write_text("not a database")
    said: list[str] = []
    with webhook() as hook:
        hooked(hook)
        assert tell(settings, said.append, Failure(["it broke"], run="1"))
    assert len(hook.posted) == 1 and "cannot be read" in said[0]


class _Night:
    def __init__(self, failures: list[str], log: Path | None = None) -> None:
        self.failures, self.log, self.exit_code = failures, str(log) if log else None, 1 if failures else 0


def test_a_night_that_fails_raises_or_is_killed_is_told_once(settings: Settings, hooked: Any, tmp_path: Path) -> None:
    """Run records tell of failures, whoever started the run; where there is none, what the night itself says."""
    said: list[str] = []
    log = tmp_path / "night.log"
    log.write_text("what dbt said\n")
    settings.home.mkdir()

    def recorded(run_id: str, outcome: str | None, *failures: str, kind: str = nights.NIGHTLY) -> Any:
        def run() -> Any:
            begun = nights.begin(settings, run_id, kind, datetime.now(UTC))
            if outcome:
                nights.end(settings, begun, outcome, 1 if outcome == nights.FAILED else 0, failures=list(failures))
            return _Night(list(failures), log)

        return run

    def stops() -> Any:
        raise RuntimeError("the home folder cannot be written")

    for run_id in ("before-1", "before-2"):
        recorded(run_id, nights.FAILED, "history")()
    recorded("before-3", nights.PUBLISHED)()
    with webhook() as hook:
        hooked(hook)
        tell(settings, said.append)
        assert hook.posted == []  # what failed before notices were switched on, and not last, is history
        tell_of_night(settings, said.append, recorded("1", nights.FAILED, "dbt broke"))
        assert log.read_text() == f"what dbt said\nnotice sent by webhook to 127.0.0.1:{hook.port}: a night failed\n"
        with pytest.raises(RuntimeError, match="cannot be written"):
            tell_of_night(settings, said.append, stops)
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(nights, "_is_alive", lambda process: process != os.getpid())
            recorded("2", None)()  # as a killed process leaves it
            tell_of_night(settings, said.append, recorded("3", nights.PUBLISHED))
            recorded("4", nights.FAILED, "a sensor's run broke", kind=nights.SENSOR)()
            recorded("5", nights.FAILED, "the disk is full", kind=nights.SCHEDULE)()
            recorded("6", nights.FAILED, "asked for by a person", kind=nights.REBUILD)()
            for _ in range(2):
                tell(settings, said.append, Failure(["it broke"], run="5"))
    failed, raised, killed, two = texts(hook)
    assert "(nightly):\ndbt broke\nThe whole log: run 1" in failed
    assert "the home folder cannot be written" in raised
    assert f"It did not end: {nights.WHY_NOT_ENDED}." in killed
    assert two.startswith("2 nights failed\n") and "(sensor):\na sensor's run broke" in two
    assert "the disk is full" in two and "by a person" not in two
