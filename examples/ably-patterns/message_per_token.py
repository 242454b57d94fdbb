"""Every delta a message of its own: three replies at once, told apart by `responseId`."""

from __future__ import annotations

import asyncio

from ends import both_ends, words


async def main() -> None:
    async with both_ends("message-per-token") as ends, ends.agent(words):

        async def ask(name: str) -> None:
            async with ends.chat(name) as chat:
                await chat.send(f"I am {name}")
                shown = [m.text for m in chat.messages]  # with what the others ask meanwhile
                assert f"you said I am {name} " in shown, shown

        async with asyncio.TaskGroup() as tasks:
            for name in ("ann", "bob", "eve"):
                tasks.create_task(ask(name))
        async with ends.chat("late") as late:
            await late.load_history()
            replies = sorted(m.text for m in late.messages if m.role == "assistant")
        assert replies == [f"you said I am {name} " for name in ("ann", "bob", "eve")], replies
    print("ok   message per token: three replies at once, none mixed up")


if __name__ == "__main__":
    asyncio.run(main())
