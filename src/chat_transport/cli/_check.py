"""`chat-transport check`: recorded behaviour against ours, a line for each difference."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from ._failure import EXIT_FAILED_CHECKS, CommandFailed

__all__ = ["Check", "run_check"]

Check = Callable[[Path, Callable[[str], object]], tuple[int, int]]
"""Runs what lies under a path, prints its lines, gives how many passed and failed."""


def run_check(check: Check, path: Path) -> int:
    """Run a check and give the exit code.

    Raises:
        CommandFailed: If there is nothing at `path`, or nothing in it to check.
    """
    if not path.exists():
        raise CommandFailed(f"unable to check {str(path)!r}; no such file or folder")
    try:
        lines: list[str] = []

        def show(line: str) -> None:
            lines.append(line)
            if len(lines) > 1:
                print(lines[-2], flush=True)

        passed, failed = check(path, show)
    except (OSError, ValueError) as error:
        raise CommandFailed(f"unable to check {str(path)!r}; {error}") from error
    if passed + failed == 0:
        raise CommandFailed(f"unable to check {str(path)!r}; there is nothing to check in it")
    print(lines[-1])
    return EXIT_FAILED_CHECKS if failed else 0
