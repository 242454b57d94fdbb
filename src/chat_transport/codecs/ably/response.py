"""Message per response: one Ably message for each reply, grown by appends.

Rule: only text is carried, and approval requests by name; parts are set apart by a blank line. The
last append is marked in `extras.headers.status`, which readers written after the guides ignore.
Source: ably.com/docs, message per response, and the getting-started guide for OpenAI, read 2026-08.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, TypeAlias

from ... import chunks as c
from ...chunks import UIMessageChunk
from .ai_transport.changes import Cancel, ChangeEvent, Trigger
from .ai_transport.facts import RunReason
from .ai_transport.nodes import Wire
from .ai_transport.payload import StreamView
from .operations import Append, Inbound, Operation, OutboundMessage, Publish, Update
from .prompts import PromptNames, header, read_decision, read_prompt
from .turns import GrownText, TurnAct, Turns, UIChange

__all__ = ["ResponseConversation", "ResponseEncoder", "ResponseNames", "carried_by_text"]

JSON: TypeAlias = Any  # any JSON value
_CARRIED = frozenset(
    {
        "start", "finish", "abort", "error", "start-step", "finish-step", "text-start",
        "text-delta", "text-end", "tool-input-start", "tool-input-delta",
        "tool-input-available", "tool-approval-request",
    }
)  # fmt: skip


def carried_by_text() -> frozenset[str]:
    """Give the chunk types that wires of plain text drop."""
    return frozenset(c.CHUNK_TYPES) - _CARRIED


@dataclass(frozen=True, slots=True, kw_only=True)
class ResponseNames:
    """Names of this wire.

    Attributes:
        complete: Published after a reply; None if the agent says no end (then ours is the mark).
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
    """

    def __init__(
        self, prompt_id: str | None, *, names: ResponseNames | None = None, key: str = "response"
    ) -> None:
        self._names = names or ResponseNames()
        self._key = key
        self._prompt_id = prompt_id
        header_name = self._names.prompts.prompt_header
        self._headers = {} if prompt_id is None else {header_name: prompt_id}
        self._extras: dict[str, JSON] | None = {"headers": self._headers} if prompt_id else None
        self._pieces: list[str] = []
        self._between_parts = False
        self._tools: dict[str, c.ToolInputAvailable] = {}

    def start(self) -> list[Operation]:
        """Publish the empty reply."""
        message = OutboundMessage(name=self._names.response, data="", extras=self._extras)
        return [Publish(messages=(message,), key=self._key)]

    def encode(self, chunk: UIMessageChunk) -> list[Operation]:
        """Say a chunk; what this wire cannot carry is dropped."""
        if isinstance(chunk, c.TextDelta):
            return self._text(chunk.delta)
        if isinstance(chunk, c.TextStart):
            self._between_parts = bool(self._pieces)
        elif isinstance(chunk, c.ToolInputAvailable):
            self._tools[chunk.tool_call_id] = chunk
        elif isinstance(chunk, c.ToolApprovalRequest):
            return [self._approval(chunk.tool_call_id)]
        elif isinstance(chunk, c.Error):
            return self._text(chunk.error_text) if not self._pieces else []
        return []

    def suspend(self) -> list[Operation]:
        """Wait for a person; what follows the answer is a further message of the same prompt."""
        self._extras = {"headers": {**self._headers, "status": "suspended"}}
        return [Append(key=self._key, data="", extras=self._extras)]

    def end(
        self, reason: RunReason, *, code: int | None = None, message: str | None = None
    ) -> list[Operation]:
        """Mark the reply as over, and say so by name."""
        headers = {**self._headers, "status": reason}
        if message is not None:
            headers["error"] = message
        self._extras = {"headers": headers}
        operations: list[Operation] = [Append(key=self._key, data="", extras=self._extras)]
        if self._names.complete is not None:
            done = OutboundMessage(name=self._names.complete, extras={"headers": self._headers})
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
        extras = {"headers": {**self._headers, names.call_header: call}}
        message = OutboundMessage(name=names.approval_request, data=data, extras=extras)
        return Publish(messages=(message,))


class ResponseConversation(Turns):
    """Reads the wire, either end.

    Args:
        names: What messages are called.
    """

    drops = carried_by_text()

    def __init__(self, names: ResponseNames | None = None) -> None:
        super().__init__()
        self._names = names or ResponseNames()
        self._texts = GrownText()
        self._replies: dict[str, str] = {}
        self._done: dict[str, Inbound] = {}
        self._calls: dict[str, str] = {}

    def feed(self, inbound: Inbound, *, live: bool = True) -> UIChange | None:
        """Take a delivery; None if it says nothing new."""
        stream = self._texts.known(inbound.serial)
        if stream is not None:
            return self._grown(inbound, stream, live=live)
        names = self._names
        if inbound.name == names.response:
            return self._opened(inbound, live=live)
        if not self._first_sight(inbound):
            return None
        if inbound.name == names.prompts.prompt:
            trigger = read_prompt(inbound)
            return None if trigger is None else self._ask(trigger)
        if inbound.name == names.complete:
            return self._completed(inbound, live=live)
        return self._by_name(inbound, names.prompts, live=live)

    def act_of(self, inbound: Inbound) -> tuple[TurnAct, str | None] | None:
        """Say what a message wants."""
        names = self._names.prompts
        if inbound.name == names.prompt:
            return "start", None
        if inbound.name == names.stop:
            return "cancel", header(inbound, names.prompt_header)
        if inbound.name == names.approval_response:
            run_id = self._calls.get(header(inbound, names.call_header) or "")
            return "approve", None if run_id is None else run_id.removeprefix("reply-")
        ours = (None, self._names.response, self._names.complete, names.approval_request)
        return ("speak", None) if inbound.name in ours else None

    def _by_name(self, inbound: Inbound, names: PromptNames, *, live: bool) -> UIChange | None:
        prompt_id = header(inbound, names.prompt_header)
        call = header(inbound, names.call_header)
        if inbound.name == names.stop:
            cancel = Cancel(
                serial=inbound.serial,
                input_id=prompt_id,
                client_id=inbound.client_id,
                user_claim=inbound.user_claim,
            )
            self._cancels.append(cancel)
            return UIChange(event="cancel", input_id=prompt_id, cancel=cancel)
        if inbound.name == names.approval_request and call is not None:
            return self._requested(inbound, call, prompt_id, live=live)
        if inbound.name == names.approval_response and call is not None:
            run_id = self._calls.get(call)
            if run_id is None:
                return None
            decision = read_decision(inbound, call)
            self._answer(run_id, decision, inbound.serial)
            trigger = Trigger(
                serial=inbound.serial,
                input_id=run_id.removeprefix("reply-"),
                event_id=inbound.serial,
                event=decision,
                role="user",
                run_id=run_id,
                client_id=inbound.client_id,
                user_claim=inbound.user_claim,
            )
            self._triggers[inbound.serial] = trigger
            return UIChange(event="input", input=trigger, input_id=trigger.input_id, run_id=run_id)
        return None

    def _opened(self, inbound: Inbound, *, live: bool) -> UIChange:
        prompt_id = header(inbound, self._names.prompts.prompt_header)
        run_id = prompt_id if prompt_id is not None else inbound.serial
        run_id = f"reply-{run_id}"
        self._replies[inbound.serial] = run_id
        known = self._begin(run_id, prompt_id, inbound.serial)
        if known.state == "suspended":
            self._resume(run_id, inbound.serial)
        stream = self._texts.open(inbound, {"kind": "text", "id": inbound.serial})
        wire = Wire[UIMessageChunk](inbound.serial, run_id, stream=stream)
        chunks = list(self._codec.start(stream))
        if stream.text:
            chunks += self._codec.delta(stream, stream.text)
        ended = self._ended(inbound, stream, run_id)
        change = self._say(run_id, wire, [*chunks, *ended], live=live)
        return UIChange(
            run_id=run_id,
            input_id=prompt_id,
            chunks=change.chunks,
            event=self._event(run_id) if ended else "run-start",
        )

    def _grown(self, inbound: Inbound, stream: StreamView, *, live: bool) -> UIChange | None:
        advanced = self._texts.advance(inbound, stream)
        if advanced is None:
            return None
        text, replaced = advanced
        run_id = self._replies[inbound.serial]
        wire = self._nodes[run_id].wires[inbound.serial]
        chunks = list(self._codec.delta(stream, text)) if text and not replaced else []
        ended = self._ended(inbound, stream, run_id)
        change = self._say(run_id, wire, [*chunks, *ended], live=live, replaced=replaced)
        return UIChange(
            run_id=run_id,
            input_id=change.input_id,
            chunks=change.chunks,
            event=self._event(run_id) if ended else None,
            replaced=replaced,
        )

    def _event(self, run_id: str) -> ChangeEvent:
        run = self._nodes[run_id].run
        return "run-suspend" if run is not None and run.state == "suspended" else "run-end"

    def _ended(self, inbound: Inbound, stream: StreamView, run_id: str) -> list[UIMessageChunk]:
        """Give the closing chunks if the delivery says how the reply ended."""
        status = header(inbound, "status")
        done = self._done.get(run_id)
        if done is not None and status is None and not stream.closed:
            return self._close(stream, run_id, done.serial, "complete", done)
        if stream.closed or status not in ("complete", "cancelled", "error", "suspended"):
            return []
        return self._close(stream, run_id, inbound.version or inbound.serial, status, inbound)

    def _close(
        self, stream: StreamView, run_id: str, serial: str, status: str, inbound: Inbound
    ) -> list[UIMessageChunk]:
        stream.closed = True
        stream.closing = stream.codec
        said: list[UIMessageChunk] = list(self._codec.end(stream))
        if status == "suspended":
            self._suspend(run_id, serial)
            return [*said, c.FinishStep(), c.Finish(finish_reason="tool-calls")]
        if status == "complete":
            self._end(run_id, serial, "complete")
            return [*said, c.FinishStep(), c.Finish(finish_reason="stop")]
        if status == "cancelled":
            self._end(run_id, serial, "cancelled")
            return [*said, c.Abort()]
        text = header(inbound, "error") or "the agent failed"
        self._end(run_id, serial, "error", text)
        return [*said, c.Error(error_text=text)]

    def _completed(self, inbound: Inbound, *, live: bool) -> UIChange | None:
        """Take the completion signal: it ends replies whose last append is not marked."""
        prompt_id = header(inbound, self._names.prompts.prompt_header)
        data = inbound.data
        if prompt_id is None and isinstance(data, Mapping):
            prompt_id = data.get("promptId")
        run_id = f"reply-{prompt_id}"
        self._done[run_id] = inbound
        for serial, known in self._replies.items():
            stream = self._texts.known(serial)
            if known == run_id and stream is not None and not stream.closed:
                chunks = self._close(stream, run_id, inbound.serial, "complete", inbound)
                wire = self._nodes[run_id].wires[serial]
                said = self._say(run_id, wire, chunks, live=live)
                return UIChange(
                    run_id=run_id, input_id=prompt_id, chunks=said.chunks, event="run-end"
                )
        return None

    def _requested(
        self, inbound: Inbound, call: str, prompt_id: str | None, *, live: bool
    ) -> UIChange | None:
        """Take an approval request into the reply that asks: the named one, or the newest open."""
        run_id = f"reply-{prompt_id}" if prompt_id is not None else None
        if run_id is None:
            active = self.active_runs()
            run_id = active[-1].run_id if active else None
        if run_id is None:
            return None
        self._calls[call] = run_id
        data = inbound.data if isinstance(inbound.data, Mapping) else {}
        name = data.get("name")
        chunks = (
            c.ToolInputStart(tool_call_id=call, tool_name=str(name or "tool")),
            c.ToolInputAvailable(
                tool_call_id=call,
                tool_name=str(name or "tool"),
                input=_arguments(data.get("arguments")),
            ),
            c.ToolApprovalRequest(approval_id=call, tool_call_id=call),
        )
        wire = Wire[UIMessageChunk](inbound.serial, run_id, chunks=chunks)
        return self._say(run_id, wire, chunks, live=live)


def _arguments(given: JSON) -> JSON:
    """Read tool arguments; text that is no JSON stays text."""
    if not isinstance(given, str):
        return given
    try:
        return json.loads(given)
    except ValueError:
        return given
