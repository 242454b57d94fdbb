from __future__ import annotations

import anyio
import pytest
from anyio import EndOfStream
from anyio.abc import SocketStream

from chat_transport.testing.replay import Answer, ReplayServer, random_splits, replay_server

pytestmark = pytest.mark.anyio

BODY = b'{"a":1}'
ASK = b"POST /v1/x HTTP/1.1\r\nContent-Length: %d\r\n\r\n%s" % (len(BODY), BODY)


async def connect(server: ReplayServer) -> SocketStream:
    return await anyio.connect_tcp("127.0.0.1", int(server.url.rpartition(":")[2]))


async def ask(stream: SocketStream, until: bytes) -> bytes:
    await stream.send(ASK)
    received = b""
    with anyio.fail_after(5):
        while not received.endswith(until):
            received += await stream.receive()
    return received


async def test_pieces_and_the_tail_are_answered_and_the_request_is_kept():
    async with replay_server(Answer(pieces=[b"one", b"two"], tail=b"end")) as server:
        async with await connect(server) as stream:
            answer = await ask(stream, b"0\r\n\r\n")
    assert answer.startswith(b"HTTP/1.1 200")
    assert b"3\r\none\r\n3\r\ntwo\r\n3\r\nend\r\n" in answer
    assert (server.requests[0].path, server.requests[0].json) == ("/v1/x", {"a": 1})


async def test_answers_are_used_up_and_the_last_one_stays():
    first, last = Answer(pieces=[b"1"], status=500), Answer(pieces=[b"2"])
    async with replay_server(first, last) as server:
        async with await connect(server) as stream:
            answers = [await ask(stream, b"0\r\n\r\n") for _ in range(3)]
    assert [answer[9:12] for answer in answers] == [b"500", b"200", b"200"]


async def test_a_cut_closes_the_connection_in_mid_answer():
    async with replay_server(Answer(pieces=[b"one", b"two"], cut_after=1)) as server:
        async with await connect(server) as stream:
            answer = await ask(stream, b"one\r\n")
            with anyio.fail_after(5), pytest.raises(EndOfStream):
                await stream.receive()
    assert b"two" not in answer


async def test_a_hanging_answer_notes_when_the_client_leaves():
    async with replay_server(Answer(pieces=[b"one", b"two"], hang_after=1)) as server:
        async with await connect(server) as stream:
            await ask(stream, b"one\r\n")
            assert server.requests[0].left_at is None
        with anyio.fail_after(5):
            await server.requests[0].left.wait()
        assert server.requests[0].left_at is not None


async def test_delays_come_before_each_write():
    async with replay_server(Answer(pieces=[b"1", b"2"], delay_s=0.01)) as server:
        async with await connect(server) as stream:
            before = anyio.current_time()
            await ask(stream, b"0\r\n\r\n")
            assert anyio.current_time() - before >= 0.02


def test_random_splits_keep_every_byte_and_repeat_themselves():
    body = bytes(range(256)) * 40
    writes = random_splits(7)(body)
    assert b"".join(writes) == body
    assert len(writes) > 3
    assert random_splits(7)(body) == writes
    assert random_splits(8)(body) != writes
