"""The swap: one line on each side moves a chat from HTTP to Ably, and the user sees no difference."""

from __future__ import annotations

import difflib
import subprocess
import sys
from pathlib import Path

import pytest

EXAMPLE = Path(__file__).resolve().parents[2] / "examples" / "swap"
DONE = ["send", "stream", "stop", "reload", "history"]


def lines_changed(old: Path, new: Path) -> list[str]:
    compared = difflib.ndiff(old.read_text().splitlines(), new.read_text().splitlines())
    return [line for line in compared if line.startswith(("- ", "+ "))]


@pytest.fixture
def variants(tmp_path: Path) -> dict[str, Path]:
    """The two variants, made as `verify.py` makes them."""
    sys.path.insert(0, str(EXAMPLE))
    try:
        from verify import WIRES, make_variant
    finally:
        sys.path.remove(str(EXAMPLE))
        sys.modules.pop("verify", None)
    for wire in WIRES:
        (tmp_path / wire).mkdir()
        make_variant(wire, tmp_path / wire)
    return {wire: tmp_path / wire for wire in WIRES}


def test_the_swap_is_one_line_on_each_side(variants: dict[str, Path]):
    assert sorted(variants) == ["ably", "http"]
    changed = {
        path.name: lines_changed(path, variants["ably"] / path.name)
        for path in variants["http"].iterdir()
    }
    for name in ("client.py", "server.py"):
        before, after = changed.pop(name)
        assert before.startswith("- ")
        assert "via.http." in before
        assert after.startswith("+ ")
        assert "via.ably." in after
    assert changed == {"settings.py": [], "scenario.py": []}


@pytest.mark.parametrize("wire", ["http", "ably"])
def test_the_same_scenario_passes_over_each_wire(wire: str):
    done = subprocess.run(
        [sys.executable, "verify.py", wire],
        cwd=EXAMPLE,
        capture_output=True,
        text=True,
        timeout=50,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    name, *lines = done.stdout.splitlines()
    assert name == f"{wire}:"
    assert [line.removeprefix("ok   ").split(":")[0] for line in lines] == DONE
