"""The agent's end of one invocation: what a run says, as operations.

Rule: streams are created empty and grown by appends that repeat all headers; every stream is closed
on every path; nothing is said after suspend or end.
Source: @ably/ai-transport 0.8.0, `core/codec/encoder.ts`, `core/transport/run-step-writer.ts`.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from typing import Generic, Literal, TypeVar

from ....chunks import UIMessageChunk
from ....errors import LocalProtocolError
from ..operations import Operation, OutboundMessage, Publish, Update
from . import headers as h
from .facts import RunReason
from .payload import Close, Grow, Open, Payload, PayloadCodec, Whole
from .run_headers import RunIdentity, lifecycle_headers, output_headers
from .steps import Said, StepReason, StepWriter
from .streams import MESSAGE_LIMIT_BYTES, StreamWriter
from .ui_chunks import UIChunkCodec

__all__ = ["RunEncoder", "RunIdentity", "ui_run_encoder"]

C = TypeVar("C")


class RunEncoder(Generic[C]):
    """Turns the chunks of one invocation into operations.

    Give every operation to the channel in the order given. A `Publish` with `await_serial` must be
    answered by `acknowledged`; until then the encoder holds what comes after it.

    Args:
        identity: The run.
        codec: What a chunk means on the wire.
        new_id: Gives fresh ids for messages.
        implicit_steps: Bracket output in a step of its own where the caller opened none, as the
            JavaScript agent does. Off saves two messages and a round trip; readers need no steps.
        step_client_id: Whom steps are attributed to; None for whom the run's steps before are,
            the trigger's client if there are none.
        limit_bytes: Text is split into a further stream before a message reaches this size.
    """

    def __init__(
        self,
        identity: RunIdentity,
        codec: PayloadCodec[C],
        *,
        new_id: Callable[[], str],
        implicit_steps: bool = False,
        step_client_id: str | None = None,
        limit_bytes: int = MESSAGE_LIMIT_BYTES,
    ) -> None:
        self.identity = identity
        self._codec = codec
        self._new_id = new_id
        self._implicit_steps = implicit_steps
        self._state: Literal["new", "active", "suspended", "ended"] = "new"
        self._message_id: str | None = None
        self._output: dict[str, str] = {}
        self._steers: tuple[str, ...] = ()
        self._keys = 0
        self._skips_start = False
        known = identity.step_client_id or identity.input_client_id
        self._steps = StepWriter(
            identity, self._new_key, known if step_client_id is None else step_client_id
        )
        self._streams = StreamWriter(self._new_key, limit_bytes=limit_bytes)

    @property
    def message_id(self) -> str | None:
        """The codec-message-id of the assistant message being written; None before its begin."""
        return self._message_id

    # -- life of the run ---------------------------------------------------------

    def start(self) -> list[Operation]:
        """Announce the run, or its resumption; nothing if it was announced by another process."""
        self._expect("new", "start")
        self._state = "active"
        identity = self.identity
        if identity.adopts:
            self._steps.leave_untried(identity.steps)
            self._skips_start = identity.message_id is not None and not self._implicit_steps
            return []
        if identity.continues:
            return [self._announced(h.RUN_RESUME, {})]
        extra = {
            h.PARENT: identity.parent,
            h.FORK_OF: identity.fork_of,
            h.REGENERATES: identity.regenerates,
        }
        given = {key: value for key, value in extra.items() if value is not None}
        return [self._announced(h.RUN_START, given)]

    def suspend(self) -> list[Operation]:
        """Wait for a person or a client. A `finish` chunk must have been encoded before."""
        self._expect("active", "suspend")
        self._state = "suspended"
        return self._after_step(
            "complete", lambda: [_lifecycle(h.RUN_SUSPEND, lifecycle_headers(self.identity))]
        )

    def end(
        self, reason: RunReason = "complete", *, code: int | None = None, message: str | None = None
    ) -> list[Operation]:
        """Close what is open and end the run.

        Args:
            reason: How it ended. Streams still open are closed as cancelled.
            code: Error code for readers, for reason `error`.
            message: Error text for readers, for reason `error`.
        """
        if self._state in ("suspended", "ended"):
            raise LocalProtocolError(
                f"unable to end run {self.identity.run_id!r}; it is {self._state}"
            )
        self._state = "ended"
        headers = lifecycle_headers(self.identity) | {h.RUN_REASON: reason}
        if code is not None:
            headers[h.ERROR_CODE] = str(code)
        if message is not None:
            headers[h.ERROR_MESSAGE] = message
        step_reason: StepReason = "failed" if reason == "error" else reason
        return self._after_step(step_reason, lambda: [_lifecycle(h.RUN_END, headers)])

    def leave(self) -> list[Operation]:
        """Close what is open and say no more: another process goes on with the run."""
        self._state = "ended"
        return self._after_step("cancelled", list)

    # -- steps -------------------------------------------------------------------

    def begin_step(
        self, step_id: str | None = None, *, client_id: str | None = None
    ) -> list[Operation]:
        """Open a step. The same `step_id` again is a retry: it replaces the earlier attempt.

        Args:
            step_id: Stable name; None for the step before if it failed, else a fresh name.
            client_id: Whom it is attributed to from now on; None for the one before.
        """
        self._expect("active", "begin a step of")
        return self._steps.when_ready(lambda: self._begin_step(step_id, client_id))

    def begin_attempt(self, step: str) -> list[Operation]:
        """Open the step of this name in this invocation; the message being written goes on."""
        self._expect("active", "begin a step of")
        return self._steps.when_ready(lambda: self._begin_attempt(step))

    def end_attempt(self, reason: StepReason) -> list[Operation]:
        """Close the open attempt and every open stream; the message goes on."""
        return self._steps.when_ready(lambda: self._end_step(reason, keeps_message=True))

    def end_step(self, reason: StepReason = "complete") -> list[Operation]:
        """Close the open step, and with it every open stream; nothing if none is open."""
        return self._steps.when_ready(lambda: self._end_step(reason))

    def acknowledged(self, key: str, serial: str) -> list[Operation]:
        """Take the serial of a published message; give what was held for it."""
        if not self._steps.take_serial(key, serial):
            return []
        self._refresh_output()
        return self._steps.released()

    # -- output ------------------------------------------------------------------

    def next_message(
        self, *, message_id: str | None = None, steers: Sequence[str] = ()
    ) -> list[Operation]:
        """Begin a further assistant message, closing the implicit step and what is open in it.

        Args:
            message_id: Its codec-message-id; None for a fresh one.
            steers: Codec-message-ids of the steering messages that it answers.
        """
        self._expect("active", "write to")
        return self._steps.when_ready(lambda: self._next_message(message_id, tuple(steers)))

    def answer(self, steers: Sequence[str]) -> None:
        """Mark output from now on as an answer to these steering messages.

        A message that is open keeps the headers of its begin; the next one has it if none is.
        """
        self._steers = (*self._steers, *steers)
        if self._message_id is not None:
            self._refresh_output()

    def encode(self, chunk: C) -> list[Operation]:
        """Say one chunk.

        Raises:
            LocalProtocolError: If the wire cannot carry it, or the run is not active.
        """
        if self._state != "active":
            self._expect("active", "write to")
        if self._steps.awaiting is not None:
            return self._steps.when_ready(lambda: self._encode(chunk))
        if self._message_id is None or (self._implicit_steps and self._steps.current is None):
            return self._encode(chunk)
        payloads = self._codec.encode(chunk, self._message_id)
        if len(payloads) == 1:
            return self._send(payloads[0])
        return [operation for payload in payloads for operation in self._send(payload)]

    def settle(self) -> list[Operation]:
        """Take back what a process that died has said in steps that were not tried again."""
        return self._steps.when_ready(self._settle)

    def encode_beside(self, chunk: C) -> list[Operation]:
        """Say one chunk beside the open step: it stays when the step is tried again.

        Raises:
            LocalProtocolError: If the wire cannot carry it, or the run is not active.
        """
        self._expect("active", "write to")
        return self._steps.when_ready(lambda: self._encode_beside(chunk))

    def repair(self, key: str) -> Update | None:
        """Give the one update that makes up for a rejected append; None if `key` is no stream.

        It holds the whole text so far under the newest headers. Discard queued appends to `key`,
        send this, and go on with appends.
        """
        return self._streams.repair(key)

    def settled(self, key: str) -> None:
        """Forget the text of a closed stream: all its appends were accepted."""
        self._streams.settled(key)

    # -- inside ------------------------------------------------------------------

    def _expect(self, state: str, act: str) -> None:
        if self._state != state:
            raise LocalProtocolError(
                f"unable to {act} run {self.identity.run_id!r}; it is {self._state}, not {state}"
            )

    def _announced(self, name: str, extra: dict[str, str]) -> Operation:
        message = OutboundMessage(
            name=name, extras=h.envelope(lifecycle_headers(self.identity) | extra)
        )
        return Publish(messages=(message,), key=f"{self.identity.invocation_id}#begin")

    @property
    def _is_implicit(self) -> bool:
        """Whether the open step is one that nobody asked for."""
        return self._steps.current is not None and self._steps.current.implicit

    def _after_step(self, reason: StepReason, act: Said) -> list[Operation]:
        return self._steps.when_ready(lambda: self._end_step(reason) + act())

    def _settle(self) -> list[Operation]:
        untried = self._steps.untried
        if untried is None:
            return []
        operations = self._end_step("complete", keeps_message=True)
        operations += self._steps.begin(untried)
        self._steps.hold_first(
            lambda: self._end_step("cancelled", keeps_message=True), self._settle
        )
        return operations

    def _begin_attempt(self, step: str) -> list[Operation]:
        message_id = self._message_id
        operations: list[Operation] = []
        if self._is_implicit:
            operations = self._end_step("complete")
        operations += self._steps.begin(f"{self.identity.invocation_id}-{step}")
        self._message_id = message_id
        return operations

    def _encode_beside(self, chunk: C) -> list[Operation]:
        if self._message_id is None:
            self._begin_message(self.identity.message_id, self._steers)
        step, self._steps.current = self._steps.current, None
        self._refresh_output()
        try:
            return self._sent(chunk)
        finally:
            self._steps.current = step
            self._refresh_output()

    def _begin_step(self, step_id: str | None, client_id: str | None) -> list[Operation]:
        operations = self._steps.begin(step_id, client_id)
        self._message_id, self._steers = None, ()  # an attempt is a message of its own
        return operations

    def _end_step(self, reason: StepReason, *, keeps_message: bool = False) -> list[Operation]:
        operations = self._streams.cancel_all()
        if self._steps.current is not None:
            operations += self._steps.end(reason)
            if not keeps_message:
                self._message_id, self._steers = None, ()
            elif self._message_id is not None:
                self._refresh_output()
        return operations

    def _next_message(self, message_id: str | None, steers: tuple[str, ...]) -> list[Operation]:
        ends = self._end_step("complete") if self._is_implicit else self._streams.cancel_all()
        self._begin_message(message_id, steers)
        return ends

    def _begin_message(self, message_id: str | None, steers: tuple[str, ...]) -> None:
        self._message_id = self._new_id() if message_id is None else message_id
        self._steers = steers
        self._refresh_output()

    def _refresh_output(self) -> None:
        self._output = output_headers(
            self.identity,
            self._message_id or "",
            step=self._steps.current,
            steers=self._steers,
        )

    def _encode(self, chunk: C) -> list[Operation]:
        if self._message_id is None:
            self._begin_message(self.identity.message_id, self._steers)
            if self._skips_start:
                self._skips_start = False  # the first chunk: that message has begun
                return []
        if self._implicit_steps and self._steps.current is None:
            operations = self._steps.begin(implicit=True)
            self._steps.hold_first(lambda: self._encode(chunk))
            return operations
        return self._sent(chunk)

    def _sent(self, chunk: C) -> list[Operation]:
        assert self._message_id is not None
        payloads = self._codec.encode(chunk, self._message_id)
        return [operation for payload in payloads for operation in self._send(payload)]

    def _send(self, payload: Payload) -> list[Operation]:
        if isinstance(payload, Grow):
            return self._streams.grow(payload.stream_id, payload.text)
        if isinstance(payload, Open):
            return self._streams.open(payload.stream_id, payload.codec, self._output)
        if isinstance(payload, Close):
            closing = self._streams.close(payload)
            if closing is not None:
                return closing
            return [operation for instead in payload.otherwise for operation in self._send(instead)]
        return [self._publish_whole(payload)]

    def _publish_whole(self, payload: Whole) -> Operation:
        data = payload.data
        encoded = data if isinstance(data, str) else json.dumps(data, ensure_ascii=False)
        self._streams.require_size(encoded, payload.codec.get(h.KIND, ""))
        extras = h.envelope(
            {**self._output, h.STREAM: h.FALSE}, payload.codec, ephemeral=payload.ephemeral
        )
        return Publish(messages=(OutboundMessage(name=h.OUTPUT, data=data, extras=extras),))

    def _new_key(self) -> str:
        self._keys += 1
        return f"{self.identity.invocation_id}#{self._keys}"


def ui_run_encoder(
    identity: RunIdentity,
    *,
    new_id: Callable[[], str],
    implicit_steps: bool = False,
) -> RunEncoder[UIMessageChunk]:
    """Give the encoder of a run that says UI message chunks."""
    return RunEncoder(identity, UIChunkCodec(), new_id=new_id, implicit_steps=implicit_steps)


def _lifecycle(name: str, headers: dict[str, str]) -> Operation:
    return Publish(messages=(OutboundMessage(name=name, extras=h.envelope(headers)),))
