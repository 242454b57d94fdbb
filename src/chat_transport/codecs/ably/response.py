"""Message per response: one Ably message for each reply, grown by appends.

Rule: only text is carried, and approval requests by name; parts are set apart by a blank line. How
a reply stands is in `extras.headers.status`, which readers written after the guides ignore.
Source: ably.com/docs, message per response, and the getting-started guide for OpenAI, read 2026-08.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, TypeAlias

from ... import chunks as c
from ...chunks import UIMessageChunk
from .ai_transport.facts import RunReason
from .operations import Append, Operation, OutboundMessage, Publish, Update
from .prompts import PromptNames

__all__ = ["UNANSWERABLE", "ResponseEncoder", "ResponseNames"]

JSON: TypeAlias = Any  # any JSON value
UNANSWERABLE = "the agent waits for an answer that this wire cannot carry"
"""What readers are told of a reply that waits for what nobody can answer on such a wire."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ResponseNames:
    """Names of this wire.

    Attributes:
        complete: Published after a reply; None if the agent says no end. Ours then marks its
            messages as `active` until their last append.
    """

    response: str = "agent-response"
    complete: str | None = "agent-response-complete"
    prompts: PromptNames = field(default_factory=PromptNames)


class ResponseEncoder:
    """The agent's end of one reply.

    Args:
        prompt_id: The prompt that is answered; None if nobody asked on the channel.
        names: What messages are called.
        key: Names the reply's message among operations.
        continued: Serial and text of the message to go on in, after a wait; None begins one.
    """

    def __init__(
        self,
        prompt_id: str | None,
        *,
        names: ResponseNames | None = None,
        key: str = "response",
        continued: tuple[str, str] | None = None,
    ) -> None:
        self._names = names or ResponseNames()
        self._key = key
        self._prompt_id = prompt_id
        header_name = self._names.prompts.prompt_header
        self._headers = {} if prompt_id is None else {header_name: prompt_id}
        marks = {} if self._names.complete is not None else {"status": "active"}
        said = {**self._headers, **marks}
        self._extras: dict[str, JSON] | None = {"headers": said} if said else None
        self._continued = continued
        self._pieces: list[str] = [continued[1]] if continued is not None else []
        self._between_parts = False
        self._tools: dict[str, c.ToolInputAvailable] = {}
        self._asks = False
        self._finish_reason: str | None = None

    def start(self) -> list[Operation]:
        """Publish the empty reply, unless it goes on in a message that is there."""
        if self._continued is not None:
            return []
        message = OutboundMessage(name=self._names.response, data="", extras=self._extras)
        return [Publish(messages=(message,), key=self._key)]

    def continued(self) -> Sequence[tuple[str, str, str]]:
        """Give key, serial and text of the message that it goes on in."""
        return [] if self._continued is None else [(self._key, *self._continued)]

    def encode(self, chunk: UIMessageChunk) -> list[Operation]:
        """Say a chunk; what this wire cannot carry is dropped."""
        if isinstance(chunk, c.TextDelta):
            return self._text(chunk.delta)
        if isinstance(chunk, c.TextStart):
            self._between_parts = any(self._pieces)
        elif isinstance(chunk, c.ToolInputAvailable):
            self._tools[chunk.tool_call_id] = chunk
        elif isinstance(chunk, c.ToolApprovalRequest):
            self._asks = True
            return [self._approval(chunk.tool_call_id)]
        elif isinstance(chunk, c.Finish):
            given = chunk.finish_reason
            self._finish_reason = given if isinstance(given, str) else None
        return []

    def suspend(self) -> list[Operation]:
        """Wait for a person; what follows the answer goes on in the same message.

        A wait for what cannot be answered here is an error instead.
        """
        if not self._asks:
            return self.end("error", message=UNANSWERABLE)
        self._extras = {"headers": {**self._headers, "status": "suspended"}}
        return [Append(key=self._key, data="", extras=self._extras)]

    def end(
        self, reason: RunReason, *, code: int | None = None, message: str | None = None
    ) -> list[Operation]:
        """Mark the reply as over, and say so by name.

        An error is said in words too if nothing else was, for readers who know no marks.
        """
        headers = {**self._headers, "status": reason}
        if message is not None:
            headers["error"] = message
        if reason == "complete" and self._finish_reason not in (None, "stop"):
            headers["finishReason"] = str(self._finish_reason)
        self._extras = {"headers": headers}
        words = "" if message is None or any(self._pieces) else message
        self._pieces.append(words)
        operations: list[Operation] = [Append(key=self._key, data=words, extras=self._extras)]
        if self._names.complete is not None:
            done = OutboundMessage(name=self._names.complete, extras=self._extras)
            operations.append(Publish(messages=(done,)))
        return operations

    def acknowledged(self, key: str, serial: str) -> list[Operation]:
        """Nothing is held for a serial."""
        return []

    def repair(self, key: str) -> Update | None:
        """Give the cumulative update that makes up for a rejected append."""
        if key != self._key:
            return None
        return Update(key=key, data="".join(self._pieces), extras=self._extras)

    def _text(self, text: str) -> list[Operation]:
        if self._between_parts:
            text = f"\n\n{text}"
            self._between_parts = False
        self._pieces.append(text)
        return [Append(key=self._key, data=text, extras=self._extras)]

    def _approval(self, call: str) -> Operation:
        known = self._tools.get(call)
        given = known.input if known is not None else {}
        arguments = given if isinstance(given, str) else json.dumps(given)
        data = {"name": known.tool_name if known is not None else "", "arguments": arguments}
        names = self._names.prompts
        # `active` tells our readers that the reply goes on until its message says that it waits.
        extras = {"headers": {**self._headers, names.call_header: call, "status": "active"}}
        message = OutboundMessage(name=names.approval_request, data=data, extras=extras)
        return Publish(messages=(message,))
