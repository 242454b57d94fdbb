"""`chat-transport chat`: a chat in the terminal, over any transport.

Rule: Ctrl-C stops the reply under way; with none it leaves. The terminal is read without a thread,
so leaving never waits for a key.
"""

from __future__ import annotations

import os
import signal

import anyio
import anyio.lowlevel
from anyio.abc import TaskGroup
from rich.console import Console

from .._tasks import open_task_group
from ..chat import Chat, random_id
from ..errors import ChatTransportError, LocalProtocolError
from ..messages import DynamicToolPart, ToolPart
from ..predicates import is_complete_with_approval_responses
from ..transport import ChatTransport
from ._failure import CommandFailed
from ._screen import Screen, describe_call
from ._serving import announce

__all__ = ["LineReader", "chat_in_terminal"]

HELP = "/again asks for another answer, /older shows more of the past, /quit or Ctrl-D leaves"
STDIN = 0
REFRESH_S = 0.08


class LineReader:
    """Lines from a file descriptor, in the event loop."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self._buffer = b""
        self._is_over = False

    async def read(self) -> str | None:
        """Wait for a line; None at the end of input. If cancelled, nothing is lost."""
        while b"\n" not in self._buffer and not self._is_over:
            try:
                await anyio.wait_readable(self._descriptor)
            except (PermissionError, ValueError):
                await anyio.lowlevel.checkpoint()  # a regular file is always readable
            data = os.read(self._descriptor, 65536)
            self._is_over = not data
            self._buffer += data
        if not self._buffer:
            return None
        line, _, self._buffer = self._buffer.partition(b"\n")
        return line.decode(errors="replace").rstrip("\r")


async def chat_in_terminal(
    transport: ChatTransport,
    *,
    chat_id: str,
    address: str,
    console: Console | None = None,
    descriptor: int = STDIN,
) -> None:
    """Talk until the user leaves.

    Args:
        transport: Not entered yet; entered and left here.
        chat_id: Which chat.
        address: What the `ready` line says.
        console: Where to draw.
        descriptor: Where to read.

    Raises:
        CommandFailed: If the agent cannot be reached.
    """
    screen = Screen(console or Console())

    def make_id() -> str:
        screen.own_ids.add(made := random_id())
        return made

    try:
        async with (
            transport,
            Chat(
                transport,
                id=chat_id,
                send_automatically_when=is_complete_with_approval_responses,
                when_busy="interrupt",
                make_id=make_id,
            ) as chat,
        ):
            lines = LineReader(descriptor)
            session = _Session(chat, screen, lines)
            if transport.capabilities.history:
                await chat.load_history()
            announce(address)
            await session.run(resumes=transport.capabilities.resumes)
    except ChatTransportError as error:
        notes: list[str] = getattr(error, "__notes__", [])
        raise CommandFailed("; ".join([str(error), *notes])) from error
    finally:
        screen.close()


class _Session:
    def __init__(self, chat: Chat, screen: Screen, lines: LineReader) -> None:
        self._chat = chat
        self._screen = screen
        self._lines = lines

    async def run(self, *, resumes: bool) -> None:
        async with open_task_group() as tasks:
            tasks.start_soon(self._obey_signals, tasks)
            tasks.start_soon(self._draw)
            if resumes:
                await self._chat.resume_stream()
            await self._talk()
            tasks.cancel_scope.cancel()

    async def _talk(self) -> None:
        while True:
            await self._wait_until_idle()
            if await self._ask_approval():
                continue
            self._screen.prompt()
            line = await self._lines.read()
            if line is None:
                return
            self._screen.answered()
            if line.strip() == "/quit":
                return
            await self._obey(line)

    async def _obey(self, line: str) -> None:
        try:
            match line.strip():
                case "":
                    return
                case "/again":
                    await self._chat.regenerate()
                case "/older":
                    await self._chat.load_older()
                case "/help":
                    self._screen.note(HELP)
                case _:
                    await self._chat.send(line)
        except LocalProtocolError as error:
            self._screen.note(str(error))

    async def _ask_approval(self) -> bool:
        """Ask about the first call that waits for leave; whether there was one."""
        last = self._chat.messages[-1] if self._chat.messages else None
        for part in last.parts if last is not None else ():
            if isinstance(part, (ToolPart, DynamicToolPart)) and part.approval is not None:
                if part.state != "approval-requested":
                    continue
                self._screen.ask(f"allow {describe_call(part)}? [y/N] ")
                answer = await self._lines.read()
                approved = answer is not None and answer.strip().lower() in {"y", "yes"}
                await self._chat.add_tool_approval_response(part.approval.id, approved=approved)
                return True
        return False

    async def _wait_until_idle(self) -> None:
        async for state in self._chat.updates():
            if state.status in {"ready", "error"}:
                self._screen.show(state)
                return

    async def _draw(self) -> None:
        async for state in self._chat.updates(throttle_s=REFRESH_S):
            self._screen.show(state)

    async def _obey_signals(self, tasks: TaskGroup) -> None:
        with anyio.open_signal_receiver(signal.SIGINT, signal.SIGTERM) as signals:
            async for number in signals:
                if number == signal.SIGINT and self._is_busy:
                    tasks.start_soon(self._stop)
                else:
                    tasks.cancel_scope.cancel()

    @property
    def _is_busy(self) -> bool:
        return self._chat.status in {"submitted", "streaming"}

    async def _stop(self) -> None:
        try:
            await self._chat.stop()
        except ChatTransportError as error:
            self._screen.note(f"the agent may go on; {error}")
        else:
            self._screen.note("stopped")
