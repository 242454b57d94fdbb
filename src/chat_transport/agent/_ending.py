"""How a handler said that its reply ends: held back until it has ended.

Rule: the gravest word wins; the metadata of a `finish` is told at once when another one follows.
"""

from __future__ import annotations

from typing import Any, TypeAlias

from .._chunk_log import ChunkLog
from ..chunks import ABSENT, Abort, Error, Finish, FinishReason, MessageMetadata, UIMessageChunk
from ._states import Completed, Failed, RunEvent, Stopped, Waits

__all__ = ["Ending"]

JSON: TypeAlias = Any  # any JSON value


class Ending:
    """The ending of one run.

    Attributes:
        held: What the handler said; None while it said nothing of the kind.
    """

    def __init__(self, log: ChunkLog) -> None:
        self.held: Finish | Abort | Error | None = None
        self._log = log

    def hold(self, chunk: Finish | Abort | Error) -> None:
        """Keep the handler's ending."""
        held = self.held
        if isinstance(held, Finish):
            self.tell(held.message_metadata)
        if isinstance(held, Abort | Error) and isinstance(chunk, Finish):
            self.tell(chunk.message_metadata)
        elif not isinstance(held, Error):
            self.held = chunk

    def tell(self, metadata: JSON) -> None:
        """Say metadata of the message, if it is any."""
        if metadata is not ABSENT:
            self._log.append(MessageMetadata(message_metadata=metadata))

    def last_chunk(self, event: RunEvent, *, was_cut: bool) -> UIMessageChunk:
        """Give the terminal chunk of a run that ends by `event`."""
        held = self.held
        match event:
            case Failed(text=text):
                if isinstance(held, Finish):
                    self.tell(held.message_metadata)
                return Error(error_text=text)
            case Stopped(text=text):
                if isinstance(held, Finish):
                    self.tell(held.message_metadata)
                return Abort(reason=ABSENT if text is None else text)
            case Completed() | Waits():
                if isinstance(held, Finish):
                    return held
                reason: FinishReason = "other" if was_cut else "stop"
                return Finish(finish_reason="tool-calls" if isinstance(event, Waits) else reason)
