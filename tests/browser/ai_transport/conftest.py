"""A stage for `useChat` over Ably: a broker, agents that can be killed, devices, a Python witness."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import anyio
import pytest
import scripted_agent
import uvicorn
from ably_tokens import KEY, token_for
from anyio.from_thread import BlockingPortal, start_blocking_portal
from js_messages import merged, shape
from playwright.sync_api import Browser, BrowserContext, Page, expect
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles

from chat_transport.broker import Limits, RunningBroker, serve_broker
from chat_transport.broker.serving import bind_port
from chat_transport.messages import UIMessage
from chat_transport.transports.ably import AblyChatTransport, AblyConnection

HERE = Path(__file__).parent
CHANNEL = "ai:1"
PRESENT_MS = 500  # an agent that was killed is gone this soon; 15 s by default


class Stage:
    """One channel and all who are on it.

    Attributes:
        failures: What the pages' scripts threw.
    """

    def __init__(
        self,
        broker: RunningBroker,
        site: str,
        portal: BlockingPortal,
        browser: Browser,
    ) -> None:
        self._broker = broker
        self._site = site
        self._portal = portal
        self._browser = browser
        self._agents: list[subprocess.Popen[str]] = []
        self._contexts: list[BrowserContext] = []
        self.failures: list[str] = []

    def start_agent(self) -> subprocess.Popen[str]:
        """Start an agent and wait until it serves the channel."""
        command = [sys.executable, scripted_agent.__file__, self._broker.address, KEY, CHANNEL]
        agent = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        self._agents.append(agent)
        assert agent.stdout is not None
        assert agent.stdout.readline() == "ready\n"
        return agent

    def open_page(self, client: str = "alice", resend: str = "never") -> Page:
        """Open the page on a device of its own."""
        context = self._browser.new_context()
        self._contexts.append(context)
        context.set_default_timeout(15_000)
        page = context.new_page()
        page.on("pageerror", lambda error: self.failures.append(str(error)))
        page.goto(f"{self._site}/?channel={CHANNEL}&client={client}&resend={resend}")
        expect(page.locator("main")).to_have_attribute("data-ready", "true")
        return page

    def both_agree(self, page: Page) -> list[dict[str, Any]]:
        """Compare what the page shows with what a Python client sees that comes now."""
        ours = merged([shape(message.to_wire()) for message in self.history()])
        assert merged([shape(message) for message in shown(page)]) == ours
        return ours

    def history(self) -> Sequence[UIMessage]:
        """Give the messages as a fresh Python client loads them."""
        return self._portal.call(self._load)

    async def _load(self) -> Sequence[UIMessage]:
        witness = AblyConnection(
            key=KEY, client_id="witness", endpoint=self._broker.address, tls=False
        )
        async with AblyChatTransport(witness) as transport:
            return (await transport.load_history(CHANNEL)).messages

    def close(self) -> None:
        """Close the pages, end the agents."""
        for context in self._contexts:
            context.close()
        for agent in self._agents:
            agent.kill()
            agent.communicate(timeout=10)


@asynccontextmanager
async def serve_site(broker: RunningBroker) -> AsyncIterator[str]:
    """Be the web server: the page, its settings, tokens, and an agent that needs no waking."""

    async def config(_: Request) -> Response:
        options = {"endpoint": broker.host, "port": broker.port, "tls": False}
        return JSONResponse({"clientOptions": options})

    async def token(request: Request) -> Response:
        claims = token_for(request.query_params["client"], role=None)
        return Response(claims, media_type="application/jwt")

    async def invoke(_: Request) -> Response:
        return JSONResponse({})

    routes = [
        Route("/config.json", config),
        Route("/api/auth/token", token),
        Route("/api/invoke", invoke, methods=["POST"]),
        Mount("/", StaticFiles(directory=HERE / "dist", html=True)),
    ]
    listener = bind_port("127.0.0.1", 0)
    server = uvicorn.Server(uvicorn.Config(Starlette(routes=routes), log_level="warning"))
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(server.serve, [listener])
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        server.should_exit = True


def shown(page: Page) -> list[dict[str, Any]]:
    """Give the messages that the page shows."""
    articles = page.locator("article").all()
    return [json.loads(article.get_attribute("data-json") or "") for article in articles]


@pytest.fixture(scope="session")
def built_page() -> None:
    """The page, built with the packages of examples/web, which `make setup` installs."""
    subprocess.run(["node", "build.mjs"], cwd=HERE, check=True)


@pytest.fixture
def stage(built_page: None, browser: Browser) -> Iterator[Stage]:
    """A fresh broker and channel; scripts that threw fail the test at its end."""
    expect.set_options(timeout=15_000)
    with start_blocking_portal("asyncio") as portal:
        serving = serve_broker([KEY], limits=Limits(remain_present_ms=PRESENT_MS))
        with (
            portal.wrap_async_context_manager(serving) as broker,
            portal.wrap_async_context_manager(serve_site(broker)) as site,
        ):
            made = Stage(broker, site, portal, browser)
            try:
                yield made
            finally:
                made.close()
            assert made.failures == []
