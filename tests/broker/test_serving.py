from __future__ import annotations

import socket

import anyio
import pytest
from ably import AblyRealtime, AblyRest
from websockets.asyncio.client import connect

from chat_transport.broker import Broker, serve_broker
from chat_transport.broker.serving import bind_port
from chat_transport.errors import TransportError

pytestmark = pytest.mark.anyio


@pytest.fixture
def anyio_backend():
    return "asyncio"


async def test_each_has_a_port_of_its_own_and_closes_it():
    with anyio.fail_after(10):
        async with serve_broker() as one, serve_broker() as two:
            assert one.port != two.port
            assert (one.url, one.endpoint) == (
                f"http://127.0.0.1:{one.port}",
                f"127.0.0.1:{one.port}/",
            )
        with (
            pytest.raises(ConnectionRefusedError),
            socket.create_connection(("127.0.0.1", one.port)),
        ):
            pass


async def test_a_taken_port_is_named():
    with anyio.fail_after(10):
        async with serve_broker() as running:
            with pytest.raises(TransportError, match=f"127.0.0.1:{running.port}"):
                bind_port("127.0.0.1", running.port)
            with pytest.raises(TransportError):
                async with serve_broker(port=running.port):
                    pass


async def test_an_error_of_the_caller_comes_out_bare():
    with anyio.fail_after(10):
        with pytest.raises(KeyError, match="mine"):
            async with serve_broker():
                raise KeyError("mine")


async def test_a_broker_outlives_its_server():
    broker = Broker(["app.key:secret"])
    with anyio.fail_after(20):
        for _ in range(2):
            async with serve_broker(broker=broker) as running:
                client = AblyRealtime(key="app.key:secret", endpoint=running.endpoint, tls=False)
                await client.channels.get("c").publish("n", "x")
                await client.close()
    assert len(broker.apps["app"].channel("c").log.records) == 2


async def test_leaving_with_open_sockets_does_not_hang():
    with anyio.fail_after(10):
        async with serve_broker() as running:
            socket = await connect(f"ws://{running.address}/?v=5&key=app.key:secret")
            await socket.recv()
        await socket.wait_closed()


async def test_ably_rest_by_token():
    with anyio.fail_after(10):
        async with serve_broker() as running:
            async with AblyRest(
                key="app.key:secret", endpoint=running.endpoint, tls=False
            ) as signer:
                request = await signer.auth.create_token_request({"client_id": "bob"})
            async with AblyRest(
                token_details=None,
                auth_callback=_give(request),
                endpoint=running.endpoint,
                tls=False,
            ) as rest:
                published = await rest.channels.get("c d").publish("n", "x")
                page = await rest.channels.get("c d").history()
                assert [m.client_id for m in page.items] == ["bob"]
                assert [m.serial for m in page.items] == published.serials


def _give(request):
    async def callback(_):
        return request

    return callback
