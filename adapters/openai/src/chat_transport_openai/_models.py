"""What a model's name tells of it. Rule: pure; an unknown name is a plain model."""

from __future__ import annotations

import re

__all__ = ["is_reasoning_model"]

_REASONING = re.compile(r"^(?:[\w-]+[./])*(?:o\d|gpt-(?:[5-9]|\d\d)(?!.*-chat)|codex|computer-use)")


def is_reasoning_model(model: str) -> bool:
    """Whether OpenAI's model of this name reasons: then it is instructed as `developer`."""
    return _REASONING.match(model) is not None
