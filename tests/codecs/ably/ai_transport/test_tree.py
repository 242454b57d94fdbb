"""A channel may deliver the same traffic in many ways: the conversation is one."""

from __future__ import annotations

import itertools
import random

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from chat_transport.codecs.ably.ai_transport import Conversation
from chat_transport.codecs.ably.ai_transport import headers as h
from chat_transport.codecs.ably.operations import Inbound
from chat_transport.messages import ToolPart, UIMessage
from chat_transport.reducer import MessageReducer

QUICK = settings(
    max_examples=25,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)


def fold(deliveries, *, live: bool = True) -> Conversation:
    conversation = Conversation()
    for inbound in deliveries:
        conversation.feed(inbound, live=live)
    return conversation


def extends(inbound: Inbound, before: dict[str, str]) -> bool:
    return inbound.action != "update" or str(inbound.data).startswith(
        before.get(inbound.serial, "")
    )


@pytest.fixture
def healthy(trace_deliveries):
    """The traces without the repair of a lost append, which changes what was said before."""
    seen: dict[str, str] = {}
    kept = []
    for inbound in trace_deliveries:
        if not extends(inbound, seen):
            continue
        kept.append(inbound)
        if isinstance(inbound.data, str):
            grown = seen.get(inbound.serial, "") if inbound.action == "append" else ""
            seen[inbound.serial] = grown + inbound.data
    return kept


@QUICK
@given(seed=st.integers(0, 2**32))
def test_conflated_and_repeated_deliveries_give_the_same_messages(healthy, tools, seed):
    disturbed = tools.disturb(healthy, random.Random(seed))
    assert fold(disturbed).entries() == fold(healthy).entries()


@QUICK
@given(seed=st.integers(0, 2**32))
def test_any_order_between_messages_gives_the_same_messages(healthy, seed):
    chance = random.Random(seed)
    queues: dict[str, list[Inbound]] = {}
    for inbound in healthy:
        queues.setdefault(inbound.serial, []).append(inbound)
    shuffled = []
    while queues:
        serial = chance.choice(sorted(queues))
        shuffled.append(queues[serial].pop(0))
        if not queues[serial]:
            del queues[serial]
    assert fold(shuffled).entries() == fold(healthy).entries()


@QUICK
@given(seed=st.integers(0, 2**32))
def test_a_late_joiner_sees_what_everybody_sees(healthy, tools, seed):
    chance = random.Random(seed)
    cut = chance.randrange(len(healthy) + 1)
    past = tools.aggregate(healthy[:cut])
    size = chance.randrange(1, 8)
    conversation = Conversation()
    for end in range(len(past), 0, -size):  # pages, newest first; each is folded oldest first
        for inbound in past[max(0, end - size) : end]:
            conversation.feed(inbound, live=False)
    for inbound in tools.disturb(healthy, chance, cut):
        conversation.feed(inbound)
    assert conversation.entries() == fold(healthy).entries()


def test_the_same_traffic_again_gives_nothing_new(trace_deliveries):
    conversation = fold(trace_deliveries)
    before = conversation.entries()
    assert [conversation.feed(inbound) for inbound in trace_deliveries] == [None] * len(
        trace_deliveries
    )
    assert conversation.entries() == before


def test_the_history_of_a_channel_gives_what_its_life_gave(healthy, tools):
    assert fold(tools.aggregate(healthy), live=False).entries() == fold(healthy).entries()


def test_a_reply_found_in_history_and_its_live_rest_make_the_message(healthy, tools):
    whole = fold(healthy)
    for cut in range(len(healthy)):
        joined = fold(tools.aggregate(healthy[:cut]), live=False)
        said = {run.run_id: joined.reply(run.run_id) for run in joined.runs()}
        for inbound in healthy[cut:]:
            change = joined.feed(inbound)
            if change is not None and change.run_id is not None:
                said.setdefault(change.run_id, []).extend(change.chunks)
        for run in whole.runs():
            entries = whole.messages_of(run.run_id)
            spoken = [m for _, m in entries if m.role == "assistant"]
            if len(spoken) != 1 or run.reason != "complete" or has_answers(whole, run.run_id):
                continue  # several messages share the stream: Chat folds them one by one
            reducer = MessageReducer(message_id=entries[-1][0])
            for chunk in said[run.run_id]:
                reducer.feed(chunk)
            assert reducer.message == untitled(spoken[0]), cut


def untitled(message: UIMessage) -> UIMessage:
    """Leave out the title of a refused input, which a `Chat` drops and a view keeps."""
    parts = [
        part.model_copy(update={"title": None})
        if isinstance(part, ToolPart) and part.state == "output-error"
        else part
        for part in message.parts
    ]
    return message.model_copy(update={"parts": parts})


def has_answers(conversation: Conversation, run_id: str) -> bool:
    """Whether a client answered a tool call of the run: that is no part of the agent's stream."""
    return any(
        getattr(part, "approval", None) is not None or message_id.startswith("fork")
        for message_id, message in conversation.messages_of(run_id)
        for part in message.parts
    )


def test_messages_of_others_on_the_channel_are_not_ours():
    conversation = Conversation()
    foreign = Inbound(action="create", serial="1", version="1", name="chat", data="hi")
    grown = Inbound(action="append", serial="1", version="2", data="more")
    assert conversation.feed(foreign) is None
    assert conversation.feed(grown) is None
    assert conversation.entries() == []


def message(name, serial, transport, codec=None, **more):
    return Inbound(
        action="create",
        serial=serial,
        version=serial,
        name=name,
        extras=h.envelope(transport, codec),
        **more,
    )


FORK = message(
    "ai-input",
    "5",
    {"role": "assistant", "codec-message-id": "f", "parent": "m", "supersedes": "r0"},
    {"kind": "tool-result", "toolCallId": "c"},
    data={
        "output": 1,
        "forkSeed": {
            "messages": [
                {
                    "codecMessageId": "f",
                    "message": {
                        "id": "a",
                        "role": "assistant",
                        "parts": [
                            {"type": "tool-x", "toolCallId": "c", "state": "input-available", "input": {}}
                        ],
                    },
                }
            ]
        },
    },
)  # fmt: skip
STARTED = message("ai-run-start", "6", {"run-id": "r", "input-codec-message-id": "f"})
STEP = message("ai-step-start", "7", {"run-id": "r", "step-id": "s"})
SAID = message(
    "ai-output",
    "8",
    {"run-id": "r", "codec-message-id": "m-2", "input-codec-message-id": "f", "stream": "false"},
    {"kind": "start", "messageId": "b"},
)


@pytest.mark.parametrize("order", list(itertools.permutations([FORK, STARTED, STEP, SAID])))
def test_a_fork_and_its_run_become_one_in_any_order(order):
    conversation = fold(order)
    assert [run.run_id for run in conversation.runs()] == ["r"]
    assert [entry.message.id for entry in conversation.entries()] == ["a", "b"]
    assert conversation.entries()[0].message.parts[0].output == 1


def test_a_run_cannot_take_over_another_run_by_its_name():
    other = message("ai-run-start", "9", {"run-id": "thief", "input-codec-message-id": "r"})
    conversation = fold([STARTED, SAID, other])
    assert [run.run_id for run in conversation.runs()] == ["r", "thief"]
    assert [entry.run_id for entry in conversation.entries()] == ["r"]


def test_an_older_attempt_that_is_seen_late_stays_void():
    newer = message("ai-step-start", "9", {"run-id": "r", "step-id": "s"})
    old_output = message(
        "ai-output",
        "8",
        {**h.transport_headers(SAID.extras), "step-id": "s", "step-start-serial": "7"},
        {"kind": "start", "messageId": "void"},
    )
    conversation = fold([STARTED, newer])
    assert not conversation.feed(STEP).replaced
    assert conversation.feed(old_output).chunks == ()
    assert conversation.entries() == []


@pytest.mark.parametrize(
    "malformed",
    [
        message("ai-run-start", "1", {}),
        message("ai-step-start", "1", {"run-id": "r"}),
        message("ai-output", "1", {"stream": "false"}, {"kind": "start"}),
        message("ai-input", "1", {"role": "user"}, {"kind": "novelty"}),
        message("ai-novelty", "1", {"run-id": "r"}),
        message("chat", "1", {}),
        Inbound(action="create", serial="1", version="1", name="ai-run-start"),
    ],
)
def test_malformed_messages_change_nothing(malformed):
    conversation = Conversation()
    assert conversation.feed(malformed) is None
    assert conversation.entries() == []
    assert conversation.runs() == []


def test_an_end_of_a_step_without_its_attempt_is_only_noted():
    change = Conversation().feed(message("ai-step-end", "1", {"run-id": "r", "step-id": "s"}))
    assert (change.event, change.replaced) == ("step", False)


def test_an_input_without_an_event_id_is_read_but_cannot_be_named():
    transport = {"role": "user", "codec-message-id": "m"}
    codec = {"kind": "user-message", "partType": "text"}
    conversation = fold([message("ai-input", "1", transport, codec, data="hi")])
    assert conversation.messages()[0].text == "hi"
    assert conversation.trigger("") is None
