"""The four patterns with Python at one end and Node at the other, both ways round.

The Node programs are written as Ably's guides and `ably-ai-sdk-transport` have them, and do not
know what is at the other end.
"""

from __future__ import annotations

import asyncio

from ai_sdk_transport import numbered
from ends import CHANNEL, both_ends, until, words
from human_in_the_loop import Author, publish_post, published, waiting
from message_per_response import WIRE as PLAIN
from node_programs import install, outcome, serving

from chat_transport import ToolLoop


async def human_in_the_loop() -> None:
    async with both_ends("message-per-response") as ends:
        async with serving(ends, "human_in_the_loop.agent"), ends.chat("ann") as chat:
            for approved, told in ((True, "published spring"), (False, "as you wish")):
                await chat.send("spring")
                (call,) = waiting(chat)
                assert call.input == {"title": "spring"}, call
                await chat.add_tool_approval_response(call.approval.id, approved=approved)
                await until(lambda told=told: told in chat.messages[-1].text, chat)
    print("ok   human in the loop: a Node agent asks a Python client")
    published.clear()
    async with both_ends("message-per-response") as ends:
        async with ends.agent(ToolLoop(Author(), [publish_post])):
            outcomes = {"approved": "output-available", "rejected": "output-denied"}
            for decision, state in outcomes.items():
                reply = await outcome(ends, "human_in_the_loop.client", "autumn", decision)
                assert reply == f"Shall I?\n\n{state}", reply
    assert published == ["autumn"], published
    print("ok   human in the loop: a Python agent asks a Node client")


async def replies(wire, program: str) -> None:
    """Replies that a Node program says unasked, three at once, as a Python client shows them."""
    said = ["to be or not", "that is the question", "the rest is silence"]
    async with both_ends(wire) as ends, ends.chat("ann") as chat:
        await chat.load_history()
        await outcome(ends, program, *said)
        await until(lambda: sorted(m.text.strip() for m in chat.messages) == sorted(said), chat)
        async with ends.chat("bob") as late:
            await late.load_history()
            assert sorted(m.text.strip() for m in late.messages) == sorted(said), late.messages


async def message_per_response() -> None:
    await replies(PLAIN, "message_per_response.agent")
    print("ok   message per response: a Python client shows what a Node agent says")
    async with both_ends(PLAIN) as ends, ends.agent(words):
        wanted = "you said hello "
        shown = await outcome(ends, "message_per_response.client", "hello", wanted)
    assert shown == [wanted], shown
    print("ok   message per response: a Node client shows what a Python agent says")


async def message_per_token() -> None:
    await replies("message-per-token", "message_per_token.agent")
    print("ok   message per token: a Python client keeps three replies of a Node agent apart")
    async with both_ends("message-per-token") as ends, ends.agent(words):
        shown = await outcome(ends, "message_per_token.client", "one", "two", "three")
    assert sorted(shown) == [f"you said {n} " for n in ("one", "three", "two")], shown
    print("ok   message per token: a Node client keeps three replies of a Python agent apart")


async def ai_sdk_transport() -> None:
    async with both_ends("ai-sdk-transport") as ends:
        async with ends.chat("ann") as phone, ends.chat("bob") as laptop:
            async with serving(ends, "ai_sdk_transport.agent"):
                await laptop.load_history()
                await phone.send("hello")
                await phone.regenerate()
                assert [m.text for m in phone.messages] == ["hello", "answer 2"], phone.messages
                await until(
                    lambda: [m.text for m in laptop.messages] == ["hello", "answer 2"], laptop
                )
                async with phone.transport.agent_presence(CHANNEL) as states:
                    assert (await anext(states)).status == "online"
    print("ok   ai-sdk-transport: streamText in Node answers two Python devices")
    asked, stopped = [], asyncio.Event()
    async with both_ends("ai-sdk-transport") as ends, ends.agent(numbered(asked, stopped)):
        shown = await outcome(ends, "ai_sdk_transport.client")
        async with asyncio.timeout(15):
            await stopped.wait()
    assert shown["before"] == ["hello", "answer 2"], shown
    assert shown["after"][-2:] == ["for ever", "answer 3"], shown
    print("ok   ai-sdk-transport: useChat's chat asks, regenerates and stops a Python agent")


async def main() -> None:
    install()
    for pattern in (human_in_the_loop, message_per_response, message_per_token, ai_sdk_transport):
        async with asyncio.timeout(120):
            await pattern()


if __name__ == "__main__":
    asyncio.run(main())
