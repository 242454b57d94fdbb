"""A broker in the same loop, connections to it, and a handler that does what it is told."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from typing import Any

import anyio
import pytest

from chat_transport.agent.run import Run
from chat_transport.broker import RunningBroker, serve_broker
from chat_transport.chunks import (
    Finish,
    FinishStep,
    StartStep,
    TextDelta,
    TextEnd,
    TextStart,
    ToolApprovalRequest,
    ToolInputAvailable,
    ToolOutputAvailable,
    ToolOutputDenied,
    UIMessageChunk,
)
from chat_transport.inputs import SendMessages
from chat_transport.messages import ToolPart, UIMessage
from chat_transport.transports.ably import AblyChatTransport, AblyConnection

KEY = "app.key:secret"
DEADLINE_S = 15


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture
async def broker(anyio_backend: str) -> AsyncIterator[RunningBroker]:
    async with serve_broker([KEY]) as running:
        yield running


@pytest.fixture
def connect(broker: RunningBroker) -> Callable[..., AblyConnection]:
    """Makes connections, not opened."""

    def make(client_id: str | None = None, **settings: Any) -> AblyConnection:
        settings.setdefault("key", KEY)
        return AblyConnection(
            client_id=client_id, endpoint=broker.address, tls=False, timeout_s=5, **settings
        )

    return make


class Script:
    """A handler that answers as the last user message says, and can be held and released."""

    def __init__(self) -> None:
        self.runs: list[Run] = []
        self.closed: list[str] = []
        self.go_on = anyio.Event()
        self.is_waiting = anyio.Event()

    async def __call__(self, run: Run) -> AsyncIterator[UIMessageChunk]:
        self.runs.append(run)
        try:
            last = run.messages[-1]
            if last.role == "assistant":
                async for chunk in self._after_answer(last):
                    yield chunk
                return
            async for chunk in self._reply(last.text, run):
                yield chunk
        finally:
            self.closed.append(run.run_id)

    async def _reply(self, text: str, run: Run) -> AsyncIterator[UIMessageChunk]:
        yield StartStep()
        if text.startswith("tool"):
            yield ToolInputAvailable(tool_call_id="c1", tool_name="geo", input={"of": "me"})
        elif text.startswith("approve"):
            for number in range(2 if "two" in text else 1):
                call = f"c{number}"
                yield ToolInputAvailable(tool_call_id=call, tool_name="rm", input={"n": number})
                yield ToolApprovalRequest(approval_id=f"a{number}", tool_call_id=call)
        elif text.startswith("raise"):
            yield TextStart(id="t")
            yield TextDelta(id="t", delta="so far")
            raise RuntimeError("the model is down")
        else:
            yield TextStart(id="t")
            yield TextDelta(id="t", delta=f"you said {text}")
            if text.startswith("steer"):
                self.is_waiting.set()
                async for message in run.steering():
                    yield TextDelta(id="t", delta=f", then {message.text}")
                    break
            if text.startswith("hold"):
                self.is_waiting.set()
                await self.go_on.wait()
                yield TextDelta(id="t", delta=", and more")
            yield TextEnd(id="t")
        yield FinishStep()

    async def _after_answer(self, last: UIMessage) -> AsyncIterator[UIMessageChunk]:
        said: list[str] = []
        for part in last.parts:
            if not isinstance(part, ToolPart):
                continue
            if part.state == "output-available":
                said.append(f"{part.tool_call_id} gave {part.output}")
            elif part.approval is not None and part.approval.approved:
                yield ToolOutputAvailable(tool_call_id=part.tool_call_id, output="gone")
                said.append(f"{part.tool_call_id} allowed")
            else:
                yield ToolOutputDenied(tool_call_id=part.tool_call_id)
                said.append(f"{part.tool_call_id} denied")
        yield StartStep()
        yield TextStart(id="t2")
        yield TextDelta(id="t2", delta="; ".join(said))
        yield TextEnd(id="t2")
        yield FinishStep()
        yield Finish(finish_reason="stop")


@pytest.fixture
def script() -> Script:
    return Script()


class Talk:
    """One client's conversation, as an application would keep it."""

    def __init__(self, transport: AblyChatTransport, chat_id: str) -> None:
        self.transport = transport
        self.chat_id = chat_id

    async def messages(self) -> list[UIMessage]:
        history = await self.transport.load_history(self.chat_id)
        return list(history.messages)

    async def request(self, text: str, ident: str) -> SendMessages:
        messages = [*await self.messages(), UIMessage.user(text, id=ident)]
        return SendMessages(chat_id=self.chat_id, messages=messages)

    async def say(self, text: str, ident: str) -> list[UIMessageChunk]:
        return await self.send(await self.request(text, ident))

    async def send(self, request: SendMessages) -> list[UIMessageChunk]:
        with anyio.fail_after(DEADLINE_S):
            async with self.transport.send_messages(request) as stream:
                return [chunk async for chunk in stream]

    async def settled(self) -> list[UIMessage]:
        """Give the messages when no run is under way."""
        with anyio.fail_after(DEADLINE_S):
            while True:
                history = await self.transport.load_history(self.chat_id)
                if history.active_run_id is None:
                    return list(history.messages)
                await anyio.lowlevel.checkpoint()

    async def answered(self, count: int = 1) -> list[UIMessage]:
        """Give the messages when that many replies are complete."""
        while True:
            messages = await self.settled()
            if sum(message.role == "assistant" for message in messages) >= count:
                return messages
            await anyio.lowlevel.checkpoint()


@pytest.fixture
def talk() -> Callable[[AblyChatTransport, str], Talk]:
    return Talk
