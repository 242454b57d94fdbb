"""Drive the page in Chromium: send, stream, approve, stop, and find it all again after a reload."""

from __future__ import annotations

import asyncio
import os
import shutil
import subprocess
import sys
from pathlib import Path

import uvicorn
from playwright.async_api import Page, async_playwright, expect

from chat_transport.broker import serve_broker
from chat_transport.broker.serving import bind_port

HERE = Path(__file__).parent
KEY = "app.key:a-secret-of-at-least-thirty-two-bytes"


async def walk(page: Page, url: str) -> None:
    form, replies = page.locator("form"), page.locator("article[data-role=assistant]")

    async def say(text: str) -> None:
        await page.get_by_label("Message").fill(text)
        await page.get_by_role("button", name="Send", exact=True).click()

    async def settled() -> None:
        await expect(form).to_have_attribute("data-status", "ready", timeout=20_000)

    await page.goto(url)
    await say("stream 20 words")
    await expect(replies.last).not_to_be_empty()
    await settled()
    first = await replies.last.inner_text()
    assert len(first.split()) >= 20, first
    print("ok   a reply streams")

    await say("Send an email to Ada about lunch")
    await page.get_by_role("button", name="Approve tool-send_email").click()
    await expect(page.locator("article code").last).to_be_visible()
    await settled()
    print("ok   an approval is asked for, given and used")

    await say("stream 1000 words")
    await expect(replies.last).to_contain_text(" ")
    await page.get_by_role("button", name="Stop").click()
    await settled()
    cut = await replies.last.inner_text()
    assert len(cut.split()) < 1000
    print("ok   a reply is stopped")

    await page.reload()
    await expect(replies.first).to_have_text(first)
    print("ok   a reload finds the conversation")


async def main() -> None:
    if not (HERE / "node_modules").exists():
        subprocess.run(["npm", "ci", "--no-audit", "--no-fund"], cwd=HERE, check=True)
    subprocess.run(["node", "build.mjs"], cwd=HERE, check=True)
    async with serve_broker([KEY]) as broker:
        os.environ.update(ABLY_KEY=KEY, ABLY_ENDPOINT=broker.address)
        sys.path.insert(0, str(HERE))
        from server import app

        listener = bind_port("127.0.0.1", 0)
        server = uvicorn.Server(uvicorn.Config(app, log_level="warning"))
        serving = asyncio.create_task(server.serve([listener]))
        async with async_playwright() as playwright:
            chromium = await playwright.chromium.launch(
                executable_path=shutil.which("chromium"), args=["--no-sandbox", "--disable-gpu"]
            )
            page = await chromium.new_page()
            page.set_default_timeout(15_000)
            await walk(page, f"http://127.0.0.1:{listener.getsockname()[1]}/?channel=ai:verify")
            await chromium.close()
        server.should_exit = True
        await serving


if __name__ == "__main__":
    asyncio.run(main())
