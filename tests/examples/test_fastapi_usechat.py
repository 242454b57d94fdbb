"""The example `examples/fastapi-usechat` verifies itself: from Python, and from a real browser."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

EXAMPLE = Path(__file__).resolve().parents[2] / "examples" / "fastapi-usechat"


def verify(client: str) -> None:
    done = subprocess.run(
        [sys.executable, "verify.py", client],
        cwd=EXAMPLE,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.count("ok   ") == 4


def test_it_serves_a_python_client():
    verify("api")


@pytest.mark.browser
@pytest.mark.timeout(180)
def test_it_serves_use_chat_in_a_page():
    verify("page")
