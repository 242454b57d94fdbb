"""Making tools."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from chat_transport.agent.run import Run, User
from chat_transport.agent.tools import ToolContext, client_tool, is_streaming, tool

RUN = Run(
    run_id="r",
    chat_id="c",
    messages=(),
    trigger="submit-message",
    message_id=None,
    response_message_id="m",
    user=User(id="ada"),
    metadata={},
)
CONTEXT = ToolContext(run=RUN, tool_call_id="call", tool_name="add")


@tool
def add(a: int, b: int = 1) -> int:
    """Add two numbers."""
    return a + b


def test_a_bare_decorator_takes_name_and_words_from_the_function() -> None:
    assert (add.name, add.spec.description) == ("add", "Add two numbers.")
    assert add.spec.input_schema["required"] == ["a"]
    assert not add.is_client_side
    assert add.arguments({"a": "2"}, CONTEXT) == {"a": 2, "b": 1}


def test_a_tool_can_still_be_called_as_a_function() -> None:
    assert add(1, b=2) == 3


def test_settings_are_kept() -> None:
    @tool(name="plus", description="Sums.", approval="always", timeout_s=None, strict=True)
    def other(a: int, about: ToolContext) -> str:
        return f"{a}{about.user.id}"

    assert (other.name, other.spec.description, other.spec.strict) == ("plus", "Sums.", True)
    assert (other.approval, other.timeout_s) == ("always", None)
    assert other(**other.arguments({"a": 1}, CONTEXT)) == "1ada"


def test_a_client_tool_has_a_schema_and_no_function() -> None:
    pick = client_tool("pick", description="Pick a colour.")
    assert pick.is_client_side
    assert pick.spec.input_schema == {"type": "object", "properties": {}}
    with pytest.raises(TypeError, match="'pick'; a client runs it"):
        pick()
    schema = {"type": "object", "properties": {"a": {"type": "string"}}}
    assert client_tool("x", input_schema=schema).spec.input_schema == schema


def test_a_plain_generator_is_refused() -> None:
    def values(n: int) -> Iterator[int]:
        yield n

    with pytest.raises(TypeError, match="'values'; make the generator async"):
        tool(values)


def test_only_async_iterators_stream() -> None:
    assert not is_streaming([1])
    assert not is_streaming(iter([1]))


def test_an_approval_is_a_known_word_or_a_predicate() -> None:
    with pytest.raises(ValueError, match="for approval 'sometimes'; say 'always', 'never' or"):
        tool(approval="sometimes")  # type: ignore[call-overload]  # the mistake
