"""A peer that needs Python 3.12 and an environment of its own: `ai`, Vercel's SDK for Python.

Nothing of ours is imported here.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager
from time import process_time
from types import SimpleNamespace
from typing import Any


def rows() -> list[Any]:
    """Give its one row; the fields are those of `provider_paths.Row`."""
    return [SimpleNamespace(name="ai (Vercel)", boundary=_run, whole=_whole, mapping=_mapping)]


def _agent(url: str) -> tuple[Any, Any, list[Any]]:
    import ai

    provider = ai.get_provider("openai", base_url=f"{url}/v1", api_key="k")
    return ai.Agent(), ai.Model(id="m", provider=provider), [ai.user_message("Hi")]


@asynccontextmanager
async def _run(url: str) -> AsyncGenerator[Any, None]:
    agent, model, messages = _agent(url)

    async def run() -> AsyncIterator[int]:
        async with agent.run(model, messages) as stream:
            async for event in stream:
                yield type(event).__name__ == "TextDelta"

    yield run


@asynccontextmanager
async def _whole(url: str) -> AsyncGenerator[Any, None]:
    from ai.ui import ai_sdk

    agent, model, messages = _agent(url)

    async def run() -> AsyncIterator[int]:
        async with agent.run(model, messages) as stream:
            async for text in ai_sdk.to_sse(stream):
                yield text.encode().count(b"text-delta")

    yield run


async def _mapping(url: str) -> float:
    from ai.ui import ai_sdk

    agent, model, messages = _agent(url)
    async with agent.run(model, messages) as stream:
        events = [event async for event in stream]

    async def native() -> AsyncIterator[Any]:
        for event in events:
            yield event

    times: list[float] = []
    for _ in range(5):
        before = process_time()
        async for text in ai_sdk.to_sse(native()):
            text.encode()
        times.append(process_time() - before)
    return min(times) / len(events) * 1e6
