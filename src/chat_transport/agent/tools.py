"""Tools: typed Python functions that a model may call.

Rule: the signature is the schema, the docstring the description; a tool that a client runs has no
function. Whether a call needs a person's approval is said here, and kept by `ToolLoop`.
"""

from __future__ import annotations

import inspect
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, TypeAlias, overload

from ..model import ToolSpec
from ._tool_schema import ToolSignature, read_signature
from .run import Run, User

__all__ = ["Approval", "Tool", "ToolContext", "ToolError", "client_tool", "tool"]

JSON: TypeAlias = Any  # any JSON value
TIMEOUT_S = 60.0
"""Seconds that a tool may take."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ToolContext:
    """What a tool may know of the call. A parameter of this type gets it; the model never sees it.

    Attributes:
        run: The run, with the conversation and the chat's id.
        tool_call_id: The call.
        tool_name: The tool's name.
    """

    run: Run
    tool_call_id: str
    tool_name: str

    @property
    def user(self) -> User:
        """Who asks, verified."""
        return self.run.user


class ToolError(Exception):
    """Raised by a tool to tell the model, and the user, what went wrong. Its text is shown."""


Approval: TypeAlias = (
    Literal["always", "never"] | Callable[[Mapping[str, JSON], ToolContext], bool | Awaitable[bool]]
)
"""When a call needs a person's approval; a predicate gets the checked input."""


@dataclass(frozen=True, kw_only=True)
class Tool:
    """A tool, made by `tool` or `client_tool`.

    Attributes:
        spec: What the model knows.
        function: Runs the call; None if a client does.
        approval: When a person must allow the call.
        may_approve: Whether this user's approval counts; None for any user of the chat.
        timeout_s: Seconds that a call may take; None waits for ever.
    """

    spec: ToolSpec
    function: Callable[..., Any] | None = None
    approval: Approval = "never"
    may_approve: Callable[[User], bool] | None = None
    timeout_s: float | None = TIMEOUT_S
    signature: ToolSignature | None = field(default=None, repr=False)

    @property
    def name(self) -> str:
        """As the model sees it."""
        return self.spec.name

    @property
    def is_client_side(self) -> bool:
        """Whether a client gives the output."""
        return self.function is None

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Call the function itself, as if it were no tool."""
        if self.function is None:
            raise TypeError(f"unable to call tool {self.name!r}; a client runs it")
        return self.function(*args, **kwargs)

    def arguments(self, tool_input: JSON, context: ToolContext) -> dict[str, Any]:
        """Give the function's arguments.

        Raises:
            ValidationError: If the input does not fit the signature.
        """
        assert self.signature is not None
        arguments = self.signature.arguments(tool_input)
        if self.signature.context_name is not None:
            arguments[self.signature.context_name] = context
        return arguments


@overload
def tool(function: Callable[..., Any], /) -> Tool: ...
@overload
def tool(
    *,
    name: str | None = None,
    description: str | None = None,
    approval: Approval = "never",
    may_approve: Callable[[User], bool] | None = None,
    timeout_s: float | None = TIMEOUT_S,
    strict: bool | None = None,
) -> Callable[[Callable[..., Any]], Tool]: ...
def tool(
    function: Callable[..., Any] | None = None,
    /,
    *,
    name: str | None = None,
    description: str | None = None,
    approval: Approval = "never",
    may_approve: Callable[[User], bool] | None = None,
    timeout_s: float | None = TIMEOUT_S,
    strict: bool | None = None,
) -> Tool | Callable[[Callable[..., Any]], Tool]:
    """Make a tool of a function: `@tool` or `@tool(approval="always")`.

    An async function is awaited; a plain one runs in a thread, which a stop cannot interrupt: its
    result is then dropped. An async generator's values are shown as they come, the last is the
    output.

    Args:
        function: Its parameters need types; one of type `ToolContext` is given by us.
        name: None for the function's.
        description: None for the docstring's.
        approval: When a person must allow a call.
        may_approve: Whose approval counts; None for any user of the chat.
        timeout_s: Seconds that a call may take; None waits for ever.
        strict: Ask the provider to hold the schema strictly; None leaves its default.

    Raises:
        TypeError: If the signature cannot be told to a model.
        ValueError: If `approval` is another word.
    """
    if not callable(approval) and approval not in {"always", "never"}:
        raise ValueError(
            f"unable to ask for approval {approval!r}; say 'always', 'never' or give a predicate"
        )

    def make(function: Callable[..., Any]) -> Tool:
        if inspect.isgeneratorfunction(function):
            raise TypeError(
                f"unable to make a tool of {function.__name__!r}; make the generator async"
            )
        signature = read_signature(function, ToolContext)
        spec = ToolSpec(
            name=name or signature.name,
            description=signature.description if description is None else description,
            input_schema=signature.input_schema,
            strict=strict,
        )
        return Tool(
            spec=spec,
            function=function,
            approval=approval,
            may_approve=may_approve,
            timeout_s=timeout_s,
            signature=signature,
        )

    return make if function is None else make(function)


def client_tool(
    name: str, *, description: str = "", input_schema: Mapping[str, JSON] | None = None
) -> Tool:
    """Declare a tool that a client runs: the reply ends with the call, the output starts it anew.

    Args:
        name: As the model sees it.
        description: What it does, for the model.
        input_schema: JSON schema of the input; None for an object without properties.
    """
    schema = input_schema if input_schema is not None else {"type": "object", "properties": {}}
    return Tool(spec=ToolSpec(name=name, description=description, input_schema=schema))


def is_streaming(result: object) -> bool:
    """Whether a tool's result is a stream of preliminary outputs."""
    return isinstance(result, AsyncIterator)
