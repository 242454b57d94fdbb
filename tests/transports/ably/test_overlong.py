"""What is larger than one Ably message: split where a reader can join it, else refused aloud."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Sequence
from typing import Any

import pytest

from chat_transport.agent.run import Run
from chat_transport.chunks import (
    DataChunk,
    Error,
    File,
    Finish,
    MessageMetadata,
    ReasoningDelta,
    ReasoningEnd,
    ReasoningStart,
    SourceDocument,
    StartStep,
    TextDelta,
    TextEnd,
    TextStart,
    ToolInputAvailable,
    ToolInputDelta,
    ToolInputStart,
    ToolOutputAvailable,
    ToolOutputError,
    UIMessageChunk,
)
from chat_transport.messages import ReasoningPart, TextPart
from chat_transport.reducer import MessageReducer
from chat_transport.transports.ably import AblyAgent, AblyChatTransport

pytestmark = pytest.mark.anyio

CHAT = "ai:chat"
WIRES = ["ai-transport", "message-per-response", "message-per-token", "ai-sdk-transport"]
BIG = "é" * 50_000
"""100,000 bytes: more than Ably takes in one message."""
CALL = ToolInputAvailable(tool_call_id="c", tool_name="t", input={})
REFUSED = {
    *(("message-per-response", kind) for kind in ("one delta", "many deltas")),
    *(("ai-sdk-transport", kind) for kind in ("one delta", "many deltas", "reasoning")),
    ("message-per-token", "one delta"),
}
"""Words that a wire does not split: one message is one part there, or the whole reply."""
HUGE: dict[str, Sequence[UIMessageChunk]] = {
    "one delta": [TextStart(id="a"), TextDelta(id="a", delta=BIG), TextEnd(id="a")],
    "many deltas": [
        TextStart(id="a"),
        *(TextDelta(id="a", delta="é" * 500) for _ in range(100)),
        TextEnd(id="a"),
    ],
    "reasoning": [
        ReasoningStart(id="r"),
        *(ReasoningDelta(id="r", delta="é" * 500) for _ in range(100)),
        ReasoningEnd(id="r"),
    ],
    "tool output": [CALL, ToolOutputAvailable(tool_call_id="c", output={"page": BIG})],
    "tool error": [CALL, ToolOutputError(tool_call_id="c", error_text=BIG)],
    "tool input": [
        ToolInputAvailable(tool_call_id="c", tool_name="t", input={"page": BIG}),
        ToolOutputAvailable(tool_call_id="c", output="read"),
    ],
    "streamed tool input": [
        ToolInputStart(tool_call_id="c", tool_name="t"),
        *(ToolInputDelta(tool_call_id="c", input_text_delta="é" * 500) for _ in range(100)),
    ],
    "data part": [DataChunk(type="data-page", data={"page": BIG})],
    "file": [File(url=f"data:text/plain,{BIG}", media_type="text/plain")],
    "document": [SourceDocument(source_id="s", media_type="text/plain", title=BIG)],
    "metadata": [MessageMetadata(message_metadata={"page": BIG})],
}


class Saying:
    """A handler that says a word, then whatever is huge, then a word."""

    def __init__(self, huge: Sequence[UIMessageChunk]) -> None:
        self.huge = huge

    async def __call__(self, run: Run) -> AsyncIterator[UIMessageChunk]:
        yield StartStep()
        for word in ("before", "after"):
            yield TextStart(id=word)
            yield TextDelta(id=word, delta=word)
            yield TextEnd(id=word)
            if word == "before" and run.messages[-1].text == "huge":
                for chunk in self.huge:
                    yield chunk
        yield Finish(finish_reason="stop")


def words(parts: Sequence[Any]) -> str:
    """Give what is said; wires of one text put an empty line between parts."""
    said = [part.text for part in parts if isinstance(part, TextPart | ReasoningPart)]
    return "".join(said).replace("\n\n", "")


@pytest.mark.parametrize("wire", WIRES)
@pytest.mark.parametrize("kind", HUGE)
async def test_what_is_too_large_arrives_whole_or_ends_the_reply_with_the_reason(
    connect: Any, talk: Any, wire: str, kind: str
) -> None:
    async with (
        AblyAgent(Saying(HUGE[kind]), connect("agent"), channels=[CHAT], wire=wire),
        AblyChatTransport(connect("ann"), wire=wire) as transport,
    ):
        one = talk(transport, CHAT)
        chunks = await one.say("huge", "u1")
        reducer = MessageReducer(message_id="none")
        for chunk in chunks:
            reducer.feed(chunk)
        last = chunks[-1]
        await one.say("small", "u2")
        kept = await one.settled()
    assert words(kept[3].parts) == "beforeafter", "the chat goes on"
    said, of_text = words(reducer.message.parts), kind in {"one delta", "many deltas", "reasoning"}
    huge = max(HUGE[kind], key=lambda chunk: len(str(chunk))).type
    huge = "data-*" if huge.startswith("data-") else huge
    is_carried = huge not in transport.capabilities.drops
    assert said == words(kept[1].parts)
    if (wire, kind) in REFUSED or (is_carried and not of_text):
        assert isinstance(last, Error)
        assert re.search(r"\d{5,6} bytes", last.error_text)
        assert said.startswith("before"), "what was said stays"
        assert "after" not in said
        assert kind != "many deltas" or len(said.encode()) > 60_000, "as much as there is room for"
    else:
        assert isinstance(last, Finish)
        assert said == f"before{BIG if of_text and is_carried else ''}after"
