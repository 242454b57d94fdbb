"""Every action of `useChat` over `@ably/ai-transport`, unmodified, in a browser, with our agent."""

from __future__ import annotations

import re
from typing import Any

import pytest
from js_messages import texts
from playwright.sync_api import Locator, Page, expect

pytestmark = [pytest.mark.browser, pytest.mark.timeout(120)]


def act(page: Page, name: str, *args: Any) -> None:
    """Begin an action; what it throws fails the test at its end."""
    page.evaluate("([name, args]) => { window.actions[name](...args) }", [name, list(args)])


def reply(page: Page) -> Locator:
    return page.locator("article[data-role=assistant]").last


def call(page: Page) -> Locator:
    return page.locator("article code").last


def wait_idle(page: Page) -> None:
    expect(page.get_by_role("status")).to_have_count(0)


def test_reasoning_is_shown_beside_the_text(stage: Any) -> None:
    stage.start_agent()
    page = stage.open_page()
    act(page, "send", "reason")
    expect(reply(page).locator("p")).to_have_text("because")
    expect(reply(page).locator("blockquote")).to_have_text("hmm yes")
    wait_idle(page)
    assert texts(stage.both_agree(page)) == ["reason", "because"]


def test_a_refusal_reaches_the_agent_with_its_reason(stage: Any) -> None:
    stage.start_agent()
    page = stage.open_page(resend="approvals")
    act(page, "send", "email")
    expect(call(page)).to_have_attribute("data-state", "approval-requested")
    wait_idle(page)
    act(page, "answer", "ap-1", False, "no thanks")
    expect(reply(page)).to_contain_text("not sent: no thanks")
    wait_idle(page)
    expect(call(page)).to_have_attribute("data-state", "output-denied")
    stage.both_agree(page)
    (kept,) = [part for m in stage.history() for part in m.parts if hasattr(part, "approval")]
    assert kept.approval.reason == "no thanks"


def test_the_page_runs_a_tool_for_the_agent(stage: Any) -> None:
    stage.start_agent()
    page = stage.open_page(resend="tools")
    act(page, "send", "pick")
    expect(call(page)).to_have_attribute("data-state", "input-available")
    wait_idle(page)
    act(page, "toolOutput", "pick_colour", "c1", "red")
    expect(reply(page)).to_contain_text("you picked red")
    wait_idle(page)
    stage.both_agree(page)


def test_an_edit_and_another_try(stage: Any) -> None:
    stage.start_agent()
    page = stage.open_page()
    act(page, "send", "one")
    expect(reply(page)).to_have_text("you said one")
    wait_idle(page)
    first = reply(page).get_attribute("data-id")
    act(page, "regenerate", first)
    expect(reply(page)).not_to_have_attribute("data-id", str(first))
    expect(reply(page)).to_have_text("you said one")
    wait_idle(page)
    asked = page.locator("article[data-role=user]").get_attribute("data-id")
    act(page, "edit", "two", asked)
    expect(reply(page)).to_have_text("you said two")
    wait_idle(page)
    assert texts(stage.both_agree(page)) == ["two", "you said two"]


def test_a_run_is_steered_and_the_page_hears_that_it_was(stage: Any) -> None:
    stage.start_agent()
    page = stage.open_page()
    act(page, "sendRun", "wait")
    expect(reply(page)).to_contain_text("begun")
    act(page, "steer", "wait", "left")
    expect(reply(page)).to_contain_text("begun, heard left")
    expect(page.locator("main")).to_have_attribute("data-heard", "true")
    wait_idle(page)
    stage.both_agree(page)


def test_two_runs_at_once_are_kept_apart(stage: Any) -> None:
    stage.start_agent()
    page = stage.open_page()
    act(page, "sendRun", "slow-a")
    expect(page.locator("article").filter(has_text="slow-a3 ")).to_have_count(1)
    act(page, "sendRun", "slow-b")
    expect(page.locator("article").filter(has_text="slow-b3 ")).to_have_count(1)
    expect(page.locator("main")).to_have_attribute("data-runs", "active active")
    act(page, "cancelRun", "slow-a")
    expect(page.locator("main")).to_have_attribute("data-runs", "cancelled active")
    act(page, "cancelRun", "slow-b")
    wait_idle(page)
    asked, a, then, b = texts(stage.both_agree(page))
    assert (asked, then) == ("slow-a", "slow-b")
    assert re.fullmatch(r"(slow-a\d+ )+", a)
    assert re.fullmatch(r"(slow-b\d+ )+", b)


def test_a_second_device_joins_in_mid_reply_and_stops_it(stage: Any) -> None:
    stage.start_agent()
    first = stage.open_page()
    act(first, "send", "slow")
    expect(reply(first)).to_contain_text("slow5 ")
    second = stage.open_page()
    expect(reply(second)).to_contain_text("slow5 ")
    expect(second.get_by_role("status")).to_be_visible()
    act(second, "cancelAll")
    for page in (first, second):
        wait_idle(page)
        expect(page.locator("main")).to_have_attribute("data-runs", "cancelled")
        asked, cut = texts(stage.both_agree(page))
        assert asked == "slow"
        assert cut.startswith("slow0 slow1 ")
    act(second, "send", "hello")
    for page in (first, second):
        expect(reply(page)).to_have_text("you said hello")
        wait_idle(page)
        stage.both_agree(page)


@pytest.mark.parametrize("reloads", [False, True])
def test_an_agent_that_dies_leaves_no_spinner(stage: Any, *, reloads: bool) -> None:
    dying = stage.start_agent()
    page = stage.open_page()
    act(page, "send", "slow")
    expect(reply(page)).to_contain_text("slow5 ")
    dying.kill()
    dying.wait(timeout=10)
    expect(page.get_by_role("status")).to_be_visible()
    if reloads:
        page.reload()
        expect(page.get_by_role("status")).to_be_visible()
    stage.start_agent()  # it closes what the dead one left
    wait_idle(page)
    expect(page.locator("main")).to_have_attribute("data-runs", "error")
    asked, cut = texts(stage.both_agree(page))
    assert asked == "slow"
    assert re.fullmatch(r"(slow\d+ ){6,}", cut)
    act(page, "send", "hello")
    expect(reply(page)).to_have_text("you said hello")
    wait_idle(page)
    stage.both_agree(page)
