"""Message per token: every delta is a message of its own, between a start and a stop.

Rule: deltas are told apart by `responseId`; order is the channel's. Only text is carried.
Source: ably.com/docs, message per token, read 2026-08.
"""

from __future__ import annotations

from bisect import insort
from collections.abc import Sequence
from dataclasses import dataclass, field

from ... import chunks as c
from ...chunks import UIMessageChunk
from .ai_transport.facts import RunReason
from .ai_transport.nodes import Wire
from .ai_transport.payload import StreamView
from .operations import Inbound, Operation, OutboundMessage, Publish
from .prompts import PromptNames, finish_reason, header, read_prompt, read_stop
from .response import UNANSWERABLE
from .text_turns import TextTurns, dropped_by_text
from .turns import TurnAct, UIChange

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
        self._finish_reason: str | None = None

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
        elif isinstance(chunk, c.Finish):
            given = chunk.finish_reason
            self._finish_reason = given if isinstance(given, str) else None
        return []

    def suspend(self) -> list[Operation]:
        """End with an error: no answer can be asked for or given on this wire."""
        return self.end("error", message=UNANSWERABLE)

    def end(
        self, reason: RunReason, *, code: int | None = None, message: str | None = None
    ) -> list[Operation]:
        """Say that the reply is over; how, in a header that the guides' readers ignore."""
        more: dict[str, str] = {} if reason == "complete" else {"status": reason}
        if message is not None:
            more["error"] = message
        if reason == "complete" and self._finish_reason not in (None, "stop"):
            more["finishReason"] = str(self._finish_reason)
        return [self._publish(self._names.stop, more=more)]

    def acknowledged(self, key: str, serial: str) -> list[Operation]:
        """Nothing is held for a serial."""
        return []

    def _publish(
        self, name: str, data: str | None = None, more: dict[str, str] | None = None
    ) -> Operation:
        extras = {"headers": {**self._headers, **(more or {})}}
        return Publish(messages=(OutboundMessage(name=name, data=data, extras=extras),))


class TokenConversation(TextTurns):
    """Reads the wire, either end.

    Args:
        names: What messages are called.
    """

    drops = dropped_by_text()

    def __init__(self, names: TokenNames | None = None) -> None:
        super().__init__()
        self._names = names or TokenNames()
        self._tokens: dict[str, _Tokens] = {}
        self._started: set[str] = set()

    def feed(self, inbound: Inbound, *, live: bool = True) -> UIChange | None:
        """Take a delivery; None if it says nothing new."""
        names = self._names
        if inbound.action != "create" or not self._first_sight(inbound):
            return None
        if inbound.name == names.prompts.prompt:
            trigger = read_prompt(inbound, self._names.prompts)
            return None if trigger is None else self._ask(trigger)
        if inbound.name == names.prompts.stop:
            cancel = read_stop(inbound, header(inbound, names.prompts.prompt_header))
            self._cancels.append(cancel)
            return UIChange(event="cancel", input_id=cancel.input_id, cancel=cancel)
        response_id = header(inbound, names.response_header)
        if response_id is None or inbound.name not in (names.start, names.token, names.stop):
            return None
        prompt_id = header(inbound, names.prompts.prompt_header)
        self._begin(response_id, prompt_id, inbound.serial)
        if inbound.name == names.token:
            return self._token(inbound, response_id, live=live)
        return self._bound(inbound, response_id, live=live)

    def act_of(self, inbound: Inbound) -> tuple[TurnAct, str | None] | None:
        """Say what a message wants."""
        names = self._names
        if inbound.name == names.prompts.prompt:
            return "start", None
        if inbound.name == names.prompts.stop:
            return "cancel", header(inbound, names.prompts.prompt_header)
        spoken = inbound.name in (names.start, names.token, names.stop)
        return ("speak", None) if spoken else None

    def _has_start(self, run_id: str) -> bool:
        return run_id in self._started

    def _token(self, inbound: Inbound, response_id: str, *, live: bool) -> UIChange | None:
        """Take a delta into the reply's one text."""
        text = inbound.data if isinstance(inbound.data, str) else ""
        if not text:
            return None
        if live:
            self._catch_up(response_id)
        tokens = self._tokens.get(response_id)
        if tokens is None:
            tokens = self._tokens[response_id] = _Tokens(inbound.serial, response_id)
        stream = tokens.stream
        run = self._nodes[response_id].run
        if run is not None and run.state == "ended" and stream.closing is None:
            stream.closing = stream.codec  # its stop was read before, in newer history
        is_next = tokens.add(inbound.serial, text) and stream.closing is None
        chunks = self._codec.delta(stream, text) if is_next else ()
        said = self._say(response_id, tokens.wire, chunks, live=live and is_next)
        if not is_next:
            self._nodes[response_id].refold()
        return UIChange(
            run_id=response_id,
            input_id=said.input_id,
            chunks=said.chunks,
            replaced=live and not is_next,
        )

    def _bound(self, inbound: Inbound, response_id: str, *, live: bool) -> UIChange:
        """Take the start or the stop of a reply."""
        is_start = inbound.name == self._names.start
        chunks: Sequence[UIMessageChunk] = (c.Start(message_id=response_id),)
        before: Sequence[UIMessageChunk] = ()
        if live:
            self._catch_up(response_id)
        if is_start:
            self._started.add(response_id)
        else:
            tokens = self._tokens.get(response_id)
            if tokens is not None:
                tokens.stream.closing = tokens.stream.codec
                ending = self._codec.end(tokens.stream)
                before = self._say(response_id, tokens.wire, ending, live=live).chunks
            chunks = self._stopped(inbound, response_id)
        wire = Wire[UIMessageChunk](inbound.serial, response_id, chunks=chunks)
        said = self._say(response_id, wire, chunks, live=live)
        return UIChange(
            run_id=response_id,
            input_id=said.input_id,
            chunks=[*before, *said.chunks],
            event="run-start" if is_start else "run-end",
        )

    def _stopped(self, inbound: Inbound, response_id: str) -> Sequence[UIMessageChunk]:
        status = header(inbound, "status")
        if status == "cancelled":
            self._end(response_id, inbound.serial, "cancelled")
            return (c.Abort(),)
        if status == "error":
            text = header(inbound, "error") or "the agent failed"
            self._end(response_id, inbound.serial, "error", text)
            return (c.Error(error_text=text),)
        self._end(response_id, inbound.serial, "complete")
        return (c.Finish(finish_reason=finish_reason(inbound)),)


class _Tokens:
    """The deltas of one reply, put together in the channel's order.

    Attributes:
        wire: The reply's text, as one that grows.
    """

    def __init__(self, serial: str, response_id: str) -> None:
        codec = {"kind": "text", "id": response_id}
        self.stream = StreamView(serial, "", response_id, {}, codec, serial)
        self.wire = Wire[UIMessageChunk](serial, response_id, stream=self.stream)
        self._told: list[tuple[str, str]] = []

    def add(self, serial: str, text: str) -> bool:
        """Take a delta; whether it is the next one, and not one that history brings late."""
        if not self._told or serial > self._told[-1][0]:
            self._told.append((serial, text))
            self.stream.pieces.append(text)
            return True
        insort(self._told, (serial, text))
        self.stream.pieces[:] = [piece for _, piece in self._told]
        return False
