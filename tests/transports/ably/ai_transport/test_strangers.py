"""Nothing that a stranger publishes breaks those who read."""

from __future__ import annotations

import random
from typing import Any

import pytest

from chat_transport.codecs.ably.ai_transport import headers as h
from chat_transport.codecs.ably.operations import Inbound
from chat_transport.transports.ably.ai_transport.agent import AiTransportAgent
from chat_transport.transports.ably.ai_transport.client import AiTransportClient

NAMES = [
    h.INPUT, h.CANCEL, h.OUTPUT, h.RUN_START, h.RUN_SUSPEND, h.RUN_RESUME, h.RUN_END,
    h.STEP_START, h.STEP_END, None, "theirs",
]  # fmt: skip
TRANSPORT = [
    h.ROLE, h.MESSAGE_ID, h.EVENT_ID, h.RUN_ID, h.INVOCATION_ID, h.RUN_CLIENT_ID, h.INPUT_ID,
    h.PARENT, h.FORK_OF, h.REGENERATES, h.SUPERSEDES, h.STREAM, h.STREAM_ID, h.STATUS,
    h.RUN_REASON, h.ERROR_CODE, h.STEP_ID, h.STEP_START_SERIAL, h.STEERS,
]  # fmt: skip
CODEC = ["id", "toolCallId", "toolName", "messageId", "partType", "messageMetadata",
         "providerMetadata", "approved", "finishReason", "mediaType", "dynamic"]  # fmt: skip
KINDS = [
    "text", "reasoning", "tool-input", "start", "start-step", "finish", "finish-step", "file",
    "message-metadata", "error", "abort", "source-url", "source-document", "tool-input-error",
    "tool-output-available", "tool-output-error", "tool-approval-request", "tool-output-denied",
    "data-x", "user-message", "regenerate", "tool-result", "tool-result-error",
    "tool-approval-response", "unheard-of",
]  # fmt: skip
SEED = {"forkSeed": {"messages": [{"codecMessageId": "a", "message": {"id": "q"}}, 7]}}
VALUES: list[Any] = [
    "a", "b", "true", "false", "user", "assistant", "streaming", "complete", "cancelled", "error",
    "{}", "[1]", '{"p":1}', "{", "", None, 1, True, {"a": 1}, [1], {"output": 1}, SEED,
]  # fmt: skip


def strange(dice: random.Random, number: int) -> Inbound:
    transport = {name: dice.choice(VALUES) for name in dice.sample(TRANSPORT, dice.randint(0, 8))}
    codec = {name: dice.choice(VALUES) for name in CODEC if dice.random() < 0.4}
    codec[h.KIND] = dice.choice(KINDS)
    tiers = {"ai": {"transport": transport, "codec": codec}}
    serial = str(dice.randint(0, 20))
    return Inbound(
        action=dice.choice(["create", "create", "create", "append", "update", "delete"]),
        serial=serial,
        version=f"{serial}{number % 10}",
        name=dice.choice(NAMES),
        data=dice.choice(VALUES),
        extras=dice.choice([tiers, tiers, tiers, None, {}, {"ai": 1}, {"ai": {"transport": 3}}]),
        client_id=dice.choice([None, "eve"]),
    )


@pytest.mark.parametrize("seed", range(150))
def test_whatever_comes_is_read(seed: int) -> None:
    dice = random.Random(seed)
    client = AiTransportClient(client_id="ann", new_id=lambda: "n")
    agent = AiTransportAgent(lambda: "n")
    for number in range(40):
        message = strange(dice, number)
        client.feed(message, live=number % 2 == 0)
        agent.act(message)
        agent.feed(message, live=True)
        for wire in (client, agent):
            for ref in wire.active_runs():
                assert ref.run_id is not None
        for shown in client.messages():
            assert shown.id is not None
    for ref in client.active_runs():
        client.reply(ref)
