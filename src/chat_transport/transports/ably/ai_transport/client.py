"""The client's end of the wire of @ably/ai-transport 0.8: what a request means.

Rule: what the person did is found by comparing the messages with what the channel knows.
Source: wire document, section 6.3.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import replace
from typing import Literal, TypeAlias

from ....chunks import UIMessageChunk
from ....codecs.ably.ai_transport.conversation import Entry, PendingCall
from ....codecs.ably.ai_transport.input_encoder import EncodedInput, InputEncoder
from ....errors import RequestRejected
from ....inputs import SendMessages
from ....messages import DynamicToolPart, ToolPart, UIMessage
from ..wire import Branches, Outgoing, RunRef
from .reading import Reading

__all__ = ["AiTransportClient"]

NewId: TypeAlias = Callable[[], str]
AnyToolPart: TypeAlias = ToolPart | DynamicToolPart


class AiTransportClient(Reading):
    """The client's end."""

    def __init__(
        self, *, client_id: str | None, new_id: NewId, forks_results: bool = False
    ) -> None:
        super().__init__()
        self._forks_results = forks_results
        self._encoder = InputEncoder(new_id=new_id, client_id=client_id)

    def messages(self) -> Sequence[UIMessage]:
        """Give the conversation on the selected branch."""
        return self.conversation.messages()

    def lacks_start(self, ref: RunRef) -> bool:
        """Whether the beginning of a run has not been read."""
        run = self.conversation.run(ref.run_id) if ref.run_id is not None else None
        return run is not None and not run.announced

    def reply(self, ref: RunRef) -> Sequence[UIMessageChunk]:
        """Give what an active run has said so far."""
        return self.conversation.reply(ref.run_id or "", input_id=ref.input_id)

    def needs_older(self, request: SendMessages) -> bool:
        """Whether `request` follows, edits or answers a message that has not been read."""
        wanted = [message.id for message in request.messages[-2:-1]]
        if request.message_id is not None:
            wanted.append(request.message_id)
        if request.messages and request.messages[-1].role == "assistant":
            wanted.append(request.messages[-1].id)
        return any(self.conversation.find(each) is None for each in wanted)

    def meets(self, known: AbstractSet[str]) -> bool:
        """Whether one of these messages is shown, and all after it hangs together."""
        return self.conversation.meets(known)

    def encode(self, request: SendMessages) -> Sequence[Outgoing]:
        """Give the inputs that the request amounts to."""
        if request.trigger == "regenerate-message":
            return [self._regenerate(request)]
        if not request.messages:
            raise _nonsense(f"unable to send to {request.chat_id!r}; there is no message")
        last = request.messages[-1]
        named = [message for message in request.messages if message.id == request.message_id]
        for message in (*named, last):  # a steer or a prompt may stand behind what is answered
            if message.role == "assistant":
                return self._answers(message)
        if last.role != "user":
            raise _nonsense(
                f"unable to send message {last.id!r}; its role is {last.role!r}, and only a user"
                " asks: instructions belong to the agent"
            )
        return self._prompt(request, last)

    def cancel(self, ref: RunRef) -> Outgoing:
        """Ask that a run end."""
        return _outgoing(self._encoder.cancel(run_id=ref.run_id, input_id=ref.input_id))

    def steer(self, run_id: str, message: UIMessage) -> Outgoing:
        """Say something to a run that is under way."""
        return _outgoing(self._encoder.user_message(message, run_id=run_id))

    def is_heard(self, run_id: str, input_id: str) -> bool:
        """Whether an output of the run answers it."""
        if self.conversation.message(input_id) is None:
            return False  # its own echo has not come yet
        return input_id not in self.conversation.unanswered_steers(run_id)

    def branches(self, message_id: str) -> Branches:
        """Give the alternatives at a message."""
        found = self.conversation.branches(self._entry(message_id).message_id)
        assert found is not None
        return Branches(siblings=found.siblings, index=found.index)

    def select(self, message_id: str, index: int) -> None:
        """Select an alternative."""
        if not self.conversation.select(self._entry(message_id).message_id, index):
            raise _nonsense(
                f"unable to select alternative {index} at message {message_id!r}; see `branches`"
            )

    def _entry(self, message_id: str) -> Entry:
        entry = self.conversation.find(message_id)
        if entry is None:
            raise _nonsense(f"unable to use message {message_id!r}; it is not in the chat")
        return entry

    def _before(self, message_id: str) -> str | None:
        """Give the codec-message-id shown before the one given."""
        before: str | None = None
        for entry in self.conversation.entries():
            if entry.message_id == message_id:
                return before
            before = entry.message_id
        return before

    def _prompt(self, request: SendMessages, message: UIMessage) -> Sequence[Outgoing]:
        """Give a prompt, and before it the answers in earlier messages that were not sent yet."""
        unsent = [
            answer
            for earlier in request.messages
            if earlier.role == "assistant"
            for answer in self._open_answers(earlier)
        ]
        # Results that are forked bring a copy of the message: that is what the prompt follows.
        after = unsent[-1].input_id if unsent and self._forks_results else None
        prompt = self._user_message(request, message, after=after)
        last = {answer.input_id: answer for answer in unsent}  # the run goes on when it has all
        answers = [replace(_outgoing(each), wakes=each is last[each.input_id]) for each in unsent]
        return [*answers, prompt]

    def _user_message(
        self, request: SendMessages, message: UIMessage, *, after: str | None
    ) -> Outgoing:
        known = self.conversation.find(request.message_id or message.id)
        if known is not None and known.message.role == "user":
            return _outgoing(
                self._encoder.user_message(
                    message, fork_of=known.message_id, parent=self._before(known.message_id)
                )
            )
        before = request.messages[-2].id if len(request.messages) > 1 else None
        found = self.conversation.find(before) if before is not None else None
        if found is None:
            entries = self.conversation.entries()
            found = entries[-1] if entries else None
        parent = after or (found.message_id if found is not None else None)
        return _outgoing(self._encoder.user_message(message, parent=parent))

    def _regenerate(self, request: SendMessages) -> Outgoing:
        entries = self.conversation.entries()
        wanted = request.message_id
        if wanted is not None and self._entry(wanted).message.role == "assistant":
            target = next(e for e in entries if e.message.id == wanted)
        else:
            after = wanted or (request.messages[-1].id if request.messages else None)
            place = max((n for n, e in enumerate(entries) if e.message.id == after), default=-1)
            later = [e for e in entries[place + 1 :] if e.message.role == "assistant"]
            if not later:
                raise _nonsense(
                    f"unable to regenerate in {request.chat_id!r}; there is no answer yet"
                )
            target = later[0]
        parent = self._before(target.message_id)
        return _outgoing(self._encoder.regenerate(target.message_id, parent=parent))

    def _answers(self, message: UIMessage) -> Sequence[Outgoing]:
        """Find the approvals and tool outputs in a message that the channel does not know yet."""
        found = self._open_answers(message)
        if not found:
            parts = _calls(message)
            ended = _answered(self.conversation.pending_calls(state="ended"), parts)
            results = [call for call in ended if call.approval_id is None]
            found = self._fork(results[-1].run_id, parts) if results else []
        if not found:
            raise _nonsense(
                f"unable to send message {message.id!r}; it is the agent's, and no call in it"
                " waits for an answer that it gives"
            )
        return [_outgoing(each) for each in found]

    def _open_answers(self, message: UIMessage) -> list[EncodedInput]:
        """Find those of them that runs under way wait for."""
        parts = _calls(message)
        open_calls = _answered(self.conversation.pending_calls(), parts)
        results = [call for call in open_calls if call.approval_id is None]
        if results and self._forks_results:
            return self._fork(results[-1].run_id, parts)
        return [self._answer(call, parts[call.tool_call_id]) for call in open_calls]

    def _answer(self, call: PendingCall, part: AnyToolPart) -> EncodedInput:
        """Answer a call in the run that waits for it."""
        entries = self.conversation.entries()
        parent = entries[-1].message_id if entries else None
        if call.approval_id is not None and part.approval is not None:
            return self._encoder.approval(
                message_id=call.message_id,
                run_id=call.run_id,
                tool_call_id=call.tool_call_id,
                approved=part.approval.approved is True,
                reason=part.approval.reason,
                parent=parent,
            )
        return self._encoder.tool_result(
            message_id=call.message_id,
            run_id=call.run_id,
            tool_call_id=call.tool_call_id,
            output=part.output,
            error_text=part.error_text if part.state == "output-error" else None,
            parent=parent,
        )

    def _fork(self, run_id: str, parts: Mapping[str, AnyToolPart]) -> list[EncodedInput]:
        """Give all answers for one run beside it, results first: they bring the copy of the run."""
        run = self.conversation.run(run_id)
        assert run is not None
        fork = self._encoder.fork(
            messages=[message for _, message in self.conversation.messages_of(run_id)],
            parent=run.parent,
            supersedes=run_id,
        )
        state: Literal["open", "ended"] = "ended" if run.state == "ended" else "open"
        calls = _answered(self.conversation.pending_calls(run_id, state=state), parts)
        found: list[EncodedInput] = []
        for call in sorted(calls, key=lambda call: call.approval_id is not None):
            part, approval = parts[call.tool_call_id], parts[call.tool_call_id].approval
            if call.approval_id is not None and approval is not None:
                answer = self._encoder.approval_fork(
                    fork,
                    call.tool_call_id,
                    approved=approval.approved is True,
                    reason=approval.reason,
                )
            else:
                answer = self._encoder.tool_result_fork(
                    fork,
                    call.tool_call_id,
                    output=part.output,
                    error_text=part.error_text if part.state == "output-error" else None,
                )
            found.append(answer)
        return found


def _calls(message: UIMessage) -> dict[str, AnyToolPart]:
    return {
        part.tool_call_id: part
        for part in message.parts
        if isinstance(part, ToolPart | DynamicToolPart)
    }


def _answered(calls: Sequence[PendingCall], parts: Mapping[str, AnyToolPart]) -> list[PendingCall]:
    """Give the calls that the parts answer."""
    found: list[PendingCall] = []
    for call in calls:
        part = parts.get(call.tool_call_id)
        if part is None:
            continue
        if call.approval_id is not None:
            if part.approval is not None and part.approval.approved is not None:
                found.append(call)
        elif part.state in {"output-available", "output-error"}:
            found.append(call)
    return found


def _nonsense(words: str) -> RequestRejected:
    """Refuse as an agent behind HTTP would: the same request fails the same way everywhere."""
    return RequestRejected(words, status=400)


def _outgoing(encoded: EncodedInput) -> Outgoing:
    return Outgoing(publish=encoded.operation, input_id=encoded.input_id, event_id=encoded.event_id)
