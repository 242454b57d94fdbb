"""Reads the wire of `ably-ai-sdk-transport`, either end.

Rule: a message found in history is the sum of its appends and updates: what it was before is put
back as far as the wire tells it.
Source: as `ai_sdk_transport`.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, Final, TypeAlias

import msgspec
from pydantic import ValidationError

from ... import chunks as c
from ...chunks import UIMessageChunk
from ...messages import UIMessage
from .ai_sdk_transport import dropped_by_ai_sdk
from .ai_transport.changes import Cancel, ChangeEvent, Trigger
from .ai_transport.input_events import MessageSaid, Regenerated
from .ai_transport.nodes import Wire
from .ai_transport.payload import StreamView
from .ai_transport.prompt import merge_passes
from .operations import Inbound
from .prompts import header
from .turns import GrownText, TurnAct, Turns, UIChange

__all__ = ["AiSdkConversation"]

JSON: TypeAlias = Any  # any JSON value
_INPUTS: Final = frozenset({"chat-message", "regenerate", "user-abort"})
_WHOLE: Final[Mapping[str, type[UIMessageChunk]]] = {
    "start": c.Start,
    "step-finish": c.FinishStep,
    "finish": c.Finish,
    "error": c.Error,
    "abort": c.Abort,
    "file": c.File,
    "source-url": c.SourceUrl,
    "source-document": c.SourceDocument,
    "metadata": c.MessageMetadata,
}
_FATES: Final = ("tool-output", "tool-error", "tool-approval", "tool-denied")
_REASONS: Final[Mapping[type[UIMessageChunk], str]] = {
    c.Finish: "complete",
    c.Abort: "cancelled",
    c.Error: "error",
}


class AiSdkConversation(Turns):
    """One channel of that wire."""

    drops = dropped_by_ai_sdk()

    def __init__(self) -> None:
        super().__init__()
        self._texts = GrownText()
        self._runs: dict[str, str] = {}
        self._known_calls: set[tuple[str, str]] = set()

    def messages(self) -> list[UIMessage]:
        """Give the conversation; a message that came back changed stands in its old place."""
        out: list[UIMessage] = []
        for message in super().messages():
            place = next((i for i, m in enumerate(out) if m.id == message.id), None)
            given_back = place is not None and any(
                node.run is None and self._entries(node)[0][1] is message
                for node in self._nodes.values()
            )
            if given_back and place is not None:
                out[place] = message
            else:
                out.append(message)
        return merge_passes(out)

    def feed(self, inbound: Inbound, *, live: bool = True) -> UIChange | None:
        """Take a delivery; None if it says nothing new."""
        name = inbound.name or ""
        if name in _INPUTS:
            return self._input(inbound, name) if self._first_sight(inbound) else None
        stream = self._texts.known(inbound.serial)
        if stream is not None:
            return self._known(inbound, stream, live=live)
        kind, _, rest = name.partition(":")
        if kind not in ("text", "reasoning", "tool", *_FATES) and not (
            name in _WHOLE or name.startswith("data-")
        ):
            return None
        run_id, input_id = self._run_of(inbound)
        self._begin(run_id, input_id, inbound.serial)
        if kind in ("text", "reasoning", "tool") and rest:
            return self._opened(inbound, run_id, kind, rest, live=live)
        if kind in _FATES:
            return self._fate(inbound, run_id, kind, rest, live=live)
        if not self._first_sight(inbound):
            return None
        return self._whole(inbound, run_id, name, live=live)

    def act_of(self, inbound: Inbound) -> tuple[TurnAct, str | None] | None:
        """Say what a message wants."""
        name = inbound.name or ""
        if name == "user-abort":
            return "cancel", header(inbound, "promptId")
        if name in _INPUTS:
            return "start", None
        kind = name.partition(":")[0]
        ours = kind in ("", "text", "reasoning", "tool", *_FATES) or name in _WHOLE
        return ("speak", None) if ours or name.startswith("data-") else None

    # -- inputs ------------------------------------------------------------------

    def _input(self, inbound: Inbound, name: str) -> UIChange | None:
        prompt_id = header(inbound, "promptId")
        if name == "user-abort":
            cancel = Cancel(
                serial=inbound.serial,
                input_id=prompt_id,
                client_id=inbound.client_id,
                user_claim=inbound.user_claim,
            )
            self._cancels.append(cancel)
            return UIChange(event="cancel", input_id=prompt_id, cancel=cancel)
        data = _object(inbound.data)
        input_id = prompt_id or inbound.serial
        event: MessageSaid | Regenerated
        if name == "regenerate":
            target = data.get("messageId")
            event = Regenerated(target=target if isinstance(target, str) else "")
            self._drop_from(event.target or None)
        else:
            try:
                event = MessageSaid(message=UIMessage.model_validate(data.get("message")))
            except ValidationError:
                return None
        trigger = Trigger(
            serial=inbound.serial,
            input_id=input_id,
            event_id=input_id,
            event=event,
            role="user",
            client_id=inbound.client_id,
            user_claim=inbound.user_claim,
        )
        if isinstance(event, Regenerated):
            self._triggers.setdefault(input_id, trigger)
            return UIChange(event="input", input=trigger, input_id=input_id)
        return self._ask(trigger)

    # -- outputs -----------------------------------------------------------------

    def _run_of(self, inbound: Inbound) -> tuple[str, str | None]:
        """Give the reply that a message belongs to: that of its prompt, else the one under way."""
        prompt_id = header(inbound, "promptId")
        if prompt_id is not None:
            return f"reply-{prompt_id}", prompt_id
        known = self._runs.get(inbound.serial)
        if known is None:
            active = self.active_runs()
            known = active[-1].run_id if active else f"reply-{inbound.serial}"
        return known, None

    def _opened(
        self, inbound: Inbound, run_id: str, kind: str, rest: str, *, live: bool
    ) -> UIChange:
        self._runs[inbound.serial] = run_id
        call, _, tool = rest.partition(":")
        codec = {"kind": kind, "id": rest}
        if kind == "tool":
            codec = {"kind": "tool-input", "toolCallId": call, "toolName": tool, "id": call}
            self._known_calls.add((run_id, call))
        stream = self._texts.open(inbound, codec)
        chunks = list(self._codec.start(stream))
        if stream.text:
            chunks += self._codec.delta(stream, stream.text)
        chunks += self._ended(inbound, stream)
        wire = Wire[UIMessageChunk](inbound.serial, run_id, stream=stream)
        return self._say(run_id, wire, chunks, live=live)

    def _known(self, inbound: Inbound, stream: StreamView, *, live: bool) -> UIChange | None:
        run_id = self._runs[inbound.serial]
        kind, _, call = (inbound.name or "").partition(":")
        if kind in _FATES:
            version = inbound.version or inbound.serial
            if version <= stream.version:
                return None
            stream.version = version
            return self._fate(inbound, run_id, kind, call, live=live)
        advanced = self._texts.advance(inbound, stream)
        if advanced is None:
            return None
        text, replaced = advanced
        chunks = list(self._codec.delta(stream, text)) if text and not replaced else []
        chunks += self._ended(inbound, stream)
        wire = self._nodes[run_id].wires[inbound.serial]
        return self._say(run_id, wire, chunks, live=live, replaced=replaced)

    def _ended(self, inbound: Inbound, stream: StreamView) -> list[UIMessageChunk]:
        event = (inbound.version_metadata or {}).get("event") or header(inbound, "event") or ""
        if stream.closed or not event.endswith(("-end", "tool-input-available")):
            return []
        stream.closed = True
        stream.closing = stream.codec
        return list(self._codec.end(stream))

    def _fate(
        self, inbound: Inbound, run_id: str, kind: str, call: str, *, live: bool
    ) -> UIChange | None:
        data = _object(inbound.data)
        serial = f"{inbound.serial}/{inbound.version or ''}"
        if serial in self._seen:
            return None
        self._seen.add(serial)
        chunks: list[UIMessageChunk] = []
        if (run_id, call) not in self._known_calls:  # history keeps only the fate
            self._known_calls.add((run_id, call))
            name = str(data.get("toolName", "tool"))
            chunks.append(c.ToolInputStart(tool_call_id=call, tool_name=name))
            given = data.get("input", c.ABSENT)
            chunks.append(c.ToolInputAvailable(tool_call_id=call, tool_name=name, input=given))
        chunks.append(_fate_chunk(kind, call, data))
        wire = Wire[UIMessageChunk](serial, run_id, chunks=tuple(chunks))
        return self._say(run_id, wire, chunks, live=live)

    def _whole(self, inbound: Inbound, run_id: str, name: str, *, live: bool) -> UIChange | None:
        data = _object(inbound.data)
        cls = _WHOLE.get(name)
        if cls is c.Abort and "errorText" in data:
            cls, data = c.Error, {"errorText": data["errorText"]}
        try:
            chunk: UIMessageChunk
            if cls is None:
                chunk = msgspec.convert({**data, "type": name}, c.DataChunk)
            else:
                chunk = msgspec.convert({**data, "type": cls.type}, cls)
        except msgspec.ValidationError:
            return None
        wire = Wire[UIMessageChunk](inbound.serial, run_id, chunks=(chunk,))
        said = self._say(run_id, wire, (chunk,), live=live)
        event: ChangeEvent | None = "run-start" if name == "start" else None
        if c.is_terminal(chunk):
            event = "run-end"
            text = chunk.error_text if isinstance(chunk, c.Error) else None
            reason = _REASONS[type(chunk)]
            self._end(run_id, inbound.serial, reason, text)  # type: ignore[arg-type]  # the table's values
        return UIChange(run_id=run_id, input_id=said.input_id, chunks=said.chunks, event=event)


def _fate_chunk(kind: str, call: str, data: Mapping[str, JSON]) -> UIMessageChunk:
    if kind == "tool-output":
        preliminary = True if data.get("preliminary") is True else c.ABSENT
        return c.ToolOutputAvailable(
            tool_call_id=call, output=data.get("output"), preliminary=preliminary
        )
    if kind == "tool-error":
        return c.ToolOutputError(tool_call_id=call, error_text=str(data.get("errorText", "")))
    if kind == "tool-approval":
        return c.ToolApprovalRequest(
            tool_call_id=call, approval_id=str(data.get("approvalId", call))
        )
    return c.ToolOutputDenied(tool_call_id=call)


def _object(data: JSON) -> Mapping[str, JSON]:
    """Read JSON text, or an object; anything else is empty."""
    if isinstance(data, str):
        try:
            data = json.loads(data)
        except ValueError:
            return {}
    return data if isinstance(data, Mapping) else {}
