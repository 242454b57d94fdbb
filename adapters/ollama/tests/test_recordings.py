"""Recorded streams: whole through the real SDK, and cut after every event."""

from __future__ import annotations

from typing import ClassVar

from chat_transport_ollama._recipes import recipe

from chat_transport.testing.recordings import RecordingSuite


class TestRecordings(RecordingSuite):
    recipes: ClassVar = {"ollama": recipe()}
