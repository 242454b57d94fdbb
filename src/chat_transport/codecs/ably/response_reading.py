"""Message per response, read: what is published by any agent and client of that wire.

Rule: an agent that marks its waits is believed; one that does not (as the guides write it) waits
from its approval request until it says more.
Source: as `response`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, TypeAlias

from ... import chunks as c
from ...chunks import UIMessageChunk
from .ai_transport.changes import ChangeEvent, RunView, Trigger
from .ai_transport.nodes import Wire
from .ai_transport.payload import StreamView
from .operations import Inbound
from .prompts import (
    PromptNames,
    finish_reason,
    header,
    read_arguments,
    read_decision,
    read_prompt,
    read_stop,
)
from .response import ResponseNames
from .response_waits import WaitingReplies, stream_of
from .text_turns import dropped_by_text
from .turns import TurnAct, UIChange

__all__ = ["ResponseConversation"]

JSON: TypeAlias = Any  # any JSON value
_Wire: TypeAlias = Wire[UIMessageChunk]


class ResponseConversation(WaitingReplies):
    """Reads the wire, either end.

    Args:
        names: What messages are called.
    """

    drops = dropped_by_text() - {"tool-approval-request"}

    def __init__(self, names: ResponseNames | None = None) -> None:
        super().__init__()
        self._names = names or ResponseNames()
        self._done: dict[str, Inbound] = {}
        self._decided: dict[str, Trigger] = {}
        self._calls: dict[str, str] = {}
        self._marked: set[str] = set()
        self._last_at: dict[str, int] = {}

    def feed(self, inbound: Inbound, *, live: bool = True) -> UIChange | None:
        """Take a delivery; None if it says nothing new."""
        stream = self._texts.known(inbound.serial)
        if stream is not None:
            return self._grown(inbound, stream, live=live)
        names = self._names
        if inbound.name == names.response:
            return self._opened(inbound, live=live)
        if not self._first_sight(inbound):
            return None
        if inbound.name == names.prompts.prompt:
            trigger = read_prompt(inbound, names.prompts)
            return None if trigger is None else self._ask(trigger)
        if inbound.name == names.complete:
            return self._completed(inbound, live=live)
        return self._by_name(inbound, names.prompts, live=live)

    def trigger(self, event_id: str) -> Trigger | None:
        """Find a prompt by its id, or a decision by its serial or, as invocations do, its call."""
        return super().trigger(event_id) or self._decided.get(event_id)

    def act_of(self, inbound: Inbound) -> tuple[TurnAct, str | None] | None:
        """Say what a message wants."""
        names = self._names.prompts
        if inbound.name == names.prompt:
            return "start", None
        if inbound.name == names.stop:
            return "cancel", header(inbound, names.prompt_header)
        if inbound.name == names.approval_response:
            run_id = self._calls.get(header(inbound, names.call_header) or "")
            return "approve", None if run_id is None else run_id.removeprefix("reply-")
        ours = (None, self._names.response, self._names.complete, names.approval_request)
        return ("speak", None) if inbound.name in ours else None

    def unmarked(self) -> list[tuple[RunView, int | None]]:
        """Give the replies that speak and whose end nobody will mark, with their last time (ms)."""
        if self._names.complete is not None:
            return []
        found: list[tuple[RunView, int | None]] = []
        for run in self.active_runs():
            serials = self._serials(run.run_id)
            if self._has_words(run.run_id) and not self._marked.intersection(serials):
                times = [self._last_at[each] for each in serials if each in self._last_at]
                found.append((run, max(times, default=None)))
        return found

    def _note(self, inbound: Inbound) -> None:
        """Note when a reply spoke, and whether its agent marks how it stands."""
        if inbound.timestamp is not None:
            self._last_at[inbound.serial] = inbound.timestamp
        if header(inbound, "status") is not None:
            self._marked.add(inbound.serial)

    def _by_name(self, inbound: Inbound, names: PromptNames, *, live: bool) -> UIChange | None:
        prompt_id = header(inbound, names.prompt_header)
        call = header(inbound, names.call_header)
        if inbound.name == names.stop:
            cancel = read_stop(inbound, prompt_id)
            self._cancels.append(cancel)
            return UIChange(event="cancel", input_id=prompt_id, cancel=cancel)
        if inbound.name == names.approval_request and call is not None:
            return self._requested(inbound, call, prompt_id, live=live)
        if inbound.name == names.approval_response and call is not None:
            run_id = self._calls.get(call)
            if run_id is None:
                return None
            decision = read_decision(inbound, call)
            self._answer(run_id, decision, inbound.serial)
            answers = self._answers.setdefault(run_id, {})
            answers.setdefault(call, (inbound.serial, decision.approved))
            run = self._nodes[run_id].run
            if run is not None and run.state == "ended":
                self._settle(run_id, live=False)
            trigger = Trigger(
                serial=inbound.serial,
                input_id=run_id.removeprefix("reply-"),
                event_id=inbound.serial,
                event=decision,
                role="user",
                run_id=run_id,
                client_id=inbound.client_id,
                user_claim=inbound.user_claim,
            )
            self._triggers[inbound.serial] = trigger
            self._decided.setdefault(call, trigger)
            return UIChange(event="input", input=trigger, input_id=trigger.input_id, run_id=run_id)
        return None

    def _opened(self, inbound: Inbound, *, live: bool) -> UIChange:
        prompt_id = header(inbound, self._names.prompts.prompt_header)
        run_id = prompt_id if prompt_id is not None else inbound.serial
        run_id = f"reply-{run_id}"
        self._replies[inbound.serial] = run_id
        self._note(inbound)
        known = self._begin(run_id, prompt_id, inbound.serial)
        if known.state == "suspended":
            self._resume(run_id, inbound.serial)
        stream = self._texts.open(inbound, {"kind": "text", "id": inbound.serial, "reply": run_id})
        _unsay_error(inbound, stream)
        wire = Wire[UIMessageChunk](inbound.serial, run_id, stream=stream)
        chunks = list(self._codec.start(stream))
        if stream.text:
            chunks += self._codec.delta(stream, stream.text)
        if header(inbound, "status") == "suspended":
            self._nodes[run_id].wires.setdefault(wire.serial, wire)
        ended = self._ended(inbound, stream, run_id)
        change = self._say(run_id, wire, [*chunks, *ended], live=live)
        return UIChange(
            run_id=run_id,
            input_id=prompt_id,
            chunks=change.chunks,
            event=self._event(run_id) if ended else "run-start",
        )

    def _grown(self, inbound: Inbound, stream: StreamView, *, live: bool) -> UIChange | None:
        run_id = self._replies[inbound.serial]
        if live:
            self._catch_up(run_id)
        advanced = self._texts.advance(inbound, stream)
        if advanced is None:
            return None
        self._note(inbound)
        text, replaced = advanced
        if _unsay_error(inbound, stream):
            text = ""
        if stream.closed:
            return self._late(run_id, inbound.serial, text)
        event: ChangeEvent | None = None
        before: Sequence[UIMessageChunk] = ()
        wire = self._rests.get(inbound.serial)
        chunks: list[UIMessageChunk] = []
        if wire is None or not (text or wire.serial in self._nodes[run_id].wires):
            wire = self._nodes[run_id].wires[inbound.serial]
        elif text:
            if not self._speaks_again(wire, run_id, inbound):
                before = self._settle(run_id, live=live)
                event = "run-resume"
            stream_of(wire).pieces.append(text)
        if text and not replaced:
            chunks += self._codec.delta(stream_of(wire), text)
        ended = self._ended(inbound, stream, run_id)
        if ended and not self._is_waiting(run_id):
            before = [*before, *self._settle(run_id, live=live)]
        change = self._say(run_id, wire, [*chunks, *ended], live=live, replaced=replaced)
        return UIChange(
            run_id=run_id,
            input_id=change.input_id,
            chunks=[*before, *change.chunks] if before else change.chunks,
            event=self._event(run_id) if ended else event,
            replaced=replaced,
        )

    def _late(self, run_id: str, serial: str, text: str) -> UIChange | None:
        """Take what comes after the end: a completion signal may overtake the last words."""
        if not text:
            return None
        rest = self._rests.get(serial)
        if rest is not None and rest.stream is not None:
            rest.stream.pieces.append(text)
        node = self._nodes[run_id]
        node.refold()
        asked = node.run.input_ids if node.run is not None else []
        return UIChange(run_id=run_id, input_id=asked[0] if asked else None, replaced=True)

    def _event(self, run_id: str) -> ChangeEvent:
        return "run-suspend" if self._is_waiting(run_id) else "run-end"

    def _ended(self, inbound: Inbound, stream: StreamView, run_id: str) -> list[UIMessageChunk]:
        """Give the closing chunks if the delivery says how the reply ended."""
        status = header(inbound, "status")
        done = self._done.get(run_id)
        if done is not None and status is None and not stream.closed:
            return self._close(
                stream, run_id, done.serial, header(done, "status") or "complete", done
            )
        if stream.closed or status not in ("complete", "cancelled", "error", "suspended"):
            return []
        if status == "suspended" and self._is_waiting(run_id):
            return []
        return self._close(stream, run_id, inbound.version or inbound.serial, status, inbound)

    def _close(
        self, stream: StreamView, run_id: str, serial: str, status: str, inbound: Inbound
    ) -> list[UIMessageChunk]:
        if status == "suspended":
            said = self._set_aside(run_id, serial)
            return [*said, c.Finish(finish_reason="tool-calls")]
        stream.closed = True
        wire = self._rests.get(stream.serial)
        said = []
        if wire is None or wire.serial in self._nodes[run_id].wires:
            grown = stream if wire is None else stream_of(wire)
            grown.closing = grown.codec
            said += self._codec.end(grown)
        if status == "complete":
            self._end(run_id, serial, "complete")
            return [*said, c.Finish(finish_reason=finish_reason(inbound))]
        if status == "cancelled":
            self._end(run_id, serial, "cancelled")
            return [*said, c.Abort()]
        text = header(inbound, "error") or "the agent failed"
        self._end(run_id, serial, "error", text)
        return [*said, c.Error(error_text=text)]

    def _completed(self, inbound: Inbound, *, live: bool) -> UIChange | None:
        """Take the completion signal: it ends replies whose last append is not marked."""
        status = header(inbound, "status") or "complete"
        prompt_id = header(inbound, self._names.prompts.prompt_header)
        data = inbound.data
        if prompt_id is None and isinstance(data, Mapping):
            prompt_id = data.get("promptId")
        run_id = f"reply-{prompt_id}"
        self._done[run_id] = inbound
        for serial, known in self._replies.items():
            stream = self._texts.known(serial)
            if known == run_id and stream is not None and not stream.closed:
                if live:
                    self._catch_up(run_id)
                chunks = self._close(stream, run_id, inbound.serial, status, inbound)
                wire = self._rests.get(serial) or self._nodes[run_id].wires[serial]
                before = self._settle(run_id, live=live)
                said = self._say(run_id, wire, chunks, live=live)
                return UIChange(
                    run_id=run_id,
                    input_id=prompt_id,
                    chunks=[*before, *said.chunks],
                    event="run-end",
                )
        return None

    def _requested(
        self, inbound: Inbound, call: str, prompt_id: str | None, *, live: bool
    ) -> UIChange | None:
        """Take an approval request into the reply that asks: the named one, or the newest open."""
        run_id = f"reply-{prompt_id}" if prompt_id is not None else None
        if run_id is None:
            going = [run for run in self.runs() if run.state != "ended"]
            run_id = going[-1].run_id if going else None
        if run_id is None:
            return None
        self._calls[call] = run_id
        data = inbound.data if isinstance(inbound.data, Mapping) else {}
        name = data.get("name")
        chunks: tuple[UIMessageChunk, ...] = (
            c.ToolInputStart(tool_call_id=call, tool_name=str(name or "tool")),
            c.ToolInputAvailable(
                tool_call_id=call,
                tool_name=str(name or "tool"),
                input=read_arguments(data.get("arguments")),
            ),
            c.ToolApprovalRequest(approval_id=call, tool_call_id=call),
        )
        waits = header(inbound, "status") != "active"
        goes_on = self._is_waiting(run_id)
        if live:
            self._catch_up(run_id)
        before = self._settle(run_id, live=live)
        if waits:
            before = [*before, *self._interrupted(run_id, inbound.serial, live=live)]
            chunks = (*chunks, c.Finish(finish_reason="tool-calls"))
        wire = _Wire(inbound.serial, run_id, chunks=chunks)
        said = self._say(run_id, wire, chunks, live=live)
        return UIChange(
            run_id=run_id,
            input_id=said.input_id,
            chunks=[*before, *said.chunks],
            # A further question of a reply that waits already is the reply going on.
            event=("run-resume" if goes_on else "run-suspend") if waits else None,
        )


def _unsay_error(inbound: Inbound, stream: StreamView) -> bool:
    """Take an error back that was said in words, for readers who know no marks."""
    error = header(inbound, "error")
    is_said = error is not None and stream.text == error
    if is_said:
        stream.pieces.clear()
    return is_said
