"""A response that runs in the background at OpenAI: taken up where its connection broke.

Rule: what was said is never said again, by `sequence_number`; the response is cancelled when its
reader stops, and goes on when this process dies.
Source: platform.openai.com/docs/guides/background, read 2026-11; openai 3.52.0.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, aclosing, suppress
from dataclasses import dataclass
from typing import Any, TypeAlias

import anyio

from chat_transport.chunks import MessageMetadata, UIMessageChunk
from chat_transport.provider_stream import ByteResponse, provider_error_text, stream_step
from chat_transport.step import StepDecoder

__all__ = ["Background", "background_step"]

JSON: TypeAlias = Any  # any JSON value
Open: TypeAlias = Callable[[str, int | None], AbstractAsyncContextManager[ByteResponse]]
"""Opens a stored response after a sequence number; None from its start."""

_ENDS = frozenset({"error", "response.completed", "response.failed", "response.incomplete"})
_TRY_AGAIN = frozenset({408, 409, 429})
"""Refusals that may pass, as the SDK's own retries see them; so may all from 500."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Background:
    """How a background response is held on to.

    Attributes:
        attempts: Times to reconnect without a new event in between; 0 never reconnects.
        delay_s: Seconds before the first of them; each next one waits twice as long.
        longest_delay_s: Seconds that no delay exceeds.
        timeout_s: Seconds without a new event before it is given up, looked at between attempts;
            None never gives up for time.
        cancels: Cancel the response at OpenAI when the reader stops. False leaves it running, for a
            later `resume`.
        cancel_timeout_s: Seconds that the cancelling may take.
    """

    attempts: int = 6
    delay_s: float = 0.5
    longest_delay_s: float = 8.0
    timeout_s: float | None = 120.0
    cancels: bool = True
    cancel_timeout_s: float = 5.0


class _Place(StepDecoder):
    """Where in a response we are: passes on what is new, and keeps failures to itself."""

    def __init__(self, decoder: StepDecoder, response_id: str | None, sequence: int | None) -> None:
        super().__init__()
        self.response_id = response_id
        self.sequence = sequence
        self.is_over = False
        self.is_fresh = False
        self.error: str | None = None
        self.is_final = False
        self._decoder = decoder
        self._is_told = False

    def decode(self, event: JSON) -> list[UIMessageChunk]:
        """Say what one event means, if it is new."""
        number = event.get("sequence_number")
        if number is not None:
            if self.sequence is not None and number <= self.sequence:
                return []
            self.sequence = number
        self.is_fresh = True
        kind = event.get("type")
        self.is_over = self.is_over or kind in _ENDS
        chunks = self._decoder.feed(event)
        if kind == "response.created" and not self._is_told:
            self._is_told = True
            self.response_id = (event.get("response") or {}).get("id")
            # At once, so that another process finds it with what was stored of the message.
            fields = {"responseId": self.response_id, "background": True}
            chunks = [MessageMetadata(message_metadata=fields), *chunks]
        return chunks

    def feed(self, event: JSON) -> list[UIMessageChunk]:
        """As it is: the step is the decoder's to open and to mend."""
        return self.decode(event)

    def describe(self, error: Any) -> str:
        """Note a refusal, and whether asking again can help."""
        status = getattr(error, "status_code", None)
        refused = isinstance(status, int) and status < 500  # HTTP
        self.is_final = refused and status not in _TRY_AGAIN
        return provider_error_text(error)

    def fail(self, text: str) -> list[UIMessageChunk]:
        """Note a failure; whether it is told is known when no attempt is left."""
        self.error = text
        return []

    def end(self) -> list[UIMessageChunk]:
        """Say nothing: the response may go on."""
        return []


async def background_step(
    call: AbstractAsyncContextManager[ByteResponse],
    decoder: StepDecoder,
    *,
    reopen: Open,
    cancel: Callable[[str], Awaitable[object]],
    errors: tuple[type[Exception], ...],
    policy: Background,
    response_id: str | None = None,
    starting_after: int | None = None,
) -> AsyncGenerator[UIMessageChunk, None]:
    """Give the chunks of a background response to its end, over as many connections as it takes.

    Args:
        call: Opens the first connection.
        decoder: Fresh.
        reopen: Opens a further one.
        cancel: Cancels a response at the provider.
        errors: The SDK's exceptions.
        policy: How it is held on to.
        response_id: The response, if it was made before.
        starting_after: The last sequence number seen before.
    """
    place = _Place(decoder, response_id, starting_after)
    is_left = True
    try:
        async with aclosing(_connections(call, place, reopen, errors, policy)) as chunks:
            async for chunk in chunks:
                yield chunk
        is_left = False
    finally:
        if is_left and policy.cancels and place.response_id is not None and not place.is_over:
            with anyio.move_on_after(policy.cancel_timeout_s, shield=True), suppress(*errors):
                await cancel(place.response_id)  # nobody is left to hear that it failed
    if not place.is_over and place.error is not None:
        for chunk in decoder.fail(place.error):
            yield chunk
    for chunk in decoder.end():
        yield chunk


async def _connections(
    call: AbstractAsyncContextManager[ByteResponse],
    place: _Place,
    reopen: Open,
    errors: tuple[type[Exception], ...],
    policy: Background,
) -> AsyncGenerator[UIMessageChunk, None]:
    attempts = 0
    last_event = anyio.current_time()
    while True:
        place.error, place.is_fresh = None, False
        step = stream_step(call, place, errors=errors, describe=place.describe)
        async with aclosing(step) as chunks:
            async for chunk in chunks:
                yield chunk
        if place.is_over or place.response_id is None or place.is_final:
            return
        if place.is_fresh:
            attempts, last_event = 0, anyio.current_time()
        if attempts >= policy.attempts or _is_late(last_event, policy.timeout_s):
            return
        await anyio.sleep(min(policy.delay_s * 2**attempts, policy.longest_delay_s))
        attempts += 1
        call = reopen(place.response_id, place.sequence)


def _is_late(last_event: float, timeout_s: float | None) -> bool:
    return timeout_s is not None and anyio.current_time() - last_event > timeout_s
