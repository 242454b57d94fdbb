"""What the interface itself does: joining an own copy of a chat with what a transport remembers."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractAsyncContextManager
from typing import Any, Self

import pytest

from chat_transport.errors import NotSupported
from chat_transport.inputs import Reconnect, SendMessages
from chat_transport.messages import UIMessage
from chat_transport.transport import (
    CATCH_UP_PAGES,
    Capabilities,
    ChatTransport,
    ChunkStream,
    History,
)

pytestmark = pytest.mark.anyio


def said(names: str, **fields: Any) -> list[UIMessage]:
    return [UIMessage.user(name, id=name).model_copy(update=fields) for name in names]


def shown(history: Sequence[UIMessage] | None) -> str | None:
    return None if history is None else "".join(message.text for message in history)


@pytest.mark.parametrize(
    ("own", "page", "joined"),
    [
        ("abc", "cde", "abcde"),
        ("abc", "abcde", "abcde"),
        ("abc", "abc", "abc"),
        ("abcx", "cde", "abcde"),  # x gave way to what the page has
        ("abc", "acde", "abcde"),  # the newest in common
        ("abc", "xyz", None),
        ("", "abc", None),
        ("abc", "", None),
    ],
)
def test_a_copy_and_a_page_are_joined_at_the_newest_message_of_both(
    own: str, page: str, joined: str | None
) -> None:
    assert shown(History(messages=said(page)).joined_to(said(own))) == joined


def test_the_page_says_what_the_common_message_is_and_the_copy_its_metadata() -> None:
    own = said("a", metadata={"mine": 1})
    newer = [UIMessage.user("a, longer", id="a")]
    (joined,) = History(messages=newer).joined_to(own) or ()
    assert (joined.text, joined.metadata) == ("a, longer", {"mine": 1})
    (joined,) = History(messages=said("a", metadata={"its": 2})).joined_to(own) or ()
    assert joined.metadata == {"its": 2}


def test_the_oldest_message_of_a_page_may_be_half_read() -> None:
    halves = [UIMessage.user("hal", id="a"), *said("b")]
    joined = History(messages=halves, has_older=True).joined_to(said("a"))
    assert shown(joined) == "ab"


class Paged(ChatTransport):
    """Remembers messages, in pages of two."""

    capabilities = Capabilities(history=True)

    def __init__(self, names: str, *, endless: bool = False) -> None:
        self.names = names
        self.reads = 0
        self._endless = endless

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *error: object) -> None:
        pass

    def send_messages(self, request: SendMessages) -> AbstractAsyncContextManager[ChunkStream]:
        raise NotImplementedError

    def reconnect_to_stream(
        self, request: Reconnect
    ) -> AbstractAsyncContextManager[ChunkStream | None]:
        raise NotImplementedError

    async def load_history(
        self, chat_id: str, *, limit: int = 100, before: str | None = None
    ) -> History:
        self.reads += 1
        end = len(self.names) if before is None else int(before)
        start = max(0, end - 2)
        return History(
            messages=said(self.names[start:end]),
            active_run_id="r" if before is None else None,
            has_older=self._endless or start > 0,
            cursor=str(start),
        )


@pytest.mark.parametrize(
    ("own", "found", "reads"),
    [("abcd", "abcdef", 2), ("abcde", "abcdef", 1), ("a", "abcdef", 3), ("xy", "xyabcdef", 3)],
)
async def test_it_reads_back_to_the_copy_and_no_further(own: str, found: str, reads: int) -> None:
    transport = Paged("abcdef")
    history = await transport.catch_up("c", said(own))
    assert shown(history.messages) == found
    assert history.active_run_id == "r"
    assert not history.has_older
    assert transport.reads == reads


async def test_without_a_copy_it_is_the_newest_page() -> None:
    transport = Paged("abcdef")
    history = await transport.catch_up("c", [])
    assert shown(history.messages) == "ef"
    assert (history.has_older, history.active_run_id) == (True, "r")
    assert transport.reads == 1


async def test_it_gives_up_in_the_end_and_says_that_something_may_lie_between() -> None:
    transport = Paged("abc", endless=True)
    history = await transport.catch_up("c", said("x"))
    assert history.has_older
    assert transport.reads == CATCH_UP_PAGES + 1


async def test_without_history_there_is_nothing_to_catch_up_with() -> None:
    class Forgetful(Paged):
        load_history = ChatTransport.load_history

    with pytest.raises(NotSupported):
        await Forgetful("a").catch_up("c", said("a"))
