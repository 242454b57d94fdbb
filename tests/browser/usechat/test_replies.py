"""What `useChat` of AI SDK 5, 6 and 7 shows in a browser of what our server says."""

from __future__ import annotations

import threading
from collections.abc import AsyncIterator
from typing import Any

import anyio
import pytest
from asking_handlers import deleting, locating
from playwright.sync_api import expect

from chat_transport.agent.run import Run
from chat_transport.chunks import (
    DataChunk,
    Finish,
    FinishStep,
    ReasoningDelta,
    ReasoningEnd,
    ReasoningStart,
    SourceUrl,
    StartStep,
    TextDelta,
    TextEnd,
    TextStart,
    ToolInputAvailable,
    ToolInputDelta,
    ToolInputStart,
    ToolOutputAvailable,
    ToolOutputError,
    UIMessageChunk,
)

DOOR_S = 15


async def opened(door: threading.Event) -> None:
    """Wait until the test has looked at the page."""
    assert await anyio.to_thread.run_sync(door.wait, DOOR_S, abandon_on_cancel=True)


@pytest.mark.parametrize("told", [False, True], ids=["untold", "told"])
def test_text_and_reasoning_stream_into_the_page(serve: Any, sdk: str, *, told: bool) -> None:
    thought, half = threading.Event(), threading.Event()

    async def handler(run: Run) -> AsyncIterator[UIMessageChunk]:
        yield StartStep()
        yield ReasoningStart(id="r")
        yield ReasoningDelta(id="r", delta="let me think")
        await opened(thought)
        yield ReasoningEnd(id="r")
        yield TextStart(id="t")
        yield TextDelta(id="t", delta="You said: ")
        await opened(half)
        yield TextDelta(id="t", delta=run.messages[-1].text)
        yield TextDelta(id="t", delta=' "🐙"')
        yield TextEnd(id="t")
        yield SourceUrl(source_id="s", url="https://example.com/", title="Example")
        yield DataChunk(type="data-note", data={"n": 1})
        yield FinishStep()
        yield Finish(finish_reason="stop")

    tab = serve(handler)
    tab.open(**({"ai": sdk[-1]} if told else {}))
    tab.say("hello")
    expect(tab.reply.locator(".reasoning")).to_have_text("let me think")
    expect(tab.reply.locator(".reasoning")).to_have_attribute("data-state", "streaming")
    thought.set()
    expect(tab.text).to_have_text("You said: ")
    expect(tab.reply.locator(".reasoning")).to_have_attribute("data-state", "done")
    tab.settle("streaming")
    half.set()
    tab.settle()
    assert tab.shown() == [("user", "hello"), ("assistant", 'You said: hello "🐙"')]
    expect(tab.text).to_have_attribute("data-state", "done")
    expect(tab.reply.get_by_role("link")).to_have_attribute("href", "https://example.com/")
    expect(tab.reply.locator(".data-note")).to_have_text('{"n":1}')
    assert tab.seen("data") == [{"type": "data-note", "data": {"n": 1}}]
    assert tab.seen("statuses")[-4:] == ["ready", "submitted", "streaming", "ready"]
    assert tab.seen("errors") == []


def test_tools_show_their_input_their_output_and_their_error(serve: Any) -> None:
    typed, called = threading.Event(), threading.Event()

    async def handler(run: Run) -> AsyncIterator[UIMessageChunk]:
        yield StartStep()
        yield ToolInputStart(tool_call_id="call-1", tool_name="weather")
        yield ToolInputDelta(tool_call_id="call-1", input_text_delta='{"city":"Pa')
        await opened(typed)
        yield ToolInputDelta(tool_call_id="call-1", input_text_delta='ris"}')
        yield ToolInputAvailable(
            tool_call_id="call-1", tool_name="weather", input={"city": "Paris"}
        )
        yield ToolInputAvailable(tool_call_id="call-2", tool_name="clock", input={"zone": "UTC"})
        await opened(called)
        yield ToolOutputAvailable(tool_call_id="call-1", output={"celsius": 21}, preliminary=True)
        yield ToolOutputAvailable(tool_call_id="call-1", output={"celsius": 22})
        yield ToolOutputError(tool_call_id="call-2", error_text="no such zone")
        yield FinishStep()
        yield StartStep()
        yield TextStart(id="t")
        yield TextDelta(id="t", delta="22 degrees")
        yield TextEnd(id="t")
        yield FinishStep()

    tab = serve(handler)
    tab.open()
    tab.say("weather?")
    expect(tab.tool("weather")).to_have_attribute("data-state", "input-streaming")
    expect(tab.tool("weather").locator(".input")).to_have_text('{"city":"Pa"}')
    typed.set()
    expect(tab.tool("clock")).to_have_attribute("data-state", "input-available")
    expect(tab.tool("weather").locator(".input")).to_have_text('{"city":"Paris"}')
    called.set()
    tab.settle()
    expect(tab.tool("weather")).to_have_attribute("data-state", "output-available")
    expect(tab.tool("weather").locator(".output")).to_have_text('{"celsius":22}')
    expect(tab.tool("clock")).to_have_attribute("data-state", "output-error")
    expect(tab.tool("clock").locator("em")).to_have_text("no such zone")
    before = tab.reply.inner_html()
    tab.page.reload()
    expect(tab.text).to_have_text("22 degrees")
    assert tab.reply.inner_html() == before, "the store gives what the stream gave"


def test_a_tool_of_the_page_answers_and_the_same_reply_goes_on(serve: Any) -> None:
    tab = serve(locating)
    tab.open()
    tab.say("where am I?")
    expect(tab.text).to_have_text("you are in Praha")
    tab.settle()
    expect(tab.tool("locate")).to_have_attribute("data-state", "output-available")
    assert tab.seen("errors") == []


@pytest.mark.parametrize("sdk", ["ai6", "ai7"], indirect=True)
@pytest.mark.parametrize("reloaded", [False, True], ids=["at once", "after a reload"])
@pytest.mark.parametrize(
    ("answer", "state", "text"),
    [("Approve", "output-available", "done"), ("Deny", "output-denied", "kept")],
)
def test_a_tool_waits_for_approval(
    serve: Any, answer: str, state: str, text: str, *, reloaded: bool
) -> None:
    tab = serve(deleting)
    tab.open()
    tab.say("delete it")
    expect(tab.tool("delete")).to_have_attribute("data-state", "approval-requested")
    tab.settle()
    if reloaded:
        tab.page.reload()
    tab.press(answer)
    expect(tab.text).to_have_text(text)
    tab.settle()
    expect(tab.tool("delete")).to_have_attribute("data-state", state)
    assert tab.seen("errors") == []
    tab.page.reload()
    expect(tab.tool("delete")).to_have_attribute("data-state", state)
    assert tab.shown() == [("user", "delete it"), ("assistant", text)]


def test_regenerate_replaces_the_reply_on_both_ends(serve: Any) -> None:
    asked: list[int] = []

    async def handler(run: Run) -> AsyncIterator[UIMessageChunk]:
        asked.append(len(run.messages))
        yield TextStart(id="t")
        yield TextDelta(id="t", delta=f"answer {len(asked)}")

    tab = serve(handler)
    tab.open()
    tab.say("q")
    expect(tab.text).to_have_text("answer 1")
    tab.settle()
    tab.press("Regenerate")
    expect(tab.text).to_have_text("answer 2")
    tab.settle()
    assert asked == [1, 1]
    tab.page.reload()
    expect(tab.text).to_have_text("answer 2")
    assert tab.shown() == [("user", "q"), ("assistant", "answer 2")]
