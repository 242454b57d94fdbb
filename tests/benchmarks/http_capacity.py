"""How many replies at 50 words a second one core sustains: ours beside raw ASGI and the peers.

Run: python tests/benchmarks/http_capacity.py [--rate 50] [names]
Two numbers for each server. `by CPU`: what a whole core would carry, from the CPU of a token while
the server is more than half busy, measured in turn in each round; a busy machine leaves it alone.
`sustained`: 99 words of 100 reach the client before the next word of their reply is due (20 ms at 50
a second; a window of coalescing is added where there is one), while all replies are under way; the
number is raised, or lowered, by an eighth until one is sustained and the next is not. That one needs
an idle machine.
"""

from __future__ import annotations

import argparse
import time
from dataclasses import dataclass
from statistics import median

import uvloop
from http_load import Load, Result
from http_server import NAMES
from http_servers import Absent, Server, pin_client, serving

STEP = 9 / 8
WINDOWS_MS = {"raw_10": 200.0, "coalesced": 40.0, "coalesced_100": 100.0, "coalesced_200": 200.0}
CLIENT_LIMIT = 0.9
"""Share of its core beyond which the client, not the server, may be what fails."""


@dataclass(frozen=True, slots=True)
class Level:
    """One number of replies, tried."""

    replies: int
    result: Result
    sustained: bool
    client_share: float


async def attempt(server: Server, replies: int, options: argparse.Namespace) -> Level:
    """Put so many replies on a server."""
    load = Load(
        server.port,
        replies=replies,
        rate=options.rate,
        ramp_s=max(1.0, replies / 500),
        steady_s=options.seconds,
    )
    began, used = time.monotonic(), time.process_time()
    result = await load.run()
    share = (time.process_time() - used) / (time.monotonic() - began)
    bound_ms = 1000 / options.rate + WINDOWS_MS.get(server.name, 0)
    return Level(replies, result, result.p99_ms <= bound_ms, share)


async def by_cpu(servers: dict[str, Server], options: argparse.Namespace) -> dict[str, float]:
    """Give what a whole core of each server would carry, in median."""
    found: dict[str, list[float]] = {}
    for name, server in servers.items():
        found[name] = [_carried(await attempt(server, 50, options), options)]
    for _round in range(options.rounds):
        for name, server in servers.items():
            level = await attempt(server, int(min(0.6 * found[name][-1], 800)), options)
            found[name].append(_carried(level, options))
    return {name: median(values[1:]) for name, values in found.items()}


def _carried(level: Level, options: argparse.Namespace) -> float:
    return 1e6 / (options.rate * level.result.us_per_token)


async def capacity(server: Server, guess: float, options: argparse.Namespace) -> list[Level]:
    """Try numbers until one is sustained and the next is not; gives all that were tried."""
    first = await attempt(server, 50, options)
    tried = [first, await attempt(server, int(min(0.85 * guess, 5000)), options)]
    up = tried[-1].sustained
    while len(tried) < 8:
        replies = tried[-1].replies
        tried.append(await attempt(server, int(replies * STEP if up else replies / STEP), options))
        if tried[-1].sustained != up:
            break
    return tried


async def measure(servers: dict[str, Server | Absent], options: argparse.Namespace) -> None:
    """Measure all, and print."""
    there = {name: each for name, each in servers.items() if isinstance(each, Server)}
    carried = await by_cpu(there, options)
    print(f"replies at {options.rate} words a second for each core")
    print(
        f"{'':17}{'by CPU':>8}{'x raw':>7}{'sustained':>11}{'p50 ms':>8}{'p99 ms':>8}"
        f"{'fails at':>10}{'p99 ms':>8}"
    )
    for name, server in servers.items():
        if isinstance(server, Absent):
            print(f"{name:17}absent: {server}")
            continue
        ratio = carried[name] / next(iter(carried.values()))
        row = f"{name:17}{carried[name]:8.0f}{ratio:7.2f}"
        if options.search:
            row += _sustained(await capacity(server, carried[name], options))
        print(row, flush=True)


def _sustained(tried: list[Level]) -> str:
    held = [each for each in tried if each.sustained]
    best = max(held, key=lambda each: each.replies, default=None)
    if best is None:
        return f"{'none':>11}"
    broke = [each for each in tried if not each.sustained and each.replies > best.replies]
    row = f"{best.replies:11}{best.result.p50_ms:8.2f}{best.result.p99_ms:8.2f}"
    if broke:
        fails = min(broke, key=lambda each: each.replies)
        row += f"{fails.replies:10}{fails.result.p99_ms:8.1f}"
    full = best.client_share > CLIENT_LIMIT
    return row + ("  (the client's core is full)" if full else "")


def main() -> None:
    options = argparse.ArgumentParser()
    options.add_argument("--rate", type=int, default=50)
    options.add_argument("--seconds", type=float, default=1.5)
    options.add_argument("--rounds", type=int, default=3)
    options.add_argument("--search", action=argparse.BooleanOptionalAction, default=True)
    options.add_argument("names", nargs="*", default=NAMES)
    given = options.parse_args()
    pin_client()
    with serving(given.names) as servers:
        uvloop.run(measure(servers, given))


if __name__ == "__main__":
    main()
