from __future__ import annotations

import json
from collections.abc import AsyncGenerator
from pathlib import Path

import anyio
import pytest

from chat_transport.agent.message_stream import MessageStream, StreamEnd, StreamStepEnd
from chat_transport.agent.reply_writer import ReplyWriter
from chat_transport.agent.run import Run, RunRequest
from chat_transport.agent.runtime import Agent
from chat_transport.chunks import (
    Abort,
    Error,
    Finish,
    FinishStep,
    MessageMetadata,
    Start,
    StartStep,
    TextDelta,
    TextEnd,
    TextStart,
    UIMessageChunk,
)
from chat_transport.errors import RemoteProtocolError
from chat_transport.messages import TextPart, UIMessage
from chat_transport.testing.vectors import run_case

pytestmark = pytest.mark.anyio


async def read(stream: MessageStream) -> list[UIMessageChunk]:
    with anyio.fail_after(5):
        async with stream as chunks:
            return [chunk async for chunk in chunks]


async def said(*chunks: UIMessageChunk) -> AsyncGenerator[UIMessageChunk, None]:
    for chunk in chunks:
        await anyio.lowlevel.checkpoint()
        yield chunk


def text(block: str, delta: str) -> tuple[UIMessageChunk, ...]:
    return TextStart(id=block), TextDelta(id=block, delta=delta), TextEnd(id=block)


def test_recorded_scripts_play_as_in_ai_sdk(ui_vectors: Path):
    cases = json.loads((ui_vectors / "server.json").read_text())
    assert {case["name"]: problem for case in cases if (problem := run_case("server", case))} == {}


async def test_what_is_written_comes_out_framed():
    async def execute(writer: ReplyWriter) -> None:
        writer.text("hi")

    assert await read(MessageStream(execute, new_id=lambda: "m")) == [
        Start(message_id="m"), *text("block-1", "hi"), Finish(),
    ]  # fmt: skip


async def test_merged_streams_keep_their_ids_apart_and_do_not_end_the_reply():
    async def execute(writer: ReplyWriter) -> None:
        for word in ("one", "two"):
            own = (
                Start(message_id=word, message_metadata={word: 1}),
                *text("0", word),
                Finish(finish_reason="stop", message_metadata={word: 2}),
            )
            writer.merge(said(*own))
        await anyio.lowlevel.checkpoint()
        writer.text("three")

    ended: list[StreamEnd] = []
    chunks = await read(MessageStream(execute, new_id=lambda: "m", on_end=ended.append))
    assert [type(chunk) for chunk in chunks].count(Finish) == 1
    assert chunks[-1] == Finish(finish_reason="stop")
    assert sorted(chunk.id for chunk in chunks if isinstance(chunk, TextStart)) == [
        "0",
        "0~2",
        "block-1",
    ]
    message = ended[0].response_message
    assert sorted(part.text for part in message.parts if isinstance(part, TextPart)) == [
        "one",
        "three",
        "two",
    ]
    assert message.metadata == {"one": 2, "two": 2}
    assert message.id == "m"


async def test_an_error_hides_its_words_and_ends_the_reply():
    async def execute(writer: ReplyWriter) -> None:
        with writer.step():
            writer.write(TextStart(id="t"))
            raise ValueError("password")

    ended: list[StreamEnd] = []
    chunks = await read(MessageStream(execute, new_id=lambda: "m", on_end=ended.append))
    assert chunks == [
        Start(message_id="m"), StartStep(), TextStart(id="t"), TextEnd(id="t"), FinishStep(),
        Error(error_text="An error occurred."),
    ]  # fmt: skip
    assert [end.outcome for end in ended] == ["failed"]


async def test_an_illegal_chunk_is_an_error_of_the_application():
    async def execute(writer: ReplyWriter) -> None:
        writer.write(TextDelta(id="t", delta="x"))

    chunks = await read(MessageStream(execute, on_error=str, new_id=lambda: "m"))
    assert chunks == [
        Start(message_id="m"),
        Error(error_text="unable to write 'text-delta' for 't'; the text part is not open"),
    ]


async def test_leaving_cancels_and_closes_what_still_writes_and_tells_the_end_once():
    closed: list[str] = []

    async def endless() -> AsyncGenerator[UIMessageChunk, None]:
        try:
            yield TextStart(id="0")
            await anyio.sleep_forever()
        finally:
            closed.append("merged")

    async def execute(writer: ReplyWriter) -> None:
        writer.merge(endless())
        try:
            await anyio.sleep_forever()
        finally:
            closed.append("execute")

    ended: list[StreamEnd] = []
    stream = MessageStream(execute, on_end=ended.append, new_id=lambda: "m")
    with anyio.fail_after(5):
        async with stream as chunks:
            assert await anext(chunks) == Start(message_id="m")
        await stream.aclose()
    assert sorted(closed) == ["execute", "merged"]
    assert [(end.is_cancelled, end.outcome) for end in ended] == [(True, "unknown")]
    with pytest.raises(StopAsyncIteration):
        await anext(stream)


async def test_a_reply_goes_on_with_the_assistants_message():
    old = UIMessage(id="a", role="assistant", parts=[TextPart(text="old")])
    ended: list[StreamEnd] = []

    async def execute(writer: ReplyWriter) -> None:
        writer.text("more")

    async def on_end(end: StreamEnd) -> None:
        await anyio.lowlevel.checkpoint()
        ended.append(end)

    chunks = await read(MessageStream(execute, original_messages=[old], on_end=on_end))
    assert chunks[0] == Start(message_id="a")
    assert ended[0].is_continuation
    assert [message.text for message in ended[0].messages] == ["oldmore"]


async def test_each_step_is_told_and_a_failing_callback_breaks_nothing():
    steps: list[StreamStepEnd] = []
    errors: list[str] = []

    def on_step_end(step: StreamStepEnd) -> None:
        steps.append(step)
        raise ValueError("callback")

    def on_error(error: Exception) -> str:
        errors.append(str(error))
        return "hidden"

    async def execute(writer: ReplyWriter) -> None:
        with writer.step():
            writer.text("one")

    chunks = await read(MessageStream(execute, on_step_end=on_step_end, on_error=on_error))
    assert isinstance(chunks[-1], Finish)
    assert [step.response_message.text for step in steps] == ["one"]
    assert errors == ["callback"]


async def test_an_unordered_stream_passes_what_is_written_until_a_fold_needs_it():
    async def execute(writer: ReplyWriter) -> None:
        writer.write(TextDelta(id="t", delta="x"))

    assert await read(MessageStream(execute, ordered=False)) == [TextDelta(id="t", delta="x")]
    with pytest.raises(RemoteProtocolError, match="missing text part"):
        await read(MessageStream(execute, ordered=False, on_end=lambda _: None))


async def test_metadata_of_a_merged_start_is_kept():
    async def execute(writer: ReplyWriter) -> None:
        writer.text("x")
        writer.merge(said(Start(message_metadata={"a": 1})))

    chunks = await read(MessageStream(execute))
    assert MessageMetadata(message_metadata={"a": 1}) in chunks


async def test_merged_streams_wait_for_a_slow_reader():
    given = 0

    async def fast() -> AsyncGenerator[UIMessageChunk, None]:
        nonlocal given
        yield TextStart(id="0")
        for _ in range(5_000):
            given += 1
            yield TextDelta(id="0", delta="x")

    async def execute(writer: ReplyWriter) -> None:
        writer.merge(fast())

    ended: list[StreamEnd] = []
    with anyio.fail_after(10):
        async with MessageStream(execute, on_end=ended.append) as chunks:
            await anext(chunks)
            await anyio.wait_all_tasks_blocked()
            assert given < 1_100
            assert len([chunk async for chunk in chunks]) == 5_003
    assert len(ended[0].response_message.text) == 5_000


async def test_two_merged_streams_both_go_on_after_a_wait():
    async def fast() -> AsyncGenerator[UIMessageChunk, None]:
        yield TextStart(id="0")
        for _ in range(2_000):
            yield TextDelta(id="0", delta="x")

    async def execute(writer: ReplyWriter) -> None:
        writer.merge(fast())
        writer.merge(fast())

    ended: list[StreamEnd] = []
    with anyio.fail_after(10):
        await read(MessageStream(execute, on_end=ended.append))
    assert len(ended[0].response_message.text) == 4_000


async def test_the_writer_may_say_how_it_ended_and_ask_for_an_errors_words():
    async def execute(writer: ReplyWriter) -> None:
        writer.set_outcome("completed")
        writer.set_outcome("aborted")
        writer.text(writer.error_text(ValueError("secret")))

    ended: list[StreamEnd] = []
    chunks = await read(MessageStream(execute, on_end=ended.append))
    assert ended[0].outcome == "completed"
    assert TextDelta(id="block-1", delta="An error occurred.") in chunks


async def test_an_iterator_without_a_close_can_be_merged():
    class Three:
        def __init__(self) -> None:
            self.left = list(text("0", "x"))

        def __aiter__(self) -> Three:
            return self

        async def __anext__(self) -> UIMessageChunk:
            if not self.left:
                raise StopAsyncIteration
            return self.left.pop(0)

    async def execute(writer: ReplyWriter) -> None:
        writer.merge(Three())

    assert len(await read(MessageStream(execute))) == 5


async def test_abort_is_an_outcome():
    async def execute(writer: ReplyWriter) -> None:
        writer.write(Abort(reason="user"))

    ended: list[StreamEnd] = []
    await read(MessageStream(execute, on_end=ended.append))
    assert (ended[0].outcome, ended[0].is_aborted) == ("aborted", True)


async def test_a_handler_may_give_a_stream_and_a_stop_cancels_it():
    cancelled = anyio.Event()
    begun = anyio.Event()

    async def quick(writer: ReplyWriter) -> None:
        with writer.step():
            writer.text("done")

    async def endless(writer: ReplyWriter) -> None:
        try:
            with writer.text_block() as block:
                block.write("part")
                begun.set()
                await anyio.sleep_forever()
        finally:
            cancelled.set()

    def handler(run: Run) -> MessageStream:
        return MessageStream(
            quick if run.chat_id == "quick" else endless, original_messages=run.messages
        )

    asked = [UIMessage.user("q", id="u")]
    with anyio.fail_after(5):
        async with Agent(handler) as agent:
            end = await agent.start(RunRequest(chat_id="quick", messages=asked)).wait()
            assert (end.reason, end.response_message.text) == ("complete", "done")
            active = agent.start(RunRequest(chat_id="endless", messages=asked))
            await begun.wait()
            await anyio.wait_all_tasks_blocked()
            active.stop()
            end = await active.wait()
            await cancelled.wait()
    assert (end.reason, end.response_message.text) == ("cancelled", "part")


async def test_an_error_of_a_streams_writer_fails_the_run():
    async def execute(writer: ReplyWriter) -> None:
        writer.text("so far")
        raise ValueError("secret")

    with anyio.fail_after(5):
        async with Agent(lambda _: MessageStream(execute)) as agent:
            end = await agent.start(
                RunRequest(chat_id="c", messages=[UIMessage.user("q", id="u")])
            ).wait()
    assert end.reason == "error"
    assert end.response_message.text == "so far"
