"""The page of faults names tests that exist, and every fault of its list has one."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

TESTS = Path(__file__).resolve().parents[1]
PAGE = TESTS.parent / "docs/reference/faults.md"
ROWS = [
    [cell.strip() for cell in line.strip("|").split("|")]
    for line in PAGE.read_text().splitlines()
    if line.startswith("|") and not line.startswith(("| fault", "|---"))
]
TEST = re.compile(r"`([\w/]+\.py)::(\w+)`")


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row[0])
def test_each_fault_says_what_happens_and_names_tests_that_exist(row: list[str]) -> None:
    _, what_happens, proof = row
    assert what_happens
    named = TEST.findall(proof)
    assert named
    for path, name in named:
        assert re.search(rf"^async def {name}\b", (TESTS / path).read_text(), re.MULTILINE), name


def test_the_page_is_as_long_as_the_list() -> None:
    assert len(ROWS) == 41
