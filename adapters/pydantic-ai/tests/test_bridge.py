"""A real Pydantic AI agent with its own test model; runs where the SDK is installed."""

from __future__ import annotations

import json
from importlib.util import find_spec

import anyio
import pytest
from chat_transport_pydantic_ai import pydantic_ai_handler

from chat_transport.agent.run import Run, User
from chat_transport.chunks import (
    TextDelta,
    ToolApprovalRequest,
    ToolInputAvailable,
    ToolOutputAvailable,
    UIMessageChunk,
)
from chat_transport.codecs.ui_stream import encode_sse
from chat_transport.errors import ConnectFailed
from chat_transport.messages import ToolApproval, ToolPart, UIMessage
from chat_transport.reducer import MessageReducer
from chat_transport.testing.leaving import CLOSED_WITHIN_S, Way, leave
from chat_transport.testing.replay import Answer, replay_server

pytestmark = [pytest.mark.anyio, pytest.mark.filterwarnings("ignore")]

HAS_SDK = find_spec("pydantic_ai") is not None
needs_sdk = pytest.mark.skipif(
    not HAS_SDK, reason="pydantic-ai is not installed: chat-transport-pydantic-ai[sdk]"
)


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


def run(*messages: UIMessage, trigger: str = "submit-message") -> Run:
    return Run(
        run_id="r",
        chat_id="c",
        messages=messages,
        trigger=trigger,  # type: ignore[arg-type]  # test data
        message_id=None,
        response_message_id="m",
        user=User(id="ada"),
        metadata={},
    )


async def collect(handler, request: Run) -> list[UIMessageChunk]:
    with anyio.fail_after(20):
        return [chunk async for chunk in handler(request)]


HELLO = UIMessage.user("Weather?", id="u")


@needs_sdk
async def test_tools_run_and_words_stream():
    from pydantic_ai import Agent, RunContext
    from pydantic_ai.models.test import TestModel

    def weather(ctx, city):  # type: ignore[no-untyped-def]  # annotated below
        return f"{ctx.deps}: sunny"

    # By object: the SDK looks for a string's name among the module's, where it is not.
    weather.__annotations__ = {"ctx": RunContext[str], "city": str, "return": str}
    agent = Agent(TestModel(), deps_type=str, tools=[weather])

    handler = pydantic_ai_handler(agent, deps=lambda run: run.user.id)
    chunks = await collect(handler, run(HELLO))
    outputs = [chunk.output for chunk in chunks if isinstance(chunk, ToolOutputAvailable)]
    assert outputs == ["ada: sunny"]
    assert any(isinstance(chunk, TextDelta) for chunk in chunks)
    reducer = MessageReducer(message_id="m")
    for chunk in chunks:
        reducer.feed(chunk)
    assert "sunny" in reducer.message.text


@needs_sdk
async def test_a_tool_that_needs_leave_waits_and_goes_on():
    from pydantic_ai import Agent, DeferredToolRequests
    from pydantic_ai.models.test import TestModel

    agent = Agent(TestModel(), output_type=[str, DeferredToolRequests])

    @agent.tool_plain(requires_approval=True)
    def send_email(to: str) -> str:
        return f"sent to {to}"

    handler = pydantic_ai_handler(agent)
    chunks = await collect(handler, run(HELLO))
    (asked,) = [chunk for chunk in chunks if isinstance(chunk, ToolApprovalRequest)]
    (call,) = [chunk for chunk in chunks if isinstance(chunk, ToolInputAvailable)]
    part = ToolPart(
        type="tool-send_email",
        tool_call_id=call.tool_call_id,
        state="approval-responded",
        input=call.input,
        approval=ToolApproval(id=asked.approval_id, approved=True),
    )
    reply = UIMessage(id="m", role="assistant", parts=[part])
    chunks = await collect(handler, run(HELLO, reply))
    outputs = [chunk.output for chunk in chunks if isinstance(chunk, ToolOutputAvailable)]
    assert outputs == ["sent to a"]


def alike(chunks: list[dict[str, object]]) -> list[dict[str, object]]:
    """Number the ids that are made anew in each run, and leave out the time."""
    numbers: dict[object, int] = {}
    for chunk in chunks:
        if "id" in chunk:
            chunk["id"] = numbers.setdefault(chunk["id"], len(numbers))
        metadata = chunk.get("messageMetadata")
        if isinstance(metadata, dict):
            metadata.get("pydantic_ai", {}).pop("timestamp", None)
    return chunks


def speaking_agent():
    from pydantic_ai import Agent, BinaryImage, ModelRetry
    from pydantic_ai.models.function import DeltaThinkingPart, DeltaToolCall, FunctionModel

    async def speak(messages, info):
        if len(messages) == 1:
            yield {0: DeltaThinkingPart(content="Hm")}
            yield {0: DeltaThinkingPart(content=", yes")}
            yield {0: DeltaThinkingPart(signature="sig")}
            yield "Let me "
            yield "see."
            yield {2: DeltaToolCall(name="picture", json_args="{", tool_call_id="c1")}
            yield {2: DeltaToolCall(json_args="}", tool_call_id="c1")}
        elif len(messages) == 3:
            yield {0: DeltaToolCall(name="failing", json_args="{}", tool_call_id="c2")}
        else:
            yield "Sunny."

    agent = Agent(FunctionModel(stream_function=speak))

    @agent.tool_plain
    def picture():  # type: ignore[no-untyped-def]  # the SDK looks for its name in the module
        return BinaryImage(b"png", media_type="image/png")

    @agent.tool_plain
    def failing() -> str:
        raise ModelRetry("no station")

    return agent


@needs_sdk
@pytest.mark.parametrize("sdk_version", [5, 7])
async def test_the_chunks_are_those_of_pydantic_ais_own_adapter(sdk_version: int):
    from pydantic_ai.ui.vercel_ai import VercelAIAdapter

    body = {"trigger": "submit-message", "id": "c", "messages": [HELLO.to_wire()]}
    request = VercelAIAdapter.build_run_input(json.dumps(body).encode())
    own = VercelAIAdapter(speaking_agent(), request, sdk_version=sdk_version, server_message_id="m")
    with anyio.fail_after(20):
        told = [chunk.encode(sdk_version) async for chunk in own.run_stream()]
    handler = pydantic_ai_handler(speaking_agent(), sdk_version=sdk_version)
    chunks = await collect(handler, run(HELLO))
    assert alike([to_wire(chunk) for chunk in chunks]) == alike(
        [json.loads(text) for text in told if text != "[DONE]"]
    )
    assert "Let me see." in [part.text for part in reply_of(chunks).parts if part.type == "text"]
    assert any(chunk.type == "tool-output-error" for chunk in chunks)


def reply_of(chunks: list[UIMessageChunk]) -> UIMessage:
    reducer = MessageReducer(message_id="m")
    for chunk in chunks:
        reducer.feed(chunk)
    return reducer.message


def to_wire(chunk: UIMessageChunk) -> dict[str, object]:
    return json.loads(encode_sse(chunk).removeprefix(b"data: "))


@pytest.mark.skipif(HAS_SDK, reason="pydantic-ai is installed here")
async def test_without_the_sdk_the_remedy_is_named():
    with pytest.raises(ConnectFailed, match=r"chat-transport-pydantic-ai\[sdk\]"):
        await collect(pydantic_ai_handler(object()), run(HELLO))


def word(text: str) -> bytes:
    choice = {"index": 0, "delta": {"content": text}, "finish_reason": None}
    body = {"id": "c", "model": "m", "object": "chat.completion.chunk", "created": 0}
    return f"data: {json.dumps(body | {'choices': [choice]})}\n\n".encode()


@needs_sdk
@pytest.mark.skipif(find_spec("openai") is None, reason="openai is not installed here")
@pytest.mark.parametrize("how", ["leave", "cancel"])
async def test_leaving_closes_the_providers_connection(how: Way):
    from openai import AsyncOpenAI
    from pydantic_ai import Agent
    from pydantic_ai.models.openai import OpenAIChatModel
    from pydantic_ai.providers.openai import OpenAIProvider

    async with replay_server(Answer(pieces=[word("Sun"), word("ny")], hang_after=2)) as server:
        client = AsyncOpenAI(api_key="k", base_url=f"{server.url}/v1", max_retries=0)
        model = OpenAIChatModel("m", provider=OpenAIProvider(openai_client=client))
        assert (
            await leave(server, pydantic_ai_handler(Agent(model))(run(HELLO)), by=how)
            < CLOSED_WITHIN_S
        )
        await client.close()
