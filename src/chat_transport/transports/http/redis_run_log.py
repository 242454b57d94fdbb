"""`RedisRunLog`: runs of several processes and machines, in Redis streams.

Rule: the token path never waits for Redis: a local run's log is copied in batches, and whoever
follows a remote run reads a local mirror. A writer that died is found out by its missing heartbeat.
redis-py runs on asyncio alone, so this does too. No Redis Cluster: a process reads all its streams
in one command. Source: redis.io/docs/latest/develop/data-types/streams, read 2026-11.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self
from uuid import uuid4

import anyio

from ..._chunk_log import ChunkLog
from ..._tasks import open_task_group
from ...codecs.ui_stream import decode_chunk, encode_chunk
from ...errors import ConnectFailed, StreamInterrupted, TransportClosed
from .redis_scripts import APPEND, DECLARE_DEAD, LOST, SUPERSEDED
from .run_log import LoggedRun, RunLog, StopCallback

if TYPE_CHECKING:
    from redis.asyncio import Redis

__all__ = ["RedisRunLog"]

BATCH_CHUNKS = 500
"""Chunks in one stream entry at most, so that one command stays short."""
BLOCK_MS = 1000
"""How long one read waits. Ends early for whatever arrives, so this costs no latency."""

DAY_MS = 24 * 3600 * 1000
"""How long a run may be active before Redis forgets it; whoever wrote it may be gone for good."""


@dataclass(slots=True)
class _Writer:
    """A run of this process on its way to Redis."""

    run: LoggedRun
    log: ChunkLog
    stop: StopCallback
    fence: int
    sent: int = 0


@dataclass(slots=True)
class _Mirror:
    """A run of another process, copied here while somebody follows it."""

    run: LoggedRun
    log: ChunkLog
    process: str
    last_id: str = "0-0"
    missing_since: float | None = None


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
        write_every_s: float = 0.01,
        outage_s: float = 30.0,
    ) -> None:
        self._url = url
        self._given = client
        self._client: Redis | None = None
        self._prefix = prefix
        self._heartbeat_s = heartbeat_s
        self._dead_after_s = dead_after_s
        self._keep_s = keep_s
        self._write_every_s = write_every_s
        self._outage_s = outage_s
        self._process = ""
        self._writers: dict[tuple[str, str], _Writer] = {}
        self._mirrors: dict[str, _Mirror] = {}
        self._inbox_id = "0-0"
        self._has_writers = anyio.Event()
        self._stack = AsyncExitStack()

    async def __aenter__(self) -> Self:
        """Connect, and start the three loops: write, read, live."""
        async with AsyncExitStack() as stack:
            self._client = await stack.enter_async_context(self._connected())
            self._process = uuid4().hex
            async with self._translating():
                await self._beat()
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
        for mirror in self._mirrors.values():
            mirror.log.close(StreamInterrupted("the run log was closed", resumable=True))
        await self._stack.__aexit__(exc_type, exc, traceback)
        self._client = None

    async def start(self, run: LoggedRun, log: ChunkLog, stop: StopCallback) -> None:
        """Register the run.

        Raises:
            ConnectFailed: If Redis cannot be reached.
        """
        writer = _Writer(run, log, stop, fence=1)
        async with self._translating():
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
        async with self._translating():
            if run_id is not None:
                return await self._known(chat_id, run_id)
            if request_key is not None:
                named = await self._redis.get(self._key("key", chat_id, request_key))
                return None if named is None else await self._known(chat_id, named.decode())
            for raw in await self._redis.zrevrange(self._key("active", chat_id), 0, -1):
                run = await self._known(chat_id, raw.decode())
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
        stream = self._key("log", run.chat_id, run.run_id)
        mirror = self._mirrors.get(stream)
        if mirror is not None:
            return mirror.log
        async with self._translating():
            process = await self._redis.hget(  # type: ignore[misc]  # redis-py's awaitable union
                self._key("run", run.chat_id, run.run_id), "process"
            )
            if process is None:
                return None
            mirror = _Mirror(run, ChunkLog(run.run_id), process.decode())
            for entry_id, fields in await self._redis.xrange(stream):
                self._copy(mirror, entry_id, fields)
            if not mirror.log.closed:
                self._mirrors[stream] = mirror
                await self._wake(self._process, {b"w": b"1"})  # the read loop takes it up
        return mirror.log

    async def stop(self, chat_id: str, run_id: str | None = None, reason: str | None = None) -> int:
        """Stop local runs at once, and tell the processes of the others.

        Raises:
            ConnectFailed: If Redis cannot be reached.
        """
        asked = 0
        async with self._translating():
            names = [run_id]
            if run_id is None:
                found = await self._redis.zrange(self._key("active", chat_id), 0, -1)
                names = [raw.decode() for raw in found]
            for name in names:
                assert name is not None
                writer = self._writers.get((chat_id, name))
                if writer is not None:
                    if not writer.log.closed:
                        writer.stop(reason)
                        asked += 1
                    continue
                fields = await self._redis.hgetall(self._key("run", chat_id, name))  # type: ignore[misc]  # redis-py's awaitable union
                if fields.get(b"state") == b"active":
                    order = {b"chat": chat_id, b"run": name, b"reason": reason or ""}
                    await self._wake(fields[b"process"].decode(), order)
                    asked += 1
        return asked

    # ── writing ──────────────────────────────────────────────────────────────────────────────────

    async def _register(self, writer: _Writer) -> None:
        run = writer.run
        name = self._key("run", run.chat_id, run.run_id)
        fields: dict[str, str | int] = {
            "owner": run.owner or "",
            "key": run.request_key or "",
            "state": "active",
            "fence": writer.fence,
            "next": 0,
            "process": self._process,
        }
        now_s, _ = await self._redis.time()
        pipe = self._redis.pipeline(transaction=True)
        pipe.delete(self._key("log", run.chat_id, run.run_id))
        pipe.hset(name, mapping=fields)
        pipe.pexpire(name, DAY_MS)
        pipe.zadd(self._key("active", run.chat_id), {run.run_id: now_s})
        pipe.pexpire(self._key("active", run.chat_id), DAY_MS)
        if run.request_key is not None:
            key = self._key("key", run.chat_id, run.request_key)
            pipe.set(key, run.run_id, px=int(self._keep_s * 1000) + 3_600_000)
        await pipe.execute()

    async def _write_loop(self) -> None:
        while True:
            await self._has_writers.wait()
            try:
                await self._write_all()
            except Exception as error:
                if not _is_outage(error):
                    raise
                await anyio.sleep(min(1.0, self._heartbeat_s))
            if not self._writers:
                self._has_writers = anyio.Event()
            await anyio.sleep(self._write_every_s)

    async def _write_all(self) -> None:
        due = [w for w in self._writers.values() if len(w.log) > w.sent or w.log.closed]
        if not due:
            return
        pipe = self._redis.pipeline(transaction=False)
        tried: list[tuple[_Writer, int, bool]] = []
        for writer in due:
            chunks = writer.log.since(writer.sent)[:BATCH_CHUNKS]
            ends = writer.log.closed and writer.sent + len(chunks) == len(writer.log)
            run = writer.run
            pipe.eval(
                APPEND,
                3,
                self._key("run", run.chat_id, run.run_id),
                self._key("log", run.chat_id, run.run_id),
                self._key("active", run.chat_id),
                writer.fence,
                writer.sent,
                len(chunks),
                b"\n".join(map(encode_chunk, chunks)),
                int(ends),
                int(self._keep_s * 1000),
                run.run_id,
            )
            tried.append((writer, writer.sent + len(chunks), ends))
        for (writer, expected, ends), place in zip(tried, await pipe.execute(), strict=True):
            await self._written(writer, place, ended=ends and place == expected)

    async def _written(self, writer: _Writer, place: int, *, ended: bool) -> None:
        if place == LOST:  # Redis came back empty; we hold the whole run, so it gets it again
            writer.sent = 0
            await self._register(writer)
            return
        if place == SUPERSEDED:
            writer.stop("the run was taken over by another process")
            del self._writers[writer.run.chat_id, writer.run.run_id]
            return
        writer.sent = place
        if ended:
            del self._writers[writer.run.chat_id, writer.run.run_id]

    async def _flush_last(self) -> None:
        """Copy the ends of runs that ended with the application; best effort."""
        with anyio.move_on_after(2, shield=True):
            try:
                while any(writer.log.closed for writer in self._writers.values()):
                    await self._write_all()
                await self._redis.delete(self._key("alive", self._process))
            except Exception as error:
                if not _is_outage(error):
                    raise

    # ── reading ──────────────────────────────────────────────────────────────────────────────────

    async def _read_loop(self) -> None:
        inbox = self._key("inbox", self._process)
        out_since: float | None = None
        while True:
            places = {inbox: self._inbox_id}
            places |= {stream: mirror.last_id for stream, mirror in self._mirrors.items()}
            try:
                found = await self._redis.xread(places, block=BLOCK_MS)
            except Exception as error:
                if not _is_outage(error):
                    raise
                now = anyio.current_time()
                out_since = now if out_since is None else out_since
                if now - out_since > self._outage_s:
                    self._interrupt_all("Redis cannot be reached")
                await anyio.sleep(min(0.5, self._heartbeat_s))
                continue
            out_since = None
            for raw_name, entries in found:
                stream = raw_name.decode()
                for entry_id, fields in entries:
                    if stream == inbox:
                        self._inbox_id = entry_id.decode()
                        self._obey(fields)
                    elif (mirror := self._mirrors.get(stream)) is not None:
                        self._copy(mirror, entry_id, fields)
                        if mirror.log.closed:
                            del self._mirrors[stream]

    def _obey(self, fields: dict[bytes, bytes]) -> None:
        if b"run" in fields:
            writer = self._writers.get((fields[b"chat"].decode(), fields[b"run"].decode()))
            if writer is not None and not writer.log.closed:
                writer.stop(fields[b"reason"].decode() or None)

    def _copy(self, mirror: _Mirror, entry_id: bytes, fields: dict[bytes, bytes]) -> None:
        """Take one entry, leaving out what was taken before."""
        mirror.last_id = entry_id.decode()
        mirror.missing_since = None
        first, have = int(fields[b"i"]), len(mirror.log)
        if first > have:
            mirror.log.close(StreamInterrupted("the run log has a gap"))
            return
        if b"c" in fields:
            lines = fields[b"c"].split(b"\n")[have - first :]
            mirror.log.extend([decode_chunk(line) for line in lines])
        elif fields[b"e"] == b"ended":
            mirror.log.close()
        else:
            mirror.log.close(StreamInterrupted("the process that wrote the run died"))

    def _interrupt_all(self, why: str) -> None:
        for mirror in self._mirrors.values():
            mirror.log.close(StreamInterrupted(f"unable to follow the run; {why}", resumable=True))
        self._mirrors.clear()

    # ── living ───────────────────────────────────────────────────────────────────────────────────

    async def _life_loop(self) -> None:
        while True:
            try:
                await self._beat()
                for stream, mirror in list(self._mirrors.items()):
                    await self._check_writer(stream, mirror)
            except Exception as error:
                if not _is_outage(error):
                    raise
            await anyio.sleep(self._heartbeat_s)

    async def _beat(self) -> None:
        alive = self._key("alive", self._process)
        await self._redis.set(alive, b"1", px=int(self._dead_after_s * 1000))

    async def _check_writer(self, stream: str, mirror: _Mirror) -> None:
        if await self._declare_dead(mirror.run, mirror.process) != LOST:
            return  # if it was dead, the log says so now
        now = anyio.current_time()
        mirror.missing_since = now if mirror.missing_since is None else mirror.missing_since
        if now - mirror.missing_since > self._dead_after_s:
            mirror.log.close(StreamInterrupted("the run is gone from the run log"))
            self._mirrors.pop(stream, None)

    async def _declare_dead(self, run: LoggedRun, process: str) -> int:
        told: int = await self._redis.eval(  # type: ignore[misc]  # redis-py's awaitable union
            DECLARE_DEAD,
            4,
            self._key("run", run.chat_id, run.run_id),
            self._key("log", run.chat_id, run.run_id),
            self._key("active", run.chat_id),
            self._key("alive", process),
            str(int(self._keep_s * 1000)),
            run.run_id,
        )
        if told == 1 and self.on_orphan is not None:
            await self.on_orphan(run)
        return told

    async def _known(self, chat_id: str, run_id: str) -> LoggedRun | None:
        fields = await self._redis.hgetall(self._key("run", chat_id, run_id))  # type: ignore[misc]  # redis-py's awaitable union
        if not fields:
            return None
        state = fields[b"state"].decode()
        run = LoggedRun(
            chat_id=chat_id,
            run_id=run_id,
            owner=fields[b"owner"].decode() or None,
            request_key=fields[b"key"].decode() or None,
            state=state,
        )
        if state == "active" and await self._declare_dead(run, fields[b"process"].decode()) == 1:
            return LoggedRun(
                chat_id=chat_id,
                run_id=run_id,
                owner=run.owner,
                request_key=run.request_key,
                state="interrupted",
            )
        return run

    async def _wake(self, process: str, fields: Any) -> None:
        """Put a word into a process's inbox; what it does not read in time is forgotten."""
        inbox = self._key("inbox", process)
        pipe = self._redis.pipeline(transaction=False)
        pipe.xadd(inbox, fields, maxlen=1000, approximate=True)
        pipe.pexpire(inbox, 60_000)
        await pipe.execute()

    @property
    def _redis(self) -> Redis:
        if self._client is None:
            raise TransportClosed("unable to use the run log; it is not entered")
        return self._client

    @asynccontextmanager
    async def _connected(self) -> AsyncGenerator[Redis, None]:
        if self._given is not None:
            yield self._given
            return
        from redis.asyncio import Redis  # noqa: PLC0415  # the extra `redis`

        client = Redis.from_url(self._url)
        try:
            yield client
        finally:
            with anyio.CancelScope(shield=True):
                await client.aclose()

    @asynccontextmanager
    async def _translating(self) -> AsyncGenerator[None, None]:
        try:
            yield
        except Exception as error:
            if _is_outage(error):
                raise ConnectFailed(f"unable to reach the run log in Redis; {error}") from error
            raise

    def _key(self, kind: str, *names: str) -> str:
        return ":".join((self._prefix, kind, *(name.replace(":", "%3A") for name in names)))


def _is_outage(error: Exception) -> bool:
    """Whether Redis was away or is loading, told by class name: redis-py is an extra."""
    names = {cls.__name__ for cls in type(error).__mro__}
    return isinstance(error, OSError) or bool(
        names & {"ConnectionError", "TimeoutError", "BusyLoadingError"}
    )
