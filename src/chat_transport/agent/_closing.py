"""Closing what others gave us to iterate: handlers, models, tools.

Rule: a generator is always closed by us, at a known moment; a plain iterator has nothing to close.
"""

from __future__ import annotations

from contextlib import AbstractAsyncContextManager, aclosing, nullcontext
from typing import Any

__all__ = ["closing_stream"]


def closing_stream(stream: Any) -> AbstractAsyncContextManager[Any]:
    """Close `stream` at the end of the block, if it can be closed."""
    return aclosing(stream) if hasattr(stream, "aclose") else nullcontext(stream)
