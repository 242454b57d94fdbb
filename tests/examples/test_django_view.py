"""The example `examples/django-view` verifies itself, over a database of its own."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

EXAMPLE = Path(__file__).resolve().parents[2] / "examples" / "django-view"


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
