"""JavaScript peers written after Ably's guides, on a local broker."""

from __future__ import annotations

import pytest


@pytest.fixture
def anyio_backend() -> str:
    """ably-python knows asyncio alone."""
    return "asyncio"
