"""The wire of @ably/ai-transport 0.8 for the shell: what a request means, whom an input concerns.

Rule: the codec folds and encodes; here its words become those of `wire.py`, and nothing else.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias, cast

from ...chunks import UIMessageChunk
from ...codecs.ably.ai_transport import headers as h
from ...codecs.ably.ai_transport.changes import RunView, Trigger
from ...codecs.ably.ai_transport.conversation import Conversation, Entry, UIChange
from ...codecs.ably.ai_transport.input_encoder import EncodedInput, InputEncoder
from ...codecs.ably.ai_transport.input_events import (
    ApprovalAnswered,
    MessagePart,
    Regenerated,
    ToolResolved,
)
from ...codecs.ably.ai_transport.prompt import PromptPolicy
from ...codecs.ably.ai_transport.run_encoder import RunEncoder, RunIdentity, ui_run_encoder
from ...codecs.ably.operations import Inbound, OutboundMessage, Publish
from ...errors import LocalProtocolError
from ...inputs import SendMessages
from ...messages import DynamicToolPart, ToolPart, UIMessage
from .wire import Act, Branches, Event, Heard, Orphan, Outgoing, RunRef, RunTask

__all__ = ["AiTransportWire"]

JSON: TypeAlias = Any  # any JSON value
NewId: TypeAlias = Callable[[], str]
EVENTS: Mapping[str, Event] = {
    "input": "input",
    "cancel": "cancel",
    "run-start": "run-start",
    "run-resume": "run-resume",
    "run-suspend": "run-suspend",
    "run-end": "run-end",
}
LEFT = "the agent stopped before the reply was finished"
"""What readers are told of a run that nobody serves any more."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AiTransportWire:
    """The wire of @ably/ai-transport 0.8.

    Attributes:
        prompt_policy: Whether runs that were stopped or failed are shown to the model.
        implicit_steps: Bracket each reply in a step, as the JavaScript agent does; readers do not
            need it, and it costs a round trip.
    """

    prompt_policy: PromptPolicy = "include_partial"
    implicit_steps: bool = False
    steers: bool = True
    branches: bool = True
    drops: frozenset[str] = frozenset()

    def client(self, *, client_id: str | None, new_id: NewId) -> AiTransportClient:
        """Begin to read a chat as a client."""
        return AiTransportClient(client_id=client_id, new_id=new_id)

    def agent(self, *, client_id: str | None, new_id: NewId) -> AiTransportAgent:
        """Begin to read a chat as an agent."""
        return AiTransportAgent(self, new_id)


class _Reading:
    """What both ends do with what they read."""

    def __init__(self) -> None:
        self.conversation = Conversation()

    def feed(self, message: Inbound, *, live: bool) -> Heard | None:
        """Take a message; None if it says nothing new."""
        change = self.conversation.feed(message, live=live)
        return None if change is None else self._heard(change)

    def active_runs(self) -> Sequence[RunRef]:
        """Give the runs under way, oldest first."""
        return [_ref(run) for run in self.conversation.active_runs()]

    def oldest_open(self) -> str | None:
        """Give the serial from which an active run may still change."""
        return min((run.serial for run in self.conversation.active_runs()), default=None)

    def _heard(self, change: UIChange) -> Heard:
        event = EVENTS.get(change.event or "")
        run = self.conversation.run(change.run_id) if change.run_id and event else None
        trigger = change.input
        input_id = change.input_id or (trigger.input_id if trigger is not None else None)
        message = after = None
        if trigger is not None and isinstance(trigger.event, MessagePart):
            message = self.conversation.message(trigger.input_id)
            after = self._domain_id(trigger.parent)
        return Heard(
            ref=RunRef(
                run_id=change.run_id,
                input_id=input_id,
                message_id=self._continued(run, input_id) if event is not None else None,
            ),
            chunks=change.chunks,
            event=event,
            event_id=trigger.event_id if trigger is not None else None,
            message=message,
            after_id=after,
            reason=run.reason if run is not None and event == "run-end" else None,
            error_text=run.error_message if run is not None and event == "run-end" else None,
            is_replaced=change.replaced,
        )

    def _continued(self, run: RunView | None, input_id: str | None) -> str | None:
        """Give the shown message that a pass of a run goes on with, if it does."""
        if run is None or input_id is None or self.conversation.run_of(input_id) is None:
            return None
        return self._domain_id(input_id)

    def _domain_id(self, message_id: str | None) -> str | None:
        found = self.conversation.message(message_id) if message_id is not None else None
        return found.id if found is not None else None


class AiTransportClient(_Reading):
    """The client's end."""

    def __init__(self, *, client_id: str | None, new_id: NewId) -> None:
        super().__init__()
        self._encoder = InputEncoder(new_id=new_id, client_id=client_id)

    def messages(self) -> Sequence[UIMessage]:
        """Give the conversation on the selected branch."""
        return self.conversation.messages()

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

    def encode(self, request: SendMessages) -> Sequence[Outgoing]:
        """Give the inputs that the request amounts to."""
        if request.trigger == "regenerate-message":
            return [self._regenerate(request)]
        if not request.messages:
            raise LocalProtocolError(f"unable to send to {request.chat_id!r}; there is no message")
        last = request.messages[-1]
        if last.role == "assistant":
            return self._answers(last)
        return [self._user_message(request, last)]

    def cancel(self, ref: RunRef) -> Outgoing:
        """Ask that a run end."""
        return _outgoing(self._encoder.cancel(run_id=ref.run_id, input_id=ref.input_id))

    def steer(self, run_id: str, message: UIMessage) -> Outgoing:
        """Say something to a run that is under way."""
        return _outgoing(self._encoder.user_message(message, run_id=run_id))

    def branches(self, message_id: str) -> Branches:
        """Give the alternatives at a message."""
        found = self.conversation.branches(self._entry(message_id).message_id)
        assert found is not None
        return Branches(siblings=found.siblings, index=found.index)

    def select(self, message_id: str, index: int) -> None:
        """Select an alternative."""
        if not self.conversation.select(self._entry(message_id).message_id, index):
            raise LocalProtocolError(
                f"unable to select alternative {index} at message {message_id!r}; see `branches`"
            )

    def _entry(self, message_id: str) -> Entry:
        entry = self.conversation.find(message_id)
        if entry is None:
            raise LocalProtocolError(f"unable to use message {message_id!r}; it is not in the chat")
        return entry

    def _before(self, message_id: str) -> str | None:
        """Give the codec-message-id shown before the one given."""
        before: str | None = None
        for entry in self.conversation.entries():
            if entry.message_id == message_id:
                return before
            before = entry.message_id
        return before

    def _user_message(self, request: SendMessages, message: UIMessage) -> Outgoing:
        known = self.conversation.find(request.message_id or message.id)
        if known is not None and known.message.role == "user":
            return _outgoing(
                self._encoder.user_message(
                    message, fork_of=known.message_id, parent=self._before(known.message_id)
                )
            )
        parent: str | None = None
        before = request.messages[-2].id if len(request.messages) > 1 else None
        found = self.conversation.find(before) if before is not None else None
        if found is None:
            entries = self.conversation.entries()
            found = entries[-1] if entries else None
        if found is not None:
            parent = found.message_id
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
                raise LocalProtocolError(
                    f"unable to regenerate in {request.chat_id!r}; there is no answer yet"
                )
            target = later[0]
        parent = self._before(target.message_id)
        return _outgoing(self._encoder.regenerate(target.message_id, parent=parent))

    def _answers(self, message: UIMessage) -> Sequence[Outgoing]:
        """Find the approvals and tool outputs in a message that the channel does not know yet."""
        waiting = {call.tool_call_id: call for call in self.conversation.pending_calls()}
        entries = self.conversation.entries()
        parent = entries[-1].message_id if entries else None
        found: list[Outgoing] = []
        for part in message.parts:
            if not isinstance(part, ToolPart | DynamicToolPart):
                continue
            call = waiting.get(part.tool_call_id)
            if call is None:
                continue
            approval = part.approval
            if call.approval_id is not None and approval is not None:
                if approval.approved is not None:
                    encoded = self._encoder.approval(
                        message_id=call.message_id,
                        run_id=call.run_id,
                        tool_call_id=call.tool_call_id,
                        approved=approval.approved,
                        reason=approval.reason,
                        parent=parent,
                    )
                    found.append(_outgoing(encoded))
            elif part.state in {"output-available", "output-error"}:
                encoded = self._encoder.tool_result(
                    message_id=call.message_id,
                    run_id=call.run_id,
                    tool_call_id=call.tool_call_id,
                    output=part.output,
                    error_text=part.error_text if part.state == "output-error" else None,
                    parent=parent,
                )
                found.append(_outgoing(encoded))
        if not found:
            raise LocalProtocolError(
                f"unable to send message {message.id!r}; it is the agent's, and no call in it"
                " waits for an answer that it gives"
            )
        return found


class AiTransportAgent(_Reading):
    """The agent's end."""

    def __init__(self, wire: AiTransportWire, new_id: NewId) -> None:
        super().__init__()
        self._wire = wire
        self._new_id = new_id
        self._publishers: dict[str, str | None] = {}
        self._open: dict[str, tuple[str, Mapping[str, JSON]]] = {}

    def act(self, message: Inbound) -> Act | None:
        """Say what the message wants."""
        headers = h.transport_headers(message.extras)
        if headers is None:
            return Act(kind="speak") if message.action == "append" else None
        run_id = headers.get(h.RUN_ID)
        if message.name == h.CANCEL:
            return self._cancel_act(run_id, headers.get(h.INPUT_ID))
        if message.name != h.INPUT:
            return Act(kind="speak", run_id=run_id)
        about = run_id or headers.get(h.SUPERSEDES)
        if about is None:
            return Act(kind="start")
        view = self.conversation.run(about)
        kind = h.codec_headers(message.extras).get(h.KIND)
        owner = self._owner(view) if view is not None else None
        if kind == "tool-approval-response":
            return Act(kind="approve", run_id=about, owner=owner, is_known=view is not None)
        return Act(
            kind="answer" if kind in {"tool-result", "tool-result-error"} else "steer",
            run_id=about,
            owner=owner,
            is_known=view is not None,
        )

    def feed(self, message: Inbound, *, live: bool) -> Heard | None:
        """Take a message that is believed."""
        self._note_open(message)
        heard = super().feed(message, live=live)
        if heard is not None and heard.event == "input" and heard.ref.run_id is None:
            self._publishers.setdefault(heard.ref.input_id or "", message.client_id)
        return heard

    def knows(self, event_id: str) -> bool:
        """Whether the input has been read."""
        return self.conversation.trigger(event_id) is not None

    def resolve(self, event_id: str) -> RunTask | None:
        """Give what the input asks for."""
        trigger = self.conversation.trigger(event_id)
        if trigger is None or trigger.event is None:
            return None
        if trigger.run_id is not None:
            view = self.conversation.run(trigger.run_id)
            is_answer = isinstance(trigger.event, ApprovalAnswered | ToolResolved)
            if view is None or not is_answer or self.conversation.pending_calls(trigger.run_id):
                return None
        identity = self.conversation.identify(trigger, new_id=self._new_id)
        return RunTask(
            ref=RunRef(
                run_id=identity.run_id,
                input_id=identity.input_id,
                message_id=self._target(trigger),
            ),
            trigger="regenerate-message"
            if isinstance(trigger.event, Regenerated)
            else "submit-message",
            owner=self._publishers.get(trigger.input_id, trigger.client_id),
            continues=identity.continues,
            token=(trigger, identity),
        )

    def needs_older(self, task: RunTask) -> bool:
        """Whether the chain of parents leaves what has been read."""
        identity = _identity(task)
        chain = self.conversation._chain(identity)  # noqa: SLF001  # until it is public
        return chain[0].parent is not None if chain else identity.output_parent is not None

    def answered_by(self, task: RunTask) -> str | None:
        """Give the run that answers this trigger already."""
        if task.continues:
            view = self.conversation.run(task.ref.run_id or "")
            return None if view is None or view.state == "suspended" else view.run_id
        found = self.conversation.run_for_input(task.ref.input_id or "")
        return found.run_id if found is not None else None

    def is_cancelled(self, task: RunTask) -> bool:
        """Whether a cancel newer than the trigger is known."""
        trigger, identity = cast("tuple[Trigger, RunIdentity]", task.token)  # we made it
        found = self.conversation.cancel_for(
            run_id=identity.run_id, input_id=identity.input_id, after=trigger.serial
        )
        return found is not None

    def prompt(self, task: RunTask) -> Sequence[UIMessage]:
        """Give the conversation that the run works on."""
        return self.conversation.prompt(_identity(task), policy=self._wire.prompt_policy)

    def speaker(self, task: RunTask) -> RunEncoder[UIMessageChunk]:
        """Begin to speak."""
        return ui_run_encoder(
            _identity(task), new_id=self._new_id, implicit_steps=self._wire.implicit_steps
        )

    def orphan(self, ref: RunRef, reason: Literal["cancelled", "error"]) -> Orphan:
        """Close what the run left open, and end it."""
        view = self.conversation.run(ref.run_id or "")
        assert view is not None
        appends = [
            (serial, OutboundMessage(name="", data="", extras=_cancelled(extras)))
            for serial, (run_id, extras) in self._open.items()
            if run_id == view.run_id
        ]
        identity = RunIdentity(
            run_id=view.run_id,
            invocation_id=view.invocation_id,
            input_id=ref.input_id or "",
            run_client_id=view.client_id,
            input_client_id=self._publishers.get(ref.input_id or "") or "",
        )
        encoder = ui_run_encoder(identity, new_id=self._new_id)
        ending = (
            encoder.end("error", code=h.STREAM_ERROR, message=LEFT)
            if reason == "error"
            else encoder.end(reason)
        )
        return Orphan(
            ref=ref,
            appends=appends,
            publish=[each for each in ending if isinstance(each, Publish)],
        )

    def suspended(self, ref: RunRef) -> RunRef | None:
        """Give the waiting run that a cancel names, if it is one."""
        view = self.conversation.run(ref.run_id or "")
        if view is None and ref.input_id is not None:
            view = self.conversation.run_for_input(ref.input_id)
        return _ref(view) if view is not None and view.state == "suspended" else None

    def _cancel_act(self, run_id: str | None, input_id: str | None) -> Act:
        view = self.conversation.run(run_id) if run_id else None
        if view is None and input_id is not None:
            view = self.conversation.run_for_input(input_id)
        if view is not None:
            return Act(kind="cancel", run_id=view.run_id, owner=self._owner(view))
        return Act(
            kind="cancel",
            run_id=run_id,
            owner=self._publishers.get(input_id or ""),
            is_known=input_id in self._publishers,
        )

    def _target(self, trigger: Trigger) -> str | None:
        if isinstance(trigger.event, Regenerated):
            return self._domain_id(trigger.event.target)
        if isinstance(trigger.event, ApprovalAnswered | ToolResolved):
            return self._domain_id(trigger.input_id)
        return None

    def _owner(self, view: RunView) -> str | None:
        """Give who published what started the run: vouched for by Ably, unlike `run-client-id`."""
        for input_id in view.input_ids:
            if input_id in self._publishers:
                return self._publishers[input_id]
        return view.client_id or None

    def _note_open(self, message: Inbound) -> None:
        """Know which streams are open: a run that is left needs them closed."""
        headers = h.transport_headers(message.extras)
        if headers is None or headers.get(h.STREAM) != h.TRUE or message.extras is None:
            return
        if headers.get(h.STATUS) == h.STREAMING:
            self._open[message.serial] = (headers.get(h.RUN_ID, ""), message.extras)
        else:
            self._open.pop(message.serial, None)


def _identity(task: RunTask) -> RunIdentity:
    return cast("tuple[Trigger, RunIdentity]", task.token)[1]  # we made it


def _ref(run: RunView) -> RunRef:
    return RunRef(run_id=run.run_id, input_id=run.input_ids[-1] if run.input_ids else None)


def _outgoing(encoded: EncodedInput) -> Outgoing:
    return Outgoing(publish=encoded.operation, input_id=encoded.input_id, event_id=encoded.event_id)


def _cancelled(extras: Mapping[str, JSON]) -> dict[str, JSON]:
    headers = h.transport_headers(extras) or {}
    return h.envelope({**headers, h.STATUS: h.CANCELLED}, h.codec_headers(extras))
