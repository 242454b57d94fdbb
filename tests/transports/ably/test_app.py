"""The application around an agent: what it answers, and that it lives with its server."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from typing import Any

import anyio
import httpx2
import pytest
from fastapi import FastAPI

from chat_transport.transports.ably import AblyChatTransport, AblyConnection, Invocation, create_app
from chat_transport.transports.ably.app import MAX_INVOCATION_BYTES, AblyApp

pytestmark = pytest.mark.anyio
PATH = "/api/chat"


def client_of(app: Any) -> httpx2.AsyncClient:
    return httpx2.AsyncClient(transport=httpx2.ASGITransport(app=app), base_url="http://x")


@pytest.fixture
async def app(connect: Callable[..., AblyConnection], script: Any) -> AsyncIterator[AblyApp]:
    app = create_app(script, connect("agent"), channels=["ai:*"], locate_s=0.2)
    async with app.lifespan():
        yield app


async def test_an_invocation_wakes_the_agent(
    app: AblyApp, connect: Callable[..., AblyConnection], talk: Any
):
    answers: list[httpx2.Response] = []

    async def invoke(invocation: Invocation) -> None:
        async with client_of(app) as client:
            answers.append(await client.post(PATH, json=invocation.to_json()))

    with anyio.fail_after(15):
        async with AblyChatTransport(connect("ann"), invoke=invoke) as transport:
            await talk(transport, "ai:app").say("hello", "u1")
            messages = await talk(transport, "ai:app").answered()
    assert [message.text for message in messages] == ["hello", "you said hello"]
    (answer,) = answers
    assert answer.status_code == 200
    assert list(answer.json()) == ["runId"]


@pytest.mark.parametrize(
    ("body", "status", "words"),
    [
        (b"{", 400, "unable to read the invocation"),
        (b"[]", 400, "not a JSON object"),
        (b"{}", 400, "inputEventId"),
        (b'{"inputEventId": "e", "sessionName": "other"}', 403, "this agent serves ['ai:*']"),
        (b'{"inputEventId": "e", "sessionName": "ai:app"}', 404, "e"),
        (b" " * (MAX_INVOCATION_BYTES + 1), 413, "more than"),
    ],
)
async def test_a_bad_invocation_is_told_why(app: AblyApp, body: bytes, status: int, words: str):
    with anyio.fail_after(10):
        async with client_of(app) as client:
            answer = await client.post(PATH, content=body)
    assert answer.status_code == status
    assert words in answer.text


@pytest.mark.parametrize("is_async", [False, True])
async def test_the_application_decides_who_may_wake(
    connect: Callable[..., AblyConnection], script: Any, *, is_async: bool
):
    def knows(headers: Any) -> bool:
        return headers.get("authorization") == "Bearer ann"

    async def knows_later(headers: Any) -> bool:
        return knows(headers)

    may_wake = knows_later if is_async else knows
    app = create_app(script, connect("agent"), channels=["ai:*"], may_wake=may_wake)
    with anyio.fail_after(10):
        async with app.lifespan(), client_of(app) as client:
            refused = await client.post(PATH, json={})
            heard = await client.post(PATH, json={}, headers={"authorization": "Bearer ann"})
    assert (refused.status_code, heard.status_code) == (403, 400)


async def test_it_mounts_as_the_http_application_does(
    connect: Callable[..., AblyConnection], script: Any
):
    chat = create_app(script, connect("agent"), channels=["ai:app"])
    app = FastAPI(lifespan=chat.lifespan)
    app.mount("/", chat)
    with anyio.fail_after(10):
        async with (
            app.router.lifespan_context(app),
            AblyChatTransport(connect("ann")) as transport,
            transport.agent_presence("ai:app") as states,
            client_of(app) as client,
        ):
            async for state in states:
                if state.status != "offline":
                    break
            assert state.client_id == "agent"
            assert (await client.post(PATH, json={})).status_code == 400


async def test_an_agent_that_is_not_entered_says_so(
    connect: Callable[..., AblyConnection], script: Any
):
    app = create_app(script, connect("agent"), channels=["ai:*"])
    async with client_of(app) as client:
        answer = await client.post(PATH, json={"inputEventId": "e", "sessionName": "ai:app"})
    assert answer.status_code == 503
    assert "not entered" in answer.text


async def test_who_hangs_up_in_the_middle_of_an_invocation_wakes_nobody(app: AblyApp, script: Any):
    sent: list[Any] = []
    pieces = iter(
        [
            {"type": "http.request", "body": b'{"inputEventId"', "more_body": True},
            {"type": "http.disconnect"},
        ]
    )

    async def receive() -> Any:
        return next(pieces)

    async def send(message: Any) -> None:
        sent.append(message)

    scope = {"type": "http", "method": "POST", "path": PATH, "headers": [], "query_string": b""}
    with anyio.fail_after(10):
        await app(scope, receive, send)
    assert sent[0]["status"] == 400
    assert script.runs == []
