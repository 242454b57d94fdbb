"""Real LangChain and LangGraph against a local server; runs where they are installed."""

from __future__ import annotations

import json
from importlib.util import find_spec

import anyio
import pytest
from chat_transport_langchain import LangChainHandler

from chat_transport.agent.run import Run, User
from chat_transport.chunks import (
    DataChunk,
    Error,
    Finish,
    TextDelta,
    TextStart,
    ToolApprovalRequest,
    ToolInputAvailable,
    ToolOutputAvailable,
    ToolOutputError,
    UIMessageChunk,
)
from chat_transport.messages import ToolApproval, ToolPart, UIMessage
from chat_transport.reducer import MessageReducer
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


async def test_parallel_nodes_share_a_step_and_keep_their_words_apart():
    from langgraph.graph import END, START, MessagesState, StateGraph

    async with replay_server(said("A ", "a"), said("A ", "a"), said("Both.")) as server:
        model = make_model(server.url)

        async def speak(state):
            return {"messages": [await model.ainvoke(state["messages"])]}

        graph = StateGraph(MessagesState)
        for name in ("one", "two", "last"):
            graph.add_node(name, speak)
        for name in ("one", "two"):
            graph.add_edge(START, name)
            graph.add_edge(name, "last")
        graph.add_edge("last", END)
        chunks = await collect(LangChainHandler(graph.compile()), run(HELLO))
    assert grammar_faults(chunks) == []
    reducer = MessageReducer(message_id="m")
    for chunk in chunks:
        reducer.feed(chunk)
    texts = [part for part in reducer.message.parts if part.type == "text"]
    assert [part.text for part in texts] == ["A a", "A a", "Both."]
    nodes = [part.provider_metadata["langchain"]["node"] for part in texts]
    assert sorted(nodes[:2]) == ["one", "two"]
    assert nodes[2] == "last"
    assert [chunk.type for chunk in chunks].count("start-step") == 2


async def test_a_tool_that_gives_a_command_has_an_output():
    from langchain_core.messages import ToolMessage
    from langgraph.types import Command

    def weather(city: str, tool_call_id):  # type: ignore[no-untyped-def]  # annotated below
        """Hand over."""
        return Command(update={"messages": [ToolMessage("moved", tool_call_id=tool_call_id)]})

    from typing import Annotated

    from langchain_core.tools import InjectedToolCallId

    # By object: LangChain looks for a string's name among the module's, where it is not.
    weather.__annotations__ = {"city": str, "tool_call_id": Annotated[str, InjectedToolCallId]}
    async with replay_server(called(), said("Done.")) as server:
        chunks = await collect(LangChainHandler(make_graph(server.url, weather)), run(HELLO))
    assert [c.output for c in chunks if isinstance(c, ToolOutputAvailable)] == ["moved"]


async def test_a_call_of_no_known_tool_is_answered_with_an_error():
    def sunset(city: str) -> str:
        """Tell when the sun sets."""
        return f"late in {city}"

    async with replay_server(called(), said("Sorry.")) as server:
        chunks = await collect(LangChainHandler(make_graph(server.url, sunset)), run(HELLO))
    (error,) = [chunk for chunk in chunks if isinstance(chunk, ToolOutputError)]
    assert error.tool_call_id == "c1"
    assert words(chunks) == "Sorry."


async def test_what_a_stream_writer_writes_is_data():
    from langgraph.config import get_stream_writer

    def weather(city: str) -> str:
        """Tell the weather."""
        write = get_stream_writer()
        write({"type": "progress", "done": 1})
        write({"type": "card", "id": "card-1", "city": city})
        write("on my way")
        return "sunny"

    async with replay_server(called(), said("Done.")) as server:
        chunks = await collect(LangChainHandler(make_graph(server.url, weather)), run(HELLO))
    assert grammar_faults(chunks) == []
    assert [chunk for chunk in chunks if isinstance(chunk, DataChunk)] == [
        DataChunk(type="data-progress", transient=True, data={"type": "progress", "done": 1}),
        DataChunk(
            type="data-card", id="card-1", data={"type": "card", "id": "card-1", "city": "Oslo"}
        ),
        DataChunk(type="data-custom", transient=True, data="on my way"),
    ]


async def test_words_of_a_subgraph_say_where_they_come_from():
    def sunset(city: str) -> str:
        """Tell when the sun sets."""
        return f"late in {city}"

    async with replay_server(called(), said("inner"), said("outer")) as server:
        inner = make_graph(server.url, sunset, remembers=False)

        async def weather(city: str) -> str:
            """Ask another agent."""
            asked = {"messages": [{"role": "user", "content": city}]}
            return (await inner.ainvoke(asked))["messages"][-1].content

        chunks = await collect(LangChainHandler(make_graph(server.url, weather)), run(HELLO))
    starts = [chunk for chunk in chunks if isinstance(chunk, TextStart)]
    places = [chunk.provider_metadata["langchain"] for chunk in starts]
    assert [place["node"] for place in places] == ["agent", "agent"]
    assert places[0]["namespace"].startswith("tools:")
    assert "namespace" not in places[1]
    assert [c.output for c in chunks if isinstance(c, ToolOutputAvailable)] == ["inner"]


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
