from __future__ import annotations

import dataclasses

import pytest

from chat_transport.codecs.ably.ai_transport.openai_responses import (
    ResponsesCodec,
    ResponsesConversation,
    container_of,
)
from chat_transport.codecs.ably.ai_transport.payload import StreamView, Whole
from chat_transport.codecs.ably.ai_transport.run_encoder import RunEncoder
from chat_transport.errors import LocalProtocolError

CODEC = ResponsesCodec()
SLOT = {"item_id": "i", "output_index": 0}


def streamed(kind, index, part, key="text"):
    opener = "reasoning_summary_part" if index == "summary_index" else "content_part"
    slot = {**SLOT, index: 0}
    return [
        {"type": f"response.{opener}.added", **slot, "part": part},
        {"type": f"response.{kind}.delta", **slot, "delta": "hé"},
        {"type": f"response.{kind}.done", **slot, key: "hé"},
    ]


MESSAGE = {"id": "i", "type": "message", "role": "assistant", "status": "in_progress"}
ADDED = {"type": "response.output_item.added", "item": {**MESSAGE, "content": []}}
CALL = {"id": "i", "type": "function_call", "call_id": "c", "name": "f", "arguments": ""}
REPLIES = [
    [ADDED, *streamed("output_text", "content_index", {"type": "output_text", "text": ""})],
    [
        ADDED,
        *streamed("refusal", "content_index", {"type": "refusal", "refusal": ""}, "refusal"),
    ],
    [
        {"type": ADDED["type"], "item": {"id": "i", "type": "reasoning", "summary": []}},
        *streamed("reasoning_text", "content_index", {"type": "reasoning_text", "text": ""}),
    ],
    [
        {"type": ADDED["type"], "item": {"id": "i", "type": "reasoning", "summary": []}},
        *streamed("reasoning_summary_text", "summary_index", {"type": "summary_text", "text": ""}),
    ],
    [
        {"type": ADDED["type"], "item": CALL, "output_index": 0},
        {"type": "response.function_call_arguments.delta", **SLOT, "delta": "{}"},
        {"type": "response.function_call_arguments.done", **SLOT, "arguments": "{}"},
    ],
    [{"type": "function_call_output", "item": {"call_id": "c", "output": "4"}}],
    [{"type": "tool-approval-request", "call_id": "c", "name": "f", "arguments": "{}"}],
    [{"type": "response.output_item.done", "item": {"type": "reasoning", "id": "i", "status": "completed", "encrypted_content": "ENC"}}],
]  # fmt: skip


@pytest.mark.parametrize("events", REPLIES, ids=lambda events: events[-1]["type"])
def test_events_come_back_as_they_went(events, identity, new_id, channel):
    encoder = RunEncoder(identity, CODEC, new_id=new_id)
    operations = encoder.start()
    for event in events:
        operations += encoder.encode(event)
    conversation = ResponsesConversation()
    read = [
        said
        for inbound in channel.take(operations)
        if (change := conversation.feed(inbound)) is not None
        for said in change.chunks
    ]
    assert read == events


@pytest.mark.parametrize("kind", ["response.created", "response.completed", "error"])
def test_what_the_runs_end_says_anyway_is_not_sent(kind):
    assert CODEC.encode({"type": kind}, "m") == ()


@pytest.mark.parametrize(
    "event",
    [
        {"type": "response.web_search_call.completed"},
        {"type": "response.output_item.added", "item": {"type": "image"}},
        {"type": "response.output_item.added", "item": {"type": "function_call"}},
    ],
)
def test_what_this_wire_has_no_place_for_is_refused(event):
    with pytest.raises(LocalProtocolError):
        CODEC.encode(event, "m")


def test_a_finished_item_is_reduced_to_what_readers_lack():
    content = [
        {"type": "output_text", "text": "long", "logprobs": [1]},
        {"type": "refusal", "refusal": "x"},
    ]
    item = {"type": "message", "id": "i", "status": "completed", "content": content}
    (payload,) = CODEC.encode({"type": "response.output_item.done", "item": item}, "m")
    assert isinstance(payload, Whole)
    assert payload.data["item"] == {
        "type": "message",
        "id": "i",
        "status": "completed",
        "content": [{"type": "output_text", "logprobs": [1]}, {"type": "refusal"}],
    }
    plain = {**item, "content": content[1:]}
    (payload,) = CODEC.encode({"type": "response.output_item.done", "item": plain}, "m")
    assert "content" not in payload.data["item"]


def test_malformed_wires_give_nothing_or_bare_values():
    assert CODEC.whole({"kind": "function_call_output"}, "x") == ()
    assert CODEC.whole({"kind": "novelty"}, {}) == ()
    stream = StreamView("1", "ai-output", "s", {}, {"kind": "novelty"}, "1", closing={})
    assert (CODEC.start(stream), CODEC.delta(stream, "x"), CODEC.end(stream)) == ((), (), ())
    headers = {"kind": "output_text", "part": "{", "content_index": "x"}
    broken = StreamView("1", "ai-output", "s", {}, headers, "1")
    (event,) = CODEC.start(broken)
    assert (event["part"], event["content_index"]) == (None, 0)


def test_a_late_reader_gets_the_item_that_a_part_belongs_to(identity, new_id, channel):
    encoder = RunEncoder(dataclasses.replace(identity), CODEC, new_id=new_id)
    encoder.start()
    encoder.encode(ADDED)
    conversation = ResponsesConversation()
    part = REPLIES[0][1]
    (change,) = [conversation.feed(i) for i in channel.take(encoder.encode(part))]
    assert [event["type"] for event in change.chunks] == [ADDED["type"], part["type"]]
    assert container_of({"item_id": "i", "part": {"type": "summary_text"}}) == {
        "id": "i",
        "type": "reasoning",
        "summary": [],
    }
