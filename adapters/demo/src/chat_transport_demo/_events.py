"""What the demo model says, as chunks.

Rule: pure; the same prompt always gives the same chunks. Ids count the conversation's tool calls,
so that no two steps of a message share one.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from collections.abc import Set as AbstractSet
from typing import Any, TypeAlias

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
    ToolInputStart,
    UIMessageChunk,
)

from ._request import Answered, Prompt

__all__ = ["MOST_WORDS", "answer", "wanted_delay_s"]

JSON: TypeAlias = Any  # any JSON value

MOST_WORDS = 100_000
"""The longest reply that `stream N words` gives."""

WORDS = [
    *("rivers", "carry", "small", "boats", "past", "quiet", "towns", "while", "morning", "light"),
    *("settles", "on", "red", "roofs", "and", "people", "walk", "slowly", "to", "the", "market"),
    *("with", "baskets", "of", "bread", "oranges", "and", "blue", "flowers"),
]
"""What long replies are made of, over and over."""

GREETING = """\
Hello! I am the **demo model**: I live in this package and need no key.

You said: *{text}*

| say | and see |
|---|---|
| `stream 200 words` | a long reply |
| `What is the weather in Paris?` | a tool that runs by itself |
| `Send an email to Ada about lunch` | a tool that waits for your approval |
| `think about it` | reasoning |
| `error` | a failure |

```python
async for chunk in stream:
    print(chunk)
```
"""

_STREAM = re.compile(r"\bstream\s+(\d+)\s+words?(?:\s+every\s+(\d+)\s*ms)?", re.IGNORECASE)
_CITY = re.compile(r"\b(?:in|for|at)\s+([A-Z][\w'-]*(?:\s+(?:and\s+)?[A-Z][\w'-]*)*)")
_TO = re.compile(r"\bto\s+([\w.+-]+(?:@[\w.-]+\w)?)", re.IGNORECASE)
_ABOUT = re.compile(r"\babout\s+(.+?)[.!?]*$", re.IGNORECASE)


def wanted_delay_s(text: str) -> float | None:
    """The pace that `stream N words every M ms` asks for; None if it asks for none."""
    match = _STREAM.search(text)
    return int(match[2]) / 1000 if match and match[2] else None


def answer(prompt: Prompt, tools: AbstractSet[str]) -> Iterator[UIMessageChunk]:
    """One step of the demo model's reply, from `start-step` to `finish`.

    Args:
        prompt: What was asked.
        tools: Names of the tools that may be called.
    """
    yield StartStep()
    words = 0
    calls = False
    for chunk in _body(prompt, tools):
        if isinstance(chunk, Error):
            yield chunk
            yield FinishStep()
            yield Finish(finish_reason="error")
            return
        words += isinstance(chunk, TextDelta | ReasoningDelta)
        calls = calls or isinstance(chunk, ToolInputAvailable)
        yield chunk
    yield FinishStep()
    usage = {
        "inputTokens": prompt.words_before,
        "outputTokens": words,
        "totalTokens": prompt.words_before + words,
    }
    yield Finish(finish_reason="tool-calls" if calls else "stop", message_metadata={"usage": usage})


def _body(prompt: Prompt, tools: AbstractSet[str]) -> Iterator[UIMessageChunk]:
    text = prompt.text
    lowered = text.lower()
    block = str(prompt.calls_before)
    stream = _STREAM.search(text)
    if prompt.answered:
        yield from _say(block, _report(prompt.answered))
    elif stream:
        count = int(stream[1])
        if count > MOST_WORDS:
            yield Error(error_text=f"unable to stream {count} words; at most {MOST_WORDS}")
            return
        yield from _say(block, _long(count))
    elif re.search(r"\berror\b", lowered):
        yield from _say(block, "Here is the failure that you asked for:")
        yield Error(error_text="the demo model failed, as it was asked to")
    elif "weather" in lowered and "weather" in tools:
        yield from _think(block, "The user wants the weather. I have a tool for that.")
        match = _CITY.search(text)
        cities = re.split(r"\s+and\s+", match[1]) if match else ["Lisbon"]
        for number, city in enumerate(cities, start=prompt.calls_before + 1):
            yield from _call(number, "weather", {"city": city})
    elif "mail" in lowered and "send_email" in tools:
        yield from _think(block, "An email leaves the house, so a person must allow it.")
        yield from _call(prompt.calls_before + 1, "send_email", _email(text))
    elif re.search(r"\b(?:think|reason)\w*\b", lowered):
        yield from _think(block, "First I read the question. Then I look at it from two sides.")
        yield from _say(block, "I have thought about it, and the answer is **forty-two**.")
    else:
        yield from _say(block, GREETING.format(text=text or "nothing"))


def _pieces(text: str) -> list[str]:
    """Words with the white space before them: joined, they are the text."""
    return re.findall(r"\s*\S+\s*$|\s*\S+", text)


def _long(count: int) -> str:
    words = [WORDS[index % len(WORDS)] for index in range(count)]
    paragraphs = [" ".join(words[start : start + 60]) for start in range(0, count, 60)]
    return "\n\n".join(paragraphs)


def _say(block: str, text: str) -> Iterator[UIMessageChunk]:
    part = f"text-{block}"
    yield TextStart(id=part)
    for piece in _pieces(text):
        yield TextDelta(id=part, delta=piece)
    yield TextEnd(id=part)


def _think(block: str, text: str) -> Iterator[UIMessageChunk]:
    part = f"reasoning-{block}"
    yield ReasoningStart(id=part)
    for piece in _pieces(text):
        yield ReasoningDelta(id=part, delta=piece)
    yield ReasoningEnd(id=part)


def _call(number: int, name: str, arguments: dict[str, JSON]) -> Iterator[UIMessageChunk]:
    call_id = f"call-{number}"
    written = json.dumps(arguments, ensure_ascii=False)
    yield ToolInputStart(tool_call_id=call_id, tool_name=name)
    for start in range(0, len(written), 12):
        piece = written[start : start + 12]
        yield ToolInputDelta(tool_call_id=call_id, input_text_delta=piece)
    yield ToolInputAvailable(tool_call_id=call_id, tool_name=name, input=arguments)


def _email(text: str) -> dict[str, JSON]:
    to = _TO.search(text)
    about = _ABOUT.search(text)
    subject = about[1] if about else "Hello"
    return {
        "to": to[1] if to else "ada@example.com",
        "subject": subject,
        "body": f"Hello, this is about {subject}.",
    }


def _report(answered: Sequence[Answered]) -> str:
    return "\n\n".join(_sentence(one) for one in answered)


def _sentence(one: Answered) -> str:
    if one.outcome == "denied":
        because = f": {one.value}" if one.value else ""
        return f"You refused `{one.tool_name}`{because}. I did nothing."
    if one.outcome == "error":
        return f"The tool `{one.tool_name}` failed: {one.value}"
    value = one.value
    if one.tool_name == "weather" and isinstance(value, dict) and "city" in value:
        degrees, sky = value.get("temperatureC"), value.get("sky")
        return f"In **{value['city']}** it is {degrees} °C and {sky}."
    if one.tool_name == "send_email" and isinstance(value, dict) and "to" in value:
        return f"The email to **{value['to']}** is on its way."
    return f"The tool `{one.tool_name}` says: `{json.dumps(value, ensure_ascii=False)}`"
