from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any

import anyio
import pytest

from chat_transport.transports.ably.silences import Silences
from chat_transport.transports.ably.wire import Heard, RunRef
from chat_transport.transports.ably.wires import wire_of

pytestmark = pytest.mark.anyio

RUN = RunRef(run_id="r", input_id="i")


class Wire:
    """As much of a client's wire as silences need."""

    def __init__(self, idle_s: float | None, spoke_ms: int | None = None) -> None:
        self.idle_s = idle_s
        self.speaking: dict[RunRef, int | None] = {RUN: spoke_ms}

    def unmarked(self) -> Sequence[tuple[RunRef, int | None]]:
        return list(self.speaking.items())

    def conclude(self, ref: RunRef) -> Heard | None:
        del self.speaking[ref]
        return Heard(ref=ref, event="run-suspend") if ref == RUN else None


def watching(wire: Any) -> tuple[Silences, list[RunRef]]:
    ended: list[RunRef] = []
    return Silences(wire, lambda heard: ended.append(heard.ref)), ended


def test_what_was_silent_for_long_enough_is_ended():
    long_ago = int((time.time() - 60) * 1000)
    silences, ended = watching(Wire(30.0, long_ago))
    assert silences.sweep() is None
    assert ended == [RUN]


def test_what_spoke_lately_is_due_later():
    wire = Wire(30.0)
    silences, ended = watching(wire)
    due = silences.sweep()
    assert due is not None
    assert time.time() < due <= time.time() + 30
    silences.note(RUN)
    again = silences.sweep()
    assert again is not None
    assert again >= due
    assert ended == []


def test_an_end_that_the_wire_does_not_know_is_not_told():
    wire = Wire(30.0, 0)
    other = RunRef(run_id="other", input_id=None)
    wire.speaking = {other: 0}
    silences, ended = watching(wire)
    assert silences.sweep() is None
    assert ended == []


@pytest.mark.parametrize(
    "wire", [Wire(None), wire_of("ai-transport"), wire_of("message-per-token")]
)
async def test_nothing_is_watched_where_ends_are_marked_or_waiting_is_for_ever(
    wire: Any, anyio_backend: str
) -> None:
    if not isinstance(wire, Wire):
        wire = wire.client(client_id="ann", new_id=lambda: "x")
    silences, ended = watching(wire)
    silences.note(RUN)
    assert silences.sweep() is None
    async with anyio.create_task_group() as tasks:
        with silences.watched(tasks):
            pass
    assert ended == []


async def test_a_watch_waits_for_the_next_word_and_ends_with_its_block(anyio_backend: str) -> None:
    wire = Wire(0.01)
    wire.speaking = {}
    silences, ended = watching(wire)
    with anyio.fail_after(5):
        async with anyio.create_task_group() as tasks:
            with silences.watched(tasks):
                await anyio.lowlevel.checkpoint()
                wire.speaking = {RUN: None}
                silences.note(RUN)
                while not ended:
                    await anyio.lowlevel.checkpoint()
    assert ended == [RUN]
