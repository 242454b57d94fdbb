"""Requirements: coming back to a reply that is under way."""

from __future__ import annotations

import anyio

from ..chunks import Finish, FinishStep, Start, TextDelta, TextEnd, UIMessageChunk
from ..inputs import Reconnect
from ..transport import ChatTransport, ChunkStream
from ._registry import requires
from .harness import (
    RequirementFailed,
    Scene,
    carried,
    collect,
    expect,
    expect_equal,
    fold,
    shown,
    words,
)
from .reply_grammar import reply_faults

__all__: list[str] = []


@requires(
    "resume-when-idle",
    "Without an active run there is nothing to resume: None.",
    needs=("resumes",),
)
async def _resume_when_idle(scene: Scene) -> None:
    async with scene.client() as transport:
        async with transport.reconnect_to_stream(Reconnect(chat_id=scene.chat_id)) as stream:
            expect(stream is None, "a new chat has a stream")
        async with transport.send_messages(scene.send()) as sent:
            line = await scene.agent.line()
            line.finish(*words("done"))
            await collect(sent)
        await scene.agent.end(line.run.run_id)
        async with transport.reconnect_to_stream(Reconnect(chat_id=scene.chat_id)) as stream:
            expect(stream is None, "an ended reply has a stream")


@requires(
    "resume-at-every-point",
    "A late joiner builds the same message, wherever it joins.",
    needs=("resumes",),
)
async def _resume_at_every_point(scene: Scene) -> None:
    said = words("a", "b", "c", "d")
    async with scene.client() as transport, scene.client() as late:
        drops = transport.capabilities.drops
        async with transport.send_messages(scene.send()) as stream:
            line = await scene.agent.line()
            whole: list[UIMessageChunk] = []
            joined: list[str] = []
            for number, chunk in enumerate(said[:-1]):
                line.say(chunk)
                while not whole or not _has_said(whole, carried(said[: number + 1], drops)):
                    whole.append(await anext(stream))
                async with late.reconnect_to_stream(Reconnect(chat_id=scene.chat_id)) as again:
                    first = await anext(_resumed(again))
                    expect(isinstance(first, Start), f"the resumed stream starts with {first!r}")
                    joined.append(await _text_up_to(_resumed(again), first, fold(whole).text))
            line.finish(said[-1])
            whole.extend(await collect(stream))
    expect_equal(fold(whole).text, "abcd", "the text")
    expect_equal(joined[-1], "abcd", "what the last joiner saw")


def _resumed(stream: ChunkStream | None) -> ChunkStream:
    if stream is None:
        raise RequirementFailed("a run is under way, and there is nothing to resume")
    return stream


def _has_said(seen: list[UIMessageChunk], said: list[UIMessageChunk]) -> bool:
    """Whether `seen` is as far as `said`; wires may join deltas and need not send steps."""
    is_visible = [chunk for chunk in said if chunk.type not in {"start-step", "finish-step"}]
    kinds = {chunk.type for chunk in seen}
    text = "".join(chunk.delta for chunk in said if isinstance(chunk, TextDelta))
    got = "".join(chunk.delta for chunk in seen if isinstance(chunk, TextDelta))
    return got == text and all(chunk.type in kinds for chunk in is_visible)


async def _text_up_to(stream: ChunkStream, first: UIMessageChunk, text: str) -> str:
    chunks = [first]
    while len(fold(chunks).text) < len(text):
        chunks.append(await anext(stream))
    expect_equal(fold(chunks).text, text, "the text of the resumed stream")
    return text


@requires("resume-then-live", "A resumed stream goes on live to the end.", needs=("resumes",))
async def _resume_then_live(scene: Scene) -> None:
    async with scene.client() as transport, scene.client() as late:
        async with transport.send_messages(scene.send()) as stream:
            line = await scene.agent.line()
            line.say(*words("one ", "two ", ends=False))
            seen = ""
            while seen != "one two ":
                chunk = await anext(stream)
                seen += chunk.delta if isinstance(chunk, TextDelta) else ""
            async with late.reconnect_to_stream(Reconnect(chat_id=scene.chat_id)) as again:
                line.finish(
                    TextDelta(id="t", delta="three"),
                    TextEnd(id="t"),
                    FinishStep(),
                    Finish(finish_reason="stop"),
                )
                chunks = await collect(_resumed(again))
    expect_equal(reply_faults(chunks), [], "the grammar of the resumed reply")
    expect_equal(fold(chunks).text, "one two three", "the text")
    end = await scene.agent.end(line.run.run_id)
    drops = transport.capabilities.drops
    wanted = shown(end.response_message, drops)
    expect_equal(shown(fold(chunks), drops), wanted, "the message")


@requires("resume-is-short", "What was said before comes in few chunks.", needs=("resumes",))
async def _resume_is_short(scene: Scene) -> None:
    pieces = [f"{number} " for number in range(500)]
    text = "".join(pieces)
    async with scene.client() as transport, scene.client() as late:
        async with transport.send_messages(scene.send()) as stream:
            line = await scene.agent.line()
            line.say(*words(*pieces, ends=False))
            seen = ""
            while seen != text:
                chunk = await anext(stream)
                seen += chunk.delta if isinstance(chunk, TextDelta) else ""
            async with late.reconnect_to_stream(Reconnect(chat_id=scene.chat_id)) as again:
                line.finish(*words("", part_id="u"))
                chunks = await collect(_resumed(again))
    deltas = [chunk for chunk in chunks if isinstance(chunk, TextDelta)]
    expect(fold(chunks).text.startswith(text), "the text is not whole")
    expect(len(deltas) <= 10, f"500 deltas came again in {len(deltas)} chunks")


@requires("resume-after-leaving", "Who left in mid-reply can come back.", needs=("resumes",))
async def _resume_after_leaving(scene: Scene) -> None:
    async with scene.client() as transport:
        async with transport.send_messages(scene.send()) as stream:
            line = await scene.agent.line()
            line.say(*words("before ", ends=False))
            while not isinstance(await anext(stream), TextDelta):
                pass
        async with transport.reconnect_to_stream(Reconnect(chat_id=scene.chat_id)) as again:
            line.finish(TextDelta(id="t", delta="after"))
            chunks = await collect(_resumed(again))
    expect_equal(fold(chunks).text, "before after", "the text")


@requires("resume-by-many", "Several late joiners follow one reply.", needs=("resumes",))
async def _resume_by_many(scene: Scene) -> None:
    texts: list[str] = []
    joined = anyio.Event()

    async def follow(transport: ChatTransport) -> None:
        async with transport.reconnect_to_stream(Reconnect(chat_id=scene.chat_id)) as stream:
            chunks: list[UIMessageChunk] = []
            async for chunk in _resumed(stream):
                chunks.append(chunk)
                if fold(chunks).text.startswith("one "):
                    texts.append("")
                    break
            if len(texts) == 3:
                joined.set()
            chunks += await collect(_resumed(stream))
            texts.append(fold(chunks).text)

    async with scene.client() as transport, scene.client("bob") as bob:
        async with transport.send_messages(scene.send()) as stream:
            line = await scene.agent.line()
            line.say(*words("one ", ends=False))
            while not isinstance(await anext(stream), TextDelta):
                pass
            async with anyio.create_task_group() as tasks:
                for client in (transport, bob, bob):
                    tasks.start_soon(follow, client)
                await joined.wait()
                line.finish(TextDelta(id="t", delta="two"))
            chunks = await collect(stream)
    expect_equal(texts[3:], ["one two"] * 3, "the texts")
    expect(isinstance(chunks[-1], Finish), f"the first stream ends with {chunks[-1]!r}")
