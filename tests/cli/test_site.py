from __future__ import annotations

from pathlib import Path

import pytest

from chat_transport.cli._failure import CommandFailed
from chat_transport.cli._site import AblyAddress, find_page


@pytest.mark.parametrize(
    ("address", "options"),
    [
        (AblyAddress(), {}),
        (
            AblyAddress(endpoint="broker:81", tls=False),
            {"endpoint": "broker", "port": 81, "tls": False},
        ),
        (AblyAddress(endpoint="broker:81"), {"endpoint": "broker", "tlsPort": 81, "tls": True}),
        (AblyAddress(endpoint="eu.example"), {"endpoint": "eu.example", "tls": True}),
        (
            AblyAddress(endpoint="0.0.0.0:81", tls=False, is_ours=True),
            {"endpoint": "phone.local", "port": 81, "tls": False},
        ),
    ],
)
def test_the_page_learns_where_ably_is(address: AblyAddress, options: dict[str, object]):
    assert address.for_page("phone.local") == {"clientOptions": options, "channelPrefix": ""}


def test_a_folder_without_a_page_is_refused(tmp_path: Path):
    with pytest.raises(CommandFailed, match=r"it has no index\.html"):
        find_page(tmp_path)
    (tmp_path / "index.html").touch()
    assert find_page(tmp_path) == tmp_path
