"""Says a run's log through a speaker, with its attempts in their places where the wire has a word.

Rule: what stays when an attempt is taken back in the log (metadata, the outputs of earlier calls,
new values of earlier data) is said beside the attempt, so that it stays on the channel too.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeAlias

from ...agent.attempts import AttemptMark
from ...chunks import (
    ABSENT,
    DataChunk,
    MessageMetadata,
    ResetStep,
    StartStep,
    TextDelta,
    ToolApprovalRequest,
    ToolApprovalResponse,
    ToolInputAvailable,
    ToolInputError,
    ToolInputStart,
    ToolOutputAvailable,
    ToolOutputDenied,
    ToolOutputError,
    UIMessageChunk,
    is_terminal,
)
from ...codecs.ably.operations import Operation
from .again import SteppingSpeaker
from .wire import Speaker

__all__ = ["Speech"]

_BEGINS_CALL = (ToolInputStart, ToolInputAvailable, ToolInputError)
_OF_CALL = (ToolOutputAvailable, ToolOutputError, ToolOutputDenied, ToolApprovalRequest)
_Key: TypeAlias = tuple[str, str]


class Speech:
    """What one run says on one wire.

    Args:
        speaker: Of the wire.
        marks: Where attempts begin and end in the log; may grow meanwhile.
    """

    def __init__(self, speaker: Speaker, marks: Sequence[AttemptMark]) -> None:
        self._say_plainly = speaker.encode
        self._stepping = speaker if isinstance(speaker, SteppingSpeaker) else None
        self._marks: Sequence[AttemptMark] = marks if self._stepping is not None else ()
        self._read = 0
        self._in_attempt = False
        self._data: set[_Key] = set()
        self._here: set[_Key] = set()

    def say(self, number: int, chunk: UIMessageChunk) -> Sequence[Operation]:
        """Give the operations of a chunk, which is this number of the log.

        Raises:
            LocalProtocolError: If the wire cannot carry it.
        """
        if type(chunk) is TextDelta and self._read == len(self._marks):
            return self._say_plainly(chunk)  # nearly all chunks there are
        before: list[Operation] = []
        while self._read < len(self._marks) and self._marks[self._read].at <= number:
            mark = self._marks[self._read]
            self._read += 1
            before += self._pass(mark)
            if mark.retries and isinstance(chunk, ResetStep):
                chunk = StartStep()  # the marker of the attempt before is void with it
        if self._stepping is not None and is_terminal(chunk):
            before += self._stepping.settle()
        said = self._encode(chunk)
        return [*before, *said] if before else said

    def _pass(self, mark: AttemptMark) -> Sequence[Operation]:
        assert self._stepping is not None
        if mark.reason is not None:
            self._in_attempt = False
            return self._stepping.end_attempt(mark.reason)
        if not mark.retries:
            self._data |= self._here
        self._here = set()
        self._in_attempt = True
        return self._stepping.begin_attempt(mark.step)

    def _encode(self, chunk: UIMessageChunk) -> Sequence[Operation]:
        if isinstance(chunk, DataChunk) and chunk.id is not ABSENT and not self._in_attempt:
            self._data.add((chunk.type, chunk.id))
        if self._in_attempt and self._stays(chunk):
            assert self._stepping is not None
            return self._stepping.encode_beside(chunk)
        return self._say_plainly(chunk)

    def _stays(self, chunk: UIMessageChunk) -> bool:
        """Whether the chunk outlives its attempt; else note what it begins."""
        if isinstance(chunk, _BEGINS_CALL):
            self._here.add(("call", chunk.tool_call_id))
        elif isinstance(chunk, _OF_CALL):
            if ("call", chunk.tool_call_id) not in self._here:
                return True
            if isinstance(chunk, ToolApprovalRequest):
                self._here.add(("approval", chunk.approval_id))
        elif isinstance(chunk, ToolApprovalResponse):
            return ("approval", chunk.approval_id) not in self._here
        elif isinstance(chunk, DataChunk) and chunk.id is not ABSENT:
            if (chunk.type, chunk.id) in self._data:
                return True
            self._here.add((chunk.type, chunk.id))
        return isinstance(chunk, MessageMetadata)
