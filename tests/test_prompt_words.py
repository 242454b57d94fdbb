from __future__ import annotations

import pytest

from chat_transport.errors import LocalProtocolError
from chat_transport.prompt import File


def file(url: str) -> File:
    return File(media_type="text/plain", url=url, filename="a.txt", references={}, options={})


def test_inline_files_give_their_bytes():
    assert file("data:text/plain;base64,aGVsbG8=").data() == b"hello"
    assert file("data:text/plain,hello%20you").data() == b"hello you"
    assert file("data:text/plain,hi").base64() == "aGk="
    assert file("data:text/plain;base64,aGVsbG8=").base64() == "aGVsbG8="
    assert file("data:,x").kind == "text"


@pytest.mark.parametrize(
    ("url", "words"),
    [("https://e.com/a.txt", "not inline"), ("data:text/plain;base64,a", "base64 is broken")],
)
def test_other_files_are_refused(url: str, words: str):
    with pytest.raises(LocalProtocolError, match=words):
        file(url).data()
