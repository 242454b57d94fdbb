"""`all[:k] + resume(k) == all`: our client and our server, cut at every line and amid every line."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from typing import Any

import anyio
import pytest

from chat_transport._chunk_columns import merge_deltas
from chat_transport._chunk_log import ChunkLog
from chat_transport.agent.run import Run
from chat_transport.agent.runtime import Agent
from chat_transport.chunks import (
    FinishStep,
    ResetStep,
    Start,
    StartStep,
    TextDelta,
    TextEnd,
    TextStart,
    ToolInputAvailable,
    ToolOutputAvailable,
    UIMessageChunk,
)
from chat_transport.codecs.retold import retold
from chat_transport.errors import StreamInterrupted
from chat_transport.inputs import Reconnect, SendMessages
from chat_transport.messages import UIMessage
from chat_transport.reducer import MessageReducer
from chat_transport.transports.http.app import ChatApp, create_app
from chat_transport.transports.http.chat_store import MemoryChatStore, StoredChat
from chat_transport.transports.http.client import HttpChatTransport
from chat_transport.transports.http.redis_run_log import RedisRunLog
from chat_transport.transports.http.reply_place import ReplyPlace, next_place, rest_of_joined
from chat_transport.transports.http.reply_reader import ReconnectPolicy
from chat_transport.transports.http.run_log import MemoryRunLog, RunLog

pytestmark = pytest.mark.anyio
AT_ONCE = ReconnectPolicy(attempts=3, first_s=0, longest_s=0)
QUESTION = UIMessage.user("where, and when?", id="u1")
CALL = {"type": "tool-locate", "toolCallId": "call-1", "input": {}}
ANSWERED = UIMessage.model_validate(
    {
        "id": "a1",
        "role": "assistant",
        "parts": [
            {"type": "step-start"},
            {"type": "text", "text": "let me see", "state": "done"},
            {**CALL, "state": "output-available", "output": "Praha"},
        ],
    }
)
ASKED = UIMessage.model_validate(
    {
        **ANSWERED.to_wire(),
        "parts": [*ANSWERED.to_wire()["parts"][:2], {**CALL, "state": "input-available"}],
    }
)
FIRST: Sequence[UIMessageChunk] = [
    StartStep(),
    TextStart(id="t"),
    TextDelta(id="t", delta="in "),
    TextStart(id="u"),
    TextDelta(id="u", delta="at "),
    TextDelta(id="t", delta="Pra"),
    TextDelta(id="u", delta="no"),
]
REST: Sequence[UIMessageChunk] = [
    TextDelta(id="t", delta="ha"),
    TextDelta(id="u", delta="on"),
    TextEnd(id="t"),
    ToolInputAvailable(tool_call_id="call-2", tool_name="clock", input={}),
    ToolOutputAvailable(tool_call_id="call-2", output=12),
    TextEnd(id="u"),
    FinishStep(),
    StartStep(),
    TextStart(id="v"),
    TextDelta(id="v", delta="this is taken back"),
    ResetStep(),
    TextStart(id="v"),
    TextDelta(id="v", delta="!"),
    TextEnd(id="v"),
]


class Request:
    """What the transport asks of its HTTP library."""

    def __init__(self, method: str, url: str, headers: Mapping[str, str], content: bytes) -> None:
        self.method, self.url, self.headers, self.content = method, url, dict(headers), content


class Pipe:
    """Bytes from the server, as they come."""

    def __init__(self) -> None:
        self._pieces: list[bytes] = []
        self._is_over = False
        self._changed = anyio.Event()

    def put(self, piece: bytes, *, is_last: bool) -> None:
        self._pieces.append(piece)
        self._is_over = is_last
        self._changed.set()
        self._changed = anyio.Event()

    def __aiter__(self) -> Pipe:
        return self

    async def __anext__(self) -> bytes:
        while not self._pieces:
            if self._is_over:
                raise StopAsyncIteration
            await self._changed.wait()
        return self._pieces.pop(0)


class Answer:
    """A response whose connection breaks after so many bytes."""

    def __init__(self, status: int, headers: Mapping[str, str], pieces: Pipe, cut: int | None):
        self.status_code, self.headers = status, headers
        self.left = anyio.Event()
        self._pieces, self._cut = pieces, cut

    async def aiter_bytes(self) -> AsyncIterator[bytes]:
        given = 0
        async for piece in self._pieces:
            if self._cut is not None and given + len(piece) >= self._cut:
                yield piece[: self._cut - given]
                self.left.set()
                raise ConnectionResetError("cut")
            given += len(piece)
            yield piece

    async def aclose(self) -> None:
        self.left.set()


@dataclass
class Network:
    """An HTTP client without a network; the first connections to a stream are cut."""

    app: ChatApp
    tasks: Any
    cuts: list[int] = field(default_factory=list)
    on_cut: Callable[[], None] = lambda: None
    bodies: list[bytes] = field(default_factory=list)
    asked: list[Request] = field(default_factory=list)

    def build_request(self, method: str, url: str, *, headers: Any, content: Any, timeout: Any):
        return Request(method, url, headers, content or b"")

    async def send(self, request: Request, *, stream: bool) -> Answer:
        self.asked.append(request)
        if len(self.asked) > 1:
            self.on_cut()
        pipe = Pipe()
        head: dict[str, Any] = {}
        begun = anyio.Event()
        body = [request.content]
        answer: list[Answer] = []
        place = len(self.bodies)
        self.bodies.append(b"")

        async def receive() -> dict[str, Any]:
            if body:
                return {"type": "http.request", "body": body.pop()}
            await begun.wait()
            await answer[0].left.wait()
            return {"type": "http.disconnect"}

        async def say(message: dict[str, Any]) -> None:
            if message["type"] == "http.response.start":
                head.update(message)
                return
            self.bodies[place] += message["body"]
            pipe.put(message["body"], is_last=not message.get("more_body"))
            begun.set()

        scope = {"type": "http", "method": request.method, "path": request.url}
        scope["headers"] = [(n.encode(), v.encode()) for n, v in request.headers.items()]
        self.tasks.start_soon(self.app, scope, receive, say)
        cut = self.cuts.pop(0) if self.cuts else None
        headers = LateHeaders(head)
        answer.append(Answer(0, headers, pipe, cut))
        await begun.wait()
        answer[0].status_code = head["status"]
        return answer[0]


class LateHeaders(dict):
    """Headers that are known once the head is."""

    def __init__(self, head: Mapping[str, Any]) -> None:
        super().__init__()
        self._head = head

    def get(self, name: str, default: Any = None) -> Any:
        named = {n.decode(): v.decode() for n, v in self._head["headers"]}
        return named.get(name, default)


async def when_all_wait(act: Callable[[], None]) -> None:
    await anyio.wait_all_tasks_blocked()
    act()


async def scene(
    *,
    resumes: bool,
    continues: bool,
    cuts: Sequence[int],
    run_logs: Callable[[], Sequence[RunLog]],
) -> tuple[list[UIMessageChunk], list[UIMessageChunk], Network]:
    """Read a reply that goes on when the first connection is cut.

    Gives what the client read, what there was to read, and the network.
    """
    go_on = anyio.Event()

    async def handler(run: Run) -> AsyncIterator[UIMessageChunk]:
        for chunk in FIRST:
            yield chunk
        await go_on.wait()
        for chunk in REST:
            yield chunk

    store = MemoryChatStore()
    if continues:
        await store.save("c", StoredChat(messages=[QUESTION, ASKED]))
    messages = [QUESTION, ANSWERED] if continues else [QUESTION]
    async with AsyncExitStack() as stack:
        agent = await stack.enter_async_context(Agent(handler))
        apps = [create_app(agent, store=store, run_log=log) for log in run_logs()]
        for app in apps:
            await stack.enter_async_context(app.lifespan())
        tasks = await stack.enter_async_context(anyio.create_task_group())
        network = Network(apps[0], tasks)
        reader = network if not resumes else Network(apps[-1], tasks)
        reader.cuts, reader.on_cut = list(cuts), go_on.set
        transport = HttpChatTransport("/api/chat", client=network, reconnect=AT_ONCE)
        late = HttpChatTransport("/api/chat", client=reader, reconnect=AT_ONCE)
        for each in (transport, late):
            await stack.enter_async_context(each)
        wish = SendMessages(chat_id="c", messages=messages)
        async with transport.send_messages(wish) as sent:
            log = agent.active("c")[0].log
            tasks.start_soon(when_all_wait, go_on.set)  # the cut may come only later
            if not resumes:
                chunks = [chunk async for chunk in sent]
            else:
                while len(log) < len(FIRST) + 1:
                    await log.changed()
                async with late.reconnect_to_stream(Reconnect(chat_id="c")) as again:
                    assert again is not None
                    if len(apps) > 1:
                        go_on.set()  # Redis is never quiet
                    chunks = [chunk async for chunk in again]
        tasks.cancel_scope.cancel()
        said = list(log.since(0))
        whole = [*retold(ANSWERED), *said[1:]] if resumes and continues else said
        kept = await store.load("c")
        assert kept is not None
        has_beginning = continues and not resumes
        fold = MessageReducer(ANSWERED if has_beginning else None, message_id="x")
        for chunk in chunks:
            fold.feed(chunk)
        assert fold.message.to_wire() == kept.messages[-1].to_wire()
    return chunks, whole, reader


def memory() -> Sequence[RunLog]:
    return [MemoryRunLog()]


def places_to_cut(body: bytes) -> list[int]:
    """After each line, and amid each."""
    places, at = [], 0
    for line in body.splitlines(keepends=True):
        places += [at + len(line) // 2, at + len(line)]
        at += len(line)
    return [place for place in places if place]


def is_whole(chunks: list[UIMessageChunk], whole: list[UIMessageChunk]) -> bool:
    assert [type(chunk) for chunk in chunks].count(Start) == 1
    return merge_deltas(chunks) == merge_deltas(whole)


@pytest.mark.parametrize("continues", [False, True], ids=["a reply", "a reply that goes on"])
@pytest.mark.parametrize("resumes", [False, True], ids=["sent", "resumed"])
async def test_a_reply_cut_anywhere_is_whole(*, resumes: bool, continues: bool):
    with anyio.fail_after(60):
        about = {"resumes": resumes, "continues": continues, "run_logs": memory}
        chunks, whole, network = await scene(cuts=[], **about)
        assert is_whole(chunks, whole)
        for cut in places_to_cut(network.bodies[0]):
            chunks, whole, network = await scene(cuts=[cut], **about)
            assert is_whole(chunks, whole), (cut, network.bodies)
            assert len(network.asked) == 2 or b'"finishReason"' in network.bodies[0][:cut]


async def test_a_reply_cut_again_and_again_is_whole():
    with anyio.fail_after(60):
        about = {"resumes": True, "continues": True, "run_logs": memory}
        for size in range(200, 500, 13):
            chunks, whole, network = await scene(cuts=[size] * 30, **about)
            assert is_whole(chunks, whole), (size, network.bodies)


@pytest.mark.parametrize("anyio_backend", ["asyncio"])  # redis-py runs on asyncio alone
async def test_a_reply_of_another_process_cut_anywhere_is_whole(redis_server):
    def redis() -> Sequence[RunLog]:
        return [RedisRunLog(redis_server.url, write_every_s=0.001) for _ in range(2)]

    with anyio.fail_after(60):
        about = {"resumes": True, "continues": True, "run_logs": redis}
        chunks, whole, network = await scene(cuts=[], **about)
        assert is_whole(chunks, whole)
        for cut in places_to_cut(network.bodies[0])[1::4]:
            chunks, whole, network = await scene(cuts=[cut], **about)
            assert is_whole(chunks, whole), (cut, network.bodies)


def test_places_are_read_as_they_are_written():
    assert ReplyPlace.parse("17") == ReplyPlace(given=17)
    assert ReplyPlace.parse("before.3") == ReplyPlace(given=3, is_retold=True)
    assert ReplyPlace.parse("0-500.3") == ReplyPlace(given=3, joined=(0, 500))


@pytest.mark.parametrize("text", ["", "-", "x.1", "1.5", "0-1", "1" * 10, "٣", "-1", "1-2-3.4"])
def test_what_is_no_place_is_refused(text: str):
    with pytest.raises(ValueError, match="not a place"):
        ReplyPlace.parse(text)


def test_an_event_adds_one_to_a_place_that_counts():
    assert [next_place(place) for place in ("9", "before.9", "0-5.1", "-", "", None)] == [
        "10", "before.10", "0-5.2", None, None, None,
    ]  # fmt: skip


async def test_joined_chunks_are_joined_again_once_the_log_has_them():
    log, rest = ChunkLog("r"), []

    async def read() -> None:
        rest.extend(await rest_of_joined(log, 1, 3, 0))

    with anyio.fail_after(5):
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(read)
            for text in "abc":
                await anyio.lowlevel.checkpoint()
                assert not rest
                log.append(TextDelta(id="t", delta=text))
        assert rest == [TextDelta(id="t", delta="bc")]
        log.close(StreamInterrupted("gone"))
        assert await rest_of_joined(log, 1, 9, 1) == []
