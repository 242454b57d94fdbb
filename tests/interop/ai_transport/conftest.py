"""JavaScript peers of the official packages, on a local broker."""

from __future__ import annotations

import pytest


@pytest.fixture
def anyio_backend() -> str:
    """ably-python knows asyncio alone."""
    return "asyncio"
