"""A database of your own: it holds what is old, the channel carries what is new.

Both ends begin with the database and read the channel back only to the newest message of it. The
two are joined by the id that an application sees, `UIMessage.id`.
"""

from __future__ import annotations

import asyncio
import json
import sqlite3
from contextlib import asynccontextmanager

from ends import CHANNEL, both_ends, until

from chat_transport import Agent, UIMessage
from chat_transport.chunks import TextDelta, TextEnd, TextStart


class Database:
    """Messages of chats in SQLite, one row each."""

    def __init__(self) -> None:
        self.saved = asyncio.Condition()
        self._db = sqlite3.connect(":memory:")
        self._db.execute(
            "CREATE TABLE messages (chat TEXT, place INTEGER, body TEXT, PRIMARY KEY (chat, place))"
        )

    async def load(self, chat_id: str) -> list[UIMessage]:
        rows = self._db.execute(
            "SELECT body FROM messages WHERE chat = ? ORDER BY place", (chat_id,)
        )
        return [UIMessage.model_validate(json.loads(body)) for (body,) in rows]

    async def save(self, end) -> None:
        """Keep the conversation as it is when a run has ended."""
        rows = [
            (end.run.chat_id, place, json.dumps(message.to_wire()))
            for place, message in enumerate(end.messages)
        ]
        with self._db:
            self._db.execute("DELETE FROM messages WHERE chat = ?", (end.run.chat_id,))
            self._db.executemany("INSERT INTO messages VALUES (?, ?, ?)", rows)
        async with self.saved:
            self.saved.notify_all()

    async def until(self, chat_id: str, count: int) -> None:
        """Wait until so many messages are there."""
        async with asyncio.timeout(15), self.saved:
            while len(await self.load(chat_id)) < count:
                await self.saved.wait()


class Handler:
    """Says how many questions it has been asked; one of them takes its time."""

    def __init__(self) -> None:
        self.go_on = asyncio.Event()
        self.is_waiting = asyncio.Event()

    async def __call__(self, run):
        questions = [message.text for message in run.messages if message.role == "user"]
        yield TextStart(id="t")
        yield TextDelta(id="t", delta="that was ")
        if questions[-1] == "slowly":
            self.is_waiting.set()
            await self.go_on.wait()
        yield TextDelta(id="t", delta=f"question {len(questions)}, the first was {questions[0]!r}")
        yield TextEnd(id="t")


@asynccontextmanager
async def serving(handler, database):
    """A channel with nothing in it, and the agent with what the database knows."""
    async with (
        both_ends("ai-transport") as ends,
        Agent(handler, on_end=database.save) as agent,
        ends.agent(agent, past=database.load),
    ):
        yield ends


async def main() -> None:
    database, handler = Database(), Handler()
    async with serving(handler, database) as ends:
        async with ends.chat("ann") as chat:
            for question in ("one", "two", "three"):
                await chat.send(question)
        await database.until(CHANNEL, 6)
        print("ok   database hydration: what was said is in the database")

        # The page is loaded again, from a database that lacks the last exchange, in mid-reply.
        stored = (await database.load(CHANNEL))[:-2]
        async with (
            ends.chat("bob") as bob,
            ends.chat("ann", stored) as chat,
            asyncio.TaskGroup() as tasks,
        ):
            tasks.create_task(bob.send("slowly"))
            await handler.is_waiting.wait()
            history = await chat.catch_up()
            assert history.active_run_id is not None
            tasks.create_task(chat.resume_stream())
            handler.go_on.set()
            await until(lambda: "question 4" in chat.messages[-1].text, chat)
            shown = [message.id for message in chat.messages]
        assert len(shown) == len(set(shown)) == 8, shown
        print("ok   database hydration: the rest came from the channel, live, once")
        await database.until(CHANNEL, 8)

    # Next year: the channel has forgotten everything.
    async with serving(handler, database) as ends:
        async with ends.chat("ann", await database.load(CHANNEL)) as chat:
            await chat.send("five")
            assert [message.id for message in chat.messages[:8]] == shown
            assert chat.messages[-1].text == "that was question 5, the first was 'one'", (
                chat.messages
            )
        print("ok   database hydration: a channel that forgot everything is no loss")


if __name__ == "__main__":
    asyncio.run(main())
