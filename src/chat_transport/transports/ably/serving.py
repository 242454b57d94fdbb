"""How an agent serves its chats: what `AblyAgent` was told, for each of its sessions.

Rule: plain values; nothing here acts.
"""

from __future__ import annotations

from dataclasses import dataclass

from .left_runs import OfLeftRuns
from .policy import Policy

__all__ = ["Serving"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Serving:
    """How an agent serves its chats.

    Attributes:
        policy: Who may do what.
        listens: Answer every input that comes while attached; off answers invocations only.
        window_s: Seconds in which deltas are put together; 0 is off.
        locate_s: Seconds for finding the input that an invocation names.
        pages: Pages of history read at most to find an input, or for a prompt.
        left_runs: What becomes of the runs of an agent of our name whose process died.
    """

    policy: Policy
    listens: bool = True
    window_s: float = 0.04
    locate_s: float = 10.0
    pages: int = 20
    left_runs: OfLeftRuns = "end"
