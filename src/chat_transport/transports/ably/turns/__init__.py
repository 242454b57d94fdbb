"""Three more wires: Ably's documented patterns, and the older `ably-ai-sdk-transport`."""

from __future__ import annotations

from .wire import WIRES, AiSdkTransportWire, ResponseWire, TokenWire

__all__ = ["WIRES", "AiSdkTransportWire", "ResponseWire", "TokenWire"]
