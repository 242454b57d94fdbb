"""Names loaded at first use, and clear words where an extra is not installed.

Rule: importing a package of ours costs next to nothing and needs no extra; the first use of a name
loads its module. Source: PEP 562.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Generator, Mapping
from contextlib import contextmanager
from importlib import import_module
from typing import Any

__all__ = ["EXTRA_OF", "lazy_names", "wanted_by"]

EXTRA_OF = {
    "ably": "ably",
    "jwt": "ably",
    "httpx2": "http",
    "opentelemetry": "otel",
    "coredis": "redis",
    "rich": "cli",
    "starlette": "server",
    "typer": "cli",
    "uvicorn": "broker",
    "websockets": "broker",
}
"""A package of others -> the extra of ours that installs it."""


@contextmanager
def wanted_by(what: str) -> Generator[None]:
    """Say which extra `what` needs, where the block imports a package that is not installed.

    Raises:
        ModuleNotFoundError: With the package's name and the command that installs it.
    """
    try:
        yield
    except ModuleNotFoundError as error:
        top = (error.name or "").partition(".")[0]
        extra = EXTRA_OF.get(top)
        if extra is None:
            raise
        raise ModuleNotFoundError(
            f"{what} needs the package {top!r}; pip install 'chat-transport[{extra}]'",
            name=error.name,
        ) from error


def lazy_names(
    package: str, homes: Mapping[str, str]
) -> tuple[Callable[[str], Any], Callable[[], list[str]]]:
    """Make a package's `__getattr__` and `__dir__`.

    Args:
        package: The package's `__name__`.
        homes: A public name -> the module that defines it, relative to the package.
    """

    def load(name: str) -> Any:
        home = homes.get(name)
        if home is None:
            raise AttributeError(f"module {package!r} has no attribute {name!r}")
        with wanted_by(name):
            value = getattr(import_module(f".{home}", package), name)
        setattr(sys.modules[package], name, value)  # from now on found without us
        return value

    return load, lambda: sorted(homes)
