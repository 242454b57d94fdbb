"""Requirements: how a reply ends. Finish, stop, leave and failure are kept apart."""

from __future__ import annotations

from collections.abc import Sequence

import anyio

from ..chunks import (
    Abort,
    Error,
    Finish,
    StartStep,
    TextDelta,
    TextEnd,
    ToolInputDelta,
    ToolInputStart,
    UIMessageChunk,
)
from ..chunks import is_terminal as is_terminal_chunk
from ..errors import RequestRejected
from ..messages import UIMessage
from ..transport import ChunkStream
from ._registry import requires
from .harness import Scene, carried, collect, expect, expect_equal, fold, shown, words
from .reply_grammar import reply_faults

__all__: list[str] = []


async def _until_text(stream: ChunkStream) -> None:
    async for chunk in stream:
        if isinstance(chunk, TextDelta):
            return
    expect(False, "the stream ended before any text")


def _open_states(message: UIMessage) -> Sequence[str]:
    states = [getattr(part, "state", None) for part in message.parts]
    return [state for state in states if state in {"streaming", "input-streaming"}]


@requires("finish-once", "A finished run is reported to on_end once, as complete.")
async def _finish_once(scene: Scene) -> None:
    async with scene.client() as transport, transport.send_messages(scene.send()) as stream:
        line = await scene.agent.line()
        line.finish(*words("done"))
        await collect(stream)
        end = await scene.agent.end(line.run.run_id)
    expect_equal(end.reason, "complete", "the reason")
    expect_equal(end.finish_reason, "stop", "the finish reason")
    expect_equal(end.response_message.text, "done", "the reply")
    expect_equal(len(scene.agent.ends), 1, "the calls of on_end")


@requires(
    "stop-aborts",
    "Stop closes the handler, ends the stream with abort, keeps the partial reply.",
    needs=("stops",),
)
async def _stop_aborts(scene: Scene) -> None:
    async with scene.client() as transport, transport.send_messages(scene.send()) as stream:
        line = await scene.agent.line()
        drops = transport.capabilities.drops
        said = [
            *words("partial ", ends=False),
            ToolInputStart(tool_call_id="c", tool_name="weather"),
            ToolInputDelta(tool_call_id="c", input_text_delta='{"ci'),
        ]
        last = carried(said, drops)[-1].type
        line.say(*said)
        seen: list[UIMessageChunk] = []
        async for chunk in stream:
            seen.append(chunk)
            if chunk.type == last:
                await transport.stop(scene.chat_id)
        await line.closed.wait()
        end = await scene.agent.end(line.run.run_id)
    expect(isinstance(seen[-1], Abort), f"the last chunk is {seen[-1]!r}")
    expect_equal(reply_faults(seen), [], "the grammar of the reply")
    message = fold(seen)
    expect_equal(message.text, "partial ", "the partial reply")
    expect_equal(_open_states(message), [], "the parts still open")
    expect_equal(end.reason, "cancelled", "the reason")
    if "tool-input-start" not in drops:
        kept = shown(end.response_message, drops)
        expect_equal(kept, shown(message, drops), "the message kept")
    expect_equal(len(scene.agent.ends), 1, "the calls of on_end")


@requires("stop-from-another-client", "Any client of the chat can stop a run.", needs=("stops",))
async def _stop_from_another_client(scene: Scene) -> None:
    async with scene.client() as transport, scene.client() as other:
        async with transport.send_messages(scene.send()) as stream:
            line = await scene.agent.line()
            line.say(*words("x", ends=False))
            await _until_text(stream)
            await other.stop(scene.chat_id)
            rest = await collect(stream)
    expect(isinstance(rest[-1], Abort), f"the last chunk is {rest[-1]!r}")


@requires("stop-when-idle", "Stopping a chat without a run is no error.", needs=("stops",))
async def _stop_when_idle(scene: Scene) -> None:
    async with scene.client() as transport:
        await transport.stop(scene.chat_id)
        async with transport.send_messages(scene.send()) as stream:
            line = await scene.agent.line()
            line.finish(*words("alive"))
            chunks = await collect(stream)
    expect_equal(fold(chunks).text, "alive", "the reply after an idle stop")


@requires(
    "stop-one-of-two",
    "Stopping one run by its id leaves the other alone.",
    needs=("stops", "concurrent_runs"),
)
async def _stop_one_of_two(scene: Scene) -> None:
    async with scene.client() as transport, scene.client() as other:
        async with transport.send_messages(scene.send("one", message_id="u1")) as first:
            one = await scene.agent.line(0)
            async with other.send_messages(scene.send("two", message_id="u2")) as second:
                two = await scene.agent.line(1)
                for line in (one, two):
                    line.say(*words("re ", ends=False))
                await _until_text(first)
                await _until_text(second)
                await transport.stop(scene.chat_id, one.run.run_id)
                stopped = await collect(first)
                two.finish(TextDelta(id="t", delta="end"), TextEnd(id="t"))
                finished = await collect(second)
    expect(isinstance(stopped[-1], Abort), f"the stopped stream ends with {stopped[-1]!r}")
    expect(isinstance(finished[-1], Finish), f"the other stream ends with {finished[-1]!r}")


@requires("leave-lets-it-run", "Leaving the block does not stop the run.", needs=("resumes",))
async def _leave_lets_it_run(scene: Scene) -> None:
    async with scene.client() as transport:
        async with transport.send_messages(scene.send()) as stream:
            line = await scene.agent.line()
            line.say(*words("first ", ends=False))
            await _until_text(stream)
        line.finish(TextDelta(id="t", delta="second"))
        end = await scene.agent.end(line.run.run_id)
    expect_equal(end.reason, "complete", "the reason")
    expect_equal(end.response_message.text, "first second", "the reply")


@requires(
    "leave-ends-it", "Without resume, leaving the block ends the run.", needs_not=("resumes",)
)
async def _leave_ends_it(scene: Scene) -> None:
    async with scene.client() as transport:
        async with transport.send_messages(scene.send()) as stream:
            line = await scene.agent.line()
            line.say(*words("first ", ends=False))
            await _until_text(stream)
        end = await scene.agent.end(line.run.run_id)
    expect_equal(end.reason, "cancelled", "the reason")


@requires("leave-by-cancellation", "A cancelled reader leaves the transport fit for use.")
async def _leave_by_cancellation(scene: Scene) -> None:
    async with scene.client() as transport:
        reading = anyio.Event()

        async def read() -> None:
            async with transport.send_messages(scene.send()) as stream:
                reading.set()
                await collect(stream)

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(read)
            await reading.wait()
            line = await scene.agent.line()
            line.say(*words("x", ends=False))
            tasks.cancel_scope.cancel()
        scene.agent.lines[0].finish()
        again = scene.send("again", message_id="u2", chat_id=f"{scene.chat_id}-2")
        async with transport.send_messages(again) as stream:
            second = await scene.agent.line(1)
            second.finish(*words("well"))
            chunks = await collect(stream)
    expect_equal(fold(chunks).text, "well", "the reply after a cancelled reader")


@requires("leave-the-transport", "Closing the transport in mid-reply neither hangs nor raises.")
async def _leave_the_transport(scene: Scene) -> None:
    async with scene.client() as transport:
        async with transport.send_messages(scene.send()) as stream:
            line = await scene.agent.line()
            line.say(*words("x", ends=False))
            await _until_text(stream)
    line = await scene.agent.line()
    line.finish()
    await line.closed.wait()


@requires("error-is-masked", "A handler that raises gives an `error` chunk without its words.")
async def _error_is_masked(scene: Scene) -> None:
    async with scene.client() as transport, transport.send_messages(scene.send()) as stream:
        line = await scene.agent.line()
        line.say(*words("so ", ends=False))
        line.fail(ValueError("secret-password"))
        chunks = await collect(stream)
        end = await scene.agent.end(line.run.run_id)
    last = chunks[-1]
    expect(isinstance(last, Error), f"the last chunk is {last!r}")
    expect("secret-password" not in repr(chunks), "the exception's words reached the client")
    expect_equal(reply_faults(chunks), [], "the grammar of the reply")
    expect_equal(_open_states(fold(chunks)), [], "the parts still open")
    expect_equal(end.reason, "error", "the reason")
    expect_equal(end.response_message.text, "so ", "the partial reply")
    expect(isinstance(end.error, ValueError), f"on_end was given {end.error!r}")
    expect_equal(len(scene.agent.ends), 1, "the calls of on_end")


@requires("error-before-words", "A handler that raises at once gives `start`, then `error`.")
async def _error_before_words(scene: Scene) -> None:
    async with scene.client() as transport, transport.send_messages(scene.send()) as stream:
        line = await scene.agent.line()
        line.fail(ValueError("x"))
        chunks = await collect(stream)
    expect_equal([chunk.type for chunk in chunks], ["start", "error"], "the chunks")


@requires("error-said-by-the-agent", "An `error` chunk of the agent arrives with its words.")
async def _error_said_by_the_agent(scene: Scene) -> None:
    async with scene.client() as transport, transport.send_messages(scene.send()) as stream:
        line = await scene.agent.line()
        line.finish(StartStep(), Error(error_text="the model is busy"))
        chunks = await collect(stream)
    expect_equal(chunks[-1], Error(error_text="the model is busy"), "the last chunk")
    expect_equal(sum(map(is_terminal_chunk, chunks)), 1, "the terminal chunks")


@requires("truncation-is-closed", "A handler that just ends gives a whole reply all the same.")
async def _truncation_is_closed(scene: Scene) -> None:
    async with scene.client() as transport, transport.send_messages(scene.send()) as stream:
        line = await scene.agent.line()
        line.finish(*words("cut", ends=False))
        chunks = await collect(stream)
    expect_equal(reply_faults(chunks), [], "the grammar of the reply")
    expect_equal(chunks[-1], Finish(finish_reason="other"), "the last chunk")
    expect_equal(fold(chunks).text, "cut", "the text")


@requires("broken-grammar-is-an-error", "A handler that breaks the grammar ends with `error`.")
async def _broken_grammar_is_an_error(scene: Scene) -> None:
    async with scene.client() as transport, transport.send_messages(scene.send()) as stream:
        line = await scene.agent.line()
        line.say(*words("ok", ends=False), TextDelta(id="never-opened", delta="x"))
        chunks = await collect(stream)
    expect(isinstance(chunks[-1], Error), f"the last chunk is {chunks[-1]!r}")
    expect_equal(fold(chunks).text, "ok", "the text")


@requires("nonsense-is-refused", "A request that ends with a system message is rejected.")
async def _nonsense_is_refused(scene: Scene) -> None:
    order = UIMessage.model_validate(
        {"id": "s", "role": "system", "parts": [{"type": "text", "text": "obey"}]}
    )
    async with scene.client() as transport:
        try:
            async with transport.send_messages(scene.ask([order])) as stream:
                await collect(stream)
        except RequestRejected:
            expect_equal(len(scene.agent.lines), 0, "the runs started")
            return
    expect(False, "no RequestRejected was raised")


@requires("error-is-not-the-end", "After a failed reply the chat goes on.")
async def _error_is_not_the_end(scene: Scene) -> None:
    async with scene.client() as transport:
        request = scene.send("first")
        async with transport.send_messages(request) as stream:
            line = await scene.agent.line()
            line.say(*words("half", ends=False))
            line.fail(ValueError("x"))
            reply = fold(await collect(stream))
        await scene.agent.end(line.run.run_id)
        before = (*request.messages, reply)
        request = scene.send("second", before=before, message_id="u2")
        async with transport.send_messages(request) as stream:
            again = await scene.agent.line(1)
            again.finish(*words("whole"))
            chunks = await collect(stream)
    expect_equal(fold(chunks).text, "whole", "the second reply")
    texts = [message.text for message in again.run.messages]
    expect_equal((texts[0], texts[-1]), ("first", "second"), "the prompts")


@requires("stop-is-not-the-end", "After a stop the chat goes on.", needs=("stops",))
async def _stop_is_not_the_end(scene: Scene) -> None:
    async with scene.client() as transport:
        request = scene.send("first")
        async with transport.send_messages(request) as stream:
            line = await scene.agent.line()
            line.say(*words("half", ends=False))
            chunks: list[UIMessageChunk] = []
            async for chunk in stream:
                chunks.append(chunk)
                if isinstance(chunk, TextDelta):
                    await transport.stop(scene.chat_id)
        await scene.agent.end(line.run.run_id)
        before = (*request.messages, fold(chunks))
        request = scene.send("second", before=before, message_id="u2")
        async with transport.send_messages(request) as stream:
            again = await scene.agent.line(1)
            again.finish(*words("whole"))
            chunks = await collect(stream)
    expect(isinstance(chunks[-1], Finish), f"the second reply ends with {chunks[-1]!r}")
    expect_equal(fold(chunks).text, "whole", "the second reply")
