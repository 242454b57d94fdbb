from __future__ import annotations

import anyio
import pytest

from chat_transport.transports.ably.policy import OwnerPolicy
from chat_transport.transports.ably.serving import InHand, Serving, not_found

pytestmark = pytest.mark.anyio


def test_whoever_started_a_run_may_answer_it_and_what_was_left_ends() -> None:
    serving = Serving(policy=OwnerPolicy())
    assert (serving.listens, serving.left_runs, serving.past) == (True, "end", None)


async def test_what_is_in_hand_is_counted(anyio_backend: str) -> None:
    in_hand = InHand()
    assert in_hand.is_empty
    in_hand.add()
    in_hand.add()
    in_hand.remove()
    assert not in_hand.is_empty
    with anyio.fail_after(5):
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(in_hand.wait_until_empty)
            in_hand.remove()
    assert in_hand.is_empty


def test_an_input_that_does_not_come_is_named() -> None:
    error = not_found("e1", "ai:chat", 2.5)
    assert (error.status, error.code) == (404, 104010)
    assert "'e1' on channel 'ai:chat' in 2.5 s" in str(error)
