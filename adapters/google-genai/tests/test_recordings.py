"""Recorded streams: whole through the real SDK, and cut after every event."""

from __future__ import annotations

from typing import ClassVar

import pytest
from chat_transport_google_genai._recipes import recipe

from chat_transport.testing.recordings import RecordingSuite


# google-genai uses aiohttp where it is installed, and still inherits from its session.
@pytest.mark.filterwarnings("ignore:Inheritance class:DeprecationWarning")
class TestRecordings(RecordingSuite):
    recipes: ClassVar = {"gemini": recipe()}
