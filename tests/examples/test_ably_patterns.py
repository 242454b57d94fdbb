"""The examples `examples/ably-patterns` verify themselves."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

EXAMPLE = Path(__file__).resolve().parents[2] / "examples" / "ably-patterns"


def verify(*ends: str) -> str:
    done = subprocess.run(
        [sys.executable, "verify.py", *ends],
        check=False,
        cwd=EXAMPLE,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.mark.timeout(120)
def test_the_examples_verify_themselves() -> None:
    assert verify().count("ok   ") == 9


@pytest.mark.interop
@pytest.mark.timeout(300)
def test_the_examples_verify_themselves_with_node_at_one_end() -> None:
    assert verify("mixed").count("ok   ") == 8
