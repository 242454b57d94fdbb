"""Images and speech in Chat Completions replies. Rule: pure."""

from __future__ import annotations

import base64
import struct
from typing import Any, TypeAlias

from chat_transport.chunks import Custom, File, UIMessageChunk

__all__ = ["AudioReply", "image_files"]

JSON: TypeAlias = Any  # any JSON value

SPEECH_HZ = 24_000
"""Sampling rate of OpenAI's 16 bit mono speech (platform.openai.com, audio guide)."""


def image_files(images: JSON) -> list[UIMessageChunk]:
    """Give the images that a model made (OpenRouter)."""
    files: list[UIMessageChunk] = []
    for image in images:
        url = (image.get("image_url") or {}).get("url")
        if url:
            is_data = url.startswith("data:")
            media_type = url[5:].partition(";")[0] if is_data else "image/png"
            files.append(File(url=url, media_type=media_type))
    return files


class AudioReply:
    """Speech that comes in pieces: its words are text, its sound one file at the end."""

    def __init__(self, provider: str) -> None:
        self._provider = provider
        self._id: str | None = None
        self._sound: list[bytes] = []

    def feed(self, audio: JSON) -> str:
        """Take one piece; give the words in it."""
        self._id = audio.get("id") or self._id
        if audio.get("data"):
            self._sound.append(base64.b64decode(audio["data"]))
        words: str = audio.get("transcript") or ""
        return words

    def flush(self) -> list[UIMessageChunk]:
        """Give the sound as a WAV file, and its id, by which the next request refers to it."""
        if self._id is None and not self._sound:
            return []
        fields: dict[str, dict[str, JSON]] = {self._provider: {"audioId": self._id}}
        if not self._sound:
            return [Custom(kind=f"{self._provider}.audio", provider_metadata=fields)]
        sound = base64.b64encode(_wav(b"".join(self._sound))).decode()
        url = f"data:audio/wav;base64,{sound}"
        return [File(url=url, media_type="audio/wav", provider_metadata=fields)]


def _wav(pcm: bytes) -> bytes:
    if pcm[:4] == b"RIFF":
        return pcm
    head = struct.pack(
        "<4sI4s4sIHHIIHH4sI",
        *(b"RIFF", 36 + len(pcm), b"WAVE", b"fmt ", 16, 1, 1),
        *(SPEECH_HZ, SPEECH_HZ * 2, 2, 16, b"data", len(pcm)),
    )
    return head + pcm
