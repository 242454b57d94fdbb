from __future__ import annotations

import pytest

from chat_transport.codecs.ably.ai_transport.prompt import UNANSWERED, mark_partial, merge_passes
from chat_transport.messages import TextPart, ToolPart, UIMessage


def call(state, **more):
    return ToolPart(type="tool-x", tool_call_id="c", state=state, input={}, **more)


def assistant(*parts, **more):
    return UIMessage(id="a", role="assistant", parts=list(parts), **more)


@pytest.mark.parametrize("state", ["input-available", "approval-requested", "approval-responded"])
def test_open_calls_are_closed_for_the_model(state):
    (part,) = mark_partial(assistant(call(state))).parts
    assert (part.state, part.error_text, part.input) == ("output-error", UNANSWERED, {})


def test_half_written_inputs_are_left_out_and_the_rest_is_kept():
    done = call("output-available", output=1)
    marked = mark_partial(assistant(TextPart(text="half"), call("input-streaming"), done))
    assert marked.parts == [TextPart(text="half"), done]


def test_what_users_said_is_left_alone():
    message = UIMessage.user("hi", id="u")
    assert mark_partial(message) is message


def test_passes_of_one_message_are_joined():
    passes = [
        UIMessage.user("hi", id="u"),
        assistant(TextPart(text="a"), metadata={"x": 1, "y": 1}),
        assistant(TextPart(text="b"), metadata={"y": 2}),
        assistant(TextPart(text="c")),
    ]
    first, joined = merge_passes(passes)
    assert first == passes[0]
    assert joined == assistant(
        TextPart(text="a"), TextPart(text="b"), TextPart(text="c"), metadata={"x": 1, "y": 2}
    )


def test_metadata_that_is_no_object_is_replaced():
    (joined,) = merge_passes([assistant(metadata=1), assistant(metadata=[2])])
    assert joined.metadata == [2]


def test_the_same_id_elsewhere_is_another_message():
    other = UIMessage.user("hi", id="u")
    assert len(merge_passes([assistant(), other, assistant()])) == 3
