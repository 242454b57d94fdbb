"""A chat model's own stream, as the events that `astream_events` would make of it.

Rule: no callbacks and no queue between the model and us. `astream_events` puts a second task and a
callback behind each token, which is a quarter of what a token costs.
Source: langchain-core 1.7 `BaseChatModel.astream`, `astream_events`.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Mapping
from contextlib import aclosing
from importlib import import_module
from typing import Any, TypeAlias
from uuid import uuid4

from ._step import plain_words

__all__ = ["is_chat_model", "model_events"]

JSON: TypeAlias = Any  # any JSON value


def is_chat_model(runnable: Any) -> bool:
    """Whether this is a chat model, bare or bound to tools or settings."""
    bindings: Any = import_module("langchain_core.runnables.base").RunnableBindingBase
    while isinstance(runnable, bindings):
        runnable = runnable.bound
    models: Any = import_module("langchain_core.language_models").BaseChatModel
    return isinstance(runnable, models)


async def model_events(
    model: Any, messages: Any, config: Mapping[str, JSON]
) -> AsyncGenerator[dict[str, JSON], None]:
    """Give the start, each piece, and the end with all that is not words put together."""
    run_id = str(uuid4())
    yield {"event": "on_chat_model_start", "run_id": run_id, "data": {}}
    kept: list[Any] = []
    async with aclosing(model.astream(messages, config=config)) as pieces:
        async for piece in pieces:
            if plain_words(piece) is None:
                kept.append(piece)
            yield {"event": "on_chat_model_stream", "run_id": run_id, "data": {"chunk": piece}}
    if kept:
        whole = kept[0] + kept[1:] if len(kept) > 1 else kept[0]
        yield {"event": "on_chat_model_end", "run_id": run_id, "data": {"output": whole}}
