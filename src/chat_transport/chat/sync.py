"""`SyncChat`: a chat for programs without an event loop, safe to use from any thread.

Rule: one event loop in a thread of its own; every call goes there and back, nothing is shared.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import ExitStack
from functools import partial
from types import TracebackType
from typing import Any, Self, TypeAlias, TypeVar

from anyio.from_thread import BlockingPortal, start_blocking_portal

from ..chunks import ABSENT, Absent
from ..errors import TransportClosed
from ..messages import FilePart, UIMessage
from ..transport import History
from ._board import ChatStatus
from ._words import ChatState, RequestOptions
from .chat import Chat

__all__ = ["SyncChat"]

JSON: TypeAlias = Any  # any JSON value
T = TypeVar("T")
NO_OPTIONS = RequestOptions()


class SyncChat:
    """A `Chat` and its transport, run in a thread: `with SyncChat(Chat(transport)) as chat`.

    Both are entered and left here. Callbacks given to the `Chat`, and those of `subscribe`, run in
    that thread: hand over to your own, and call nothing here from them.

    Args:
        chat: Not entered, and nobody else's from now on.
        backend: `asyncio` or `trio`.
    """

    def __init__(self, chat: Chat, *, backend: str = "asyncio") -> None:
        self._chat = chat
        self._backend = backend
        self._portal: BlockingPortal | None = None
        self._stack = ExitStack()

    def __enter__(self) -> Self:
        """Start the thread, open the transport, begin to listen.

        Raises:
            ConnectFailed: If the transport cannot be opened.
        """
        with ExitStack() as stack:
            portal = stack.enter_context(start_blocking_portal(self._backend))
            stack.enter_context(portal.wrap_async_context_manager(self._chat.transport))
            stack.enter_context(portal.wrap_async_context_manager(self._chat))
            self._stack = stack.pop_all()
        self._portal = portal
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Stop listening, close the transport, end the thread. Runs go on where they can."""
        self._portal = None
        self._stack.__exit__(exc_type, exc, traceback)

    @property
    def state(self) -> ChatState:
        """Everything an interface shows, at one moment."""
        return self._call(lambda: self._chat.state)

    @property
    def messages(self) -> tuple[UIMessage, ...]:
        """The conversation, the reply under way included."""
        return self.state.messages

    @property
    def status(self) -> ChatStatus:
        """`submitted`, `streaming`, `ready` or `error`."""
        return self.state.status

    @property
    def error(self) -> Exception | None:
        """Why the status is `error`."""
        return self.state.error

    def updates(self, *, throttle_s: float = 0.0) -> Iterator[ChatState]:
        """Iterate over states: the present one, then the newest after each change.

        Ends when the chat is left.
        """
        updates = self._call(lambda: self._chat.updates(throttle_s=throttle_s))
        try:
            while (state := self._wait(partial(anext, updates, None))) is not None:
                yield state
        finally:
            if self._portal is not None:
                self._call(updates.close)

    def subscribe(
        self, callback: Callable[[], None], *, throttle_s: float = 0.0
    ) -> Callable[[], None]:
        """Call `callback`, in the chat's thread, after each change; see `Chat.subscribe`."""
        unsubscribe = self._call(lambda: self._chat.subscribe(callback, throttle_s=throttle_s))
        return lambda: self._call(unsubscribe)

    def send(
        self,
        text: str | None = None,
        *,
        files: Sequence[FilePart] = (),
        metadata: JSON | Absent = ABSENT,
        message_id: str | None = None,
        options: RequestOptions = NO_OPTIONS,
    ) -> None:
        """Send a message and wait for the end of its reply; see `Chat.send`.

        Interrupted by Ctrl-C, the reply is left; `stop` stops it.
        """
        self._wait(
            partial(
                self._chat.send,
                text,
                files=files,
                metadata=metadata,
                message_id=message_id,
                options=options,
            )
        )

    def regenerate(self, message_id: str | None = None) -> None:
        """Ask for another answer and wait for it; see `Chat.regenerate`."""
        self._wait(partial(self._chat.regenerate, message_id))

    def resume_stream(self) -> bool:
        """Follow the reply under way to its end; say whether there was one."""
        return self._wait(self._chat.resume_stream)

    def stop(self) -> None:
        """End the reply under way; call it from another thread than the one that waits."""
        self._wait(self._chat.stop)

    def add_tool_output(
        self, tool_call_id: str, output: JSON = None, *, error_text: str | None = None
    ) -> None:
        """Answer a tool call; see `Chat.add_tool_output`."""
        self._wait(partial(self._chat.add_tool_output, tool_call_id, output, error_text=error_text))

    def add_tool_approval_response(
        self, approval_id: str, *, approved: bool, reason: str | None = None
    ) -> None:
        """Answer an approval request; see `Chat.add_tool_approval_response`."""
        self._wait(
            partial(
                self._chat.add_tool_approval_response,
                approval_id,
                approved=approved,
                reason=reason,
            )
        )

    def load_history(self, *, limit: int = 100) -> History:
        """Show what the transport remembers; see `Chat.load_history`."""
        return self._wait(partial(self._chat.load_history, limit=limit))

    def catch_up(self) -> History:
        """Show what is newer than the messages shown; see `Chat.catch_up`."""
        return self._wait(self._chat.catch_up)

    def load_older(self, *, limit: int = 100) -> History:
        """Show more of the past; see `Chat.load_older`."""
        return self._wait(partial(self._chat.load_older, limit=limit))

    def clear_error(self) -> None:
        """Be `ready` again after an error."""
        self._call(self._chat.clear_error)

    def _open_portal(self) -> BlockingPortal:
        if self._portal is None:
            raise TransportClosed("unable to use the chat; enter it with `with`")
        return self._portal

    def _call(self, act: Callable[[], T]) -> T:
        return self._open_portal().call(act)

    def _wait(self, act: Callable[[], Awaitable[T]]) -> T:
        future = self._open_portal().start_task_soon(act)
        try:
            return future.result()
        except BaseException:
            future.cancel()  # Ctrl-C here leaves the reply there
            raise
