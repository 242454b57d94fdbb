"""What the four Ably wires cost for the same reply: operations, bytes, and what history holds.

Run it with `.venv/bin/python tests/benchmarks/wire_costs.py [TOKENS] [DELAY_MS]`. Our agent says the
same reply on each wire over a local broker, which counts what the agent publishes and what a client
that comes afterwards reads. An operation is one Ably message: what the cloud counts and charges.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator
from dataclasses import dataclass

import msgspec

from chat_transport import Chat, Run, UIMessageChunk
from chat_transport.broker import RunningBroker, serve_broker
from chat_transport.broker.frames import Message
from chat_transport.chunks import Finish, FinishStep, StartStep, TextDelta, TextEnd, TextStart
from chat_transport.codecs.ably.operations import Inbound
from chat_transport.errors import TransportError
from chat_transport.transports.ably import AblyAgent, AblyChatTransport, AblyConnection
from chat_transport.transports.ably.channel import HistoryReader

KEY = "app.key:a-secret-of-at-least-thirty-two-bytes"
WIRES = ("ai-transport", "message-per-response", "message-per-token", "ai-sdk-transport")


def connection(broker: RunningBroker, name: str) -> AblyConnection:
    return AblyConnection(key=KEY, client_id=name, endpoint=broker.address, tls=False)


class Deaf:
    """Listens to nothing: history is what counts."""

    def on_message(self, message: Inbound) -> None: ...

    def on_gap(self) -> None: ...

    def on_lost(self, error: TransportError) -> None:
        raise error


def published(broker: RunningBroker, channel: str) -> tuple[int, int]:
    """Count what the agent put on a channel, and the bytes of its JSON."""
    operations = size = 0
    for entry in broker.broker.apps["app"].channels[channel].log.entries:
        for item in (item for item in entry.items if isinstance(item, Message)):
            author = item.version.client_id if item.version else None
            if (author or item.client_id) == "agent":
                operations += 1
                size += len(msgspec.json.encode(item))
    return operations, size


async def in_history(broker: RunningBroker, channel: str) -> tuple[int, int]:
    """Count the agent's messages that somebody who comes later reads, and their bytes."""
    async with connection(broker, "late") as late:
        opened = late.channel(channel)
        async with opened.listening(Deaf()):
            return await counted(opened.history())


async def counted(reader: HistoryReader) -> tuple[int, int]:
    messages = size = 0
    while page := await reader.next_page():
        for message in page:
            if message.client_id == "agent":
                messages += 1
                size += len(msgspec.json.encode(message))
    return messages, size


async def say(
    broker: RunningBroker, wire: str, tokens: int, delay_s: float, window_s: float
) -> str:
    channel = f"ai:{wire}-{window_s}"

    async def handler(run: Run) -> AsyncIterator[UIMessageChunk]:
        yield StartStep()
        yield TextStart(id="t1")
        for index in range(tokens):
            yield TextDelta(id="t1", delta=f"tok{index % 10} ")
            await asyncio.sleep(delay_s)
        yield TextEnd(id="t1")
        yield FinishStep()
        yield Finish(finish_reason="stop")

    agent = AblyAgent(
        handler, connection(broker, "agent"), channels=[channel], wire=wire, window_s=window_s
    )
    async with (
        agent,
        AblyChatTransport(connection(broker, "alice"), wire=wire) as transport,
        Chat(transport, id=channel) as chat,
    ):
        await chat.send("go")
        assert len(chat.messages[-1].text) == tokens * 5
    return channel


@dataclass(frozen=True, slots=True)
class Costs:
    """What one reply cost: the agent's messages as published, and as history holds them."""

    operations: int
    size: int
    kept: int
    kept_size: int


async def measure(
    broker: RunningBroker, wire: str, tokens: int, *, delay_ms: int, window_ms: int
) -> Costs:
    channel = await say(broker, wire, tokens, delay_ms / 1000, window_ms / 1000)
    return Costs(*published(broker, channel), *await in_history(broker, channel))


async def main(tokens: int, delay_ms: int) -> None:
    async with serve_broker([KEY]) as broker:
        print(f"{tokens} tokens of 5 bytes, one each {delay_ms} ms")
        print("| wire | window | operations | bytes | messages in history | their bytes |")
        print("|---|---|---|---|---|---|")
        for wire in WIRES:
            for window_ms in (0, 40):
                each = await measure(broker, wire, tokens, delay_ms=delay_ms, window_ms=window_ms)
                print(
                    f"| `{wire}` | {window_ms} ms | {each.operations:,} | {each.size:,}"
                    f" | {each.kept:,} | {each.kept_size:,} |"
                )


if __name__ == "__main__":
    numbers = [int(argument) for argument in sys.argv[1:]]
    asyncio.run(main(*(numbers + [1000, 15][len(numbers) :])))
