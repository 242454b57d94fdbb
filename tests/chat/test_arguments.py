from __future__ import annotations

import anyio
import pytest

from chat_transport import Agent, Chat, DirectChatTransport, FilePart, LocalProtocolError
from chat_transport.chunks import TextEnd, TextStart, ToolApprovalRequest, ToolInputAvailable

pytestmark = pytest.mark.anyio


async def handler(run):
    if run.messages[-1].text == "post it":
        yield ToolInputAvailable(tool_call_id="call", tool_name="post", input={})
        yield ToolApprovalRequest(approval_id="asked", tool_call_id="call")
    else:
        yield TextStart(id="t")
        yield TextEnd(id="t")


async def test_a_chat_is_made_of_a_transport_and_messages():
    with pytest.raises(TypeError, match="over 'http://x'; give a transport"):
        Chat("http://x")
    transport = DirectChatTransport(Agent(handler))
    with pytest.raises(TypeError, match=r"messages\[0\], a dict; .* `load_messages`"):
        Chat(transport, messages=[{"role": "user", "content": "hi"}])
    with pytest.raises(ValueError, match="when_busy='wait'; say 'concurrent', 'reject'"):
        Chat(transport, when_busy="wait")


@pytest.mark.parametrize(
    ("text", "files", "words"),
    [
        ({"role": "user"}, [], "unable to send a dict as text"),
        ("look", ["a.png"], r"files\[0\], a str; give FilePart\(.*from_bytes"),
    ],
)
async def test_words_are_text_and_files(text, files, words: str):
    with anyio.fail_after(5):
        async with Agent(handler) as agent, DirectChatTransport(agent) as transport:
            async with Chat(transport) as chat:
                with pytest.raises(TypeError, match=words):
                    await chat.send(text, files=files)
                assert chat.messages == ()
                await chat.send("fine", files=[FilePart.from_bytes(b"x", media_type="image/png")])
                assert chat.status == "ready"


async def test_a_call_is_no_approval():
    with anyio.fail_after(5):
        async with Agent(handler) as agent, DirectChatTransport(agent) as transport:
            async with Chat(transport) as chat:
                await chat.send("post it")
                with pytest.raises(LocalProtocolError, match="the id of a tool call"):
                    await chat.add_tool_approval_response("call", approved=True)
                await chat.add_tool_approval_response("nobody asked", approved=True)  # ignored
                await chat.add_tool_approval_response("asked", approved=True)
                assert chat.messages[-1].parts[0].state == "approval-responded"
                await chat.add_tool_approval_response("asked", approved=True)  # ignored too
