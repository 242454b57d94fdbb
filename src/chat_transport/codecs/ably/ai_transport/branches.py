"""Which of several alternatives is shown: edits, regenerations, forks.

Rule: a choice is local and never published; the newest alternative is shown until one is chosen.
Source: @ably/ai-transport 0.8.0, `core/transport/tree.ts`, `conversation-projection.ts`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Generic, TypeVar

from .nodes import Node

__all__ = ["BranchSelection", "Branches"]

C = TypeVar("C")
M = TypeVar("M")


@dataclass(frozen=True, slots=True)
class Branches(Generic[M]):
    """The alternatives at one message, oldest first, and which is shown."""

    siblings: tuple[M, ...]
    index: int


class BranchSelection(Generic[C, M]):
    """Walks the nodes of a conversation along the chosen alternatives.

    Args:
        nodes: All nodes by key; looked at, never changed.
        owner: Which node a codec-message-id belongs to.
        superseded: Runs that a fork took the place of: never shown.
        entries: Gives the messages of a node.
    """

    def __init__(
        self,
        nodes: Mapping[str, Node[C, M]],
        owner: Mapping[str, Node[C, M]],
        superseded: set[str],
        entries: Callable[[Node[C, M]], list[tuple[str, M]]],
    ) -> None:
        self._nodes = nodes
        self._owner = owner
        self._superseded = superseded
        self._entries = entries
        self._chosen: dict[str, str] = {}
        self._order: list[Node[C, M]] = []
        self._children: dict[str | None, list[Node[C, M]]] = {}
        self._regenerations: dict[str, list[Node[C, M]]] = {}

    def shown(self) -> list[tuple[str, M, Node[C, M]]]:
        """Give what is shown: codec-message-id, message and node, in order."""
        self._index()
        path = self._path()
        aside = {
            run.key
            for node in path
            if node.run is not None
            for target, before in _pairs(self._entries(node))
            for run in self._tail_regenerations(target, before)
        }
        out: list[tuple[str, M, Node[C, M]]] = []
        for node in path:
            if node.key not in aside:
                self._show(node, out, set())
        return out

    def branches(self, message_id: str) -> Branches[M] | None:
        """Give the alternatives at a message; None if the message is not known."""
        self._index()
        group = self._group(message_id)
        if group is None:
            return None
        keys = [node.key for node, _ in group.members]
        return Branches(
            tuple(message for _, message in group.members),
            keys.index(self._choice(group.key, keys)),
        )

    def select(self, message_id: str, index: int) -> bool:
        """Show alternative `index` at a message; False if there is none to choose from."""
        self._index()
        group = self._group(message_id)
        if group is None or len(group.members) < 2 or not 0 <= index < len(group.members):
            return False
        self._chosen[group.key] = group.members[index][0].key
        return True

    # -- alternatives ------------------------------------------------------------

    def _index(self) -> None:
        self._order = sorted(self._nodes.values(), key=lambda node: node.serial)
        self._children.clear()
        self._regenerations.clear()
        for node in self._order:
            if node.key in self._superseded:
                continue
            self._children.setdefault(node.parent, []).append(node)
            if node.run is not None and node.run.regenerates is not None:
                self._regenerations.setdefault(node.run.regenerates, []).append(node)

    def _group(self, message_id: str) -> _Group[C, M] | None:
        """Give the alternatives at a message, oldest first."""
        node = self._owner.get(message_id)
        if node is None:
            return None
        own = self._entries(node)
        place = next((i for i, (key, _) in enumerate(own) if key == message_id), None)
        if place is None:
            return None
        if node.run is not None and place > 0:
            key = _tail(message_id)
            rivals = self._tail_regenerations(message_id, own[place - 1][0])
        elif node.run is not None and self._replaces_tail(node):
            return self._group(node.run.regenerates or "")
        else:
            rivals = self._siblings(node)
            key = rivals[0].key if rivals else node.key
        found = [(node, own[place][1])]
        for rival in rivals:
            first = self._entries(rival)
            if first and rival is not node:
                found.append((rival, first[0][1]))
        found.sort(key=lambda member: member[0].serial)
        return _Group(key, found)

    def _siblings(self, node: Node[C, M]) -> list[Node[C, M]]:
        """Give the alternatives to a node, itself among them, oldest first."""
        if node.run is not None:
            if node.parent is None:
                return [node]  # without a parent, runs have nothing in common
            return [other for other in self._children[node.parent] if other.run is not None]
        root = self._edited(node)
        inputs = (other for other in self._children.get(root.parent, ()) if other.run is None)
        return [other for other in inputs if other is root or self._edited(other) is root]

    def _edited(self, node: Node[C, M]) -> Node[C, M]:
        """Follow `fork-of` to the first version of an input."""
        seen = {node.key}
        while node.fork_of is not None and node.fork_of not in seen:
            before = self._nodes.get(node.fork_of)
            if before is None or before.run is not None or before.parent != node.parent:
                break
            seen.add(before.key)
            node = before
        return node

    def _tail_regenerations(self, target: str, before: str) -> list[Node[C, M]]:
        """Give the runs that replace `target`, a message that is not the first of its run."""
        return [node for node in self._regenerations.get(target, ()) if node.parent == before]

    def _replaces_tail(self, node: Node[C, M]) -> bool:
        target = node.run.regenerates if node.run is not None else None
        owner = self._owner.get(target or "")
        if owner is None or owner.run is None or owner is node:
            return False
        own = [key for key, _ in self._entries(owner)]
        return target in own[1:] and node.parent in own

    def _choice(self, group: str, keys: list[str]) -> str:
        chosen = self._chosen.get(group)
        return chosen if chosen in keys else keys[-1]

    # -- walking -----------------------------------------------------------------

    def _path(self) -> list[Node[C, M]]:
        reached: set[str] = set()
        path: list[Node[C, M]] = []
        for node in self._order:
            if node.key in self._superseded:
                continue
            before = self._owner.get(node.parent or "")
            if before is not None and before is not node and before.key not in reached:
                continue
            rivals = self._siblings(node)
            if len(rivals) > 1:
                keys = [rival.key for rival in rivals]
                if self._choice(keys[0], keys) != node.key:
                    continue
            reached.add(node.key)
            path.append(node)
        return path

    def _show(
        self, node: Node[C, M], out: list[tuple[str, M, Node[C, M]]], inside: set[str]
    ) -> None:
        """Add a node's messages; a message that was regenerated gives way with all after it."""
        inside.add(node.key)
        own = self._entries(node)
        for place, (message_id, message) in enumerate(own):
            rivals = (
                self._tail_regenerations(message_id, own[place - 1][0])
                if node.run is not None and place > 0
                else []
            )
            if rivals:
                keys = [node.key, *(rival.key for rival in rivals)]
                key = self._choice(_tail(message_id), keys)
                if key not in inside:
                    self._show(self._nodes[key], out, inside)
                    return
            out.append((message_id, message, node))


@dataclass(frozen=True, slots=True)
class _Group(Generic[C, M]):
    key: str
    members: list[tuple[Node[C, M], M]]


def _tail(message_id: str) -> str:
    """Name the group of runs that replace the rest of a run from `message_id` on."""
    return f"tail:{message_id}"


def _pairs(entries: list[tuple[str, M]]) -> Iterable[tuple[str, str]]:
    """Give each message but the first with the one before it."""
    keys = [key for key, _ in entries]
    return zip(keys[1:], keys, strict=False)
