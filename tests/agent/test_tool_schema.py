"""A function's signature becomes a schema, its docstring the words."""

from __future__ import annotations

import functools
import threading
from typing import Annotated, Literal

import pytest
from pydantic import BaseModel, Field, ValidationError

from chat_transport.agent._tool_schema import explain_invalid, read_signature


class Context:
    pass


class Address(BaseModel):
    street: str
    number: int = 1


async def send(
    to: Address,
    text: Annotated[str, Field(max_length=5)],
    context: Context,
    *,
    urgency: Literal["low", "high"] = "low",
) -> str:
    """Send a letter.

    It goes by post.

    Args:
        to: Where it goes,
            as written on it.
        text (str): What it says.

    Returns:
        A receipt.
    """
    return f"{to}{text}{context}{urgency}"


def test_the_schema_has_types_words_and_no_context() -> None:
    signature = read_signature(send, Context)
    assert signature.name == "send"
    assert signature.description == "Send a letter.\n\nIt goes by post."
    assert signature.context_name == "context"
    schema = signature.input_schema
    assert schema["required"] == ["to", "text"]
    assert schema["additionalProperties"] is False
    assert schema["properties"]["text"] == {
        "type": "string",
        "maxLength": 5,
        "description": "What it says.",
    }
    assert schema["properties"]["to"]["description"] == "Where it goes, as written on it."
    assert schema["properties"]["urgency"] == {
        "default": "low",
        "enum": ["low", "high"],
        "type": "string",
    }
    assert "title" not in schema


def test_arguments_are_checked_and_typed() -> None:
    arguments = read_signature(send, Context).arguments({"to": {"street": "x"}, "text": "hi"})
    assert arguments == {"to": Address(street="x"), "text": "hi", "urgency": "low"}


def test_what_does_not_fit_is_explained_without_repeating_it() -> None:
    with pytest.raises(ValidationError) as raised:
        read_signature(send, Context).arguments({"to": {}, "text": "secret-text", "more": 1})
    said = explain_invalid(raised.value)
    assert said.startswith("the input does not fit: ")
    assert "to.street: Field required" in said
    assert "text: String should have at most 5 characters" in said
    assert "more: Extra inputs are not permitted" in said
    assert "secret-text" not in said


def test_a_tool_without_parameters_takes_no_input() -> None:
    def ping() -> str:
        return "pong"

    signature = read_signature(ping, Context)
    assert signature.arguments(None) == {} == signature.arguments({})
    assert signature.description == ""


def test_an_input_that_is_no_object_is_explained() -> None:
    with pytest.raises(ValidationError) as raised:
        read_signature(send, Context).arguments([1])
    assert explain_invalid(raised.value).startswith("the input does not fit: input: ")


def test_what_a_model_cannot_be_told_is_refused_at_once() -> None:
    def untyped(a) -> None:  # type: ignore[no-untyped-def]
        del a

    def many(*a: int) -> None:
        del a

    def positional(a: int, /) -> None:
        del a

    for function, why in ((untyped, "has no type"), (many, "by name"), (positional, "by name")):
        with pytest.raises(TypeError, match=f"{function.__name__!r}.*'a'.*{why}"):
            read_signature(function, Context)


def test_partials_and_callable_objects_are_read_too() -> None:
    class Finder:
        """Find things."""

        def __call__(self, what: str) -> str:
            return what

    def find(what: str, where: str) -> str:
        return what + where

    found = read_signature(Finder(), Context)
    assert (found.name, found.description) == ("Finder", "Find things.")
    partial = read_signature(functools.partial(find, where="here"), Context)
    assert partial.name == "find"
    assert partial.arguments({"what": "x"}) == {"what": "x", "where": "here"}


def test_a_type_that_json_has_not_is_refused_by_the_tools_name() -> None:
    def wait(until: threading.Event) -> None: ...

    with pytest.raises(TypeError, match=r"make a tool of 'wait'; a parameter's type .*Event"):
        read_signature(wait, Context)


def test_a_parameter_for_any_name_is_refused_as_such() -> None:
    def search(**words) -> None: ...

    with pytest.raises(TypeError, match="'words' cannot be given by name"):
        read_signature(search, Context)
