"""Our client against a server built with the published AI SDK: `streamText` and a mock model."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from pathlib import Path

import anyio
import pytest

from chat_transport.chunks import Finish, Start
from chat_transport.inputs import Reconnect, SendMessages
from chat_transport.messages import ReasoningPart, TextPart, ToolPart, UIMessage
from chat_transport.reducer import MessageReducer
from chat_transport.transports.http.client import HttpChatTransport

pytestmark = [pytest.mark.interop, pytest.mark.anyio]
HERE = Path(__file__).parent
NODE = HERE / "node_modules/node/bin/node"


@pytest.fixture
def node_server(node_packages: None) -> Iterator[str]:
    process = subprocess.Popen(
        [NODE, HERE / "server.mjs"], cwd=HERE, stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    try:
        yield f"http://127.0.0.1:{int(process.stdout.readline())}/api/chat"
    finally:
        process.terminate()
        process.wait(5)
        process.stdout.close()


async def test_our_client_reads_what_stream_text_says(node_server: str):
    fold = MessageReducer(message_id="unnamed")
    request = SendMessages(chat_id="c", messages=[UIMessage.user("what time?", id="u1")])
    with anyio.fail_after(20):
        async with HttpChatTransport(node_server) as transport:
            async with transport.send_messages(request) as reply:
                chunks = [chunk async for chunk in reply]
            async with transport.reconnect_to_stream(Reconnect(chat_id="c")) as idle:
                assert idle is None
    assert isinstance(chunks[0], Start)
    assert chunks[-1] == Finish(finish_reason="stop")
    for chunk in chunks:
        fold.feed(chunk)
    message = fold.message
    assert message.id == "from-node"
    assert message.text == "It is noon 🕛"
    reasoning = next(part for part in message.parts if isinstance(part, ReasoningPart))
    assert reasoning.text == "a clock is needed"
    tool = next(part for part in message.parts if isinstance(part, ToolPart))
    assert (tool.tool_name, tool.state) == ("clock", "output-available")
    assert tool.output == {"zone": "UTC", "time": "12:00"}
    assert isinstance(message.parts[-1], TextPart)
