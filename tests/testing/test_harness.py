"""What checks are written with."""

from __future__ import annotations

import pytest

from chat_transport._chunk_log import ChunkLog
from chat_transport.chunks import Finish
from chat_transport.messages import UIMessage
from chat_transport.testing.harness import (
    RequirementFailed,
    Scene,
    collect,
    expect,
    expect_equal,
    fold,
    words,
)
from chat_transport.testing.puppet import Puppet
from chat_transport.testing.reply_grammar import reply_faults


def scene() -> Scene:
    def make_client(user_id: str) -> None:
        raise AssertionError(user_id)

    return Scene(agent=Puppet(), make_client=make_client)  # type: ignore[arg-type]


def test_expectations_say_what_was_seen() -> None:
    expect(bool("x"), "never said")
    expect_equal([1], [1], "never said")
    with pytest.raises(RequirementFailed, match="the sky fell"):
        expect(bool(""), "the sky fell")
    with pytest.raises(RequirementFailed, match="the sum: got 3, wanted 4"):
        expect_equal(3, 4, "the sum")


@pytest.mark.anyio
async def test_a_stream_is_collected_and_folded() -> None:
    log = ChunkLog()
    log.extend(words("a", "b"))
    log.close()
    chunks = await collect(log.stream())
    assert chunks == words("a", "b")
    assert fold(chunks).text == "ab"
    assert fold(words("c"), UIMessage(id="m", role="assistant", parts=[])).id == "m"


def test_words_are_a_step_with_or_without_an_end() -> None:
    assert words("x")[-1] == Finish(finish_reason="stop")
    assert reply_faults(words("x", ends=False), ended=False) == [
        "chunk 0 (start-step): `start` comes first and once"
    ]


def test_every_scene_has_its_own_chat() -> None:
    first, second = scene(), scene()
    assert first.chat_id != second.chat_id
    wish = first.send("hello", before=[UIMessage.user("past", id="u0")])
    assert [message.id for message in wish.messages] == ["u0", "u1"]
    assert (wish.chat_id, wish.trigger) == (first.chat_id, "submit-message")
    asked = first.ask([], trigger="regenerate-message", message_id="m", chat_id="other")
    assert (asked.chat_id, asked.message_id) == ("other", "m")
