"""The pen of a `MessageStream`: chunks, whole texts, blocks, steps, data, other streams.

Rule: a block or a step that is opened here is closed here, also when the application fails.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Generator
from contextlib import contextmanager
from typing import Any, Literal, Protocol, TypeAlias

from ..chunks import (
    ABSENT,
    DataChunk,
    FinishStep,
    MessageMetadata,
    ReasoningDelta,
    ReasoningEnd,
    ReasoningStart,
    StartStep,
    TextDelta,
    TextEnd,
    TextStart,
    UIMessageChunk,
)

__all__ = ["BlockWriter", "ReplySink", "ReplyWriter", "StreamOutcome"]

JSON: TypeAlias = Any  # any JSON value
StreamOutcome: TypeAlias = Literal["completed", "aborted", "failed", "unknown"]


class ReplySink(Protocol):
    """Where a writer writes to."""

    def put(self, chunk: UIMessageChunk) -> None:
        """Take a chunk."""

    def add(self, chunks: AsyncIterator[UIMessageChunk]) -> None:
        """Read a stream into the reply."""

    def tell(self, error: Exception) -> str:
        """Give the text that the client sees of an error."""
        ...

    def decide(self, outcome: StreamOutcome) -> None:
        """Note how the reply ended."""


class BlockWriter:
    """An open text or reasoning block."""

    def __init__(self, stream: ReplySink, kind: Literal["text", "reasoning"], id: str) -> None:  # noqa: A002  # the protocol's word
        self._stream = stream
        self._is_text = kind == "text"
        self.id = id

    def write(self, delta: str) -> None:
        """Add text; nothing is written for an empty one."""
        if delta:
            cls = TextDelta if self._is_text else ReasoningDelta
            self._stream.put(cls(id=self.id, delta=delta))


class ReplyWriter:
    """Writes one reply. Nothing here waits; what is written after the end is ignored or refused."""

    def __init__(self, stream: ReplySink) -> None:
        self._stream = stream
        self._blocks = 0

    def write(self, chunk: UIMessageChunk) -> None:
        """Write one chunk.

        Raises:
            LocalProtocolError: If the stream is ordered and the chunk cannot come here.
        """
        self._stream.put(chunk)

    def merge(self, chunks: AsyncIterator[UIMessageChunk]) -> None:
        """Read another stream into the reply from now on, beside what is written meanwhile.

        In an ordered stream its ids are kept apart from all others, and its start and finish do
        not begin or end the reply. A generator is closed when it ends or the reader leaves.
        """
        self._stream.add(chunks)

    def text(self, text: str) -> None:
        """Write a whole text block."""
        with self.text_block() as block:
            block.write(text)

    @contextmanager
    def text_block(self) -> Generator[BlockWriter, None, None]:
        """Open a text block, and close it at the end of the `with` block."""
        block = BlockWriter(self._stream, "text", self._next_id())
        self._stream.put(TextStart(id=block.id))
        try:
            yield block
        finally:
            self._stream.put(TextEnd(id=block.id))

    @contextmanager
    def reasoning_block(self) -> Generator[BlockWriter, None, None]:
        """Open a reasoning block, and close it at the end of the `with` block."""
        block = BlockWriter(self._stream, "reasoning", self._next_id())
        self._stream.put(ReasoningStart(id=block.id))
        try:
            yield block
        finally:
            self._stream.put(ReasoningEnd(id=block.id))

    @contextmanager
    def step(self) -> Generator[None, None, None]:
        """Put a step around what is written in the `with` block."""
        self._stream.put(StartStep())
        try:
            yield
        finally:
            self._stream.put(FinishStep())

    def data(
        self,
        name: str,
        data: JSON,
        *,
        id: str | None = None,  # noqa: A002  # the protocol's word
        transient: bool = False,
    ) -> None:
        """Write application data.

        Args:
            name: The part of the type after `data-`.
            data: Any JSON value.
            id: Data of the same name and id replaces what was written before.
            transient: Shown once and never stored.
        """
        self._stream.put(
            DataChunk(
                type=f"data-{name}",
                data=data,
                id=ABSENT if id is None else id,
                transient=True if transient else ABSENT,
            )
        )

    def metadata(self, metadata: JSON) -> None:
        """Merge metadata into the message's."""
        self._stream.put(MessageMetadata(message_metadata=metadata))

    def error_text(self, error: Exception) -> str:
        """Give the text that the client sees of an error, for streams that are merged."""
        return self._stream.tell(error)

    def set_outcome(self, outcome: StreamOutcome) -> None:
        """Say how the reply ended: the first word counts, until something fails."""
        self._stream.decide(outcome)

    def _next_id(self) -> str:
        self._blocks += 1
        return f"block-{self._blocks}"
