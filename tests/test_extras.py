"""Extras: what they promise, and the words where one is missing."""

from __future__ import annotations

import ast
import re
import sys
import tomllib
from pathlib import Path

import pytest

from chat_transport._extras import EXTRA_OF, lazy_names, wanted_by

ROOT = Path(__file__).parents[1]
SOURCE = ROOT / "src/chat_transport"
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
DISTRIBUTION_OF = {"jwt": "pyjwt", "opentelemetry": "opentelemetry-api"}
"""Import name -> name on PyPI, where they differ."""


def _imported() -> dict[str, set[str]]:
    """Map each package of others that we import, anywhere in a file, to the files that do."""
    found: dict[str, set[str]] = {}
    for path in SOURCE.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            names = (
                [alias.name for alias in node.names]
                if isinstance(node, ast.Import)
                else [node.module or ""]
                if isinstance(node, ast.ImportFrom) and not node.level
                else []
            )
            for name in names:
                top = name.partition(".")[0]
                if top not in sys.stdlib_module_names and top != "chat_transport":
                    found.setdefault(top, set()).add(path.relative_to(SOURCE).as_posix())
    return found


FOR_ADAPTERS = {("aiohttp", "provider_http.py")}
"""What the core imports on behalf of adapters, which declare it."""


def _declared(requirements: list[str]) -> set[str]:
    return {re.split(r"[\[<>=~!; ]", line, maxsplit=1)[0].lower() for line in requirements}


def test_whatever_we_import_is_declared() -> None:
    core = _declared(PROJECT["dependencies"]) | {"pydantic_core"}
    extras = {name: _declared(lines) for name, lines in PROJECT["optional-dependencies"].items()}
    for top, files in _imported().items():
        if top in core or (top, *files) in FOR_ADAPTERS:
            continue
        assert top in EXTRA_OF, f"{sorted(files)} import {top}, which no extra is said to install"
        wanted = DISTRIBUTION_OF.get(top, top)
        assert wanted in extras[EXTRA_OF[top]], f"extra {EXTRA_OF[top]!r} does not list {wanted}"


def test_adapters_declare_what_the_core_imports_for_them() -> None:
    users = {
        path.parents[2]
        for path in (SOURCE.parents[1] / "adapters").glob("*/src/*/*.py")
        if "provider_http" in path.read_text("utf-8")
    }
    assert users
    for folder in users:
        project = tomllib.loads((folder / "pyproject.toml").read_text("utf-8"))["project"]
        assert "aiohttp" in _declared(project["dependencies"]), folder.name


def test_a_missing_package_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "coredis", None)
    with (
        pytest.raises(
            ModuleNotFoundError, match=r"X needs the package 'coredis'; pip install 'chat"
        ),
        wanted_by("X"),
    ):
        import coredis  # noqa: F401


def test_what_is_missing_of_yours_stays_your_error() -> None:
    with pytest.raises(ModuleNotFoundError, match="No module named 'nowhere'"), wanted_by("X"):
        import nowhere  # type: ignore[import-not-found]  # noqa: F401


def test_a_name_is_loaded_once_and_an_unknown_one_is_refused() -> None:
    load, names = lazy_names("chat_transport.telemetry", {"Telemetry": "telemetry"})
    assert load("Telemetry") is sys.modules["chat_transport.telemetry"].Telemetry
    assert names() == ["Telemetry"]
    with pytest.raises(AttributeError, match="has no attribute 'nothing'"):
        load("nothing")
