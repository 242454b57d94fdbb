"""Why the broker says no: one exception that carries Ably's code, HTTP status and sentence.

Rule: code, statusCode and message are always present; ably-python branches on the status.
Source: Ably error pages `platform/errors/codes`; features spec TI1.
"""

from __future__ import annotations

import msgspec

from chat_transport.errors import ChatTransportError

__all__ = ["ErrorWords", "Refusal"]

HELP = "https://help.ably.io/error/"


class ErrorWords(msgspec.Struct, omit_defaults=True, frozen=True, rename="camel"):
    """An ErrorInfo as it stands on the wire."""

    code: int
    status_code: int
    message: str
    href: str | None = None


class Refusal(ChatTransportError):
    """An operation that the broker refuses.

    Attributes:
        code: Ably's error code, such as 40160.
        status: HTTP status that goes with it.
    """

    def __init__(self, code: int, status: int, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.status = status

    @property
    def words(self) -> ErrorWords:
        """The error as it is sent to a client."""
        return ErrorWords(self.code, self.status, str(self), f"{HELP}{self.code}")
