"""The getting-started agent: a tool that a person must approve, on one channel, in one message."""

from __future__ import annotations

import asyncio

from ends import both_ends, until

from chat_transport import ModelAdapter, ToolLoop, tool
from chat_transport.chunks import (
    Finish,
    FinishStep,
    StartStep,
    TextDelta,
    TextEnd,
    TextStart,
    ToolInputAvailable,
)
from chat_transport.messages import ToolPart

published = []


@tool(approval="always")
async def publish_post(title: str) -> str:
    """Publish a post."""
    published.append(title)
    return f"published {title}"


class Author(ModelAdapter):
    """Stands for a model: it calls the tool, then says how that went."""

    async def stream(self, messages, *, tools=(), settings=None):
        last = messages[-1]
        yield StartStep()
        yield TextStart(id="t")
        if last.role == "user":
            yield TextDelta(id="t", delta="Shall I?")
            yield TextEnd(id="t")
            for number, title in enumerate(last.text.split(" and ")):
                yield ToolInputAvailable(
                    tool_call_id=f"{last.id}-{number}",
                    tool_name="publish_post",
                    input={"title": title},
                )
        else:
            states = [part.state for part in last.parts if isinstance(part, ToolPart)]
            yield TextDelta(id="t", delta=", ".join(states))
            yield TextEnd(id="t")
        yield FinishStep()
        yield Finish(finish_reason="stop")


def waiting(chat):
    parts = chat.messages[-1].parts
    return [p for p in parts if isinstance(p, ToolPart) and p.state == "approval-requested"]


async def main() -> None:
    async with both_ends("message-per-response") as ends, ends.chat("ann") as chat:
        async with ends.agent(ToolLoop(Author(), [publish_post])):
            await chat.send("spring and autumn")
        spring, autumn = waiting(chat)  # the agent is gone: what it asked is on the channel
        async with ends.agent(ToolLoop(Author(), [publish_post])):
            await chat.add_tool_approval_response(spring.approval.id, approved=True)
            await chat.add_tool_approval_response(autumn.approval.id, approved=False)
            await until(lambda: "output-denied" in chat.messages[-1].text, chat)
        assert published == ["spring"], published
        async with ends.chat("bob") as late:
            await late.load_history()
            said = late.messages[-1].text
        assert said == "Shall I?\n\noutput-available, output-denied", said
    print("ok   human in the loop: one call approved, one rejected, over a restart of the agent")


if __name__ == "__main__":
    asyncio.run(main())
