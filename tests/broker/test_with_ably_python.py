"""The unmodified `ably` of PyPI against the broker: what a chat transport depends on."""

from __future__ import annotations

import asyncio
import random
import socket
import sys
from typing import Any
from urllib.parse import quote

import pytest
from ably import AblyRealtime, AblyRest
from ably.types.channeloptions import ChannelOptions
from ably.types.message import Message
from ably.types.tokendetails import TokenDetails
from ably.util.exceptions import AblyException

from chat_transport.broker import FaultSettings, Limits, Namespace, serve_broker
from chat_transport.broker.signing import sign_jwt

pytestmark = pytest.mark.anyio
KEY = "app.key:secret"


@pytest.fixture
def anyio_backend():
    return "asyncio"


class Clients:
    """Makes clients of one broker and closes them."""

    def __init__(self, running: Any) -> None:
        self.running = running
        self.opened: list[AblyRealtime] = []

    def __call__(self, **options: Any) -> AblyRealtime:
        if not options.keys() & {"auth_callback", "token"}:
            options.setdefault("key", KEY)
        client = AblyRealtime(endpoint=self.running.endpoint, tls=False, **options)
        self.opened.append(client)
        return client

    async def close(self) -> None:
        for client in self.opened:
            await client.close()


@pytest.fixture
async def clients():
    async with serve_broker([KEY], namespaces=[Namespace("plain")]) as running:
        made = Clients(running)
        yield made
        await made.close()


class Reader:
    """Folds what a subscriber hears, by the rule of the documentation, and can be waited for."""

    def __init__(self) -> None:
        self.messages: dict[str, tuple[str, Any]] = {}
        self.actions: list[int] = []
        self._changed = asyncio.Event()

    def hear(self, message: Any) -> None:
        known = self.messages.get(message.serial)
        version = message.version.serial
        self.actions.append(int(message.action))
        if known is None or version > known[0]:
            assert known is not None or message.action != 5
            data = known[1] + message.data if message.action == 5 else message.data
            self.messages[message.serial] = (version, data)
        self._changed.set()

    async def until(self, condition: Any) -> None:
        async with asyncio.timeout(20):
            while not condition(self):
                await self._changed.wait()
                self._changed.clear()

    def text(self, serial: str) -> str:
        return self.messages.get(serial, ("", ""))[1]


@pytest.mark.parametrize("binary", [False, True])
async def test_publish_append_update_delete(clients, binary):
    reader = Reader()
    sender, receiver = clients(use_binary_protocol=binary), clients(use_binary_protocol=not binary)
    await receiver.channels.get("c").subscribe(reader.hear)
    channel = sender.channels.get("c")
    (serial,) = (await channel.publish("n", "a")).serials
    results = await asyncio.gather(
        *(channel.append_message(Message(serial=serial, data=str(n % 10))) for n in range(300))
    )
    versions = [result.version_serial for result in results]
    assert versions == sorted(set(versions))
    expected = "a" + "0123456789" * 30
    await reader.until(lambda r: r.text(serial) == expected)
    assert reader.actions == [0] + [5] * 300
    await channel.update_message(Message(serial=serial, data="new"))
    await channel.delete_message(Message(serial=serial))
    await reader.until(lambda r: len(r.actions) == 303)
    assert reader.actions[-2:] == [1, 2]


async def test_sockets_dropped_at_random_lose_nothing(clients):
    """A stream of appends goes on while both ends are cut again and again."""
    chance = random.Random(7)
    reader = Reader()
    sender, receiver = clients(), clients(use_binary_protocol=False)
    await receiver.channels.get("c").subscribe(reader.hear)
    channel = sender.channels.get("c")
    (serial,) = (await channel.publish("n", "")).serials
    faults = clients.running.broker.faults
    expected, tasks = "", []
    for number in range(400):
        expected += (piece := f"{number} ")
        append = channel.append_message(Message(serial=serial, data=piece))
        tasks.append(asyncio.create_task(append))
        if number % 20 == 0:
            await tasks[chance.randrange(len(tasks))]
            faults.drop_sockets()
    async with asyncio.timeout(30):
        await asyncio.gather(*tasks)
    await reader.until(lambda r: r.text(serial) == expected)
    log = clients.running.broker.apps["app"].channel("c").log
    assert len(log.entries) == 401


async def test_history_until_attach_meets_live(clients):
    reader = Reader()
    sender, receiver = clients(), clients()
    before = [(await sender.channels.get("c").publish("n", str(n))).serials[0] for n in range(7)]
    channel = receiver.channels.get("c")
    await channel.subscribe(reader.hear)
    attached = channel._RealtimeChannel__attach_serial
    (live,) = (await sender.channels.get("c").publish("n", "live")).serials
    await reader.until(lambda r: r.messages)
    assert list(reader.messages) == [live]
    token = await sender.auth.request_token()
    async with AblyRest(token=token.token, endpoint=clients.running.endpoint, tls=False) as rest:
        page = await rest.request(
            "GET",
            f"/channels/{quote('c')}/messages",
            "5",
            params={"fromSerial": attached, "limit": "3"},
        )
        seen = [item["serial"] for item in page.items]
        while page.has_next():
            page = await page.next()
            seen += [item["serial"] for item in page.items]
        assert seen == before[::-1]
        message = await rest.channels.get("c").get_message(live)
        assert message.data == "live"


async def test_rewind(clients):
    reader = Reader()
    sender, receiver = clients(), clients()
    for number in range(5):
        await sender.channels.get("c").publish("n", str(number))
    channel = receiver.channels.get("c", ChannelOptions(params={"rewind": "3"}))
    await channel.subscribe(reader.hear)
    await reader.until(lambda r: len(r.messages) == 3)
    assert [data for _, data in reader.messages.values()] == ["2", "3", "4"]


async def test_presence_survives_reauthentication(clients):
    def token() -> TokenDetails:
        claims = {"iat": 1, "exp": 2**33, "x-ably-clientId": "agent", "ably.channel.*": "claimed"}
        return TokenDetails(
            token=sign_jwt(claims, key_name="app.key", secret="secret"),
            client_id="agent",
            expires=2**33 * 1000,
        )

    async def callback(_: Any) -> TokenDetails:
        return token()

    agent, watcher = clients(auth_callback=callback), clients()
    seen: list[tuple[int, str]] = []
    watched = watcher.channels.get("c")
    await watched.presence.subscribe(lambda m: seen.append((int(m.action), m.client_id)))
    await agent.channels.get("c").presence.enter("online")
    async with asyncio.timeout(10):
        await agent.auth.authorize()
    async with asyncio.timeout(10):
        assert [m.client_id for m in await watched.presence.get()] == ["agent"]
    assert (3, "agent") not in seen
    reader = Reader()
    claims: list[Any] = []
    await watched.subscribe(lambda m: (claims.append(m.extras), reader.hear(m)))
    await agent.channels.get("c").publish("n", "x")
    await reader.until(lambda r: r.messages)
    assert claims == [{"userClaim": "claimed"}]


async def test_an_expired_token_is_renewed_without_loss(clients):
    asked: list[int] = []

    async def callback(_: Any) -> TokenDetails:
        asked.append(1)
        claims = {"iat": 1, "exp": 2**33}
        return TokenDetails(token=sign_jwt(claims, key_name="app.key", secret="secret"))

    reader = Reader()
    client, sender = clients(auth_callback=callback), clients()
    await client.channels.get("c").subscribe(reader.hear)
    assert clients.running.broker.faults.expire_tokens() == 1
    await sender.channels.get("c").publish("n", "while away")
    await reader.until(lambda r: r.messages)
    assert len(asked) == 2


async def test_echo_off(clients):
    reader, other = Reader(), Reader()
    sender = clients(transport_params={"echo": "false"})
    await sender.channels.get("c").subscribe(reader.hear)
    await clients().channels.get("c").subscribe(other.hear)
    await sender.channels.get("c").publish("n", "own")
    await clients().channels.get("c").publish("n", "foreign")
    await other.until(lambda r: len(r.messages) == 2)
    await reader.until(lambda r: r.messages)
    assert [data for _, data in reader.messages.values()] == ["foreign"]


async def test_what_is_refused_reaches_the_caller_with_its_code(clients):
    channel = clients(client_id="me").channels.get("plain:x")
    (serial,) = (await channel.publish("n", "a")).serials
    for code, act in (
        (93002, channel.append_message(Message(serial=serial, data="b"))),
        (40012, channel.publish(Message("n", "x", client_id="other"))),
    ):
        with pytest.raises(AblyException) as caught:
            await act
        assert caught.value.code == code
    clients.running.broker.faults.reject("publish", times=1, code=42911, status=429)
    with pytest.raises(AblyException) as caught:
        await channel.publish("n", "x")
    assert (caught.value.code, caught.value.status_code) == (42911, 429)


async def test_attach_without_rights_fails_with_the_reason(clients):
    claims = {"iat": 1, "exp": 2**33, "x-ably-capability": '{"other":["subscribe"]}'}
    client = clients(token=sign_jwt(claims, key_name="app.key", secret="secret"))
    async with asyncio.timeout(10):
        with pytest.raises(AblyException) as caught:
            await client.channels.get("c").attach()
    assert (caught.value.code, caught.value.status_code) == (40160, 401)


async def test_the_cloud_may_send_aggregates_instead_of_deltas(clients):
    clients.running.broker.faults.update(FaultSettings(aggregates=3, conflate=4, double_acks=True))
    reader = Reader()
    await clients().channels.get("c").subscribe(reader.hear)
    channel = clients().channels.get("c")
    (serial,) = (await channel.publish("n", "")).serials
    for number in range(50):
        await channel.append_message(Message(serial=serial, data=f"{number} "))
    await reader.until(lambda r: r.text(serial) == "".join(f"{n} " for n in range(50)))


async def test_a_kill_in_mid_stream_loses_and_doubles_nothing(tmp_path):
    """`kill -9` while appends are in flight; another process takes the port and the file."""
    # ably 3.1.4 throws in a task of its own when it disposes of a socket that never opened.
    asyncio.get_running_loop().set_exception_handler(lambda *_: None)
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [sys.executable, "-m", "chat_transport.broker", "--port", str(port)]
    command += ["--data", str(tmp_path / "b.sqlite")]

    async def start() -> asyncio.subprocess.Process:
        process = await asyncio.create_subprocess_exec(*command, stdout=asyncio.subprocess.PIPE)
        async with asyncio.timeout(20):
            assert (await process.stdout.readline()).startswith(b"ready")
        return process

    process, reader = await start(), Reader()
    options = {"disconnected_retry_timeout": 200, "realtime_request_timeout": 1000}
    sender, receiver = (
        AblyRealtime(key=KEY, endpoint=f"127.0.0.1:{port}/", tls=False, **options) for _ in range(2)
    )
    try:
        await receiver.channels.get("c").subscribe(reader.hear)
        channel = sender.channels.get("c")
        (serial,) = (await channel.publish("n", "")).serials
        tasks = [
            asyncio.create_task(channel.append_message(Message(serial=serial, data=f"{n} ")))
            for n in range(300)
        ]
        await tasks[100]
        process.kill()
        await process.wait()
        process = await start()
        async with asyncio.timeout(30):
            await asyncio.gather(*tasks)
        await reader.until(lambda r: r.text(serial) == "".join(f"{n} " for n in range(300)))
    finally:
        await sender.close()
        await receiver.close()
        process.kill()
        await process.wait()


async def test_a_restart_in_mid_stream_with_a_store(tmp_path):
    """The broker dies and comes back on the same port; the SDK resumes by itself."""
    data, reader = tmp_path / "b.sqlite", Reader()
    async with serve_broker([KEY], data=data) as running:
        clients = Clients(running)
        sender, receiver = (
            clients(disconnected_retry_timeout=200, realtime_request_timeout=1000),
            clients(disconnected_retry_timeout=200, realtime_request_timeout=1000),
        )
        await receiver.channels.get("c").subscribe(reader.hear)
        channel = sender.channels.get("c")
        (serial,) = (await channel.publish("n", "")).serials
        for number in range(20):
            await channel.append_message(Message(serial=serial, data=f"{number} "))
    running.broker.close()
    async with serve_broker([KEY], data=data, port=running.port, limits=Limits()) as again:
        async with asyncio.timeout(30):
            for number in range(20, 40):
                await channel.append_message(Message(serial=serial, data=f"{number} "))
        await reader.until(lambda r: r.text(serial) == "".join(f"{n} " for n in range(40)))
        await clients.close()
    again.broker.close()
