"""Annotations of the Responses API as sources and citations. Rule: pure."""

from __future__ import annotations

from typing import Any, TypeAlias

from chat_transport.chunks import ABSENT, SourceDocument, SourceUrl, UIMessageChunk

__all__ = ["annotation_source", "citations"]

JSON: TypeAlias = Any  # any JSON value


def annotation_source(annotation: JSON, provider: str, source_id: str) -> UIMessageChunk:
    """Give the source that an annotation names."""
    if annotation["type"] == "url_citation":
        title = annotation.get("title")
        return SourceUrl(
            source_id=source_id,
            url=annotation["url"],
            title=ABSENT if title is None else title,
        )
    is_path = annotation["type"] == "file_path"
    filename = annotation["file_id"] if is_path else annotation.get("filename")
    return SourceDocument(
        source_id=source_id,
        media_type="application/octet-stream" if is_path else "text/plain",
        title=filename or annotation["file_id"],
        filename=filename or ABSENT,
        provider_metadata={provider: _origin(annotation)},
    )


def citations(annotations: list[JSON], provider: str) -> list[dict[str, JSON]]:
    """Give what a text cites and where; a path to a file is no citation."""
    cited: list[dict[str, JSON]] = []
    for annotation in annotations:
        if annotation["type"] == "url_citation":
            source = {
                "type": "source",
                "sourceType": "url",
                "id": annotation["url"],
                "url": annotation["url"],
                "title": annotation.get("title"),
            }
        elif annotation["type"] in {"file_citation", "container_file_citation"}:
            filename = annotation.get("filename")
            source = {
                "type": "source",
                "sourceType": "document",
                "id": annotation["file_id"],
                "mediaType": "text/plain",
                "title": filename,
                "filename": filename,
                "providerMetadata": {provider: _origin(annotation)},
            }
        else:
            continue
        place = (
            {"startIndex": annotation["start_index"], "endIndex": annotation.get("end_index")}
            if "start_index" in annotation
            else {}
        )
        known = {name: value for name, value in source.items() if value is not None}
        cited.append({"source": known, **place})
    return cited


def _origin(annotation: JSON) -> dict[str, JSON]:
    fields = {"type": annotation["type"], "fileId": annotation["file_id"]}
    if annotation["type"] == "container_file_citation":
        fields["containerId"] = annotation["container_id"]
    elif "index" in annotation:
        fields["index"] = annotation["index"]
    return fields
