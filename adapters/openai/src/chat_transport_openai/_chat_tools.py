"""Tool calls of Chat Completions: deltas that name their call by id, by index, or not at all.

Rule: pure. A call ends with the stream, never because its JSON happens to parse.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, TypeAlias

import msgspec

from chat_transport.chunks import (
    ABSENT,
    Absent,
    ProviderMetadata,
    ToolInputDelta,
    ToolInputStart,
    ToolOutputAvailable,
    UIMessageChunk,
)
from chat_transport.step import StepDecoder

__all__ = ["ToolCalls"]

JSON: TypeAlias = Any  # any JSON value
Chunks: TypeAlias = list[UIMessageChunk]


@dataclass(slots=True, kw_only=True)
class _Call:
    call_id: str | None
    name: str | None
    order: tuple[int, int]
    written: list[str] = field(default_factory=list[str])
    metadata: ProviderMetadata | Absent = ABSENT
    is_shown: bool = False
    is_ended: bool = False


class ToolCalls:
    """The calls of one reply."""

    def __init__(self, step: StepDecoder, provider: str) -> None:
        self._step = step
        self._provider = provider
        self._calls: list[_Call] = []
        self._by_id: dict[str, _Call] = {}
        self._by_index: dict[int, _Call] = {}
        self._executed: set[str] = set()

    @property
    def has_calls(self) -> bool:
        """Whether the model has called a tool."""
        return bool(self._calls)

    def feed(self, delta: JSON) -> Chunks:
        """Take one delta."""
        function = delta.get("function") or {}
        index = delta.get("index")
        call_id = (delta.get("id") or "").strip() or None
        name = (function.get("name") or "").strip() or None
        arguments = function.get("arguments")
        if arguments is not None and not isinstance(arguments, str):
            arguments = msgspec.json.encode(arguments).decode()
        call = self._find(call_id, index, name, arguments)
        if call is None:
            if function.get("name") == "":  # a continuation of nothing
                return []
            call = _Call(call_id=call_id, name=name, order=(index or 0, len(self._calls)))
            self._calls.append(call)
        if call_id is not None:
            self._by_id[call_id] = call
            call.call_id = call.call_id or call_id
        if index is not None:
            self._by_index[index] = call
        call.name = call.name or name
        signature = ((delta.get("extra_content") or {}).get("google") or {}).get(
            "thought_signature"
        )
        if signature:
            call.metadata = {self._provider: {"thoughtSignature": signature}}
        return self._show(call, arguments)

    def _find(
        self, call_id: str | None, index: int | None, name: str | None, arguments: str | None
    ) -> _Call | None:
        starts = name is not None and (arguments or "").lstrip()[:1] in {"{", "["}
        call = self._by_id.get(call_id) if call_id else None
        if call is None and index is not None and index in self._by_index:
            call = self._by_index[index]
            if call_id and (starts or (call.name and name and name != call.name)):
                return None
        if call is not None:
            if name and call.name and name != call.name:
                return None
            return None if starts and _is_complete(call) else call
        if call_id or name:
            return None
        return self._calls[-1] if self._calls else None

    def _show(self, call: _Call, arguments: str | None) -> Chunks:
        if arguments:
            call.written.append(arguments)
        if call.name is None:  # some servers give the name later
            return []
        chunks: Chunks = []
        if not call.is_shown:
            call.is_shown = True
            if call.call_id is None or self._is_taken(call):
                call.call_id = self._new_id(call)
            chunks.append(ToolInputStart(tool_call_id=call.call_id, tool_name=call.name))
            arguments = "".join(call.written) or None
        if arguments is not None:
            delta = ToolInputDelta(tool_call_id=call.call_id or "", input_text_delta=arguments)
            chunks.append(delta)
        return chunks

    def _is_taken(self, call: _Call) -> bool:
        return any(one.call_id == call.call_id and one is not call for one in self._calls)

    def _new_id(self, call: _Call) -> str:
        reply = self._step.metadata.get("responseId") or "chat"
        return f"{reply}-call-{call.order[1]}"

    def flush(self) -> Chunks:
        """End every call that is not ended, in the order of their indices."""
        chunks: Chunks = []
        for call in sorted(self._calls, key=lambda one: one.order):
            if call.is_ended:
                continue
            call.is_ended = True
            if call.name is None:
                chunks += self._step.fail("the provider sent a tool call without a name")
                continue
            available = self._step.tool_input(
                call.call_id or "",
                call.name,
                "".join(call.written),
                provider_metadata=call.metadata,
            )
            chunks.append(available)
        return chunks

    def executed(self, tools: JSON) -> Chunks:
        """Show tools that the server has run by itself (Groq compound models)."""
        chunks: Chunks = []
        for tool in tools:
            name = tool.get("name") or tool.get("type") or "tool"
            reply = self._step.metadata.get("responseId") or "chat"
            call_id = f"{reply}-executed-{tool.get('index', 0)}"
            if call_id not in self._executed:
                self._executed.add(call_id)
                start = ToolInputStart(tool_call_id=call_id, tool_name=name, provider_executed=True)
                text = tool.get("arguments") or ""
                available = self._step.tool_input(call_id, name, text, provider_executed=True)
                chunks += [start, available]
            if tool.get("output") is not None:
                result = {
                    key: value
                    for key, value in tool.items()
                    if key not in {"index", "type", "name", "arguments"} and value is not None
                }
                chunks.append(
                    ToolOutputAvailable(tool_call_id=call_id, output=result, provider_executed=True)
                )
        return chunks


def _is_complete(call: _Call) -> bool:
    try:
        msgspec.json.decode("".join(call.written))
    except msgspec.DecodeError:
        return False
    return True
