"""What both ends of a wire without branches do with what they read.

Rule: the codec's conversation folds; here its words become those of the shell, and nothing else.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from ....codecs.ably.ai_transport.changes import RunView
from ....codecs.ably.operations import Inbound
from ....codecs.ably.turns import Turns, UIChange
from ..wire import Event, Heard, RunRef

__all__ = ["TurnsReading", "ref_of"]

EVENTS: Mapping[str, Event] = {
    "input": "input",
    "cancel": "cancel",
    "run-start": "run-start",
    "run-resume": "run-resume",
    "run-suspend": "run-suspend",
    "run-end": "run-end",
}


class TurnsReading:
    """What both ends share.

    Args:
        conversation: Of the wire, fresh.
    """

    def __init__(self, conversation: Turns) -> None:
        self.conversation = conversation

    def feed(self, message: Inbound, *, live: bool) -> Heard | None:
        """Take a message; None if it says nothing new."""
        change = self.conversation.feed(message, live=live)
        return None if change is None else self._heard(change)

    def active_runs(self) -> Sequence[RunRef]:
        """Give the replies under way, oldest first."""
        return [ref_of(run) for run in self.conversation.active_runs()]

    def oldest_open(self) -> str | None:
        """Give the serial from which an active reply may still change."""
        return min((run.serial for run in self.conversation.unfinished_runs()), default=None)

    def _heard(self, change: UIChange) -> Heard:
        event = EVENTS.get(change.event or "")
        trigger = change.input
        message = after = None
        if trigger is not None and trigger.run_id is None:
            message = self.conversation.message(trigger.input_id)
            after = self._before(message.id) if message is not None else None
        run = self.conversation.run(change.run_id) if event == "run-end" and change.run_id else None
        return Heard(
            # A reply that nobody asked for on the channel is told apart by itself.
            ref=RunRef(
                run_id=change.run_id,
                input_id=change.input_id or change.run_id,
                message_id=self._goes_on_with(change),
            ),
            chunks=change.chunks,
            event=event,
            event_id=trigger.event_id if trigger is not None else None,
            message=message,
            after_id=after,
            reason=run.reason if run is not None else None,
            error_text=run.error_message if run is not None else None,
            is_replaced=change.replaced,
        )

    def _goes_on_with(self, change: UIChange) -> str | None:
        if change.event != "run-resume" or change.run_id is None:
            return None
        return self.conversation.goes_on_with(change.run_id, change.input_id)

    def _before(self, message_id: str) -> str | None:
        before: str | None = None
        for message in self.conversation.messages():
            if message.id == message_id:
                return before
            before = message.id
        return before


def ref_of(run: RunView) -> RunRef:
    """Give a reply as the shell names it."""
    return RunRef(run_id=run.run_id, input_id=run.input_ids[-1] if run.input_ids else run.run_id)
