from __future__ import annotations

from collections.abc import Sequence

import pytest

from chat_transport._chunk_columns import merge_deltas
from chat_transport._chunk_log import ChunkLog
from chat_transport.chunks import Start, TextDelta, TextStart, UIMessageChunk
from chat_transport.errors import StreamInterrupted
from chat_transport.messages import UIMessage
from chat_transport.transports.http.placed_chunks import Placed, placed_chunks
from chat_transport.transports.http.reply_place import ReplyPlace

pytestmark = pytest.mark.anyio
BEFORE = UIMessage.model_validate(
    {"id": "a", "role": "assistant", "parts": [{"type": "text", "text": "so", "state": "done"}]}
)


def log_of(deltas: int) -> ChunkLog:
    log = ChunkLog("r")
    log.extend([Start(message_id="a"), TextStart(id="t")])
    log.extend(TextDelta(id="t", delta=f"{number} ") for number in range(deltas))
    log.close()
    return log


async def read(log: ChunkLog, place: str | None, before: UIMessage | None) -> Sequence[Placed]:
    at = None if place is None else ReplyPlace.parse(place)
    return [item async for each in placed_chunks(log, place=at, before=before) for item in each]


def chunks(placed: Sequence[Placed]) -> Sequence[UIMessageChunk]:
    return [chunk for chunk, _ in placed]


@pytest.mark.parametrize("deltas", [3, 600])
@pytest.mark.parametrize("before", [None, BEFORE])
async def test_whoever_goes_on_behind_a_place_gets_the_rest(deltas: int, before: UIMessage | None):
    log = log_of(deltas)
    whole = await read(log, None, before)
    for at, (_, place) in enumerate(whole, 1):
        both = [*chunks(whole)[:at], *chunks(await read(log, place, before))]
        assert merge_deltas(both) == merge_deltas(chunks(whole))


async def test_places_say_what_is_behind_them():
    assert [place for _, place in await read(log_of(2), "0", None)] == ["1", "2", "3", "4"]
    told = [place for _, place in await read(log_of(1), None, BEFORE)]
    assert told == ["before.1", "before.2", "before.3", "1", "2", "3"]
    joined = [place for _, place in await read(log_of(600), None, None)]
    assert joined == ["0-602.1", "0-602.2", "602"]


async def test_a_death_is_raised_behind_the_last_chunk():
    log = ChunkLog("r")
    log.append(Start())
    log.close(StreamInterrupted("died"))
    pieces = placed_chunks(log)
    assert await anext(pieces) == [(Start(), "1")]
    with pytest.raises(StreamInterrupted, match="died"):
        await anext(pieces)
