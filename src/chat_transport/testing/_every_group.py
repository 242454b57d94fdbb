"""Every vector group that has a check: pure ones, HTTP and WebSocket ones, and the chat's.

Rule: one table, one shape; each owner keeps its own checks.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from ._vector_groups import CHECKS, VectorCheck
from ._vector_tools import Case, VectorFailed
from .chat_vectors import check_chat_case
from .http_vectors import HTTP_VECTOR_CHECKS

__all__ = ["EVERY_CHECK"]


def _raising(check: Callable[[Case], Sequence[str]]) -> VectorCheck:
    def run(case: Case) -> None:
        differences = check(case)
        if differences:
            raise VectorFailed("; ".join(differences))

    return run


EVERY_CHECK: dict[str, VectorCheck] = {
    **CHECKS,
    **{group: _raising(check) for group, check in HTTP_VECTOR_CHECKS.items()},
    "chat": _raising(check_chat_case),
}
"""Group -> check."""
