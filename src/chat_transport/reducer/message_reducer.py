"""The reducer: chunk by chunk into a message.

Rule: a table from chunk class to function; the same input gives the same message on both sides of a
wire. No chunk costs more because the reply is long: text stays in pieces until it is read.
Source: `processUIMessageStream` of AI SDK 7.0.173, pinned by the vectors of group `reduce`.
"""

from __future__ import annotations

from ..chunks import FinishReason, UIMessageChunk
from ..messages import DynamicToolPart, ToolPart, UIMessage
from ._fold_content import CONTENT_FOLDS
from ._fold_tools import TOOL_FOLDS, take_up_inputs
from ._message_state import MessageState, PartState
from ._reply_state import Fold, ReplyState, Write

__all__ = ["MessageReducer", "Write"]

_TABLE: dict[type[UIMessageChunk], Fold] = {**CONTENT_FOLDS, **TOOL_FOLDS}
"""Chunk class -> its fold. What is not here (finish-step, abort, error, unknown) does nothing."""


class MessageReducer:
    """Folds the chunks of one stream into one assistant message.

    Args:
        message: The message to go on with, if it is an assistant's; it stays as it is. Open tool
            inputs of its last step are taken up again; open text is not.
        message_id: The id of the new message until a `start` names another.
        reset_on_first_start: The stream is a replay: its first `start` begins anew.
        reset_on_id_change: A `start` that names another message begins anew.
    """

    def __init__(
        self,
        message: UIMessage | None = None,
        *,
        message_id: str,
        reset_on_first_start: bool = False,
        reset_on_id_change: bool = False,
    ) -> None:
        adopts = message is not None and message.role == "assistant"
        self._state = ReplyState(
            message=MessageState.of(message) if message and adopts else MessageState(message_id),
            replays=reset_on_first_start,
            resets_on_id_change=reset_on_id_change,
            open_text={},
            open_reasoning={},
            inputs={},
        )
        take_up_inputs(self._state)

    @property
    def message(self) -> UIMessage:
        """The message so far; the same object until the next change."""
        return self._state.message.snapshot()

    @property
    def finish_reason(self) -> FinishReason | None:
        """What the last `finish` gave; None before."""
        return self._state.finish_reason

    @property
    def open_text_ids(self) -> list[str]:
        """Ids of the text parts that wait for more, oldest first."""
        return list(self._state.open_text)

    @property
    def open_reasoning_ids(self) -> list[str]:
        """Ids of the reasoning parts that wait for more, oldest first."""
        return list(self._state.open_reasoning)

    def feed(self, chunk: UIMessageChunk) -> Write | None:
        """Fold one chunk; a `Write` if the message shall be published.

        `error`, `abort` and unknown chunks change nothing: they are the caller's business.

        Raises:
            RemoteProtocolError: If the chunk may not come here; `data` holds chunkType, chunkId.
        """
        fold = _TABLE.get(type(chunk))
        return fold(self._state, chunk) if fold is not None else None

    def copy(
        self, *, reset_on_first_start: bool = False, reset_on_id_change: bool = False
    ) -> MessageReducer:
        """Give a reducer that goes on from here, open parts included, for another stream."""
        twin = MessageReducer(message_id="")
        twin._state = self._state.copy(
            replays=reset_on_first_start, resets_on_id_change=reset_on_id_change
        )
        return twin

    def patch_tool(self, part: ToolPart | DynamicToolPart) -> bool:
        """Put a tool part in place of the first one of its kind and call id; whether there was one.

        This is how a Chat enters a tool's output or a person's answer while a reply streams.
        """
        for known in self._state.message.parts:
            if known.cls is type(part) and known.fields["tool_call_id"] == part.tool_call_id:
                known.release_input()
                adopted = PartState.of(part)
                known.fields, known.extra = adopted.fields, adopted.extra
                self._state.message.touch(known)
                return True
        return False
