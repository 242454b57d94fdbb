"""What an application hands to an agent, checked where it is handed in.

Rule: the message says what was given, what is wanted, and how to get from one to the other.
"""

from __future__ import annotations

import inspect
from collections.abc import Collection

from ..chunks import UIMessageChunk
from ..model import ProviderTool
from .tools import Tool

__all__ = ["check_chunk", "check_handler", "check_loop", "check_stream"]

_HANDLER = "a handler is an async generator of chunks: `async def handler(run)` with `yield`"


def check_handler(handler: object) -> None:
    """See that an agent can call it.

    Raises:
        TypeError: If it is a model, a handler that was called already, or no function at all.
    """
    if callable(handler):
        return
    if inspect.iscoroutine(handler):
        handler.close()  # no warning beside the error
    if inspect.isasyncgen(handler) or inspect.iscoroutine(handler):
        remedy = "give the function itself, without calling it"
    elif hasattr(handler, "stream"):
        remedy = "a model becomes a handler by `ToolLoop(model, tools)`"
    else:
        remedy = _HANDLER
    raise TypeError(f"unable to use {handler!r} as a handler; {remedy}")


def check_stream(stream: object, handler: object) -> None:
    """See that calling the handler gave chunks to iterate over.

    Raises:
        TypeError: If it returned instead of yielding, or is not async.
    """
    if hasattr(stream, "__aiter__"):
        return
    if inspect.iscoroutine(stream):
        stream.close()  # no warning beside the error
        gave = "returns instead of yielding"
    elif inspect.isgenerator(stream):
        gave = "yields, but is not `async`"
    else:
        gave = f"gave {_shown(stream)}"
    named = getattr(handler, "__qualname__", type(handler).__qualname__)
    raise TypeError(f"unable to run handler {named!r}; it {gave}: {_HANDLER}")


def check_chunk(chunk: object) -> None:
    """See that a handler said a chunk.

    Raises:
        TypeError: If it said something else, such as bare text.
    """
    if not isinstance(chunk, UIMessageChunk):
        raise TypeError(
            f"unable to say {_shown(chunk)}; a handler yields chunks of chat_transport.chunks, "
            "for text a TextStart, TextDeltas and a TextEnd"
        )


def check_loop(model: object, tools: object) -> None:
    """See that a tool loop has a model and tools.

    Raises:
        TypeError: If the model is a name, or a tool is a bare function.
        ValueError: If two tools have one name.
    """
    if not hasattr(model, "stream"):
        raise TypeError(
            f"unable to ask {_shown(model)}; give a ModelAdapter, an object of an adapter"
        )
    if not isinstance(tools, Collection):
        raise TypeError(f"unable to take {_shown(tools)} as the tools; give a list of tools")
    names: set[str] = set()
    for each in tools:
        if not isinstance(each, Tool | ProviderTool):
            raise TypeError(f"unable to take {_shown(each)} as a tool; decorate it with `@tool`")
        if each.name in names:
            raise ValueError(f"unable to offer two tools of one name, {each.name!r}")
        names.add(each.name)


def _shown(value: object) -> str:
    """Give the value and its type; a long one is cut."""
    words = repr(value)
    return f"{words if len(words) <= 80 else words[:77] + '...'} ({type(value).__name__})"
