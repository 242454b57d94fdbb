"""FastAPI behind `useChat`: a route of its own, the page, and the chat."""

from __future__ import annotations

from pathlib import Path

from chat_transport_demo import DemoModel, demo_handler
from fastapi import FastAPI
from fastapi.responses import FileResponse

from chat_transport.transports.http import create_app

PAGE = Path(__file__).parent / "dist"

# Any handler will do: an async generator of chunks. Put your model here.
chat = create_app(demo_handler(DemoModel(word_delay_s=0.02)))
app = FastAPI(lifespan=chat.lifespan)


@app.get("/")
async def page() -> FileResponse:
    return FileResponse(PAGE / "index.html")


@app.get("/app.js")
async def script() -> FileResponse:
    return FileResponse(PAGE / "app.js")


app.mount("/", chat)  # last, so that your own routes go first
