"""`RedisRunLog`: runs of several processes and machines, in Redis streams.

Rule: the token path never waits for Redis: a local run's log is copied in batches, and whoever
follows a remote run reads a local mirror. A writer that died is found out by its missing heartbeat.
Source: redis.io/docs/latest/develop/data-types/streams, read 2026-11.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, replace
from types import TracebackType
from typing import Self
from uuid import uuid4

import anyio

from ..._chunk_log import ChunkLog
from ..._tasks import open_task_group
from ...codecs.ui_stream import encode_chunk
from ...errors import StreamInterrupted
from .redis_client import RedisClient, is_outage, translating
from .redis_life import RedisLife
from .redis_mirror import TAKEN_OVER, RedisMirror
from .redis_port import (
    LOST,
    SUPERSEDED,
    Append,
    Entry,
    Fields,
    RedisPort,
    RunKeys,
    StoredRun,
)
from .run_log import LoggedRun, RunLog, StopCallback

__all__ = ["RedisRunLog"]

BATCH_CHUNKS = 500
"""Chunks in one stream entry at most, so that one command stays short."""
BEGUN_EVERY_S = 0.02
"""How often it is looked whether another process has begun the run of a key."""
BLOCK_MS = 1000
"""How long one read waits. Ends early for whatever arrives, so this costs no latency."""
COPY_SHARE = 0.1
"""How much of the time copying may take: after a copy there is a pause nine times as long."""
SOONEST_S = 0.02
"""The shortest pause between two copies."""


@dataclass(slots=True)
class _Writer:
    """A run of this process on its way to Redis."""

    run: LoggedRun
    log: ChunkLog
    stop: StopCallback
    keys: RunKeys
    fence: int = 1
    sent: int = 0


class RedisRunLog(RunLog):
    """Runs in Redis.

    Args:
        url: Such as `redis://localhost:6379/0`; or
        client: a coredis client of yours, also of a cluster, never closed by us. It needs
            `decode_responses=False`, and is opened if you have not.
        prefix: Begins every key.
        heartbeat_s: Seconds between signs of life of this process.
        dead_after_s: Seconds without a sign of life before a process's runs are `interrupted`.
        keep_s: Seconds for which an ended run can still be read.
        write_every_s: Seconds between copies of what local runs said, at most; others see it so
            much later. While few runs speak, copies are made each 20 ms: they may take a tenth
            of the time.
        outage_s: Seconds without Redis before a follower gets StreamInterrupted.
    """

    def __init__(
        self,
        url: str = "redis://localhost:6379/0",
        *,
        client: RedisClient | None = None,
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
        self._process = uuid4().hex
        self._life = RedisLife(self._port, self._process, dead_after_s)
        self._writers: dict[tuple[str, str], _Writer] = {}
        self._mirrors: dict[bytes, RedisMirror] = {}
        self._has_writers = anyio.Event()
        self._stack = AsyncExitStack()

    async def __aenter__(self) -> Self:
        """Connect, and start the three loops: write, read, live.

        Raises:
            ConnectFailed: If Redis cannot be reached.
            LocalProtocolError: If the client given is not one of coredis.
        """
        async with AsyncExitStack() as stack:
            await stack.enter_async_context(self._port.connected())
            async with translating():
                await self._life.beat()
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
            return await self._port.reserve(chat_id, request_key, uuid4().hex)

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
        writer = _Writer(run, log, stop, self._port.keys_of(run))
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
        stream = self._port.keys_of(run).log
        mirror = self._mirrors.get(stream)
        if mirror is not None:
            return mirror.log
        async with translating():
            found = await self._port.run(run.chat_id, run.run_id)
            if found is None:
                return None
            mirror = RedisMirror(found, ChunkLog(run.run_id))
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
        if found is None or found.run.state != "active":
            return False
        order = {"chat": chat_id, "run": run_id, "reason": reason or ""}
        await self._port.tell(found.process, order)
        return True

    async def _register(self, writer: _Writer) -> None:
        # The sign of life first: a run of which nobody seems to live is declared dead.
        await self._life.beat()
        writer.fence = await self._port.register(writer.run, self._process, writer.fence)

    # ── writing ──────────────────────────────────────────────────────────────────────────────────

    async def _write_loop(self) -> None:
        while True:
            await self._has_writers.wait()
            begun_at = anyio.current_time()
            try:
                await self._write_all()
            except Exception as error:
                if not is_outage(error):
                    raise
                await anyio.sleep(min(1.0, self._heartbeat_s))
            if not self._writers:
                self._has_writers = anyio.Event()
            took_s = anyio.current_time() - begun_at
            fair_s = max(SOONEST_S, took_s * (1 / COPY_SHARE - 1))
            await anyio.sleep(min(self._write_every_s, fair_s))

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
                    keys=writer.keys,
                    fence=writer.fence,
                    first=writer.sent,
                    count=len(chunks),
                    chunks=b"\n".join(map(encode_chunk, chunks)),
                    ends=writer.log.closed and writer.sent + len(chunks) == len(writer.log),
                )
            )
        places = await self._port.append(batch, self._process)
        for writer, item, place in zip(due, batch, places, strict=True):
            await self._written(writer, item, place)

    async def _written(self, writer: _Writer, item: Append, place: int) -> None:
        if place == LOST:  # Redis came back empty; we hold the whole run, so it gets it again
            writer.sent, writer.fence = 0, writer.fence + 1
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
            places = {stream: mirror.last_id for stream, mirror in self._mirrors.items()}
            try:
                found = await self._port.read(inbox, places, BLOCK_MS)
                words = [self._arrived(*each, inbox) for each in found]
                await self._port.forget(inbox, [word for some in words for word in some])
            except Exception as error:
                if not is_outage(error):
                    raise
                self._life.was_away()
                now = anyio.current_time()
                out_since = now if out_since is None else out_since
                if now - out_since > self._outage_s:
                    self._interrupt_all("Redis cannot be reached")
                await anyio.sleep(min(0.5, self._heartbeat_s))
                continue
            out_since = None

    def _arrived(self, stream: bytes, entries: Sequence[Entry], inbox: bytes) -> Sequence[bytes]:
        """Act on what was read. Gives the words that can be forgotten."""
        if stream == inbox:
            for entry in entries:
                self._obey(entry.fields)
            return [entry.id for entry in entries]
        for entry in entries:
            mirror = self._mirrors.get(stream)
            if mirror is not None:
                mirror.take(entry)
                if mirror.log.closed:
                    del self._mirrors[stream]
        return ()

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
                await self._life.beat()
                for stream, mirror in list(self._mirrors.items()):
                    await self._check_writer(stream, mirror)
            except Exception as error:
                if not is_outage(error):
                    raise
                self._life.was_away()
            await anyio.sleep(self._heartbeat_s)

    async def _check_writer(self, stream: bytes, mirror: RedisMirror) -> None:
        run, known = mirror.stored.run, mirror.stored.process
        found = await self._port.run(run.chat_id, run.run_id)
        now = anyio.current_time()
        if found is None:
            mirror.missing_since = now if mirror.missing_since is None else mirror.missing_since
            if now - mirror.missing_since > self._dead_after_s:
                self._end(stream, mirror, "the run is gone from the run log")
        elif found.process != known:
            self._end(stream, mirror, TAKEN_OVER)
        elif found.run.state == "active":
            await self._declare_dead(found)  # if it was dead, its stream says so now

    def _end(self, stream: bytes, mirror: RedisMirror, why: str) -> None:
        mirror.log.close(StreamInterrupted(why))
        self._mirrors.pop(stream, None)

    async def _declare_dead(self, stored: StoredRun) -> bool:
        dead = await self._life.declare_dead(stored)
        if dead and self.on_orphan is not None:
            await self.on_orphan(stored.run)
        return dead

    async def _known(self, chat_id: str, run_id: str) -> LoggedRun | None:
        found = await self._port.run(chat_id, run_id)
        if found is None:
            return None
        if found.run.state == "active" and await self._declare_dead(found):
            return replace(found.run, state="interrupted")
        return found.run
