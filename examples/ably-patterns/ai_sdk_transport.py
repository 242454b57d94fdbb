"""The wire of the older `ably-ai-sdk-transport`: regenerate, stop, and a second device."""

from __future__ import annotations

import asyncio

from ends import both_ends, until

from chat_transport.chunks import FinishStep, StartStep, TextDelta, TextEnd, TextStart


def numbered(asked: list[str], stopped: asyncio.Event):
    """Gives a handler that numbers its answers; one of them has no end."""

    async def handler(run):
        asked.append(run.messages[-1].text)
        yield StartStep()
        yield TextStart(id="t")
        yield TextDelta(id="t", delta=f"answer {len(asked)}")
        if asked[-1] == "for ever":
            try:
                await asyncio.Event().wait()
            finally:
                stopped.set()
        yield TextEnd(id="t")
        yield FinishStep()

    return handler


async def main() -> None:
    stopped = asyncio.Event()
    handler = numbered([], stopped)
    async with both_ends("ai-sdk-transport") as ends, ends.agent(handler):
        async with ends.chat("ann") as phone, ends.chat("bob") as laptop:
            await laptop.load_history()
            await phone.send("hello")
            await until(lambda: laptop.messages and laptop.messages[-1].text == "answer 1", laptop)
            print("ok   ai-sdk-transport: a reply that another device asked for is shown")
            await phone.regenerate()
            assert [m.text for m in phone.messages] == ["hello", "answer 2"], phone.messages
            print("ok   ai-sdk-transport: regenerate takes the place of the answer")
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(phone.send("for ever"))
                await until(lambda: phone.messages[-1].text == "answer 3", phone)
                await phone.stop()
            async with asyncio.timeout(15):
                await stopped.wait()
            print("ok   ai-sdk-transport: a stop reaches the handler")


if __name__ == "__main__":
    asyncio.run(main())
