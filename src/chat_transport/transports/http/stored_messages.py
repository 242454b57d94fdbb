"""Messages from a store or a history, read as far as they can be read.

Rule: one bad part must not make a chat unreadable; what was changed is told in the log, without
the words of the message.
"""

from __future__ import annotations

import logging
from typing import Any, TypeAlias

from ...messages import UIMessage
from ...validation import load_messages

__all__ = ["read_stored"]

JSON: TypeAlias = Any  # any JSON value
_log = logging.getLogger("chat_transport.http")


def read_stored(stored: list[JSON], *, chat_id: str) -> list[UIMessage]:
    """Give the messages. Never raises; each change is a warning in the log."""
    loaded = load_messages(stored)
    for problem in loaded.problems:
        _log.warning(
            "chat %r: %s is not as expected (%s): %s",
            chat_id, problem.path, problem.reason, problem.remedy,
        )  # fmt: skip
    return loaded.messages
