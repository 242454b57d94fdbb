"""A client's hold on one chat: reads its channel once and gives every reply to who waits for it.

Rule: all folding happens in the channel's listener, in order; readers have a log each and never
slow the channel down. Replies are told apart by the input they answer.
"""

from __future__ import annotations

import asyncio
import logging
import uuid
from collections.abc import AsyncGenerator, AsyncIterator, Generator, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager, contextmanager

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
from ...transport import CATCH_UP_PAGES, HISTORY_LIMIT, ChatChange, History, MessagesReplaced
from .channel import AblyChannel
from .channel_reader import ChannelReader
from .departures import Departures
from .observers import Observers
from .refusals import require_size
from .reply_reader import ReplyReaders
from .sending import message_bytes, surely
from .silences import Silences
from .wire import Branches, ClientWire, Heard, Outgoing, RunRef
from .wire_abilities import SteeringClient

__all__ = ["ChatSession"]

log = logging.getLogger(__name__)

PARENT_PAGES = 50
"""Pages of history read to find the message that a request follows."""


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
        self._reader = ChannelReader(channel, self)
        self._silences = Silences(wire, self._hear)
        self._readers = ReplyReaders()
        self._own: dict[str, None] = {}
        self._observers = Observers(wire, self._readers, self._own, self._tell_anew)
        self._departures = Departures(channel, self._readers)
        self._copy: Sequence[UIMessage] = ()
        self._changed: asyncio.Event | None = None

    @asynccontextmanager
    async def open(self) -> AsyncGenerator[None, None]:
        """Attach and read the newest page of history; live messages follow it without a gap."""
        async with self._reader.open(), self.channel.watching(self._on_presence):
            await self._reader.begin()
            try:
                with self._silences.watched(self.channel.connection.tasks):
                    yield
            finally:
                self._readers.close(StreamInterrupted("the transport was closed", resumable=True))

    # From the channel --------------------------------------------------------------------------

    def take(self, message: Inbound, *, live: bool) -> None:
        """Fold a message, and tell who follows it."""
        heard = self.wire.feed(message, live=live)
        if heard is None or not live:
            return
        if heard.chunks or heard.event in {"run-start", "run-resume"}:
            self._silences.note(heard.ref)
        self._hear(heard, message.client_id)

    def _hear(self, heard: Heard, client_id: str | None = None) -> None:
        is_read = self._readers.reads(heard.ref.input_id or "")
        self._readers.deliver(heard, client_id, self.wire.reply)
        goes_on = self._readers.goes_on(heard)
        if self._changed is not None:
            self._changed.set()
            self._changed = None
        if self._observers:
            self._observers.hear(heard, goes_on=goes_on, is_read=is_read)

    def oldest_open(self) -> str | None:
        """Give the serial from which an active run may still change."""
        return self.wire.oldest_open()

    def on_healed(self, error: TransportError | None) -> None:
        """What was missed has been read, or readers are told that it could not be."""
        if error is not None:
            self._readers.close(error)
        self._tell_anew()

    def on_lost(self, error: TransportError) -> None:
        """Nothing more will come."""
        self._readers.close(error)

    # Readers -----------------------------------------------------------------------------------

    @contextmanager
    def reading(self, input_id: str) -> Generator[LogStream, None, None]:
        """Follow the reply to an input, from now on."""
        reader = self._readers.add(input_id)
        try:
            yield reader.stream
        finally:
            self._readers.drop(input_id, reader)

    @asynccontextmanager
    async def following(self) -> AsyncGenerator[LogStream | None, None]:
        """Follow the newest run under way, from its `start`; None if all is idle."""
        for _ in range(PARENT_PAGES):
            lacking = any(map(self.wire.lacks_start, self.wire.active_runs()))
            if not lacking or not await self.load_older():
                break
        active = [ref for ref in self.wire.active_runs() if ref.input_id is not None]
        if not active:
            yield None
            return
        ref = active[-1]
        assert ref.input_id is not None
        reader = self._readers.add(ref.input_id, ref.run_id, self.wire.reply(ref))
        try:
            yield reader.stream
        finally:
            self._readers.drop(ref.input_id, reader)

    # Observers ---------------------------------------------------------------------------------

    def observing(self) -> AbstractAsyncContextManager[AsyncIterator[ChatChange]]:
        """Give what other clients do, from now on."""
        return self._observers.observing()

    def _tell_anew(self) -> None:
        """Tell the conversation anew, behind the own copy if there is one."""
        if self._copy and self._observers:
            self.channel.connection.tasks.start_soon(self._tell_joined, self._copy)
        else:
            self._observers.tell(MessagesReplaced(messages=self.wire.messages()))

    async def _tell_joined(self, copy: Sequence[UIMessage]) -> None:
        try:
            history = await self.catch_up(copy)
        except TransportError as error:
            log.warning("unable to tell chat %s anew: %s", self.channel.name, error)
        else:
            self._observers.tell(MessagesReplaced(messages=history.messages))

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
        active += [ref for ref in self._readers.waiting() if ref.input_id not in known]
        return [ref for ref in active if run_id in {None, ref.run_id}]

    async def publish(self, outgoing: Outgoing) -> None:
        """Publish an input and wait until the channel has it.

        Raises:
            RequestRejected: If Ably refused, or the message is too large.
            ConnectFailed: If there was no connection in time.
        """
        channel, ident = self.channel, uuid.uuid4().hex
        messages = outgoing.publish.messages
        require_size(sum(map(message_bytes, messages)), channel.name)
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
        messages = self._joined().messages
        self._observers.tell(MessagesReplaced(messages=messages))
        return messages

    async def steer(self, run_id: str, message: UIMessage) -> bool:
        """Say something to a run under way, and wait whether it is heard before the run ends.

        Observers of this chat see the message here too, and the pass that answers it if the agent
        says it after its `finish`, as JavaScript agents do.

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
        is_more = await self._reader.load_older()
        self._silences.sweep()
        return is_more

    async def history(self, *, limit: int, before: str | None) -> History:
        """Give the newest `limit` messages, or those before the message `before`."""
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
        has_older = start > 0 or not self._reader.is_exhausted
        page = messages[start:end]
        return History(
            messages=page,
            active_run_id=active[-1].run_id if active else None,
            has_older=has_older,
            cursor=page[0].id if page and has_older else None,
        )

    async def catch_up(self, own: Sequence[UIMessage]) -> History:
        """Give an own copy of the chat and what the channel has beyond it, joined by their ids.

        Reads the channel back to where everything newer follows from a message of the copy: a new
        answer or an edit of an old message reads as far as that message, and no further. Observers
        who are told the conversation anew get it behind the copy from now on. Without a copy it is
        the newest page.
        """
        self._copy = own
        if not own:
            return await self.history(limit=HISTORY_LIMIT, before=None)
        known = {message.id for message in own}
        pages = 0
        while not (meets := self.wire.meets(known)) and pages < CATCH_UP_PAGES:
            if not await self.load_older():
                break
            pages += 1
        return self._joined(is_met=meets)

    def _joined(self, *, is_met: bool = True) -> History:
        """Give what is shown, behind the own copy."""
        shown, has_older = self.wire.messages(), not self._reader.is_exhausted
        joined = History(messages=shown, has_older=has_older).joined_to(self._copy)
        active = self.wire.active_runs()
        return History(
            messages=[*self._copy, *shown] if joined is None else joined,
            active_run_id=active[-1].run_id if active else None,
            has_older=has_older and not is_met,
        )

    def _on_presence(self) -> None:
        self._departures.look(self.channel.connection.tasks)
