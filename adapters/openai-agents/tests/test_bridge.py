"""The real Agents SDK against a local server; runs where it is installed."""

from __future__ import annotations

import json
from importlib.util import find_spec

import anyio
import pytest
from chat_transport_openai_agents import OpenAIAgent

from chat_transport.agent.run import Run, User
from chat_transport.chunks import (
    DataChunk,
    Error,
    Finish,
    MessageMetadata,
    ReasoningStart,
    TextDelta,
    TextStart,
    ToolApprovalRequest,
    ToolInputAvailable,
    ToolOutputAvailable,
    UIMessageChunk,
)
from chat_transport.errors import ConnectFailed
from chat_transport.messages import ToolApproval, ToolPart, UIMessage
from chat_transport.reducer import MessageReducer
from chat_transport.testing.grammar import grammar_faults
from chat_transport.testing.leaving import CLOSED_WITHIN_S, Way, leave
from chat_transport.testing.replay import Answer, replay_server

HAS_SDK = find_spec("agents") is not None
pytestmark = [pytest.mark.anyio, pytest.mark.filterwarnings("ignore")]
needs_sdk = pytest.mark.skipif(
    not HAS_SDK, reason="openai-agents is not installed: chat-transport-openai-agents[sdk]"
)
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


def answer(number: int, item: dict[str, object], *deltas: dict[str, object]) -> Answer:
    response: dict[str, object] = {
        "id": f"resp_{number}",
        "object": "response",
        "created_at": 0,
        "model": "m",
        "output": [],
        "parallel_tool_calls": True,
        "tool_choice": "auto",
        "tools": [],
    }
    usage = {
        "input_tokens": 1,
        "output_tokens": 1,
        "total_tokens": 2,
        "input_tokens_details": {"cached_tokens": 0},
        "output_tokens_details": {"reasoning_tokens": 0},
    }
    done = response | {"status": "completed", "output": [item], "usage": usage}
    events = [
        {"type": "response.created", "response": response},
        {"type": "response.output_item.added", "output_index": 0, "item": item},
        *deltas,
        {"type": "response.output_item.done", "output_index": 0, "item": item},
        {"type": "response.completed", "response": done},
    ]
    frames = [
        f"event: {event['type']}\ndata: {json.dumps(event | {'sequence_number': index})}\n\n".encode()
        for index, event in enumerate(events)
    ]
    return Answer(pieces=frames)


def called(number: int, name: str = "weather", arguments: str = '{"city":"Oslo"}') -> Answer:
    item = {
        "type": "function_call",
        "id": "fc_1",
        "call_id": "call_1",
        "name": name,
        "arguments": arguments,
        "status": "completed",
    }
    return answer(number, item)


def said(number: int, words: str) -> Answer:
    content = [{"type": "output_text", "text": words, "annotations": []}]
    item = {
        "type": "message",
        "id": "msg_1",
        "role": "assistant",
        "status": "completed",
        "content": content,
    }
    delta = {
        "type": "response.output_text.delta",
        "output_index": 0,
        "content_index": 0,
        "item_id": "msg_1",
        "delta": words,
        "logprobs": [],
    }
    return answer(number, item, delta)


def make_agent(url: str, *, needs_approval: bool = False):
    import agents
    import openai

    agents.set_tracing_disabled(disabled=True)
    client = openai.AsyncOpenAI(api_key="k", base_url=f"{url}/v1", max_retries=0)
    model = agents.OpenAIResponsesModel(model="m", openai_client=client)

    @agents.function_tool(needs_approval=needs_approval)
    def weather(city: str) -> str:
        """Tell the weather."""
        return f"sunny in {city}"

    return agents.Agent(name="Helper", model=model, tools=[weather]), client


async def collect(handler: OpenAIAgent, request: Run) -> list[UIMessageChunk]:
    with anyio.fail_after(20):
        return [chunk async for chunk in handler(request)]


@needs_sdk
async def test_tools_run_between_two_steps():
    async with replay_server(called(1), said(2, "Sunny.")) as server:
        agent, client = make_agent(server.url)
        chunks = await collect(OpenAIAgent(agent), run(HELLO))
        await client.close()
    plain = [chunk for chunk in chunks if chunk.type != "message-metadata"]
    assert grammar_faults(plain) == []
    assert [c.output for c in chunks if isinstance(c, ToolOutputAvailable)] == ["sunny in Oslo"]
    assert [c.delta for c in chunks if isinstance(c, TextDelta)] == ["Sunny."]
    assert [c.finish_reason for c in chunks if isinstance(c, Finish)] == ["stop"]
    assert server.requests[0].json["input"] == [
        {"role": "user", "content": [{"type": "input_text", "text": "Weather?"}]}
    ]


@needs_sdk
@pytest.mark.parametrize("approved", [True, False])
async def test_a_tool_that_needs_leave_waits_and_goes_on(*, approved: bool):
    async with replay_server(called(1), said(2, "Done.")) as server:
        agent, client = make_agent(server.url, needs_approval=True)
        handler = OpenAIAgent(agent)
        chunks = await collect(handler, run(HELLO))
        (asked,) = [chunk for chunk in chunks if isinstance(chunk, ToolApprovalRequest)]
        (call,) = [chunk for chunk in chunks if isinstance(chunk, ToolInputAvailable)]
        part = ToolPart(
            type="tool-weather",
            tool_call_id=call.tool_call_id,
            state="approval-responded",
            input=call.input,
            approval=ToolApproval(id=asked.approval_id, approved=approved),
        )
        chunks = await collect(
            handler, run(HELLO, UIMessage(id="m", role="assistant", parts=[part]))
        )
        await client.close()
    outputs = [chunk.output for chunk in chunks if isinstance(chunk, ToolOutputAvailable)]
    assert ("sunny in Oslo" in outputs) == approved
    assert any(chunk.type == "tool-output-denied" for chunk in chunks) != approved
    assert [c.delta for c in chunks if isinstance(c, TextDelta)] == ["Done."]


def reply_of(chunks: list[UIMessageChunk]) -> UIMessage:
    reducer = MessageReducer(message_id="m")
    for chunk in chunks:
        reducer.feed(chunk)
    return reducer.message


@needs_sdk
async def test_after_a_handoff_the_chat_goes_on():
    import agents

    answers = called(1, "transfer_to_billing", "{}"), said(2, "Paid."), said(3, "Bye.")
    async with replay_server(*answers) as server:
        triage, client = make_agent(server.url)
        triage.handoffs.append(agents.Agent(name="Billing", model=triage.model))
        handler = OpenAIAgent(triage)
        chunks = await collect(handler, run(HELLO))
        await collect(handler, run(HELLO, reply_of(chunks), UIMessage.user("Thanks", id="u2")))
        await client.close()
    assert [(c.type, c.data) for c in chunks if isinstance(c, DataChunk)] == [
        ("data-handoff", {"phase": "requested", "from": "Helper"}),
        ("data-handoff", {"phase": "occurred", "from": "Helper", "to": "Billing"}),
    ]
    agents_named = [c.message_metadata for c in chunks if isinstance(c, MessageMetadata)]
    assert agents_named == [{"agent": "Helper"}, {"agent": "Billing"}]
    sent = server.requests[2].json["input"]
    assert [one.get("type", one.get("role")) for one in sent] == [
        "user", "function_call", "function_call_output", "assistant", "user",
    ]  # fmt: skip
    assert sent[2]["call_id"] == "call_1"


@needs_sdk
async def test_an_output_of_images_and_text_is_json():
    import agents

    async with replay_server(called(1, "picture", "{}"), said(2, "Nice.")) as server:
        agent, client = make_agent(server.url)

        def picture():  # type: ignore[no-untyped-def]  # the SDK reads annotations by name
            url = "https://example.com/i.png"
            return [agents.ToolOutputText(text="Oslo"), agents.ToolOutputImage(image_url=url)]

        agent.tools.append(agents.function_tool(picture))
        chunks = await collect(OpenAIAgent(agent), run(HELLO))
        await client.close()
    (output,) = [chunk.output for chunk in chunks if isinstance(chunk, ToolOutputAvailable)]
    assert output == [
        {"type": "text", "text": "Oslo"},
        {"type": "image", "image_url": "https://example.com/i.png"},
    ]


def piece(finish: str | None = None, **delta: object) -> bytes:
    choice = {"index": 0, "delta": delta, "finish_reason": finish}
    body = {"id": "c", "model": "m", "object": "chat.completion.chunk", "created": 0}
    return f"data: {json.dumps(body | {'choices': [choice]})}\n\n".encode()


@needs_sdk
async def test_steps_of_a_chat_completions_model_have_parts_of_their_own():
    import agents

    call = {"index": 0, "id": "c1", "type": "function"}
    function = {"name": "weather", "arguments": '{"city":"Oslo"}'}
    first = [piece(reasoning_content="Hm"), piece(content="Let me see")]
    first += [piece(tool_calls=[call | {"function": function}]), piece(finish="tool_calls")]
    second = [piece(content="Sun"), piece(content="ny"), piece(finish="stop")]
    done = b"data: [DONE]\n\n"
    answers = Answer(pieces=first, tail=done), Answer(pieces=second, tail=done)
    async with replay_server(*answers) as server:
        agent, client = make_agent(server.url)
        agent.model = agents.OpenAIChatCompletionsModel(model="m", openai_client=client)
        chunks = await collect(OpenAIAgent(agent), run(HELLO))
        await client.close()
    starts = [chunk.id for chunk in chunks if isinstance(chunk, TextStart | ReasoningStart)]
    assert sorted(starts) == ["step-1", "step-1:0", "step-2"]
    assert not any("__fake_id__" in str(chunk) for chunk in chunks)
    texts = [part.text for part in reply_of(chunks).parts if part.type == "text"]
    assert texts == ["Let me see", "Sunny"]


@needs_sdk
async def test_too_many_turns_are_an_error():
    async with replay_server(called(1)) as server:
        agent, client = make_agent(server.url)
        chunks = await collect(OpenAIAgent(agent, options={"max_turns": 1}), run(HELLO))
        await client.close()
    assert any(isinstance(chunk, Error) for chunk in chunks)


@pytest.mark.skipif(HAS_SDK, reason="openai-agents is installed here")
async def test_without_the_sdk_the_remedy_is_named():
    with pytest.raises(ConnectFailed, match=r"chat-transport-openai-agents\[sdk\]"):
        await collect(OpenAIAgent(object()), run(HELLO))


@needs_sdk
@pytest.mark.parametrize("how", ["leave", "cancel"])
async def test_leaving_closes_the_providers_connection(how: Way):
    whole = said(1, "Sunny.")
    async with replay_server(Answer(pieces=whole.pieces[:3], hang_after=3)) as server:
        agent, client = make_agent(server.url)
        assert await leave(server, OpenAIAgent(agent)(run(HELLO)), by=how) < CLOSED_WITHIN_S
        await client.close()
