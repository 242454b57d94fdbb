"""A reply over sockets that are cut at every frame: each chunk once, one run, nothing lost."""

from __future__ import annotations

import json
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any

import anyio
import pytest

from chat_transport.agent.run import Run, User
from chat_transport.chunks import (
    Abort,
    Finish,
    FinishStep,
    OpaqueChunk,
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
from chat_transport.codecs.ui_frames import server_chunk, server_frame
from chat_transport.codecs.ui_request import PreparedRequest, RequestDraft
from chat_transport.codecs.ui_stream import decode_chunk
from chat_transport.errors import (
    ConnectFailed,
    LocalProtocolError,
    RequestRejected,
    StreamInterrupted,
)
from chat_transport.inputs import Reconnect, SendMessages
from chat_transport.messages import UIMessage
from chat_transport.reducer import MessageReducer
from chat_transport.transports.http.app import create_app
from chat_transport.transports.http.chat_store import MemoryChatStore, StoredChat
from chat_transport.transports.http.exchange import IncomingRequest
from chat_transport.transports.http.reply_reader import ReconnectPolicy
from chat_transport.transports.http.websocket import WebSocketChatTransport

pytestmark = pytest.mark.anyio
AT_ONCE = ReconnectPolicy(attempts=3, first_s=0, longest_s=0)
ASK = SendMessages(chat_id="c", messages=[UIMessage.user("where?", id="u1")])
ALL: Sequence[UIMessageChunk] = [
    StartStep(),
    TextStart(id="t"),
    TextDelta(id="t", delta="in "),
    TextDelta(id="t", delta="Pra"),
    decode_chunk(b'{"type": "of-tomorrow"}'),
    TextDelta(id="t", delta="ha"),
    TextEnd(id="t"),
    ToolInputAvailable(tool_call_id="call-2", tool_name="clock", input={}),
    ToolOutputAvailable(tool_call_id="call-2", output=12),
    FinishStep(),
    StartStep(),
    TextStart(id="v"),
    TextDelta(id="v", delta="this is taken back"),
    ResetStep(),
    TextStart(id="v"),
    TextDelta(id="v", delta="!"),
    TextEnd(id="v"),
]


class HTTPXWSException(Exception):  # named as the library does
    """What the library raises when a socket breaks."""


class Session:
    """One socket to an application in this process; it breaks after so many frames."""

    def __init__(self, network: Network, cut: int | None, *, deaf: bool) -> None:
        self._network = network
        self._cut, self._deaf = cut, deaf
        self._to_app: list[dict[str, Any]] = [{"type": "websocket.connect"}]
        self._to_client: list[str] = []
        self._given = 0
        self._changed = anyio.Event()
        self.broken = self._is_closed = False
        self.accepted = anyio.Event()

    def break_off(self) -> None:
        self.broken = True
        self._to_app.append({"type": "websocket.disconnect", "code": 1006})
        self._wake()

    async def send_text(self, data: str) -> None:
        if self.broken:
            raise HTTPXWSException
        if self._deaf:
            self.break_off()
            return
        self._to_app.append({"type": "websocket.receive", "text": data})
        self._wake()
        if self._cut == 0:
            await self._all_heard()
            self.break_off()

    async def receive_text(self) -> str:
        if self._cut and self._given == self._cut:
            self.break_off()
        while not self._to_client or self._cut == 0:
            if self.broken or self._is_closed:
                raise HTTPXWSException
            await self._changed.wait()
        if self.broken:
            raise HTTPXWSException
        self._given += 1
        text = self._to_client.pop(0)
        self._network.gave(text)
        return text

    async def close(self, code: int = 1000, reason: str | None = None) -> None:
        self.break_off()

    async def receive(self) -> Mapping[str, Any]:
        while not self._to_app:
            self._wake()
            await self._changed.wait()
        return self._to_app.pop(0)

    async def send(self, message: Mapping[str, Any]) -> None:
        await anyio.lowlevel.checkpoint()
        if message["type"] == "websocket.accept":
            self.accepted.set()
        elif message["type"] == "websocket.close":
            self._is_closed = True  # what was sent before arrives
            self._wake()
        elif self.broken:
            raise OSError("broken")
        else:
            self._to_client.append(message["text"])
            self._wake()

    async def _all_heard(self) -> None:
        while self._to_app:
            await self._changed.wait()

    def _wake(self) -> None:
        self._changed.set()
        self._changed = anyio.Event()


class Network:
    """The library's client: each next socket breaks where its turn says; the last ones hold."""

    def __init__(self, app: Any, cuts: Sequence[int | str | None] = ()) -> None:
        self._app = app
        self._cuts = list(cuts)
        self.given = 0
        self._changed = anyio.Event()
        self.sessions: list[Session] = []
        self.queries: list[Mapping[str, str] | None] = []

    def gave(self, text: str) -> None:
        self.given += json.loads(text)["type"] == "chunk"
        self._changed.set()
        self._changed = anyio.Event()

    async def has_given(self, count: int) -> None:
        while self.given < count:
            await self._changed.wait()

    @asynccontextmanager
    async def websocket(self, url: str, **options: Any) -> AsyncGenerator[Session, None]:
        cut = self._cuts.pop(0) if self._cuts else None
        self.queries.append(options["params"])
        if cut == "refused":
            raise OSError("nobody there")
        session = Session(self, None if isinstance(cut, str) else cut, deaf=cut == "deaf")
        self.sessions.append(session)
        scope = {"type": "websocket", "path": "/api/chat", "headers": []}
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(self._app, scope, session.receive, session.send)
            await session.accepted.wait()
            try:
                yield session
            finally:
                session.break_off()
                tasks.cancel_scope.cancel()


class Said:
    """A handler that says one chunk after the other has arrived, and counts its runs."""

    def __init__(self) -> None:
        self.runs = 0
        self.network: Network | None = None

    async def __call__(self, run: Run) -> AsyncIterator[UIMessageChunk]:
        self.runs += 1
        said = 1  # `start`
        for chunk in ALL:
            if self.network is not None:
                await self.network.has_given(said)
            yield chunk
            said += not isinstance(chunk, OpaqueChunk)


def message_of(chunks: Sequence[UIMessageChunk]) -> Mapping[str, Any]:
    reducer = MessageReducer(message_id="a")
    for chunk in chunks:
        reducer.feed(chunk)
    return {**reducer.message.to_wire(), "id": "a"}


def known(chunks: Sequence[UIMessageChunk]) -> list[UIMessageChunk]:
    """Without what names this one run."""
    return [chunk for chunk in chunks if not isinstance(chunk, Start)]


async def talk(network: Network, policy: ReconnectPolicy | None = AT_ONCE) -> list[UIMessageChunk]:
    async with WebSocketChatTransport("ws://x", client=network, reconnect=policy) as transport:
        async with transport.send_messages(ASK) as reply:
            return [chunk async for chunk in reply]


async def whole() -> list[UIMessageChunk]:
    handler = Said()
    app = create_app(handler)
    async with app.lifespan():
        handler.network = Network(app)
        return await talk(handler.network)


@pytest.mark.parametrize("where", ["deaf", *range(21)])
async def test_a_socket_that_is_cut_anywhere_costs_nothing(where: int | str):
    """`deaf`: the prompt is lost; 0: it arrives, and its answer is lost."""
    handler = Said()
    app = create_app(handler)
    with anyio.fail_after(10):
        expected = await whole()
        async with app.lifespan():
            network = handler.network = Network(app, [where])
            got = await talk(network)
    assert handler.runs == 1
    assert known(got) == known(expected)
    assert len(network.sessions) == 2 or where == 20


async def test_every_socket_may_give_a_single_chunk():
    handler = Said()
    app = create_app(handler)
    with anyio.fail_after(10):
        expected = await whole()
        async with app.lifespan():
            network = handler.network = Network(app, ["deaf", "refused", 0, 1, *[2] * 30])
            got = await talk(network)
    assert handler.runs == 1
    assert known(got) == known(expected)


CALL = {"type": "tool-locate", "toolCallId": "call-1", "input": {}}
PARTS = [{"type": "text", "text": "let me see", "state": "done"}]


@pytest.mark.parametrize("where", [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 12])
async def test_a_resumed_reply_that_goes_on_with_a_message_is_cut_anywhere(where: int):
    """Retold parts, joined deltas, then what is said live: each has a place."""
    answered = {**CALL, "state": "output-available", "output": "Praha"}
    asked = {**CALL, "state": "input-available"}
    store = MemoryChatStore()
    question = UIMessage.user("where?", id="u1")
    waits = UIMessage.model_validate({"id": "a1", "role": "assistant", "parts": [*PARTS, asked]})
    told = UIMessage.model_validate({"id": "a1", "role": "assistant", "parts": [*PARTS, answered]})
    far, go_on = anyio.Event(), anyio.Event()
    deltas = [TextDelta(id=f"t{number % 2}", delta=f"{number} ") for number in range(600)]

    async def handler(run: Run) -> AsyncIterator[UIMessageChunk]:
        yield TextStart(id="t0")
        yield TextStart(id="t1")
        for delta in deltas:
            yield delta
        far.set()
        await go_on.wait()
        yield TextEnd(id="t0")
        yield TextDelta(id="t1", delta="live")

    app = create_app(handler, store=store)
    results: list[Mapping[str, Any]] = []
    with anyio.fail_after(20):
        for cuts in ([], [where, 2]):
            await store.save("c", StoredChat(messages=[question, waits]))
            far, go_on = anyio.Event(), anyio.Event()
            ask = SendMessages(chat_id="c", messages=[question, told])
            async with app.lifespan():
                async with WebSocketChatTransport("ws://x", client=Network(app)) as first:
                    async with first.send_messages(ask):
                        await far.wait()
                network = Network(app, cuts)
                async with (
                    WebSocketChatTransport("ws://x", client=network, reconnect=AT_ONCE) as other,
                    other.reconnect_to_stream(Reconnect(chat_id="c")) as again,
                ):
                    assert again is not None
                    got: list[UIMessageChunk] = []
                    async for chunk in again:
                        got.append(chunk)
                        if len(got) == 8:
                            go_on.set()
                results.append({**message_of(got), "run": None})
            if cuts:
                assert len(network.sessions) >= 2
    assert results[0] == results[1]
    assert len(results[0]["parts"]) == 4
    assert results[0]["parts"][3]["text"].endswith("599 live")


async def test_without_a_policy_a_broken_socket_is_told():
    app = create_app(Said())
    with anyio.fail_after(10):
        async with app.lifespan():
            with pytest.raises(StreamInterrupted, match="connection closed") as caught:
                await talk(Network(app, [3]), None)
    assert caught.value.resumable


async def test_a_server_that_stays_away_is_given_up():
    app = create_app(Said())
    with anyio.fail_after(10):
        async with app.lifespan():
            with pytest.raises(StreamInterrupted, match="Gave up after 3 attempts") as caught:
                await talk(Network(app, [3, *["refused"] * 9]))
    assert caught.value.resumable
    assert isinstance(caught.value.__cause__, ConnectFailed)


async def test_time_may_be_what_ends_the_attempts():
    app = create_app(Said())
    policy = ReconnectPolicy(attempts=None, timeout_s=0.05, first_s=0.01, longest_s=0.01)
    with anyio.fail_after(10):
        async with app.lifespan():
            with pytest.raises(StreamInterrupted, match="Gave up after"):
                await talk(Network(app, [3, *["refused"] * 900]), policy)


async def test_headers_params_and_hooks_are_asked_anew_each_time():
    seen: list[tuple[str, str | None]] = []

    def who(request: IncomingRequest) -> User | None:
        seen.append((request.headers["authorization"], request.headers.get("x-chat-run-id")))
        return User(id="ann")

    app = create_app(Said(), authenticate=who)
    tokens, queries = iter("abcdef"), iter("123456")
    drafts: list[RequestDraft] = []

    async def prepare(draft: RequestDraft) -> PreparedRequest:
        drafts.append(draft)
        return PreparedRequest(headers={**draft.headers, "Authorization": f"B {next(tokens)}"})

    network = Network(app, [2, 2])
    with anyio.fail_after(10):
        async with (
            app.lifespan(),
            WebSocketChatTransport(
                "ws://x",
                client=network,
                headers=lambda: {"x-tenant": "t"},
                params=lambda: {"ticket": next(queries)},
                prepare_send=prepare,
                prepare_reconnect=prepare,
                reconnect=AT_ONCE,
            ) as transport,
            transport.send_messages(ASK) as reply,
        ):
            assert isinstance([chunk async for chunk in reply][-1], Finish)
            run_id = reply.run_id
    assert seen == [("B a", None), ("B b", run_id), ("B c", run_id)]
    assert [(draft.trigger, dict(draft.headers)) for draft in drafts] == [
        ("submit-message", {"x-tenant": "t"}),
        (None, {"x-tenant": "t"}),
        (None, {"x-tenant": "t"}),
    ]
    assert network.queries == [{"ticket": "1"}, {"ticket": "2"}, {"ticket": "3"}]


async def test_a_hook_cannot_send_a_frame_elsewhere():
    transport = WebSocketChatTransport(
        "ws://x", client=Network(None), prepare_send=lambda _draft: PreparedRequest(api="ws://y")
    )
    async with transport:
        with pytest.raises(LocalProtocolError, match="share one socket"):
            async with transport.send_messages(ASK):
                pytest.fail("sent")


async def test_a_refusal_while_coming_back_is_told():
    allowed = [True]

    def who(request: IncomingRequest) -> User | None:
        return User(id="ann") if allowed else None

    app = create_app(Said(), authenticate=who)
    with anyio.fail_after(10):
        async with (
            app.lifespan(),
            WebSocketChatTransport(
                "ws://x", client=Network(app, [3]), reconnect=AT_ONCE
            ) as transport,
            transport.send_messages(ASK) as reply,
        ):
            await reply.__anext__()
            allowed.clear()
            with pytest.raises(StreamInterrupted, match="authentication is required") as caught:
                async for _ in reply:
                    pass
    assert isinstance(caught.value.__cause__, RequestRejected)
    assert not caught.value.resumable


async def test_a_stop_that_was_lost_with_its_socket_is_said_again():
    async def handler(run: Run) -> AsyncIterator[UIMessageChunk]:
        yield TextStart(id="t")
        yield TextDelta(id="t", delta="partial")
        await anyio.sleep_forever()

    app = create_app(handler)
    network = Network(app)
    with anyio.fail_after(10):
        async with (
            app.lifespan(),
            WebSocketChatTransport("ws://x", client=network, reconnect=AT_ONCE) as transport,
            transport.send_messages(ASK) as reply,
        ):
            while not isinstance(await reply.__anext__(), TextDelta):
                pass
            network.sessions[0].break_off()
            await transport.stop("c", reply.run_id)
            assert isinstance([chunk async for chunk in reply][-1], Abort)


Script = Callable[[dict[str, Any], int], Sequence[str | None]]


def foreign(script: Script) -> Any:
    """A server that knows the AI SDK's frames and nothing else; None closes the socket."""
    asked: list[dict[str, Any]] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        assert (await receive())["type"] == "websocket.connect"
        await send({"type": "websocket.accept"})
        while (message := await receive())["type"] == "websocket.receive":
            frame = json.loads(message["text"])
            if frame["type"] == "abort":
                continue
            asked.append(frame)
            for text in script(frame, len(asked)):
                if text is None:
                    await send({"type": "websocket.close", "code": 1012})
                else:
                    await send({"type": "websocket.send", "text": text})

    app.asked = asked  # type: ignore[attr-defined]
    return app


async def test_another_server_goes_on_behind_the_last_number():
    chunks = [Start(message_id="a"), *ALL[:4], Finish()]

    def script(frame: dict[str, Any], turn: int) -> Sequence[str | None]:
        name, first = frame["requestId"], frame.get("lastSequence", -1) + 1
        numbered = [(at, server_chunk(name, at, chunk)) for at, chunk in enumerate(chunks)]
        said = [text for at, text in numbered if at >= first]
        return [*said[:2], None] if turn < 3 else [*said, server_frame("end", name)]

    app = foreign(script)
    with anyio.fail_after(10):
        assert await talk(Network(app)) == chunks
    assert [frame.get("lastSequence") for frame in app.asked] == [None, 1, 3]


async def test_another_server_that_may_have_the_prompt_does_not_get_it_twice():
    def script(frame: dict[str, Any], turn: int) -> Sequence[str | None]:
        return [None] if turn == 1 else [server_frame("no-active", frame["requestId"])]

    app = foreign(script)
    with anyio.fail_after(10):
        with pytest.raises(StreamInterrupted, match="unable to tell whether the prompt"):
            await talk(Network(app))
    assert [frame["type"] for frame in app.asked] == ["send", "resume"]


async def test_a_reply_that_is_past_when_its_reader_comes_back_is_told():
    def script(frame: dict[str, Any], turn: int) -> Sequence[str | None]:
        name = frame["requestId"]
        if turn == 1:
            return [server_chunk(name, 0, Start()), None]
        return [server_frame("no-active", name)]

    with anyio.fail_after(10):
        with pytest.raises(StreamInterrupted, match="nothing to resume"):
            await talk(Network(foreign(script)))


async def test_a_resume_whose_socket_breaks_before_its_answer_asks_again():
    def script(frame: dict[str, Any], turn: int) -> Sequence[str | None]:
        return [None] if turn < 3 else [server_frame("no-active", frame["requestId"])]

    app = foreign(script)
    with anyio.fail_after(10):
        async with WebSocketChatTransport(
            "ws://x", client=Network(app), reconnect=AT_ONCE
        ) as transport:
            async with transport.reconnect_to_stream(Reconnect(chat_id="c")) as stream:
                assert stream is None
    assert len(app.asked) == 3
