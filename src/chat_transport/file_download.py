"""`DownloadsFiles`: a model that is given files in place of their addresses.

Rule: nothing is fetched but from the hosts named, where they stand in the public network, for the
messages of users; no redirect is followed; no more is read than allowed. For providers that take
files inline alone. No HTTP library is imported here: `fetch_with` takes a client of yours.
Source: AI SDK 7.0.173 `convertToLanguageModelPrompt`, which fetches any address; we do not, since a
client chooses the address (docs/concepts/trust.md).
"""

from __future__ import annotations

import base64
import ipaddress
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Collection, Sequence
from contextlib import AbstractAsyncContextManager, aclosing
from typing import Protocol, TypeAlias
from urllib.parse import urlsplit

import anyio

from .chunks import UIMessageChunk
from .errors import LocalProtocolError
from .messages import FilePart, UIMessage
from .model import ModelAdapter, ModelSettings, ProviderTool, ToolSpec

__all__ = ["Download", "DownloadsFiles", "fetch_with"]

Download: TypeAlias = Callable[[str], AsyncGenerator[bytes, None]]
"""Gives the bytes of an https address in pieces; closed early at the limit. It must not follow
redirects: those lead where nobody was asked. `fetch_with` makes one."""

MAX_BYTES = 20 * 1024 * 1024
"""Longest file that is put into a request, by default."""

HTTPS_PORT = 443
TIMEOUT_S = 30.0
"""Seconds for one file, by default."""


class FileResponse(Protocol):
    """What we use of an HTTP client's open response."""

    @property
    def status_code(self) -> int:
        """HTTP status."""
        ...

    def aiter_bytes(self) -> AsyncIterator[bytes]:
        """Give the body as it arrives."""
        ...


class FileClient(Protocol):
    """What we use of an `AsyncClient` of httpx or httpx2."""

    def stream(
        self, method: str, url: str, *, follow_redirects: bool
    ) -> AbstractAsyncContextManager[FileResponse]:
        """Open a response."""
        ...


def fetch_with(client: FileClient) -> Download:
    """Make a `Download` of an `AsyncClient` of httpx or httpx2, which stays yours to close.

    Any answer but 200 is refused with `LocalProtocolError`, so that no redirect is followed.
    """

    async def fetch(url: str) -> AsyncGenerator[bytes, None]:
        async with client.stream("GET", url, follow_redirects=False) as response:
            if response.status_code != 200:
                raise LocalProtocolError(
                    f"unable to fetch file {url!r}; the host answered {response.status_code}, and "
                    "redirects are not followed"
                )
            async for piece in response.aiter_bytes():
                yield piece

    return fetch


class DownloadsFiles(ModelAdapter):
    """A model whose users' files are fetched first and sent inline.

    A host is looked up before it is asked, and refused if any of its addresses is private. That
    does not help against a host whose owner changes its address between the two: name only hosts
    whose owners you trust.

    Args:
        model: The model to call; closed by `aclose`.
        download: Fetches one file; `fetch_with(httpx.AsyncClient())` is one.
        hosts: Hosts that may be asked, such as `files.example.com`; compared whole.
        max_bytes: Longest file; reading stops there.
        timeout_s: Seconds for one file; None waits for ever.
        allows_private: Ask hosts with addresses inside your own network, too.
    """

    def __init__(
        self,
        model: ModelAdapter,
        *,
        download: Download,
        hosts: Collection[str],
        max_bytes: int = MAX_BYTES,
        timeout_s: float | None = TIMEOUT_S,
        allows_private: bool = False,
    ) -> None:
        self.provider = model.provider
        self.model = model.model
        self._inner = model
        self._download = download
        self._hosts = frozenset(host.lower() for host in hosts)
        self._max_bytes = max_bytes
        self._timeout_s = timeout_s
        self._allows_private = allows_private

    async def aclose(self) -> None:
        """Close the model."""
        await self._inner.aclose()

    async def stream(
        self,
        messages: Sequence[UIMessage],
        *,
        tools: Sequence[ToolSpec | ProviderTool] = (),
        settings: ModelSettings | None = None,
    ) -> AsyncGenerator[UIMessageChunk, None]:
        """Fetch the files, then call the model; see `ModelAdapter.stream`.

        A file of a host that is not allowed keeps its address, which the provider may fetch itself.

        Raises:
            LocalProtocolError: If a file is longer than allowed, takes longer than allowed, or its
                host is in a private network.
        """
        inline = [await self._inline(message) for message in messages]
        stream = self._inner.stream(inline, tools=tools, settings=settings)
        async with aclosing(stream) as chunks:  # type: ignore[type-var]  # adapters give generators
            async for chunk in chunks:
                yield chunk

    async def _inline(self, message: UIMessage) -> UIMessage:
        if message.role != "user":
            return message
        parts = [
            await self._fetched(part) if isinstance(part, FilePart) else part
            for part in message.parts
        ]
        return message.model_copy(update={"parts": parts})

    async def _fetched(self, part: FilePart) -> FilePart:
        address = urlsplit(part.url)
        if address.scheme != "https" or (address.hostname or "") not in self._hosts:
            return part
        try:
            with anyio.fail_after(self._timeout_s):
                if not self._allows_private:
                    await _check_public(address.hostname or "", address.port or HTTPS_PORT)
                content = await self._read(part.url)
        except TimeoutError as error:
            raise LocalProtocolError(
                f"unable to fetch file {part.url!r} within {self._timeout_s} s (`timeout_s`)"
            ) from error
        url = f"data:{part.media_type};base64,{base64.b64encode(content).decode()}"
        return part.model_copy(update={"url": url})

    async def _read(self, url: str) -> bytes:
        content = bytearray()
        async with aclosing(self._download(url)) as pieces:
            async for piece in pieces:
                content += piece
                if len(content) > self._max_bytes:
                    raise LocalProtocolError(
                        f"unable to send file {url!r}; it is longer than the {self._max_bytes} "
                        "bytes allowed (`max_bytes`)"
                    )
        return bytes(content)


async def _check_public(host: str, port: int) -> None:
    try:
        found = await anyio.getaddrinfo(host, port)
    except OSError as error:
        raise LocalProtocolError(f"unable to find host {host!r} of a file: {error}") from error
    for *_, place in found:
        address = ipaddress.ip_address(str(place[0]).partition("%")[0])
        if not address.is_global or address.is_multicast:
            raise LocalProtocolError(
                f"unable to fetch from host {host!r}; its address {address} is not a public one: "
                "pass allows_private=True if it may be asked"
            )
