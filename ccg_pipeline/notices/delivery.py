"""What both ways share: a notice that was not delivered, and why a connection failed, in words without an address."""

from __future__ import annotations

import socket
import ssl

NO_ANSWER = "no answer in time"


class NotDeliveredError(Exception):
    """A notice did not reach the other side, with the reason in words.

    ``is_passing``: trying again at once may help; ``after`` seconds where the other side asks for that. With
    ``is_of_notice`` the other side refuses this notice and would perhaps take another.
    """

    def __init__(
        self, reason: str, *, is_passing: bool = False, after: float | None = None, is_of_notice: bool = False
    ) -> None:
        super().__init__(reason)
        self.is_passing, self.after, self.is_of_notice = is_passing, after, is_of_notice


def cause(error: BaseException) -> str:
    """Why a connection failed. Libraries put the whole address, a secret, into their messages: none is passed on."""
    chain: list[BaseException] = []
    following: list[BaseException] = [error]
    while following and len(chain) < 20:
        current = following.pop()
        if current in chain:
            continue
        chain.append(current)
        inner = (current.__cause__, current.__context__, getattr(current, "reason", None), *current.args)
        following += [e for e in inner if isinstance(e, BaseException)]
    for found in chain:
        if isinstance(found, ssl.SSLCertVerificationError):
            return f"its certificate is not trusted ({found.verify_message})"
    for found in chain:
        if isinstance(found, socket.gaierror):
            return "its name is not known"
        if isinstance(found, ConnectionRefusedError):
            return "it refused the connection"
        if isinstance(found, TimeoutError):
            return NO_ANSWER
    for found in chain:
        if isinstance(found, OSError) and found.strerror:
            return found.strerror
    return f"the connection failed ({type(error).__name__})"
