"""What one core pays to deliver a token over HTTP: ours beside raw ASGI and the Python peers.

Run: python tests/benchmarks/http_server.py [--streams 100] [--rate 50] [--seconds 3] [--rounds 3]
Each server is a process of its own, all on one core, the client on the other; they are measured in
turn in each round, and ratios are taken within a round, so that a noisy machine disturbs all alike.
"""

from __future__ import annotations

import argparse
from statistics import median

import uvloop
from http_load import Load, Result, close_ms, idle_kib
from http_servers import Absent, Server, pin_client, serving

NAMES = [
    "raw",
    "raw_10",
    "starlette",
    "ours",
    "coalesced",
    "coalesced_100",
    "coalesced_200",
    "fastapi_ai_sdk",
    "assistant_stream",
    "vercel_ai",
    "pydantic_ai",
]
OURS = {"ours", "coalesced", "coalesced_100", "coalesced_200"}


async def _once(server: Server, options: argparse.Namespace) -> Result:
    load = Load(
        server.port,
        replies=options.streams,
        rate=options.rate,
        ramp_s=0.8,
        steady_s=options.seconds,
    )
    return await load.run()


async def _warm(server: Server) -> None:
    await Load(server.port, replies=4, rate=50, ramp_s=0.1, steady_s=0.3).run()


async def measure(servers: dict[str, Server | Absent], options: argparse.Namespace) -> None:
    """Measure all in turn, and print."""
    running = {name: each for name, each in servers.items() if isinstance(each, Server)}
    found: dict[str, list[Result]] = {name: [] for name in running}
    for server in running.values():
        await _warm(server)
    for _round in range(options.rounds):
        for name, server in running.items():
            found[name].append(await _once(server, options))
    print(
        f"{options.streams} replies at {options.rate} words a second, medians of {options.rounds}"
    )
    print(
        f"{'':17}{'us/token':>9}{'x raw':>7}{'request ms':>12}{'p50 ms':>8}{'p99 ms':>8}"
        f"{'idle KiB':>10}{'leave ms':>10}  Python"
    )
    for name, server in servers.items():
        if isinstance(server, Absent):
            print(f"{name:17}absent: {server}")
            continue
        rows = found[name]
        ratios = [
            row.us_per_token / base.us_per_token
            for row, base in zip(rows, found.get("raw", rows), strict=True)
        ]
        idle = await idle_kib(server.port, connections=300)
        left = None if name in OURS else await close_ms(server.port, rounds=10)
        closed = "goes on" if name in OURS else "never" if left is None else f"{left:.2f}"
        print(
            f"{name:17}{median(row.us_per_token for row in rows):9.1f}{median(ratios):7.2f}"
            f"{median(row.request_ms for row in rows):12.2f}"
            f"{median(row.p50_ms for row in rows):8.2f}{median(row.p99_ms for row in rows):8.2f}"
            f"{idle:10.1f}{closed:>10}  {server.version}",
            flush=True,
        )


def main() -> None:
    options = argparse.ArgumentParser()
    options.add_argument("--streams", type=int, default=100)
    options.add_argument("--rate", type=int, default=50)
    options.add_argument("--seconds", type=float, default=3.0)
    options.add_argument("--rounds", type=int, default=3)
    options.add_argument("names", nargs="*", default=NAMES)
    given = options.parse_args()
    pin_client()
    with serving(given.names) as servers:
        uvloop.run(measure(servers, given))


if __name__ == "__main__":
    main()
