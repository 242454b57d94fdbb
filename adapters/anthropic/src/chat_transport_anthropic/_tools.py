"""Tool blocks of Anthropic Messages into chunks: calls, server tools, MCP, and their results.

Rule: pure. A call is complete at the end of its block, never because its JSON parses.
Source: anthropic 2.11.0 block types; AI SDK 7.0.173 (@ai-sdk/anthropic 4.0.105) for the chunks.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeAlias

import msgspec

from chat_transport.chunks import (
    ABSENT,
    Absent,
    ProviderMetadata,
    SourceUrl,
    ToolInputAvailable,
    ToolInputDelta,
    ToolInputStart,
    ToolOutputAvailable,
    ToolOutputError,
    UIMessageChunk,
)
from chat_transport.step import to_json

from ._results import RESULT_TOOLS, is_failure, result_output
from ._sources import Document

if TYPE_CHECKING:
    from ._events import MessagesDecoder

__all__ = ["ToolBlocks"]

JSON: TypeAlias = Any  # any JSON value
Chunks: TypeAlias = list[UIMessageChunk]

_CODE_TOOLS = {
    "code_execution": "programmatic-tool-call",
    "bash_code_execution": "bash_code_execution",
    "text_editor_code_execution": "text_editor_code_execution",
}
"""Server tools that the message shows as `code_execution`, and the `type` their input gets."""


@dataclass(slots=True, kw_only=True)
class _Call:
    call_id: str
    name: str
    written: list[str] = field(default_factory=list[str])
    input_type: str | None = None
    """Goes first into the input of a code tool."""
    hosted: bool = False
    dynamic: bool = False
    metadata: dict[str, JSON] = field(default_factory=dict[str, JSON])
    member: str | None = None
    """The action of a toolset's call, whose input comes at the end of the block."""


class ToolBlocks:
    """The tool blocks of one message.

    Attributes:
        has_web_results: A web search has shown its hits as sources.
    """

    def __init__(
        self,
        step: MessagesDecoder,
        documents: list[Document],
        *,
        code_is_dynamic: bool,
        keeps_unknown: bool,
    ) -> None:
        self.has_web_results = False
        self._step = step
        self._documents = documents
        self._code_is_dynamic = code_is_dynamic
        self._keeps_unknown = keeps_unknown
        self._calls: dict[int, _Call] = {}
        self._mcp: dict[str, ProviderMetadata] = {}

    def whole(self, block: JSON) -> Chunks:
        """A call that came whole, inside `message_start`."""
        text = to_json(block.get("input") or {})
        call = _Call(call_id=block["id"], name=block["name"], written=[text])
        call.metadata = _caller(block)
        return [self._started(call), self._delta(call, text), self._available(call)]

    def start(self, index: int, block: JSON) -> Chunks:
        """A tool block begins; a result comes whole."""
        kind = block["type"]
        if kind == "tool_use":
            return self._call_start(index, block)
        if kind == "server_tool_use":
            return self._server_start(index, block)
        if kind == "mcp_tool_use":
            return self._mcp_start(block)
        if kind == "mcp_tool_result":
            return self._mcp_result(block)
        return self._result(block) if kind in RESULT_TOOLS else []

    def delta(self, index: int, text: str) -> Chunks:
        """More of a call's input."""
        call = self._calls.get(index)
        if call is None or not text:
            return []
        if call.member is not None:
            call.written.append(text)
            return []
        if call.input_type is not None and not call.written:
            text = f'{{"type": "{call.input_type}",{text[1:]}'
        call.written.append(text)
        return [self._delta(call, text)]

    def stop(self, index: int) -> Chunks:
        """A tool block is complete."""
        call = self._calls.pop(index, None)
        if call is None:
            return []
        if call.member is None:
            return [self._available(call)]
        try:
            value = msgspec.json.decode("".join(call.written) or "{}")
        except msgspec.DecodeError:
            return [self._available(call)]
        call.written = [to_json({"action": call.member, **value})]
        return [self._delta(call, call.written[0]), self._available(call)]

    # -- calls

    def _call_start(self, index: int, block: JSON) -> Chunks:
        toolset = block.get("toolset_name")
        call = _Call(call_id=block["id"], name=toolset or block["name"])
        if toolset is not None:
            call.member = block["name"]
            call.metadata["toolsetName"] = toolset
        call.metadata |= _caller(block)
        if block.get("input"):  # not by deltas, but at once
            call.written.append(to_json(block["input"]))
        self._calls[index] = call
        return [self._started(call)]

    def _server_start(self, index: int, block: JSON) -> Chunks:
        name = block["name"]
        call = _Call(call_id=block["id"], name=name, hosted=True, metadata=_caller(block))
        if name in _CODE_TOOLS:
            call.name = "code_execution"
            call.input_type = _CODE_TOOLS[name]
            call.dynamic = self._code_is_dynamic
        if name == "advisor":
            call.written.append("{}")
        elif block.get("input") and name in {*_CODE_TOOLS, "web_search", "web_fetch"}:
            call.written.append(to_json(block["input"]))
        self._calls[index] = call
        return [self._started(call)]

    def _started(self, call: _Call) -> ToolInputStart:
        return ToolInputStart(
            tool_call_id=call.call_id,
            tool_name=call.name,
            provider_executed=True if call.hosted else ABSENT,
            dynamic=True if call.dynamic else ABSENT,
        )

    def _delta(self, call: _Call, text: str) -> ToolInputDelta:
        return ToolInputDelta(tool_call_id=call.call_id, input_text_delta=text)

    def _available(self, call: _Call) -> UIMessageChunk:
        chunk = self._step.tool_input(
            call.call_id,
            call.name,
            "".join(call.written),
            provider_executed=True if call.hosted else ABSENT,
            provider_metadata={"anthropic": call.metadata} if call.metadata else ABSENT,
            dynamic=True if call.dynamic else ABSENT,
        )
        if call.input_type == "programmatic-tool-call" and isinstance(chunk, ToolInputAvailable):
            value = chunk.input
            if isinstance(value, dict) and "code" in value and "type" not in value:
                named = {"type": call.input_type, **value}
                return msgspec.structs.replace(chunk, input=named)
        return chunk

    # -- MCP

    def _mcp_start(self, block: JSON) -> Chunks:
        fields = {"type": "mcp-tool-use", "serverName": block.get("server_name")}
        self._mcp[block["id"]] = {"anthropic": fields}
        return [
            ToolInputAvailable(
                tool_call_id=block["id"],
                tool_name=block["name"],
                input=block.get("input") or {},
                provider_executed=True,
                provider_metadata={"anthropic": fields},
                dynamic=True,
            )
        ]

    def _mcp_result(self, block: JSON) -> Chunks:
        call_id = block["tool_use_id"]
        metadata = self._mcp.get(call_id, ABSENT)
        if block.get("is_error"):
            return [self._failed(call_id, block.get("content"), metadata, dynamic=True)]
        return [
            ToolOutputAvailable(
                tool_call_id=call_id,
                output=block.get("content"),
                provider_executed=True,
                provider_metadata=metadata,
                dynamic=True,
            )
        ]

    def _failed(
        self,
        call_id: str,
        result: JSON,
        metadata: ProviderMetadata | Absent,
        *,
        dynamic: bool | Absent = ABSENT,
    ) -> ToolOutputError:
        return ToolOutputError(
            tool_call_id=call_id,
            error_text=result if isinstance(result, str) else to_json(result),
            provider_executed=True,
            provider_metadata=metadata,
            dynamic=dynamic,
        )

    # -- results of server tools

    def _result(self, block: JSON) -> Chunks:
        call_id, content = block["tool_use_id"], block["content"]
        kind = block["type"]
        metadata: ProviderMetadata | Absent = ABSENT
        if kind in {"web_search_tool_result", "web_fetch_tool_result"} and _caller(block):
            metadata = {"anthropic": _caller(block)}
        output = result_output(kind, content, keeps_unknown=self._keeps_unknown)
        if is_failure(kind, content):
            return [self._failed(call_id, output, metadata)]
        given = ToolOutputAvailable(
            tool_call_id=call_id,
            output=output,
            provider_executed=True,
            provider_metadata=metadata,
        )
        if kind == "web_fetch_tool_result":
            self._note_document(content)
        if kind != "web_search_tool_result":
            return [given]
        self.has_web_results = self.has_web_results or bool(content)
        return [given, *(self._hit(result) for result in content)]

    def _note_document(self, content: JSON) -> None:
        fetched = content["content"]
        self._documents.append(
            Document(
                title=fetched.get("title") or content["url"],
                media_type=fetched["source"]["media_type"],
            )
        )

    def _hit(self, result: JSON) -> SourceUrl:
        title = result.get("title")
        return SourceUrl(
            source_id=self._step.source_id(),
            url=result["url"],
            title=ABSENT if title is None else title,
            provider_metadata={"anthropic": {"pageAge": result.get("page_age")}},
        )


def _caller(block: JSON) -> dict[str, JSON]:
    """Who called the tool, where it was a program of the model."""
    caller = block.get("caller")
    if caller is None:
        return {}
    named = {"type": caller.get("type")}
    if caller.get("tool_id") is not None:
        named["toolId"] = caller["tool_id"]
    return {"caller": named}
