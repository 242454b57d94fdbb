from __future__ import annotations

from collections.abc import Sequence

import pytest

from chat_transport.transports.http.cors import CorsPolicy
from chat_transport.transports.http.exchange import IncomingRequest
from chat_transport.transports.http.websocket_rules import admitted, chosen_protocol

ANY = CorsPolicy(origins=["*"])
APP = CorsPolicy(origins=["https://app.example"])
TRUSTED = CorsPolicy(origins=["https://app.example"], credentials=True)


def asked(origin: str | None, **headers: str) -> IncomingRequest:
    named = {"host": "api.example", "cookie": "session=1", **headers}
    named = {name.replace("_", "-"): value for name, value in named.items()}
    if origin is not None:
        named["origin"] = origin
    raw = [(name.encode(), value.encode()) for name, value in named.items()]
    scope = {"type": "websocket", "headers": raw, "path": "/", "session": {"user": "ann"}}
    return IncomingRequest.from_scope(scope, ())


@pytest.mark.parametrize(
    "request_",
    [
        asked(None),
        asked("https://api.example"),
        asked("http://API.example"),
        asked("https://chat.example", x_forwarded_host="chat.example"),
        asked("http://localhost:8000", host="localhost:8000"),
    ],
)
def test_programs_and_the_servers_own_pages_may_open_a_socket(request_: IncomingRequest):
    assert admitted(request_, None) is request_


@pytest.mark.parametrize(
    ("origin", "cors"),
    [
        ("https://evil.example", None),
        ("https://evil.example", APP),
        ("https://api.example.evil.example", TRUSTED),
        ("https://api.example:8443", None),
        ("null", None),
        ("", None),
    ],
)
def test_another_page_may_not(origin: str, cors: CorsPolicy | None):
    assert admitted(asked(origin), cors) is None


def test_a_named_page_may_with_cookies_if_these_are_allowed():
    request = asked("https://app.example")
    assert admitted(request, TRUSTED) is request


@pytest.mark.parametrize("cors", [ANY, APP])
def test_else_it_is_nobodys_page(cors: CorsPolicy):
    known = admitted(asked("https://app.example"), cors)
    assert known is not None
    assert "cookie" not in known.headers
    assert "session" not in known.scope
    assert b"cookie" not in dict(known.scope["headers"])
    assert known.headers["host"] == "api.example"


@pytest.mark.parametrize(
    ("offered", "spoken", "chosen"),
    [
        (["chat.v0", "chat.v1", "token.abc"], ["chat.v1", "chat.v0"], "chat.v1"),
        (["other"], ["chat.v1"], None),
        ([], ["chat.v1"], None),
        (["chat.v1"], [], None),
    ],
)
def test_the_first_of_ours_that_was_offered_is_answered(
    offered: Sequence[str], spoken: Sequence[str], chosen: str | None
):
    assert chosen_protocol(offered, spoken) == chosen
