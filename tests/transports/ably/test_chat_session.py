"""A client's session over a channel that the test plays."""

from __future__ import annotations

import itertools
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Any

import anyio
import pytest

from chat_transport.chunks import (
    Abort,
    Error,
    Finish,
    FinishStep,
    ResetStep,
    Start,
    StartStep,
    TextDelta,
    TextEnd,
    TextStart,
    UIMessageChunk,
)
from chat_transport.codecs.ably.ai_transport.run_encoder import RunIdentity, ui_run_encoder
from chat_transport.codecs.ably.operations import Append, Inbound, Operation, Publish
from chat_transport.errors import ConnectFailed, RequestRejected, StreamInterrupted
from chat_transport.inputs import SendMessages
from chat_transport.messages import UIMessage
from chat_transport.transport import MessageSeen, MessagesReplaced, RunSeen
from chat_transport.transports.ably.ai_transport.client import AiTransportClient
from chat_transport.transports.ably.channel import Member
from chat_transport.transports.ably.chat_session import ChatSession

pytestmark = pytest.mark.anyio


class Tape:
    """Turns operations into deliveries, as a channel would."""

    def __init__(self) -> None:
        self._serials = (f"{number:04d}" for number in itertools.count(1))
        self._keys: dict[str, Inbound] = {}

    def play(self, operations: Sequence[Operation], by: str = "agent") -> list[Inbound]:
        out: list[Inbound] = []
        for operation in operations:
            if isinstance(operation, Publish):
                for message in operation.messages:
                    serial = next(self._serials)
                    made = Inbound(
                        action="create",
                        serial=serial,
                        version=serial,
                        name=message.name,
                        data=message.data,
                        extras=message.extras,
                        client_id=by,
                    )
                    if operation.key is not None and message is operation.messages[0]:
                        self._keys[operation.key] = made
                    out.append(made)
            elif isinstance(operation, Append):
                first = self._keys[operation.key]
                out.append(
                    Inbound(
                        action="append",
                        serial=first.serial,
                        version=next(self._serials),
                        name=first.name,
                        data=operation.data,
                        extras=operation.extras,
                        client_id=by,
                    )
                )
        return out


class History:
    def __init__(self, pages: list[Any]) -> None:
        self.pages = pages

    @property
    def is_exhausted(self) -> bool:
        return not self.pages

    async def next_page(self) -> Sequence[Inbound]:
        page = self.pages.pop(0) if self.pages else ()
        if isinstance(page, Exception):
            raise page
        return page


class Channel:
    """The channel that the test plays; history is given newest first."""

    name = "ai:x"

    def __init__(self, tasks: Any) -> None:
        self.connection = self
        self.tasks = tasks
        self.pages: list[Any] = []
        self.present: list[Member] = []
        self.watchers: list[Callable[[], None]] = []
        self.listener: Any = None

    @asynccontextmanager
    async def listening(self, listener: Any) -> AsyncIterator[None]:
        self.listener = listener
        yield

    @asynccontextmanager
    async def watching(self, watcher: Callable[[], None]) -> AsyncIterator[None]:
        self.watchers.append(watcher)
        yield

    def members(self) -> list[Member]:
        return self.present

    def history(self) -> History:
        return History(self.pages)

    def appear(self, *names: str) -> None:
        self.present = [Member(name, {"status": "online"}) for name in names]
        for watcher in self.watchers:
            watcher()


@asynccontextmanager
async def playing() -> AsyncIterator[tuple[Channel, ChatSession, Tape]]:
    ids = (f"id{number}" for number in itertools.count())
    async with anyio.create_task_group() as tasks:
        channel = Channel(tasks)
        wire = AiTransportClient(client_id="ann", new_id=lambda: next(ids))
        session = ChatSession(channel, wire)  # type: ignore[arg-type]  # a fake
        with anyio.fail_after(10):
            async with session.open():
                yield channel, session, Tape()
        tasks.cancel_scope.cancel()


def speaker(input_id: str = "m1", run_id: str = "r1") -> Any:
    ids = (f"{run_id}-{number}" for number in itertools.count())
    return ui_run_encoder(
        RunIdentity(run_id=run_id, invocation_id="i", input_id=input_id),
        new_id=lambda: next(ids),
    )


def hear(channel: Channel, messages: Sequence[Inbound]) -> None:
    for message in messages:
        channel.listener.on_message(message)


def said(encoder: Any, *chunks: UIMessageChunk) -> list[Operation]:
    return [operation for chunk in chunks for operation in encoder.encode(chunk)]


OPENING = (Start(message_id="a1"), StartStep(), TextStart(id="t"))


@pytest.mark.parametrize(
    ("ending", "terminal"),
    [
        (lambda e: e.end("complete"), Finish()),
        (lambda e: e.end("cancelled"), Abort()),
        (lambda e: e.end("error", message="broke"), Error(error_text="broke")),
        (lambda e: e.end("error"), Error(error_text="agent reported an error")),
        (lambda e: e.suspend(), Finish(finish_reason="tool-calls")),
    ],
)
async def test_a_run_that_ends_without_its_last_chunk_is_given_one(
    ending: Any, terminal: UIMessageChunk
) -> None:
    async with playing() as (channel, session, tape):
        agent = speaker()
        with session.reading("m1") as stream:
            hear(channel, tape.play([*agent.start(), *said(agent, *OPENING), *ending(agent)]))
            chunks = [chunk async for chunk in stream]
    assert chunks[-1] == terminal
    assert stream.run_id == "r1"


async def test_what_comes_after_the_last_chunk_is_not_given() -> None:
    async with playing() as (channel, session, tape):
        agent = speaker()
        with session.reading("m1") as stream:
            operations = [*agent.start(), *said(agent, *OPENING, TextEnd(id="t"), Finish())]
            hear(channel, tape.play([*operations, *said(agent, StartStep()), *agent.end()]))
            chunks = [chunk async for chunk in stream]
    assert chunks[-1].type == "finish"


async def test_text_that_is_replaced_is_told_anew_in_its_step() -> None:
    async with playing() as (channel, session, tape):
        agent = speaker()
        with session.reading("m1") as stream:
            opening = tape.play([*agent.start(), *said(agent, *OPENING)])
            hear(channel, opening)
            (wrong,) = tape.play(said(agent, TextDelta(id="t", delta="wrong")))
            hear(channel, [wrong])
            hear(
                channel,
                [
                    Inbound(
                        action="update",
                        serial=opening[-1].serial,
                        version=f"{wrong.version}-b",
                        data="right",
                        extras=opening[-1].extras,
                    )
                ],
            )
            hear(channel, tape.play(said(agent, TextEnd(id="t"), FinishStep(), Finish())))
            chunks = [chunk async for chunk in stream]
        assert session.wire.messages()[-1].text == "right"
    assert chunks == [
        *OPENING,
        TextDelta(id="t", delta="wrong"),
        ResetStep(),
        TextStart(id="t"),
        TextDelta(id="t", delta="right"),
        TextEnd(id="t"),
        FinishStep(),
        Finish(finish_reason="stop"),
    ]


def attempt(encoder: Any, tape: Tape, name: str, *chunks: UIMessageChunk) -> list[Inbound]:
    """Say chunks in an attempt of a step, as a channel that acknowledges at once."""
    (begin,) = encoder.begin_attempt(name)
    heard = tape.play([begin])
    heard += tape.play(encoder.acknowledged(begin.key, heard[0].serial))
    return [*heard, *tape.play([*said(encoder, *chunks), *encoder.end_attempt("complete")])]


HALF = (StartStep(), TextStart(id="t"), TextDelta(id="t", delta="half"))


async def test_a_reader_takes_back_what_a_retry_takes_back_on_the_channel() -> None:
    async with playing() as (channel, session, tape):
        agent = speaker()
        with session.reading("m1") as stream:
            hear(channel, tape.play([*agent.start(), *said(agent, Start(message_id="a1"))]))
            hear(channel, attempt(agent, tape, "plan", *HALF, TextEnd(id="t"), FinishStep()))
            hear(channel, attempt(agent, tape, "answer", *HALF))
            whole = (StartStep(), TextStart(id="u"), TextDelta(id="u", delta="whole"))
            hear(channel, attempt(agent, tape, "answer", *whole))
            hear(channel, tape.play([*said(agent, Finish()), *agent.end()]))
            chunks = [chunk async for chunk in stream]
    again = [ResetStep(), *whole[1:], Finish(finish_reason="stop")]
    assert chunks[6:] == [*HALF, *again]


async def test_an_observer_of_a_retry_is_not_told_to_read_the_chat_anew() -> None:
    async with playing() as (channel, session, tape):
        agent = speaker()
        async with session.observing() as changes:
            hear(channel, tape.play([*agent.start(), *said(agent, Start(message_id="a1"))]))
            for words in (HALF, HALF):
                hear(channel, attempt(agent, tape, "answer", *words))
            hear(channel, tape.play([*said(agent, Finish()), *agent.end()]))
            seen = await anext(changes)
            assert isinstance(seen, RunSeen)
            chunks = [chunk async for chunk in seen.chunks]
            session._observers.tell(MessagesReplaced(messages=()))
            assert await anext(changes) == MessagesReplaced(messages=())
    assert [chunk.type for chunk in chunks].count("reset-step") == 1


async def test_a_gap_is_filled_from_history_in_order_and_once() -> None:
    async with playing() as (channel, session, tape):
        agent = speaker()
        opening = tape.play([*agent.start(), *said(agent, *OPENING)])
        missed = tape.play(
            said(agent, TextDelta(id="t", delta="one "), TextDelta(id="t", delta="two "))
        )
        after = tape.play(said(agent, TextDelta(id="t", delta="three"), TextEnd(id="t"), Finish()))
        stored = [
            Inbound(
                action="update",
                serial=opening[-1].serial,
                version=missed[-1].version,
                name="ai-output",
                data="one two ",
                extras=opening[-1].extras,
                client_id="agent",
            ),
            *reversed(opening[:-1]),
        ]
        async with session.observing() as changes:
            with session.reading("m1") as stream:
                hear(channel, opening)
                channel.pages = [stored]
                channel.listener.on_gap()
                channel.listener.on_gap()  # a second one while it heals changes nothing
                hear(channel, after)
                chunks = [chunk async for chunk in stream]
            assert isinstance(await anext(changes), RunSeen)
            replaced = await anext(changes)
    assert [c.delta for c in chunks if isinstance(c, TextDelta)] == ["one two ", "three"]
    assert [c.type for c in chunks].count("start") == 1
    assert isinstance(replaced, MessagesReplaced)
    assert replaced.messages[-1].text == "one two three"


async def test_a_gap_that_cannot_be_filled_interrupts_the_stream() -> None:
    async with playing() as (channel, session, tape):
        agent = speaker()
        with session.reading("m1") as stream:
            hear(channel, tape.play([*agent.start(), *said(agent, *OPENING)]))
            channel.pages = [StreamInterrupted("no history", resumable=True)]
            channel.listener.on_gap()
            with pytest.raises(StreamInterrupted, match="no history"):
                async for _ in stream:
                    pass


async def test_a_lost_channel_and_a_closed_transport_end_the_streams() -> None:
    async with playing() as (_channel, session, _tape):
        with session.reading("m1") as stream:
            session.on_lost(ConnectFailed("refused"))
            with pytest.raises(ConnectFailed, match="refused"):
                await anext(stream)
        lasting = session.reading("m2")
        later = lasting.__enter__()
    with pytest.raises(StreamInterrupted, match="closed"):
        await anext(later)
    lasting.__exit__(None, None, None)


async def test_foreign_and_broken_messages_are_passed_over() -> None:
    async with playing() as (channel, session, tape):
        broken = {"ai": {"transport": {"run-id": "r1", "codec-message-id": "m"}, "codec": 7}}
        hear(
            channel,
            [
                Inbound(action="create", serial="1", version="1", name="app", data=1),
                Inbound(action="create", serial="2", version="2", name="ai-output", extras=broken),
                Inbound(action="summary", serial="3", version="3"),
            ],
        )
        agent = speaker()
        with session.reading("m1") as stream:
            hear(channel, tape.play([*agent.start(), *said(agent, *OPENING, Finish())]))
            assert (await anext(stream)).type == "start"


async def test_an_observer_is_told_of_others_only_and_gets_whole_messages() -> None:
    async with playing() as (channel, session, tape):
        other = AiTransportClient(client_id="bob", new_id=iter(["m1", "e1"]).__next__)
        message = UIMessage.model_validate(
            {
                "id": "u1",
                "role": "user",
                "parts": [
                    {"type": "file", "mediaType": "image/png", "url": "data:,"},
                    {"type": "text", "text": "look"},
                ],
            }
        )
        (foreign,) = other.encode(SendMessages(chat_id="c", messages=[message]))
        own = UIMessage.user("mine", id="u0")
        (mine,) = await session.prepare(SendMessages(chat_id="c", messages=[own]))
        async with session.observing() as changes:
            hear(channel, tape.play([mine.publish], by="ann"))
            hear(channel, tape.play([foreign.publish], by="bob"))
            seen = await anext(changes)
    assert isinstance(seen, MessageSeen)
    assert [part.type for part in seen.message.parts] == ["file", "text"]


async def test_a_further_pass_of_an_own_run_is_told_to_observers() -> None:
    """As a JavaScript agent answers a steer: after the `finish` that ended the own stream."""
    async with playing() as (channel, session, tape):
        request = SendMessages(chat_id="c", messages=[UIMessage.user("go", id="u1")])
        (mine,) = await session.prepare(request)
        agent = speaker(mine.input_id)
        async with session.observing() as changes, session.observing() as others_changes:
            with session.reading(mine.input_id) as stream:
                hear(channel, tape.play([mine.publish], by="ann"))
                hear(channel, tape.play([*agent.start(), *said(agent, *OPENING, Finish())]))
                assert [chunk.type async for chunk in stream][-1] == "finish"
            steer = session.wire.steer("r1", UIMessage.user("left", id="u2"))  # type: ignore[attr-defined]
            hear(channel, tape.play([steer.publish], by="ann"))
            again = [*agent.next_message(), *said(agent, Start(message_id="a2"), StartStep())]
            hear(channel, tape.play([*again, *said(agent, Finish()), *agent.end("complete")]))
            for told in (changes, others_changes):
                message, run = await anext(told), await anext(told)
                if isinstance(message, RunSeen):
                    message, run = run, message
                assert isinstance(message, MessageSeen)
                assert isinstance(run, RunSeen)
                assert message.message.text == "left"
                chunks = [chunk async for chunk in run.chunks]
                assert [chunk.type for chunk in chunks] == ["start", "start-step", "finish"]


async def test_an_edit_by_somebody_else_is_told_as_the_whole_chat() -> None:
    async with playing() as (channel, session, tape):
        theirs = AiTransportClient(client_id="bob", new_id=iter(f"b{n}" for n in range(9)).__next__)
        first = SendMessages(chat_id="c", messages=[UIMessage.user("one", id="u1")])
        again = SendMessages(
            chat_id="c", messages=[UIMessage.user("other", id="u2")], message_id="u1"
        )
        told: list[Any] = []
        async with session.observing() as changes:
            for request in (first, again):
                (outgoing,) = theirs.encode(request)
                echo = tape.play([outgoing.publish], by="bob")
                hear(channel, echo)
                for message in echo:
                    theirs.feed(message, live=True)
                told.append(await anext(changes))
    seen, replaced = told
    assert isinstance(seen, MessageSeen)
    assert isinstance(replaced, MessagesReplaced)
    assert [message.text for message in replaced.messages] == ["other"]


async def test_the_reply_of_an_agent_that_left_is_broken_off(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("chat_transport.transports.ably.departures.GRACE_S", 0.01)
    async with playing() as (channel, session, tape):
        agent, silent = speaker(), speaker("m2", "r2")
        with session.reading("m1") as stream, session.reading("m2") as of_unseen:
            channel.appear("agent")
            hear(channel, tape.play([*agent.start(), *said(agent, *OPENING)]))
            hear(channel, tape.play(silent.start(), by="never-present"))
            channel.appear()
            channel.appear("agent")  # it was only a moment
            channel.appear("somebody")
            with pytest.raises(StreamInterrupted, match="'agent' left"):
                async for _ in stream:
                    pass
            # An agent that never showed itself cannot be missed.
            hear(channel, tape.play(said(silent, *OPENING, Finish()), by="never-present"))
            assert [c.type async for c in of_unseen][-1] == "finish"


async def test_what_can_be_stopped_is_what_runs_or_was_asked_for() -> None:
    async with playing() as (channel, session, tape):
        agent = speaker("other", "r9")
        hear(channel, tape.play(agent.start()))
        with session.reading("m1"):
            assert {ref.input_id for ref in session.stoppable(None)} == {"other", "m1"}
            assert [ref.run_id for ref in session.stoppable("r9")] == ["r9"]
            assert session.stoppable("gone") == []


async def test_an_input_that_is_too_large_is_not_sent() -> None:
    async with playing() as (_channel, session, _tape):
        big = SendMessages(chat_id="c", messages=[UIMessage.user("x" * 70_000, id="u1")])
        (outgoing,) = await session.prepare(big)
        with pytest.raises(RequestRejected, match="65536"):
            await session.publish(outgoing)


async def test_without_an_own_copy_catching_up_reads_one_page_of_messages() -> None:
    """A hundred messages, however long the channel is."""
    async with playing() as (channel, session, tape):
        writer = AiTransportClient(client_id="ann", new_id=iter(map(str, range(9999))).__next__)
        said: list[Inbound] = []
        for number in range(300):
            request = SendMessages(
                chat_id="c", messages=[UIMessage.user(str(number), id=f"u{number}")]
            )
            (outgoing,) = writer.encode(request)
            (echo,) = tape.play([outgoing.publish], by="ann")
            writer.feed(echo, live=True)
            said.append(echo)
        newest_first = said[::-1]
        channel.pages[:] = [newest_first[at : at + 10] for at in range(0, 300, 10)]
        history = await session.catch_up([])
        assert [message.text for message in history.messages] == [str(n) for n in range(200, 300)]
        assert history.has_older
        assert len(channel.pages) == 19, "one more than needed: the oldest may have parts there"
