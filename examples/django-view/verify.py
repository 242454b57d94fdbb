"""Make a database, serve the site, and use it: log in, chat, look at the page, come back."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

import httpx2
import uvicorn

from chat_transport import Chat, RequestRejected
from chat_transport.broker.serving import bind_port
from chat_transport.transports.http import HttpChatTransport

sys.path.insert(0, str(Path(__file__).parent))


@asynccontextmanager
async def served() -> AsyncIterator[str]:
    from asgi import application

    listener = bind_port("127.0.0.1", 0)
    listener.listen()  # who calls before the server is up waits
    server = uvicorn.Server(uvicorn.Config(application, log_level="warning", lifespan="on"))
    serving = asyncio.create_task(server.serve([listener]))
    try:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
    finally:
        server.should_exit = True
        await serving


async def use(url: str) -> None:
    async with (
        httpx2.AsyncClient(base_url=url) as browser,
        HttpChatTransport(client=browser) as transport,
    ):
        async with Chat(transport, id="c1") as chat:
            await chat.send("hello")
            assert isinstance(chat.error, RequestRejected), chat.error
            assert chat.error.status == 401
            print("ok   who is not logged in is turned away")

        assert (await browser.post("/login/ann")).json() == {"user": "ann"}
        async with Chat(transport, id="c1") as chat:
            await chat.send("hello")
            assert chat.messages[-1].text == "Hello ann, you said <hello>.", chat.state
            print("ok   Django's session says who chats")
            await chat.regenerate()
            said = [(message.id, message.text) for message in chat.messages]

        while "assistant" not in (page := await browser.get("/chats/c1")).text:
            assert page.status_code == 200  # the reply is kept when its run has ended: just now
        assert page.text == (
            "<dl><dt>user</dt><dd>hello</dd>"
            "<dt>assistant</dt><dd>Hello ann, you said &lt;hello&gt;.</dd></dl>"
        ), page.text
        print("ok   a Django view shows the chat, from Django's database")

        await browser.post("/login/bob")
        assert (await browser.get("/chats/c1")).status_code == 404
        async with Chat(transport, id="c1") as chat:
            await chat.send("let me in")
            assert isinstance(chat.error, RequestRejected), chat.error
            assert chat.error.status in {403, 404}
            print("ok   another user sees and says nothing there")

        await browser.post("/login/ann")
        async with Chat(transport, id="c1") as chat:
            await chat.load_history()
            assert [(message.id, message.text) for message in chat.messages] == said
            print("ok   the chat is found again")


async def main() -> None:
    async with asyncio.timeout(40), served() as url:
        await use(url)


if __name__ == "__main__":
    with TemporaryDirectory() as folder:
        os.environ.update(DJANGO_SETTINGS_MODULE="settings", DATABASE=f"{folder}/chats.sqlite")
        import django
        from django.core.management import call_command

        django.setup()
        call_command("migrate", run_syncdb=True, verbosity=0)
        asyncio.run(main())
