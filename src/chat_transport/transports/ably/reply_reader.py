"""Readers of replies: each a log of its own, fed from what the channel says.

Rule: a stream ends with exactly one terminal chunk, the agent's or one made of how the run ended.
A run may say more after that (JavaScript agents answer a steer in a further pass): `ReplyReaders`
tells when it does, and whoever wants it reads it as a stream of its own.
What was taken back or replaced on the channel is taken back here, as far as a step, and told anew.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
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
from ...errors import RemoteProtocolError, StreamInterrupted, TransportError
from ...messages import StepStartPart, UIMessagePart
from ...reducer import MessageReducer
from .wire import Heard, RunRef

__all__ = ["ReplyReader", "ReplyReaders"]

REMEMBERED = 1000
"""Runs that have said a terminal chunk and not ended."""


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
        if heard.is_replaced and heard.event != "input":
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


class ReplyReaders:
    """Who reads which reply of one chat. Replies are told apart by the input they answer.

    Attributes:
        speakers: Client id of who speaks, for each input whose reply is read.
    """

    def __init__(self) -> None:
        self._readers: dict[str, list[ReplyReader]] = {}
        self._paused: dict[str | None, None] = {}
        self.speakers: dict[str, str] = {}

    def add(
        self, input_id: str, run_id: str | None = None, said: Sequence[UIMessageChunk] = ()
    ) -> ReplyReader:
        """Read the reply to an input from now on, after what it has `said` in its newest pass."""
        reader = ReplyReader(run_id)
        self._readers.setdefault(input_id, []).append(reader)
        if said:
            newest = _newest_pass(said)
            if is_terminal(newest[-1]):
                self._paused[run_id] = None
            reader.take(Heard(ref=RunRef(run_id=run_id, input_id=input_id), chunks=newest))
        return reader

    def drop(self, input_id: str, reader: ReplyReader) -> None:
        """Stop reading; once is enough."""
        readers = self._readers.get(input_id, [])
        if reader in readers:
            readers.remove(reader)
        if not readers:
            self._readers.pop(input_id, None)
            self.speakers.pop(input_id, None)

    def reads(self, input_id: str) -> bool:
        """Whether anybody reads this reply."""
        return input_id in self._readers

    def deliver(
        self,
        heard: Heard,
        client_id: str | None,
        tell: Callable[[RunRef], Sequence[UIMessageChunk]],
    ) -> None:
        """Hand on what was said.

        Args:
            heard: What.
            client_id: Who said it.
            tell: Gives a reply anew, if what was said of it before is replaced.
        """
        input_id = heard.ref.input_id or ""
        readers = self._readers.get(input_id)
        if readers is None:
            return
        if client_id is not None and (heard.chunks or heard.event in {"run-start", "run-resume"}):
            self.speakers[input_id] = client_id
        told = _newest_pass(tell(heard.ref)) if heard.is_replaced else ()
        for reader in tuple(readers):
            reader.take(heard, told)
            if reader.chunks.closed:
                self.drop(input_id, reader)

    def goes_on(self, heard: Heard) -> bool:
        """Whether a reply that had said its terminal chunk begins anew, and nobody reads it.

        To be asked once for each thing heard, after it was delivered.
        """
        run_id = heard.ref.run_id
        begins = False
        if heard.event in {"run-end", "run-resume"}:
            self._paused.pop(run_id, None)
        elif heard.chunks:
            if run_id in self._paused and isinstance(heard.chunks[0], Start):
                del self._paused[run_id]
                begins = not self.reads(heard.ref.input_id or "")
            if is_terminal(heard.chunks[-1]):
                self._paused[run_id] = None
                if len(self._paused) > REMEMBERED:
                    del self._paused[next(iter(self._paused))]
        return begins

    def close(self, error: TransportError, input_ids: Sequence[str] | None = None) -> None:
        """Break off these replies, or all."""
        for input_id in list(self._readers) if input_ids is None else input_ids:
            for reader in tuple(self._readers.get(input_id, ())):
                reader.chunks.close(error)
                self.drop(input_id, reader)

    def waiting(self) -> Sequence[RunRef]:
        """Give the replies that are read and have not ended, by the names known of them."""
        return [
            RunRef(run_id=readers[0].chunks.run_id, input_id=input_id)
            for input_id, readers in self._readers.items()
        ]


def _newest_pass(said: Sequence[UIMessageChunk]) -> Sequence[UIMessageChunk]:
    """Leave out passes that ended before the newest one began."""
    ends = [n for n, chunk in enumerate(said[:-1]) if is_terminal(chunk)]
    return said[ends[-1] + 1 :] if ends else said


def _terminal(heard: Heard) -> UIMessageChunk:
    """Give the terminal chunk that the agent did not: JavaScript agents may leave it out."""
    if heard.event == "run-suspend":
        return Finish(finish_reason="tool-calls")
    if heard.reason == "cancelled":
        return Abort()
    if heard.reason == "error":
        return Error(error_text=heard.error_text or "the agent failed")
    return Finish()
