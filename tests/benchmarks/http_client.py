"""What a client pays to read replies over HTTP: ours beside the bare HTTP library and a bare socket.

Run: python tests/benchmarks/http_client.py [--streams 100] [--rate 50] [--seconds 2] [--rounds 3]
CPU of this process for each word, the server on another core; ways are measured in turn. No Python
peer folds chunks into a message; the bare ones do less: they parse, or only count.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import time
from collections.abc import Awaitable, Callable
from statistics import median

import httpx2
import uvloop
from http_load import Load
from http_servers import pin_client, running

from chat_transport.inputs import SendMessages
from chat_transport.messages import UIMessage
from chat_transport.reducer import MessageReducer
from chat_transport.transports.http import HttpChatTransport

Count = Callable[[int], None]
Way = Callable[[str, str, Count], Awaitable[None]]


async def measured(read: Way, port: int, options: argparse.Namespace) -> float:
    """Give microseconds of CPU a word while all replies are under way."""
    url = f"http://127.0.0.1:{port}/api/chat"
    words = 0

    def count(more: int) -> None:
        nonlocal words
        words += more

    text = f"tokens={int(options.rate * (options.seconds + 2))} rate={options.rate}"
    name = f"{time.monotonic_ns():x}"
    async with asyncio.TaskGroup() as tasks:
        for number in range(options.streams):
            tasks.create_task(_reading(read(url, f"{name}-{number}|{text}", count)))
            await asyncio.sleep(0.5 / options.streams)
        await asyncio.sleep(0.5)
        before, used = words, time.process_time()
        await asyncio.sleep(options.seconds)
        return (time.process_time() - used) / (words - before) * 1e6


async def _reading(work: Awaitable[None]) -> None:
    await work


def ours(transport: HttpChatTransport) -> Way:
    """Read chunks and fold them into a message."""

    async def read(_url: str, wish: str, count: Count) -> None:
        chat_id, _, text = wish.partition("|")
        request = SendMessages(chat_id=chat_id, messages=[UIMessage.user(text, id="u")])
        fold = MessageReducer(message_id="a")
        async with transport.send_messages(request) as stream:
            while chunks := await stream.drain():
                for chunk in chunks:
                    fold.feed(chunk)
                count(len(chunks))
        assert fold.message.text.count("~") == int(text.split("=")[1].split()[0])

    return read


def library(client: httpx2.AsyncClient) -> Way:
    """Read lines and parse their JSON."""

    async def read(url: str, wish: str, count: Count) -> None:
        chat_id, _, text = wish.partition("|")
        part = {"type": "text", "text": text}
        message = {"id": "u", "role": "user", "parts": [part]}
        said: list[str] = []
        async with client.stream("POST", url, json={"id": chat_id, "messages": [message]}) as reply:
            async for line in reply.aiter_lines():
                if line.startswith("data: {"):
                    said.append(json.loads(line[6:]).get("delta", ""))
                    count(1)

    return read


async def socket_us(port: int, options: argparse.Namespace) -> float:
    """Give what counting words off bare sockets costs: the floor, `Load` itself."""
    load = Load(
        port, replies=options.streams, rate=options.rate, ramp_s=0.5, steady_s=options.seconds
    )
    running_load = asyncio.ensure_future(load.run())
    await asyncio.sleep(1.0)
    before, used = load.words, time.process_time()
    await asyncio.sleep(options.seconds - 0.3)
    spent_us = (time.process_time() - used) / (load.words - before) * 1e6
    await running_load
    return spent_us


async def main(options: argparse.Namespace) -> None:
    limits = httpx2.Limits(max_connections=None)
    rows: dict[str, list[float]] = {
        "ours: HttpChatTransport and the reducer": [],
        "peer: httpx2, lines and json.loads, no fold": [],
        "bound: a bare socket, words counted": [],
    }
    mine, theirs, bare = rows.values()
    with running("ours") as server:
        url = f"http://127.0.0.1:{server.port}/api/chat"
        async with HttpChatTransport(url) as transport, httpx2.AsyncClient(limits=limits) as client:
            for _ in range(options.rounds):
                mine.append(await measured(ours(transport), server.port, options))
                theirs.append(await measured(library(client), server.port, options))
                bare.append(await socket_us(server.port, options))
    print(f"{'client, us of CPU a word':48}{'us':>8}{'x socket':>10}")
    for name, found in rows.items():
        ratio = median(one / base for one, base in zip(found, bare, strict=True))
        print(f"{name:48}{median(found):8.1f}{ratio:10.2f}")


if __name__ == "__main__":
    wishes = argparse.ArgumentParser()
    wishes.add_argument("--streams", type=int, default=100)
    wishes.add_argument("--rate", type=int, default=50)
    wishes.add_argument("--seconds", type=float, default=2.0)
    wishes.add_argument("--rounds", type=int, default=3)
    pin_client()
    uvloop.run(main(wishes.parse_args()))
