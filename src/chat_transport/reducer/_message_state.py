"""The message under construction: mutable parts inside, frozen snapshots outside.

Rule: text is kept in pieces and joined when read; a part that did not change keeps its model.
Finding a call or a data part takes one look-up, however long the reply is.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any, TypeAlias

from .._partial_json import parse_partial_json
from ..chunks import ABSENT
from ..messages import (
    DataPart,
    DynamicToolPart,
    StepStartPart,
    ToolApproval,
    ToolPart,
    UIMessage,
    WireModel,
)

__all__ = ["MessageState", "PartState", "StreamedInput", "join_pieces"]

JSON: TypeAlias = Any  # any JSON value
_SPLIT_PAIR = re.compile("[\ud800-\udbff][\udc00-\udfff]")


def join_pieces(pieces: list[str]) -> str:
    """Join text; the halves of a surrogate pair that came in two pieces become one character."""
    text = "".join(pieces)
    if not text.isascii() and _SPLIT_PAIR.search(text):
        return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "surrogatepass")
    return text


class StreamedInput:
    """A tool input that is being written.

    Attributes:
        part: The part that shows it now; None if it was completed since.
        hides_text: The part does not show the raw text yet: AI SDK leaves it out of a dynamic
            part that a delta made, until the next delta.
    """

    __slots__ = (
        "dynamic",
        "encoding",
        "hides_text",
        "part",
        "pieces",
        "title",
        "tool_metadata",
        "tool_name",
    )

    def __init__(
        self,
        *,
        tool_name: str,
        dynamic: bool,
        encoding: JSON = ABSENT,
        title: JSON = ABSENT,
        tool_metadata: JSON = ABSENT,
        text: str = "",
    ) -> None:
        self.tool_name = tool_name
        self.dynamic = dynamic
        self.encoding = encoding
        self.title = title
        self.tool_metadata = tool_metadata
        self.pieces = [text] if text else []
        self.part: PartState | None = None
        self.hides_text = False

    def copy(self) -> StreamedInput:
        """Give an independent copy that no part shows yet."""
        twin = StreamedInput(
            tool_name=self.tool_name,
            dynamic=self.dynamic,
            encoding=self.encoding,
            title=self.title,
            tool_metadata=self.tool_metadata,
        )
        twin.pieces = list(self.pieces)
        twin.hides_text = self.hides_text
        return twin


class PartState:
    """One part: snake-case fields as given, unknown keys beside them."""

    __slots__ = ("cls", "extra", "fields", "input", "model", "pieces")

    def __init__(
        self, cls: type[WireModel], fields: dict[str, JSON], extra: dict[str, JSON] | None = None
    ) -> None:
        self.cls = cls
        self.fields = fields
        self.extra = extra
        self.pieces: list[str] = []
        """Text of an open part; empty if it stands in `fields`."""
        self.input: StreamedInput | None = None
        """Where a tool's input comes from while it is written."""
        self.model: WireModel | None = None

    @classmethod
    def of(cls, part: WireModel) -> PartState:
        """Adopt a finished part."""
        fields = {
            name: getattr(part, name)
            for name in type(part).model_fields
            if name == "type" or name in part.model_fields_set
        }
        state = cls(type(part), fields, part.model_extra or None)
        state.model = part
        return state

    @property
    def is_tool(self) -> bool:
        return self.cls is ToolPart or self.cls is DynamicToolPart

    def settle(self) -> None:
        """Move what is kept in pieces into `fields`."""
        if len(self.pieces) > 1:
            self.pieces = [join_pieces(self.pieces)]
        if self.pieces:
            self.fields["text"] = self.pieces[0]
        streamed = self.input
        if streamed is not None:
            text = join_pieces(streamed.pieces)
            streamed.pieces = [text]
            if not streamed.hides_text:
                self.fields["raw_input"] = text
            value = text if streamed.encoding == "text" else parse_partial_json(text).value
            if value is ABSENT:
                self.fields.pop("input", None)
            else:
                self.fields["input"] = value

    def release_input(self) -> None:
        """Settle, and stop following the streamed input."""
        if self.input is not None:
            self.settle()
            self.input.part = None
            self.input = None

    def snapshot(self) -> WireModel:
        """Give the part as a frozen model, the same one until it changes."""
        if self.model is None:
            self.settle()
            self.model = self.cls.assemble(self.fields, self.extra)
        return self.model


class MessageState:
    """A message that grows, with the tables that find its parts."""

    def __init__(
        self,
        message_id: str,
        *,
        metadata: JSON = ABSENT,
        extra: dict[str, JSON] | None = None,
        parts: Iterable[PartState] = (),
    ) -> None:
        self.id = message_id
        self.metadata = metadata
        self.extra = extra
        self.parts: list[PartState] = []
        self._snapshot: UIMessage | None = None
        self._index(parts)

    @classmethod
    def of(cls, message: UIMessage) -> MessageState:
        """Adopt a message; it stays as it is."""
        metadata = message.metadata if "metadata" in message.model_fields_set else ABSENT
        return cls(
            message.id,
            metadata=metadata,
            extra=message.model_extra or None,
            parts=[PartState.of(part) for part in message.parts],
        )

    def _index(self, parts: Iterable[PartState]) -> None:
        self.step_start = 0
        self._calls: dict[str, PartState] = {}
        self._step_calls: dict[str, PartState] = {}
        self._step_calls_by_kind: dict[tuple[bool, str], PartState] = {}
        self._data: dict[tuple[str, JSON], PartState] = {}
        for part in parts:
            self.push(part)

    # ── changing ─────────────────────────────────────────────────────────────────────────────────

    def push(self, part: PartState) -> PartState:
        """Add a part at the end."""
        self.parts.append(part)
        self._snapshot = None
        cls = part.cls
        if cls is StepStartPart:
            self.step_start = len(self.parts)
            self._step_calls = {}
            self._step_calls_by_kind = {}
        elif part.is_tool:
            call_id = part.fields["tool_call_id"]
            self._calls[call_id] = part
            self._step_calls.setdefault(call_id, part)
            self._step_calls_by_kind.setdefault((cls is DynamicToolPart, call_id), part)
        elif cls is DataPart and part.fields.get("id") is not None:
            self._data.setdefault((part.fields["type"], part.fields["id"]), part)
        return part

    def touch(self, part: PartState) -> None:
        """Note that `part` changed."""
        part.model = None
        self._snapshot = None

    def changed(self) -> None:
        """Note that the id or the metadata changed."""
        self._snapshot = None

    def drop_steps(self, count: int = 1) -> bool:
        """Remove every part of the last `count` steps but the first marker; whether there was any.

        With fewer steps than that, everything goes.
        """
        keep = self.step_start
        if count > 1:
            starts = [at + 1 for at, part in enumerate(self.parts) if part.cls is StepStartPart]
            keep = starts[-count] if count <= len(starts) else 0
        if keep == len(self.parts):
            return False
        kept, self.parts = self.parts[:keep], []
        self._snapshot = None
        self._index(kept)
        return True

    # ── finding ──────────────────────────────────────────────────────────────────────────────────

    def call_in_step(self, call_id: str) -> PartState | None:
        """Give the first tool part of the current step with this call id."""
        return self._step_calls.get(call_id)

    def call_of_kind(self, call_id: str, *, dynamic: bool) -> PartState | None:
        """Give the first static or dynamic tool part of the current step with this call id."""
        return self._step_calls_by_kind.get((dynamic, call_id))

    def call(self, call_id: str) -> PartState | None:
        """Give the call in the current step, else the last one in the message."""
        return self._step_calls.get(call_id) or self._calls.get(call_id)

    def asked_approval(self, approval_id: str) -> PartState | None:
        """Give the first tool part whose approval has this id."""
        for part in self.parts:
            if part.is_tool:
                approval = part.fields.get("approval")
                if isinstance(approval, ToolApproval) and approval.id == approval_id:
                    return part
        return None

    def data_part(self, kind: str, data_id: str) -> PartState | None:
        """Give the data part of this type and id."""
        return self._data.get((kind, data_id))

    def snapshot(self) -> UIMessage:
        """Give the message as a frozen model, the same one until it changes."""
        if self._snapshot is None:
            fields: dict[str, JSON] = {
                "id": self.id,
                "role": "assistant",
                "parts": [part.model or part.snapshot() for part in self.parts],
            }
            if self.metadata is not ABSENT:
                fields["metadata"] = self.metadata
            self._snapshot = UIMessage.assemble(fields, self.extra)
        return self._snapshot

    def copy(self) -> tuple[MessageState, dict[int, PartState]]:
        """Give an independent copy, and the copies of the parts by the `id()` of the originals."""
        for part in self.parts:
            part.snapshot()
        twins: dict[int, PartState] = {}
        for part in self.parts:
            twin = PartState(part.cls, dict(part.fields), part.extra)
            twin.pieces = list(part.pieces)
            twin.model = part.model
            twins[id(part)] = twin
        copy = MessageState(
            self.id, metadata=self.metadata, extra=self.extra, parts=list(twins.values())
        )
        return copy, twins
