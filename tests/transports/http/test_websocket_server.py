from __future__ import annotations

import json
from collections.abc import Callable

import anyio
import httpx2
import pytest

from chat_transport.codecs.ui_request import RequestLimits
from chat_transport.messages import UIMessage
from chat_transport.transports.http.app import create_app

pytestmark = pytest.mark.anyio


def frame(**fields: object) -> str:
    return json.dumps({"requestId": "q1", "id": "c", "headers": {}, "body": {}, **fields})


def send_frame() -> str:
    message = UIMessage.user("hi", id="u1").to_wire()
    return frame(type="send", trigger="submit-message", messages=[message])


async def replies(url: str, *texts: str, count: int = 1) -> list[dict[str, object]]:
    got: list[dict[str, object]] = []
    with anyio.fail_after(10):
        async with httpx2.AsyncClient() as client:
            async with client.websocket(url.replace("http", "ws") + "/api/chat") as session:
                for text in texts:
                    await session.send_text(text)
                while sum(item["type"] in {"end", "error", "no-active"} for item in got) < count:
                    got.append(json.loads(await session.receive_text()))
    return got


async def test_chunks_are_numbered_from_zero_and_then_end(
    serve: Callable[[object], str], handlers: type
):
    got = await replies(serve(create_app(handlers.echo)), send_frame())
    chunks = [item for item in got if item["type"] == "chunk"]
    assert [item["sequence"] for item in chunks] == list(range(len(chunks)))
    assert got[-1] == {"type": "end", "requestId": "q1"}


async def test_a_bad_frame_with_a_name_is_answered(serve: Callable[[object], str], handlers: type):
    limits = RequestLimits(messages=0)
    url = serve(create_app(handlers.echo, limits=limits))
    bad = await replies(url, frame(type="send", trigger="nonsense"))
    long = await replies(url, send_frame())
    assert bad == [
        {
            "type": "error",
            "requestId": "q1",
            "errorText": "Invalid WebSocket chat send request.",
        }
    ]
    assert "0 are allowed" in str(long[0]["errorText"])


@pytest.mark.parametrize("text", ["{", "[]", '{"type": "send"}', "x" * 2000])
async def test_what_cannot_be_answered_closes_the_socket(
    serve: Callable[[object], str], handlers: type, text: str
):
    limits = RequestLimits(body_bytes=1000)
    url = serve(create_app(handlers.echo, limits=limits)).replace("http", "ws") + "/api/chat"
    with anyio.fail_after(10):
        async with httpx2.AsyncClient() as client, client.websocket(url) as session:
            await session.send_text(text)
            with pytest.raises(Exception, match="1008"):
                await session.receive_text()


async def test_resume_of_an_idle_chat_and_abort_of_an_unknown_request(
    serve: Callable[[object], str], handlers: type
):
    url = serve(create_app(handlers.echo))
    abort = json.dumps({"type": "abort", "requestId": "never"})
    got = await replies(url, abort, frame(type="resume"))
    assert got == [{"type": "no-active", "requestId": "q1"}]
