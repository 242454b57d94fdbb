"""One reader of one reply: a log of its own, fed from what the channel says.

Rule: a stream ends with exactly one terminal chunk, the agent's or one made of how the run ended.
What was taken back or replaced on the channel is taken back here, as far as a step, and told anew.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress

from ..._chunk_log import ChunkLog
from ...chunks import (
    ABSENT,
    Abort,
    Error,
    Finish,
    MessageMetadata,
    ResetStep,
    Start,
    StartStep,
    UIMessageChunk,
    is_terminal,
)
from ...errors import RemoteProtocolError, StreamInterrupted
from ...messages import StepStartPart, UIMessagePart
from ...reducer import MessageReducer
from .wire import Heard

__all__ = ["ReplyReader"]


class ReplyReader:
    """A reply as one reader gets it.

    Attributes:
        chunks: What it was given.
        stream: Where it reads.
    """

    def __init__(self, run_id: str | None = None) -> None:
        self.chunks = ChunkLog(run_id)
        self.stream = self.chunks.stream()
        self._has_marker = False

    def name(self, run_id: str) -> None:
        """Note which run speaks."""
        self.chunks.run_id = self.stream.run_id = run_id

    def take(self, heard: Heard, told: Sequence[UIMessageChunk] = ()) -> None:
        """Take what was said of this reply.

        Args:
            heard: What.
            told: If that replaces what was said before: the whole reply, anew.
        """
        if self.chunks.run_id is None and heard.ref.run_id is not None:
            self.name(heard.ref.run_id)
        if heard.is_replaced:
            self._replace(told)
        elif heard.chunks:
            self._extend(heard.chunks)
        if heard.event in {"run-end", "run-suspend"} and not self.chunks.closed:
            self.chunks.append(_terminal(heard))
            self.chunks.close()

    def _extend(self, chunks: Sequence[UIMessageChunk]) -> None:
        if self._has_marker:
            chunks = self._without_marker(chunks)
        for index, chunk in enumerate(chunks):
            if is_terminal(chunk):
                self.chunks.extend(chunks[: index + 1])
                self.chunks.close()
                return
        self.chunks.extend(chunks)

    def _without_marker(self, chunks: Sequence[UIMessageChunk]) -> Sequence[UIMessageChunk]:
        """Leave out the step's begin that a reset has left standing."""
        for index, chunk in enumerate(chunks):
            if not isinstance(chunk, Start | MessageMetadata):
                self._has_marker = False
                if isinstance(chunk, StartStep):
                    return [*chunks[:index], *chunks[index + 1 :]]
                return chunks
        return chunks

    def _replace(self, told: Sequence[UIMessageChunk]) -> None:
        """Take back all steps from the first one that is no longer so, and tell them anew."""
        if self.chunks.closed:
            return
        given, wanted = _steps_shown(self.chunks.merged()), _steps_shown(told)
        said = _steps_said(told)
        same = 0
        while same < min(len(given), len(wanted)) and given[same] == wanted[same]:
            same += 1
        if same == len(given) == len(wanted):
            return
        if same == 0 or len(said) != len(
            wanted
        ):  # said before any step: not to be taken back alone
            self.chunks.close(
                StreamInterrupted("what was said before was replaced", resumable=True)
            )
            return
        anew = [chunk for step in said[same:] for chunk in step]
        if void := len(given) - same:
            self.chunks.append(ResetStep(steps=ABSENT if void == 1 else void))
            self._has_marker = not anew
            anew = anew[1:]  # a reset leaves the marker of the first step
        self._extend(anew)


def _steps_shown(chunks: Sequence[UIMessageChunk]) -> list[list[UIMessagePart]]:
    """Give the parts of a reply step by step; what comes before the first step is the first."""
    reducer = MessageReducer(message_id="")
    for chunk in chunks:
        with suppress(RemoteProtocolError):  # of a call that an earlier pass of the run made
            reducer.feed(chunk)
    steps: list[list[UIMessagePart]] = [[]]
    for part in reducer.message.parts:
        if isinstance(part, StepStartPart):
            steps.append([])
        steps[-1].append(part)
    return steps


def _steps_said(chunks: Sequence[UIMessageChunk]) -> list[list[UIMessageChunk]]:
    """Split a reply at its steps in the same way."""
    steps: list[list[UIMessageChunk]] = [[]]
    for chunk in chunks:
        if isinstance(chunk, StartStep):
            steps.append([])
        steps[-1].append(chunk)
    return steps


def _terminal(heard: Heard) -> UIMessageChunk:
    """Give the terminal chunk that the agent did not: JavaScript agents may leave it out."""
    if heard.event == "run-suspend":
        return Finish(finish_reason="tool-calls")
    if heard.reason == "cancelled":
        return Abort()
    if heard.reason == "error":
        return Error(error_text=heard.error_text or "the agent failed")
    return Finish()
