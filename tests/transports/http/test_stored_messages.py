"""Old messages are read as far as they go, and a stopped chat goes on."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable

import anyio
import pytest

from chat_transport.agent.run import Run
from chat_transport.agent.tool_loop import ToolLoop
from chat_transport.agent.tools import tool
from chat_transport.chunks import (
    FinishStep,
    StartStep,
    TextDelta,
    TextEnd,
    TextStart,
    ToolInputAvailable,
    UIMessageChunk,
)
from chat_transport.inputs import SendMessages
from chat_transport.messages import UIMessage
from chat_transport.model import ModelAdapter
from chat_transport.reducer import MessageReducer
from chat_transport.transports.http.app import create_app
from chat_transport.transports.http.client import HttpChatTransport
from chat_transport.transports.http.stored_messages import read_stored

pytestmark = pytest.mark.anyio
PROMPT = UIMessage.user("delete it", id="u1")


def test_what_cannot_be_read_is_left_out_and_told_without_its_words(caplog):
    bad = {"type": "text", "text": ["a secret"]}
    stored = [PROMPT.to_wire(), None, {"id": "a", "role": "assistant", "parts": [bad]}]
    messages = read_stored(stored, chat_id="c1")
    assert [(message.id, message.parts) for message in messages[1:]] == [("a", [])]
    assert messages[0] == PROMPT
    assert len(caplog.records) == 2
    assert "chat 'c1': messages[2].parts[0] is not as expected" in caplog.text
    assert "secret" not in caplog.text


@tool(approval="always")
async def delete(name: str) -> str:
    """Delete a file."""
    return name


@tool
async def wait_for_ever() -> None:
    """Wait."""
    await anyio.sleep_forever()


class Careful(ModelAdapter):
    """Calls both tools at the first prompt, and says hello at the next."""

    async def stream(self, messages, *, tools=(), settings=None) -> AsyncIterator[UIMessageChunk]:
        yield StartStep()
        if messages[-1].id == "u1":
            yield ToolInputAvailable(tool_call_id="1", tool_name="delete", input={"name": "x"})
            yield ToolInputAvailable(tool_call_id="2", tool_name="wait_for_ever", input={})
        else:
            yield TextStart(id="t")
            yield TextDelta(id="t", delta="hello")
            yield TextEnd(id="t")
        yield FinishStep()


async def test_a_chat_stopped_while_a_tool_waits_for_approval_takes_the_next_message(
    serve: Callable[[object], str],
):
    loop = ToolLoop(Careful(), [delete, wait_for_ever])

    async def handler(run: Run) -> AsyncIterator[UIMessageChunk]:
        async for chunk in loop(run):
            yield chunk

    url = serve(create_app(handler)) + "/api/chat"
    with anyio.fail_after(10):
        async with HttpChatTransport(url) as transport:
            first = MessageReducer(message_id="unknown")
            wish = SendMessages(chat_id="c", messages=[PROMPT])
            async with transport.send_messages(wish) as stream:
                async for chunk in stream:
                    first.feed(chunk)
                    if chunk.type == "tool-approval-request":
                        await transport.stop("c")
            states = [getattr(part, "state", None) for part in first.message.parts]
            assert states == [None, "approval-requested", "output-error"]
            second = MessageReducer(message_id="unknown")
            claimed = [PROMPT, first.message, UIMessage.user("hi", id="u2")]
            async with transport.send_messages(
                SendMessages(chat_id="c", messages=claimed)
            ) as stream:
                async for chunk in stream:
                    second.feed(chunk)
            history = await transport.load_history("c")
    assert second.message.text == "hello"
    assert [message.id for message in history.messages] == [
        "u1", first.message.id, "u2", second.message.id,
    ]  # fmt: skip
