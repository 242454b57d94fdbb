"""Fewer chunks that fold to the same message: neighbouring deltas of one part become one.

Rule: pure; the order of everything else is kept, and what carries metadata of its own stays whole.
"""

from __future__ import annotations

from collections.abc import Sequence

from ...chunks import ABSENT, ReasoningDelta, TextDelta, ToolInputDelta, UIMessageChunk

__all__ = ["compact"]


def compact(chunks: Sequence[UIMessageChunk]) -> list[tuple[UIMessageChunk, int]]:
    """Give the chunks merged, each with the number of chunks that it stands for.

    Time and space are linear in the text.
    """
    merged: list[tuple[UIMessageChunk, int]] = []
    run: list[UIMessageChunk] = []
    for chunk in chunks:
        if run and _continues(run[0], chunk):
            run.append(chunk)
            continue
        if run:
            merged.append(_joined(run))
        run = [chunk]
    if run:
        merged.append(_joined(run))
    return merged


def _continues(first: UIMessageChunk, chunk: UIMessageChunk) -> bool:
    if type(first) is not type(chunk):
        return False
    if isinstance(first, ToolInputDelta) and isinstance(chunk, ToolInputDelta):
        return first.tool_call_id == chunk.tool_call_id and _is_plain(first) and _is_plain(chunk)
    if isinstance(first, TextDelta | ReasoningDelta) and isinstance(
        chunk, TextDelta | ReasoningDelta
    ):
        return (
            first.id == chunk.id
            and first.provider_metadata is ABSENT
            and chunk.provider_metadata is ABSENT
            and _is_plain(first)
            and _is_plain(chunk)
        )
    return False


def _is_plain(chunk: UIMessageChunk) -> bool:
    return chunk.extra is ABSENT


def _joined(run: list[UIMessageChunk]) -> tuple[UIMessageChunk, int]:
    first = run[0]
    if len(run) == 1:
        return first, 1
    if isinstance(first, ToolInputDelta):
        text = "".join(c.input_text_delta for c in run if isinstance(c, ToolInputDelta))
        return ToolInputDelta(tool_call_id=first.tool_call_id, input_text_delta=text), len(run)
    assert isinstance(first, TextDelta | ReasoningDelta)
    text = "".join(c.delta for c in run if isinstance(c, TextDelta | ReasoningDelta))
    return type(first)(id=first.id, delta=text), len(run)
