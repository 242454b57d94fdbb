"""The Ably codec keeps its place beside `json`: ratios measured in one run, no wall-clock limits."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path

import pytest


@pytest.fixture(scope="module")
def bench():
    path = Path(__file__).with_name("ably_codec.py")
    spec = importlib.util.spec_from_file_location("ably_codec", path)
    module = importlib.util.module_from_spec(spec)
    sys.modules["ably_codec"] = module
    spec.loader.exec_module(module)
    return module


def test_every_row_does_its_work(bench):
    text = "".join(chunk.delta for chunk in bench.DELTAS)
    assert bench.read_and_show() == text
    split_once = 3  # 69 KB do not fit one message: a cut append, a closing one, a new stream
    assert len(bench.encode()) == bench.TOKENS + 4 + split_once


def test_the_codec_keeps_its_place_beside_json(bench):
    found = bench.measure(rounds=3)
    dumps = found["peer: json.dumps of a chunk"]
    assert found["chunk -> operation"] < dumps
    assert found["delivery -> chunk, run and conversation"] < 2 * dumps


def test_what_a_reply_costs_on_each_wire(bench):
    found = {name: operations for name, (operations, _) in bench.costs().items()}
    assert found == {
        "AI Transport": 1008,
        "message per response": 1003,
        "message per token": 1002,
        "ably-ai-sdk-transport": 1005,
    }
