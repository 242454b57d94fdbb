"""The fold of a channel: deliveries into nodes, runs and the chunks that each reply gained.

Rule: fed any order of history pages and live deliveries, any number of times, it ends in the same
state; the same delivery again changes nothing.
Source: @ably/ai-transport 0.8.0, `core/transport/tree.ts`, `decode-fold.ts`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Final, Generic, TypeVar

from ..operations import Inbound
from . import headers as h
from .changes import Cancel, Change, ChangeEvent, Trigger
from .decoder import Decoded, Decoder
from .facts import LifecycleEvent, RunFacts, StepFacts, attempt_of, lifecycle_fact, steers_of
from .input_events import Regenerated
from .nodes import MessageFold, Node, Wire
from .payload import PayloadCodec

__all__ = ["ConversationTree"]

C = TypeVar("C")
M = TypeVar("M")
_LIFECYCLE: Final[Mapping[str, tuple[LifecycleEvent, ChangeEvent]]] = {
    h.RUN_START: ("start", "run-start"),
    h.RUN_SUSPEND: ("suspend", "run-suspend"),
    h.RUN_RESUME: ("resume", "run-resume"),
    h.RUN_END: ("end", "run-end"),
}


class ConversationTree(Generic[C, M]):
    """Nodes and runs of one channel.

    Args:
        codec: What a payload means.
        new_fold: Gives an empty fold for the messages of a node.
        new_repair: Gives, for a message, what puts in the chunks that a late reader lacks.
    """

    def __init__(
        self,
        codec: PayloadCodec[C],
        *,
        new_fold: Callable[[], MessageFold[C, M]],
        new_repair: Callable[[str], Callable[[Sequence[C]], Sequence[C]]],
    ) -> None:
        self._codec = codec
        self._new_fold = new_fold
        self._new_repair = new_repair
        self._decoder = Decoder(codec)
        self._nodes: dict[str, Node[C, M]] = {}
        self._owner: dict[str, Node[C, M]] = {}
        self._forks: set[str] = set()
        self._fork_runs: dict[str, str] = {}
        self._superseded: set[str] = set()
        self._triggers: dict[str, Trigger] = {}
        self._cancels: list[Cancel] = []
        self._seen: set[str] = set()
        self._streams: dict[str, tuple[Node[C, M], Wire[C]]] = {}
        self._repairs: dict[tuple[str, str], Callable[[Sequence[C]], Sequence[C]]] = {}

    # -- feeding -----------------------------------------------------------------

    def feed(self, inbound: Inbound, *, live: bool = True) -> Change[C] | None:
        """Take one delivery.

        Args:
            inbound: The delivery.
            live: False for history: it changes the state but gives no chunks.

        Returns:
            What changed; None if the delivery adds nothing or is not of this wire.
        """
        name = inbound.name
        if name is None or name in (h.OUTPUT, h.INPUT):
            decoded = self._decoder.feed(inbound)
            return None if decoded is None else self._message(decoded, inbound, live=live)
        transport = h.transport_headers(inbound.extras)
        if transport is None or inbound.serial in self._seen:
            return None
        self._seen.add(inbound.serial)
        if name in _LIFECYCLE:
            return self._run_event(inbound, transport)
        if name in (h.STEP_START, h.STEP_END):
            return self._step_event(inbound, transport)
        if name == h.CANCEL:
            return self._cancel(inbound, transport)
        return None

    # -- inside: output and input ------------------------------------------------

    def _message(self, decoded: Decoded[C], inbound: Inbound, *, live: bool) -> Change[C] | None:
        known = self._streams.get(decoded.serial)
        if known is not None:
            return self._spoken(*known, decoded, live=live)
        transport = decoded.transport
        trigger = self._note_input(decoded, inbound) if decoded.input is not None else None
        node = self._node_for(decoded)
        if node is None:
            if trigger is None:
                return None
            return Change(event="input", input=trigger, run_id=trigger.run_id)
        message_id = transport.get(h.MESSAGE_ID, "")
        wire = Wire(
            decoded.serial,
            message_id,
            transport.get(h.INPUT_ID),
            attempt_of(transport),
            () if decoded.stream is not None else decoded.chunks,
            decoded.stream,
            decoded.input,
        )
        self._note(node, decoded, wire)
        if trigger is not None:
            node.record(wire, ())
            return Change(
                event="input", input=trigger, run_id=trigger.run_id, input_id=trigger.input_id
            )
        if decoded.stream is not None:
            self._streams[decoded.serial] = node, wire
        return self._spoken(node, wire, decoded, live=live)

    def _spoken(
        self, node: Node[C, M], wire: Wire[C], decoded: Decoded[C], *, live: bool
    ) -> Change[C]:
        chunks = self._said(node, wire, decoded.chunks) if live else ()
        node.record(wire, decoded.chunks)
        if decoded.replaced:
            node.refold()
        return Change(
            run_id=node.key, input_id=wire.input_id, chunks=chunks, replaced=decoded.replaced
        )

    def _said(self, node: Node[C, M], wire: Wire[C], chunks: Sequence[C]) -> Sequence[C]:
        """Give the new chunks of a live delivery, with what a late reader lacks before them."""
        if node.run is not None and node.run.is_void(wire.step):
            return ()
        key = (node.key, wire.message_id)
        repair = self._repairs.get(key)
        if repair is None:
            repair = self._repairs[key] = self._new_repair(wire.message_id)
            for known in node.ordered():
                if known.message_id == wire.message_id and known.serial != wire.serial:
                    repair(known.all_chunks(self._codec))
            if wire.serial in node.wires and wire.stream is not None:
                repair(self._codec.start(wire.stream))
        return repair(chunks)

    def _note_input(self, decoded: Decoded[C], inbound: Inbound) -> Trigger:
        transport = decoded.transport
        trigger = Trigger(
            serial=inbound.serial,
            input_id=transport.get(h.MESSAGE_ID, ""),
            event_id=transport.get(h.EVENT_ID),
            event=decoded.input,
            role=transport.get(h.ROLE, ""),
            run_id=transport.get(h.RUN_ID),
            parent=transport.get(h.PARENT),
            fork_of=transport.get(h.FORK_OF),
            regenerates=transport.get(h.REGENERATES),
            owner=transport.get(h.RUN_CLIENT_ID),
            client_id=inbound.client_id,
            user_claim=inbound.user_claim,
        )
        if trigger.event_id is not None:
            known = self._triggers.get(trigger.event_id)
            if known is None or trigger.serial < known.serial:
                self._triggers[trigger.event_id] = trigger
        return trigger

    def _node_for(self, decoded: Decoded[C]) -> Node[C, M] | None:
        transport = decoded.transport
        message_id = transport.get(h.MESSAGE_ID)
        run_id = transport.get(h.RUN_ID)
        if run_id is not None:
            self._link_fork(transport.get(h.INPUT_ID), run_id)
            return self._run_node(run_id, decoded.serial)
        if message_id is None or decoded.input is None or isinstance(decoded.input, Regenerated):
            return None
        if transport.get(h.ROLE) == "user":
            return self._nodes.get(message_id) or self._add(
                Node(message_id, decoded.serial, run=None)
            )
        superseded = transport.get(h.SUPERSEDES)
        if superseded is not None:
            self._superseded.add(superseded)
        run = self._fork_runs.get(message_id)
        if run is None and message_id not in self._nodes:
            self._forks.add(message_id)
        return self._run_node(run or message_id, decoded.serial)

    def _note(self, node: Node[C, M], decoded: Decoded[C], wire: Wire[C]) -> None:
        """Take what the first sight of a message says of its node."""
        transport = decoded.transport
        node.seen(decoded.serial)
        known = self._nodes.get(wire.message_id)
        # An input keeps its id, and an answer that names another run takes no message from its own.
        is_taken = decoded.input is not None and wire.message_id in self._owner
        is_free = known is None or known is node or known.run is not None
        if wire.message_id and is_free and not is_taken:
            self._owner[wire.message_id] = node
        parent = transport.get(h.PARENT)
        if self._owner.get(parent or "") is not node:
            node.link(parent, decoded.serial)
        if node.fork_of is None:
            node.fork_of = transport.get(h.FORK_OF)
        if node.run is not None:
            self._note_run(node.run, transport, is_output=decoded.input is None)

    def _note_run(self, run: RunFacts, transport: Mapping[str, str], *, is_output: bool) -> None:
        input_id = transport.get(h.INPUT_ID)
        if input_id is not None and input_id not in run.input_ids:
            run.input_ids.append(input_id)
        run.client_id = run.client_id or transport.get(h.RUN_CLIENT_ID, "")
        if not is_output:
            return
        run.regenerates = run.regenerates or transport.get(h.REGENERATES)
        run.answered.update(steers_of(transport.get(h.STEERS)))

    # -- inside: lifecycle -------------------------------------------------------

    def _run_event(self, inbound: Inbound, transport: Mapping[str, str]) -> Change[C] | None:
        run_id = transport.get(h.RUN_ID)
        if not run_id:
            return None
        kind, event = _LIFECYCLE[inbound.name or ""]
        input_id = transport.get(h.INPUT_ID)
        if kind == "start":
            self._link_fork(input_id, run_id)
        node = self._run_node(run_id, inbound.serial)
        assert node.run is not None
        node.seen(inbound.serial)
        self._note_run(node.run, transport, is_output=False)
        if kind == "start":
            node.run.announced = True
            node.link(transport.get(h.PARENT), inbound.serial, authoritative=True)
            node.fork_of = node.fork_of or transport.get(h.FORK_OF)
            node.run.regenerates = node.run.regenerates or transport.get(h.REGENERATES)
        fact = lifecycle_fact(kind, inbound.serial, transport)
        is_news = not node.run.is_announced(fact)
        node.run.add(fact)
        return Change(run_id=run_id, input_id=input_id, event=event if is_news else None)

    def _step_event(self, inbound: Inbound, transport: Mapping[str, str]) -> Change[C] | None:
        run_id, step_id = transport.get(h.RUN_ID), transport.get(h.STEP_ID)
        if not run_id or not step_id:
            return None
        node = self._run_node(run_id, inbound.serial)
        assert node.run is not None
        node.seen(inbound.serial)
        step = node.run.steps.setdefault(step_id, StepFacts())
        if inbound.name == h.STEP_END:
            attempt = transport.get(h.STEP_START_SERIAL)
            if attempt:
                step.attempts.add(attempt)
                step.reasons[attempt] = transport.get(h.STEP_REASON, "complete")
            return Change(run_id=run_id, event="step")
        step.attempts.add(inbound.serial)
        if step.canonical is not None and inbound.serial < step.canonical:
            return Change(run_id=run_id, event="step")
        step.canonical = inbound.serial
        step.client_id = transport.get(h.STEP_CLIENT_ID, "")
        void = [
            wire
            for wire in node.ordered(void=True)
            if wire.step is not None and wire.step[0] == step_id and wire.step[1] != inbound.serial
        ]
        if void:
            node.refold()
            for wire in void:  # what late readers lack is put in anew, for what is left
                self._repairs.pop((node.key, wire.message_id), None)
        input_id = void[-1].input_id if void else None
        return Change(run_id=run_id, input_id=input_id, event="step", replaced=bool(void))

    def _cancel(self, inbound: Inbound, transport: Mapping[str, str]) -> Change[C]:
        cancel = Cancel(
            serial=inbound.serial,
            run_id=transport.get(h.RUN_ID),
            input_id=transport.get(h.INPUT_ID),
            client_id=inbound.client_id,
            user_claim=inbound.user_claim,
        )
        self._cancels.append(cancel)
        return Change(run_id=cancel.run_id, input_id=cancel.input_id, event="cancel", cancel=cancel)

    # -- inside: nodes -----------------------------------------------------------

    def _add(self, node: Node[C, M]) -> Node[C, M]:
        self._nodes[node.key] = node
        return node

    def _run_node(self, run_id: str, serial: str) -> Node[C, M]:
        known = self._nodes.get(run_id)
        return known or self._add(Node(run_id, serial, run=RunFacts()))

    def _link_fork(self, input_id: str | None, run_id: str) -> None:
        """Join a client's tool-result fork with the run that the agent made of it."""
        if input_id is None or input_id == run_id:
            return
        self._fork_runs.setdefault(input_id, run_id)
        if input_id not in self._forks:
            return
        self._forks.discard(input_id)
        fork = self._nodes.pop(input_id)
        known = self._nodes.get(run_id)
        if known is None:
            fork.key = run_id
            self._nodes[run_id] = fork
            return
        for wire in fork.wires.values():
            known.record(wire, ())
            known.seen(wire.serial)
            self._owner[wire.message_id] = known
            if wire.serial in self._streams:
                self._streams[wire.serial] = known, wire
        known.link(fork.parent, fork.serial)
        known.refold()

    def _sorted(self) -> list[Node[C, M]]:
        return sorted(self._nodes.values(), key=lambda node: node.serial)

    def _entries(self, node: Node[C, M]) -> list[tuple[str, M]]:
        return node.entries(self._new_fold(), self._codec)
