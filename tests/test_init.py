"""The public names, and what importing them costs."""

from __future__ import annotations

import subprocess
import sys

import pytest

import chat_transport

HEAVY = ("ably", "httpx", "httpx2", "starlette", "uvicorn", "openai", "anthropic", "trio", "jwt")


def test_every_public_name_is_there() -> None:
    for name in chat_transport.__all__:
        assert getattr(chat_transport, name) is not None
    assert dir(chat_transport) == sorted(chat_transport.__all__)


def test_an_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="has no attribute 'nothing'"):
        _ = chat_transport.nothing


def test_the_core_loads_no_wire_no_provider_and_no_event_loop_of_others() -> None:
    program = (
        "import sys, chat_transport\n"
        "for name in chat_transport.__all__: getattr(chat_transport, name)\n"
        f"print([name for name in {HEAVY!r} if name in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "[]"
