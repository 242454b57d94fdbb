"""Pages with `useChat` of each AI SDK major, and a server of ours that gives them out."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest
from playwright.sync_api import Locator, Page, expect
from server_thread import serve_in_thread

from chat_transport.agent.run import Handler
from chat_transport.transports.http.app import create_app

HERE = Path(__file__).parent
SDKS = ["ai5", "ai6", "ai7"]
HTML = b"""<!doctype html><html lang="en"><title>useChat</title><link rel="icon" href="data:,">
<div id="root"></div><script type="module" src="/page.js"></script></html>"""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The first test of each page may have to wait for npm."""
    for item in items:
        if HERE in item.path.parents:
            item.add_marker(pytest.mark.browser)
            item.add_marker(pytest.mark.timeout(120))


@pytest.fixture(scope="session")
def scripts(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    """The page's script for each SDK; npm installs what the lock files name, once."""
    npm = shutil.which("npm")
    if npm is None:
        pytest.skip("npm is not installed; the AI SDK's own useChat comes from it")
    missing = [sdk for sdk in SDKS if not (HERE / sdk / "node_modules/.package-lock.json").exists()]
    installs = [
        subprocess.Popen(
            [npm, "ci", "--no-audit", "--no-fund", "--loglevel=error"],
            cwd=HERE / sdk,
            stdout=subprocess.DEVNULL,
        )
        for sdk in missing
    ]
    ends = [install.wait(timeout=100) for install in installs]
    assert not any(ends), f"npm ci failed in {missing}: {ends}"
    folder = tmp_path_factory.mktemp("pages")
    return {sdk: bundle(sdk, folder / f"{sdk}.js") for sdk in SDKS}


def bundle(sdk: str, to: Path) -> bytes:
    """Build the page from the packages of one SDK."""
    packages = HERE / sdk / "node_modules"
    flags = ["--bundle", "--format=esm", "--jsx=automatic", "--target=es2022", "--log-level=error"]
    node_env = '--define:process.env.NODE_ENV="production"'
    subprocess.run(
        [packages / ".bin/esbuild", HERE / "page.jsx", *flags, node_env, f"--outfile={to}"],
        env={**os.environ, "NODE_PATH": str(packages)},
        check=True,
    )
    return to.read_bytes()


def giving_out(script: bytes) -> Any:
    """An ASGI application that answers with the page, or its script."""

    async def answer(scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] != "http":
            return
        body, kind = (
            (script, b"text/javascript")
            if scope["path"] == "/page.js"
            else (HTML, b"text/html; charset=utf-8")
        )
        await send(
            {"type": "http.response.start", "status": 200, "headers": [(b"content-type", kind)]}
        )
        await send({"type": "http.response.body", "body": body})

    return answer


class Tab:
    """The page as a person sees it."""

    def __init__(self, page: Page, url: str) -> None:
        self.page = page
        self.url = url

    def open(self, chat: str = "c 1/é", **query: str) -> None:
        self.page.goto(f"{self.url}/?{urlencode({'chat': chat, **query})}")
        expect(self.page.get_by_label("Message")).to_be_visible()

    def say(self, text: str) -> None:
        self.page.get_by_label("Message").fill(text)
        self.press("Send")

    def press(self, name: str) -> None:
        self.page.get_by_role("button", name=name, exact=True).click()

    def settle(self, status: str = "ready") -> None:
        expect(self.page.locator("main")).to_have_attribute("data-status", status)

    @property
    def reply(self) -> Locator:
        """The answer; a second one fails the test."""
        return self.page.locator("article[data-role=assistant]")

    @property
    def text(self) -> Locator:
        return self.reply.locator(".text")

    def tool(self, name: str) -> Locator:
        return self.reply.locator(f"section[data-tool={name}]")

    @property
    def alert(self) -> Locator:
        return self.page.get_by_role("alert")

    def shown(self) -> list[tuple[str, str]]:
        """Role and text of each message."""
        found = self.page.evaluate(
            """() => [...document.querySelectorAll('article')].map(message => [
                message.dataset.role,
                [...message.querySelectorAll('.text')].map(part => part.textContent).join(''),
            ])"""
        )
        return [(role, text) for role, text in found]

    def seen(self, what: str) -> Any:
        """What the page's callbacks were told since it was loaded."""
        return self.page.evaluate("what => window.seen[what]", what)


Serve = Callable[..., Tab]


@pytest.fixture(params=SDKS)
def sdk(request: pytest.FixtureRequest) -> str:
    return request.param


@pytest.fixture
def serve(sdk: str, scripts: dict[str, bytes], page: Page) -> Iterator[Serve]:
    """Serve a handler and the page; give the tab. Script errors of the page fail the test."""
    broken: list[str] = []
    page.on("pageerror", lambda error: broken.append(str(error)))
    with ExitStack() as servers:

        def start(handler: Handler, **options: Any) -> Tab:
            app = create_app(handler, otherwise=giving_out(scripts[sdk]), **options)
            return Tab(page, servers.enter_context(serve_in_thread(app)))

        yield start
        page.goto("about:blank")
    assert broken == []
