"""A chat as its channel tells it: messages, runs, branches, approvals, and the agent's prompt.

Rule: pure; the shells feed deliveries and ask.
Source: @ably/ai-transport 0.8.0, `view.ts`, `leaf-branch-source.ts`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

from ....chunks import UIMessageChunk
from ....messages import DynamicToolPart, ToolPart, UIMessage
from .branches import Branches, BranchSelection
from .changes import Change
from .facts import RunState
from .lifecycle import LifecycleRepair
from .nodes import Node
from .prompt import PromptPolicy, mark_partial, merge_passes
from .run_encoder import RunIdentity
from .runs import RunTree
from .ui_chunks import UIChunkCodec
from .ui_fold import UIFold

__all__ = ["Conversation", "Entry", "PendingCall", "UIChange"]

JSON: TypeAlias = Any  # any JSON value
UIChange: TypeAlias = Change[UIMessageChunk]
_UINode: TypeAlias = Node[UIMessageChunk, UIMessage]


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """A message as shown, with its place on the wire.

    Attributes:
        message_id: Its codec-message-id: `parent` of what follows, target of edits.
        run_id: The run that it belongs to; None for what starts one.
    """

    message_id: str
    message: UIMessage
    run_id: str | None
    run_state: RunState | None


@dataclass(frozen=True, slots=True, kw_only=True)
class PendingCall:
    """A tool call that waits for a person (`approval_id` given) or for a client's result."""

    run_id: str
    message_id: str
    tool_call_id: str
    tool_name: str
    input: JSON
    approval_id: str | None


class Conversation(RunTree[UIMessageChunk, UIMessage]):
    """The UI messages of one channel. See `ConversationTree.feed`."""

    def __init__(self) -> None:
        super().__init__(
            UIChunkCodec(),
            new_fold=UIFold,
            new_repair=lambda message_id: LifecycleRepair(message_id).feed,
        )
        self._selection = BranchSelection(self._nodes, self._owner, self._superseded, self._entries)

    # -- what is shown -----------------------------------------------------------

    def entries(self) -> list[Entry]:
        """Give the chosen branch, one entry for each codec-message-id, as JavaScript shows it."""
        return [
            Entry(
                message_id=message_id,
                message=message,
                run_id=None if node.run is None else node.key,
                run_state=None if node.run is None else node.run.state,
            )
            for message_id, message, node in self._selection.shown()
        ]

    def messages(self) -> list[UIMessage]:
        """Give the chosen branch; passes of one message (same id) are joined into one."""
        return merge_passes(entry.message for entry in self.entries())

    def find(self, domain_id: str) -> Entry | None:
        """Find a shown message by the id that applications know (the join with an own store)."""
        found = [entry for entry in self.entries() if entry.message.id == domain_id]
        return found[-1] if found else None

    def message(self, message_id: str) -> UIMessage | None:
        """Give a message by its codec-message-id, shown or not."""
        node = self._owner.get(message_id)
        found = dict(self._entries(node)) if node is not None else {}
        return found.get(message_id)

    def messages_of(self, run_id: str) -> list[tuple[str, UIMessage]]:
        """Give a run's codec-message-ids and messages, steering messages among them."""
        node = self._nodes.get(run_id)
        return [] if node is None else self._entries(node)

    def branches(self, message_id: str) -> Branches[UIMessage] | None:
        """Give the alternatives at a codec-message-id; None if it is not known."""
        return self._selection.branches(message_id)

    def select(self, message_id: str, index: int) -> bool:
        """Show another alternative; False if there is none to choose from."""
        return self._selection.select(message_id, index)

    def pending_calls(self, run_id: str | None = None) -> list[PendingCall]:
        """Give the tool calls that wait for an answer, in runs that have not ended."""
        found: list[PendingCall] = []
        for run in self.runs():
            if run.state == "ended" or run_id not in (None, run.run_id):
                continue
            for message_id, message in self.messages_of(run.run_id):
                found += _pending(run.run_id, message_id, message)
        return found

    def pending_approvals(self, run_id: str | None = None) -> list[PendingCall]:
        """Give the tool calls that wait for a person's leave."""
        return [call for call in self.pending_calls(run_id) if call.approval_id is not None]

    # -- what an agent asks ------------------------------------------------------

    def prompt(
        self, identity: RunIdentity, *, policy: PromptPolicy = "include_partial"
    ) -> list[UIMessage]:
        """Give what the model shall see: the chain of parents up to the trigger, then the own run.

        Args:
            identity: The run that asks.
            policy: `include_partial` keeps what runs said that were cancelled, failed or wait, with
                their open tool calls closed; `completed_only` drops those runs and the inputs that
                they answered, as the JavaScript agent does.
        """
        chain = self._chain(identity)
        own = {identity.run_id, identity.input_id}
        if policy == "completed_only":
            chain = _completed(chain, own)
        steers = set(self.unanswered_steers(identity.run_id))
        out: list[UIMessage] = []
        late: list[UIMessage] = []
        for node in chain:
            partial = node.run is not None and node.key not in own and not _complete(node)
            for message_id, message in self._entries(node):
                if message_id == identity.regenerates:
                    return merge_passes(out)
                if message_id in steers:
                    late.append(message)
                else:
                    out.append(mark_partial(message) if partial else message)
        return merge_passes([*out, *late])

    def prompt_entries(self, identity: RunIdentity) -> list[tuple[str, UIMessage]]:
        """Give the prompt as the JavaScript agent would see it, with codec-message-ids."""
        out: list[tuple[str, UIMessage]] = []
        for node in _completed(self._chain(identity), {identity.run_id, identity.input_id}):
            for message_id, message in self._entries(node):
                if message_id == identity.regenerates:
                    return out
                out.append((message_id, message))
        return out

    # -- inside ------------------------------------------------------------------

    def _chain(self, identity: RunIdentity) -> list[_UINode]:
        node = self._owner.get(identity.input_id) or self._owner.get(identity.output_parent or "")
        chain: list[_UINode] = []
        while node is not None and node not in chain:  # a self-parent or a cycle ends the walk
            chain.append(node)
            node = self._owner.get(node.parent or "")
        chain.reverse()
        own = self._nodes.get(identity.run_id)
        if own is not None and own not in chain:
            chain.append(own)
        return chain


def _complete(node: _UINode) -> bool:
    return node.run is not None and node.run.state == "ended" and node.run.reason == "complete"


def _completed(chain: Sequence[_UINode], own: set[str]) -> list[_UINode]:
    dropped = {n.key for n in chain if n.run is not None and n.key not in own and not _complete(n)}
    inputs = {n.parent for n in chain if n.key in dropped}
    return [n for n in chain if n.key not in dropped and (n.run is not None or n.key not in inputs)]


def _pending(run_id: str, message_id: str, message: UIMessage) -> list[PendingCall]:
    waits: dict[str, Literal["person", "client"]] = {
        "approval-requested": "person",
        "input-available": "client",
    }
    return [
        PendingCall(
            run_id=run_id,
            message_id=message_id,
            tool_call_id=part.tool_call_id,
            tool_name=part.tool_name,
            input=part.input,
            approval_id=part.approval.id
            if part.approval is not None and waits[part.state] == "person"
            else None,
        )
        for part in message.parts
        if isinstance(part, ToolPart | DynamicToolPart) and part.state in waits
    ]
