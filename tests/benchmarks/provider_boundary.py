"""A token out of the provider: `python tests/benchmarks/provider_boundary.py [PART OF A NAME ...]`.

CPU of this side for each token, the provider in a process of its own: the mapping alone (native
event to SSE bytes), the whole answer at once, many streams side by side, each at its own pace and
measured while all are under way, and the whole path from the provider to the SSE bytes that our
HTTP server is given. Each environment is a process that measures one row at a time; rows take turns.

Peers that cannot live in our environment have one each, made by `make bench-peers`.
"""

from __future__ import annotations

import gc
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable
from contextlib import suppress
from pathlib import Path as FilePath
from typing import Any

HERE = FilePath(__file__).resolve().parent
PEERS = HERE.parents[1] / ".venv" / "peers"
ENVIRONMENTS = {
    "ours": sys.executable,
    "litellm": str(PEERS / "litellm" / "bin" / "python"),
    "vercel": str(PEERS / "vercel" / "bin" / "python"),
}
"""Environment -> its interpreter."""

COLUMNS = {"mapping": 1, "at once": 1, "side by side": 1, "whole": 1}
"""What is measured -> how often; the median is shown."""
STREAMS, RATE, BULK_TOKENS = 50, 50, 2_000
WARM_TOKENS = 5
"""Tokens that each stream has had before the clock starts."""


# -- the measuring process


def rows_here(environment: str) -> list[Any]:
    """Give the rows of this environment."""
    if environment == "vercel":
        import provider_vercel

        return provider_vercel.rows()
    import provider_paths
    import provider_peers

    if environment == "litellm":
        return [*provider_paths.rows(), *provider_peers.litellm_rows()]
    return [*provider_paths.rows(), *provider_peers.rows()]


async def at_once(path: Any, url: str) -> float:
    async with path(url) as run:
        for _ in range(2):  # the first makes connections and imports
            gc.collect()
            before = time.process_time()
            tokens = 0
            async for some in run():
                tokens += some
            took = time.process_time() - before
        assert tokens == BULK_TOKENS, tokens
    return took / tokens * 1e6


async def side_by_side(path: Any, url: str) -> float:
    """Measure from when every stream is under way until the first one ends."""
    import asyncio

    marks: list[tuple[float, int]] = []
    total = warm = 0

    def mark() -> None:
        marks.append((time.process_time(), total))

    async def one(run: Any) -> None:
        nonlocal total, warm
        mine = 0
        async for some in run():
            before = mine
            mine += some
            total += some
            if before < WARM_TOKENS <= mine:
                warm += 1
                if warm == STREAMS:
                    mark()
        mark()

    async with path(url) as run:
        gc.collect()
        await asyncio.gather(*(one(run) for _ in range(STREAMS)))
    (began, first), (ended, last) = marks[:2]
    return (ended - began) / (last - first) * 1e6


async def measured(row: Any, column: str, bulk_url: str, paced_url: str) -> float | None:
    measures: dict[str, tuple[Any, Callable[..., Awaitable[float]], str]] = {
        "at once": (row.boundary, at_once, bulk_url),
        "side by side": (row.boundary, side_by_side, paced_url),
        "whole": (row.whole, side_by_side, paced_url),
    }
    if column == "mapping":
        return None if row.mapping is None else await row.mapping(bulk_url)
    path, measure, url = measures[column]
    return None if path is None else await measure(path, url)


async def work(environment: str, bulk_url: str, paced_url: str) -> None:
    """Answer lines `ROW NUMBER<tab>COLUMN` on stdin, after a first line of names."""
    rows = rows_here(environment)
    out = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # what a peer prints is not an answer
    print("\t".join(row.name for row in rows), file=out, flush=True)
    for line in sys.stdin:
        number, column = line.strip().split("\t")
        try:
            us = await measured(rows[int(number)], column, bulk_url, paced_url)
        except Exception as error:  # noqa: BLE001  # a peer that fails has no number
            print(f"{rows[int(number)].name}, {column}: {error!r}", file=sys.stderr)
            us = None
        print("" if us is None else us, file=out, flush=True)


# -- the one that asks


class Worker:
    """The measuring process of one environment."""

    def __init__(self, environment: str, urls: list[str]) -> None:
        command = [ENVIRONMENTS[environment], __file__, "work", environment, *urls]
        self.process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        self.names = self._line().split("\t")

    def _line(self) -> str:
        assert self.process.stdout is not None
        return self.process.stdout.readline().rstrip("\n")

    def ask(self, number: int, column: str) -> float | None:
        assert self.process.stdin is not None
        self.process.stdin.write(f"{number}\t{column}\n")
        self.process.stdin.flush()
        answer = self._line()
        return float(answer) if answer else None

    def close(self) -> None:
        assert self.process.stdin is not None
        with suppress(BrokenPipeError):
            self.process.stdin.close()
        self.process.wait(10)


def main(wanted: list[str]) -> None:
    server = subprocess.Popen(
        [sys.executable, str(HERE / "provider_server.py")], stdout=subprocess.PIPE, text=True
    )
    assert server.stdout is not None
    urls = server.stdout.readline().split()
    workers = {
        name: Worker(name, urls) for name, at in ENVIRONMENTS.items() if FilePath(at).exists()
    }
    try:
        table = collect(workers, wanted)
    finally:
        for worker in workers.values():
            worker.close()
        server.terminate()
    print("us of CPU a token".ljust(36), *(f"{column:>14}" for column in COLUMNS))
    for name, cells in table.items():
        medians = [statistics.median(cells[c]) if cells[c] else None for c in COLUMNS]
        print(name.ljust(36), *(f"{'' if us is None else f'{us:.1f}':>14}" for us in medians))
    for name in ENVIRONMENTS.keys() - workers.keys():
        print(f"absent: {name} (make bench-peers)")
    print(f"side by side, whole: {STREAMS} streams of {RATE} tokens/s each, on uvloop")


def collect(workers: dict[str, Worker], wanted: list[str]) -> dict[str, dict[str, list[float]]]:
    places = [
        (worker, number, name)
        for worker in workers.values()
        for number, name in enumerate(worker.names)
        if not wanted or any(part in name for part in wanted)
    ]
    table = {name: {column: list[float]() for column in COLUMNS} for _, _, name in places}
    for column, times in COLUMNS.items():
        for _ in range(times):
            for worker, number, name in places:
                us = worker.ask(number, column)
                if us is not None:
                    table[name][column].append(us)
    return table


if __name__ == "__main__":
    if sys.argv[1:2] == ["work"]:
        import uvloop

        uvloop.run(work(*sys.argv[2:]))
    else:
        main(sys.argv[1:])
