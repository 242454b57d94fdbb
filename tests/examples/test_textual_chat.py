"""The example `examples/textual-chat` verifies itself, with Textual's pilot."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

EXAMPLE = Path(__file__).resolve().parents[2] / "examples" / "textual-chat"


def test_the_example_verifies_itself():
    done = subprocess.run(
        [sys.executable, "verify.py"],
        cwd=EXAMPLE,
        capture_output=True,
        text=True,
        timeout=50,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.count("ok   ") == 5
