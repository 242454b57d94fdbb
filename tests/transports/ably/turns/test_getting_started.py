"""The agent of Ably's getting-started guide: a tool loop, people who approve, one channel."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Sequence
from typing import Any

import anyio
import pytest

from chat_transport import Chat, ModelAdapter, ToolLoop, is_complete_with_approval_responses, tool
from chat_transport.agent.run import Run
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
    UIMessageChunk,
)
from chat_transport.messages import ToolPart, UIMessage
from chat_transport.transports.ably import (
    AblyAgent,
    AblyChatTransport,
    AblyConnection,
    OwnerPolicy,
    make_token,
)

pytestmark = pytest.mark.anyio

CHAT = "ai:conversation"
WIRE = "message-per-response"
KEY = "app.key:secret"


class Author(ModelAdapter):
    """Calls `publish` as often as it is asked to, then says what it was told of each call."""

    def __init__(self) -> None:
        self.told: list[list[tuple[str, Any]]] = []

    async def stream(
        self, messages: Sequence[UIMessage], *, tools: Any = (), settings: Any = None
    ) -> AsyncIterator[UIMessageChunk]:
        last = messages[-1]
        yield StartStep()
        if last.role == "user" and last.text.startswith("publish"):
            yield TextStart(id="t")
            yield TextDelta(id="t", delta="let me see")
            yield TextEnd(id="t")
            for number, title in enumerate(last.text.split()[1:]):
                given: Any = "{no json" if title == "broken" else {"title": title}
                yield ToolInputAvailable(
                    tool_call_id=f"{last.id}-{number}", tool_name="publish", input=given
                )
        else:
            calls = [part for part in last.parts if isinstance(part, ToolPart)]
            self.told.append([(part.state, part.output or part.error_text) for part in calls])
            yield TextStart(id="t")
            yield TextDelta(id="t", delta="that is all")
            yield TextEnd(id="t")
        yield FinishStep()
        yield Finish(finish_reason="stop")


class Desk:
    """The agent's tools, and what they did."""

    def __init__(self) -> None:
        self.model = Author()
        self.published: list[str] = []

    def loop(self) -> ToolLoop:
        @tool(approval="always")
        async def publish(title: str) -> str:
            """Publish a post."""
            self.published.append(title)
            return f"published {title}"

        return ToolLoop(self.model, [publish])


@pytest.fixture
def desk() -> Desk:
    return Desk()


@pytest.fixture
def serve(connect: Callable[..., AblyConnection], desk: Desk) -> Callable[..., AblyAgent]:
    def make(**policy: Any) -> AblyAgent:
        return AblyAgent(
            desk.loop(),
            connect("ai-agent"),
            channels=[CHAT],
            wire=WIRE,
            policy=OwnerPolicy(start_roles={"user", "editor"}, **policy),
        )

    return make


@pytest.fixture
def chat_of(broker: Any) -> Callable[..., Any]:
    """Makes a person's chat, not entered; the token vouches for name and role."""

    def make(name: str, role: str | None = "user") -> tuple[AblyChatTransport, Chat]:
        async def token() -> str:
            roles = {"*": role} if role is not None else None
            return make_token(KEY, client_id=name, capability={"*": ["*"]}, roles=roles)

        connection = AblyConnection(token=token, endpoint=broker.address, tls=False)
        transport = AblyChatTransport(connection, wire=WIRE)
        chat = Chat(transport, id=CHAT, send_automatically_when=is_complete_with_approval_responses)
        return transport, chat

    return make


def waiting(chat: Chat) -> list[str]:
    """Give the approvals that wait."""
    return [
        part.approval.id
        for part in chat.messages[-1].parts
        if isinstance(part, ToolPart) and part.state == "approval-requested" and part.approval
    ]


async def until_said(chat: Chat, text: str) -> None:
    with anyio.fail_after(15):
        while chat.status != "ready" or text not in chat.messages[-1].text:
            await anyio.lowlevel.checkpoint()


async def test_one_approved_and_one_rejected_call_are_told_to_the_model(
    serve: Any, chat_of: Any, desk: Desk
) -> None:
    transport, chat = chat_of("ann")
    async with serve(), transport, chat:
        await chat.send("publish one two")
        first, second = waiting(chat)
        await chat.add_tool_approval_response(first, approved=True)
        await chat.add_tool_approval_response(second, approved=False)
        await until_said(chat, "that is all")
    assert desk.published == ["one"]
    ((yes, no),) = desk.model.told
    assert yes == ("output-available", "published one")
    assert no[0] == "output-denied"


async def test_approvals_outlive_the_agent(serve: Any, chat_of: Any, desk: Desk) -> None:
    transport, chat = chat_of("ann")
    async with transport, chat:
        async with serve():
            await chat.send("publish one two")
        first, second = waiting(chat)
        async with serve():
            await chat.add_tool_approval_response(second, approved=True)
            await chat.add_tool_approval_response(first, approved=True)
            await until_said(chat, "that is all")
        history = await transport.load_history(CHAT)
    assert sorted(desk.published) == ["one", "two"]
    assert [m.text for m in history.messages] == ["publish one two", "let me see\n\nthat is all"]


async def test_arguments_that_do_not_fit_are_told_to_the_model(
    serve: Any, chat_of: Any, desk: Desk
) -> None:
    transport, chat = chat_of("ann")
    async with serve(), transport, chat:
        await chat.send("publish broken")
        await until_said(chat, "that is all")
    assert desk.published == []
    (((state, text),),) = desk.model.told
    assert state == "output-error"
    assert "publish" in text


async def test_only_who_asked_and_who_is_trusted_may_approve(
    serve: Any, chat_of: Any, connect: Any, desk: Desk, broker: Any
) -> None:
    transport, chat = chat_of("ann")
    other, others_chat = chat_of("bob")
    editor, editors_chat = chat_of("eve", "editor")
    async with serve(trusted_roles={"editor"}), transport, chat, other, editor:
        await chat.send("publish one")
        async with others_chat:
            await others_chat.load_history()
            (approval,) = waiting(others_chat)
            await others_chat.add_tool_approval_response(approval, approved=True)
            with anyio.fail_after(15):
                while not broker_has(broker, "approval-response"):
                    await anyio.lowlevel.checkpoint()
        assert desk.published == []
        async with editors_chat:
            await decide_as(editor, approval, approved=False)
        await until_history(transport, "that is all")
    assert desk.published == []
    (((state, _),),) = desk.model.told
    assert state == "output-denied"


async def test_an_answer_may_come_before_the_reply_says_that_it_waits(
    connect: Any, chat_of: Any, broker: Any
) -> None:
    go_on = anyio.Event()
    seen: list[str] = []

    async def handler(run: Run) -> AsyncIterator[UIMessageChunk]:
        last = run.messages[-1]
        yield StartStep()
        if last.role == "user":
            yield ToolInputAvailable(tool_call_id="c", tool_name="publish", input={})
            yield ToolApprovalRequest(tool_call_id="c", approval_id="c")
            await go_on.wait()
        else:
            seen.extend(part.state for part in last.parts if isinstance(part, ToolPart))
            yield ToolOutputAvailable(tool_call_id="c", output="done")
            yield TextStart(id="t")
            yield TextDelta(id="t", delta="that is all")
            yield TextEnd(id="t")
        yield FinishStep()

    transport, chat = chat_of("ann")
    agent = AblyAgent(handler, connect("ai-agent"), channels=[CHAT], wire=WIRE)
    async with agent, transport, chat, anyio.create_task_group() as tasks:
        tasks.start_soon(chat.send, "publish")
        with anyio.fail_after(15):
            while not broker_has(broker, "approval-request"):
                await anyio.lowlevel.checkpoint()
        await decide_as(transport, "c", approved=True)
        go_on.set()
        await until_history(transport, "that is all")
    assert seen == ["approval-responded"]


async def test_a_sender_without_a_role_is_not_heard(serve: Any, chat_of: Any, desk: Desk) -> None:
    transport, chat = chat_of("mallory", None)
    friend, friends_chat = chat_of("ann")
    async with serve(), transport, friend, chat, friends_chat, anyio.create_task_group() as tasks:
        tasks.start_soon(chat.send, "hello")
        await friends_chat.send("hello too")
        tasks.cancel_scope.cancel()
    assert len(desk.model.told) == 1


def broker_has(broker: Any, name: str) -> bool:
    log = broker.broker.apps["app"].channels[CHAT].log
    return any(getattr(item, "name", None) == name for entry in log.entries for item in entry.items)


async def decide_as(transport: AblyChatTransport, call: str, *, approved: bool) -> None:
    """Publish a decision as the guide's client does."""
    from chat_transport.codecs.ably.prompts import PromptEncoder

    session = await transport.session(CHAT)
    encoded = PromptEncoder(new_id=lambda: "x").approval(call, approved=approved)
    await session.channel.publish(encoded.operation.messages, "decision")


async def until_history(transport: AblyChatTransport, text: str) -> None:
    with anyio.fail_after(15):
        while not any(text in m.text for m in (await transport.load_history(CHAT)).messages):
            await anyio.lowlevel.checkpoint()
