"""The agent's end of the wires without branches.

Rule: owners are who published, as Ably vouches for it; a message about itself does not count.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Literal, TypeAlias, cast

from ....codecs.ably.ai_transport.changes import Trigger
from ....codecs.ably.ai_transport.input_events import ApprovalAnswered, Regenerated
from ....codecs.ably.operations import Inbound, OutboundMessage, Publish
from ....codecs.ably.turns import Turns
from ....messages import DynamicToolPart, ToolPart, UIMessage
from ..wire import Act, Orphan, RunRef, RunTask, Speaker
from .reading import TurnsReading, ref_of

__all__ = ["Speak", "TurnsAgent"]

JSON: TypeAlias = Any  # any JSON value
Speak: TypeAlias = Callable[[str, str], Speaker]
"""Begins to speak in the reply (first argument) to the prompt (second argument)."""
LEFT = "the agent stopped before the reply was finished"
"""What readers are told of a reply that nobody goes on with."""
PROMPT_MESSAGES = 100
"""How far back a prompt reaches at most, in messages; these wires say nothing of parents."""


class TurnsAgent(TurnsReading):
    """The agent's end.

    Args:
        conversation: Of the wire, fresh.
        speak: Begins a reply.
        names_replies: The wire carries no name of a reply: it is called by its prompt.
    """

    def __init__(self, conversation: Turns, speak: Speak, *, names_replies: bool = False) -> None:
        super().__init__(conversation)
        self._speak = speak
        self._names_replies = names_replies

    def act(self, message: Inbound) -> Act | None:
        """Say what the message wants."""
        found = self.conversation.act_of(message)
        if found is None:
            return None
        kind, prompt_id = found
        if kind in ("start", "speak"):
            return Act(kind=kind)
        trigger = self.conversation.trigger(prompt_id) if prompt_id is not None else None
        return Act(
            kind=kind,
            run_id=None if prompt_id is None else self.conversation.run_key(prompt_id),
            owner=trigger.client_id if trigger is not None else None,
            is_known=trigger is not None or (kind == "cancel" and prompt_id is None),
        )

    def knows(self, event_id: str) -> bool:
        """Whether the input has been read."""
        return self.conversation.trigger(event_id) is not None

    def lacks_run(self, event_id: str) -> bool:
        """Whether the input is about a reply that has not been read: such inputs are dropped."""
        return False

    def resolve(self, event_id: str) -> RunTask | None:
        """Give what the input asks for."""
        trigger = self.conversation.trigger(event_id)
        if trigger is None:
            return None
        if isinstance(trigger.event, ApprovalAnswered):
            return self._resumed(trigger)
        run_id = f"reply-{trigger.input_id}"
        named: str | None = run_id if self._names_replies else None
        target: str | None = None
        if isinstance(trigger.event, Regenerated):
            target = trigger.event.target or None
        is_again = isinstance(trigger.event, Regenerated)
        return RunTask(
            ref=RunRef(run_id=run_id, input_id=trigger.input_id, message_id=target),
            trigger="regenerate-message" if is_again else "submit-message",
            owner=trigger.client_id,
            continues=False,
            token=trigger,
            reply_id=named,
        )

    def needs_older(self, task: RunTask) -> bool:
        """Whether more of the conversation may still be in history."""
        return len(self.conversation.messages()) < PROMPT_MESSAGES

    def answered_by(self, task: RunTask) -> str | None:
        """Give the reply that answers this prompt already."""
        run = self.conversation.run_for_input(task.ref.input_id or "")
        if run is None or (task.continues and run.state == "suspended"):
            return None
        return run.run_id

    def is_cancelled(self, task: RunTask) -> bool:
        """Whether the user has taken it back."""
        trigger = _trigger(task)
        found = self.conversation.cancel_for(trigger.input_id, after=trigger.serial)
        return found is not None

    def prompt(self, task: RunTask) -> Sequence[UIMessage]:
        """Give the conversation that the reply works on."""
        if task.continues:
            return self.conversation.until(task.ref.run_id or "")
        return self.conversation.prompt(_trigger(task))

    def speaker(self, task: RunTask) -> Speaker:
        """Begin to speak."""
        return self._speak(task.ref.run_id or "", task.ref.input_id or "")

    def orphan(self, ref: RunRef, reason: Literal["cancelled", "error"]) -> Orphan:
        """Close what the reply left open, and end it."""
        headers: Mapping[str, JSON] = {"promptId": ref.input_id or "", "status": reason}
        if reason == "error":
            headers = {**headers, "error": LEFT}
        ending = self.speaker_for(ref).end(reason, message=LEFT if reason == "error" else None)
        last = OutboundMessage(name="", data="", extras={"headers": headers})
        return Orphan(
            ref=ref,
            appends=[(serial, last) for serial in self.conversation.open_texts(ref.run_id or "")],
            publish=[each for each in ending if isinstance(each, Publish)],
        )

    def speaker_for(self, ref: RunRef) -> Speaker:
        """Begin to speak in a reply that somebody else began."""
        return self._speak(ref.run_id or "", ref.input_id or "")

    def suspended(self, ref: RunRef) -> RunRef | None:
        """Give the waiting reply that a stop names, if it is one."""
        run = self.conversation.run(ref.run_id or "")
        if run is None and ref.input_id is not None:
            run = self.conversation.run_for_input(ref.input_id)
        return ref_of(run) if run is not None and run.state == "suspended" else None

    def _resumed(self, trigger: Trigger) -> RunTask | None:
        """Go on once every call of the reply is answered."""
        run_id = trigger.run_id or ""
        message = self.conversation.message(run_id)
        waits = any(
            isinstance(part, ToolPart | DynamicToolPart) and part.state == "approval-requested"
            for part in (message.parts if message is not None else ())
        )
        if waits or message is None:
            return None
        asked = self.conversation.trigger(trigger.input_id)
        return RunTask(
            ref=RunRef(run_id=run_id, input_id=trigger.input_id, message_id=message.id),
            trigger="submit-message",
            owner=asked.client_id if asked is not None else trigger.client_id,
            continues=True,
            token=trigger,
        )


def _trigger(task: RunTask) -> Trigger:
    return cast("Trigger", task.token)  # we made it
