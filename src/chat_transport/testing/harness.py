"""What a transport gives the conformance kit, and what a check gets to work with.

Rule: a check sees `ChatTransport` and a `Puppet`, never the wire between them.
"""

from __future__ import annotations

import secrets
from abc import ABC, abstractmethod
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from typing import Any, ClassVar, TypeAlias

import msgspec

from ..agent.run import Handler
from ..agent.runtime import OnEnd
from ..chunks import (
    ABSENT,
    DataChunk,
    Finish,
    FinishStep,
    Start,
    StartStep,
    TextDelta,
    TextEnd,
    TextStart,
    UIMessageChunk,
)
from ..inputs import SendMessages, Trigger
from ..messages import UIMessage
from ..reducer import MessageReducer
from ..transport import ChatTransport, ChunkStream
from .puppet import Puppet

__all__ = [
    "Harness",
    "MakeClient",
    "RequirementFailed",
    "Scene",
    "carried",
    "collect",
    "expect",
    "expect_equal",
    "fold",
    "shown",
    "words",
]

JSON: TypeAlias = Any  # any JSON value
MakeClient: TypeAlias = Callable[[str], ChatTransport]
"""Gives a client of its own for the user with this id, not yet entered."""


class RequirementFailed(AssertionError):
    """A transport does not keep a requirement; the text says what was seen."""


class Harness(ABC):
    """How the kit reaches one transport. Its test module writes one of these.

    Attributes:
        name: Shown in reports.
        excused: Requirement id -> why this wire cannot keep it. An excuse that is not needed fails.
    """

    name: str = ""
    excused: ClassVar[Mapping[str, str]] = {}

    @abstractmethod
    def stage(self, handler: Handler, on_end: OnEnd) -> AbstractAsyncContextManager[MakeClient]:
        """Set up an agent's end that runs `handler`, and take all down afterwards.

        Clients made for one stage see the same chats. The agent masks errors as it does by default.
        """


@dataclass(slots=True, kw_only=True)
class Scene:
    """What one check works with: an agent that does as told, and clients of it."""

    agent: Puppet
    make_client: MakeClient
    chat_id: str = field(default_factory=lambda: f"kit-{secrets.token_hex(6)}")

    def client(self, user_id: str = "ada") -> ChatTransport:
        """Give a client that is not entered yet."""
        return self.make_client(user_id)

    def send(
        self,
        text: str = "hello",
        *,
        before: Sequence[UIMessage] = (),
        message_id: str = "u1",
        chat_id: str | None = None,
    ) -> SendMessages:
        """Ask with a new user message behind `before`."""
        message = UIMessage.user(text, id=message_id)
        return self.ask((*before, message), chat_id=chat_id)

    def ask(
        self,
        messages: Iterable[UIMessage],
        *,
        trigger: Trigger = "submit-message",
        message_id: str | None = None,
        chat_id: str | None = None,
    ) -> SendMessages:
        """Ask with exactly these messages."""
        return SendMessages(
            chat_id=chat_id or self.chat_id,
            messages=tuple(messages),
            trigger=trigger,
            message_id=message_id,
        )


def expect(holds: bool, what: str) -> None:  # noqa: FBT001  # reads as `expect(x == y, "...")`
    """Fail the requirement with `what` unless it holds."""
    if not holds:
        raise RequirementFailed(what)


def expect_equal(got: Any, wanted: Any, what: str) -> None:
    """Fail the requirement unless both are equal; says both."""
    if got != wanted:
        raise RequirementFailed(f"{what}: got {got!r}, wanted {wanted!r}")


async def collect(stream: ChunkStream) -> list[UIMessageChunk]:
    """Read a stream to its end."""
    return [chunk async for chunk in stream]


def fold(chunks: Iterable[UIMessageChunk], message: UIMessage | None = None) -> UIMessage:
    """Give the message that the chunks build, on top of `message` if it is continued."""
    reducer = MessageReducer(message, message_id="unnamed")
    for chunk in chunks:
        reducer.feed(chunk)
    return reducer.message


def carried(chunks: Iterable[UIMessageChunk], drops: Collection[str]) -> list[UIMessageChunk]:
    """Give what a wire with these `drops` carries of the chunks."""
    found: list[UIMessageChunk] = []
    for chunk in chunks:
        kind = "data-*" if isinstance(chunk, DataChunk) else chunk.type
        if kind in drops:
            continue
        if isinstance(chunk, Start | Finish) and "message-metadata" in drops:
            chunk = msgspec.structs.replace(chunk, message_metadata=ABSENT)  # noqa: PLW2901
        found.append(chunk)
    return found


def shown(message: UIMessage, drops: Collection[str]) -> JSON:
    """Give a message's wire form without the steps, where the wire does not tell them."""
    wire = message.to_wire()
    if "start-step" in drops:
        wire["parts"] = [part for part in wire["parts"] if part["type"] != "step-start"]
    return wire


def words(*texts: str, part_id: str = "t", ends: bool = True) -> list[UIMessageChunk]:
    """Give a step of one text part in these pieces; with `finish` unless told otherwise."""
    said: list[UIMessageChunk] = [StartStep(), TextStart(id=part_id)]
    said.extend(TextDelta(id=part_id, delta=text) for text in texts)
    if ends:
        said.extend((TextEnd(id=part_id), FinishStep(), Finish(finish_reason="stop")))
    return said
