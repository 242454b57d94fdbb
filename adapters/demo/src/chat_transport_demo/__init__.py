"""A bundled model that needs no key: `DemoModel`, two tools, and a handler that runs them."""

from __future__ import annotations

from ._adapter import DemoModel, create
from ._handler import demo_handler
from ._tools import demo_tools, send_email, weather

__all__ = ["DemoModel", "create", "demo_handler", "demo_tools", "send_email", "weather"]
