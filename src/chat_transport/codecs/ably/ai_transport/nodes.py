"""What a conversation is made of: input nodes and run nodes, each a log of wires.

Rule: everything is derived from facts with serials, so the order of arrival does not matter:
history read backwards and live traffic end in the same state.
Source: @ably/ai-transport 0.8.0, `core/transport/tree.ts`, `wire-log.ts`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Generic, Protocol, TypeVar

from .facts import RunFacts
from .input_events import InputEvent
from .payload import PayloadCodec, StreamView

__all__ = ["MessageFold", "Node", "Wire"]

C = TypeVar("C")
C_contra = TypeVar("C_contra", contravariant=True)
M = TypeVar("M")
_CATCH_UP = 512
"""Chunks that wait for a reader of the messages before the node is folded anew instead."""


@dataclass(slots=True)
class Wire(Generic[C]):
    """One message of the channel: a discrete one's chunks, or a stream that may still grow.

    Attributes:
        message_id: The message that it folds into.
        input_id: The trigger that it answers, for outputs.
        step: Step and serial of the attempt, for outputs that name them.
    """

    serial: str
    message_id: str
    input_id: str | None = None
    step: tuple[str, str] | None = None
    chunks: Sequence[C] = ()
    stream: StreamView | None = None
    input: InputEvent | None = None

    def all_chunks(self, codec: PayloadCodec[C]) -> Sequence[C]:
        """Give what the message says by now, a stream's text as one delta."""
        stream = self.stream
        if stream is None:
            return self.chunks
        said = list(codec.start(stream))
        if stream.text:
            said += codec.delta(stream, stream.text)
        if stream.closing is not None:
            said += codec.end(stream)
        return said


class MessageFold(Protocol, Generic[C_contra, M]):
    """Builds the messages of one node, wire by wire in serial order."""

    def say(self, message_id: str, chunks: Sequence[C_contra]) -> None:
        """Take chunks of the message `message_id`; what does not fit is dropped."""
        ...

    def take(self, message_id: str, event: InputEvent) -> None:
        """Take an input that belongs to this node."""
        ...

    def entries(self) -> list[tuple[str, M]]:
        """Give codec-message-ids and messages, in order of their begin."""
        ...


class Node(Generic[C, M]):
    """One input, or one run.

    Attributes:
        key: Codec-message-id of an input; run-id of a run (codec-message-id of a fork until the
            agent has named its run).
        serial: The lowest serial seen of it; nodes are in this order.
        parent: Codec-message-id of what it follows.
        run: Facts of a run; None for an input.
    """

    def __init__(self, key: str, serial: str, *, run: RunFacts | None) -> None:
        self.key = key
        self.serial = serial
        self.run = run
        self.parent: str | None = None
        self.fork_of: str | None = None
        self.wires: dict[str, Wire[C]] = {}
        self._parent_rank = "~"
        self._last = ""
        self._fold: MessageFold[C, M] | None = None
        self._waiting: list[tuple[Wire[C], Sequence[C]]] = []

    def seen(self, serial: str) -> None:
        """Note a message of this node."""
        if serial and (serial < self.serial or not self.serial):
            self.serial = serial

    def link(self, parent: str | None, serial: str, *, authoritative: bool = False) -> None:
        """Take a claim of the parent: a run's start wins, then the earliest message."""
        rank = "" if authoritative else serial
        if parent is not None and rank < self._parent_rank:
            self.parent, self._parent_rank = parent, rank

    def record(self, wire: Wire[C], chunks: Sequence[C]) -> None:
        """Add `wire`, or more of it; `chunks` is what it adds."""
        known = self.wires.setdefault(wire.serial, wire)
        if self._fold is None:
            return
        if wire.serial < self._last or len(self._waiting) >= _CATCH_UP:
            self.refold()
            return
        self._last = wire.serial
        self._waiting.append((known, chunks))

    def refold(self) -> None:
        """Build the messages anew when they are next read."""
        self._fold = None
        self._waiting.clear()

    def entries(self, fold: MessageFold[C, M], codec: PayloadCodec[C]) -> list[tuple[str, M]]:
        """Give the messages; `fold` is an empty fold to use if they must be built anew."""
        if self._fold is None:
            self._fold = fold
            for serial in sorted(self.wires):
                wire = self.wires[serial]
                self._apply(wire, wire.all_chunks(codec))
                self._last = serial
        else:
            for wire, chunks in self._waiting:
                self._apply(wire, chunks)
            self._waiting.clear()
        return self._fold.entries()

    def ordered(self, *, void: bool = False) -> list[Wire[C]]:
        """Give what counts of the node, in serial order; with `void` also what was taken back."""
        wires = (self.wires[serial] for serial in sorted(self.wires))
        run = None if void else self.run
        return [wire for wire in wires if run is None or not run.is_void(wire.step)]

    def _apply(self, wire: Wire[C], chunks: Sequence[C]) -> None:
        assert self._fold is not None
        if not wire.message_id or (self.run is not None and self.run.is_void(wire.step)):
            return
        if wire.input is not None:
            self._fold.take(wire.message_id, wire.input)
        else:
            self._fold.say(wire.message_id, chunks)
