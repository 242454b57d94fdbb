from __future__ import annotations

import msgspec
import pytest

from chat_transport import chunks as c
from chat_transport.codecs.ably.ai_transport.input_events import (
    ApprovalAnswered,
    MessagePart,
    Regenerated,
    SeedMessage,
    ToolResolved,
)
from chat_transport.codecs.ably.ai_transport.ui_fold import UIFold
from chat_transport.messages import TextPart, ToolApproval, ToolPart, UIMessage

CALL = [
    c.ToolInputStart(tool_call_id="c", tool_name="t"),
    c.ToolInputAvailable(tool_call_id="c", tool_name="t", input={}),
]


def part(fold, place=0):
    return fold.entries()[place][1].parts[-1]


def test_an_output_finds_its_call_in_another_message():
    fold = UIFold()
    fold.say("m-2", CALL)
    fold.say("m-3", [c.ToolOutputAvailable(tool_call_id="c", output=1)])
    assert [key for key, _ in fold.entries()] == ["m-2"]  # no empty message is left behind
    assert part(fold).output == 1


def test_an_output_of_nobodys_call_is_dropped():
    fold = UIFold()
    fold.say("m-2", [c.ToolOutputAvailable(tool_call_id="c", output=1)])
    assert fold.entries() == []


def test_what_the_grammar_does_not_allow_is_dropped():
    fold = UIFold()
    fold.say("m", [c.TextDelta(id="never opened", delta="x"), c.TextStart(id="t")])
    assert fold.entries()[0][1].text == ""


def test_a_refused_input_keeps_its_title():
    fold = UIFold()
    bad = c.ToolInputError(tool_call_id="x", tool_name="t", input={}, error_text="bad", title="T")
    fold.say("m", [bad])
    assert part(fold).title == "T"
    fold.say("n", [*CALL, msgspec.structs.replace(bad, tool_call_id="c")])
    assert part(fold, 1).title is None  # as it was announced


def test_an_answer_waits_for_its_call():
    fold = UIFold()
    fold.take("m", ToolResolved(tool_call_id="c", output=5))
    fold.say("m", CALL)
    assert part(fold).output == 5


def test_an_approval_waits_for_its_request():
    fold = UIFold()
    fold.say("m", CALL)
    fold.take("m", ApprovalAnswered(tool_call_id="c", approved=True, reason="ok"))
    assert part(fold).approval is None
    fold.say("m", [c.ToolApprovalRequest(tool_call_id="c", approval_id="p")])
    assert part(fold).approval == ToolApproval(id="p", approved=True, reason="ok")


@pytest.mark.parametrize(("first_answer_counts", "approved"), [(True, True), (False, False)])
def test_of_two_answers_the_first_or_the_last_counts(first_answer_counts, approved):
    fold = UIFold(first_answer_counts=first_answer_counts)
    fold.say("m", [*CALL, c.ToolApprovalRequest(tool_call_id="c", approval_id="p")])
    for answer in (True, False):
        fold.take("m", ApprovalAnswered(tool_call_id="c", approved=answer))
    assert part(fold).approval == ToolApproval(id="p", approved=approved)


def test_a_users_parts_make_one_message():
    fold = UIFold()
    for text in ("a", "b"):
        fold.take("m", MessagePart(message_id="u", role="user", part=TextPart(text=text)))
    assert fold.entries() == [
        ("m", UIMessage(id="u", role="user", parts=[TextPart(text="a"), TextPart(text="b")]))
    ]


def test_agent_and_user_do_not_write_into_each_others_messages():
    fold = UIFold()
    fold.take("m", MessagePart(message_id="u", role="user", part=TextPart(text="a")))
    fold.say("m", [c.TextStart(id="t")])
    fold.say("n", [c.Start(message_id="n")])
    fold.take("n", MessagePart(message_id="u", role="user", part=TextPart(text="b")))
    fold.take("n", Regenerated(target="m"))
    assert [message.text for _, message in fold.entries()] == ["a", ""]


def test_a_fork_begins_from_the_messages_it_copies():
    fold = UIFold()
    call = ToolPart(
        type="tool-t",
        tool_call_id="c",
        state="approval-requested",
        input={},
        approval=ToolApproval(id="p"),
    )
    seed = SeedMessage(
        codec_message_id="m-3", message=UIMessage(id="a", role="assistant", parts=[call])
    )
    event = ToolResolved(tool_call_id="c", output="Oslo", seed=(seed,))
    fold.take("m-3", event)
    fold.take("m-3", event)
    assert part(fold).output == "Oslo"
    assert len(fold.entries()) == 1
    failed = ToolResolved(tool_call_id="c", error_text="no", seed=(seed,))
    fold.take("m-3", failed)
    assert part(fold).error_text == "no"
