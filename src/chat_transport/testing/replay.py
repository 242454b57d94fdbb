"""A local server that answers any provider's SDK with recorded bytes: split, cut, delayed, refused.

Rule: raw HTTP/1.1 over a socket, so that every byte and every close is ours; nothing is parsed but
the request's head and length. For authors of adapters.
"""

from __future__ import annotations

import random
from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, TypeAlias

import anyio
import msgspec
from anyio.abc import SocketAttribute, SocketStream

from .._tasks import open_task_group
from ..messages import UIMessage
from ..model import ModelAdapter, ModelSettings, ProviderTool, ToolSpec
from ..step import StepDecoder

__all__ = [
    "Answer",
    "Recipe",
    "Recording",
    "ReplayServer",
    "Request",
    "random_splits",
    "replay_server",
]

JSON: TypeAlias = Any  # any JSON value


@dataclass(frozen=True, slots=True, kw_only=True)
class Recording:
    """One recorded stream.

    Attributes:
        api: The folder it lies in, such as `openai-responses`.
        name: Its file without `.jsonl`.
        events: One JSON text an event, in wire order.
        request: The body that produced it, where it was kept.
        provider: Which provider it came from, where the index says so.
    """

    api: str
    name: str
    events: Sequence[str]
    request: Mapping[str, JSON] | None = None
    provider: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipe:
    """How recordings of one API are replayed; each adapter offers its own by entry point.

    Attributes:
        content_type: Of the answer.
        frame: One event's JSON text as the wire's bytes.
        tail: Bytes after the last event, such as `data: [DONE]`.
        adapter: The real adapter with its real SDK, pointed at a base address.
        compat: The same adapter with its option `compat="ai-sdk"`; None if it has none.
        decoder: The adapter's pure decoder, as `adapter` would make it for this recording.
        tools: The tools to declare, so that the stream makes sense.
        settings: The settings to call with.
        requests: Target of the golden requests -> the body that the adapter sends for messages.
    """

    content_type: str
    frame: Callable[[str], bytes]
    adapter: Callable[[str, Recording], ModelAdapter]
    decoder: Callable[[Recording], StepDecoder]
    compat: Callable[[str, Recording], ModelAdapter] | None = None
    tail: bytes = b""
    tools: Callable[[Recording], Sequence[ToolSpec | ProviderTool]] = lambda _recording: ()
    settings: Callable[[Recording], ModelSettings | None] = lambda _recording: None
    requests: Mapping[str, Callable[[Sequence[UIMessage]], JSON]] = field(
        default_factory=dict[str, Callable[[Sequence[UIMessage]], JSON]]
    )

    def answer(self, recording: Recording, **changes: Any) -> Answer:
        """Make the answer that replays a recording; `changes` are fields of `Answer`."""
        pieces = [self.frame(event) for event in recording.events]
        fields: dict[str, Any] = {"pieces": pieces, "tail": self.tail} | changes
        return Answer(content_type=self.content_type, **fields)


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What the server says to one request.

    Attributes:
        pieces: The body, one piece an event.
        tail: Bytes after the pieces.
        split: Cuts the whole body into writes; None writes piece by piece.
        cut_after: Close the connection without an end after so many pieces; None never.
        hang_after: After so many pieces say nothing more until the client leaves; None never.
        delay_s: Seconds before each write.
        status: HTTP status.
        headers: Further headers, such as `retry-after` or `location`.
    """

    content_type: str = "text/event-stream"
    pieces: Sequence[bytes] = ()
    tail: bytes = b""
    split: Callable[[bytes], Sequence[bytes]] | None = None
    cut_after: int | None = None
    hang_after: int | None = None
    delay_s: float = 0
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict[str, str])


@dataclass(slots=True, kw_only=True)
class Request:
    """What the server received.

    Attributes:
        left_at: When the client closed its connection, on the event loop's clock; None until then.
    """

    head: str
    body: bytes
    left_at: float | None = None
    left: anyio.Event = field(default_factory=anyio.Event)

    @property
    def path(self) -> str:
        """The request's target."""
        return self.head.split(" ", 2)[1]

    @property
    def json(self) -> JSON:
        """The body as JSON."""
        return msgspec.json.decode(self.body)


def random_splits(seed: int, *, most: int = 4096) -> Callable[[bytes], list[bytes]]:
    """Make a function that cuts bytes at random places, the same ones for the same seed.

    Args:
        seed: Chooses the places.
        most: Bytes of the longest write.
    """

    def split(body: bytes) -> list[bytes]:
        chance = random.Random(seed)  # noqa: S311  # places to cut, not secrets
        writes: list[bytes] = []
        start = 0
        while start < len(body):
            length = chance.choice((1, 2, 3, 7, 64, 512, most))
            writes.append(body[start : start + length])
            start += length
        return writes

    return split


class ReplayServer:
    """A running server. Answers are used up one a request; the last one stays.

    Attributes:
        url: `http://127.0.0.1:PORT`.
        requests: What came, in order.
    """

    def __init__(self, port: int, answers: Sequence[Answer]) -> None:
        self.url = f"http://127.0.0.1:{port}"
        self.requests: list[Request] = []
        self.answers = list(answers)

    async def serve(self, stream: SocketStream) -> None:
        """Answer the requests of one connection until either side closes it."""
        async with stream:
            try:
                while (request := await _read_request(stream)) is not None:
                    self.requests.append(request)
                    answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
                    if not await _answer(stream, answer, request):
                        return
            except (anyio.BrokenResourceError, anyio.ClosedResourceError):
                if self.requests:
                    _note_left(self.requests[-1])


@asynccontextmanager
async def replay_server(*answers: Answer) -> AsyncGenerator[ReplayServer, None]:
    """Run a server on a free port of this machine for the time of the block."""
    listener = await anyio.create_tcp_listener(local_host="127.0.0.1")
    port = listener.extra(SocketAttribute.local_port)  # noqa: S610  # anyio's, not Django's
    server = ReplayServer(port, answers)
    async with listener, open_task_group() as tasks:
        tasks.start_soon(listener.serve, server.serve)
        yield server
        tasks.cancel_scope.cancel()


async def _read_request(stream: SocketStream) -> Request | None:
    data = b""
    while b"\r\n\r\n" not in data:
        try:
            data += await stream.receive()
        except anyio.EndOfStream:
            return None
    head, _, body = data.partition(b"\r\n\r\n")
    text = head.decode("latin-1")
    length = next(
        (int(line.partition(":")[2]) for line in text.split("\r\n") if _is_length(line)), 0
    )
    while len(body) < length:
        body += await stream.receive()
    return Request(head=text, body=body)


def _is_length(line: str) -> bool:
    return line.lower().startswith("content-length:")


async def _answer(stream: SocketStream, answer: Answer, request: Request) -> bool:
    """Write an answer; false if the connection is to be closed."""
    further = "".join(f"{name}: {value}\r\n" for name, value in answer.headers.items())
    await stream.send(
        f"HTTP/1.1 {answer.status} Replay\r\ncontent-type: {answer.content_type}\r\n"
        f"{further}transfer-encoding: chunked\r\n\r\n".encode()
    )
    stop = _first(answer.cut_after, answer.hang_after)
    pieces = [*answer.pieces, answer.tail] if stop is None else answer.pieces[:stop]
    writes = pieces if answer.split is None else answer.split(b"".join(pieces))
    for write in writes:
        if answer.delay_s:
            await anyio.sleep(answer.delay_s)
        if write:
            await stream.send(b"%x\r\n%s\r\n" % (len(write), write))
    if answer.hang_after is not None:
        await _wait_until_left(stream, request)
        return False
    if answer.cut_after is not None:
        return False
    await stream.send(b"0\r\n\r\n")
    return True


def _first(*values: int | None) -> int | None:
    return next((value for value in values if value is not None), None)


async def _wait_until_left(stream: SocketStream, request: Request) -> None:
    try:
        while True:
            await stream.receive()
    except (anyio.EndOfStream, anyio.BrokenResourceError):
        _note_left(request)


def _note_left(request: Request) -> None:
    request.left_at = anyio.current_time()
    request.left.set()
