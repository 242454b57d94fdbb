"""`LiteLLM`: a model adapter on `litellm.acompletion`.

Rule: constructing opens nothing and imports no SDK, which takes five seconds.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterable, AsyncIterator, Sequence
from contextlib import aclosing
from importlib import import_module
from typing import Any, TypeAlias

from chat_transport.chunks import UIMessageChunk
from chat_transport.errors import ConnectFailed
from chat_transport.messages import UIMessage
from chat_transport.model import ModelAdapter, ModelSettings, ProviderTool, ToolSpec

from ._events import LiteLLMDecoder
from ._request import completion_arguments

__all__ = ["LiteLLM", "create"]

JSON: TypeAlias = Any  # any JSON value


class LiteLLM(ModelAdapter):
    """A model behind LiteLLM.

    LiteLLM gives objects only: there is no way to the provider's bytes, so this adapter costs what
    LiteLLM costs.

    Args:
        model: `provider/model`, as LiteLLM writes it.
        api_key: None lets LiteLLM read the provider's variable.
        api_base: Where the provider is; None for its own place.
    """

    provider = "litellm"

    def __init__(
        self, model: str, *, api_key: str | None = None, api_base: str | None = None
    ) -> None:
        self.model = model
        self._given = {"api_key": api_key, "api_base": api_base}

    def stream(
        self,
        messages: Sequence[UIMessage],
        *,
        tools: Sequence[ToolSpec | ProviderTool] = (),
        settings: ModelSettings | None = None,
    ) -> AsyncGenerator[UIMessageChunk, None]:
        """Make one answer; see `ModelAdapter.stream`."""
        arguments = completion_arguments(messages, model=self.model, tools=tools, settings=settings)
        given = {name: value for name, value in self._given.items() if value is not None}
        usage = {"stream_options": {"include_usage": True}}
        return self._answer(usage | given | arguments)

    async def _answer(self, arguments: dict[str, JSON]) -> AsyncGenerator[UIMessageChunk, None]:
        try:
            litellm: Any = import_module("litellm")  # 5 s: only when needed
        except ImportError as error:
            raise ConnectFailed(
                "litellm is not installed; pip install 'chat-transport-litellm[sdk]'"
            ) from error
        decoder = self.decoder()
        try:
            # A litellm wrapper is an async iterator with aclose, which frees the connection.
            async with aclosing(await litellm.acompletion(**arguments, stream=True)) as events:
                async for event in events:
                    for chunk in decoder.feed(_plain(event)):
                        yield chunk
        except Exception as error:  # noqa: BLE001  # litellm lets bare ValueErrors through, too
            for chunk in decoder.fail(_words(error)):
                yield chunk
        for chunk in decoder.end():
            yield chunk

    async def from_events(self, events: AsyncIterable[Any]) -> AsyncIterator[UIMessageChunk]:
        """Give the chunks of LiteLLM's own `ModelResponseStream`s, or of their JSON."""
        decoder = self.decoder()
        async for event in events:
            for chunk in decoder.feed(_plain(event)):
                yield chunk
        for chunk in decoder.end():
            yield chunk

    def decoder(self) -> LiteLLMDecoder:
        """Make the decoder of one answer."""
        return LiteLLMDecoder()


def _plain(event: Any) -> dict[str, JSON]:
    if isinstance(event, dict):
        return event
    token = _token(event)
    if token is not None:
        return token
    plain: dict[str, JSON] = event.model_dump(mode="json", exclude_none=True)
    usage = getattr(event, "usage", None)
    if usage is not None and "usage" not in plain:
        plain["usage"] = usage.model_dump(mode="json", exclude_none=True)
    return plain


def _token(event: Any) -> dict[str, JSON] | None:
    """Give the JSON of a piece that adds nothing but words, as far as it is read; else None.

    `model_dump` costs three times as much; so would LiteLLM's attributes, hence `__dict__`.
    """
    choices = event.__dict__["choices"]
    if len(choices) != 1:
        return None
    choice = (choices[0].model_extra or {}) | choices[0].__dict__
    delta = choice.get("delta")
    if delta is None or choice.get("finish_reason") is not None:
        return None
    for told in (event.model_extra or {}).values():
        if told is not None and type(told) is not str:
            return None
    words = _words_alone(delta)
    if words is None:
        return None
    only = {"index": choice.get("index"), "delta": {"content": words}}
    return {"id": event.id, "model": event.model, "choices": [only]}


def _words_alone(delta: Any) -> str | None:
    words: str | None = None
    for fields in (delta.__dict__, delta.model_extra or {}):
        for name, value in fields.items():
            if value is None:
                continue
            if name != "content" or type(value) is not str:
                return None
            words = value
    return words or None


def _words(error: Exception) -> str:
    return str(getattr(error, "message", None) or error)


def create(model_name: str) -> LiteLLM:
    """Make the adapter that the command line names `litellm:PROVIDER/MODEL`."""
    return LiteLLM(model_name)
