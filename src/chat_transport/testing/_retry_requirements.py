"""Requirements: a step that is tried again shows its winning attempt alone."""

from __future__ import annotations

from ..chunks import Finish, StartStep, TextDelta, TextStart, UIMessageChunk
from ..inputs import Reconnect
from ..messages import UIMessage
from ..transport import ChunkStream, MessagesReplaced, RunSeen
from ._registry import requires
from .harness import Scene, collect, expect, expect_equal, fold, words
from .puppet import Line
from .reply_grammar import reply_faults

__all__: list[str] = []

_HALF = [StartStep(), TextStart(id="t"), TextDelta(id="t", delta="half a word")]
_WHOLE = words("the whole", part_id="u")[:-1]


async def _until_text(stream: ChunkStream, text: str) -> list[UIMessageChunk]:
    chunks: list[UIMessageChunk] = []
    while text not in fold(chunks).text:
        chunks.append(await anext(stream))
    return chunks


def _second_try(line: Line) -> None:
    line.attempt("answer", *_WHOLE)
    line.finish(Finish(finish_reason="stop"))


async def _expect_winner(scene: Scene, chunks: list[UIMessageChunk], line: Line) -> UIMessage:
    expect_equal(reply_faults(chunks), [], "the grammar of the reply")
    end = await scene.agent.end(line.run.run_id)
    expect_equal(end.response_message.text, "the whole", "the text that the agent kept")
    expect_equal(fold(chunks).to_wire(), end.response_message.to_wire(), "the message")
    return end.response_message


@requires(
    "retry-takes-back",
    "What a failed attempt of a step said disappears when the step is tried again.",
    carries=("reset-step",),
)
async def _retry_takes_back(scene: Scene) -> None:
    async with scene.client() as transport:
        async with transport.send_messages(scene.send()) as stream:
            line = await scene.agent.line()
            line.attempt("answer", *_HALF, fails=True)
            chunks = await _until_text(stream, "half a word")
            _second_try(line)
            chunks += await collect(stream)
        message = await _expect_winner(scene, chunks, line)
        if transport.capabilities.history:
            history = await transport.load_history(scene.chat_id)
            expect_equal(history.messages[-1].text, message.text, "the text in history")


@requires(
    "retry-of-several-calls",
    "An attempt that made several model calls is taken back whole, and nothing before it.",
    carries=("reset-step",),
)
async def _retry_of_several_calls(scene: Scene) -> None:
    async with scene.client() as transport, transport.send_messages(scene.send()) as stream:
        line = await scene.agent.line()
        line.attempt("plan", *words("the plan: ", part_id="p")[:-1])
        line.attempt("answer", *words("one", part_id="o")[:-1], *_HALF, fails=True)
        chunks = await _until_text(stream, "half a word")
        line.attempt("answer", *words("one ", part_id="o")[:-1], *_WHOLE)
        line.finish(Finish(finish_reason="stop"))
        chunks += await collect(stream)
    expect_equal(reply_faults(chunks), [], "the grammar of the reply")
    end = await scene.agent.end(line.run.run_id)
    expect_equal(fold(chunks).text, "the plan: one the whole", "the text")
    expect_equal(fold(chunks).to_wire(), end.response_message.to_wire(), "the message")


@requires(
    "retry-for-late-joiners",
    "Who joins after a retry, in the middle of it, is told the winning attempt.",
    needs=("resumes",),
    carries=("reset-step",),
)
async def _retry_for_late_joiners(scene: Scene) -> None:
    async with scene.client() as transport, scene.client() as late:
        async with transport.send_messages(scene.send()) as stream:
            line = await scene.agent.line()
            line.attempt("answer", *_HALF, fails=True)
            chunks = await _until_text(stream, "half a word")
            async with late.reconnect_to_stream(Reconnect(chat_id=scene.chat_id)) as before:
                assert before is not None
                joined = await _until_text(before, "half a word")
                line.attempt("answer", *_WHOLE)
                chunks += await _until_shown(stream, chunks)
                again = late.reconnect_to_stream(Reconnect(chat_id=scene.chat_id))
                async with again as after:
                    assert after is not None
                    line.finish(Finish(finish_reason="stop"))
                    newer = await collect(after)
                joined += await collect(before)
            chunks += await collect(stream)
    for seen in (chunks, joined, newer):
        await _expect_winner(scene, seen, line)
    said = "".join(chunk.delta for chunk in newer if isinstance(chunk, TextDelta))
    expect_equal(said, "the whole", "what was said to who joined after the retry")


async def _until_shown(stream: ChunkStream, before: list[UIMessageChunk]) -> list[UIMessageChunk]:
    chunks: list[UIMessageChunk] = []
    while fold([*before, *chunks]).text != "the whole":
        chunks.append(await anext(stream))
    return chunks


@requires(
    "retry-is-observed",
    "Another client that watches the reply sees the winning attempt alone.",
    needs=("observes",),
    carries=("reset-step",),
)
async def _retry_is_observed(scene: Scene) -> None:
    async with scene.client() as transport, scene.client("bob") as bob:
        async with bob.observe(scene.chat_id) as changes:
            async with transport.send_messages(scene.send()) as stream:
                line = await scene.agent.line()
                line.attempt("answer", *_HALF, fails=True)
                await _until_text(stream, "half a word")
                _second_try(line)
                await collect(stream)
            async for change in changes:
                expect(not isinstance(change, MessagesReplaced), "the chat had to be read anew")
                if isinstance(change, RunSeen):
                    await _expect_winner(scene, await collect(change.chunks), line)
                    return
