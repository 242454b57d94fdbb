"""The few things that a run log asks of Redis, in its own words.

Rule: keys and bytes are known here alone. All keys of a chat have its id as hash tag, so a cluster
keeps them together.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple, TypeAlias, get_args
from urllib.parse import quote

import anyio

from ...errors import TransportClosed
from .redis_client import RedisClient, opened
from .redis_scripts import APPEND, DECLARE_DEAD, LOST, REGISTER, SUPERSEDED, TELL
from .run_log import LoggedRun, RunState
from .stored_messages import dump_stored, load_stored, read_stored

if TYPE_CHECKING:
    from coredis.response.types import StreamEntry


__all__ = [
    "LOST",
    "SUPERSEDED",
    "Append",
    "Entry",
    "Fields",
    "RedisPort",
    "RunKeys",
    "StoredRun",
    "writer_name",
]

DAY_MS = 24 * 3600 * 1000
"""How long a run may be active before Redis forgets it; whoever wrote it may be gone for good."""
COMMANDS = 32
"""Commands of one process under way at once: a burst of starting runs opens no more connections."""
BATCH_RUNS = 50
"""Runs that one script adds to at most, so that Redis serves others in between."""
POLL_MS = 40
"""In a cluster, how often followed runs are looked at."""
INBOX_MS = 60_000
"""How long a word to a process waits to be read."""
INBOX_WORDS = 1000
RESERVED_MS = 30_000
"""How long a key is kept whose run is being begun; whoever took it may be gone."""
KEY_MS = 3_600_000
"""How much longer than its run an idempotency key is kept."""
_BEING_BEGUN = b"?"
"""Begins what an idempotency key holds before its run has begun; no run id begins so."""

Fields: TypeAlias = Mapping[bytes, bytes]
"""What a hash or an entry of a stream holds."""


class RunKeys(NamedTuple):
    """The names of what Redis keeps of a run; the last is its chat's."""

    run: bytes
    log: bytes
    active: bytes


@dataclass(frozen=True, slots=True)
class Entry:
    """One entry of a stream."""

    id: bytes
    fields: Fields


@dataclass(frozen=True, slots=True)
class StoredRun:
    """A run's record, who writes it, and the writer's fence."""

    run: LoggedRun
    process: str
    fence: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Append:
    """Chunks on their way into a run's stream; `chunks` is JSON lines."""

    run: LoggedRun
    keys: RunKeys
    fence: int
    first: int
    count: int
    chunks: bytes
    ends: bool


class RedisPort:
    """A connection to Redis, and the names of what is kept there.

    Args:
        url: Used if no client is given.
        client: A coredis client, never closed here.
        prefix: Begins every key.
        keep_s: Seconds for which ended runs are kept.
    """

    def __init__(self, url: str, client: RedisClient | None, prefix: str, keep_s: float) -> None:
        self._url = url
        self._given = client
        self._client: RedisClient | None = None
        self._is_cluster = False
        self._prefix = prefix
        self._keep_ms = int(keep_s * 1000)
        self._turns = anyio.Semaphore(COMMANDS, fast_acquire=True)

    @asynccontextmanager
    async def connected(self) -> AsyncGenerator[None, None]:
        """Hold a client; closes it if it was made here.

        Raises:
            LocalProtocolError: If the client given is not one of coredis, for bytes.
        """
        async with opened(self._url, self._given) as (client, is_cluster):
            self._client, self._is_cluster = client, is_cluster
            try:
                yield
            finally:
                self._client = None

    def keys_of(self, run: LoggedRun) -> RunKeys:
        """Name what is kept of a run."""
        return RunKeys(
            self._key("run", run.chat_id, run.run_id),
            self._key("log", run.chat_id, run.run_id),
            self._key("active", run.chat_id),
        )

    def inbox(self, process: str) -> bytes:
        """Name the stream of words to a process."""
        return self._process_key("inbox", process)

    async def beat(self, process: str, dead_after_s: float) -> None:
        """Say that a process lives, for so long."""
        redis = self._redis
        async with self._turns:
            await redis.set(self._process_key("alive", process), b"1", px=int(dead_after_s * 1000))

    async def say_gone(self, process: str) -> None:
        """Say that a process lives no more."""
        await self._redis.delete([self._process_key("alive", process)])

    async def lives(self, process: str) -> bool:
        """Whether a process has given a sign of life."""
        redis = self._redis
        async with self._turns:
            return bool(await redis.exists([self._process_key("alive", process)]))

    async def register(self, run: LoggedRun, process: str, fence: int) -> int:
        """Begin a run's record anew; gives the fence to write with, `fence` or higher."""
        keys = self.keys_of(run)
        record: list[str | bytes | int] = ["owner", run.owner or "", "key", run.request_key or ""]
        record += ["process", process]
        if run.begins_with is not None:
            record += ["before", dump_stored(run.begins_with)]
        names = list(keys)
        if run.request_key is not None:
            names.append(self._key("key", run.chat_id, run.request_key))
        head: list[str | bytes | int] = [run.run_id, fence, DAY_MS, self._keep_ms + KEY_MS]
        redis = self._redis
        async with self._turns:
            return _number(await redis.eval(REGISTER, names, [*head, *record]))

    async def append(self, batch: Sequence[Append], process: str) -> Sequence[int]:
        """Add to several streams; what `APPEND` gives for each."""
        if self._is_cluster:
            return await self._append_by_chat(batch, process)
        places: list[int] = []
        for start in range(0, len(batch), BATCH_RUNS):
            names, values = self._append_words(batch[start : start + BATCH_RUNS], process)
            places += _numbers(await self._redis.eval(APPEND, names, values))
        return places

    async def _append_by_chat(self, batch: Sequence[Append], process: str) -> Sequence[int]:
        """Chats may be on different servers of a cluster: a script for each of their runs."""
        async with self._redis.pipeline(transaction=False) as pipe:
            answers = [pipe.eval(APPEND, *self._append_words([item], process)) for item in batch]
        return [_numbers(await answer)[0] for answer in answers]

    def _append_words(
        self, batch: Sequence[Append], process: str
    ) -> tuple[list[bytes], list[str | bytes | int]]:
        names: list[bytes] = []
        values: list[str | bytes | int] = [self._keep_ms, DAY_MS, writer_name(process)]
        for item in batch:
            names += item.keys
            values += (item.fence, item.first, item.count, item.chunks)
            values += (1 if item.ends else 0, item.run.run_id)
        return names, values

    async def declare_dead(self, stored: StoredRun) -> int:
        """Interrupt a run whose process gives no sign of life; what `DECLARE_DEAD` gives."""
        run = stored.run
        values = (self._keep_ms, run.run_id, stored.fence, writer_name(stored.process))
        redis = self._redis
        async with self._turns:
            return _number(await redis.eval(DECLARE_DEAD, self.keys_of(run), values))

    async def run(self, chat_id: str, run_id: str) -> StoredRun | None:
        """Give a run's record; None if there is none."""
        redis = self._redis
        async with self._turns:
            fields: Fields = await redis.hgetall(self._key("run", chat_id, run_id))
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
        return StoredRun(run, fields[b"process"].decode(), int(fields[b"fence"]))

    async def active(self, chat_id: str) -> Sequence[str]:
        """Name the chat's active runs, newest first."""
        redis = self._redis
        async with self._turns:
            found = await redis.zrange(self._key("active", chat_id), 0, -1, rev=True)
        return [name.decode() for name in found]

    async def reserve(self, chat_id: str, request_key: str, token: str) -> bool:
        """Take an idempotency key that is free; True again for the same token."""
        from coredis.tokens import PureToken  # noqa: PLC0415  # an extra

        key, mine = self._key("key", chat_id, request_key), _BEING_BEGUN + token.encode()
        redis = self._redis
        async with self._turns:
            if await redis.set(key, mine, condition=PureToken.NX, px=RESERVED_MS):
                return True
            return await redis.get(key) == mine  # a client of yours may try again by itself

    async def give_back(self, chat_id: str, request_key: str) -> None:
        """Free a key."""
        redis = self._redis
        async with self._turns:
            await redis.delete([self._key("key", chat_id, request_key)])

    async def named(self, chat_id: str, request_key: str) -> str | None:
        """Name the run that an idempotency key began; empty if it is being begun."""
        redis = self._redis
        async with self._turns:
            found = await redis.get(self._key("key", chat_id, request_key))
        if found is None:
            return None
        return "" if found.startswith(_BEING_BEGUN) else found.decode()

    async def entries(self, run: LoggedRun) -> Sequence[Entry]:
        """Give all that is in a run's stream."""
        redis = self._redis
        async with self._turns:
            found = await redis.xrange(self.keys_of(run).log)
        return _entries(found)

    async def read(
        self, inbox: bytes, logs: Mapping[bytes, bytes], block_ms: int
    ) -> Sequence[tuple[bytes, Sequence[Entry]]]:
        """Wait for words in the inbox and entries behind places in logs; empty after `block_ms`.

        Words stay until they are forgotten: a Redis that was restarted unseen dates new ones as it
        likes, so no word may be looked for behind another.
        """
        if not self._is_cluster:
            return await self._look({inbox: b"0-0", **logs}, block_ms)
        # Streams on several servers cannot be waited for at once: the inbox is, logs are polled.
        found = list(await self._look({inbox: b"0-0"}, POLL_MS if logs else block_ms))
        if logs:
            async with self._redis.pipeline(transaction=False) as pipe:
                answers = [pipe.xread({log: place}) for log, place in logs.items()]
            for answer in answers:
                found += _read_words(await answer)
        return found

    async def _look(
        self, places: Mapping[bytes, bytes], block_ms: int
    ) -> Sequence[tuple[bytes, Sequence[Entry]]]:
        return _read_words(await self._redis.xread(dict(places), block=block_ms))

    async def forget(self, inbox: bytes, words: Sequence[bytes]) -> None:
        """Take words out of the inbox."""
        if words:
            await self._redis.xdel(inbox, list(words))

    async def tell(self, process: str, words: Mapping[str, str]) -> None:
        """Put words into a process's inbox; what it does not read in time is forgotten."""
        said = [word for pair in words.items() for word in pair]
        redis = self._redis
        async with self._turns:
            await redis.eval(TELL, [self.inbox(process)], [INBOX_WORDS, INBOX_MS, *said])

    @property
    def _redis(self) -> RedisClient:
        if self._client is None:
            raise TransportClosed("unable to use the run log; it is not entered")
        return self._client

    def _key(self, kind: str, chat_id: str, *names: str) -> bytes:
        words = (self._prefix, f"{{chat:{_quoted(chat_id)}}}", kind, *map(_quoted, names))
        return ":".join(words).encode()

    def _process_key(self, kind: str, process: str) -> bytes:
        return f"{self._prefix}:{{process:{process}}}:{kind}".encode()


def writer_name(process: str) -> str:
    """How a process signs what it writes into a stream; short, as it stands in each entry."""
    return process[:8]


def _quoted(name: str) -> str:
    """Keep names apart, and braces and colons for us."""
    return quote(name, safe="", errors="surrogatepass")


def _entries(found: Iterable[StreamEntry]) -> Sequence[Entry]:
    # coredis types each word of an entry as text or bytes; this client decodes none.
    return [Entry(item.identifier, item.field_values) for item in found]  # type: ignore[arg-type]


def _read_words(
    found: Mapping[bytes, Iterable[StreamEntry]] | None,
) -> Sequence[tuple[bytes, Sequence[Entry]]]:
    return [(name, _entries(items)) for name, items in (found or {}).items()]


def _number(answer: object) -> int:
    assert isinstance(answer, int)
    return answer


def _numbers(answer: object) -> list[int]:
    assert isinstance(answer, list)
    return [_number(each) for each in answer]
