"""The Ably codecs, measured: `python tests/benchmarks/ably_codec.py`.

Rows are measured in turn in one run and given beside `json.dumps` of a chunk: ratios travel between
machines, absolute times do not. The second table counts what a reply of 1,000 tokens costs on a
channel before the shell merges appends.
"""

from __future__ import annotations

import itertools
import json
import time
from collections.abc import Callable, Iterable

import msgspec

from chat_transport import chunks as c
from chat_transport.codecs.ably.ai_sdk_transport import AiSdkEncoder
from chat_transport.codecs.ably.ai_transport import Conversation, RunIdentity, ui_run_encoder
from chat_transport.codecs.ably.operations import Append, Inbound, Operation, Publish
from chat_transport.codecs.ably.response import ResponseEncoder
from chat_transport.codecs.ably.token import TokenEncoder

TOKENS = 10_000
IDENTITY = RunIdentity(
    run_id="r" * 36,
    invocation_id="i" * 36,
    input_id="m" * 36,
    run_client_id="alice",
    input_client_id="alice",
    parent="p" * 36,
    output_parent="m" * 36,
)
OPENING: list[c.UIMessageChunk] = [c.Start(), c.StartStep(), c.TextStart(id="t")]
DELTAS = [c.TextDelta(id="t", delta=f" word{n % 100}") for n in range(TOKENS)]
CLOSING: list[c.UIMessageChunk] = [c.TextEnd(id="t"), c.FinishStep(), c.Finish()]


def new_id() -> Callable[[], str]:
    numbers = itertools.count()
    return lambda: f"{next(numbers):036}"


def encoder():
    made = ui_run_encoder(IDENTITY, new_id=new_id())
    said = made.start()
    for chunk in OPENING:
        said += made.encode(chunk)
    return made, said


def encode() -> list[Operation]:
    made, said = encoder()
    for chunk in DELTAS:
        said += made.encode(chunk)
    return said


def deliveries(operations: Iterable[Operation]) -> list[Inbound]:
    serials: dict[str | None, str] = {}
    found = []
    for number, operation in enumerate(operations):
        version = f"{number:08}"
        if isinstance(operation, Publish):
            serials[operation.key] = version
            (message,) = operation.messages
            found.append(
                Inbound(
                    action="create",
                    serial=version,
                    version=version,
                    name=message.name,
                    data=message.data,
                    extras=message.extras,
                )
            )
        elif isinstance(operation, Append):
            serial = serials[operation.key]
            found.append(
                Inbound(
                    action="append",
                    serial=serial,
                    version=f"{serial}:{version}",
                    data=operation.data,
                    extras=operation.extras,
                )
            )
    return found


DELIVERED = deliveries(encode())


def read() -> Conversation:
    conversation = Conversation()
    for inbound in DELIVERED:
        conversation.feed(inbound)
    return conversation


def read_and_show() -> str:
    return read().messages()[-1].text


def dumps() -> None:
    for chunk in DELTAS:
        json.dumps({"type": "text-delta", "id": chunk.id, "delta": chunk.delta})


ROWS: dict[str, Callable[[], object]] = {
    "peer: json.dumps of a chunk": dumps,
    "chunk -> operation": encode,
    "delivery -> chunk, run and conversation": read,
    "the same, and the message once": read_and_show,
}


def measure(rounds: int = 5) -> dict[str, float]:
    """Give microseconds a token, the best of some rounds, rows taken in turn."""
    best = dict.fromkeys(ROWS, float("inf"))
    for _ in range(rounds):
        for name, work in ROWS.items():
            begun = time.perf_counter()
            work()
            best[name] = min(best[name], (time.perf_counter() - begun) / TOKENS * 1e6)
    return best


def costs(tokens: int = 1_000) -> dict[str, tuple[int, int]]:
    """Give operations and bytes of a reply, for each wire."""
    chunks = [*OPENING, *DELTAS[:tokens], *CLOSING]
    wires = {
        "AI Transport": ui_run_encoder(IDENTITY, new_id=new_id()),
        "message per response": ResponseEncoder("p" * 36),
        "message per token": TokenEncoder("r" * 36, prompt_id="p" * 36),
        "ably-ai-sdk-transport": AiSdkEncoder("p" * 36, new_id=new_id()),
    }
    found = {}
    for name, wire in wires.items():
        operations = list(wire.start())
        for chunk in chunks:
            operations += wire.encode(chunk)
        operations += wire.end("complete")
        size = sum(len(msgspec.json.encode(operation)) for operation in operations)
        found[name] = (len(operations), size)
    return found


def main() -> None:
    found = measure()
    peer = found["peer: json.dumps of a chunk"]
    print(f"{'us a token':>10}  {'x json':>6}")
    for name, each in found.items():
        print(f"{each:10.2f}  {each / peer:6.2f}  {name}")
    print("\n1,000 tokens, before appends are merged: operations, bytes")
    for name, (count, size) in costs().items():
        print(f"{count:10}  {size:9}  {name}")


if __name__ == "__main__":
    main()
