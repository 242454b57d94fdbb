"""From a Python function to what a model must know of it, and from a model's input to arguments.

Rule: pure; pydantic reads the signature, the docstring gives the words.
"""

from __future__ import annotations

import functools
import inspect
import re
import typing
from collections.abc import Callable, Mapping
from typing import Any, TypeAlias

from pydantic import BaseModel, ConfigDict, Field, ValidationError, create_model
from pydantic.errors import PydanticSchemaGenerationError

__all__ = ["ToolSignature", "explain_invalid", "read_signature"]

JSON: TypeAlias = Any  # any JSON value
_SECTION = re.compile(
    r"^(args|arguments|parameters|returns|yields|raises|example[s]?):\s*$", re.IGNORECASE
)
_ARGUMENT = re.compile(r"^\s+(\*{0,2}\w+)\s*(?:\([^)]*\))?:\s*(.*)$")


class ToolSignature:
    """What was read from a function.

    Attributes:
        name: The function's.
        description: The docstring before its first section.
        input_schema: JSON schema of the input object.
        context_name: The parameter that takes the context; None if there is none.
    """

    def __init__(
        self, model: type[BaseModel], *, description: str, context_name: str | None
    ) -> None:
        self._model = model
        self.name = model.__name__
        self.description = description
        self.context_name = context_name
        schema = model.model_json_schema()
        schema.pop("title", None)
        for field in schema.get("properties", {}).values():
            field.pop("title", None)
        self.input_schema: Mapping[str, JSON] = schema

    def arguments(self, tool_input: JSON) -> dict[str, Any]:
        """Give the function's arguments for a model's input.

        Raises:
            ValidationError: If the input does not fit.
        """
        given = self._model.model_validate({} if tool_input is None else tool_input)
        return {name: getattr(given, name) for name in type(given).model_fields}


def read_signature(function: Callable[..., Any], context_type: type) -> ToolSignature:
    """Read a tool from a function.

    Raises:
        TypeError: If a parameter has no type or none that JSON has, or cannot be given by name.
    """
    hints = typing.get_type_hints(_routine(function), include_extras=True)
    described, about = _read_docstring(inspect.getdoc(function) or "")
    context_name: str | None = None
    fields: dict[str, Any] = {}
    named = function.func if isinstance(function, functools.partial) else function
    name = str(getattr(named, "__name__", type(named).__name__))
    for parameter in inspect.signature(function).parameters.values():
        hint = hints.get(parameter.name)
        if parameter.kind not in {parameter.POSITIONAL_OR_KEYWORD, parameter.KEYWORD_ONLY}:
            raise TypeError(
                f"unable to make a tool of {name!r}; "
                f"parameter {parameter.name!r} cannot be given by name"
            )
        if hint is None:
            raise TypeError(
                f"unable to make a tool of {name!r}; parameter {parameter.name!r} has no type"
            )
        if isinstance(hint, type) and issubclass(hint, context_type):
            context_name = parameter.name
        else:
            default = ... if parameter.default is parameter.empty else parameter.default
            words = about.get(parameter.name)
            fields[parameter.name] = (hint, Field(default, description=words))
    try:
        model = create_model(name, __config__=ConfigDict(extra="forbid"), **fields)
    except PydanticSchemaGenerationError as error:
        raise TypeError(
            f"unable to make a tool of {name!r}; a parameter's type cannot be told in JSON: "
            f"{str(error).partition('. ')[0]}"
        ) from error
    return ToolSignature(model, description=described, context_name=context_name)


def _routine(function: Callable[..., Any]) -> Callable[..., Any]:
    """Give what bears the annotations: of a partial its function, of an object its call."""
    if isinstance(function, functools.partial):
        return _routine(function.func)
    return function if inspect.isroutine(function) else type(function).__call__


def explain_invalid(error: ValidationError) -> str:
    """Say to the model what is wrong with its input; nothing of the input itself is repeated."""
    faults = error.errors(include_url=False, include_context=False, include_input=False)
    lines = [f"{'.'.join(map(str, fault['loc'])) or 'input'}: {fault['msg']}" for fault in faults]
    return "the input does not fit: " + "; ".join(lines)


def _read_docstring(text: str) -> tuple[str, dict[str, str]]:
    """Give the description, and the words about each argument (Google style)."""
    described: list[str] = []
    about: dict[str, str] = {}
    section, argument = "", ""
    for line in text.splitlines():
        if _SECTION.match(line):
            section = line.strip().rstrip(":").lower()
        elif not section:
            described.append(line)
        elif section in {"args", "arguments", "parameters"}:
            found = _ARGUMENT.match(line)
            if found:
                argument = found[1]
                about[argument] = found[2].strip()
            elif argument and line.strip():
                about[argument] = f"{about[argument]} {line.strip()}".strip()
    return "\n".join(described).strip(), about
