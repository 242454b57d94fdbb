"""How a command fails: one clear sentence on stderr and exit code 2."""

from __future__ import annotations

__all__ = ["EXIT_FAILED_CHECKS", "EXIT_REFUSED", "CommandFailed"]

EXIT_FAILED_CHECKS = 1
"""The command ran, and what it checked is not as it should be."""
EXIT_REFUSED = 2
"""The command could not do what it was asked: bad arguments, a taken port, no such peer."""


class CommandFailed(Exception):
    """The command ends here; the message is all that its user needs."""
