"""Replies under way: asking for them, folding them, ending them.

Rule: every reply that began ends in exactly one `on_finish`; none raises but for cancellation.
Source: AI SDK 7.0.173 `AbstractChat.makeRequest`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import anyio
from anyio import CancelScope
from anyio.abc import TaskGroup

from ..chunks import (
    Abort,
    DataChunk,
    Error,
    Finish,
    Start,
    StartStep,
    ToolInputAvailable,
    UIMessageChunk,
)
from ..errors import AgentError, ConnectFailed, RequestAborted, StreamInterrupted
from ..inputs import Reconnect, SendMessages
from ..messages import UIMessage, UIMessagePart
from ..reducer import MessageReducer
from ..transport import ChatTransport, ChunkStream, RunSeen
from ._board import Board, Placing
from ._parts import is_tool_part, is_unfinished
from ._tool_calls import ToolCalls
from ._words import ChatCallbacks, ChatFinish, ChatRequest, RequestOptions

__all__ = ["Replies", "Reply"]

_NOTED = frozenset({Start, StartStep, Finish, Abort, Error})
"""Chunks that mean something to a chat beyond what the reducer makes of them."""


@dataclass(eq=False, slots=True, kw_only=True)
class Reply(Placing):
    """One reply under way, or the attempt to resume one.

    Attributes:
        done: It has ended.
        settled: What followed by itself has ended too.
        is_stopping: The agent was asked to end it.
        is_clean: It ended by itself and without fault.
        was_aborted_by_agent: The agent said `abort`: somebody stopped it.
        asked_by: The last message when it was asked for.
        made_id: What its message is called here until the agent names it.
    """

    scope: CancelScope = field(default_factory=CancelScope)
    done: anyio.Event = field(default_factory=anyio.Event)
    settled: anyio.Event = field(default_factory=anyio.Event)
    run_id: str | None = None
    replaces_id: str | None = None
    asked_by: str | None = None
    made_id: str | None = None
    is_observed: bool = False
    is_stopping: bool = False
    is_complete: bool = False
    is_clean: bool = False
    was_aborted_by_agent: bool = False

    @property
    def is_aborted(self) -> bool:
        """Whether this chat gave the reply up."""
        return self.is_stopping or self.scope.cancel_called


class Connecting:
    """An attempt to resume, until its reply has ended."""

    def __init__(self) -> None:
        self.scope = CancelScope()
        self.done = anyio.Event()


class Replies:
    """Runs requests against the transport and writes what comes to the board."""

    def __init__(
        self,
        *,
        transport: ChatTransport,
        chat_id: Callable[[], str],
        make_id: Callable[[], str],
        board: Board,
        callbacks: ChatCallbacks,
        tasks: Callable[[], TaskGroup],
    ) -> None:
        self._transport = transport
        self._chat_id = chat_id
        self._make_id = make_id
        self._board = board
        self._callbacks = callbacks
        self.tool_calls = ToolCalls(callbacks, tasks)
        self.under_way: list[Reply] = []
        self.newest: Reply | None = None
        """The last reply that this chat asked for, until it ends: AI SDK's active response."""
        self.saved: MessageReducer | None = None
        """The state of a reply that the network cut off, open blocks included."""
        self._saved_made_id: str | None = None
        self.connecting: Connecting | None = None
        self.interrupted_ids: set[str] = set()
        """Messages that ended with reason `interrupted`: never sent automatically."""

    @property
    def can_resume(self) -> bool:
        """Whether the network cut off the last reply."""
        return self.saved is not None

    def patch(self, update: Callable[[UIMessagePart], UIMessagePart]) -> None:
        """Change tool parts in the state of every reply under way."""
        for reply in self.under_way:
            for part in reply.reducer.message.parts:
                changed = update(part)
                if changed is not part and is_tool_part(changed):
                    reply.reducer.patch_tool(changed)

    async def request(self, request: ChatRequest) -> Reply:
        """Ask for a reply and see it to its end.

        If cancelled, the reply is left as it is then, and ends as aborted.
        """
        self.saved = None
        self._board.set_status("submitted")
        continued, earlier_id = self._continued(request)
        made_id = self._make_id()
        reply = Reply(
            reducer=MessageReducer(continued, message_id=made_id),
            made_id=made_id,
            earlier_id=earlier_id,
            asked_by=self._board.messages[-1].id if self._board.messages else None,
        )
        options = request.options
        send = SendMessages(
            chat_id=self._chat_id(),
            messages=self._board.messages,
            trigger=request.trigger,
            message_id=request.message_id,
            headers=options.headers,
            body=options.body,
            metadata=options.metadata,
        )
        self._begin(reply)
        try:
            with reply.scope:
                async with self._transport.send_messages(send) as stream:
                    await self._read(reply, stream)
        except Exception as error:  # noqa: BLE001  # whatever a transport raises is this reply's end
            self._end(reply, error)
        except BaseException:
            reply.scope.cancel()
            self._end(reply)
            raise
        else:
            self._end(reply)
        return reply

    async def resume(self, options: RequestOptions) -> Reply | None:
        """Follow the run that is under way; None if there was none or it could not be reached.

        A second resume takes the place of the first.
        """
        if self.connecting is not None:
            self.connecting.scope.cancel()
        connecting = self.connecting = Connecting()
        ask = Reconnect(
            chat_id=self._chat_id(),
            headers=options.headers,
            body=options.body,
            metadata=options.metadata,
        )
        reply: Reply | None = None
        error: Exception | None = None
        try:
            with connecting.scope:
                async with self._transport.reconnect_to_stream(ask) as stream:
                    if stream is not None and self._goes_on(connecting):
                        reply = self._resumed(connecting.scope)
                        await self._read(reply, stream)
        except Exception as raised:  # noqa: BLE001  # as above
            error = raised
        except BaseException:
            connecting.scope.cancel()
            raise
        finally:
            self._end_resume(connecting, reply, error)
        return reply

    async def watch(self, seen: RunSeen) -> None:
        """Show a run that another client asked for, or that goes on with a message of ours."""
        await self._until_written(seen)
        earlier = self._assistant(seen.replaces_id)
        reply = Reply(
            reducer=MessageReducer(earlier, message_id=self._make_id(), reset_on_id_change=True),
            run_id=seen.run_id,
            replaces_id=seen.replaces_id,
            is_observed=True,
        )
        self.under_way.append(reply)
        if self._board.status not in {"submitted", "streaming"}:
            self._board.set_status("submitted")
        try:
            with reply.scope:
                await self._read(reply, seen.chunks)
        except Exception as error:  # noqa: BLE001  # as above
            self._end(reply, error)
        except BaseException:
            reply.scope.cancel()
            self._end(reply)
            raise
        else:
            self._end(reply)

    async def _until_written(self, seen: RunSeen) -> None:
        """Wait for the end of the reply that the run goes on with: it may not be read yet."""
        for reply in tuple(self.under_way):
            is_same = reply.replaces_id is None and reply.reducer.message.id == seen.replaces_id
            if is_same or reply.run_id == seen.run_id:
                await reply.done.wait()

    def _continued(self, request: ChatRequest) -> tuple[UIMessage | None, str | None]:
        """Choose the message that the reply continues, and the one whose place it may take."""
        messages = self._board.messages
        index = len(messages) - 1
        if request.trigger == "submit-message" and request.message_id is not None:
            found = self._board.index_of(request.message_id)
            index = found if found >= 0 else index
        if index < 0 or messages[index].role != "assistant":
            return None, None
        earlier_id = messages[index].id if index < len(messages) - 1 else None
        return (messages[index] if request.trigger == "submit-message" else None), earlier_id

    def _resumed(self, scope: CancelScope) -> Reply:
        self._board.set_status("submitted")
        made_id = self._saved_made_id  # AI SDK makes no id for a reply that is taken up again
        replays = self._transport.capabilities.replays_on_resume
        if self.saved is not None:
            reducer = self.saved = self.saved.copy(
                reset_on_first_start=replays, reset_on_id_change=True
            )
        else:
            last, made_id = self._board.last, self._make_id()
            reducer = MessageReducer(
                last if last is not None and is_unfinished(last) else None,
                message_id=made_id,
                reset_on_first_start=replays,
                reset_on_id_change=True,
            )
        reply = Reply(reducer=reducer, scope=scope, made_id=made_id)
        self._begin(reply)
        return reply

    def _begin(self, reply: Reply) -> None:
        self.under_way.append(reply)
        self.newest = reply

    def _assistant(self, message_id: str | None) -> UIMessage | None:
        index = -1 if message_id is None else self._board.index_of(message_id)
        message = self._board.messages[index] if index >= 0 else None
        return message if message is not None and message.role == "assistant" else None

    def _goes_on(self, connecting: Connecting) -> bool:
        return self.connecting is connecting and not connecting.scope.cancel_called

    async def _read(self, reply: Reply, stream: ChunkStream) -> None:
        reply.run_id = reply.run_id or stream.run_id
        while chunks := await stream.drain():
            has_news = False
            for chunk in chunks:
                if reply.scope.cancel_called:
                    return
                has_news = self._fold(reply, chunk) or has_news
                if type(chunk) is ToolInputAvailable:
                    if has_news:
                        self._board.tell()
                        has_news = False
                    await self.tool_calls.call(chunk)
            if has_news:
                self._board.tell()

    def _fold(self, reply: Reply, chunk: UIMessageChunk) -> bool:
        """Fold one chunk; whether there is something new to see."""
        kind = type(chunk)
        if kind in _NOTED:
            self._note(reply, chunk)
        write = reply.reducer.feed(chunk)
        if kind is DataChunk and self._callbacks.on_data is not None:
            assert isinstance(chunk, DataChunk)
            self._callbacks.on_data(chunk)
        if write is None:
            return False
        if kind is Start and reply.replaces_id is not None:
            self._cut_replaced(reply)
        self._board.write(reply, is_renamed=kind is Start)
        if write.streaming and self._board.status != "streaming":
            self._board.set_status("streaming")
        return True

    def _note(self, reply: Reply, chunk: UIMessageChunk) -> None:
        if isinstance(chunk, (Start, StartStep)):
            # A step marker is no news: it shows with what follows. A new id begins a new message.
            self._board.flush(reply)
            return
        reply.is_complete = True
        if isinstance(chunk, Abort):
            reply.was_aborted_by_agent = True
        elif isinstance(chunk, Error):
            raise AgentError(chunk.error_text)

    def _cut_replaced(self, reply: Reply) -> None:
        """Drop what another answer takes the place of; a continued message stays."""
        replaced_id, reply.replaces_id = reply.replaces_id, None
        if replaced_id is not None and reply.reducer.message.id != replaced_id:
            index = self._board.index_of(replaced_id)
            if index >= 0:
                self._board.assign(self._board.messages[:index])

    def _end_resume(
        self, connecting: Connecting, reply: Reply | None, error: Exception | None
    ) -> None:
        is_current = self.connecting is connecting
        try:
            if reply is not None:
                self._end(reply, error, is_current=is_current)
            elif is_current and not _is_failure(connecting.scope, error):
                self._board.set_status("ready")
                self.saved = None
            elif is_current and error is not None:
                self.fail(error)
        finally:
            if self.connecting is connecting:
                self.connecting = None
            connecting.done.set()

    def _end(
        self, reply: Reply, error: Exception | None = None, *, is_current: bool = True
    ) -> None:
        is_abort = reply.is_aborted or isinstance(error, RequestAborted)
        is_error = error is not None and not is_abort and is_current
        is_disconnect = is_error and isinstance(error, (ConnectFailed, StreamInterrupted))
        reply.is_clean = not is_abort and error is None
        self._board.flush(reply)
        if is_disconnect and not reply.is_observed:
            self.saved, self._saved_made_id = reply.reducer, reply.made_id
        elif self.saved is reply.reducer and is_current:
            self.saved = None
        if is_error and error is not None:
            self.fail(error)
        elif is_current and (not reply.is_observed or self.under_way == [reply]):
            self._board.set_status("ready")
        message = reply.reducer.message
        if reply.reducer.finish_reason == "interrupted":
            self.interrupted_ids.add(message.id)
        elif reply.is_clean:
            self.interrupted_ids.discard(message.id)
        try:
            if self._callbacks.on_finish is not None:
                self._callbacks.on_finish(
                    ChatFinish(
                        message=message,
                        messages=self._board.messages,
                        is_abort=is_abort,
                        is_disconnect=is_disconnect,
                        is_error=is_error,
                        is_incomplete=reply.is_clean and not reply.is_complete,
                        is_observed=reply.is_observed,
                        finish_reason=reply.reducer.finish_reason,
                    )
                )
        finally:
            self.under_way.remove(reply)
            if self.newest is reply:
                self.newest = None
            reply.done.set()

    def fail(self, error: Exception) -> None:
        """Show an error and tell `on_error`."""
        if self._callbacks.on_error is not None:
            self._callbacks.on_error(error)
        self._board.set_status("error", error)


def _is_failure(scope: CancelScope, error: Exception | None) -> bool:
    return error is not None and not scope.cancel_called and not isinstance(error, RequestAborted)
