"""The demo's two tools: one that runs by itself, and one that needs a person's leave."""

from __future__ import annotations

from typing import Any, TypeAlias

from chat_transport.agent.tools import Tool, tool

__all__ = ["demo_tools", "send_email", "weather"]

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
    """Send an email.

    Args:
        to: Who gets it.
        subject: What it is about.
        body: The text.
    """
    # The demo sends none: it only says that it did.
    return {"to": to, "subject": subject, "length": len(body), "sent": True}


def demo_tools() -> tuple[Tool, ...]:
    """`weather`, which runs by itself, and `send_email`, which needs approval."""
    return (tool(weather), tool(approval="always")(send_email))
