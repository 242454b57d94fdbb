from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import anyio
import httpx2
import pytest

from chat_transport.agent.run import User
from chat_transport.transports.http.app import create_app
from chat_transport.transports.http.settings import HttpSettings, Invocation

pytestmark = pytest.mark.anyio


async def test_an_ably_invocation_wakes_the_hook_with_the_user(
    serve: Callable[[object], str], handlers: type
):
    calls: list[Invocation] = []

    async def wake(call: Invocation) -> Mapping[str, Any]:
        calls.append(call)
        return {"runId": "r1"}

    app = create_app(
        handlers.echo, on_invocation=wake, authenticate=lambda _request: User(id="ann")
    )
    url = serve(app) + "/api/chat"
    body = {"sessionName": "chat:c1", "inputEventId": "e1", "own": True}
    with anyio.fail_after(10):
        async with httpx2.AsyncClient() as client:
            answer = await client.post(url, json=body)
            refused = await client.post(url, json={"sessionName": 1, "inputEventId": "e1"})
    assert answer.json() == {"runId": "r1"}
    assert calls == [
        Invocation(session_name="chat:c1", input_event_id="e1", user=User(id="ann"), body=body)
    ]
    assert refused.status_code == 400


async def test_limits_and_keep_alive_are_on_by_default():
    settings = HttpSettings()
    assert settings.limits.body_bytes
    assert settings.limits.messages
    assert settings.keep_alive_s
    assert settings.on_disconnect == "continue"
