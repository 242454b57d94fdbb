from __future__ import annotations

import httpx
import httpx2
import pytest

from chat_transport.codecs.ui_request import HttpRequest
from chat_transport.errors import ConnectFailed, RequestRejected, StreamInterrupted
from chat_transport.transports.http.http_library import make_client, open_body, translated

pytestmark = pytest.mark.anyio
GET = HttpRequest(method="GET", url="http://x/", headers={"a": "1"}, credentials=None, body=None)
OFF = (None, None, None, None)


@pytest.mark.parametrize("library", [httpx, httpx2], ids=["httpx", "httpx2"])
@pytest.mark.parametrize(
    ("name", "ours"),
    [
        ("ConnectError", ConnectFailed),
        ("ConnectTimeout", ConnectFailed),
        ("PoolTimeout", ConnectFailed),
        ("UnsupportedProtocol", ConnectFailed),
        ("ReadError", StreamInterrupted),
        ("ReadTimeout", StreamInterrupted),
        ("RemoteProtocolError", StreamInterrupted),
    ],
)
def test_faults_of_either_library_are_understood(library, name: str, ours: type):
    assert isinstance(translated(getattr(library, name)("said"), "http://x/"), ours)


def test_what_is_not_the_librarys_is_left_alone():
    error = KeyError("mine")
    assert translated(error, "http://x/") is error


async def test_a_refusal_is_read_but_not_without_bound():
    def answer(request: httpx2.Request) -> httpx2.Response:
        return httpx2.Response(418, content=b"x" * 100_000)

    async with httpx2.AsyncClient(transport=httpx2.MockTransport(answer)) as client:
        with pytest.raises(RequestRejected) as caught:
            await open_body(client, GET, {}, OFF)
    assert caught.value.status == 418
    assert len(caught.value.body) == 64 * 1024


async def test_an_answer_tells_the_run_and_whether_it_counts():
    def answer(request: httpx2.Request) -> httpx2.Response:
        assert request.headers["a"] == "1"
        assert request.headers["b"] == "2"
        return httpx2.Response(200, headers={"x-chat-run-id": "r"}, content=b"hello")

    async with httpx2.AsyncClient(transport=httpx2.MockTransport(answer)) as client:
        body = await open_body(client, GET, {"a": "0", "b": "2"}, OFF)
        assert (body.run_id, body.counts, body.status) == ("r", False, 200)
        assert await body.read_all() == b"hello"


async def test_our_own_client_has_no_limit_of_streams():
    async with make_client() as client:
        request = client.build_request("GET", "http://x/", headers={}, content=None, timeout=None)
    assert str(request.url) == "http://x/"
