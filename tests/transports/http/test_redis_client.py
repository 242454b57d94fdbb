from __future__ import annotations

import sys

import anyio
import pytest
from coredis import Redis

from chat_transport.errors import ConnectFailed, LocalProtocolError
from chat_transport.transports.http.redis_client import is_outage, opened, translating

pytestmark = pytest.mark.anyio


async def test_another_librarys_client_is_refused_with_what_to_do():
    with pytest.raises(
        LocalProtocolError, match=r"must be a coredis.Redis .* not object: give `url`"
    ):
        async with opened("", object()):  # type: ignore[arg-type]
            pytest.fail("opened")


async def test_a_client_that_decodes_is_refused():
    client = Redis.from_url("redis://127.0.0.1:1", decode_responses=True)
    with pytest.raises(LocalProtocolError, match="without decode_responses"):
        async with opened("", client):  # type: ignore[arg-type]
            pytest.fail("opened")


async def test_without_the_extra_the_command_that_installs_it_is_told(
    monkeypatch: pytest.MonkeyPatch,
):
    monkeypatch.setitem(sys.modules, "coredis", None)
    with pytest.raises(ModuleNotFoundError, match=r"pip install 'chat-transport\[redis\]'"):
        async with opened("redis://127.0.0.1:1", None):
            pytest.fail("opened")


async def test_last_words_are_said_when_the_user_is_cancelled(redis_server):
    with anyio.fail_after(10):
        with anyio.CancelScope() as scope:
            async with opened(redis_server.url, None) as (client, is_cluster):
                assert not is_cluster
                await client.set("said", b"first")
                scope.cancel()
                with anyio.CancelScope(shield=True):
                    await client.set("said", b"last")
        async with opened(redis_server.url, None) as (client, _):
            assert await client.get("said") == b"last"


async def test_seventy_faults_use_up_no_pool(redis_server):
    """coredis 6.9.0 forgets the place of a connection that breaks in mid-command; it has 64."""

    async def wait_for_words() -> None:
        with pytest.raises(Exception, match="lost") as caught:
            await client.xread({b"s": b"$"}, block=5000)
        assert is_outage(caught.value)

    with anyio.fail_after(30):
        async with opened(redis_server.url, None) as (client, _):
            for _fault in range(70):
                async with anyio.create_task_group() as tasks:
                    tasks.start_soon(wait_for_words)
                    while b"xread" not in str(await client.client_list()).encode():
                        await anyio.lowlevel.checkpoint()
                    await client.client_kill(type_="normal", skipme=True)
            assert await client.ping()


def test_an_outage_is_told_by_name():
    class BusyLoadingError(Exception):
        pass

    assert is_outage(OSError())
    assert is_outage(BusyLoadingError())
    assert is_outage(TimeoutError())
    assert not is_outage(ValueError())


async def test_an_outage_without_words_is_given_some():
    with pytest.raises(ConnectFailed, match="it does not answer"):
        async with translating():
            raise TimeoutError
    with pytest.raises(ValueError, match="mine"):
        async with translating():
            raise ValueError("mine")
