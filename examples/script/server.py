"""A server to talk to: `uvicorn server:app`. It counts as far as asked."""

from __future__ import annotations

from collections.abc import AsyncIterator

import anyio

from chat_transport import Run, UIMessageChunk
from chat_transport.chunks import TextDelta, TextEnd, TextStart
from chat_transport.transports.http import create_app


async def handler(run: Run) -> AsyncIterator[UIMessageChunk]:
    yield TextStart(id="t")
    for number in range(1, int(run.messages[-1].text.split()[-1]) + 1):
        yield TextDelta(id="t", delta=f"{number} ")
        await anyio.sleep(0.02)
    yield TextEnd(id="t")


app = create_app(handler)
