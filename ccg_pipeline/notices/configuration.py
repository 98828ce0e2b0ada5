"""Which ways and kinds of notice are switched on, from the variables that `Settings` read; and what is wrong there.

A variable may be given by a file instead: ``CCG_NOTIFY_SMTP_PASSWORD_FILE`` names a file whose content is the value.
Secrets (addresses of webhooks, passwords) stand in no ``repr``, and no problem repeats one.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping
from dataclasses import dataclass, field
from email.utils import getaddresses
from pathlib import Path
from urllib.parse import urlsplit

from ccg_pipeline.settings import Settings

KINDS = ("failure", "quarantine", "overdue", "breach", "restatement")
WEBHOOK, MAIL = "webhook", "mail"
_FORMS = ("slack", "teams")
_PORTS = {"starttls": 587, "tls": 465, "none": 25}
_PREFIX = "CCG_NOTIFY_"
_NAMES = (
    "KINDS CA_FILE WEBHOOK_URL WEBHOOK_FORM SMTP_HOST SMTP_PORT SMTP_SECURITY SMTP_USER SMTP_PASSWORD SMTP_FROM SMTP_TO"
).split()


@dataclass(frozen=True)
class Webhook:
    """An incoming webhook. Its address is a secret: who knows it can post. ``host`` may be shown;
    ``is_here`` where it is on loopback."""

    url: str = field(repr=False)
    form: str
    host: str
    is_here: bool = False


@dataclass(frozen=True)
class MailServer:
    """Where mail is handed in, and between whom. ``security`` is starttls, tls or none."""

    host: str
    port: int
    security: str
    sender: str
    recipients: tuple[str, ...]
    user: str | None = None
    password: str | None = field(default=None, repr=False)


@dataclass(frozen=True)
class Configuration:
    """The kinds and ways switched on. A way that is on and not usable is None, and ``problems`` says why by way;
    under ``""`` stands what is wrong with no way in particular."""

    kinds: tuple[str, ...]
    ways: tuple[str, ...]
    webhook: Webhook | None
    mail: MailServer | None
    ca_file: Path | None
    problems: Mapping[str, tuple[str, ...]]

    @property
    def secrets(self) -> tuple[str, ...]:
        """What must stand in no log, whoever says it."""
        return tuple(s for s in (self.webhook and self.webhook.url, self.mail and self.mail.password) if s)


def problems(settings: Settings) -> list[str]:
    """What is wrong with the configuration of notices, each with what to do, without a secret; empty where nothing
    is, or where notices are off."""
    return [problem for found in configured(settings).problems.values() for problem in found]


def configured(settings: Settings) -> Configuration:
    """The configuration that the environment gives. Raises nothing: what is wrong stands in it."""
    values, unclear = _values(settings.notice_variables)
    found: dict[str, list[str]] = {"": [], WEBHOOK: [], MAIL: []}
    for name, problem in unclear.items():
        found[MAIL if name.startswith("SMTP") else WEBHOOK if name.startswith("WEBHOOK") else ""].append(problem)
    ca_file = Path(values["CA_FILE"]) if values.get("CA_FILE") else None
    if ca_file and not ca_file.is_file():
        found[""].append(f"{_PREFIX}CA_FILE: no such file: {ca_file}")
        ca_file = None
    named = [name for name in (*values, *unclear)]
    ways = tuple(
        way for way, start in ((WEBHOOK, "WEBHOOK_"), (MAIL, "SMTP_")) if any(name.startswith(start) for name in named)
    )
    webhook = _webhook(values, found[WEBHOOK]) if WEBHOOK in ways else None
    mail = _mail(values, found[MAIL]) if MAIL in ways else None
    return Configuration(
        kinds=_kinds(values.get("KINDS"), found[""]) if ways else (),
        ways=ways,
        webhook=webhook,
        mail=mail,
        ca_file=ca_file,
        problems={way: tuple(dict.fromkeys(said)) for way, said in found.items() if said},
    )


def _values(variables: Mapping[str, str]) -> tuple[dict[str, str], dict[str, str]]:
    """The value of each variable by its name without prefix, and for those that cannot be read why."""
    values: dict[str, str] = {}
    unclear: dict[str, str] = {}
    for variable, given in sorted(variables.items()):
        name = variable.removeprefix(_PREFIX)
        plain = name.removesuffix("_FILE")
        if not given.strip():
            continue
        if name in _NAMES:
            values[name] = given.strip()
        elif plain in _NAMES and name != plain:
            if (variables.get(_PREFIX + plain) or "").strip():
                unclear[plain] = f"{_PREFIX}{plain} and {variable} are both set: set one of them."
                continue
            try:
                content = Path(given.strip()).read_text(encoding="utf-8").strip()
            except (OSError, ValueError) as error:
                why = getattr(error, "strerror", None) or "it is no text"
                unclear[plain] = f"{variable}: the file it names cannot be read ({why})."
                continue
            if content:
                values[plain] = content
            else:
                unclear[plain] = f"{variable}: the file it names is empty."
        else:
            unclear[name] = f"{variable} is no setting of ccg: docs/operating.md lists those there are."
    return values, unclear


def _kinds(given: str | None, found: list[str]) -> tuple[str, ...]:
    if given is None or given.strip().lower() == "all":
        return KINDS
    asked = [kind.strip().lower() for kind in given.split(",") if kind.strip()]
    if unknown := [kind for kind in asked if kind not in KINDS]:
        found.append(f"{_PREFIX}KINDS: no kind {', '.join(unknown)[:60]}; there are {', '.join(KINDS)}, or all.")
    return tuple(kind for kind in KINDS if kind in asked)


def _webhook(values: Mapping[str, str], found: list[str]) -> Webhook | None:
    url, form = values.get("WEBHOOK_URL", ""), values.get("WEBHOOK_FORM", "").lower()
    if not url and not found:
        found.append(f"{_PREFIX}WEBHOOK_URL is not set.")
    if form not in _FORMS:
        found.append(f"{_PREFIX}WEBHOOK_FORM: expected {' or '.join(_FORMS)}: what the other side understands.")
    host = _host_of(url) if url else None
    if url and host is None:
        found.append(f"{_PREFIX}WEBHOOK_URL is no address such as https://host/path.")
    is_here = bool(host) and is_loopback(urlsplit(url).hostname or "")
    if host and not url.lower().startswith("https:") and not is_here:
        found.append(f"{_PREFIX}WEBHOOK_URL: {host} is asked without encryption; https is needed but on loopback.")
    return None if found or not host else Webhook(url, form, host, is_here)


def _host_of(url: str) -> str | None:
    """Host, and port where the address gives one; None where it is no address of the web."""
    try:
        parts = urlsplit(url)
        if parts.scheme.lower() not in ("http", "https") or not parts.hostname or url.split() != [url]:
            return None
        return f"{parts.hostname}:{parts.port}" if parts.port else parts.hostname
    except ValueError:
        return None


def _mail(values: Mapping[str, str], found: list[str]) -> MailServer | None:
    for name in ("HOST", "FROM", "TO"):
        if f"SMTP_{name}" not in values and not any(f"SMTP_{name}" in problem for problem in found):
            found.append(f"{_PREFIX}SMTP_{name} is not set.")
    host, security = values.get("SMTP_HOST", ""), values.get("SMTP_SECURITY", "starttls").lower()
    if security not in _PORTS:
        found.append(f"{_PREFIX}SMTP_SECURITY: expected {', '.join(_PORTS)}.")
    if host and (host.split() != [host] or "/" in host):
        found.append(f"{_PREFIX}SMTP_HOST is no name of a host.")
    elif security == "none" and host and not is_loopback(host):
        found.append(f"{_PREFIX}SMTP_SECURITY: none is for a relay on loopback; {host} needs starttls or tls.")
    port = values.get("SMTP_PORT", str(_PORTS.get(security, 587)))
    if not port.isdecimal() or not 0 < int(port) < 65536:
        found.append(f"{_PREFIX}SMTP_PORT is no port.")
    user, password = values.get("SMTP_USER"), values.get("SMTP_PASSWORD")
    if bool(user) != bool(password) and not any("SMTP_PASSWORD" in problem for problem in found):
        found.append(f"{_PREFIX}SMTP_USER and {_PREFIX}SMTP_PASSWORD belong together: set both or neither.")
    senders = _addresses(values.get("SMTP_FROM", ""), "FROM", found)
    recipients = _addresses(values.get("SMTP_TO", ""), "TO", found)
    if len(senders) > 1:
        found.append(f"{_PREFIX}SMTP_FROM: expected one address.")
    if found or not (senders and recipients):
        return None
    return MailServer(host, int(port), security, senders[0], recipients, user, password)


def _addresses(given: str, name: str, found: list[str]) -> tuple[str, ...]:
    """Bare addresses of a list separated by commas, semicolons or lines."""
    listed = ",".join(part for part in given.replace(";", ",").splitlines() if part.strip())
    addresses = tuple(address for _, address in getaddresses([listed]) if address) if listed else ()
    wrong = [a for a in addresses if a.count("@") != 1 or not a.isascii() or not a.isprintable() or " " in a]
    if wrong or (listed and not addresses):
        found.append(f"{_PREFIX}SMTP_{name}: expected addresses such as nights@example.nhs.uk, separated by commas.")
        return ()
    return addresses


def is_loopback(host: str) -> bool:
    """Whether a host is this machine, by its name or number alone: nothing is looked up."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host.lower() == "localhost"
