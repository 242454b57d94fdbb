"""Whether a reader who leaves, or is cancelled, closes the connection to the provider: at once.

Rule: seen from the provider's side, by a local server behind the real client; a stop that the
provider does not see is paid for to the last token. For authors of adapters and of bridges.
"""

from __future__ import annotations

import json
from collections.abc import AsyncGenerator, AsyncIterable, Iterator
from contextlib import aclosing
from typing import Literal, TypeAlias, cast

import anyio

from ..chunks import ReasoningDelta, TextDelta, ToolInputDelta, UIMessageChunk
from ..messages import UIMessage
from .replay import Recipe, Recording, ReplayServer, replay_server

__all__ = ["CLOSED_WITHIN_S", "Way", "leave", "leave_faults", "shows_leaving"]

Way: TypeAlias = Literal["leave", "cancel"]
"""Leaving the block that reads, or a cancelled task."""

CLOSED_WITHIN_S = 0.1
"""Seconds from leaving to the closed socket."""

PATIENCE_S = 20.0
"""Seconds to wait for the first delta and for the close; a framework may be slow to start."""

DELTAS = (TextDelta, ReasoningDelta, ToolInputDelta)


async def leave(
    server: ReplayServer, chunks: AsyncIterable[UIMessageChunk], *, by: Way = "leave"
) -> float:
    """Read to the first delta, leave, and give the seconds until the server saw its socket closed.

    Args:
        server: Its answer says nothing more after that delta (`Answer(hang_after=...)`).
        chunks: What an adapter's `stream`, or a handler, has given; not yet begun.
        by: How the reader goes.

    Raises:
        TimeoutError: If no delta comes, or the connection stays open.
    """
    left_at: list[float] = []
    stream = cast("AsyncGenerator[UIMessageChunk, None]", chunks)  # adapters give generators

    async def read() -> None:
        async with aclosing(stream):
            async for chunk in stream:
                if isinstance(chunk, DELTAS):
                    left_at.append(anyio.current_time())
                    if by == "leave":
                        return
                    tasks.cancel_scope.cancel()
                    await anyio.sleep_forever()

    with anyio.fail_after(PATIENCE_S):
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(read)
        if not left_at:
            raise TimeoutError("the stream ended before its first delta")
        if not server.requests:
            raise TimeoutError("the server was never asked")
        request = server.requests[-1]
        await request.left.wait()
    assert request.left_at is not None
    return request.left_at - left_at[0]


async def leave_faults(recipe: Recipe, recording: Recording) -> list[str]:
    """Leave a recording in both ways through the real client; empty if each closed at once."""
    faults: list[str] = []
    said = _events_to_first_delta(recipe, recording)
    if said is None:
        return [f"{recording.name}: no delta before the last event, so nobody can leave"]
    for by in ("leave", "cancel"):
        async with replay_server(recipe.answer(recording, hang_after=said)) as server:
            adapter = recipe.adapter(server.url, recording)
            chunks = adapter.stream([UIMessage.user("Hi", id="u")], tools=recipe.tools(recording))
            try:
                took = await leave(server, chunks, by=by)
            except TimeoutError as error:
                faults.append(f"{recording.name}, {by}: the connection stayed open; {error}")
            else:
                if took > CLOSED_WITHIN_S:
                    faults.append(f"{recording.name}, {by}: closed after {took:.3f} s")
            finally:
                await adapter.aclose()
    return faults


def shows_leaving(recipe: Recipe, recording: Recording) -> bool:
    """Whether the recording says something before its last event, so that a reader can leave."""
    return _events_to_first_delta(recipe, recording) is not None


def _events_to_first_delta(recipe: Recipe, recording: Recording) -> int | None:
    said = _chunks_of_events(recipe, recording)
    return next((number for number, chunk in said if isinstance(chunk, DELTAS)), None)


def _chunks_of_events(recipe: Recipe, recording: Recording) -> Iterator[tuple[int, UIMessageChunk]]:
    decoder = recipe.decoder(recording)
    for number, event in enumerate(recording.events[:-1], start=1):
        for chunk in decoder.feed(json.loads(event)):
            yield number, chunk
