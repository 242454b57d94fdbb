"""The few things that a run log asks of Redis, in its own words.

Rule: keys and bytes are known here alone. redis-py's commands are typed for its sync and async
clients, for bytes and text at once, so the client is `Any` here and everything else is exact.
What must happen in one step is a script. A run's `fence` rises when it is declared dead: a writer
with an older fence writes nothing.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, get_args

import anyio

from ..._extras import wanted_by
from ...errors import ConnectFailed, LocalProtocolError, TransportClosed
from .run_log import LoggedRun, RunState
from .stored_messages import dump_stored, load_stored, read_stored

if TYPE_CHECKING:
    from redis.asyncio import Redis

__all__ = [
    "LOST",
    "SUPERSEDED",
    "Append",
    "Entry",
    "Fields",
    "RedisPort",
    "is_outage",
    "translating",
]

DAY_MS = 24 * 3600 * 1000
"""How long a run may be active before Redis forgets it; whoever wrote it may be gone for good."""
CONNECTIONS = 32
"""Connections of one process; one of them reads, a burst of starting runs shares the others."""
WAIT_S = 10
"""How long a command waits for one of them."""
INBOX_MS = 60_000
"""How long a word to a process waits to be read."""
INBOX_WORDS = 1000
RESERVED_MS = 30_000
"""How long a key is kept whose run is being begun; whoever took it may be gone."""
KEY_MS = 3_600_000
"""How much longer than its run an idempotency key is kept."""

Fields = Mapping[bytes, bytes]
"""What a hash or an entry of a stream holds."""
LOST = -1
"""Redis knows nothing of the run: it was restarted without its data, or the run expired."""
SUPERSEDED = -2
"""The run was declared dead, or another process took it over."""

APPEND = """
-- KEYS: run, log, active.  ARGV: fence, first, count, chunks, ended (0/1), keep_ms, run_id
local fence = redis.call('HGET', KEYS[1], 'fence')
if not fence then return -1 end
if fence ~= ARGV[1] then return -2 end
local next = tonumber(redis.call('HGET', KEYS[1], 'next'))
if next ~= tonumber(ARGV[2]) then return next end
local count = tonumber(ARGV[3])
if count > 0 then
  redis.call('XADD', KEYS[2], '*', 'i', ARGV[2], 'c', ARGV[4])
  next = next + count
  redis.call('HSET', KEYS[1], 'next', next)
  if next == count then redis.call('PEXPIRE', KEYS[2], 86400000) end
end
if ARGV[5] == '1' then
  redis.call('XADD', KEYS[2], '*', 'i', next, 'e', 'ended')
  redis.call('HSET', KEYS[1], 'state', 'ended')
  redis.call('ZREM', KEYS[3], ARGV[7])
  redis.call('PEXPIRE', KEYS[1], ARGV[6])
  redis.call('PEXPIRE', KEYS[2], ARGV[6])
end
return next
"""
"""Gives the number of chunks now in the log: `first + count` if these were taken, another number
if the writer is at another place (an answer got lost, or data did), or LOST or SUPERSEDED."""

DECLARE_DEAD = """
-- KEYS: run, log, active, alive.  ARGV: keep_ms, run_id
local state = redis.call('HGET', KEYS[1], 'state')
if not state then return -1 end
if state ~= 'active' or redis.call('EXISTS', KEYS[4]) == 1 then return 0 end
redis.call('HINCRBY', KEYS[1], 'fence', 1)
redis.call('HSET', KEYS[1], 'state', 'interrupted')
redis.call('XADD', KEYS[2], '*', 'i', redis.call('HGET', KEYS[1], 'next'), 'e', 'interrupted')
redis.call('ZREM', KEYS[3], ARGV[2])
redis.call('PEXPIRE', KEYS[1], ARGV[1])
redis.call('PEXPIRE', KEYS[2], ARGV[1])
return 1
"""
"""Gives 1 if the run is interrupted now, 0 if its writer lives or it had ended, or LOST."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One entry of a stream."""

    id: str
    fields: Fields


@dataclass(frozen=True, slots=True, kw_only=True)
class Append:
    """Chunks on their way into a run's stream; `chunks` is JSON lines."""

    run: LoggedRun
    fence: int
    first: int
    count: int
    chunks: bytes
    ends: bool


class RedisPort:
    """A connection to Redis, and the names of what is kept there.

    Args:
        url: Used if no client is given.
        client: A redis.asyncio client, never closed here.
        prefix: Begins every key.
        keep_s: Seconds for which ended runs are kept.
    """

    def __init__(self, url: str, client: Redis | None, prefix: str, keep_s: float) -> None:
        self._url = url
        self._given = client
        self._client: Any = None  # see the module's rule
        self._prefix = prefix
        self._keep_ms = int(keep_s * 1000)

    @asynccontextmanager
    async def connected(self) -> AsyncGenerator[None, None]:
        """Hold a client; closes it if it was made here."""
        if self._given is not None:
            if "RedisCluster" in {cls.__name__ for cls in type(self._given).__mro__}:
                raise LocalProtocolError(
                    "unable to keep runs in a Redis Cluster; a process reads all its streams in "
                    "one command: give a client of one server, or of one with replicas"
                )
            self._client = self._given
            try:
                yield
            finally:
                self._client = None
            return
        with wanted_by("RedisRunLog"):
            from redis.asyncio import BlockingConnectionPool, Redis  # noqa: PLC0415

        pool = BlockingConnectionPool.from_url(
            self._url, max_connections=CONNECTIONS, timeout=WAIT_S
        )
        made = Redis.from_pool(pool)
        self._client = made
        try:
            yield
        finally:
            self._client = None
            with anyio.CancelScope(shield=True):
                await made.aclose()

    def stream(self, run: LoggedRun) -> str:
        """Name the stream of a run's chunks."""
        return self._key("log", run.chat_id, run.run_id)

    def inbox(self, process: str) -> str:
        """Name the stream of words to a process."""
        return self._key("inbox", process)

    async def beat(self, process: str, dead_after_s: float) -> None:
        """Say that a process lives, for so long."""
        await self._redis.set(self._key("alive", process), b"1", px=int(dead_after_s * 1000))

    async def say_gone(self, process: str) -> None:
        """Say that a process lives no more."""
        await self._redis.delete(self._key("alive", process))

    async def register(self, run: LoggedRun, process: str, fence: int) -> None:
        """Begin a run's record anew."""
        name = self._key("run", run.chat_id, run.run_id)
        now_s, microseconds = await self._redis.time()
        pipe = self._redis.pipeline(transaction=True)
        pipe.delete(self.stream(run))
        record: dict[str, str | int | bytes] = {
            "owner": run.owner or "",
            "key": run.request_key or "",
            "state": "active",
            "fence": fence,
            "next": 0,
            "process": process,
        }
        if run.begins_with is not None:
            record["before"] = dump_stored(run.begins_with)
        pipe.hset(name, mapping=record)
        pipe.pexpire(name, DAY_MS)
        pipe.zadd(self._key("active", run.chat_id), {run.run_id: now_s + microseconds / 1e6})
        pipe.pexpire(self._key("active", run.chat_id), DAY_MS)
        if run.request_key is not None:
            key = self._key("key", run.chat_id, run.request_key)
            pipe.set(key, run.run_id, px=self._keep_ms + KEY_MS)
        await pipe.execute()

    async def append(self, batch: Sequence[Append]) -> Sequence[int]:
        """Add to several streams in one round trip; what `APPEND` gives for each."""
        pipe = self._redis.pipeline(transaction=False)
        for item in batch:
            run = item.run
            keys = (
                self._key("run", run.chat_id, run.run_id),
                self.stream(run),
                self._key("active", run.chat_id),
            )
            values = (item.fence, item.first, item.count, item.chunks, int(item.ends))
            pipe.eval(APPEND, len(keys), *keys, *values, self._keep_ms, run.run_id)
        places: Sequence[int] = await pipe.execute()
        return places

    async def declare_dead(self, run: LoggedRun, process: str) -> int:
        """Interrupt a run whose process gives no sign of life; what `DECLARE_DEAD` gives."""
        keys = (
            self._key("run", run.chat_id, run.run_id),
            self.stream(run),
            self._key("active", run.chat_id),
            self._key("alive", process),
        )
        told: int = await self._redis.eval(
            DECLARE_DEAD, len(keys), *keys, self._keep_ms, run.run_id
        )
        return told

    async def run(self, chat_id: str, run_id: str) -> tuple[LoggedRun, str] | None:
        """Give a run's record and the process that writes it; None if there is none."""
        fields: Fields = await self._redis.hgetall(self._key("run", chat_id, run_id))
        if not fields:
            return None
        said = fields[b"state"].decode()
        state: RunState = next(name for name in get_args(RunState) if name == said)
        before = fields.get(b"before")
        begun = [] if before is None else read_stored([load_stored(before)], chat_id=chat_id)
        run = LoggedRun(
            chat_id=chat_id,
            run_id=run_id,
            owner=fields[b"owner"].decode() or None,
            request_key=fields[b"key"].decode() or None,
            begins_with=begun[0] if begun else None,
            state=state,
        )
        return run, fields[b"process"].decode()

    async def active(self, chat_id: str) -> Sequence[str]:
        """Name the chat's active runs, newest first."""
        found: Sequence[bytes] = await self._redis.zrevrange(self._key("active", chat_id), 0, -1)
        return [name.decode() for name in found]

    async def reserve(self, chat_id: str, request_key: str) -> bool:
        """Take an idempotency key that is free."""
        key = self._key("key", chat_id, request_key)
        return bool(await self._redis.set(key, b"", nx=True, px=RESERVED_MS))

    async def give_back(self, chat_id: str, request_key: str) -> None:
        """Free a key."""
        await self._redis.delete(self._key("key", chat_id, request_key))

    async def named(self, chat_id: str, request_key: str) -> str | None:
        """Name the run that an idempotency key began; empty if it is being begun."""
        found: bytes | None = await self._redis.get(self._key("key", chat_id, request_key))
        return None if found is None else found.decode()

    async def entries(self, run: LoggedRun) -> Sequence[Entry]:
        """Give all that is in a run's stream."""
        found = await self._redis.xrange(self.stream(run))
        return [Entry(entry_id.decode(), fields) for entry_id, fields in found]

    async def read(
        self, places: Mapping[str, str], block_ms: int
    ) -> Sequence[tuple[str, Sequence[Entry]]]:
        """Wait for entries behind these places in these streams; empty after `block_ms`."""
        found = await self._redis.xread(dict(places), block=block_ms)
        return [
            (name.decode(), [Entry(entry_id.decode(), fields) for entry_id, fields in entries])
            for name, entries in found
        ]

    async def tell(self, process: str, words: Mapping[str, str]) -> None:
        """Put words into a process's inbox; what it does not read in time is forgotten."""
        pipe = self._redis.pipeline(transaction=False)
        pipe.xadd(self.inbox(process), dict(words), maxlen=INBOX_WORDS, approximate=True)
        pipe.pexpire(self.inbox(process), INBOX_MS)
        await pipe.execute()

    @property
    def _redis(self) -> Any:  # see the module's rule
        if self._client is None:
            raise TransportClosed("unable to use the run log; it is not entered")
        return self._client

    def _key(self, kind: str, *names: str) -> str:
        return ":".join((self._prefix, kind, *(name.replace(":", "%3A") for name in names)))


@asynccontextmanager
async def translating() -> AsyncGenerator[None, None]:
    """Raise ConnectFailed for whatever says that Redis is away."""
    try:
        yield
    except Exception as error:
        if is_outage(error):
            raise ConnectFailed(f"unable to reach the run log in Redis; {error}") from error
        raise


def is_outage(error: Exception) -> bool:
    """Whether Redis was away or is loading, told by class name: redis-py is an extra."""
    names = {cls.__name__ for cls in type(error).__mro__}
    return isinstance(error, OSError) or bool(
        names & {"ConnectionError", "TimeoutError", "BusyLoadingError"}
    )
