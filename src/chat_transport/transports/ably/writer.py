"""Carries one encoder's operations to a channel: in order, coalesced, bounded, nothing lost.

Rule: the writer alone knows serials; it keeps what each growing message should say, so whatever
was refused or lost is put right by one update with the whole text.
Order: frames of publishes are awaited one by one and appends in between are pipelined, so no
message ever overtakes text that was said before it.
Source: wire document of @ably/ai-transport 0.8.0, sections 9 and 21.
"""

from __future__ import annotations

import asyncio
import uuid
from collections import deque
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeAlias, TypeVar

from anyio.abc import TaskGroup

from ..._tasks import open_task_group
from ...codecs.ably.operations import Append, Operation, OutboundMessage, Publish, Update
from ...errors import LocalProtocolError, RequestRejected, TransportClosed, TransportError
from .refusals import MESSAGE_LIMIT, is_rate_limit
from .sending import Outlet, message_bytes, surely

__all__ = ["OperationWriter"]

JSON: TypeAlias = Any  # any JSON value
R = TypeVar("R")

WINDOW_S = 0.04
"""Seconds in which deltas of one message are put together; Ably merges in the same window."""
APPENDS_IN_FLIGHT = 8
"""Unacknowledged appends of one writer. While they are out, further deltas join."""
QUEUE_LIMIT = 256
"""Operations that wait before `room` makes the caller wait."""
FRAME_MESSAGES = 50
"""Messages of one frame."""
HEADROOM_BYTES = 1_536
"""Left beside the text of a growing message, for its headers and those that say how it ended."""
RATE_PAUSE_S = 0.1
"""Seconds before a text that met a rate limit is said again."""


class _TooManyAtOnce(Exception):  # a signal of this file
    """A frame met a rate limit as a whole."""


@dataclass(slots=True)
class _Grown:
    """A message of ours, and what it should say by now."""

    serial: str
    name: str
    extras: Mapping[str, JSON] | None
    pieces: list[str] = field(default_factory=list[str])
    sent_at: float = 0.0


class OperationWriter:
    """Writes until it is left; `put` never waits, `flush` waits for every acknowledgement.

    Args:
        outlet: Where to.
        on_serial: Told the serial of each publish that has a key, before anything after it goes.
        window_s: Seconds in which deltas are put together; the first goes at once; 0 is off.
        give_up_s: Seconds without a connection after which the writer fails; None never does.
    """

    def __init__(
        self,
        outlet: Outlet,
        *,
        on_serial: Callable[[str, str], None] | None = None,
        window_s: float = WINDOW_S,
        give_up_s: float | None = None,
    ) -> None:
        self._outlet = outlet
        self._on_serial = on_serial
        self._window_s = window_s
        self._give_up_s = give_up_s
        self._queue: deque[Operation] = deque()
        self._grown: dict[str, _Grown] = {}
        self._sizes: dict[str, int] = {}
        self._damaged: dict[str, TransportError] = {}
        self._out = 0
        self._changed = asyncio.Event()
        self._error: Exception | None = None
        self._closed = False
        self._busy = False
        self._tasks: TaskGroup | None = None

    @property
    def error(self) -> Exception | None:
        """Why it stopped for good; None while it works."""
        return self._error

    def put(self, operation: Operation) -> None:
        """Take an operation; it joins a waiting append to the same message where it can.

        Raises:
            LocalProtocolError: If the message is larger than Ably takes.
            TransportError: If the writer has failed.
        """
        if self._error is not None:
            raise self._error
        if self._closed:
            raise TransportClosed(f"unable to write to channel {self._outlet.name!r}; it is over")
        if isinstance(operation, Publish):
            self._check(operation)
        elif isinstance(operation, Append):
            self._count(operation)
        elif isinstance(operation.data, str):
            self._sizes[operation.key] = len(operation.data.encode())
        if not (isinstance(operation, Append) and self._joined(operation)):
            self._queue.append(operation)
        self._wake()

    def adopt(self, key: str, serial: str, text: str = "") -> None:
        """Let `key` name a message that another writer published, and that says `text` by now."""
        self._sizes[key] = len(text.encode())
        self._grown[key] = _Grown(serial, "", None, [text])

    async def room(self) -> None:
        """Wait until the queue is short."""
        while len(self._queue) > QUEUE_LIMIT and self._error is None:
            await self._changed.wait()

    async def flush(self) -> None:
        """Wait until everything put so far is acknowledged.

        Raises:
            TransportError: If the writer has failed.
        """
        while self._error is None and (self._queue or self._out or self._busy or self._damaged):
            await self._changed.wait()
        if self._error is not None:
            raise self._error

    async def run(self) -> None:
        """Write until cancelled or until something cannot be put right; never raises that."""
        try:
            async with open_task_group() as self._tasks:
                while True:
                    await self._write_next()
        except (TransportError, LocalProtocolError):
            assert self._error is not None
        finally:
            self._closed = True
            self._wake()

    def _check(self, operation: Publish) -> None:
        size = sum(message_bytes(message) for message in operation.messages)
        if size > MESSAGE_LIMIT:
            names = ", ".join(sorted({message.name for message in operation.messages}))
            raise LocalProtocolError(
                f"unable to publish {names} of {size} bytes to channel {self._outlet.name!r}; Ably"
                f" takes {MESSAGE_LIMIT}: send a link or smaller parts"
            )
        if operation.key is not None:
            text = operation.messages[0].data
            self._sizes[operation.key] = len(text.encode()) if isinstance(text, str) else 0

    def _count(self, append: Append) -> None:
        """Refuse what a message cannot hold before it joins what it can."""
        data = append.data
        if not data:
            return
        size = self._sizes.get(append.key, 0) + (
            len(data) if data.isascii() else len(data.encode())
        )
        if size > MESSAGE_LIMIT - HEADROOM_BYTES:
            raise LocalProtocolError(
                f"unable to append to a message on channel {self._outlet.name!r}; it would have"
                f" {size} bytes, and Ably takes {MESSAGE_LIMIT} for the whole text: say less, or"
                " begin a further part"
            )
        self._sizes[append.key] = size

    def _joined(self, new: Append) -> bool:
        if self._window_s <= 0:
            return False
        for index in range(len(self._queue) - 1, -1, -1):
            waiting = self._queue[index]
            if not isinstance(waiting, Append):
                return False
            if waiting.key == new.key:
                if waiting.metadata != new.metadata:
                    return False
                text = waiting.data + new.data
                self._queue[index] = Append(
                    key=new.key, data=text, extras=new.extras, metadata=new.metadata
                )
                return True
        return False

    def _wake(self) -> None:
        self._changed.set()
        self._changed = asyncio.Event()

    async def _write_next(self) -> None:
        while not (self._queue or self._damaged):
            await self._changed.wait()
        self._busy = True
        try:
            if self._damaged:
                await self._repair()
            elif isinstance(head := self._queue[0], Append):
                await self._append(head)
            else:
                await self._settle()
                if not self._damaged:
                    await self._write_whole()
        except (TransportError, LocalProtocolError) as error:
            self._error = error  # before anybody who waits in `flush` is woken
            raise
        finally:
            self._busy = False
            self._wake()

    async def _write_whole(self) -> None:
        head = self._queue.popleft()
        if isinstance(head, Update):
            await self._update(head)
            return
        assert isinstance(head, Publish)
        frame = [head]
        size = sum(message_bytes(message) for message in head.messages)
        count = len(head.messages)
        while self._queue and isinstance(following := self._queue[0], Publish):
            if frame[-1].await_serial:
                break
            size += sum(message_bytes(message) for message in following.messages)
            count += len(following.messages)
            if size > MESSAGE_LIMIT // 2 or count > FRAME_MESSAGES:
                break
            self._queue.popleft()
            frame.append(following)
        await self._publish(frame)

    async def _publish(self, frame: Sequence[Publish]) -> None:
        messages = tuple(message for publish in frame for message in publish.messages)
        ident = uuid.uuid4().hex

        async def send() -> Sequence[str]:
            try:
                return await self._outlet.publish(messages, ident)
            except RequestRejected as error:
                if len(frame) > 1 and is_rate_limit(error):
                    raise _TooManyAtOnce from error
                raise

        try:
            serials = await self._tried(send)
        except _TooManyAtOnce:
            # A second may never have room for all of them; for a few it has.
            await asyncio.sleep(RATE_PAUSE_S)
            half = len(frame) // 2
            await self._publish(frame[:half])
            await self._publish(frame[half:])
            return
        index = 0
        for publish in frame:
            first = publish.messages[0]
            if publish.key is not None:
                text = first.data if isinstance(first.data, str) else ""
                self._grown[publish.key] = _Grown(serials[index], first.name, first.extras, [text])
                if self._on_serial is not None:
                    self._on_serial(publish.key, serials[index])
            index += len(publish.messages)

    async def _update(self, update: Update) -> None:
        grown = self._of(update.key)
        grown.name = update.name or grown.name
        if update.extras is not None:
            grown.extras = update.extras
        if update.data is not None:
            grown.pieces = [update.data] if isinstance(update.data, str) else []
        message = OutboundMessage(name=update.name or "", data=update.data, extras=update.extras)
        size = message_bytes(message)
        if size > MESSAGE_LIMIT:
            raise LocalProtocolError(
                f"unable to update a message to {size} bytes on channel {self._outlet.name!r};"
                f" Ably takes {MESSAGE_LIMIT}"
            )
        await self._tried(
            lambda: self._outlet.change("update", message, grown.serial, update.metadata)
        )

    async def _append(self, head: Append) -> None:
        grown = self._of(head.key)
        loop = asyncio.get_running_loop()
        due = grown.sent_at + self._window_s
        while loop.time() < due and self._only_appends() and not self._damaged:
            try:
                async with asyncio.timeout_at(due):
                    await self._changed.wait()
            except TimeoutError:
                break
        while self._out >= APPENDS_IN_FLIGHT and not self._damaged:
            await self._changed.wait()
        if self._damaged:
            return
        append = self._queue.popleft()  # it may have grown meanwhile
        assert isinstance(append, Append)
        self._grow(grown, append)
        grown.sent_at = loop.time()
        self._out += 1
        assert self._tasks is not None
        self._tasks.start_soon(self._send_append, append, grown)

    def _grow(self, grown: _Grown, append: Append) -> None:
        grown.pieces.append(append.data)
        if append.extras is not None:
            grown.extras = append.extras

    def _only_appends(self) -> bool:
        return all(isinstance(operation, Append) for operation in self._queue)

    async def _send_append(self, append: Append, grown: _Grown) -> None:
        message = OutboundMessage(name="", data=append.data, extras=append.extras)
        try:
            async with self._outlet.connection.in_flight:
                await self._outlet.change("append", message, grown.serial, append.metadata)
        except TransportError as error:
            self._damaged.setdefault(append.key, error)
        finally:
            self._out -= 1
            self._wake()

    async def _settle(self) -> None:
        while self._out:
            await self._changed.wait()

    async def _repair(self) -> None:
        """Say the whole text of each message that lost an append."""
        await self._settle()
        for key, error in list(self._damaged.items()):
            if isinstance(error, RequestRejected):
                if error.code in {93002, 40160, 40166}:
                    raise error
                if is_rate_limit(error):
                    await asyncio.sleep(RATE_PAUSE_S)
            await self._say_all(self._grown[key])
            del self._damaged[key]

    async def _say_all(self, grown: _Grown) -> None:
        whole = OutboundMessage(name=grown.name, data="".join(grown.pieces), extras=grown.extras)
        await self._tried(lambda: self._outlet.change("update", whole, grown.serial))
        grown.sent_at = asyncio.get_running_loop().time()

    async def _tried(self, send: Callable[[], Awaitable[R]]) -> R:
        return await surely(self._outlet.connection, send, give_up_s=self._give_up_s)

    def _of(self, key: str) -> _Grown:
        grown = self._grown.get(key)
        if grown is None:
            raise LocalProtocolError(f"unable to change message {key!r}; it was never published")
        return grown
