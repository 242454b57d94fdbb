"""Tells whoever watches a chat what others do in it: messages, runs, and what was replaced.

Rule: of one's own replies observers get only what comes after whoever asked has read to the end.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Collection
from contextlib import asynccontextmanager
from typing import TypeAlias

from ...transport import ChatChange, MessageSeen, RunSeen
from .reply_reader import ReplyReaders
from .wire import ClientWire, Heard, RunRef

__all__ = ["Observers"]

Notify: TypeAlias = Callable[[ChatChange], None]


class Observers:
    """Those who watch one chat.

    Args:
        wire: The client's end, which has folded what is told.
        readers: Who reads which reply.
        own: The inputs that were asked here.
        tell_anew: Tells the whole conversation to whoever watches.
    """

    def __init__(
        self,
        wire: ClientWire,
        readers: ReplyReaders,
        own: Collection[str],
        tell_anew: Callable[[], None],
    ) -> None:
        self._wire = wire
        self._readers = readers
        self._own = own
        self._tell_anew = tell_anew
        self._watching: list[Notify] = []

    def __bool__(self) -> bool:
        """Whether anybody watches."""
        return bool(self._watching)

    @asynccontextmanager
    async def observing(self) -> AsyncGenerator[AsyncIterator[ChatChange], None]:
        """Give what other clients do, from now on."""
        changes: asyncio.Queue[ChatChange] = asyncio.Queue()
        self._watching.append(changes.put_nowait)
        try:
            yield _drained(changes)
        finally:
            self._watching.remove(changes.put_nowait)

    def tell(self, change: ChatChange) -> None:
        """Tell a change to all."""
        for notify in tuple(self._watching):
            notify(change)

    def hear(self, heard: Heard, *, goes_on: bool, is_read: bool) -> None:
        """Tell what was heard, as far as it is not one's own.

        Args:
            heard: What; the readers have got it.
            goes_on: It begins a further pass of a reply that had been read to its end.
            is_read: Somebody here read this reply when it came.
        """
        ref = heard.ref
        if ref.input_id is None:
            return
        if goes_on:  # also of an own run: the reader of its reply has its terminal chunk
            self._tell_run(ref, heard)
        elif heard.is_replaced and not self._readers.reads(ref.input_id):
            self._tell_anew()
        elif ref.input_id in self._own and (is_read or heard.event != "run-resume"):
            return
        elif heard.event == "input" and heard.message is not None:
            # The parts of a message come one by one in one frame: look when the frame is done.
            asyncio.get_running_loop().call_soon(self._tell_message, heard)
        elif heard.event in {"run-start", "run-resume"} and ref.run_id is not None:
            self._tell_run(ref, heard)

    def _tell_run(self, ref: RunRef, heard: Heard) -> None:
        """Show a run, from what was heard just now."""
        assert ref.input_id is not None
        assert ref.run_id is not None
        reader = self._readers.add(ref.input_id, ref.run_id)
        for notify in tuple(self._watching):
            stream = reader.chunks.stream()
            notify(
                RunSeen(
                    run_id=ref.run_id,
                    chunks=stream,
                    replaces_id=ref.message_id,
                    is_other_answer=heard.is_other_answer,
                )
            )
        reader.take(heard)
        if reader.chunks.closed:
            self._readers.drop(ref.input_id, reader)

    def _tell_message(self, heard: Heard) -> None:
        assert heard.message is not None
        if heard.is_edit:
            self._tell_anew()
            return
        message_id = heard.message.id
        for message in self._wire.messages():
            if message.id == message_id:
                run_id = heard.ref.run_id
                self.tell(MessageSeen(message=message, after_id=heard.after_id, run_id=run_id))
                return


async def _drained(changes: asyncio.Queue[ChatChange]) -> AsyncIterator[ChatChange]:
    while True:
        yield await changes.get()
