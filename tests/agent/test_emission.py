"""What a real JavaScript backend sends in each recorded situation, our agent sends too.

The model's words are taken from the recording, and so is what its tools do; everything else must
come from the agent: frames, outputs, approvals, what follows an error.
"""

from __future__ import annotations

import inspect
import json
from collections.abc import AsyncIterator, Callable, Sequence
from pathlib import Path
from typing import Any

import anyio
import pytest

from chat_transport.agent.run import RunRequest, User
from chat_transport.agent.runtime import Agent
from chat_transport.agent.tool_loop import ToolLoop
from chat_transport.agent.tools import Tool, ToolError, client_tool, tool
from chat_transport.chunks import Finish, FinishStep, StartStep, UIMessageChunk
from chat_transport.codecs.ui_stream import chunk_to_wire, decode_chunk
from chat_transport.messages import UIMessage
from chat_transport.model import ModelAdapter, ModelSettings, ProviderTool, ToolSpec

pytestmark = pytest.mark.anyio
JSON = Any
Wire = dict[str, JSON]
NOT_SAID = {
    "auto-denied": "nobody is asked where a policy answers: the tool itself says so",
    "auto-approved": "as above",
    "abort": "a stop is not the model's to say: the runtime's own tests show it",
    "model-error-mid": "an adapter that fails says `error` itself and ends its parts",
    "no-start-finish": "an option for streams inside a stream: `MessageStream` has it",
}
"""Situation -> why our agent says it otherwise, or where it does."""


_MODELS_OWN = ("text-", "reasoning-", "tool-input-", "source-", "file")


class Recorded(ModelAdapter):
    """Says the model's part of the recorded steps, one at each call."""

    def __init__(self, steps: Sequence[Sequence[UIMessageChunk]]) -> None:
        self._steps = list(steps)

    async def stream(
        self,
        messages: Sequence[UIMessage],
        *,
        tools: Sequence[ToolSpec | ProviderTool] = (),
        settings: ModelSettings | None = None,
    ) -> AsyncIterator[UIMessageChunk]:
        if not self._steps:
            raise OSError("the provider is down")
        for chunk in self._steps.pop(0):
            yield chunk


def steps_of(chunks: Sequence[Wire]) -> list[list[UIMessageChunk]]:
    """Give what the model says in each step; outputs of its provider's own tools are among it."""
    own = {c["toolCallId"] for c in chunks if c.get("providerExecuted")}
    steps: list[list[Wire]] = []
    for chunk in chunks:
        kind = chunk["type"]
        if kind == "start-step":
            steps.append([])
        elif steps and (kind.startswith(_MODELS_OWN) or chunk.get("toolCallId") in own):
            steps[-1].append(chunk)
    reason = next((c.get("finishReason", "stop") for c in chunks if c["type"] == "finish"), "stop")
    last = len(steps) - 1
    return [
        [
            StartStep(),
            *map(decode_chunk, step),
            FinishStep(),
            Finish(finish_reason=reason if number == last else "tool-calls"),
        ]
        for number, step in enumerate(steps)
    ]


def tools_of(chunks: Sequence[Wire], asked: Sequence[Wire]) -> list[Tool]:
    """Make tools that do what the recording has them do."""
    calls = [c for c in chunks if c["type"] == "tool-input-available"]
    calls += [
        {**part, "toolName": part["type"].removeprefix("tool-")}
        for message in asked
        for part in message["parts"]
        if part["type"].startswith("tool-")
    ]
    return [tool_of(call, chunks) for call in calls if not call.get("providerExecuted")]


def tool_of(call: Wire, chunks: Sequence[Wire]) -> Tool:
    mine = [c for c in chunks if c.get("toolCallId") == call["toolCallId"]]
    said = [c for c in mine if c["type"].startswith("tool-output-")]
    is_asked = any(c["type"] == "tool-approval-request" for c in mine) or "approval" in call
    if not said and not is_asked:
        return client_tool(call["toolName"])
    make = tool(
        name=call["toolName"], description="Do.", approval="always" if is_asked else "never"
    )
    return make(with_parameters(acting(said), call["input"]))


def acting(said: Sequence[Wire]) -> Callable[..., Any]:
    async def streaming(**_: Any) -> AsyncIterator[Any]:
        for one in said:
            if one.get("preliminary"):
                yield one["output"]

    async def plain(**_: Any) -> Any:
        if said[-1]["type"] == "tool-output-error":
            raise ToolError(said[-1]["errorText"])
        return said[-1].get("output")

    return streaming if any(one.get("preliminary") for one in said) else plain


def with_parameters(function: Callable[..., Any], given: Wire) -> Callable[..., Any]:
    parameters = [
        inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, annotation=Any) for name in given
    ]
    function.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]  # read by tool()
    function.__annotations__ = dict.fromkeys(given, Any)
    return function


def shown(chunks: Sequence[Wire]) -> list[Wire]:
    """Leave out what names differ in: ids that somebody made, and the model's own counts."""
    blocks: dict[str, str] = {}
    out: list[Wire] = []
    for chunk in chunks:
        if chunk["type"] == "message-metadata":
            continue
        kept = {k: v for k, v in chunk.items() if k not in {"messageId", "messageMetadata"}}
        if "id" in kept:
            kept["id"] = "block"
        if chunk["type"].startswith("tool-output-"):
            kept.pop("dynamic", None)  # readers go by the call's
        if "approvalId" in kept:
            kept["approvalId"] = blocks.setdefault(kept["approvalId"], f"ap-{len(blocks)}")
        out.append(kept)
    return out


async def play(case: Wire) -> list[Wire]:
    asked = [UIMessage.model_validate(message) for message in case["request_messages"]]
    loop = ToolLoop(
        Recorded(steps_of(case["chunks"])), tools_of(case["chunks"], case["request_messages"])
    )
    with anyio.fail_after(5):
        async with Agent(loop) as agent:
            request = RunRequest(chat_id="chat", messages=asked, user=User(id="ada"))
            run = agent.start(request)
            return [chunk_to_wire(chunk) async for chunk in run.log.stream()]


def situations(cases: Sequence[Wire]) -> list[Wire]:
    return [case for case in cases if case["name"].rpartition("/")[2] not in NOT_SAID]


async def differences(cases: Sequence[Wire]) -> dict[str, tuple[list[Wire], list[Wire]]]:
    found = {}
    for case in situations(cases):
        ours, theirs = shown(await play(case)), shown(case["chunks"])
        if ours != theirs:
            found[case["name"]] = (ours, theirs)
    return found


async def test_our_own_recordings_are_sent_again(ui_vectors: Path) -> None:
    cases = json.loads((ui_vectors / "emission.json").read_bytes())
    assert len(situations(cases)) >= 12
    assert await differences(cases) == {}
    answered = next(case for case in cases if "tool-output-available" in str(case["chunks"]))
    answered["chunks"] = [c for c in answered["chunks"] if c["type"] != "finish-step"]
    assert await differences([answered]) != {}  # the comparison can fail


async def test_the_shared_recordings_are_sent_again(shared_folder: Path) -> None:
    file = shared_folder / "vectors" / "ui" / "emission.json"
    assert await differences(json.loads(file.read_bytes())) == {}
