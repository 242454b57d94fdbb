"""Runs recorded vectors of the UI protocol: `chat-transport check vectors PATH`.

Rule: every JSON file under PATH is read; a file holds one case or a list of cases; the group is the
folder or the file name, else what the case looks like. Nothing is skipped in silence.
Source: layout of the recordings, `shared/vectors/ui/README.md`.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path

from ._every_group import EVERY_CHECK as CHECKS
from ._vector_tools import JSON, Case, VectorFailed

__all__ = ["EXCEPTIONS", "run_case", "run_vectors"]

EXCEPTIONS: dict[str, str] = {
    "resumable": "Redis commands of the npm package resumable-stream, which loses a reply when its "
    "producer dies; our run log keeps chunks in Redis Streams and speaks its own commands",
}
"""Group that is not run -> the declared reason."""

_NOT_CASES = frozenset({"index.json", "package.json"})
_SHAPES: tuple[tuple[str, frozenset[str]], ...] = (
    ("reduce", frozenset({"chunks", "writes", "final_message"})),
    ("sse", frozenset({"body_pieces_base64", "transport"})),
    ("chat", frozenset({"config", "steps", "trace"})),
    ("compat", frozenset({"value", "accepted"})),
    ("partial-json", frozenset({"text", "value_is_undefined"})),
    ("predicates", frozenset({"messages", "complete_with_tool_calls"})),
    ("wire", frozenset({"chunks", "init", "body"})),
    ("server", frozenset({"script", "events"})),
)
"""Group -> keys that give its cases away, where neither folder nor file names the group."""


def run_vectors(path: Path, print: Callable[[str], object]) -> tuple[int, int]:  # noqa: A002  # what it stands for
    """Run every case under `path` (a folder or one file).

    Prints a line for each case that fails and for each group that is not run, and last
    `N passed, M failed`.

    Returns:
        How many passed, how many failed.

    Raises:
        FileNotFoundError: If there is no such path.
    """
    if not path.exists():
        raise FileNotFoundError(f"no such file or folder: {path}")
    passed = failed = 0
    unknown: dict[str, int] = {}
    for file in sorted(path.rglob("*.json")) if path.is_dir() else [path]:
        if file.name in _NOT_CASES:
            continue
        try:
            cases = list(_read_cases(file))
        except ValueError as error:
            failed += 1
            print(f"FAILED {file}: not a vector file: {error}")
            continue
        for group, case in cases:
            if group not in CHECKS:
                unknown[group] = unknown.get(group, 0) + 1
                continue
            problem = run_case(group, case)
            if problem is None:
                passed += 1
            else:
                failed += 1
                print(f"FAILED {group} {case.get('name', file.stem)}: {problem}")
    for group, count in sorted(unknown.items()):
        reason = EXCEPTIONS.get(group, "no check for this group")
        print(f"not run: {count} cases of group {group!r}: {reason}")
    print(f"{passed} passed, {failed} failed")
    return passed, failed


def run_case(group: str, case: Case) -> str | None:
    """Run one case; None if it passed, else what differs."""
    try:
        CHECKS[group](case)
    except VectorFailed as failure:
        return str(failure)
    except Exception as error:  # noqa: BLE001  # one broken case must not hide the others
        return f"{type(error).__name__}: {error}"
    return None


def _read_cases(file: Path) -> Iterator[tuple[str, Case]]:
    content: JSON = json.loads(file.read_bytes())
    cases: list[JSON] = content if isinstance(content, list) else [content]
    for case in cases:
        if not isinstance(case, dict):
            raise ValueError("a case must be an object")  # noqa: TRY004  # bad content of a file
        yield _group(file, case, home=file.stem if cases is content else file.parent.name), case


def _group(file: Path, case: Case, *, home: str) -> str:
    for name in (file.parent.name, file.stem, str(case.get("group"))):
        if name in CHECKS:
            return name
    for group, keys in _SHAPES:
        if keys <= case.keys():
            return group
    return home
