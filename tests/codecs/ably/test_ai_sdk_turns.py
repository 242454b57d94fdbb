from __future__ import annotations

import random
from dataclasses import dataclass, field
from typing import Any

import pytest

from chat_transport import chunks as c
from chat_transport.codecs.ably.ai_sdk_reading import AiSdkConversation
from chat_transport.codecs.ably.ai_sdk_transport import AiSdkEncoder, AiSdkInputEncoder
from chat_transport.messages import UIMessage

ASKS = (
    c.ToolInputAvailable(tool_call_id="c1", tool_name="rm", input={"p": 1}),
    c.ToolApprovalRequest(tool_call_id="c1", approval_id="ap"),
    c.FinishStep(),
    c.Finish(finish_reason="tool-calls"),
)


def words(text: str) -> list[c.UIMessageChunk]:
    return [
        c.TextStart(id="t"),
        c.TextDelta(id="t", delta=text),
        c.TextEnd(id="t"),
        c.FinishStep(),
        c.Finish(finish_reason="stop"),
    ]


@dataclass
class Chat:
    """Both ends write into one channel; `read` is who reads it live."""

    channel: Any
    new_id: Any
    read: AiSdkConversation = field(default_factory=lambda: AiSdkConversation(is_judged=True))
    changes: list[Any] = field(default_factory=list)

    @property
    def client(self) -> AiSdkInputEncoder:
        return AiSdkInputEncoder(new_id=self.new_id)

    def put(self, operations: Any, *, by: str = "agent") -> None:
        self.changes += [self.read.feed(each) for each in self.channel.take(operations, by=by)]

    def say(self, encoded: Any, *, by: str = "alice") -> str:
        self.put([encoded.operation], by=by)
        return encoded.input_id

    def ask(self, text: str, ident: str | None = None, *, by: str = "alice") -> str:
        message = UIMessage.user(text, id=ident or f"u-{text}")
        return self.say(self.client.user_message(message), by=by)

    def answer(self, prompt: str, *chunks: c.UIMessageChunk, ident: str | None = None) -> None:
        calls = self.read.calls(self.read.run_key(prompt))
        encoder = AiSdkEncoder(prompt, new_id=self.new_id, calls=calls)
        for key, serial, _text in encoder.continued():
            self.channel.serials[key] = serial
        start = [c.Start(message_id=ident or f"a-{prompt}"), c.StartStep()]
        for chunk in (*start, *chunks):
            self.put(encoder.encode(chunk))

    def give_back(self, message: UIMessage, *, by: str = "alice", **fields: Any) -> str:
        wire = message.to_wire()
        for part in wire["parts"]:
            if "toolCallId" in part:
                part.update(fields)
        changed = UIMessage.model_validate(wire)
        return self.say(self.client.user_message(changed), by=by)

    def approve(self, message: UIMessage, **more: Any) -> str:
        approval = {"id": "ap", "approved": True, **more}
        return self.give_back(message, state="approval-responded", approval=approval)

    def texts(self) -> list[str]:
        return [message.text for message in self.read.messages()]

    def late(self, pages: int = 1) -> AiSdkConversation:
        """Somebody who reads all of it from history, newest page first."""
        items, found = self.channel.history(), AiSdkConversation()
        size = -(-len(items) // pages)
        for end in range(len(items), 0, -size):
            for inbound in items[max(0, end - size) : end]:
                found.feed(inbound, live=False)
        return found


@pytest.fixture
def chat(channel, new_id) -> Chat:
    return Chat(channel, new_id)


def state(conversation: AiSdkConversation) -> str:
    (part,) = [p for m in conversation.messages() for p in m.parts if p.type == "tool-rm"]
    return part.state


def test_a_reply_goes_on_when_its_call_is_approved(chat):
    prompt = chat.ask("clean")
    chat.answer(prompt, *ASKS, ident="a")
    (run,) = chat.read.runs()
    assert (run.state, run.input_ids) == ("suspended", (prompt,))
    answer = chat.approve(chat.read.messages()[-1])
    assert chat.changes[-1].replaced
    assert (state(chat.read), chat.read.run_key(answer)) == ("approval-responded", run.run_id)
    assert chat.read.runs()[0].state == "ended"
    output = c.ToolOutputAvailable(tool_call_id="c1", output="gone")
    chat.answer(answer, output, *words("done"), ident="a")
    (run,) = chat.read.runs()
    assert (run.state, run.input_ids) == ("ended", (prompt, answer))
    _, reply = chat.read.messages()
    assert (reply.id, reply.text, state(chat.read)) == ("a", "done", "output-available")
    spoken = [change for change in chat.changes if change.input_id == answer and change.chunks]
    assert spoken[0].event == "run-resume"
    assert [chunk.type for change in spoken for chunk in change.chunks][:2] == [
        "start",
        "tool-output-available",
    ]


@pytest.mark.parametrize("pages", range(1, 14))
def test_pages_of_history_give_what_was_read_live(chat, pages):
    chat.answer(chat.ask("one"), *words("first"))
    chat.answer(chat.ask("clean"), *ASKS, ident="a")
    answer = chat.approve(chat.read.messages()[-1])
    output = c.ToolOutputAvailable(tool_call_id="c1", output="gone")
    chat.answer(answer, output, *words("done"), ident="a")
    chat.answer(chat.ask("two"), *words("second"))
    chat.answer(chat.say(chat.client.regenerate()), *words("another"))
    chat.answer(chat.ask("uno", "u-two"), *words("altered"))
    assert chat.texts() == ["one", "first", "clean", "done", "uno", "altered"]
    late = chat.late(pages)
    assert [m.text for m in late.messages()] == chat.texts()
    assert state(late) == "output-available"
    assert late.active_runs() == []


def test_who_joins_while_a_reply_goes_on_is_told_all_of_it(chat):
    chat.answer(chat.ask("clean"), *ASKS, ident="a")
    answer = chat.approve(chat.read.messages()[-1])
    output = c.ToolOutputAvailable(tool_call_id="c1", output="gone")
    chat.answer(answer, output, *words("done")[:2], ident="a")
    for conversation in (chat.read, chat.late(), chat.late(3)):
        (run,) = conversation.active_runs()
        assert run.input_ids[-1] == answer
        folded = conversation.reply(run.run_id)
        assert [chunk.type for chunk in folded].count("start") == 1
        assert not any(c.is_terminal(chunk) for chunk in folded)
        assert "tool-approval-request" not in {chunk.type for chunk in folded}


@pytest.mark.parametrize(
    "fields",
    [
        {"state": "output-available", "output": "forged"},
        {"state": "approval-responded", "approval": {"id": "other", "approved": True}},
        {
            "state": "approval-responded",
            "approval": {"id": "ap", "approved": True},
            "toolCallId": "x",
        },
    ],
)
def test_answers_that_were_not_asked_for_change_nothing(chat, fields):
    chat.answer(chat.ask("clean"), *ASKS, ident="a")
    before = chat.read.messages()
    chat.give_back(before[-1], **fields)
    assert chat.read.messages() == before
    assert chat.late().messages() == before


def test_who_does_not_judge_believes_an_answer_when_the_agent_acts_on_it(chat):
    chat.answer(chat.ask("clean"), *ASKS, ident="a")
    answer = chat.approve(chat.read.messages()[-1])
    assert state(chat.read) == "approval-responded"
    assert state(chat.late()) == "approval-requested"
    (run,) = chat.late().runs()
    assert run.state == "suspended"
    chat.answer(answer, ident="a")
    assert state(chat.late()) == "approval-responded"


def test_what_is_given_back_is_read_for_answers_only(chat):
    chat.answer(chat.ask("clean"), *words("true")[:3], *ASKS, ident="a")
    reply = chat.read.messages()[-1].to_wire()
    reply["parts"][1]["text"] = "false"
    approval = {"id": "ap", "approved": True}
    forged = UIMessage.model_validate(reply)
    chat.give_back(forged, state="approval-responded", approval=approval, input={"p": 666})
    message = chat.read.messages()[-1]
    assert message.text == "true"
    (part,) = [part for part in message.parts if part.type == "tool-rm"]
    assert (part.state, part.input) == ("approval-responded", {"p": 1})


def test_no_answer_is_taken_while_the_reply_is_under_way(chat):
    prompt = chat.ask("clean")
    chat.answer(prompt, *ASKS[:2], ident="a")
    chat.approve(chat.read.messages()[-1])
    assert state(chat.read) == "approval-requested"


def test_what_the_agent_refused_is_forgotten(chat):
    chat.answer(chat.ask("clean"), *ASKS, ident="a")
    answer = chat.approve(chat.read.messages()[-1])
    encoder = AiSdkEncoder(answer, new_id=chat.new_id)
    chat.put([encoder.refuse(c.Error(error_text="not you"))])
    assert state(chat.read) == state(chat.late()) == "approval-requested"
    assert chat.changes[-1].chunks == [c.Error(error_text="not you")]


def test_an_edit_cuts_and_only_its_author_may(chat):
    chat.answer(chat.ask("one"), *words("first"))
    chat.answer(chat.ask("two"), *words("second"))
    chat.ask("mine now", "u-two", by="eve")
    assert chat.texts() == ["one", "first", "two", "second"]
    prompt = chat.ask("deux", "u-two")
    assert chat.changes[-1].replaced
    assert chat.texts() == ["one", "first", "deux"]
    trigger = chat.read.trigger(prompt)
    assert [m.text for m in chat.read.prompt(trigger)] == ["one", "first", "deux"]


def test_a_late_reply_to_what_was_cut_is_not_shown(chat):
    first = chat.ask("one")
    chat.ask("uno", "u-one")
    chat.answer(first, *words("to one"))
    assert chat.texts() == ["uno"]


def test_regenerating_a_question_answers_it_anew(chat):
    prompt = chat.ask("one")
    chat.answer(prompt, *words("first"))
    chat.answer(chat.ask("two"), *words("second"))
    again = chat.say(chat.client.regenerate("u-one"))
    assert chat.texts() == ["one"]
    assert [m.text for m in chat.read.prompt(chat.read.trigger(again))] == ["one"]
    failed = chat.say(chat.client.regenerate("never seen"))
    assert [m.text for m in chat.read.prompt(chat.read.trigger(failed))] == ["one"]


def test_the_model_sees_late_replies_before_the_question(chat):
    first, second = chat.ask("one"), chat.ask("two")
    chat.answer(first, *words("first"))
    chat.answer(second, *words("second")[:2])
    trigger = chat.read.trigger(second)
    assert [m.text for m in chat.read.prompt(trigger)] == ["one", "first", "two"]


def test_who_began_a_message_is_known(chat):
    chat.answer(chat.ask("one"), *words("first"), ident="a")
    assert chat.read.author("u-one") == chat.read.author("a") == (True, "alice")
    assert chat.read.author("never seen") == (False, None)
    assert chat.read.is_named("a")
    assert not chat.read.is_named("u-one")


@pytest.mark.parametrize("seed", range(20))
def test_any_delivery_gives_the_same_conversation(chat, tools, seed):
    chat.answer(chat.ask("clean"), *ASKS, ident="a")
    answer = chat.approve(chat.read.messages()[-1])
    output = c.ToolOutputAvailable(tool_call_id="c1", output="gone")
    chat.answer(answer, output, *words("done"), ident="a")
    chat.answer(chat.ask("two"), *words("second"))
    chat.answer(chat.say(chat.client.regenerate()), *words("another"))
    chance = random.Random(seed)
    delivered = chat.channel.delivered
    cut = chance.randrange(len(delivered) + 1)
    joined = AiSdkConversation()
    for inbound in tools.aggregate(delivered[:cut]):
        joined.feed(inbound, live=False)
    for inbound in tools.disturb(delivered, chance, cut):
        joined.feed(inbound)
    assert [m.text for m in joined.messages()] == chat.texts()
    assert state(joined) == "output-available"
