"""Function calls of Gemini into chunks: whole, without arguments, or by path. Rule: pure."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeAlias

from chat_transport.chunks import (
    Absent,
    ProviderMetadata,
    ToolInputDelta,
    ToolInputStart,
    UIMessageChunk,
)
from chat_transport.step import to_json

from ._partial_args import PartialArgs

if TYPE_CHECKING:
    from ._events import GeminiDecoder

__all__ = ["FunctionCalls"]

JSON: TypeAlias = Any  # any JSON value
Chunks: TypeAlias = list[UIMessageChunk]


@dataclass(slots=True, kw_only=True)
class _Streamed:
    call_id: str
    name: str
    metadata: ProviderMetadata | Absent
    arguments: PartialArgs = field(default_factory=PartialArgs)


class FunctionCalls:
    """The function calls of one answer.

    Attributes:
        called: The model called a function.
    """

    def __init__(self, step: GeminiDecoder) -> None:
        self.called = False
        self._step = step
        self._streamed: list[_Streamed] = []

    def feed(self, part: JSON) -> Chunks:
        """Take one part with a `functionCall`."""
        call = part["functionCall"] or {}
        pieces, name = call.get("partialArgs"), call.get("name")
        if pieces is not None or (name is not None and call.get("willContinue") is True):
            return self._streaming(part, call)
        if name is not None:
            return self._whole(part, call)
        ends = call.get("args") is None and call.get("willContinue") is None
        return self._end() if ends and self._streamed else []

    def end_all(self) -> Chunks:
        """End the calls that the stream left open."""
        chunks: Chunks = []
        while self._streamed:
            chunks += self._end()
        return chunks

    def _streaming(self, part: JSON, call: JSON) -> Chunks:
        chunks: Chunks = []
        if call.get("name") is not None:
            streamed = _Streamed(
                call_id=call.get("id") or self._step.new_id("call"),
                name=call["name"],
                metadata=self._step.pm(part),
            )
            self._streamed.append(streamed)
            chunks.append(self._start(streamed.call_id, streamed.name, streamed.metadata))
        pieces = call.get("partialArgs")
        if pieces is None or not self._streamed:
            return chunks
        text = self._streamed[-1].arguments.feed(pieces)
        if text:
            call_id = self._streamed[-1].call_id
            chunks.append(ToolInputDelta(tool_call_id=call_id, input_text_delta=text))
        goes_on = [call, *pieces]
        if not any(one.get("willContinue") is True for one in goes_on):
            chunks += self._end()
        return chunks

    def _end(self) -> Chunks:
        self.called = True
        streamed = self._streamed.pop()
        whole, rest = streamed.arguments.end()
        chunks = self._step.end_blocks()
        if rest:
            chunks.append(ToolInputDelta(tool_call_id=streamed.call_id, input_text_delta=rest))
        available = self._step.tool_input(
            streamed.call_id, streamed.name, whole, provider_metadata=streamed.metadata
        )
        return [*chunks, available]

    def _whole(self, part: JSON, call: JSON) -> Chunks:
        self.called = True
        call_id = call.get("id") or self._step.new_id("call")
        metadata, arguments = self._step.pm(part), call.get("args")
        chunks = [*self._step.end_blocks(), self._start(call_id, call["name"], metadata)]
        text = arguments if isinstance(arguments, str) else to_json(arguments or {})
        if arguments is not None:
            chunks.append(ToolInputDelta(tool_call_id=call_id, input_text_delta=text))
        available = self._step.tool_input(call_id, call["name"], text, provider_metadata=metadata)
        return [*chunks, available]

    def _start(
        self, call_id: str, name: str, metadata: ProviderMetadata | Absent
    ) -> ToolInputStart:
        return ToolInputStart(tool_call_id=call_id, tool_name=name, provider_metadata=metadata)
