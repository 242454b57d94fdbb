"""Whatever a handler says in attempts, the channel shows what the run itself has kept."""

from __future__ import annotations

import itertools
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from typing import Any

import anyio
from hypothesis import given, settings
from hypothesis import strategies as st

from chat_transport._chunk_columns import merge_deltas
from chat_transport.agent.run import Run, RunEnd, RunRequest
from chat_transport.agent.runtime import ActiveRun, Agent
from chat_transport.chunks import (
    DataChunk,
    FinishStep,
    MessageMetadata,
    StartStep,
    TextDelta,
    TextEnd,
    TextStart,
    ToolInputAvailable,
    ToolInputDelta,
    ToolInputStart,
    ToolOutputAvailable,
    UIMessageChunk,
)
from chat_transport.codecs.ably.ai_transport.conversation import Conversation
from chat_transport.codecs.ably.ai_transport.run_encoder import RunIdentity, ui_run_encoder
from chat_transport.codecs.ably.operations import Append, Inbound, Operation, Publish
from chat_transport.messages import UIMessage
from chat_transport.reducer import MessageReducer
from chat_transport.testing.reply_grammar import reply_faults
from chat_transport.transports.ably.reply_reader import ReplyReader
from chat_transport.transports.ably.speech import Speech
from chat_transport.transports.ably.wire import Heard, RunRef


@dataclass(frozen=True)
class Try:
    """One attempt: what is said, and whether it fails."""

    said: Sequence[str]
    fails: bool


class Failed(Exception):  # what an attempt fails by
    """What leaves an attempt."""


WORDS = ["text", "bare", "call", "tool", "late", "data", "card", "meta", "step"]
SCRIPTS = st.lists(
    st.one_of(
        st.lists(st.sampled_from(WORDS), max_size=3),
        st.lists(
            st.builds(Try, st.lists(st.sampled_from(WORDS), max_size=4), st.booleans()),
            min_size=1,
            max_size=3,
        ),
    ),
    max_size=5,
)


class Teller:
    """Says what a script's words stand for."""

    def __init__(self, script: Sequence[Any]) -> None:
        self._script = script
        self._ids = itertools.count()
        self._open: list[str] = []

    async def __call__(self, run: Run) -> AsyncIterator[UIMessageChunk]:
        for number, part in enumerate(self._script):
            if not part or isinstance(part[0], str):
                for word in part:
                    alone = word in {
                        "bare",
                        "call",
                        "tool",
                    }  # the wire knows no part outside a step
                    said = self._chunks(word)
                    for chunk in [StartStep(), *said, FinishStep()] if alone else said:
                        yield chunk
                continue
            before = list(self._open)
            for attempt in part:
                self._forget(before)
                try:
                    async with run.step(f"step-{number}"):
                        for word in attempt.said:
                            for chunk in self._chunks(word):
                                yield chunk
                        if attempt.fails:
                            for chunk in self._chunks("half"):
                                yield chunk
                            self._fail()
                except Failed:
                    self._forget(before)

    def _forget(self, kept: list[str]) -> None:
        """Leave out calls of an attempt that is void or has failed."""
        self._open = [call for call in self._open if call in kept]

    def _fail(self) -> None:
        raise Failed

    def _chunks(self, word: str) -> list[UIMessageChunk]:
        name = f"{next(self._ids)}"
        text = [
            TextStart(id=name),
            TextDelta(id=name, delta=f"{name} "),
            TextDelta(id=name, delta="x"),
        ]
        match word:
            case "text":
                return [StartStep(), *text, TextEnd(id=name), FinishStep()]
            case "half":
                return text
            case "bare":
                return [*text, TextEnd(id=name)]
            case "call":
                self._open.append(name)
                return [ToolInputAvailable(tool_call_id=name, tool_name="n", input={"a": 1})]
            case "tool":
                return [
                    ToolInputStart(tool_call_id=name, tool_name="n"),
                    ToolInputDelta(tool_call_id=name, input_text_delta='{"a":1}'),
                    ToolInputAvailable(tool_call_id=name, tool_name="n", input={"a": 1}),
                    ToolOutputAvailable(tool_call_id=name, output=name),
                ]
            case "late" if self._open:
                return [ToolOutputAvailable(tool_call_id=self._open.pop(0), output=name)]
            case "data":
                return [DataChunk(type="data-note", data={"n": name})]
            case "card":
                return [DataChunk(type="data-card", id="card", data={"n": name})]
            case "meta":
                return [MessageMetadata(message_metadata={"note": name})]
            case "step":
                return [StartStep(), FinishStep()]
        return []


class Tape:
    """A channel: operations in, deliveries out, in order."""

    def __init__(self) -> None:
        self._serials = (f"{number:06}" for number in itertools.count(1))
        self._keys: dict[str, Inbound] = {}

    def play(self, operation: Operation) -> Inbound:
        if isinstance(operation, Publish):
            (message,) = operation.messages
            serial = next(self._serials)
            made = Inbound(
                action="create",
                serial=serial,
                version=serial,
                name=message.name,
                data=message.data,
                extras=message.extras,
                client_id="agent",
            )
            if operation.key is not None:
                self._keys[operation.key] = made
            return made
        assert isinstance(operation, Append)
        first = self._keys[operation.key]
        return Inbound(
            action="append",
            serial=first.serial,
            version=next(self._serials),
            name=first.name,
            data=operation.data,
            extras=operation.extras,
            client_id="agent",
        )


def broadcast(active: ActiveRun) -> list[Inbound]:
    """Give what a run's log is on a channel that acknowledges at once."""
    ids = (f"m{number}" for number in itertools.count())
    encoder = ui_run_encoder(
        RunIdentity(run_id="r", invocation_id="i", input_id="u"), new_id=lambda: next(ids)
    )
    speech, tape = Speech(encoder, active.attempts.marks), Tape()
    heard: list[Inbound] = []

    def put(operations: Sequence[Operation]) -> None:
        for operation in operations:
            heard.append(tape.play(operation))
            if isinstance(operation, Publish) and operation.await_serial:
                assert operation.key is not None
                put(encoder.acknowledged(operation.key, heard[-1].serial))

    put(encoder.start())
    for number, chunk in enumerate(active.log.since(0)):
        put(speech.say(number, chunk))
    put(encoder.suspend() if active.state == "suspended" else encoder.end())
    return heard


def fold(chunks: Sequence[UIMessageChunk]) -> UIMessage:
    reducer = MessageReducer(message_id="none")
    for chunk in chunks:
        reducer.feed(chunk)
    return reducer.message


def shape(message: UIMessage) -> Any:
    """The message without what this wire does not carry: states of text, text of whole inputs."""
    parts = [
        {key: value for key, value in part.items() if key != "state" or "toolCallId" in part}
        for part in message.to_wire()["parts"]
    ]
    return parts, message.metadata


async def told(script: Sequence[Any]) -> tuple[ActiveRun, RunEnd]:
    with anyio.fail_after(5):
        async with Agent(Teller(script)) as agent:
            active = agent.start(
                RunRequest(chat_id="c", messages=[UIMessage.user("hi", id="u1")], run_id="r")
            )
            return active, await active.wait()


@settings(max_examples=150, deadline=None)
@given(SCRIPTS)
def test_run_channel_and_readers_agree(script: Sequence[Any]) -> None:
    active, end = anyio.run(told, script)
    assert end.reason == "complete", end.error
    chunks = list(active.log.since(0))
    wanted = shape(end.response_message)
    assert reply_faults(chunks) == reply_faults(list(active.log.merged())) == []
    assert shape(fold(chunks)) == shape(fold(merge_deltas(chunks))) == wanted

    live, conversation = ReplyReader("r"), Conversation()
    heard = broadcast(active)
    for inbound in heard:
        change = conversation.feed(inbound)
        if change is not None and change.input_id == "u":
            ref = RunRef(run_id="r", input_id="u")
            seen = Heard(ref=ref, chunks=change.chunks, is_replaced=change.replaced)
            live.take(seen, conversation.reply("r", input_id="u") if change.replaced else ())
    late = Conversation()
    for inbound in heard:
        late.feed(inbound, live=False)
    for messages in (conversation.messages(), late.messages()):
        assert [shape(message) for message in messages if message.parts] == [wanted][
            : bool(wanted[0])
        ]
    assert shape(fold(live.chunks.since(0))) == wanted
