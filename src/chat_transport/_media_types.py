"""What a file is by its first bytes, where its media type says no more than `image/*`.

Rule: pure. Source: the formats' own signatures; AI SDK 7.0.173 knows the same kinds.
"""

from __future__ import annotations

__all__ = ["known_media_type"]

_PREFIXES: tuple[tuple[str, bytes], ...] = (
    ("image/gif", b"GIF8"),
    ("image/png", b"\x89PNG"),
    ("image/jpeg", b"\xff\xd8"),
    ("image/bmp", b"BM"),
    ("image/tiff", b"II*\x00"),
    ("image/tiff", b"MM\x00*"),
    ("application/pdf", b"%PDF"),
    ("audio/mpeg", b"ID3"),
    ("audio/mpeg", b"\xff\xfb"),
    ("audio/mpeg", b"\xff\xf3"),
    ("audio/mpeg", b"\xff\xf2"),
    ("audio/ogg", b"OggS"),
    ("audio/flac", b"fLaC"),
    ("audio/webm", b"\x1a\x45\xdf\xa3"),
    ("video/webm", b"\x1a\x45\xdf\xa3"),
)
_RIFF = {b"WEBP": "image/webp", b"WAVE": "audio/wav", b"AVI ": "video/x-msvideo"}
_BRANDS = {b"avif": "image/avif", b"heic": "image/heic"}
"""Brands of ISO media files; any other is MP4."""


def known_media_type(media_type: str, head: bytes) -> str:
    """Give the whole media type of a file whose kind is known, or what was given.

    Args:
        media_type: Such as `image/*` or `image`; one that is whole is given back.
        head: The file's first 12 bytes, or more.
    """
    kind, _, subtype = media_type.partition("/")
    if subtype not in {"", "*"}:
        return media_type
    for found in _candidates(kind, head):
        if found.startswith(f"{kind}/"):
            return found
    return media_type


def _candidates(kind: str, head: bytes) -> list[str]:
    found = [name for name, prefix in _PREFIXES if head.startswith(prefix)]
    if head[:4] == b"RIFF" and head[8:12] in _RIFF:
        found.append(_RIFF[head[8:12]])
    if head[4:8] == b"ftyp":
        found += [_BRANDS.get(head[8:12], f"{kind}/mp4")]
    return found
