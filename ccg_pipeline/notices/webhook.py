"""Notices by incoming webhook, in the form of Slack or of Teams.

Nothing of a notice is read as markup on the other side. For Slack (and those who understand the same, such as
Mattermost) the lines stand in a block of code, with ``&``, ``<`` and ``>`` as Slack asks for them; for Teams they
are text runs of an Adaptive Card, in which Markdown does not count.
"""

from __future__ import annotations

import contextlib
import json
import logging
from pathlib import Path
from typing import Any

from ccg_pipeline.notices.configuration import Webhook
from ccg_pipeline.notices.delivery import NotDeliveredError, cause
from ccg_pipeline.notices.wording import Notice, clean

_AFTER_AT_MOST = 20.0  # seconds


def send(webhook: Webhook, notice: Notice, seconds: float, ca_file: Path | None) -> None:
    """Post one notice. Raises `NotDeliveredError`; the address of the webhook stands in no message of it.

    A redirect is not followed: what is posted is meant for the host that was configured. Proxies and certificates are
    those that the environment names for all programs, but on loopback.
    """
    import requests

    logging.getLogger("urllib3").setLevel(logging.WARNING)  # its debug messages hold the address
    with requests.Session() as session:
        session.trust_env = not webhook.is_here
        try:
            response = session.post(
                webhook.url,
                data=json.dumps(payload(webhook.form, notice), ensure_ascii=False).encode(),
                headers={"Content-Type": "application/json; charset=utf-8", "User-Agent": "ccg"},
                timeout=(seconds, seconds),
                allow_redirects=False,
                stream=True,
                verify=str(ca_file) if ca_file else None,
            )
        except requests.ConnectTimeout as error:
            raise NotDeliveredError(cause(error), is_passing=True) from None
        except requests.Timeout:
            # It may have arrived: asking at once again would rather make two of it than one.
            raise NotDeliveredError(f"no answer within {seconds:.0f} s; it may have arrived all the same") from None
        except requests.RequestException as error:
            raise NotDeliveredError(cause(error), is_passing=True) from None
        with response:
            _judge(response)


def _judge(response: Any) -> None:
    status = response.status_code
    if 200 <= status < 300:
        answer = b""
        with contextlib.suppress(Exception):  # it was taken, whatever becomes of the words about it
            answer = response.raw.read(500, decode_content=True)
        # Older webhooks of Teams take what they then cannot deliver, and say so only here.
        if b"delivery failed" in answer:
            raise NotDeliveredError("it was taken, and the other side says that its delivery failed", is_passing=True)
        return
    if 300 <= status < 400:
        raise NotDeliveredError(f"it answered {status}, a redirect, which is not followed: set the new address")
    after = response.headers.get("Retry-After", "")
    raise NotDeliveredError(
        f"it answered {status} {clean(response.reason or '', 40)}".rstrip(),
        is_passing=status in (408, 425, 429) or status >= 500,
        after=min(float(after), _AFTER_AT_MOST) if after.isascii() and after.isdecimal() else None,
        is_of_notice=status in (400, 413, 422),
    )


def payload(form: str, notice: Notice) -> dict[str, Any]:
    """What is posted, as JSON understands it."""
    if form == "slack":
        block = "\n".join(notice.lines).replace("`", "'")
        text = f"{notice.title}\n```\n{block}\n```" if notice.lines else notice.title
        return {"text": text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")}
    runs = [[{"type": "TextRun", "text": notice.title, "weight": "Bolder"}]]
    # Two braces would begin a function of dates.
    runs += [[{"type": "TextRun", "text": line.replace("{{", "{ {")}] for line in notice.lines]
    card = {
        "$schema": "http://adaptivecards.io/schemas/adaptive-card.json",
        "type": "AdaptiveCard",
        "version": "1.2",
        "body": [{"type": "RichTextBlock", "inlines": inlines} for inlines in runs],
    }
    return {
        "type": "message",
        "attachments": [
            {"contentType": "application/vnd.microsoft.card.adaptive", "contentUrl": None, "content": card}
        ],
    }
