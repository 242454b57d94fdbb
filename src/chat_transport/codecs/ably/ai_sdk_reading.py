"""Reads the wire of `ably-ai-sdk-transport`, either end.

Rule: a message found in history is the sum of its appends and updates: what it was before is put
back as far as the wire tells it.
Source: as `ai_sdk_transport`.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any, Final, TypeAlias

import msgspec
from pydantic import ValidationError

from ... import chunks as c
from ...chunks import UIMessageChunk
from ...messages import UIMessage
from .ai_sdk_transport import CALL_FIELDS, DROPS, WORD_FIELDS, KnownCall
from .ai_sdk_turns import AiSdkTurns
from .ai_transport.changes import Cancel, ChangeEvent, Trigger
from .ai_transport.facts import RunReason
from .ai_transport.fields import read_fields
from .ai_transport.input_events import MessageSaid, Regenerated
from .ai_transport.nodes import Wire
from .ai_transport.payload import StreamView
from .operations import Inbound
from .prompts import header
from .turns import GrownText, TurnAct, UIChange

__all__ = ["AiSdkConversation", "said_message"]

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
_GROWN: Final = ("text", "reasoning", "tool")
_FATES: Final[Mapping[str, type[UIMessageChunk]]] = {
    "tool-output": c.ToolOutputAvailable,
    "tool-error": c.ToolOutputError,
    "tool-approval": c.ToolApprovalRequest,
    "tool-denied": c.ToolOutputDenied,
}
_DEFAULTS: Final[Mapping[str, JSON]] = {"output": None, "errorText": "", "toolName": "tool"}
_REASONS: Final[Mapping[type[UIMessageChunk], RunReason]] = {
    c.Finish: "complete",
    c.Abort: "cancelled",
    c.Error: "error",
}
_CARRIED: Final = (*(field.key for field in (*WORD_FIELDS, *CALL_FIELDS)), "citations")


def said_message(inbound: Inbound) -> UIMessage | None:
    """Give what a client says or gives back; None for other messages, and malformed ones."""
    if inbound.name != "chat-message":
        return None
    try:
        return UIMessage.model_validate(_object(inbound.data).get("message"))
    except ValidationError:
        return None


class AiSdkConversation(AiSdkTurns):
    """One channel of that wire."""

    drops = DROPS

    def __init__(self, *, is_judged: bool = False) -> None:
        super().__init__(is_judged=is_judged)
        self._texts = GrownText()
        self._runs: dict[str, str] = {}
        self._prompts: dict[str, str | None] = {}
        self._begun: set[tuple[str, str]] = set()
        self._calls: dict[tuple[str, str], KnownCall] = {}

    def feed(self, inbound: Inbound, *, live: bool = True) -> UIChange | None:
        """Take a delivery; None if it says nothing new."""
        name = inbound.name or ""
        if name in _INPUTS:
            return self._input(inbound, name) if self._first_sight(inbound) else None
        stream = self._texts.known(inbound.serial)
        if stream is not None:
            return self._known(inbound, stream, live=live)
        kind, _, rest = name.partition(":")
        if not (kind in _GROWN or kind in _FATES or name in _WHOLE or name.startswith("data-")):
            return None
        if kind in _GROWN and rest:
            return self._opened(inbound, kind, rest, live=live)
        if kind in _FATES:
            return self._fate(inbound, kind, rest, live=live)
        if not self._first_sight(inbound):
            return None
        return self._whole(inbound, name, live=live)

    def act_of(self, inbound: Inbound) -> tuple[TurnAct, str | None] | None:
        """Say what a message wants."""
        name = inbound.name or ""
        if name == "user-abort":
            return "cancel", header(inbound, "promptId")
        if name in _INPUTS:
            return "start", None
        kind = name.partition(":")[0]
        ours = not kind or kind in _GROWN or kind in _FATES or name in _WHOLE
        return ("speak", None) if ours or name.startswith("data-") else None

    def calls(self, run_id: str) -> Mapping[str, KnownCall]:
        """Give the calls of a reply that are not at their ends, by id."""
        calls = self._open_calls.get(run_id, ())
        return {
            call: known
            for (run, call), known in self._calls.items()
            if run == run_id and call in calls
        }

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
            run_id = None if prompt_id is None else self.run_key(prompt_id)
            return UIChange(event="cancel", run_id=run_id, input_id=prompt_id, cancel=cancel)
        event: MessageSaid | Regenerated
        if name == "regenerate":
            target = _object(inbound.data).get("messageId")
            event = Regenerated(target=target if isinstance(target, str) else "")
        else:
            message = said_message(inbound)
            if message is None:
                return None
            event = MessageSaid(message=message)
        input_id = prompt_id or inbound.serial
        trigger = Trigger(
            serial=inbound.serial,
            input_id=input_id,
            event_id=input_id,
            event=event,
            role="user",
            client_id=inbound.client_id,
            user_claim=inbound.user_claim,
        )
        if isinstance(event, MessageSaid) and event.message.role == "user":
            return self._replace_or_add(trigger)
        if input_id in self._triggers:
            return None  # a prompt's id is used once
        if isinstance(event, Regenerated):
            self._triggers[input_id] = trigger
            return UIChange(event="input", input=trigger, input_id=input_id, replaced=True)
        return (
            self._give_back(trigger, event.message) if event.message.role == "assistant" else None
        )

    # -- outputs -----------------------------------------------------------------

    def _speaks(
        self, inbound: Inbound, at: str | None = None
    ) -> tuple[str, str | None, ChangeEvent | None]:
        """Give the reply that a message belongs to, its prompt, and whether it begins it.

        Without a prompt it belongs to the reply under way.
        """
        prompt_id = header(inbound, "promptId") or self._prompts.get(inbound.serial)
        run_id = self._runs.get(inbound.serial)
        if prompt_id is not None:
            run_id = self.run_key(prompt_id)
        elif run_id is None:
            active = self.active_runs()
            run_id = active[-1].run_id if active else f"reply-{inbound.serial}"
            prompt_id = active[-1].input_ids[-1] if active and active[-1].input_ids else None
        self._runs.setdefault(inbound.serial, run_id)
        self._prompts.setdefault(inbound.serial, prompt_id)
        if not self._note_pass(run_id, prompt_id, at or inbound.serial):
            return run_id, prompt_id, None
        is_more = self.goes_on_with(run_id, prompt_id) is not None
        return run_id, prompt_id, "run-resume" if is_more else "run-start"

    def _opened(self, inbound: Inbound, kind: str, rest: str, *, live: bool) -> UIChange:
        run_id, prompt_id, event = self._speaks(inbound)
        codec = {"id": rest, **_carried(inbound), "kind": kind}
        if kind == "tool":
            call, _, tool = rest.partition(":")
            codec |= {"kind": "tool-input", "toolCallId": call, "toolName": tool, "id": call}
            self._begun.add((run_id, call))
            self._open_calls.setdefault(run_id, set()).add(call)
        stream = self._texts.open(inbound, codec)
        chunks = list(self._codec.start(stream))
        if stream.text:
            chunks += self._codec.delta(stream, stream.text)
        chunks += self._ended(inbound, stream, run_id)
        wire = Wire[UIMessageChunk](inbound.serial, run_id, stream=stream)
        said = self._say(run_id, wire, chunks, live=live)
        return msgspec.structs.replace(said, input_id=prompt_id, event=event)

    def _known(self, inbound: Inbound, stream: StreamView, *, live: bool) -> UIChange | None:
        kind, _, call = (inbound.name or "").partition(":")
        if kind in _FATES:
            version = inbound.version or inbound.serial
            if version <= stream.version:
                return None
            stream.version = version
            return self._fate(inbound, kind, call, live=live)
        advanced = self._texts.advance(inbound, stream)
        if advanced is None:
            return None
        text, replaced = advanced
        run_id = self._runs[inbound.serial]
        chunks = list(self._codec.delta(stream, text)) if text and not replaced else []
        chunks += self._ended(inbound, stream, run_id)
        wire = self._nodes[run_id].wires[inbound.serial]
        said = self._say(run_id, wire, chunks, live=live, replaced=replaced)
        prompt_id = self._prompts[inbound.serial]
        if said.input_id == prompt_id:  # nearly always
            return said
        return msgspec.structs.replace(said, input_id=prompt_id)

    def _ended(self, inbound: Inbound, stream: StreamView, run_id: str) -> list[UIMessageChunk]:
        event = (inbound.version_metadata or {}).get("event") or header(inbound, "event") or ""
        if stream.closed or not event.endswith(("-end", "tool-input-available")):
            return []
        stream.closed = True
        stream.closing = {**stream.codec, **_carried(inbound), "id": stream.codec["id"]}
        said = list(self._codec.end(stream))
        for chunk in said:
            if isinstance(chunk, c.ToolInputAvailable):
                self._calls[run_id, chunk.tool_call_id] = KnownCall(
                    serial=inbound.serial,
                    tool_name=chunk.tool_name,
                    input=chunk.input,
                    headers=_carried(inbound),
                )
        return said

    # -- the fates of tools ------------------------------------------------------

    def _fate(self, inbound: Inbound, kind: str, call: str, *, live: bool) -> UIChange | None:
        version = inbound.version or inbound.serial
        serial = f"{version}/{kind}"
        if serial in self._seen:
            return None
        data = {**_DEFAULTS, "approvalId": call, **_object(inbound.data), "toolCallId": call}
        chunk = self._fate_chunk(inbound, kind, data)
        if chunk is None:
            return None
        self._seen.add(serial)
        run_id, prompt_id, event = self._speaks(inbound, version)
        before = self._restored(inbound, run_id, chunk, data, live=live)
        is_final = kind != "tool-approval" and getattr(chunk, "preliminary", None) is not True
        calls = self._open_calls.setdefault(run_id, set())
        calls.discard(call) if is_final else calls.add(call)
        wire = Wire[UIMessageChunk](serial, run_id, chunks=(chunk,))
        said = self._say(run_id, wire, (chunk,), live=live)
        return msgspec.structs.replace(
            said, input_id=prompt_id, event=event, chunks=(*before, *said.chunks)
        )

    def _fate_chunk(
        self, inbound: Inbound, kind: str, data: dict[str, JSON]
    ) -> UIMessageChunk | None:
        cls = _FATES[kind]
        stream = self._texts.known(inbound.serial)
        is_open = stream is not None and not stream.closed
        if kind == "tool-error" and (is_open or header(inbound, "event") == "tool-input-error"):
            cls = c.ToolInputError
            data = {"input": stream.text if stream is not None else None, **data}
        if stream is not None:
            stream.closed = True
            data["toolName"] = stream.codec["toolName"]
        try:
            return msgspec.convert({**data, "type": cls.type}, cls)
        except msgspec.ValidationError:
            return None

    def _restored(
        self,
        inbound: Inbound,
        run_id: str,
        fate: UIMessageChunk,
        data: Mapping[str, JSON],
        *,
        live: bool,
    ) -> Sequence[UIMessageChunk]:
        """Tell the call itself, where history keeps only its fate."""
        call = data["toolCallId"]
        if (run_id, call) in self._begun or (
            isinstance(fate, c.ToolApprovalRequest) and inbound.action == "create"
        ):
            return ()
        self._begun.add((run_id, call))
        fields = read_fields(CALL_FIELDS, _carried(inbound))
        fields |= {"tool_call_id": call, "tool_name": str(data["toolName"])}
        chunks: list[UIMessageChunk] = [c.ToolInputStart(**fields)]
        if not isinstance(fate, c.ToolInputError):
            fields.pop("input_encoding", None)
            chunks.append(c.ToolInputAvailable(**fields, input=data.get("input", c.ABSENT)))
        wire = Wire[UIMessageChunk](inbound.serial, run_id, chunks=tuple(chunks))
        return self._say(run_id, wire, chunks, live=live).chunks

    # -- whole messages ----------------------------------------------------------

    def _whole(self, inbound: Inbound, name: str, *, live: bool) -> UIChange | None:
        chunk = _whole_chunk(inbound, name)
        if chunk is None:
            return None
        run_id, prompt_id, event = self._speaks(inbound)
        if isinstance(chunk, c.Start) and isinstance(chunk.message_id, str):
            self._learn(chunk.message_id, run_id)
        wire = Wire[UIMessageChunk](inbound.serial, run_id, chunks=(chunk,))
        said = self._say(run_id, wire, (chunk,), live=live)
        if c.is_terminal(chunk):
            text = chunk.error_text if isinstance(chunk, c.Error) else None
            reason = _REASONS[type(chunk)]
            self._end_pass(run_id, prompt_id, inbound.serial, reason, text)
            run = self.run(run_id)
            is_waiting = run is not None and run.state == "suspended"
            event = "run-suspend" if is_waiting else "run-end"
            if header(inbound, "refused") is not None:
                self._refuse(prompt_id)
        return msgspec.structs.replace(said, input_id=prompt_id, event=event)

    def _moved(self, old: str, new: str) -> None:
        self._runs = {serial: new if r == old else r for serial, r in self._runs.items()}
        self._begun = {(new if r == old else r, call) for r, call in self._begun}
        self._calls = {(new if r == old else r, call): k for (r, call), k in self._calls.items()}


def _whole_chunk(inbound: Inbound, name: str) -> UIMessageChunk | None:
    data = dict(_object(inbound.data))
    cls = _WHOLE.get(name, c.DataChunk)
    if cls is c.Abort and "errorText" in data:
        cls, data = c.Error, {"errorText": data["errorText"]}
    if cls is c.DataChunk and inbound.extras is not None and inbound.extras.get("ephemeral"):
        data["transient"] = True
    try:
        return msgspec.convert({**data, "type": name if cls is c.DataChunk else cls.type}, cls)
    except msgspec.ValidationError:
        return None


def _carried(inbound: Inbound) -> dict[str, str]:
    """Give the headers that hold fields of a part."""
    headers = inbound.extras.get("headers") if inbound.extras else None
    known: Mapping[str, JSON] = headers if isinstance(headers, Mapping) else {}
    return {key: known[key] for key in _CARRIED if isinstance(known.get(key), str)}


def _object(data: JSON) -> Mapping[str, JSON]:
    """Read JSON text, or an object; anything else is empty."""
    if isinstance(data, str):
        try:
            data = json.loads(data)
        except ValueError:
            return {}
    return data if isinstance(data, Mapping) else {}
