"""A chat as its channel tells it: messages, runs, branches, approvals, and the agent's prompt.

Rule: pure; the shells feed deliveries and ask.
Source: @ably/ai-transport 0.8.0, `view.ts`, `leaf-branch-source.ts`.
"""

from __future__ import annotations

from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

from ....chunks import UIMessageChunk
from ....messages import DynamicToolPart, ToolPart, UIMessage
from .changes import Change
from .facts import RunState
from .lifecycle import LifecycleRepair
from .prompt import PromptPolicy, mark_partial, merge_passes
from .run_encoder import RunIdentity
from .runs import RunTree, completed_only, is_complete
from .ui_chunks import UIChunkCodec
from .ui_fold import UIFold

__all__ = ["Conversation", "Entry", "PendingCall", "UIChange"]

JSON: TypeAlias = Any  # any JSON value
UIChange: TypeAlias = Change[UIMessageChunk]


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
    """The UI messages of one channel. See `ConversationTree.feed`.

    Args:
        first_answer_counts: Of several answers to one approval keep the first, as an agent does
            that acts on it; the JavaScript SDK keeps the last until there is an output.
    """

    def __init__(self, *, first_answer_counts: bool = False) -> None:
        super().__init__(
            UIChunkCodec(),
            new_fold=lambda: UIFold(first_answer_counts=first_answer_counts),
            new_repair=lambda message_id: LifecycleRepair(message_id).feed,
        )

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
            for message_id, message, node in self.shown()
        ]

    def messages(self) -> list[UIMessage]:
        """Give the chosen branch; passes of one message (same id) are joined into one."""
        return merge_passes(entry.message for entry in self.entries())

    def find(self, domain_id: str) -> Entry | None:
        """Find a shown message by the id that applications know (the join with an own store)."""
        found = [entry for entry in self.entries() if entry.message.id == domain_id]
        return found[-1] if found else None

    def meets(self, domain_ids: AbstractSet[str]) -> bool:
        """Whether one of these messages is shown, and what every later one follows has been read.

        Until then older history may show that a later one belongs elsewhere (an edit, another
        answer): the join with an own store is where this becomes true.
        """
        for _, message, node in reversed(self.shown()):
            if message.id in domain_ids:
                return True
            if not self._follows_known(node):
                return False
        return False

    def pending_calls(
        self, run_id: str | None = None, *, state: Literal["open", "ended"] = "open"
    ) -> list[PendingCall]:
        """Give the tool calls without an answer, in runs that go on or in those that ended."""
        found: list[PendingCall] = []
        for run in self.runs():
            if (run.state == "ended") != (state == "ended") or run_id not in (None, run.run_id):
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
            chain = completed_only(chain, self._own(identity))
        steers = set(self.unanswered_steers(identity.run_id))
        out: list[UIMessage] = []
        late: list[UIMessage] = []
        for node in chain:
            partial = node.run is not None and node.key not in own and not is_complete(node)
            for message_id, message in self._entries(node):
                if message_id == identity.regenerates:
                    return merge_passes(out)
                if message_id == identity.message_id:
                    continue  # what is said again
                if message_id in steers:
                    late.append(message)
                else:
                    out.append(mark_partial(message) if partial else message)
        return merge_passes([*out, *late])


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
