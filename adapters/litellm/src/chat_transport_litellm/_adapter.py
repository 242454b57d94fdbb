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

_SCALARS = frozenset({str, int, float, bool})


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
    """Give the JSON of a chunk of nothing but strings and numbers, as tokens are; else None.

    `model_dump` costs several times as much, and gives the same.
    """
    choices = event.choices
    if len(choices) != 1:
        return None
    choice = choices[0]
    delta = _flat(choice.delta, but="")
    head = _flat(event, but="choices")
    told = _flat(choice, but="delta")
    if delta is None or head is None or told is None:
        return None
    told["delta"] = delta
    head["choices"] = [told]
    return head


def _flat(model: Any, *, but: str) -> dict[str, JSON] | None:
    """Give the fields that are there, without the one named `but`; None if one has an inside."""
    fields: dict[str, JSON] = {}
    for values in (vars(model), model.model_extra or {}):
        for name, value in values.items():
            if value is None or name == but:
                continue
            if type(value) not in _SCALARS:
                return None
            fields[name] = value
    return fields


def _words(error: Exception) -> str:
    return str(getattr(error, "message", None) or error)


def create(model_name: str) -> LiteLLM:
    """Make the adapter that the command line names `litellm:PROVIDER/MODEL`."""
    return LiteLLM(model_name)
