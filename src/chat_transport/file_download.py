"""`DownloadsFiles`: a model that is given files in place of their addresses.

Rule: nothing is fetched but from the hosts named, by the function given, for the messages of users.
For providers that take files inline alone. No HTTP library is imported here.
Source: AI SDK 7.0.173 `convertToLanguageModelPrompt`, which fetches any address; we do not, since a
client chooses the address (docs/concepts/trust.md).
"""

from __future__ import annotations

import base64
from collections.abc import AsyncGenerator, Awaitable, Callable, Collection, Sequence
from contextlib import aclosing
from typing import TypeAlias
from urllib.parse import urlsplit

from .chunks import UIMessageChunk
from .errors import LocalProtocolError
from .messages import FilePart, UIMessage
from .model import ModelAdapter, ModelSettings, ProviderTool, ToolSpec

__all__ = ["Download", "DownloadsFiles"]

Download: TypeAlias = Callable[[str], Awaitable[bytes]]
"""Fetches an https address. It must not follow redirects to hosts that are not allowed."""

MAX_BYTES = 20 * 1024 * 1024
"""Longest file that is put into a request, by default."""


class DownloadsFiles(ModelAdapter):
    """A model whose users' files are fetched first and sent inline.

    Args:
        model: The model to call; closed by `aclose`.
        download: Fetches one file.
        hosts: Hosts that may be asked, such as `files.example.com`; compared whole.
        max_bytes: Longest file.
    """

    def __init__(
        self,
        model: ModelAdapter,
        *,
        download: Download,
        hosts: Collection[str],
        max_bytes: int = MAX_BYTES,
    ) -> None:
        self.provider = model.provider
        self.model = model.model
        self._inner = model
        self._download = download
        self._hosts = frozenset(host.lower() for host in hosts)
        self._max_bytes = max_bytes

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
            LocalProtocolError: If a file is longer than allowed.
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
        content = await self._download(part.url)
        if len(content) > self._max_bytes:
            raise LocalProtocolError(
                f"unable to send file {part.url!r}; it has {len(content)} bytes, "
                f"allowed are {self._max_bytes} (`max_bytes`)"
            )
        url = f"data:{part.media_type};base64,{base64.b64encode(content).decode()}"
        return part.model_copy(update={"url": url})
