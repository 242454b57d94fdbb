"""Runs: one log, one terminal chunk, one `on_end`, whatever happens."""

from __future__ import annotations

from collections.abc import AsyncIterator

import anyio
import pytest

from chat_transport.agent.run import Run, RunEnd, RunRequest
from chat_transport.agent.runtime import MASKED_ERROR_TEXT, Agent
from chat_transport.chunks import (
    Abort,
    Error,
    Finish,
    FinishStep,
    MessageMetadata,
    ReasoningDelta,
    ReasoningEnd,
    ReasoningStart,
    Start,
    StartStep,
    TextDelta,
    TextEnd,
    TextStart,
    ToolApprovalRequest,
    ToolInputAvailable,
    ToolInputDelta,
    ToolInputStart,
    ToolOutputAvailable,
    UIMessageChunk,
)
from chat_transport.errors import LocalProtocolError, TransportClosed
from chat_transport.messages import UIMessage
from chat_transport.testing.reply_grammar import reply_faults
from chat_transport.validation import validate_messages

pytestmark = pytest.mark.anyio
PROMPT = UIMessage.user("hi", id="u1")
CALL = ToolInputAvailable(tool_call_id="c", tool_name="pick", input={})


def request(chat_id: str = "chat", **fields: object) -> RunRequest:
    return RunRequest(chat_id=chat_id, **{"messages": [PROMPT], **fields})  # type: ignore[arg-type]


def saying(*chunks: UIMessageChunk, raises: Exception | None = None) -> object:
    async def handler(run: Run) -> AsyncIterator[UIMessageChunk]:
        for chunk in chunks:
            yield chunk
        if raises is not None:
            raise raises

    return handler


class Hanging:
    """Says a little and waits until it is closed."""

    def __init__(self) -> None:
        self.closed = 0
        self.speaking = anyio.Event()

    async def __call__(self, run: Run) -> AsyncIterator[UIMessageChunk]:
        try:
            yield TextStart(id="t")
            yield TextDelta(id="t", delta="part")
            self.speaking.set()
            await anyio.sleep_forever()
        finally:
            self.closed += 1


class Ends(list[RunEnd]):
    async def __call__(self, end: RunEnd) -> None:
        self.append(end)


async def outcome(handler: object, **fields: object) -> tuple[list[UIMessageChunk], RunEnd]:
    ends = Ends()
    with anyio.fail_after(5):
        async with Agent(handler, on_end=ends) as agent:  # type: ignore[arg-type]
            run = agent.start(request(**fields))
            chunks = [chunk async for chunk in run.log.stream()]
            assert await run.wait() is ends[0]
    assert len(ends) == 1
    return chunks, ends[0]


async def test_a_handler_that_answers_its_own_question_leaves_a_message_that_can_be_sent_back():
    asked = ToolApprovalRequest(approval_id="a", tool_call_id="c")
    output = ToolOutputAvailable(tool_call_id="c", output=1)
    async with Agent(saying(CALL, asked, output)) as agent:
        end = await agent.start(request()).wait()
    [message] = validate_messages([end.response_message.to_wire()])
    assert message.parts[0].state == "output-available"
    assert message.parts[0].approval.approved is True


async def test_a_plain_reply_gets_its_start_and_its_finish() -> None:
    said = (TextStart(id="t"), TextDelta(id="t", delta="hello"), TextEnd(id="t"))
    chunks, end = await outcome(saying(*said), response_message_id="m1", run_id="r1")
    assert chunks == [Start(message_id="m1"), *said, Finish(finish_reason="stop")]
    assert (end.reason, end.finish_reason, end.suspended) == ("complete", "stop", False)
    assert end.run.run_id == "r1"
    assert [message.id for message in end.messages] == ["u1", "m1"]
    assert end.response_message.text == "hello"


async def test_starts_and_finishes_of_several_model_calls_become_one() -> None:
    chunks, end = await outcome(
        saying(
            Start(message_id="other", message_metadata={"a": 1}),
            StartStep(),
            FinishStep(),
            Finish(finish_reason="tool-calls", message_metadata={"b": 2}),
            StartStep(),
            FinishStep(),
            Finish(finish_reason="stop", message_metadata={"c": 3}),
        ),
        response_message_id="m1",
    )
    assert chunks == [
        Start(message_id="m1"),
        MessageMetadata(message_metadata={"a": 1}),
        StartStep(),
        FinishStep(),
        StartStep(),
        FinishStep(),
        MessageMetadata(message_metadata={"b": 2}),
        Finish(finish_reason="stop", message_metadata={"c": 3}),
    ]
    assert end.response_message.metadata == {"a": 1, "b": 2, "c": 3}


async def test_an_error_chunk_is_held_until_the_handler_has_ended() -> None:
    chunks, end = await outcome(
        saying(
            StartStep(),
            Error(error_text="busy"),
            FinishStep(),
            Finish(finish_reason="error", message_metadata={"tokens": 1}),
        )
    )
    assert chunks[1:] == [
        StartStep(),
        FinishStep(),
        MessageMetadata(message_metadata={"tokens": 1}),
        Error(error_text="busy"),
    ]
    assert (end.reason, end.error) == ("error", None)


async def test_an_abort_said_by_the_handler_is_a_stop() -> None:
    chunks, end = await outcome(saying(TextStart(id="t"), Abort(reason="enough")))
    assert chunks[1:] == [TextStart(id="t"), TextEnd(id="t"), Abort(reason="enough")]
    assert end.reason == "cancelled"


async def test_what_a_handler_raises_is_masked_and_handed_to_on_end() -> None:
    boom = ValueError("secret")
    chunks, end = await outcome(saying(TextStart(id="t"), raises=boom))
    assert chunks[1:] == [TextStart(id="t"), TextEnd(id="t"), Error(error_text=MASKED_ERROR_TEXT)]
    assert (end.reason, end.error) == ("error", boom)


async def test_a_finish_before_an_exception_keeps_its_metadata() -> None:
    chunks, _end = await outcome(
        saying(Finish(message_metadata={"tokens": 9}), raises=ValueError("x"))
    )
    assert chunks[1:] == [
        MessageMetadata(message_metadata={"tokens": 9}),
        Error(error_text=MASKED_ERROR_TEXT),
    ]


async def test_error_text_may_speak_and_may_fail() -> None:
    def explain(error: Exception) -> str:
        assert not isinstance(error, KeyError)
        return f"sorry: {error}"

    for raised, text in ((ValueError("v"), "sorry: v"), (KeyError("k"), MASKED_ERROR_TEXT)):
        async with Agent(saying(raises=raised), error_text=explain) as agent:  # type: ignore[arg-type]
            run = agent.start(request())
            await run.wait()
        assert run.log.since(1) == [Error(error_text=text)]


async def test_a_broken_order_ends_the_run_and_keeps_what_was_right() -> None:
    chunks, end = await outcome(saying(TextStart(id="t"), TextDelta(id="x", delta="?")))
    assert isinstance(chunks[-1], Error)
    assert isinstance(end.error, LocalProtocolError)
    assert [part.type for part in end.response_message.parts] == ["text"]


async def test_stop_closes_the_handler_and_keeps_the_partial_reply() -> None:
    handler, ends = Hanging(), Ends()
    with anyio.fail_after(5):
        async with Agent(handler, on_end=ends) as agent:
            run = agent.start(request())
            await handler.speaking.wait()
            assert [run] == agent.active("chat") == agent.active()
            assert agent.stop("chat", reason="enough")
            run.stop("too late")
            end = await run.wait()
            assert agent.active() == []
            assert not agent.stop("chat")
            run.stop("after the end")
    assert handler.closed == 1
    assert run.log.since(3) == [TextEnd(id="t"), Abort(reason="enough")]
    assert (end.reason, end.response_message.text, len(ends)) == ("cancelled", "part", 1)
    assert run.state == "ended"


async def test_a_run_stopped_before_it_began_never_calls_the_handler() -> None:
    handler = Hanging()
    with anyio.fail_after(5):
        async with Agent(handler) as agent:
            run = agent.start(request())
            run.stop()
            end = await run.wait()
    assert not handler.speaking.is_set()
    assert list(run.log.since(1)) == [Abort()]
    assert end.reason == "cancelled"


async def test_what_a_stubborn_handler_says_after_the_stop_is_void() -> None:
    speaking = anyio.Event()

    async def stubborn(run: Run) -> AsyncIterator[UIMessageChunk]:
        yield TextStart(id="t")
        speaking.set()
        try:
            await anyio.sleep_forever()
        except BaseException:
            yield TextDelta(id="t", delta="never")
            raise

    with anyio.fail_after(5):
        async with Agent(stubborn) as agent:
            run = agent.start(request())
            await speaking.wait()
            run.stop()
            await run.wait()
    assert run.log.since(1) == [TextStart(id="t"), TextEnd(id="t"), Abort()]


async def test_leaving_the_agent_stops_what_runs() -> None:
    handler, ends = Hanging(), Ends()
    with anyio.fail_after(5):
        async with Agent(handler, on_end=ends) as agent:
            run = agent.start(request())
            await handler.speaking.wait()
    assert run.log.since(3) == [TextEnd(id="t"), Abort(reason="the agent closed")]
    assert [end.reason for end in ends] == ["cancelled"]
    with pytest.raises(TransportClosed, match="'chat'"):
        agent.start(request())


async def test_cancelling_the_agent_still_hands_over_every_partial_reply_once() -> None:
    handler, ends = Hanging(), Ends()
    with anyio.fail_after(5):
        async with anyio.create_task_group() as tasks:

            async def serve() -> None:
                async with Agent(handler, on_end=ends) as agent:
                    agent.start(request("a"))
                    agent.start(request("b"))
                    await anyio.sleep_forever()

            tasks.start_soon(serve)
            await handler.speaking.wait()
            await anyio.wait_all_tasks_blocked()
            tasks.cancel_scope.cancel()
    assert handler.closed == 2
    assert sorted(end.run.chat_id for end in ends) == ["a", "b"]
    assert {end.response_message.text for end in ends} == {"part"}


async def test_an_error_in_the_agents_block_comes_out_bare() -> None:
    with pytest.raises(ValueError, match="mine"):  # noqa: PT012  # the block is the subject
        async with Agent(Hanging()) as agent:
            agent.start(request())
            raise ValueError("mine")


async def test_a_failing_on_end_harms_no_other_run() -> None:
    async def failing(end: RunEnd) -> None:
        raise RuntimeError("disk full")

    with anyio.fail_after(5):
        async with Agent(saying(), on_end=failing) as agent:  # type: ignore[arg-type]
            first = agent.start(request())
            await first.wait()
            assert (await agent.start(request()).wait()).reason == "complete"


async def test_an_on_end_that_hangs_is_cut() -> None:
    async def hanging(end: RunEnd) -> None:
        await anyio.sleep_forever()

    with anyio.fail_after(5):
        async with Agent(saying(), on_end=hanging, end_timeout_s=0.01) as agent:  # type: ignore[arg-type]
            await agent.start(request()).wait()


async def test_on_end_is_done_when_the_stream_has_ended() -> None:
    saved: list[str] = []

    async def save(end: RunEnd) -> None:
        await anyio.lowlevel.checkpoint()
        saved.append(end.response_message.id)

    async with Agent(saying(), on_end=save) as agent:  # type: ignore[arg-type]
        run = agent.start(request(response_message_id="m"))
        async for _chunk in run.log.stream():
            pass
        assert saved == ["m"]


async def test_drain_lets_runs_finish() -> None:
    go = anyio.Event()

    async def handler(run: Run) -> AsyncIterator[UIMessageChunk]:
        await go.wait()
        yield TextStart(id="t")

    with anyio.fail_after(5):
        async with Agent(handler) as agent:
            run = agent.start(request())
            go.set()
            await agent.drain()
    assert run.end is not None
    assert run.end.reason == "complete"


async def test_a_call_without_output_suspends_the_run() -> None:
    chunks, end = await outcome(saying(StartStep(), CALL, FinishStep()))
    assert chunks[-1] == Finish(finish_reason="tool-calls")
    assert end.suspended

    async with Agent(saying(CALL)) as agent:  # type: ignore[arg-type]
        run = agent.start(request())
        await run.wait()
        assert run.state == "suspended"
        run.stop()
    assert run.state == "ended"


async def test_a_reply_goes_on_with_the_assistants_message() -> None:
    suspended = await outcome(saying(CALL), response_message_id="m1")
    messages = suspended[1].messages
    output = ToolOutputAvailable(tool_call_id="c", output=1)
    chunks, end = await outcome(saying(output), messages=messages)
    assert chunks[0] == Start(message_id="m1")
    assert [message.id for message in end.messages] == ["u1", "m1"]
    assert end.response_message.parts[0].state == "output-available"  # type: ignore[union-attr]
    assert not end.suspended


async def test_a_handler_that_is_no_generator_is_followed_too() -> None:
    class Plain:
        def __init__(self, run: Run) -> None:
            self.left = [TextStart(id="t"), TextEnd(id="t")]

        def __aiter__(self) -> Plain:
            return self

        async def __anext__(self) -> UIMessageChunk:
            if not self.left:
                raise StopAsyncIteration
            return self.left.pop(0)

    chunks, _end = await outcome(Plain)
    assert chunks[1:] == [TextStart(id="t"), TextEnd(id="t"), Finish(finish_reason="stop")]


EVERY_PART: list[UIMessageChunk] = [
    StartStep(),
    ReasoningStart(id="r"),
    ReasoningDelta(id="r", delta="hm"),
    ReasoningEnd(id="r"),
    ToolInputStart(tool_call_id="c1", tool_name="n"),
    ToolInputStart(tool_call_id="c2", tool_name="n", dynamic=True),
    ToolInputDelta(tool_call_id="c1", input_text_delta="{"),
    ToolInputDelta(tool_call_id="c1", input_text_delta="}"),
    ToolInputAvailable(tool_call_id="c1", tool_name="n", input={}),
    ToolInputAvailable(tool_call_id="c2", tool_name="n", input={}, dynamic=True),
    ToolOutputAvailable(tool_call_id="c1", output=1, preliminary=True),
    ToolApprovalRequest(approval_id="a", tool_call_id="c2"),
    ToolOutputAvailable(tool_call_id="c1", output=2),
    FinishStep(),
    StartStep(),
    TextStart(id="t"),
    TextStart(id="u"),
    TextDelta(id="t", delta="x"),
    TextEnd(id="t"),
    TextEnd(id="u"),
    FinishStep(),
    Finish(finish_reason="stop"),
]


async def test_a_text_that_a_step_leaves_open_ends_before_the_step() -> None:
    said = (StartStep(), TextStart(id="t"), TextDelta(id="t", delta="x"), FinishStep(), Finish())
    chunks, end = await outcome(saying(*said))
    assert reply_faults(chunks) == []
    assert [chunk.type for chunk in chunks][-3:] == ["text-end", "finish-step", "finish"]
    assert end.response_message.text == "x"


@pytest.mark.parametrize("how", ["stop", "raise", "end"])
@pytest.mark.parametrize("cut", range(len(EVERY_PART) + 1))
async def test_a_reply_cut_anywhere_is_closed_whole(cut: int, how: str) -> None:
    said = anyio.Event()

    async def handler(run: Run) -> AsyncIterator[UIMessageChunk]:
        for chunk in EVERY_PART[:cut]:
            yield chunk
        said.set()
        if how == "stop":
            await anyio.sleep_forever()
        if how == "raise":
            raise ValueError

    with anyio.fail_after(5):
        async with Agent(handler) as agent:
            run = agent.start(request())
            await said.wait()
            if how == "stop":
                run.stop()
            end = await run.wait()
    assert reply_faults(run.log.since(0)) == []
    states = {getattr(part, "state", None) for part in end.response_message.parts}
    assert not states & {"streaming", "input-streaming"}
    if how != "end":
        assert "input-available" not in states
    assert run.log.since(0)[-1].type == {"stop": "abort", "raise": "error", "end": "finish"}[how]


async def test_an_error_that_a_handler_says_is_in_the_log(caplog: pytest.LogCaptureFixture):
    handler = saying(Error(error_text="Incorrect API key provided"))
    _, end = await outcome(handler)
    assert end.reason == "error"
    (told,) = caplog.records
    assert (told.name, told.levelname) == ("chat_transport.agent", "WARNING")
    assert told.getMessage() == (
        f"run {end.run.run_id!r} ended with an error: Incorrect API key provided"
    )
