"""Messages for and from a store or a history, read as far as they can be read.

Rule: one bad part must not make a chat unreadable; what was changed is told in the log, without
the words of the message.
"""

from __future__ import annotations

import json
import logging
from typing import Any, TypeAlias

import msgspec

from ..._strict_json import dumps
from ...messages import UIMessage
from ...validation import load_messages

__all__ = ["dump_stored", "load_stored", "read_stored"]

JSON: TypeAlias = Any  # any JSON value
_log = logging.getLogger("chat_transport.http")


def dump_stored(message: UIMessage) -> bytes:
    """Write a message as JSON; also one with half a surrogate pair, as JavaScript makes them."""
    return dumps(message.to_wire())


def load_stored(message: bytes) -> JSON:
    """Give the JSON of what `dump_stored` wrote, for `read_stored`; None if it is none."""
    try:
        return msgspec.json.decode(message)
    except msgspec.DecodeError:
        try:
            return json.loads(message)  # knows half surrogate pairs
        except ValueError:
            return None


def read_stored(stored: list[JSON], *, chat_id: str) -> list[UIMessage]:
    """Give the messages. Never raises; each change is a warning in the log."""
    loaded = load_messages(stored)
    for problem in loaded.problems:
        _log.warning(
            "chat %r: %s is not as expected (%s): %s",
            chat_id, problem.path, problem.reason, problem.remedy,
        )  # fmt: skip
    return loaded.messages
