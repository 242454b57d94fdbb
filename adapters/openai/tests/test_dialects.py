"""What a provider's dialect changes by default, and what `compat="ai-sdk"` takes away."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from chat_transport_openai import OpenAIChat, OpenAIResponses, responses_body

from chat_transport.errors import LocalProtocolError
from chat_transport.messages import UIMessage
from chat_transport.model import ModelSettings
from chat_transport.reducer import MessageReducer


def said(decoder: Any, *events: dict[str, Any]) -> list[dict[str, Any]]:
    chunks = [chunk for event in events for chunk in decoder.feed(event)]
    decoder.done()
    wire = [msgspec.to_builtins(chunk) for chunk in [*chunks, *decoder.end()]]
    return [{k: v for k, v in chunk.items() if k != "messageMetadata"} for chunk in wire]


def responses(provider: str, *events: dict[str, Any], **options: Any) -> list[dict[str, Any]]:
    return said(OpenAIResponses("m", provider=provider, **options).decoder(), *events)


def chat(provider: str, *events: dict[str, Any], **options: Any) -> list[dict[str, Any]]:
    return said(OpenAIChat("m", provider=provider, **options).decoder(), *events)


def item(step: str, **fields: Any) -> dict[str, Any]:
    return {"type": f"response.output_item.{step}", "output_index": 0, "item": fields}


def types(chunks: list[dict[str, Any]]) -> list[str]:
    return [chunk["type"] for chunk in chunks[1:-2]]


DONE = {"type": "response.completed", "response": {"status": "completed"}}
CALL = {"type": "function_call", "id": "fc", "call_id": "c", "name": "f"}
ARGUMENTS = {
    "type": "response.function_call_arguments.delta",
    "output_index": 0,
    "item_id": "fc",
    "delta": "{}",
}
WORD = {
    "type": "response.output_text.delta",
    "output_index": 0,
    "item_id": "m",
    "content_index": 0,
    "delta": "a",
}
PAGE = {
    "type": "url_citation",
    "url": "https://a.example",
    "start_index": 0,
    "end_index": 1,
    "title": "A",
}
CITED = {
    "type": "response.output_text.annotation.added",
    "output_index": 0,
    "item_id": "m",
    "annotation": PAGE,
}
MESSAGE = (item("added", type="message", id="m", content=[]), WORD, CITED)
MESSAGE_DONE = item("done", type="message", id="m", content=[{"type": "output_text", "text": "a"}])


def test_an_open_server_tells_item_ids_with_the_end_of_a_part():
    summary = {"type": "response.reasoning_summary_text.delta", "output_index": 0, "item_id": "r"}
    chunks = responses(
        "lmstudio",
        item("added", type="reasoning", id="r"),
        {"type": "response.reasoning_summary_part.added", "item_id": "r", "summary_index": 0},
        summary | {"summary_index": 0, "delta": "x"},
        {"type": "response.reasoning_summary_part.added", "item_id": "r", "summary_index": 1},
        summary | {"summary_index": 1, "delta": "y"},
        item("done", type="reasoning", id="r", summary=[{"text": "x"}, {"text": "y"}]),
        DONE,
    )
    summaries = [{"type": "summary_text", "text": text} for text in "xy"]
    fields = {"itemId": "r", "reasoningSummary": summaries, "reasoningContent": None}
    assert chunks[1:-2] == [
        {"type": "reasoning-start", "id": "r:0"},
        {"type": "reasoning-delta", "id": "r:0", "delta": "x"},
        {"type": "reasoning-delta", "id": "r:0", "delta": "y"},
        {"type": "reasoning-end", "id": "r:0", "providerMetadata": {"lmstudio": fields}},
    ]


def test_an_open_servers_call_is_streamed_if_its_arguments_are():
    added, done = item("added", **CALL, arguments=""), item("done", **CALL, arguments="{}")
    whole = ["tool-input-available"]
    assert types(responses("vllm", added, done, DONE)) == whole
    streamed = responses("vllm", added, ARGUMENTS, done, DONE)
    assert types(streamed) == ["tool-input-start", "tool-input-delta", *whole]
    assert types(responses("vllm", added, ARGUMENTS, done, DONE, compat="ai-sdk")) == whole


def test_an_open_servers_call_that_is_cut_short_is_shown_and_closed():
    chunks = responses("vllm", item("added", **CALL, arguments=""))
    assert types(chunks) == ["tool-input-start", "tool-input-error"]


def test_xai_shows_its_own_tools_and_what_was_asked_of_them():
    search = {"type": "web_search_call", "id": "ws", "name": "web_search", "arguments": '{"q":1}'}
    chunks = responses("xai", item("added", **search), item("done", **search), DONE)
    assert chunks[1:-2] == [
        {"type": "tool-input-start", "toolCallId": "ws", "toolName": "web_search"},
        {"type": "tool-input-delta", "toolCallId": "ws", "inputTextDelta": '{"q":1}'},
        {
            "type": "tool-input-available",
            "toolCallId": "ws",
            "toolName": "web_search",
            "input": {},
            "providerExecuted": True,
        },
        {
            "type": "tool-output-available",
            "toolCallId": "ws",
            "output": {},
            "providerExecuted": True,
        },
    ]


def test_xai_image_is_also_a_file_and_a_failed_one_an_error():
    image = {"type": "image_generation_call", "id": "ig", "status": "completed"}
    shown = ["tool-input-start", "tool-input-delta", "tool-input-available"]
    made = item("done", **image, result="eA==", prompt="p")
    assert types(responses("xai", made, DONE)) == [*shown, "tool-output-available", "file"]
    plain = responses("xai", made, DONE, compat="ai-sdk")
    assert types(plain) == [*shown, "tool-output-available"]
    assert plain[4]["output"] == {"result": "eA==", "prompt": "p"}
    assert types(responses("xai", item("done", **image), DONE)) == [*shown, "tool-output-error"]


def test_xai_reasoning_may_come_encrypted_only():
    end = item("done", type="reasoning", id="r", summary=[], encrypted_content="E")
    chunks = responses("xai", item("added", type="reasoning", id="r"), end, DONE)
    fields = {"itemId": "r", "reasoningEncryptedContent": "E"}
    assert chunks[1:-2] == [
        {"type": "reasoning-start", "id": "r", "providerMetadata": {"xai": {"itemId": "r"}}},
        {"type": "reasoning-end", "id": "r", "providerMetadata": {"xai": fields}},
    ]


def test_sources_are_parts_for_azure_and_xai_unless_citations_are_asked_for():
    parts = ["text-start", "text-delta", "source-url", "text-end"]
    assert types(responses("azure", *MESSAGE, MESSAGE_DONE, DONE)) == parts
    assert types(responses("xai", *MESSAGE, MESSAGE_DONE, DONE)) == parts
    for provider in ("azure", "xai"):
        cited = responses(provider, *MESSAGE, MESSAGE_DONE, DONE, sources="citations")
        assert types(cited) == ["text-start", "text-delta", "text-end", "source-url"]
        assert cited[3]["citations"][0]["endIndex"] == 1


def test_azure_says_searching_of_a_search_that_is_done():
    search = {
        "type": "web_search_call",
        "id": "ws",
        "status": "searching",
        "action": {"type": "search", "query": "q"},
    }
    done = item("done", **search)
    assert responses("azure", done, DONE)[1]["type"] == "tool-output-available"
    assert responses("openai", done, DONE)[1]["type"] == "tool-output-error"


def test_an_error_of_a_compatible_server_comes_inside_the_step():
    error = {"error": {"message": "overloaded", "code": 503}}
    assert [chunk["type"] for chunk in chat("groq", error)] == [
        "start-step",
        "error",
        "finish-step",
        "finish",
    ]
    assert [chunk["type"] for chunk in chat("openai", error)] == ["error"]


def test_pages_that_a_compatible_server_cites_are_sources_unless_it_is_to_be_as_the_ai_sdk():
    cited = {"annotations": [{"type": "url_citation", "url_citation": PAGE}], "content": "a"}
    frame = {"choices": [{"index": 0, "delta": cited, "finish_reason": "stop"}]}
    assert "source-url" in types(chat("openrouter", frame))
    assert "source-url" not in types(chat("openrouter", frame, compat="ai-sdk"))
    assert "source-url" in types(chat("openai", frame, compat="ai-sdk"))


def test_empty_text_is_no_output_yet_so_an_error_after_it_stands_alone():
    first = {"choices": [{"index": 0, "delta": {"role": "assistant", "content": ""}}]}
    word = {"choices": [{"index": 0, "delta": {"content": "a"}, "finish_reason": "stop"}]}
    assert [one["type"] for one in chat("openai", first, {"error": {"message": "no"}})] == ["error"]
    assert types(chat("openai", first, word)) == ["text-start", "text-delta", "text-end"]
    assert types(chat("openai", first)) == ["text-start", "text-end"]


def test_a_reply_without_a_reason_is_complete_by_default_and_not_as_the_ai_sdk():
    word = {"choices": [{"index": 0, "delta": {"content": "a"}}]}
    for provider, reason in (
        ("openai", "interrupted"),
        ("groq", "interrupted"),
        ("deepseek", "other"),
        ("vllm", "error"),
    ):
        assert chat(provider, word)[-1]["finishReason"] == "stop"
        assert chat(provider, word, compat="ai-sdk")[-1]["finishReason"] == reason


def test_a_call_that_was_never_announced_is_told_whole():
    done = item("done", **CALL, arguments="{}")
    assert types(responses("openai", done, DONE)) == ["tool-input-available"]


@pytest.mark.parametrize("store", [True, False])
def test_an_open_server_is_told_its_reasoning_whole(*, store: bool):
    text = {"type": "response.reasoning_text.delta", "output_index": 0, "item_id": "r"}
    content = [{"type": "reasoning_text", "text": "hm"}]
    reducer = MessageReducer(message_id="a")
    decoder = OpenAIResponses("m", provider="lmstudio").decoder()
    for event in (
        item("added", type="reasoning", id="r"),
        text | {"delta": "hm"},
        item("done", type="reasoning", id="r", summary=[], content=content),
        *MESSAGE[:2],
        MESSAGE_DONE,
        DONE,
    ):
        for chunk in decoder.feed(event):
            reducer.feed(chunk)
    settings = ModelSettings(provider_options={"lmstudio": {"store": store}})
    body = responses_body(
        [UIMessage.user("Hi", id="u"), reducer.message, UIMessage.user("More", id="v")],
        model="m",
        provider="lmstudio",
        settings=settings,
    )
    assert body["input"][1:3] == [
        {"type": "reasoning", "id": "r", "summary": [], "content": content},
        {"role": "assistant", "content": "a"},
    ]


def test_xai_is_told_its_reasoning_whole_and_nothing_of_its_own_tools():
    search = {"type": "web_search_call", "id": "ws", "name": "web_search", "arguments": "{}"}
    reducer = MessageReducer(message_id="a")
    decoder = OpenAIResponses("m", provider="xai").decoder()
    for event in (
        item("done", type="reasoning", id="r", summary=[], encrypted_content="E"),
        item("done", **search),
        *MESSAGE[:2],
        MESSAGE_DONE,
        DONE,
    ):
        for chunk in decoder.feed(event):
            reducer.feed(chunk)
    for chunk in decoder.end():
        reducer.feed(chunk)
    body = responses_body(
        [UIMessage.user("Hi", id="u"), reducer.message], model="m", provider="xai"
    )
    assert body["input"][1:] == [
        {"type": "reasoning", "id": "r", "summary": [], "encrypted_content": "E"},
        {"role": "assistant", "content": "a"},
    ]


def test_an_empty_piece_of_text_is_none():
    chunks = responses("openai", *MESSAGE[:2], WORD | {"delta": ""}, MESSAGE_DONE, DONE)
    assert [chunk["delta"] for chunk in chunks if chunk["type"] == "text-delta"] == ["a"]


def test_a_page_that_was_not_found_has_no_address():
    search = {"type": "web_search_call", "id": "ws"}
    opened = {"type": "open_page", "url": None}
    done = item("done", **search, status="completed", action=opened)
    (output,) = [
        chunk["output"]
        for chunk in responses("openai", item("added", **search), done, DONE)
        if chunk["type"] == "tool-output-available"
    ]
    assert output == {"action": {"type": "openPage", "url": None}}


def test_a_search_that_failed_tells_the_pages_that_it_found():
    search = {"type": "web_search_call", "id": "ws"}
    action = {"type": "search", "sources": [{"type": "url", "url": "https://a.example"}]}
    done = item("done", **search, status="failed", action=action)
    chunks = responses("openai", item("added", **search), done, DONE)
    assert types(chunks)[-2:] == ["tool-output-error", "source-url"]


def test_a_denial_of_a_programs_call_is_refused():
    caller = {"openai": {"caller": {"type": "program", "callerId": "pg"}}}
    denied = {
        "type": "tool-f",
        "toolCallId": "c",
        "state": "approval-responded",
        "input": {},
        "approval": {"id": "x", "approved": False},
        "callProviderMetadata": caller,
    }
    message = UIMessage.model_validate({"id": "a", "role": "assistant", "parts": [denied]})
    with pytest.raises(LocalProtocolError, match="call 'c' of a program was denied"):
        responses_body([message], model="m")
