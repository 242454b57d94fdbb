"""The demo page in a real browser, over the local broker with Ably's own SDK, and over HTTP."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import BrowserContext, Locator, Page, expect

pytestmark = [pytest.mark.browser, pytest.mark.timeout(120)]


def open_chat(page: Page, demo_url: str, chat: str, wire: str = "ably") -> None:
    page.goto(f"{demo_url}/?chat={chat}&wire={wire}")
    expect(status(page)).to_have_attribute("data-connection", "connected")
    expect(status(page)).not_to_have_attribute("data-agent", "offline")


def status(page: Page) -> Locator:
    return page.locator("p.status")


def reply(page: Page) -> Locator:
    return page.locator("article[data-role=assistant]").last


def say(page: Page, text: str) -> None:
    page.get_by_label("Your message").fill(text)
    page.get_by_role("button", name="Send", exact=True).click()


def wait_idle(page: Page) -> None:
    expect(status(page)).to_have_attribute("data-busy", "false", timeout=30_000)


def word_count(page: Page) -> int:
    return len((reply(page).inner_text()).split())


@pytest.mark.parametrize("wire", ["ably", "http"])
def test_a_reply_streams_into_the_page(page: Page, demo_url: str, wire: str) -> None:
    open_chat(page, demo_url, f"stream-{wire}", wire)
    say(page, "stream 60 words")
    expect(reply(page)).to_have_attribute("data-streaming", "true")
    page.wait_for_function(
        "document.querySelector('article.assistant .text')?.innerText.length > 20"
    )
    early = word_count(page)
    wait_idle(page)
    assert 0 < early < word_count(page)


@pytest.mark.parametrize("wire", ["ably", "http"])
def test_a_reload_in_mid_reply_goes_on(page: Page, demo_url: str, wire: str) -> None:
    open_chat(page, demo_url, f"reload-{wire}", wire)
    say(page, "stream 200 words")
    page.wait_for_function(
        "document.querySelector('article.assistant .text')?.innerText.length > 40"
    )
    page.reload()
    expect(status(page)).to_have_attribute("data-busy", "true")
    expect(reply(page)).to_be_visible()
    wait_idle(page)
    assert word_count(page) >= 200
    assert page.locator("article[data-role=assistant]").count() == 1
    page.reload()
    expect(reply(page)).to_be_visible()
    assert word_count(page) >= 200


def test_a_second_tab_sees_the_reply_live(
    context: BrowserContext, page: Page, demo_url: str
) -> None:
    open_chat(page, demo_url, "tabs")
    second = context.new_page()
    open_chat(second, demo_url, "tabs")
    say(page, "stream 150 words")
    expect(reply(second)).to_be_visible()
    expect(status(second)).to_have_attribute("data-busy", "true")
    second.wait_for_function(
        "[...document.querySelectorAll('article.assistant .text')].at(-1)?.innerText.length > 80"
    )
    expect(status(second)).to_have_attribute("data-busy", "true")  # it grew here, too
    wait_idle(page)
    wait_idle(second)
    expect(reply(second)).to_have_text(reply(page).inner_text())


@pytest.mark.parametrize("wire", ["ably", "http"])
def test_stop_ends_the_reply_and_keeps_what_came(page: Page, demo_url: str, wire: str) -> None:
    open_chat(page, demo_url, f"stop-{wire}", wire)
    say(page, "stream 1000 words")
    page.wait_for_function(
        "document.querySelector('article.assistant .text')?.innerText.length > 20"
    )
    page.get_by_role("button", name="Stop", exact=True).click()
    wait_idle(page)
    kept = word_count(page)
    assert 0 < kept < 1000
    page.reload()
    expect(reply(page)).to_be_visible()
    wait_idle(page)
    assert kept <= word_count(page) < 1000


def test_the_second_tab_can_stop_what_the_first_asked(
    context: BrowserContext, page: Page, demo_url: str
) -> None:
    open_chat(page, demo_url, "stop-other")
    second = context.new_page()
    open_chat(second, demo_url, "stop-other")
    say(page, "stream 1000 words")
    expect(status(second)).to_have_attribute("data-busy", "true")
    second.get_by_role("button", name="Stop", exact=True).click()
    wait_idle(page)
    wait_idle(second)
    assert word_count(page) < 1000


@pytest.mark.parametrize("wire", ["ably", "http"])
@pytest.mark.parametrize(
    ("answer", "state"), [("Approve", "output-available"), ("Reject", "output-denied")]
)
def test_a_tool_waits_for_leave(
    page: Page, demo_url: str, wire: str, answer: str, state: str
) -> None:
    open_chat(page, demo_url, f"approve-{wire}-{answer.lower()}", wire)
    say(page, "Send an email to Ada about lunch")
    card = page.locator("section.tool[data-tool=send_email]").last
    expect(card).to_have_attribute("data-state", "approval-requested")
    wait_idle(page)
    card.get_by_role("button", name=answer).click()
    answered = re.compile(f"{state}|approval-responded") if wire == "ably" else re.compile(state)
    expect(page.locator("section.tool[data-tool=send_email]").last).to_have_attribute(
        "data-state", answered
    )
    wait_idle(page)


@pytest.mark.parametrize("wire", ["ably", "http"])
def test_a_tool_that_needs_no_leave_shows_its_output(page: Page, demo_url: str, wire: str) -> None:
    open_chat(page, demo_url, f"weather-{wire}", wire)
    say(page, "What is the weather in Paris?")
    expect(page.locator("section.tool[data-tool=weather]")).to_have_attribute(
        "data-state", "output-available"
    )
    wait_idle(page)


@pytest.mark.parametrize("wire", ["ably", "http"])
def test_regenerate_replaces_the_reply(page: Page, demo_url: str, wire: str) -> None:
    open_chat(page, demo_url, f"again-{wire}", wire)
    say(page, "stream 60 words")
    expect(reply(page)).to_be_visible()
    wait_idle(page)
    page.get_by_role("button", name="Regenerate").click()
    expect(status(page)).to_have_attribute("data-busy", "true")
    wait_idle(page)
    expect(page.locator("article[data-role=assistant]")).to_have_count(1)


def test_switching_to_http_and_back_keeps_each_conversation(page: Page, demo_url: str) -> None:
    open_chat(page, demo_url, "switch")
    say(page, "stream 12 words")
    expect(reply(page)).to_be_visible()
    wait_idle(page)
    page.get_by_label("HTTP").check(force=True)
    expect(page.get_by_label("HTTP")).to_be_checked()
    say(page, "stream 8 words")
    expect(reply(page)).to_be_visible()
    wait_idle(page)
    page.get_by_label("Ably").check(force=True)
    expect(reply(page)).to_be_visible()
    assert word_count(page) >= 12


@pytest.mark.parametrize("wire", ["ably", "http"])
def test_an_error_is_shown_and_the_chat_goes_on(page: Page, demo_url: str, wire: str) -> None:
    open_chat(page, demo_url, f"error-{wire}", wire)
    say(page, "error")
    alert = page.get_by_role("alert")
    expect(alert).to_be_visible()
    wait_idle(page)
    alert.get_by_role("button", name="Dismiss").click()
    say(page, "stream 5 words")
    expect(reply(page)).to_contain_text(re.compile(r"\w+"))
    wait_idle(page)


def test_the_page_fits_a_phone_and_works_by_keyboard(page: Page, demo_url: str) -> None:
    page.set_viewport_size({"width": 360, "height": 640})
    open_chat(page, demo_url, "phone", "http")
    assert page.evaluate("document.documentElement.scrollWidth") <= 360
    page.keyboard.type("stream 500 words")  # the field has the focus at once
    page.keyboard.press("Enter")
    expect(status(page)).to_have_attribute("data-busy", "true")
    expect(reply(page)).to_be_visible()
    page.keyboard.press("Escape")
    wait_idle(page)
    assert page.get_by_role("log").get_attribute("aria-live") == "polite"
