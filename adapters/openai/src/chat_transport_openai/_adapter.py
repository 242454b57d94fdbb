"""`OpenAIResponses` and `OpenAIChat`: model adapters on the official SDK's client.

Rule: constructing opens nothing and imports no SDK. A client handed in is never closed by us.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterable, AsyncIterator, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from functools import partial
from typing import Any, Literal, TypeAlias, TypedDict, Unpack

from chat_transport.chunks import UIMessageChunk
from chat_transport.messages import DynamicToolPart, ToolPart, UIMessage
from chat_transport.model import ModelAdapter, ModelSettings, ProviderTool, ToolSpec
from chat_transport.provider_client import ProviderClient
from chat_transport.provider_http import aiohttp_transport
from chat_transport.provider_stream import ByteResponse, stream_step
from chat_transport.step import StepDecoder

from ._ai_sdk import AiSdkChatDecoder, responses_decoder
from ._background import Background, background_step
from ._chat_events import ChatDecoder
from ._chat_request import ReasoningField, chat_body
from ._responses_events import ResponsesDecoder
from ._responses_request import responses_body

__all__ = ["ClientOptions", "OpenAIChat", "OpenAIResponses", "create", "create_chat"]

JSON: TypeAlias = Any  # any JSON value
Tools: TypeAlias = Sequence[ToolSpec | ProviderTool]

_REQUIRED = ("model", "input", "messages")


def _sdk_client(made_with: Mapping[str, Any], http: Any | None) -> Any:
    from openai import AsyncOpenAI  # noqa: PLC0415  # a second to import: only when needed

    return AsyncOpenAI(**made_with, http_client=http)


def _aiohttp_client() -> Any:
    from openai import DefaultAsyncHttpxClient  # noqa: PLC0415  # as above

    return DefaultAsyncHttpxClient(transport=aiohttp_transport(DefaultAsyncHttpxClient))


async def _close(client: Any) -> None:
    await client.close()


class ClientOptions(TypedDict, total=False):
    """What both adapters take: the client, and whom they speak to."""

    client: Any
    """An `AsyncOpenAI` or `AsyncAzureOpenAI`; None makes one at the first call, which `aclose`
    closes."""
    api_key: str | None
    """For the client that we make; None reads `OPENAI_API_KEY`."""
    base_url: str | None
    """For the client that we make; None reads `OPENAI_BASE_URL`."""
    max_retries: int
    """Retries before the first byte, by the client that we make; 2."""
    provider: str
    """The key in `providerMetadata` and `ModelSettings.provider_options`; `openai`. The vendor's
    name where it is another."""
    compat: Literal["ai-sdk"] | None
    """`ai-sdk` gives the chunks of the AI SDK 7.0.173 even where we show more or say it better, for
    an interface that was written against them; None."""
    aiohttp: bool | None
    """Whether the client that we make runs on aiohttp, at about half the cost of a token: None on
    asyncio, without a proxy; False never."""


class _OpenAIAdapter(ModelAdapter):
    """What both APIs share: the client. For its arguments see `ClientOptions`."""

    def __init__(
        self,
        model: str,
        *,
        client: Any = None,
        api_key: str | None = None,
        base_url: str | None = None,
        max_retries: int = 2,
        provider: str = "openai",
        compat: Literal["ai-sdk"] | None = None,
        aiohttp: bool | None = None,
    ) -> None:
        self.model = model
        self._compat = compat
        self.provider = provider
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

    def _call(
        self, create: Any, body: Mapping[str, JSON], settings: ModelSettings | None
    ) -> AbstractAsyncContextManager[ByteResponse]:
        options: dict[str, Any] = {}
        if settings is not None and settings.headers is not None:
            options["extra_headers"] = dict(settings.headers)
        if settings is not None and settings.timeout_s is not None:
            options["timeout"] = settings.timeout_s
        # The SDK's typed arguments change with its versions; the body is ours, so it goes whole.
        named = {name: body[name] for name in _REQUIRED if name in body}
        rest = {name: value for name, value in body.items() if name not in named}
        call: AbstractAsyncContextManager[ByteResponse] = create(
            **named, stream=True, extra_body=rest, **options
        )
        return call

    def _stream(
        self, call: AbstractAsyncContextManager[ByteResponse], decoder: StepDecoder
    ) -> AsyncGenerator[UIMessageChunk, None]:
        from openai import APIError  # noqa: PLC0415  # as above

        return stream_step(call, decoder, errors=(APIError,))


class OpenAIResponses(_OpenAIAdapter):
    """A model behind OpenAI's Responses API, or a server that speaks it.

    Args:
        model: The model's name.
        sources: `citations`, as the AI SDK 7.0.173 for OpenAI: `citations` on `text-end`, and a
            source for each page that was retrieved. `parts`, as its packages for Azure and xAI: a
            source for each citation. None chooses by `provider`.
        background: How responses are held on to that are made with the provider option
            `background: true`; None is `Background()`.
        **options: See `ClientOptions`.
    """

    def __init__(
        self,
        model: str,
        *,
        sources: Literal["citations", "parts"] | None = None,
        background: Background | None = None,
        **options: Unpack[ClientOptions],
    ) -> None:
        super().__init__(model, **options)
        self._sources: Literal["citations", "parts"] | None = sources
        self._background = background or Background()

    def stream(
        self,
        messages: Sequence[UIMessage],
        *,
        tools: Tools = (),
        settings: ModelSettings | None = None,
    ) -> AsyncGenerator[UIMessageChunk, None]:
        """Make one response; see `ModelAdapter.stream`."""
        body = responses_body(
            messages, model=self.model, provider=self.provider, tools=tools, settings=settings
        )
        decoder = self.decoder(tools, body=body, messages=messages)
        create = self.client.responses.with_streaming_response.create
        call = self._call(create, body, settings)
        if body.get("background") is not True:
            return self._stream(call, decoder)
        return self._hold(call, decoder)

    def resume(
        self, response_id: str, *, starting_after: int | None = None, tools: Tools = ()
    ) -> AsyncGenerator[UIMessageChunk, None]:
        """Take up a stored response that runs in the background, from where it was left.

        Args:
            response_id: In the message's metadata as `responseId`, from the response's first
                event on.
            starting_after: The last `sequence_number` seen; None gives the response from its
                start.
            tools: The tools that were declared.
        """
        call = self._reopen(response_id, starting_after)
        return self._hold(
            call, self.decoder(tools), response_id=response_id, starting_after=starting_after
        )

    def _hold(
        self,
        call: AbstractAsyncContextManager[ByteResponse],
        decoder: StepDecoder,
        *,
        response_id: str | None = None,
        starting_after: int | None = None,
    ) -> AsyncGenerator[UIMessageChunk, None]:
        from openai import APIError  # noqa: PLC0415  # a second to import: only when needed

        return background_step(
            call,
            decoder,
            reopen=self._reopen,
            cancel=self.client.responses.cancel,
            errors=(APIError,),
            policy=self._background,
            response_id=response_id,
            starting_after=starting_after,
        )

    def _reopen(
        self, response_id: str, starting_after: int | None
    ) -> AbstractAsyncContextManager[ByteResponse]:
        place = {} if starting_after is None else {"starting_after": starting_after}
        call: AbstractAsyncContextManager[ByteResponse] = (
            self.client.responses.with_streaming_response.retrieve(
                response_id, stream=True, **place
            )
        )
        return call

    async def from_events(
        self, events: AsyncIterable[Any], *, tools: Tools = ()
    ) -> AsyncIterator[UIMessageChunk]:
        """Give the chunks of the SDK's own event objects, or of their JSON."""
        async for chunk in _fed(events, self.decoder(tools)):
            yield chunk

    def decoder(
        self,
        tools: Tools = (),
        *,
        body: Mapping[str, JSON] | None = None,
        messages: Sequence[UIMessage] = (),
    ) -> ResponsesDecoder:
        """Make the decoder of one response."""
        search = [tool.name for tool in tools if ".web_search" in getattr(tool, "id", "")]
        kind = responses_decoder(self.provider, compat=self._compat is not None)
        return kind(
            provider=self.provider,
            tool_names=[tool.name for tool in tools if isinstance(tool, ToolSpec)],
            web_search_name=search[0] if search else "web_search",
            stores=body is not None and body.get("store") is True,
            shell_is_hosted=any(_is_hosted_shell(tool) for tool in tools),
            approvals=_approvals(messages),
            sources=self._sources,
        )


class OpenAIChat(_OpenAIAdapter):
    """A model behind Chat Completions: OpenAI's, or any server that speaks its dialect.

    Args:
        model: The model's name.
        reasoning_field: How a compatible server is told the model's earlier reasoning.
        include_usage: Ask for usage at the end; some servers refuse the question.
        think_tags: Show what a server writes between `<think>` and `</think>` at the beginning of
            the text as reasoning; for servers that do not tell it apart themselves.
        **options: See `ClientOptions`. Any `provider` but `openai` and `azure` is spoken to as a
            compatible server.
    """

    def __init__(
        self,
        model: str,
        *,
        reasoning_field: ReasoningField = "reasoning_content",
        include_usage: bool = True,
        think_tags: bool = False,
        **options: Unpack[ClientOptions],
    ) -> None:
        super().__init__(model, **options)
        self._reasoning_field: ReasoningField = reasoning_field
        self._include_usage = include_usage
        self._think_tags = think_tags

    def stream(
        self,
        messages: Sequence[UIMessage],
        *,
        tools: Tools = (),
        settings: ModelSettings | None = None,
    ) -> AsyncGenerator[UIMessageChunk, None]:
        """Make one completion; see `ModelAdapter.stream`."""
        body = chat_body(
            messages,
            model=self.model,
            provider=self.provider,
            compatible=self.provider not in {"openai", "azure"},
            reasoning_field=self._reasoning_field,
            tools=tools,
            settings=settings,
        )
        if self._include_usage:
            body.setdefault("stream_options", {"include_usage": True})
        create = self.client.chat.completions.with_streaming_response.create
        return self._stream(self._call(create, body, settings), self.decoder())

    async def from_events(self, events: AsyncIterable[Any]) -> AsyncIterator[UIMessageChunk]:
        """Give the chunks of the SDK's own chunk objects, or of their JSON."""
        async for chunk in _fed(events, self.decoder()):
            yield chunk

    def decoder(self) -> ChatDecoder:
        """Make the decoder of one completion."""
        kind = ChatDecoder if self._compat is None else AiSdkChatDecoder
        return kind(provider=self.provider, think_tags=self._think_tags)


async def _fed(
    events: AsyncIterable[Any], decoder: StepDecoder
) -> AsyncGenerator[UIMessageChunk, None]:
    async for event in events:
        for chunk in decoder.feed(event):
            yield chunk
    for chunk in decoder.end():
        yield chunk


def _is_hosted_shell(tool: ToolSpec | ProviderTool) -> bool:
    if not isinstance(tool, ProviderTool) or not tool.id.endswith(".shell"):
        return False
    environment = tool.args.get("environment") or {}
    return str(environment.get("type", "")).startswith("container")


def _approvals(messages: Sequence[UIMessage]) -> dict[str, str]:
    """Approval request -> tool call, for MCP calls that a person was asked about."""
    return {
        part.approval.id: part.tool_call_id
        for message in messages
        for part in message.parts
        if isinstance(part, ToolPart | DynamicToolPart)
        and part.provider_executed
        and part.approval is not None
    }


def create(model_name: str) -> OpenAIResponses:
    """Make the adapter that the command line names `openai:MODEL`."""
    return OpenAIResponses(model_name)


def create_chat(model_name: str) -> OpenAIChat:
    """Make the adapter that the command line names `openai-chat:MODEL`."""
    return OpenAIChat(model_name)
