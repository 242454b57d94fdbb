from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from chat_transport.chunks import (
    ToolInputAvailable,
    ToolOutputAvailable,
    UIMessageChunk,
)
from chat_transport.errors import RemoteProtocolError
from chat_transport.messages import UIMessage
from chat_transport.model import ModelAdapter
from chat_transport.step import StepDecoder
from chat_transport.testing.replay import Recipe, Recording
from chat_transport.testing.round_trip import answered_message, following_request, lost_values


class Calls(StepDecoder):
    def decode(self, event: Any) -> list[UIMessageChunk]:
        if "fail" in event:
            return self.fail("no")
        if "answers" in event:
            return [ToolOutputAvailable(tool_call_id=event["answers"], output=1)]
        call_id = event["calls"]
        return [ToolInputAvailable(tool_call_id=call_id, tool_name="w", input={})]


def no_adapter(url: str, recording: Recording) -> ModelAdapter:
    raise NotImplementedError


RECIPE = Recipe(
    content_type="text/plain",
    frame=str.encode,
    adapter=no_adapter,
    decoder=lambda _recording: Calls(),
)


def recording(*events: dict[str, Any]) -> Recording:
    return Recording(api="x", name="n.1", events=[json.dumps(event) for event in events])


def test_calls_are_answered():
    message = answered_message(RECIPE, recording({"calls": "c"}))
    assert message is not None
    assert (message.parts[-1].state, message.parts[-1].output) == ("output-available", "ok")


@pytest.mark.parametrize("event", [{"fail": 1}, {"answers": "of an earlier response"}])
def test_failures_and_late_answers_make_no_message(event: dict[str, Any]):
    assert answered_message(RECIPE, recording(event)) is None


def test_what_the_stream_said_must_be_in_the_next_request():
    recorded = {"input": [{"call_id": "call_1"}, {"call_id": "of another stream"}]}
    one = recording({"calls": "call_1"})

    def keep(messages: list[UIMessage]) -> Any:
        return [part.to_wire() for part in messages[-1].parts]

    assert list(lost_values(RECIPE, one, keep, recorded)) == []
    assert list(lost_values(RECIPE, one, lambda _messages: {}, recorded)) == ["call_1"]
    assert list(lost_values(RECIPE, recording({"fail": 1}), keep, recorded)) == []


def test_the_next_request_lies_beside(tmp_path: Path):
    (tmp_path / "x").mkdir()
    assert following_request(tmp_path, recording()) is None
    (tmp_path / "x" / "n.2.request.json").write_text('{"a": 1}')
    assert following_request(tmp_path, recording()) == {"a": 1}


def test_other_faults_of_the_grammar_are_raised(monkeypatch: pytest.MonkeyPatch):
    def broken(*_: object) -> None:
        raise RemoteProtocolError("something else")

    monkeypatch.setattr("chat_transport.reducer.MessageReducer.feed", broken)
    with pytest.raises(RemoteProtocolError, match="something else"):
        answered_message(RECIPE, recording({"calls": "c"}))
