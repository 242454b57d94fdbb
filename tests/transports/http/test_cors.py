from __future__ import annotations

from collections.abc import Callable

import anyio
import httpx2
import pytest

from chat_transport.transports.http.app import create_app
from chat_transport.transports.http.cors import CorsPolicy
from chat_transport.transports.http.exchange import IncomingRequest

PAGE = "https://app.example"


def asking(origin: str | None = PAGE, **headers: str) -> IncomingRequest:
    named = {"origin": origin} if origin else {}
    return IncomingRequest(method="POST", headers={**named, **headers}, query={}, segments=())


def test_a_named_origin_may_bring_cookies():
    policy = CorsPolicy(origins=[PAGE], credentials=True)
    headers = policy.headers_for(asking())
    assert headers["access-control-allow-origin"] == PAGE
    assert headers["access-control-allow-credentials"] == "true"
    assert headers["vary"] == "origin"


@pytest.mark.parametrize("origin", [None, "https://evil.example"])
def test_others_get_no_headers(origin: str | None):
    policy = CorsPolicy(origins=[PAGE])
    assert policy.headers_for(asking(origin)) == {}
    assert policy.preflight_for(asking(origin)) == {}


def test_every_origin_never_with_credentials():
    assert CorsPolicy(origins=["*"]).headers_for(asking())["access-control-allow-origin"] == "*"
    with pytest.raises(ValueError, match="must be named"):
        CorsPolicy(origins=["*"], credentials=True)


@pytest.mark.anyio
async def test_preflight_and_answer_carry_the_headers(
    serve: Callable[[object], str], handlers: type
):
    url = serve(create_app(handlers.echo, cors=CorsPolicy(origins=[PAGE]))) + "/api/chat"
    with anyio.fail_after(10):
        async with httpx2.AsyncClient(headers={"origin": PAGE}) as client:
            preflight = await client.options(
                url, headers={"access-control-request-headers": "content-type,x-own"}
            )
            refused = await client.post(url, content=b"{")
    assert preflight.status_code == 204
    assert preflight.headers["access-control-allow-headers"] == "content-type,x-own"
    assert "POST" in preflight.headers["access-control-allow-methods"]
    assert refused.status_code == 400
    assert refused.headers["access-control-allow-origin"] == PAGE
