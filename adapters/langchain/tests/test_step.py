"""Content blocks as LangChain's messages give them; runs where it is installed."""

from __future__ import annotations

from importlib.util import find_spec

import pytest
from chat_transport_langchain import LangChainEvents

from chat_transport.chunks import Finish, SourceUrl, UIMessageChunk
from chat_transport.reducer import MessageReducer
from chat_transport.testing.grammar import grammar_faults

pytestmark = [
    pytest.mark.filterwarnings("ignore"),
    pytest.mark.skipif(find_spec("langchain_core") is None, reason="langchain-core is not here"),
]
V1 = {"output_version": "v1", "model_provider": "anthropic"}


def told(*pieces: object) -> list[UIMessageChunk]:
    from langchain_core.messages import AIMessageChunk

    messages = [
        AIMessageChunk(content=piece, response_metadata=V1) if isinstance(piece, list) else piece
        for piece in pieces
    ]
    events = LangChainEvents()
    chunks = events.feed({"event": "on_chat_model_start", "run_id": "r"})
    for message in messages:
        event = {"event": "on_chat_model_stream", "run_id": "r", "data": {"chunk": message}}
        chunks += events.feed(event)
    whole = messages[0] + messages[1:]
    chunks += events.feed({"event": "on_chat_model_end", "run_id": "r", "data": {"output": whole}})
    return [*chunks, *events.end()]


def parts_of(chunks: list[UIMessageChunk]) -> list[dict[str, object]]:
    assert grammar_faults(chunks) == []
    reducer = MessageReducer(message_id="m")
    for chunk in chunks:
        reducer.feed(chunk)
    return [part for part in reducer.message.to_wire()["parts"] if part["type"] != "step-start"]


def test_reasoning_ends_before_the_text():
    chunks = told(
        [{"type": "reasoning", "reasoning": "Hm", "index": 0}],
        [{"type": "text", "text": "Yes", "index": 1}],
    )
    assert [(part["type"], part["text"]) for part in parts_of(chunks)] == [
        ("reasoning", "Hm"),
        ("text", "Yes"),
    ]


def test_a_tool_that_the_provider_ran_has_its_input_and_output():
    hits = [{"url": "https://example.com", "title": "E"}]
    chunks = told(
        [{"type": "server_tool_call_chunk", "id": "s1", "name": "web_search", "index": 0}],
        [{"type": "server_tool_call_chunk", "args": '{"query":', "index": 0}],
        [{"type": "server_tool_call_chunk", "args": '"x"}', "index": 0}],
        [{"type": "server_tool_result", "tool_call_id": "s1", "output": hits, "index": 1}],
        [{"type": "text", "text": "Found.", "index": 2}],
    )
    call, text = parts_of(chunks)
    assert call == {
        "type": "tool-web_search",
        "toolCallId": "s1",
        "state": "output-available",
        "input": {"query": "x"},
        "output": hits,
        "providerExecuted": True,
    }
    assert text["text"] == "Found."
    (finish,) = [chunk for chunk in chunks if isinstance(chunk, Finish)]
    assert finish.finish_reason == "stop"


def test_a_whole_call_of_the_providers_that_failed_is_an_error():
    result = {"type": "server_tool_result", "tool_call_id": "s1", "status": "error"}
    chunks = told(
        [{"type": "server_tool_call", "id": "s1", "name": "code", "args": {"code": "1/0"}}],
        [result | {"output": {"error_code": "unavailable"}}],
    )
    (call,) = parts_of(chunks)
    assert call["state"] == "output-error"
    assert call["errorText"] == '{"error_code":"unavailable"}'
    assert call["input"] == {"code": "1/0"}


@pytest.mark.parametrize("where", ["block", "keyword"])
def test_a_refusal_is_text_and_a_content_filter(where: str):
    from langchain_core.messages import AIMessageChunk

    block = {"type": "non_standard", "value": {"type": "refusal", "refusal": "I won't."}}
    keyword = AIMessageChunk(content="", additional_kwargs={"refusal": "I won't."})
    chunks = told([block] if where == "block" else keyword)
    (text,) = parts_of(chunks)
    assert text["text"] == "I won't."
    (finish,) = [chunk for chunk in chunks if isinstance(chunk, Finish)]
    assert finish.finish_reason == "content-filter"


def test_images_and_what_is_cited_are_shown():
    note = {"type": "citation", "url": "https://example.com", "title": "E"}
    chunks = told(
        [{"type": "image", "base64": "aGk=", "mime_type": "image/png", "index": 0}],
        [{"type": "text", "text": "So.", "annotations": [note], "index": 1}],
    )
    (source,) = [chunk for chunk in chunks if isinstance(chunk, SourceUrl)]
    assert (source.url, source.title) == ("https://example.com", "E")
    image = parts_of(chunks)[0]
    assert (image["type"], image["url"]) == ("file", "data:image/png;base64,aGk=")
