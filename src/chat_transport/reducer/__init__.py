"""Chunk by chunk into a message: `MessageReducer`."""

from __future__ import annotations

from .message_reducer import MessageReducer, Write

__all__ = ["MessageReducer", "Write"]
