"""The SDK's noise: unread futures, and secrets in its log."""

from __future__ import annotations

import asyncio
import logging

import anyio
import pytest
from ably.util.eventemitter import EventEmitter

from chat_transport.transports.ably.sdk_noise import forget_late_news, hide_secrets, hush

pytestmark = pytest.mark.anyio


class Pending:
    def __init__(self) -> None:
        self.future: asyncio.Future[None] = asyncio.get_running_loop().create_future()


async def test_the_future_behind_a_failed_send_is_read() -> None:
    left: list[Pending] = []

    async def send() -> None:
        pending_message = Pending()
        left.append(pending_message)
        raise OSError("dead")

    for outcome in ("error", "cancel"):
        try:
            await send()
        except OSError as error:
            hush(error)
        (pending,) = left
        if outcome == "error":
            pending.future.set_exception(OSError("later"))
        else:
            pending.future.cancel()
        left.clear()
        del pending
        await asyncio.sleep(0)  # an unread future would end the test here


def test_keys_and_tokens_are_masked(caplog: pytest.LogCaptureFixture) -> None:
    hide_secrets()
    hide_secrets()
    logger = logging.getLogger("ably.transport.websockettransport")
    with caplog.at_level(logging.INFO):
        logger.info("connect(): ws://h/?key=app.key:secret&accessToken=a.b.c&v=5 access_token=d")
    assert caplog.messages == ["connect(): ws://h/?key=***&accessToken=***&v=5 access_token=***"]
    assert len([f for f in logger.filters if type(f).__name__ == "_HideSecrets"]) == 1


async def test_a_waiter_that_gave_up_leaves_no_error_in_the_log(
    caplog: pytest.LogCaptureFixture,
) -> None:
    forget_late_news()
    forget_late_news()
    emitter = EventEmitter()
    with anyio.move_on_after(0):
        await emitter.once_async("attached")
    emitter._emit("attached", "news")
    assert caplog.messages == []

    def fail(_news: str) -> None:
        raise ValueError("a listener's own trouble")

    emitter.once("attached", fail)
    emitter._emit("attached", "news")
    assert len(caplog.messages) == 1
    assert "a listener's own trouble" in caplog.messages[0]
