"""Notices by mail, as plain text, handed to a server by SMTP."""

from __future__ import annotations

import contextlib
import smtplib
import ssl
from datetime import datetime
from email.message import EmailMessage
from email.utils import format_datetime
from pathlib import Path

from ccg_pipeline.notices.configuration import MailServer
from ccg_pipeline.notices.delivery import NO_ANSWER, NotDeliveredError, cause
from ccg_pipeline.notices.wording import Notice, clean


def send(server: MailServer, notice: Notice, at: datetime, seconds: float, ca_file: Path | None) -> str:
    """Hand in one notice; returns a word on recipients that the server refused, or nothing.

    Raises `NotDeliveredError`. The same notice has the same Message-ID, so that a mail handed in twice, where the
    answer to the first was lost, can be known for one.
    """
    context = ssl.create_default_context(cafile=str(ca_file) if ca_file else None)
    connection = None
    try:
        connection = _connected(server, seconds, context)
        if server.security == "starttls":
            connection.starttls(context=context)
        if server.user and server.password:
            connection.login(server.user, server.password)
        refused = connection.send_message(message(server, notice, at), server.sender, server.recipients)
    except smtplib.SMTPAuthenticationError as error:
        raise NotDeliveredError(f"it refused the login ({error.smtp_code})") from None
    except smtplib.SMTPRecipientsRefused as error:
        codes = sorted({code for code, _ in error.recipients.values()})
        raise NotDeliveredError(
            f"it refused every recipient ({', '.join(map(str, codes))})", is_passing=all(c < 500 for c in codes)
        ) from None
    except smtplib.SMTPResponseException as error:
        said = error.smtp_error.decode("utf-8", "replace") if isinstance(error.smtp_error, bytes) else error.smtp_error
        raise NotDeliveredError(
            f"it answered {error.smtp_code} {clean(said, 100)}",
            is_passing=error.smtp_code < 500,
            is_of_notice=isinstance(error, smtplib.SMTPDataError),
        ) from None
    except smtplib.SMTPNotSupportedError:
        raise NotDeliveredError(
            "it offers no login" if server.security != "starttls" else "it offers no STARTTLS, or no login"
        ) from None
    except (smtplib.SMTPException, OSError) as error:
        # Without an answer it may have been taken: asking at once again would rather make two of it than one.
        raise NotDeliveredError(cause(error), is_passing=cause(error) != NO_ANSWER) from None
    finally:
        if connection is not None:
            with contextlib.suppress(smtplib.SMTPException, OSError):  # what was taken is taken
                connection.quit()
            connection.close()
    return f"; refused for {len(refused)} of {len(server.recipients)} recipients" if refused else ""


def _connected(server: MailServer, seconds: float, context: ssl.SSLContext) -> smtplib.SMTP:
    if server.security == "tls":
        return smtplib.SMTP_SSL(server.host, server.port, timeout=seconds, context=context)
    return smtplib.SMTP(server.host, server.port, timeout=seconds)


def message(server: MailServer, notice: Notice, at: datetime) -> EmailMessage:
    """The mail: headers of our own words, the lines as its text."""
    mail = EmailMessage()
    mail["Subject"] = f"ccg: {clean(notice.title)}"
    mail["From"] = server.sender
    mail["To"] = ", ".join(server.recipients)
    mail["Date"] = format_datetime(at)
    mail["Message-ID"] = f"<{notice.key}.{at:%Y%m%dT%H%M%S}@{server.sender.rpartition('@')[2]}>"
    mail["Auto-Submitted"] = "auto-generated"
    mail.set_content("\n".join((notice.title, "", *notice.lines)) + "\n")
    return mail
