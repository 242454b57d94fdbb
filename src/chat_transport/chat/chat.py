"""`Chat`: the messages, status and error of one chat, as an application holds them.

Rule: written on `ChatTransport` alone; what a transport can do is read from its capabilities.
Source: AI SDK 7.0.173 `AbstractChat`; observed runs, history, queue policies and the bound on
automatic rounds are ours.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Awaitable, Callable, Iterable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from types import TracebackType
from typing import Any, Self, TypeAlias

from anyio.abc import TaskGroup

from .._tasks import open_task_group
from ..chunks import ABSENT, Absent, DataChunk, ToolInputAvailable
from ..errors import LocalProtocolError
from ..inputs import ApprovalResponse, ToolOutput
from ..messages import FilePart, Role, TextPart, UIMessage, UIMessagePart
from ..transport import ChatTransport, History
from ._arguments import check_approval_id, check_chat, check_words
from ._cuts import leave_rewritten
from ._others import Others
from ._parts import answers_call, waits_for_approval, with_approval, with_output
from ._replies import Replies
from ._turns import Turns
from ._view import ChatView, random_id
from ._words import ChatCallbacks, ChatFinish, ChatRequest, RequestOptions, SendPredicate, WhenBusy

__all__ = ["Chat"]

JSON: TypeAlias = Any  # any JSON value
NO_OPTIONS = RequestOptions()


class Chat(ChatView):
    """One chat. Use it as `async with Chat(transport) as chat`, with a transport already entered.

    Everything happens in the event loop that entered it; `SyncChat` serves other threads.
    Leaving the block stops listening, never the agent: runs go on where the transport resumes.
    """

    def __init__(
        self,
        transport: ChatTransport,
        *,
        id: str | None = None,  # noqa: A002  # the protocol's word
        messages: Iterable[UIMessage] = (),
        on_tool_call: Callable[[ToolInputAvailable], Awaitable[None] | None] | None = None,
        on_data: Callable[[DataChunk], None] | None = None,
        on_error: Callable[[Exception], None] | None = None,
        on_finish: Callable[[ChatFinish], None] | None = None,
        send_automatically_when: SendPredicate | None = None,
        max_automatic_rounds: int | None = 32,
        when_busy: WhenBusy = "concurrent",
        observe: bool = True,
        stop_timeout_s: float | None = 2.0,
        make_id: Callable[[], str] = random_id,
    ) -> None:
        """Prepare a chat; nothing is sent.

        Args:
            transport: Stays the caller's: it is neither entered nor closed here.
            id: The chat's name; None makes one.
            messages: What was said before.
            on_tool_call: A tool call for the client to answer with `add_tool_output`. The next
                chunk of the reply waits for it; its failure is the reply's.
            on_data: Each data chunk, transient ones too.
            on_error: What `error` holds from now on.
            on_finish: Once for every reply that began, however it ended.
            send_automatically_when: Asked after each reply, tool output and approval whether to
                send the messages without the user's doing.
            max_automatic_rounds: Such requests in a row before that is an error; None for no bound.
            when_busy: What `send` does while a reply is under way: run beside it (as AI SDK does),
                raise, wait in a queue, or stop it first.
            observe: Show runs and messages of other clients, if the transport can see them.
            stop_timeout_s: Seconds that an agent has to end its reply after `stop` before the
                reply is left as it is; 0 leaves at once, None waits for ever.
            make_id: Names new messages.

        Raises:
            TypeError: If the transport or a message is something else, such as a URL or a dict.
            ValueError: If `when_busy` is another word.
        """
        messages = tuple(messages)
        check_chat(transport, messages, when_busy)
        self._transport = transport
        super().__init__(id=id, messages=messages, make_id=make_id)
        self._when_busy = when_busy
        self._observes = observe and transport.capabilities.observes
        self._callbacks = ChatCallbacks(
            on_tool_call=on_tool_call, on_data=on_data, on_error=on_error, on_finish=on_finish
        )
        self._replies = Replies(
            transport=transport,
            chat_id=lambda: self.id,
            make_id=make_id,
            board=self._board,
            callbacks=self._callbacks,
            tasks=self._tasks,
        )
        self._turns = Turns(
            transport=transport,
            chat_id=lambda: self.id,
            board=self._board,
            replies=self._replies,
            queue=self._queue,
            tasks=self._tasks,
            predicate=send_automatically_when,
            max_rounds=max_automatic_rounds,
            stop_timeout_s=stop_timeout_s,
        )
        self._others = Others(
            transport=transport,
            chat_id=lambda: self.id,
            board=self._board,
            replies=self._replies,
            turns=self._turns,
            tasks=self._tasks,
        )
        self._group: TaskGroup | None = None
        self._exit = AsyncExitStack()

    async def __aenter__(self) -> Self:
        """Begin to listen."""
        await self._exit.enter_async_context(self._open())
        return self

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Stop listening to every reply."""
        await self._exit.__aexit__(exc_type, exc, traceback)

    @property
    def transport(self) -> ChatTransport:
        """Where the chat happens; the caller's."""
        return self._transport

    @property
    def has_older(self) -> bool:
        """Whether `load_older` would find more; false before `load_history`."""
        return self._others.has_older

    async def send(
        self,
        text: str | None = None,
        *,
        files: Sequence[FilePart] = (),
        parts: Sequence[UIMessagePart] | None = None,
        metadata: JSON | Absent = ABSENT,
        id: str | None = None,  # noqa: A002  # the protocol's word
        role: Role = "user",
        message_id: str | None = None,
        options: RequestOptions = NO_OPTIONS,
    ) -> None:
        """Send a message and see its reply to the end, automatic requests included.

        With nothing to say, send the messages as they are: to pass on tool outputs and approvals,
        or to try again. How the reply went stands in `status` and `error`.

        Args:
            text: What the user says; None with no files and parts sends nothing new.
            files: Come before the text.
            parts: The whole message, instead of `files` and `text`.
            metadata: The message's own; never given is not the same as None.
            id: The message's name; None makes one.
            role: Whose message it is.
            message_id: The user message to replace; what followed it is dropped.
            options: What this request carries beside the messages.

        Raises:
            LocalProtocolError: If `message_id` is not a user message, or the chat is busy and was
                made to reject.
            TypeError: If text or files are something else, such as a dict or a path.

        If cancelled, the reply is left, not stopped; what has come of it stays.
        """
        self._tasks()
        self._turns.rounds = 0
        if text is None and not files and parts is None:
            await self._turns.drive(self._turns.resubmission(options))
            return
        check_words(text, files)
        if parts is None:
            parts = [*files, *([TextPart(text=text)] if text is not None else [])]
        fields: dict[str, Any] = {"role": role, "parts": list(parts)}
        if metadata is not ABSENT:
            fields["metadata"] = metadata
        if message_id is not None:
            await self._edit(message_id, id, fields, options)
            return
        if self._when_busy == "queue" and self._queue.must_wait(is_busy=self._turns.is_busy):
            skips_waiting = self._queue.is_paused
            self._queue.add(UIMessage(id=id or self._make_id(), **fields), options)
            await self._turns.drive(self._turns.unpause(options, skips_waiting=skips_waiting))
            return
        await self._make_way()
        self._board.push(UIMessage(id=id or self._make_id(), **fields))
        self._queue.is_paused = False
        await self._turns.drive(ChatRequest(options=options))

    async def regenerate(
        self, message_id: str | None = None, *, options: RequestOptions = NO_OPTIONS
    ) -> None:
        """Ask for another answer in the place of a message (the last one by default).

        An assistant message is dropped with all that follows; a user message is answered anew.

        Raises:
            LocalProtocolError: If there is no such message, or as for `send`.
        """
        self._tasks()
        self._turns.rounds = 0
        await self._make_way(rewrites_history=True)
        messages = self.messages
        index = len(messages) - 1 if message_id is None else self._board.index_of(message_id)
        if index < 0:
            raise LocalProtocolError(
                f"unable to regenerate message {message_id!r} of chat {self.id!r};"
                + (" the chat is empty" if message_id is None else " it is not there")
            )
        await self._rewrite(messages[: index + (messages[index].role != "assistant")])
        await self._turns.drive(
            ChatRequest(trigger="regenerate-message", message_id=message_id, options=options)
        )

    async def resume_stream(self, *, options: RequestOptions = NO_OPTIONS) -> bool:
        """Follow the reply under way, if there is one; say whether there was.

        Until the agent has answered, the status does not change.
        """
        self._tasks()
        return await self._turns.resume(options)

    async def resume_if_disconnected(self) -> bool:
        """Resume if the last reply was cut off by the network; wait for one under way first."""
        reply = self._replies.newest
        if not self._replies.can_resume and reply is not None:
            await reply.settled.wait()
            if self._replies.saved is not reply.reducer:
                return False
        return self._replies.can_resume and await self.resume_stream()

    async def stop(self) -> None:
        """End the reply under way, keep what has come of it, and wait until all is quiet.

        Where the transport can stop, the agent is asked and its closing words are still read.
        Queued messages wait until the user sends again.

        Raises:
            TransportError: If the agent could not be asked; the run may go on there.
        """
        await self._turns.stop()

    async def add_tool_output(
        self,
        tool_call_id: str,
        output: JSON = None,
        *,
        error_text: str | None = None,
        options: RequestOptions = NO_OPTIONS,
    ) -> None:
        """Answer a tool call with its output, or with `error_text`; unknown calls are ignored.

        Returns at once. What `send_automatically_when` wants sent is sent in the background.
        """
        self._tasks()
        answer = ToolOutput(tool_call_id=tool_call_id, output=output, error_text=error_text)
        message = self._board.update_part(
            lambda part: answers_call(part, answer), lambda part: with_output(part, answer)
        )
        self._replies.patch(lambda part: with_output(part, answer))
        message_id = message.id if message is not None else None
        self._turns.after_tool_part(message_id, ChatRequest(message_id=message_id, options=options))

    async def add_tool_approval_response(
        self,
        approval_id: str,
        *,
        approved: bool,
        reason: str | None = None,
        options: RequestOptions = NO_OPTIONS,
    ) -> None:
        """Answer an approval request; unknown and answered ones are ignored. Returns at once.

        Raises:
            LocalProtocolError: If the id is a tool call's: `part.approval.id` is the approval's.
        """
        self._tasks()
        check_approval_id(self.messages, approval_id)
        self._turns.rounds = 0
        answer = ApprovalResponse(approval_id=approval_id, approved=approved, reason=reason)
        message = self._board.update_part(
            lambda part: waits_for_approval(part, approval_id),
            lambda part: with_approval(part, answer),
        )
        message_id = message.id if message is not None else None
        if message_id is not None:
            self._turns.pending_approval_id = message_id
        self._replies.patch(lambda part: with_approval(part, answer))
        self._turns.after_tool_part(
            message_id,
            ChatRequest(message_id=message_id, options=options, consumes_approval=True),
        )

    async def send_queued_now(self, message_id: str) -> None:
        """Stop the reply under way and send this queued message next, then the others."""
        await self._turns.send_now(message_id)

    async def load_history(self, *, limit: int = 100) -> History:
        """Show the newest `limit` messages that the transport remembers, in place of ours.

        Raises:
            NotSupported: If the transport has no history.
        """
        return await self._others.load_history(limit)

    async def catch_up(self) -> History:
        """Add what the transport remembers beyond the messages shown: those of a store of your own.

        The past before them is not read; if none are shown this is `load_history`, and `load_older`
        goes on from there. What others do meanwhile is shown too; a reply under way
        is followed by `resume_stream`, if the page given back names an active run.

        Raises:
            NotSupported: If the transport has no history.
        """
        return await self._others.catch_up()

    async def load_older(self, *, limit: int = 100) -> History:
        """Put the page before the oldest one loaded in front; load the newest if none was.

        Raises:
            NotSupported: If the transport has no history.
        """
        return await self._others.load_older(limit)

    async def _edit(
        self, message_id: str, own_id: str | None, fields: dict[str, Any], options: RequestOptions
    ) -> None:
        await self._make_way(rewrites_history=True)
        messages = self.messages
        index = self._board.index_of(message_id)
        if index < 0 or messages[index].role != "user":
            raise LocalProtocolError(
                f"unable to replace message {message_id!r} of chat {self.id!r}; it is not "
                + ("there" if index < 0 else f"a user's but of role {messages[index].role!r}")
            )
        await self._rewrite((*messages[:index], UIMessage(id=own_id or message_id, **fields)))
        self._queue.is_paused = False
        await self._turns.drive(ChatRequest(message_id=message_id, options=options))

    async def _rewrite(self, messages: Sequence[UIMessage]) -> None:
        """Show these and ask the last one anew; replies that answered what is gone go from view.

        Where nobody else watches they go on beside it, as with the AI SDK.
        """
        if self._transport.capabilities.observes:
            await leave_rewritten(self._replies.under_way, messages)
        self._board.assign(messages)

    async def _make_way(self, *, rewrites_history: bool = False) -> None:
        """Apply the policy for a reply under way."""
        if self._when_busy == "queue" and rewrites_history:
            self._queue.clear()
        if not self._turns.is_busy or self._when_busy == "concurrent":
            return
        if self._when_busy == "reject":
            raise LocalProtocolError(
                f"unable to send to chat {self.id!r}; a reply is under way: stop it or wait for it"
            )
        await self._turns.stop()

    @asynccontextmanager
    async def _open(self) -> AsyncGenerator[None, None]:
        async with open_task_group() as group:
            self._group = group
            self._notices.open(group)
            if self._observes:
                group.start_soon(self._others.observe)
            try:
                yield
            finally:
                self._turns.leave()
                self._notices.close()
                self._group = None
                group.cancel_scope.cancel()

    def _tasks(self) -> TaskGroup:
        if self._group is None:
            raise LocalProtocolError(f"unable to use chat {self.id!r}; enter it with `async with`")
        return self._group
