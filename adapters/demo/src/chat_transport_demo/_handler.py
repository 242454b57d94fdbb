"""A handler that runs the demo's tools around any model: the real tool loop with its settings."""

from __future__ import annotations

from collections.abc import Sequence

from chat_transport.agent.run import Handler
from chat_transport.agent.tool_loop import ToolLoop
from chat_transport.agent.tools import Tool
from chat_transport.model import ModelAdapter

from ._adapter import DemoModel
from ._tools import demo_tools

__all__ = ["MOST_STEPS", "demo_handler"]

MOST_STEPS = 8
"""Model calls in one run."""


def demo_handler(model: ModelAdapter | None = None, tools: Sequence[Tool] | None = None) -> Handler:
    """Make a handler of a model and tools. It runs inside an `Agent`.

    Args:
        model: Who answers; None for a `DemoModel` at reading pace.
        tools: None for `demo_tools()`.
    """
    return ToolLoop(
        model or DemoModel(),
        demo_tools() if tools is None else tools,
        max_steps=MOST_STEPS,
    )
