"""A decoder of a made-up provider shows what every decoder gets from `StepDecoder`."""

from __future__ import annotations

from typing import Any

import pytest

from chat_transport.chunks import (
    Error,
    Finish,
    FinishStep,
    ReasoningDelta,
    ReasoningEnd,
    ReasoningStart,
    StartStep,
    TextDelta,
    TextEnd,
    TextStart,
    ToolInputAvailable,
    ToolInputDelta,
    ToolInputError,
    ToolInputStart,
    UIMessageChunk,
)
from chat_transport.step import UNEXPECTED, StepDecoder, Usage, to_json
from chat_transport.testing.grammar import grammar_faults


class Echo(StepDecoder):
    """Events are lists of chunks."""

    def decode(self, event: Any) -> list[UIMessageChunk]:
        return event["say"]


class Event:
    """An SDK's object."""

    def __init__(self, *chunks: UIMessageChunk) -> None:
        self.chunks = list(chunks)

    def model_dump(self, **options: object) -> dict[str, Any]:
        assert options == {"mode": "json", "by_alias": True, "exclude_unset": True}
        return {"say": self.chunks}


def say(*chunks: UIMessageChunk) -> dict[str, Any]:
    return {"say": list(chunks)}


HELLO = (TextStart(id="t"), TextDelta(id="t", delta="a"))


def test_the_first_chunk_opens_the_step_and_the_end_closes_it():
    step = Echo()
    step.finish_reason = "stop"
    assert step.feed(say(*HELLO)) == [StartStep(), *HELLO]
    assert step.feed(say(TextEnd(id="t"))) == [TextEnd(id="t")]
    assert step.end() == [
        FinishStep(),
        Finish(finish_reason="stop", message_metadata={"finishReason": "stop"}),
    ]


def test_a_stream_without_an_end_is_interrupted_and_all_is_closed():
    step = Echo()
    step.feed(say(*HELLO, ReasoningStart(id="r")))
    step.feed(say(ToolInputStart(tool_call_id="c", tool_name="w")))
    step.feed(say(ToolInputDelta(tool_call_id="c", input_text_delta='{"a')))
    assert step.is_open(TextStart, "t")
    *closings, _, finish = step.end()
    assert closings == [
        TextEnd(id="t"),
        ReasoningEnd(id="r"),
        ToolInputError(
            tool_call_id="c",
            tool_name="w",
            input='{"a',
            error_text="the stream ended before the tool's input was complete",
        ),
    ]
    assert isinstance(finish, Finish)
    assert finish.finish_reason == "interrupted"


def test_an_empty_stream_is_an_empty_step():
    assert [chunk.type for chunk in Echo().end()] == ["start-step", "finish-step", "finish"]


def test_a_failure_before_output_is_the_error_alone():
    step = Echo()
    assert step.fail("no") == [Error(error_text="no")]
    assert step.fail("again") == []
    assert step.end() == []


def test_a_failure_after_output_is_inside_the_step():
    step = Echo()
    step.feed(say(*HELLO))
    assert step.fail("no") == [Error(error_text="no")]
    assert [chunk.type for chunk in step.end()] == ["text-end", "finish-step", "finish"]
    assert step.finish_reason == "error"


def test_a_step_that_has_begun_opens_before_its_error():
    step = Echo()
    step.begin()
    assert step.fail("no") == [StartStep(), Error(error_text="no")]


def test_objects_of_an_sdk_are_taken_too():
    assert Echo().feed(Event(*HELLO)) == [StartStep(), *HELLO]


@pytest.mark.parametrize(("text", "value"), [("", {}), (" ", {}), ('{"a":1}', {"a": 1})])
def test_tool_input_is_parsed_once(text: str, value: object):
    chunk = Echo().tool_input("c", "w", text)
    assert chunk == ToolInputAvailable(tool_call_id="c", tool_name="w", input=value)


def test_tool_input_takes_what_the_call_has_said_so_far():
    decoder = Echo()
    decoder.feed({"say": [ToolInputStart(tool_call_id="c", tool_name="w")]})
    decoder.feed({"say": [ToolInputDelta(tool_call_id="c", input_text_delta='{"a"')]})
    decoder.feed({"say": [ToolInputDelta(tool_call_id="c", input_text_delta=":1}")]})
    assert decoder.tool_input("c") == ToolInputAvailable(
        tool_call_id="c", tool_name="w", input={"a": 1}
    )
    assert decoder.tool_input("c", "v", "") == ToolInputAvailable(
        tool_call_id="c", tool_name="v", input={}
    )
    with pytest.raises(LookupError):  # which `feed` makes an error chunk
        decoder.tool_input("d")


def test_tool_input_that_is_not_json_is_an_error_with_the_text():
    chunk = Echo().tool_input("c", "w", '{"a"')
    assert isinstance(chunk, ToolInputError)
    assert chunk.input == '{"a"'
    assert "'w' is not JSON" in chunk.error_text


def test_metadata_and_usage_go_into_finish():
    step = Echo()
    step.metadata = {"responseId": "r", "modelId": None}
    step.usage = Usage(
        input_tokens=10, cache_read_tokens=4, output_tokens=5, reasoning_tokens=2, raw={"x": 1}
    )
    finish = step.end()[-1]
    assert isinstance(finish, Finish)
    assert finish.message_metadata == {
        "finishReason": "interrupted",
        "responseId": "r",
        "usage": {
            "inputTokens": 10,
            "inputTokenDetails": {"noCacheTokens": 6, "cacheReadTokens": 4},
            "outputTokens": 5,
            "outputTokenDetails": {"textTokens": 3, "reasoningTokens": 2},
            "totalTokens": 15,
            "raw": {"x": 1},
        },
    }


def test_usage_that_is_not_known_is_left_out():
    assert Usage().to_wire() == {"inputTokenDetails": {}, "outputTokenDetails": {}}


def test_done_is_noted():
    step = Echo()
    step.done()
    assert step.is_done


def test_json_is_written_as_javascript_writes_it():
    assert to_json({"a": ["é", 1, None]}) == '{"a":["é",1,null]}'


def test_a_delta_whose_start_was_lost_opens_its_part():
    step = Echo()
    told = step.feed(say(TextDelta(id="t", delta="a"), ReasoningDelta(id="r", delta="b")))
    assert told == [
        StartStep(),
        TextStart(id="t"),
        TextDelta(id="t", delta="a"),
        ReasoningStart(id="r"),
        ReasoningDelta(id="r", delta="b"),
    ]
    assert grammar_faults([*told, *step.end()]) == []


def test_what_is_opened_or_ended_twice_is_so_once():
    step = Echo()
    start = ToolInputStart(tool_call_id="c", tool_name="f")
    told = [
        *step.feed(say(*HELLO, TextStart(id="t"))),
        *step.feed(say(TextEnd(id="t"))),
        *step.feed(say(TextEnd(id="t"))),
        *step.feed(say(ReasoningEnd(id="r"))),
        *step.feed(say(start, start)),
    ]
    assert told == [StartStep(), *HELLO, TextEnd(id="t"), start]


def test_a_piece_of_input_for_an_unknown_call_is_left_out():
    assert Echo().feed(say(ToolInputDelta(tool_call_id="c", input_text_delta="{"))) == []


def test_an_event_of_an_unexpected_form_is_an_error_and_the_next_ones_are_read():
    step = Echo()
    told = [*step.feed(say(*HELLO)), *step.feed({"else": 1}), *step.feed(say(TextEnd(id="t")))]
    (error,) = [chunk for chunk in told if isinstance(chunk, Error)]
    assert error.error_text == f"{UNEXPECTED}: KeyError 'say'"
    assert told[-1] == TextEnd(id="t")
    assert grammar_faults([*told, *step.end()]) == []


def test_after_an_error_before_any_output_nothing_more_is_said():
    step = Echo()
    told = [*step.fail("no"), *step.feed(say(*HELLO)), *step.end()]
    assert told == [Error(error_text="no")]


def test_values_of_a_wrong_type_are_an_error_wherever_they_show():
    step = Echo()
    start = ToolInputStart(tool_call_id="c", tool_name="f")
    told = [
        *step.feed(say(*HELLO)),
        *step.feed(say(TextStart(id=["t"]))),  # type: ignore[arg-type]  # what a provider may send
        *step.feed(say(start, ToolInputDelta(tool_call_id="c", input_text_delta=5))),  # type: ignore[arg-type]  # as above
    ]
    step.usage = Usage(input_tokens="many")  # type: ignore[arg-type]  # as above
    told += step.end()
    (error,) = [chunk for chunk in told if isinstance(chunk, Error)]
    assert error.error_text.startswith(UNEXPECTED)
    assert grammar_faults(told) == []
    assert isinstance(told[-1], Finish)
    assert told[-1].finish_reason == "error"
