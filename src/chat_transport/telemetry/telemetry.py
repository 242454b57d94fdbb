"""`Telemetry`: spans and metrics around handlers, models and tools, by wrapping them.

Rule: the core has no branch for it: what is not wrapped costs nothing. Words of users and models
are recorded only if asked for.
Source: GenAI semantic conventions (`names.py`); depends on `opentelemetry-api` alone.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Mapping, Sequence
from contextlib import aclosing
from typing import Any, TypeAlias

from opentelemetry import context as otel_context
from opentelemetry import metrics, trace
from opentelemetry.metrics import Histogram, MeterProvider
from opentelemetry.trace import SpanKind, TracerProvider

from ..agent.run import Handler, Run
from ..agent.tools import Tool, ToolContext
from ..chunks import ABSENT, Error, Finish, StartStep, UIMessageChunk
from ..messages import UIMessage
from ..model import ModelAdapter, ModelSettings, ProviderTool, ToolSpec
from ..reducer import MessageReducer
from . import names
from ._content import messages_json
from ._operation import Attributes, Operation
from ._tool import traced_tool
from .names import DEVELOPMENT, Schema

__all__ = ["Telemetry"]

JSON: TypeAlias = Any  # any JSON value
SCOPE = "chat_transport"
_CHAT_ID = otel_context.create_key("chat_transport-chat-id")


class Telemetry:
    """Makes measured twins of handlers, models and tools.

    Args:
        tracer_provider: None for the global one.
        meter_provider: None for the global one.
        agent_name: In the names of the runs' spans; None leaves it out.
        capture_content: Record messages, tool inputs and outputs, and words of exceptions. They
            are your users' words: mind who reads your traces.
        schema: Which edition of the conventions is spoken.
    """

    def __init__(
        self,
        *,
        tracer_provider: TracerProvider | None = None,
        meter_provider: MeterProvider | None = None,
        agent_name: str | None = None,
        capture_content: bool = False,
        schema: Schema = DEVELOPMENT,
    ) -> None:
        self.schema = schema
        self.capture_content = capture_content
        self._agent_name = agent_name
        self._tracer = trace.get_tracer(
            SCOPE, tracer_provider=tracer_provider, schema_url=schema.url
        )
        meter = metrics.get_meter(SCOPE, meter_provider=meter_provider, schema_url=schema.url)

        def seconds(name: str) -> Histogram:
            return meter.create_histogram(
                name, "s", explicit_bucket_boundaries_advisory=names.SECONDS
            )

        newer = schema.has_newer_metrics
        self._chat_duration = seconds(names.CHAT_DURATION)
        self._first_chunk = seconds(names.FIRST_CHUNK) if newer else None
        self._run_duration = seconds(names.RUN_DURATION) if newer else None
        self._tool_duration = seconds(names.TOOL_DURATION) if newer else None
        self._tokens = meter.create_histogram(
            names.TOKEN_USAGE, "{token}", explicit_bucket_boundaries_advisory=names.TOKENS
        )

    def traced(self, handler: Handler) -> Handler:
        """Give the handler with a span for each run; what it begins has that span as parent."""

        async def traced_handler(run: Run) -> AsyncGenerator[UIMessageChunk, None]:
            operation = self._begin_run(run)
            with operation.measured():
                async with aclosing(operation.each(handler(run))) as chunks:
                    async for chunk in chunks:
                        if isinstance(chunk, Finish):
                            _note_finish(operation, chunk)
                        elif isinstance(chunk, Error):
                            operation.fail()
                        yield chunk

        return traced_handler

    def traced_model(self, model: ModelAdapter) -> ModelAdapter:
        """Give the model with a span for each call. Closing it closes the model."""
        return _TracedModel(model, self)

    def traced_tools(self, tools: Sequence[Tool | ProviderTool]) -> list[Tool | ProviderTool]:
        """Give the tools with a span for each call that runs here."""
        return [
            traced_tool(tool, self._begin_tool, capture_content=self.capture_content)
            if isinstance(tool, Tool)
            else tool
            for tool in tools
        ]

    # ── beginnings ───────────────────────────────────────────────────────────────────────────────

    def _begin(
        self,
        kind: str,
        name: str | None,
        attributes: Attributes,
        dimensions: Attributes,
        duration: Histogram | None,
    ) -> Operation:
        dimensions = {names.OPERATION: kind, **dimensions}
        span = self._tracer.start_span(
            f"{kind} {name}" if name else kind,
            kind=SpanKind.CLIENT if kind == "chat" else SpanKind.INTERNAL,
            attributes={**dimensions, **attributes},
        )
        return Operation(
            span,
            trace.set_span_in_context(span),
            duration=duration,
            dimensions=dimensions,
            capture_content=self.capture_content,
        )

    def _begin_run(self, run: Run) -> Operation:
        named = {} if self._agent_name is None else {names.AGENT_NAME: self._agent_name}
        attributes = {
            names.CONVERSATION_ID: run.chat_id,
            names.RUN_ID: run.run_id,
            names.RUN_TRIGGER: run.trigger,
        }
        operation = self._begin(
            "invoke_agent", self._agent_name, attributes, named, self._run_duration
        )
        operation.context = otel_context.set_value(_CHAT_ID, run.chat_id, operation.context)
        return operation

    def _begin_tool(self, call: ToolContext) -> Operation:
        attributes = {
            names.TOOL_CALL_ID: call.tool_call_id,
            names.TOOL_TYPE: "function",
            names.CONVERSATION_ID: call.run.chat_id,
        }
        named = {names.TOOL_NAME: call.tool_name}
        return self._begin("execute_tool", call.tool_name, attributes, named, self._tool_duration)

    def begin_chat(self, model: ModelAdapter, settings: ModelSettings | None) -> Operation:
        """Begin to measure a model call."""
        dimensions = {self.schema.provider: model.provider, names.REQUEST_MODEL: model.model}
        attributes: Attributes = {names.REQUEST_STREAM: True, **_asked(settings)}
        chat_id = otel_context.get_value(_CHAT_ID)
        if isinstance(chat_id, str):
            attributes[names.CONVERSATION_ID] = chat_id
        return self._begin("chat", model.model, attributes, dimensions, self._chat_duration)

    def note_first_chunk(self, operation: Operation) -> None:
        """Note that the model has begun to speak."""
        age_s = operation.age_s
        operation.span.set_attribute(names.RESPONSE_FIRST_CHUNK, age_s)
        if self._first_chunk is not None:
            self._first_chunk.record(age_s, operation.dimensions, operation.context)

    def note_end(self, operation: Operation, finish: Finish) -> None:
        """Note why the model ended and what it counted."""
        for kind, count in _note_finish(operation, finish):
            dimensions = {**operation.dimensions, names.TOKEN_TYPE: kind}
            self._tokens.record(count, dimensions, operation.context)


class _TracedModel(ModelAdapter):
    def __init__(self, model: ModelAdapter, telemetry: Telemetry) -> None:
        self._model = model
        self._telemetry = telemetry
        self.provider = model.provider
        self.model = model.model

    async def aclose(self) -> None:
        await self._model.aclose()

    async def stream(
        self,
        messages: Sequence[UIMessage],
        *,
        tools: Sequence[ToolSpec | ProviderTool] = (),
        settings: ModelSettings | None = None,
    ) -> AsyncIterator[UIMessageChunk]:
        telemetry = self._telemetry
        operation = telemetry.begin_chat(self._model, settings)
        reply = MessageReducer(message_id="") if telemetry.capture_content else None
        if reply is not None:
            operation.span.set_attribute(names.INPUT_MESSAGES, messages_json(messages))
        silent = True
        with operation.measured():
            given = self._model.stream(messages, tools=tools, settings=settings)
            async with aclosing(operation.each(given)) as chunks:
                async for chunk in chunks:
                    if silent and not isinstance(chunk, StartStep):
                        silent = False
                        telemetry.note_first_chunk(operation)
                    if reply is not None:
                        reply.feed(chunk)
                    if isinstance(chunk, Finish):
                        telemetry.note_end(operation, chunk)
                    elif isinstance(chunk, Error):
                        operation.fail()
                    yield chunk
            if reply is not None:
                operation.span.set_attribute(names.OUTPUT_MESSAGES, messages_json([reply.message]))


def _asked(settings: ModelSettings | None) -> Mapping[str, Any]:
    if settings is None:
        return {}
    asked = {
        names.REQUEST_MAX_TOKENS: settings.max_output_tokens,
        names.REQUEST_TEMPERATURE: settings.temperature,
        names.REQUEST_TOP_P: settings.top_p,
        names.REQUEST_SEED: settings.seed,
        names.REQUEST_STOP_SEQUENCES: settings.stop_sequences,
    }
    return {name: value for name, value in asked.items() if value is not None}


def _note_finish(operation: Operation, finish: Finish) -> list[tuple[str, int]]:
    """Put an end on the span; give the tokens by type."""
    if finish.finish_reason is not ABSENT:
        operation.span.set_attribute(names.RESPONSE_FINISH_REASONS, [str(finish.finish_reason)])
    metadata = finish.message_metadata
    usage = metadata.get("usage") if isinstance(metadata, dict) else None
    if not isinstance(usage, dict):
        return []
    entering, leaving = _inner(usage, "inputTokenDetails"), _inner(usage, "outputTokenDetails")
    counts = {
        names.INPUT_TOKENS: usage.get("inputTokens"),
        names.OUTPUT_TOKENS: usage.get("outputTokens"),
        names.CACHE_READ_TOKENS: entering.get("cacheReadTokens"),
        names.CACHE_WRITE_TOKENS: entering.get("cacheWriteTokens"),
        names.REASONING_TOKENS: leaving.get("reasoningTokens"),
    }
    known = {name: count for name, count in counts.items() if isinstance(count, int)}
    operation.span.set_attributes(known)
    types = {"input": names.INPUT_TOKENS, "output": names.OUTPUT_TOKENS}
    return [(kind, known[name]) for kind, name in types.items() if name in known]


def _inner(usage: dict[str, JSON], name: str) -> dict[str, JSON]:
    inner = usage.get(name)
    return inner if isinstance(inner, dict) else {}
