"""One message for each reply: who comes late gets it whole, then live."""

from __future__ import annotations

import asyncio

from ends import both_ends, until

from chat_transport.chunks import FinishStep, StartStep, TextDelta, TextEnd, TextStart
from chat_transport.codecs.ably.response import ResponseNames
from chat_transport.transports.ably.turns import ResponseWire

WIRE = ResponseWire(names=ResponseNames(response="response", complete=None))


async def main() -> None:
    go_on = asyncio.Event()

    async def handler(run):
        assert run.messages[-1].text == "hello"
        yield StartStep()
        yield TextStart(id="t")
        yield TextDelta(id="t", delta="first half")
        await go_on.wait()
        yield TextDelta(id="t", delta=", second half")
        yield TextEnd(id="t")
        yield FinishStep()

    async with both_ends(WIRE) as ends, ends.agent(handler), ends.chat("ann") as chat:
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(chat.send("hello"))
            await until(lambda: chat.messages and chat.messages[-1].text == "first half", chat)
            async with ends.chat("bob") as late:
                await late.load_history()
                assert late.messages[-1].text == "first half"
                resumed = tasks.create_task(late.resume_stream())
                go_on.set()
                assert await resumed
                assert late.messages[-1].text == "first half, second half"
        assert chat.messages[-1].text == "first half, second half"
    print("ok   message per response: who came late got the reply whole, then live")


if __name__ == "__main__":
    asyncio.run(main())
