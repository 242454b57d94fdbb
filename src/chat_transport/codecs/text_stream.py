"""Plain text as a reply: the body of a server that streams nothing but words.

Rule: each read that holds text becomes one text-delta; the frame around it is made here.
Source: `TextStreamChatTransport` of AI SDK 7.0.173, pinned by the vectors `text-stream/*`.
"""

from __future__ import annotations

import codecs
from collections.abc import Sequence

from ..chunks import (
    CHUNK_TYPES,
    Finish,
    FinishStep,
    Start,
    StartStep,
    TextDelta,
    TextEnd,
    TextStart,
    UIMessageChunk,
)

__all__ = ["DROPPED_BY_TEXT", "RESPONSE_CONTENT_TYPE", "TextStreamDecoder"]

RESPONSE_CONTENT_TYPE = "text/plain; charset=utf-8"
"""Content type that a server of plain text gives."""
DROPPED_BY_TEXT = frozenset(CHUNK_TYPES) - {
    cls.type for cls in (Start, StartStep, TextStart, TextDelta, TextEnd, FinishStep, Finish)
}
"""Chunk types that such a body has no words for."""
_BLOCK_ID = "text-1"


class TextStreamDecoder:
    """Bytes in, chunks out; invalid UTF-8 becomes U+FFFD, split characters are joined."""

    def __init__(self) -> None:
        self._utf8 = codecs.getincrementaldecoder("utf-8-sig")("replace")

    def open(self) -> Sequence[UIMessageChunk]:
        """Give what stands before the text: to be read as soon as the response begins."""
        return (Start(), StartStep(), TextStart(id=_BLOCK_ID))

    def feed(self, data: bytes) -> Sequence[UIMessageChunk]:
        """Give the text of one read."""
        text = self._utf8.decode(data)
        waiting = self._utf8.getstate()[0]
        if waiting[:1] == b"\xed" and waiting[1:2] >= b"\xa0":
            # Half a surrogate pair in UTF-8 is invalid; Python waits for its third byte to say so.
            text += self._utf8.decode(b"", final=True)
        return (TextDelta(id=_BLOCK_ID, delta=text),) if text else ()

    def close(self) -> Sequence[UIMessageChunk]:
        """Give what stands after the text, when the body ended well."""
        rest = self._utf8.decode(b"", final=True)
        end = (TextEnd(id=_BLOCK_ID), FinishStep(), Finish())
        return (TextDelta(id=_BLOCK_ID, delta=rest), *end) if rest else end
