"""The wire of @ably/ai-transport 0.8 for the shell: both ends, in the words of `wire.py`."""

from __future__ import annotations

from .wire import AiTransportWire

__all__ = ["AiTransportWire"]
