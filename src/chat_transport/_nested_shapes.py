"""What stands inside `citations` and `steering-message`: shapes for checking only.

Rule: unknown keys inside a citation are dropped; everything else is kept as it came.
Source: AI SDK 7.0.173 `citationSchema` and `steering-message`.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal, TypeAlias

import msgspec
from msgspec import UNSET, UnsetType

__all__ = ["Citation", "ProviderMetadata", "SteeringPart", "check_nested", "clean_citations"]

JSON: TypeAlias = Any  # any JSON value
ProviderMetadata: TypeAlias = dict[str, dict[str, JSON]]
"""Provider name -> object of JSON; two levels are enforced."""
_Index: TypeAlias = (  # in JSON, 1.0 is 1
    Annotated[int, msgspec.Meta(ge=0)] | Annotated[float, msgspec.Meta(ge=0, multiple_of=1)]
)


class _SourceUrl(msgspec.Struct, tag_field="sourceType", tag="url", rename="camel", kw_only=True):
    type: Literal["source"]
    id: str
    url: str
    title: str | UnsetType = UNSET
    provider_metadata: ProviderMetadata | UnsetType = UNSET


class _SourceDocument(
    msgspec.Struct, tag_field="sourceType", tag="document", rename="camel", kw_only=True
):
    type: Literal["source"]
    id: str
    media_type: str
    title: str
    filename: str | UnsetType = UNSET
    provider_metadata: ProviderMetadata | UnsetType = UNSET


class Citation(msgspec.Struct, rename="camel", kw_only=True):
    """A passage of an answer and the source that it rests on."""

    source: _SourceUrl | _SourceDocument
    start_index: _Index | UnsetType = UNSET
    end_index: _Index | UnsetType = UNSET
    cited_text: str | UnsetType = UNSET


class _SteeringText(msgspec.Struct, tag_field="type", tag="text", rename="camel", kw_only=True):
    text: str
    provider_metadata: ProviderMetadata | UnsetType = UNSET


class _SteeringFile(msgspec.Struct, tag_field="type", tag="file", rename="camel", kw_only=True):
    media_type: str
    url: str
    filename: str | UnsetType = UNSET
    provider_reference: dict[str, str] | UnsetType = UNSET
    provider_metadata: ProviderMetadata | UnsetType = UNSET


SteeringPart: TypeAlias = _SteeringText | _SteeringFile
"""Shape of one part of a steering message."""


def clean_citations(value: JSON) -> list[dict[str, JSON]]:
    """Give the citations without unknown keys.

    Raises:
        msgspec.ValidationError: If one is not a citation.
    """
    citations: list[dict[str, JSON]] = msgspec.to_builtins(msgspec.convert(value, list[Citation]))
    return citations


def check_nested(value: JSON, shape: Any) -> None:
    """Check `value` against a shape.

    Raises:
        msgspec.ValidationError: If it does not fit.
    """
    msgspec.convert(value, shape)
