"""Which handler answers: `demo`, or an adapter's name and one of its models.

Rule: adapters are found by entry point; the core knows no provider's name.
"""

from __future__ import annotations

from importlib.metadata import entry_points

from ..agent.run import Handler
from ..agent.tool_loop import ToolLoop
from ..errors import ChatTransportError
from ..model import ModelAdapter
from ._failure import CommandFailed

__all__ = ["ADAPTERS", "find_model", "make_handler"]

ADAPTERS = "chat_transport.adapters"
"""Entry point group: name -> `(model_name: str) -> ModelAdapter`."""
HANDLERS = "chat_transport.handlers"
"""Entry point group: name -> `(model: ModelAdapter) -> Handler`; `demo` brings tools of its own."""


def find_model(text: str) -> ModelAdapter:
    """Give the model that `adapter:model` names, such as `demo` or `openai:gpt-5-mini`.

    Raises:
        CommandFailed: If no adapter of this name is installed, or it refuses the model.
    """
    name, _, model = text.partition(":")
    found = entry_points(group=ADAPTERS, name=name)
    if not found:
        known = ", ".join(sorted(entry_points(group=ADAPTERS).names)) or "none"
        raise CommandFailed(
            f"unable to find an adapter for model {text!r}; installed: {known}"
            f" (try: pip install chat-transport-{name.partition('-')[0] or 'demo'})"
        )
    if not model and name != "demo":
        raise CommandFailed(f"unable to use model {text!r}; name one, as in {name}:MODEL")
    try:
        adapter = next(iter(found)).load()(model)
    except ChatTransportError as error:
        raise CommandFailed(str(error)) from error
    except ImportError as error:
        raise CommandFailed(f"unable to load adapter {name!r}; {error}") from error
    if not isinstance(adapter, ModelAdapter):
        raise CommandFailed(f"unable to use adapter {name!r}; it gave no ModelAdapter")
    return adapter


def make_handler(model: ModelAdapter) -> Handler:
    """Give a handler that answers with `model`, with the demo's tools where they are installed."""
    for entry in entry_points(group=HANDLERS, name="demo"):
        handler: Handler = entry.load()(model)
        return handler
    return ToolLoop(model)
