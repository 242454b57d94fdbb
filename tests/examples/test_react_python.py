"""The example `examples/react-python` verifies itself, in a real browser."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

EXAMPLE = Path(__file__).resolve().parents[2] / "examples" / "react-python"


@pytest.mark.browser
@pytest.mark.timeout(180)
def test_the_example_verifies_itself() -> None:
    done = subprocess.run(
        [sys.executable, "verify.py"], cwd=EXAMPLE, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.count("ok   ") == 4
