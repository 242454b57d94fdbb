"""The wire makes both ends, with its settings."""

from __future__ import annotations

from chat_transport.codecs.ably.ai_transport import headers as h
from chat_transport.codecs.ably.operations import Inbound, Publish
from chat_transport.transports.ably import AiTransportWire
from chat_transport.transports.ably.wire import RunTask


def resolved(wire: AiTransportWire) -> tuple[object, RunTask]:
    ids = iter("abcdefgh")
    agent = wire.agent(client_id="agent", new_id=lambda: next(ids))
    extras = h.envelope(
        {h.ROLE: "user", h.MESSAGE_ID: "m1", h.EVENT_ID: "e1"},
        {h.KIND: "user-message", "messageId": "u1", h.PART_TYPE: "text"},
    )
    agent.feed(
        Inbound(action="create", serial="1", version="1", name=h.INPUT, data="hi", extras=extras),
        live=True,
    )
    task = agent.resolve("e1")
    assert task is not None
    return agent, task


def test_a_client_is_made_for_its_identity() -> None:
    client = AiTransportWire().client(client_id="ann", new_id=lambda: "x")
    assert client.messages() == []


def test_steps_are_written_only_if_asked_for() -> None:
    from chat_transport.chunks import StartStep

    for steps, names in [(False, [h.OUTPUT]), (True, [h.STEP_START])]:
        agent, task = resolved(AiTransportWire(implicit_steps=steps))
        speaker = agent.speaker(task)  # type: ignore[attr-defined]
        speaker.start()
        said = speaker.encode(StartStep())
        assert [o.messages[0].name for o in said if isinstance(o, Publish)] == names


def test_what_it_can_do_is_data() -> None:
    wire = AiTransportWire()
    assert (wire.branches, wire.steers, wire.drops) == (True, True, frozenset())
