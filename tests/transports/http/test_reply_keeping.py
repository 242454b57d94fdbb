from __future__ import annotations

import json
from collections.abc import AsyncIterator, Callable

import anyio
import httpx2
import pytest

from chat_transport.agent.run import Run
from chat_transport.chunks import (
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
from chat_transport.messages import UIMessage
from chat_transport.reducer import MessageReducer
from chat_transport.transports.http.app import create_app
from chat_transport.transports.http.client import HttpChatTransport

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
