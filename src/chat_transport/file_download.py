"""`DownloadsFiles`: a model that is given files in place of their addresses.

Rule: nothing is fetched but from the hosts named, where they stand in the public network, for the
messages of users; a redirect is held to the same; no more is read than allowed. For providers that
take files inline alone. No HTTP library is imported here: `fetch_with` takes a client of yours.
Source: AI SDK 7.0.173 `convertToLanguageModelPrompt`, which fetches any address; we do not, since a
client chooses the address (docs/concepts/trust.md).
"""

from __future__ import annotations

import base64
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Collection, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, aclosing
from typing import Protocol, TypeAlias
from urllib.parse import urljoin, urlsplit

import anyio

from .chunks import UIMessageChunk
from .errors import LocalProtocolError
from .file_address import FileAddress, Resolve, file_address, look_up
from .messages import FilePart, UIMessage
from .model import ModelAdapter, ModelSettings, ProviderTool, ToolSpec

__all__ = ["Download", "DownloadsFiles", "FileMoved", "fetch_with"]

Download: TypeAlias = Callable[[FileAddress], AsyncGenerator[bytes, None]]
"""Gives the bytes of a file in pieces; closed early at the limit. It connects to one of the
addresses given, looks up none, and raises `FileMoved` rather than follow a redirect. `fetch_with`
makes one."""

MAX_BYTES = 20 * 1024 * 1024
"""Longest file that is put into a request, by default."""

MOST_REDIRECTS = 5
"""How often a file may have moved."""

TIMEOUT_S = 30.0
"""Seconds for one file, by default."""

REDIRECTS = (301, 302, 303, 307, 308)


class FileMoved(LocalProtocolError):
    """The host says that the file is elsewhere. `DownloadsFiles` checks that and goes on there."""

    def __init__(self, location: str) -> None:
        super().__init__(f"the file has moved to {location!r}")
        self.location = location


class FileResponse(Protocol):
    """What we use of an HTTP client's open response."""

    @property
    def status_code(self) -> int:
        """HTTP status."""
        ...

    @property
    def headers(self) -> Mapping[str, str]:
        """Headers, whose names have no case."""
        ...

    def aiter_bytes(self) -> AsyncIterator[bytes]:
        """Give the body as it arrives."""
        ...


class FileClient(Protocol):
    """What we use of an `AsyncClient` of httpx or httpx2."""

    def stream(
        self,
        method: str,
        url: str,
        *,
        headers: Mapping[str, str],
        extensions: Mapping[str, str],
        follow_redirects: bool,
    ) -> AbstractAsyncContextManager[FileResponse]:
        """Open a response."""
        ...


def fetch_with(client: FileClient) -> Download:
    """Make a `Download` of an `AsyncClient` of httpx or httpx2, which stays yours to close.

    It connects to the addresses that were checked, in their order; the host's name is in the `Host`
    header and is what the certificate must be for. Through a proxy that cannot be said, and the
    request fails. Each file has a connection of its own, since another host may have the same
    address; give no client with `http2=True`, which shares them.
    Any answer but 200 is refused with `LocalProtocolError`.
    """

    async def fetch(file: FileAddress) -> AsyncGenerator[bytes, None]:
        *others, last = file.addresses
        for address in (*others, last):
            is_answered = False
            try:
                async with client.stream(
                    "GET",
                    file.at(address),
                    headers={"host": file.host_header, "connection": "close"},
                    extensions={"sni_hostname": file.host},
                    follow_redirects=False,
                ) as response:
                    is_answered = True
                    _check_answer(file, response)
                    async for piece in response.aiter_bytes():
                        yield piece
                    return
            except Exception:  # each library has its own word for an address that does not answer
                if is_answered or address == last:
                    raise

    return fetch


def _check_answer(file: FileAddress, response: FileResponse) -> None:
    if response.status_code in REDIRECTS and response.headers.get("location"):
        raise FileMoved(response.headers["location"])
    if response.status_code != 200:
        raise LocalProtocolError(
            f"unable to fetch file {file.url!r}; the host answered {response.status_code}"
        )


def _moved(place: str, location: str) -> str:
    try:
        return urljoin(place, location)
    except ValueError:  # not an address: refused as it stands
        return location


class DownloadsFiles(ModelAdapter):
    """A model whose users' files are fetched first and sent inline.

    A host is looked up once, refused if any of its addresses is private, and asked at the addresses
    that were checked. Where it says that a file has moved, the same holds for the new place.

    Args:
        model: The model to call; closed by `aclose`.
        download: Fetches one file; `fetch_with(httpx.AsyncClient())` is one.
        hosts: Hosts that may be asked, such as `files.example.com`; compared whole.
        max_bytes: Longest file; reading stops there.
        timeout_s: Seconds for one file; None waits for ever.
        allows_private: Ask hosts with addresses inside your own network, too.
        resolve: Looks a host up; `look_up` asks the system.
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
        resolve: Resolve = look_up,
    ) -> None:
        self.provider = model.provider
        self.model = model.model
        self._inner = model
        self._download = download
        self._hosts = frozenset(host.lower() for host in hosts)
        self._max_bytes = max_bytes
        self._timeout_s = timeout_s
        self._allows_private = allows_private
        self._resolve = resolve

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
            LocalProtocolError: If a file is longer than allowed, takes longer than allowed, its
                host is in a private network, or it has moved where nothing may be fetched.
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
        if not self._may_ask(part.url):
            return part
        try:
            with anyio.fail_after(self._timeout_s):
                content = await self._content(part.url)
        except TimeoutError as error:
            raise LocalProtocolError(
                f"unable to fetch file {part.url!r} within {self._timeout_s} s (`timeout_s`)"
            ) from error
        url = f"data:{part.media_type};base64,{base64.b64encode(content).decode()}"
        return part.model_copy(update={"url": url})

    def _may_ask(self, url: str) -> bool:
        try:
            address = urlsplit(url)
        except ValueError:
            return False
        return address.scheme == "https" and (address.hostname or "") in self._hosts

    async def _content(self, url: str) -> bytes:
        place = url
        for _ in range(MOST_REDIRECTS + 1):
            file = await file_address(
                place, resolve=self._resolve, allows_private=self._allows_private
            )
            try:
                return await self._read(file)
            except FileMoved as moved:
                place = _moved(place, moved.location)
            if not self._may_ask(place):
                raise LocalProtocolError(
                    f"unable to fetch file {url!r}; it has moved to {place!r}, which is not an "
                    "https address of a host that may be asked (`hosts`)"
                )
        raise LocalProtocolError(
            f"unable to fetch file {url!r}; it has moved more than {MOST_REDIRECTS} times"
        )

    async def _read(self, file: FileAddress) -> bytes:
        content = bytearray()
        async with aclosing(self._download(file)) as pieces:
            async for piece in pieces:
                content += piece
                if len(content) > self._max_bytes:
                    raise LocalProtocolError(
                        f"unable to send file {file.url!r}; it is longer than the "
                        f"{self._max_bytes} bytes allowed (`max_bytes`)"
                    )
        return bytes(content)
