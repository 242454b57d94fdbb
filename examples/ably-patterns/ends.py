"""Both ends of an example, on a broker of its own."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from typing import Any

import anyio

from chat_transport import (
    Chat,
    Run,
    UIMessage,
    UIMessageChunk,
    is_complete_with_approval_responses,
)
from chat_transport.broker import RunningBroker, serve_broker
from chat_transport.chunks import FinishStep, StartStep, TextDelta, TextEnd, TextStart
from chat_transport.transports.ably import (
    AblyAgent,
    AblyChatTransport,
    AblyConnection,
    OwnerPolicy,
    make_token,
)

KEY = "app.key:a-secret-of-at-least-thirty-two-bytes"
CHANNEL = "ai:conversation"


async def words(run: Run) -> AsyncIterator[UIMessageChunk]:
    """Say the question back, word by word."""
    yield StartStep()
    yield TextStart(id="t")
    for word in f"you said {run.messages[-1].text}".split(" "):
        yield TextDelta(id="t", delta=f"{word} ")
    yield TextEnd(id="t")
    yield FinishStep()


class Ends:
    """Makes connections to one broker."""

    def __init__(self, broker: RunningBroker, wire: Any) -> None:
        self.broker = broker
        self.address = broker.address
        self.wire = wire

    def agent(self, handler: Any, **settings: Any) -> AblyAgent:
        """An agent that answers who holds the role `user`."""
        connection = AblyConnection(key=KEY, client_id="ai-agent", endpoint=self.address, tls=False)
        policy = OwnerPolicy(start_roles={"user"})
        return AblyAgent(
            handler, connection, channels=[CHANNEL], wire=self.wire, policy=policy, **settings
        )

    @asynccontextmanager
    async def chat(self, name: str, messages: Iterable[UIMessage] = ()) -> AsyncIterator[Chat]:
        """A person's chat; the token vouches for name and role, and holds no more than needed."""

        async def token() -> str:
            return make_token(
                KEY,
                client_id=name,
                capability={CHANNEL: ["publish", "subscribe", "history", "presence"]},
                roles={CHANNEL: "user"},
            )

        connection = AblyConnection(token=token, endpoint=self.address, tls=False)
        async with (
            AblyChatTransport(connection, wire=self.wire) as transport,
            Chat(
                transport,
                id=CHANNEL,
                messages=messages,
                send_automatically_when=is_complete_with_approval_responses,
            ) as chat,
        ):
            yield chat


@asynccontextmanager
async def both_ends(wire: Any) -> AsyncIterator[Ends]:
    """Serve a broker while the block runs."""
    async with serve_broker([KEY]) as broker:
        yield Ends(broker, wire)


async def until(test: Any, chat: Chat) -> None:
    """Look again whenever the chat changes."""
    changed = anyio.Event()

    def wake() -> None:
        changed.set()  # whichever is the newest

    stop = chat.subscribe(wake)
    try:
        with anyio.fail_after(15):
            while not test():
                await changed.wait()
                changed = anyio.Event()
    finally:
        stop()
