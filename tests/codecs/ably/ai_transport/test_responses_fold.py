from __future__ import annotations

import pytest

from chat_transport.codecs.ably.ai_transport.input_events import (
    ApprovalAnswered,
    MessagePart,
    ToolResolved,
)
from chat_transport.codecs.ably.ai_transport.responses_fold import DENIED, ResponsesFold
from chat_transport.messages import TextPart

ADDED = "response.output_item.added"
PART = "response.content_part.added"
MESSAGE = {"id": "i", "type": "message", "role": "assistant", "content": []}
TEXT = {"type": "output_text", "text": ""}


def fold(*events):
    built = ResponsesFold()
    built.say("m", events)
    return built


def items(built):
    return built.entries()[0][1]["items"]


def opened(index=0):
    return {"type": PART, "item_id": "i", "content_index": index, "part": dict(TEXT)}


def grown(text, index=0):
    slot = {"item_id": "i", "content_index": index}
    return {"type": "response.output_text.delta", **slot, "delta": text}


def test_text_fills_its_slot():
    built = fold({"type": ADDED, "item": MESSAGE}, opened(), grown("a"), grown("b"))
    assert items(built)[0]["content"] == [{"type": "output_text", "text": "ab"}]
    done = {"type": "response.output_text.done", "item_id": "i", "content_index": 0, "text": "abc"}
    built.say("m", [done])
    assert items(built)[0]["content"][0]["text"] == "abc"


def test_a_gap_hides_what_follows_until_it_is_filled():
    built = fold({"type": ADDED, "item": MESSAGE}, opened(1), grown("b", 1))
    assert items(built)[0]["content"] == []
    built.say("m", [opened(0)])
    assert [part["text"] for part in items(built)[0]["content"]] == ["", "b"]


def test_an_item_added_twice_is_one_item():
    built = fold({"type": ADDED, "item": MESSAGE}, opened(), {"type": ADDED, "item": MESSAGE})
    assert len(items(built)) == 1
    assert len(items(built)[0]["content"]) == 1


def test_what_has_no_item_or_slot_is_dropped():
    assert fold(grown("x")).entries() == []
    assert items(fold({"type": ADDED, "item": MESSAGE}, grown("x")))[0]["content"] == []
    assert fold({"type": ADDED, "item": {"type": "image", "id": "i"}}).entries() == []
    lost = {"type": "response.output_item.done", "item": {"type": "message", "id": "other"}}
    assert items(fold({"type": ADDED, "item": MESSAGE}, lost)) == [MESSAGE]


def test_a_finished_item_is_finalised():
    finished = {"type": "message", "id": "i", "status": "completed"}
    done = {**finished, "content": [{"type": "output_text", "logprobs": [1]}]}
    built = fold(
        {"type": ADDED, "item": MESSAGE},
        opened(),
        {"type": "response.output_item.done", "item": done},
    )
    (item,) = items(built)
    assert (item["status"], item["content"][0]["logprobs"]) == ("completed", [1])


def test_what_is_read_is_not_what_is_kept():
    built = fold({"type": ADDED, "item": MESSAGE}, opened())
    items(built)[0]["content"][0]["text"] = "changed by the reader"
    assert items(built)[0]["content"][0]["text"] == ""


def test_a_user_message_is_one_item():
    built = ResponsesFold()
    for text in ("a", "b"):
        built.take("m", MessagePart(message_id="m", role="user", part=TextPart(text=text)))
    content = [{"type": "input_text", "text": text} for text in ("a", "b")]
    assert built.entries() == [
        ("m", {"role": "user", "items": [{"type": "message", "role": "user", "content": content}]})
    ]


@pytest.mark.parametrize(
    ("event", "output", "state"),
    [
        (ToolResolved(tool_call_id="c", output=4), 4, {"result": "ok"}),
        (ToolResolved(tool_call_id="c", error_text="no"), "no", {"result": "failed"}),
        (ApprovalAnswered(tool_call_id="c", approved=False), DENIED, {"approval": "denied"}),
        (
            ApprovalAnswered(tool_call_id="c", approved=False, reason="r"),
            "r",
            {"approval": "denied", "reason": "r"},
        ),
    ],
)
def test_an_answer_is_an_item_and_a_state(event, output, state):
    built = ResponsesFold()
    built.take("m", event)
    built.take("m", event)
    ((_, message),) = built.entries()
    answer = {"type": "function_call_output", "call_id": "c", "output": output}
    assert message == {"role": "assistant", "items": [answer], "toolCallStates": {"c": state}}


def test_an_approval_that_is_given_adds_no_item():
    request = {"type": "tool-approval-request", "call_id": "c", "name": "f", "arguments": "{}"}
    built = fold(request)
    built.take("m", ApprovalAnswered(tool_call_id="c", approved=True))
    ((_, message),) = built.entries()
    assert message["items"] == []
    assert message["toolCallStates"]["c"] == {
        "approval": "approved",
        "name": "f",
        "arguments": "{}",
    }
