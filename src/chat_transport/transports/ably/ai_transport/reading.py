"""What both ends do with what they read.

Rule: a change in the conversation is told once, in the shell's words.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from ....codecs.ably.ai_transport.changes import RunView
from ....codecs.ably.ai_transport.conversation import Conversation, UIChange
from ....codecs.ably.ai_transport.input_events import MessagePart
from ....codecs.ably.operations import Inbound
from ..wire import Event, Heard, RunRef

__all__ = ["Reading", "ref_of"]

EVENTS: Mapping[str, Event] = {
    "input": "input",
    "cancel": "cancel",
    "run-start": "run-start",
    "run-resume": "run-resume",
    "run-suspend": "run-suspend",
    "run-end": "run-end",
}


class Reading:
    """What both ends do with what they read."""

    def __init__(self, *, first_answer_counts: bool = False) -> None:
        self.conversation = Conversation(first_answer_counts=first_answer_counts)

    def feed(self, message: Inbound, *, live: bool) -> Heard | None:
        """Take a message; None if it says nothing new."""
        change = self.conversation.feed(message, live=live)
        return None if change is None else self._heard(change)

    def active_runs(self) -> Sequence[RunRef]:
        """Give the runs under way, oldest first."""
        return [ref_of(run) for run in self.conversation.active_runs()]

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
            after = self.domain_id(trigger.parent)
        other = self.domain_id(run.regenerates) if run is not None else None
        is_other = event == "run-start" and other is not None
        continued = self._continued(run, input_id) if event is not None else None
        return Heard(
            ref=RunRef(
                run_id=change.run_id, input_id=input_id, message_id=other if is_other else continued
            ),
            chunks=change.chunks,
            event=event,
            event_id=trigger.event_id if trigger is not None else None,
            message=message,
            after_id=after,
            reason=run.reason if run is not None and event == "run-end" else None,
            error_text=run.error_message if run is not None and event == "run-end" else None,
            is_edit=trigger is not None and trigger.fork_of is not None,
            is_replaced=change.replaced,
            is_other_answer=is_other,
        )

    def _continued(self, run: RunView | None, input_id: str | None) -> str | None:
        """Give the shown message that a pass of a run goes on with, if it does."""
        if run is None or input_id is None or self.conversation.run_of(input_id) is None:
            return None
        return self.domain_id(input_id)

    def domain_id(self, message_id: str | None) -> str | None:
        """Give the id that applications know of a codec-message-id."""
        found = self.conversation.message(message_id) if message_id is not None else None
        return found.id if found is not None else None


def ref_of(run: RunView) -> RunRef:
    """Give a run as the shell names it."""
    return RunRef(run_id=run.run_id, input_id=run.input_ids[-1] if run.input_ids else None)
