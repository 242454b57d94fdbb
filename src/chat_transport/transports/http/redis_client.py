"""Opening Redis: the only file that makes a client, and knows the words of its faults.

Rule: coredis runs on asyncio and trio, on one server and on a cluster; a client of yours is never
closed here. Source: coredis 6.9.0.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import TYPE_CHECKING, TypeAlias

import anyio
from anyio.abc import TaskStatus

from ..._extras import wanted_by
from ..._tasks import open_task_group
from ...errors import ConnectFailed, LocalProtocolError

if TYPE_CHECKING:
    from coredis import Redis, RedisCluster

__all__ = ["ANSWER_S", "RedisClient", "is_outage", "opened", "translating"]

SLOTS = 10_000
"""Connections that the pool may open. coredis 6.9.0 never gives back the place of a connection that
broke in mid-command: a pool of few is full after as many faults. The port bounds what is open."""
ANSWER_S = 6
"""Seconds for which Redis may be silent; then the connection counts as lost."""
RedisClient: TypeAlias = "Redis[bytes] | RedisCluster[bytes]"


@asynccontextmanager
async def opened(
    url: str, given: RedisClient | None
) -> AsyncGenerator[tuple[RedisClient, bool], None]:
    """Hold a client, and say whether it is a cluster's; closes one that was made here.

    Raises:
        LocalProtocolError: If the client given is not one of coredis, for bytes.
    """
    with wanted_by("RedisRunLog"):
        from coredis import Redis, RedisCluster  # noqa: PLC0415  # an extra
        from coredis.retry import NoRetryPolicy  # noqa: PLC0415

    client: object = given
    if given is None:
        client = Redis.from_url(
            url,
            max_connections=SLOTS,
            connect_timeout=ANSWER_S,
            stream_timeout=ANSWER_S,
            max_idle_time=ANSWER_S,
            verify_version=False,
            retry_policy=NoRetryPolicy(),  # each of our loops tries again by itself
        )
    if not isinstance(client, Redis | RedisCluster) or client.connection_pool.decode_responses:
        raise LocalProtocolError(
            "unable to keep runs in Redis; `client` must be a coredis.Redis or "
            f"coredis.RedisCluster without decode_responses, not {type(client).__name__}: "
            "give `url` to have one made"
        )
    left = anyio.Event()
    async with open_task_group() as tasks:
        await tasks.start(_hold, client.connection_pool, left)
        try:
            yield client, isinstance(client, RedisCluster)
        finally:
            left.set()


async def _hold(
    pool: AbstractAsyncContextManager[object],
    left: anyio.Event,
    *,
    task_status: TaskStatus[None],
) -> None:
    """Keep a pool open, also while its user is cancelled: the user has last words to say.

    The pool counts who holds it: a client that its owner has opened stays open.
    """
    with anyio.CancelScope(shield=True):
        async with pool:
            task_status.started()
            await left.wait()


@asynccontextmanager
async def translating() -> AsyncGenerator[None, None]:
    """Raise ConnectFailed for whatever says that Redis is away.

    Raises:
        LocalProtocolError: If the client of one server was given a cluster.
    """
    try:
        yield
    except Exception as error:
        if is_outage(error):
            said = str(error) or "it does not answer"
            raise ConnectFailed(f"unable to reach the run log in Redis; {said}") from error
        if type(error).__name__ == "MovedError":
            raise LocalProtocolError(
                f"unable to keep runs in one server of a Redis Cluster ({error}); "
                "give `client=coredis.RedisCluster(…)`"
            ) from error
        raise


_AWAY = {
    "ConnectionError", "TimeoutError", "BusyLoadingError", "ClusterDownError", "TryAgainError",
    "ReadOnlyError",
}  # fmt: skip


def is_outage(error: Exception) -> bool:
    """Whether Redis was away, is loading or fails over, told by class name: coredis is an extra."""
    names = {cls.__name__ for cls in type(error).__mro__}
    return isinstance(error, OSError) or bool(names & _AWAY)
