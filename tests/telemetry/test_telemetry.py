"""What is exported for runs, model calls and tools, and that nothing else changes."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Sequence
from typing import Any

import anyio
import pytest
from opentelemetry import trace
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from chat_transport.agent.run import Run, RunRequest
from chat_transport.agent.runtime import Agent
from chat_transport.agent.tool_loop import ToolLoop
from chat_transport.agent.tools import ToolContext, ToolError, client_tool, tool
from chat_transport.chunks import (
    Error,
    Finish,
    FinishStep,
    StartStep,
    TextDelta,
    TextEnd,
    TextStart,
    ToolInputAvailable,
    UIMessageChunk,
)
from chat_transport.messages import UIMessage
from chat_transport.model import ModelAdapter, ModelSettings, ProviderTool, ToolSpec
from chat_transport.telemetry import V1_36, Telemetry

pytestmark = pytest.mark.anyio
PROMPT = UIMessage.user("a secret question", id="u1")
USAGE = {
    "usage": {
        "inputTokens": 7,
        "inputTokenDetails": {"cacheReadTokens": 2},
        "outputTokens": 3,
        "outputTokenDetails": {"reasoningTokens": 1},
    }
}


class Exported:
    """A telemetry whose spans and metrics stay in memory."""

    def __init__(self, **options: Any) -> None:
        self._spans = InMemorySpanExporter()
        self._metrics = InMemoryMetricReader()
        tracers = TracerProvider()
        tracers.add_span_processor(SimpleSpanProcessor(self._spans))
        self.telemetry = Telemetry(
            tracer_provider=tracers,
            meter_provider=MeterProvider([self._metrics]),
            **options,
        )

    def spans(self) -> dict[str, ReadableSpan]:
        return {span.name: span for span in self._spans.get_finished_spans()}

    def metrics(self) -> dict[str, list[tuple[dict[str, Any], float]]]:
        data = self._metrics.get_metrics_data()
        return {
            metric.name: [(dict(point.attributes), point.sum) for point in metric.data.data_points]
            for resource in (data.resource_metrics if data else ())
            for scope in resource.scope_metrics
            for metric in scope.metrics
        }


class Scripted(ModelAdapter):
    provider = "acme"
    model = "acme-1"

    def __init__(self, *steps: Sequence[UIMessageChunk]) -> None:
        self.steps = list(steps)
        self.closed = False

    async def aclose(self) -> None:
        self.closed = True

    async def stream(
        self,
        messages: Sequence[UIMessage],
        *,
        tools: Sequence[ToolSpec | ProviderTool] = (),
        settings: ModelSettings | None = None,
    ) -> AsyncIterator[UIMessageChunk]:
        trace.get_current_span().set_attribute("seen.by.model", True)
        for chunk in self.steps.pop(0):
            yield chunk


def calling(name: str, value: Any) -> list[UIMessageChunk]:
    call = ToolInputAvailable(tool_call_id="c1", tool_name=name, input=value)
    finish = Finish(finish_reason="tool-calls", message_metadata=USAGE)
    return [StartStep(), call, FinishStep(), finish]


ANSWER: list[UIMessageChunk] = [
    StartStep(),
    TextStart(id="t"),
    TextDelta(id="t", delta="a secret answer"),
    TextEnd(id="t"),
    FinishStep(),
    Finish(finish_reason="stop", message_metadata=USAGE),
]


@tool
async def weather(city: str, context: ToolContext) -> str:
    """Tell the weather."""
    trace.get_current_span().set_attribute("seen.by.tool", context.tool_call_id)
    if city == "nowhere":
        raise ToolError("no such secret city")
    return f"rain in {city}"


@tool
def plain(city: str) -> str:
    """Tell the weather from a thread."""
    trace.get_current_span().set_attribute("seen.by.tool", city)
    return city


@tool
async def streaming(city: str) -> AsyncIterator[str]:
    """Tell the weather bit by bit."""
    yield "r"
    trace.get_current_span().set_attribute("seen.by.tool", city)
    yield "rain"


async def play(
    exported: Exported, *steps: Sequence[UIMessageChunk], settings: ModelSettings | None = None
) -> list[UIMessageChunk]:
    telemetry = exported.telemetry
    tools = telemetry.traced_tools([weather, plain, streaming, client_tool("pick")])
    loop = ToolLoop(telemetry.traced_model(Scripted(*steps)), tools, settings=settings)
    with anyio.fail_after(5):
        async with Agent(telemetry.traced(loop)) as agent:
            run = agent.start(RunRequest(chat_id="chat", messages=[PROMPT], run_id="r1"))
            return [chunk async for chunk in run.log.stream()]


async def test_a_run_has_a_span_with_its_calls_below() -> None:
    exported = Exported(agent_name="helper")
    settings = ModelSettings(temperature=0.5, max_output_tokens=10)
    await play(exported, calling("weather", {"city": "Oslo"}), ANSWER, settings=settings)
    spans = exported.spans()
    assert set(spans) == {"invoke_agent helper", "chat acme-1", "execute_tool weather"}
    run, chat, call = (
        spans[name] for name in ("invoke_agent helper", "chat acme-1", "execute_tool weather")
    )
    assert run.parent is None
    for child in (chat, call):
        assert child.parent is not None
        assert child.parent.span_id == run.context.span_id
    assert dict(run.attributes or {}) == {
        "gen_ai.operation.name": "invoke_agent",
        "gen_ai.agent.name": "helper",
        "gen_ai.conversation.id": "chat",
        "chat_transport.run.id": "r1",
        "chat_transport.run.trigger": "submit-message",
        "gen_ai.response.finish_reasons": ("stop",),
        "gen_ai.usage.input_tokens": 14,
        "gen_ai.usage.output_tokens": 6,
        "gen_ai.usage.cache_read.input_tokens": 4,
        "gen_ai.usage.reasoning.output_tokens": 2,
    }
    attributes = dict(chat.attributes or {})
    assert attributes.pop("gen_ai.response.time_to_first_chunk") >= 0  # type: ignore[operator]
    assert attributes == {
        "gen_ai.operation.name": "chat",
        "gen_ai.provider.name": "acme",
        "gen_ai.request.model": "acme-1",
        "gen_ai.request.stream": True,
        "gen_ai.request.temperature": 0.5,
        "gen_ai.request.max_tokens": 10,
        "gen_ai.conversation.id": "chat",
        "gen_ai.response.finish_reasons": ("stop",),
        "gen_ai.usage.input_tokens": 7,
        "gen_ai.usage.output_tokens": 3,
        "gen_ai.usage.cache_read.input_tokens": 2,
        "gen_ai.usage.reasoning.output_tokens": 1,
        "seen.by.model": True,
    }
    assert dict(call.attributes or {}) == {
        "gen_ai.operation.name": "execute_tool",
        "gen_ai.tool.name": "weather",
        "gen_ai.tool.type": "function",
        "gen_ai.tool.call.id": "c1",
        "gen_ai.conversation.id": "chat",
        "seen.by.tool": "c1",
    }


async def test_durations_first_chunks_and_tokens_are_counted() -> None:
    exported = Exported()
    await play(exported, calling("weather", {"city": "Oslo"}), ANSWER)
    counted = exported.metrics()
    assert set(counted) == {
        "gen_ai.client.operation.duration",
        "gen_ai.client.operation.time_to_first_chunk",
        "gen_ai.client.token.usage",
        "gen_ai.invoke_agent.duration",
        "gen_ai.execute_tool.duration",
    }
    chat = {
        "gen_ai.operation.name": "chat",
        "gen_ai.provider.name": "acme",
        "gen_ai.request.model": "acme-1",
    }
    assert counted["gen_ai.client.token.usage"] == [
        ({**chat, "gen_ai.token.type": "input"}, 14),
        ({**chat, "gen_ai.token.type": "output"}, 6),
    ]
    assert [point for point, _ in counted["gen_ai.client.operation.duration"]] == [chat]


@pytest.mark.parametrize("name", ["plain", "streaming"])
async def test_every_kind_of_tool_is_measured_and_works_as_before(name: str) -> None:
    exported = Exported()
    chunks = await play(exported, calling(name, {"city": "Oslo"}), ANSWER)
    bare = ToolLoop(Scripted(calling(name, {"city": "Oslo"}), ANSWER), [plain, streaming])
    with anyio.fail_after(5):
        async with Agent(bare) as agent:
            run = agent.start(RunRequest(chat_id="chat", messages=[PROMPT]))
            assert [chunk async for chunk in run.log.stream()][1:] == chunks[1:]
    span = exported.spans()[f"execute_tool {name}"]
    assert (span.attributes or {})["seen.by.tool"] == "Oslo"


async def test_a_failed_tool_is_told_by_its_kind() -> None:
    exported = Exported()
    await play(exported, calling("weather", {"city": "nowhere"}), ANSWER)
    span = exported.spans()["execute_tool weather"]
    assert not span.status.is_ok
    assert (span.attributes or {})["error.type"] == "ToolError"
    [(point, _)] = exported.metrics()["gen_ai.execute_tool.duration"]
    assert point["error.type"] == "ToolError"


async def test_an_error_of_the_model_fails_the_call_and_the_run() -> None:
    exported = Exported()
    await play(exported, [Error(error_text="a secret failure")])
    spans = exported.spans()
    assert [spans[name].status.is_ok for name in ("chat acme-1", "invoke_agent")] == [False, False]


@pytest.mark.parametrize("captures", [False, True])
async def test_no_words_are_exported_unless_asked_for(captures: bool) -> None:  # noqa: FBT001
    exported = Exported(capture_content=captures)
    await play(exported, calling("weather", {"city": "nowhere"}), ANSWER)
    told = "".join(span.to_json() for span in exported.spans().values())
    assert ("secret" in told) is captures
    assert ("nowhere" in told) is captures


async def test_captured_words_have_the_shape_of_the_conventions() -> None:
    exported = Exported(capture_content=True)
    await play(exported, calling("weather", {"city": "Oslo"}), ANSWER)
    spans = exported.spans()
    call, chat = (
        spans["execute_tool weather"].attributes or {},
        spans["chat acme-1"].attributes or {},
    )
    assert json.loads(str(call["gen_ai.tool.call.arguments"])) == {"city": "Oslo"}
    assert json.loads(str(call["gen_ai.tool.call.result"])) == "rain in Oslo"
    asked, seen = json.loads(str(chat["gen_ai.input.messages"]))
    assert asked == {"role": "user", "parts": [{"type": "text", "content": "a secret question"}]}
    assert seen["parts"] == [
        {"type": "tool_call", "id": "c1", "name": "weather", "arguments": {"city": "Oslo"}},
        {"type": "tool_call_response", "id": "c1", "response": "rain in Oslo"},
    ]
    [said] = json.loads(str(chat["gen_ai.output.messages"]))
    assert said["parts"] == [{"type": "text", "content": "a secret answer"}]


async def test_a_stopped_run_is_no_failure() -> None:
    exported = Exported()
    begun = anyio.Event()

    async def handler(run: Run) -> AsyncIterator[UIMessageChunk]:
        yield TextStart(id="t")
        begun.set()
        await anyio.sleep_forever()

    with anyio.fail_after(5):
        async with Agent(exported.telemetry.traced(handler)) as agent:
            run = agent.start(RunRequest(chat_id="chat", messages=[PROMPT]))
            await begun.wait()
            run.stop()
            await run.wait()
    span = exported.spans()["invoke_agent"]
    assert (span.attributes or {})["chat_transport.outcome"] == "stopped"
    assert span.status.is_unset


async def test_the_reader_of_a_model_does_not_see_its_span() -> None:
    exported = Exported()
    model = exported.telemetry.traced_model(Scripted(ANSWER))
    async for _chunk in model.stream([PROMPT]):
        assert not trace.get_current_span().get_span_context().is_valid
    await model.aclose()
    assert model._model.closed  # type: ignore[attr-defined]


async def test_an_older_edition_of_the_conventions_can_be_asked_for() -> None:
    exported = Exported(schema=V1_36)
    await play(exported, ANSWER)
    span = exported.spans()["chat acme-1"]
    assert (span.attributes or {})["gen_ai.system"] == "acme"
    assert span.instrumentation_scope is not None
    assert span.instrumentation_scope.schema_url == "https://opentelemetry.io/schemas/1.36.0"
    assert set(exported.metrics()) == {
        "gen_ai.client.operation.duration",
        "gen_ai.client.token.usage",
    }


def test_a_measured_tool_is_still_a_function() -> None:
    [traced, untouched] = Exported().telemetry.traced_tools([plain, client_tool("pick")])
    assert traced("Oslo") == "Oslo"  # type: ignore[operator]
    assert untouched.function is None  # type: ignore[union-attr]


async def test_without_an_sdk_everything_works() -> None:
    telemetry = Telemetry()
    loop = ToolLoop(telemetry.traced_model(Scripted(ANSWER)), telemetry.traced_tools([weather]))
    with anyio.fail_after(5):
        async with Agent(telemetry.traced(loop)) as agent:
            run = agent.start(RunRequest(chat_id="chat", messages=[PROMPT]))
            assert (await run.wait()).response_message.text == "a secret answer"
