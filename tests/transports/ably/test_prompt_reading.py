"""What a run works on; over a real channel in tests/contract/test_ably_own_store.py."""

from __future__ import annotations

from typing import Any

import pytest

from chat_transport.inputs import Trigger
from chat_transport.messages import UIMessage
from chat_transport.transports.ably.prompt_reading import read_prompt
from chat_transport.transports.ably.wire import RunRef, RunTask

pytestmark = pytest.mark.anyio


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


def said(names: str) -> list[UIMessage]:
    return [UIMessage.user(name, id=name) for name in names]


def task_of(message_id: str | None, trigger: Trigger = "submit-message") -> RunTask:
    ref = RunRef(run_id="r", input_id="m", message_id=message_id)
    return RunTask(ref=ref, trigger=trigger, owner=None, continues=True, token=None)


class Wire:
    """A channel of one message each page, newest first; `begin` is where its history begins."""

    def __init__(self, names: str, begin: int = 0) -> None:
        self.names, self.begin = names, begin
        self.read = 1

    def prompt(self, _task: object) -> list[UIMessage]:
        return said(self.names[-self.read :])

    def needs_older(self, _task: object) -> bool:
        return self.read < len(self.names)

    async def load_older(self) -> bool:
        if self.read >= len(self.names) - self.begin:
            return False
        self.read += 1
        return True


@pytest.mark.parametrize(
    ("own", "begin", "pages", "prompt", "read"),
    [
        ("", 0, 20, "abcde", 5),
        ("", 0, 2, "cde", 3),
        ("", 3, 20, "de", 2),
        ("xabc", 0, 20, "xabcde", 3),
        ("abcde", 0, 20, "abcde", 1),
        ("abcz", 0, 20, "abcde", 3),
        ("xy", 3, 20, "xyde", 2),
    ],
)
async def test_the_channel_is_read_back_to_the_store_and_no_further(
    own: str, begin: int, pages: int, prompt: str, read: int
) -> None:
    wire: Any = Wire("abcde", begin)
    task = task_of(None)
    found = await read_prompt(wire, task, wire.load_older, pages=pages, own=said(own))
    assert "".join(message.text for message in found) == prompt
    assert wire.read == read


@pytest.mark.parametrize(
    ("message_id", "trigger", "order"),
    [
        ("b", "submit-message", "acdb"),
        ("d", "submit-message", "abcd"),
        ("a", "submit-message", "abcd"),  # a user's message is not gone on with
        ("b", "regenerate-message", "abcd"),
        (None, "submit-message", "abcd"),
    ],
)
async def test_what_the_run_goes_on_with_comes_last(
    message_id: str | None, trigger: Trigger, order: str
) -> None:
    class Steered(Wire):
        def prompt(self, _task: object) -> list[UIMessage]:
            said_by = {"b": "assistant", "d": "assistant"}
            return [
                message.model_copy(update={"role": said_by.get(message.id, "user")})
                for message in said("abcd")
            ]

    wire: Any = Steered("a")
    found = await read_prompt(wire, task_of(message_id, trigger), wire.load_older, pages=1)
    assert "".join(message.id for message in found) == order
