"""A wire's two ends without a channel: what one publishes, the other is given."""

from __future__ import annotations

import itertools
from dataclasses import dataclass, field
from typing import Any

import pytest

from chat_transport.chunks import Finish, TextDelta, TextEnd, TextStart
from chat_transport.codecs.ably.operations import Append, Inbound, Publish
from chat_transport.inputs import SendMessages
from chat_transport.messages import UIMessage
from chat_transport.transports.ably.wires import wire_of


@dataclass
class Ends:
    """Both ends of a wire, and everything that was published."""

    name: str
    numbers: Any = field(default_factory=lambda: itertools.count(1))
    serials: dict[str, str] = field(default_factory=dict)
    heard: list[Any] = field(default_factory=list)
    delivered: list[Inbound] = field(default_factory=list)

    def __post_init__(self) -> None:
        wire = wire_of(self.name)
        self.client = wire.client(client_id="alice", new_id=self.new_id)
        self.agent = wire.agent(client_id="agent", new_id=self.new_id)

    def new_id(self) -> str:
        return f"id-{next(self.numbers)}"

    def put(self, operations: Any, *, by: str) -> None:
        for operation in operations:
            for inbound in self._inbounds(operation, by):
                self.delivered.append(inbound)
                self.heard.append(self.client.feed(inbound, live=True))
                self.agent.feed(inbound, live=True)

    def _inbounds(self, operation: Any, by: str) -> list[Inbound]:
        found: list[Inbound] = []
        if isinstance(operation, Publish):
            for place, message in enumerate(operation.messages):
                serial = f"{next(self.numbers):06}"
                if operation.key is not None and place == 0:
                    self.serials[operation.key] = serial
                found.append(
                    Inbound(
                        action="create",
                        serial=serial,
                        version=serial,
                        name=message.name,
                        data=message.data,
                        extras=message.extras,
                        client_id=by,
                    )
                )
        elif isinstance(operation, Append):
            serial = self.serials[operation.key]
            found.append(
                Inbound(
                    action="append",
                    serial=serial,
                    version=f"{serial}:{next(self.numbers):06}",
                    data=operation.data,
                    extras=operation.extras,
                    client_id=by,
                    version_metadata=operation.metadata,
                )
            )
        return found

    def ask(self, text: str) -> Any:
        """Say something as the client; gives the outgoing input."""
        messages = [*self.client.messages(), UIMessage.user(text, id=f"u-{text}")]
        (outgoing,) = self.client.encode(SendMessages(chat_id="c", messages=messages))
        self.put([outgoing.publish], by="alice")
        return outgoing

    def begin(self, outgoing: Any) -> Any:
        """Begin to answer; gives task and speaker."""
        task = self.agent.resolve(outgoing.event_id)
        speaker = self.agent.speaker(task)
        self.put(speaker.start(), by="agent")
        return task, speaker

    def say(self, speaker: Any, text: str) -> None:
        for chunk in (TextStart(id="t"), TextDelta(id="t", delta=text)):
            self.put(speaker.encode(chunk), by="agent")

    def finish(self, speaker: Any) -> None:
        for chunk in (TextEnd(id="t"), Finish(finish_reason="stop")):
            self.put(speaker.encode(chunk), by="agent")
        self.put(speaker.end("complete"), by="agent")


@pytest.fixture(params=["message-per-response", "message-per-token", "ai-sdk-transport"])
def ends(request: pytest.FixtureRequest) -> Ends:
    return Ends(request.param)


@pytest.fixture
def make_ends() -> type[Ends]:
    return Ends
