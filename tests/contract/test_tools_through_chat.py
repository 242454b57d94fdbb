"""Tools and approvals from end to end: Chat, direct transport, agent, tool loop."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from typing import Any

import anyio
import pytest

from chat_transport import (
    Agent,
    ApprovalSigner,
    Chat,
    DirectChatTransport,
    DirectHost,
    ModelAdapter,
    ToolLoop,
    UIMessage,
    UIMessageChunk,
    is_complete_with_approval_responses,
    tool,
)
from chat_transport.chunks import (
    Finish,
    FinishStep,
    StartStep,
    TextDelta,
    TextEnd,
    TextStart,
    ToolInputAvailable,
)

pytestmark = pytest.mark.anyio


class Mailer(ModelAdapter):
    """Asks for an email to be sent, and says what came of it."""

    async def stream(
        self, messages: Sequence[UIMessage], **_settings: Any
    ) -> AsyncIterator[UIMessageChunk]:
        yield StartStep()
        if messages[-1].role == "user":
            yield ToolInputAvailable(tool_call_id="1", tool_name="send", input={"to": "bob"})
        else:
            yield TextStart(id="t")
            yield TextDelta(id="t", delta=f"{messages[-1].parts[1].state}")  # type: ignore[union-attr]
            yield TextEnd(id="t")
        yield FinishStep()
        yield Finish(finish_reason="stop")


@pytest.mark.parametrize(
    ("approved", "state", "sent"),
    [(True, "output-available", ["bob"]), (False, "output-denied", [])],
)
async def test_a_call_waits_for_the_person_and_the_reply_goes_on(
    *, approved: bool, state: str, sent: list[str]
) -> None:
    outbox: list[str] = []

    @tool(approval="always")
    async def send(to: str) -> str:
        outbox.append(to)
        return "sent"

    done = anyio.Event()

    loop = ToolLoop(Mailer(), [send], signer=ApprovalSigner(b"0123456789abcdef"))
    with anyio.fail_after(5):
        async with Agent(loop) as agent:
            host = DirectHost(agent)
            async with (
                DirectChatTransport(host) as transport,
                Chat(
                    transport,
                    id="c",
                    send_automatically_when=is_complete_with_approval_responses,
                ) as chat,
            ):

                def look() -> None:
                    if chat.status == "ready" and chat.messages[-1].text:
                        done.set()

                await chat.send("mail bob")
                chat.subscribe(look)
                call = chat.messages[-1].parts[1]
                assert call.state == "approval-requested"  # type: ignore[union-attr]
                assert outbox == []
                await chat.add_tool_approval_response(call.approval.id, approved=approved)  # type: ignore[union-attr]
                await done.wait()
                shown = chat.messages
            stored = host.messages("c")
    assert outbox == sent
    assert [message.role for message in shown] == ["user", "assistant"]
    assert shown[-1].text == state
    assert stored[-1].to_wire() == shown[-1].to_wire()
