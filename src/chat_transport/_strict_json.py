"""JSON as AI SDK clients read it: strict, and safe against prototype keys.

Rule: no NaN or Infinity, no trailing commas, no raw control characters; the last of two equal keys
wins. A key `__proto__`, or `constructor` holding an object with `prototype`, is refused anywhere.
Lone halves of surrogate pairs are kept, because a pair may be split over two chunks.
Source: `safeParseJSON` of AI SDK 7.0.173.
"""

from __future__ import annotations

import json
from typing import Any, NoReturn

import msgspec

__all__ = ["dumps", "loads"]

_decode = msgspec.json.Decoder().decode
_encode = msgspec.json.Encoder().encode


def loads(text: str | bytes) -> Any:
    """Read one JSON value.

    Raises:
        ValueError: If the text is not strict JSON or holds a prototype key.
    """
    try:
        value = _decode(text)
    except (msgspec.DecodeError, UnicodeError, RecursionError):
        value = _loads_with_lone_surrogates(text)
    if isinstance(text, str):
        if "\\u" in text or "__proto__" in text or "constructor" in text:
            _refuse_prototype_keys(value)
    elif b"\\u" in text or b"__proto__" in text or b"constructor" in text:
        _refuse_prototype_keys(value)
    return value


def dumps(value: object) -> bytes:
    """Write one JSON value as compact UTF-8; a lone surrogate becomes an escape.

    Raises:
        TypeError: If the value is not JSON.
    """
    try:
        return _encode(value)
    except UnicodeEncodeError:
        text = json.dumps(
            msgspec.to_builtins(value), ensure_ascii=False, separators=(",", ":"), allow_nan=False
        )
        return text.encode("utf-8", "backslashreplace")


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not JSON")


def _loads_with_lone_surrogates(text: str | bytes) -> Any:
    # msgspec refuses lone surrogates and numbers beyond a double; JavaScript reads both.
    try:
        return json.loads(text, parse_constant=_refuse_constant)
    except RecursionError:
        raise ValueError("JSON is nested too deeply") from None


def _refuse_prototype_keys(value: object) -> None:
    waiting = [value]
    while waiting:
        node = waiting.pop()
        if isinstance(node, dict):
            if "__proto__" in node:
                raise ValueError("JSON holds the forbidden key '__proto__'")
            constructor = node.get("constructor")
            if isinstance(constructor, dict) and "prototype" in constructor:
                raise ValueError("JSON holds the forbidden key 'constructor.prototype'")
            waiting.extend(node.values())
        elif isinstance(node, list):
            waiting.extend(node)
