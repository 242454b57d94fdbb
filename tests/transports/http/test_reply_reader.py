from __future__ import annotations

import anyio
import pytest

from chat_transport.chunks import Finish, Start, TextDelta, TextStart, UIMessageChunk
from chat_transport.codecs.ui_stream import encode_sse
from chat_transport.errors import ConnectFailed, RequestRejected, StreamInterrupted
from chat_transport.transports.http.reply_reader import Place, ReconnectPolicy, ReplyReader

pytestmark = pytest.mark.anyio
AT_ONCE = ReconnectPolicy(attempts=3, first_s=0, longest_s=0)
REPLY: list[UIMessageChunk] = [
    Start(message_id="a"),
    TextStart(id="t"),
    TextDelta(id="t", delta="one "),
    TextDelta(id="t", delta="two"),
    Finish(),
]
WHOLE = b"".join(map(encode_sse, REPLY))


class FakeBody:
    """Gives pieces, then ends or breaks."""

    def __init__(self, *pieces: bytes, counts: bool = True, breaks: bool = False) -> None:
        self.run_id: str | None = "r1"
        self.counts = counts
        self.closed = False
        self._pieces = list(pieces)
        self._breaks = breaks

    async def read(self) -> bytes:
        if self._pieces:
            return self._pieces.pop(0)
        if self._breaks:
            raise StreamInterrupted("broke", resumable=True)
        return b""

    async def close(self) -> None:
        self.closed = True


async def read(first: FakeBody, *next_: FakeBody | Exception | None):
    waiting, places = list(next_), []

    async def reopen(place: Place) -> FakeBody | None:
        places.append(place)
        given = waiting.pop(0)
        if isinstance(given, Exception):
            raise given
        return given

    reader = ReplyReader(first, reopen, AT_ONCE)
    await reader.pump()
    return reader, places


@pytest.mark.parametrize("cut", range(1, len(WHOLE)))
async def test_a_reply_cut_at_any_byte_is_whole_and_without_duplicates(cut: int):
    """`all[:k] + resume(k) == all`: the server continues from the chunk that the reader names."""
    body = FakeBody(b"id: 1\n" + WHOLE[:cut], breaks=True)
    rest: list[FakeBody] = [FakeBody()]

    async def reopen(place: Place) -> FakeBody:
        assert place.next is not None
        tail = b"".join(map(encode_sse, REPLY[int(place.next) :]))
        rest.append(FakeBody(b"id: %d\n" % (int(place.next) + 1) + tail))
        return rest[-1]

    reader = ReplyReader(body, reopen, AT_ONCE)
    await reader.pump()
    assert [chunk async for chunk in reader.log.stream()] == REPLY
    assert body.closed
    assert len(rest) <= 2


async def test_a_joined_replay_is_counted_from_its_end():
    joined = TextDelta(id="t", delta="one two")
    first = FakeBody(
        b"id: -\n" + encode_sse(REPLY[0]) + encode_sse(REPLY[1]) + b"id: 4\n" + encode_sse(joined),
        breaks=True,
    )
    reader, places = await read(first, FakeBody(encode_sse(REPLY[4])))
    assert places == [Place(run_id="r1", next="4")]
    assert reader.log.since(0) == [*REPLY[:2], joined, REPLY[4]]


async def test_a_cut_inside_a_joined_replay_starts_over_and_compares():
    first = FakeBody(b"id: -\n" + encode_sse(REPLY[0]) + encode_sse(REPLY[1]), breaks=True)
    reader, places = await read(first, FakeBody(WHOLE))
    assert places == [Place(run_id="r1", next=None)]
    assert reader.log.since(0) == REPLY


async def test_faults_are_retried_and_refusals_are_not():
    busy = RequestRejected("busy", status=503)
    reader, places = await read(FakeBody(WHOLE[:60], breaks=True), ConnectFailed("no"), busy, None)
    assert len(places) == 3
    assert isinstance(reader.log.error, StreamInterrupted)
    assert not reader.log.error.resumable
    reader, places = await read(FakeBody(breaks=True), RequestRejected("gone", status=404))
    assert len(places) == 1
    assert "unable to resume" in str(reader.log.error)


def test_waits_double_up_to_the_longest_and_vary():
    policy = ReconnectPolicy(first_s=1, longest_s=4)
    assert policy.delay_s(0) == 0
    for attempt, full in ((1, 1), (2, 2), (3, 4), (9, 4)):
        assert full / 2 <= policy.delay_s(attempt) <= full


async def test_attempts_or_time_end_them_or_neither():
    now = anyio.current_time()
    assert ReconnectPolicy(attempts=2).allows(1, now - 1000)
    assert not ReconnectPolicy(attempts=2).allows(2, now)
    assert ReconnectPolicy(attempts=None).allows(10_000, now - 1000)
    assert not ReconnectPolicy(attempts=None, timeout_s=10).allows(0, now - 11)
    assert ReconnectPolicy(attempts=None, timeout_s=10).allows(10_000, now)
    assert ReconnectPolicy(attempts=None).delay_s(10_000) <= 8


async def test_time_counts_from_the_fault_not_from_the_last_chunk():
    """A model may think for longer than a connection may be tried."""
    places: list[Place] = []

    async def reopen(place: Place) -> FakeBody | None:
        places.append(place)
        raise ConnectFailed("no")

    class Thoughtful(FakeBody):
        async def read(self) -> bytes:
            await anyio.sleep(0.2)
            return await super().read()

    policy = ReconnectPolicy(attempts=None, timeout_s=0.1, first_s=0.01, longest_s=0.01)
    reader = ReplyReader(Thoughtful(breaks=True), reopen, policy)
    with anyio.fail_after(5):
        await reader.pump()
    assert len(places) >= 2
    assert "gave up after" in str(reader.log.error)
