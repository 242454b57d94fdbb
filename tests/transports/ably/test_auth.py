"""Tokens hold what was asked and allowed, and nothing else."""

from __future__ import annotations

import json
from typing import Any

import jwt
import pytest

from chat_transport.errors import LocalProtocolError
from chat_transport.transports.ably.auth import (
    AblyKey,
    Grant,
    TokenAsked,
    TokenEndpoint,
    make_token,
    narrow,
    read_claims,
)

pytestmark = pytest.mark.anyio

KEY = "app.key:secret"


def test_a_token_is_a_jwt_that_others_can_check() -> None:
    secret = "s" * 32
    token = make_token(
        f"app.key:{secret}",
        client_id="ann",
        capability={"ai:*": ["publish", "subscribe"]},
        roles={"ai:*": "user"},
        ttl_s=60,
        now=1_900_000_000.9,
    )
    assert jwt.get_unverified_header(token) == {"alg": "HS256", "typ": "JWT", "kid": "app.key"}
    claims = jwt.decode(token, secret, algorithms=["HS256"], options={"verify_iat": False})
    assert claims == {
        "iat": 1_900_000_000,
        "exp": 1_900_000_060,
        "x-ably-capability": '{"ai:*":["publish","subscribe"]}',
        "x-ably-clientId": "ann",
        "ably.channel.ai:*": "user",
    }
    assert read_claims(token) == claims


def test_an_anonymous_token_names_nobody() -> None:
    claims = read_claims(make_token(KEY, client_id=None, capability={"*": ["subscribe"]}))
    assert "x-ably-clientId" not in claims


@pytest.mark.parametrize(
    "settings",
    [
        {"capability": {}},
        {"capability": {"*": []}},
        {"client_id": "*"},
        {"client_id": ""},
        {"ttl_s": 0},
        {"key": "nonsense"},
        {"key": "app:secret"},
        {"key": "app.key:"},
    ],
)
def test_what_would_mean_more_than_it_says_is_refused(settings: dict[str, Any]) -> None:
    given = {"key": KEY, "client_id": "ann", "capability": {"*": ["subscribe"]}, **settings}
    with pytest.raises(LocalProtocolError) as raised:
        make_token(given.pop("key"), **given)
    assert "secret" not in str(raised.value).replace("keyId:secret", "")


def test_a_key_hides_its_secret() -> None:
    key = AblyKey.parse(KEY)
    assert (key.name, key.secret) == ("app.key", "secret")
    assert "secret" not in repr(key)
    assert str(key) == "app.key:***"


@pytest.mark.parametrize("text", ["", "a.b", "a.!!.c", "a.bnVsbA.c", "a.W10.c"])
def test_what_is_no_jwt_has_no_claims(text: str) -> None:
    assert read_claims(text) == {}


@pytest.mark.parametrize(
    ("granted", "asked", "kept"),
    [
        ({"ai:*": ["publish"]}, None, {"ai:*": ["publish"]}),
        ({"ai:*": ["publish", "subscribe"]}, {"ai:1": ["publish"]}, {"ai:1": ["publish"]}),
        ({"ai:*": ["publish"]}, {"ai:1": ["*"]}, {"ai:1": ["publish"]}),
        ({"*": ["*"]}, {"x": ["publish"]}, {"x": ["publish"]}),
        ({"*": ["*"]}, {"*": ["*"]}, {"*": ["*"]}),
        ({"ai:*": ["publish"]}, {"*": ["publish"]}, {}),
        ({"ai:1": ["publish"]}, {"ai:*": ["publish"]}, {}),
        ({"ai:1": ["publish"]}, {"ai:1": ["history"]}, {}),
        ({"ai:1": ["publish"], "*": ["history"]}, {"ai:1": ["history"]}, {"ai:1": ["history"]}),
    ],
)
def test_a_token_never_holds_more_than_granted_or_asked(
    granted: Any, asked: Any, kept: Any
) -> None:
    assert narrow(granted, asked) == kept


def grant(asked: TokenAsked) -> Grant | None:
    if asked.headers.get("cookie") != "session=good":
        return None
    return Grant(client_id=asked.client_id, capability={"ai:*": ["publish"]}, roles={"ai:*": "u"})


async def call(
    endpoint: TokenEndpoint, query: str, *, method: str = "GET", cookie: str = "session=good"
) -> tuple[int, dict[bytes, bytes], str]:
    sent: list[Any] = []

    async def send(event: Any) -> None:
        sent.append(event)

    async def receive() -> Any:
        return {"type": "http.request", "body": b""}

    scope = {
        "type": "http",
        "method": method,
        "query_string": query.encode(),
        "headers": [(b"cookie", cookie.encode())],
    }
    await endpoint(scope, receive, send)
    return sent[0]["status"], dict(sent[0]["headers"]), sent[1]["body"].decode()


async def test_the_endpoint_gives_a_jwt_for_who_is_allowed() -> None:
    status, headers, body = await call(TokenEndpoint(KEY, grant), "clientId=ann")
    assert status == 200
    assert headers[b"content-type"] == b"application/jwt"
    assert headers[b"cache-control"] == b"no-store"
    claims = read_claims(body)
    assert claims["x-ably-clientId"] == "ann"
    assert claims["ably.channel.ai:*"] == "u"


async def test_the_endpoint_narrows_to_what_was_asked() -> None:
    async def later(asked: TokenAsked) -> Grant | None:
        return grant(asked)

    asked = json.dumps({"ai:1": ["publish", "history"]})
    status, _, body = await call(TokenEndpoint(KEY, later), f"capability={asked}", method="POST")
    assert status == 200
    assert json.loads(read_claims(body)["x-ably-capability"]) == {"ai:1": ["publish"]}


@pytest.mark.parametrize(
    ("query", "settings", "status", "words"),
    [
        ("clientId=ann", {"cookie": "none"}, 403, "not allowed"),
        ('capability={"x":["publish"]}', {}, 403, "nothing of what was asked"),
        ("capability=nonsense", {}, 400, "unable to read"),
        ("capability=[]", {}, 400, "capability is a JSON object"),
        ("", {"method": "DELETE"}, 405, "GET or POST"),
    ],
)
async def test_the_endpoint_refuses_with_words(
    query: str, settings: Any, status: int, words: str
) -> None:
    got = await call(TokenEndpoint(KEY, grant), query, **settings)
    assert got[0] == status
    assert words in got[2]


async def test_the_endpoint_serves_http_only() -> None:
    with pytest.raises(LocalProtocolError, match="websocket"):
        await TokenEndpoint(KEY, grant)({"type": "websocket"}, None, None)  # type: ignore[arg-type]
