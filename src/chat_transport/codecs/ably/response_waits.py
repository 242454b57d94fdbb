"""Replies that wait, on the wire of one growing message for each: what they said is set aside.

Rule: what the reply's message grows by after a wait is a text of its own, after the question.
Source: as `response`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeAlias

from ... import chunks as c
from ...chunks import UIMessageChunk
from .ai_transport.changes import RunView
from .ai_transport.nodes import Wire
from .ai_transport.payload import StreamView
from .operations import Inbound
from .text_turns import TextTurns
from .turns import GrownText, UIChange

__all__ = ["WaitingReplies", "stream_of"]

_Wire: TypeAlias = Wire[UIMessageChunk]


class WaitingReplies(TextTurns):
    """Replies in messages that grow, with waits in the middle."""

    def __init__(self) -> None:
        super().__init__()
        self._texts = GrownText()
        self._replies: dict[str, str] = {}
        self._rests: dict[str, _Wire] = {}
        self._answers: dict[str, dict[str, tuple[str, bool]]] = {}
        self._concluded: set[str] = set()

    def open_texts(self, run_id: str) -> list[str]:
        """Give the serials of the messages that a reply has left growing, or waiting."""
        return [
            serial
            for serial, known in self._replies.items()
            if known == run_id and not _known(self._texts, serial).closed
        ]

    def unfinished_runs(self) -> list[RunView]:
        """Give the replies that may still grow; what silence ended is not waited for."""
        return [run for run in super().unfinished_runs() if run.run_id not in self._concluded]

    def conclude(self, run_id: str) -> UIChange | None:
        """Take such a reply as complete; it goes on if it speaks again."""
        serials = self._serials(run_id)
        if not serials:
            return None
        self._catch_up(run_id)
        self._concluded.add(run_id)
        version = max(_known(self._texts, serial).version for serial in serials)
        said = self._interrupted(run_id, version, live=True, ending=c.Finish(finish_reason="other"))
        run = self.run(run_id)
        asked = run.input_ids if run is not None else ()
        return UIChange(
            run_id=run_id, input_id=asked[0] if asked else None, chunks=said, event="run-suspend"
        )

    def continued(self, run_id: str) -> tuple[str, str] | None:
        """Give serial and text of the message that a waiting reply goes on in."""
        found = self.open_texts(run_id)
        return (found[-1], _known(self._texts, found[-1]).text) if found else None

    def _serials(self, run_id: str) -> list[str]:
        return [serial for serial, known in self._replies.items() if known == run_id]

    def _has_words(self, run_id: str) -> bool:
        return any(_known(self._texts, serial).pieces for serial in self._serials(run_id))

    def _speaks_again(self, wire: _Wire, run_id: str, inbound: Inbound) -> bool:
        """Note that the agent goes on after an answer; whether that was known."""
        if wire.serial in self._nodes[run_id].wires:
            return True
        self._concluded.discard(run_id)
        self._resume(run_id, inbound.version or inbound.serial)
        return False

    def _is_waiting(self, run_id: str) -> bool:
        run = self._nodes[run_id].run
        return run is not None and run.state == "suspended"

    def _settle(self, run_id: str, *, live: bool) -> Sequence[UIMessageChunk]:
        """Close the answered calls of a reply that goes on; their outputs are not on this wire."""
        said: list[UIMessageChunk] = []
        for call, (serial, approved) in self._answers.pop(run_id, {}).items():
            chunk: UIMessageChunk = c.ToolOutputDenied(tool_call_id=call)
            if approved:
                chunk = c.ToolOutputAvailable(tool_call_id=call, output=None)
            wire = _Wire(f"{serial}~", run_id, chunks=(chunk,))
            said += self._say(run_id, wire, (chunk,), live=live).chunks
        return said

    def _interrupted(
        self, run_id: str, serial: str, *, live: bool, ending: c.Finish | None = None
    ) -> Sequence[UIMessageChunk]:
        """Let a reply wait whose agent marks no wait: it asks, and says no more.

        Where in the text the question was asked is known only if it was heard live.
        """
        wires = [wire for wire in self._nodes[run_id].wires.values() if wire.stream is not None]
        closing = self._set_aside(run_id, serial)
        if ending is not None:
            closing.append(ending)
        if not wires:
            return ()
        return self._say(run_id, wires[-1], closing, live=live).chunks

    def _set_aside(self, run_id: str, serial: str) -> list[UIMessageChunk]:
        """Note a wait: what the reply's message grows by from now on is a text of its own."""
        self._suspend(run_id, serial)
        said: list[UIMessageChunk] = []
        wires = self._nodes[run_id].wires
        for message, known in self._replies.items():
            if known != run_id:
                continue
            wire = self._rests.get(message) or wires[message]
            if wire.serial in wires and wire.stream is not None:
                if wire.stream.closing is None:
                    wire.stream.closing = wire.stream.codec
                    said += self._codec.end(wire.stream)
                wire.chunks, wire.stream = wire.all_chunks(self._codec), None
            ident = f"{serial}~"
            stream = StreamView(ident, "", ident, {}, {"kind": "text", "id": ident}, ident)
            self._rests[message] = _Wire(ident, run_id, stream=stream)
        return said


def stream_of(wire: _Wire) -> StreamView:
    """Give the text of a wire that grows."""
    assert wire.stream is not None  # a message has one until it is set aside, then its rest has
    return wire.stream


def _known(texts: GrownText, serial: str) -> StreamView:
    stream = texts.known(serial)
    assert stream is not None  # each reply's message has one
    return stream
