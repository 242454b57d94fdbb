"""The log keeps its place beside queues: ratios measured in one run, no wall-clock limits."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from types import ModuleType

import anyio
import pytest


@pytest.fixture(scope="module")
def bench() -> ModuleType:
    path = Path(__file__).with_name("hand_over.py")
    spec = importlib.util.spec_from_file_location("hand_over", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["hand_over"] = module
    spec.loader.exec_module(module)
    return module


def test_a_reader_of_the_log_costs_less_than_one_with_a_stream_of_its_own(
    bench: ModuleType,
) -> None:
    found = anyio.run(bench.measure, 2)
    first, further = found["ours: one log, a place for each reader"]
    peer_first, peer_further = found["peer: anyio memory stream for each reader"]
    assert first < peer_first
    assert further < peer_further


def test_the_log_is_small_and_joined_quickly(bench: ModuleType) -> None:
    log, plain = bench.kilobytes()
    assert log <= 120
    assert log < plain / 5
    assert bench.late_join_ms() > 0
    assert bench.stop_ms(rounds=2) > 0
