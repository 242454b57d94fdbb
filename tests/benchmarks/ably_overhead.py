"""What a reply of 1,000 tokens costs on Ably: our agent and the official JavaScript agent, in one run.

Run it with `.venv/bin/python tests/benchmarks/ably_overhead.py [TOKENS] [DELAY_MS]`. Both speak to the
same local broker, which counts what each agent publishes; the JavaScript packages are those of
`tests/interop/ai_transport` (`make interop` installs them). An operation is one Ably message: what the
cloud counts and charges.
"""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import msgspec

from chat_transport import Chat, Run, UIMessageChunk
from chat_transport.broker import RunningBroker, serve_broker
from chat_transport.broker.frames import Message
from chat_transport.chunks import Finish, FinishStep, StartStep, TextDelta, TextEnd, TextStart
from chat_transport.transports.ably import AblyAgent, AblyChatTransport, AblyConnection

sys.path.insert(0, str(Path(__file__).parents[1]))
from ably_tokens import KEY, token_for

PEERS = Path(__file__).parents[1] / "interop" / "ai_transport"


def connection(broker: RunningBroker, name: str) -> AblyConnection:
    return AblyConnection(key=KEY, client_id=name, endpoint=broker.address, tls=False)


def published(broker: RunningBroker, channel: str, agent: str) -> tuple[int, int]:
    """Count the messages that an agent put on a channel, and the bytes of their JSON."""
    operations = size = 0
    log = broker.broker.apps["app"].channels[channel].log
    for entry in log.entries:
        for item in (item for item in entry.items if isinstance(item, Message)):
            author = item.version.client_id if item.version else None
            if item.extras and (author or item.client_id) == agent:
                operations += 1
                size += len(msgspec.json.encode(item))
    return operations, size


async def with_python(broker: RunningBroker, tokens: int, delay_s: float, window_s: float) -> str:
    channel = f"ai:python-{window_s}"

    async def handler(run: Run) -> AsyncIterator[UIMessageChunk]:
        yield StartStep()
        yield TextStart(id="t1")
        for index in range(tokens):
            yield TextDelta(id="t1", delta=f"tok{index % 10} ")
            await asyncio.sleep(delay_s)
        yield TextEnd(id="t1")
        yield FinishStep()
        yield Finish(finish_reason="stop")

    async with (
        AblyAgent(handler, connection(broker, "agent"), channels=[channel], window_s=window_s),
        AblyChatTransport(connection(broker, "alice")) as transport,
        Chat(transport, id=channel) as chat,
    ):
        await chat.send("go")
        assert len(chat.messages[-1].text) == tokens * 5
    return channel


async def with_javascript(broker: RunningBroker, tokens: int, delay_ms: int) -> str:
    channel = "ai:javascript"
    process = await asyncio.create_subprocess_exec(
        str(PEERS / "node_modules/.bin/node"),
        "agent.mjs",
        cwd=PEERS,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    assert process.stdin is not None
    assert process.stdout is not None
    options = {"endpoint": broker.host, "port": broker.port, "tls": False}
    call = {
        "id": 1,
        "op": "open",
        "clientOptions": options,
        "token": token_for("js-agent", role=None),
    }
    process.stdin.write(json.dumps(call).encode() + b"\n")
    url = ""
    while not url:
        said = json.loads(await process.stdout.readline())
        url = (said.get("ok") or {}).get("url", "")
    async with (
        AblyChatTransport(connection(broker, "alice"), invoke=url) as transport,
        Chat(transport, id=channel) as chat,
    ):
        await chat.send(f"tokens {tokens} {delay_ms}")
        assert len(chat.messages[-1].text) == tokens * 5
    process.stdin.close()
    await process.wait()
    return channel


async def main(tokens: int, delay_ms: int) -> None:
    async with serve_broker([KEY]) as broker:
        rows = [
            ("official JavaScript agent", await with_javascript(broker, tokens, delay_ms)),
            ("ours, no window", await with_python(broker, tokens, delay_ms / 1000, 0.0)),
            (
                "ours, 40 ms window (default)",
                await with_python(broker, tokens, delay_ms / 1000, 0.04),
            ),
        ]
        print(f"{tokens} tokens, one each {delay_ms} ms")
        print(f"{'agent':30} {'operations':>10} {'bytes':>10}  of the JavaScript agent's")
        base = published(broker, rows[0][1], "js-agent")
        for name, channel in rows:
            agent = "js-agent" if channel == rows[0][1] else "agent"
            operations, size = published(broker, channel, agent)
            print(
                f"{name:30} {operations:10} {size:10}"
                f"  {operations / base[0]:.2f} operations, {size / base[1]:.2f} bytes"
            )


if __name__ == "__main__":
    numbers = [int(argument) for argument in sys.argv[1:]]
    asyncio.run(main(*(numbers + [1000, 15][len(numbers) :])))
