"""The writing direction of a trace: our encoders must hand the channel the recorded operations.

Rule: what is given to an encoder is read from the operation itself, its ids included; everything
else of the operation must come out of the encoder again. One deviation is ours and is taken out
before comparing: streams that the JavaScript agent leaves open when a step fails are closed.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeAlias

import msgspec

from ..chunks import ABSENT, Finish
from ..codecs.ably.ai_transport import headers as h
from ..codecs.ably.ai_transport.changes import Trigger
from ..codecs.ably.ai_transport.decoder import Decoder
from ..codecs.ably.ai_transport.input_encoder import InputEncoder, RunFork
from ..codecs.ably.ai_transport.input_events import (
    ApprovalAnswered,
    InputEvent,
    MessagePart,
    Regenerated,
    ToolResolved,
)
from ..codecs.ably.ai_transport.payload import PayloadCodec
from ..codecs.ably.ai_transport.run_encoder import RunEncoder, RunIdentity
from ..codecs.ably.ai_transport.runs import RunTree
from ..codecs.ably.operations import Append, Operation, OutboundMessage, Publish
from ..messages import ToolPart, UIMessage
from ._trace_file import TraceOperation
from ._vector_tools import same_json

__all__ = ["write_trace"]

JSON: TypeAlias = Any  # any JSON value


@dataclass(slots=True)
class _Invocation:
    """One agent's writing: what the trace has, and what our encoder gave."""

    encoder: RunEncoder[Any]
    decoder: Decoder[Any]
    recorded: list[JSON] = field(default_factory=list[JSON])
    written: list[JSON] = field(default_factory=list[JSON])
    serials: dict[str, str] = field(default_factory=dict[str, str])
    step_serial: str = ""
    failed_step: str | None = None


class TraceWriter:
    """Drives our encoders along a trace."""

    def __init__(self, codec: PayloadCodec[Any], channel: RunTree[Any, Any]) -> None:
        self._codec = codec
        self._channel = channel
        self._invocations: dict[tuple[str, str], _Invocation] = {}
        self._triggers: dict[tuple[str, str | None], Trigger] = {}
        self._differences: list[str] = []
        self._spoken_steps: set[str] = set()

    def run(self, operations: Sequence[TraceOperation]) -> list[str]:
        """Give the differences, empty if there are none."""
        self._spoken_steps = {
            known.transport().get(h.STEP_START_SERIAL, "")
            for known in operations
            if known.name != h.STEP_END
        }
        for operation in operations:
            if operation.name == h.INPUT:
                self._input(operation)
            elif operation.name == h.CANCEL:
                self._cancel(operation)
            else:
                self._agent(operation)
            for inbound in () if operation.refused else operation.deliveries():
                change = self._channel.feed(inbound)
                if change is not None and change.input is not None:
                    asked = change.input  # two people may answer one question
                    self._triggers[asked.input_id, asked.client_id or None] = asked
                    self._triggers.setdefault((asked.input_id, None), asked)
        for invocation in self._invocations.values():
            self._compare(invocation.recorded, list(_without_our_closings(invocation)))
        return self._differences

    # -- clients -----------------------------------------------------------------

    def _input(self, operation: TraceOperation) -> None:
        transport = operation.transport()
        given = iter((transport[h.MESSAGE_ID], transport[h.EVENT_ID]))
        encoder = InputEncoder(
            new_id=lambda: next(given),
            client_id=transport.get(h.RUN_CLIENT_ID),
            words=self._codec.words,
        )
        events = [
            decoded.input
            for inbound in operation.deliveries()
            if (decoded := Decoder(self._codec).feed(inbound)) is not None
        ]
        encoded = _encode_input(encoder, transport, events, given)
        self._compare(operation.as_json(), _as_json(encoded, {}))

    def _cancel(self, operation: TraceOperation) -> None:
        transport = operation.transport()
        encoder = InputEncoder(new_id=lambda: transport[h.EVENT_ID])
        encoded = encoder.cancel(run_id=transport.get(h.RUN_ID), input_id=transport.get(h.INPUT_ID))
        self._compare(operation.as_json(), _as_json(encoded.operation, {}))

    # -- agents ------------------------------------------------------------------

    def _agent(self, operation: TraceOperation) -> None:
        transport = operation.transport()
        key = (transport.get(h.RUN_ID, ""), transport.get(h.INVOCATION_ID, ""))
        invocation = self._invocations.get(key)
        if invocation is None:
            encoder = RunEncoder(
                self._identity(transport), self._codec, new_id=lambda: "", implicit_steps=True
            )
            invocation = _Invocation(encoder, Decoder(self._codec))
            self._invocations[key] = invocation
        invocation.recorded += operation.as_json()
        for step in self._drive(invocation, operation, transport):
            self._take(invocation, step, operation)

    def _drive(
        self, invocation: _Invocation, operation: TraceOperation, transport: Mapping[str, str]
    ) -> Iterator[list[Operation]]:
        encoder = invocation.encoder
        name = operation.name
        if name in (h.RUN_START, h.RUN_RESUME):
            yield encoder.start()
        elif name == h.STEP_START:
            invocation.step_serial = operation.serials[0]
            step_id = transport[h.STEP_ID]
            # The encoder opens steps of its own when it speaks; these two kinds the agent opened.
            is_mute = operation.serials[0] not in self._spoken_steps
            if step_id == invocation.failed_step or is_mute:
                named = step_id.startswith(f"{encoder.identity.invocation_id}-step-")
                yield encoder.begin_step(None if named else step_id)
            elif not step_id.startswith(f"{encoder.identity.invocation_id}-step-"):
                yield encoder.begin_step(step_id)
        elif name == h.STEP_END:
            reason = transport[h.STEP_REASON]
            invocation.failed_step = transport[h.STEP_ID] if reason == "failed" else None
            yield encoder.end_step(reason)  # type: ignore[arg-type]  # checked by comparing
        elif name == h.RUN_SUSPEND:
            yield encoder.suspend()
        elif name == h.RUN_END:
            code = transport.get(h.ERROR_CODE)
            yield encoder.end(
                transport[h.RUN_REASON],  # type: ignore[arg-type]  # checked by comparing
                code=None if code is None else int(code),
                message=transport.get(h.ERROR_MESSAGE),
            )
        elif operation.kind == "update":
            yield self._repair(invocation, operation)
        else:
            yield from self._output(invocation, operation, transport)

    def _output(
        self, invocation: _Invocation, operation: TraceOperation, transport: Mapping[str, str]
    ) -> Iterator[list[Operation]]:
        encoder = invocation.encoder
        message_id = transport.get(h.MESSAGE_ID, "")
        if encoder.message_id != message_id:
            steers = json.loads(transport.get(h.STEERS, "[]"))
            yield encoder.next_message(message_id=message_id, steers=steers)
        for inbound in operation.deliveries():
            decoded = invocation.decoder.feed(inbound)
            chunks = list(decoded.chunks) if decoded is not None else []
            if operation.codec().get(h.KIND) == "tool-input" and inbound.action == "create":
                chunks = chunks[-1:]  # a discrete input is one chunk, read as two
            for chunk in chunks:
                yield encoder.encode(_as_said(chunk, operation))

    def _repair(self, invocation: _Invocation, operation: TraceOperation) -> list[Operation]:
        serial = operation.serials[0]
        key = next(key for key, known in invocation.serials.items() if known == serial)
        repair = invocation.encoder.repair(key)
        if repair is None:
            return []
        # A refused append need not be in the trace: the whole text is known from here only.
        return [msgspec.structs.replace(repair, data=operation.messages[0].get("data", ""))]

    def _take(
        self, invocation: _Invocation, operations: list[Operation], at: TraceOperation
    ) -> None:
        for operation in operations:
            if isinstance(operation, Publish) and operation.key is not None:
                serial = invocation.step_serial if operation.await_serial else at.serials[0]
                invocation.serials[operation.key] = serial
            invocation.written += _as_json(operation, invocation.serials)
            if isinstance(operation, Publish) and operation.await_serial:
                assert operation.key is not None
                held = invocation.encoder.acknowledged(operation.key, invocation.step_serial)
                self._take(invocation, held, at)

    def _identity(self, transport: Mapping[str, str]) -> RunIdentity:
        input_id, asked_by = transport[h.INPUT_ID], transport.get(h.INPUT_CLIENT_ID)
        trigger = self._triggers.get((input_id, asked_by)) or self._triggers[input_id, None]
        return self._channel.identify(
            trigger,
            new_id=lambda: transport[h.INVOCATION_ID],
            run_id=transport[h.RUN_ID],
        )

    def _compare(self, recorded: list[JSON], written: list[JSON]) -> None:
        for place, (want, got) in enumerate(zip(recorded, written, strict=False)):
            if not same_json(got, want):
                self._differences.append(f"operation {place}: wrote {got!r}, recorded {want!r}")
                return
        if len(recorded) != len(written):
            self._differences.append(f"wrote {len(written)} operations, recorded {len(recorded)}")


def write_trace(
    operations: Sequence[TraceOperation],
    codec: PayloadCodec[Any],
    channel: RunTree[Any, Any],
) -> list[str]:
    """Give what our encoders would write otherwise; empty if nothing."""
    return TraceWriter(codec, channel).run(operations)


def _encode_input(
    encoder: InputEncoder,
    transport: Mapping[str, str],
    events: Sequence[InputEvent | None],
    ids: Iterator[str],
) -> Operation:
    event = events[0]
    parent, run_id = transport.get(h.PARENT), transport.get(h.RUN_ID)
    if isinstance(event, MessagePart):
        parts = [known.part for known in events if isinstance(known, MessagePart)]
        message = UIMessage(id=event.message_id, role=event.role, parts=parts)
        fork_of = transport.get(h.FORK_OF)
        return encoder.user_message(
            message, parent=parent, fork_of=fork_of, run_id=run_id
        ).operation
    if isinstance(event, Regenerated):
        return encoder.regenerate(event.target, parent=parent).operation
    next(ids)  # an answer names a message that is there
    message_id = transport[h.MESSAGE_ID]
    supersedes = transport.get(h.SUPERSEDES)
    if isinstance(event, ApprovalAnswered) and supersedes is not None:
        call = ToolPart(
            type="tool-named-by-its-id", tool_call_id=event.tool_call_id, state="approval-requested"
        )
        held = UIMessage(id="", role="assistant", parts=[call])
        copy = RunFork(seed=((message_id, held),), parent=parent, supersedes=supersedes)
        return (
            InputEncoder(
                new_id=lambda: transport[h.EVENT_ID], client_id=transport.get(h.RUN_CLIENT_ID)
            )
            .approval_fork(copy, event.tool_call_id, approved=event.approved, reason=event.reason)
            .operation
        )
    if isinstance(event, ApprovalAnswered):
        return encoder.approval(
            message_id=message_id,
            run_id=run_id or "",
            tool_call_id=event.tool_call_id,
            approved=event.approved,
            reason=event.reason,
            parent=parent,
        ).operation
    assert isinstance(event, ToolResolved)
    if not event.seed:
        return encoder.tool_result(
            message_id=message_id,
            run_id=run_id or "",
            tool_call_id=event.tool_call_id,
            output=event.output,
            error_text=event.error_text,
            parent=parent,
        ).operation
    copy = RunFork(
        seed=tuple((seed.codec_message_id, seed.message) for seed in event.seed),
        parent=parent,
        supersedes=supersedes or "",
    )
    return (
        InputEncoder(new_id=lambda: transport[h.EVENT_ID], client_id=transport.get(h.RUN_CLIENT_ID))
        .tool_result_fork(
            copy, event.tool_call_id, output=event.output, error_text=event.error_text
        )
        .operation
    )


def _as_said(chunk: Any, operation: TraceOperation) -> Any:
    """Give the chunk without what the reader adds: a `finish` without reason reads as `stop`."""
    if isinstance(chunk, Finish) and "finishReason" not in operation.codec():
        return msgspec.structs.replace(chunk, finish_reason=ABSENT)
    return chunk


def _as_json(operation: Operation, serials: Mapping[str, str]) -> list[JSON]:
    if isinstance(operation, Publish):
        return [{"op": "publish", **_message(message)} for message in operation.messages]
    kind = "append" if isinstance(operation, Append) else "update"
    serial = serials[operation.key]
    return [{"op": kind, "serial": serial, "data": operation.data, "extras": operation.extras}]


def _message(message: OutboundMessage) -> dict[str, JSON]:
    wire: dict[str, JSON] = {"name": message.name}
    if message.data is not None:
        wire["data"] = message.data
    if message.extras is not None:
        wire["extras"] = message.extras
    return wire


def _without_our_closings(invocation: _Invocation) -> Iterator[JSON]:
    """Leave out the closing of streams that JavaScript leaves open when a step fails."""
    closings: list[JSON] = []
    for written in invocation.written:
        transport = written.get("extras", {}).get("ai", {}).get("transport", {})
        if transport.get(h.STATUS) == h.CANCELLED:
            closings.append(written)
            continue
        failed = transport.get(h.STEP_REASON) == "failed"
        yield from (one for one in closings if not failed or one in invocation.recorded)
        closings.clear()
        yield written
    yield from closings
