from __future__ import annotations

import pytest
from chat_transport_demo._events import MOST_WORDS, answer, wanted_delay_s
from chat_transport_demo._request import Answered, Prompt

from chat_transport.chunks import (
    Error,
    Finish,
    FinishStep,
    ReasoningDelta,
    StartStep,
    TextDelta,
    ToolInputAvailable,
    ToolInputDelta,
    UIMessageChunk,
)

TOOLS = {"weather", "send_email"}


def say(text: str, **fields: object) -> list[UIMessageChunk]:
    return list(answer(Prompt(text=text, **fields), TOOLS))  # type: ignore[arg-type]  # test data


def text_of(chunks: list[UIMessageChunk]) -> str:
    return "".join(chunk.delta for chunk in chunks if isinstance(chunk, TextDelta))


@pytest.mark.parametrize("count", [0, 1, 60, 61, 500])
def test_stream_n_words_gives_n_words_in_n_deltas(count: int):
    chunks = say(f"please stream {count} words")
    assert len(text_of(chunks).split()) == count
    assert sum(isinstance(chunk, TextDelta) for chunk in chunks) == count


def test_too_many_words_are_refused():
    error = say(f"stream {MOST_WORDS + 1} words")[1]
    assert isinstance(error, Error)
    assert str(MOST_WORDS) in error.error_text


def test_the_pace_can_be_asked_for():
    assert wanted_delay_s("stream 9 words every 5 ms") == 0.005
    assert wanted_delay_s("stream 9 words") is None


def test_the_same_prompt_gives_the_same_chunks():
    assert say("hello") == say("hello")


def test_other_words_get_markdown_with_what_was_said_kept_whole():
    text = text_of(say("hello you"))
    assert "*hello you*" in text
    assert "| `stream 200 words` |" in text
    assert text.endswith("```\n")


def test_weather_thinks_and_calls_once_for_each_city():
    chunks = say("What is the weather in Paris and New York?", calls_before=3)
    calls = [chunk for chunk in chunks if isinstance(chunk, ToolInputAvailable)]
    assert [(call.tool_call_id, call.input) for call in calls] == [
        ("call-4", {"city": "Paris"}),
        ("call-5", {"city": "New York"}),
    ]
    assert any(isinstance(chunk, ReasoningDelta) for chunk in chunks)
    assert isinstance(chunks[-1], Finish)
    assert chunks[-1].finish_reason == "tool-calls"


def test_an_email_is_written_from_the_request():
    chunks = say("Send an email to ada@example.org about lunch on Friday.")
    call = next(chunk for chunk in chunks if isinstance(chunk, ToolInputAvailable))
    assert call.input["to"] == "ada@example.org"
    assert call.input["subject"] == "lunch on Friday"
    written = "".join(c.input_text_delta for c in chunks if isinstance(c, ToolInputDelta))
    assert '"to": "ada@example.org"' in written


def test_without_tools_nothing_is_called():
    chunks = list(answer(Prompt(text="weather"), set()))
    assert not any(isinstance(chunk, ToolInputAvailable) for chunk in chunks)
    assert text_of(chunks)


def test_an_error_on_request_comes_after_words():
    chunks = say("error")
    assert text_of(chunks)
    assert isinstance(chunks[-3], Error)
    assert chunks[-2:] == [FinishStep(), Finish(finish_reason="error")]


def test_thinking_on_request():
    assert any(isinstance(chunk, ReasoningDelta) for chunk in say("think about it"))


@pytest.mark.parametrize(
    ("answered", "words"),
    [
        (
            Answered(
                tool_name="weather",
                outcome="output",
                value={"city": "Oslo", "temperatureC": 3, "sky": "sunny"},
            ),
            "In **Oslo** it is 3 °C and sunny.",
        ),
        (
            Answered(tool_name="send_email", outcome="output", value={"to": "Ada"}),
            "The email to **Ada** is on its way.",
        ),
        (
            Answered(tool_name="send_email", outcome="denied", value=None),
            "You refused `send_email`. I did nothing.",
        ),
        (
            Answered(tool_name="weather", outcome="error", value="offline"),
            "The tool `weather` failed: offline",
        ),
        (Answered(tool_name="other", outcome="output", value=[1]), "The tool `other` says: `[1]`"),
    ],
)
def test_tool_answers_are_told(answered: Answered, words: str):
    assert text_of(say("weather", answered=(answered,))) == words


def test_a_step_is_bracketed_and_counts_its_words():
    chunks = say("stream 4 words", words_before=3)
    assert chunks[0] == StartStep()
    assert chunks[-1] == Finish(
        finish_reason="stop",
        message_metadata={"usage": {"inputTokens": 3, "outputTokens": 4, "totalTokens": 7}},
    )
