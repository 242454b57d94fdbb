"""Two clients of one server: `verify.py api` talks from Python, `verify.py page` from a browser."""

from __future__ import annotations

import asyncio
import re
import shutil
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import uvicorn

from chat_transport import Chat
from chat_transport.predicates import is_complete_with_approval_responses
from chat_transport.transports.http import HttpChatTransport

HERE = Path(__file__).parent
ALL_100_WORDS = re.compile(r"^\s*(\S+\s+){99,}\S+\s*$")
sys.path.insert(0, str(HERE))


@asynccontextmanager
async def served() -> AsyncIterator[str]:
    from server import app

    from chat_transport.broker.serving import bind_port

    listener = bind_port("127.0.0.1", 0)
    listener.listen()  # who calls before the server is up waits
    server = uvicorn.Server(uvicorn.Config(app, log_level="warning"))
    serving = asyncio.create_task(server.serve([listener]))
    try:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
    finally:
        server.should_exit = True
        await serving


async def until(chat: Chat, words: str) -> None:
    async for state in chat.updates():
        if words in state.messages[-1].text:
            return


async def talk_from_python(url: str) -> None:
    async with HttpChatTransport(f"{url}/api/chat") as transport:
        async with Chat(
            transport, id="api", send_automatically_when=is_complete_with_approval_responses
        ) as chat:
            await chat.send("stream 20 words")
            assert chat.status == "ready", chat.error
            assert len(chat.messages[-1].text.split()) >= 20
            print("ok   a reply streams")

            await chat.send("Send an email to Ada about lunch")
            (asked,) = [p for p in chat.messages[-1].parts if p.type == "tool-send_email"]
            assert asked.state == "approval-requested"
            await chat.add_tool_approval_response(asked.approval.id, approved=True)
            async for state in chat.updates():
                (asked,) = [p for p in state.messages[-1].parts if p.type == "tool-send_email"]
                if asked.state == "output-available" and state.status == "ready":
                    break
            print("ok   an approval is asked for, given and used")

            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(chat.send("stream 1000 words"))
                await until(chat, " ")
                await chat.stop()
            assert len(chat.messages[-1].text.split()) < 1000
            print("ok   a reply is stopped")
            before = [(message.id, message.text) for message in chat.messages]
        async with Chat(transport, id="api") as chat:
            await chat.load_history()
            assert [(message.id, message.text) for message in chat.messages] == before
            print("ok   a second client finds the conversation")


async def talk_from_page(url: str) -> None:
    from playwright.async_api import async_playwright, expect

    async with async_playwright() as playwright:
        chromium = await playwright.chromium.launch(
            executable_path=shutil.which("chromium"), args=["--no-sandbox", "--disable-gpu"]
        )
        page = await chromium.new_page()
        page.set_default_timeout(15_000)
        form, replies = page.locator("form"), page.locator("article[data-role=assistant]")

        async def say(text: str) -> None:
            await page.get_by_label("Message").fill(text)
            await page.get_by_role("button", name="Send", exact=True).click()

        async def settled() -> None:
            await expect(form).to_have_attribute("data-status", "ready", timeout=20_000)

        await page.goto(url)
        await say("stream 20 words")
        await expect(replies.last).to_contain_text(" ")
        await settled()
        first = await replies.last.inner_text()
        assert len(first.split()) >= 20, first
        print("ok   a reply streams into the page")

        await say("Send an email to Ada about lunch")
        await page.get_by_role("button", name="Approve tool-send_email").click()
        await expect(page.locator("article code").last).to_be_visible()
        await settled()
        print("ok   the page approves")

        await say("stream 100 words")
        await expect(replies.nth(2)).to_contain_text(" ")
        await page.reload()
        await expect(replies.nth(2)).to_have_text(ALL_100_WORDS)
        await settled()
        await expect(replies).to_have_count(3)
        await expect(replies.first).to_have_text(first)
        print("ok   a reload in the middle of a reply finds all of it")

        await say("stream 1000 words")
        await expect(replies.nth(3)).to_contain_text(" ")
        await page.get_by_role("button", name="Stop").click()
        await settled()
        assert len((await replies.last.inner_text()).split()) < 1000
        print("ok   the page stops the reply at the server")
        await chromium.close()


def build() -> None:
    if not (HERE / "node_modules").exists():
        subprocess.run(["npm", "ci", "--no-audit", "--no-fund"], cwd=HERE, check=True)
    subprocess.run(["node", "build.mjs"], cwd=HERE, check=True)


async def main(*clients: str) -> None:
    if "page" in clients:
        build()
    async with asyncio.timeout(90), served() as url:
        if "api" in clients:
            await talk_from_python(url)
        if "page" in clients:
            await talk_from_page(url)


if __name__ == "__main__":
    asyncio.run(main(*(sys.argv[1:] or ("api", "page"))))
