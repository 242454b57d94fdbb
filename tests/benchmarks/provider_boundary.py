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
from typing import Any, NamedTuple

HERE = FilePath(__file__).resolve().parent
ROOT = HERE.parents[1]
ENVIRONMENTS = {
    "ours": sys.executable,
    "litellm": str(ROOT / ".venv-litellm" / "bin" / "python"),
    "vercel": str(ROOT / ".venv-vercel" / "bin" / "python"),
}
"""Environment -> its interpreter."""

COLUMNS = {"mapping": 1, "at once": 3, "side by side": 3, "whole": 2}
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


class Cost(NamedTuple):
    """What a token cost; and tokens in each item, which grow on a busy machine."""

    us: float
    batch: float


async def at_once(path: Any, url: str) -> Cost:
    async with path(url) as run:
        for _ in range(2):  # the first makes connections and imports
            gc.collect()
            before = time.process_time()
            tokens = 0
            async for some in run():
                tokens += some
            took = time.process_time() - before
        assert tokens == BULK_TOKENS, tokens
    return Cost(took / tokens * 1e6, tokens)


async def side_by_side(path: Any, url: str) -> Cost:
    """Measure from when every stream is under way until the first one ends."""
    import asyncio

    marks: list[tuple[float, int, int]] = []
    total = items = warm = 0

    def mark() -> None:
        marks.append((time.process_time(), total, items))

    async def one(run: Any) -> None:
        nonlocal total, items, warm
        mine = 0
        async for some in run():
            before = mine
            mine += some
            total += some
            items += bool(some)
            if before < WARM_TOKENS <= mine:
                warm += 1
                if warm == STREAMS:
                    mark()
        mark()

    async with path(url) as run:
        gc.collect()
        await asyncio.gather(*(one(run) for _ in range(STREAMS)))
    (began, first, items_before), (ended, last, items_then) = marks[:2]
    tokens = last - first
    return Cost((ended - began) / tokens * 1e6, tokens / (items_then - items_before))


async def measured(row: Any, column: str, bulk_url: str, paced_url: str) -> Cost | None:
    measures: dict[str, tuple[Any, Callable[..., Awaitable[Cost]], str]] = {
        "at once": (row.boundary, at_once, bulk_url),
        "side by side": (row.boundary, side_by_side, paced_url),
        "whole": (row.whole, side_by_side, paced_url),
    }
    if column == "mapping":
        return None if row.mapping is None else Cost(await row.mapping(bulk_url), 1)
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
            cost = await measured(rows[int(number)], column, bulk_url, paced_url)
        except Exception as error:  # noqa: BLE001  # a peer that fails has no number
            print(f"{rows[int(number)].name}, {column}: {error!r}", file=sys.stderr)
            cost = None
        print("" if cost is None else f"{cost.us} {cost.batch}", file=out, flush=True)


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

    def ask(self, number: int, column: str) -> Cost | None:
        assert self.process.stdin is not None
        self.process.stdin.write(f"{number}\t{column}\n")
        self.process.stdin.flush()
        answer = self._line()
        return Cost(*map(float, answer.split())) if answer else None

    def close(self) -> None:
        assert self.process.stdin is not None
        with suppress(BrokenPipeError):
            self.process.stdin.close()
        self.process.terminate()
        self.process.wait()


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
        show(collect(workers, wanted))
        for name in ENVIRONMENTS.keys() - workers.keys():
            print(f"absent: {name} (make bench-peers)")
    finally:
        for worker in workers.values():
            worker.close()
        server.terminate()
        server.wait()


def show(table: dict[str, dict[str, list[Cost]]]) -> None:
    print("us of CPU a token".ljust(36), *(f"{column:>14}" for column in COLUMNS))
    for name, cells in table.items():
        medians = [
            statistics.median(cost.us for cost in cells[column]) if cells[column] else None
            for column in COLUMNS
        ]
        print(name.ljust(36), *(f"{'' if us is None else f'{us:.1f}':>14}" for us in medians))
    print(f"side by side, whole: {STREAMS} streams of {RATE} tokens/s each, on uvloop")
    for name, cells in table.items():
        if name.startswith("floor") and cells["side by side"]:
            batch = statistics.median(cost.batch for cost in cells["side by side"])
            print(f"tokens in a read, {name}: {batch:.2f} (1 where the machine is quiet)")


def collect(workers: dict[str, Worker], wanted: list[str]) -> dict[str, dict[str, list[Cost]]]:
    places = [
        (worker, number, name)
        for worker in workers.values()
        for number, name in enumerate(worker.names)
        if not wanted or any(part in name for part in wanted)
    ]
    table = {name: {column: list[Cost]() for column in COLUMNS} for _, _, name in places}
    for column, times in COLUMNS.items():
        for _ in range(times):
            for worker, number, name in places:
                cost = worker.ask(number, column)
                if cost is not None:
                    table[name][column].append(cost)
    return table


if __name__ == "__main__":
    if sys.argv[1:2] == ["work"]:
        import uvloop

        uvloop.run(work(*sys.argv[2:]))
    else:
        main(sys.argv[1:])
