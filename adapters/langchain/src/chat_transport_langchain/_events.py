"""Events of `astream_events` (version v2) into chunks. Rule: pure; a model call is a `ModelStep`.

Model calls that go on at once, as in parallel branches of a graph, share a step: their parts are
told apart by ids, and the next call after all of them begins the next step.
Source: langchain-core 1.7 `astream_events`; @ai-sdk/langchain for the choices.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, ClassVar, TypeAlias

from chat_transport.chunks import (
    ABSENT,
    DataChunk,
    Finish,
    FinishStep,
    StartStep,
    ToolApprovalRequest,
    ToolOutputAvailable,
    ToolOutputError,
    UIMessageChunk,
)
from chat_transport.step import to_json

from ._step import ModelStep

__all__ = ["LangChainEvents"]

JSON: TypeAlias = Any  # any JSON value
Chunks: TypeAlias = list[UIMessageChunk]


class LangChainEvents:
    """One run of a model or graph.

    Attributes:
        asked: Interrupts that became approval requests, by their id.
        unanswered: Tool calls without an output so far: id -> name.
    """

    def __init__(self) -> None:
        self.asked: set[str] = set()
        self.unanswered: dict[str, str] = {}
        self._calls: dict[str, ModelStep] = {}
        self._is_open = False
        self._finish: Finish | None = None
        self._sources: set[str] = set()

    def feed(self, event: JSON) -> Chunks:
        """Take one event."""
        handler = self._HANDLERS.get(event["event"])
        return handler(self, event) if handler is not None else []

    def end(self) -> Chunks:
        """Close the last step, and finish as the last model call did."""
        chunks = self._end_calls()
        return [*chunks, *self._end_step(), self._finish or Finish(finish_reason="interrupted")]

    def fail(self, text: str) -> Chunks:
        """Give an `error`, inside the step if one is open."""
        failed = next((step for step in self._calls.values() if step.said), None)
        if failed is None:
            failed = ModelStep("error", self._sources)
            if self._is_open:
                failed.begin()
        said = self._within(failed.fail(text))
        if not self._is_open:  # before any output: it stands alone
            return said
        ended = self._ended(failed)
        self._calls = {name: step for name, step in self._calls.items() if step is not failed}
        reason = self._finish
        chunks = [*said, *ended, *self._end_calls(), *self._end_step()]
        return [*chunks, reason] if reason is not None else chunks

    def _within(self, chunks: Chunks) -> Chunks:
        """Keep one `start-step` of all calls that share a step."""
        if not chunks or type(chunks[0]) is not StartStep:
            return chunks
        if self._is_open:
            return chunks[1:]
        self._is_open = True
        return chunks

    def _ended(self, step: ModelStep) -> Chunks:
        *chunks, last, finish = step.end()
        assert isinstance(last, FinishStep)
        assert isinstance(finish, Finish)
        self._finish = finish
        return self._within(chunks)

    def _end_calls(self) -> Chunks:
        calls = [step for step in self._calls.values() if step.said]
        self._calls.clear()
        return [chunk for step in calls for chunk in self._ended(step)]

    def _end_step(self) -> Chunks:
        was_open, self._is_open = self._is_open, False
        return [FinishStep()] if was_open else []

    # -- model calls

    def _model_start(self, event: JSON) -> Chunks:
        is_shared = any(step.said for step in self._calls.values())
        chunks = [] if is_shared else self._end_step()
        self._calls[event["run_id"]] = ModelStep(
            event["run_id"], self._sources, _place(event.get("metadata") or {})
        )
        return chunks

    def _model_stream(self, event: JSON) -> Chunks:
        step = self._calls.get(event["run_id"])
        if step is None:
            return []
        return self._within(step.feed({"message": event["data"]["chunk"]}))

    def _model_end(self, event: JSON) -> Chunks:
        step = self._calls.pop(event["run_id"], None)
        if step is None:
            return []
        output = event["data"]["output"]
        self.unanswered |= {
            call["id"]: call["name"] for call in getattr(output, "tool_calls", []) or []
        }
        chunks = self._within(step.feed({"message": output, "is_whole": True}))
        return [*chunks, *self._ended(step)]

    # -- tools

    def _tool_end(self, event: JSON) -> Chunks:
        output = event["data"].get("output")
        if getattr(output, "tool_call_id", None) is not None:
            return self._output(output)
        return self._outputs(output)

    def _outputs(self, told: Any) -> Chunks:
        """Give the outputs of calls that wait, wherever a tool or a node has put them.

        A tool that hands over gives a `Command`; an unknown tool's error is only in its node's
        messages. Both may hold the whole history as well.
        """
        if not self.unanswered:
            return []
        update = getattr(told, "update", None) if hasattr(told, "goto") else told
        if isinstance(update, Mapping):
            update = update.get("messages")
        many = update if isinstance(update, list | tuple) else [update]
        chunks: Chunks = []
        for one in many:
            if hasattr(one, "goto"):
                chunks += self._outputs(one)
            elif getattr(one, "tool_call_id", None) in self.unanswered:
                chunks += self._output(one)
        return chunks

    def _output(self, message: Any) -> Chunks:
        call_id, content = message.tool_call_id, message.content
        self.unanswered.pop(call_id, None)
        if getattr(message, "status", None) == "error":
            text = content if isinstance(content, str) else to_json(content)
            return [ToolOutputError(tool_call_id=call_id, error_text=text)]
        return [ToolOutputAvailable(tool_call_id=call_id, output=content)]

    def _tool_error(self, event: JSON) -> Chunks:
        error, call_id = event["data"].get("error"), event["data"].get("tool_call_id")
        if call_id is None:
            return []
        interrupts = error.args[0] if type(error).__name__ == "GraphInterrupt" else ()
        for interrupt in interrupts:
            self.asked.add(interrupt.id)
            self.unanswered.pop(call_id, None)
            return [ToolApprovalRequest(approval_id=interrupt.id, tool_call_id=call_id)]
        self.unanswered.pop(call_id, None)
        return [ToolOutputError(tool_call_id=call_id, error_text=str(error))]

    # -- what applications and graphs say themselves

    def _custom(self, event: JSON) -> Chunks:
        return [DataChunk(type=f"data-{event['name']}", data=event["data"])]

    def _graph_stream(self, event: JSON) -> Chunks:
        """Take what a node has given, or what its stream writer has written."""
        chunk = event["data"].get("chunk")
        if isinstance(chunk, tuple):
            return _written(chunk[-1]) if len(chunk) > 1 and chunk[-2] == "custom" else []
        return self._outputs(chunk)

    _HANDLERS: ClassVar[dict[str, Callable[[Any, JSON], Chunks]]] = {
        "on_chat_model_start": _model_start,
        "on_chat_model_stream": _model_stream,
        "on_chat_model_end": _model_end,
        "on_tool_end": _tool_end,
        "on_tool_error": _tool_error,
        "on_custom_event": _custom,
        "on_chain_stream": _graph_stream,
    }


def _place(metadata: Mapping[str, JSON]) -> dict[str, str] | None:
    """Say which node speaks, and in which subgraph."""
    node = metadata.get("langgraph_node")
    if node is None:
        return None
    place = {"node": str(node)}
    namespace = str(metadata.get("langgraph_checkpoint_ns") or "")
    if "|" in namespace:
        place["namespace"] = namespace
    return place


def _written(value: JSON) -> Chunks:
    """Give what a stream writer wrote: `{"type": "x"}` is `data-x`, kept if it has an id."""
    kind = value.get("type") if isinstance(value, dict) else None
    part_id = value.get("id") if isinstance(value, dict) else None
    name = kind if isinstance(kind, str) and kind else "custom"
    return [
        DataChunk(
            type=f"data-{name}",
            id=part_id if isinstance(part_id, str) else ABSENT,
            transient=ABSENT if isinstance(part_id, str) else True,
            data=value,
        )
    ]
