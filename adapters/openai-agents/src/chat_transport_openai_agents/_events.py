"""Events of the Agents SDK into chunks. Rule: pure.

Text, reasoning and tool inputs come from the raw Responses events; of the run's items only what
those lack: outputs, handoffs. Source: openai-agents 0.24 `stream_events`.
"""

from __future__ import annotations

from typing import Any, TypeAlias

from chat_transport_openai import ResponsesDecoder

from chat_transport.chunks import (
    DataChunk,
    Finish,
    MessageMetadata,
    ToolOutputAvailable,
    UIMessageChunk,
)

__all__ = ["AgentEvents"]

JSON: TypeAlias = Any  # any JSON value
Chunks: TypeAlias = list[UIMessageChunk]

_DELTAS = frozenset(
    {
        "response.function_call_arguments.delta",
        "response.output_text.delta",
        "response.reasoning_summary_text.delta",
        "response.reasoning_text.delta",
    }
)
"""Events of which nothing with an inside is read, so that they need no `model_dump`."""


class AgentEvents:
    """One run of the SDK; each response of the model is a step."""

    def __init__(self) -> None:
        self._step: ResponsesDecoder | None = None
        self._finish: Finish | None = None

    def feed(self, event: Any) -> Chunks:
        """Take one event of `stream_events`."""
        if event.type == "raw_response_event":
            return self._raw(event.data)
        if event.type == "agent_updated_stream_event":
            return [MessageMetadata(message_metadata={"agent": event.new_agent.name})]
        return self._item(event.name, event.item)

    def end(self) -> Chunks:
        """Close the last step, and finish as the model did."""
        chunks = self._end_step()
        return [*chunks, self._finish or Finish(finish_reason="interrupted")]

    def fail(self, text: str) -> Chunks:
        """Give an `error`, inside the step if one is open."""
        step = self._step or ResponsesDecoder()
        chunks = step.fail(text)
        self._finish = None
        return [*chunks, *step.end()]

    def _raw(self, data: Any) -> Chunks:
        if data.type in _DELTAS and self._step is not None:  # the path of a token
            return self._step.feed(
                {name: value for name, value in vars(data).items() if value is not None}
            )
        chunks: Chunks = []
        if data.type == "response.created":
            chunks = self._end_step()
        if self._step is None:
            self._step = ResponsesDecoder()
        return [*chunks, *self._step.feed(data)]

    def _end_step(self) -> Chunks:
        step, self._step = self._step, None
        chunks: Chunks = []
        for chunk in step.end() if step is not None else []:
            if isinstance(chunk, Finish):
                self._finish = chunk
            else:
                chunks.append(chunk)
        return chunks

    def _item(self, name: str, item: Any) -> Chunks:
        if name == "tool_output":
            raw = item.raw_item
            call_id = raw["call_id"] if isinstance(raw, dict) else raw.call_id
            return [ToolOutputAvailable(tool_call_id=call_id, output=_plain(item.output))]
        if name in {"handoff_requested", "handoff_occured", "handoff_occurred"}:
            source = getattr(getattr(item, "source_agent", None), "name", None)
            target = getattr(getattr(item, "target_agent", None), "name", None)
            fields = {"phase": name.removeprefix("handoff_"), "from": source, "to": target}
            known = {key: value for key, value in fields.items() if value is not None}
            return [DataChunk(type="data-handoff", data=known)]
        return []


def _plain(value: Any) -> JSON:
    if value is None or isinstance(value, str | int | float | bool | list | dict):
        return value
    return value.model_dump(mode="json") if hasattr(value, "model_dump") else str(value)
