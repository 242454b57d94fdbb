"""`StepDecoder`: one provider stream into the chunks of one step, well formed whatever happens.

Rule: pure, fed and asked; a subclass says what each event means, this class opens the step,
remembers what is open, and closes it. For authors of adapters.
"""

from __future__ import annotations

import json
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from typing import Any, ClassVar, TypeAlias

import msgspec

from .chunks import (
    ABSENT,
    Absent,
    Error,
    Finish,
    FinishReason,
    FinishStep,
    ProviderMetadata,
    ReasoningDelta,
    ReasoningEnd,
    ReasoningStart,
    StartStep,
    TextDelta,
    TextEnd,
    TextStart,
    ToolInputAvailable,
    ToolInputDelta,
    ToolInputError,
    ToolInputStart,
    UIMessageChunk,
)

__all__ = ["UNEXPECTED", "StepDecoder", "Usage", "to_json"]

JSON: TypeAlias = Any  # any JSON value

UNEXPECTED = "the provider sent an event of an unexpected form"
"""How the error of an event begins that lacks what its kind promises."""

_MISFITS = (AttributeError, LookupError, TypeError, ValueError)
"""What reading such an event raises."""


def to_json(value: JSON) -> str:
    """Write JSON as JavaScript's `JSON.stringify` does: compact, nothing escaped beyond need."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


class Usage(msgspec.Struct, frozen=True, kw_only=True):
    """Tokens of one model call; None where the provider says nothing.

    Attributes:
        input_tokens: All input, cached or not.
        cache_read_tokens: Of these, read from a cache.
        cache_write_tokens: Of these, written to a cache.
        output_tokens: All output.
        reasoning_tokens: Of these, spent on reasoning.
        raw: The provider's own words.
    """

    input_tokens: int | None = None
    cache_read_tokens: int | None = None
    cache_write_tokens: int | None = None
    output_tokens: int | None = None
    reasoning_tokens: int | None = None
    raw: Mapping[str, JSON] | None = None

    def to_wire(self) -> dict[str, JSON]:
        """Give the AI SDK's `LanguageModelUsage`, without what is unknown."""
        entering = _less(self.input_tokens, self.cache_read_tokens, self.cache_write_tokens)
        wire: dict[str, JSON] = {
            "inputTokens": self.input_tokens,
            "inputTokenDetails": _known(
                noCacheTokens=entering,
                cacheReadTokens=self.cache_read_tokens,
                cacheWriteTokens=self.cache_write_tokens,
            ),
            "outputTokens": self.output_tokens,
            "outputTokenDetails": _known(
                textTokens=_less(self.output_tokens, self.reasoning_tokens),
                reasoningTokens=self.reasoning_tokens,
            ),
        }
        if self.input_tokens is not None and self.output_tokens is not None:
            wire["totalTokens"] = self.input_tokens + self.output_tokens
        wire["raw"] = dict(self.raw) if self.raw is not None else None
        return _known(**wire)


def _less(total: int | None, *parts: int | None) -> int | None:
    return None if total is None else total - sum(part or 0 for part in parts)


def _known(**fields: JSON) -> dict[str, JSON]:
    return {name: value for name, value in fields.items() if value is not None}


class StepDecoder(ABC):
    """Provider events in, chunks of one step out.

    A stream that ends without the provider's terminal event finishes as `interrupted`, unless the
    subclass sets `finish_reason`. What is still open when the step ends is closed here, what a
    delta finds closed is opened, and what is opened or ended twice is so once: a provider may lose
    or repeat events.

    Attributes:
        finish_reason: How the step ends, as far as it is known.
        metadata: Goes into the message's metadata with `finish`; None values are left out.
        failed: An `error` chunk was given.
        is_done: The wire has said that it is at its end.
    """

    def __init__(self) -> None:
        self.finish_reason: FinishReason = "interrupted"
        self.raw_finish_reason: str | None = None
        self.usage: Usage | None = None
        self.metadata: dict[str, JSON] = {}
        self.failed = False
        self.is_done = False
        self._begun = False
        self._blocks: dict[tuple[type[UIMessageChunk], str], None] = {}
        self._inputs: dict[str, tuple[ToolInputStart, list[str]]] = {}

    @abstractmethod
    def decode(self, event: JSON) -> list[UIMessageChunk]:
        """Say what one event means. Called by `feed`; never by others."""

    def flush(self) -> list[UIMessageChunk]:
        """Say what was held back until the stream's end."""
        return []

    def done(self) -> None:
        """Note that the wire has said it is at its end, as `[DONE]` does."""
        self.is_done = True

    def begin(self) -> None:
        """Open the step with the next chunks; an error now comes inside it."""
        if not self._begun:
            self._begun = True
            self._opening = True

    _opening = False

    def feed(self, event: JSON) -> list[UIMessageChunk]:
        """Give the chunks of one event: a JSON object, or an SDK's object with `model_dump`."""
        if self.failed and not self._begun:  # an error before any output stands alone
            return []
        if not isinstance(event, dict):
            event = event.model_dump(mode="json", by_alias=True, exclude_unset=True)
        try:
            chunks = self.decode(event)
        except _MISFITS as error:
            chunks = self._misfit(error)
        return self._noted(chunks)

    def fail(self, text: str) -> list[UIMessageChunk]:
        """Give an `error` chunk, once; `end` then closes the step with reason `error`."""
        self.finish_reason = "error"
        if self.failed:
            return []
        self.failed = True
        return self._noted([Error(error_text=text)])

    def end(self) -> list[UIMessageChunk]:
        """Close what is open, then the step. Nothing if it failed before it had begun."""
        if self.failed and not self._begun:
            return []
        self.begin()
        try:
            chunks = self.flush()
            usage = self.usage.to_wire() if self.usage is not None else None
        except _MISFITS as error:
            chunks, usage = self._misfit(error), None
        chunks = self._noted(chunks)
        if self._opening:
            self._opening = False
            chunks = [StartStep(), *chunks]
        chunks += self._closings()
        metadata = {
            "finishReason": self.finish_reason,
            "rawFinishReason": self.raw_finish_reason,
            "usage": usage,
            **self.metadata,
        }
        return [
            *chunks,
            FinishStep(),
            Finish(finish_reason=self.finish_reason, message_metadata=_known(**metadata)),
        ]

    def tool_input(
        self,
        call_id: str,
        name: str | None = None,
        text: str | None = None,
        *,
        provider_executed: bool | Absent = ABSENT,
        provider_metadata: ProviderMetadata | Absent = ABSENT,
        dynamic: bool | Absent = ABSENT,
    ) -> UIMessageChunk:
        """Give `tool-input-available`, or `tool-input-error` if `text` is not JSON.

        Empty text is an empty object: some models write nothing for no arguments.

        Args:
            call_id: The call's id.
            name: The tool's name; None takes the one that the call was started with.
            text: The arguments' JSON; None takes the deltas that were given.
            provider_executed: The provider runs the tool itself.
            provider_metadata: What the next request must say of the call.
            dynamic: The tool is known only at run time.
        """
        if name is None or text is None:
            opened, written = self._inputs[call_id]
            name = opened.tool_name if name is None else name
            text = "".join(written) if text is None else text
        try:
            value = msgspec.json.decode(text) if text.strip() else {}
        except msgspec.DecodeError as error:
            return ToolInputError(
                tool_call_id=call_id,
                tool_name=name,
                input=text,
                error_text=f"the input of tool {name!r} is not JSON: {error}",
                provider_executed=provider_executed,
                provider_metadata=provider_metadata,
                dynamic=dynamic,
            )
        return ToolInputAvailable(
            tool_call_id=call_id,
            tool_name=name,
            input=value,
            provider_executed=provider_executed,
            provider_metadata=provider_metadata,
            dynamic=dynamic,
        )

    def is_open(self, start: type[UIMessageChunk], part_id: str) -> bool:
        """Whether the block that a `start` chunk opened under `part_id` is still open."""
        return (start, part_id) in self._blocks

    def _noted(self, chunks: list[UIMessageChunk]) -> list[UIMessageChunk]:
        if not chunks:
            return chunks
        if (  # the path of a token
            len(chunks) == 1
            and type(first := chunks[0]) is TextDelta
            and type(first.id) is str
            and (TextStart, first.id) in self._blocks
            and not self._opening
        ):
            return chunks
        mended: list[UIMessageChunk] | None = None
        for index, chunk in enumerate(chunks):
            note = self._NOTES.get(type(chunk))
            try:
                said = None if note is None else note(self, chunk)
            except _MISFITS as error:
                said = self._misfit(error)
            if said is not None and mended is None:
                mended = chunks[:index]
            if mended is not None:
                mended += [chunk] if said is None else said
        if mended is not None:
            chunks = mended
            if not chunks:
                return chunks
        if not self._begun and not (len(chunks) == 1 and isinstance(chunks[0], Error)):
            self.begin()
        if self._opening:
            self._opening = False
            return [StartStep(), *chunks]
        return chunks

    def _misfit(self, error: Exception) -> list[UIMessageChunk]:
        self.finish_reason = "error"
        if self.failed:
            return []
        self.failed = True
        return [Error(error_text=f"{UNEXPECTED}: {type(error).__name__} {error}")]

    def _closings(self) -> list[UIMessageChunk]:
        chunks: list[UIMessageChunk] = []
        for start, part_id in self._blocks:
            end = TextEnd(id=part_id) if start is TextStart else ReasoningEnd(id=part_id)
            chunks.append(end)
        for call_id, (opened, written) in self._inputs.items():
            chunks.append(
                ToolInputError(
                    tool_call_id=call_id,
                    tool_name=opened.tool_name,
                    input="".join(written),
                    error_text="the stream ended before the tool's input was complete",
                    provider_executed=opened.provider_executed,
                    dynamic=opened.dynamic,
                )
            )
        self._blocks.clear()
        self._inputs.clear()
        return chunks

    # Notes give None where a chunk may stand as it is, else what stands instead.

    def _open_block(self, chunk: Any) -> list[UIMessageChunk] | None:
        key = (type(chunk), chunk.id)
        if key in self._blocks:
            return []
        self._blocks[key] = None
        return None

    def _write_text(self, chunk: Any) -> list[UIMessageChunk] | None:
        if (TextStart, chunk.id) in self._blocks:
            return None
        self._blocks[TextStart, chunk.id] = None
        return [TextStart(id=chunk.id), chunk]

    def _write_reasoning(self, chunk: Any) -> list[UIMessageChunk] | None:
        if (ReasoningStart, chunk.id) in self._blocks:
            return None
        self._blocks[ReasoningStart, chunk.id] = None
        return [ReasoningStart(id=chunk.id), chunk]

    def _close_text(self, chunk: Any) -> list[UIMessageChunk] | None:
        return self._closed(TextStart, chunk.id)

    def _close_reasoning(self, chunk: Any) -> list[UIMessageChunk] | None:
        return self._closed(ReasoningStart, chunk.id)

    def _closed(self, start: type[UIMessageChunk], part_id: str) -> list[UIMessageChunk] | None:
        if (start, part_id) not in self._blocks:
            return []
        del self._blocks[start, part_id]
        return None

    def _open_input(self, chunk: Any) -> list[UIMessageChunk] | None:
        if chunk.tool_call_id in self._inputs:
            return []
        self._inputs[chunk.tool_call_id] = (chunk, [])
        return None

    def _write_input(self, chunk: Any) -> list[UIMessageChunk] | None:
        opened = self._inputs.get(chunk.tool_call_id)
        if opened is None:  # its name is not known
            return []
        if not isinstance(chunk.input_text_delta, str):
            raise TypeError("a piece of a tool's input is no text")
        opened[1].append(chunk.input_text_delta)
        return None

    def _close_input(self, chunk: Any) -> None:
        if chunk.tool_call_id in self._inputs:
            del self._inputs[chunk.tool_call_id]

    def _note_error(self, chunk: Any) -> None:
        self.failed = True

    _NOTES: ClassVar[
        dict[type[UIMessageChunk], Callable[[Any, Any], list[UIMessageChunk] | None]]
    ] = {
        TextDelta: _write_text,
        ReasoningDelta: _write_reasoning,
        TextStart: _open_block,
        ReasoningStart: _open_block,
        TextEnd: _close_text,
        ReasoningEnd: _close_reasoning,
        ToolInputStart: _open_input,
        ToolInputDelta: _write_input,
        ToolInputAvailable: _close_input,
        ToolInputError: _close_input,
        Error: _note_error,
    }
