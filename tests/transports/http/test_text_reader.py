from __future__ import annotations

import anyio
import httpx2
import pytest

from chat_transport.chunks import (
    Finish,
    FinishStep,
    Start,
    StartStep,
    TextDelta,
    TextEnd,
    TextStart,
)
from chat_transport.errors import StreamInterrupted
from chat_transport.inputs import SendMessages
from chat_transport.messages import UIMessage
from chat_transport.transports.http.client import HttpChatTransport
from chat_transport.transports.http.text_reader import TextReader

pytestmark = pytest.mark.anyio
OPEN = [Start(), StartStep(), TextStart(id="text-1")]
END = [TextEnd(id="text-1"), FinishStep(), Finish()]


async def test_plain_text_is_framed_as_a_reply():
    def answer(request: httpx2.Request) -> httpx2.Response:
        return httpx2.Response(200, content="héllo".encode())

    asked = SendMessages(chat_id="c", messages=[UIMessage.user("q", id="u")])
    with anyio.fail_after(5):
        async with httpx2.AsyncClient(transport=httpx2.MockTransport(answer)) as client:
            transport = HttpChatTransport("http://x/", client=client, wire="text")
            assert not transport.capabilities.resumes
            assert "reset-step" in transport.capabilities.drops
            assert not transport.capabilities.drops & {chunk.type for chunk in (*OPEN, *END)}
            async with transport, transport.send_messages(asked) as reply:
                chunks = [chunk async for chunk in reply]
    assert chunks == [*OPEN, TextDelta(id="text-1", delta="héllo"), *END]


class Broken:
    run_id = None
    counts = False
    closed = False

    async def read(self) -> bytes:
        raise StreamInterrupted("broke", resumable=True)

    async def close(self) -> None:
        self.closed = True


async def test_a_body_that_breaks_has_no_end_and_cannot_be_resumed():
    body = Broken()
    reader = TextReader(body)
    await reader.pump()
    assert reader.log.since(0) == OPEN
    assert isinstance(reader.log.error, StreamInterrupted)
    assert not reader.log.error.resumable
    assert body.closed
