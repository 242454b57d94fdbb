"""Parrot, a made-up provider: POST /v1/parrot answers with lines like {"say": "polly "}."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from typing import Any

import httpx2

from chat_transport.chunks import TextDelta, TextEnd, TextStart, UIMessageChunk
from chat_transport.messages import UIMessage
from chat_transport.model import ModelAdapter, ModelSettings, ProviderTool, ToolSpec
from chat_transport.prompt import to_prompt
from chat_transport.provider_stream import ndjson_chunks, stream_step
from chat_transport.step import StepDecoder
from chat_transport.testing.replay import Recipe


class ParrotDecoder(StepDecoder):
    """What each line means. Pure: no network, no clock."""

    def decode(self, event: Any) -> list[UIMessageChunk]:
        if "error" in event:
            return self.fail(event["error"])
        if "end" in event:
            self.finish_reason = "stop"
            return [TextEnd(id="t")] if self.is_open(TextStart, "t") else []
        delta = TextDelta(id="t", delta=event["say"])
        return [delta] if self.is_open(TextStart, "t") else [TextStart(id="t"), delta]


class Parrot(ModelAdapter):
    provider = "parrot"

    def __init__(self, model: str, *, url: str = "http://127.0.0.1:7777") -> None:
        self.model = model
        self._url = url

    def stream(
        self,
        messages: Sequence[UIMessage],
        *,
        tools: Sequence[ToolSpec | ProviderTool] = (),
        settings: ModelSettings | None = None,
    ) -> AsyncGenerator[UIMessageChunk, None]:
        body = {"model": self.model, "hear": [turn.text for turn in to_prompt(messages)]}
        call = self._open(body)
        errors = (httpx2.HTTPStatusError,)
        return stream_step(call, ParrotDecoder(), errors=errors, read=ndjson_chunks)

    @asynccontextmanager
    async def _open(self, body: dict[str, Any]) -> AsyncGenerator[httpx2.Response, None]:
        async with httpx2.AsyncClient() as client:
            async with client.stream("POST", f"{self._url}/v1/parrot", json=body) as response:
                response.raise_for_status()
                yield response


def create(model_name: str) -> Parrot:
    return Parrot(model_name)


def recipe() -> Recipe:
    return Recipe(
        content_type="application/x-ndjson",
        frame=lambda event: event.encode() + b"\n",
        adapter=lambda url, _recording: Parrot("polly", url=url),
        decoder=lambda _recording: ParrotDecoder(),
    )
