from __future__ import annotations

import json
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path

import anyio
import httpx2
import pytest

from chat_transport._chunk_log import ChunkLog
from chat_transport.agent.run import Run, RunEnd
from chat_transport.agent.runtime import Agent
from chat_transport.chunks import (
    Error,
    Finish,
    Start,
    StartStep,
    TextDelta,
    TextEnd,
    TextStart,
    ToolInputAvailable,
    ToolOutputAvailable,
    UIMessageChunk,
)
from chat_transport.codecs.ui_stream import UIStreamDecoder, decode_chunk
from chat_transport.inputs import Reconnect
from chat_transport.messages import TextPart, UIMessage
from chat_transport.reducer import MessageReducer
from chat_transport.transports.http.app import ChatApp, create_app
from chat_transport.transports.http.chat_store import MemoryChatStore, StoredChat
from chat_transport.transports.http.client import HttpChatTransport
from chat_transport.transports.http.reply_keeping import NOT_KEPT_TEXT, ReplyKeeper
from chat_transport.transports.http.run_log import LoggedRun
from chat_transport.transports.http.sqlite_chat_store import SqliteChatStore

pytestmark = pytest.mark.anyio
Serve = Callable[[object], str]
CALL = {"type": "tool-locate", "toolCallId": "call-1", "input": {}}
WHOLE = [
    ("text", "where? "),
    ("tool-locate", "output-available"),
    ("text", "in Praha, "),
    ("tool-clock", "output-available"),
    ("text", "at noon"),
]


def locating(gate) -> Callable[[Run], AsyncIterator[UIMessageChunk]]:
    async def handler(run: Run) -> AsyncIterator[UIMessageChunk]:
        if run.messages[-1].role == "user":
            yield TextStart(id="t")
            yield TextDelta(id="t", delta="where? ")
            yield TextEnd(id="t")
            yield ToolInputAvailable(tool_call_id="call-1", tool_name="locate", input={})
            return
        yield StartStep()
        yield TextStart(id="t")
        yield TextDelta(id="t", delta="in Praha, ")
        yield TextEnd(id="t")
        yield ToolInputAvailable(tool_call_id="call-2", tool_name="clock", input={})
        await gate.passed()
        yield ToolOutputAvailable(tool_call_id="call-2", output=12)
        yield TextStart(id="u")
        yield TextDelta(id="u", delta="at noon")

    return handler


def shape(message: UIMessage) -> list[tuple[str, str]]:
    parts = [part for part in message.to_wire()["parts"] if part["type"] != "step-start"]
    return [(p["type"], p["text"] if p["type"] == "text" else p["state"]) for p in parts]


def folded(chunks: list[UIMessageChunk]) -> UIMessage:
    reducer = MessageReducer(message_id="x", reset_on_first_start=True)
    for chunk in chunks:
        reducer.feed(chunk)
    return reducer.message


async def over_web_socket(client: httpx2.AsyncClient, url: str, gate) -> list[UIMessageChunk]:
    frame = {"type": "resume", "requestId": "q", "id": "c", "headers": {}, "body": {}}
    chunks: list[UIMessageChunk] = []
    async with client.websocket(url.replace("http", "ws")) as session:
        await session.send_text(json.dumps(frame))
        while (got := json.loads(await session.receive_text()))["type"] != "end":
            if got["type"] == "chunk":
                gate.open()
                assert got["sequence"] == len(chunks)
                chunks.append(decode_chunk(got["chunk"]))
    return chunks


@pytest.mark.parametrize("by", ["useChat", "our client", "web socket"])
async def test_a_resumed_continuation_says_the_whole_reply(serve: Serve, gate, by: str):
    url = serve(create_app(locating(gate))) + "/api/chat"
    user = UIMessage.user("q", id="u1").to_wire()
    with anyio.fail_after(10):
        async with httpx2.AsyncClient() as client:
            first = await client.post(url, json={"id": "c", "messages": [user]})
            stored = (await client.get(url + "/c")).json()["messages"][-1]
            answered = [
                {**CALL, "state": "output-available", "output": "Praha"}
                if part["type"] == "tool-locate"
                else part
                for part in stored["parts"]
            ]
            ask = {"id": "c", "messages": [user, {**stored, "parts": answered}]}
            async with client.stream("POST", url, json=ask) as reply:
                assert (first.status_code, reply.status_code) == (200, 200)
                if by == "web socket":
                    chunks = await over_web_socket(client, url, gate)
                elif by == "our client":
                    async with (
                        HttpChatTransport(url) as transport,
                        transport.reconnect_to_stream(Reconnect(chat_id="c")) as again,
                    ):
                        assert again is not None
                        gate.open()
                        chunks = [chunk async for chunk in again]
                else:
                    async with client.stream("GET", url + "/c/stream") as again:
                        gate.open()
                        chunks = list(UIStreamDecoder().feed(await again.aread()))
    assert [type(chunk) for chunk in chunks].count(Start) == 1
    message = folded(chunks)
    assert message.id == stored["id"]
    assert shape(message) == WHOLE


class Slow(SqliteChatStore):
    """Takes its time, and tells when it has begun."""

    def __init__(self, path: Path, go_on: anyio.Event) -> None:
        super().__init__(path)
        self.begun = anyio.Event()
        self._go_on = go_on

    async def put(self, chat_id: str, message: UIMessage, *, after_id: str | None) -> None:
        self.begun.set()
        await self._go_on.wait()
        await super().put(chat_id, message, after_id=after_id)


async def hello(run: Run) -> AsyncIterator[UIMessageChunk]:
    yield TextStart(id="t")
    yield TextDelta(id="t", delta="hello")


@asynccontextmanager
async def client_of(app: ChatApp) -> AsyncGenerator[httpx2.AsyncClient, None]:
    network = httpx2.ASGITransport(app=app)
    async with httpx2.AsyncClient(transport=network, base_url="http://x") as client:
        yield client


async def test_who_reads_the_end_finds_the_reply_in_another_process(tmp_path: Path):
    go_on = anyio.Event()
    store = Slow(tmp_path / "chats.sqlite", go_on)
    other = create_app(hello, store=SqliteChatStore(tmp_path / "chats.sqlite"))
    agent = Agent(hello)
    app = create_app(agent, store=store)
    with anyio.fail_after(10):
        async with agent, app.lifespan(), other.lifespan(), client_of(other) as elsewhere:
            async with client_of(app) as client, anyio.create_task_group() as tasks:
                tasks.start_soon(partial(client.post, "/api/chat", json=body()))
                await store.begun.wait()
                log = agent.active("c")[0].log
                assert [type(chunk) for chunk in log.since(0)][-1] is TextEnd
                assert len((await elsewhere.get("/api/chat/c")).json()["messages"]) == 1
                go_on.set()
                while not isinstance(log.since(0)[-1], Finish):
                    await log.changed()
                assert len((await elsewhere.get("/api/chat/c")).json()["messages"]) == 2


def body() -> dict[str, object]:
    return {"id": "c", "messages": [UIMessage.user("q", id="u1").to_wire()]}


async def test_a_store_that_takes_too_long_or_fails_ends_the_reply_with_error(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
):
    class Failing(MemoryChatStore):
        async def put(self, chat_id: str, message: UIMessage, *, after_id: str | None) -> None:
            raise OSError("disk full")

    slow = Slow(tmp_path / "chats.sqlite", anyio.Event())
    ends: list[RunEnd] = []

    async def note(end: RunEnd) -> None:
        ends.append(end)

    with anyio.fail_after(10):
        for store in (slow, Failing()):
            async with Agent(hello, on_end=note) as agent:
                app = create_app(agent, store=store, store_timeout_s=0.5)
                async with app.lifespan(), client_of(app) as client:
                    reply = await client.post("/api/chat", json=body())
                    chunks = list(UIStreamDecoder().feed(reply.content))
            assert chunks[-1] == Error(error_text=NOT_KEPT_TEXT)
    assert [end.reason for end in ends] == ["error", "error"]
    assert caplog.text.count("unable to keep the reply of run") == 2


async def test_leaving_the_lifespan_ends_the_runs_of_an_agent_that_is_not_ours():
    async def endless(run: Run) -> AsyncIterator[UIMessageChunk]:
        yield TextStart(id="t")
        yield TextDelta(id="t", delta="so far")
        await anyio.sleep_forever()

    store = MemoryChatStore()
    with anyio.fail_after(10):
        async with Agent(endless) as agent:
            app = create_app(agent, store=store)
            async with app.lifespan(), anyio.create_task_group() as tasks, client_of(app) as client:
                tasks.start_soon(partial(client.post, "/api/chat", json=body()))
                while not agent.active("c"):
                    await anyio.lowlevel.checkpoint()
                log = agent.active("c")[0].log
                while len(log) < 3:
                    await log.changed()
                tasks.cancel_scope.cancel()
            assert agent.active("c") == []
    kept = await store.load("c")
    assert kept is not None
    assert kept.messages[-1].text == "so far"


async def test_an_orphan_does_not_overwrite_what_its_process_kept():
    store, log = MemoryChatStore(), ChunkLog("r")
    user = UIMessage.user("q", id="u1")
    run = LoggedRun(chat_id="c", run_id="r")
    log.extend([Start(message_id="a1"), TextStart(id="t"), TextDelta(id="t", delta="so f")])
    keeper = ReplyKeeper(store, timeout_s=5)
    await store.save("c", StoredChat(messages=[user]))
    await keeper.keep_orphan(run, log)
    kept = await store.load("c")
    assert kept is not None
    assert [message.text for message in kept.messages] == ["q", "so f"]
    whole = UIMessage(id="a1", role="assistant", parts=[TextPart(text="so far")])
    await store.save("c", StoredChat(messages=[user, whole]))
    await keeper.keep_orphan(run, log)
    assert await store.load("c") == StoredChat(messages=[user, whole])


async def test_an_orphan_that_went_on_with_a_message_is_kept_in_its_place():
    store, log = MemoryChatStore(), ChunkLog("r")
    before = UIMessage(id="a1", role="assistant", parts=[TextPart(text="before ")])
    run = LoggedRun(chat_id="c", run_id="r", begins_with=before)
    log.extend([Start(message_id="a1"), TextStart(id="t"), TextDelta(id="t", delta="aft")])
    await store.save("c", StoredChat(messages=[before]))
    await ReplyKeeper(store, timeout_s=None).keep_orphan(run, log)
    kept = await store.load("c")
    assert kept is not None
    assert [message.text for message in kept.messages] == ["before aft"]


async def test_an_orphan_that_said_nothing_or_finds_no_store_harms_nobody(
    caplog: pytest.LogCaptureFixture,
):
    class Failing(MemoryChatStore):
        async def load(self, chat_id: str) -> StoredChat | None:
            raise OSError("away")

    log, keeper = ChunkLog("r"), ReplyKeeper(Failing(), timeout_s=5)
    run = LoggedRun(chat_id="c", run_id="r")
    await keeper.keep_orphan(run, log)
    assert not caplog.text
    log.extend([Start(message_id="a1"), TextStart(id="t"), TextDelta(id="t", delta="so f")])
    await keeper.keep_orphan(run, log)
    assert "unable to keep the interrupted reply of run 'r'" in caplog.text
