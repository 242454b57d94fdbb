"""One recorded scenario of `@ably/ai-transport`: operations, and what the package made of them.

Rule: serials are widened so that they sort as text; nothing else is touched.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, TypeAlias

from ..codecs.ably.ai_transport.headers import codec_headers, transport_headers
from ..codecs.ably.operations import Action, Inbound

__all__ = ["Trace", "TraceOperation", "read_trace", "widened"]

JSON: TypeAlias = Any  # any JSON value
_SERIAL = re.compile(r"^S(\d+)$")
_SERIAL_KEYS = frozenset({"serial", "serials", "step-start-serial"})
_ACTIONS: Mapping[str, Action] = {"publish": "create", "append": "append", "update": "update"}
_REFUSED = ("rejected", "refused", "failed", "error", "err", "threw")
"""How a trace may mark an operation that the channel refused."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TraceOperation:
    """One operation as it was handed to the channel.

    Attributes:
        place: Its number in the trace; orders the versions of a message.
        channel: Where it was published; empty if the trace does not say.
        refused: The channel did not accept it.
    """

    place: int
    kind: Literal["publish", "append", "update"]
    by: str
    channel: str
    messages: Sequence[Mapping[str, JSON]]
    serials: Sequence[str]
    refused: bool

    @property
    def name(self) -> str:
        """The message's name; empty for appends and updates."""
        return str(self.messages[0].get("name", ""))

    def transport(self) -> Mapping[str, str]:
        """Give the transport headers of the first message."""
        return transport_headers(self.messages[0].get("extras")) or {}

    def codec(self) -> Mapping[str, str]:
        """Give the codec headers of the first message."""
        return codec_headers(self.messages[0].get("extras"))

    def deliveries(self) -> list[Inbound]:
        """Give what subscribers receive."""
        return [
            Inbound(
                action=_ACTIONS[self.kind],
                serial=serial,
                version=serial if self.kind == "publish" else f"{serial}:{self.place:06}",
                name=message.get("name"),
                data=message.get("data"),
                extras=message.get("extras"),
                client_id=self.by,
            )
            for message, serial in zip(self.messages, self.serials, strict=True)
        ]

    def as_json(self) -> list[JSON]:
        """Give it for comparing: one object for each message."""
        return [{"op": self.kind, **message} for message in self.messages]


@dataclass(frozen=True, slots=True, kw_only=True)
class Trace:
    """A scenario; `meta` is empty if the trace has no companion file."""

    name: str
    operations: Sequence[TraceOperation]
    meta: Mapping[str, JSON]

    @property
    def speaks_ui(self) -> bool:
        """Whether the payload is UI message chunks; else it is Responses events."""
        return all(known.codec().get("partType") != "input_text" for known in self.operations)


def read_trace(path: Path) -> Trace:
    """Read `NN-name.jsonl` and, if there is one, `NN-name.meta.json`.

    Raises:
        ValueError: If the file is not a trace; names file and line.
    """
    operations: list[TraceOperation] = []
    for place, line in enumerate(path.read_text(encoding="utf-8").splitlines()):
        if line.strip():
            try:
                operations.append(_operation(widened(json.loads(line)), place))
            except (KeyError, TypeError, ValueError) as error:
                raise ValueError(
                    f"{path.name} line {place + 1} is no operation: {error!r}"
                ) from error
    companion = path.with_suffix(".meta.json")
    meta = json.loads(companion.read_text(encoding="utf-8")) if companion.is_file() else {}
    return Trace(name=path.stem, operations=operations, meta=meta)


def widened(value: JSON, key: str = "") -> JSON:
    """Give JSON with `S7` as `S000007` wherever a serial stands."""
    if isinstance(value, dict):
        return {k: widened(v, k) for k, v in value.items()}
    if isinstance(value, list):
        return [widened(item, key) for item in value]
    if key in _SERIAL_KEYS and isinstance(value, str) and (found := _SERIAL.match(value)):
        return f"S{int(found[1]):06}"
    return value


def _operation(wire: Mapping[str, JSON], place: int) -> TraceOperation:
    kind = wire["op"]
    if kind not in _ACTIONS:
        raise ValueError(f"unknown op {kind!r}")
    messages = wire["messages"]
    serials = wire["serials"] if kind == "publish" else [m["serial"] for m in messages]
    return TraceOperation(
        place=place,
        kind=kind,
        by=wire["by"],
        channel=wire.get("channel", ""),
        messages=messages,
        serials=serials,
        refused=wire.get("ok") is False or any(wire.get(mark) for mark in _REFUSED),
    )
