"""What the reducer remembers between two chunks.

Rule: open parts are known by their id; whatever may not come here is refused with type and id.
Source: `processUIMessageStream` of AI SDK 7.0.173, pinned by the vectors of group `reduce`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NoReturn, TypeAlias

from .._metadata import merge_metadata
from ..chunks import ABSENT, FinishReason
from ..errors import RemoteProtocolError
from ._message_state import MessageState, PartState, StreamedInput

__all__ = ["QUIET_WRITE", "WRITE", "Fold", "ReplyState", "Write", "refuse"]

JSON: TypeAlias = Any  # any JSON value


@dataclass(frozen=True, slots=True)
class Write:
    """The message changed: publish a snapshot.

    Attributes:
        streaming: Whether a Chat's status may become `streaming`; false for `start` alone.
    """

    streaming: bool


WRITE = Write(streaming=True)
QUIET_WRITE = Write(streaming=False)


def refuse(chunk_type: str, chunk_id: str, message: str) -> NoReturn:
    """Raise for a chunk that may not come here."""
    raise RemoteProtocolError(message, data={"chunkType": chunk_type, "chunkId": chunk_id})


@dataclass(slots=True, eq=False)
class ReplyState:
    """The reply under way.

    Attributes:
        message: What it says so far.
        replays: The next `start` begins anew.
        resets_on_id_change: A `start` that names another message begins anew.
        open_text: Text parts that wait for more, by id.
        open_reasoning: Reasoning parts that wait for more, by id.
        inputs: Tool inputs ever begun in this stream, by call id.
        finish_reason: What the last `finish` gave.
    """

    message: MessageState
    replays: bool
    resets_on_id_change: bool
    open_text: dict[str, PartState]
    open_reasoning: dict[str, PartState]
    inputs: dict[str, StreamedInput]
    finish_reason: FinishReason | None = None

    def begin_anew(self, message_id: str) -> None:
        """Forget everything but the id."""
        self.message = MessageState(message_id)
        self.open_text, self.open_reasoning, self.inputs = {}, {}, {}
        self.finish_reason = None

    def forget_open(self) -> None:
        """Let nothing wait for more."""
        for streamed in self.inputs.values():
            if streamed.part is not None:
                streamed.part.release_input()
        self.open_text, self.open_reasoning, self.inputs = {}, {}, {}

    def merge(self, metadata: JSON) -> bool:
        """Merge metadata into the message's; whether there was any."""
        if metadata is ABSENT or metadata is None:
            return False
        self.message.metadata = merge_metadata(self.message.metadata, metadata)
        self.message.changed()
        return True

    def copy(self, *, replays: bool, resets_on_id_change: bool) -> ReplyState:
        """Give an independent copy."""
        message, parts = self.message.copy()
        twin = ReplyState(
            message=message,
            replays=replays,
            resets_on_id_change=resets_on_id_change,
            open_text={key: parts[id(part)] for key, part in self.open_text.items()},
            open_reasoning={key: parts[id(part)] for key, part in self.open_reasoning.items()},
            inputs={key: streamed.copy() for key, streamed in self.inputs.items()},
            finish_reason=self.finish_reason,
        )
        for key, streamed in self.inputs.items():
            if streamed.part is not None:
                again = twin.inputs[key]
                again.part = parts[id(streamed.part)]
                again.part.input = again
        return twin


Fold: TypeAlias = Callable[[ReplyState, Any], Write | None]  # Any: each takes its own chunk class
"""One row of the reducer's table."""
