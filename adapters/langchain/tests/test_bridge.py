"""Real LangChain and LangGraph against a local server; runs where they are installed."""

from __future__ import annotations

import json
from importlib.util import find_spec

import anyio
import pytest
from chat_transport_langchain import LangChainHandler

from chat_transport.agent.run import Run, User
from chat_transport.chunks import (
    Error,
    Finish,
    TextDelta,
    ToolApprovalRequest,
    ToolInputAvailable,
    ToolOutputAvailable,
    UIMessageChunk,
)
from chat_transport.messages import ToolApproval, ToolPart, UIMessage
from chat_transport.testing.grammar import grammar_faults
from chat_transport.testing.leaving import CLOSED_WITHIN_S, Way, leave
from chat_transport.testing.replay import Answer, replay_server

HAS_SDK = all(find_spec(name) is not None for name in ("langgraph", "langchain_openai"))
pytestmark = [
    pytest.mark.anyio,
    pytest.mark.filterwarnings("ignore"),
    pytest.mark.skipif(not HAS_SDK, reason="langgraph and langchain-openai are not installed here"),
]
HELLO = UIMessage.user("Weather?", id="u")


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


def run(*messages: UIMessage) -> Run:
    return Run(
        run_id="r",
        chat_id="c",
        messages=messages,
        trigger="submit-message",
        message_id=None,
        response_message_id="m",
        user=User(),
        metadata={},
    )


def piece(finish: str | None = None, **delta: object) -> bytes:
    choice = {"index": 0, "delta": delta, "finish_reason": finish}
    body = {"id": "c", "model": "m", "object": "chat.completion.chunk", "created": 0}
    return f"data: {json.dumps(body | {'choices': [choice]})}\n\n".encode()


def called() -> Answer:
    start = {"index": 0, "id": "c1", "type": "function"}
    pieces = [
        piece(tool_calls=[start | {"function": {"name": "weather", "arguments": ""}}]),
        piece(tool_calls=[{"index": 0, "function": {"arguments": '{"city":"Oslo"}'}}]),
        piece(finish="tool_calls"),
    ]
    return Answer(pieces=pieces, tail=b"data: [DONE]\n\n")


def said(*words: str) -> Answer:
    pieces = [*(piece(content=word) for word in words), piece(finish="stop")]
    return Answer(pieces=pieces, tail=b"data: [DONE]\n\n")


def make_model(url: str):
    from langchain_openai import ChatOpenAI

    return ChatOpenAI(model="m", api_key="k", base_url=f"{url}/v1", max_retries=0)


def make_graph(url: str, tool, *, remembers: bool = True):
    from langgraph.checkpoint.memory import MemorySaver
    from langgraph.prebuilt import create_react_agent

    saver = MemorySaver() if remembers else None
    return create_react_agent(make_model(url), [tool], checkpointer=saver)


async def collect(handler: LangChainHandler, request: Run) -> list[UIMessageChunk]:
    with anyio.fail_after(20):
        return [chunk async for chunk in handler(request)]


def words(chunks: list[UIMessageChunk]) -> str:
    return "".join(chunk.delta for chunk in chunks if isinstance(chunk, TextDelta))


async def test_a_chat_model_streams():
    async with replay_server(said("Sun", "ny.")) as server:
        chunks = await collect(LangChainHandler(make_model(server.url)), run(HELLO))
    assert grammar_faults(chunks) == []
    assert words(chunks) == "Sunny."
    assert [c.finish_reason for c in chunks if isinstance(c, Finish)] == ["stop"]


@pytest.mark.parametrize("remembers", [True, False])
async def test_a_graph_runs_its_tools_between_two_steps(*, remembers: bool):
    def weather(city: str) -> str:
        """Tell the weather."""
        return f"sunny in {city}"

    async with replay_server(called(), said("Sunny.")) as server:
        graph = make_graph(server.url, weather, remembers=remembers)
        chunks = await collect(LangChainHandler(graph), run(HELLO))
    assert grammar_faults(chunks) == []
    assert [c.output for c in chunks if isinstance(c, ToolOutputAvailable)] == ["sunny in Oslo"]
    assert words(chunks) == "Sunny."


@pytest.mark.parametrize("approved", [True, False])
async def test_an_interrupted_tool_waits_and_goes_on(*, approved: bool):
    from langgraph.types import interrupt

    def weather(city: str) -> str:
        """Tell the weather."""
        answer = interrupt({"question": f"may I look at {city}?"})
        return "sunny" if answer["approved"] else f"refused: {answer['reason']}"

    async with replay_server(called(), said("Done.")) as server:
        handler = LangChainHandler(make_graph(server.url, weather))
        chunks = await collect(handler, run(HELLO))
        (asked,) = [chunk for chunk in chunks if isinstance(chunk, ToolApprovalRequest)]
        (call,) = [chunk for chunk in chunks if isinstance(chunk, ToolInputAvailable)]
        assert asked.tool_call_id == call.tool_call_id == "c1"
        approval = ToolApproval(id=asked.approval_id, approved=approved, reason="no")
        part = ToolPart(
            type="tool-weather",
            tool_call_id="c1",
            state="approval-responded",
            input=call.input,
            approval=approval,
        )
        reply = UIMessage(id="m", role="assistant", parts=[part])
        chunks = await collect(handler, run(HELLO, reply))
    outputs = [chunk.output for chunk in chunks if isinstance(chunk, ToolOutputAvailable)]
    assert outputs == ["sunny" if approved else "refused: no"]
    assert not any(chunk.type == "tool-output-denied" for chunk in chunks)
    assert words(chunks) == "Done."


async def test_a_failing_model_is_an_error():
    refusal = Answer(
        content_type="application/json", pieces=[b'{"error":{"message":"no"}}'], status=400
    )
    async with replay_server(refusal) as server:
        chunks = await collect(LangChainHandler(make_model(server.url)), run(HELLO))
    (error,) = [chunk for chunk in chunks if isinstance(chunk, Error)]
    assert "no" in error.error_text


@pytest.mark.skipif(find_spec("langchain") is None, reason="langchain is not installed here")
@pytest.mark.parametrize("approved", [True, False])
async def test_the_middleware_asks_and_goes_on(*, approved: bool):
    from langchain.agents import create_agent
    from langchain.agents.middleware import HumanInTheLoopMiddleware
    from langgraph.checkpoint.memory import MemorySaver

    def weather(city: str) -> str:
        """Tell the weather."""
        return f"sunny in {city}"

    async with replay_server(called(), said("Done.")) as server:
        agent = create_agent(
            make_model(server.url),
            [weather],
            middleware=[HumanInTheLoopMiddleware(interrupt_on={"weather": True})],
            checkpointer=MemorySaver(),
        )
        handler = LangChainHandler(agent)
        chunks = await collect(handler, run(HELLO))
        (asked,) = [chunk for chunk in chunks if isinstance(chunk, ToolApprovalRequest)]
        part = ToolPart(
            type="tool-weather",
            tool_call_id=asked.tool_call_id,
            state="approval-responded",
            input={"city": "Oslo"},
            approval=ToolApproval(id=asked.approval_id, approved=approved),
        )
        reply = UIMessage(id="m", role="assistant", parts=[part])
        chunks = await collect(handler, run(HELLO, reply))
    outputs = [chunk.output for chunk in chunks if isinstance(chunk, ToolOutputAvailable)]
    assert outputs == (["sunny in Oslo"] if approved else [])
    assert any(chunk.type == "tool-output-denied" for chunk in chunks) != approved
    assert words(chunks) == "Done."


@pytest.mark.parametrize("how", ["leave", "cancel"])
@pytest.mark.parametrize("kind", ["model", "graph"])
async def test_leaving_closes_the_providers_connection(kind: str, how: Way):
    def weather(city: str) -> str:
        """Tell the weather."""
        return f"sunny in {city}"

    async with replay_server(Answer(pieces=said("Sun", "ny.").pieces[:2], hang_after=2)) as server:
        url = server.url
        runnable = make_model(url) if kind == "model" else make_graph(url, weather)
        assert await leave(server, LangChainHandler(runnable)(run(HELLO)), by=how) < CLOSED_WITHIN_S
