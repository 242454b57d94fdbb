"""What a payload codec gives to the encoder, and takes from the decoder.

Rule: the wire of streams, runs and steps is one; what a message means is the payload codec's.
There are two: UI message chunks (`ui_chunks`) and OpenAI Responses events (`openai_responses`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Generic, Protocol, TypeAlias, TypeVar

import msgspec

__all__ = ["Close", "Grow", "InputWords", "Open", "Payload", "PayloadCodec", "StreamView", "Whole"]

JSON: TypeAlias = Any  # any JSON value
C = TypeVar("C")


class Open(msgspec.Struct, frozen=True):
    """A streamed message begins."""

    stream_id: str
    codec: dict[str, str]


class Grow(msgspec.Struct, frozen=True):
    """More text for an open stream."""

    stream_id: str
    text: str


class Close(msgspec.Struct, frozen=True):
    """A stream is complete.

    Attributes:
        overlay: Codec headers that replace those of the open.
        text_if_empty: What to stream after all, if nothing was.
        otherwise: Payloads to send instead if no such stream is open.
    """

    stream_id: str
    overlay: dict[str, str]
    text_if_empty: str = ""
    otherwise: Sequence[Any] = ()


class Whole(msgspec.Struct, frozen=True):
    """A discrete message."""

    codec: dict[str, str]
    data: JSON = ""
    ephemeral: bool = False


Payload: TypeAlias = Open | Grow | Close | Whole


@dataclass(slots=True)
class StreamView:
    """A streamed message as the decoder knows it. Text is kept in pieces."""

    serial: str
    name: str
    stream_id: str
    transport: Mapping[str, str]
    codec: Mapping[str, str]
    version: str
    closing: Mapping[str, str] | None = None
    """Codec headers of the message that completed the stream; None while it is not complete."""
    closed: bool = False
    pieces: list[str] = field(default_factory=list[str])

    @property
    def text(self) -> str:
        """All text so far; joined once."""
        if len(self.pieces) > 1:
            self.pieces[:] = ["".join(self.pieces)]
        return self.pieces[0] if self.pieces else ""


@dataclass(frozen=True, slots=True, kw_only=True)
class InputWords:
    """What inputs are called in a codec tier.

    Attributes:
        call: Header that names a tool call.
        text: `partType` of text.
        names_messages: User messages carry the application's id (`messageId`).
    """

    call: str = "toolCallId"
    text: str = "text"
    names_messages: bool = True


class PayloadCodec(Protocol, Generic[C]):
    """Translation between chunks of type C and the codec tier. Without state."""

    words: InputWords

    def encode(self, chunk: C, message_id: str) -> Sequence[Payload]:
        """Say what to send for `chunk`.

        Raises:
            LocalProtocolError: If the wire cannot carry it.
        """
        ...

    def start(self, stream: StreamView) -> Sequence[C]:
        """Give the chunks of a stream's begin."""
        ...

    def delta(self, stream: StreamView, text: str) -> Sequence[C]:
        """Give the chunks of more text."""
        ...

    def end(self, stream: StreamView) -> Sequence[C]:
        """Give the chunks of a stream's completion; `stream.closing` is set."""
        ...

    def whole(self, codec: Mapping[str, str], data: JSON) -> Sequence[C]:
        """Give the chunks of a discrete message; none for a kind that is not known."""
        ...
