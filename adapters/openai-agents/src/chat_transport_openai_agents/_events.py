"""Events of the Agents SDK into chunks. Rule: pure.

Text, reasoning and tool inputs come from the raw Responses events; of the run's items only what
those lack: outputs, handoffs. Source: openai-agents 0.24 `stream_events`.
"""

from __future__ import annotations

from typing import Any, TypeAlias

from chat_transport_openai import ResponsesDecoder
from pydantic_core import to_jsonable_python

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

_FAKE_ID = "__fake_id__"
"""What the SDK calls every item and response of a Chat Completions model (0.24
`agents.models.fake_id`). Two steps may not give their parts one id, so each step makes its own."""


class AgentEvents:
    """One run of the SDK; each response of the model is a step."""

    def __init__(self) -> None:
        self._step: ResponsesDecoder | None = None
        self._finish: Finish | None = None
        self._steps = 0

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
            event = {name: value for name, value in vars(data).items() if value is not None}
            if event.get("item_id") == _FAKE_ID:
                event["item_id"] = f"step-{self._steps}"
            return self._step.feed(event)
        chunks: Chunks = []
        if data.type == "response.created":
            chunks = self._end_step()
        if self._step is None:
            self._step = ResponsesDecoder()
            self._steps += 1
        event = data.model_dump(mode="json", by_alias=True, exclude_unset=True)
        return [*chunks, *self._step.feed(self._identified(event))]

    def _identified(self, event: dict[str, JSON]) -> dict[str, JSON]:
        if event.get("item_id") == _FAKE_ID:
            event["item_id"] = f"step-{self._steps}"
        item, response = event.get("item"), event.get("response")
        if item is not None and item.get("id") == _FAKE_ID:
            item["id"] = f"step-{self._steps}"
        if response is not None and response.get("id") == _FAKE_ID:
            response["id"] = None
        return event

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
            return [_output(item.raw_item, item.output)]
        if name == "handoff_requested":
            return [_handoff("requested", {"from": item.agent.name})]
        if name in {"handoff_occured", "handoff_occurred"}:
            told = {"from": item.source_agent.name, "to": item.target_agent.name}
            # The model asked for the handoff by a tool call, which without an output would be
            # refused with the next message.
            raw = item.raw_item
            return [_output(raw, raw["output"]), _handoff("occurred", told)]
        return []


def _output(raw: Any, value: Any) -> ToolOutputAvailable:
    call_id = raw["call_id"] if isinstance(raw, dict) else raw.call_id
    return ToolOutputAvailable(
        tool_call_id=call_id, output=to_jsonable_python(value, fallback=str, exclude_none=True)
    )


def _handoff(phase: str, told: dict[str, JSON]) -> DataChunk:
    return DataChunk(type="data-handoff", data={"phase": phase, **told})
