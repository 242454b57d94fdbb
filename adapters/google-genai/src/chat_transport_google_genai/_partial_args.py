"""Function arguments that Gemini streams by path, as growing JSON text. Rule: pure.

Each piece names a place (`$.recipe.steps[0]`) and a value or more of a string; together they are
written as one object, whose text only ever grows.
"""

from __future__ import annotations

import re
from typing import Any, TypeAlias

from chat_transport.step import to_json

__all__ = ["PartialArgs"]

JSON: TypeAlias = Any  # any JSON value
Path: TypeAlias = list[str | int]

_SEGMENT = re.compile(r"([^.\[\]]+)|\[(\d+)\]")
_MISSING = object()


class PartialArgs:
    """The arguments of one call so far."""

    def __init__(self) -> None:
        self._root: dict[str, JSON] = {}
        self._written = ""
        self._open_path: Path = []
        self._open_string = False

    def feed(self, pieces: list[JSON]) -> str:
        """Take pieces; give the JSON text that they add."""
        for piece in pieces:
            self._piece(piece)
        if not self._root:
            return ""
        text = to_json(self._root)
        # All but the closings of what may still grow.
        still_open = len(self._open_path) + 1 + self._open_string
        return self._grow(text[: len(text) - still_open])

    def end(self) -> tuple[str, str]:
        """Give the whole JSON text, and what of it was not given yet."""
        text = to_json(self._root)
        return text, self._grow(text)

    def _grow(self, text: str) -> str:
        if not text.startswith(self._written):  # a value was changed: the end tells the truth
            return ""
        added = text[len(self._written) :]
        self._written = text
        return added

    def _piece(self, piece: JSON) -> None:
        path_text = piece.get("jsonPath", "")
        is_array = path_text.endswith("[]")
        path = _parsed(path_text.removesuffix("[]"))
        if not path or not self._fits(path):
            return
        before = self._at(path)
        goes_on = piece.get("willContinue") is True
        value = _value(piece)
        if isinstance(before, str) and isinstance(value, str):
            self._put(path, before + value)
            self._open_string = goes_on
        elif value is not _MISSING:
            self._put(path, value)
            self._open_path = path[:-1]
            self._open_string = goes_on and isinstance(value, str)
        elif before is _MISSING and not goes_on:  # an empty container has no leaves to stream
            self._put(path, [] if is_array else {})
            self._open_path, self._open_string = path, False
        elif not goes_on:
            self._open_string = False

    def _fits(self, path: Path) -> bool:
        """Whether every index is of an item that is there, or of the next one."""
        node: JSON = self._root
        for index, segment in enumerate(path):
            if isinstance(node, list) and isinstance(segment, str) and segment.isdecimal():
                segment = path[index] = int(segment)  # noqa: PLW2901  # the list tells its kind
            if isinstance(segment, int):
                size = len(node) if isinstance(node, list) else 0
                if segment > size or (node is not _MISSING and not isinstance(node, list)):
                    return False
            node = _child(node, segment)
        return True

    def _at(self, path: Path) -> JSON:
        node: JSON = self._root
        for segment in path:
            node = _child(node, segment)
        return node

    def _put(self, path: Path, value: JSON) -> None:
        node: JSON = self._root
        for segment, following in zip(path, [*path[1:], None], strict=True):
            child = _child(node, segment)
            if following is None:
                child = value
            elif not isinstance(child, dict | list):
                child = [] if isinstance(following, int) else {}
            if not isinstance(node, list):
                node[segment] = child
            elif isinstance(segment, int):
                node[segment : segment + 1] = [child]
            node = child


def _parsed(text: str) -> Path:
    text = text.removeprefix("$").removeprefix(".")
    return [int(index) if index else name for name, index in _SEGMENT.findall(text)]


def _child(node: JSON, segment: str | int) -> JSON:
    if isinstance(node, dict):
        return node.get(segment, _MISSING)
    if isinstance(node, list) and isinstance(segment, int) and segment < len(node):
        return node[segment]
    return _MISSING


def _value(piece: JSON) -> JSON:
    for name in ("stringValue", "numberValue", "boolValue"):
        if piece.get(name) is not None:
            return piece[name]
    return None if "nullValue" in piece else _MISSING
