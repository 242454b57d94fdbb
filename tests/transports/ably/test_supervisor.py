"""The connection comes back from every dead end that the SDK has."""

from __future__ import annotations

import logging
import socket
from typing import Any

import anyio
import pytest
from ably.types.connectionstate import ConnectionState
from ably.util.exceptions import AblyException

from chat_transport.broker import Broker, RunningBroker, serve_broker
from chat_transport.codecs.ably.operations import Inbound, OutboundMessage
from chat_transport.errors import (
    ConnectFailed,
    LocalProtocolError,
    RequestRejected,
    TransportClosed,
    TransportError,
)
from chat_transport.transports.ably import (
    AblyAgent,
    AblyChatTransport,
    AblyConnection,
    make_token,
)

pytestmark = pytest.mark.anyio


class Ear:
    """A listener that remembers."""

    def __init__(self) -> None:
        self.heard: list[Inbound] = []
        self.gaps = 0
        self.lost: list[TransportError] = []
        self.changed = anyio.Event()

    def on_message(self, message: Inbound) -> None:
        self.heard.append(message)
        self._tell()

    def on_gap(self) -> None:
        self.gaps += 1
        self._tell()

    def on_lost(self, error: TransportError) -> None:
        self.lost.append(error)
        self._tell()

    def _tell(self) -> None:
        self.changed.set()
        self.changed = anyio.Event()


def message(data: str) -> tuple[OutboundMessage, ...]:
    return (OutboundMessage(name="note", data=data),)


async def published(connection: AblyConnection, data: str) -> None:
    """Publish when there is a connection again."""
    while True:
        await connection.connected()
        try:
            await connection.channel("c").publish(message(data), data)
        except TransportError:
            await anyio.sleep(0.01)  # the SDK has not noticed yet
        else:
            return


def manager_of(connection: AblyConnection) -> Any:
    assert connection._client is not None
    return connection._client._sdk.connection.connection_manager


async def test_it_tells_who_we_are(connect: Any) -> None:
    async with connect("ann") as connection:
        assert (connection.client_id, connection.state) == ("ann", "connected")
        assert connection.connection_id
    assert connection.state == "closed"


async def test_a_refused_port_is_told_at_once() -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{free.getsockname()[1]}"
        connection = AblyConnection(key="app.key:secret", endpoint=address, tls=False)
        with anyio.fail_after(8):  # the SDK itself takes 10 s
            with pytest.raises(ConnectFailed, match="is the broker up"):
                await connection.__aenter__()


@pytest.mark.parametrize("key", ["app.key:wrong", "app.nokey:secret", "other.key:secret"])
async def test_a_wrong_key_is_told_at_once_without_its_secret(connect: Any, key: str) -> None:
    with anyio.fail_after(5):
        with pytest.raises(
            RequestRejected, match=r"signed with this app|key or token is not valid"
        ) as raised:
            await connect(key=key).__aenter__()
    assert key.partition(":")[2] not in str(raised.value).replace("wrong:", "")


async def test_a_token_that_cannot_be_had_is_told_with_its_cause(connect: Any) -> None:
    async def token() -> str:
        raise OSError("the token server is down")

    with anyio.fail_after(5):
        with pytest.raises(ConnectFailed, match="no token: the token server is down") as raised:
            await connect(key=None, token=token).__aenter__()
    assert isinstance(raised.value.__cause__, OSError)


async def test_a_token_says_who_we_are_without_the_15_seconds(connect: Any) -> None:
    async def token() -> str:
        return make_token("app.key:secret", client_id="tess", capability={"*": ["*"]})

    with anyio.fail_after(5):
        async with connect(key=None, token=token) as connection:
            assert connection.client_id == "tess"


@pytest.mark.parametrize(
    "settings",
    [
        {},
        {"key": "app.key:secret", "token": 1},
        {"token": 1, "client_id": "x"},
        {"key": "nonsense"},
    ],
)
def test_contradictory_credentials_are_refused(settings: dict[str, Any]) -> None:
    with pytest.raises(LocalProtocolError):
        AblyConnection(**settings)


async def test_it_is_entered_once(connect: Any) -> None:
    connection = connect("ann")
    with pytest.raises(TransportClosed, match="not open"):
        _ = connection.tasks
    async with connection:
        with pytest.raises(TransportClosed, match="connected"):
            await connection.__aenter__()
    with pytest.raises(TransportClosed, match="closed"):
        await connection.connected()
    with pytest.raises(TransportClosed, match="not open"):
        await connection.read_history("c", {})


async def test_after_a_cut_messages_go_on_without_a_gap(
    broker: RunningBroker, connect: Any
) -> None:
    ear = Ear()
    async with connect("ann") as connection, connect("bob") as other:
        async with connection.channel("c").listening(ear):
            with anyio.fail_after(10):
                assert connection.connection_id is not None
                broker.broker.faults.drop_sockets(connection.connection_id)
                await published(other, "while away")
                while not ear.heard:
                    await ear.changed.wait()
    assert [m.data for m in ear.heard] == ["while away"]
    assert ear.gaps == 0


async def test_a_zombie_is_replaced_and_the_gap_is_told(connect: Any) -> None:
    ear = Ear()
    async with connect("ann") as connection:
        async with connection.channel("c").listening(ear):
            old = connection._client
            await manager_of(connection).transport.dispose()  # CONNECTED without a socket
            assert old is not None
            assert old.is_zombie
            with anyio.fail_after(10):
                while not ear.gaps:
                    await ear.changed.wait()
                await published(connection, "again")
                while not ear.heard:
                    await ear.changed.wait()
            assert connection._client is not old
    assert [m.data for m in ear.heard] == ["again"]


async def test_a_failed_client_is_replaced(connect: Any) -> None:
    ear = Ear()
    async with connect("ann") as connection:
        async with connection.channel("c").listening(ear):
            await manager_of(connection).on_error({}, AblyException("no reason", 400, 40000))
            with anyio.fail_after(10):
                while not ear.gaps:
                    await ear.changed.wait()
                await published(connection, "again")
    assert ear.lost[:-1] == []


async def test_a_fatal_refusal_is_not_tried_again(connect: Any) -> None:
    async with connect("ann") as connection:
        client = connection._client
        manager_of(connection).notify_state(
            ConnectionState.FAILED, AblyException("no such app", 401, 40101)
        )
        with anyio.fail_after(5):
            while connection.state != "failed":
                await connection._changed.wait()
            with pytest.raises(RequestRejected, match="40101"):
                await connection.connected()
        assert connection._client is client


async def test_a_broker_restart_is_survived(anyio_backend: str) -> None:
    state, ear = Broker(["app.key:secret"]), Ear()

    async def serve(
        port: int, stop: anyio.Event, *, task_status: Any = anyio.TASK_STATUS_IGNORED
    ) -> None:
        async with serve_broker(broker=state, port=port) as running:
            task_status.started(running)
            await stop.wait()

    with anyio.fail_after(30):
        async with anyio.create_task_group() as servers:
            down, end = anyio.Event(), anyio.Event()
            first = await servers.start(serve, 0, down)
            async with AblyConnection(
                key="app.key:secret", endpoint=first.address, tls=False, rebuild_after_s=1
            ) as connection:
                async with connection.channel("c").listening(ear):
                    down.set()
                    while connection.state == "connected":
                        await connection._changed.wait()
                    await servers.start(serve, first.port, end)
                    while not ear.gaps:
                        await ear.changed.wait()
                    await published(connection, "after the restart")
                    while not ear.heard:
                        await ear.changed.wait()
            end.set()
    assert [m.data for m in ear.heard] == ["after the restart"]


async def test_an_expired_token_is_renewed(broker: RunningBroker, connect: Any) -> None:
    made: list[int] = []

    async def token() -> str:
        made.append(1)
        return make_token("app.key:secret", client_id="tess", capability={"*": ["*"]})

    ear = Ear()
    async with connect(key=None, token=token) as connection:
        async with connection.channel("c").listening(ear):
            before = len(made)
            assert broker.broker.faults.expire_tokens() == 1
            with anyio.fail_after(15):
                while len(made) == before:
                    await anyio.sleep(0.01)
                await published(connection, "renewed")
                while not ear.heard:
                    await ear.changed.wait()
    assert [m.data for m in ear.heard] == ["renewed"]


async def test_the_secret_never_reaches_the_log(
    connect: Any, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.DEBUG):
        async with connect("ann") as connection:
            await connection.channel("c").publish(message("x"), "x")
    said = "\n".join(
        record.getMessage() for record in caplog.records if record.name.startswith("ably")
    )
    assert "attempting to connect" in said
    assert "secret" not in said.replace("key_secret", "")
    assert "accessToken=***" in said


@pytest.mark.parametrize(
    ("settings", "error", "words"),
    [
        ({"token": "a.b.c"}, TypeError, r"unable to use a str as the token; .* token_from\(url\)"),
        ({"key": "a.b:c", "endpoint": "http://localhost:1"}, LocalProtocolError, "give HOST:PORT"),
    ],
)
async def test_wrong_settings_are_refused_when_it_is_made(
    settings: dict[str, Any], error: type[Exception], words: str
) -> None:
    with pytest.raises(error, match=words) as caught:
        AblyConnection(**settings)
    assert "a.b.c" not in str(caught.value)


async def test_a_token_function_is_async(broker: RunningBroker) -> None:
    connection = AblyConnection(token=lambda: "a.b.c", endpoint=broker.address, tls=False)  # type: ignore[arg-type,return-value]  # the mistake
    with anyio.fail_after(10), pytest.raises(ConnectFailed, match="make its function async"):
        await connection.__aenter__()


async def test_a_silent_broker_may_have_no_tls(broker: RunningBroker) -> None:
    connection = AblyConnection(key="app.key:secret", endpoint=broker.address, timeout_s=0.3)
    with anyio.fail_after(10), pytest.raises(ConnectFailed, match="has it TLS"):
        await connection.__aenter__()


async def test_clients_and_agents_are_given_a_connection() -> None:
    for make in (AblyChatTransport, lambda given: AblyAgent(lambda _: None, given)):
        with pytest.raises(TypeError, match="unable to use a str as the connection") as caught:
            make("app.key:secret")
        assert "secret" not in str(caught.value)


def test_another_event_loop_is_refused_with_words() -> None:
    connection = AblyConnection(key="app.key:secret")
    with pytest.raises(LocalProtocolError, match="without asyncio"):
        anyio.run(connection.__aenter__, backend="trio")
