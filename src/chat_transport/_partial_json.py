"""JSON that is still being written: what a cut-off tool input means so far.

Rule: one scan from left to right remembers the last place where the text could be cut and closed;
it is cut there, what is open is closed, and the result must be strict JSON.
Source: `parsePartialJson` of AI SDK 7.0.173, pinned by the vectors of group `partial-json`.
"""

from __future__ import annotations

import re
from typing import Any, Literal, NamedTuple, TypeAlias

from ._strict_json import loads
from .chunks import ABSENT

__all__ = ["PartialJson", "parse_partial_json", "repair_json"]

ParseState: TypeAlias = Literal["successful-parse", "repaired-parse", "failed-parse"]


class PartialJson(NamedTuple):
    """What a text means so far; `value` is ABSENT if it means nothing yet."""

    value: Any
    state: ParseState


def parse_partial_json(text: str) -> PartialJson:
    """Read complete or cut-off JSON. Never raises."""
    try:
        return PartialJson(loads(text), "successful-parse")
    except ValueError:
        pass  # not complete: repaired below
    try:
        return PartialJson(loads(repair_json(text)), "repaired-parse")
    except ValueError:
        return PartialJson(ABSENT, "failed-parse")


def repair_json(text: str) -> str:
    """Cut `text` at its last sound place and close what is open there."""
    scan = _Scan(text)
    scan.run()
    return text[: scan.sound] + scan.closings()


# What the scan is in the midst of. The stack's top says what the next character may be.
_ROOT, _END = "root", "end"
_STRING, _LITERAL, _NUMBER = "string", "literal", "number"
_OBJECT, _KEY, _COLON, _VALUE, _MORE, _NEXT_KEY = (
    "object", "key", "colon", "value", "more", "next-key",
)  # fmt: skip
_ARRAY, _MORE_ITEMS, _NEXT_ITEM = "array", "more-items", "next-item"
_AFTER_START = {
    _ROOT: _END,
    _VALUE: _MORE,
    _ARRAY: _MORE_ITEMS,
    _NEXT_ITEM: _MORE_ITEMS,
}
"""Place where a value may start -> place that follows the value."""
_IN_OBJECT = frozenset({_OBJECT, _KEY, _COLON, _VALUE, _MORE, _NEXT_KEY})
_IN_ARRAY = frozenset({_ARRAY, _MORE_ITEMS, _NEXT_ITEM})
_LITERALS = {"t": "true", "f": "false", "n": "null"}
_PLAIN = re.compile(r'[^"\\]+')
_KEY_REST = re.compile(r'[^"]*')  # AI SDK knows no escapes here; strict parsing decides
_ESCAPE = re.compile(r"\\(?:u(?:[^0-9a-fA-F]*[0-9a-fA-F]){4}|[^u])", re.DOTALL)
_DIGITS = frozenset("0123456789")
_IN_NUMBER = frozenset("0123456789.eE-")


class _Scan:
    """One pass over a text; `sound` is the length that may be kept."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.at = 0
        self.sound = 0
        self.stack = [_ROOT]
        self.literal = ""

    def run(self) -> None:
        text, end = self.text, len(self.text)
        while self.at < end:
            place = self.stack[-1]
            if place == _STRING:
                self._string()
            elif place == _KEY:
                self._key()
            else:
                char = text[self.at]
                self._step(place, char)
                if char > "\uffff":  # two characters to JavaScript
                    self._step(self.stack[-1], char)
                self.at += 1

    def closings(self) -> str:
        """Give what closes the open places, innermost first."""
        closing: list[str] = []
        for place in reversed(self.stack):
            if place == _STRING:
                closing.append('"')
            elif place == _LITERAL:
                closing.append(_LITERALS[self.literal[0]][len(self.literal) :])
            elif place in _IN_OBJECT:
                closing.append("}")
            elif place in _IN_ARRAY:
                closing.append("]")
        return "".join(closing)

    def _string(self) -> None:
        text = self.text
        plain = _PLAIN.match(text, self.at)
        if plain:
            self.at = self.sound = plain.end()
        elif text[self.at] == '"':
            self.stack.pop()
            self.at += 1
            self.sound = self.at
        elif escape := _ESCAPE.match(text, self.at):
            self.at = self.sound = escape.end()
        else:
            self.at = len(text)  # an escape without its end is dropped

    def _key(self) -> None:
        rest = _KEY_REST.match(self.text, self.at)
        assert rest is not None
        self.at = rest.end() + 1
        if self.at <= len(self.text):
            self.stack[-1] = _COLON if self.text[rest.end()] == '"' else _KEY

    def _step(self, place: str, char: str) -> None:
        if place == _NUMBER:
            self._number(char)
        elif place == _LITERAL:
            self._literal(char)
        elif place in {_OBJECT, _NEXT_KEY} and char == '"':
            self.stack[-1] = _KEY
        elif (place == _OBJECT and char == "}") or (place == _ARRAY and char == "]"):
            self._close()
        elif place == _COLON and char == ":":
            self.stack[-1] = _VALUE
        elif place in _AFTER_START:
            self._start_value(place, char)
        elif not self._after_value(place, char) and place == _MORE_ITEMS:
            self.sound = self.at + 1  # as AI SDK: strict parsing decides

    def _start_value(self, place: str, char: str) -> None:
        inner = {'"': _STRING, "{": _OBJECT, "[": _ARRAY, "-": _NUMBER}.get(char)
        if char in _LITERALS:
            inner = _LITERAL
            self.literal = char
        elif char in _DIGITS:
            inner = _NUMBER
        if inner is None:
            return
        self.stack[-1] = _AFTER_START[place]
        self.stack.append(inner)
        if char != "-":
            self.sound = self.at + 1

    def _after_value(self, place: str, char: str) -> bool:
        """Go on behind a value; whether `char` may stand there."""
        if char == "," and place in {_MORE, _MORE_ITEMS}:
            self.stack[-1] = _NEXT_KEY if place == _MORE else _NEXT_ITEM
        elif (char == "}" and place == _MORE) or (char == "]" and place == _MORE_ITEMS):
            self._close()
        else:
            return False
        return True

    def _number(self, char: str) -> None:
        if char in _DIGITS:
            self.sound = self.at + 1
        elif char not in _IN_NUMBER:
            self._end_plain(char)

    def _literal(self, char: str) -> None:
        longer = self.literal + char
        if _LITERALS[longer[0]].startswith(longer):
            self.literal = longer
            self.sound = self.at + 1
        else:
            self._end_plain(char)

    def _end_plain(self, char: str) -> None:
        self.stack.pop()
        self._after_value(self.stack[-1], char)

    def _close(self) -> None:
        self.stack.pop()
        self.sound = self.at + 1
