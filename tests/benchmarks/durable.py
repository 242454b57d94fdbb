"""What it costs to keep what a reply says: Redis while it is said, SQLite when it has ended.

Run: python tests/benchmarks/durable.py
CPU of this process for each token, beyond the model's own, and that of the Redis server beside it.
Peers, in the same run: one awaited XADD for each token, by redis-py and by coredis, and one SQLite
transaction for each 20 tokens. And how much later than it was said another process sees a word.
"""

from __future__ import annotations

import asyncio
import sqlite3
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from statistics import median

import uvloop
from coredis import Redis as Coredis
from redis.asyncio import Redis

from chat_transport._chunk_log import ChunkLog
from chat_transport.chunks import TextDelta
from chat_transport.messages import TextPart, UIMessage
from chat_transport.transports.http.chat_store import StoredChat
from chat_transport.transports.http.redis_run_log import RedisRunLog
from chat_transport.transports.http.run_log import LoggedRun
from chat_transport.transports.http.sqlite_chat_store import SqliteChatStore

sys.path.insert(0, str(Path(__file__).parents[1]))
from servers import RedisServer, find_redis

RUNS, RATE, SECONDS = 100, 50, 2
REPLY = 2_000
ROUNDS = 3
Say = Callable[[int, TextDelta], Awaitable[object] | None]


async def _speak(say: Say) -> float:
    """Let all runs speak at their rate, spread in time. Gives seconds of CPU."""
    used = time.process_time()
    begun = time.monotonic()
    for turn in range(RATE * SECONDS):
        for slot in range(20):  # milliseconds, at 50 words a second
            wait = begun + turn / RATE + slot / 1000 - time.monotonic()
            if wait > 0:
                await asyncio.sleep(wait)
            for number in range(slot, RUNS, 20):
                said = say(number, TextDelta(id="t", delta=f"w{turn:03} "))
                if said is not None:
                    await said
    return time.process_time() - used


async def _cpu_s(client: Redis) -> float:
    told = await client.info("cpu")
    return float(told["used_cpu_user"]) + float(told["used_cpu_sys"])


async def redis_rows(server: RedisServer) -> dict[str, list[tuple[float, float]]]:
    """Give microseconds a token of this process and of the Redis server."""
    rows: dict[str, list[tuple[float, float]]] = {
        "ours: RedisRunLog, 100 runs": [],
        "peer: one XADD for each token, awaited, redis-py": [],
        "peer: one XADD for each token, awaited, coredis": [],
    }
    ours, *peers = rows.values()
    tokens = RUNS * RATE * SECONDS
    async with Redis.from_url(server.url) as client, Coredis.from_url(server.url) as other:
        for turn in range(ROUNDS):
            idle = _logs()
            idle_s = await _speak(lambda number, chunk, it=idle: it[number].append(chunk))
            async with RedisRunLog(server.url) as store:
                logs = _logs()
                for number, log in enumerate(logs):
                    run = LoggedRun(chat_id=f"c{number}", run_id=f"r{turn}-{number}")
                    await store.start(run, log, lambda _reason: None)
                server_s = await _cpu_s(client)
                spent_s = await _speak(lambda number, chunk, it=logs: it[number].append(chunk))
                found = spent_s - idle_s, await _cpu_s(client) - server_s
                for log in logs:
                    log.close()
            ours.append((found[0] / tokens * 1e6, found[1] / tokens * 1e6))
            for peer, one in zip(peers, (client, other), strict=True):
                server_s = await _cpu_s(client)
                spent_s = await _speak(
                    lambda number, chunk, it=one: it.xadd(f"p{number}", {"c": chunk.delta})
                )
                found = spent_s - idle_s, await _cpu_s(client) - server_s
                peer.append((found[0] / tokens * 1e6, found[1] / tokens * 1e6))
    return rows


async def seen_after_ms(server: RedisServer, runs: int) -> list[float]:
    """Give the milliseconds after which a reader of another run log sees the words of one run."""
    after: list[float] = []
    said: list[float] = []
    async with RedisRunLog(server.url) as store, RedisRunLog(server.url) as other:
        logs = _logs()[:runs]
        for number, log in enumerate(logs):
            run = LoggedRun(chat_id=f"s{number}", run_id=f"s{runs}-{number}")
            await store.start(run, log, lambda _reason: None)

        async def read() -> None:
            mirror = await other.follow(LoggedRun(chat_id="s0", run_id=f"s{runs}-0"))
            assert mirror is not None
            stream = mirror.stream()
            while chunks := await stream.drain():
                now = time.perf_counter()
                after.extend((now - said[len(after)]) * 1e3 for _chunk in chunks)

        def say(number: int, chunk: TextDelta) -> None:
            if number == 0:
                said.append(time.perf_counter())
            if number < runs:
                logs[number].append(chunk)

        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(read())
            await _speak(say)
            for log in logs:
                log.close()
    return sorted(after)


def _logs() -> list[ChunkLog]:
    return [ChunkLog(f"r{number}") for number in range(RUNS)]


async def sqlite_us(folder: Path) -> float:
    """Give microseconds of CPU a token to keep a reply, once, when it has ended."""
    asked = UIMessage.user("q", id="u")
    text = "".join(f"w{number:03} " for number in range(REPLY))
    reply = UIMessage(id="a", role="assistant", parts=[TextPart(text=text, state="done")])
    spent: list[float] = []
    async with SqliteChatStore(folder / "ours.db") as store:
        for turn in range(50):
            await store.save(f"c{turn}", StoredChat(messages=[asked]))
            used = time.process_time()
            await store.put(f"c{turn}", reply, after_id="u")
            spent.append(time.process_time() - used)
    return median(spent) / REPLY * 1e6


def sqlite_peer_us(folder: Path) -> float:
    """Give microseconds of CPU a token with a transaction for each 20 tokens, WAL, NORMAL."""
    connection = sqlite3.connect(folder / "peer.db", isolation_level=None)
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("PRAGMA synchronous = NORMAL")
    connection.execute("CREATE TABLE said (run TEXT, place INTEGER, word TEXT)")
    used = time.process_time()
    for first in range(0, REPLY * 5, 20):
        connection.execute("BEGIN")
        connection.executemany(
            "INSERT INTO said VALUES (?, ?, ?)",
            [("r", place, f"w{place:03} ") for place in range(first, first + 20)],
        )
        connection.execute("COMMIT")
    spent_s = time.process_time() - used
    connection.close()
    return spent_s / (REPLY * 5) * 1e6


async def main() -> None:
    print(f"{'us of CPU a token':48}{'here':>8}{'Redis':>8}{'goal':>8}")
    with tempfile.TemporaryDirectory() as folder:
        us = await sqlite_us(Path(folder))
        print(f"{f'ours: a reply of {REPLY:,} tokens kept in SQLite':48}{us:8.2f}{'':8}{'5':>8}")
        us = sqlite_peer_us(Path(folder))
        print(f"{'peer: an SQLite transaction for each 20 tokens':48}{us:8.2f}")
    program = find_redis()
    if program is None:
        print("Redis: absent, there is no redis-server here")
        return
    server = RedisServer(program)
    server.start()
    try:
        for name, rows in (await redis_rows(server)).items():
            here, there = median(row[0] for row in rows), median(row[1] for row in rows)
            print(f"{name:48}{here:8.2f}{there:8.2f}{'15' if 'ours' in name else '':>8}")
        for runs in (1, RUNS):
            late = await seen_after_ms(server, runs)
            name = f"another process sees a word, {runs} runs"
            print(f"{name:48}p50 {median(late):5.1f} ms, p95 {late[len(late) * 95 // 100]:5.1f} ms")
    finally:
        server.kill()


if __name__ == "__main__":
    uvloop.run(main())
