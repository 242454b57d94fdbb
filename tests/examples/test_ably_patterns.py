"""The examples `examples/ably-patterns` verify themselves."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

EXAMPLE = Path(__file__).resolve().parents[2] / "examples" / "ably-patterns"


@pytest.mark.timeout(120)
def test_the_examples_verify_themselves() -> None:
    done = subprocess.run(
        [sys.executable, "verify.py"], check=False, cwd=EXAMPLE, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.count("ok   ") == 9
