"""Drive the terminal chat with Textual's pilot: it types and presses keys, without a terminal."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator, Callable
from pathlib import Path

from textual.pilot import Pilot
from textual.widgets import Input, Markdown, Static

from chat_transport import Agent, DirectChatTransport, DirectHost, Run, UIMessageChunk
from chat_transport.broker.serving import bind_port
from chat_transport.chunks import TextDelta, TextEnd, TextStart
from chat_transport.transports.http import HttpChatTransport

sys.path.insert(0, str(Path(__file__).parent))
from chat_app import ChatApp

go_on = asyncio.Event()


async def handler(run: Run) -> AsyncIterator[UIMessageChunk]:
    """Answer in two halves; the second one waits until it is let go."""
    yield TextStart(id="t")
    yield TextDelta(id="t", delta=f"**{run.messages[-1].text}**, ")
    await go_on.wait()
    yield TextDelta(id="t", delta="and so on")
    yield TextEnd(id="t")


class Reader:
    """What a person sees of the application."""

    def __init__(self, app: ChatApp, pilot: Pilot[None]) -> None:
        self.app = app
        self.pilot = pilot

    @property
    def messages(self) -> list[str]:
        return [widget.source for widget in self.app.query(Markdown)]

    @property
    def status(self) -> str:
        return str(self.app.query_one("#status", Static).render())

    async def says(self, text: str) -> None:
        self.app.query_one(Input).focus()
        await self.pilot.press(*("space" if each == " " else each for each in text), "enter")

    async def sees(self, holds: Callable[[], bool]) -> None:
        async with asyncio.timeout(10):
            while not holds():
                await self.pilot.pause()


async def talk(host: DirectHost) -> None:
    app = ChatApp(DirectChatTransport(host), "verify")
    async with app.run_test() as pilot:
        reader = Reader(app, pilot)
        await reader.sees(lambda: reader.status == "ready")
        await reader.says("one")
        await reader.sees(lambda: reader.messages == ["one", "**one**, "])
        assert reader.status == "streaming"
        print("ok   a reply is shown while it streams")
        go_on.set()
        await reader.sees(lambda: reader.messages == ["one", "**one**, and so on"])
        await reader.sees(lambda: reader.status == "ready")
        print("ok   and to its end")

        go_on.clear()
        await reader.says("two")
        await reader.sees(lambda: reader.messages[2:] == ["two", "**two**, "])
        await pilot.press("escape")
        await reader.sees(lambda: reader.status == "ready")
        assert reader.messages[2:] == ["two", "**two**, "]
        print("ok   escape stops a reply, what came of it stays")

        await pilot.press("ctrl+r")
        await reader.sees(lambda: reader.status == "streaming")
        await reader.sees(lambda: reader.messages[2:] == ["two", "**two**, "])


async def come_back(host: DirectHost) -> None:
    app = ChatApp(DirectChatTransport(host), "verify")
    async with app.run_test() as pilot:
        reader = Reader(app, pilot)
        await reader.sees(lambda: reader.messages[2:] == ["two", "**two**, "])
        go_on.set()
        await reader.sees(lambda: reader.messages[2:] == ["two", "**two**, and so on"])
        await reader.sees(lambda: reader.status == "ready")
        assert reader.messages[:2] == ["one", "**one**, and so on"]
        print("ok   a second start finds the conversation, and the reply that went on")


async def miss_the_server() -> None:
    listener = bind_port("127.0.0.1", 0)  # bound, and nobody listens
    address = f"http://127.0.0.1:{listener.getsockname()[1]}/api/chat"
    app = ChatApp(HttpChatTransport(address), "verify")
    async with app.run_test() as pilot:
        reader = Reader(app, pilot)
        await reader.sees(lambda: reader.status.startswith("unable to reach"))
        print("ok   a server that is not there is told, not a traceback")
    listener.close()


async def main() -> None:
    async with asyncio.timeout(40), Agent(handler) as agent:
        host = DirectHost(agent)
        await talk(host)
        await come_back(host)
        await miss_the_server()


if __name__ == "__main__":
    asyncio.run(main())
