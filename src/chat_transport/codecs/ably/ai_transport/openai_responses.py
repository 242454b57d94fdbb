"""OpenAI Responses events in the codec tier (`openai-responses`), and the items built from them.

Rule: events and items are the JSON of the Responses API, as plain objects; what readers rebuild
from streams is not sent twice. There is no terminal event: readers rely on the run's end.
Source: @ably/ai-transport 0.8.0, `openai/codec/descriptors.ts`; OpenAI Responses API.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, TypeAlias

import msgspec

from ....errors import LocalProtocolError
from . import headers as h
from .payload import Close, Grow, InputWords, Open, Payload, StreamView, Whole
from .responses_fold import ResponsesFold, ResponsesMessage
from .runs import RunTree

__all__ = ["ResponsesCodec", "ResponsesConversation", "ResponsesEvent"]

JSON: TypeAlias = Any  # any JSON value
ResponsesEvent: TypeAlias = dict[str, JSON]


@dataclass(frozen=True, slots=True)
class _Row:
    """One streamed kind: who opens, grows and completes it, and which index names its slot."""

    kind: str
    opened_by: str
    part: str
    index: str
    result: str = "text"

    @property
    def grown_by(self) -> str:
        return f"response.{self.kind}.delta"

    @property
    def closed_by(self) -> str:
        return f"response.{self.kind}.done"


_PART_ADDED: Final = "response.content_part.added"
_SUMMARY_ADDED: Final = "response.reasoning_summary_part.added"
_ITEM_ADDED: Final = "response.output_item.added"
_ITEM_DONE: Final = "response.output_item.done"
_INTO_ITEMS = (_PART_ADDED, _SUMMARY_ADDED)
_ARGUMENTS: Final = "function_call_arguments"
_ROWS = (
    _Row("output_text", _PART_ADDED, "output_text", "content_index"),
    _Row("refusal", _PART_ADDED, "refusal", "content_index", "refusal"),
    _Row("reasoning_text", _PART_ADDED, "reasoning_text", "content_index"),
    _Row("reasoning_summary_text", _SUMMARY_ADDED, "summary_text", "summary_index"),
)
_BY_KIND = {row.kind: row for row in _ROWS}
_BY_PART = {(row.opened_by, row.part): row for row in _ROWS}
_BY_DELTA = {row.grown_by: row for row in _ROWS}
_BY_DONE = {row.closed_by: row for row in _ROWS}
_SILENT = frozenset(
    {
        "response.created", "response.in_progress", "response.queued", "response.completed",
        "response.incomplete", "response.failed", "error", "response.content_part.done",
        "response.reasoning_summary_part.done",
    }
)  # fmt: skip
"""Never sent: run end and rebuilt text say the same."""


class ResponsesCodec:
    """Events of the OpenAI Responses stream."""

    words = InputWords(call="call_id", text="input_text", names_messages=False)

    def encode(self, chunk: ResponsesEvent, message_id: str) -> Sequence[Payload]:
        """Say what to send; see `PayloadCodec.encode`."""
        kind = chunk.get("type", "")
        if kind in _SILENT:
            return ()
        if (row := _BY_DELTA.get(kind)) is not None:
            return (Grow(_slot(chunk, row), chunk["delta"]),)
        if (row := _BY_DONE.get(kind)) is not None:
            return (Close(_slot(chunk, row), {}),)
        if (row := _BY_PART.get((kind, chunk.get("part", {}).get("type", "")))) is not None:
            return (Open(_slot(chunk, row), _slot_headers(chunk, row)),)
        if kind == f"response.{_ARGUMENTS}.delta":
            return (Grow(chunk["item_id"], chunk["delta"]),)
        if kind == f"response.{_ARGUMENTS}.done":
            return (Close(chunk["item_id"], {}, chunk.get("arguments", "")),)
        return (_discrete(chunk),)

    def start(self, stream: StreamView) -> Sequence[ResponsesEvent]:
        """Give the events of a stream's begin."""
        row = _BY_KIND.get(stream.codec.get(h.KIND, ""))
        if row is not None:
            slot = _slot_of(stream.codec, row)
            return ({"type": row.opened_by, **slot, "part": _parsed(stream.codec.get("part"))},)
        if stream.codec.get(h.KIND) == _ARGUMENTS:
            item, index = _parsed(stream.codec.get("item")), stream.codec.get("output_index")
            return ({"type": _ITEM_ADDED, "item": item, "output_index": _number(index)},)
        return ()

    def delta(self, stream: StreamView, text: str) -> Sequence[ResponsesEvent]:
        """Give the events of more text."""
        row = _BY_KIND.get(stream.codec.get(h.KIND, ""))
        if row is not None:
            return ({"type": row.grown_by, **_slot_of(stream.codec, row), "delta": text},)
        if stream.codec.get(h.KIND) == _ARGUMENTS:
            return ({"type": f"response.{_ARGUMENTS}.delta", **_call_of(stream), "delta": text},)
        return ()

    def end(self, stream: StreamView) -> Sequence[ResponsesEvent]:
        """Give the events of a stream's completion."""
        row = _BY_KIND.get(stream.codec.get(h.KIND, ""))
        if row is not None:
            slot = _slot_of(stream.closing or stream.codec, row)
            return ({"type": row.closed_by, **slot, row.result: stream.text},)
        if stream.codec.get(h.KIND) == _ARGUMENTS:
            said = {**_call_of(stream), "arguments": stream.text}
            return ({"type": f"response.{_ARGUMENTS}.done", **said},)
        return ()

    def whole(self, codec: Mapping[str, str], data: JSON) -> Sequence[ResponsesEvent]:
        """Give the events of a discrete message."""
        kind = codec.get(h.KIND, "")
        if kind in (_ITEM_ADDED, _ITEM_DONE, "function_call_output"):
            item = data.get("item") if isinstance(data, Mapping) else None
            return ({"type": kind, "item": item},) if isinstance(item, Mapping) else ()
        if kind == "tool-approval-request":
            arguments = data if isinstance(data, str) else ""
            named = {"call_id": codec.get("call_id", ""), "name": codec.get("name", "")}
            return ({"type": kind, **named, "arguments": arguments},)
        return ()


class ResponsesConversation(RunTree[ResponsesEvent, ResponsesMessage]):
    """The items of one channel whose agent speaks Responses events."""

    def __init__(self) -> None:
        super().__init__(
            ResponsesCodec(), new_fold=ResponsesFold, new_repair=lambda _: _ItemRepair().feed
        )


class _ItemRepair:
    """Puts in the item that a part belongs to, for readers that joined after it was added."""

    def __init__(self) -> None:
        self._seen: set[str] = set()

    def feed(self, events: Sequence[ResponsesEvent]) -> list[ResponsesEvent]:
        out: list[ResponsesEvent] = []
        for event in events:
            if event["type"] == _ITEM_ADDED:
                self._seen.add(event["item"].get("id", ""))
            elif event["type"] in _INTO_ITEMS and event["item_id"] not in self._seen:
                self._seen.add(event["item_id"])
                out.append({"type": _ITEM_ADDED, "item": container_of(event)})
            out.append(event)
        return out


def container_of(event: ResponsesEvent) -> dict[str, JSON]:
    """Give the bare item that a part event must belong to."""
    part = event.get("part") or {}
    if part.get("type") in ("output_text", "refusal"):
        message = {"type": "message", "role": "assistant", "status": "in_progress", "content": []}
        return {"id": event["item_id"], **message}
    return {"id": event["item_id"], "type": "reasoning", "summary": []}


def _slot(event: ResponsesEvent, row: _Row) -> str:
    place = "summary:" if row.index == "summary_index" else ""
    return f"{event['item_id']}:{place}{event[row.index]}"


def _slot_headers(event: ResponsesEvent, row: _Row) -> dict[str, str]:
    return {
        h.KIND: row.kind,
        "item_id": event["item_id"],
        "output_index": str(event["output_index"]),
        row.index: str(event[row.index]),
        "part": msgspec.json.encode(event["part"]).decode(),
    }


def _slot_of(codec: Mapping[str, str], row: _Row) -> dict[str, JSON]:
    return {
        "item_id": codec.get("item_id", ""),
        "output_index": _number(codec.get("output_index")),
        row.index: _number(codec.get(row.index)),
    }


def _call_of(stream: StreamView) -> dict[str, JSON]:
    item = _parsed(stream.codec.get("item")) or {}
    index = _number(stream.codec.get("output_index"))
    return {"item_id": item.get("id", stream.stream_id), "output_index": index}


def _discrete(event: ResponsesEvent) -> Payload:
    kind = event.get("type", "")
    item = event.get("item") or {}
    if kind == _ITEM_ADDED and item.get("type") == "function_call":
        if not item.get("id"):
            raise LocalProtocolError("unable to stream a function call; its item has no id")
        index = str(event.get("output_index", 0))
        codec = {"item": msgspec.json.encode(item).decode(), "output_index": index}
        return Open(item["id"], {h.KIND: _ARGUMENTS, **codec})
    if kind == _ITEM_ADDED and item.get("type") in ("message", "reasoning"):
        return Whole({h.KIND: kind}, {"item": item})
    if kind == _ITEM_DONE and item.get("type") in ("message", "reasoning", "function_call"):
        return Whole({h.KIND: kind}, {"item": _done(item)})
    if kind == "function_call_output":
        return Whole({h.KIND: kind}, {"item": item})
    if kind == "tool-approval-request":
        named = {"call_id": event["call_id"], "name": event["name"]}
        return Whole({h.KIND: kind, **named}, event["arguments"])
    what = f"{kind!r} of {item.get('type')!r}" if item else repr(kind)
    raise LocalProtocolError(
        f"unable to send {what}; the Responses wire of AI Transport 0.8 has no place for it"
    )


def _done(item: Mapping[str, JSON]) -> dict[str, JSON]:
    """Reduce a finished item to what readers cannot rebuild from its streams."""
    kept = {key: item[key] for key in ("type", "id", "status") if key in item}
    if isinstance(item.get("encrypted_content"), str):
        kept["encrypted_content"] = item["encrypted_content"]
    content = item.get("content") if item["type"] == "message" else None
    if content and any(part.get("logprobs") for part in content):
        kept["content"] = [_logprobs(part) for part in content]
    return kept


def _logprobs(part: Mapping[str, JSON]) -> dict[str, JSON]:
    bare = {"type": part["type"]}
    return {**bare, "logprobs": part["logprobs"]} if part.get("logprobs") else bare


def _parsed(text: str | None) -> JSON:
    try:
        return msgspec.json.decode(text) if text else None
    except msgspec.DecodeError:
        return None


def _number(text: str | None) -> int:
    return int(text) if text and text.isdecimal() else 0
