"""A channel as data, and what the tests of this wire share."""

from __future__ import annotations

import itertools
import random
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import msgspec
import pytest

from chat_transport import chunks as c
from chat_transport.codecs.ably.ai_transport import (
    Conversation,
    EncodedInput,
    InputEncoder,
    RunIdentity,
    ui_run_encoder,
)
from chat_transport.codecs.ably.operations import Append, Inbound, Operation, Publish, Update
from chat_transport.messages import UIMessage
from chat_transport.testing._trace_file import Trace, read_trace

VECTORS = Path(__file__).resolve().parents[2] / "vectors" / "ably"
SERIAL = "{:08}".format


@dataclass
class FakeChannel:
    """Applies operations as Ably does and remembers every delivery, in order."""

    delivered: list[Inbound] = field(default_factory=list)
    stored: dict[str, Inbound] = field(default_factory=dict)
    serials: dict[str, str] = field(default_factory=dict)
    count: itertools.count = field(default_factory=lambda: itertools.count(1))

    def take(self, operations: Iterable[Operation], *, by: str = "agent") -> list[Inbound]:
        return [inbound for operation in operations for inbound in self._one(operation, by)]

    def _one(self, operation: Operation, by: str) -> list[Inbound]:
        if isinstance(operation, Publish):
            found = [self._create(message, by) for message in operation.messages]
            if operation.key is not None:
                self.serials[operation.key] = found[0].serial
        else:
            found = [self._change(operation)]
        self.delivered += found
        return found

    def _create(self, message, by: str) -> Inbound:
        serial = SERIAL(next(self.count))
        inbound = Inbound(
            action="create",
            serial=serial,
            version=serial,
            name=message.name,
            data=message.data,
            extras=message.extras,
            client_id=by,
        )
        self.stored[serial] = inbound
        return inbound

    def _change(self, operation: Append | Update) -> Inbound:
        known = self.stored[self.serials[operation.key]]
        grows = isinstance(operation, Append)
        text = (known.data or "") + operation.data if grows else operation.data
        version = f"{known.serial}:{SERIAL(next(self.count))}"
        self.stored[known.serial] = msgspec.structs.replace(
            known,
            action="update",
            version=version,
            name=(None if grows else operation.name) or known.name,
            data=text,
            extras=operation.extras or known.extras,
            version_metadata=operation.metadata,
        )
        return msgspec.structs.replace(
            self.stored[known.serial],
            action="append" if grows else "update",
            name=None if grows else self.stored[known.serial].name,
            data=operation.data,
        )

    def history(self) -> list[Inbound]:
        """What history holds, oldest first: grown messages once, with their whole text."""
        return [self.stored[serial] for serial in sorted(self.stored)]


def aggregate(deliveries: Sequence[Inbound]) -> list[Inbound]:
    """What history holds after these deliveries, oldest first."""
    stored: dict[str, Inbound] = {}
    for inbound in deliveries:
        known = stored.get(inbound.serial)
        if known is None:
            stored[inbound.serial] = inbound
            continue
        data = (known.data or "") + inbound.data if inbound.action == "append" else inbound.data
        stored[inbound.serial] = msgspec.structs.replace(
            inbound, action="update", name=inbound.name or known.name, data=data
        )
    return [stored[serial] for serial in sorted(stored)]


def disturb(deliveries: Sequence[Inbound], chance: random.Random, start: int = 0) -> list[Inbound]:
    """The traffic from `start` on as a channel may deliver it: conflated, some of it repeated."""
    merged: list[Inbound] = []
    text: dict[str, str] = {}
    for place, inbound in enumerate(deliveries):
        last = merged[-1] if merged else None
        delivery = inbound
        if inbound.action == "append":
            text[inbound.serial] = text.get(inbound.serial, "") + inbound.data
            joins = last is not None and last.serial == inbound.serial and last.action == "append"
            if joins and chance.random() < 0.3:
                merged.pop()
                delivery = msgspec.structs.replace(inbound, data=last.data + inbound.data)
            elif chance.random() < 0.2:
                whole = text[inbound.serial]
                delivery = msgspec.structs.replace(inbound, action="update", data=whole)
        elif isinstance(inbound.data, str):
            text[inbound.serial] = inbound.data
        if place >= start:
            merged.append(delivery)
    out: list[Inbound] = []
    for delivery in merged:
        out.append(delivery)
        if chance.random() < 0.3:
            out.append(chance.choice(out))
    return out


@dataclass
class Talk:
    """A conversation that both ends write into one channel."""

    channel: FakeChannel
    new_id: Callable[[], str]
    conversation: Conversation = field(default_factory=Conversation)

    @property
    def client(self) -> InputEncoder:
        return InputEncoder(new_id=self.new_id, client_id="alice")

    def put(self, operations, *, by: str = "agent") -> list:
        deliveries = self.channel.take(operations, by=by)
        return [self.conversation.feed(inbound) for inbound in deliveries]

    def send(self, encoded: EncodedInput, *, by: str = "alice"):
        self.put([encoded.operation], by=by)
        return encoded

    def ask(self, text: str, **links) -> EncodedInput:
        message = UIMessage.user(text, id=f"u-{text}")
        return self.send(self.client.user_message(message, **links))

    def identify(self, asked: EncodedInput) -> RunIdentity:
        trigger = self.conversation.trigger(asked.event_id)
        return self.conversation.identify(trigger, new_id=self.new_id)

    def run(self, asked: EncodedInput):
        """Begin to answer; gives the encoder, whose operations go to `put`."""
        encoder = ui_run_encoder(self.identify(asked), new_id=self.new_id)
        self.put(encoder.start())
        return encoder

    def say(self, encoder, *texts: str) -> str:
        """Say messages of one text each; gives the codec-message-id of the last."""
        for text in texts:
            operations = encoder.next_message()
            for chunk in (
                c.Start(message_id=f"a-{text}"),
                c.StartStep(),
                c.TextStart(id="t"),
                c.TextDelta(id="t", delta=text),
                c.TextEnd(id="t"),
                c.FinishStep(),
                c.Finish(finish_reason="stop"),
            ):
                operations += encoder.encode(chunk)
            self.put(operations)
        return encoder.message_id

    def answer(self, asked: EncodedInput, *texts: str, reason: str = "complete"):
        encoder = self.run(asked)
        message_id = self.say(encoder, *texts)
        self.put(encoder.end(reason))
        return message_id

    def call_tool(self, encoder, *, approval: bool = False) -> str:
        operations = encoder.next_message()
        chunks = [
            c.Start(message_id="a-tool"),
            c.StartStep(),
            c.ToolInputStart(tool_call_id="call", tool_name="rm"),
            c.ToolInputAvailable(tool_call_id="call", tool_name="rm", input={"p": 1}),
        ]
        if approval:
            chunks.append(c.ToolApprovalRequest(tool_call_id="call", approval_id="ap"))
        for chunk in [*chunks, c.FinishStep(), c.Finish(finish_reason="tool-calls")]:
            operations += encoder.encode(chunk)
        self.put(operations)
        return encoder.message_id

    @property
    def texts(self) -> list[str]:
        return [entry.message.text for entry in self.conversation.entries()]


@pytest.fixture
def talk(channel: FakeChannel, new_id: Callable[[], str]) -> Talk:
    return Talk(channel, new_id)


@pytest.fixture
def channel() -> FakeChannel:
    return FakeChannel()


@pytest.fixture
def new_id() -> Callable[[], str]:
    numbers = itertools.count(1)
    return lambda: f"id-{next(numbers)}"


@pytest.fixture
def identity() -> RunIdentity:
    return RunIdentity(
        run_id="run-1",
        invocation_id="inv-1",
        input_id="m-1",
        run_client_id="alice",
        input_client_id="alice",
        parent="m-1",
        output_parent="m-1",
    )


UI_TRACES = [path for path in sorted(VECTORS.glob("*.jsonl")) if read_trace(path).speaks_ui]


@pytest.fixture(params=UI_TRACES, ids=lambda path: path.stem)
def trace(request: pytest.FixtureRequest) -> Trace:
    return read_trace(request.param)


@pytest.fixture
def trace_deliveries(trace: Trace) -> list[Inbound]:
    return [i for op in trace.operations if not op.refused for i in op.deliveries()]


@pytest.fixture
def tools() -> type:
    """The functions above: tests are not a package."""

    class Tools:
        pass

    Tools.aggregate = staticmethod(aggregate)
    Tools.disturb = staticmethod(disturb)
    return Tools
