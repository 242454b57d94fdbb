"""`AnthropicMessages`: a model adapter on the official SDK's client.

Rule: constructing opens nothing and imports no SDK. A client handed in is never closed by us.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterable, AsyncIterator, Mapping, Sequence
from contextlib import aclosing
from functools import partial
from typing import Any, Literal, TypeAlias

from chat_transport.chunks import Finish, UIMessageChunk
from chat_transport.messages import UIMessage
from chat_transport.model import ModelAdapter, ModelSettings, ProviderTool, ToolSpec
from chat_transport.prompt import to_prompt
from chat_transport.provider_client import ProviderClient
from chat_transport.provider_http import aiohttp_transport
from chat_transport.provider_stream import provider_error_text, stream_step

from ._continue import Said
from ._events import MessagesDecoder
from ._request import cited_documents, messages_body

__all__ = ["AnthropicMessages", "create"]

JSON: TypeAlias = Any  # any JSON value
Tools: TypeAlias = Sequence[ToolSpec | ProviderTool]

MOST_CONTINUATIONS = 8
"""How often a paused turn is taken up again in one call."""


def _sdk_client(made_with: Mapping[str, Any], http: Any | None) -> Any:
    from anthropic import AsyncAnthropic  # noqa: PLC0415  # 2 s to import: only when needed

    return AsyncAnthropic(**made_with, http_client=http)


def _aiohttp_client() -> Any:
    from anthropic import DefaultAsyncHttpxClient  # noqa: PLC0415  # as above

    return DefaultAsyncHttpxClient(transport=aiohttp_transport(DefaultAsyncHttpxClient))


async def _close(client: Any) -> None:
    await client.close()


class AnthropicMessages(ModelAdapter):
    """A model behind Anthropic's Messages API.

    A turn that the model pauses (`pause_turn`, long server tools) is taken up again by itself, as a
    further step.

    Args:
        model: The model's name.
        client: An `AsyncAnthropic`, or its kin for Bedrock or Vertex; None makes one at the first
            call, which `aclose` closes.
        api_key: For the client that we make; None reads `ANTHROPIC_API_KEY`.
        base_url: For the client that we make.
        max_retries: Retries before the first byte, by the client that we make.
        continues: Take up paused turns.
        compat: `ai-sdk` gives the chunks of the AI SDK 7.0.173, which leaves out fields of a tool's
            result that its schema does not know; None, the default, leaves out nothing.
        sources: `citations`, as the AI SDK 7.0.173: `citations` on `text-end`, and a source for
            each page that was retrieved. `parts`, as its versions up to 7.0.77: a source for each
            citation too, and none on `text-end`.
        aiohttp: Whether the client that we make runs on aiohttp, at about half the cost of a
            token: None on asyncio, without a proxy; False never.
    """

    provider = "anthropic"

    def __init__(
        self,
        model: str,
        *,
        client: Any = None,
        api_key: str | None = None,
        base_url: str | None = None,
        max_retries: int = 2,
        continues: bool = True,
        compat: Literal["ai-sdk"] | None = None,
        sources: Literal["citations", "parts"] = "citations",
        aiohttp: bool | None = None,
    ) -> None:
        self.model = model
        self._continues = continues
        self._compat = compat
        self._sources: Literal["citations", "parts"] = sources
        made_with = {"api_key": api_key, "base_url": base_url, "max_retries": max_retries}
        self._sdk = ProviderClient(
            client,
            make=partial(_sdk_client, made_with),
            make_aiohttp=_aiohttp_client,
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
        tools: Tools = (),
        settings: ModelSettings | None = None,
    ) -> AsyncGenerator[UIMessageChunk, None]:
        """Make one message; see `ModelAdapter.stream`."""
        body, betas = messages_body(messages, model=self.model, tools=tools, settings=settings)
        return self._turn(body, betas, messages, tools, settings)

    async def _turn(
        self,
        body: dict[str, JSON],
        betas: Sequence[str],
        messages: Sequence[UIMessage],
        tools: Tools,
        settings: ModelSettings | None,
    ) -> AsyncGenerator[UIMessageChunk, None]:
        for left in range(MOST_CONTINUATIONS, -1, -1):
            decoder = self.decoder(tools, messages=messages)
            said = Said()
            finish: Finish | None = None
            async with aclosing(self._step(body, betas, settings, decoder, said)) as chunks:
                async for chunk in chunks:
                    if isinstance(chunk, Finish):
                        finish = chunk
                    else:
                        yield chunk
            if not (decoder.paused and self._continues and left):
                if finish is not None:
                    yield finish
                return
            turn = {"role": "assistant", "content": said.blocks()}
            body = body | {"messages": [*body["messages"], turn]}

    def _step(
        self,
        body: Mapping[str, JSON],
        betas: Sequence[str],
        settings: ModelSettings | None,
        decoder: MessagesDecoder,
        said: Said,
    ) -> AsyncGenerator[UIMessageChunk, None]:
        from anthropic import APIError  # noqa: PLC0415  # as above

        headers = dict(settings.headers or {}) if settings is not None else {}
        if betas:
            headers["anthropic-beta"] = ",".join(betas)
        options: dict[str, Any] = {"extra_headers": headers} if headers else {}
        if settings is not None and settings.timeout_s is not None:
            options["timeout"] = settings.timeout_s
        named = {name: body[name] for name in ("model", "max_tokens", "messages")}
        rest = {name: value for name, value in body.items() if name not in named}
        call = self.client.messages.with_streaming_response.create(
            **named, stream=True, extra_body=rest, **options
        )
        decoder.watch(said.feed)
        return stream_step(call, decoder, errors=(APIError,), describe=provider_error_text)

    async def from_events(
        self, events: AsyncIterable[Any], *, tools: Tools = ()
    ) -> AsyncIterator[UIMessageChunk]:
        """Give the chunks of the SDK's own raw events, or of their JSON."""
        decoder = self.decoder(tools)
        async for event in events:
            for chunk in decoder.feed(event):
                yield chunk
        for chunk in decoder.end():
            yield chunk

    def decoder(self, tools: Tools = (), *, messages: Sequence[UIMessage] = ()) -> MessagesDecoder:
        """Make the decoder of one message."""
        documents = cited_documents(to_prompt(messages)) if messages else []
        return MessagesDecoder(
            documents=documents,
            code_is_dynamic=_filters_with_code(tools),
            keeps_unknown=self._compat is None,
            sources=self._sources,
        )


def _filters_with_code(tools: Tools) -> bool:
    """Whether a web tool may run code that nobody declared (versions of 2026-02-09 and later)."""
    own = [tool.id.partition(".")[2] for tool in tools if isinstance(tool, ProviderTool)]
    web = [name for name in own if name.startswith(("web_search_", "web_fetch_"))]
    filters = any(name.rpartition("_")[2] >= "20260209" for name in web)
    return filters and not any(name.startswith("code_execution") for name in own)


def create(model_name: str) -> AnthropicMessages:
    """Make the adapter that the command line names `anthropic:MODEL`."""
    return AnthropicMessages(model_name)
