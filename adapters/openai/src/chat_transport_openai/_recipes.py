"""How recorded streams of both APIs are replayed; found by entry point. For tests only."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import Any, Literal, TypeAlias

from chat_transport.messages import UIMessage
from chat_transport.model import ModelAdapter, ModelSettings, ProviderTool, ToolSpec
from chat_transport.testing.replay import Recipe, Recording

from ._adapter import OpenAIChat, OpenAIResponses
from ._chat_request import chat_body
from ._responses_request import responses_body

__all__ = ["chat_recipe", "responses_recipe"]

JSON: TypeAlias = Any  # any JSON value

_RECIPIENT = re.compile(r"functions\.(\w+)")


def _provider(recording: Recording) -> str:
    name = (recording.provider or "openai").partition(".")[0]
    return {"openai-compatible": "test-provider", "open-responses": "lmstudio"}.get(name, name)


def _frame(event: str) -> bytes:
    return b"data: " + event.encode() + b"\n\n"


def _parallel_tools(recording: Recording) -> Sequence[ToolSpec | ProviderTool]:
    """Declare the functions that a leaked `parallel` call wraps."""
    names = dict.fromkeys(name for event in recording.events for name in _RECIPIENT.findall(event))
    return [ToolSpec(name=name) for name in names]


def _hosted_shell(recording: Recording) -> Sequence[ToolSpec | ProviderTool]:
    args = {"environment": {"type": "container_auto"}}
    is_hosted = any('"shell_call_output"' in event for event in recording.events)
    return [ProviderTool(id="openai.shell", name="shell", args=args)] if is_hosted else []


def responses_recipe() -> Recipe:
    """Replay `openai-responses`."""

    def tools(recording: Recording) -> Sequence[ToolSpec | ProviderTool]:
        return [*_parallel_tools(recording), *_hosted_shell(recording)]

    def adapter(
        url: str, recording: Recording, compat: Literal["ai-sdk"] | None = None
    ) -> ModelAdapter:
        return OpenAIResponses(
            "gpt-5.4",
            api_key="test",
            base_url=f"{url}/v1",
            max_retries=0,
            provider=_provider(recording),
            compat=compat,
        )

    return Recipe(
        content_type="text/event-stream",
        frame=_frame,
        adapter=adapter,
        compat=lambda url, recording: adapter(url, recording, "ai-sdk"),
        decoder=lambda recording: OpenAIResponses("gpt-5.4", provider=_provider(recording)).decoder(
            tools(recording)
        ),
        tools=tools,
        requests={
            "openai-responses": _responses(),
            "openai-responses-store-false": _responses(store=False),
            "openai-responses-previous-id": _responses(previous_response_id="resp_0"),
        },
    )


def chat_recipe() -> Recipe:
    """Replay `openai-chat`."""

    def adapter(
        url: str, recording: Recording, compat: Literal["ai-sdk"] | None = None
    ) -> ModelAdapter:
        return OpenAIChat(
            "gpt-4o",
            api_key="test",
            base_url=f"{url}/v1",
            max_retries=0,
            provider=_provider(recording),
            compat=compat,
        )

    return Recipe(
        content_type="text/event-stream",
        frame=_frame,
        tail=b"data: [DONE]\n\n",
        adapter=adapter,
        compat=lambda url, recording: adapter(url, recording, "ai-sdk"),
        decoder=lambda recording: OpenAIChat("gpt-4o", provider=_provider(recording)).decoder(),
        requests={
            "openai-chat": lambda messages: chat_body(messages, model="gpt-4o"),
            "openai-compatible": lambda messages: chat_body(
                messages, model="m", provider="test-provider", compatible=True
            ),
        },
    )


def _responses(**options: JSON) -> Callable[[Sequence[UIMessage]], JSON]:
    settings = ModelSettings(provider_options={"openai": options})
    return lambda messages: responses_body(messages, model="gpt-5.4", settings=settings)
