"""The demo's two tools: one that runs by itself, and one that needs a person's leave."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, TypeAlias

from chat_transport.model import ToolSpec

__all__ = ["DemoTool", "demo_tools", "send_email", "weather"]

JSON: TypeAlias = Any  # any JSON value

SKIES = ("sunny", "cloudy", "rainy", "windy", "foggy")


async def weather(city: str) -> dict[str, JSON]:
    """Tell the weather in a city.

    Args:
        city: The city's name.
    """
    seed = sum(map(ord, city))
    return {"city": city, "temperatureC": seed % 28 + 4, "sky": SKIES[seed % len(SKIES)]}


async def send_email(to: str, subject: str, body: str) -> dict[str, JSON]:
    """Send an email. The demo sends none: it only says that it did.

    Args:
        to: Who gets it.
        subject: What it is about.
        body: The text.
    """
    return {"to": to, "subject": subject, "length": len(body), "sent": True}


@dataclass(frozen=True, slots=True, kw_only=True)
class DemoTool:
    """A tool and how to run it.

    Attributes:
        spec: What the model is told.
        run: The function; its arguments are the input's fields.
        needs_approval: A person must allow each call.
    """

    spec: ToolSpec
    run: Callable[..., Awaitable[JSON]]
    needs_approval: bool = False


def demo_tools() -> tuple[DemoTool, ...]:
    """`weather`, which runs by itself, and `send_email`, which needs approval."""
    return (
        DemoTool(
            spec=ToolSpec(
                name="weather",
                description="Tell the weather in a city.",
                input_schema=_strings(city="The city's name."),
            ),
            run=weather,
        ),
        DemoTool(
            spec=ToolSpec(
                name="send_email",
                description="Send an email.",
                input_schema=_strings(
                    to="Who gets it.", subject="What it is about.", body="The text."
                ),
            ),
            run=send_email,
            needs_approval=True,
        ),
    )


def _strings(**fields: str) -> dict[str, JSON]:
    return {
        "type": "object",
        "properties": {
            name: {"type": "string", "description": text} for name, text in fields.items()
        },
        "required": list(fields),
        "additionalProperties": False,
    }
