"""A model provider for benchmarks: every wire on two ports, the answer at once or a token each 20 ms.

One write holds one event, as providers send them. `python provider_server.py` prints the two URLs.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from typing import ClassVar

BULK_TOKENS = 2_000
RATE, SECONDS, STREAMS = 50, 2, 50
PACED_TOKENS = RATE * SECONDS


def _sse(body: dict[str, object], *, name: str | None = None) -> bytes:
    head = b"" if name is None else f"event: {name}\n".encode()
    return head + b"data: " + json.dumps(body).encode() + b"\n\n"


def _words(tokens: int) -> list[str]:
    return [f"word{n % 100} " for n in range(tokens)]


def chat(tokens: int) -> Iterator[bytes]:
    """Chat Completions."""
    head = {
        "id": "chatcmpl-1",
        "object": "chat.completion.chunk",
        "created": 1,
        "model": "gpt-4o",
        "service_tier": "default",
        "system_fingerprint": "fp",
    }
    for at, word in enumerate(_words(tokens)):
        delta = {"content": word} if at else {"role": "assistant", "content": word}
        choice = {"index": 0, "delta": delta, "logprobs": None, "finish_reason": None}
        yield _sse(head | {"choices": [choice]})
    last = {"index": 0, "delta": {}, "logprobs": None, "finish_reason": "stop"}
    yield _sse(head | {"choices": [last]}) + b"data: [DONE]\n\n"


def responses(tokens: int) -> Iterator[bytes]:
    """OpenAI Responses."""
    response = {
        "id": "resp_1", "object": "response", "created_at": 1, "status": "in_progress",
        "model": "gpt-5", "output": [], "parallel_tool_calls": True, "tool_choice": "auto",
        "tools": [],
    }  # fmt: skip
    part = {"type": "output_text", "text": "", "annotations": [], "logprobs": []}
    item = {"id": "msg_1", "type": "message", "role": "assistant", "status": "in_progress"}
    at = {"item_id": "msg_1", "output_index": 0, "content_index": 0}
    text = "".join(_words(tokens))
    done = item | {"status": "completed", "content": [part | {"text": text}]}
    usage = {
        "input_tokens": 1, "input_tokens_details": {"cached_tokens": 0},
        "output_tokens": tokens, "output_tokens_details": {"reasoning_tokens": 0},
        "total_tokens": tokens + 1,
    }  # fmt: skip
    events: list[dict[str, object]] = [
        {"type": "response.created", "response": response},
        {"type": "response.in_progress", "response": response},
        {"type": "response.output_item.added", "output_index": 0, "item": item | {"content": []}},
        {"type": "response.content_part.added", **at, "part": part},
    ]
    for word in _words(tokens):
        fields = {"delta": word, "logprobs": [], "obfuscation": "Xq8GsDPmrK"}
        events.append({"type": "response.output_text.delta", **at, **fields})
    completed = response | {"status": "completed", "output": [done], "usage": usage}
    events += [
        {"type": "response.output_text.done", **at, "text": text, "logprobs": []},
        {"type": "response.content_part.done", **at, "part": part | {"text": text}},
        {"type": "response.output_item.done", "output_index": 0, "item": done},
        {"type": "response.completed", "response": completed},
    ]
    pieces = [
        _sse(event | {"sequence_number": number}, name=str(event["type"]))
        for number, event in enumerate(events)
    ]
    yield b"".join(pieces[:5])
    yield from pieces[5:-4]
    yield b"".join(pieces[-4:])


def messages(tokens: int) -> Iterator[bytes]:
    """Anthropic Messages."""
    message = {
        "id": "msg_1", "type": "message", "role": "assistant", "model": "claude", "content": [],
        "stop_reason": None, "stop_sequence": None,
        "usage": {"input_tokens": 1, "output_tokens": 1},
    }  # fmt: skip
    block = {"type": "text", "text": ""}
    start: list[dict[str, object]] = [
        {"type": "message_start", "message": message},
        {"type": "content_block_start", "index": 0, "content_block": block},
        {"type": "ping"},
    ]
    end: list[dict[str, object]] = [
        {"type": "content_block_stop", "index": 0},
        {
            "type": "message_delta",
            "delta": {"stop_reason": "end_turn", "stop_sequence": None},
            "usage": {"output_tokens": tokens},
        },
        {"type": "message_stop"},
    ]
    head = b"".join(_sse(event, name=str(event["type"])) for event in start)
    for word in _words(tokens):
        delta = {"type": "text_delta", "text": word}
        event = {"type": "content_block_delta", "index": 0, "delta": delta}
        yield head + _sse(event, name="content_block_delta")
        head = b""
    yield b"".join(_sse(event, name=str(event["type"])) for event in end)


def gemini(tokens: int) -> Iterator[bytes]:
    """Gemini `streamGenerateContent`."""
    for at, word in enumerate(_words(tokens)):
        candidate: dict[str, object] = {
            "content": {"parts": [{"text": word}], "role": "model"},
            "index": 0,
        }
        if at == tokens - 1:
            candidate["finishReason"] = "STOP"
        usage = {"promptTokenCount": 1, "candidatesTokenCount": at, "totalTokenCount": at + 1}
        yield _sse(
            {
                "candidates": [candidate],
                "usageMetadata": usage,
                "modelVersion": "gemini-3",
                "responseId": "r1",
            }
        ).replace(b"\n\n", b"\r\n\r\n")


def ollama(tokens: int) -> Iterator[bytes]:
    """Ollama `/api/chat`."""
    for word in _words(tokens):
        said = {"role": "assistant", "content": word}
        event = {"model": "m", "created_at": "2026-01-01T00:00:00Z", "message": said, "done": False}
        yield json.dumps(event).encode() + b"\n"
    last = {"role": "assistant", "content": ""}
    event = {"model": "m", "created_at": "2026-01-01T00:00:00Z", "message": last}
    yield json.dumps(event | {"done": True, "done_reason": "stop"}).encode() + b"\n"


WIRES = {
    "/chat/completions": chat,
    "/responses": responses,
    "/messages": messages,
    ":streamGenerateContent": gemini,
    "/api/chat": ollama,
}
"""Where a path ends -> what is streamed."""


def _framed(piece: bytes) -> bytes:
    return b"%x\r\n%s\r\n" % (len(piece), piece)


class Provider(asyncio.Protocol):
    """One connection."""

    answers: dict[str, list[bytes]]
    interval_s: float
    asked: ClassVar[list[Provider]]
    together = 1

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # TCP
        self.transport = transport
        self.received = b""

    def data_received(self, data: bytes) -> None:
        self.received += data
        head, blank, body = self.received.partition(b"\r\n\r\n")
        lengths = [
            int(line.split(b":")[1])
            for line in head.split(b"\r\n")
            if line.lower().startswith(b"content-length:")
        ]
        if not blank or len(body) < sum(lengths):
            return
        self.received = b""
        path = head.split(b" ", 2)[1].partition(b"?")[0].decode()
        pieces = next(answer for end, answer in self.answers.items() if path.endswith(end))
        kind = "application/x-ndjson" if path.endswith("/api/chat") else "text/event-stream"
        self.transport.write(
            f"HTTP/1.1 200 OK\r\ncontent-type: {kind}\r\ntransfer-encoding: chunked\r\n\r\n".encode()
        )
        self.rest = iter(pieces)
        self.asked.append(self)
        if len(self.asked) == self.together:
            self._begin()

    def _begin(self) -> None:
        """Begin once all have asked, so that making calls is no part of what tokens cost."""
        loop = asyncio.get_running_loop()
        for number, stream in enumerate(self.asked):  # each at times of its own
            stream.due = loop.time() + number / self.together * self.interval_s
            loop.call_at(stream.due, stream._next)
        self.asked.clear()

    def _next(self) -> None:
        if self.transport.is_closing():
            return
        piece = next(self.rest, None)
        if piece is None:
            self.transport.write(b"0\r\n\r\n")
            return
        self.transport.write(piece)
        self.due += self.interval_s
        asyncio.get_running_loop().call_at(self.due, self._next)


class AtOnce(Provider):
    interval_s = 0.0
    asked = []  # noqa: RUF012  # its own
    answers = {  # noqa: RUF012  # a table
        end: [_framed(b"".join(wire(BULK_TOKENS)))] for end, wire in WIRES.items()
    }


class Paced(Provider):
    interval_s = 1 / RATE
    together = STREAMS
    asked = []  # noqa: RUF012  # its own
    answers = {  # noqa: RUF012  # a table
        end: [_framed(piece) for piece in wire(PACED_TOKENS)] for end, wire in WIRES.items()
    }


async def serve() -> None:
    loop = asyncio.get_running_loop()
    servers = [await loop.create_server(kind, "127.0.0.1", 0) for kind in (AtOnce, Paced)]
    ports = [server.sockets[0].getsockname()[1] for server in servers]
    print(*(f"http://127.0.0.1:{port}" for port in ports), flush=True)
    await asyncio.gather(*(server.serve_forever() for server in servers))


if __name__ == "__main__":
    import uvloop

    uvloop.run(serve())
