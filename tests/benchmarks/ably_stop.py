"""How fast a stop is over Ably on one machine: the real SDK, the local broker, one process.

Run: `python tests/benchmarks/ably_stop.py [rounds]`. The goal is 100 ms from the request to the closed handler.
"""

from __future__ import annotations

import asyncio
import statistics
import sys
import time
from collections.abc import AsyncIterator

from chat_transport.agent.run import Run
from chat_transport.broker import serve_broker
from chat_transport.chunks import TextDelta, TextStart, UIMessageChunk
from chat_transport.inputs import SendMessages
from chat_transport.messages import UIMessage
from chat_transport.transports.ably import AblyAgent, AblyChatTransport, AblyConnection

KEY = "app.key:secret"
CHAT = "ai:stop"
closed_at: list[float] = []


async def endless(_run: Run) -> AsyncIterator[UIMessageChunk]:
    yield TextStart(id="t")
    try:
        while True:
            yield TextDelta(id="t", delta="word ")
            await asyncio.sleep(0.01)
    finally:
        closed_at.append(time.perf_counter())


async def measure(rounds: int) -> dict[str, list[float]]:
    times: dict[str, list[float]] = {
        "send to first delta read": [],
        "stop to handler closed": [],
        "stop to abort read": [],
    }
    async with serve_broker([KEY]) as broker:

        def connection(name: str) -> AblyConnection:
            return AblyConnection(key=KEY, client_id=name, endpoint=broker.address, tls=False)

        agent = AblyAgent(endless, connection("agent"), channels=[CHAT])
        async with agent, AblyChatTransport(connection("ann")) as transport:
            for number in range(rounds):
                message = UIMessage.user("go", id=f"u{number}")
                begun = time.perf_counter()
                async with transport.send_messages(
                    SendMessages(chat_id=CHAT, messages=[message])
                ) as stream:
                    while not isinstance(await anext(stream), TextDelta):
                        pass
                    times["send to first delta read"].append(time.perf_counter() - begun)
                    asked = time.perf_counter()
                    await transport.stop(CHAT, stream.run_id)
                    async for _ in stream:
                        pass
                    times["stop to abort read"].append(time.perf_counter() - asked)
                    times["stop to handler closed"].append(closed_at[-1] - asked)
    return times


def main() -> None:
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else 40
    print(f"{'ms':26} {'p50':>6} {'max':>6}")
    for name, values in asyncio.run(measure(rounds)).items():
        print(f"{name:26} {statistics.median(values) * 1e3:6.1f} {max(values) * 1e3:6.1f}")


if __name__ == "__main__":
    main()
