"""The chunk path keeps its place beside `json`: ratios measured in one run, no wall-clock limits."""

from __future__ import annotations

import importlib.util
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest

FORBIDDEN = (
    "httpx",
    "httpx2",
    "ably",
    "starlette",
    "uvicorn",
    "coredis",
    "openai",
    "typer",
    "rich",
)


@pytest.fixture(scope="module")
def bench() -> ModuleType:
    path = Path(__file__).with_name("chunk_path.py")
    spec = importlib.util.spec_from_file_location("chunk_path", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["chunk_path"] = module
    spec.loader.exec_module(module)
    return module


def test_every_row_does_its_work(bench: ModuleType):
    assert bench.read_and_fold(bench.READS) == bench.read_and_fold(bench.EVENTS)
    assert bench.read_and_show_each() == bench.read_and_fold(bench.READS)
    assert bench.read_and_fold(bench.READS).text == bench.loads()


def test_the_chunk_path_keeps_its_place_beside_json(bench: ModuleType):
    found = bench.measure(bench.ROWS, rounds=3)
    dumps = found["peer: json.dumps -> SSE bytes"]
    assert found["chunk -> SSE bytes"] < dumps
    assert found["construct -> SSE bytes, log and fold"] < dumps
    assert found["bytes -> chunk -> message, reads of 1,400 bytes"] < 3 * dumps


@pytest.mark.parametrize(
    "module", ["chat_transport", "chat_transport.reducer", "chat_transport.validation"]
)
def test_importing_brings_no_http_library_provider_or_ably(module: str):
    code = f"import sys, {module}; print(*[n for n in {FORBIDDEN!r} if n in sys.modules])"
    run = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert run.stdout.split() == []
