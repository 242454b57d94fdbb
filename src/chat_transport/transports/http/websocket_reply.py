"""Reading one reply to its end, over as many sockets as it takes.

Rule: each chunk is given once, and the prompt is sent once: who does not know whether it arrived
asks for its run, by key, before it is sent again. Our server names places in a reply, as it does
for HTTP; another one goes on behind a number of the frames.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import TypeAlias

import anyio

from ..._chunk_log import ChunkLog
from ...chunks import UIMessageChunk, is_terminal
from ...codecs.ui_frames import AbortFrame, ResumeFrame, SendFrame, dump_frame
from ...errors import (
    ChatTransportError,
    ConnectFailed,
    RequestRejected,
    StreamInterrupted,
    TransportClosed,
)
from .reply_place import next_place
from .reply_reader import ReconnectPolicy
from .websocket_connection import SocketConnection

__all__ = ["SocketReply", "WayBack"]


@dataclass(frozen=True, slots=True, kw_only=True)
class WayBack:
    """Where a reply is resumed.

    Attributes:
        run_id: The run, if our server named it.
        place: Behind what was seen, if our server counts.
        last_sequence: The number of the last frame, for another server; None if there was none.
    """

    run_id: str | None = None
    place: str | None = None
    last_sequence: int | None = None


Frame: TypeAlias = SendFrame | ResumeFrame
Connect: TypeAlias = Callable[[], Awaitable[SocketConnection]]
MakeResume: TypeAlias = Callable[[WayBack], Awaitable[ResumeFrame]]


class SocketReply:
    """One request, and the chunks of its reply in a log.

    Args:
        chat_id: The chat.
        connect: Gives the open socket, or opens one.
        resume: Makes the frame that takes the reply up again, its headers and body anew.
        policy: How often and how fast; None: never.

    Attributes:
        log: What was said.
        stream: Reads it, and knows the run as soon as our server names it.
        answered: Set when it is known whether there is a reply.
        is_active: There is one.
        is_stopped: The user has stopped it; said again over each further socket.
        request_id: Of the frame that waits for an answer now.
        connection: Where it waits.
    """

    def __init__(
        self, chat_id: str, connect: Connect, resume: MakeResume, policy: ReconnectPolicy | None
    ) -> None:
        self.chat_id = chat_id
        self.log = ChunkLog()
        self.stream = self.log.stream()
        self.answered = anyio.Event()
        self.is_active = False
        self.is_stopped = False
        self.request_id = ""
        self.connection: SocketConnection | None = None
        self._connect = connect
        self._resume = resume
        self._policy = policy
        self._sent: SendFrame | None = None
        self._settled = anyio.Event()
        self._over = anyio.Event()
        self._fault: Exception | None = None
        self._found = True
        self._counts = False
        self._place: str | None = None
        self._last_sequence: int | None = None

    async def ask(self, frame: Frame) -> None:
        """Send the first frame.

        Raises:
            ConnectFailed: If the socket cannot be opened.
        """
        if isinstance(frame, SendFrame):
            self._sent, self._place = frame, "0"
        connection = await self._connect()
        try:
            await self._put(connection, frame)
        except StreamInterrupted as error:
            self.ended(error)

    async def keep(self) -> None:
        """Read until the reply is complete; every fault ends up in the log."""
        try:
            await self._read_all()
        except ChatTransportError as error:
            self.log.close(error)
        else:
            self.log.close()
        finally:
            self.answered.set()

    async def stop(self) -> None:
        """Ask the server to end the run; its stream then ends with `abort`."""
        self.is_stopped = True
        await self._say_stopped()

    # ── what the socket gives ────────────────────────────────────────────────────────────────────

    def known(self, run_id: str | None) -> None:
        """Our server speaks."""
        self._counts = True
        if run_id is not None:
            self.log.run_id = self.stream.run_id = run_id

    def accepted(self, *, active: bool) -> None:
        """A resume is answered."""
        self._found = active
        self._settled.set()
        if active or not len(self.log):
            self.is_active = self.is_active or active
        if active:
            self.answered.set()

    def chunk(self, chunk: UIMessageChunk, place: str | None) -> None:
        """Keep it, and where it is."""
        self._place = next_place(self._place) if place is None else place
        self._last_sequence = 0 if self._last_sequence is None else self._last_sequence + 1
        self.log.append(chunk)

    def ended(self, error: Exception | None) -> None:
        """The socket gives no more."""
        if not self._over.is_set():
            self._fault = error
            self._over.set()
            self._settled.set()

    # ── over all sockets ─────────────────────────────────────────────────────────────────────────

    async def _read_all(self) -> None:
        failures, since, had, again = 0, None, 0, False
        while True:
            await self._over.wait()
            fault = self._fault
            if fault is None and self._found:
                return
            if fault is None:
                if not again or await self._is_nothing():
                    return
                continue
            if len(self.log) and is_terminal(self.log.since(len(self.log) - 1)[0]):
                return
            if not isinstance(fault, StreamInterrupted | ConnectFailed):
                self._refuse(fault, again=again)
            if since is None or len(self.log) > had:
                failures, since = 0, anyio.current_time()
            had, again = len(self.log), True
            failures = await self._reconnect(fault, failures, since)
            if self.is_stopped:
                await self._settled.wait()
                await self._say_stopped()

    async def _say_stopped(self) -> None:
        if self.connection is None or self._over.is_set():
            return
        try:
            await self.connection.send(dump_frame(AbortFrame(request_id=self.request_id)))
        except (StreamInterrupted, TransportClosed) as error:
            self.ended(error)  # said again over the next socket

    def _refuse(self, fault: Exception, *, again: bool) -> None:
        if again and isinstance(fault, RequestRejected):
            raise StreamInterrupted(
                f"lost the connection in mid-reply; unable to resume: {fault}"
            ) from fault
        raise fault

    async def _reconnect(self, fault: Exception, failures: int, since: float) -> int:
        """Ask again over the next socket. Gives how many attempts went without a new chunk."""
        if self._policy is None:
            raise fault
        cause = fault
        while self._policy.allows(failures, since):
            await anyio.sleep(self._policy.delay_s(failures))
            failures += 1
            try:
                way = WayBack(
                    run_id=self.log.run_id,
                    place=self._place if self._counts else None,
                    last_sequence=None if self._counts else self._last_sequence,
                )
                frame = await self._resume(way)
                await self._put(await self._connect(), frame)
            except (ConnectFailed, StreamInterrupted) as error:
                cause = error
                continue
            return failures
        raise StreamInterrupted(
            f"{fault} Gave up after {failures} attempts.", resumable=True
        ) from cause

    async def _is_nothing(self) -> bool:
        """The server knows no reply to take up: send the prompt if it did not arrive.

        Raises:
            StreamInterrupted: If it may have arrived, or the reply is past.
        """
        if self._sent is None and not self.is_active:
            return True  # nobody had said that there is one
        if len(self.log) or self._sent is None:
            raise StreamInterrupted("lost the connection; the server has nothing to resume")
        if not self._counts:
            raise StreamInterrupted(
                f"unable to tell whether the prompt of chat {self.chat_id!r} arrived; "
                "the connection was lost"
            )
        try:
            connection = await self._connect()
            await self._put(connection, self._sent)  # by the same key: it begins one run
        except (ConnectFailed, StreamInterrupted) as error:
            self.ended(error)
        return False

    async def _put(self, connection: SocketConnection, frame: Frame) -> None:
        self._over, self._settled = anyio.Event(), anyio.Event()
        self._fault, self._found = None, True
        resumes = isinstance(frame, ResumeFrame)
        last = frame.last_sequence if isinstance(frame, ResumeFrame) else None
        self._last_sequence = last
        connection.requests.begin(frame.request_id, self, resumes=resumes, last_sequence=last)
        self.request_id, self.connection = frame.request_id, connection
        if not resumes:
            self.is_active = True
        await connection.send(dump_frame(frame))
