"""A client and an agent that keep messages in a store of their own, and join the channel to it.

The broker counts what is read of its history: what the store has is not read again.
"""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator, Sequence
from typing import Any

import anyio
import pytest

from chat_transport.agent.run import Run
from chat_transport.broker import RunningBroker
from chat_transport.chat import Chat
from chat_transport.chunks import Error, TextDelta, TextEnd, TextStart, UIMessageChunk
from chat_transport.inputs import SendMessages
from chat_transport.messages import UIMessage
from chat_transport.transport import MessageSeen
from chat_transport.transports.ably import AblyAgent, AblyChatTransport

pytestmark = [pytest.mark.anyio, pytest.mark.timeout(60)]

CHAT = "ai:chat"
TURNS = 40
"""Turns of the long conversation: each is some seven messages on the channel."""


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


class Echo:
    """Says what it was asked; may be held in the middle; knows what it was given."""

    def __init__(self) -> None:
        self.prompts: list[list[str]] = []
        self.is_waiting = anyio.Event()
        self.go_on = anyio.Event()

    async def __call__(self, run: Run) -> AsyncIterator[UIMessageChunk]:
        self.prompts.append([message.text for message in run.messages])
        asked = run.messages[-1].text
        yield TextStart(id="t")
        yield TextDelta(id="t", delta="you said ")
        if asked == "hold":
            self.is_waiting.set()
            await self.go_on.wait()
        yield TextDelta(id="t", delta=f"{asked} ({len(self.prompts)})")
        yield TextEnd(id="t")


async def asked(transport: AblyChatTransport, text: str, before: Sequence[UIMessage] = ()) -> None:
    message = UIMessage.user(text, id=f"u-{text}")
    request = SendMessages(chat_id=CHAT, messages=[*before, message])
    async with transport.send_messages(request) as stream:
        async for _ in stream:
            pass


async def settled(transport: AblyChatTransport, limit: int = 1000) -> list[UIMessage]:
    while True:
        history = await transport.load_history(CHAT, limit=limit)
        if history.active_run_id is None:
            return list(history.messages)
        await anyio.lowlevel.checkpoint()


@pytest.fixture
async def long_chat(broker: RunningBroker, connect: Any) -> list[UIMessage]:
    """The messages of a chat of which the newest page of history holds only the end."""
    async with AblyAgent(Echo(), connect("agent"), channels=[CHAT], window_s=0.001):
        async with AblyChatTransport(connect("ann")) as transport:
            with anyio.fail_after(30):
                for number in range(TURNS):
                    await asked(transport, f"q{number}")
                messages = await settled(transport)
    assert len(messages) == 2 * TURNS
    broker.broker.faults.asked.clear()
    return messages


def ids(messages: Sequence[UIMessage]) -> list[str]:
    return [message.id for message in messages]


async def test_only_what_is_newer_than_the_store_is_read(
    broker: RunningBroker, connect: Any, long_chat: list[UIMessage]
) -> None:
    own = long_chat[:-4]
    async with AblyChatTransport(connect("bob")) as transport:
        history = await transport.catch_up(CHAT, own)
        assert history.messages == long_chat
        assert history.active_run_id is None
        assert not history.has_older
        assert broker.broker.faults.asked["history"] == 1  # the newest page, as at every attach
        again = await transport.catch_up(CHAT, history.messages)
        assert again.messages == long_chat
    assert broker.broker.faults.asked["history"] == 1


async def test_a_store_that_is_far_behind_is_read_back_to_and_no_further(
    broker: RunningBroker, connect: Any, long_chat: list[UIMessage]
) -> None:
    async with AblyChatTransport(connect("bob")) as transport:
        history = await transport.catch_up(CHAT, long_chat[:TURNS])
        assert history.messages == long_chat
        read = broker.broker.faults.asked["history"]
        session = await transport.session(CHAT)
        assert read > 1
        assert await session.load_older()  # there is more, and it was not asked for


async def test_what_the_channel_has_forgotten_stays_in_the_store(
    broker: RunningBroker, connect: Any, long_chat: list[UIMessage]
) -> None:
    elsewhere = [UIMessage.user("said elsewhere", id="x1"), *long_chat[:-4]]
    channel = broker.broker.apps["app"].channels[CHAT]
    for serial in list(channel.log.order)[: len(channel.log.order) // 2]:
        channel.log.records.pop(serial, None)
        channel.log.order.remove(serial)
    async with AblyChatTransport(connect("bob")) as transport:
        history = await transport.catch_up(CHAT, elsewhere)
        assert ids(history.messages) == ["x1", *ids(long_chat)]
        foreign = await transport.catch_up(CHAT, elsewhere[:1])
    assert foreign.messages[0].id == "x1"
    assert ids(foreign.messages)[-4:] == ids(long_chat)[-4:]
    assert not foreign.has_older


async def test_a_chat_joins_the_live_channel_without_gap_or_repetition(
    connect: Any, long_chat: list[UIMessage]
) -> None:
    """A reply is under way at the seam, and another comes after it."""
    echo = Echo()
    async with (
        AblyAgent(echo, connect("agent"), channels=[CHAT]),
        AblyChatTransport(connect("ann")) as anns,
        AblyChatTransport(connect("bob")) as bobs,
        anyio.create_task_group() as tasks,
    ):
        with anyio.fail_after(20):
            tasks.start_soon(asked, anns, "hold")
            await echo.is_waiting.wait()
            async with Chat(bobs, id=CHAT, messages=long_chat[:-2]) as chat:
                history = await chat.catch_up()
                assert history.active_run_id is not None
                tasks.start_soon(chat.resume_stream)
                echo.go_on.set()
                async for _ in chat.updates():
                    if chat.messages[-1].text == "you said hold (1)" and chat.status == "ready":
                        break
                await asked(anns, "more")
                async for _ in chat.updates():
                    if chat.messages[-1].text == "you said more (2)" and chat.status == "ready":
                        break
                shown = chat.messages
    assert ids(shown[:-4]) == ids(long_chat)
    assert [message.text for message in shown[-4:]] == [
        "hold", "you said hold (1)", "more", "you said more (2)",
    ]  # fmt: skip
    assert len(set(ids(shown))) == len(shown)


async def test_an_edit_of_an_old_message_cuts_the_store_there(
    broker: RunningBroker, connect: Any, long_chat: list[UIMessage]
) -> None:
    edited = SendMessages(
        chat_id=CHAT,
        messages=[*long_chat[:20], UIMessage.user("otherwise", id="u-new")],
        message_id=long_chat[20].id,
    )
    async with AblyAgent(Echo(), connect("agent"), channels=[CHAT]):
        async with AblyChatTransport(connect("ann")) as anns:
            await anns.load_history(CHAT, limit=1000)
            async with anns.send_messages(edited) as stream:
                assert [chunk async for chunk in stream]
            everything = await settled(anns)
    assert ids(everything)[:21] == [*ids(long_chat[:20]), "u-new"]
    async with AblyChatTransport(connect("bob")) as bobs:
        history = await bobs.catch_up(CHAT, long_chat)
    assert history.messages == everything


async def test_what_only_the_store_knows_of_a_message_is_kept(
    connect: Any, long_chat: list[UIMessage]
) -> None:
    own = [m.model_copy(update={"metadata": {"starred": True}}) for m in long_chat[:-2]]
    async with AblyChatTransport(connect("bob")) as transport:
        history = await transport.catch_up(CHAT, own)
    assert history.messages == [*own, *long_chat[-2:]]


async def test_an_agent_works_on_its_store_and_what_is_newer(
    broker: RunningBroker, connect: Any, long_chat: list[UIMessage]
) -> None:
    echo, store = Echo(), [UIMessage.user("said elsewhere", id="x1"), *long_chat[:-2]]
    loaded: list[str] = []

    async def past(chat_id: str) -> Sequence[UIMessage]:
        loaded.append(chat_id)
        return store

    async with AblyAgent(echo, connect("agent"), channels=[CHAT], past=past):
        async with AblyChatTransport(connect("ann")) as transport:
            with anyio.fail_after(20):
                await asked(transport, "hello", [*long_chat])
                store += await settled(transport, limit=4)
                await asked(transport, "again", [*store])
    texts = [message.text for message in long_chat]
    assert echo.prompts[0] == ["said elsewhere", *texts, "hello"]
    assert echo.prompts[1] == [*echo.prompts[0], "you said hello (1)", "again"]
    assert loaded == [CHAT, CHAT]
    assert broker.broker.faults.asked["history"] == 2  # one page for each of the two that attached


async def test_a_store_that_fails_ends_the_run_without_its_words(
    connect: Any, caplog: pytest.LogCaptureFixture
) -> None:
    async def past(_chat_id: str) -> Sequence[UIMessage]:
        raise OSError("secret database")

    async with AblyAgent(Echo(), connect("agent"), channels=[CHAT], past=past):
        async with AblyChatTransport(connect("ann")) as transport:
            request = SendMessages(chat_id=CHAT, messages=[UIMessage.user("hello", id="u1")])
            with anyio.fail_after(10), caplog.at_level(logging.ERROR):
                async with transport.send_messages(request) as stream:
                    chunks = [chunk async for chunk in stream]
    assert chunks == [Error(error_text="An error occurred.")]
    assert "secret database" in caplog.text


async def test_paging_reads_no_page_that_is_not_asked_for(
    broker: RunningBroker, connect: Any, long_chat: list[UIMessage]
) -> None:
    reads = broker.broker.faults.asked
    async with AblyChatTransport(connect("bob")) as transport:
        page = await transport.load_history(CHAT, limit=4)
        assert reads["history"] == 1
        assert page.messages == long_chat[-4:]
        page = await transport.load_history(CHAT, limit=4, before=page.cursor)
        assert page.messages == long_chat[-8:-4]
        assert reads["history"] == 1  # it was on the page that had been read
        found = [*page.messages]
        while page.has_older:
            before, page = (
                reads["history"],
                await transport.load_history(CHAT, limit=6, before=page.cursor),
            )
            assert reads["history"] - before <= 1
            found = [*page.messages, *found]
        assert found == long_chat[:-4]
        whole = reads["history"]
        await transport.load_history(CHAT, limit=1000)
        assert reads["history"] == whole  # nothing is read twice


async def test_sending_and_observing_read_the_newest_page_alone(
    broker: RunningBroker, connect: Any, long_chat: list[UIMessage]
) -> None:
    async def past(_chat_id: str) -> Sequence[UIMessage]:
        return long_chat

    async with (
        AblyAgent(Echo(), connect("agent"), channels=[CHAT], past=past),
        AblyChatTransport(connect("ann")) as anns,
        AblyChatTransport(connect("bob")) as bobs,
        bobs.observe(CHAT) as changes,
    ):
        before = broker.broker.faults.asked["history"]
        assert before == 2  # the agent's and bob's
        with anyio.fail_after(10):
            await asked(anns, "hello", long_chat[-1:])
            assert isinstance(await anext(changes), MessageSeen)
            await settled(anns, limit=2)
        reads = broker.broker.faults.asked["history"] - before
    assert reads == 1


@pytest.mark.parametrize("loss", ["gap", "edit"])
async def test_who_is_told_the_chat_anew_keeps_what_the_store_gave(
    broker: RunningBroker, connect: Any, long_chat: list[UIMessage], loss: str
) -> None:
    own = long_chat[:-2]
    async with (
        AblyAgent(Echo(), connect("agent"), channels=[CHAT]),
        AblyChatTransport(connect("ann")) as anns,
        AblyChatTransport(connect("bob")) as bobs,
        Chat(bobs, id=CHAT, messages=own) as chat,
    ):
        await chat.catch_up()
        assert chat.messages == tuple(long_chat)
        with anyio.fail_after(20):
            if loss == "gap":
                chat.messages = ()  # so that the news can be seen
                channel = broker.broker.apps["app"].channels[CHAT]
                channel.log.floor = channel.now()
                broker.broker.faults.drop_sockets()
                wanted = long_chat
            else:
                edited = UIMessage.user("otherwise", id="u-new")
                request = SendMessages(
                    chat_id=CHAT, messages=[*long_chat[:4], edited], message_id=long_chat[4].id
                )
                async with anns.send_messages(request) as stream:
                    assert [chunk async for chunk in stream]
                wanted = await settled(anns)
                assert len(wanted) == 6
            async for _ in chat.updates():
                if ids(chat.messages) == ids(wanted) and chat.status == "ready":
                    break
