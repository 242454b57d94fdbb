"""The agent's end of the wire of @ably/ai-transport 0.8: whom an input concerns, what it asks.

Rule: owners are who published, as Ably vouches for it; headers about oneself are claims.
Source: wire document, sections 6, 8 and 21.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any, Literal, TypeAlias, cast

from ....chunks import UIMessageChunk
from ....codecs.ably.ai_transport import headers as h
from ....codecs.ably.ai_transport.changes import RunView, Trigger
from ....codecs.ably.ai_transport.input_events import (
    ApprovalAnswered,
    MessagePart,
    Regenerated,
    ToolResolved,
)
from ....codecs.ably.ai_transport.prompt import PromptPolicy
from ....codecs.ably.ai_transport.run_encoder import RunEncoder, RunIdentity, ui_run_encoder
from ....codecs.ably.operations import Inbound, OutboundMessage, Publish
from ....messages import UIMessage
from ..wire import Act, Heard, Orphan, RunRef, RunTask
from ..wire_abilities import Steer
from .reading import Reading, ref_of

__all__ = ["AiTransportAgent"]

JSON: TypeAlias = Any  # any JSON value
NewId: TypeAlias = Callable[[], str]

_RUNS = uuid.UUID("7f0a5f0e-52f4-4a54-9d0c-5a1b1c8a3f10")
_INVOCATIONS = uuid.UUID("c2a4e0d8-0d5b-4f0e-8a44-3a0f6c4b7e21")
LEFT = "the agent stopped before the reply was finished"
"""What readers are told of a run that nobody serves any more."""


class AiTransportAgent(Reading):
    """The agent's end."""

    def __init__(
        self,
        new_id: NewId,
        *,
        prompt_policy: PromptPolicy = "include_partial",
        implicit_steps: bool = False,
    ) -> None:
        super().__init__(first_answer_counts=True)
        self._new_id = new_id
        self._prompt_policy: PromptPolicy = prompt_policy
        self._implicit_steps = implicit_steps
        self._agent: str | None = None
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
        kind = h.codec_headers(message.extras).get(h.KIND)
        if kind == "user-message" and headers.get(h.ROLE, "user") != "user":
            return None  # nobody but the agent speaks as system or assistant
        about = run_id or headers.get(h.SUPERSEDES)
        if about is None:
            return Act(kind="start")
        view = self.conversation.run(about)
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

    def lacks_run(self, event_id: str) -> bool:
        """Whether the input is about a run whose beginning has not been read yet."""
        trigger = self.conversation.trigger(event_id)
        if trigger is None or trigger.run_id is None:
            return False
        view = self.conversation.run(trigger.run_id)
        return view is None or not view.announced

    def resolve(self, event_id: str) -> RunTask | None:
        """Give what the input asks for."""
        trigger = self.conversation.trigger(event_id)
        if trigger is None or trigger.event is None:
            return None
        if trigger.run_id is not None:
            view = self.conversation.run(trigger.run_id)
            is_answer = isinstance(trigger.event, ApprovalAnswered | ToolResolved)
            if view is None or not (view.announced or view.state == "suspended"):
                return None  # nobody ever began such a run
            if not is_answer or self.conversation.pending_calls(trigger.run_id):
                return None
        return self._task(trigger, self._identify(trigger))

    def stand_for(self, agent: str) -> None:
        """Call runs as every process of this agent calls them."""
        self._agent = agent

    def announcements(self, task: RunTask) -> Sequence[str]:
        """Give the serials of the messages that began this part of the run, sorted."""
        identity = _identity(task)
        return self.conversation.announcements(identity.run_id, identity.invocation_id)

    def _identify(self, trigger: Trigger) -> RunIdentity:
        if self._agent is None:
            return self.conversation.identify(trigger, new_id=self._new_id)
        # Made of what the channel gave the input, which its author cannot choose, so that two
        # processes of one agent begin one run, not two: readers tell replies apart by the input.
        seed = f"{self._agent}\n{trigger.serial}\n{trigger.event_id}"
        return self.conversation.identify(
            trigger,
            new_id=lambda: str(uuid.uuid5(_INVOCATIONS, seed)),
            run_id=str(uuid.uuid5(_RUNS, seed)),
        )

    def _task(self, trigger: Trigger, identity: RunIdentity) -> RunTask:
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

    def steer_of(self, event_id: str) -> Steer | None:
        """Give what a user message says to a run that it names."""
        trigger = self.conversation.trigger(event_id)
        if trigger is None or trigger.run_id is None or not isinstance(trigger.event, MessagePart):
            return None
        message = self.conversation.message(trigger.input_id)
        if message is None:
            return None
        return Steer(run_id=trigger.run_id, input_id=trigger.input_id, message=message)

    def needs_older(self, task: RunTask) -> bool:
        """Whether the chain of parents leaves what has been read."""
        return self.conversation.needs_older(_identity(task))

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
        return self.conversation.prompt(_identity(task), policy=self._prompt_policy)

    def speaker(self, task: RunTask) -> RunEncoder[UIMessageChunk]:
        """Begin to speak."""
        return ui_run_encoder(
            _identity(task), new_id=self._new_id, implicit_steps=self._implicit_steps
        )

    def adopt(self, ref: RunRef) -> tuple[str, RunTask] | None:
        """Give the task of a run whose process died."""
        found = self.conversation.adopt(ref.run_id or "", new_id=self._new_id)
        if found is None or found[0].event_id is None:
            return None
        trigger, identity = found
        task = replace(self._task(trigger, identity), reply_id=self.domain_id(identity.message_id))
        return trigger.event_id or "", task

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
        return ref_of(view) if view is not None and view.state == "suspended" else None

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
            return self.domain_id(trigger.event.target)
        if isinstance(trigger.event, ApprovalAnswered | ToolResolved):
            return self.domain_id(trigger.input_id)
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


def _cancelled(extras: Mapping[str, JSON]) -> dict[str, JSON]:
    headers = h.transport_headers(extras) or {}
    return h.envelope({**headers, h.STATUS: h.CANCELLED}, h.codec_headers(extras))
