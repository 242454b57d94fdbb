from __future__ import annotations

import base64

import pytest

from chat_transport._media_types import known_media_type
from chat_transport.messages import UIMessage
from chat_transport.prompt import File, to_prompt


@pytest.mark.parametrize(
    ("given", "head", "found"),
    [
        ("image/*", b"\x89PNG\r\n", "image/png"),
        ("image", b"\xff\xd8\xff\xe0", "image/jpeg"),
        ("image/*", b"RIFF\x00\x00\x00\x00WEBP", "image/webp"),
        ("image/*", b"\x00\x00\x00\x20ftypavif", "image/avif"),
        ("audio/*", b"RIFF\x00\x00\x00\x00WAVE", "audio/wav"),
        ("audio/*", b"ID3\x04", "audio/mpeg"),
        ("video/*", b"\x00\x00\x00\x20ftypisom", "video/mp4"),
        ("video/*", b"\x1a\x45\xdf\xa3", "video/webm"),
        ("application/*", b"%PDF-1.7", "application/pdf"),
        ("image/*", b"who knows", "image/*"),
        ("image/*", b"%PDF-1.7", "image/*"),
        ("image/webp", b"\x89PNG\r\n", "image/webp"),
    ],
)
def test_first_bytes_tell_the_kind(given: str, head: bytes, found: str):
    assert known_media_type(given, head) == found


def test_a_prompt_names_an_inline_file_by_its_bytes():
    body = base64.b64encode(b"\x89PNG\r\n\x1a\n").decode()
    parts = [
        {"type": "file", "mediaType": "image/*", "url": f"data:image/*;base64,{body}"},
        {"type": "file", "mediaType": "image/*", "url": "https://a.example/x.png"},
    ]
    (turn,) = to_prompt([UIMessage.model_validate({"id": "u", "role": "user", "parts": parts})])
    assert [part.media_type for part in turn.content if isinstance(part, File)] == [
        "image/png",
        "image/*",
    ]
