from __future__ import annotations

import anyio
import pytest

from chat_transport import (
    Agent,
    DirectChatTransport,
    ModelAdapter,
    SendMessages,
    ToolLoop,
    UIMessage,
    tool,
)
from chat_transport.chunks import TextStart


class Model(ModelAdapter):
    async def stream(self, messages, *, tools=(), settings=None):
        yield TextStart(id="t")


async def generator(run):
    yield TextStart(id="t")


async def returns(run):
    return "hello"


def not_async(run):
    yield TextStart(id="t")


async def says_text(run):
    yield "hello"


async def says_dict(run):
    yield {"type": "text-start", "id": "t"}


@tool
async def search(words: str) -> str:
    """Search."""
    return words


def bare(words: str) -> str:
    return words


@pytest.mark.parametrize(
    ("handler", "remedy"),
    [
        (Model(), r"a model becomes a handler by `ToolLoop\(model, tools\)`"),
        (generator(None), "give the function itself, without calling it"),
        (returns(None), "give the function itself, without calling it"),
        ("support", "a handler is an async generator of chunks"),
    ],
)
def test_what_is_no_handler_is_refused_when_the_agent_is_made(handler, remedy: str):
    with pytest.raises(TypeError, match=remedy):
        Agent(handler)


@pytest.mark.anyio
@pytest.mark.parametrize(
    ("handler", "words"),
    [
        (returns, "handler 'returns'; it returns instead of yielding"),
        (not_async, "handler 'not_async'; it yields, but is not `async`"),
        (lambda _: 3, r"it gave 3 \(int\)"),
        (says_text, r"unable to say 'hello' \(str\); a handler yields chunks"),
        (says_dict, r"\(dict\); a handler yields chunks"),
    ],
)
async def test_a_handler_that_says_no_chunks_fails_with_the_remedy(handler, words: str):
    told: list[Exception] = []

    def note(error: Exception) -> str:
        told.append(error)
        return "failed"

    wish = SendMessages(chat_id="c", messages=[UIMessage.user("hi", id="u")])
    with anyio.fail_after(5):
        async with (
            Agent(handler, error_text=note) as agent,
            DirectChatTransport(agent) as transport,
        ):
            async with transport.send_messages(wish) as stream:
                chunks = [chunk async for chunk in stream]
    assert [chunk.type for chunk in chunks] == ["start", "error"]
    with pytest.raises(TypeError, match=words):
        raise told[0]


@pytest.mark.parametrize(
    ("model", "tools", "error", "words"),
    [
        ("gpt", [search], TypeError, r"unable to ask 'gpt' \(str\); give a ModelAdapter"),
        (Model(), [bare], TypeError, "decorate it with `@tool`"),
        (Model(), search, TypeError, "give a list of tools"),
        (Model(), [search, search], ValueError, "two tools of one name, 'search'"),
    ],
)
def test_a_loop_is_made_of_a_model_and_tools(model, tools, error: type[Exception], words: str):
    with pytest.raises(error, match=words):
        ToolLoop(model, tools)


def test_a_long_value_is_cut_in_the_message():
    with pytest.raises(TypeError) as caught:
        ToolLoop("m" * 1000)
    assert len(str(caught.value)) < 200
