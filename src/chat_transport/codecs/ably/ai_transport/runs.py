"""What shells ask of a conversation about runs, triggers, cancels and replies.

Rule: answers are values; nothing here changes the conversation.
Source: @ably/ai-transport 0.8.0; sections 8 and 13 of the wire page in docs/internals.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import TypeVar

from .branches import Branches, BranchSelection
from .changes import Cancel, RunView, Trigger
from .facts import RunFacts
from .input_events import MessagePart
from .nodes import Node
from .run_encoder import RunIdentity
from .tree import ConversationTree

__all__ = ["RunTree", "completed_only", "is_complete"]

C = TypeVar("C")
M = TypeVar("M")


class RunTree(ConversationTree[C, M]):
    """A conversation with answers about its runs and branches."""

    _branches: BranchSelection[C, M] | None = None

    def trigger(self, event_id: str) -> Trigger | None:
        """Find an input by its event-id; None if it was not seen (yet)."""
        return self._triggers.get(event_id)

    def run(self, run_id: str) -> RunView | None:
        """Give a run as it stands."""
        node = self._nodes.get(run_id)
        return None if node is None or node.run is None else _view(node, node.run)

    def runs(self) -> list[RunView]:
        """Give all runs, oldest first; not those that a fork took the place of."""
        found = [_view(n, n.run) for n in self._sorted() if n.run is not None]
        return [run for run in found if run.run_id not in self._superseded]

    def active_runs(self) -> list[RunView]:
        """Give the runs under way, oldest first. Suspended ones are not."""
        return [run for run in self.runs() if run.state == "active"]

    def run_for_input(self, input_id: str) -> RunView | None:
        """Find the newest run that answers an input: a second invocation is a duplicate."""
        found = [run for run in self.runs() if input_id in run.input_ids]
        return found[-1] if found else None

    def announcements(self, run_id: str, invocation_id: str) -> list[str]:
        """Give the serials of what began a run, or resumed it, under this invocation; sorted."""
        node = self._nodes.get(run_id)
        if node is None or node.run is None:
            return []
        return [
            fact.serial
            for fact in node.run.lifecycle
            if fact.event in {"start", "resume"} and fact.invocation_id == invocation_id
        ]

    def run_of(self, message_id: str) -> RunView | None:
        """Find the run that a codec-message-id belongs to."""
        node = self._owner.get(message_id)
        return None if node is None or node.run is None else _view(node, node.run)

    def cancel_for(
        self, *, run_id: str | None, input_id: str | None, after: str = ""
    ) -> Cancel | None:
        """Find a cancel of a run or of the input that it answers, newer than serial `after`."""
        for cancel in self._cancels:
            named = (cancel.run_id is not None and cancel.run_id == run_id) or (
                cancel.input_id is not None and cancel.input_id == input_id
            )
            if named and cancel.serial > after:
                return cancel
        return None

    def unanswered_steers(self, run_id: str) -> list[str]:
        """Give the codec-message-ids that were said to a run and no output answers yet."""
        node = self._nodes.get(run_id)
        if node is None or node.run is None:
            return []
        known = dict.fromkeys(
            wire.message_id for wire in node.ordered() if isinstance(wire.input, MessagePart)
        )
        return [message_id for message_id in known if message_id not in node.run.answered]

    def reply(
        self, run_id: str, *, input_id: str | None = None, message_id: str | None = None
    ) -> list[C]:
        """Give what a run has said so far, from its `start`, in as few chunks as there can be.

        Args:
            run_id: The run.
            input_id: Only what answers this trigger: one pass of a run that was resumed.
            message_id: Only this message (codec-message-id).
        """
        node = self._nodes.get(run_id)
        said: list[C] = []
        repairs: dict[str, Callable[[Sequence[C]], Sequence[C]]] = {}
        for wire in node.ordered() if node is not None else ():
            if (
                wire.input is None
                and input_id in (None, wire.input_id)
                and message_id in (None, wire.message_id)
            ):
                repair = repairs.setdefault(wire.message_id, self._new_repair(wire.message_id))
                said += repair(wire.all_chunks(self._codec))
        return said

    def shown(self) -> list[tuple[str, M, Node[C, M]]]:
        """Give the chosen branch: codec-message-id, message and node, in order."""
        return self._selection().shown()

    def message(self, message_id: str) -> M | None:
        """Give a message by its codec-message-id, shown or not."""
        node = self._owner.get(message_id)
        found = dict(self._entries(node)) if node is not None else {}
        return found.get(message_id)

    def messages_of(self, run_id: str) -> list[tuple[str, M]]:
        """Give a run's codec-message-ids and messages, steering messages among them."""
        node = self._nodes.get(run_id)
        return [] if node is None else self._entries(node)

    def branches(self, message_id: str) -> Branches[M] | None:
        """Give the alternatives at a codec-message-id; None if it is not known."""
        return self._selection().branches(message_id)

    def select(self, message_id: str, index: int) -> bool:
        """Show another alternative; False if there is none to choose from."""
        return self._selection().select(message_id, index)

    def identify(
        self,
        trigger: Trigger,
        *,
        new_id: Callable[[], str],
        run_id: str | None = None,
    ) -> RunIdentity:
        """Say who the run is that answers `trigger`.

        Args:
            trigger: From `trigger(event_id)` or a `Change`.
            new_id: Gives fresh ids.
            run_id: Name for a new run; None for a fresh id. Ignored if the trigger names a run.
        """
        continues = trigger.run_id is not None
        name = trigger.run_id or run_id or new_id()
        node = self._owner.get(trigger.input_id)
        output_parent = trigger.parent if node is None else trigger.input_id
        is_run = node is not None and node.run is not None
        own = self._nodes.get(name)
        return RunIdentity(
            run_id=name,
            invocation_id=new_id(),
            input_id=trigger.input_id,
            run_client_id=trigger.owner or "",
            input_client_id=trigger.client_id or "",
            step_client_id="" if own is None or own.run is None else own.run.step_client_id,
            parent=trigger.parent if is_run else output_parent,
            output_parent=output_parent,
            fork_of=trigger.fork_of,
            regenerates=trigger.regenerates,
            continues=continues,
        )

    def adopt(
        self, run_id: str, *, new_id: Callable[[], str]
    ) -> tuple[Trigger, RunIdentity] | None:
        """Say who goes on with a run whose process died, and what it answers.

        The identity is that of the process that died: its steps are tried again under the same
        names. None if the run is not under way, or what it answers has not been read.
        """
        node = self._nodes.get(run_id)
        if node is None or node.run is None or node.run.state != "active" or not node.run.input_ids:
            return None
        input_id = node.run.input_ids[-1]
        asked = [trigger for trigger in self._triggers.values() if trigger.input_id == input_id]
        if not asked:
            return None
        trigger = max(asked, key=lambda known: known.serial)
        wires = [
            wire
            for wire in node.ordered(void=True)
            if wire.input is None and wire.input_id == input_id
        ]
        spoken = [wire.step[0] for wire in wires if wire.step is not None]
        identity = replace(
            self.identify(trigger, new_id=new_id, run_id=run_id),
            invocation_id=node.run.invocation_id,
            adopts=True,
            message_id=wires[0].message_id if wires else None,
            steps=tuple(dict.fromkeys(spoken)),
        )
        return trigger, identity

    def prompt_entries(self, identity: RunIdentity) -> list[tuple[str, M]]:
        """Give the prompt as the JavaScript agent would see it, with codec-message-ids."""
        out: list[tuple[str, M]] = []
        for node in completed_only(self._chain(identity), self._own(identity)):
            for message_id, message in self._entries(node):
                if message_id == identity.regenerates:
                    return out
                if message_id != identity.message_id:
                    out.append((message_id, message))
        return out

    def needs_older(self, identity: RunIdentity) -> bool:
        """Whether the chain of parents of a prompt leaves what has been read."""
        chain = self._chain(identity)
        return chain[0].parent is not None if chain else identity.output_parent is not None

    def _follows_known(self, node: Node[C, M]) -> bool:
        """Whether what the node follows has been read; what follows nothing is a beginning."""
        return node.parent is None or node.parent in self._owner

    def _anchor(self, identity: RunIdentity) -> Node[C, M] | None:
        return self._owner.get(identity.input_id) or self._owner.get(identity.output_parent or "")

    def _own(self, identity: RunIdentity) -> set[str]:
        """Give the keys of what a prompt keeps however it ended: what is answered or replaced."""
        anchor = self._anchor(identity)
        return {identity.run_id, identity.input_id} | (set() if anchor is None else {anchor.key})

    def _chain(self, identity: RunIdentity) -> list[Node[C, M]]:
        node = self._anchor(identity)
        chain: list[Node[C, M]] = []
        while node is not None and node not in chain:  # a self-parent or a cycle ends the walk
            chain.append(node)
            node = self._owner.get(node.parent or "")
        chain.reverse()
        own = self._nodes.get(identity.run_id)
        if own is not None and own not in chain:
            chain.append(own)
        return chain

    def _selection(self) -> BranchSelection[C, M]:
        if self._branches is None:
            self._branches = BranchSelection(
                self._nodes, self._owner, self._superseded, self._entries
            )
        return self._branches


def _view(node: Node[C, M], run: RunFacts) -> RunView:
    return RunView(
        run_id=node.key,
        state=run.state,
        reason=run.reason,
        error_code=run.error_code,
        error_message=run.error_message,
        client_id=run.client_id,
        invocation_id=run.invocation_id,
        input_ids=tuple(run.input_ids),
        announced=run.announced,
        serial=node.serial,
        parent=node.parent,
        regenerates=run.regenerates,
    )


def is_complete(node: Node[C, M]) -> bool:
    """Whether a run ended well."""
    return node.run is not None and node.run.state == "ended" and node.run.reason == "complete"


def completed_only(chain: Sequence[Node[C, M]], own: set[str]) -> list[Node[C, M]]:
    """Leave out what did not end well, and the inputs that it answered."""
    dropped = {
        n.key for n in chain if n.run is not None and n.key not in own and not is_complete(n)
    }
    inputs = {n.parent for n in chain if n.key in dropped}
    return [n for n in chain if n.key not in dropped and (n.run is not None or n.key not in inputs)]
