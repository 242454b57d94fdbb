"""The agent's end: `uvicorn server:app`. One line says over which wire."""

from __future__ import annotations

from collections.abc import AsyncIterator

import anyio
import settings
from fastapi import FastAPI

from chat_transport import Run, UIMessageChunk
from chat_transport import transports as via
from chat_transport.chunks import TextDelta, TextEnd, TextStart


async def handler(run: Run) -> AsyncIterator[UIMessageChunk]:
    """Count as far as asked, twenty numbers a second. Put your model here."""
    yield TextStart(id="t")
    for number in range(1, int(run.messages[-1].text.split()[-1]) + 1):
        yield TextDelta(id="t", delta=f"{number} ")
        await anyio.sleep(0.05)
    yield TextEnd(id="t")


chat = via.http.create_app(handler, authenticate=settings.who)
app = FastAPI(lifespan=chat.lifespan)
app.mount("/", chat)
