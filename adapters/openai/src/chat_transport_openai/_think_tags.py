"""Reasoning that a server writes into the text, between `<think>` and `</think>`.

Rule: pure. Only a tag that opens the reply counts: later ones may be words about the tag.
"""

from __future__ import annotations

from typing import TypeAlias

__all__ = ["ThinkTags"]

Pieces: TypeAlias = list[tuple[bool, str]]
"""What was said: whether it is reasoning, and the words."""

_OPEN, _CLOSE = "<think>", "</think>"


class ThinkTags:
    """Text that comes in pieces, tags cut anywhere."""

    def __init__(self) -> None:
        self._state = self._before
        self._held = ""

    def feed(self, text: str) -> Pieces:
        """Take one piece; give what is certain by now."""
        return self._state(self._take() + text)

    def flush(self) -> Pieces:
        """Give what was held back, because it might have become a tag."""
        held, thinks = self._take(), self._state == self._inside
        return [(thinks, held)] if held else []

    def _take(self) -> str:
        held, self._held = self._held, ""
        return held

    def _before(self, text: str) -> Pieces:
        words = text.lstrip()
        if words.startswith(_OPEN):
            self._state = self._inside
            return self._inside(words[len(_OPEN) :])
        if _OPEN.startswith(words):
            self._held = text
            return []
        self._state = self._behind
        return self._behind(text)

    def _inside(self, text: str) -> Pieces:
        thought, tag, words = text.partition(_CLOSE)
        if tag:
            self._state = self._between
            return [*_piece(thought, thinks=True), *self._between(words)]
        start = _tag_start(text)
        self._held = text[start:]
        return _piece(text[:start], thinks=True)

    def _between(self, text: str) -> Pieces:
        words = text.lstrip()
        if words:
            self._state = self._behind
        return _piece(words, thinks=False)

    def _behind(self, text: str) -> Pieces:
        return _piece(text, thinks=False)


def _piece(text: str, *, thinks: bool) -> Pieces:
    return [(thinks, text)] if text else []


def _tag_start(text: str) -> int:
    """Where a closing tag may begin that the text does not complete."""
    for size in range(min(len(_CLOSE) - 1, len(text)), 0, -1):
        if _CLOSE.startswith(text[-size:]):
            return len(text) - size
    return len(text)
