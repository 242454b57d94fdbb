"""A chat as a plain sequence of prompts and replies, for wires without branches.

Rule: each prompt and each reply is a node of its own, in the channel's order; what arrives twice or
out of order ends in the same messages.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Literal, TypeAlias

from ...chunks import UIMessageChunk
from ...messages import UIMessage
from .ai_transport.changes import Cancel, Change, RunView, Trigger
from .ai_transport.facts import LifecycleFact, RunFacts, RunReason
from .ai_transport.input_events import ApprovalAnswered
from .ai_transport.lifecycle import LifecycleRepair
from .ai_transport.nodes import Node, Wire
from .ai_transport.payload import InputWords, PayloadCodec, StreamView
from .ai_transport.prompt import mark_partial
from .ai_transport.ui_chunks import UIChunkCodec
from .ai_transport.ui_fold import UIFold
from .operations import Inbound

__all__ = ["GrownText", "TextStreams", "TurnAct", "Turns"]

TurnAct: TypeAlias = Literal["start", "cancel", "approve", "speak"]
UIChange = Change[UIMessageChunk]
_Node = Node[UIMessageChunk, UIMessage]
_Wire = Wire[UIMessageChunk]


class TextStreams(UIChunkCodec):
    """Streams of a wire that names their kind elsewhere: `kind` and `id` are set by the reader."""

    words = InputWords()


class GrownText:
    """Follows messages that are grown by appends, however they are delivered."""

    def __init__(self) -> None:
        self._streams: dict[str, StreamView] = {}

    def known(self, serial: str) -> StreamView | None:
        """Give a stream that was opened."""
        return self._streams.get(serial)

    def open(self, inbound: Inbound, codec: dict[str, str]) -> StreamView:
        """Begin to follow a message; its text so far is taken."""
        name = inbound.name or ""
        stream = StreamView(
            inbound.serial, name, codec.get("id", ""), {}, codec, inbound.version or inbound.serial
        )
        if isinstance(inbound.data, str) and inbound.data:
            stream.pieces.append(inbound.data)
        self._streams[inbound.serial] = stream
        return stream

    def advance(self, inbound: Inbound, stream: StreamView) -> tuple[str, bool] | None:
        """Give the new text, and whether it replaces what was said; None for an old version."""
        version = inbound.version or inbound.serial
        if version <= stream.version or inbound.action not in ("append", "update"):
            return None
        stream.version = version
        text = inbound.data if isinstance(inbound.data, str) else ""
        if inbound.action == "append":
            if text:
                stream.pieces.append(text)
            return text, False
        before = stream.text
        if text.startswith(before):
            if text != before:
                stream.pieces.append(text[len(before) :])
            return text[len(before) :], False
        stream.pieces[:] = [text]
        return text, True


class Turns(ABC):
    """Prompts, replies and who waits for what. A wire's conversation derives from it."""

    @abstractmethod
    def feed(self, inbound: Inbound, *, live: bool = True) -> UIChange | None:
        """Take a delivery; None if it says nothing new. `live` off gives no chunks (history)."""

    @abstractmethod
    def act_of(self, inbound: Inbound) -> tuple[TurnAct, str | None] | None:
        """Say what a message wants, and which prompt or call it is about; None if not ours."""

    def __init__(self) -> None:
        self._codec: PayloadCodec[UIMessageChunk] = TextStreams()
        self._nodes: dict[str, _Node] = {}
        self._repairs: dict[str, LifecycleRepair] = {}
        self._triggers: dict[str, Trigger] = {}
        self._cancels: list[Cancel] = []
        self._seen: set[str] = set()

    # -- asking ------------------------------------------------------------------

    def messages(self) -> list[UIMessage]:
        """Give the conversation, oldest first."""
        return [message for node in self._ordered() for _, message in self._entries(node)]

    def message(self, message_id: str) -> UIMessage | None:
        """Give a message by the id of its prompt or reply."""
        node = self._nodes.get(message_id)
        found = self._entries(node) if node is not None else []
        return found[0][1] if found else None

    def trigger(self, event_id: str) -> Trigger | None:
        """Find a prompt by its id."""
        return self._triggers.get(event_id)

    def runs(self) -> list[RunView]:
        """Give the replies, oldest first."""
        return [
            _view(node, node.run, whole=self._has_start(node.key))
            for node in self._ordered()
            if node.run is not None
        ]

    def run(self, run_id: str) -> RunView | None:
        """Give a reply as it stands."""
        return next((run for run in self.runs() if run.run_id == run_id), None)

    def active_runs(self) -> list[RunView]:
        """Give the replies under way."""
        return [run for run in self.runs() if run.state == "active"]

    def unfinished_runs(self) -> list[RunView]:
        """Give the replies that may still grow: under way, or waiting for an answer."""
        return [run for run in self.runs() if run.state != "ended"]

    def run_for_input(self, input_id: str) -> RunView | None:
        """Find the newest reply to a prompt."""
        found = [run for run in self.runs() if input_id in run.input_ids]
        return found[-1] if found else None

    def cancel_for(self, input_id: str, *, after: str = "") -> Cancel | None:
        """Find a wish, newer than serial `after`, that the reply to a prompt (or any) end."""
        for cancel in self._cancels:
            if cancel.input_id in (None, input_id) and cancel.serial > after:
                return cancel
        return None

    def unmarked(self) -> list[tuple[RunView, int | None]]:
        """Give the replies that speak and whose end nobody will mark, with their last time (ms)."""
        return []

    def conclude(self, run_id: str) -> UIChange | None:
        """Take such a reply as complete, until it speaks again; None if it is not such a one."""
        return None

    def reply(self, run_id: str) -> list[UIMessageChunk]:
        """Give what a reply has said so far, from its `start`, in few chunks."""
        node = self._nodes.get(run_id)
        repair = self._repair(run_id)
        said: list[UIMessageChunk] = []
        for wire in node.ordered() if node is not None else ():
            if wire.input is None:
                said += repair.feed(wire.all_chunks(self._codec))
        return said

    def open_texts(self, run_id: str) -> list[str]:
        """Give the serials of the messages that a reply has left growing."""
        node = self._nodes.get(run_id)
        return [
            wire.serial
            for wire in (node.ordered() if node is not None else ())
            if wire.stream is not None and not wire.stream.closed
        ]

    def until(self, run_id: str) -> list[UIMessage]:
        """Give the conversation up to a reply, with it."""
        out: list[UIMessage] = []
        for node in self._ordered():
            out += [message for _, message in self._entries(node)]
            if node.key == run_id:
                break
        return out

    def prompt(self, trigger: Trigger) -> list[UIMessage]:
        """Give what the model shall see: what was said before the prompt, and the prompt, last.

        Replies to older prompts belong there as far as they have come, though they began later.
        """
        out: list[UIMessage] = []
        asked: list[UIMessage] = []
        for node in self._ordered():
            found = [message for _, message in self._entries(node)]
            if node.run is None:
                if node.key == trigger.input_id:
                    asked = found
                elif node.serial < trigger.serial:
                    out += found
            elif not self._is_later(node.run, trigger):
                is_whole = node.run.reason == "complete"
                out += found if is_whole else [mark_partial(message) for message in found]
        return [*out, *asked]

    def _is_later(self, run: RunFacts, trigger: Trigger) -> bool:
        """Whether a reply answers the prompt, or a newer one."""
        asked = [self._triggers[each] for each in run.input_ids if each in self._triggers]
        return any(each.serial >= trigger.serial for each in asked[:1])

    def run_key(self, prompt_id: str) -> str:
        """Give the reply to a prompt."""
        return f"reply-{prompt_id}"

    def goes_on_with(self, run_id: str, prompt_id: str | None) -> str | None:
        """Give the message that the answer to a prompt goes on with; None if it begins one."""
        return None

    # -- for the wires -----------------------------------------------------------

    def _repair(self, run_id: str) -> LifecycleRepair:
        """Give what puts in the chunks that a reader in the middle lacks."""
        return LifecycleRepair(run_id)

    def _has_start(self, run_id: str) -> bool:
        """Whether the begin of a reply was read: always, where its messages only grow."""
        return True

    def _first_sight(self, inbound: Inbound) -> bool:
        if inbound.serial in self._seen:
            return False
        self._seen.add(inbound.serial)
        return True

    def _ask(self, trigger: Trigger) -> UIChange | None:
        """Take a prompt; whoever uses its id again later is not heard."""
        known = self._triggers.get(trigger.input_id)
        if known is not None and known.serial < trigger.serial:
            return None
        if known is not None:
            self._nodes.pop(trigger.input_id, None)
        self._triggers[trigger.input_id] = trigger
        if trigger.event is not None:
            wire = _Wire(trigger.serial, trigger.input_id, input=trigger.event)
            node = self._node(trigger.input_id, trigger.serial, reply=False)
            node.record(wire, ())
        return UIChange(event="input", input=trigger, input_id=trigger.input_id)

    def _begin(self, run_id: str, input_id: str | None, serial: str) -> RunFacts:
        """Note a reply; it is active until it ends."""
        node = self._node(run_id, serial, reply=True)
        assert node.run is not None
        if input_id is not None and input_id not in node.run.input_ids:
            node.run.input_ids.append(input_id)
        return node.run

    def _say(
        self,
        run_id: str,
        wire: _Wire,
        chunks: Sequence[UIMessageChunk],
        *,
        live: bool,
        replaced: bool = False,
    ) -> UIChange:
        """Take more of a reply."""
        node = self._node(run_id, wire.serial, reply=True)
        assert node.run is not None
        said: Sequence[UIMessageChunk] = ()
        if live:
            repair = self._repairs.get(run_id)
            if repair is None:
                repair = self._repairs[run_id] = self._repair(run_id)
                for known in node.ordered():
                    if known.serial != wire.serial:
                        repair.feed(known.all_chunks(self._codec))
                if wire.serial in node.wires and wire.stream is not None:
                    repair.feed(self._codec.start(wire.stream))
            said = repair.feed(chunks)
        node.record(wire, chunks)
        if replaced:
            node.refold()
        input_id = node.run.input_ids[0] if node.run.input_ids else None
        return UIChange(run_id=run_id, input_id=input_id, chunks=said, replaced=replaced)

    def _answer(self, run_id: str, event: ApprovalAnswered, serial: str) -> None:
        """Take a person's answer into the reply that asked."""
        node = self._node(run_id, serial, reply=True)
        node.record(_Wire(serial, run_id, input=event), ())

    def _end(
        self, run_id: str, serial: str, reason: RunReason, error_text: str | None = None
    ) -> None:
        """Note that a reply has ended."""
        node = self._node(run_id, serial, reply=True)
        assert node.run is not None
        node.run.add(
            LifecycleFact(
                serial=serial,
                event="end",
                invocation_id=run_id,
                reason=reason,
                error_message=error_text,
            )
        )

    def _suspend(self, run_id: str, serial: str) -> None:
        """Note that a reply waits for a person."""
        node = self._node(run_id, serial, reply=True)
        assert node.run is not None
        node.run.add(LifecycleFact(serial=serial, event="suspend", invocation_id=run_id))

    def _resume(self, run_id: str, serial: str) -> None:
        """Note that a reply goes on."""
        node = self._node(run_id, serial, reply=True)
        assert node.run is not None
        node.run.add(LifecycleFact(serial=serial, event="resume", invocation_id=run_id))

    def _node(self, key: str, serial: str, *, reply: bool) -> _Node:
        node = self._nodes.get(key)
        if node is None:
            node = self._nodes[key] = Node(key, serial, run=RunFacts() if reply else None)
        node.seen(serial)
        return node

    def _ordered(self) -> list[_Node]:
        return sorted(self._nodes.values(), key=lambda node: node.serial)

    def _entries(self, node: _Node) -> list[tuple[str, UIMessage]]:
        return node.entries(UIFold(first_answer_counts=True), self._codec)


def _view(node: _Node, run: RunFacts, *, whole: bool) -> RunView:
    return RunView(
        run_id=node.key,
        state=run.state,
        reason=run.reason,
        error_code=None,
        error_message=run.error_message,
        client_id=run.client_id,
        invocation_id=run.invocation_id,
        input_ids=tuple(run.input_ids),
        announced=whole,
        serial=node.serial,
    )
