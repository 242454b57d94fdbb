"""`Gemini`: a model adapter on the official SDK's client.

Rule: constructing opens nothing and imports no SDK. A client handed in is never closed by us.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterable, AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any, TypeAlias

from chat_transport.chunks import UIMessageChunk
from chat_transport.messages import UIMessage
from chat_transport.model import ModelAdapter, ModelSettings, ProviderTool, ToolSpec
from chat_transport.provider_stream import ByteResponse, stream_step

from ._events import GeminiDecoder
from ._request import gemini_body

__all__ = ["Gemini", "create"]

JSON: TypeAlias = Any  # any JSON value
Tools: TypeAlias = Sequence[ToolSpec | ProviderTool]


class Gemini(ModelAdapter):
    """A model behind Gemini's `generateContent`, of AI Studio or Vertex.

    Args:
        model: The model's name.
        client: A `google.genai.Client`; None makes one at the first call, which `aclose` closes.
        api_key: For the client that we make; None reads `GEMINI_API_KEY` or `GOOGLE_API_KEY`.
        base_url: For the client that we make.
    """

    provider = "google"

    def __init__(
        self,
        model: str,
        *,
        client: Any = None,
        api_key: str | None = None,
        base_url: str | None = None,
    ) -> None:
        self.model = model
        self._client = client
        self._is_ours = client is None
        self._api_key = api_key
        self._base_url = base_url

    @property
    def client(self) -> Any:
        """The SDK's client; made at the first use if none was handed in."""
        if self._client is None:
            from google import genai  # noqa: PLC0415  # slow to import: only when needed

            options = genai.types.HttpOptions(base_url=self._base_url)
            self._client = genai.Client(api_key=self._api_key, http_options=options)
        return self._client

    async def aclose(self) -> None:
        """Close the client, if we made it."""
        if self._is_ours and self._client is not None:
            client, self._client = self._client, None
            await client.aio.aclose()
            client.close()

    def stream(
        self,
        messages: Sequence[UIMessage],
        *,
        tools: Tools = (),
        settings: ModelSettings | None = None,
    ) -> AsyncGenerator[UIMessageChunk, None]:
        """Make one answer; see `ModelAdapter.stream`."""
        from google.genai.errors import APIError  # noqa: PLC0415  # as above

        body = gemini_body(messages, model=self.model, tools=tools, settings=settings)
        call = _opened(self.client, self.model, body, settings)
        return stream_step(call, self.decoder(), errors=(APIError,), describe=_words)

    async def from_events(self, events: AsyncIterable[Any]) -> AsyncIterator[UIMessageChunk]:
        """Give the chunks of the SDK's own `GenerateContentResponse`s, or of their JSON."""
        decoder = self.decoder()
        async for event in events:
            for chunk in decoder.feed(event):
                yield chunk
        for chunk in decoder.end():
            yield chunk

    def decoder(self) -> GeminiDecoder:
        """Make the decoder of one answer."""
        return GeminiDecoder()


def _words(error: Any) -> str:
    return str(getattr(error, "message", None) or error)


class _HttpxBody:
    """The response of httpx or httpx2 inside the SDK's."""

    def __init__(self, response: Any) -> None:
        self.http_response = response  # `stream_step` reads below it where nothing is compressed

    def iter_bytes(self) -> AsyncGenerator[bytes, None]:
        """Give the body as it arrives."""
        pieces: AsyncGenerator[bytes, None] = self.http_response.aiter_bytes()
        return pieces

    async def aclose(self) -> None:
        """Close the connection."""
        await self.http_response.aclose()


class _AiohttpBody:
    """The response of aiohttp inside the SDK's."""

    def __init__(self, response: Any) -> None:
        self._response = response

    async def iter_bytes(self) -> AsyncGenerator[bytes, None]:
        """Give the body as it arrives."""
        read = self._response.content.readany
        while piece := await read():
            yield piece

    async def aclose(self) -> None:
        """Close the connection."""
        self._response.close()


@asynccontextmanager
async def _opened(
    client: Any, model: str, body: Mapping[str, JSON], settings: ModelSettings | None
) -> AsyncGenerator[ByteResponse, None]:
    # google-genai 3.4 has no public way to the bytes of a stream, and the iterator that it does
    # give leaves the connection open when it is closed. Remove when the SDK offers raw streaming.
    sdk = client._api_client  # noqa: SLF001
    options: dict[str, Any] = {}
    if settings is not None and settings.headers is not None:
        options["headers"] = dict(settings.headers)
    if settings is not None and settings.timeout_s is not None:
        options["timeout"] = int(settings.timeout_s * 1000)
    path = f"{_model_path(client, model)}:streamGenerateContent?alt=sse"
    request = sdk._build_request("post", path, dict(body), options or None)  # noqa: SLF001
    response = await sdk._async_request(  # noqa: SLF001
        http_request=request, http_options=options or None, stream=True
    )
    inner = response.response_stream
    opened = _HttpxBody(inner) if hasattr(inner, "aiter_bytes") else _AiohttpBody(inner)
    try:
        yield opened
    finally:
        await opened.aclose()


def _model_path(client: Any, model: str) -> str:
    if client.vertexai:
        return model if "/" in model else f"publishers/google/models/{model}"
    return model if model.startswith(("models/", "tunedModels/")) else f"models/{model}"


def create(model_name: str) -> Gemini:
    """Make the adapter that the command line names `google-genai:MODEL`."""
    return Gemini(model_name)
