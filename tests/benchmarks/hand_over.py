"""Handing chunks to readers, measured: `python tests/benchmarks/hand_over.py`.

One producer says a token and lets the loop turn, as a provider's stream does; each reader waits for
it. The cost of the loop's turn alone is subtracted. Queues are measured in the same run, because
ratios travel between machines and absolute times do not.
"""

from __future__ import annotations

import asyncio
import time
import tracemalloc
from collections.abc import AsyncIterator, Awaitable, Callable
from statistics import median

import anyio
import uvloop

from chat_transport._chunk_log import ChunkLog
from chat_transport.agent.run import Run, RunRequest
from chat_transport.agent.runtime import Agent
from chat_transport.chunks import TextDelta, TextStart, UIMessageChunk
from chat_transport.messages import UIMessage

TOKENS = 5_000
ROUNDS = 5
TEXT = [f"w{number % 1000:03d} " for number in range(TOKENS)]
Measure = Callable[[int], Awaitable[float]]


async def _produce(say: Callable[[UIMessageChunk], Awaitable[None] | None]) -> float:
    for _turn in range(3):
        await asyncio.sleep(0)
    started_s = time.perf_counter()
    for text in TEXT:
        said = say(TextDelta(id="t", delta=text))
        if said is not None:
            await said
        await asyncio.sleep(0)
    return (time.perf_counter() - started_s) / TOKENS * 1e6


async def chunk_log(readers: int) -> float:
    log = ChunkLog()

    async def read() -> None:
        stream = log.stream()
        while await stream.drain():
            pass

    async with anyio.create_task_group() as tasks:
        for _reader in range(readers):
            tasks.start_soon(read)
        spent_us = await _produce(log.append)
        log.close()
    return spent_us


async def asyncio_queues(readers: int) -> float:
    queues: list[asyncio.Queue[UIMessageChunk | None]] = [asyncio.Queue() for _ in range(readers)]

    async def read(queue: asyncio.Queue[UIMessageChunk | None]) -> None:
        while await queue.get() is not None:
            pass

    def say(chunk: UIMessageChunk) -> None:
        for queue in queues:
            queue.put_nowait(chunk)

    async with anyio.create_task_group() as tasks:
        for queue in queues:
            tasks.start_soon(read, queue)
        spent_us = await _produce(say)
        for queue in queues:
            queue.put_nowait(None)
    return spent_us


async def memory_streams(readers: int) -> float:
    pairs = [anyio.create_memory_object_stream[UIMessageChunk](256) for _ in range(readers)]

    async def read(number: int) -> None:
        async with pairs[number][1] as stream:
            async for _chunk in stream:
                pass

    async def say(chunk: UIMessageChunk) -> None:
        for send, _receive in pairs:
            await send.send(chunk)

    async with anyio.create_task_group() as tasks:
        for number in range(readers):
            tasks.start_soon(read, number)
        spent_us = await _produce(say)
        for send, _receive in pairs:
            send.close()
    return spent_us


ROWS: dict[str, Measure] = {
    "ours: one log, a place for each reader": chunk_log,
    "peer: asyncio.Queue for each reader": asyncio_queues,
    "peer: anyio memory stream for each reader": memory_streams,
}


async def measure(rounds: int = ROUNDS) -> dict[str, tuple[float, float]]:
    """Give for each row the microseconds a token for the first reader, and for each further one."""
    found: dict[str, list[tuple[float, float]]] = {name: [] for name in ROWS}
    for _round in range(rounds):
        idle = await chunk_log(0)
        for name, run in ROWS.items():
            one, five = await run(1), await run(5)
            found[name].append((one - idle, (five - one) / 4))
    return {
        name: (min(r[0] for r in rows), min(r[1] for r in rows)) for name, rows in found.items()
    }


def kilobytes(tokens: int = 10_000) -> tuple[float, float]:
    """Give what a log of `tokens` holds in memory, and what a list of the same chunks does."""
    kept: list[UIMessageChunk] = []
    log = ChunkLog()
    sizes: list[float] = []
    for say in (log.append, kept.append):
        tracemalloc.start()
        before = tracemalloc.get_traced_memory()[0]
        for number in range(tokens):
            say(TextDelta(id="t", delta=f"w{number % 1000:03d} "))
        sizes.append((tracemalloc.get_traced_memory()[0] - before) / 1024)
        tracemalloc.stop()
    return sizes[0], sizes[1]


def late_join_ms(tokens: int = 10_000) -> float:
    """Give the milliseconds until a late reader of a long reply holds all that was said."""
    log = ChunkLog()
    log.append(TextStart(id="t"))
    for number in range(tokens):
        log.append(TextDelta(id="t", delta=f"w{number % 1000:03d} "))

    async def join() -> float:
        started_s = time.perf_counter()
        await log.stream(snapshot=True).drain()
        return (time.perf_counter() - started_s) * 1000

    return min(asyncio.run(join()) for _ in range(ROUNDS))


def stop_ms(rounds: int = 200) -> float:
    """Give the median milliseconds from a stop to the handler closed and the reply ended."""

    async def hang(run: Run) -> AsyncIterator[UIMessageChunk]:
        yield TextStart(id="t")
        await anyio.sleep_forever()

    async def stop(agent: Agent) -> float:
        run = agent.start(RunRequest(chat_id="c", messages=[UIMessage.user("x", id="u")]))
        while len(run.log) < 2:
            await run.log.changed()
        started_s = time.perf_counter()
        run.stop()
        await run.wait()
        return (time.perf_counter() - started_s) * 1000

    async def all_rounds() -> float:
        async with Agent(hang) as agent:
            return median([await stop(agent) for _round in range(rounds)])

    return asyncio.run(all_rounds())


def main() -> None:
    print(f"{'us a token':<46} first reader   each further")
    for loop, run in (("asyncio", asyncio.run), ("uvloop", uvloop.run)):
        for name, (first, further) in run(measure()).items():
            print(f"{loop:<8}{name:<42} {first:8.2f} {further:14.2f}")
    print("goals (uvloop)                                      2.50           1.50")
    log, plain = kilobytes()
    print(f"10,000 tokens retained: {log:.0f} KB in the log (goal 120), {plain:.0f} KB as a list")
    print(f"late join of 10,000 tokens: {late_join_ms():.2f} ms (goal 3)")
    print(f"stop to handler closed and reply ended, median: {stop_ms():.2f} ms (goal 1)")


if __name__ == "__main__":
    main()
