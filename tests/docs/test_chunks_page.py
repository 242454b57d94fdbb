"""The reference page lists every chunk class with its fields, and only those."""

from __future__ import annotations

import re
from pathlib import Path

import msgspec

from chat_transport.chunks import CHUNK_TYPES

PAGE = Path(__file__).resolve().parents[2] / "docs" / "reference" / "chunks.md"


def test_the_page_says_what_the_classes_say():
    rows: dict[str, tuple[str, set[str], set[str]]] = {}
    for line in PAGE.read_text("utf-8").splitlines():
        cells = [cell.strip() for cell in line.strip("|").split("|")]
        if len(cells) == 4 and cells[0].startswith("`"):
            required, optional = (set(re.findall(r"`(\w+)`", cell)) for cell in cells[2:])
            rows[cells[0].strip("`")] = (cells[1].strip("`"), required, optional)
    assert rows.pop("data-<name>") == ("DataChunk", {"data"}, {"id", "transient"})
    assert rows == {
        name: (
            cls.__name__,
            {field.encode_name for field in msgspec.structs.fields(cls) if field.required},
            {field.encode_name for field in msgspec.structs.fields(cls) if not field.required} - {"__extra__"},
        )
        for name, cls in CHUNK_TYPES.items()
    }  # fmt: skip
