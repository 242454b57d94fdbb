"""What a user does: the same over every wire. Run by `verify.py` in a folder of each variant."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import uvicorn

from chat_transport import Chat
from chat_transport.broker import serve_broker
from chat_transport.broker.serving import bind_port

DEADLINE_S = 40
CHAT = "ai:swap"


@asynccontextmanager
async def served() -> AsyncIterator[None]:
    """Serve `server:app`, and a local Ably in case it asks for one."""
    listener = bind_port("127.0.0.1", 0)
    listener.listen()  # who calls before the server is up waits
    async with serve_broker(["app.key:secret"]) as broker:
        port = listener.getsockname()[1]
        os.environ.update(
            CHAT_URL=f"http://127.0.0.1:{port}/api/chat", ABLY_ENDPOINT=broker.address
        )
        from server import app

        server = uvicorn.Server(uvicorn.Config(app, log_level="warning", lifespan="on"))
        serving = asyncio.create_task(server.serve([listener]))
        try:
            yield
        finally:
            server.should_exit = True
            await serving


async def until(chat: Chat, holds: Callable[[Chat], bool]) -> None:
    async for _ in chat.updates():
        if holds(chat):
            return


def count(number: int) -> str:
    return "".join(f"{each} " for each in range(1, number + 1))


async def walk() -> None:
    from client import open_chat

    async with open_chat(CHAT) as chat:
        assert chat.messages == ()
        seen: list[str] = []
        chat.subscribe(lambda: seen.append(chat.messages[-1].text))
        await chat.send("count to 5")
        assert (chat.status, chat.messages[-1].text) == ("ready", count(5)), chat.state
        print("ok   send: a message gets its reply")
        assert len({text for text in seen if text.startswith("1 ")}) > 1, seen
        print("ok   stream: the reply grew while we looked")

        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(chat.send("count to 1000"))
            await until(chat, lambda chat: chat.messages[-1].text.startswith("1 2 "))
            await chat.stop()
        stopped = chat.messages[-1].text
        assert chat.status == "ready"
        assert stopped.startswith("1 2 ")
        assert len(stopped) < len(count(900))
        print("ok   stop: the reply ends, what came of it stays")

        sending = asyncio.create_task(chat.send("count to 20"))
        await until(chat, lambda chat: chat.messages[-1].text.startswith("1 2 "))
        sending.cancel()  # the page is closed in the middle of the reply
        await asyncio.wait([sending])

    async with open_chat(CHAT) as chat:
        assert await chat.resume_stream(), "the reply is under way"
        assert chat.messages[-1].text == count(20), chat.messages[-1].text
        print("ok   reload: the reply went on, and all of it is here")
        before = chat.messages

    async with open_chat(CHAT) as chat:
        assert not await chat.resume_stream(), "nothing is under way"
        said = [(message.role, message.text) for message in chat.messages]
        assert said == [(message.role, message.text) for message in before]
        assert said == [
            ("user", "count to 5"),
            ("assistant", count(5)),
            ("user", "count to 1000"),
            ("assistant", stopped),
            ("user", "count to 20"),
            ("assistant", count(20)),
        ], said
        print("ok   history: everything said is found again, once and in order")


async def main() -> None:
    async with asyncio.timeout(DEADLINE_S), served():
        await walk()


if __name__ == "__main__":
    asyncio.run(main())
