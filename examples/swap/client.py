"""The application: a chat in the terminal, `python client.py`. One line says over which wire."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import settings

from chat_transport import Chat, ChatTransport
from chat_transport import transports as via


def make_transport() -> ChatTransport:
    return via.http.HttpChatTransport(settings.URL, headers=settings.BEARER)


@asynccontextmanager
async def open_chat(chat_id: str) -> AsyncIterator[Chat]:
    """Open a chat as a page does that is loaded: with what was said so far."""
    async with make_transport() as transport, Chat(transport, id=chat_id) as chat:
        await chat.load_history()
        yield chat


def show(chat: Chat) -> None:
    if chat.messages:
        print(f"\r{chat.messages[-1].role}: {chat.messages[-1].text}", end="", flush=True)


async def main() -> None:
    async with open_chat("ai:demo") as chat:
        for message in chat.messages:
            print(f"{message.role}: {message.text}")
        chat.subscribe(lambda: show(chat), throttle_s=0.05)
        await chat.resume_stream()
        while text := await asyncio.to_thread(input, "\ncount to... > "):
            await chat.send(text)


if __name__ == "__main__":
    asyncio.run(main())
