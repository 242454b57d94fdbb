"""Citations of Anthropic's texts as sources and citations. Rule: pure."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

from chat_transport.chunks import ABSENT, SourceDocument, SourceUrl, UIMessageChunk

__all__ = ["Document", "citation_source", "mapped_citation"]

JSON: TypeAlias = Any  # any JSON value


@dataclass(frozen=True, slots=True, kw_only=True)
class Document:
    """A document that the model may cite: sent with the request, or fetched by it."""

    title: str
    media_type: str
    filename: str | None = None


def _document(citation: JSON, documents: Sequence[Document]) -> Document | None:
    index = citation.get("document_index", -1)
    return documents[index] if 0 <= index < len(documents) else None


def citation_source(
    citation: JSON, documents: Sequence[Document], source_id: Callable[[], str]
) -> UIMessageChunk | None:
    """Give the source that a citation names; None if it names nothing that can be shown."""
    kind = citation["type"]
    if kind == "web_search_result_location":
        title = citation.get("title")
        fields = {
            "citedText": citation.get("cited_text"),
            "encryptedIndex": citation.get("encrypted_index"),
        }
        return SourceUrl(
            source_id=source_id(),
            url=citation["url"],
            title=ABSENT if title is None else title,
            provider_metadata={"anthropic": fields},
        )
    document = _document(citation, documents)
    if kind not in {"page_location", "char_location"} or document is None:
        return None
    names = (
        {"startPageNumber": "start_page_number", "endPageNumber": "end_page_number"}
        if kind == "page_location"
        else {"startCharIndex": "start_char_index", "endCharIndex": "end_char_index"}
    )
    place = {name: citation.get(wire) for name, wire in names.items()}
    return SourceDocument(
        source_id=source_id(),
        media_type=document.media_type,
        title=citation.get("document_title") or document.title,
        filename=document.filename or ABSENT,
        provider_metadata={"anthropic": {"citedText": citation.get("cited_text"), **place}},
    )


def mapped_citation(citation: JSON, documents: Sequence[Document]) -> dict[str, JSON]:
    """Give a citation as `text-end` carries it."""
    own = {"providerMetadata": {"anthropic": dict(citation)}}
    if citation["type"] in {"web_search_result_location", "search_result_location"}:
        is_web = citation["type"] == "web_search_result_location"
        url = citation.get("url") if is_web else citation.get("source")
        source = {"type": "source", "sourceType": "url", "id": url, "url": url}
        if citation.get("title") is not None:
            source["title"] = citation["title"]
    else:
        document = _document(citation, documents)
        index = citation.get("document_index")
        title = citation.get("document_title") or (document.title if document else None)
        source = {
            "type": "source",
            "sourceType": "document",
            "id": citation.get("file_id") or str(index),
            "mediaType": document.media_type if document else "text/plain",
            "title": title or f"Document {index}",
        }
        if document is not None and document.filename is not None:
            source["filename"] = document.filename
    return {"source": source | own, "citedText": citation.get("cited_text")}
