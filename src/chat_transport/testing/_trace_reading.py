"""The reading direction of a trace: our conversation must come to what the npm package came to.

Rule: chunks, messages, prompts, runs and branches are compared whole. Ours is narrowed to what the
package shows (`_javascript_view`); what is expected is never touched.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, TypeAlias

from ..chunks import UIMessageChunk, is_terminal
from ..codecs.ably.ai_transport import headers as h
from ..codecs.ably.ai_transport.changes import RunView, Trigger
from ..codecs.ably.ai_transport.conversation import Conversation, UIChange
from ..codecs.ably.ai_transport.input_events import MessagePart
from ..codecs.ably.ai_transport.openai_responses import ResponsesConversation
from ..codecs.ably.ai_transport.runs import RunTree
from ..codecs.ably.operations import Action, Inbound
from ._javascript_view import chunk_as_javascript, last_metadata, message_as_javascript
from ._trace_file import Trace, TraceOperation, widened
from ._vector_tools import same_json

__all__ = ["NOT_COMPARED", "read_checks", "unknown_keys"]

JSON: TypeAlias = Any  # any JSON value
Check: TypeAlias = tuple[str, str | None]
"""What was checked, and the difference; None if there is none."""
NOT_COMPARED: Mapping[str, str] = {
    "viewAtJoin": "with the history",
    "deliveredToJoiner": "with the history",
    "finalViewOfJoiner": "with the history",
    "index": "with the siblings",
    "steer": "the shape of an object of JavaScript",
}
"""Key of a companion file -> why it is no check of its own."""
_OUTCOMES: Mapping[str, str] = {
    "complete": "complete",
    "failed": "error",
    "cancelled": "cancelled",
}
"""Reason of a step's end -> what `pipe` told the JavaScript agent."""
_PIPE_WORDS = ("pipe", "pipeResult", "first", "second")
_KNOWN = frozenset({"notes", "posts", "historyNewestFirstAtJoin", "runs", "siblings", "outcome"})
_ACTIONS: Mapping[str, Action] = {
    "message.create": "create",
    "message.update": "update",
    "message.append": "append",
}


def read_checks(trace: Trace) -> Iterator[Check]:
    """Check everything that the companion file says."""
    reader = _Reader() if trace.speaks_ui else _Reader(ResponsesConversation, _items)
    for operation in trace.operations:
        if not operation.refused:
            reader.feed(operation)
    for key, expected in trace.meta.items():
        if key == "notes":
            yield from _notes(reader, trace, expected)
        elif key == "posts":
            yield "posts", _posts(trace, expected)
        elif key == "historyNewestFirstAtJoin":
            yield from _join(trace.meta)
        elif key in NOT_COMPARED:
            continue
        elif _is_named_as_chunks(key):
            yield key, _differs(reader.chunks_for(key, trace.meta), expected)
        elif key == "runs":
            yield key, _differs(_runs(reader, expected), expected)
        elif key == "siblings":
            yield key, _siblings(reader, expected, trace.meta.get("index"))
        elif key == "outcome":
            yield key, _differs(_steered(reader), expected)
        elif _is_named_as_view(key) or _is_view(expected):
            after = key.removeprefix("after").lower() if key.startswith("after") else None
            yield key, reader.view_differs(expected, after=after)


def _entry(conversation: RunTree[Any, Any], message_id: str, message: Any) -> JSON:
    run = conversation.run_of(message_id)
    said: Sequence[UIMessageChunk] = ()
    if run is not None:
        said = conversation.reply(run.run_id, message_id=message_id)
    metadata = last_metadata(said)
    if metadata is None:
        metadata = message.metadata  # of a message that a fork copied: nobody said it in chunks
    shown = message_as_javascript(message, metadata)
    return {"codecMessageId": message_id, "message": shown}


def _items(_conversation: RunTree[Any, Any], message_id: str, message: Any) -> JSON:
    return {"codecMessageId": message_id, "message": message}


class _Reader:
    """Our conversation, fed the trace live."""

    def __init__(
        self,
        new_conversation: Callable[[], RunTree[Any, Any]] = Conversation,
        entry: Callable[[RunTree[Any, Any], str, Any], JSON] = _entry,
    ) -> None:
        self.conversation = new_conversation()
        self.heard = new_conversation()  # as JavaScript: deaf to updates that do not extend a text
        self._entry = entry
        self.triggers: list[Trigger] = []
        self.replies: dict[str, list[JSON]] = {}
        self.prompts: list[list[JSON]] = []
        self._closed: set[str] = set()
        self._views: list[tuple[str, list[str]]] = []

    def feed(self, operation: TraceOperation) -> None:
        for inbound in operation.deliveries():
            change = self.conversation.feed(inbound)
            if change is None:
                continue
            if not (change.replaced and operation.kind == "update"):
                self.heard.feed(inbound)
            self._route(change, asked_by=operation.transport().get(h.INPUT_CLIENT_ID))
            if change.event is not None:
                shown = [entry for entry, *_ in self.conversation.shown()]
                self._views.append((change.event, shown))

    def _route(self, change: UIChange, *, asked_by: str | None = None) -> None:
        if change.input is not None and change.input not in self.triggers:
            self.triggers.append(change.input)
        if change.cancel is not None and change.cancel.input_id is not None:
            self._closed.add(change.cancel.input_id)  # a client that stops closes its stream itself
        if change.event in ("run-start", "run-resume"):
            self._prompt(change, asked_by)
        reply = self.replies.setdefault(change.input_id or "", [])
        if change.input_id in self._closed:
            return
        for chunk in change.chunks:
            reply.append(chunk_as_javascript(chunk))
            if is_terminal(chunk):
                self._closed.add(change.input_id or "")
                return
        if change.event == "run-end" and change.run_id is not None:
            run = self.conversation.run(change.run_id)
            if run is not None and run.reason == "error":
                reply.append({"ERROR": run.error_message, "code": run.error_code})
            self._closed.add(change.input_id or "")

    def _prompt(self, change: UIChange, asked_by: str | None) -> None:
        asked = [trigger for trigger in self.triggers if trigger.input_id == change.input_id]
        asked = [trigger for trigger in asked if trigger.client_id == asked_by] or asked
        if asked:
            identity = self.conversation.identify(
                asked[-1], new_id=lambda: "", run_id=change.run_id
            )
            found = self.conversation.prompt_entries(identity)
            self.prompts.append([self._entry(self.conversation, key, m) for key, m in found])

    def chunks_for(self, key: str, meta: Mapping[str, JSON]) -> list[JSON]:
        """Give the reply that a key such as `chunks`, `chunks2` or `bobChunks` means."""
        by_event = {trigger.event_id: trigger for trigger in self.triggers}
        asked = [by_event[post["body"]["inputEventId"]] for post in meta.get("posts", ())]
        number = key.removeprefix("chunks")
        if number.isdecimal():
            trigger = asked[int(number) - 1]
        elif key.endswith("Chunks"):
            who = key.removesuffix("Chunks")
            trigger = next(trigger for trigger in asked if trigger.client_id == who)
        else:
            trigger = asked[-1]
        return self.replies.get(trigger.input_id, [])

    def view(self, conversation: RunTree[Any, Any]) -> list[JSON]:
        return [self._entry(conversation, key, message) for key, message, _ in conversation.shown()]

    def view_differs(self, expected: list[JSON], *, after: str | None) -> str | None:
        """Compare with the view at the end, or with what was in view after such an event."""
        found = self.view(self.heard)
        if any(same_json(view, expected) for view in (found, self.view(self.conversation))):
            return None
        if after is not None:
            views = [view for event, view in self._views if event.endswith(after)]
            ids = [entry["codecMessageId"] for entry in expected]
            shown = [
                self._entry(self.conversation, key, message)
                for key in ids
                if (message := self.conversation.message(key)) is not None
            ]
            # The package's snapshots hold live objects: their content is that of the end.
            return (
                None
                if ids in views and same_json(shown, expected)
                else (_differs(shown, expected) or f"{ids!r} were never shown together")
            )
        return _differs(found, expected)


def _join(meta: Mapping[str, JSON]) -> Iterator[Check]:
    """Fold the history page and then what was delivered, as the client that joined did."""
    reader = _Reader()
    for item in reversed(meta["historyNewestFirstAtJoin"]):
        reader.conversation.feed(_inbound(item), live=False)
    yield "viewAtJoin", _differs(reader.view(reader.conversation), meta["viewAtJoin"])
    for item in meta["deliveredToJoiner"]:
        reader.conversation.feed(_inbound(item))
    found = reader.view(reader.conversation)
    yield "finalViewOfJoiner", _differs(found, meta["finalViewOfJoiner"])


def _inbound(item: Mapping[str, JSON]) -> Inbound:
    wire = widened(item)
    return Inbound(
        action=_ACTIONS[wire["action"]],
        serial=wire["serial"],
        version=wire["version"]["serial"],
        name=wire.get("name"),
        data=wire.get("data"),
        extras=wire.get("extras"),
        client_id=wire.get("clientId"),
    )


def _notes(reader: _Reader, trace: Trace, notes: JSON) -> Iterator[Check]:
    """Check what the agent saw before it acted, what came of its words, and a client's error."""
    notes = notes if isinstance(notes, list) else [notes]
    yield from _prompts(reader, [note for note in notes if isinstance(note, Mapping)])
    for note in notes:
        if not isinstance(note, Mapping):
            yield "note", f"no object: {note!r}"
            continue
        outcomes = [
            _OUTCOMES[known.transport()[h.STEP_REASON]]
            for known in trace.operations
            if known.name == h.STEP_END
        ]
        for word in _PIPE_WORDS:
            if word in note:
                said = note[word]
                yield word, None if said in outcomes else f"found {outcomes!r}, expected {said!r}"
        if "clientError" in note:
            runs = reader.conversation.runs()
            errors = [(run.error_message, run.error_code, run.client_id) for run in runs]
            told = (note["clientError"], note.get("code"), note.get("id"))
            yield "clientError", None if told in errors else f"found {errors!r}, expected {told!r}"


def _prompts(reader: _Reader, notes: Sequence[Mapping[str, JSON]]) -> Iterator[Check]:
    """Check each prompt against one of ours; a trace that has not all of them has the last ones.

    Agents that work at once may have written theirs down in another order.
    """
    wanted = [note["promptSeenByAgent"] for note in notes if "promptSeenByAgent" in note]
    left = reader.prompts[max(len(reader.prompts) - len(wanted), 0) :]
    for expected in wanted:
        place = next((i for i, one in enumerate(left) if same_json(one, expected)), None)
        if place is None:
            yield "prompt", _differs(left[0] if left else [], expected)
        else:
            del left[place]
            yield "prompt", None


def _posts(trace: Trace, posts: Sequence[Mapping[str, JSON]]) -> str | None:
    """Check that each invocation names an input and its channel, and nothing of them is lost."""
    inputs = [
        {"inputEventId": known.transport().get(h.EVENT_ID), "sessionName": known.channel}
        for known in trace.operations
        if known.name == h.INPUT
    ]
    for post in posts:
        body = post["body"]
        named = {key: body[key] for key in ("inputEventId", "sessionName")}
        if named not in inputs or post.get("method", "POST") != "POST":
            return f"no input was read for {post!r}"
    return None


def _steered(reader: _Reader) -> JSON:
    """Give what came of the last message that was sent into a run."""
    steers = [
        trigger
        for trigger in reader.triggers
        if trigger.run_id is not None and isinstance(trigger.event, MessagePart)
    ]
    if not steers:
        return None
    run_id = steers[-1].run_id or ""
    run = reader.conversation.run(run_id)
    open_steers = reader.conversation.unanswered_steers(run_id)
    return {
        "consumed": steers[-1].input_id not in open_steers,
        "runTerminalReason": None if run is None else run.reason,
    }


def _runs(reader: _Reader, expected: Sequence[Mapping[str, JSON]]) -> list[JSON]:
    """Give the runs in view; those that are named, by name."""
    conversation = reader.conversation
    keys = dict.fromkeys(n.key for *_, n in conversation.shown() if n.run is not None)
    shown = [run for run in conversation.runs() if run.run_id in keys]
    named = [conversation.run(item["id"]) for item in expected if "id" in item]
    found = [run for run in named or shown if run is not None]
    return [_run(run, item) for run, item in zip(found, expected, strict=False)]


def _run(run: RunView, expected: Mapping[str, JSON]) -> JSON:
    known = {
        "id": run.run_id,
        "status": run.reason or run.state,
        "err": run.error_message,
        "code": run.error_code,
    }
    return {key: known.get(key) for key in expected}


def _siblings(reader: _Reader, expected: JSON, index: JSON) -> str | None:
    groups = [
        found
        for key, *_ in reader.conversation.shown()
        if (found := reader.conversation.branches(key)) is not None
    ]
    shown = [([message_as_javascript(m) for m in g.siblings], g.index) for g in groups]
    if any(same_json(messages, expected) and index in (None, at) for messages, at in shown):
        return None
    return _differs(shown, (expected, index))


def unknown_keys(meta: Mapping[str, JSON]) -> list[str]:
    """Give the keys of a companion file that nothing here knows how to compare."""
    return [
        key
        for key, value in meta.items()
        if key not in _KNOWN
        and key not in NOT_COMPARED
        and not (_is_named_as_chunks(key) or _is_named_as_view(key) or _is_view(value))
    ]


def _is_named_as_chunks(key: str) -> bool:
    return key.rstrip("0123456789").lower().endswith("chunks")


def _is_named_as_view(key: str) -> bool:
    return key.startswith(("messages", "after")) or key.endswith("View")


def _is_view(value: JSON) -> bool:
    return isinstance(value, list) and all(
        isinstance(item, Mapping) and "codecMessageId" in item for item in value
    )


def _differs(found: JSON, expected: JSON) -> str | None:
    if same_json(found, expected):
        return None
    if isinstance(found, list) and isinstance(expected, list):
        for place, (got, want) in enumerate(zip(found, expected, strict=False)):
            if not same_json(got, want):
                return f"item {place}: found {got!r}, expected {want!r}"
        return f"found {len(found)} items, expected {len(expected)}"
    return f"found {found!r}, expected {expected!r}"
