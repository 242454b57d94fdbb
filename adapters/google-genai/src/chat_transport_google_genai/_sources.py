"""What Gemini's answer rests on, as sources. Rule: pure; each source is shown once."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, TypeAlias

from chat_transport.chunks import ABSENT, SourceDocument, SourceUrl, UIMessageChunk

__all__ = ["grounding_sources"]

JSON: TypeAlias = Any  # any JSON value

OCTETS = "application/octet-stream"
_MEDIA_TYPES = {
    "pdf": "application/pdf",
    "txt": "text/plain",
    "docx": "application/vnd.openxmlformats-officedocument.wordprocessingml.document",
    "doc": "application/msword",
    "md": "text/markdown",
    "markdown": "text/markdown",
}


def grounding_sources(
    metadata: JSON, shown: set[tuple[str, ...]], source_id: Callable[[], str]
) -> Iterator[UIMessageChunk]:
    """Give the sources that were not shown yet.

    Args:
        metadata: `groundingMetadata` of a candidate.
        shown: What was shown; grows.
        source_id: Names the next source.
    """
    for chunk in (metadata or {}).get("groundingChunks") or []:
        found = _source(chunk)
        if found is None:
            continue
        key, make = found
        if key not in shown:
            shown.add(key)
            yield make(source_id())


def _source(chunk: JSON) -> tuple[tuple[str, ...], Callable[[str], UIMessageChunk]] | None:
    for kind, field in (("web", "uri"), ("image", "sourceUri"), ("maps", "uri")):
        place = chunk.get(kind)
        if place is not None:
            return _page(place[field], place.get("title")) if place.get(field) else None
    context = chunk.get("retrievedContext")
    if context is None:
        return None
    uri, title = context.get("uri"), context.get("title")
    if uri and uri.startswith(("http://", "https://")):
        return _page(uri, title)
    if uri:
        media_type = _MEDIA_TYPES.get(uri.rpartition(".")[2], OCTETS)
        return _document(("document", uri), media_type, title, uri)
    store = context.get("fileSearchStore")
    if store:
        name = title if title is not None else "Unknown Document"
        return _document(("file-search", store, name), OCTETS, title, store)
    return None


def _page(url: str, title: str | None) -> tuple[tuple[str, ...], Callable[[str], UIMessageChunk]]:
    named = ABSENT if title is None else title
    return ("url", url), lambda source_id: SourceUrl(source_id=source_id, url=url, title=named)


def _document(
    key: tuple[str, ...], media_type: str, title: str | None, place: str
) -> tuple[tuple[str, ...], Callable[[str], UIMessageChunk]]:
    return key, lambda source_id: SourceDocument(
        source_id=source_id,
        media_type=media_type,
        title=title if title is not None else "Unknown Document",
        filename=place.rpartition("/")[2] or ABSENT,
    )
