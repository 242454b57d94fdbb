"""What PyPI would give: each distribution's wheel, alone in an environment of its own, works.

The tests of the checkout share one environment in which every package is there; this one finds what
a distribution uses and does not declare.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = [pytest.mark.interop, pytest.mark.timeout(300)]

ROOT = Path(__file__).parents[3]
ADAPTERS = sorted(path.parent.name for path in (ROOT / "adapters").glob("*/pyproject.toml"))
UV = Path(sys.executable).with_name("uv")
NAMES_OF = {
    "ably": "chat_transport.transports.ably",
    "http": "chat_transport.transports.http",
    "otel": "chat_transport.telemetry",
    "broker": "chat_transport.broker",
}
LOAD = """
import importlib, sys
package = importlib.import_module(sys.argv[1])
missing = {}
for name in package.__all__:
    try:
        getattr(package, name)
    except ModuleNotFoundError as error:
        missing[name] = str(error)
import json; print(json.dumps(missing))
"""
CLIENT = """
import asyncio, importlib, sys
make, path = getattr(importlib.import_module(sys.argv[1]), sys.argv[2]), sys.argv[3]

async def used():
    model = make("m")
    found = model.client
    for name in path.split("."):
        found = getattr(found, name)
    await model.aclose()
    return type(found).__name__

print(asyncio.run(used()))
"""
OF_HTTPX = "_client._transport"
OVER_AIOHTTP = {
    "anthropic": ("AnthropicMessages", OF_HTTPX),
    "google-genai": ("Gemini", "_api_client._async_httpx_client._transport"),
    "ollama": ("Ollama", OF_HTTPX),
    "openai": ("OpenAIResponses", OF_HTTPX),
}
"""Adapter -> its class, and where its SDK keeps the transport."""
KEYS = dict.fromkeys(("ANTHROPIC_API_KEY", "GEMINI_API_KEY", "OPENAI_API_KEY"), "k")
NO_PROXIES = dict.fromkeys(("http_proxy", "https_proxy", "all_proxy"), "")


def _run(*command: object, env: dict[str, str] | None = None) -> str:
    done = subprocess.run(
        [str(word) for word in command],
        capture_output=True,
        text=True,
        env=os.environ | (env or {}),
        check=False,
    )
    assert done.returncode == 0, f"{command}\n{done.stdout}\n{done.stderr}"
    return done.stdout


@pytest.fixture(scope="session")
def wheels(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("wheels")
    for folder in (ROOT, *(ROOT / "adapters" / name for name in ADAPTERS)):
        _run(UV, "build", "--quiet", "--wheel", "--out-dir", out, folder)
    return out


def _install(venv: Path, wheels: Path, *wanted: str) -> Path:
    """Make an environment with these distributions and nothing else; gives its `bin`."""
    _run(UV, "venv", "--quiet", "--python", sys.executable, venv)
    _run(
        UV, "pip", "install", "--quiet", "--find-links", wheels, *wanted,
        env={"VIRTUAL_ENV": str(venv)},
    )  # fmt: skip
    return venv / "bin"


@pytest.mark.parametrize("extra", sorted(NAMES_OF))
def test_an_extra_installs_what_its_names_need(extra: str, wheels: Path, tmp_path: Path) -> None:
    programs = _install(tmp_path / "venv", wheels, f"chat-transport[{extra}]")
    missing = json.loads(_run(programs / "python", "-c", LOAD, NAMES_OF[extra]))
    if extra == "ably":  # its ASGI application stands in `server`, and says so
        assert set(missing) == {"AblyApp", "create_app"}
        assert "pip install 'chat-transport[server]'" in missing["create_app"]
    else:
        assert missing == {}


def test_the_core_alone_says_what_to_install(wheels: Path, tmp_path: Path) -> None:
    programs = _install(tmp_path / "venv", wheels, "chat-transport")
    assert json.loads(_run(programs / "python", "-c", LOAD, "chat_transport")) == {}
    refused = subprocess.run(
        [programs / "chat-transport", "--help"], capture_output=True, text=True, check=False
    )
    assert refused.returncode == 1
    assert refused.stderr == (
        "chat-transport: the command line needs the package 'typer';"
        " pip install 'chat-transport[cli]'\n"
    )


def test_the_command_line_runs_from_its_extra(wheels: Path, tmp_path: Path) -> None:
    programs = _install(tmp_path / "venv", wheels, "chat-transport[cli]", "chat-transport-demo")
    assert "broker" in _run(programs / "chat-transport", "--help")
    for command in ("demo", "serve", "chat", "broker", "check"):
        assert "Usage" in _run(programs / "chat-transport", command, "--help")
    _run(programs / "python", "-c", "import chat_transport.cli._site, chat_transport.cli._screen")


@pytest.mark.parametrize("adapter", ADAPTERS)
def test_an_adapter_brings_its_sdk(adapter: str, wheels: Path, tmp_path: Path) -> None:
    programs = _install(tmp_path / "venv", wheels, f"chat-transport-{adapter}")
    package = f"chat_transport_{adapter.replace('-', '_')}"
    assert json.loads(_run(programs / "python", "-c", LOAD, package)) == {}


@pytest.mark.parametrize("adapter", sorted(OVER_AIOHTTP))
def test_an_adapter_alone_runs_on_the_fast_client(
    adapter: str, wheels: Path, tmp_path: Path
) -> None:
    programs = _install(tmp_path / "venv", wheels, f"chat-transport-{adapter}")
    package = f"chat_transport_{adapter.replace('-', '_')}"
    env = KEYS | NO_PROXIES | {name.upper(): "" for name in NO_PROXIES}
    used = _run(programs / "python", "-c", CLIENT, package, *OVER_AIOHTTP[adapter], env=env)
    assert used == "AiohttpTransport\n"
