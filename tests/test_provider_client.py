from __future__ import annotations

import asyncio
import gc

import pytest

from chat_transport.errors import LocalProtocolError
from chat_transport.provider_client import ProviderClient


class Http:
    def __init__(self) -> None:
        self.closed = 0

    async def aclose(self) -> None:
        self.closed += 1


class Client:
    def __init__(self, http: Http | None) -> None:
        self.http = http
        self.itself = self  # as SDK clients do
        self.closed_alone = 0

    @property
    def closed(self) -> int:
        return self.closed_alone if self.http is None else self.http.closed


async def close(client: Client) -> None:
    client.closed_alone += 1


def not_installed() -> Http:
    raise ImportError("no aiohttp")


def provider(given: Client | None = None, *, http=Http, aiohttp: bool | None = None):
    return ProviderClient(given, make=Client, make_aiohttp=http, close=close, aiohttp=aiohttp)


@pytest.fixture(autouse=True)
def _no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "https_proxy", "all_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)


@pytest.mark.anyio
async def test_a_client_handed_in_is_used_as_it_is_and_never_closed():
    mine = Client(None)
    held = provider(mine, aiohttp=True)
    assert held.get() is mine
    await held.aclose()
    assert mine.closed == 0


@pytest.mark.anyio
async def test_aiohttp_is_taken_on_asyncio_alone(anyio_backend: str):
    held = provider()
    assert (held.get().http is not None) is (anyio_backend == "asyncio")
    await held.aclose()


@pytest.mark.anyio
async def test_one_client_is_made_and_closed_and_another_made_afterwards():
    held = provider()
    first = held.get()
    assert held.get() is first
    await held.aclose()
    await held.aclose()
    assert first.closed == 1
    again = held.get()
    assert again is not first
    await held.aclose()
    assert again.closed == 1


@pytest.mark.anyio
async def test_without_aiohttp_the_sdk_chooses():
    for held in (provider(http=not_installed), provider(aiohttp=False)):
        assert held.get().http is None
        await held.aclose()


def test_outside_of_a_loop_the_sdk_chooses():
    assert provider().get().http is None


def test_a_client_made_outside_stays_the_one():
    held = provider()
    client = held.get()

    async def use() -> Client:
        return held.get()

    assert asyncio.run(use()) is client


def test_a_socks_proxy_is_left_to_the_sdk(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("ALL_PROXY", "socks5://127.0.0.1:9")
    held = provider()

    async def use() -> Http | None:
        return held.get().http

    assert asyncio.run(use()) is None


def test_insisting_says_what_is_missing():
    with pytest.raises(LocalProtocolError, match="needs a running asyncio loop"):
        provider(aiohttp=True).get()

    async def use() -> None:
        provider(http=not_installed, aiohttp=True).get()

    with pytest.raises(LocalProtocolError, match="it is not there: no aiohttp"):
        asyncio.run(use())


def test_each_loop_has_its_client_which_ends_with_it():
    held = provider()

    async def use() -> Client:
        client = held.get()
        await asyncio.sleep(0)
        assert held.get() is client
        assert client.closed == 0
        return client

    first, second = asyncio.run(use()), asyncio.run(use())
    assert first is not second
    assert (first.closed, second.closed) == (1, 1)


def test_a_loop_that_was_closed_without_ceremony_is_forgotten():
    held = provider()

    async def use() -> Client:
        return held.get()

    loop = asyncio.new_event_loop()
    first = loop.run_until_complete(use())
    loop.close()
    second = asyncio.run(use())
    assert second is not first
    assert second.closed == 1
    assert held._of_loops == {}


def test_a_dropped_adapter_closes_its_client_once_no_stream_needs_it():
    async def use() -> int:
        held = provider()
        stream = [held.get()]
        http = stream[0].http
        del held
        gc.collect()
        await asyncio.sleep(0)
        assert http.closed == 0
        stream.clear()
        gc.collect()
        async with asyncio.timeout(5):
            while not http.closed:  # the loop closes it in a task of its own
                await asyncio.sleep(0)
        return http.closed

    assert asyncio.run(use()) == 1
