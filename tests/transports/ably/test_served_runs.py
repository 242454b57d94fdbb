"""Runs that are served in one process: in turn, apart from each other, and to their end."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import anyio
import pytest

from chat_transport.agent.run import User
from chat_transport.agent.runtime import Agent
from chat_transport.codecs.ably.ai_transport.run_encoder import RunIdentity, ui_run_encoder
from chat_transport.codecs.ably.operations import OutboundMessage
from chat_transport.errors import RequestRejected
from chat_transport.messages import UIMessage
from chat_transport.transports.ably.policy import OwnerPolicy
from chat_transport.transports.ably.served_runs import ServedRuns
from chat_transport.transports.ably.serving import Serving
from chat_transport.transports.ably.wire import RunRef, RunTask

pytestmark = pytest.mark.anyio


class Channel:
    """Takes everything, and keeps the names."""

    name = "ai:x"

    def __init__(self) -> None:
        self.connection = self
        self.in_flight = asyncio.Semaphore(10)
        self.said: list[OutboundMessage] = []
        self.refusal: Exception | None = None

    @property
    def names(self) -> list[str]:
        return [message.name for message in self.said]

    async def publish(self, messages: tuple[OutboundMessage, ...], ident: str) -> list[str]:
        await anyio.lowlevel.checkpoint()
        if self.refusal is not None:
            raise self.refusal
        self.said += messages
        first = len(self.said) - len(messages) + 1
        return [f"s{first + index}" for index in range(len(messages))]

    async def change(self, _action: str, message: OutboundMessage, *_: Any) -> None:
        await anyio.lowlevel.checkpoint()
        self.said.append(message)


class Wire:
    """Answers for every input; what it is asked for is what it was told."""

    def __init__(self) -> None:
        self.answered: set[str] = set()
        self.broken: set[str] = set()
        self.cancelled: set[str] = set()
        self.announced: list[str] = []
        self._ids = (f"id{number}" for number in itertools.count())

    def task(self, event_id: str, run_id: str) -> RunTask:
        ref = RunRef(run_id=run_id, input_id=event_id)
        return RunTask(
            ref=ref, trigger="submit-message", owner=None, continues=False, token=event_id
        )

    def resolve(self, event_id: str) -> RunTask:
        return self.task(event_id, "r1")

    def answered_by(self, task: RunTask) -> str | None:
        return "r1" if task.token in self.answered else None

    def needs_older(self, task: RunTask) -> bool:
        return False

    def prompt(self, task: RunTask) -> list[UIMessage]:
        if task.token in self.broken:
            raise KeyError("a bug")
        return [UIMessage.user("hold" if task.token == "slow" else "hello", id="u")]

    def is_cancelled(self, task: RunTask) -> bool:
        return task.token in self.cancelled

    def stand_for(self, agent: str) -> None:
        raise NotImplementedError

    def announcements(self, task: RunTask) -> list[str]:
        return sorted(self.announced)

    def speaker(self, task: RunTask) -> Any:
        identity = RunIdentity(run_id=task.ref.run_id or "", invocation_id="i", input_id="m")
        return ui_run_encoder(identity, new_id=lambda: next(self._ids))


async def nothing_older() -> bool:
    return False


@asynccontextmanager
async def serving(
    script: Any, *, may_meet: bool = False
) -> AsyncIterator[tuple[ServedRuns, Wire, Channel]]:
    channel, wire = Channel(), Wire()
    async with Agent(script) as agent:
        with anyio.fail_after(10):
            yield (
                ServedRuns(
                    channel,  # type: ignore[arg-type]  # a fake
                    wire,  # type: ignore[arg-type]  # a fake
                    agent,
                    chat_id="chat",
                    serving=Serving(policy=OwnerPolicy()),
                    load_older=nothing_older,
                    on_change=lambda: None,
                    may_meet=lambda: may_meet,
                ),
                wire,
                channel,
            )


async def test_a_run_is_carried_to_its_end_on_the_channel(script: Any) -> None:
    async with serving(script) as (served, wire, channel):
        served.in_hand.add()
        await served.serve("one", wire.task("one", "r1"), User())
        assert served.in_hand.is_empty
        assert "r1" not in served
    assert channel.names[0] == "ai-run-start"
    assert channel.names[-1] == "ai-run-end"


async def test_what_one_input_does_does_not_end_the_others(script: Any) -> None:
    async with serving(script) as (served, wire, channel):
        wire.broken.add("bad")
        for event_id, run_id in (("bad", "r1"), ("good", "r2")):
            served.in_hand.add()
            await served.serve(event_id, wire.task(event_id, run_id), User())
    assert [run.run_id for run in script.runs] == ["r2"]
    assert channel.names.count("ai-run-end") == 2  # the broken one too: marked as failed


async def test_two_inputs_about_one_run_come_in_turn_and_the_answered_one_does_nothing(
    script: Any,
) -> None:
    async with serving(script) as (served, wire, _channel):
        async with anyio.create_task_group() as tasks:
            for event_id in ("first", "second"):
                served.in_hand.add()
                tasks.start_soon(served.serve, event_id, wire.task(event_id, "r1"), User())
            await anyio.lowlevel.checkpoint()
            wire.answered.add("second")
    assert len(script.runs) == 1


async def test_what_the_user_took_back_before_it_began_is_stopped(script: Any) -> None:
    async with serving(script) as (served, wire, channel):
        wire.cancelled.add("gone")
        served.in_hand.add()
        await served.serve("gone", wire.task("gone", "r1"), User())
        assert not served.stop(RunRef(run_id="r1", input_id=None))
    assert channel.said[-1].extras["ai"]["transport"]["run-reason"] == "cancelled"


async def test_leaving_begins_nothing_more(script: Any) -> None:
    async with serving(script) as (served, wire, channel):
        await served.leave()
        served.in_hand.add()
        await served.serve("late", wire.task("late", "r1"), User())
    assert script.runs == []
    assert channel.names == []


async def test_who_learns_late_that_another_process_was_first_falls_silent_and_ends_nothing(
    script: Any,
) -> None:
    async with serving(script) as (served, wire, channel):
        async with anyio.create_task_group() as tasks:
            served.in_hand.add()
            tasks.start_soon(served.serve, "slow", wire.task("slow", "r1"), User())
            await script.is_waiting.wait()
            while "ai-output" not in channel.names:
                await anyio.lowlevel.checkpoint()
            wire.announced += ["s1"]  # its own, come back
            served.look("r1")
            wire.announced += ["s0"]  # on its way from another region
            served.look("r1")
            served.look("r2")
    statuses = [message.extras["ai"]["transport"].get("status") for message in channel.said]
    assert statuses[-1] == "cancelled"
    assert "ai-run-end" not in channel.names


async def test_a_channel_that_refuses_ends_a_run_that_waits_for_its_turn_at_once(
    script: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("chat_transport.transports.ably.election.TURN_S", 3600.0)
    async with serving(script, may_meet=True) as (served, wire, channel):
        channel.refusal = RequestRejected("no right", code=40160)
        served.in_hand.add()
        await served.serve("one", wire.task("one", "r1"), User())
        assert served.in_hand.is_empty
