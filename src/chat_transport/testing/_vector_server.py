"""The check of group `server`: a script writes, merges, waits and fails; the stream is compared.

Rule: where a script merges, chunks of different sources may interleave in any way; each source
keeps its order.
Source: recordings of `createUIMessageStream`, ai 7.0.173.
"""

from __future__ import annotations

import json
from collections.abc import AsyncIterator

import anyio
import anyio.lowlevel

from ..agent.message_stream import MessageStream, StreamEnd, StreamStepEnd
from ..agent.reply_writer import ReplyWriter
from ..chunks import UIMessageChunk
from ..codecs.ui_stream import chunk_to_wire
from ..errors import RemoteProtocolError
from ..messages import UIMessage
from ._vector_tools import JSON, Case, build_chunk, expect, expect_error

__all__ = ["check_server"]


class _ScriptFailed(Exception):
    """What a script throws."""


def check_server(case: Case) -> None:
    """Play the script and read the stream."""
    play = _Play(case)
    anyio.run(play.run)
    merges = any("merge" in action for action in case["script"])
    if merges:
        for source in _sources(case["script"]):
            found = [chunk for chunk in play.chunks if chunk["type"] in source]
            wanted = [chunk for chunk in case["chunks"] if chunk["type"] in source]
            expect("chunks of one source", found, wanted)
        play.chunks.sort(key=_key)
        expect("chunks", play.chunks, sorted(case["chunks"], key=_key))
    else:
        expect("chunks", play.chunks, case["chunks"])
    expect("events", _loose(play.events, merges=merges), _loose(case["events"], merges=merges))
    expect_error(play.error, case["error"])


class _Play:
    """One run of a script."""

    def __init__(self, case: Case) -> None:
        self.case = case
        self.chunks: list[Case] = []
        self.events: list[Case] = []
        self.error: Exception | None = None
        self._made = 0

    async def run(self) -> None:
        options = self.case["options"]
        originals = self.case["original_messages"]
        known = [UIMessage.model_validate(message) for message in originals or ()]
        stream = MessageStream(
            self._execute,
            original_messages=known,
            on_error=self._masked if options["on_error"] == "default" else self._prefixed,
            on_step_end=self._on_step_end if options["step_callback"] else None,
            on_end=self._on_end if options["has_end_callback"] else None,
            new_id=self._new_id,
            ordered=False,
        )
        with anyio.fail_after(10):
            async with stream as chunks:
                try:
                    async for chunk in chunks:
                        self.chunks.append(chunk_to_wire(chunk))
                        if len(self.chunks) == options["cancel_after"]:
                            break
                except RemoteProtocolError as error:
                    self.error = error

    async def _execute(self, writer: ReplyWriter) -> None:
        for action in self.case["script"]:
            if "write" in action:
                writer.write(build_chunk(action["write"]))
            elif "merge" in action:
                writer.merge(_play_source(action["merge"]))
            elif "wait" in action:
                await _turns(action["wait"])
            elif "outcome" in action:
                writer.set_outcome(action["outcome"])
            elif "throw" in action:
                raise _ScriptFailed(action["throw"])

    def _new_id(self) -> str:
        self._made += 1
        return f"srv-{self._made - 1}"

    def _masked(self, _error: Exception) -> str:
        return "An error occurred."

    def _prefixed(self, error: Exception) -> str:
        self.events.append({"on_error": str(error)})
        return f"E: {error}"

    def _on_step_end(self, end: StreamStepEnd) -> None:
        self.events.append({"on_step_end": _told(end)})
        if self.case["options"]["step_callback"] == "throw":
            raise _ScriptFailed("step callback")

    def _on_end(self, end: StreamEnd) -> None:
        told = _told(end)
        told["isAborted"] = end.is_aborted
        told["isCancelled"] = end.is_cancelled
        told["outcome"] = {"status": end.outcome}
        told["finishReason"] = end.finish_reason
        self.events.append({"on_end": told})


async def _turns(count: int) -> None:
    for _ in range(count):
        await anyio.lowlevel.checkpoint()


async def _play_source(items: list[Case]) -> AsyncIterator[UIMessageChunk]:
    for item in items:
        if "$throw" in item:
            raise _ScriptFailed(item["$throw"])
        if "$wait" in item:
            await _turns(item["$wait"])
        else:
            yield build_chunk(item)


def _told(end: StreamStepEnd) -> Case:
    return {
        "isContinuation": end.is_continuation,
        "responseMessage": end.response_message.to_wire(),
        "message_ids": [message.id for message in end.messages],
    }


def _sources(script: list[Case]) -> list[set[str]]:
    """Give the chunk types of each source that shares none with another: what tells it apart."""
    written = {action["write"]["type"] for action in script if "write" in action}
    merged = [
        {item["type"] for item in action["merge"] if "type" in item}
        for action in script
        if "merge" in action
    ]
    sources = [written, *merged]
    return [one for one in sources if not any(one & other for other in sources if other is not one)]


def _loose(events: list[Case], *, merges: bool) -> list[JSON]:
    if not merges:
        return list(events)
    return [_sorted_parts(event) for event in events]


def _sorted_parts(value: JSON) -> JSON:
    if isinstance(value, dict):
        return {
            key: sorted(item, key=_key) if key == "parts" else _sorted_parts(item)
            for key, item in value.items()
        }
    return value


def _key(value: JSON) -> str:
    return json.dumps(value, sort_keys=True)
