"""Smoothing: a model's uneven deltas cut anew into words, lines or what you like.

Rule: text is only moved to later deltas, never changed; any other chunk, another block and provider
metadata flush what is held.
Source: AI SDK 7.0.173 `smoothStream`, pinned by the vectors of group `smooth`.
"""

from __future__ import annotations

import re
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from typing import Literal, TypeAlias

import anyio
import msgspec

from ..chunks import ABSENT, ReasoningDelta, TextDelta, UIMessageChunk

__all__ = ["ChunkSmoother", "Chunking", "smooth"]

Chunking: TypeAlias = Literal["word", "line"] | re.Pattern[str] | Callable[[str], str | None]
"""What becomes one delta: `word`, `line`, all text up to the end of a match, or a function that
gives the beginning of the text held so far, or None to wait for more."""

_SPACE = "\t\n\v\f\r \u00a0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000\ufeff"
_PATTERNS: dict[str, re.Pattern[str]] = {
    "word": re.compile(f"[^{_SPACE}]+[{_SPACE}]+"),
    "line": re.compile(r"\n+"),
}
_Delta: TypeAlias = TextDelta | ReasoningDelta


class ChunkSmoother:
    """Chunks in, chunks out: the pure part, without delay.

    Args:
        chunking: What becomes one delta.
    """

    def __init__(self, chunking: Chunking = "word") -> None:
        self._detect = _detector(chunking)
        self._held = ""
        self._like: _Delta | None = None  # the delta whose block and metadata the held text has

    def feed(self, chunk: UIMessageChunk) -> list[UIMessageChunk]:
        """Give the chunks that may go out now.

        Raises:
            ValueError: If the detector gives what the held text does not begin with.
        """
        if not isinstance(chunk, TextDelta | ReasoningDelta) or chunk.extra is not ABSENT:
            return [*self.flush(), chunk]
        if not chunk.delta and chunk.provider_metadata is not ABSENT:
            return [*self.flush(), chunk]  # there is no text to carry the metadata later
        ready = [] if self._goes_on(chunk) else self.flush()
        self._like = chunk
        self._held += chunk.delta
        while (piece := self._detect(self._held)) is not None:
            self._held = self._held[len(piece) :]
            ready.append(msgspec.structs.replace(chunk, delta=piece))
        return ready

    def flush(self) -> list[UIMessageChunk]:
        """Give what is held, whether complete or not."""
        if not self._held or self._like is None:
            return []
        held, self._held = self._held, ""
        return [msgspec.structs.replace(self._like, delta=held)]

    def _goes_on(self, chunk: _Delta) -> bool:
        like = self._like
        return (
            like is not None
            and type(like) is type(chunk)
            and like.id == chunk.id
            and like.provider_metadata is chunk.provider_metadata is ABSENT
        )


async def smooth(
    chunks: AsyncIterator[UIMessageChunk],
    *,
    chunking: Chunking = "word",
    delay_s: float | None = 0.01,
) -> AsyncGenerator[UIMessageChunk, None]:
    """Give the chunks of `chunks` smoothed, and close it at the end.

    Unlike the AI SDK, text that is held when the stream ends is given, not dropped.

    Args:
        chunks: A generator of chunks, such as a model adapter's.
        chunking: What becomes one delta.
        delay_s: Seconds between two deltas that were one; None for no delay.
    """
    smoother = ChunkSmoother(chunking)
    try:
        async for chunk in chunks:
            for at, ready in enumerate(smoother.feed(chunk)):
                if at and delay_s is not None:
                    await anyio.sleep(delay_s)
                yield ready
        for ready in smoother.flush():
            yield ready
    finally:
        if isinstance(chunks, AsyncGenerator):
            await chunks.aclose()


def _detector(chunking: Chunking) -> Callable[[str], str | None]:
    if callable(chunking):
        return _checked(chunking)
    pattern = _PATTERNS[chunking] if isinstance(chunking, str) else chunking

    def detect(text: str) -> str | None:
        match = pattern.search(text)
        return text[: match.end()] if match is not None and match.end() > match.start() else None

    return detect


def _checked(detect: Callable[[str], str | None]) -> Callable[[str], str | None]:
    def checked(text: str) -> str | None:
        piece = detect(text)
        if piece is not None and (not piece or not text.startswith(piece)):
            raise ValueError(f"unable to smooth; {piece!r} is not the beginning of the held text")
        return piece

    return checked
