"""The command line."""

from __future__ import annotations

import sys

from .._extras import wanted_by

__all__ = ["run"]


def run() -> None:
    """Run the command line and exit; the command `chat-transport`."""
    try:
        with wanted_by("the command line"):
            from .main import run as run_main  # noqa: PLC0415  # what it needs may be missing
    except ModuleNotFoundError as error:
        sys.exit(f"chat-transport: {error}")
    run_main()
