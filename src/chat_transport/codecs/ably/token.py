"""Message per token: every delta is a message of its own, between a start and a stop.

Rule: deltas are told apart by `responseId`; order is the channel's. Only text is carried.
Source: ably.com/docs, message per token, read 2026-08.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from ... import chunks as c
from ...chunks import UIMessageChunk
from .ai_transport.changes import ChangeEvent
from .ai_transport.facts import RunReason
from .ai_transport.nodes import Wire
from .operations import Inbound, Operation, OutboundMessage, Publish
from .prompts import PromptNames, header, read_prompt, read_stop
from .response import dropped_by_text
from .turns import TurnAct, Turns, UIChange

__all__ = ["TokenConversation", "TokenEncoder", "TokenNames"]


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenNames:
    """Names of this wire."""

    start: str = "start"
    token: str = "token"  # noqa: S105  # a message's name
    stop: str = "stop"
    response_header: str = "responseId"
    prompts: PromptNames = field(default_factory=PromptNames)


class TokenEncoder:
    """The agent's end of one reply.

    Args:
        response_id: What tells this reply from others.
        prompt_id: The prompt that is answered; None if nobody asked on the channel.
        names: What messages are called.
    """

    def __init__(
        self, response_id: str, *, prompt_id: str | None = None, names: TokenNames | None = None
    ) -> None:
        self._names = names or TokenNames()
        self._headers = {self._names.response_header: response_id}
        if prompt_id is not None:
            self._headers[self._names.prompts.prompt_header] = prompt_id
        self._spoke = False
        self._between_parts = False

    def start(self) -> list[Operation]:
        """Say that a reply begins."""
        return [self._publish(self._names.start)]

    def encode(self, chunk: UIMessageChunk) -> list[Operation]:
        """Say a chunk; what this wire cannot carry is dropped."""
        if isinstance(chunk, c.TextDelta):
            text = f"\n\n{chunk.delta}" if self._between_parts else chunk.delta
            self._between_parts = False
            self._spoke = True
            return [self._publish(self._names.token, text)]
        if isinstance(chunk, c.TextStart):
            self._between_parts = self._spoke
        return []

    def suspend(self) -> list[Operation]:
        """Nothing marks a wait on this wire."""
        return []

    def end(
        self, reason: RunReason, *, code: int | None = None, message: str | None = None
    ) -> list[Operation]:
        """Say that the reply is over; how, in a header that the guides' readers ignore."""
        more: dict[str, str] = {} if reason == "complete" else {"status": reason}
        if message is not None:
            more["error"] = message
        return [self._publish(self._names.stop, more=more)]

    def acknowledged(self, key: str, serial: str) -> list[Operation]:
        """Nothing is held for a serial."""
        return []

    def _publish(
        self, name: str, data: str | None = None, more: dict[str, str] | None = None
    ) -> Operation:
        extras = {"headers": {**self._headers, **(more or {})}}
        return Publish(messages=(OutboundMessage(name=name, data=data, extras=extras),))


class TokenConversation(Turns):
    """Reads the wire, either end.

    Args:
        names: What messages are called.
    """

    drops = dropped_by_text()

    def __init__(self, names: TokenNames | None = None) -> None:
        super().__init__()
        self._names = names or TokenNames()

    def feed(self, inbound: Inbound, *, live: bool = True) -> UIChange | None:
        """Take a delivery; None if it says nothing new."""
        names = self._names
        if inbound.action != "create" or not self._first_sight(inbound):
            return None
        if inbound.name == names.prompts.prompt:
            trigger = read_prompt(inbound)
            return None if trigger is None else self._ask(trigger)
        if inbound.name == names.prompts.stop:
            cancel = read_stop(inbound, header(inbound, names.prompts.prompt_header))
            self._cancels.append(cancel)
            return UIChange(event="cancel", input_id=cancel.input_id, cancel=cancel)
        response_id = header(inbound, names.response_header)
        if response_id is None or inbound.name not in (names.start, names.token, names.stop):
            return None
        return self._token(inbound, response_id, live=live)

    def act_of(self, inbound: Inbound) -> tuple[TurnAct, str | None] | None:
        """Say what a message wants."""
        names = self._names
        if inbound.name == names.prompts.prompt:
            return "start", None
        if inbound.name == names.prompts.stop:
            return "cancel", header(inbound, names.prompts.prompt_header)
        spoken = inbound.name in (names.start, names.token, names.stop)
        return ("speak", None) if spoken else None

    def _token(self, inbound: Inbound, response_id: str, *, live: bool) -> UIChange:
        names = self._names
        prompt_id = header(inbound, names.prompts.prompt_header)
        run = self._begin(response_id, prompt_id, inbound.serial)
        chunks: tuple[UIMessageChunk, ...] = ()
        if inbound.name == names.start:
            chunks = (c.Start(message_id=response_id), c.StartStep(), c.TextStart(id=response_id))
        elif inbound.name == names.token:
            text = inbound.data if isinstance(inbound.data, str) else ""
            chunks = (c.TextDelta(id=response_id, delta=text),)
        else:
            chunks = self._stopped(inbound, response_id)
        wire = Wire[UIMessageChunk](inbound.serial, response_id, chunks=chunks)
        said = self._say(response_id, wire, chunks, live=live)
        event: ChangeEvent | None = None
        if inbound.name != names.token:
            event = "run-start" if inbound.name == names.start else "run-end"
        return UIChange(
            run_id=response_id,
            input_id=run.input_ids[0] if run.input_ids else None,
            chunks=said.chunks,
            event=event,
        )

    def _stopped(self, inbound: Inbound, response_id: str) -> tuple[UIMessageChunk, ...]:
        status = header(inbound, "status")
        end = c.TextEnd(id=response_id)
        if status == "cancelled":
            self._end(response_id, inbound.serial, "cancelled")
            return (end, c.Abort())
        if status == "error":
            text = header(inbound, "error") or "the agent failed"
            self._end(response_id, inbound.serial, "error", text)
            return (end, c.Error(error_text=text))
        self._end(response_id, inbound.serial, "complete")
        return (end, c.FinishStep(), c.Finish(finish_reason="stop"))
