"""What an application hands to a chat, checked where it is handed in.

Rule: the message says what was given and what is wanted. Nothing is converted here.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import get_args

from ..errors import LocalProtocolError
from ..messages import FilePart, UIMessage
from ..transport import ChatTransport
from ._parts import is_tool_part
from ._words import WhenBusy

__all__ = ["check_approval_id", "check_chat", "check_words"]


def check_chat(transport: object, messages: Sequence[object], when_busy: object) -> None:
    """See that a chat is made of a transport and messages.

    Raises:
        TypeError: If the transport or a message is something else.
        ValueError: If `when_busy` is another word.
    """
    if not isinstance(transport, ChatTransport):
        raise TypeError(
            f"unable to chat over {transport!r}; give a transport, such as HttpChatTransport(url)"
        )
    for place, message in enumerate(messages):
        if not isinstance(message, UIMessage):
            raise TypeError(
                f"unable to take messages[{place}], a {type(message).__name__}; "
                "give UIMessages: `load_messages` reads stored ones"
            )
    if when_busy not in get_args(WhenBusy):
        words = ", ".join(map(repr, get_args(WhenBusy)))
        raise ValueError(f"unable to make a chat with when_busy={when_busy!r}; say {words}")


def check_words(text: object, files: Sequence[object]) -> None:
    """See that a person's words are text and files.

    Raises:
        TypeError: If they are something else, such as a dict or a path.
    """
    if not isinstance(text, str | None):
        raise TypeError(
            f"unable to send a {type(text).__name__} as text; give a str, or a message's `parts=`"
        )
    for place, file in enumerate(files):
        if not isinstance(file, FilePart):
            raise TypeError(
                f"unable to send files[{place}], a {type(file).__name__}; give "
                "FilePart(url=..., media_type=...) or FilePart.from_bytes(data, media_type=...)"
            )


def check_approval_id(messages: Sequence[UIMessage], approval_id: str) -> None:
    """See that what is answered is not a tool call.

    Raises:
        LocalProtocolError: If the id is a call's and no approval's.
    """
    parts = [part for message in messages for part in message.parts if is_tool_part(part)]
    if any(part.approval is not None and part.approval.id == approval_id for part in parts):
        return
    if any(part.tool_call_id == approval_id for part in parts):
        raise LocalProtocolError(
            f"unable to answer approval {approval_id!r}; that is the id of a tool call: "
            "give the approval's, `part.approval.id`"
        )
