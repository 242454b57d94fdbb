"""A client's hold on one chat: reads its channel once and gives every reply to who waits for it.

Rule: all folding happens in the channel's listener, in order; readers have a log each and never
slow the channel down. Replies are told apart by the input they answer.
"""

from __future__ import annotations

import asyncio
import logging
import uuid
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Generator, Sequence
from contextlib import asynccontextmanager, contextmanager
from typing import TypeAlias

from ..._chunk_log import LogStream
from ...codecs.ably.operations import Inbound
from ...errors import (
    NotSupported,
    RequestRejected,
    StreamInterrupted,
    TransportError,
)
from ...inputs import SendMessages
from ...messages import UIMessage
from ...transport import ChatChange, History, MessageSeen, MessagesReplaced, RunSeen
from .channel import AblyChannel, HistoryReader
from .feed import OrderedFeed
from .refusals import MESSAGE_LIMIT, translate
from .reply_reader import ReplyReader
from .sending import message_bytes, surely
from .wire import Branches, ClientWire, Heard, Outgoing, RunRef, SteeringClient

__all__ = ["ChatSession"]

log = logging.getLogger(__name__)

PARENT_PAGES = 50
"""Pages of history read to find the message that a request follows."""
GRACE_S = 2.0
"""Seconds that an agent may be away before its replies count as broken off."""
Notify: TypeAlias = Callable[[ChatChange], None]


class ChatSession:
    """One chat on one channel, read until it is closed.

    Args:
        channel: Where it happens.
        wire: The client's end of the wire, fresh.
        give_up_s: Seconds without a connection after which sending fails.
    """

    def __init__(
        self, channel: AblyChannel, wire: ClientWire, *, give_up_s: float | None = 30.0
    ) -> None:
        self.channel = channel
        self.wire = wire
        self._give_up_s = give_up_s
        self._feed = OrderedFeed(self._take)
        self._history: HistoryReader | None = None
        self._paging = asyncio.Lock()
        self._readers: dict[str, list[ReplyReader]] = {}
        self._own: dict[str, None] = {}
        self._speakers: dict[str, str] = {}
        self._observers: list[Notify] = []
        self._newest = ""
        self._changed: asyncio.Event | None = None
        self._met: set[str | None] = set()
        self._away: set[str] = set()

    @asynccontextmanager
    async def open(self) -> AsyncGenerator[None, None]:
        """Attach and read the newest page of history; live messages follow it without a gap."""
        self._feed.hold()
        async with self.channel.listening(self), self.channel.watching(self._on_presence):
            self._history = self.channel.history()
            page = await self._history.next_page()
            self._feed.release(list(reversed(page)))
            try:
                yield
            finally:
                self._close_readers(StreamInterrupted("the transport was closed", resumable=True))

    # From the channel --------------------------------------------------------------------------

    def on_message(self, message: Inbound) -> None:
        """Take a live message."""
        self._feed.give(message)

    def on_gap(self) -> None:
        """Read what was missed before going on."""
        if not self._feed.is_held:
            self._feed.hold()
            self.channel.connection.tasks.start_soon(self._heal)

    def on_lost(self, error: TransportError) -> None:
        """Nothing more will come."""
        self._close_readers(error)

    def _take(self, message: Inbound, live: bool) -> None:  # noqa: FBT001  # the feed's callback
        self._newest = max(self._newest, message.serial)
        try:
            heard = self.wire.feed(message, live=live)
        except Exception as error:  # noqa: BLE001  # what a stranger publishes must not stop us
            log.warning(
                "message %s on %s is not understood: %r", message.serial, self.channel.name, error
            )
            return
        if heard is None or not live:
            return
        if heard.chunks or heard.event in {"run-start", "run-resume"}:
            self._note_speaker(heard, message.client_id)
        self._deliver(heard)
        if self._changed is not None:
            self._changed.set()
            self._changed = None
        if self._observers:
            self._tell(heard)

    def _note_speaker(self, heard: Heard, client_id: str | None) -> None:
        if heard.ref.input_id in self._readers and client_id is not None:
            self._speakers[heard.ref.input_id] = client_id

    def _deliver(self, heard: Heard) -> None:
        readers = tuple(self._readers.get(heard.ref.input_id or "", ()))
        told = self.wire.reply(heard.ref) if heard.is_replaced and readers else ()
        for reader in readers:
            reader.take(heard, told)

    async def _heal(self) -> None:
        """Read history back to what is known for sure, then go on in order."""
        floor = min(filter(None, [self.wire.oldest_open(), self._newest]), default="")
        missed: list[Inbound] = []
        reader = self.channel.history()
        try:
            while page := await reader.next_page():
                missed.extend(page)
                if page[-1].serial <= floor:
                    break
        except TransportError as error:
            log.warning("unable to read what was missed on %s: %s", self.channel.name, error)
            self._close_readers(error)
        self._feed.release(reversed(missed), live=True)
        if self._feed.overflowed:
            self._feed.overflowed = False
            self.on_gap()
        self._notify(MessagesReplaced(messages=self.wire.messages()))

    # Readers -----------------------------------------------------------------------------------

    @contextmanager
    def reading(self, input_id: str) -> Generator[LogStream, None, None]:
        """Follow the reply to an input, from now on."""
        reader = self._add_reader(input_id)
        try:
            yield reader.stream
        finally:
            self._drop_reader(input_id, reader)

    @contextmanager
    def following(self) -> Generator[LogStream | None, None, None]:
        """Follow the newest run under way, from its `start`; None if all is idle."""
        active = [ref for ref in self.wire.active_runs() if ref.input_id is not None]
        if not active:
            yield None
            return
        ref = active[-1]
        assert ref.input_id is not None
        reader = self._add_reader(ref.input_id, ref)
        try:
            yield reader.stream
        finally:
            self._drop_reader(ref.input_id, reader)

    def _add_reader(self, input_id: str, ref: RunRef | None = None) -> ReplyReader:
        reader = ReplyReader(ref.run_id if ref is not None else None)
        self._readers.setdefault(input_id, []).append(reader)
        if ref is not None:
            reader.take(Heard(ref=ref, chunks=self.wire.reply(ref)))
        return reader

    def _drop_reader(self, input_id: str, reader: ReplyReader) -> None:
        readers = self._readers.get(input_id)
        if readers is not None and reader in readers:
            readers.remove(reader)
            if not readers:
                del self._readers[input_id]
                self._speakers.pop(input_id, None)

    def _close_readers(self, error: TransportError, input_ids: Sequence[str] | None = None) -> None:
        for input_id in list(self._readers) if input_ids is None else input_ids:
            for reader in tuple(self._readers.get(input_id, ())):
                reader.chunks.close(error)

    # Observers ---------------------------------------------------------------------------------

    @asynccontextmanager
    async def observing(self) -> AsyncGenerator[AsyncIterator[ChatChange], None]:
        """Give what other clients do, from now on."""
        changes: asyncio.Queue[ChatChange] = asyncio.Queue()
        self._observers.append(changes.put_nowait)
        try:
            yield _drained(changes)
        finally:
            self._observers.remove(changes.put_nowait)

    def _tell(self, heard: Heard) -> None:
        input_id = heard.ref.input_id
        if input_id is None or input_id in self._own:
            return
        if heard.event == "input" and heard.message is not None:
            # The parts of a message come one by one in one frame: look when the frame is done.
            asyncio.get_running_loop().call_soon(self._tell_message, heard)
        elif heard.event in {"run-start", "run-resume"} and heard.ref.run_id is not None:
            reader = self._add_reader(input_id)
            reader.name(heard.ref.run_id)
            self._notify(
                RunSeen(
                    run_id=heard.ref.run_id,
                    chunks=reader.stream,
                    replaces_id=heard.ref.message_id,
                )
            )
        elif heard.is_replaced and input_id not in self._readers:
            self._notify(MessagesReplaced(messages=self.wire.messages()))

    def _tell_message(self, heard: Heard) -> None:
        assert heard.message is not None
        message_id = heard.message.id
        for message in self.wire.messages():
            if message.id == message_id:
                self._notify(MessageSeen(message=message, after_id=heard.after_id))
                return

    def _notify(self, change: ChatChange) -> None:
        for notify in tuple(self._observers):
            notify(change)

    # Sending -----------------------------------------------------------------------------------

    async def prepare(self, request: SendMessages) -> Sequence[Outgoing]:
        """Give the inputs for a request, reading older history if it names something there."""
        for _ in range(PARENT_PAGES):
            if not self.wire.needs_older(request) or not await self.load_older():
                break
        outgoing = self.wire.encode(request)
        for each in outgoing:
            self._own[each.input_id] = None
        while len(self._own) > 1000:
            self._own.pop(next(iter(self._own)))
        return outgoing

    def stoppable(self, run_id: str | None) -> Sequence[RunRef]:
        """Give the run, or all that are under way or that we asked for and wait for."""
        active = list(self.wire.active_runs())
        known = {ref.input_id for ref in active}
        for input_id, readers in self._readers.items():
            if input_id not in known and any(not reader.chunks.closed for reader in readers):
                active.append(RunRef(run_id=readers[0].chunks.run_id, input_id=input_id))
        return [ref for ref in active if run_id in {None, ref.run_id}]

    async def publish(self, outgoing: Outgoing) -> None:
        """Publish an input and wait until the channel has it.

        Raises:
            RequestRejected: If Ably refused, or the message is too large.
            ConnectFailed: If there was no connection in time.
        """
        channel, ident = self.channel, uuid.uuid4().hex
        messages = outgoing.publish.messages
        _require_size(sum(map(message_bytes, messages)), channel.name)
        await surely(
            channel.connection,
            lambda: channel.publish(messages, ident),
            give_up_s=self._give_up_s,
        )

    # Branches ----------------------------------------------------------------------------------

    def branches(self, message_id: str) -> Branches:
        """Give the alternatives at a message (edits, regenerations), oldest first.

        Raises:
            RequestRejected: If the message is not in the chat.
        """
        return self.wire.branches(message_id)

    def select(self, message_id: str, index: int) -> Sequence[UIMessage]:
        """Show another alternative, here only, and give the messages; observers are told.

        Raises:
            RequestRejected: If there is no such alternative.
        """
        self.wire.select(message_id, index)
        messages = self.wire.messages()
        self._notify(MessagesReplaced(messages=messages))
        return messages

    async def steer(self, run_id: str, message: UIMessage) -> bool:
        """Say something to a run under way, and wait whether it is heard before the run ends.

        Raises:
            NotSupported: If this wire cannot.
            RequestRejected: If the run is not under way (409), or Ably refused.
        """
        if not isinstance(self.wire, SteeringClient):
            raise NotSupported(f"unable to steer run {run_id!r}; this wire cannot")
        if not self._is_active(run_id):
            raise RequestRejected(
                f"unable to steer run {run_id!r}; it is not under way: send it as a message",
                status=409,
            )
        outgoing = self.wire.steer(run_id, message)
        self._own[outgoing.input_id] = None
        await self.publish(outgoing)
        while not self.wire.is_heard(run_id, outgoing.input_id):
            if not self._is_active(run_id):
                return False
            if self._changed is None:
                self._changed = asyncio.Event()
            await self._changed.wait()
        return True

    def _is_active(self, run_id: str) -> bool:
        return any(ref.run_id == run_id for ref in self.wire.active_runs())

    # History and presence ----------------------------------------------------------------------

    async def load_older(self) -> bool:
        """Read one older page; False if there is none."""
        async with self._paging:
            assert self._history is not None
            if self._history.is_exhausted:
                return False
            page = await self._history.next_page()
            for message in reversed(page):
                self._take(message, False)
            return bool(page)

    async def history(self, *, limit: int, before: str | None) -> History:
        """Give the newest `limit` messages, or those before the message `before`."""
        assert self._history is not None
        while True:
            messages = self.wire.messages()
            end = len(messages)
            if before is not None:
                places = [n for n, message in enumerate(messages) if message.id == before]
                end = places[0] if places else 0
            # One more than asked: the oldest one may have parts on the next page.
            if end > limit or not await self.load_older():
                break
        start = max(0, end - limit)
        active = self.wire.active_runs()
        has_older = start > 0 or not self._history.is_exhausted
        page = messages[start:end]
        return History(
            messages=page,
            active_run_id=active[-1].run_id if active else None,
            has_older=has_older,
            cursor=page[0].id if page and has_older else None,
        )

    def _on_presence(self) -> None:
        present = {member.client_id for member in self.channel.members()}
        self._met |= present  # an agent that never shows itself cannot be missed
        speakers = set(self._speakers.values())
        gone = (speakers & self._met) - present
        for client_id in gone - self._away:
            self._away.add(client_id)
            self.channel.connection.tasks.start_soon(self._mourn, client_id)
        self._away &= gone

    async def _mourn(self, client_id: str) -> None:
        """End the replies of an agent that left without ending them."""
        await asyncio.sleep(GRACE_S)
        present = {member.client_id for member in self.channel.members()}
        if client_id in present or client_id not in self._away:
            return
        broken = [key for key, speaker in self._speakers.items() if speaker == client_id]
        self._close_readers(
            StreamInterrupted(
                f"the agent {client_id!r} left before it had finished", resumable=True
            ),
            broken,
        )


def _require_size(size: int, name: str) -> None:
    if size > MESSAGE_LIMIT:
        raise translate(
            code=40009, status=413, text=f"the message has {size} bytes", doing=f"send to {name!r}"
        )


async def _drained(changes: asyncio.Queue[ChatChange]) -> AsyncIterator[ChatChange]:
    while True:
        yield await changes.get()
