"""One thing that is measured: its span, its duration, and the context in which it runs.

Rule: a context is attached only while the measured code runs, never across a `yield`: the code
that reads a generator must not see the generator's span.
"""

from __future__ import annotations

import time
from collections.abc import AsyncGenerator, AsyncIterator, Generator, Mapping
from contextlib import contextmanager
from typing import Any, TypeAlias, TypeVar

from opentelemetry.context import Context, attach, detach
from opentelemetry.metrics import Histogram
from opentelemetry.trace import Span, Status, StatusCode

from ..agent._closing import closing_stream
from . import names

__all__ = ["Attributes", "Operation"]

Item = TypeVar("Item")
Attributes: TypeAlias = dict[str, Any]  # strings, numbers, and lists of them
OTHER_ERROR = "_OTHER"
"""The conventions' word for an error that has no class."""


class Operation:
    """A run, a model call or a tool call under way.

    Args:
        span: Started already.
        context: The span's.
        duration: Told the seconds at the end; None tells nobody.
        dimensions: Attributes of the metric, few in number.
        capture_content: Whether an exception's words may be recorded.
    """

    def __init__(
        self,
        span: Span,
        context: Context,
        *,
        duration: Histogram | None,
        dimensions: Mapping[str, Any],
        capture_content: bool,
    ) -> None:
        self.span = span
        self.context = context
        self.dimensions: Attributes = dict(dimensions)
        self._duration = duration
        self._capture_content = capture_content
        self._started_s = time.perf_counter()

    @property
    def age_s(self) -> float:
        """Seconds since the start."""
        return time.perf_counter() - self._started_s

    @contextmanager
    def measured(self) -> Generator[None, None, None]:
        """End the operation with the block: as failed if it raises, as stopped if cancelled."""
        try:
            yield
        except Exception as error:
            self.fail(type(error).__qualname__)
            if self._capture_content:
                self.span.record_exception(error)
            raise
        except BaseException:  # cancelled, or the generator was closed: the user stopped it
            self.span.set_attribute(names.OUTCOME, "stopped")
            raise
        finally:
            self.span.end()
            if self._duration is not None:
                self._duration.record(self.age_s, self.dimensions, self.context)

    @contextmanager
    def current(self) -> Generator[None, None, None]:
        """Make the span the parent of what is begun in the block. No `yield` of a chunk within."""
        token = attach(self.context)
        try:
            yield
        finally:
            detach(token)

    async def each(self, stream: AsyncIterator[Item]) -> AsyncGenerator[Item, None]:
        """Give the items; the code that makes them runs in the operation's context."""
        async with closing_stream(stream) as items:
            iterator = aiter(items)
            while True:
                token = attach(self.context)
                try:
                    item = await anext(iterator)
                except StopAsyncIteration:
                    return
                finally:
                    detach(token)
                yield item

    def fail(self, kind: str = OTHER_ERROR) -> None:
        """Note a failure by its kind; its words may hold what nobody should log."""
        self.dimensions[names.ERROR_TYPE] = kind
        self.span.set_attribute(names.ERROR_TYPE, kind)
        self.span.set_status(Status(StatusCode.ERROR))
