"""FastAPI and a Python agent behind an unmodified `@ably/ai-transport` front end."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from chat_transport_demo import DemoModel, demo_handler
from fastapi import FastAPI, HTTPException, Request
from fastapi.staticfiles import StaticFiles
from starlette.routing import Route

from chat_transport import LocalProtocolError, RequestRejected
from chat_transport.transports.ably import (
    AblyAgent,
    AblyConnection,
    Grant,
    TokenAsked,
    TokenEndpoint,
)

KEY = os.environ["ABLY_KEY"]
ENDPOINT = os.environ.get("ABLY_ENDPOINT")  # None is Ably's cloud
CLIENT = ("publish", "subscribe", "history", "presence")

# Any handler will do: an async generator of chunks. Put your model here.
agent = AblyAgent(
    demo_handler(DemoModel(word_delay_s=0.02)),
    AblyConnection(key=KEY, client_id="agent", endpoint=ENDPOINT, tls=ENDPOINT is None),
    channels=["ai:*"],
)


@asynccontextmanager
async def lifespan(_: FastAPI) -> AsyncIterator[None]:
    async with agent:
        yield


app = FastAPI(lifespan=lifespan)


def grant(_: TokenAsked) -> Grant | None:
    """Say who the user is. Here everybody is user-abc; put your log-in check in its place."""
    return Grant(client_id="user-abc", capability={"ai:*": CLIENT}, roles={"ai:*": "user"})


app.router.routes.append(Route("/api/auth/token", TokenEndpoint(KEY, grant)))


@app.post("/api/invoke")
async def invoke(request: Request) -> dict[str, Any]:
    """Wake the agent: the JavaScript SDK posts `{inputEventId, sessionName}` after each send."""
    try:
        woken = await agent.invoke(await request.json())
    except LocalProtocolError as error:
        raise HTTPException(400, str(error)) from error
    except RequestRejected as error:
        raise HTTPException(error.status or 502, str(error)) from error
    return {"runId": woken.run_id}


@app.get("/config.json")
async def config() -> dict[str, Any]:
    """Tell the page where Ably is."""
    if ENDPOINT is None:
        return {"clientOptions": {}}
    host, _, port = ENDPOINT.rpartition(":")
    return {"clientOptions": {"endpoint": host, "port": int(port), "tls": False}}


app.mount("/", StaticFiles(directory=Path(__file__).parent / "dist", html=True))
