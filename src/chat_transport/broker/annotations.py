"""Annotations: reactions to a message, folded into a summary by their type. Pure.

Rule: the summary is a function of the annotations that stand; a client's word counts once where the
method says so, and a delete takes back what the same client said.
Source: Ably docs, message annotations: total, flag, distinct, unique, multiple (all `.v1`).
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import Any

import msgspec

from chat_transport.broker.frames import Annotation
from chat_transport.broker.refusal import Refusal

__all__ = ["ANNOTATION_CREATE", "ANNOTATION_DELETE", "AnnotationSet", "check_annotation"]

ANNOTATION_CREATE = 0
ANNOTATION_DELETE = 1
KEPT = 1000
"""Annotations of one message that can be read back."""


class _Standing(msgspec.Struct):
    """What one client said with one name."""

    client_id: str
    name: str
    count: int


def _total(standing: list[_Standing], unnamed: int) -> dict[str, Any]:
    return {"total": len(standing) + unnamed}


def _flag(standing: list[_Standing], _: int) -> dict[str, Any]:
    clients = sorted({item.client_id for item in standing})
    return {"total": len(clients), "clientIds": clients, "clipped": False}


def _by_name(standing: list[_Standing], _: int) -> dict[str, Any]:
    names = sorted({item.name for item in standing})
    return {name: _flag([item for item in standing if item.name == name], 0) for name in names}


def _multiple(standing: list[_Standing], _: int) -> dict[str, Any]:
    result: dict[str, Any] = {}
    for item in standing:
        row = result.setdefault(
            item.name,
            {
                "total": 0,
                "clientIds": {},
                "totalUnidentified": 0,
                "clipped": False,
                "totalClientIds": 0,
            },
        )
        row["total"] += item.count
        if item.client_id:
            row["clientIds"][item.client_id] = row["clientIds"].get(item.client_id, 0) + item.count
            row["totalClientIds"] = len(row["clientIds"])
        else:
            row["totalUnidentified"] += item.count
    return result


METHODS: dict[str, Callable[[list[_Standing], int], dict[str, Any]]] = {
    "total.v1": _total,
    "flag.v1": _flag,
    "distinct.v1": _by_name,
    "unique.v1": _by_name,
    "multiple.v1": _multiple,
}


def summary_method(annotation_type: str | None) -> str | None:
    """Give the method of `name:method.v1`; None for a type that is not summed up.

    Raises:
        Refusal: If there is no type, or an unknown method (40000).
    """
    if not annotation_type:
        raise Refusal(40000, 400, "an annotation needs a type such as reactions:distinct.v1")
    _, colon, method = annotation_type.rpartition(":")
    if not colon:
        return None
    if method not in METHODS:
        raise Refusal(40000, 400, f"unknown annotation method {method!r} in {annotation_type!r}")
    return method


def check_annotation(annotation: Annotation) -> None:
    """Raise unless an annotation has what the method of its type needs (40000, 40012)."""
    method = summary_method(annotation.type)
    if method in {"distinct.v1", "unique.v1", "multiple.v1"} and not annotation.name:
        raise Refusal(40000, 400, f"an annotation of type {annotation.type!r} needs a name")
    if method in {"flag.v1", "distinct.v1", "unique.v1"} and not annotation.client_id:
        raise Refusal(
            40012, 400, f"an annotation of type {annotation.type!r} needs an identified client"
        )


class AnnotationSet:
    """The annotations of one message that stand, by type."""

    def __init__(self) -> None:
        self.kept: deque[Annotation] = deque(maxlen=KEPT)
        self._standing: dict[str, list[_Standing]] = {}
        self._unnamed: dict[str, int] = {}

    def add(self, annotation: Annotation) -> None:
        """Take an annotation that was checked, or take one back."""
        kind = annotation.type or ""
        method = summary_method(kind)
        client, name = annotation.client_id or "", annotation.name or ""
        self.kept.append(annotation)
        if method is None:
            return
        if method == "total.v1":
            step = -1 if annotation.action == ANNOTATION_DELETE else 1
            self._unnamed[kind] = max(0, self._unnamed.get(kind, 0) + step)
            self._standing.setdefault(kind, [])
            return
        standing = self._standing.setdefault(kind, [])
        if annotation.action == ANNOTATION_DELETE:
            standing[:] = [
                item
                for item in standing
                if item.client_id != client or (method != "flag.v1" and item.name != name)
            ]
            return
        if method == "unique.v1":
            standing[:] = [item for item in standing if item.client_id != client]
        elif method != "multiple.v1":
            standing[:] = [
                item
                for item in standing
                if item.client_id != client or (method == "distinct.v1" and item.name != name)
            ]
        standing.append(_Standing(client, name, annotation.count or 1))

    def summary(self) -> dict[str, Any]:
        """Give the sum for each type."""
        return {
            kind: METHODS[kind.rpartition(":")[2]](standing, self._unnamed.get(kind, 0))
            for kind, standing in self._standing.items()
        }
