"""`RedisRunLog`: runs of several processes and machines, in Redis streams.

Rule: the token path never waits for Redis: a local run's log is copied in batches, and whoever
follows a remote run reads a local mirror. A writer that died is found out by its missing heartbeat.
redis-py runs on asyncio alone, so this does too. No Redis Cluster: a process reads all its streams
in one command. Source: redis.io/docs/latest/develop/data-types/streams, read 2026-11.
"""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack
from dataclasses import dataclass, replace
from types import TracebackType
from typing import TYPE_CHECKING, Self
from uuid import uuid4

import anyio

from ..._chunk_log import ChunkLog
from ..._tasks import open_task_group
from ...codecs.ui_stream import encode_chunk
from ...errors import LocalProtocolError, StreamInterrupted
from .redis_mirror import RedisMirror
from .redis_port import (
    LOST,
    SUPERSEDED,
    Append,
    Entry,
    Fields,
    RedisPort,
    is_outage,
    translating,
)
from .run_log import LoggedRun, RunLog, StopCallback

if TYPE_CHECKING:
    from redis.asyncio import Redis

__all__ = ["RedisRunLog"]

BATCH_CHUNKS = 500
"""Chunks in one stream entry at most, so that one command stays short."""
BEGUN_EVERY_S = 0.02
"""How often it is looked whether another process has begun the run of a key."""
BLOCK_MS = 1000
"""How long one read waits. Ends early for whatever arrives, so this costs no latency."""


@dataclass(slots=True)
class _Writer:
    """A run of this process on its way to Redis."""

    run: LoggedRun
    log: ChunkLog
    stop: StopCallback
    fence: int = 1
    sent: int = 0


class RedisRunLog(RunLog):
    """Runs in Redis.

    Args:
        url: Such as `redis://localhost:6379/0`; or
        client: a redis.asyncio client of yours, never closed by us. It needs
            `decode_responses=False`.
        prefix: Begins every key.
        heartbeat_s: Seconds between signs of life of this process.
        dead_after_s: Seconds without a sign of life before a process's runs are `interrupted`.
        keep_s: Seconds for which an ended run can still be read.
        write_every_s: Seconds between copies of what local runs said; others see it so much later.
            A copy costs 20 us for each run, whether it holds one token or ten.
        outage_s: Seconds without Redis before a follower gets StreamInterrupted.
    """

    def __init__(
        self,
        url: str = "redis://localhost:6379/0",
        *,
        client: Redis | None = None,
        prefix: str = "chat-transport",
        heartbeat_s: float = 2.0,
        dead_after_s: float = 8.0,
        keep_s: float = 300.0,
        write_every_s: float = 0.04,
        outage_s: float = 30.0,
    ) -> None:
        self._port = RedisPort(url, client, prefix, keep_s)
        self._heartbeat_s = heartbeat_s
        self._dead_after_s = dead_after_s
        self._write_every_s = write_every_s
        self._outage_s = outage_s
        self._process = ""
        self._writers: dict[tuple[str, str], _Writer] = {}
        self._mirrors: dict[str, RedisMirror] = {}
        self._inbox_id = "0-0"
        self._grace_until: float | None = float("-inf")
        self._has_writers = anyio.Event()
        self._stack = AsyncExitStack()

    async def __aenter__(self) -> Self:
        """Connect, and start the three loops: write, read, live.

        Raises:
            ConnectFailed: If Redis cannot be reached.
            LocalProtocolError: On another event loop than asyncio's.
        """
        try:
            asyncio.get_running_loop()
        except RuntimeError as error:
            raise LocalProtocolError(
                "unable to open RedisRunLog on this event loop; redis-py runs on asyncio alone: "
                "serve with uvicorn, granian or `hypercorn --worker-class asyncio`"
            ) from error
        async with AsyncExitStack() as stack:
            await stack.enter_async_context(self._port.connected())
            self._process = uuid4().hex
            async with translating():
                await self._port.beat(self._process, self._dead_after_s)
            tasks = await stack.enter_async_context(open_task_group())
            tasks.start_soon(self._write_loop)
            tasks.start_soon(self._read_loop)
            tasks.start_soon(self._life_loop)
            stack.callback(tasks.cancel_scope.cancel)
            stack.push_async_callback(self._flush_last)
            self._stack = stack.pop_all()
        return self

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Write what is left, and go. Mirrors end as interrupted."""
        self._interrupt_all("the run log was closed")
        await self._stack.__aexit__(exc_type, exc, traceback)

    async def reserve(self, chat_id: str, request_key: str) -> bool:
        """Take the key in Redis.

        Raises:
            ConnectFailed: If Redis cannot be reached.
        """
        async with translating():
            return await self._port.reserve(chat_id, request_key)

    async def give_back(self, chat_id: str, request_key: str) -> None:
        """Free the key; if Redis is away it frees itself in half a minute."""
        try:
            await self._port.give_back(chat_id, request_key)
        except Exception as error:
            if not is_outage(error):
                raise

    async def start(self, run: LoggedRun, log: ChunkLog, stop: StopCallback) -> None:
        """Register the run.

        Raises:
            ConnectFailed: If Redis cannot be reached.
        """
        writer = _Writer(run, log, stop)
        async with translating():
            await self._register(writer)
        self._writers[run.chat_id, run.run_id] = writer
        self._has_writers.set()

    async def find(
        self, chat_id: str, *, run_id: str | None = None, request_key: str | None = None
    ) -> LoggedRun | None:
        """Look it up, and declare it dead if its writer is.

        Raises:
            ConnectFailed: If Redis cannot be reached.
        """
        async with translating():
            if run_id is None and request_key is not None:
                while not (run_id := await self._port.named(chat_id, request_key)):
                    if run_id is None:
                        return None
                    await anyio.sleep(BEGUN_EVERY_S)
            if run_id is not None:
                return await self._known(chat_id, run_id)
            for name in await self._port.active(chat_id):
                run = await self._known(chat_id, name)
                if run is not None and run.state == "active":
                    return run
            return None

    async def follow(self, run: LoggedRun) -> ChunkLog | None:
        """Give the run's own log if it is of this process, else a mirror.

        Raises:
            ConnectFailed: If Redis cannot be reached.
        """
        writer = self._writers.get((run.chat_id, run.run_id))
        if writer is not None:
            return writer.log
        stream = self._port.stream(run)
        mirror = self._mirrors.get(stream)
        if mirror is not None:
            return mirror.log
        async with translating():
            found = await self._port.run(run.chat_id, run.run_id)
            if found is None:
                return None
            mirror = RedisMirror(found[0], ChunkLog(run.run_id), found[1])
            for entry in await self._port.entries(run):
                mirror.take(entry)
            if not mirror.log.closed:
                mirror = self._mirrors.setdefault(stream, mirror)
                await self._port.tell(self._process, {"look": "again"})  # wakes the read loop
        return mirror.log

    async def stop(self, chat_id: str, run_id: str | None = None, reason: str | None = None) -> int:
        """Stop local runs at once, and tell the processes of the others.

        Raises:
            ConnectFailed: If Redis cannot be reached.
        """
        asked = 0
        async with translating():
            names = [run_id] if run_id is not None else await self._port.active(chat_id)
            for name in names:
                asked += await self._stop_one(chat_id, name, reason)
        return asked

    async def _stop_one(self, chat_id: str, run_id: str, reason: str | None) -> bool:
        writer = self._writers.get((chat_id, run_id))
        if writer is not None:
            if not writer.log.closed:
                writer.stop(reason)
            return not writer.log.closed
        found = await self._port.run(chat_id, run_id)
        if found is None or found[0].state != "active":
            return False
        order = {"chat": chat_id, "run": run_id, "reason": reason or ""}
        await self._port.tell(found[1], order)
        return True

    async def _register(self, writer: _Writer) -> None:
        # The sign of life first: a run of which nobody seems to live is declared dead.
        await self._port.beat(self._process, self._dead_after_s)
        await self._port.register(writer.run, self._process, writer.fence)

    # ── writing ──────────────────────────────────────────────────────────────────────────────────

    async def _write_loop(self) -> None:
        while True:
            await self._has_writers.wait()
            try:
                await self._write_all()
            except Exception as error:
                if not is_outage(error):
                    raise
                await anyio.sleep(min(1.0, self._heartbeat_s))
            if not self._writers:
                self._has_writers = anyio.Event()
            await anyio.sleep(self._write_every_s)

    async def _write_all(self) -> None:
        due = [w for w in self._writers.values() if len(w.log) > w.sent or w.log.closed]
        if not due:
            return
        batch: list[Append] = []
        for writer in due:
            chunks = writer.log.since(writer.sent, BATCH_CHUNKS)
            batch.append(
                Append(
                    run=writer.run,
                    fence=writer.fence,
                    first=writer.sent,
                    count=len(chunks),
                    chunks=b"\n".join(map(encode_chunk, chunks)),
                    ends=writer.log.closed and writer.sent + len(chunks) == len(writer.log),
                )
            )
        for writer, item, place in zip(due, batch, await self._port.append(batch), strict=True):
            await self._written(writer, item, place)

    async def _written(self, writer: _Writer, item: Append, place: int) -> None:
        if place == LOST:  # Redis came back empty; we hold the whole run, so it gets it again
            writer.sent = 0
            await self._register(writer)
            return
        if place == SUPERSEDED:
            writer.stop("the run was taken over by another process")
        else:
            writer.sent = place
        if place == SUPERSEDED or (item.ends and place == item.first + item.count):
            # Gone already where leaving wrote the same end beside the loop.
            self._writers.pop((writer.run.chat_id, writer.run.run_id), None)

    async def _flush_last(self) -> None:
        """Copy the ends of runs that ended with the application; best effort."""
        with anyio.move_on_after(2, shield=True):
            try:
                while any(writer.log.closed for writer in self._writers.values()):
                    await self._write_all()
                await self._port.say_gone(self._process)
            except Exception as error:
                if not is_outage(error):
                    raise

    # ── reading ──────────────────────────────────────────────────────────────────────────────────

    async def _read_loop(self) -> None:
        inbox = self._port.inbox(self._process)
        out_since: float | None = None
        while True:
            places = {inbox: self._inbox_id}
            places |= {stream: mirror.last_id for stream, mirror in self._mirrors.items()}
            try:
                found = await self._port.read(places, BLOCK_MS)
            except Exception as error:
                if not is_outage(error):
                    raise
                self._grace_until = None
                now = anyio.current_time()
                out_since = now if out_since is None else out_since
                if now - out_since > self._outage_s:
                    self._interrupt_all("Redis cannot be reached")
                await anyio.sleep(min(0.5, self._heartbeat_s))
                continue
            out_since = None
            for stream, entries in found:
                for entry in entries:
                    self._arrived(stream, entry, inbox)

    def _arrived(self, stream: str, entry: Entry, inbox: str) -> None:
        if stream == inbox:
            self._inbox_id = entry.id
            self._obey(entry.fields)
        elif (mirror := self._mirrors.get(stream)) is not None:
            mirror.take(entry)
            if mirror.log.closed:
                del self._mirrors[stream]

    def _obey(self, fields: Fields) -> None:
        if b"run" in fields:
            writer = self._writers.get((fields[b"chat"].decode(), fields[b"run"].decode()))
            if writer is not None and not writer.log.closed:
                writer.stop(fields[b"reason"].decode() or None)

    def _interrupt_all(self, why: str) -> None:
        for mirror in self._mirrors.values():
            mirror.log.close(StreamInterrupted(f"unable to follow the run; {why}", resumable=True))
        self._mirrors.clear()

    # ── living ───────────────────────────────────────────────────────────────────────────────────

    async def _life_loop(self) -> None:
        while True:
            try:
                await self._port.beat(self._process, self._dead_after_s)
                if self._grace_until is None:
                    self._grace_until = anyio.current_time() + self._dead_after_s
                for stream, mirror in list(self._mirrors.items()):
                    await self._check_writer(stream, mirror)
            except Exception as error:
                if not is_outage(error):
                    raise
                self._grace_until = None
            await anyio.sleep(self._heartbeat_s)

    async def _check_writer(self, stream: str, mirror: RedisMirror) -> None:
        if await self._declare_dead(mirror.run, mirror.process) != LOST:
            return  # if it was dead, its stream says so now
        now = anyio.current_time()
        mirror.missing_since = now if mirror.missing_since is None else mirror.missing_since
        if now - mirror.missing_since > self._dead_after_s:
            mirror.log.close(StreamInterrupted("the run is gone from the run log"))
            self._mirrors.pop(stream, None)

    async def _declare_dead(self, run: LoggedRun, process: str) -> int:
        if self._grace_until is None or anyio.current_time() < self._grace_until:
            return 0  # Redis was away: the others, too, need time to say that they live
        told = await self._port.declare_dead(run, process)
        if told == 1 and self.on_orphan is not None:
            await self.on_orphan(run)
        return told

    async def _known(self, chat_id: str, run_id: str) -> LoggedRun | None:
        found = await self._port.run(chat_id, run_id)
        if found is None:
            return None
        run, process = found
        if run.state == "active" and await self._declare_dead(run, process) == 1:
            return replace(run, state="interrupted")
        return run
