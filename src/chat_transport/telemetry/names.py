"""Names of the GenAI semantic conventions, and of what they have no name for.

Rule: every attribute and metric name stands here and nowhere else; the conventions are still in
development, so a schema is chosen, never followed silently.
Source: open-telemetry/semantic-conventions-genai, read 2026-11; version 1.36.0 of the
semantic conventions for `V1_36`.
"""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["DEVELOPMENT", "V1_36", "Schema"]

# ── attributes ───────────────────────────────────────────────────────────────────────────────────

OPERATION = "gen_ai.operation.name"
AGENT_NAME = "gen_ai.agent.name"
CONVERSATION_ID = "gen_ai.conversation.id"
REQUEST_MODEL = "gen_ai.request.model"
REQUEST_MAX_TOKENS = "gen_ai.request.max_tokens"
REQUEST_TEMPERATURE = "gen_ai.request.temperature"
REQUEST_TOP_P = "gen_ai.request.top_p"
REQUEST_SEED = "gen_ai.request.seed"
REQUEST_STOP_SEQUENCES = "gen_ai.request.stop_sequences"
REQUEST_STREAM = "gen_ai.request.stream"
RESPONSE_FINISH_REASONS = "gen_ai.response.finish_reasons"
RESPONSE_FIRST_CHUNK = "gen_ai.response.time_to_first_chunk"
INPUT_TOKENS = "gen_ai.usage.input_tokens"
OUTPUT_TOKENS = "gen_ai.usage.output_tokens"
CACHE_READ_TOKENS = "gen_ai.usage.cache_read.input_tokens"
CACHE_WRITE_TOKENS = "gen_ai.usage.cache_creation.input_tokens"
REASONING_TOKENS = "gen_ai.usage.reasoning.output_tokens"
TOKEN_TYPE = "gen_ai.token.type"  # noqa: S105  # no password
TOOL_NAME = "gen_ai.tool.name"
TOOL_TYPE = "gen_ai.tool.type"
TOOL_CALL_ID = "gen_ai.tool.call.id"
ERROR_TYPE = "error.type"

INPUT_MESSAGES = "gen_ai.input.messages"
"""Content: set only if content is captured, as the three below."""
OUTPUT_MESSAGES = "gen_ai.output.messages"
TOOL_ARGUMENTS = "gen_ai.tool.call.arguments"
TOOL_RESULT = "gen_ai.tool.call.result"

RUN_ID = "chat_transport.run.id"
"""The conventions have no word for a run, its trigger and its outcome."""
RUN_TRIGGER = "chat_transport.run.trigger"
OUTCOME = "chat_transport.outcome"
"""`stopped` if the user stopped it; not set otherwise."""

# ── metrics ──────────────────────────────────────────────────────────────────────────────────────

CHAT_DURATION = "gen_ai.client.operation.duration"
FIRST_CHUNK = "gen_ai.client.operation.time_to_first_chunk"
TOKEN_USAGE = "gen_ai.client.token.usage"  # noqa: S105  # no password
RUN_DURATION = "gen_ai.invoke_agent.duration"
TOOL_DURATION = "gen_ai.execute_tool.duration"

SECONDS = (0.01, 0.02, 0.04, 0.08, 0.16, 0.32, 0.64, 1.28, 2.56, 5.12, 10.24, 20.48, 40.96, 81.92)
"""Bucket boundaries that the conventions ask for."""
TOKENS = tuple(4**power for power in range(14))
"""The same, for tokens."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Schema:
    """Which edition of the conventions is spoken.

    Attributes:
        url: Named by every span and metric; None while an edition has no published schema.
        provider: The attribute of the provider's name, which was renamed.
        has_newer_metrics: Time to first chunk, durations of runs and tools.
    """

    url: str | None
    provider: str
    has_newer_metrics: bool


DEVELOPMENT = Schema(url=None, provider="gen_ai.provider.name", has_newer_metrics=True)
"""The conventions as they are in their own repository."""
V1_36 = Schema(
    url="https://opentelemetry.io/schemas/1.36.0", provider="gen_ai.system", has_newer_metrics=False
)
"""What older dashboards expect: the edition before the provider's attribute was renamed."""
