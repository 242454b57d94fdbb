"""A Pydantic AI agent as a handler.

Rule: the mapping is Pydantic AI's own `VercelAIAdapter`, but for words (`_vercel`); this file only
takes a run to it and its chunks back. Source: pydantic-ai 2.68 `pydantic_ai.ui.vercel_ai`.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Mapping
from contextlib import aclosing
from importlib import import_module
from typing import Any, TypeAlias

import msgspec

from chat_transport.agent.run import Handler, Run
from chat_transport.chunks import ReasoningDelta, TextDelta, UIMessageChunk
from chat_transport.codecs.ui_stream import decode_chunk
from chat_transport.errors import ConnectFailed

__all__ = ["pydantic_ai_handler"]

JSON: TypeAlias = Any  # any JSON value


def pydantic_ai_handler(
    agent: Any,
    *,
    deps: Any = None,
    options: Mapping[str, Any] | None = None,
    sdk_version: int = 7,
) -> Handler:
    """Make a handler of an agent.

    Args:
        agent: A `pydantic_ai.Agent`.
        deps: The agent's dependencies, or a function that makes them from the run.
        options: Further arguments of `VercelAIAdapter.run_stream`, such as `usage_limits`.
        sdk_version: The chunks' vocabulary; 7 gives them all, older clients' needs are met by the
            transport.

    Raises (at the first chunk):
        ConnectFailed: If pydantic-ai is not installed; names the remedy.
    """

    async def handle(run: Run) -> AsyncGenerator[UIMessageChunk, None]:
        adapter = _adapter(agent, run, sdk_version)
        own: Any = deps(run) if callable(deps) else deps
        stream = adapter.run_stream(deps=own, **(options or {}))
        async with aclosing(stream) as chunks:
            async for chunk in chunks:
                if isinstance(chunk, TextDelta | ReasoningDelta):
                    yield chunk
                    continue
                text = chunk.encode(sdk_version)
                if text != "[DONE]":
                    yield decode_chunk(text)

    return handle


def _adapter(agent: Any, run: Run, sdk_version: int) -> Any:
    try:
        vercel: Any = import_module("chat_transport_pydantic_ai._vercel")  # 1.5 s: when needed
    except ImportError as error:
        raise ConnectFailed(
            "pydantic-ai is not installed; pip install 'chat-transport-pydantic-ai[sdk]'"
        ) from error
    body: dict[str, JSON] = {
        "trigger": run.trigger,
        "id": run.chat_id,
        "messages": [message.to_wire() for message in run.messages],
    }
    if run.trigger == "regenerate-message":
        body["messageId"] = run.message_id
    request = vercel.TokenAdapter.build_run_input(msgspec.json.encode(body))
    return vercel.TokenAdapter(
        agent, request, sdk_version=sdk_version, server_message_id=run.response_message_id
    )
