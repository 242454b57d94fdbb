"""The client of the HTTP benchmarks: many replies read off raw sockets, counted and dated.

Rule: the client must cost less than any server: no HTTP library, no parsing; a word ends in `~`, and
the digits before it are the microsecond at which it was due.
"""

from __future__ import annotations

import asyncio
import random
import time
from dataclasses import dataclass, field
from statistics import median, quantiles

__all__ = ["Facts", "Load", "Result", "facts", "request_for"]

DATED = 8
"""One reply of so many has its words dated; dating all would cost the client too much."""


@dataclass(frozen=True, slots=True)
class Facts:
    """What a server says of itself."""

    cpu_s: float
    resident_kib: int
    closed_at: float


@dataclass(slots=True)
class Result:
    """What a load cost and gave.

    Attributes:
        us_per_token: Server CPU for each word delivered while all replies were under way.
        request_ms: Server CPU for each request beyond its words: beginning and end.
        whole_us: Server CPU for each word, beginnings and ends included.
        late_s: How long after its time each dated word came, while all replies were under way.
        words: Words that came in that time.
    """

    us_per_token: float
    request_ms: float
    whole_us: float
    words: int
    late_s: list[float] = field(repr=False)

    @property
    def p50_ms(self) -> float:
        """Give the median delay of a word."""
        return median(self.late_s) * 1e3

    @property
    def p99_ms(self) -> float:
        """Give the delay that one word of a hundred exceeds."""
        return quantiles(self.late_s, n=100)[98] * 1e3


def request_for(chat_id: str, text: str) -> bytes:
    """Write the request for a reply."""
    body = (
        f'{{"trigger":"submit-message","id":"{chat_id}","messages":[{{"id":"u","role":"user",'
        f'"parts":[{{"type":"text","text":"{text}"}}]}}]}}'
    )
    return (
        "POST /api/chat HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\n"
        f"content-length: {len(body)}\r\n\r\n{body}"
    ).encode()


async def facts(port: int) -> Facts:
    """Ask a server of itself."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(b"GET /facts HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n")
    answer = (await reader.read()).decode().rpartition("\r\n\r\n")[2].split()
    writer.close()
    return Facts(float(answer[0]), int(answer[1]), float(answer[2]))


class _Reply(asyncio.Protocol):
    """One reply; it ends when its last word was said and the server has nothing more."""

    def __init__(self, load: Load, number: int) -> None:
        self._load = load
        self._left = load.tokens
        self._dated = number % DATED == 0

    def data_received(self, data: bytes) -> None:
        count = data.count(b"~")
        if not count:
            return
        load = self._load
        load.words += count
        self._left -= count
        if self._dated and load.steady:
            end = data.rindex(b"~")
            start = end
            while start and 48 <= data[start - 1] <= 57:
                start -= 1
            if end - start > 6:
                load.late_s.append(time.monotonic() - int(data[start:end]) / 1e6)
        if self._left <= 0:
            load.ended(self)

    def connection_lost(self, exc: Exception | None) -> None:
        if self._left > 0:
            load = self._load
            load.broken += 1
            load.ended(self)


class Load:
    """Some replies at once, begun one after the other so that their words are spread in time.

    Args:
        port: The server's.
        replies: How many at once.
        rate: Words a second of each.
        ramp_s: Seconds over which they are begun.
        steady_s: Seconds for which all are under way, and measured.
    """

    def __init__(
        self, port: int, *, replies: int, rate: int, ramp_s: float, steady_s: float
    ) -> None:
        self.port = port
        self.replies = replies
        self.rate = rate
        self.ramp_s = ramp_s
        self.steady_s = steady_s
        self.tokens = int(rate * (ramp_s * 1.2 + steady_s + 0.5))
        self.text = f"tokens={self.tokens} rate={rate}"
        self.words = self.broken = 0
        self.steady = False
        self.late_s: list[float] = []
        self._open = 0
        self._all_ended = asyncio.Event()
        self._name = f"{time.monotonic_ns():x}"

    def chat_id(self, number: int) -> str:
        """Name a chat that no other load has."""
        return f"c{self._name}-{number}"

    def ended(self, reply: _Reply) -> None:
        """Count a reply as done; its connection stays open until all are."""
        self._open -= 1
        if not self._open:
            self._all_ended.set()

    async def run(self) -> Result:
        """Put the load on, and measure."""
        loop = asyncio.get_running_loop()
        before = await facts(self.port)
        transports: list[asyncio.WriteTransport] = []
        begun = time.monotonic()
        self._open = self.replies
        due_s = sorted(
            random.Random(self.replies).uniform(0, self.ramp_s) for _ in range(self.replies)
        )
        for number, due in enumerate(due_s):
            await asyncio.sleep(max(begun + due - time.monotonic(), 0))
            reply = _Reply(self, number)
            transport, _ = await loop.create_connection(lambda it=reply: it, "127.0.0.1", self.port)
            transport.write(request_for(self.chat_id(number), self.text))
            transports.append(transport)
        await asyncio.sleep(0.1)
        first, words = await facts(self.port), self.words
        self.steady = True
        await asyncio.sleep(self.steady_s)
        second, said = await facts(self.port), self.words - words
        self.steady = False
        async with asyncio.timeout(60):
            await self._all_ended.wait()
        await asyncio.sleep(0.3)  # the ends of replies, for all servers alike
        last = await facts(self.port)
        for transport in transports:
            transport.close()
        if self.broken:
            raise RuntimeError(f"{self.broken} replies broke off")
        per_token = (second.cpu_s - first.cpu_s) / said
        whole = last.cpu_s - before.cpu_s
        total = self.replies * self.tokens
        return Result(
            us_per_token=per_token * 1e6,
            request_ms=(whole - per_token * total) / self.replies * 1e3,
            whole_us=whole / total * 1e6,
            words=said,
            late_s=self.late_s,
        )


async def idle_kib(port: int, *, connections: int) -> float:
    """Give the server's memory for each client whose reply is silent after one word."""
    before = await facts(port)
    silent = [await _until_word(port, f"i{number}") for number in range(connections)]
    await asyncio.sleep(0.3)
    after = await facts(port)
    for writer in silent:
        writer.close()
    return (after.resident_kib - before.resident_kib) / connections


async def close_ms(port: int, *, rounds: int) -> float | None:
    """Give the time from a client's leaving to the model's being closed; None if it is not."""
    waits: list[float] = []
    for number in range(rounds):
        writer = await _until_word(port, f"l{time.monotonic_ns():x}-{number}", "tokens=100 rate=50")
        left = time.monotonic()
        writer.transport.abort()
        while (closed := (await facts(port)).closed_at) < left:
            if time.monotonic() - left > 1:
                return None
        waits.append(closed - left)
    return median(waits) * 1e3


async def _until_word(
    port: int, chat_id: str, text: str = "tokens=1 rate=0 hold=60"
) -> asyncio.StreamWriter:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(request_for(chat_id, text))
    await reader.readuntil(b"~")
    return writer
