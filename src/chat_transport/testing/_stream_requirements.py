"""Requirements: opening, closing, and the chunks of a reply."""

from __future__ import annotations

import anyio

from ..chunks import (
    ABSENT,
    Custom,
    DataChunk,
    File,
    Finish,
    FinishStep,
    MessageMetadata,
    ReasoningDelta,
    ReasoningEnd,
    ReasoningStart,
    SourceDocument,
    SourceUrl,
    Start,
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
from ..errors import TransportClosed
from ..inputs import Reconnect
from ..messages import UIMessage
from ..transport import ChatTransport
from ._registry import requires
from .harness import Scene, carried, collect, expect, expect_equal, fold, shown, words
from .reply_grammar import reply_faults

__all__: list[str] = []


@requires("open-before-use", "A transport that is not entered raises TransportClosed.")
async def _open_before_use(scene: Scene) -> None:
    transport = scene.client()
    await _expect_closed(scene, transport)
    async with transport:
        pass
    await _expect_closed(scene, transport)


async def _expect_closed(scene: Scene, transport: ChatTransport) -> None:
    try:
        async with transport.send_messages(scene.send()):
            pass
    except TransportClosed:
        pass
    else:
        expect(False, "send_messages did not raise TransportClosed")
    try:
        async with transport.reconnect_to_stream(Reconnect(chat_id=scene.chat_id)):
            pass
    except TransportClosed:
        return
    expect(False, "reconnect_to_stream did not raise TransportClosed")


@requires("stream-is-a-reply", "A stream is one whole reply: start first, one terminal chunk last.")
async def _stream_is_a_reply(scene: Scene) -> None:
    async with scene.client() as transport, transport.send_messages(scene.send()) as stream:
        line = await scene.agent.line()
        line.finish(*words("Hel", "lo"))
        chunks = await collect(stream)
    expect_equal(reply_faults(chunks), [], "the grammar of the reply")
    expect(isinstance(chunks[0], Start), f"the first chunk is {chunks[0]!r}")
    expect_equal(chunks[-1], Finish(finish_reason="stop"), "the last chunk")
    expect_equal(fold(chunks).text, "Hello", "the text")
    end = await scene.agent.end(line.run.run_id)
    drops = transport.capabilities.drops
    wanted = shown(end.response_message, drops)
    expect_equal(shown(fold(chunks), drops), wanted, "the message")


@requires("stream-is-live", "What the agent says arrives before it has finished.")
async def _stream_is_live(scene: Scene) -> None:
    async with scene.client() as transport, transport.send_messages(scene.send()) as stream:
        line = await scene.agent.line()
        line.say(*words("one ", ends=False))
        seen = ""
        while "one" not in seen:
            chunk = await anext(stream)
            seen += chunk.delta if isinstance(chunk, TextDelta) else ""
        line.finish(TextDelta(id="t", delta="two"), TextEnd(id="t"), Finish(finish_reason="stop"))
        rest = await collect(stream)
    said = "".join(chunk.delta for chunk in rest if isinstance(chunk, TextDelta))
    expect_equal(seen + said, "one two", "the text")


@requires("stream-loses-nothing", "A reply of 2,000 deltas arrives whole and in order.")
async def _stream_loses_nothing(scene: Scene) -> None:
    pieces = [f"{number} é€😀 " for number in range(2_000)]
    async with scene.client() as transport, transport.send_messages(scene.send()) as stream:
        line = await scene.agent.line()
        line.finish(*words(*pieces))
        chunks = await collect(stream)
    expect_equal(fold(chunks).text, "".join(pieces), "the text")


@requires("stream-carries-every-part", "Every kind of chunk arrives, but those in `drops`.")
async def _stream_carries_every_part(scene: Scene) -> None:
    async with scene.client() as transport, transport.send_messages(scene.send()) as stream:
        line = await scene.agent.line()
        line.finish(*_every_kind())
        chunks = await collect(stream)
    drops = transport.capabilities.drops
    said = carried(_every_kind(), drops)
    if "text-start" in drops:
        ending = (TextEnd(id="t"), FinishStep(), said[-1])
        said = [StartStep(), TextStart(id="t"), *said[:-1], *ending]
    wanted = fold([Start(message_id=line.run.response_message_id), *said])
    expect_equal(reply_faults(chunks), [], "the grammar of the reply")
    expect_equal(shown(fold(chunks), drops), shown(wanted, drops), "the message")


def _every_kind() -> list[UIMessageChunk]:
    metadata = {"demo": {"note": "n"}}
    return [
        StartStep(),
        ReasoningStart(id="r"),
        ReasoningDelta(id="r", delta="let me "),
        ReasoningDelta(id="r", delta="see"),
        ReasoningEnd(id="r", provider_metadata=metadata),
        ToolInputStart(tool_call_id="c1", tool_name="weather"),
        ToolInputDelta(tool_call_id="c1", input_text_delta='{"city":'),
        ToolInputDelta(tool_call_id="c1", input_text_delta='"Oslo"}'),
        ToolInputAvailable(tool_call_id="c1", tool_name="weather", input={"city": "Oslo"}),
        ToolInputStart(tool_call_id="c2", tool_name="find", dynamic=True, title="Find"),
        ToolInputAvailable(tool_call_id="c2", tool_name="find", input=None, dynamic=True),
        ToolOutputAvailable(tool_call_id="c1", output={"t": 1}, preliminary=True),
        ToolOutputAvailable(tool_call_id="c1", output={"t": None}),
        ToolOutputError(tool_call_id="c2", error_text="not found"),
        FinishStep(),
        StartStep(),
        TextStart(id="t"),
        TextDelta(id="t", delta="It is 1°"),
        TextEnd(id="t"),
        SourceUrl(source_id="s1", url="https://example.org/", title="Example"),
        SourceDocument(source_id="s2", media_type="text/plain", title="Notes"),
        File(url="data:text/plain;base64,aGk=", media_type="text/plain"),
        Custom(kind="demo.card"),
        DataChunk(type="data-card", id="d1", data={"a": [1, None, "x"]}),
        DataChunk(type="data-card", id="d1", data={"a": 2}),
        MessageMetadata(message_metadata={"model": "demo"}),
        FinishStep(),
        Finish(finish_reason="stop", message_metadata={"tokens": 7}),
    ]


@requires("handler-sees-the-request", "The handler gets the chat, the trigger and the messages.")
async def _handler_sees_the_request(scene: Scene) -> None:
    async with scene.client() as transport, transport.send_messages(scene.send("hi you")) as stream:
        line = await scene.agent.line()
        line.finish(*words("yes"))
        await collect(stream)
    run = line.run
    expect_equal(run.chat_id, scene.chat_id, "the chat id")
    expect_equal(run.trigger, "submit-message", "the trigger")
    expect_equal([message.role for message in run.messages], ["user"], "the roles")
    expect_equal(run.messages[0].text, "hi you", "the prompt")


@requires("drain-is-the-same", "`drain` gives the same chunks as iterating, then nothing.")
async def _drain_is_the_same(scene: Scene) -> None:
    async with scene.client() as transport, transport.send_messages(scene.send()) as stream:
        line = await scene.agent.line()
        line.finish(*words("a", "b", "c"))
        chunks: list[UIMessageChunk] = []
        while page := await stream.drain():
            chunks.extend(page)
        expect_equal(list(await stream.drain()), [], "draining after the end")
    expect_equal(fold(chunks).text, "abc", "the text")


@requires(
    "metadata-arrives",
    "Metadata of start, middle and finish is merged into the message.",
    carries=("message-metadata",),
)
async def _metadata_arrives(scene: Scene) -> None:
    async with scene.client() as transport, transport.send_messages(scene.send()) as stream:
        line = await scene.agent.line()
        line.say(Start(message_metadata={"a": 1}), *words("x", ends=False))
        line.finish(TextEnd(id="t"), FinishStep(), Finish(message_metadata={"b": 2}))
        chunks = await collect(stream)
    expect_equal(fold(chunks).metadata, {"a": 1, "b": 2}, "the metadata")
    starts = [chunk for chunk in chunks if isinstance(chunk, Start)]
    expect_equal(len(starts), 1, "the number of `start` chunks")
    expect(starts[0].message_id is not ABSENT, "`start` names no message")


@requires("chats-are-apart", "Replies in two chats at once do not mix.")
async def _chats_are_apart(scene: Scene) -> None:
    texts: dict[str, str] = {}

    async def talk(chat_id: str) -> None:
        request = scene.send(chat_id, chat_id=chat_id)
        async with transport.send_messages(request) as stream:
            texts[chat_id] = fold(await collect(stream)).text

    chats = [f"{scene.chat_id}-{number}" for number in range(3)]
    async with scene.client() as transport, anyio.create_task_group() as tasks:
        for chat_id in chats:
            tasks.start_soon(talk, chat_id)
        lines = [await scene.agent.line(number) for number in range(3)]
        for line in lines:
            line.say(*words("re: ", ends=False))
        for line in reversed(lines):
            line.finish(TextDelta(id="t", delta=line.run.chat_id), TextEnd(id="t"))
    expect_equal(texts, {chat_id: f"re: {chat_id}" for chat_id in chats}, "the replies")


@requires(
    "prompt-parts-arrive",
    "Text, files, data and metadata of a prompt reach the handler.",
    asks=("prompt-parts",),
)
async def _prompt_parts_arrive(scene: Scene) -> None:
    prompt = UIMessage.model_validate(
        {
            "id": "u1",
            "role": "user",
            "metadata": {"sent": "from a phone", "tags": ["a", 1]},
            "parts": [
                {
                    "type": "file",
                    "mediaType": "text/plain",
                    "url": "data:text/plain;base64,aGk=",
                    "filename": "hi.txt",
                },
                {"type": "data-place", "id": "d1", "data": {"lat": 59.9, "name": None}},
                {"type": "text", "text": "où? 😀"},
            ],
        }
    )
    async with scene.client() as transport, transport.send_messages(scene.ask([prompt])) as stream:
        line = await scene.agent.line()
        line.finish(*words("here"))
        await collect(stream)
    expect_equal(len(line.run.messages), 1, "the number of messages")
    got = line.run.messages[0].to_wire()
    for part in got["parts"]:
        part.pop("state", None)  # some wires mark text as done
    expect_equal(got, prompt.to_wire(), "the prompt")
