"""The tables of what transports promise say what the capabilities and the kit's results say."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from types import ModuleType
from typing import get_args

import pytest

from chat_transport.chunks import CHUNK_TYPES
from chat_transport.testing.requirements import requirements
from chat_transport.transport import Ask, Capabilities

HERE = Path(__file__).parent


@pytest.fixture(scope="module")
def kit_page() -> ModuleType:
    """The script beside this file."""
    spec = importlib.util.spec_from_file_location("kit_page", HERE / "kit_page.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["kit_page"] = module
    spec.loader.exec_module(module)
    return module


def test_the_page_of_requirements_is_what_the_script_writes(kit_page: ModuleType) -> None:
    page = kit_page.REQUIREMENTS.read_text("utf-8")
    results = kit_page.read_results(page)
    assert list(results) == list(kit_page.transports())
    assert page == kit_page.requirements_page(results)


def test_what_is_kept_is_what_the_capabilities_promise(kit_page: ModuleType) -> None:
    results = kit_page.read_results(kit_page.REQUIREMENTS.read_text("utf-8"))
    for name, transport in kit_page.transports().items():
        lacking = {r.id for r in requirements() if r.lacking(transport.capabilities)}
        not_kept = {each for each, outcome in results[name].items() if outcome != "kept"}
        assert not_kept == lacking, name


def test_the_table_of_features_is_what_the_script_writes(kit_page: ModuleType) -> None:
    page = kit_page.FEATURES.read_text("utf-8")
    results = kit_page.read_results(kit_page.REQUIREMENTS.read_text("utf-8"))
    assert kit_page.MARKS[0] in page
    assert page == kit_page.with_features(page, kit_page.features(results))


def test_a_claim_that_the_kit_does_not_bear_out_is_not_written(kit_page: ModuleType) -> None:
    results = kit_page.read_results(kit_page.REQUIREMENTS.read_text("utf-8"))
    doubtful = {**results, "direct": {**results["direct"], "stop-aborts": "not promised"}}
    with pytest.raises(SystemExit, match="direct claims 'stop', but the kit found otherwise"):
        kit_page.features(doubtful)


def test_the_table_has_a_row_for_everything_that_a_transport_says(kit_page: ModuleType) -> None:
    said = {*kit_page.CAPABILITIES, "replays_on_resume", "drops", "refuses"}
    assert said == set(Capabilities.__dataclass_fields__)
    assert set(kit_page.ASKS) == set(get_args(Ask))
    shown = {kind for kinds in kit_page.CHUNKS.values() for kind in kinds}
    ends = {"start", "finish", "abort", "error"}
    rare = {"reset-step", "steering-message"}
    assert shown - {"data-*"} == set(CHUNK_TYPES) - ends - rare
