"""Reload, stop, leave and failure of a reply, with `useChat` of AI SDK 5, 6 and 7 in a browser."""

from __future__ import annotations

import threading
from collections.abc import AsyncIterator
from typing import Any

import anyio
from playwright.sync_api import expect

from chat_transport.agent.run import Run, User
from chat_transport.chunks import (
    FinishStep,
    ReasoningDelta,
    ReasoningEnd,
    ReasoningStart,
    StartStep,
    TextDelta,
    TextEnd,
    TextStart,
    ToolInputAvailable,
    ToolOutputAvailable,
    UIMessageChunk,
)

DOOR_S = 15


class Slow:
    """A reply that waits in the middle until the test opens the door."""

    def __init__(self) -> None:
        self.door = threading.Event()
        self.runs = 0

    async def __call__(self, run: Run) -> AsyncIterator[UIMessageChunk]:
        self.runs += 1
        yield StartStep()
        yield ReasoningStart(id="r")
        yield ReasoningDelta(id="r", delta="hm")
        yield ReasoningEnd(id="r")
        yield ToolInputAvailable(tool_call_id="call-1", tool_name="clock", input={})
        yield ToolOutputAvailable(tool_call_id="call-1", output=12)
        yield FinishStep()
        yield StartStep()
        yield TextStart(id="t")
        yield TextDelta(id="t", delta="before ")
        assert await anyio.to_thread.run_sync(self.door.wait, DOOR_S, abandon_on_cancel=True)
        yield TextDelta(id="t", delta="after")
        yield TextEnd(id="t")
        yield FinishStep()


class Endless:
    """A reply that only a stop ends."""

    def __init__(self) -> None:
        self.closed = threading.Event()

    async def __call__(self, run: Run) -> AsyncIterator[UIMessageChunk]:
        try:
            yield TextStart(id="t")
            yield TextDelta(id="t", delta="partial")
            await anyio.sleep_forever()
        finally:
            self.closed.set()


def test_a_reload_in_mid_reply_shows_the_beginning_and_then_the_rest_once(serve: Any) -> None:
    slow = Slow()
    tab = serve(slow)
    tab.open()
    tab.say("q")
    for _ in range(2):
        expect(tab.text).to_have_text("before ")
        tab.settle("streaming")
        tab.page.reload()
    expect(tab.text).to_have_text("before ")
    expect(tab.tool("clock")).to_have_attribute("data-state", "output-available")
    slow.door.set()
    expect(tab.text).to_have_text("before after")
    tab.settle()
    assert tab.reply.locator(".reasoning").all_inner_texts() == ["hm"]
    assert tab.shown() == [("user", "q"), ("assistant", "before after")]
    assert tab.seen("errors") == []
    whole = tab.reply.inner_html()
    tab.page.reload()
    expect(tab.text).to_have_text("before after")
    tab.settle()
    assert tab.reply.inner_html() == whole
    assert tab.seen("statuses")[-1] == "ready"
    assert tab.seen("errors") == []
    assert slow.runs == 1


def test_a_second_tab_opened_in_mid_reply_follows_it(serve: Any, context: Any) -> None:
    slow = Slow()
    tab = serve(slow)
    tab.open()
    tab.say("q")
    expect(tab.text).to_have_text("before ")
    second = type(tab)(context.new_page(), tab.url)
    second.open()
    expect(second.text).to_have_text("before ")
    slow.door.set()
    for each in (tab, second):
        expect(each.text).to_have_text("before after")
        each.settle()
    assert second.reply.get_attribute("data-id") == tab.reply.get_attribute("data-id")
    assert second.reply.inner_html() == tab.reply.inner_html()


def test_stop_ends_the_run_and_keeps_what_came(serve: Any) -> None:
    endless = Endless()
    tab = serve(endless)
    tab.open()
    tab.say("q")
    expect(tab.text).to_have_text("partial")
    tab.press("Stop")
    tab.settle()
    assert endless.closed.wait(5), "the handler must be closed"
    assert tab.seen("errors") == []
    assert tab.seen("finishes")[-1] == {"isAbort": True, "isError": False, "isDisconnect": False}
    tab.page.reload()
    expect(tab.text).to_have_text("partial")
    tab.settle()
    assert tab.shown() == [("user", "q"), ("assistant", "partial")]


def test_stop_after_a_reload_ends_the_run_that_is_followed(serve: Any) -> None:
    endless = Endless()
    tab = serve(endless)
    tab.open()
    tab.say("q")
    expect(tab.text).to_have_text("partial")
    tab.page.reload()
    expect(tab.text).to_have_text("partial")
    tab.settle("streaming")
    tab.press("Stop")
    tab.settle()
    assert endless.closed.wait(5), "the handler must be closed"
    assert tab.shown() == [("user", "q"), ("assistant", "partial")]
    assert tab.seen("errors") == []


def test_use_chats_own_stop_leaves_and_the_run_goes_on(serve: Any) -> None:
    slow = Slow()
    tab = serve(slow)
    tab.open()
    tab.say("q")
    expect(tab.text).to_have_text("before ")
    tab.press("Leave")
    tab.settle()
    slow.door.set()
    tab.page.reload()
    expect(tab.text).to_have_text("before after")
    tab.settle()
    assert tab.shown() == [("user", "q"), ("assistant", "before after")]


def test_a_failure_is_shown_masked_and_the_chat_goes_on(serve: Any) -> None:
    async def handler(run: Run) -> AsyncIterator[UIMessageChunk]:
        yield TextStart(id="t")
        yield TextDelta(id="t", delta="so far ")
        if run.messages[-1].text == "fail":
            raise RuntimeError("secret")
        yield TextDelta(id="t", delta="so good")

    tab = serve(handler)
    tab.open()
    tab.say("fail")
    expect(tab.alert).to_have_text("An error occurred.")
    tab.settle("error")
    expect(tab.text).to_have_text("so far ")
    assert tab.seen("errors") == ["An error occurred."]
    tab.say("again")
    expect(tab.text.last).to_have_text("so far so good")
    tab.settle()
    expect(tab.alert).to_have_count(0)
    tab.page.reload()
    expect(tab.text).to_have_count(2)
    assert tab.shown() == [
        ("user", "fail"),
        ("assistant", "so far "),
        ("user", "again"),
        ("assistant", "so far so good"),
    ]


def test_a_refusal_is_shown_in_its_own_words(serve: Any) -> None:
    def known(request: Any) -> User | None:
        return User(id="ada") if request.headers.get("authorization") == "Bearer ada" else None

    slow = Slow()
    slow.door.set()
    tab = serve(slow, authenticate=known)
    tab.open(token="eve")
    expect(tab.alert).to_have_text("authentication is required")  # the answer to resume
    tab.say("q")
    tab.settle("error")
    expect(tab.alert).to_have_text("authentication is required")
    assert slow.runs == 0
    tab.open(token="ada")
    tab.say("q")
    expect(tab.text).to_have_text("before after")
    tab.settle()
    assert tab.seen("errors") == []
