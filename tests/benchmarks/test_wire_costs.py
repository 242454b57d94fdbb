"""The costs of the wires that the docs show are what the benchmark measures."""

from __future__ import annotations

import importlib.util
import re
import sys
from pathlib import Path
from types import ModuleType

import pytest

from chat_transport.broker import serve_broker

pytestmark = pytest.mark.anyio

PAGE = Path(__file__).parents[2] / "docs/concepts/which-wire-when.md"
ROW = re.compile(r"^\| `([a-z-]+)` \| (\d+) ms \| ([\d, |]+) \|$", re.MULTILINE)


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture(scope="module")
def bench() -> ModuleType:
    path = Path(__file__).with_name("wire_costs.py")
    spec = importlib.util.spec_from_file_location("wire_costs", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["wire_costs"] = module
    spec.loader.exec_module(module)
    return module


def shown() -> dict[tuple[str, int], list[int]]:
    return {
        (wire, int(window)): [int(cell.replace(",", "")) for cell in cells.split("|")]
        for wire, window, cells in ROW.findall(PAGE.read_text("utf-8"))
    }


def test_the_page_shows_every_wire_with_and_without_a_window(bench: ModuleType) -> None:
    assert set(shown()) == {(wire, window) for wire in bench.WIRES for window in (0, 40)}


@pytest.mark.parametrize(
    "wire", ["ai-transport", "message-per-response", "message-per-token", "ai-sdk-transport"]
)
async def test_what_is_shown_is_measured(bench: ModuleType, wire: str) -> None:
    """Without a window the clock plays no part; ids and times are not always of one length."""
    operations, size, kept, kept_size = shown()[wire, 0]
    async with serve_broker([bench.KEY]) as broker:
        costs = await bench.measure(broker, wire, 1000, delay_ms=0, window_ms=0)
    assert (costs.operations, costs.kept) == (operations, kept)
    assert costs.size == pytest.approx(size, rel=0.01)
    assert costs.kept_size == pytest.approx(kept_size, rel=0.01)
