"""Another answer while the first is being read: the first goes from view on every device."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import anyio
import pytest

from chat_transport.agent.run import Run
from chat_transport.chat import Chat
from chat_transport.chunks import TextDelta, TextEnd, TextStart, UIMessageChunk
from chat_transport.transports.ably import AblyAgent, AblyChatTransport

pytestmark = pytest.mark.anyio

CHAT = "ai:chat"


class Numbering:
    """A handler that says which of its answers this is, and ends each when it is told to."""

    def __init__(self) -> None:
        self.ends = [anyio.Event() for _ in range(3)]
        self.begun = 0

    async def __call__(self, run: Run) -> AsyncIterator[UIMessageChunk]:
        number = self.begun
        self.begun += 1
        yield TextStart(id="t")
        yield TextDelta(id="t", delta=f"{run.messages[-1].text} {number}")
        await self.ends[number].wait()
        yield TextDelta(id="t", delta=" whole")
        yield TextEnd(id="t")


async def shown(chats: list[Chat], *texts: str, status: str = "streaming") -> None:
    for chat in chats:
        async for _ in chat.updates():
            if [message.text for message in chat.messages] == [*texts] and chat.status == status:
                break


@pytest.mark.parametrize("wire", ["ai-transport", "ai-sdk-transport"])
@pytest.mark.parametrize("edits", [False, True])
@pytest.mark.parametrize("by_other", [False, True])
async def test_the_answer_that_is_replaced_goes_from_view_on_all_devices(
    connect: Any, wire: str, *, edits: bool, by_other: bool
) -> None:
    handler = Numbering()
    async with (
        AblyAgent(handler, connect("agent"), channels=[CHAT], wire=wire),
        AblyChatTransport(connect("ann"), wire=wire) as anns,
        AblyChatTransport(connect("ann"), wire=wire) as others,
        Chat(anns, id=CHAT) as ann,
        Chat(others, id=CHAT) as other,
    ):
        both = [ann, other]
        await anns.session(CHAT)
        await others.session(CHAT)
        with anyio.fail_after(15):
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(ann.send, "q")
                await shown(both, "q", "q 0")
                who = other if by_other else ann
                if edits:
                    asked = who.messages[0].id
                    tasks.start_soon(lambda: who.send("r", message_id=asked))
                else:
                    tasks.start_soon(who.regenerate)
                prompt = "r" if edits else "q"
                await shown(both, prompt, f"{prompt} 1")
                handler.ends[0].set()
                session = await anns.session(CHAT)
                while len(session.wire.active_runs()) > 1:
                    await anyio.lowlevel.checkpoint()
                await shown(both, prompt, f"{prompt} 1")
                handler.ends[1].set()
            await shown(both, prompt, f"{prompt} 1 whole", status="ready")
