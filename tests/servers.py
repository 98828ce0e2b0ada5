"""Real servers on loopback for the tests of notices: a webhook that answers as told, and a mail server."""

from __future__ import annotations

import json
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from email import message_from_bytes, policy
from email.message import EmailMessage
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from ipaddress import IPv4Address
from pathlib import Path
from typing import Any

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, AuthResult, LoginPassword
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

PATH = "/services/T0000/SECRET-OF-THE-HOOK"


def self_made_certificate(path: Path) -> Path:
    """A certificate of 127.0.0.1 that vouches for itself, and its key, in one file."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "127.0.0.1")])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(IPv4Address("127.0.0.1"))]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    private = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    path.write_bytes(private + certificate.public_bytes(Encoding.PEM))
    return path


class Hook:
    """A webhook. ``answers`` are statuses, or functions of the handler, in turn; the last one stays."""

    def __init__(self, *answers: int | Callable[[BaseHTTPRequestHandler], None]) -> None:
        self.answers = list(answers) or [200]
        self.posted: list[dict[str, Any]] = []
        self.port = 0

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}{PATH}"

    def answer(self, handler: BaseHTTPRequestHandler) -> None:
        self.posted.append(json.loads(handler.rfile.read(int(handler.headers["Content-Length"]))))
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        if callable(answer):
            answer(handler)
            return
        handler.send_response(answer)
        handler.end_headers()
        handler.wfile.write(b"ok")


@contextmanager
def webhook(*answers: int | Callable[[BaseHTTPRequestHandler], None]) -> Iterator[Hook]:
    hook = Hook(*answers)

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            hook.answer(self)

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    hook.port = server.server_port
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield hook
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


class Mailbox:
    """What a mail server took. ``answers`` are replies to DATA in turn; the last one stays."""

    def __init__(self, answers: tuple[str, ...]) -> None:
        self.answers = list(answers)
        self.mails: list[EmailMessage] = []
        self.envelopes: list[tuple[str, list[str]]] = []
        self.port = 0

    async def handle_DATA(self, server: SMTP, session: Any, envelope: Any) -> str:
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        if answer.startswith("2"):
            self.mails.append(message_from_bytes(envelope.content, policy=policy.default))  # type: ignore[arg-type]
            self.envelopes.append((envelope.mail_from, envelope.rcpt_tos))
        return answer


@contextmanager
def mail_server(
    *answers: str, login: tuple[str, str] | None = None, certificate: Path | None = None, is_tls: bool = False
) -> Iterator[Mailbox]:
    """Plain, or with a certificate (and its key in one file) by STARTTLS, which is then asked for, or TLS."""
    box = Mailbox(answers or ("250 taken",))
    context = None
    if certificate:
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        context.load_cert_chain(certificate)

    def authenticate(server: SMTP, session: Any, envelope: Any, mechanism: str, data: Any) -> AuthResult:
        given = isinstance(data, LoginPassword) and (data.login.decode(), data.password.decode())
        return AuthResult(success=given == login, handled=False)

    options: dict[str, Any] = {}
    if login:
        options |= {"authenticator": authenticate, "auth_required": True, "auth_require_tls": certificate is not None}
    if certificate and not is_tls:
        options |= {"tls_context": context, "require_starttls": True}
    elif certificate:
        options["ssl_context"] = context
    # Port 0: the system chooses. The controller would look for itself at the number it was given.
    controller = _Controller(box, hostname="127.0.0.1", port=0, **options)
    controller.start()
    try:
        box.port = controller.port
        yield box
    finally:
        controller.stop()


class _Controller(Controller):
    def _trigger_server(self) -> None:
        self.port = self.server.sockets[0].getsockname()[1]
        super()._trigger_server()
