"""Prompts and replies of `ably-ai-sdk-transport`'s wire: what is shown, cut, and continued.

Rule: everything is derived from facts with serials, so pages of history and live traffic end in the
same conversation. A changed prompt and a regeneration cut it; a message of the agent's that comes
back is read for answers to calls that wait, and for nothing else.
Source: as `ai_sdk_transport`; there the messages are a list, here they are told anew each time.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TypeAlias

import msgspec

from ...chunks import Start, ToolApprovalRequest, UIMessageChunk, is_terminal
from ...messages import UIMessage
from .ai_transport.changes import RunView, Trigger
from .ai_transport.facts import RunReason
from .ai_transport.given_back import Answer, answers_in, calls_of, waits
from .ai_transport.input_events import MessageSaid, Regenerated
from .ai_transport.nodes import Node, Wire
from .ai_transport.prompt import mark_partial, merge_passes
from .turns import Turns, UIChange

__all__ = ["AiSdkTurns"]

_Node: TypeAlias = Node[UIMessageChunk, UIMessage]


@dataclass(slots=True)
class _Pass:
    """What one prompt made the agent say; several passes build one message."""

    prompt_id: str | None
    serial: str
    ended: tuple[str, RunReason, str | None] | None = None


class AiSdkTurns(Turns):
    """The conversation, as far as it does not depend on how messages look.

    Args:
        is_judged: Answers were judged before they are read: the agent's end. Others believe an
            answer when the agent acts on it.
    """

    def __init__(self, *, is_judged: bool = False) -> None:
        super().__init__()
        self._is_judged = is_judged
        self._held: dict[str, Wire[UIMessageChunk]] = {}
        self._passes: dict[str, dict[str | None, _Pass]] = {}
        self._joined: dict[str, str] = {}
        self._loose: dict[str, Wire[UIMessageChunk]] = {}
        self._by_message: dict[str, str] = {}
        self._open_calls: dict[str, set[str]] = {}

    # -- asking ------------------------------------------------------------------

    def messages(self) -> list[UIMessage]:
        """Give the conversation; passes of one message are joined into one."""
        return merge_passes(self._told(self._shown()))

    def find(self, message_id: str) -> UIMessage | None:
        """Find a shown message by the id that applications know."""
        found = [message for message in self.messages() if message.id == message_id]
        return found[-1] if found else None

    def is_named(self, message_id: str) -> bool:
        """Whether the agent itself gave that id to a reply: then it knows it."""
        run_id = self._by_message.get(message_id)
        return run_id is not None and run_id != message_id

    def author(self, message_id: str) -> tuple[bool, str | None]:
        """Say whether it is known who began a message, and who: the user, or who asked for it."""
        run_id = self._by_message.get(message_id)
        if run_id is not None:
            run = self.run(run_id)
            first = run.input_ids[0] if run is not None and run.input_ids else None
            trigger = self._triggers.get(first) if first is not None else None
            return first is None or trigger is not None, trigger.client_id if trigger else None
        for trigger in self._triggers.values():
            if _said(trigger) == message_id:
                return True, trigger.client_id
        return False, None

    def answers(self, given_back: UIMessage) -> Sequence[Answer]:
        """Give the answers in a message that are asked for."""
        known = self.find(given_back.id)
        if known is None or known.role != "assistant":
            return ()
        run = self.run(self._by_message.get(known.id, ""))
        return answers_in(known, given_back) if run is not None and run.state != "active" else ()

    def run_key(self, prompt_id: str) -> str:
        """Give the reply that a prompt began, or goes on with."""
        return self._joined.get(prompt_id, f"reply-{prompt_id}")

    def goes_on_with(self, run_id: str, prompt_id: str | None) -> str | None:
        """Give the message that a pass goes on with; None if it begins one."""
        passes = self._passes.get(run_id, {})
        first = min(passes.values(), key=lambda known: known.serial, default=None)
        if first is None or first.prompt_id == prompt_id:
            return None
        message = self.message(run_id)
        return message.id if message is not None else None

    def runs(self) -> list[RunView]:
        """Give the replies, oldest first; one whose calls wait is suspended."""
        return [
            replace(run, state="suspended")
            if run.state == "ended" and run.reason == "complete" and self._waits(run.run_id)
            else run
            for run in super().runs()
        ]

    def reply(self, run_id: str) -> list[UIMessageChunk]:
        """Give what a reply has said so far, all passes of it, as one."""
        node = self._nodes.get(run_id)
        wires = [wire for wire in node.ordered() if wire.input is None] if node is not None else []
        said = [chunk for wire in wires for chunk in wire.all_chunks(self._codec)]
        fated = {
            getattr(chunk, "tool_call_id", "")
            for chunk in said
            if chunk.type.startswith("tool-output")
        }
        repair = self._repair(run_id)
        out: list[UIMessageChunk] = []
        for chunk in said:
            if is_terminal(chunk) or (isinstance(chunk, Start) and out):
                continue
            if isinstance(chunk, ToolApprovalRequest) and chunk.tool_call_id in fated:
                continue
            out += repair.feed((chunk,))
        return out

    def until(self, run_id: str) -> list[UIMessage]:
        """Give the conversation up to a reply, with it."""
        shown = self._shown()
        place = next((i for i, node in enumerate(shown) if node.key == run_id), len(shown) - 1)
        return merge_passes(self._told(shown[: place + 1]))

    def prompt(self, trigger: Trigger) -> list[UIMessage]:
        """Give what the model shall see: what was said before the prompt, and the prompt."""
        before: list[UIMessage] = []
        for node in self._shown(trigger):
            if node.key == trigger.input_id:
                continue
            ended = node.run is None or node.run.reason == "complete"
            found = self._told([node])
            before += found if ended else [mark_partial(message) for message in found]
        if isinstance(trigger.event, MessageSaid):
            before.append(trigger.event.message)
        return merge_passes(before)

    # -- what is shown -----------------------------------------------------------

    def _told(self, nodes: Sequence[_Node]) -> list[UIMessage]:
        return [message for node in nodes for _, message in self._entries(node) if message.parts]

    def _shown(self, asks: Trigger | None = None) -> list[_Node]:
        """Give what is left after every cut.

        Args:
            asks: As the agent sees it that answers this prompt: nothing newer but late replies to
                older prompts, and not the answer itself.
        """
        shown: list[_Node] = []
        void: set[str] = set()
        for serial, prompt_id, node in self._events():
            if node is not None and node.run is not None:
                first = node.run.input_ids[0] if node.run.input_ids else None
                if first not in void and not self._is_new(asks, first, serial):
                    shown.append(node)
                continue
            if asks is not None and serial > asks.serial:
                continue
            place = self._cut(prompt_id, node, shown)
            if place is not None:
                start = shown[place].serial
                void |= {t.input_id for t in self._triggers.values() if start <= t.serial < serial}
                del shown[place:]
            if node is not None and not self._is_foreign(node, shown):
                shown.append(node)
        return shown

    def _events(self) -> list[tuple[str, str, _Node | None]]:
        """Give prompts, replies and regenerations in the order of the channel."""
        events: list[tuple[str, str, _Node | None]] = [
            (node.serial, node.key, node) for node in self._nodes.values()
        ]
        events += [
            (trigger.serial, trigger.input_id, None)
            for trigger in self._triggers.values()
            if isinstance(trigger.event, Regenerated)
        ]
        return sorted(events, key=lambda event: event[0])

    def _is_new(self, asks: Trigger | None, first: str | None, serial: str) -> bool:
        """Whether a reply is none of what was there when `asks` was said."""
        if asks is None or (serial < asks.serial and first != asks.input_id):
            return False
        prompt = self._triggers.get(first or "")
        is_late = prompt is not None and prompt.serial < asks.serial
        return not is_late or isinstance(asks.event, Regenerated)

    def _cut(self, prompt_id: str, node: _Node | None, shown: Sequence[_Node]) -> int | None:
        """Give the place from which a prompt cuts the conversation."""
        trigger = self._triggers[prompt_id]
        if isinstance(trigger.event, Regenerated):
            target = trigger.event.target
            place = _place(shown, self._by_message.get(target, "")) if target else None
            if place is None and target:
                asked = self._asked(shown, target)
                place = None if asked is None or asked + 1 == len(shown) else asked + 1
                if asked is not None:
                    return place
            if place is None and shown and shown[-1].run is not None:
                place = len(shown) - 1
            return place
        place = self._asked(shown, _said(trigger) or "")
        if place is None or node is None:
            return None
        return place if self._triggers[shown[place].key].client_id == trigger.client_id else None

    def _asked(self, shown: Sequence[_Node], message_id: str) -> int | None:
        for place, node in enumerate(shown):
            if node.run is None and _said(self._triggers[node.key]) == message_id:
                return place
        return None

    def _is_foreign(self, node: _Node, shown: Sequence[_Node]) -> bool:
        """Whether the prompt bears the id of another user's message."""
        return self._asked(shown, _said(self._triggers[node.key]) or "") is not None

    # -- facts -------------------------------------------------------------------

    def _replace_or_add(self, trigger: Trigger) -> UIChange | None:
        """Take a prompt; it may change one that is there."""
        message_id = _said(trigger)
        is_known = any(_said(known) == message_id for known in self._triggers.values())
        change = self._ask(trigger)
        return None if change is None else msgspec.structs.replace(change, replaced=is_known)

    def _give_back(self, trigger: Trigger, message: UIMessage) -> UIChange:
        """Take a message of the agent's that a client gives back."""
        prompt_id = trigger.input_id
        run_id = self._by_message.get(message.id)
        wire = Wire[UIMessageChunk](
            trigger.serial, run_id or "", input=MessageSaid(message=message)
        )
        self._loose[prompt_id] = wire
        if run_id is not None:
            self._join(prompt_id, run_id)
        trigger = replace(trigger, run_id=run_id or "")
        self._triggers.setdefault(prompt_id, trigger)
        return UIChange(event="input", input=trigger, input_id=prompt_id, replaced=True)

    def _learn(self, message_id: str, run_id: str) -> None:
        """Note which reply builds a message; what was given back of it goes on there."""
        known = self._by_message.get(message_id)
        loose = [
            prompt_id
            for prompt_id, wire in self._loose.items()
            if isinstance(wire.input, MessageSaid) and wire.input.message.id == message_id
        ]
        if (known is not None and known in self._nodes) or run_id.removeprefix("reply-") in loose:
            return
        self._by_message[message_id] = run_id
        for prompt_id in loose:
            self._join(prompt_id, run_id)

    def _join(self, prompt_id: str, run_id: str) -> None:
        """Let what answers a prompt be more of the reply `run_id`."""
        wire = self._loose.pop(prompt_id)
        wire.message_id = run_id
        node = self._nodes[run_id]
        own = f"reply-{prompt_id}"
        self._joined[prompt_id] = run_id
        if self._is_judged or own in self._nodes or prompt_id in self._passes[run_id]:
            node.record(wire, ())
        else:
            self._held[prompt_id] = wire
        if own not in self._nodes or own == run_id:
            return
        late = self._nodes.pop(own)
        for each in late.wires.values():
            each.message_id = run_id
            node.wires.setdefault(each.serial, each)
        node.refold()
        node.seen(late.serial)
        self._passes[run_id] |= self._passes.pop(own, {})
        self._open_calls.setdefault(run_id, set()).update(self._open_calls.pop(own, ()))
        self._by_message = {
            key: run_id if known == own else known for key, known in self._by_message.items()
        }
        for key in (own, run_id):
            self._repairs.pop(key, None)
        self._moved(own, run_id)
        self._settle(run_id)

    def _refuse(self, prompt_id: str | None) -> None:
        """Forget what was given back: the agent did not believe it."""
        node = self._nodes.get(self._joined.get(prompt_id or "", ""))
        trigger = self._triggers.get(prompt_id or "")
        if node is not None and trigger is not None:
            node.wires.pop(trigger.serial, None)
            node.refold()

    def _moved(self, old: str, new: str) -> None:
        """Note that a reply turned out to be more of another."""

    def _note_pass(self, run_id: str, prompt_id: str | None, serial: str) -> bool:
        """Note that the agent speaks; whether it just begins to, for this prompt."""
        self._node(run_id, serial, reply=True)
        passes = self._passes.setdefault(run_id, {})
        known = passes.get(prompt_id)
        if known is not None and known.serial <= serial:
            return False
        if known is None:
            passes[prompt_id] = _Pass(prompt_id, serial)
            answer = self._held.pop(prompt_id or "", None)
            if answer is not None:
                self._nodes[run_id].record(answer, ())
            self._learn(run_id, run_id)
        else:
            known.serial = serial
        self._settle(run_id)
        return known is None

    def _end_pass(
        self,
        run_id: str,
        prompt_id: str | None,
        serial: str,
        reason: RunReason,
        error_text: str | None,
    ) -> None:
        known = self._passes[run_id][prompt_id]
        if known.ended is None or serial < known.ended[0]:
            known.ended = (serial, reason, error_text)
        self._settle(run_id)

    def _settle(self, run_id: str) -> None:
        """Say again how the reply stands."""
        run = self._nodes[run_id].run
        passes = sorted(self._passes.get(run_id, {}).values(), key=lambda known: known.serial)
        if run is None or not passes:
            return
        run.input_ids = [known.prompt_id for known in passes if known.prompt_id is not None]
        ends = sorted(known.ended for known in passes if known.ended is not None)
        run.state = "ended" if len(ends) == len(passes) else "active"
        run.reason = run.error_message = None
        if run.state == "ended":
            _, run.reason, run.error_message = ends[-1]

    def _waits(self, run_id: str) -> bool:
        if not self._open_calls.get(run_id):
            return False
        message = self.message(run_id)
        return message is not None and any(waits(call) for call in calls_of(message))


def _said(trigger: Trigger) -> str | None:
    """Give the id of the user's message that a prompt is."""
    event = trigger.event
    is_own = isinstance(event, MessageSaid) and event.message.role == "user"
    return event.message.id if is_own and isinstance(event, MessageSaid) else None


def _place(shown: Sequence[_Node], key: str) -> int | None:
    return next((place for place, node in enumerate(shown) if node.key == key), None)
