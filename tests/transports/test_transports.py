"""The package of transports gives each wire by its name, and loads none before."""

from __future__ import annotations

import subprocess
import sys

import pytest

from chat_transport import transports
from chat_transport.transports import ably, http


def test_each_wire_is_there_by_name():
    assert transports.http is http
    assert transports.ably is ably


def test_what_is_not_there_is_an_attribute_error():
    with pytest.raises(AttributeError, match="carrier_pigeon"):
        _ = transports.carrier_pigeon


def test_no_wire_is_loaded_before_it_is_named():
    code = (
        "import sys; from chat_transport import transports as via\n"
        "print([n for n in ('ably', 'httpx2', 'starlette') if n in sys.modules])\n"
        "print('chat_transport.transports.ably' in sys.modules)\n"
        "via.ably\n"
        "print('chat_transport.transports.ably' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split("\n")[:3] == ["[]", "False", "True"]
