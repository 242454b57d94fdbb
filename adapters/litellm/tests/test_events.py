"""What LiteLLM adds to Chat Completions; needs no SDK."""

from __future__ import annotations

from typing import Any

from chat_transport_litellm import LiteLLMDecoder

from chat_transport.chunks import (
    Finish,
    ReasoningDelta,
    ReasoningStart,
    SourceUrl,
    ToolInputAvailable,
    ToolOutputAvailable,
    UIMessageChunk,
)
from chat_transport.testing.grammar import grammar_faults


def said(*deltas: dict[str, Any], finish: str = "stop") -> list[UIMessageChunk]:
    step = LiteLLMDecoder()
    chunks: list[UIMessageChunk] = []
    for delta in deltas:
        event = {"id": "i", "model": "m", "choices": [{"index": 0, "delta": delta}]}
        chunks += step.feed(event)
    last = {"choices": [{"index": 0, "delta": {}, "finish_reason": finish}]}
    chunks += step.feed(last)
    chunks += step.end()
    assert grammar_faults(chunks) == []
    return chunks


def hosted(arguments: str, call_id: str | None = "srvtoolu_1") -> dict[str, Any]:
    function = {"name": "web_search" if call_id else None, "arguments": arguments}
    return {"tool_calls": [{"index": 0, "id": call_id, "function": function}]}


def test_server_tools_are_the_providers_and_do_not_end_the_step_for_tools():
    hit = {"type": "web_search_result", "url": "https://e.com", "title": "T"}
    result = {"tool_use_id": "srvtoolu_1", "content": [hit]}
    chunks = said(
        hosted(""),
        hosted('{"query":"x"}', None),
        {"provider_specific_fields": {"web_search_results": [result]}},
        {"content": "Found."},
        finish="tool_calls",
    )
    (call,) = [chunk for chunk in chunks if isinstance(chunk, ToolInputAvailable)]
    (output,) = [chunk for chunk in chunks if isinstance(chunk, ToolOutputAvailable)]
    assert (call.input, call.provider_executed) == ({"query": "x"}, True)
    assert (output.output, output.provider_executed) == ([hit], True)
    assert [chunk.url for chunk in chunks if isinstance(chunk, SourceUrl)] == ["https://e.com"]
    assert isinstance(chunks[-1], Finish)
    assert chunks[-1].finish_reason == "stop"


def test_a_function_call_beside_a_server_tool_ends_the_step_for_tools():
    function = {"name": "w", "arguments": "{}"}
    mine = {"tool_calls": [{"index": 1, "id": "c", "function": function}]}
    chunks = said(hosted("{}"), mine, finish="tool_calls")
    assert chunks[-1].finish_reason == "tool-calls"  # type: ignore[attr-defined]  # a Finish


def test_results_of_mcp_come_without_their_call():
    result = {"tool_use_id": "mcptoolu_1", "content": [{"type": "text", "text": "ok"}]}
    chunks = said({"provider_specific_fields": {"tool_results": [result]}})
    assert any(isinstance(chunk, ToolInputAvailable) and chunk.dynamic for chunk in chunks)


def test_signatures_and_hidden_thoughts_are_kept():
    chunks = said(
        {"reasoning_content": "hm", "thinking_blocks": [{"type": "thinking", "thinking": "hm"}]},
        {"thinking_blocks": [{"type": "thinking", "thinking": "", "signature": "SIG"}]},
        {"content": "a"},
        {"thinking_blocks": [{"type": "redacted_thinking", "data": "RED"}]},
    )
    deltas = [chunk for chunk in chunks if isinstance(chunk, ReasoningDelta)]
    assert [(chunk.delta, chunk.provider_metadata) for chunk in deltas[1:]] == [
        ("", {"litellm": {"signature": "SIG"}})
    ]
    starts = [chunk for chunk in chunks if isinstance(chunk, ReasoningStart)]
    assert starts[-1].provider_metadata == {"litellm": {"redactedData": "RED"}}
