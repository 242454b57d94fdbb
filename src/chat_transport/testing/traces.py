"""Golden traces of `@ably/ai-transport`, checked in both directions.

Rule: a case is one thing that a trace says: what is written, or one thing that is read.
Source: traces captured from the npm package; see the README beside them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TypeAlias

from ..codecs.ably.ai_transport.conversation import Conversation
from ..codecs.ably.ai_transport.openai_responses import ResponsesCodec, ResponsesConversation
from ..codecs.ably.ai_transport.ui_chunks import UIChunkCodec
from ._trace_file import Trace, read_trace
from ._trace_reading import read_checks, unknown_keys
from ._trace_writing import write_trace

__all__ = ["run_traces"]

Case: TypeAlias = tuple[str, str | None]


def run_traces(path: Path, print: Callable[[str], object]) -> tuple[int, int]:  # noqa: A002  # it is what it stands for
    """Check every trace under `path` (a folder, or one `.jsonl` file).

    Args:
        path: Where the traces are.
        print: Takes a line for each failing case and for each key that is not compared, and last
            `N passed, M failed`.

    Returns:
        How many cases passed and failed; none of either in a folder without traces.
    """
    files = sorted(path.rglob("*.jsonl")) if path.is_dir() else [path]
    passed = failed = 0
    for file in files:
        for name, difference in _cases(file, print):
            if difference is None:
                passed += 1
            else:
                failed += 1
                print(f"{file.stem}/{name}: {difference}")
    print(f"{passed} passed, {failed} failed")
    return passed, failed


def _cases(file: Path, print: Callable[[str], object]) -> Iterator[Case]:  # noqa: A002  # as above
    try:
        trace = read_trace(file)
    except (OSError, ValueError) as error:
        yield "file", str(error)
        return
    for key in unknown_keys(trace.meta):
        print(f"{file.stem}/{key}: not compared: an unknown key")
    yield from _guarded("written", lambda: _written(trace))
    try:
        yield from read_checks(trace)
    except Exception as error:  # noqa: BLE001  # a broken trace is a failing case, not the end
        yield "read", f"{type(error).__name__}: {error}"


def _written(trace: Trace) -> str | None:
    if trace.speaks_ui:
        differences = write_trace(trace.operations, UIChunkCodec(), Conversation())
    else:
        differences = write_trace(trace.operations, ResponsesCodec(), ResponsesConversation())
    return "; ".join(differences) or None


def _guarded(name: str, check: Callable[[], str | None]) -> Iterator[Case]:
    try:
        yield name, check()
    except Exception as error:  # noqa: BLE001  # as above
        yield name, f"{type(error).__name__}: {error}"
