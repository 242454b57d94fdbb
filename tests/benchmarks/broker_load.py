"""What one broker process carries: appends, fan-out, idle connections, latency at half load.

    python tests/benchmarks/broker_load.py [--seconds 3] [--subscribers 500] [--idle 2000]

The broker runs in a process of its own; the real Python SDK is at both ends where it says so, and
bare sockets where the SDK's own cost would hide the broker's. Ratios travel, absolutes do not.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import multiprocessing
import os
import resource
import statistics
import sys
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from ably import AblyRealtime
from ably.types.message import Message
from websockets.asyncio.client import ClientConnection, connect

KEY = "app.key:secret"
IN_FLIGHT = 200
REPLY = 2000
"""Appends to one message, as many as a long reply has."""


def raise_open_files() -> None:
    """2,000 sockets need as many descriptors at each end."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, 65536), hard))


def serve(port: Any, ready: Any, with_uvloop: bool) -> None:  # noqa: FBT001 - a process's arguments
    """Be the broker's process."""
    import anyio

    from chat_transport.broker import Limits, serve_broker

    raise_open_files()

    async def main() -> None:
        async with serve_broker([KEY], limits=Limits(channels_per_connection=10_000)) as running:
            port.value = running.port
            ready.set()
            await anyio.sleep_forever()

    anyio.run(main, backend_options={"use_uvloop": with_uvloop})


class Process:
    """The broker's process, with what the system says of it."""

    def __init__(self, *, with_uvloop: bool) -> None:
        context = multiprocessing.get_context("spawn")
        port, ready = context.Value("i", 0), context.Event()
        self._process = context.Process(target=serve, args=(port, ready, with_uvloop), daemon=True)
        self._process.start()
        if not ready.wait(20):
            raise SystemExit("the broker did not start within 20 s")
        self.port = port.value
        self.endpoint = f"127.0.0.1:{self.port}/"

    def cpu_s(self) -> float:
        """Give the processor time that it used."""
        fields = Path(f"/proc/{self._process.pid}/stat").read_text().rpartition(") ")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def memory_kib(self) -> int:
        """Give its resident memory."""
        pages = int(Path(f"/proc/{self._process.pid}/statm").read_text().split()[1])
        return pages * os.sysconf("SC_PAGE_SIZE") // 1024

    def stop(self) -> None:
        """End it."""
        self._process.kill()
        self._process.join()


class Row:
    """One printed line: what, how much, at which cost to the broker."""

    def __init__(self, name: str) -> None:
        self.name = name

    def print(self, value: str, note: str = "") -> None:
        """Print it."""
        sys.stdout.write(f"{self.name:52} {value:>16}  {note}\n")
        sys.stdout.flush()


@asynccontextmanager
async def sdk_pair(broker: Process) -> AsyncIterator[tuple[Any, Any]]:
    """Give two SDK clients."""
    pair = [AblyRealtime(key=KEY, endpoint=broker.endpoint, tls=False) for _ in range(2)]
    try:
        yield pair[0], pair[1]
    finally:
        for client in pair:
            await client.close()


async def append_by_sdk(broker: Process, seconds: float) -> None:
    """One stream, the SDK at both ends, appends pipelined."""
    async with sdk_pair(broker) as (sender, receiver):
        heard, done = 0, asyncio.Event()

        def hear(message: Any) -> None:
            nonlocal heard
            heard += 1
            if message.data == "end":
                done.set()

        await receiver.channels.get("sdk").subscribe(hear)
        channel = sender.channels.get("sdk")
        begin, cpu = time.perf_counter(), broker.cpu_s()

        async def append(serial: str, text: str) -> None:
            await channel.append_message(Message(serial=serial, data=text))

        sent = 0
        while time.perf_counter() < begin + seconds:
            if sent % REPLY == 0:
                (serial,) = (await channel.publish("n", "")).serials
            batch = [append(serial, "token ") for _ in range(IN_FLIGHT)]
            await asyncio.wait_for(asyncio.gather(*batch), 30)
            sent += IN_FLIGHT
        await append(serial, "end")
        await asyncio.wait_for(done.wait(), 30)
        elapsed = time.perf_counter() - begin
        cost = (broker.cpu_s() - cpu) / sent * 1e6
        note = f"broker {cost:.0f} us each, {cost * sent / elapsed / 1e4:.0f} % of a core"
        Row("appends/s, real SDK at both ends").print(f"{sent / elapsed:,.0f}/s", note)


def url(broker: Process, **query: str) -> str:
    """Give the address of a bare socket."""
    query = {"v": "5", "key": KEY, **query}
    return f"ws://127.0.0.1:{broker.port}/?" + "&".join(f"{k}={v}" for k, v in query.items())


async def bare(broker: Process, channel: str | None = None) -> ClientConnection:
    """Give a bare socket, attached if a channel is named."""
    socket = await connect(url(broker), compression=None, max_queue=None, ping_interval=None)
    await socket.recv()
    if channel is not None:
        await socket.send(json.dumps({"action": 10, "channel": channel}))
        await socket.recv()
    return socket


def frame(serial: int, channel: str, message: dict[str, Any]) -> str:
    """Give the text of a publish."""
    return json.dumps(
        {"action": 15, "channel": channel, "msgSerial": serial, "messages": [message]}
    )


async def create(socket: ClientConnection, channel: str) -> str:
    """Publish a message to append to; give its serial."""
    await socket.send(frame(0, channel, {"data": ""}))
    return json.loads(await socket.recv())["res"][0]["serials"][0]


async def append_bare(broker: Process, seconds: float) -> None:
    """One stream, bare sockets: what the broker itself can take."""
    sender, receiver = await bare(broker), await bare(broker, "bare")
    serial = await create(sender, "bare")
    await receiver.recv()
    begin, cpu, sent, got = time.perf_counter(), broker.cpu_s(), 0, 0
    while time.perf_counter() < begin + seconds:
        for _ in range(IN_FLIGHT):
            sent += 1
            message = {"action": 5, "serial": serial, "data": "t"}
            await sender.send(frame(sent, "bare", message))
        for _ in range(IN_FLIGHT):
            await sender.recv()
            await receiver.recv()
            got += 1
    elapsed = time.perf_counter() - begin
    cost = (broker.cpu_s() - cpu) / sent * 1e6
    note = f"broker {cost:.0f} us each: {1e6 / cost:,.0f}/s on a core of its own"
    Row("appends/s, bare sockets, one subscriber").print(f"{got / elapsed:,.0f}/s", note)
    await sender.close()
    await receiver.close()


async def fan_out(broker: Process, subscribers: int, rounds: int) -> None:
    """One stream to many: what one delivery costs."""
    sockets = [await bare(broker, "fan") for _ in range(subscribers)]
    sender = await bare(broker)
    serial = await create(sender, "fan")
    for socket in sockets:
        await socket.recv()
    begin, cpu = time.perf_counter(), broker.cpu_s()
    for number in range(1, rounds + 1):
        message = {"action": 5, "serial": serial, "data": "token "}
        await sender.send(frame(number, "fan", message))
        await sender.recv()
        await asyncio.gather(*(socket.recv() for socket in sockets))
    elapsed, count = time.perf_counter() - begin, rounds * subscribers
    cost = (broker.cpu_s() - cpu) / count * 1e6
    note = f"broker {cost:.1f} us a delivery: {1e6 / cost:,.0f}/s on a core of its own"
    Row(f"deliveries/s, one stream to {subscribers}").print(f"{count / elapsed:,.0f}/s", note)
    for socket in sockets:
        await socket.close()
    await sender.close()


async def idle(broker: Process, count: int) -> None:
    """Connections that do nothing."""
    before = broker.memory_kib()
    sockets = [await bare(broker) for _ in range(count)]
    each = (broker.memory_kib() - before) / count
    Row(f"memory of each of {count} idle connections").print(f"{each:.1f} KiB")
    cpu = broker.cpu_s()
    await asyncio.sleep(2)
    share = (broker.cpu_s() - cpu) / 2 * 100
    Row("processor while they idle").print(f"{share:.1f} %")
    for socket in sockets:
        await socket.close()


async def latency(broker: Process, seconds: float, rate: int) -> None:
    """Publish to delivery, at a steady rate of appends."""
    sender, receiver = await bare(broker), await bare(broker, "late")
    serial = await create(sender, "late")
    await receiver.recv()
    took: list[float] = []

    async def hear() -> None:
        async for raw in receiver:
            sent_at = json.loads(raw)["messages"][0]["data"]
            if sent_at == "end":
                return
            took.append(time.perf_counter() - float(sent_at.rpartition(" ")[2]))

    async def drain() -> None:
        async for _ in sender:
            pass

    listener, drainer = asyncio.create_task(hear()), asyncio.create_task(drain())
    begin, number, steps = time.perf_counter(), 0, int(seconds * 100)
    for step in range(steps):
        for _ in range(rate // 100):
            number += 1
            message = {"action": 5, "serial": serial, "data": f" {time.perf_counter()}"}
            await sender.send(frame(number, "late", message))
        await asyncio.sleep(max(0.0, begin + (step + 1) / 100 - time.perf_counter()))
    number += 1
    await sender.send(frame(number, "late", {"action": 5, "serial": serial, "data": "end"}))
    await asyncio.wait_for(listener, 30)
    drainer.cancel()
    cuts = statistics.quantiles([item * 1000 for item in took], n=100)
    value = f"p50 {cuts[49]:.2f} ms"
    Row(f"latency at {rate:,} appends/s").print(value, f"p95 {cuts[94]:.2f}, p99 {cuts[98]:.2f} ms")
    await sender.close()
    await receiver.close()


async def measure(broker: Process, options: argparse.Namespace) -> None:
    """Take all the quantities."""
    await append_by_sdk(broker, options.seconds)
    await append_bare(broker, options.seconds)
    await fan_out(broker, options.subscribers, options.rounds)
    await idle(broker, options.idle)
    await latency(broker, options.seconds, options.rate)


def run(main: Callable[[], Any]) -> None:
    """Run the clients' side."""
    raise_open_files()
    asyncio.run(main())


if __name__ == "__main__":
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--seconds", type=float, default=3)
    parser.add_argument("--subscribers", type=int, default=500)
    parser.add_argument("--rounds", type=int, default=40)
    parser.add_argument("--idle", type=int, default=2000)
    parser.add_argument("--rate", type=int, default=4000)
    parser.add_argument("--uvloop", action="store_true", help="serve with uvloop")
    chosen = parser.parse_args()
    process = Process(with_uvloop=chosen.uvloop)
    try:
        run(lambda: measure(process, chosen))
    finally:
        process.stop()
