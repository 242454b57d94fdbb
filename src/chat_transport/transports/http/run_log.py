"""`RunLog`: where the runs of all processes are found, followed and stopped. In memory here.

Rule: a run is written by one process; whoever reads gets a `ChunkLog` that grows by itself,
so that serving a local run and a remote one is the same code.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from types import TracebackType
from typing import Literal, Self, TypeAlias

import anyio

from ..._chunk_log import ChunkLog
from ...messages import UIMessage

__all__ = ["LoggedRun", "MemoryRunLog", "RunLog", "RunState"]

RunState: TypeAlias = Literal["active", "ended", "interrupted"]
StopCallback: TypeAlias = Callable[[str | None], object]
"""Ends the run at once; takes the reason, if any. Must not block."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LoggedRun:
    """What is known of a run without reading its chunks.

    Attributes:
        chat_id: The chat.
        run_id: The run.
        owner: The verified user that asked; None if anonymous.
        request_key: The client's idempotency key: the same key in the same chat is the same run.
        begins_with: The message that the run goes on with (a call was answered), as it was when
            the run began; None if the run began a message of its own.
        state: `interrupted` when the process that wrote it died before the end.
    """

    chat_id: str
    run_id: str
    owner: str | None = None
    request_key: str | None = None
    begins_with: UIMessage | None = None
    state: RunState = "active"


class RunLog(ABC):
    """Runs by chat. Constructing does nothing; `async with` opens and closes it.

    Attributes:
        on_orphan: Awaited for a run that this process finds to be `interrupted`, so that its
            partial reply can be kept. Set by the application before entering; may be called in
            several processes for one run.
    """

    on_orphan: Callable[[LoggedRun], Awaitable[None]] | None = None

    async def __aenter__(self) -> Self:
        """Open.

        Raises:
            ConnectFailed: If the store behind it cannot be reached.
        """
        return self

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Release everything. Runs of other processes go on."""
        return

    async def reserve(self, chat_id: str, request_key: str) -> bool:
        """Take an idempotency key before its run is begun; False if it is taken.

        The same request may come twice at once, also to two processes: only one may begin a run.
        For a key that is taken, `find` gives the run, and waits for one that is being begun.
        """
        return True

    async def give_back(self, chat_id: str, request_key: str) -> None:
        """Let go of a key whose run was not begun after all."""
        return

    @abstractmethod
    async def start(self, run: LoggedRun, log: ChunkLog, stop: StopCallback) -> None:
        """Make a run of this process known; what `log` gets is published until it closes.

        Args:
            run: The run; active.
            log: Its chunks. Appending to it never waits for this store.
            stop: Called when a process asks the run to end.
        """

    @abstractmethod
    async def find(
        self, chat_id: str, *, run_id: str | None = None, request_key: str | None = None
    ) -> LoggedRun | None:
        """Give the run with this id or this key, ended ones too while they are kept.

        With neither, give the newest active run of the chat. None if there is none.
        """

    @abstractmethod
    async def follow(self, run: LoggedRun) -> ChunkLog | None:
        """Give a log that holds the run's chunks from the first and grows; None if it is gone.

        It closes when the run ends, with `StreamInterrupted` if its writer died.
        """

    @abstractmethod
    async def stop(self, chat_id: str, run_id: str | None = None, reason: str | None = None) -> int:
        """Ask the run, or every active run of the chat, to end. Gives how many were asked."""


@dataclass(slots=True)
class _Kept:
    run: LoggedRun
    log: ChunkLog
    stop: StopCallback


class _Key:
    """An idempotency key: its run, once there is one."""

    def __init__(self) -> None:
        self.run_id: str | None = None
        self.settled = anyio.Event()


class MemoryRunLog(RunLog):
    """Runs of one process.

    Args:
        keep_s: Seconds for which an ended run can still be read by its id or key.
        keep_runs: Ended runs kept at most, oldest dropped first.
    """

    def __init__(self, *, keep_s: float = 60.0, keep_runs: int = 1000) -> None:
        self._keep_s = keep_s
        self._keep_runs = keep_runs
        self._chats: dict[str, dict[str, _Kept]] = {}
        self._open: dict[tuple[str, str], _Kept] = {}
        self._ended: dict[tuple[str, str], float] = {}
        self._keys: dict[tuple[str, str], _Key] = {}

    async def reserve(self, chat_id: str, request_key: str) -> bool:
        """Note the key."""
        if (chat_id, request_key) in self._keys:
            return False
        self._keys[chat_id, request_key] = _Key()
        return True

    async def give_back(self, chat_id: str, request_key: str) -> None:
        """Forget the key, and tell whoever waits for its run."""
        self._keys.pop((chat_id, request_key)).settled.set()

    async def start(self, run: LoggedRun, log: ChunkLog, stop: StopCallback) -> None:
        """Keep the run."""
        self._expire()
        kept = _Kept(run, log, stop)
        self._chats.setdefault(run.chat_id, {})[run.run_id] = kept
        self._open[run.chat_id, run.run_id] = kept
        if run.request_key is not None:
            key = self._keys.setdefault((run.chat_id, run.request_key), _Key())
            key.run_id = run.run_id
            key.settled.set()

    async def find(
        self, chat_id: str, *, run_id: str | None = None, request_key: str | None = None
    ) -> LoggedRun | None:
        """Look it up."""
        self._expire()
        if run_id is None and request_key is not None:
            key = self._keys.get((chat_id, request_key))
            if key is None:
                return None
            await key.settled.wait()
            run_id = key.run_id or ""
        runs = self._chats.get(chat_id, {})
        if run_id is not None:
            return self._seen(runs.get(run_id))
        return next((each.run for each in reversed(runs.values()) if not each.log.closed), None)

    async def follow(self, run: LoggedRun) -> ChunkLog | None:
        """Give the run's own log."""
        kept = self._chats.get(run.chat_id, {}).get(run.run_id)
        return kept.log if kept else None

    async def stop(self, chat_id: str, run_id: str | None = None, reason: str | None = None) -> int:
        """Call the stop callbacks."""
        asked = 0
        for kept in list(self._chats.get(chat_id, {}).values()):
            if run_id in {None, kept.run.run_id} and not kept.log.closed:
                kept.stop(reason)
                asked += 1
        return asked

    def _seen(self, kept: _Kept | None) -> LoggedRun | None:
        if kept is None:
            return None
        if not kept.log.closed:
            return kept.run
        return replace(kept.run, state="ended" if kept.log.error is None else "interrupted")

    def _expire(self) -> None:
        """Forget ended runs that are too old or too many; called whenever a run starts."""
        now = anyio.current_time()
        for key, kept in list(self._open.items()):
            if kept.log.closed:
                del self._open[key]
                self._ended[key] = now
        surplus = len(self._ended) - self._keep_runs
        for place, (key, ended_at) in enumerate(list(self._ended.items())):
            if place >= surplus and now - ended_at <= self._keep_s:
                return
            del self._ended[key]
            runs = self._chats[key[0]]
            ended = runs.pop(key[1]).run
            if ended.request_key is not None:
                self._keys.pop((ended.chat_id, ended.request_key), None)
            if not runs:
                del self._chats[key[0]]
