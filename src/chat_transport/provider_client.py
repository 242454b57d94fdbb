"""The SDK client behind an adapter: handed in, or made at the first use and closed in time.

Rule: the adapter says how its SDK makes and closes a client; here it is decided over which HTTP
library, and when. No SDK and no HTTP library is imported here. For authors of adapters.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import suppress
from typing import Any, TypeAlias
from urllib.request import getproxies
from weakref import WeakKeyDictionary, ref

from .errors import LocalProtocolError

__all__ = ["ProviderClient"]

SdkClient: TypeAlias = Any  # each SDK's own class
HttpClient: TypeAlias = Any  # an HTTP client that the SDK takes


class ProviderClient:
    """The client that an adapter speaks through.

    Over aiohttp an event costs about half, but a client belongs to the event loop that it was
    made in. So each loop gets its own, and it is closed when its loop ends, when neither adapter
    nor stream needs it any more, or by `aclose`, whichever comes first.

    Args:
        given: A client handed in: used as it is, never closed. None makes one at the first use.
        make: Makes the SDK's client, with an HTTP client or with the SDK's own (None).
        make_aiohttp: Makes the HTTP client, or transport, of the SDK that runs on aiohttp; raises
            ImportError or RuntimeError if it is not installed.
        close: Closes an SDK's client that was made without one of aiohttp.
        aiohttp: None takes aiohttp where it is installed, on asyncio, unless the environment names
            a proxy, which is left to the SDK; True insists; False never takes it.
    """

    def __init__(
        self,
        given: SdkClient | None,
        *,
        make: Callable[[HttpClient | None], SdkClient],
        make_aiohttp: Callable[[], HttpClient],
        close: Callable[[SdkClient], Awaitable[None]],
        aiohttp: bool | None = None,
    ) -> None:
        self._given = given
        self._make = make
        self._make_aiohttp = make_aiohttp
        self._close = close
        self._aiohttp = aiohttp
        self._plain: SdkClient | None = None
        self._of_loops: dict[asyncio.AbstractEventLoop, SdkClient] = {}

    def get(self) -> SdkClient:
        """Give the client, making it if there is none yet.

        Raises:
            LocalProtocolError: If `aiohttp=True` and it is not installed, no asyncio loop runs, or
                the environment names a proxy.
        """
        if self._given is not None:
            return self._given
        loop = _running_loop()
        kept = None if loop is None else self._of_loops.get(loop)
        if kept is not None:
            return kept
        if self._plain is None:
            http = None if self._aiohttp is False else self._over_aiohttp(loop)
            if http is not None and loop is not None:
                return self._kept(loop, self._make(http), http)
            self._plain = self._make(None)
        return self._plain

    async def aclose(self) -> None:
        """Close what was made here; the next `get` makes anew."""
        plain, self._plain = self._plain, None
        if plain is not None:
            await self._close(plain)
        loop = _running_loop()
        if loop in self._of_loops:
            await _KEEPERS[self._of_loops[loop]].aclose()

    def _over_aiohttp(self, loop: asyncio.AbstractEventLoop | None) -> HttpClient | None:
        hindrance = "it needs a running asyncio loop" if loop is None else _proxy_in_the_way()
        try:
            if hindrance is None:
                return self._make_aiohttp()
        except (ImportError, RuntimeError) as error:
            hindrance = f"it is not there: {error}"
        if self._aiohttp:
            raise LocalProtocolError(f"unable to use aiohttp; {hindrance} (leave `aiohttp` unset)")
        return None

    def _kept(
        self, loop: asyncio.AbstractEventLoop, client: SdkClient, http: HttpClient
    ) -> SdkClient:
        for ended in [one for one in self._of_loops if one.is_closed()]:
            del self._of_loops[ended]
        keeper = _keeper(http, ref(self), loop)
        with suppress(StopIteration):  # run to its `yield`: from here on the loop knows it
            keeper.__anext__().send(None)
        self._of_loops[loop] = client
        _KEEPERS[client] = keeper
        return client

    def forget(self, loop: asyncio.AbstractEventLoop) -> None:
        """Note that the client of a loop is closed."""
        self._of_loops.pop(loop, None)


_KEEPERS: WeakKeyDictionary[SdkClient, AsyncGenerator[None, None]] = WeakKeyDictionary()
"""SDK client -> what closes its HTTP client. A stream holds the SDK's client, not the adapter."""


async def _keeper(
    http: HttpClient, holder: ref[ProviderClient], loop: asyncio.AbstractEventLoop
) -> AsyncGenerator[None, None]:
    # asyncio closes the generators that are still open when a loop ends, and those that nobody
    # holds any more: the one public way to be told of either. (`loop.shutdown_asyncgens`)
    try:
        yield
    finally:
        adapter = holder()
        if adapter is not None:
            adapter.forget(loop)
        await http.aclose()


def _running_loop() -> asyncio.AbstractEventLoop | None:
    try:
        return asyncio.get_running_loop()
    except RuntimeError:  # trio, or none
        return None


def _proxy_in_the_way() -> str | None:
    named = [scheme for scheme, url in getproxies().items() if url and scheme != "no"]
    return f"the environment names a proxy for {', '.join(named)}" if named else None
