"""A graph's events, and an end of it that holds. Imported when a run begins: it imports LangChain.

Rule: leaving ends the model call. A task of Python 3.11 that is cancelled while what it waits for
is done by `wait_for` goes on (gh-86296), and so does a graph whose next token has just come; so a
call is asked at each token, too, whether anybody still reads. Remove with 3.11.
Source: langchain-openai 1.7 `_astream_with_chunk_timeout`, langgraph 1.2 `AsyncBackgroundExecutor`.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Mapping
from contextlib import aclosing
from typing import Any, TypeAlias, cast

from langchain_core.callbacks import AsyncCallbackHandler
from langchain_core.runnables import RunnableConfig
from langchain_core.runnables.config import merge_configs

__all__ = ["graph_events"]

JSON: TypeAlias = Any  # any JSON value


class _AsksForReader(AsyncCallbackHandler):
    """Gives a lost cancellation again, where the model call waits for its callbacks."""

    def __init__(self) -> None:
        self.has_left = False
        self._reader = asyncio.current_task()

    async def on_llm_new_token(self, *_: object, **__: object) -> None:
        if self.has_left or (self._reader is not None and self._reader.cancelling()):
            raise asyncio.CancelledError


async def graph_events(
    graph: Any, given: Any, config: Mapping[str, JSON], options: Mapping[str, JSON]
) -> AsyncGenerator[JSON, None]:
    """Give the events of `astream_events`, version v2."""
    asks = _AsksForReader()
    with_it = merge_configs(cast("RunnableConfig", config), {"callbacks": [asks]})
    events: AsyncGenerator[JSON, None] = graph.astream_events(
        given, config=with_it, version="v2", **options
    )
    async with aclosing(events) as received:
        try:
            async for event in received:
                yield event
        finally:
            asks.has_left = True
