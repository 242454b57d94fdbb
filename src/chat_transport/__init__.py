"""Resilient transports for AI chat: one `ChatTransport`, several wires behind it."""

from __future__ import annotations

__all__: list[str] = []
