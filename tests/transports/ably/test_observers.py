"""What observers are told, and what they are not."""

from __future__ import annotations

import contextlib
from typing import Any

import anyio
import pytest

from chat_transport.chunks import Finish, Start
from chat_transport.messages import UIMessage
from chat_transport.transport import MessageSeen, MessagesReplaced, RunSeen
from chat_transport.transports.ably.observers import Observers
from chat_transport.transports.ably.reply_reader import ReplyReaders
from chat_transport.transports.ably.wire import Heard, RunRef

pytestmark = pytest.mark.anyio

REF = RunRef(run_id="r1", input_id="m1")
USER = UIMessage.user("hello", id="u1")


class Wire:
    def messages(self) -> list[UIMessage]:
        return [USER]


class Watched:
    """Observers, one of whom listens."""

    def __init__(self, *own: str) -> None:
        self.readers = ReplyReaders()
        self.anew = 0
        self.observers = Observers(Wire(), self.readers, own, self._tell_anew)  # type: ignore[arg-type]  # a fake

    def _tell_anew(self) -> None:
        self.anew += 1

    async def told(self, *heard: Heard, **how: Any) -> list[Any]:
        """Give what the observer gets of this."""
        how = {"goes_on": False, "is_read": False} | how
        end = MessagesReplaced(messages=())
        seen: list[Any] = []
        async with self.observers.observing() as changes:
            assert self.observers
            for each in heard:
                self.observers.hear(each, **how)
            await anyio.lowlevel.checkpoint()
            self.observers.tell(end)
            with contextlib.suppress(StopAsyncIteration), anyio.fail_after(5):
                while (change := await anext(changes)) is not end:
                    seen.append(change)
        assert not self.observers
        return seen


async def test_a_message_and_a_run_of_others_are_told() -> None:
    watched = Watched()
    asked = Heard(ref=REF, event="input", message=USER, after_id="a0")
    begun = Heard(ref=REF, event="run-start", chunks=[Start(), Finish()])
    run, message = await watched.told(asked, begun)
    assert message == MessageSeen(message=USER, after_id="a0", run_id="r1")
    assert isinstance(run, RunSeen)
    assert [chunk.type async for chunk in run.chunks] == ["start", "finish"]
    assert not watched.readers.reads("m1")


async def test_what_was_asked_here_is_not_told_but_a_pass_after_its_end_is() -> None:
    watched = Watched("m1")
    begun = Heard(ref=REF, event="run-start")
    assert await watched.told(begun, Heard(ref=RunRef(run_id="r", input_id=None))) == []
    (seen,) = await watched.told(Heard(ref=REF, chunks=[Start()]), goes_on=True)
    assert seen.run_id == "r1"
    (again,) = await watched.told(Heard(ref=REF, event="run-resume"))
    assert again.run_id == "r1"
    assert await watched.told(Heard(ref=REF, event="run-resume"), is_read=True) == []


async def test_what_is_edited_or_replaced_unread_is_told_anew_as_a_whole() -> None:
    watched = Watched()
    edit = Heard(ref=REF, event="input", message=USER, is_edit=True)
    assert await watched.told(edit, Heard(ref=REF, is_replaced=True)) == []
    assert watched.anew == 2
    watched.readers.add("m1")  # whoever reads it takes it back by itself
    assert await watched.told(Heard(ref=REF, is_replaced=True)) == []
    assert watched.anew == 2
