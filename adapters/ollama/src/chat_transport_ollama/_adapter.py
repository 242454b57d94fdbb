"""`Ollama`: a model adapter on the official SDK's client.

Rule: constructing opens nothing and imports no SDK. A client handed in is never closed by us.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterable, AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from functools import partial
from typing import Any, TypeAlias

from chat_transport.chunks import UIMessageChunk
from chat_transport.messages import DynamicToolPart, StepStartPart, ToolPart, UIMessage
from chat_transport.model import ModelAdapter, ModelSettings, ProviderTool, ToolSpec
from chat_transport.provider_client import ProviderClient
from chat_transport.provider_http import aiohttp_transport
from chat_transport.provider_stream import HttpxResponse, ndjson_chunks, stream_step

from ._events import OllamaDecoder
from ._request import chat_body

__all__ = ["Ollama", "create"]

JSON: TypeAlias = Any  # any JSON value


def _sdk_client(host: str | None, transport: Any | None) -> Any:
    from ollama import AsyncClient  # noqa: PLC0415  # an optional cost: only when needed

    return AsyncClient(host=host) if transport is None else AsyncClient(host, transport=transport)


def _aiohttp_transport() -> Any:
    from httpx import AsyncClient  # noqa: PLC0415  # the SDK's

    return aiohttp_transport(AsyncClient)


async def _close(client: Any) -> None:
    await client._client.aclose()  # noqa: SLF001  # ollama 0.6 has no public close


class Ollama(ModelAdapter):
    """A model of an Ollama server.

    Args:
        model: The model's name.
        client: An `ollama.AsyncClient`; None makes one at the first call, which `aclose` closes.
        host: For the client that we make; None reads `OLLAMA_HOST`.
        aiohttp: Whether the client that we make runs on aiohttp, at about half the cost of a
            token: None on asyncio, without a proxy; False never.
    """

    provider = "ollama"

    def __init__(
        self,
        model: str,
        *,
        client: Any = None,
        host: str | None = None,
        aiohttp: bool | None = None,
    ) -> None:
        self.model = model
        self._sdk = ProviderClient(
            client,
            make=partial(_sdk_client, host),
            make_aiohttp=_aiohttp_transport,
            close=_close,
            aiohttp=aiohttp,
        )

    @property
    def client(self) -> Any:
        """The SDK's client; made at the first use if none was handed in."""
        return self._sdk.get()

    async def aclose(self) -> None:
        """Close the client, if we made it."""
        await self._sdk.aclose()

    def stream(
        self,
        messages: Sequence[UIMessage],
        *,
        tools: Sequence[ToolSpec | ProviderTool] = (),
        settings: ModelSettings | None = None,
    ) -> AsyncGenerator[UIMessageChunk, None]:
        """Make one answer; see `ModelAdapter.stream`."""
        from ollama import ResponseError  # noqa: PLC0415  # as above

        body = chat_body(messages, model=self.model, tools=tools, settings=settings)
        call = _opened(self.client, body, settings)
        decoder = self.decoder(messages)
        return stream_step(
            call, decoder, errors=(ResponseError,), read=ndjson_chunks, describe=_words
        )

    async def from_events(self, events: AsyncIterable[Any]) -> AsyncIterator[UIMessageChunk]:
        """Give the chunks of the SDK's own `ChatResponse`s, or of their JSON."""
        decoder = self.decoder()
        async for event in events:
            for chunk in decoder.feed(event):
                yield chunk
        for chunk in decoder.end():
            yield chunk

    def decoder(self, messages: Sequence[UIMessage] = ()) -> OllamaDecoder:
        """Make the decoder of one answer; ids count what the conversation holds already."""
        past = (StepStartPart, ToolPart, DynamicToolPart)
        made = sum(isinstance(part, past) for message in messages for part in message.parts)
        return OllamaDecoder(prefix=f"ollama-{len(messages)}-{made}")


def _words(error: Any) -> str:
    return str(error.error)


@asynccontextmanager
async def _opened(
    client: Any, body: Mapping[str, JSON], settings: ModelSettings | None
) -> AsyncGenerator[HttpxResponse, None]:
    # ollama 0.6 builds a pydantic object for every token; its HTTP client gives the bytes.
    from ollama import ResponseError  # noqa: PLC0415  # as above

    options: dict[str, Any] = {}
    if settings is not None and settings.headers is not None:
        options["headers"] = dict(settings.headers)
    if settings is not None and settings.timeout_s is not None:
        options["timeout"] = settings.timeout_s
    http = client._client  # noqa: SLF001  # see above
    async with http.stream("POST", "/api/chat", json=dict(body), **options) as response:
        if response.status_code >= 400:
            await response.aread()
            raise ResponseError(response.text, response.status_code)
        yield response


def create(model_name: str) -> Ollama:
    """Make the adapter that the command line names `ollama:MODEL`."""
    return Ollama(model_name)
