from __future__ import annotations

import pytest

from chat_transport.transports.http.exchange import (
    ClientLeft,
    HttpError,
    IncomingRequest,
    path_segments,
    read_body,
    respond,
)


@pytest.mark.parametrize(
    ("path", "root", "raw", "segments"),
    [
        ("/api/chat", "", None, ()),
        ("/api/chat/", "", None, ()),
        ("/api/chat/c1/stream", "", None, ("c1", "stream")),
        ("/api/chat/a/b/stream", "", b"/api/chat/a%2Fb/stream", ("a/b", "stream")),
        ("/api/chat/é 1", "", b"/api/chat/%C3%A9%201", ("é 1",)),
        ("/elsewhere", "", None, None),
        ("/api/chatter", "", None, None),
        # mounted at /api: the path below the mount is known by its end
        ("/api/chat/c1", "/api", None, ("c1",)),
        # mounted anywhere: what is below the mount is ours
        ("/talk/c1/stop", "/talk", b"/talk/c1/stop", ("c1", "stop")),
        ("/talk", "/talk", None, ()),
        # a proxy's prefix that the server was told of
        ("/proxy/api/chat/c1", "/proxy", None, ("c1",)),
        # Litestar takes the mount off the path, tells no root, and adds a slash
        ("/chat/a/b/stream/", "", b"/api/chat/a%2Fb/stream", ("a/b", "stream")),
        ("/c1/", "", b"/talk/c1", ("c1",)),
        # a server that leaves the root out of the path
        ("/c1", "/talk", None, ("c1",)),
    ],
)
def test_segments_below_the_application(path, root, raw, segments):
    scope = {"path": path, "root_path": root}
    if raw is not None:
        scope["raw_path"] = raw
    assert path_segments(scope, "/api/chat") == segments


def test_a_request_shows_headers_query_and_client():
    request = IncomingRequest.from_scope(
        {
            "method": "GET",
            "headers": [(b"X-A", b"1"), (b"x-a", b"2"), (b"host", b"h")],
            "query_string": b"a=1&a=2&b=",
            "client": ("10.0.0.1", 5),
        },
        ("c1",),
    )
    assert request.headers == {"x-a": "1,2", "host": "h"}
    assert request.query == {"a": "1", "b": ""}
    assert request.client == "10.0.0.1"
    assert request.with_headers({"host": "other"}).headers["host"] == "other"


def _receive(*messages: dict[str, object]):
    waiting = list(messages)

    async def receive() -> dict[str, object]:
        return waiting.pop(0)

    return receive


@pytest.mark.anyio
async def test_a_body_in_pieces_is_read_whole():
    request = IncomingRequest(method="POST", headers={}, query={}, segments=())
    pieces = _receive(
        {"type": "http.request", "body": b"ab", "more_body": True},
        {"type": "http.request", "body": b"c"},
    )
    assert await read_body(request, pieces, 3) == b"abc"


@pytest.mark.anyio
async def test_a_body_that_is_too_long_is_refused_before_it_is_read_or_as_it_grows():
    declared = IncomingRequest(
        method="POST", headers={"content-length": "4"}, query={}, segments=()
    )
    with pytest.raises(HttpError, match="longer than 3 bytes"):
        await read_body(declared, _receive(), 3)
    silent = IncomingRequest(method="POST", headers={}, query={}, segments=())
    growing = _receive({"type": "http.request", "body": b"abcd", "more_body": True})
    with pytest.raises(HttpError) as caught:
        await read_body(silent, growing, 3)
    assert caught.value.status == 413


@pytest.mark.anyio
async def test_a_client_that_left_is_told_apart():
    request = IncomingRequest(method="POST", headers={}, query={}, segments=())
    with pytest.raises(ClientLeft):
        await read_body(request, _receive({"type": "http.disconnect"}), None)


@pytest.mark.anyio
async def test_an_answer_without_content_has_no_length():
    sent: list[dict[str, object]] = []

    async def send(message: dict[str, object]) -> None:
        sent.append(message)

    await respond(send, 204)  # type: ignore[arg-type]
    assert sent[0]["headers"] == [(b"cache-control", b"no-store")]
