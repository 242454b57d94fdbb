"""Whose turn it is: which request follows which, and what a stop ends.

Rule: after a clean reply the predicate is asked first, then the queue; anything else pauses the
queue. A stop drops every automatic request that was pending when it began.
Source: AI SDK 7.0.173 `AbstractChat`; asking the agent to stop and the bound on rounds are ours.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import anyio
from anyio.abc import TaskGroup

from ..errors import LocalProtocolError, TransportError
from ..transport import ChatTransport
from ._board import Board
from ._parts import has_unsent_approval, is_answered_approval
from ._queue import SendQueue
from ._replies import Replies, Reply
from ._words import ChatRequest, RequestOptions, SendPredicate

__all__ = ["Turns"]


class Turns:
    """Drives requests one after the other.

    Attributes:
        pending_approval_id: The message with an approval that was answered but not sent.
        rounds: Automatic requests since a person last did something.
    """

    def __init__(
        self,
        *,
        transport: ChatTransport,
        chat_id: Callable[[], str],
        board: Board,
        replies: Replies,
        queue: SendQueue,
        tasks: Callable[[], TaskGroup],
        predicate: SendPredicate | None,
        max_rounds: int | None,
        stop_timeout_s: float | None,
    ) -> None:
        self._transport = transport
        self._chat_id = chat_id
        self._board = board
        self._replies = replies
        self._queue = queue
        self._tasks = tasks
        self._predicate = predicate
        self._max_rounds = max_rounds
        self._stop_timeout_s = stop_timeout_s
        self._stopping = 0
        self._generation = 0
        self.pending_approval_id: str | None = None
        self.rounds = 0

    @property
    def is_busy(self) -> bool:
        """Whether a reply is under way or asked for."""
        return self._replies.newest is not None or self._board.status in {"submitted", "streaming"}

    async def drive(self, request: ChatRequest | None) -> None:
        """Send a request, and then whatever follows from its reply."""
        consumed_id: str | None = None
        begun: list[Reply] = []
        try:
            while request is not None:
                if request.consumes_approval:
                    consumed_id, self.pending_approval_id = self.pending_approval_id, None
                reply = await self._replies.request(request)
                begun.append(reply)
                request = self._follow_up(reply, request.options)
        finally:
            for reply in begun:
                reply.settled.set()
        if (
            consumed_id is not None
            and self._board.status == "error"
            and self.pending_approval_id is None
        ):
            self.pending_approval_id = consumed_id  # the answer did not get through

    def start(self, request: ChatRequest | None) -> None:
        """Drive a request in the background; the chat is busy from now on."""
        if request is not None:
            self._board.set_status("submitted")
            self._tasks().start_soon(self._drive_unless_stopped, request, self._generation)

    def after_tool_part(self, message_id: str | None, request: ChatRequest) -> None:
        """A tool part was answered: send that if the predicate says so, else see to the queue."""
        is_idle = self._board.status not in {"submitted", "streaming"}
        if message_id is not None and is_idle and self._is_due(message_id):
            if not self._stopping and self._count_round():
                self.start(request)
            return
        self.start(self.next_queued())

    async def resume(self, options: RequestOptions) -> bool:
        """Follow the run under way and then go on; whether there was one."""
        self.rounds = 0
        reply = await self._replies.resume(options)
        if reply is None:
            return False
        try:
            await self.drive(self._follow_up(reply, options))
        finally:
            reply.settled.set()
        return True

    def resubmission(self, options: RequestOptions) -> ChatRequest:
        """Give the request that sends the messages as they are: answered approvals, or a retry."""
        self._queue.deferred_approval = None
        message_id = self.pending_approval_id
        if message_id is None:
            messages = self._board.messages
            answered = (m.id for m in reversed(messages) if is_answered_approval(m))
            message_id = next(answered, messages[-1].id if messages else None)
        return ChatRequest(
            message_id=message_id,
            options=options,
            consumes_approval=message_id is not None and message_id == self.pending_approval_id,
        )

    def unpause(self, options: RequestOptions, *, skips_waiting: bool) -> ChatRequest | None:
        """The user sends again: give what goes first, answered approvals before queued messages."""
        self._queue.is_paused = False
        if has_unsent_approval(self._board.last):
            if not self.is_busy:
                return self.resubmission(options)
            self._queue.deferred_approval = options
        return self.next_queued(skips_waiting=skips_waiting)

    def next_queued(self, *, skips_waiting: bool = False) -> ChatRequest | None:
        """Take the next thing from the queue, if its turn has come."""
        if self._queue.is_paused or self.is_busy or self._stopping:
            return None
        approval = self._queue.take_approval()
        if approval is not None:
            return self.resubmission(approval)
        taken = self._queue.take_message(skips_waiting=skips_waiting)
        if taken is None:
            return None
        message, options = taken
        self._board.push(message)
        return ChatRequest(options=options)

    async def send_now(self, message_id: str) -> None:
        """Stop what is under way and send a queued message, then the rest of the queue."""
        options = self._queue.move_to_front(message_id)
        if options is None:
            return
        generation = self._generation + 1
        await self.stop()
        if generation == self._generation:  # nobody stopped again meanwhile
            await self.drive(self.unpause(options, skips_waiting=True))

    async def stop(self) -> None:
        """End what is under way and wait until all of it is over."""
        self._stopping += 1
        self._generation += 1
        self._queue.deferred_approval = None
        connecting = self._replies.connecting
        # As AI SDK: without the agent's help only the newest request is given up.
        own = [self._replies.newest] if self._replies.newest is not None else []
        refusal: TransportError | None = None
        try:
            if self._transport.capabilities.stops:
                everything = self._replies.under_way
                own = [reply for reply in everything if not reply.is_observed] or everything[:]
                refusal = await self._ask_to_stop(own)
            if connecting is not None:
                connecting.scope.cancel()
            for reply in own:
                reply.scope.cancel()
            if connecting is not None:
                await connecting.done.wait()
            for reply in own:
                await reply.done.wait()
            await self._replies.tool_calls.wait_until_idle()
            self._queue.is_paused = True
        finally:
            self._stopping -= 1
        if refusal is not None:
            raise refusal

    def leave(self) -> None:
        """Stop listening to everything; runs go on where the transport resumes."""
        self._generation += 1
        if self._replies.connecting is not None:
            self._replies.connecting.scope.cancel()
        for reply in self._replies.under_way:
            reply.scope.cancel()

    async def _ask_to_stop(self, replies: Sequence[Reply]) -> TransportError | None:
        for reply in replies:
            reply.is_stopping = True
        try:
            with anyio.move_on_after(self._stop_timeout_s):
                for run_id in dict.fromkeys(reply.run_id for reply in replies):
                    await self._transport.stop(self._chat_id(), run_id)
                for reply in replies:
                    await reply.done.wait()
        except TransportError as error:
            return error
        return None

    async def _drive_unless_stopped(self, request: ChatRequest, generation: int) -> None:
        if generation == self._generation:
            await self.drive(request)
        elif not self._replies.under_way:
            self._board.set_status("ready")

    def _follow_up(self, reply: Reply, options: RequestOptions) -> ChatRequest | None:
        if not reply.is_clean or reply.reducer.finish_reason == "interrupted":
            self._queue.is_paused = True
            return None
        last = self._board.last
        last_id = last.id if last is not None else None
        # Unlike AI SDK: what somebody stopped elsewhere is not taken up again by itself.
        may_go_on = not self._stopping and not reply.was_aborted_by_agent
        if may_go_on and self._is_due(last_id) and self._count_round():
            return ChatRequest(message_id=last_id, options=options)
        return self.next_queued()

    def _is_due(self, message_id: str | None) -> bool:
        last = self._board.last
        interrupted = self._replies.interrupted_ids
        if self._predicate is None or message_id in interrupted:
            return False
        if last is not None and last.id in interrupted:
            return False
        return self._predicate(self._board.asking)

    def _count_round(self) -> bool:
        self.rounds += 1
        if self._max_rounds is None or self.rounds <= self._max_rounds:
            return True
        self._replies.fail(
            LocalProtocolError(
                f"unable to send automatically again; {self._max_rounds} rounds went by without a"
                " person: does the predicate ever become false?"
            )
        )
        return False
