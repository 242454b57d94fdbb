"""What can be closed is closed."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from chat_transport.agent._closing import closing_stream

pytestmark = pytest.mark.anyio


async def test_a_generator_is_closed_at_the_end_of_the_block() -> None:
    seen: list[str] = []

    async def numbers() -> AsyncIterator[int]:
        try:
            yield 1
            yield 2
        finally:
            seen.append("closed")

    stream = numbers()
    async with closing_stream(stream) as given:
        assert await anext(given) == 1
        assert seen == []
    assert seen == ["closed"]


async def test_an_iterator_that_cannot_be_closed_is_given_as_it_is() -> None:
    plain = object()
    async with closing_stream(plain) as given:
        assert given is plain
