"""The path of a chunk, measured: `python tests/benchmarks/chunk_path.py`.

Every row is measured in turn with the others in one run, and given beside `json.dumps` of the same
chunk, because ratios travel between machines and absolute times do not. Peers that are not installed
are left out (`pip install pydantic-ai-slim` adds one).
"""

from __future__ import annotations

import gc
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass

import msgspec
from pydantic import TypeAdapter

from chat_transport.chunks import TextDelta, TextStart, UIMessageChunk
from chat_transport.codecs.client_profiles import V5
from chat_transport.codecs.ui_stream import UIStreamDecoder, encode_sse
from chat_transport.messages import UIMessage
from chat_transport.reducer import MessageReducer
from chat_transport.validation import load_messages

TOKENS = 10_000
READ_BYTES = 1_400
"""What one read of a socket gives, about."""

CHUNKS: list[UIMessageChunk] = [TextStart(id="txt-0")]
CHUNKS += [TextDelta(id="txt-0", delta=f" word{n % 100}") for n in range(TOKENS)]
EVENTS = [encode_sse(chunk) for chunk in CHUNKS]
BODY = b"".join(EVENTS)
READS = [BODY[at : at + READ_BYTES] for at in range(0, len(BODY), READ_BYTES)]
PLAIN = [{"type": "text-delta", "id": "txt-0", "delta": f" word{n % 100}"} for n in range(TOKENS)]


@dataclass(frozen=True)
class Row:
    name: str
    work: Callable[[], object]
    goal_us: float | None = None
    """Microseconds a token that HOUSE section 5 asks for; None for a peer."""


def construct() -> None:
    for n in range(TOKENS):
        TextDelta(id="txt-0", delta=f" word{n % 100}")


def encode() -> None:
    for chunk in CHUNKS:
        encode_sse(chunk)


def construct_encode_fold() -> None:
    reducer = MessageReducer(message_id="m")
    reducer.feed(CHUNKS[0])
    log: list[bytes] = []
    for n in range(TOKENS):
        chunk = TextDelta(id="txt-0", delta=f" word{n % 100}")
        log.append(encode_sse(chunk))
        reducer.feed(chunk)


def encode_for_v5() -> None:
    for chunk in CHUNKS:
        admitted = V5.admit(chunk)
        if admitted is not None:
            encode_sse(admitted)


def read_and_fold(pieces: list[bytes]) -> UIMessage:
    decoder, reducer = UIStreamDecoder(), MessageReducer(message_id="m")
    for piece in pieces:
        for chunk in decoder.feed(piece):
            reducer.feed(chunk)
    return reducer.message


def read_and_show_each() -> UIMessage:
    decoder, reducer = UIStreamDecoder(), MessageReducer(message_id="m")
    for piece in EVENTS:
        for chunk in decoder.feed(piece):
            reducer.feed(chunk)
        _ = reducer.message
    return reducer.message


def dumps() -> None:
    for value in PLAIN:
        f"data: {json.dumps(value)}\n\n".encode()


def loads() -> str:
    return "".join([json.loads(event[6:])["delta"] for event in EVENTS[1:]])


ROWS = [
    Row("construct a chunk", construct),
    Row("chunk -> SSE bytes", encode, 1.0),
    Row("construct -> SSE bytes, log and fold", construct_encode_fold, 1.0),
    Row("chunk -> SSE bytes for v5 clients", encode_for_v5, 1.0),
    Row("bytes -> chunk -> message, reads of 1,400 bytes", lambda: read_and_fold(READS), 2.5),
    Row("bytes -> chunk -> message, a read for each token", lambda: read_and_fold(EVENTS), 2.5),
    Row("the same with a snapshot after each token", read_and_show_each),
    Row("peer: json.dumps -> SSE bytes", dumps),
    Row("peer: json.loads and join, no checks", loads),
]


def pydantic_ai_row() -> list[Row]:
    try:
        from pydantic_ai.ui.vercel_ai.response_types import TextDeltaChunk
    except ImportError:
        return []

    def peer() -> None:
        for n in range(TOKENS):
            TextDeltaChunk(id="txt-0", delta=f" word{n % 100}").encode(sdk_version=6)

    return [Row("peer: pydantic-ai chunk -> JSON, no log, no fold", peer)]


def measure(rows: list[Row], rounds: int = 7) -> dict[str, float]:
    """Give the best microseconds a token of each row, all rows in turn in each round."""
    best = dict.fromkeys((row.name for row in rows), float("inf"))
    for _ in range(rounds):
        for row in rows:
            begun = time.process_time()
            row.work()
            best[row.name] = min(best[row.name], time.process_time() - begun)
    return {name: seconds / TOKENS * 1e6 for name, seconds in best.items()}


def measure_import(module: str, rounds: int = 5) -> float:
    """Give the best milliseconds that importing takes, over those of an empty program."""
    return (_run(f"import {module}", rounds) - _run("pass", rounds)) * 1e3


def _run(code: str, rounds: int) -> float:
    # Compiled modules count as they would for a user: written once, then read.
    env = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    best = float("inf")
    for _ in range(rounds):
        begun = time.perf_counter()
        subprocess.run([sys.executable, "-c", code], check=True, env=env)  # our own code
        best = min(best, time.perf_counter() - begun)
    return best


def history_ms() -> dict[str, float]:
    """Give milliseconds to read 1,000 messages of history, in three ways."""
    parts = [
        {"type": "step-start"},
        {"type": "reasoning", "text": "r" * 200, "state": "done"},
        {"type": "tool-rows", "toolCallId": "c", "state": "output-available", "input": {"q": 1},
         "output": {"rows": ["y" * 50] * 20}},
        {"type": "text", "text": "answer " * 100, "state": "done"},
    ]  # fmt: skip
    asked = [{"type": "text", "text": "question " * 60}]
    messages = [
        {"id": f"m{n}", "role": "assistant", "parts": parts}
        if n % 2
        else {"id": f"m{n}", "role": "user", "parts": asked}
        for n in range(1_000)
    ]
    data = msgspec.json.encode(messages)
    typed = TypeAdapter(list[UIMessage])
    ways: dict[str, Callable[[], object]] = {
        "1,000 messages of history, typed, ms": lambda: typed.validate_python(decode(data)),
        "the same, checked as stores and clients do, ms": lambda: load_messages(decode(data)),
        "peer: their JSON parsed by msgspec, ms": lambda: decode(data),
    }
    decode = msgspec.json.decode
    best = dict.fromkeys(ways, float("inf"))
    gc.collect()
    gc.freeze()  # the collector stays on, but walks what is made here, not what other rows left
    for _ in range(7):
        for name, work in ways.items():
            begun = time.process_time()
            work()
            best[name] = min(best[name], time.process_time() - begun)
    gc.unfreeze()
    return {name: seconds * 1e3 for name, seconds in best.items()}


def main() -> None:
    rows = ROWS + pydantic_ai_row()
    found = measure(rows)
    unit = found["peer: json.dumps -> SSE bytes"]
    print(f"{'per token, of one core':<52} {'us':>7} {'x json.dumps':>13} {'goal us':>8}")
    for row in rows:
        us = found[row.name]
        goal = "" if row.goal_us is None else f"{row.goal_us:.1f}"
        print(f"{row.name:<52} {us:>7.2f} {us / unit:>13.2f} {goal:>8}")
    print()
    for module, goal in (
        ("chat_transport", "120"),
        ("chat_transport.reducer", ""),
        ("pydantic.main", ""),
    ):
        print(
            f"{'import ' + module + ', ms':<52} {measure_import(module):>7.0f} {'':>13} {goal:>8}"
        )
    for at, (name, ms) in enumerate(history_ms().items()):
        print(f"{name:<52} {ms:>7.1f} {'':>13} {'' if at else '6.0':>8}")


if __name__ == "__main__":
    main()
