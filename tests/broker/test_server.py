from __future__ import annotations

import json
from http.client import HTTPConnection

import anyio
import msgspec
import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed, InvalidStatus

from chat_transport.broker import FaultSettings, Limits, serve_broker

pytestmark = pytest.mark.anyio


@pytest.fixture
def anyio_backend():
    return "asyncio"


def ws_url(running, **query):
    query = {"v": "5", "key": "app.key:secret", **query}
    return f"ws://{running.address}/?" + "&".join(f"{k}={v}" for k, v in query.items())


async def http(running, method, path, body=None, **headers):
    def ask():
        connection = HTTPConnection(running.host, running.port, timeout=5)
        try:
            names = {name.replace("_", "-"): value for name, value in headers.items()}
            connection.request(method, path, body, names)
            got = connection.getresponse()
            return got.status, dict(got.getheaders()), got.read()
        finally:
            connection.close()

    return await anyio.to_thread.run_sync(ask)


async def receive(socket, action):
    while True:
        raw = await socket.recv()
        frame = json.loads(raw) if isinstance(raw, str) else msgspec.msgpack.decode(raw)
        if frame["action"] == action:
            return frame


async def test_text_and_binary_sockets():
    with anyio.fail_after(10):
        async with serve_broker() as running:
            async with (
                connect(ws_url(running)) as text,
                connect(ws_url(running, format="msgpack")) as binary,
            ):
                await receive(text, 4)
                await receive(binary, 4)
                await text.send(json.dumps({"action": 10, "channel": "c"}))
                await receive(text, 11)
                await binary.send(
                    msgspec.msgpack.encode(
                        {"action": 15, "channel": "c", "msgSerial": 0, "messages": [{"data": b"x"}]}
                    )
                )
                assert (await receive(binary, 1))["msgSerial"] == 0
                (message,) = (await receive(text, 15))["messages"]
                assert (message["data"], message["encoding"]) == ("eA==", "base64")
                assert text.response.headers.get("Sec-WebSocket-Extensions") is None


async def test_errors_come_inside_the_socket_which_then_closes():
    with anyio.fail_after(10):
        async with serve_broker() as running, connect(ws_url(running, key="x.y:z")) as socket:
            assert (await receive(socket, 9))["error"]["code"] == 40101
            with pytest.raises(ConnectionClosed):
                await socket.recv()
            assert socket.close_code == 1000


async def test_dropped_sockets_and_refused_connections():
    with anyio.fail_after(10):
        async with serve_broker() as running:
            faults = running.broker.faults
            async with connect(ws_url(running)) as socket:
                await receive(socket, 4)
                assert faults.drop_sockets() == 1
                with pytest.raises(ConnectionClosed):
                    await socket.recv()
            faults.settings.refuse_connects = 1
            with pytest.raises(InvalidStatus) as caught:
                await connect(ws_url(running))
            assert caught.value.response.status_code == 503
            async with connect(ws_url(running)) as socket:
                await receive(socket, 4)


async def test_timers_run_while_it_serves():
    with anyio.fail_after(10):
        async with serve_broker() as running:
            async with connect(ws_url(running)) as socket:
                await receive(socket, 4)
                running.broker.faults.update(FaultSettings(delay_ms=30))
                await socket.send('{"action":0,"id":"x"}')
                assert (await receive(socket, 0))["id"] == "x"


async def test_a_socket_that_went_away_leaves_after_its_grace():
    with anyio.fail_after(10):
        async with serve_broker(limits=Limits(remain_present_ms=50)) as running:
            async with connect(ws_url(running)) as watcher:
                await watcher.send('{"action":10,"channel":"c"}')
                await receive(watcher, 11)
                async with connect(ws_url(running, clientId="a")) as socket:
                    await socket.send('{"action":10,"channel":"c"}')
                    await socket.send(
                        '{"action":14,"channel":"c","msgSerial":0,"presence":[{"action":2}]}'
                    )
                    await receive(watcher, 14)
                assert (await receive(watcher, 14))["presence"][0]["action"] == 3


async def test_rest_over_http():
    with anyio.fail_after(10):
        async with serve_broker() as running:
            basic = "Basic YXBwLmtleTpzZWNyZXQ="
            status, headers, body = await http(running, "GET", "/time")
            assert (status, len(json.loads(body))) == (200, 1)
            assert headers["access-control-allow-origin"] == "*"
            path = "/channels/a%2Fb/messages"
            status, _, _ = await http(running, "POST", path, '{"data":"x"}', authorization=basic)
            assert status == 201
            status, headers, body = await http(
                running,
                "GET",
                path + "?limit=1",
                authorization=basic,
                accept="application/x-msgpack",
            )
            assert headers["content-type"] == "application/x-msgpack"
            assert msgspec.msgpack.decode(body)[0]["data"] == "x"
            status, _, body = await http(
                running, "POST", path, "x" * 3_000_000, authorization=basic
            )
            assert (status, json.loads(body)["error"]["code"]) == (413, 40009)


async def test_browsers_are_let_in_with_credentials():
    with anyio.fail_after(10):
        async with serve_broker() as running:
            status, headers, _ = await http(
                running,
                "OPTIONS",
                "/channels/c/messages",
                origin="http://localhost:3000",
                access_control_request_headers="authorization,x-ably-version",
            )
            assert status == 204
            assert headers["access-control-allow-origin"] == "http://localhost:3000"
            assert headers["access-control-allow-credentials"] == "true"
            assert headers["access-control-allow-headers"] == "authorization,x-ably-version"
            assert "Link" in headers["access-control-expose-headers"]


async def test_inspection_is_off_unless_asked_for_and_closed_to_other_pages():
    with anyio.fail_after(10):
        async with serve_broker() as running:
            assert (await http(running, "GET", "/inspect"))[0] == 404
        async with serve_broker(inspect=True) as running:
            status, headers, body = await http(running, "GET", "/inspect", origin="http://evil")
            assert (status, b"Local broker" in body) == (200, True)
            assert "access-control-allow-origin" not in headers
            assert (await http(running, "GET", "/inspect/state"))[0] == 200
