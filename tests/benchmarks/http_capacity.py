"""How many replies at 50 words a second one core sustains: ours beside raw ASGI and the peers.

Run: python tests/benchmarks/http_capacity.py [--rate 50] [names]
Sustained means that 99 words of 100 reach the client before the next word of their reply is due
(20 ms at 50 a second; a window of coalescing is added where there is one), while all replies are
under way. The number is raised, or lowered, by an eighth until one is sustained and the next is not.
"""

from __future__ import annotations

import argparse
import time
from dataclasses import dataclass

import uvloop
from http_load import Load, Result
from http_server import NAMES
from http_servers import Absent, Server, pin_client, serving

STEP = 9 / 8
WINDOWS_MS = {"coalesced": 40.0}
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


async def capacity(server: Server, options: argparse.Namespace) -> list[Level]:
    """Try numbers until one is sustained and the next is not; gives all that were tried."""
    first = await attempt(server, 50, options)
    guess = min(0.85 / (options.rate * first.result.us_per_token * 1e-6), 5000)
    tried = [first, await attempt(server, int(guess), options)]
    up = tried[-1].sustained
    while len(tried) < 12:
        replies = tried[-1].replies
        tried.append(await attempt(server, int(replies * STEP if up else replies / STEP), options))
        if tried[-1].sustained != up:
            break
    return tried


async def measure(servers: dict[str, Server | Absent], options: argparse.Namespace) -> None:
    """Measure all, and print."""
    print(f"replies at {options.rate} words a second that one core sustains")
    print(
        f"{'':17}{'replies':>8}{'x raw':>7}{'p50 ms':>8}{'p99 ms':>8}  {'fails at':>8}{'p99 ms':>8}"
    )
    bound: int | None = None
    for name, server in servers.items():
        if isinstance(server, Absent):
            print(f"{name:17}absent: {server}")
            continue
        tried = await capacity(server, options)
        best = max((each for each in tried if each.sustained), key=lambda each: each.replies)
        bound = best.replies if bound is None else bound
        fails = min(
            (e for e in tried if not e.sustained and e.replies > best.replies),
            key=lambda each: each.replies,
            default=None,
        )
        after = f"{fails.replies:8}{fails.result.p99_ms:8.1f}" if fails else f"{'not tried':>16}"
        client = "  (the client's core is full)" if best.client_share > CLIENT_LIMIT else ""
        print(
            f"{name:17}{best.replies:8}{best.replies / bound:7.2f}{best.result.p50_ms:8.2f}"
            f"{best.result.p99_ms:8.2f}  {after}{client}",
            flush=True,
        )


def main() -> None:
    options = argparse.ArgumentParser()
    options.add_argument("--rate", type=int, default=50)
    options.add_argument("--seconds", type=float, default=2.0)
    options.add_argument("names", nargs="*", default=NAMES)
    given = options.parse_args()
    pin_client()
    with serving(given.names) as servers:
        uvloop.run(measure(servers, given))


if __name__ == "__main__":
    main()
