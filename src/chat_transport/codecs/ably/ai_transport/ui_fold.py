"""The messages of one node, built from chunks by the reducer.

Rule: one message for each codec-message-id; a tool's output finds its call anywhere in the node;
what the chunk grammar does not allow is dropped, not raised: other writers share the channel.
Source: @ably/ai-transport 0.8.0, `vercel/codec/reducer.ts`; the message itself is the AI SDK's.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypeAlias

from .... import chunks as c
from ....chunks import UIMessageChunk
from ....errors import RemoteProtocolError
from ....messages import DynamicToolPart, ToolPart, UIMessage, UIMessagePart
from ....reducer import MessageReducer
from .given_back import answers_in
from .input_events import ApprovalAnswered, InputEvent, MessagePart, MessageSaid, ToolResolved
from .lifecycle import LifecycleRepair

__all__ = ["UIFold"]

JSON: TypeAlias = Any  # any JSON value

_INPUTS = (c.ToolInputStart, c.ToolInputAvailable, c.ToolInputError)
_READY = (c.ToolInputAvailable, c.ToolInputError)
_RESULTS = (c.ToolOutputAvailable, c.ToolOutputError, c.ToolOutputDenied)


class _Assistant:
    """A message that the agent writes."""

    __slots__ = ("is_over", "reducer", "repair")

    def __init__(self, message_id: str, message: UIMessage | None = None) -> None:
        self.reducer = MessageReducer(message, message_id=message_id)
        self.repair = LifecycleRepair(message_id)
        self.is_over = False
        """The agent says no more of it, for now."""

    def feed(self, chunks: Sequence[UIMessageChunk]) -> None:
        for chunk in self.repair.feed(chunks):
            self.is_over = c.is_terminal(chunk)
            try:
                self.reducer.feed(chunk)
            except RemoteProtocolError:
                continue  # such as a delta of a part that was never opened

    def entitle(self, call_id: str, title: str) -> None:
        for part in self.reducer.message.parts:
            if isinstance(part, ToolPart | DynamicToolPart) and part.tool_call_id == call_id:
                self.reducer.patch_tool(part.model_copy(update={"title": title}))


class _Spoken:
    """A message that a client said, part by part."""

    __slots__ = ("message",)

    def __init__(self, message: UIMessage) -> None:
        self.message = message

    def add(self, part: UIMessagePart) -> None:
        self.message = self.message.model_copy(update={"parts": [*self.message.parts, part]})

    def describe(self, metadata: JSON) -> None:
        self.message = self.message.model_copy(update={"metadata": metadata})


class UIFold:
    """Folds the wires of one node.

    Args:
        first_answer_counts: Of several answers to one approval keep the first, not the last.
    """

    def __init__(self, *, first_answer_counts: bool = False) -> None:
        self._first_answer_counts = first_answer_counts
        self._messages: dict[str, _Assistant | _Spoken] = {}
        self._owner: dict[str, _Assistant] = {}
        self._approvals: dict[str, str] = {}
        self._ready: set[str] = set()
        self._settled: set[str] = set()
        self._fated: set[str] = set()
        self._pending: list[ToolResolved | ApprovalAnswered] = []

    def say(self, message_id: str, chunks: Sequence[UIMessageChunk]) -> None:
        """Take chunks of the assistant message `message_id`."""
        for chunk in chunks:
            if isinstance(chunk, _RESULTS):
                self._result(chunk)
                continue
            if isinstance(chunk, c.ToolApprovalRequest) and chunk.tool_call_id in self._fated:
                continue  # it was asked before: messages that change are read where they stand
            message = self._assistant(message_id)
            if message is None:
                continue
            is_new = False
            if isinstance(chunk, _INPUTS):
                is_new = chunk.tool_call_id not in self._owner
                self._owner[chunk.tool_call_id] = message
            elif isinstance(chunk, c.ToolApprovalRequest):
                message = self._owner.get(chunk.tool_call_id, message)
                self._approvals[chunk.tool_call_id] = chunk.approval_id
            message.feed((chunk,))
            if is_new and isinstance(chunk, c.ToolInputError) and isinstance(chunk.title, str):
                message.entitle(chunk.tool_call_id, chunk.title)  # the reducer leaves it out
            if isinstance(chunk, _READY):
                self._ready.add(chunk.tool_call_id)
            if self._pending:
                self._retry()

    def take(self, message_id: str, event: InputEvent) -> None:
        """Take an input: a part of a message, a tool's result, an approval."""
        if isinstance(event, MessagePart):
            known = self._messages.get(message_id)
            if isinstance(known, _Spoken):
                known.add(event.part)
            elif known is None:
                said = UIMessage(id=event.message_id, role=event.role, parts=[event.part])
                known = self._messages[message_id] = _Spoken(said)
            if event.metadata is not None and isinstance(known, _Spoken):
                known.describe(event.metadata)
        elif isinstance(event, MessageSaid):
            self._said(message_id, event.message)
        elif isinstance(event, ToolResolved):
            self._sow(event)
            self._resolve(event)
        elif isinstance(event, ApprovalAnswered):
            self._resolve(event)

    def entries(self) -> list[tuple[str, UIMessage]]:
        """Give codec-message-ids and messages."""
        return [
            (key, known.message if isinstance(known, _Spoken) else known.reducer.message)
            for key, known in self._messages.items()
        ]

    def _assistant(self, message_id: str) -> _Assistant | None:
        known = self._messages.get(message_id)
        if known is None:
            known = self._messages[message_id] = _Assistant(message_id)
        return known if isinstance(known, _Assistant) else None

    def _result(
        self, chunk: c.ToolOutputAvailable | c.ToolOutputError | c.ToolOutputDenied
    ) -> None:
        owner = self._owner.get(chunk.tool_call_id)
        if owner is not None:
            owner.feed((chunk,))
            self._fated.add(chunk.tool_call_id)
            if not isinstance(chunk, c.ToolOutputDenied):
                self._settled.add(chunk.tool_call_id)

    def _said(self, message_id: str, message: UIMessage) -> None:
        """Take a whole message: a user's own, or the answers in one of ours that comes back."""
        known = self._messages.get(message_id)
        if message.role != "assistant":
            self._messages.setdefault(message_id, _Spoken(message))
        elif isinstance(known, _Assistant) and known.is_over:
            for answer in answers_in(known.reducer.message, message):
                self._resolve(answer)

    def _sow(self, event: ToolResolved) -> None:
        """Begin from the messages that a fork copies, once."""
        for seed in event.seed:
            if seed.codec_message_id in self._messages:
                continue
            message = _Assistant(seed.codec_message_id, seed.message)
            self._messages[seed.codec_message_id] = message
            for part in seed.message.parts:
                if isinstance(part, ToolPart | DynamicToolPart):
                    self._owner[part.tool_call_id] = message
                    self._ready.add(part.tool_call_id)
                    if part.approval is not None:
                        self._approvals[part.tool_call_id] = part.approval.id

    def _resolve(self, event: ToolResolved | ApprovalAnswered) -> None:
        chunk = self._as_chunk(event)
        owner = self._owner.get(event.tool_call_id)
        if owner is None or chunk is None or event.tool_call_id not in self._ready:
            self._pending.append(event)
        elif isinstance(event, ToolResolved):
            self._settled.add(event.tool_call_id)
            owner.feed((chunk,))
        elif event.tool_call_id not in self._settled:
            owner.feed((chunk,))  # a later answer wins until there is an output
            if self._first_answer_counts:
                self._settled.add(event.tool_call_id)

    def _as_chunk(self, event: ToolResolved | ApprovalAnswered) -> UIMessageChunk | None:
        call = event.tool_call_id
        if isinstance(event, ToolResolved):
            if event.error_text is not None:
                return c.ToolOutputError(tool_call_id=call, error_text=event.error_text)
            return c.ToolOutputAvailable(tool_call_id=call, output=event.output)
        approval = self._approvals.get(call)
        if approval is None:
            return None
        reason = c.ABSENT if event.reason is None else event.reason
        return c.ToolApprovalResponse(approval_id=approval, approved=event.approved, reason=reason)

    def _retry(self) -> None:
        waiting, self._pending = self._pending, []
        for event in waiting:
            self._resolve(event)
