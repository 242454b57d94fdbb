"""What the SDK says and does, in our words, on the real SDK."""

from __future__ import annotations

import time
from typing import Any

import anyio
import pytest
from ably.types.message import Message, MessageAction, MessageVersion

from chat_transport.broker import RunningBroker
from chat_transport.codecs.ably.operations import Inbound, OutboundMessage
from chat_transport.errors import ConnectFailed, RequestRejected
from chat_transport.transports.ably.auth import make_token
from chat_transport.transports.ably.connection import SdkHistory, to_inbound

pytestmark = pytest.mark.anyio


class Ear:
    def __init__(self) -> None:
        self.heard: list[Inbound] = []

    def on_message(self, message: Inbound) -> None:
        self.heard.append(message)

    def on_gap(self) -> None: ...

    def on_lost(self, error: Exception) -> None: ...

    async def wait(self, count: int) -> list[Inbound]:
        with anyio.fail_after(5):
            while len(self.heard) < count:
                await anyio.lowlevel.checkpoint()
        return self.heard


def test_an_action_that_is_left_out_is_a_create() -> None:
    message = Message(name="n", data=bytearray(b"x"), serial="s1")
    assert to_inbound(message) == Inbound(
        action="create", serial="s1", version="s1", name="n", data=b"x"
    )


def test_a_version_without_a_serial_is_the_message_itself() -> None:
    message = Message(serial="s1", action=MessageAction.MESSAGE_APPEND, version=MessageVersion())
    assert (to_inbound(message).action, to_inbound(message).version) == ("append", "s1")


async def test_publish_append_update_and_history_say_the_same(connect: Any) -> None:
    ear = Ear()
    async with connect("ann") as connection:
        channel = connection.channel("ai:x")
        async with channel.listening(ear):
            extras = {"ai": {"transport": {"a": "b"}}}
            first, second = await channel.publish(
                (
                    OutboundMessage(name="out", data="", extras=extras),
                    OutboundMessage(name="in", data={"a": [1]}),
                ),
                "ident",
            )
            version = await channel.change(
                "append",
                OutboundMessage(name="", data="more", extras=extras),
                first,
                {"event": "text-delta"},
            )
            await channel.change("update", OutboundMessage(name="out", data="all"), first)
            heard = await ear.wait(4)
    assert [(m.action, m.serial, m.data) for m in heard] == [
        ("create", first, ""),
        ("create", second, {"a": [1]}),
        ("append", first, "more"),
        ("update", first, "all"),
    ]
    assert heard[0].client_id == "ann"
    assert heard[0].extras is not None
    assert heard[0].extras["ai"] == extras["ai"]
    assert (heard[2].version, heard[2].version_metadata) == (version, {"event": "text-delta"})
    assert heard[3].version > heard[2].version > first


async def test_publishing_again_under_the_same_ident_changes_nothing(connect: Any) -> None:
    ear = Ear()
    async with connect("ann") as connection:
        channel = connection.channel("ai:x")
        async with channel.listening(ear):
            note = (OutboundMessage(name="note", data="1"),)
            assert await channel.publish(note, "one") == await channel.publish(note, "one")
            await channel.publish(note, "two")
            heard = await ear.wait(2)
    assert [m.id for m in heard] == ["one:0", "two:0"]


async def test_a_message_named_error_from_elsewhere_does_no_harm(
    broker: RunningBroker, connect: Any
) -> None:
    ear = Ear()
    async with connect("ann") as connection, connect("bob") as other:
        async with connection.channel("ai:x").listening(ear):
            sdk = other._client._sdk.channels.get("ai:x")
            await sdk.publish([Message(name="error", data="1"), Message(name="note", data="2")])
            heard = await ear.wait(2)
    assert [m.name for m in heard] == ["error", "note"]


async def test_history_survives_the_realtime_client_and_needs_no_key_on_the_wire(
    broker: RunningBroker, connect: Any
) -> None:
    async with connect("ann") as connection:
        channel = connection.channel("ai: x/?")  # quoted in the path
        await channel.publish((OutboundMessage(name="note", data="1"),), "one")
        broker.broker.faults.drop_sockets()
        page = await connection.read_history("ai: x/?", {"direction": "backwards", "limit": "1"})
    assert [m.data for m in page.items] == ["1"]


@pytest.mark.parametrize(
    ("params", "words"), [({"direction": "sideways"}, "history"), ({"limit": "x"}, "history")]
)
async def test_history_that_is_refused_says_why(
    connect: Any, params: dict[str, str], words: str
) -> None:
    async with connect("ann") as connection:
        with pytest.raises(RequestRejected, match=words) as raised:
            await connection.read_history("ai:x", params)
    assert raised.value.status == 400


async def test_an_attach_that_is_refused_says_why(broker: RunningBroker, connect: Any) -> None:
    broker.broker.faults.reject("attach", code=40160, status=401, message="denied")
    async with connect("ann") as connection:
        with pytest.raises(RequestRejected, match=r"attach to channel 'ai:x'.*denied"):
            await connection.channel("ai:x").listening(Ear()).__aenter__()


async def test_publishing_without_a_connection_is_certainly_not_sent(connect: Any) -> None:
    async with connect("ann") as connection:
        channel = connection.channel("ai:x")
        manager = connection._client._sdk.connection.connection_manager
        manager.enact_state_change(type(manager.state).DISCONNECTED)
        with pytest.raises(ConnectFailed, match="not connected"):
            await channel.publish((OutboundMessage(name="note"),), "one")


async def test_history_is_read_after_the_token_has_run_out(broker: RunningBroker) -> None:
    began_s = [time.time() - 100, time.time()]  # the first one ran out while nobody read
    given: list[str] = []

    async def token() -> str:
        now = began_s[min(len(given), 1)]
        rights = {"*": ["*"]}
        given.append(
            make_token("app.key:secret", client_id="ann", capability=rights, ttl_s=60, now=now)
        )
        return given[-1]

    history = SdkHistory(token, endpoint=broker.address, tls=False, timeout_s=5)
    with anyio.fail_after(10):
        page = await history.read("c", {})
        await history.close()
    assert (page.items, len(given)) == ([], 2)
